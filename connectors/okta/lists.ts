/** Okta's lists: where each begins, how a cursor names a place in one, and what a refusal means there. */
import type { ExternalId } from '../../src/domain/ids.ts';
import { failureOf, parseJson, type SessionResponse } from '../answer.ts';
import { ConnectorError, type ConnectorFailure, type Cursor } from '../contract.ts';
import { readLinks } from './link.ts';
import { ApiError, OktaList } from './schema.ts';

/**
 * Without a filter, `GET /api/v1/users` leaves out who was deactivated (API reference, "Users"), so users come in lists that are
 * read one after the other while people move between them: first the deactivated, then the living, then everybody who has
 * changed since the first of these requests. Who is reactivated after the first list is in the second or, where the
 * second had passed that place already, in the third; so is who is deactivated before the second comes to that place. Nobody is
 * missed, and the last mention of a user is the latest.
 */
export const USER_LISTS = ['deprovisioned-users', 'live-users', 'recent-users'] as const;
export type UserList = (typeof USER_LISTS)[number];
export type ListName = UserList | 'groups' | 'members';

/** `path` is relative to the org, so that a cursor holds on when the org gets another address. */
export type Place<List extends ListName = ListName> = {
  readonly list: List;
  readonly path: string;
  /**
   * Since when a change of a user is a recent one, in milliseconds since 1970 by Okta's clock. null before the first answer, and
   * where the list holds no users to come back to.
   */
  readonly since: number | null;
};

/** What Okta recommends for users, groups and members alike. */
export const PAGE_SIZE = 200;

/** Taken off the time of the first answer: its clock and the one that stamps `lastUpdated` need not be the same. */
const OVERLAP_MS = 300_000;

export const deprovisionedUsers: Place<UserList> = {
  list: 'deprovisioned-users',
  path: usersWhere('status eq "DEPROVISIONED"'),
  since: null,
};
/** Also where to look at who is there without reading everybody. */
export const liveUsers: Place<UserList> = {
  list: 'live-users',
  path: `/api/v1/users?limit=${PAGE_SIZE}`,
  since: null,
};
/** This filter finds users of every status, the deactivated ones too (API reference, "List all users"). */
function recentUsers(since: number): Place<UserList> {
  return {
    list: 'recent-users',
    path: usersWhere(`lastUpdated gt "${new Date(since).toISOString()}"`),
    since,
  };
}

export const allGroups: Place = { list: 'groups', path: `/api/v1/groups?limit=${PAGE_SIZE}`, since: null };
export function membersOf(group: ExternalId): Place {
  const path = `/api/v1/groups/${encodeURIComponent(group)}/users?limit=${PAGE_SIZE}`;
  return { list: 'members', path, since: null };
}

function usersWhere(filter: string): string {
  return `/api/v1/users?filter=${encodeURIComponent(filter)}&limit=${PAGE_SIZE}`;
}

/** Where the reading of users goes on when this page is the last of its list. null: everybody has been named. */
export function listBehind(at: Place<UserList>, since: number): Place<UserList> | null {
  switch (at.list) {
    case 'deprovisioned-users':
      return { ...liveUsers, since };
    case 'live-users':
      return recentUsers(since);
    case 'recent-users':
      return null;
  }
}

/** An answer without a Date says nothing about Okta's clock: then everybody counts as changed, and is read once more. */
export function recentSince({ headers }: SessionResponse): number {
  const answered = Date.parse(headers.get('date') ?? '');
  return Number.isNaN(answered) ? 0 : Math.max(0, answered - OVERLAP_MS);
}

export function toCursor({ list, path, since }: Place): Cursor {
  return since === null ? `${list} ${path}` : `${list} ${path} ${since}`;
}

/** `lists`: those that begin at this path. A cursor of another listing, or of nobody's making, is not followed. */
export function toPlace<List extends ListName>(
  cursor: Cursor,
  lists: readonly List[],
  start: Place,
): Place<List> {
  const [, name, path = '', since] = /^([a-z-]+) (\S+)(?: (\d{1,15}))?$/.exec(cursor) ?? [];
  const list = lists.find((one) => one === name);
  if (list !== undefined && pathnameOf(path) === pathnameOf(start.path)) {
    return { list, path, since: since === undefined ? null : Number(since) };
  }
  throw new ConnectorError({
    kind: 'cursor-expired',
    message: 'The saved place in the list is none of this list.',
    remedy: 'Nobody has to act: the next run reads the list from its beginning.',
  });
}

/**
 * The records of one page and where the list goes on. `origins`: the addresses of this org; a next link may carry each of them.
 * Throws ConnectorError when the page cannot be vouched for: then nobody may conclude that the list ends here.
 */
export function readList(answer: SessionResponse, at: Place, origins: readonly string[]) {
  if (answer.status !== 200) throw new ConnectorError(refusal(answer, at));
  const records = OktaList.safeParse(parseJson(answer));
  if (!records.success) throw odd(answer, at, 'is no list');
  const header = answer.headers.get('link');
  const links = readLinks(header ?? '');
  if (links.kind === 'malformed') throw odd(answer, at, 'has a Link header that cannot be read');
  if (header === null && records.data.length >= PAGE_SIZE) {
    throw odd(
      answer,
      at,
      'is full, but its Link header is missing, as if something on the way had removed it',
    );
  }
  if (links.next === null) return { records: records.data, next: null };
  const next = URL.parse(links.next);
  if (next === null || !origins.includes(next.origin))
    throw new ConnectorError(foreign(answer, at, next, origins));
  const path = next.pathname + next.search;
  if (path === at.path) throw odd(answer, at, 'names itself as the next one');
  if (next.pathname !== pathnameOf(at.path))
    throw odd(answer, at, 'names a page of another list as the next one');
  return { records: records.data, next: { ...at, path } };
}

const titleOf = {
  'live-users': 'users',
  'deprovisioned-users': 'deactivated users',
  'recent-users': 'users who have changed recently',
  groups: 'groups',
  members: "a group's members",
} as const satisfies Record<ListName, string>;

const scopeOf = {
  'live-users': 'okta.users.read',
  'deprovisioned-users': 'okta.users.read',
  'recent-users': 'okta.users.read',
  groups: 'okta.groups.read',
  members: 'okta.groups.read',
} as const satisfies Record<ListName, string>;

/** The HTTP status decides; `errorCode` only refines, because Okta uses some codes with more than one status. */
function refusal(answer: SessionResponse, at: Place): ConnectorFailure {
  const code = errorCodeIn(answer);
  const goesOn = new URL(answer.url).searchParams.has('after');
  const what = `the list of ${titleOf[at.list]} (status ${answer.status}${code === '' ? '' : `, ${code}`})`;
  if (answer.status === 403 || code === 'E0000015') {
    return failureOf(answer, {
      kind: 'permission-missing',
      message: `Okta does not show this credential ${what}.`,
      remedy: `A super administrator grants ${scopeOf[at.list]} in the Admin Console (Applications › your app › Okta API Scopes › Grant) and gives the app a role that sees all users and groups (Applications › your app › Admin roles). An API token has the rights of the administrator who made it.`,
    });
  }
  if (answer.status === 401) {
    return failureOf(answer, {
      kind: 'credentials-rejected',
      message: `Okta does not accept the credential for ${what}.`,
      remedy:
        'An API token ends after 30 days without use and with its administrator: make a new one (Security › API › Tokens). For a service app, check that the app is active (Applications › your app).',
    });
  }
  if (answer.status === 400 && goesOn) {
    return failureOf(answer, {
      kind: 'cursor-expired',
      message: `Okta no longer knows the place where ${what} was to go on.`,
      remedy: 'Nobody has to act: the next run reads the list from its beginning.',
    });
  }
  if (answer.status === 404 && at.list === 'members') {
    return failureOf(answer, { message: `Okta has no such group any more: ${what}.` });
  }
  const isStart = !goesOn && at.since === null;
  if ((answer.status === 404 && isStart) || (answer.status >= 300 && answer.status < 400)) {
    return failureOf(answer, {
      kind: 'misconfigured',
      message: `${new URL(answer.url).host} does not serve ${what}.`,
      remedy: 'Check orgUrl: the address of the org itself, such as https://acme.okta.com.',
    });
  }
  return failureOf(answer, { message: `Okta refused ${what}.` });
}

function odd(answer: SessionResponse, at: Place, how: string): ConnectorError {
  return new ConnectorError(
    failureOf(answer, {
      kind: 'unexpected-response',
      message: `A page of ${titleOf[at.list]} ${how}.`,
      remedy:
        'If a proxy or gateway stands between Rollcall and Okta, let it pass answers on unchanged. Otherwise report this as a defect.',
    }),
  );
}

function foreign(
  answer: SessionResponse,
  at: Place,
  next: URL | null,
  origins: readonly string[],
): ConnectorFailure {
  return failureOf(answer, {
    kind: 'foreign-link',
    message: `The next page of ${titleOf[at.list]} is said to be at ${next?.origin ?? 'no valid address'}; nothing was sent there.`,
    remedy: `Only ${origins.join(' and ')} may be asked. If the org has another address now, change orgUrl; otherwise report this as a defect.`,
  });
}

/** The API's error code, '' where the answer holds none (a proxy's page, an empty body). */
function errorCodeIn(answer: SessionResponse): string {
  try {
    const code = ApiError.parse(parseJson(answer)).errorCode;
    return /^E\d{7}$/.test(code) ? code : '';
  } catch {
    return '';
  }
}

function pathnameOf(path: string): string {
  return path.split('?', 1)[0] ?? '';
}

/** Okta's lists: where each begins, how a cursor names a place in one, and what a refusal means there. */
import type { ExternalId } from '../../src/domain/ids.ts';
import { ConnectorError, type ConnectorFailure, type Cursor } from '../contract.ts';
import { failureOf, parseJson, type SessionResponse } from '../session.ts';
import { readLinks } from './link.ts';
import { ApiError, OktaList } from './schema.ts';

/** Users come in two lists: without a filter, `GET /api/v1/users` leaves out who was deactivated (API reference, "Users"). */
export type ListName = 'live-users' | 'deprovisioned-users' | 'groups' | 'members';

/** `path` is relative to the org, so that a cursor holds on when the org gets another address. */
export type Place = { readonly list: ListName; readonly path: string };

/** What Okta recommends for users, groups and members alike. */
export const PAGE_SIZE = 200;

export const liveUsers: Place = { list: 'live-users', path: `/api/v1/users?limit=${PAGE_SIZE}` };
export const deprovisionedUsers: Place = {
  list: 'deprovisioned-users',
  path: `/api/v1/users?filter=status%20eq%20%22DEPROVISIONED%22&limit=${PAGE_SIZE}`,
};
export const allGroups: Place = { list: 'groups', path: `/api/v1/groups?limit=${PAGE_SIZE}` };
export function membersOf(group: ExternalId): Place {
  return { list: 'members', path: `/api/v1/groups/${encodeURIComponent(group)}/users?limit=${PAGE_SIZE}` };
}

export function toCursor(place: Place): Cursor {
  return `${place.list} ${place.path}`;
}

/** `starts`: the places where this listing begins. A cursor of another listing, or of nobody's making, is not followed. */
export function toPlace(cursor: Cursor, starts: readonly Place[]): Place {
  const [list, path = ''] = cursor.split(' ', 2);
  const start = starts.find((place) => place.list === list);
  if (start !== undefined && pathnameOf(path) === pathnameOf(start.path)) return { list: start.list, path };
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
  return { records: records.data, next: { list: at.list, path } };
}

const titleOf = {
  'live-users': 'users',
  'deprovisioned-users': 'deactivated users',
  groups: 'groups',
  members: "a group's members",
} as const satisfies Record<ListName, string>;

const scopeOf = {
  'live-users': 'okta.users.read',
  'deprovisioned-users': 'okta.users.read',
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
  if ((answer.status === 404 && !goesOn) || (answer.status >= 300 && answer.status < 400)) {
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

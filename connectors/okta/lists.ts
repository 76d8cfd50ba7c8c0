/** Okta's lists: where each begins, how a cursor names a place in one, and what a refusal means there. */
import type { ExternalId } from '../../src/domain/ids.ts';
import { failureOf, parseJson, type SessionResponse } from '../answer.ts';
import { ConnectorError, type ConnectorFailure, type Cursor } from '../contract.ts';
import { readLinks } from './link.ts';
import { odd, refused } from './refusals.ts';
import { OktaList } from './schema.ts';

/**
 * Without a filter, `GET /api/v1/users` leaves out who was deactivated (API reference, "Users"), so users come in lists that are
 * read one after the other while people move between them: first the deactivated, then the living, then everybody who has
 * changed since the first of these requests. Who is reactivated after the first list is in the second or, where the
 * second had passed that place already, in the third; so is who is deactivated before the second comes to that place. Nobody is
 * missed, and the last mention of a user is the latest.
 */
export const USER_LISTS = ['deprovisioned-users', 'live-users', 'recent-users'] as const;
export type UserList = (typeof USER_LISTS)[number];

/** What each list is called, the scope that shows it, and the most that Okta puts on one of its pages. */
const LISTS = {
  'deprovisioned-users': { title: 'deactivated users', scope: 'okta.users.read', pageSize: 200 },
  'live-users': { title: 'users', scope: 'okta.users.read', pageSize: 200 },
  'recent-users': { title: 'users who have changed recently', scope: 'okta.users.read', pageSize: 200 },
  'named-users': { title: 'named users', scope: 'okta.users.read', pageSize: 200 },
  groups: { title: 'groups', scope: 'okta.groups.read', pageSize: 200 },
  members: { title: "a group's members", scope: 'okta.groups.read', pageSize: 200 },
  'changed-users': { title: 'users who have changed', scope: 'okta.users.read', pageSize: 200 },
  'user-types': { title: 'user types', scope: 'okta.userTypes.read', pageSize: 200 },
  'app-users': { title: 'users assigned to the app', scope: 'okta.apps.read', pageSize: 500 },
  log: { title: 'entries of the System Log', scope: 'okta.logs.read', pageSize: 1000 },
  'groups-of-user': { title: "a user's groups", scope: 'okta.groups.read', pageSize: 200 },
} as const satisfies Record<string, { title: string; scope: string; pageSize: number }>;
export type ListName = keyof typeof LISTS;

/** `path` is relative to the org, so that a cursor holds on when the org gets another address. */
export type ListPosition<List extends ListName = ListName> = {
  readonly list: List;
  readonly path: string;
  /**
   * Since when a change of a user is a recent one, in milliseconds since 1970 by Okta's clock. null before the first answer, and
   * where the list holds no users to come back to.
   */
  readonly since: number | null;
};

/** Taken off the time of the first answer: its clock and the one that stamps `lastUpdated` need not be the same. */
const OVERLAP_MS = 300_000;

export const deprovisionedUsers: ListPosition<UserList> = {
  list: 'deprovisioned-users',
  path: usersWhere('status eq "DEPROVISIONED"'),
  since: null,
};
/** Also where to look at who is there without reading everybody. */
export const liveUsers: ListPosition<UserList> = {
  list: 'live-users',
  path: `/api/v1/users?limit=${LISTS['live-users'].pageSize}`,
  since: null,
};
function recentUsers(since: number): ListPosition<UserList> {
  return { list: 'recent-users', path: usersSince(since), since };
}
/** `since`: in milliseconds since 1970 by Okta's clock. */
export function changedUsers(since: number): ListPosition<'changed-users'> {
  return { list: 'changed-users', path: usersSince(since), since: null };
}

/** These users, whatever their status, in any order; who is not there any more is left out. */
export function namedUsers(ids: readonly ExternalId[]): ListPosition {
  const filter = ids.map((id) => `id eq "${id}"`).join(' or ');
  return { list: 'named-users', path: usersWhere(filter), since: null };
}

/** Whoever is assigned to this app, by hand or through a group, with the user as `GET /api/v1/users` lists it. */
export function usersOfApp(app: string): ListPosition<'app-users'> {
  const path = `/api/v1/apps/${app}/users?limit=${LISTS['app-users'].pageSize}&expand=user`;
  return { list: 'app-users', path, since: null };
}

export const allGroups: ListPosition = {
  list: 'groups',
  path: `/api/v1/groups?limit=${LISTS.groups.pageSize}`,
  since: null,
};
export function membersOf(group: ExternalId): ListPosition {
  const path = `/api/v1/groups/${encodeURIComponent(group)}/users?limit=${LISTS.members.pageSize}`;
  return { list: 'members', path, since: null };
}
export function groupsOf(user: ExternalId): ListPosition {
  const path = `/api/v1/users/${encodeURIComponent(user)}/groups?limit=${LISTS['groups-of-user'].pageSize}`;
  return { list: 'groups-of-user', path, since: null };
}

/** `path`: with its query, from a saved position. */
export function logAt(path: string): ListPosition<'log'> {
  return { list: 'log', path, since: null };
}

/** This filter finds users of every status, the deactivated ones too (API reference, "List all users"). */
function usersSince(since: number): string {
  return usersWhere(`lastUpdated gt "${new Date(since).toISOString()}"`);
}

function usersWhere(filter: string): string {
  return `/api/v1/users?filter=${encodeURIComponent(filter)}&limit=${LISTS['live-users'].pageSize}`;
}

/** Where the reading of users goes on when this page is the last of its list. null: everybody has been named. */
export function listBehind(at: ListPosition<UserList>, since: number): ListPosition<UserList> | null {
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
export function recentSince(answer: SessionResponse): number {
  return Math.max(0, (oktaTimeMs(answer) ?? 0) - OVERLAP_MS);
}

/** When Okta gave this answer, by its own clock; null where it does not say. */
export function oktaTimeMs({ headers }: SessionResponse): number | null {
  const answered = Date.parse(headers.get('date') ?? '');
  return Number.isNaN(answered) ? null : answered;
}

export function toCursor({ list, path, since }: ListPosition): Cursor {
  return since === null ? `${list} ${path}` : `${list} ${path} ${since}`;
}

/** `lists`: those that begin at this path. A cursor of another listing, or of nobody's making, is not followed. */
export function toListPosition<List extends ListName>(
  cursor: Cursor,
  lists: readonly List[],
  start: ListPosition,
): ListPosition<List> {
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
export function readList(answer: SessionResponse, at: ListPosition, origins: readonly string[]) {
  const { title, scope, pageSize } = LISTS[at.list];
  if (answer.status !== 200)
    throw refused(answer, {
      title: `the list of ${title}`,
      scope,
      gone: goneOf(at),
      isStart: at.since === null,
      setting: at.list === 'app-users' ? 'appScope' : 'orgUrl',
    });
  const strange = (how: string) => odd(answer, `A page of ${title} ${how}.`);
  const records = OktaList.safeParse(parseJson(answer));
  if (!records.success) throw strange('is no list');
  const header = answer.headers.get('link');
  const links = readLinks(header ?? '');
  if (links.kind === 'malformed') throw strange('has a Link header that cannot be read');
  if (header === null && records.data.length >= pageSize) {
    throw strange('is full, but its Link header is missing, as if something on the way had removed it');
  }
  if (links.next === null) return { records: records.data, next: null };
  const next = URL.parse(links.next);
  if (next === null || !origins.includes(next.origin))
    throw new ConnectorError(foreign(answer, at, next, origins));
  const path = next.pathname + next.search;
  const mayStay = at.list === 'log' && records.data.length === 0; // the log's end is where the next reading begins
  if (path === at.path && !mayStay) throw strange('names itself as the next one');
  if (next.pathname !== pathnameOf(at.path)) throw strange('names a page of another list as the next one');
  return { records: records.data, next: { ...at, path } };
}

/** What a 404 says about the list: of one group or user, that it is gone; of the others, that this is no Okta org. */
function goneOf(at: ListPosition): string | null {
  if (at.list === 'members') return 'Okta has no such group any more';
  return at.list === 'groups-of-user' ? 'Okta has no such user any more' : null;
}

function foreign(
  answer: SessionResponse,
  at: ListPosition,
  next: URL | null,
  origins: readonly string[],
): ConnectorFailure {
  return failureOf(answer, {
    kind: 'foreign-link',
    message: `The next page of ${LISTS[at.list].title} is said to be at ${next?.origin ?? 'no valid address'}; nothing was sent there.`,
    remedy: `Only ${origins.join(' and ')} may be asked. If the org has another address now, change orgUrl; otherwise report this as a defect.`,
  });
}

function pathnameOf(path: string): string {
  return path.split('?', 1)[0] ?? '';
}

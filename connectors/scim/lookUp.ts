/** How named users are now, one request for each, and in which groups, by the same reading of groups as in a full pull. */
import type { ExternalId } from '../../src/domain/ids.ts';
import { abreast } from '../abreast.ts';
import { parseJson } from '../answer.ts';
import { ConnectorError, type Cursor, type FoundUser } from '../contract.ts';
import { allGroups, allUsers } from './lists.ts';
import { toUserRecord } from './map.ts';
import { GroupGone, type Members, type Membership } from './members.ts';
import type { Pages } from './pages.ts';
import { ListResponse, ScimGroup } from './schema.ts';
import { refusal, type ScimService, scimErrorIn } from './service.ts';

export type Reading = {
  readonly service: ScimService;
  readonly pages: Pages;
  readonly members: Members;
};

/** Requests for single users under way at the same time. */
const AT_ONCE = 4;

export async function lookUpUsers(
  reading: Reading,
  ids: readonly ExternalId[],
  groups: readonly ExternalId[] | null,
  signal: AbortSignal,
): Promise<readonly FoundUser[]> {
  const found = await abreast(ids, (id) => lookUpUser(reading, id, signal), AT_ONCE);
  if (!found.some((one) => one.kind === 'user')) return found;
  const { pages, members } = reading;
  const asked = groups ?? (await everyGroup(pages, signal));
  const memberships = new Map<ExternalId, Membership>();
  for (const group of asked) {
    const membership = await membersIfThere(members, group, signal);
    if (membership !== null) memberships.set(group, among(ids, membership));
  }
  return found.map((one) => (one.kind === 'user' ? withGroups(one, memberships) : one));
}

/** What matters of a group to these users: all members of all groups would be a whole directory in memory. */
function among(ids: readonly ExternalId[], { users, unread }: Membership): Membership {
  return { users: new Set(ids.filter((id) => users.has(id))), unread: unread.slice(0, 1) };
}

/** Where a group holds somebody of whom nobody knows who it is, it may be this user: then what they are in is unknown. */
function withGroups(
  one: FoundUser & { kind: 'user' },
  memberships: ReadonlyMap<ExternalId, Membership>,
): FoundUser {
  const { externalId } = one.user;
  const groups: ExternalId[] = [];
  for (const [group, { users, unread }] of memberships) {
    if (users.has(externalId)) groups.push(group);
    else if (unread.length > 0) {
      return { kind: 'unreadable', externalId, problem: 'groups: not all members of a group can be read' };
    }
  }
  return { ...one, groups };
}

/** null for a group that the service itself calls gone. Where something else says so, anybody may be in it. */
async function membersIfThere(
  members: Members,
  group: ExternalId,
  signal: AbortSignal,
): Promise<Membership | null> {
  try {
    return await members.of(group, signal);
  } catch (error) {
    if (error instanceof GroupGone) return null;
    if (!(error instanceof ConnectorError) || error.failure.kind !== 'not-found') throw error;
    return { users: new Set(), unread: [{ kind: 'unreadable', externalId: null, problem: 'not shown' }] };
  }
}

async function everyGroup(pages: Pages, signal: AbortSignal): Promise<readonly ExternalId[]> {
  const ids = new Set<ExternalId>();
  let cursor: Cursor | null = null;
  do {
    const page: Awaited<ReturnType<Pages['read']>> = await pages.read(allGroups, cursor, signal);
    for (const record of page.records) {
      const group = ScimGroup.safeParse(record);
      if (group.success) ids.add(group.data.id);
    }
    cursor = page.next;
  } while (cursor !== null);
  return [...ids];
}

async function lookUpUser(reading: Reading, id: ExternalId, signal: AbortSignal): Promise<FoundUser> {
  const answer = await reading.service.get(`/Users/${encodeURIComponent(id)}`, {}, signal);
  if (answer.status === 404) {
    // Only the service itself can say that somebody is gone; a gateway's 404 says nothing about anybody.
    if (scimErrorIn(answer) !== null) return { kind: 'gone', externalId: id };
    return searchUser(reading, id, signal);
  }
  if (answer.status !== 200) throw new ConnectorError(refusal(answer, { what: 'one user' }));
  return toFound(id, parseJson(answer));
}

/**
 * Asks the list instead: some services answer 404 without a word. Finding nobody has to be said by a list of none, while the
 * credential demonstrably sees users: one that has lost its rights may be shown an empty directory, with success.
 */
async function searchUser(
  { service, pages }: Reading,
  id: ExternalId,
  signal: AbortSignal,
): Promise<FoundUser> {
  const filter = `id eq ${JSON.stringify(id)}`;
  const answer = await service.get('/Users', { filter, count: '1' }, signal);
  const list = answer.status === 200 ? ListResponse.safeParse(parseJson(answer)) : null;
  if (list?.success === true && list.data.totalResults === 0) {
    const { total } = await pages.count(allUsers, signal);
    if (total !== null && total > 0) return { kind: 'gone', externalId: id };
    return { kind: 'unreadable', externalId: id, problem: 'id: not found, in a directory that shows nobody' };
  }
  const [record] = list?.data?.Resources ?? [];
  if (list?.data?.totalResults === 1 && record !== undefined) return toFound(id, record);
  return { kind: 'unreadable', externalId: id, problem: 'id: 404, but not in the words of a SCIM service' };
}

function toFound(id: ExternalId, record: unknown): FoundUser {
  const read = toUserRecord(record);
  if (read.kind === 'unreadable') return { ...read, externalId: id };
  if (read.user.externalId === id) return { kind: 'user', user: read.user, groups: [] };
  return { kind: 'unreadable', externalId: id, problem: 'id: the answer is about another user' };
}

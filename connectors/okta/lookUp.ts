/** Named users as they are now: asked for many at a time, and alone where that leaves somebody out. */
import type { ExternalId } from '../../src/domain/ids.ts';
import { parseJson, type SessionResponse } from '../answer.ts';
import { ConnectorError, type FoundUser, type UserRecord } from '../contract.ts';
import { groupsOf, namedUsers, type Place, readList } from './lists.ts';
import { toMemberRecord, toUserRecord } from './map.ts';
import { odd, refused, saysGone } from './refusals.ts';

export type Org = {
  /** The addresses of this org; a next link may carry each of them. */
  readonly origins: readonly string[];
  /** `path` is relative to the org. */
  get(path: string, signal: AbortSignal): Promise<SessionResponse>;
};

/** Ids in one filter: the address stays below 2,000 characters, which everything on the way lets pass. */
const IDS_A_REQUEST = 25;
/**
 * Okta allows an org 75 requests at the same time, a free one 35, for all its programs together (developer documentation, "Rate
 * limits", concurrency).
 */
const AT_THE_SAME_TIME = 6;

/**
 * A filter that leaves somebody out proves nothing: whoever is missing is asked for alone, and only Okta's own "not found" to that
 * is `gone`. Throws ConnectorError as soon as one request fails: nobody's answer is made up.
 */
export async function lookUp(
  org: Org,
  ids: readonly ExternalId[],
  groups: readonly ExternalId[] | null,
  signal: AbortSignal,
): Promise<readonly FoundUser[]> {
  const wanted = [...new Set(ids)];
  const fit = wanted.filter((id) => /^\w+$/.test(id)); // Okta's own ids; others are not put between quotation marks
  const batches = Array.from({ length: Math.ceil(fit.length / IDS_A_REQUEST) }, (_, at) =>
    fit.slice(at * IDS_A_REQUEST, (at + 1) * IDS_A_REQUEST),
  );
  const listed = new Map<ExternalId, UserRecord>();
  await abreast(batches, async (batch) => {
    for (const record of await allOf(org, namedUsers(batch), toUserRecord, signal)) {
      const id = record.kind === 'user' ? record.user.externalId : record.externalId;
      if (id !== null) listed.set(id, record);
    }
  });
  const asked = groups === null ? null : new Set(groups);
  return abreast(wanted, async (id) => {
    const found = listed.get(id) ?? (await alone(org, id, signal));
    return found.kind === 'user' ? withGroups(org, found, asked, signal) : found;
  });
}

type Alone = UserRecord | Extract<FoundUser, { kind: 'gone' }>;

async function alone(org: Org, id: ExternalId, signal: AbortSignal): Promise<Alone> {
  const answer = await org.get(`/api/v1/users/${encodeURIComponent(id)}`, signal);
  if (saysGone(answer)) return { kind: 'gone', externalId: id };
  if (answer.status === 404)
    throw odd(answer, "Something answered 404 for a user, but not with Okta's own error.");
  if (answer.status !== 200)
    throw refused(answer, { title: 'a user', scope: 'okta.users.read', gone: null, isStart: false });
  const record = toUserRecord(parseJson(answer));
  const named = record.kind === 'user' ? record.user.externalId : record.externalId;
  if (named === id) return record;
  // Okta takes logins in this place too ("Retrieve a user"): this is somebody else, or nobody can tell.
  const problem = named === null ? 'id: missing or no text' : 'id: that of another user';
  return { kind: 'unreadable', externalId: id, problem };
}

async function withGroups(
  org: Org,
  { user }: Extract<UserRecord, { kind: 'user' }>,
  asked: ReadonlySet<ExternalId> | null,
  signal: AbortSignal,
): Promise<FoundUser> {
  if (asked?.size === 0) return { kind: 'user', user, groups: [] };
  try {
    const records = await allOf(org, groupsOf(user.externalId), toMemberRecord, signal);
    const groups: ExternalId[] = [];
    for (const record of records) {
      if (record.kind !== 'user')
        return { kind: 'unreadable', externalId: user.externalId, problem: 'groups: one without an id' };
      if (asked?.has(record.externalId) !== false) groups.push(record.externalId);
    }
    return { kind: 'user', user, groups };
  } catch (error) {
    const isGone = error instanceof ConnectorError && error.failure.kind === 'not-found';
    if (!isGone) throw error;
    const again = await alone(org, user.externalId, signal); // deleted between the two requests, or the first was mistaken
    if (again.kind === 'gone') return again;
    throw error;
  }
}

async function allOf<T>(org: Org, start: Place, toRecord: (record: unknown) => T, signal: AbortSignal) {
  const records: T[] = [];
  for (let at: Place | null = start; at !== null; ) {
    const page = readList(await org.get(at.path, signal), at, org.origins);
    records.push(...page.records.map(toRecord));
    at = page.next;
  }
  return records;
}

/** A few at a time, the results in the order of the items. After the first failure nothing new is begun. */
async function abreast<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const rest = items.entries();
  let failed = false;
  const lane = async () => {
    for (const [at, item] of rest) {
      if (failed) return;
      results[at] = await work(item).catch((error: unknown) => {
        failed = true;
        throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_THE_SAME_TIME, items.length) }, lane));
  return results;
}

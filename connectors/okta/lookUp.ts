/** Named users as they are now: asked for many at a time, and alone where that leaves somebody out. */
import type { ExternalId } from '../../src/domain/ids.ts';
import { abreast } from '../abreast.ts';
import { parseJson, type SessionResponse } from '../answer.ts';
import { ConnectorError, type FoundUser, type UserRecord } from '../contract.ts';
import { Identified } from '../unreadable.ts';
import { groupsOf, type ListPosition, namedUsers, readList } from './lists.ts';
import { isAssigned, toMemberRecord } from './map.ts';
import { odd, refused, saysGone } from './refusals.ts';
import { AppUser } from './schema.ts';

export type Org = {
  /** The addresses of this org; a next link may carry each of them. */
  readonly origins: readonly string[];
  /** `path` is relative to the org. */
  get(path: string, signal: AbortSignal): Promise<SessionResponse>;
  /** Id of the app whose assignments are the scope; null where everybody is in it. */
  readonly appScope: string | null;
  /** How this org's users are read. */
  toUser(signal: AbortSignal): Promise<(record: unknown) => UserRecord>;
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
  const toUser = await org.toUser(signal);
  const listed = new Map<ExternalId, UserRecord>();
  await abreast(
    batches,
    async (batch) => {
      for (const record of await allOf(org, namedUsers(batch), toUser, signal)) {
        const id = record.kind === 'user' ? record.user.externalId : record.externalId;
        if (id !== null) listed.set(id, record);
      }
    },
    AT_THE_SAME_TIME,
  );
  const asked = groups === null ? null : new Set(groups);
  const inScope = scopeOf(org, signal);
  return abreast(
    wanted,
    async (id): Promise<FoundUser> => {
      const found = listed.get(id) ?? (await alone(org, id, signal));
      if (found.kind !== 'user') return found;
      // Whoever is deactivated has lost every assignment, and has left the directory rather than the app.
      const belongs = found.user.state === 'deprovisioned' || (await inScope(id));
      return belongs ? withGroups(org, found, asked, signal) : { kind: 'out-of-scope', externalId: id };
    },
    AT_THE_SAME_TIME,
  );
}

/**
 * Whether a user is assigned to the app of the scope. Okta says "not found" in the same words where the app is gone: before the
 * first such answer is believed, the app itself is asked for.
 */
function scopeOf({ appScope, get }: Org, signal: AbortSignal): (id: ExternalId) => Promise<boolean> {
  if (appScope === null) return async () => true;
  const app = `/api/v1/apps/${appScope}`;
  const asked = { scope: 'okta.apps.read', gone: null, setting: 'appScope' } as const;
  let appThere: Promise<void> | null = null;
  const confirmApp = async () => {
    const answer = await get(app, signal);
    if (answer.status !== 200) throw refused(answer, { ...asked, title: 'the app', isStart: true });
    const read = Identified.safeParse(parseJson(answer));
    if (read.data?.id !== appScope) throw odd(answer, 'What was to be the app of the scope is none.');
  };
  return async (id) => {
    const answer = await get(`${app}/users/${encodeURIComponent(id)}`, signal);
    if (saysGone(answer)) {
      appThere ??= confirmApp();
      await appThere;
      return false;
    }
    if (answer.status !== 200)
      throw refused(answer, { ...asked, title: "a user's assignment to the app", isStart: false });
    const read = AppUser.safeParse(parseJson(answer));
    if (!read.success || read.data.id !== id)
      throw odd(answer, "What was to be a user's assignment is none.");
    return isAssigned(read.data.status);
  };
}

type Alone = UserRecord | Extract<FoundUser, { kind: 'gone' }>;

async function alone(org: Org, id: ExternalId, signal: AbortSignal): Promise<Alone> {
  const answer = await org.get(`/api/v1/users/${encodeURIComponent(id)}`, signal);
  if (saysGone(answer)) return { kind: 'gone', externalId: id };
  if (answer.status === 404)
    throw odd(answer, "Something answered 404 for a user, but not with Okta's own error.");
  if (answer.status !== 200)
    throw refused(answer, {
      title: 'a user',
      scope: 'okta.users.read',
      gone: null,
      isStart: false,
      setting: 'orgUrl',
    });
  const record = (await org.toUser(signal))(parseJson(answer));
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

async function allOf<T>(
  org: Org,
  start: ListPosition,
  toRecord: (record: unknown) => T,
  signal: AbortSignal,
) {
  const records: T[] = [];
  for (let at: ListPosition | null = start; at !== null; ) {
    const page = readList(await org.get(at.path, signal), at, org.origins);
    records.push(...page.records.map(toRecord));
    at = page.next;
  }
  return records;
}

/** How named users are now. */
import { z } from 'zod';
import type { ExternalId } from '../../src/domain/ids.ts';
import { abreast } from '../abreast.ts';
import type { FoundUser, UserRecord } from '../contract.ts';
import { Identified } from '../unreadable.ts';
import type { Account } from './account.ts';
import type { ConnectionScope, ScopeNow } from './connectionScope.ts';
import { toUserRecord, withUnknownScope } from './map.ts';
import { membershipsOf } from './memberships.ts';
import { CustomerOf, USER_FIELDS } from './schema.ts';

type Found = { readonly id: ExternalId; readonly record: UserRecord | null; readonly customerId?: string };

/**
 * Each is asked for by id. Whom Google does not know is looked for among the deleted, who are named as a full pull would name
 * them; who is not there either is asked for once more, because they may have been restored between the two, and only Google's
 * second "not found" is `gone`. Throws ConnectorError as soon as one request fails: nobody's answer is made up.
 */
export async function lookUp(
  account: Account,
  scope: ConnectionScope,
  ids: readonly ExternalId[],
  groups: readonly ExternalId[] | null,
  signal: AbortSignal,
): Promise<readonly FoundUser[]> {
  const first = await abreast(new Set(ids), (id) => byId(account, id, signal));
  const missing = new Set(first.flatMap(({ id, record }) => (record === null ? [id] : [])));
  const deleted = missing.size === 0 ? [] : await amongDeleted(account, missing, signal);
  for (const { id } of deleted) missing.delete(id);
  const again = await abreast(missing, (id) => byId(account, id, signal));
  const found = [...first.filter(({ record }) => record !== null), ...deleted, ...again];

  const { judge } = await scope.now(signal);
  const judged = found.map(({ id, record }) => judgedBy(judge, id, record));
  const users = judged.flatMap((one) =>
    one.kind === 'user' && one.user.state !== 'deprovisioned' ? [one.user.externalId] : [],
  );
  const customerId = found.find((one) => one.customerId !== undefined)?.customerId ?? null;
  const memberships = await membershipsOf(account, { users, groups, customerId }, signal);
  return judged.map((one) =>
    one.kind === 'user' ? { ...one, groups: memberships.get(one.user.externalId) ?? [] } : one,
  );
}

type Judged = UserRecord | Extract<FoundUser, { kind: 'gone' | 'out-of-scope' }>;

/** Who is deleted has no unit any more, and is named wherever they were. */
function judgedBy(judge: ScopeNow['judge'], id: ExternalId, record: UserRecord | null): Judged {
  if (record === null) return { kind: 'gone', externalId: id };
  if (record.kind === 'unreadable' || record.user.state === 'deprovisioned') return record;
  const verdict = judge(record.user);
  if (verdict === 'out') return { kind: 'out-of-scope', externalId: id };
  return verdict === 'unknown' ? withUnknownScope(record) : record;
}

/** `record` null: Google says that there is no such user. */
async function byId({ api, directory }: Account, id: ExternalId, signal: AbortSignal): Promise<Found> {
  const fields = `${USER_FIELDS},customerId`;
  const object = await api.find({ subject: 'users', signal }, z.unknown(), (options) =>
    directory.users.get({ userKey: id, projection: 'full', fields }, options),
  );
  if (object === null) return { id, record: null };
  const { data } = CustomerOf.safeParse(object);
  const record = onlyOf(id, toUserRecord(object, 'live'));
  return { id, record, ...(data === undefined ? {} : { customerId: data.customerId }) };
}

/** In this place Google takes addresses too, aliases among them: an answer may be somebody else's. */
function onlyOf(id: ExternalId, record: UserRecord): UserRecord {
  const named = record.kind === 'user' ? record.user.externalId : record.externalId;
  if (named === id) return record;
  const problem = named === null ? 'id: missing or no text' : 'id: that of another user';
  return { kind: 'unreadable', externalId: id, problem };
}

/** Of these users, those whom Google has deleted in the last 20 days. */
async function amongDeleted(
  { lists, directory, customer }: Account,
  ids: ReadonlySet<ExternalId>,
  signal: AbortSignal,
): Promise<readonly Found[]> {
  const found = new Map<ExternalId, Found>();
  const which = { customer, projection: 'full', showDeleted: 'true' };
  await lists.all(
    { list: 'users', isStart: true, signal },
    (common, options) => directory.users.list({ ...which, ...common }, options),
    (objects) => {
      for (const object of objects) {
        const id = Identified.safeParse(object).data?.id;
        if (id !== undefined && ids.has(id)) found.set(id, { id, record: toUserRecord(object, 'deleted') });
      }
      return found.size < ids.size;
    },
  );
  return [...found.values()];
}

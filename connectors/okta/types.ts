/** User types: of its own, a user bears only the id (Okta API reference, "User Types"). */
import { z } from 'zod';
import type { UserRecord } from '../contract.ts';
import { type ListPosition, readList } from './lists.ts';
import type { Org } from './lookUp.ts';
import { toUserRecord } from './map.ts';

const UserType = z.object({ id: z.string().min(1), name: z.string().min(1) });
const Typed = z.object({ type: z.object({ id: z.string() }) });

/** No attribute of a profile is called so: Okta allows no full stop in their names. */
const ATTRIBUTE = 'type.name';

/** An org has a handful of types, all on one page. */
const allTypes: ListPosition = { list: 'user-types', path: '/api/v1/meta/types/user', since: null };

export type ToUser = (record: unknown) => UserRecord;

/** Reads the types once, for as long as the connector is open; users then bear their type's name as a custom attribute. */
export function withTypeNames({
  get,
  origins,
}: Pick<Org, 'get' | 'origins'>): (signal: AbortSignal) => Promise<ToUser> {
  let known: ToUser | null = null;
  return async (signal) => {
    if (known !== null) return known;
    const { records } = readList(await get(allTypes.path, signal), allTypes, origins);
    const types = records.map((record) => UserType.safeParse(record)).flatMap(({ data }) => data ?? []);
    const names = new Map(types.map(({ id, name }) => [id, name]));
    known = (record) => typed(record, names);
    return known;
  };
}

/** A type that is not known, because it is newer than the list of types for instance, leaves the user unknown and not without one. */
function typed(record: unknown, names: ReadonlyMap<string, string>): UserRecord {
  const found = toUserRecord(record);
  if (found.kind !== 'user') return found;
  const read = Typed.safeParse(record);
  const name = read.success ? names.get(read.data.type.id) : undefined;
  const { user } = found;
  if (name === undefined)
    return { kind: 'unreadable', externalId: user.externalId, problem: 'type.id: not among the user types' };
  return { kind: 'user', user: { ...user, custom: { ...user.custom, [ATTRIBUTE]: name } } };
}

/** One address, one auth user, within a batch of changes that is carried out: the rule of src/domain/addresses.ts at that moment. */
import { addressGivenBy } from '../domain/addresses.ts';
import type { StoredAuthUser } from '../domain/authUser.ts';
import type { CarriedOut } from '../domain/carryOut.ts';
import type { AuthUserId, ChangeId } from '../domain/ids.ts';
import { toColumns } from './rows.ts';

type Would = {
  readonly change: Parameters<typeof addressGivenBy>[0] & { readonly id: ChangeId };
  readonly user: AuthUserId | null;
  readonly result: CarriedOut;
};

type Holding = {
  readonly users: ReadonlyMap<AuthUserId, { readonly user: StoredAuthUser }>;
  /** Of the addresses that would be given. */
  readonly holders: readonly { readonly key: string; readonly users: readonly AuthUserId[] }[];
};

/**
 * Of the changes that would be applied, those whose address somebody else would have afterwards. All leave their old address first,
 * so that two may exchange theirs; then each takes the new one, in order.
 */
export function whoComesTooLate(done: readonly Would[], ground: Holding): readonly ChangeId[] {
  const holders = new Map(ground.holders.map(({ key, users }) => [key, new Set(users)]));
  const applied = done.flatMap(({ change, user, result }) => {
    return result.outcome === 'applied' && user !== null ? [{ change, user, result }] : [];
  });
  for (const { user, result } of applied) {
    const before = ground.users.get(user);
    const old = before === undefined ? null : toColumns(before.user.fields).email_key;
    if (old === null) continue;
    const keeps = result.state !== 'deleted' && toColumns(result.fields).email_key === old;
    if (!keeps) holders.get(old)?.delete(user);
  }
  return applied.flatMap(({ change, user }) => {
    const address = addressGivenBy(change);
    if (address === null) return [];
    const have = holders.get(address) ?? new Set();
    if (have.size > (have.has(user) ? 1 : 0)) return [change.id];
    holders.set(address, have.add(user));
    return [];
  });
}

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AUTH_USER_STATES,
  type AuthUserState,
  type Fields,
  type StoredAuthUser,
} from '../../src/domain/authUser.ts';
import { type Approved, carryOut } from '../../src/domain/carryOut.ts';
import type { ProposedChange } from '../../src/domain/change.ts';
import { placesBelow } from '../../src/domain/place.ts';
import { type AppliedChange, type UndoGround, undo } from '../../src/domain/undo.ts';
import { aStoredUser } from '../support/builders.ts';
import { unknownId } from '../support/tenancy.ts';

const places = placesBelow(aStoredUser().tenant, []);

type User = StoredAuthUser & { readonly purged: boolean };
const asNow = (user: StoredAuthUser): User => ({ ...user, purged: false });

const ground = (user: User, given: Partial<UndoGround> = {}): UndoGround => ({
  ...{ user, linkedTo: user.id, links: 1, rolesByHand: 0 },
  ...{ addressTaken: false, otherWaits: false, undone: false },
  ...given,
});

type Side = { readonly state: AuthUserState; readonly fields: Fields; readonly roles: readonly string[] };

/** What a directory's change from one to the other would be. */
function changeBetween(before: Side, after: Side): AppliedChange {
  const names = [...new Set([...Object.keys(before.fields), ...Object.keys(after.fields)])];
  const kind =
    before.state === after.state
      ? 'update'
      : ({ active: 'reactivate', suspended: 'suspend', deleted: 'delete' } as const)[after.state];
  const { tenant } = aStoredUser();
  return {
    ...{ externalId: 'u1' as AppliedChange['externalId'], tenant, kind, before, after },
    fields: names
      .map((field) => ({
        field,
        before: before.fields[field] ?? null,
        after: after.fields[field] ?? null,
      }))
      .filter((one) => one.before !== one.after),
    rolesGained: after.roles.filter((role) => !before.roles.includes(role)),
    rolesLost: before.roles.filter((role) => !after.roles.includes(role)),
  };
}

/** The auth user after the change was carried out. */
function carriedOut(user: StoredAuthUser, change: ProposedChange): StoredAuthUser {
  const approved = { ...change, id: unknownId() } as unknown as Approved;
  const done = carryOut(approved, {
    ...{ user, linkedTo: user.id, addressHeldByOther: false, withheldRoles: new Set(), links: 1 },
    ...{ place: user.tenant, way: [] },
  });
  if (done.outcome !== 'applied') throw new Error(`it was ${done.outcome}`);
  const roles = [
    ...user.roles.filter((role) => !change.rolesLost.includes(role)),
    ...change.rolesGained,
  ].sort();
  return { ...user, state: done.state, fields: done.fields, roles, version: user.version + 1 };
}

const shown = ({ state, fields, roles }: Side) => ({
  ...{ state, roles },
  fields: Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null)),
});

const value = fc.constantFrom<string | null>('a', 'b', null);
const side = fc.record({
  state: fc.constantFrom(...AUTH_USER_STATES),
  fields: fc.record({ title: value, department: value, email: value }),
  roles: fc.subarray(['clerk', 'editor', 'viewer']),
});

describe('An undo', () => {
  it('leads back to what was before, and its own undo to what was after, whatever was changed', () => {
    fc.assert(
      fc.property(side, side, (before, now) => {
        const done = changeBetween(before, now);
        const nothing = done.fields.length + done.rolesGained.length + done.rolesLost.length === 0;
        fc.pre(done.kind !== 'update' || !nothing);
        const user = aStoredUser({ ...now, version: 7 });
        const back = undo(done, ground(asNow(user)), places);
        expect(back.left).toEqual([]);
        if (back.change === null) throw new Error('there is something to take back');
        const undone = carriedOut(user, back.change);
        expect(shown(undone)).toEqual(shown(before));
        const forth = undo(back.change as unknown as AppliedChange, ground(asNow(undone)), places);
        if (forth.change === null) throw new Error('there is something to take back again');
        expect(shown(carriedOut(undone, forth.change))).toEqual(shown(now));
      }),
    );
  });

  it('touches nothing that is not as the change has left it', () => {
    fc.assert(
      fc.property(side, side, side, (before, then, now) => {
        const done = changeBetween(before, then);
        const user = aStoredUser({ ...now, version: 9 });
        const { change, left } = undo(done, ground(asNow(user)), places);
        if (now.state !== then.state) {
          expect(change).toBeNull();
          return;
        }
        const moved = done.fields.filter((one) => (user.fields[one.field] ?? null) !== one.after);
        const named = left.flatMap(({ what }) => what);
        expect(named).toEqual(expect.arrayContaining(moved.map(({ field }) => field)));
        for (const { field } of change?.fields ?? [])
          expect(moved.map((one) => one.field)).not.toContain(field);
        for (const role of change?.rolesLost ?? []) expect(done.rolesGained).toContain(role);
      }),
    );
  });

  it.each<[string, Partial<UndoGround>, string]>([
    ['who was purged', { user: { ...asNow(aStoredUser()), purged: true } }, 'purged'],
    ['who is gone', { user: null }, 'gone'],
    ['who is linked otherwise', { linkedTo: null }, 'linked-otherwise'],
    ['for whom something else waits', { otherWaits: true }, 'other-waits'],
  ])('leaves alone %s', (_, given, because) => {
    const user = asNow(aStoredUser({ state: 'suspended' }));
    const done = changeBetween({ ...user, state: 'active' }, user);
    expect(undo(done, ground(user, given), places)).toEqual({ change: null, left: [{ because, what: [] }] });
  });

  it('leaves a deletion alone where another has the address, and of an update the address alone', () => {
    const user = asNow(aStoredUser({ state: 'deleted' }));
    const deletion = changeBetween({ ...user, state: 'active' }, user);
    const taken = { because: 'address-taken', what: [] };
    expect(undo(deletion, ground(user, { addressTaken: true }), places)).toEqual({
      change: null,
      left: [taken],
    });
    const now = asNow(aStoredUser());
    const before = { ...now, fields: { ...now.fields, email: 'before@example.test', displayName: 'Before' } };
    const back = undo(changeBetween(before, now), ground(now, { addressTaken: true }), places);
    expect(back.change?.fields.map(({ field }) => field)).toEqual(['displayName']);
    expect(back.left).toEqual([{ ...taken, what: ['email'] }]);
  });

  it('deletes somebody new only as long as nobody has made more of them', () => {
    const user = asNow(aStoredUser());
    const { state, fields, roles } = user;
    const done: AppliedChange = {
      ...changeBetween(user, user),
      ...{ kind: 'create', before: null, after: { state, fields, roles } },
    };
    expect(undo(done, ground(user), places).change).toMatchObject({ kind: 'delete', cause: 'undo' });
    for (const more of [{ rolesByHand: 1 }, { links: 2 }, { user: { ...user, roles: ['editor'] } }])
      expect(undo(done, ground(user, more), places).change).toBeNull();
  });
});

/**
 * What takes an applied change back, from the auth user as they are now. Only what is still as the change has left it is put back: what
 * has moved since is named and left alone. An undo is a change like any other, so that it is undone in the same way.
 */
import {
  type AuthUserState,
  describeUser,
  type Fields,
  type FieldValue,
  type StoredAuthUser,
} from './authUser.ts';
import { canonical } from './canonical.ts';
import { AS_AGREED, type ChangeKind, type FieldChange, isPlace, type ProposedChange } from './change.ts';
import type { AuthUserId, ExternalId, TenantId } from './ids.ts';
import type { Places } from './place.ts';

/** A side of a change, as `describeUser` made it. */
type Side = {
  readonly state: AuthUserState;
  readonly fields: Fields;
  readonly roles: readonly string[];
  readonly tenant?: string;
};

/** A change that was carried out. */
export type AppliedChange = {
  readonly externalId: ExternalId;
  /** Of the connection. */
  readonly tenant: TenantId;
  readonly kind: Exclude<ChangeKind, 'conflict'>;
  /** null: there was nobody. */
  readonly before: Side | null;
  readonly after: Side;
  readonly fields: readonly FieldChange[];
  readonly rolesGained: readonly string[];
  readonly rolesLost: readonly string[];
};

/** What is there now. */
export type UndoGround = {
  /** Roles are those that the connection gave; null: there is no such auth user, or it is out of reach. */
  readonly user: (StoredAuthUser & { readonly purged: boolean }) | null;
  /** Whom the directory user is linked to. */
  readonly linkedTo: AuthUserId | null;
  /** Identities that the auth user has, in any directory. */
  readonly links: number;
  /** Roles that somebody gave the auth user by hand. */
  readonly rolesByHand: number;
  /** Another auth user has the address that would be given back by now, and nothing of the same apply that is taken back frees it. */
  readonly addressTaken: boolean;
  /** Another change waits for the directory user, or a refusal stands. */
  readonly otherWaits: boolean;
  /** The change is taken back already, and has not been applied again since. */
  readonly undone: boolean;
};

/** Why something is left alone, in the words that a person is shown. */
export const leftBecause = {
  'not-found': 'there is no such change',
  'not-applied': 'it was not applied by this apply',
  'waits-already': 'an undo of it waits already',
  undone: 'it is taken back already',
  'other-waits': 'another change waits for this user, or a refusal stands: decide on that first',
  moved: 'was changed since',
  'linked-otherwise': 'the directory user and the auth user are linked otherwise by now',
  'address-taken': 'another auth user has the address by now',
  'tenant-missing': 'the tenant that they were in does not exist any more, or is called otherwise',
  purged: 'what was personal about the user has been removed for good',
  gone: 'the auth user does not exist any more',
} as const satisfies Record<string, string>;
export type LeftBecause = keyof typeof leftBecause;
export const LEFT_BECAUSE = Object.keys(leftBecause) as [LeftBecause, ...LeftBecause[]];

/** What of a change is left alone. */
export type Left = {
  readonly because: LeftBecause;
  /** What has moved: names of fields, `state`, `tenant`, or `role: <name>`; empty: it is the change as a whole. */
  readonly what: readonly string[];
};

export type Undone = {
  /** null: all of it is left alone. */
  readonly change: ProposedChange | null;
  readonly left: readonly Left[];
};

/** Of the change, what can be taken back; and what is left alone, with the reason. */
export function undo(done: AppliedChange, ground: UndoGround, places: Places): Undone {
  const { user } = ground;
  const because = whyNot(done, ground);
  if (because !== null || user === null) return leaving(because ?? 'gone');
  const undone =
    done.before === null
      ? undoCreation(done, user, ground, places)
      : undoFrom(done, done.before, { ...ground, user }, places);
  return undone.change === null && ground.undone ? leaving('undone') : undone;
}

function undoFrom(
  done: AppliedChange,
  before: Side,
  { user, addressTaken }: UndoGround & { readonly user: StoredAuthUser },
  places: Places,
): Undone {
  if (user.state !== done.after.state) return leaving('moved', ['state']);
  const back = putBack(done, user, { addressTaken, places });
  const kind = inverseKind(done, before.state);
  const nothing = back.fields.length + back.rolesGained.length + back.rolesLost.length === 0;
  if (kind === 'update' && nothing)
    return back.left.length > 0
      ? { change: null, left: back.left }
      : leaving('moved', done.rolesLost.map(roleName));
  const place = placeAfter(back.fields, user, places);
  const fields: Record<string, FieldValue> = { ...user.fields };
  for (const one of back.fields) if (!isPlace(one)) fields[one.field] = one.after;
  const roles = [...user.roles.filter((role) => !back.rolesLost.includes(role)), ...back.rolesGained].sort();
  return {
    change: {
      ...proposal(done, user, places),
      kind,
      after: describeUser({ state: before.state, fields, roles }, place),
      fields: back.fields,
      rolesGained: back.rolesGained,
      rolesLost: back.rolesLost,
      foundTenants: back.fields.some(isPlace) ? places.way(place) : [],
    },
    left: back.left,
  };
}

function leaving(because: LeftBecause, what: readonly string[] = []): Undone {
  return { change: null, left: [{ because, what }] };
}

/** null: the auth user is there, and linked as the change has left it. */
function whyNot(done: AppliedChange, ground: UndoGround): LeftBecause | null {
  const { user, linkedTo, links } = ground;
  if (user === null) return 'gone';
  if (user.purged) return 'purged';
  if (ground.otherWaits) return 'other-waits';
  const isLinked = done.kind === 'unlink' ? linkedTo === null && links === 0 : linkedTo === user.id;
  if (!isLinked) return 'linked-otherwise';
  return ground.addressTaken && user.state === 'deleted' ? 'address-taken' : null;
}

function proposal(done: AppliedChange, user: StoredAuthUser, places: Places) {
  return {
    externalId: done.externalId,
    tenant: done.tenant,
    authUser: user.id,
    cause: 'undo' as const,
    before: describeUser(user, places.of(user.tenant) ?? null),
    candidates: [],
    baseVersion: user.version,
    desiredHash: AS_AGREED,
  };
}

/** Whoever was new is deleted, unless somebody has made more of them since. */
function undoCreation(
  done: AppliedChange,
  user: StoredAuthUser,
  { links, rolesByHand }: UndoGround,
  places: Places,
): Undone {
  const place = places.of(user.tenant) ?? null;
  const moved = [
    ...(user.state === done.after.state ? [] : ['state']),
    ...differing(user.fields, done.after.fields),
    ...(place === (done.after.tenant ?? null) ? [] : ['tenant']),
    ...apart(user.roles, done.after.roles).map(roleName),
    ...(rolesByHand > 0 ? ['roles given by hand'] : []),
    ...(links > 1 ? ['links to other directories'] : []),
  ];
  if (moved.length > 0) return leaving('moved', moved);
  const nothing = { fields: [], rolesGained: [], rolesLost: [], foundTenants: [] };
  const after = describeUser({ ...user, state: 'deleted' }, place);
  return { change: { ...proposal(done, user, places), ...nothing, kind: 'delete', after }, left: [] };
}

/** From where the change has left somebody to where they were. */
function inverseKind({ kind, after }: AppliedChange, was: AuthUserState): ChangeKind {
  if (kind === 'link') return 'unlink';
  if (kind === 'unlink') return 'link';
  if (was === after.state) return 'update';
  if (was === 'deleted') return 'delete';
  return was === 'suspended' && after.state === 'active' ? 'suspend' : 'reactivate';
}

/** Field by field and role by role: whatever is still as the change has left it. */
function putBack(
  done: AppliedChange,
  user: StoredAuthUser,
  { addressTaken, places }: Pick<UndoGround, 'addressTaken'> & { readonly places: Places },
) {
  const all = done.fields.map((one) => ({ ...one, because: whyKept(one, user, { addressTaken, places }) }));
  const held = done.rolesGained.filter((role) => user.roles.includes(role));
  const lost = done.rolesGained.filter((role) => !held.includes(role)).map(roleName);
  const left = (['moved', 'tenant-missing', 'address-taken'] as const).flatMap((because): readonly Left[] => {
    const fields = all.filter((one) => one.because === because).map(({ field }) => field);
    const what = because === 'moved' ? [...fields, ...lost] : fields;
    return what.length === 0 ? [] : [{ because, what }];
  });
  const fields = all
    .filter(({ because }) => because === null)
    .map(({ field, before, after }): FieldChange => ({ field, before: after, after: before }));
  return {
    fields,
    // Without its link, a directory has given nobody anything.
    rolesLost: done.kind === 'link' ? user.roles : held,
    rolesGained: done.rolesLost.filter((role) => !user.roles.includes(role)),
    left,
  };
}

/** null: the field is put back. */
function whyKept(
  { field, before, after }: FieldChange,
  user: StoredAuthUser,
  { addressTaken, places }: Pick<UndoGround, 'addressTaken'> & { readonly places: Places },
): 'moved' | 'tenant-missing' | 'address-taken' | null {
  const isMove = isPlace({ field });
  const now = isMove ? (places.of(user.tenant) ?? null) : (user.fields[field] ?? null);
  if (!same(now, after)) return 'moved';
  if (isMove) return isAway(before, places) ? 'tenant-missing' : null;
  return field === 'email' && addressTaken ? 'address-taken' : null;
}

function isAway(place: FieldValue, places: Places): boolean {
  const found = places.find(place as string | null);
  return found === 'missing' || found === 'closed';
}

function placeAfter(fields: readonly FieldChange[], user: StoredAuthUser, places: Places) {
  const move = fields.find(isPlace);
  return move === undefined ? (places.of(user.tenant) ?? null) : (move.after as string | null);
}

const roleName = (role: string) => `role: ${role}`;

/** Names of the fields that are not the same. */
function differing(now: Fields, then: Fields): readonly string[] {
  const names = new Set([...Object.keys(now), ...Object.keys(then)]);
  return [...names].filter((name) => !same(now[name] ?? null, then[name] ?? null));
}

function apart(one: readonly string[], other: readonly string[]): readonly string[] {
  return [...one.filter((value) => !other.includes(value)), ...other.filter((value) => !one.includes(value))];
}

function same(one: FieldValue, other: FieldValue): boolean {
  return canonical(one) === canonical(other);
}

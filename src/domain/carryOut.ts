/** What carrying out an approved change means for the auth user as it is now. Makes no new decision: applies, or says that the ground has moved. */
import type { AuthUserState, Fields, StoredAuthUser } from './authUser.ts';
import { canonical } from './canonical.ts';
import type { ChangeKind, FieldChange } from './change.ts';
import type { AuthUserId } from './ids.ts';

/** The part of a change that an apply needs. */
export type Approved = {
  readonly kind: ChangeKind;
  readonly authUser: AuthUserId | null;
  /** State and fields afterwards. */
  readonly after: { readonly state: AuthUserState; readonly fields: Fields } | null;
  readonly fields: readonly FieldChange[];
  readonly rolesGained: readonly string[];
  readonly rolesLost: readonly string[];
  readonly baseVersion: number | null;
};

/** What is there when the change is carried out. */
export type Ground = {
  /** The auth user that the change is about; null where there is none. */
  readonly user: StoredAuthUser | null;
  /** Which auth user the directory user is linked to by now. */
  readonly linkedTo: AuthUserId | null;
  /** Another auth user that is not deleted has the address that the change would give. */
  readonly addressHeldByOther: boolean;
  /** Identities that the auth user of the change has. */
  readonly links: number;
};

export type CarriedOut =
  | { readonly outcome: 'applied'; readonly state: AuthUserState; readonly fields: Fields }
  | { readonly outcome: 'already-applied' }
  | { readonly outcome: 'moved'; readonly because: string };

export function carryOut(change: Approved, ground: Ground): CarriedOut {
  if (change.after === null || change.kind === 'conflict')
    return moved('a conflict has nothing that could be applied');
  if (change.authUser === null) return createFrom(change.after, ground);
  const { user } = ground;
  if (user === null) return moved('the auth user does not exist any more');
  if (change.kind === 'link') {
    if (ground.linkedTo !== null && ground.linkedTo !== user.id)
      return moved('the directory user has been linked to another auth user');
    if (ground.links > 0 && ground.linkedTo === null)
      return moved('the auth user has been linked to another directory user');
  } else if (ground.linkedTo !== user.id) {
    return moved('the directory user is not linked to this auth user any more');
  }
  if (ground.addressHeldByOther) return moved('another auth user has the address that this would give');
  if (user.version !== change.baseVersion) return overtaken(change, change.after, user);
  const fields = { ...user.fields };
  for (const { field, after } of change.fields) fields[field] = after;
  return { outcome: 'applied', state: change.after.state, fields };
}

/** The auth user has changed since: perhaps into just what was approved. */
function overtaken(
  change: Approved,
  after: NonNullable<Approved['after']>,
  user: StoredAuthUser,
): CarriedOut {
  const same = (one: FieldChange) => canonical(user.fields[one.field] ?? null) === canonical(one.after);
  const already =
    user.state === after.state &&
    change.fields.every(same) &&
    change.rolesGained.length === 0 &&
    change.rolesLost.length === 0;
  return already
    ? { outcome: 'already-applied' }
    : moved('the auth user was changed since this was proposed');
}

function createFrom(after: { readonly fields: Fields }, ground: Ground): CarriedOut {
  if (ground.linkedTo !== null) return moved('the directory user has been linked since this was proposed');
  if (ground.addressHeldByOther)
    return moved('another auth user has taken the address since this was proposed');
  return { outcome: 'applied', state: 'active', fields: after.fields };
}

function moved(because: string): CarriedOut {
  return { outcome: 'moved', because };
}

/** What applications hear about, by kind of change. */
export const eventTypes = {
  create: 'user.created',
  link: 'user.linked',
  reactivate: 'user.reactivated',
  update: 'user.updated',
  suspend: 'user.suspended',
  delete: 'user.deleted',
} as const satisfies Record<Exclude<ChangeKind, 'conflict'>, string>;

/** What carrying out an approved change means for the auth user as it is now. Makes no new decision: applies, or says that the ground has moved. */
import type { AuthUserState, Fields, StoredAuthUser } from './authUser.ts';
import { canonical } from './canonical.ts';
import { type ChangeKind, type FieldChange, isPlace } from './change.ts';
import type { AuthUserId, ChangeId, TenantId } from './ids.ts';
import type { Place } from './place.ts';

/** The part of a change that an apply needs. */
export type Approved = {
  readonly id: ChangeId;
  readonly kind: ChangeKind;
  readonly authUser: AuthUserId | null;
  /** State, fields and place afterwards. */
  readonly after: { readonly state: AuthUserState; readonly fields: Fields; readonly tenant?: string } | null;
  readonly fields: readonly FieldChange[];
  readonly rolesGained: readonly string[];
  readonly rolesLost: readonly string[];
  readonly baseVersion: number | null;
  readonly foundTenants: readonly TenantId[];
};

/** What is there when the change is carried out. */
export type Ground = {
  /** The auth user that the change is about; null where there is none. */
  readonly user: StoredAuthUser | null;
  /** Which auth user the directory user is linked to by now. */
  readonly linkedTo: AuthUserId | null;
  /** Another auth user that is not deleted has the address that the change would give. */
  readonly addressHeldByOther: boolean;
  /** Roles, of those that are to be given, which exist and are of a type that no mapping may name. */
  readonly withheldRoles: ReadonlySet<string>;
  /** Identities that the auth user of the change has. */
  readonly links: number;
  /** What is where the change puts the auth user, if it puts them anywhere. */
  readonly place: TenantId | 'missing' | 'closed';
  /** The tenants on the way there, from below the connection's on, as far as there are any. */
  readonly way: readonly TenantId[];
};

export type CarriedOut =
  | { readonly outcome: 'applied'; readonly state: AuthUserState; readonly fields: Fields }
  | { readonly outcome: 'already-applied' }
  | { readonly outcome: 'moved'; readonly because: string };

export function carryOut(change: Approved, ground: Ground): CarriedOut {
  if (change.after === null || change.kind === 'conflict')
    return moved('a conflict has nothing that could be applied');
  if (change.rolesGained.some((role) => ground.withheldRoles.has(role)))
    return moved('a role that this would give is none that directories give any more');
  if (change.authUser === null) return createFrom(change, change.after, ground);
  const { user } = ground;
  if (user === null) return moved('the auth user does not exist any more');
  const relinked = linkedOtherwise(change, user, ground);
  if (relinked !== null) return moved(relinked);
  if (ground.addressHeldByOther) return moved('another auth user has the address that this would give');
  if (user.version !== change.baseVersion) return overtaken(change, change.after, user, ground);
  const astray = cannotBePut(change, ground);
  if (astray !== null) return moved(astray);
  const fields = { ...user.fields };
  for (const one of change.fields) if (!isPlace(one)) fields[one.field] = one.after;
  return { outcome: 'applied', state: change.after.state, fields };
}

/** null: directory user and auth user are linked, or not linked, as they were. */
function linkedOtherwise({ kind }: Approved, user: StoredAuthUser, ground: Ground): string | null {
  if (kind !== 'link')
    return ground.linkedTo === user.id ? null : 'the directory user is not linked to this auth user any more';
  if (ground.linkedTo !== null && ground.linkedTo !== user.id)
    return 'the directory user has been linked to another auth user';
  return ground.links > 0 && ground.linkedTo === null
    ? 'the auth user has been linked to another directory user'
    : null;
}

/** The auth user has changed since: perhaps into just what was approved. */
function overtaken(
  change: Approved,
  after: NonNullable<Approved['after']>,
  user: StoredAuthUser,
  { place, linkedTo }: Ground,
): CarriedOut {
  const same = (one: FieldChange) =>
    isPlace(one) ? place === user.tenant : canonical(user.fields[one.field] ?? null) === canonical(one.after);
  const already =
    change.kind !== 'unlink' && // which is linked, or would have been sent back
    linkedTo === user.id && // which a link makes beside all else
    user.state === after.state &&
    change.fields.every(same) &&
    change.rolesGained.length === 0 &&
    change.rolesLost.length === 0;
  return already
    ? { outcome: 'already-applied' }
    : moved('the auth user was changed since this was proposed');
}

/** The place that a change gives, which it does to whoever is new, or moves; undefined: they stay where they are. */
export function placeGivenBy({
  authUser,
  after,
  fields,
}: Pick<Approved, 'authUser' | 'after' | 'fields'>): Place | undefined {
  if (after === null || (authUser !== null && !fields.some(isPlace))) return;
  return after.tenant ?? null;
}

/** null: the way leads into the tenant that was shown, or what is missing of it is to be made. */
function cannotBePut(change: Approved, { place, way }: Ground): string | null {
  if (placeGivenBy(change) === undefined || (place !== 'closed' && leadsThere(change, way))) return null;
  return place === 'closed' || place === 'missing'
    ? 'the tenant that this would put them in does not exist any more'
    : 'another tenant is called by now like the one that this would put them in';
}

/**
 * Whether a way leads through all the tenants that the plan found, and then only through such as were made since: ids rise with time. A
 * tenant that is called otherwise, or was moved, since it was shown is another place than the one that was decided on.
 */
function leadsThere(
  { id, foundTenants }: { readonly id: string; readonly foundTenants: readonly TenantId[] },
  way: readonly TenantId[],
): boolean {
  const { length } = foundTenants;
  return way.length >= length && way.every((it, at) => (at < length ? it === foundTenants[at] : it > id));
}

function createFrom(change: Approved, after: { readonly fields: Fields }, ground: Ground): CarriedOut {
  if (ground.linkedTo !== null) return moved('the directory user has been linked since this was proposed');
  if (ground.addressHeldByOther)
    return moved('another auth user has taken the address since this was proposed');
  const astray = cannotBePut(change, ground);
  if (astray !== null) return moved(astray);
  return { outcome: 'applied', state: 'active', fields: after.fields };
}

function moved(because: string): CarriedOut {
  return { outcome: 'moved', because };
}

/** What applications hear about, by kind of change; of whom is put back as suspended, that. */
export function eventTypeOf(
  kind: Exclude<ChangeKind, 'conflict'>,
  after: Approved['after'],
): (typeof eventTypes)[typeof kind] {
  return kind === 'reactivate' && after?.state === 'suspended' ? eventTypes.suspend : eventTypes[kind];
}

const eventTypes = {
  create: 'user.created',
  link: 'user.linked',
  reactivate: 'user.reactivated',
  update: 'user.updated',
  unlink: 'user.unlinked',
  suspend: 'user.suspended',
  delete: 'user.deleted',
} as const satisfies Record<Exclude<ChangeKind, 'conflict'>, string>;

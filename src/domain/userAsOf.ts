/** An auth user as they were at an earlier moment, worked out backwards from how they are and what applications were told since. */
import type { AuthUserState } from './authUser.ts';
import type { AuthUserId, ConnectionId, ExternalId, TenantId } from './ids.ts';

export type HeldRole = {
  readonly role: string;
  readonly origin: 'directory' | 'manual';
  /** Where it is held. null: it was taken since, and where it was is in no event. */
  readonly tenant: TenantId | null;
  /** Whose directory gave it; null: given by hand, or by a directory of a tenant above. */
  readonly connection: ConnectionId | null;
  /** null: it was taken since. */
  readonly grantedAt: string | null;
};

export type UserNow = {
  readonly id: AuthUserId;
  readonly tenant: TenantId;
  readonly state: AuthUserState;
  readonly userName: string | null;
  readonly email: string | null;
  readonly displayName: string | null;
  readonly createdAt: string;
  readonly identities: readonly { readonly connection: ConnectionId; readonly externalId: ExternalId }[];
  readonly roles: readonly HeldRole[];
};

/** Something that was done to the auth user after the moment. */
export type LaterEvent = {
  readonly type: string;
  /** Names of those that it changed. */
  readonly fields: readonly string[];
  readonly gained: readonly string[];
  readonly lost: readonly string[];
  /** An apply did it, and no person by hand. */
  readonly ofDirectory: boolean;
  /** Of the change behind it; null: there is none, or it is of a tenant above. */
  readonly connection: ConnectionId | null;
  readonly stateBefore: AuthUserState | null;
};

/** State and roles are of then, all else is of now: `changedSince` names what of it may have been otherwise; `purged`: all of it, and the roles. */
export type UserAsOf = UserNow & { readonly changedSince: readonly string[] };

/** `later`: the newest first. */
export function userAsOf(now: UserNow, later: readonly LaterEvent[]): UserAsOf {
  let { state, roles } = now;
  const changedSince = new Set<string>();
  for (const event of later) {
    const before = stateBefore(event, state);
    if (before === null) changedSince.add('state');
    state = before ?? state;
    roles = rolesBefore(event, roles);
    for (const field of event.fields) changedSince.add(field);
    if (event.type === 'user.moved') changedSince.add('tenant');
    if (event.type === 'user.linked' || event.type === 'user.unlinked') changedSince.add('identities');
    if (event.type === 'user.purged') changedSince.add('purged');
  }
  return { ...now, state, roles, changedSince: [...changedSince].sort() };
}

/** Of what is done by hand, the event says it all. */
const BEFORE_BY_HAND: Readonly<Record<string, AuthUserState>> = {
  'user.suspended': 'active',
  'user.reactivated': 'suspended',
};
/** What a directory may have changed of the state. */
const OF_STATE: readonly string[] = ['user.suspended', 'user.deleted', 'user.reactivated'];

/** null: not known. */
function stateBefore({ type, stateBefore: before, ofDirectory }: LaterEvent, after: AuthUserState) {
  if (before !== null) return before;
  if (!ofDirectory) return BEFORE_BY_HAND[type] ?? after;
  return OF_STATE.includes(type) ? null : after;
}

function rolesBefore(
  { gained, lost, ofDirectory, connection }: LaterEvent,
  after: readonly HeldRole[],
): readonly HeldRole[] {
  const origin = ofDirectory ? 'directory' : 'manual';
  const isMeant = (one: HeldRole) => one.origin === origin && one.connection === connection;
  const kept = after.filter((one) => !(isMeant(one) && gained.includes(one.role)));
  const known = new Set(kept.filter(isMeant).map(({ role }) => role));
  const back = lost
    .filter((role) => !known.has(role))
    .map((role): HeldRole => ({ role, origin, tenant: null, connection, grantedAt: null }));
  return back.length === 0 ? kept : [...kept, ...back];
}

/** A user as Rollcall stores it: what applications authenticate and authorise against. */
import { hash } from 'node:crypto';
import type { Json } from './canonical.ts';
import type { AuthUserId, TenantId } from './ids.ts';
import type { Place, Placed } from './place.ts';

export const AUTH_USER_STATES = ['active', 'suspended', 'deleted'] as const;
export type AuthUserState = (typeof AUTH_USER_STATES)[number];

/** null: there is no value. */
export type FieldValue = string | number | boolean | readonly string[] | null;

/** By field name. A field that is missing means the same as null. */
export type Fields = Readonly<Record<string, FieldValue>>;

/** What the directory, through the mapping, wants an auth user to be. Roles are names, sorted, without repetition. */
export type DesiredAuthUser = {
  readonly state: 'active' | 'suspended' | 'deleted';
  readonly fields: Fields;
  readonly roles: readonly string[];
  /** Missing where the mapping puts nobody anywhere: they stay where they are. */
  readonly placed?: Placed;
  /** Fields, of these, in which an auth user keeps the value that they have. Missing where there are none. */
  readonly firstValues?: readonly string[];
  /** It is not known where the mapping puts them: that hangs on a group that could not be read. `placed` is missing then. */
  readonly placeUnknown?: true;
};

/** An auth user as a plan sees it. `roles` are those that the connection's directory gave; others are not its business. */
export type StoredAuthUser = {
  readonly id: AuthUserId;
  readonly tenant: TenantId;
  readonly state: AuthUserState;
  readonly fields: Fields;
  readonly roles: readonly string[];
  readonly version: number;
};

/** What applies and shows on a change: state, fields with a value, roles, and the place, unless it is the connection's own tenant. */
export function describeUser(
  user: { state: string; fields: Fields; roles: readonly string[] },
  place: Place,
): Json {
  const fields: Record<string, Json> = {};
  for (const [name, value] of Object.entries(user.fields)) if (value !== null) fields[name] = value;
  const tenant = place === null ? {} : { tenant: place };
  return { state: user.state, fields, roles: user.roles, ...tenant };
}

/**
 * SHA-256 of a desired state, hexadecimal. Fields are taken in the order in which the mapping gives them, which is always the
 * same: sorting them would cost more than the hash. If a later version maps in another order, its first run looks at every user
 * once and finds them equal.
 */
export function desiredHashOf(desired: DesiredAuthUser): string {
  const { state, fields, roles, placed, firstValues } = desired;
  const wanted: unknown[] =
    placed === undefined ? [state, fields, roles] : [state, fields, roles, placed.path];
  if (firstValues !== undefined) wanted.push({ firstValues }); // who owns a field decides what differs
  return hash('sha256', JSON.stringify(wanted), 'hex');
}

type Side = { readonly fields: Fields; readonly roles: readonly string[] };
const NOBODY: Side = { fields: {}, roles: [] };

/** As `describeUser` made it; null: nobody. */
export function side(described: Json | null): Side {
  return described === null ? NOBODY : (described as unknown as Side);
}

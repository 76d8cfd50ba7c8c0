/** What is done to auth users by hand, one at a time or by a configuration file: the events and audit entries of it, in one way. */
import type { Actor, AuditEntry } from '../domain/audit.ts';
import type { AuthUserState } from '../domain/authUser.ts';
import type { Json } from '../domain/canonical.ts';
import type { AuthUserId, TenantId } from '../domain/ids.ts';
import type { RoleId, RoleType } from '../domain/role.ts';
import type { ChainedEntry } from './auditChains.ts';
import type { Sql } from './database.ts';
import { manyIds } from './ids.ts';
import { SESSIONS_REVOKED } from './signedOut.ts';

export type By = {
  readonly actor: Actor;
  readonly at: Date;
  /** What led to it, where it is not what somebody asked for. */
  readonly because?: string;
};

/** An assignment by hand. */
export type RoleByHand = {
  readonly role: RoleId;
  readonly name: string;
  readonly type: RoleType;
  /** Where the role is held. */
  readonly tenant: TenantId;
};

/** Of one auth user, as it is from now on. */
export type DoneByHand = {
  readonly user: AuthUserId;
  readonly tenant: TenantId;
  readonly version: number;
  readonly state: AuthUserState;
  readonly what: 'created' | 'updated' | 'suspended' | 'reactivated';
  /** Names of those that are others now. */
  readonly fields: readonly string[];
  readonly gained: readonly RoleByHand[];
  readonly lost: readonly RoleByHand[];
};

/**
 * Tells applications, and gives what belongs into the audit log: the caller appends it last, with what else it has to say. Events are
 * as an apply tells them, without a directory: see eventTypes in src/domain/carryOut.ts. Feed and log are the tenant's to read, so
 * that neither names a role that is hidden from tenants: the event says only that the user has another version, and who gave the role
 * stands in the log of the root, whose role it is.
 */
export async function tellByHand(
  sql: Sql,
  root: TenantId,
  done: readonly DoneByHand[],
  by: By,
): Promise<readonly ChainedEntry[]> {
  const ids = manyIds(2 * done.length);
  const named = (roles: readonly RoleByHand[]) =>
    roles.filter(({ type }) => type !== 'hidden').map(({ name }) => name);
  const rows = done.flatMap(({ user, tenant, version, what, fields, gained, lost }, index) => {
    const event = { tenant_id: tenant, auth_user_id: user, user_version: version };
    const data = { fields, rolesGained: named(gained), rolesLost: named(lost) };
    const told = { ...event, id: ids[2 * index], type: `user.${what}`, data };
    const revoked = { ...event, id: ids[2 * index + 1], type: SESSIONS_REVOKED, data: {} };
    return what === 'suspended' ? [told, revoked] : [told];
  });
  await sql.query(
    `INSERT INTO event (id, tenant_id, auth_user_id, type, user_version, data, created_at)
     SELECT id, tenant_id, auth_user_id, type, user_version, data, $2::timestamptz
     FROM jsonb_to_recordset($1::jsonb) AS row (id uuid, tenant_id uuid, auth_user_id uuid, type text, user_version int, data jsonb)`,
    [JSON.stringify(rows), by.at.toISOString()],
  );
  return done.flatMap((one) => entriesOf(one, root, by));
}

function entriesOf(
  { user, tenant, state, what, fields, gained, lost }: DoneByHand,
  root: TenantId,
  { actor, because }: By,
): readonly ChainedEntry[] {
  const told = (chain: TenantId, action: string, details: { readonly [key: string]: Json }): ChainedEntry => {
    const entry: AuditEntry = { actor, action, subject: { kind: 'auth-user', id: user }, details };
    return { chain, entry: because === undefined ? entry : { ...entry, details: { ...details, because } } };
  };
  const assigned = (action: string) => (one: RoleByHand) =>
    told(one.type === 'hidden' ? root : tenant, action, {
      role: one.role,
      ...(one.tenant === tenant ? {} : { tenant: one.tenant }),
    });
  const roles = [...gained.map(assigned('role.granted')), ...lost.map(assigned('role.revoked'))];
  if (what === 'created') return [told(tenant, 'auth-user.created', { fields, state }), ...roles];
  return [
    ...(fields.length === 0 ? [] : [told(tenant, 'auth-user.edited', { fields })]),
    ...(what === 'updated' ? [] : [told(tenant, `auth-user.${what}`, {})]),
    ...roles,
  ];
}

/**
 * Removes what deleted tenants held, some thousand rows in a transaction, each removing only what is still there: whoever is killed
 * leaves the rest to the next. What stays is the tenant's row with its audit log, and the event that tells of its deletion.
 *
 * A statement that was under way when the tenant was deleted may still add to it. So a tenant counts as purged only when a round that
 * began some minutes after the deletion has found nothing more.
 */
import type { TenantId } from '../domain/ids.ts';
import { appendToChains, type ChainedEntry } from './auditChains.ts';
import type { Database, Sql } from './database.ts';

/** Rows that one transaction removes from one table; and users with what hangs on them. */
const ROWS = 5_000;
const USERS = 1_000;
/** Longer than any statement of a request or batch takes. */
const SETTLED_AFTER_MS = 5 * 60_000;

export type TenantPurge = {
  /** The next deleted tenants that are not purged, in the order of their ids. Of every tenant. */
  next(after: TenantId | null, limit: number): Promise<readonly TenantId[]>;
  /** Removes what these held. The signal's abort, like the death of the process, leaves the rest for later. */
  remove(tenants: readonly TenantId[], now: Date, signal: AbortSignal): Promise<void>;
  /** Records of those that were deleted long enough ago that they are purged, and says which. To be called after `remove`. */
  conclude(tenants: readonly TenantId[], now: Date): Promise<readonly TenantId[]>;
};

export function tenantPurge(database: Database): TenantPurge {
  const again = { mayBeRedone: true };
  const { root } = database;
  return {
    next: (after, limit) =>
      database.bulk(root, async (tx) => {
        const rows = await tx.query<{ id: TenantId }>(
          `SELECT id FROM tenant WHERE state = 'deleted' AND delete_at IS NOT NULL AND purged_at IS NULL
             AND ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2`,
          [after, limit],
        );
        return rows.map(({ id }) => id);
      }),
    remove: async (tenants, now, signal) => {
      const untilNothingIsLeft = async (removeSome: (sql: Sql) => Promise<boolean>) => {
        do signal.throwIfAborted();
        while (await database.bulk(root, removeSome, again));
      };
      await untilNothingIsLeft((sql) => removeUsers(sql, tenants));
      for (const { table, where } of HELD)
        await untilNothingIsLeft((sql) => removeRows(sql, table, where, tenants));
      await database.bulk(root, (tx) => closeWhatStays(tx, tenants, now), again);
    },
    conclude: (tenants, now) =>
      database.bulk(root, async (tx) => {
        const rows = await tx.query<{ id: TenantId }>(
          `UPDATE tenant SET purged_at = $2 WHERE id = ANY ($1::uuid[]) AND purged_at IS NULL AND delete_at <= $3 RETURNING id`,
          [tenants, now.toISOString(), new Date(now.getTime() - SETTLED_AFTER_MS).toISOString()],
        );
        const actor = { kind: 'system', id: null, name: 'housekeeping' } as const;
        const entries = rows.map(({ id }): ChainedEntry => {
          const subject = { kind: 'tenant', id } as const;
          return { chain: id, entry: { actor, action: 'tenant.purged', subject, details: {} } };
        });
        await appendToChains(tx, now, entries);
        return rows.map(({ id }) => id);
      }),
  };
}

/** Users with all that hangs on them, so that nobody is looked at twice. Also what connections of tenants above have of them. */
async function removeUsers(sql: Sql, tenants: readonly TenantId[]): Promise<boolean> {
  const rows = await sql.query<{ id: string }>(
    `SELECT id FROM auth_user WHERE tenant_id = ANY ($1::uuid[]) ORDER BY tenant_id, id LIMIT ${USERS}`,
    [tenants],
  );
  if (rows.length === 0) return false;
  const users = [rows.map(({ id }) => id)];
  await sql.query(
    `DELETE FROM decision_change WHERE change_id IN (SELECT id FROM change WHERE auth_user_id = ANY ($1::uuid[]))`,
    users,
  );
  await sql.query('DELETE FROM change WHERE auth_user_id = ANY ($1::uuid[])', users);
  await sql.query('DELETE FROM role_assignment WHERE auth_user_id = ANY ($1::uuid[])', users);
  await sql.query('DELETE FROM identity WHERE auth_user_id = ANY ($1::uuid[])', users);
  await sql.query('DELETE FROM leaver WHERE auth_user_id = ANY ($1::uuid[])', users);
  await sql.query('DELETE FROM auth_user WHERE id = ANY ($1::uuid[])', users);
  return true;
}

const OWN = 'tenant_id = ANY ($1::uuid[])';
const OF_THEIR_CONNECTIONS = `connection_id IN (SELECT id FROM connection WHERE ${OWN})`;
const OF_THEIR_RUNS = `run_id IN (SELECT id FROM sync_run WHERE ${OF_THEIR_CONNECTIONS})`;
const OF_THEIR_PRINCIPALS = `principal_id IN (SELECT id FROM principal WHERE ${OWN})`;

/** What else a tenant holds, in an order that no key stands against. A test holds that no table is missing. */
const HELD: readonly { readonly table: string; readonly where: string }[] = [
  { table: 'staged_touched', where: OF_THEIR_RUNS },
  { table: 'staged_membership', where: OF_THEIR_RUNS },
  { table: 'staged_group', where: OF_THEIR_RUNS },
  { table: 'staged_other_group', where: OF_THEIR_RUNS },
  { table: 'staged_user', where: OF_THEIR_RUNS },
  { table: 'directory_user', where: OF_THEIR_CONNECTIONS },
  {
    table: 'decision_change',
    where: `decision_id IN (SELECT id FROM decision WHERE ${OF_THEIR_CONNECTIONS})`,
  },
  { table: 'change', where: OF_THEIR_CONNECTIONS },
  { table: 'change_group', where: OF_THEIR_CONNECTIONS },
  { table: 'change_count', where: OF_THEIR_CONNECTIONS },
  { table: 'identity', where: OF_THEIR_CONNECTIONS },
  { table: 'leaver', where: OF_THEIR_CONNECTIONS },
  // What directories gave is held where the user is, and went with them.
  { table: 'role_assignment', where: `${OWN} AND origin = 'manual'` },
  { table: 'guard_override', where: OF_THEIR_CONNECTIONS },
  { table: 'pair', where: OF_THEIR_CONNECTIONS },
  { table: 'apply_outcome', where: `apply_id IN (SELECT id FROM apply WHERE ${OF_THEIR_CONNECTIONS})` },
  { table: 'apply', where: OF_THEIR_CONNECTIONS },
  { table: 'decision', where: OF_THEIR_CONNECTIONS },
  { table: 'sync_run', where: OF_THEIR_CONNECTIONS },
  { table: 'policy_verdict', where: OF_THEIR_CONNECTIONS },
  { table: 'approval', where: OF_THEIR_CONNECTIONS },
  { table: 'configurator', where: OF_THEIR_CONNECTIONS },
  { table: 'to_judge', where: OF_THEIR_CONNECTIONS },
  { table: 'assignment', where: OF_THEIR_CONNECTIONS },
  { table: 'change_comment', where: OF_THEIR_CONNECTIONS },
  { table: 'adjustment', where: OF_THEIR_CONNECTIONS },
  { table: 'connection', where: OWN },
  { table: 'tenant_policy', where: OWN },
  { table: 'notification', where: OWN },
  { table: 'notice', where: OWN },
  { table: 'notification_channel', where: OWN },
  { table: 'domain_claim', where: OWN },
  { table: 'tenant_domain', where: OWN },
  { table: 'session', where: `${OWN} OR ${OF_THEIR_PRINCIPALS}` },
  { table: 'sign_in_link', where: `${OWN} OR ${OF_THEIR_PRINCIPALS}` },
  {
    table: 'principal_login',
    where: `${OWN} OR ${OF_THEIR_PRINCIPALS} OR provider_id IN (SELECT id FROM sign_in_provider WHERE ${OWN})`,
  },
  { table: 'sign_in_provider', where: OWN },
  { table: 'support_access', where: `${OWN} OR ${OF_THEIR_PRINCIPALS}` },
  { table: 'api_key', where: `${OWN} OR ${OF_THEIR_PRINCIPALS}` },
  // Whoever decided something in a tenant that has been moved away since stays as its author, without a name: see closeWhatStays.
  {
    table: 'principal',
    where: `${OWN} AND NOT EXISTS (SELECT FROM decision d WHERE d.principal_id = principal.id)
      AND NOT EXISTS (SELECT FROM apply a WHERE a.principal_id = principal.id)
      AND NOT EXISTS (SELECT FROM guard_override o WHERE o.principal_id = principal.id)`,
  },
  { table: 'signing_key', where: OWN },
  { table: 'event', where: `${OWN} AND type <> 'tenant.deleted'` },
];

/** Newest first where the order counts: a key that takes the place of another refers to it. */
async function removeRows(
  sql: Sql,
  table: string,
  where: string,
  tenants: readonly TenantId[],
): Promise<boolean> {
  const order = table === 'api_key' ? 'ORDER BY id DESC' : '';
  const rows = await sql.query(
    `DELETE FROM ${table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${table} WHERE ${where} ${order} LIMIT ${ROWS})) RETURNING 1`,
    [tenants],
  );
  return rows.length > 0;
}

async function closeWhatStays(sql: Sql, tenants: readonly TenantId[], now: Date): Promise<void> {
  await sql.query(
    `UPDATE principal SET name = id::text, disabled_at = coalesce(disabled_at, $2) WHERE ${OWN} AND name <> id::text`,
    [tenants, now.toISOString()],
  );
  await sql.query(
    'UPDATE api_key SET revoked_at = $2 WHERE scope_tenant_id = ANY ($1::uuid[]) AND revoked_at IS NULL',
    [tenants, now.toISOString()],
  );
}

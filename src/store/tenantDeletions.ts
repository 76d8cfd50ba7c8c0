/**
 * Deletes tenants. One that nothing uses is marked at once. One whose scheduled deletion is due is marked with all below it, the deepest
 * first, some hundred in a transaction: whoever is killed on the way leaves the rest still due. What marked tenants held is then removed
 * by tenantPurge.ts.
 */
import type { Actor } from '../domain/audit.ts';
import type { ApplyId, ConnectionId, TenantId } from '../domain/ids.ts';
import { isUsed, MANY_USERS, type Tenant, type TenantUse } from '../domain/tenant.ts';
import { appendToChains, type ChainedEntry } from './auditChains.ts';
import type { Database, Sql } from './database.ts';
import { writeTenantEvents } from './events.ts';
import { connectionsBeingRun, lockTree } from './locks.ts';
import { isWithin, SUBTREE } from './scope.ts';
import { readTenant } from './tenantRows.ts';

/** How many tenants one transaction marks: each has an audit chain of its own to append to. */
const MARKED_AT_ONCE = 200;

export type TenantDeletions = {
  /** Marks it unless something uses it, and says what. null: it is not at this version any more, or not there. */
  deleteUnused(
    scope: TenantId,
    at: Pick<Tenant, 'id' | 'version'>,
    by: Actor,
    now: Date,
  ): Promise<{ readonly deleted: Tenant } | { readonly use: TenantUse } | null>;
  /** Whose scheduled deletion is due, the longest ago first. Of every tenant. */
  due(now: Date): Promise<readonly TenantId[]>;
  /** Connections of the subtree that some process runs at this moment, and applies that are not ended. */
  underWay(tenant: TenantId): Promise<{
    readonly runs: readonly ConnectionId[];
    readonly applies: readonly ApplyId[];
  }>;
  /** Marks the next ones of the subtree. true: all are; false: more are left. Nothing happens where it is not due any more. */
  markDue(tenant: TenantId, by: Actor, now: Date): Promise<boolean>;
};

export function tenantDeletions(database: Database): TenantDeletions {
  return {
    deleteUnused: (scope, { id, version }, by, now) =>
      database.bulk(scope, async (tx) => {
        await lockTree(tx);
        // Whoever is adding a connection, a principal or a run holds the tenant's row until it is there to be counted.
        const [found] = await tx.query(
          `SELECT FROM tenant t WHERE t.id = $2 AND t.version = $3 AND t.id IN ${SUBTREE('$1::uuid')} FOR UPDATE`,
          [scope, id, version],
        );
        if (found === undefined) return null;
        const use = await usesOf(tx, id);
        if (isUsed(use)) return { use };
        await mark(tx, [id], by, now);
        return { deleted: await readTenant(tx, scope, id) };
      }),
    due: (now) =>
      database.bulk(database.root, async (tx) => {
        const rows = await tx.query<{ id: TenantId }>(
          `SELECT id FROM tenant WHERE delete_at <= $1 AND purged_at IS NULL AND state <> 'deleted' ORDER BY delete_at, id`,
          [now.toISOString()],
        );
        return rows.map(({ id }) => id);
      }),
    underWay: (tenant) =>
      database.bulk(tenant, async (tx) => {
        const connections = await tx.query<{ id: ConnectionId }>('SELECT id FROM connection');
        const applies = await tx.query<{ id: ApplyId }>(
          `SELECT id FROM apply WHERE state = 'running' ORDER BY id`,
        );
        const running = await connectionsBeingRun(
          tx,
          connections.map(({ id }) => id),
        );
        return { runs: [...running], applies: applies.map(({ id }) => id) };
      }),
    markDue: (tenant, by, now) =>
      database.bulk(database.root, async (tx) => {
        await lockTree(tx);
        const rows = await tx.query<{ id: TenantId }>(
          `SELECT t.id FROM tenant t, tenant top
           WHERE top.id = $1 AND top.delete_at <= $2 AND top.state <> 'deleted' AND ${isWithin('t.path', 'top.path')}
             AND t.state <> 'deleted' ORDER BY length(t.path) DESC, t.id LIMIT ${MARKED_AT_ONCE} FOR UPDATE OF t`,
          [tenant, now.toISOString()],
        );
        await mark(
          tx,
          rows.map(({ id }) => id),
          by,
          now,
        );
        return rows.length < MARKED_AT_ONCE;
      }),
  };
}

async function usesOf(sql: Sql, tenant: TenantId): Promise<TenantUse> {
  const [use] = await sql.query<TenantUse>(
    `SELECT (SELECT count(*)::int FROM tenant WHERE parent_id = $1 AND state <> 'deleted') AS children,
       (SELECT count(*)::int FROM connection WHERE tenant_id = $1) AS connections,
       (SELECT count(*)::int FROM (SELECT FROM auth_user WHERE tenant_id = $1 AND state <> 'deleted' LIMIT ${MANY_USERS + 1}) AS seen) AS users,
       (SELECT count(*)::int FROM sync_run r JOIN connection c ON c.id = r.connection_id
        WHERE c.tenant_id = $1 AND r.state IN ('queued', 'pulling', 'planning'))
         + (SELECT count(*)::int FROM apply a JOIN connection c ON c.id = a.connection_id WHERE c.tenant_id = $1 AND a.state = 'running') AS runs`,
    [tenant],
  );
  if (use === undefined) throw new Error('a count gives a row');
  return use;
}

/** `delete_at` is from now on when it was deleted: what still came in is looked for some time after that. */
async function mark(sql: Sql, tenants: readonly TenantId[], by: Actor, now: Date): Promise<void> {
  const rows = await sql.query<{ id: TenantId; dataKey: string }>(
    `UPDATE tenant SET state = 'deleted', delete_at = $2, kept_state = NULL, version = version + 1
     WHERE id = ANY ($1::uuid[]) RETURNING id, data_key AS "dataKey"`,
    [tenants, now.toISOString()],
  );
  const events = rows.map(({ id, dataKey }) => {
    return { tenant: id, type: 'tenant.deleted', data: { tenant: id, dataKey } } as const;
  });
  await writeTenantEvents(sql, now, events);
  const entries = rows.map(({ id }): ChainedEntry => {
    const subject = { kind: 'tenant', id } as const;
    return { chain: id, entry: { actor: by, action: 'tenant.deleted', subject, details: {} } };
  });
  await appendToChains(sql, now, entries);
}

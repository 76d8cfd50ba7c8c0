/** What becomes of changes by themselves, each with a note for whoever had decided on it: gone because no longer true, open again because its time is up. */
import type { AuditEntry } from '../domain/audit.ts';
import type { ConnectionId, TenantId } from '../domain/ids.ts';
import { appendAudit } from './audit.ts';
import type { BulkTransaction, Database } from './database.ts';
import { OPEN_AGAIN } from './guards.ts';

/** Of `change c`, in a plan whose changes are in `planned` and whose run is `$2`. See `ChangeNote`. */
export const WHY_GONE = `CASE
  WHEN EXISTS (SELECT FROM planned p WHERE p.external_id = c.external_id)
  THEN (SELECT jsonb_build_object('because', 'replaced', 'by', p.id) FROM planned p WHERE p.external_id = c.external_id LIMIT 1)
  WHEN EXISTS (SELECT FROM staged_user s WHERE s.run_id = $2 AND s.external_id = c.external_id AND s.absence IS NULL)
  THEN '{"because": "agrees"}'::jsonb ELSE '{"because": "away"}'::jsonb END`;

const TIME_UP = `jsonb_build_object('because', 'time-up', 'was', c.state, 'by', d.actor ->> 'name', 'reason', d.reason,
  'until', to_char(d.until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))`;

/** Opens again what was refused or held back until a time that has come; gives how many. */
export async function reopenDue(
  tx: BulkTransaction,
  connection: ConnectionId,
  revision: number,
  at: Date,
): Promise<number> {
  const { rowCount } = await tx.client.query(
    `UPDATE change c SET ${OPEN_AGAIN('$2::bigint', TIME_UP)} FROM decision d
     WHERE c.connection_id = $1 AND c.state IN ('rejected', 'held') AND d.id = c.decision_id AND d.until <= $3`,
    [connection, revision, at.toISOString()],
  );
  return rowCount ?? 0;
}

/**
 * The same for every connection, between their runs: whose change set a plan is being stored for is left to that plan. Gives how many
 * changes are open again.
 */
export async function reopenDueEverywhere(database: Database, at: Date): Promise<number> {
  const due = await database.bulk(database.root, (tx) =>
    tx.query<{ connection: ConnectionId; tenant: TenantId }>(
      `SELECT DISTINCT d.connection_id AS connection, d.tenant_id AS tenant FROM decision d
       WHERE d.until <= $1 AND EXISTS (SELECT FROM change c WHERE c.connection_id = d.connection_id AND c.state IN ('rejected', 'held') AND c.decision_id = d.id)
       ORDER BY 1`,
      [at.toISOString()],
    ),
  );
  let opened = 0;
  for (const { connection, tenant } of due) {
    opened += await database.bulk(tenant, async (tx) => {
      const [free] = await tx.query<{ revision: string }>(
        'SELECT change_revision AS revision FROM connection WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED',
        [connection],
      );
      if (free === undefined) return 0;
      const revision = Number(free.revision) + 1;
      const changes = await reopenDue(tx, connection, revision, at);
      if (changes === 0) return 0;
      await tx.query('UPDATE connection SET change_revision = $2 WHERE id = $1', [connection, revision]);
      const entry: AuditEntry = {
        actor: { kind: 'system', id: null, name: 'housekeeping' },
        action: 'changes.opened-again',
        subject: { kind: 'change-set', id: connection },
        details: { changes, because: 'time-up', revision },
      };
      await appendAudit(tx, tenant, at, [entry]);
      return changes;
    });
  }
  return opened;
}

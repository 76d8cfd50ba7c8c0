/** What becomes of changes by themselves, each with a note for whoever had decided on it: gone because no longer true, open again because its time is up. */
import { v7 } from 'uuid';
import type { AuditEntry } from '../domain/audit.ts';
import { evaluateGuards } from '../domain/guard.ts';
import { type ConnectionId, RunId, type TenantId } from '../domain/ids.ts';
import { compileMapping, Mapping } from '../domain/mapping.ts';
import { Policy } from '../domain/policy.ts';
import { appendAudit } from './audit.ts';
import type { BulkTransaction, Database } from './database.ts';
import { activeOverrides } from './guardOverrides.ts';
import { countForGuards, holdFound, OPEN_AGAIN } from './guards.ts';
import { judgeChanges } from './judging.ts';

/** Of `change c`, in a plan whose changes are in `planned` and whose run is `$2`. See `ChangeNote`. */
export const WHY_GONE = `CASE
  WHEN EXISTS (SELECT FROM planned p WHERE p.external_id = c.external_id)
  THEN (SELECT jsonb_build_object('because', 'replaced', 'by', p.id) FROM planned p WHERE p.external_id = c.external_id LIMIT 1)
  WHEN EXISTS (SELECT FROM staged_user s WHERE s.run_id = $2 AND s.external_id = c.external_id AND s.absence IS NULL)
  THEN '{"because": "agrees"}'::jsonb ELSE '{"because": "away"}'::jsonb END`;

const TIME_UP = `jsonb_build_object('because', 'time-up', 'was', c.state, 'by', d.actor ->> 'name', 'reason', d.reason,
  'until', to_char(d.until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))`;

/**
 * What was refused or held back until a time that has come waits again: held by the guard whose decision that had set aside, open where
 * there was none. Gives how many. The guards have to be asked afterwards: nobody counted these among what waits.
 */
export async function reopenDue(
  tx: BulkTransaction,
  connection: ConnectionId,
  revision: number,
  at: Date,
): Promise<number> {
  const { rowCount } = await tx.client.query(
    `WITH due AS (
       UPDATE decision SET until_over = true WHERE connection_id = $1 AND until <= $3 AND NOT until_over
       RETURNING id, actor, reason, until)
     UPDATE change c SET ${OPEN_AGAIN('$2::bigint', TIME_UP, 'e.overrode')}
     FROM due d JOIN decision_change e ON e.decision_id = d.id
     WHERE c.id = e.change_id AND c.state IN ('rejected', 'held') AND c.decision_id = d.id`,
    [connection, revision, at.toISOString()],
  );
  return rowCount ?? 0;
}

/**
 * The same for every connection, between their runs: whose change set a plan is being stored for is left to that plan. The guards look at
 * what waits then, as in a plan that has read nobody: they hold, and open nothing by what they do not find. Gives how many changes wait
 * again.
 */
export async function reopenDueEverywhere(database: Database, at: Date): Promise<number> {
  const due = await database.bulk(database.root, (tx) =>
    tx.query<Due>(
      `SELECT DISTINCT connection_id AS connection, tenant_id AS tenant FROM decision WHERE until <= $1 AND NOT until_over ORDER BY 1`,
      [at.toISOString()],
    ),
  );
  let [waiting, failed]: [number, unknown[]] = [0, []];
  for (const of of due) {
    try {
      waiting += await database.bulk(of.tenant, (tx) => reopenIn(tx, of, at));
    } catch (error) {
      failed = [...failed, error]; // one whose policy cannot be read keeps no other waiting
    }
  }
  if (failed.length > 0) throw new AggregateError(failed, 'changes of some connections wait in vain');
  return waiting;
}

type Due = { readonly connection: ConnectionId; readonly tenant: TenantId };

async function reopenIn(tx: BulkTransaction, { connection, tenant }: Due, at: Date): Promise<number> {
  const [free] = await tx.query<{ revision: string; policy: unknown; mapping: unknown }>(
    'SELECT change_revision AS revision, policy, mapping FROM connection WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED',
    [connection],
  );
  if (free === undefined) return 0;
  const revision = Number(free.revision) + 1;
  const changes = await reopenDue(tx, connection, revision, at);
  if (changes === 0) return 0;
  const policy = Policy.parse(free.policy);
  const none = { connection, tenant, id: RunId.parse(v7()) };
  const { scopeReads } = compileMapping(Mapping.parse(free.mapping));
  const facts = { policy, scopeReads, snapshot: { kind: 'named' }, lastComplete: null } as const;
  const overrides = await activeOverrides(tx, [connection], at);
  const findings = evaluateGuards(await countForGuards(tx, none, { facts, at }), policy.guards, overrides);
  await holdFound(tx, none, { findings, overrides, snapshot: facts.snapshot, revision });
  const judged = await judgeChanges(tx, { connection, tenant }, { revision, at });
  await tx.query('UPDATE connection SET change_revision = $2 WHERE id = $1', [connection, revision]);
  const entry: AuditEntry = {
    actor: { kind: 'system', id: null, name: 'housekeeping' },
    action: 'changes.opened-again',
    subject: { kind: 'change-set', id: connection },
    details: { changes, because: 'time-up', revision },
  };
  await appendAudit(tx, tenant, at, [entry, ...judged.entries]);
  return changes;
}

/** What becomes of changes by themselves, each with a note for whoever had decided on it: gone because no longer true, open again because its time is up. */
import type { AuditEntry } from '../domain/audit.ts';
import type { ConnectionId, TenantId } from '../domain/ids.ts';
import { Mapping } from '../domain/mapping.ts';
import { Policy } from '../domain/policy.ts';
import { appendAudit } from './audit.ts';
import type { BulkTransaction, Database } from './database.ts';
import { guardAgain } from './guardedAgain.ts';
import { OPEN_AGAIN } from './guards.ts';
import { MOMENT } from './moment.ts';

/** Of `change c`, in a plan whose run is `$2`; `p` is the change of the same person that the plan proposes, if any. See `ChangeNote`. */
export const WHY_GONE = `CASE
  WHEN p.id IS NOT NULL THEN jsonb_build_object('because', 'replaced', 'by', p.id)
  WHEN EXISTS (SELECT FROM staged_user s WHERE s.run_id = $2 AND s.external_id = c.external_id AND s.absence IS NULL)
  THEN '{"because": "agrees"}'::jsonb ELSE '{"because": "away"}'::jsonb END`;

const TIME_UP = `jsonb_build_object('because', 'time-up', 'was', c.state, 'by', coalesce(d.actor ->> 'name', 'a policy rule'), 'reason', d.reason,
  'until', ${MOMENT('d.until')})`;

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
     UPDATE change c SET ${OPEN_AGAIN('$2::bigint', TIME_UP, 'e.overrode')}, overdue_at = NULL
     FROM due d JOIN decision_change e ON e.decision_id = d.id
     WHERE c.id = e.change_id AND c.state IN ('rejected', 'held') AND c.decision_id = d.id`,
    [connection, revision, at.toISOString()],
  );
  return rowCount ?? 0;
}

const EXPIRED = `jsonb_build_object('because', 'expired', 'by', d.actor ->> 'name', 'reason', d.reason,
  'until', ${MOMENT('d.created_at + make_interval(hours => v.valid_hours)')})`;

/** Approvals that are not good any more at a time, of `change c`, with its `decision d` and `policy_verdict v`. */
const HAS_EXPIRED = (
  at: string,
) => `c.state = 'approved' AND v.valid_hours IS NOT NULL AND d.made_by = 'person'
  AND d.created_at + make_interval(hours => v.valid_hours) <= ${at}::timestamptz`;

/**
 * What was approved and not applied as long as the policy lets an approval wait is open again, or held by the guard whose decision the
 * approval had set aside. A batch that applies some keeps those. The guards and the rules have to be asked afterwards.
 */
async function reopenExpired(
  tx: BulkTransaction,
  connection: ConnectionId,
  revision: number,
  at: Date,
): Promise<number> {
  const { rowCount } = await tx.client.query(
    `WITH due AS (
       SELECT c.id, e.overrode, ${EXPIRED} AS note FROM change c JOIN decision d ON d.id = c.decision_id JOIN policy_verdict v ON v.id = c.verdict_id
         LEFT JOIN decision_change e ON e.decision_id = c.decision_id AND e.change_id = c.id
       WHERE c.connection_id = $1 AND v.connection_id = $1 AND ${HAS_EXPIRED('$3')} ORDER BY c.id FOR UPDATE OF c SKIP LOCKED)
     UPDATE change c SET ${OPEN_AGAIN('$2::bigint', 'due.note', 'due.overrode')}, overdue_at = NULL FROM due WHERE c.id = due.id`,
    [connection, revision, at.toISOString()],
  );
  return rowCount ?? 0;
}

/** Before an apply takes what is approved: an approval that is not good any more is not carried out, whoever keeps house. */
export async function letExpire(
  tx: BulkTransaction,
  { connection, tenant }: Due,
  at: Date,
): Promise<readonly AuditEntry[]> {
  const [some] = await tx.query(
    'SELECT FROM policy_verdict WHERE connection_id = $1 AND valid_hours IS NOT NULL LIMIT 1',
    [connection],
  );
  if (some === undefined) return [];
  const [row] = await tx.query<OfSet>(`${OF_SET} AND tenant_id = $2 FOR NO KEY UPDATE`, [connection, tenant]);
  if (row === undefined) return [];
  const revision = Number(row.revision) + 1;
  const expired = await reopenExpired(tx, connection, revision, at);
  if (expired === 0) return [];
  const decided = await askAgain(tx, { connection, tenant }, row, { revision, at });
  return [openedAgain(connection, { because: 'expired', changes: expired, revision }), ...decided];
}

/**
 * The same for every connection, between their runs, and with it what was approved for no longer than until now: whose change set a plan is being stored for is left to that plan. The guards look at
 * what waits then, as in a plan that has read nobody: they hold, and open nothing by what they do not find. Gives how many changes wait
 * again.
 */
export async function reopenDueEverywhere(database: Database, at: Date): Promise<number> {
  const due = await database.bulk(database.root, (tx) =>
    tx.query<Due>(
      `SELECT connection_id AS connection, tenant_id AS tenant FROM decision WHERE until <= $1 AND NOT until_over
       UNION SELECT c.connection_id, c.tenant_id FROM policy_verdict v JOIN change c ON c.verdict_id = v.id
         JOIN decision d ON d.id = c.decision_id WHERE ${HAS_EXPIRED('$1')} ORDER BY 1`,
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

type OfSet = { readonly revision: string; readonly policy: unknown; readonly mapping: unknown };
const OF_SET = 'SELECT change_revision AS revision, policy, mapping FROM connection WHERE id = $1';

/** Of what waits again. The connection's row has to be locked, and gets its new revision. */
async function askAgain(
  tx: BulkTransaction,
  { connection, tenant }: Due,
  of: OfSet,
  { revision, at }: { readonly revision: number; readonly at: Date },
): Promise<readonly AuditEntry[]> {
  const policy = Policy.parse(of.policy);
  const mapping = Mapping.parse(of.mapping);
  const decided = await guardAgain(tx, { connection, tenant, policy, mapping, revision, at });
  await tx.query('UPDATE connection SET change_revision = $2 WHERE id = $1', [connection, revision]);
  return decided;
}

type Due = { readonly connection: ConnectionId; readonly tenant: TenantId };

async function reopenIn(tx: BulkTransaction, { connection, tenant }: Due, at: Date): Promise<number> {
  const [free] = await tx.query<OfSet>(`${OF_SET} FOR NO KEY UPDATE SKIP LOCKED`, [connection]);
  if (free === undefined) return 0;
  const revision = Number(free.revision) + 1;
  const timeUp = await reopenDue(tx, connection, revision, at);
  const expired = await reopenExpired(tx, connection, revision, at);
  const changes = timeUp + expired;
  if (changes === 0) return 0;
  const decided = await askAgain(tx, { connection, tenant }, free, { revision, at });
  const opened = Object.entries({ 'time-up': timeUp, expired }).flatMap(([because, n]) =>
    n === 0 ? [] : [openedAgain(connection, { because, changes: n, revision })],
  );
  await appendAudit(tx, tenant, at, [...opened, ...decided]);
  return changes;
}

function openedAgain(
  connection: ConnectionId,
  details: { readonly because: string; readonly changes: number; readonly revision: number },
): AuditEntry {
  return {
    actor: { kind: 'system', id: null, name: 'housekeeping' },
    action: 'changes.opened-again',
    subject: { kind: 'change-set', id: connection },
    details,
  };
}

/**
 * Approvals where a policy asks for more than one by anybody who may decide. The rows of all changes concerned are locked before anything
 * is counted, so that of two who approve at once the second sees the first.
 */
import type { Hindrance } from '../domain/approval.ts';
import type { AuditEntry } from '../domain/audit.ts';
import type { ChangeId, ConnectionId, PrincipalId, TenantId } from '../domain/ids.ts';
import { APPROVER_ROLES, type ApproverRole } from '../domain/reviewRules.ts';
import { appendAudit } from './audit.ts';
import { CONFIGURED, HAD_PART } from './configurators.ts';
import type { BulkTransaction, Database, Sql } from './database.ts';
import { MOMENT } from './moment.ts';

/** Of `policy_verdict v`: one approval by anybody who may decide is not enough. */
const ASKS_MORE = `(v.approvals > 1 OR v.approver_role <> '${APPROVER_ROLES[0]}' OR NOT v.configurators OR v.escalate_to IS NOT NULL)`;

/** How much a role may, to be compared; NULL, as of no role, compares with nothing. */
const RANK = (role: string) => `array_position('{${APPROVER_ROLES.join(',')}}'::text[], ${role})`;

/** Of `change c`: since when it has waited. What was put off, or approved and not applied in time, waits since then. */
const WAITING_SINCE = `coalesce((c.note ->> 'until')::timestamptz, c.created_at)`;

const DEADLINE = `${WAITING_SINCE} + make_interval(hours => v.deadline_hours)`;

/** Of `approval a` of `change c`: it has not been used up, and knew what held or refused the change. */
const STANDS = `a.counted_in IS NULL AND (c.state NOT IN ('held', 'rejected') OR a.despite = c.decision_id)`;

/**
 * Notes which changes have waited for longer than the policy wants them to, once for each: so that people are told. From the deadline on
 * an approval by the role of escalation is asked for whether that was noted or not. Gives how many.
 */
export async function noteOverdue(database: Database, at: Date): Promise<number> {
  const tenants = await database.bulk(database.root, (tx) =>
    tx.query<{ tenant: TenantId }>(
      `SELECT DISTINCT c.tenant_id AS tenant FROM policy_verdict v JOIN change c ON c.verdict_id = v.id WHERE ${IS_OVERDUE('$1')} ORDER BY 1`,
      [at.toISOString()],
    ),
  );
  let noted = 0;
  for (const { tenant } of tenants)
    noted += await database.bulk(tenant, (tx) => noteOverdueIn(tx, tenant, at));
  return noted;
}

/** Skips what somebody decides on just now: it is not overdue then, or is noted in the next round. */
async function noteOverdueIn(tx: BulkTransaction, tenant: TenantId, at: Date): Promise<number> {
  const rows = await tx.query<{
    connection: ConnectionId;
    rule: string;
    escalateTo: string | null;
    changes: number;
  }>(
    `WITH due AS (
       SELECT c.id, v.rule, v.escalate_to FROM change c JOIN policy_verdict v ON v.id = c.verdict_id
       WHERE c.tenant_id = $2::uuid AND v.tenant_id = $2::uuid AND ${IS_OVERDUE('$1')} ORDER BY c.id FOR UPDATE OF c SKIP LOCKED),
     noted AS (
       UPDATE change c SET overdue_at = $1::timestamptz FROM due WHERE c.id = due.id RETURNING c.connection_id, due.rule, due.escalate_to)
     SELECT connection_id AS connection, rule, escalate_to AS "escalateTo", count(*)::int AS changes FROM noted
     GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`,
    [at.toISOString(), tenant],
  );
  const entries = rows.map(
    ({ connection, ...details }): AuditEntry => ({
      actor: { kind: 'system', id: null, name: 'housekeeping' },
      action: 'changes.overdue',
      subject: { kind: 'change-set', id: connection },
      details,
    }),
  );
  await appendAudit(tx, tenant, at, entries);
  return rows.reduce((sum, { changes }) => sum + changes, 0);
}

const IS_OVERDUE = (
  at: string,
) => `c.state IN ('open', 'held') AND c.overdue_at IS NULL AND v.deadline_hours IS NOT NULL
  AND c.created_at <= ${at}::timestamptz - make_interval(hours => v.deadline_hours) AND ${DEADLINE} <= ${at}::timestamptz`;

/** A column of `change c`, beside its `policy_verdict v`. See `Approvals`. */
export const APPROVALS = `CASE WHEN ${ASKS_MORE} OR v.deadline_hours IS NOT NULL OR v.valid_hours IS NOT NULL THEN json_build_object(
  'rule', nullif(v.rule, ''), 'level', CASE WHEN v.level_tenant IS NULL THEN 'connection' WHEN v.level_tenant = v.tenant_id THEN 'tenant' ELSE 'above' END,
  'needed', v.approvals, 'from', v.approver_role, 'configurators', CASE WHEN v.configurators THEN 'allowed' ELSE 'refused' END,
  'escalateTo', v.escalate_to, 'validHours', v.valid_hours,
  'deadline', ${MOMENT(DEADLINE)},
  'overdue', coalesce(${DEADLINE} <= now() AND c.state IN ('open', 'held'), false),
  'given', coalesce((
    SELECT json_agg(json_build_object('by', g.by, 'at', ${MOMENT('g.at')}, 'reason', g.reason) ORDER BY g.at, g.by)
    FROM (SELECT DISTINCT ON (a.principal_id) n.actor ->> 'name' AS by, n.reason, a.created_at AS at
          FROM approval a JOIN decision n ON n.id = a.decision_id CROSS JOIN LATERAL principal_above(a.principal_id, c.tenant_id) p
          WHERE a.change_id = c.id AND (a.counted_in = c.decision_id OR ${STANDS} AND ${RANK('p.role')} >= ${RANK('v.approver_role')}
            AND (v.configurators OR NOT EXISTS (SELECT FROM (${CONFIGURED('c.connection_id')}) f WHERE f.principal_id = a.principal_id AND c.id < f.until) AND NOT ${HAD_PART('a.principal_id')}))
          ORDER BY a.principal_id, a.created_at) g), '[]')) END`;

/** Whether any verdict on changes of the connection asks for more: one cheap look. */
export async function anyAsksMore(sql: Sql, connection: ConnectionId): Promise<boolean> {
  const [some] = await sql.query(
    `SELECT FROM policy_verdict v WHERE v.connection_id = $1 AND ${ASKS_MORE} LIMIT 1`,
    [connection],
  );
  return some !== undefined;
}

export type Approver = { readonly principal: PrincipalId; readonly role: string; readonly at: Date };

export type Chosen = {
  readonly connection: ConnectionId;
  readonly tenant: TenantId;
  /** Of `change c`. */
  readonly where: string;
  readonly values: readonly unknown[];
};

/** Of `change c`, beside `configured`. */
const HAS_CONFIGURED = (principal: string) =>
  `EXISTS (SELECT FROM configured f WHERE f.principal_id = ${principal} AND c.id < f.until)`;

/** What keeps the approver, `$1` with the role `$2`, from approving `change c`. The first that holds is told. */
const HINDERS: readonly (readonly [Hindrance, string])[] = [
  ['needs-role', `coalesce(${RANK('$2::text')} < ${RANK('v.approver_role')}, true)`],
  ['own-configuration', `NOT v.configurators AND (${HAS_CONFIGURED('$1::uuid')} OR ${HAD_PART('$1::uuid')})`],
];

/**
 * Locks the chosen changes, and looks at each whether one approval is enough, whether this one counts, and whether there are enough with
 * it. They are in the table `approving` of this session until the next call, or the end of the transaction.
 */
export async function beginApproving(tx: BulkTransaction, by: Approver, chosen: Chosen): Promise<void> {
  await tx.query(
    `CREATE TEMP TABLE IF NOT EXISTS approving (
       change_id uuid PRIMARY KEY, asks_more boolean, hindrance text, enough boolean) ON COMMIT DELETE ROWS`,
  );
  await tx.query('DELETE FROM approving');
  await tx.query(
    `INSERT INTO approving (change_id, asks_more)
     SELECT c.id, coalesce(${ASKS_MORE}, false) FROM change c LEFT JOIN policy_verdict v ON v.id = c.verdict_id
     WHERE ${chosen.where} ORDER BY c.id FOR UPDATE OF c`,
    chosen.values,
  );
  // Statements of their own: what others wrote while the rows were waited for is seen from here on.
  const hinders = HINDERS.map(([name, holds]) => `WHEN ${holds} THEN '${name}'`).join(' ');
  await tx.query(
    `WITH configured AS MATERIALIZED (${CONFIGURED('$3::uuid')})
     UPDATE approving m SET hindrance = CASE ${hinders} END
     FROM change c JOIN policy_verdict v ON v.id = c.verdict_id WHERE m.asks_more AND c.id = m.change_id`,
    [by.principal, by.role, chosen.connection],
  );
  await tx.query(
    `WITH configured AS MATERIALIZED (${CONFIGURED('$5::uuid')}), other AS MATERIALIZED (
       SELECT o.id, p.role
       FROM (SELECT DISTINCT a.principal_id AS id FROM approval a JOIN approving m ON m.change_id = a.change_id) o
         CROSS JOIN LATERAL principal_above(o.id, $3::uuid) p WHERE o.id <> $1::uuid)
     UPDATE approving m SET enough = g.others + 1 >= v.approvals AND (
         v.escalate_to IS NULL OR ${DEADLINE} > $4::timestamptz OR g.escalated OR ${RANK('$2::text')} >= ${RANK('v.escalate_to')})
     FROM change c JOIN policy_verdict v ON v.id = c.verdict_id CROSS JOIN LATERAL (
       SELECT count(DISTINCT o.id) AS others, coalesce(bool_or(${RANK('o.role')} >= ${RANK('v.escalate_to')}), false) AS escalated
       FROM approval a JOIN other o ON o.id = a.principal_id
         JOIN decision_change e ON e.decision_id = a.decision_id AND e.change_id = a.change_id AND e.fingerprint = c.fingerprint
       WHERE a.change_id = c.id AND ${STANDS} AND ${RANK('o.role')} >= ${RANK('v.approver_role')} 
         AND (v.configurators OR NOT ${HAS_CONFIGURED('o.id')} AND NOT ${HAD_PART('o.id')})) g
     WHERE m.asks_more AND m.hindrance IS NULL AND c.id = m.change_id`,
    [by.principal, by.role, chosen.tenant, by.at.toISOString(), chosen.connection],
  );
  // Where the rule asks for fewer by now, it is enough that whoever has approved says so again.
  await tx.query(
    `UPDATE approving m SET hindrance = 'approved-already' FROM change c
     WHERE m.asks_more AND m.hindrance IS NULL AND NOT m.enough AND c.id = m.change_id
       AND EXISTS (SELECT FROM approval a WHERE a.change_id = c.id AND a.principal_id = $1::uuid AND ${STANDS})`,
    [by.principal],
  );
}

/** Those that this approval is about, and of them, `chosen`, those that are approved by it. */
export const ACCEPTED = 'c.id IN (SELECT change_id FROM approving WHERE hindrance IS NULL)';
export const ENOUGH = 'chosen.id IN (SELECT change_id FROM approving WHERE NOT asks_more OR enough)';

/** Notes this approval of all that ask for more; where there are enough now, all of them are used up. */
export async function noteApprovals(tx: BulkTransaction, by: Approver, decision: string): Promise<void> {
  await tx.query(
    `UPDATE approval a SET counted_in = $1 FROM approving m JOIN change c ON c.id = m.change_id
     WHERE m.enough AND a.change_id = m.change_id AND ${STANDS}`,
    [decision],
  );
  await tx.query(
    `INSERT INTO approval (decision_id, change_id, tenant_id, connection_id, principal_id, despite, counted_in, created_at)
     SELECT $1, c.id, c.tenant_id, c.connection_id, $2, CASE WHEN c.state IN ('held', 'rejected') THEN c.decision_id END,
       CASE WHEN m.enough THEN $1::uuid END, $3
     FROM approving m JOIN change c ON c.id = m.change_id WHERE m.asks_more AND m.hindrance IS NULL`,
    [decision, by.principal, by.at.toISOString()],
  );
}

/**
 * Somebody refuses, or holds back, what others had begun to approve: they would have to do so again. To be called when the decision holds
 * the changes locked: whoever was approving one meanwhile is done, and is seen.
 */
export async function forgetApprovals(tx: BulkTransaction, decision: string): Promise<void> {
  await tx.query(
    `DELETE FROM approval a USING decision_change e WHERE e.decision_id = $1 AND a.change_id = e.change_id AND a.counted_in IS NULL`,
    [decision],
  );
}

export type Hindered = {
  readonly because: Hindrance;
  /** Whose approval it takes. */
  readonly from: ApproverRole;
  readonly changes: number;
  /** Up to so many as can be named. */
  readonly ids: readonly ChangeId[];
};

const NAMED = 10_000;

/** What this approval does not count for. */
export async function hindered(sql: Sql): Promise<readonly Hindered[]> {
  return await sql.query<Hindered>(
    `SELECT m.hindrance AS because, v.approver_role AS "from", count(*)::int AS changes, (array_agg(c.id ORDER BY c.id))[1:${NAMED}] AS ids
     FROM approving m JOIN change c ON c.id = m.change_id JOIN policy_verdict v ON v.id = c.verdict_id
     WHERE m.hindrance IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2`,
  );
}

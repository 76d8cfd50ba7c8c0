/**
 * What policy rules say of a connection's changes, noted with each, and what follows from it: one decision for each distinct verdict. A
 * change is judged when it is proposed or opened again, and all that wait are when a rule has changed. A person's decision stays, and so
 * does what a guard holds: of such a change the verdict is noted, for whoever lets it go.
 */
import { v7 } from 'uuid';
import type { AuditEntry } from '../domain/audit.ts';
import { fingerprintOf } from '../domain/canonical.ts';
import type { JudgedChange } from '../domain/changeExpression.ts';
import type { ApplyId, ChangeId, ConnectionId, TenantId } from '../domain/ids.ts';
import { compileRules, explainVerdict, type Judge, type Verdict } from '../domain/reviewRules.ts';
import type { RiskLevel, RiskSignal } from '../domain/risk.ts';
import { appendAudit } from './audit.ts';
import { copyInto } from './copy.ts';
import type { BulkTransaction, Database, Sql } from './database.ts';
import { type ConnectionRules, readRules } from './ruleLevels.ts';
import { startTime } from './ruleTime.ts';
import { type SomeConnections, theConnections } from './scope.ts';

export type Judged = {
  /** Changes that were decided on, opened again, or of which something else is said now. */
  readonly altered: number;
  readonly entries: readonly AuditEntry[];
};

type Of = { readonly connection: ConnectionId; readonly tenant: TenantId };
/** `revision`: that which the change set has at the end of the transaction: its own changes are new. */
type When = { readonly revision: number; readonly at: Date };

const NOTHING: Judged = { altered: 0, entries: [] };

/** The connection's row has to be locked. */
export async function judgeChanges(tx: BulkTransaction, of: Of, when: When): Promise<Judged> {
  const rules = await readRules(tx, of.connection);
  if (rules === null || (rules.digest === null && rules.judgedBy === null)) return NOTHING;
  const anew = rules.digest !== rules.judgedBy;
  const judging = new Judging(tx, of, when);
  await judging.judgeAll(rules, anew);
  if (anew)
    await tx.query('UPDATE connection SET judged_by = $2 WHERE id = $1', [of.connection, rules.digest]);
  return await judging.carryOut();
}

/** The rules that these connections go by, or what these look at, is not what it was: what waits is to be judged anew. Waits for no plan. */
export async function markToJudge(sql: Sql, some: SomeConnections): Promise<void> {
  const { where, id } = theConnections(some);
  await sql.query(
    `INSERT INTO to_judge (connection_id, tenant_id) SELECT n.id, n.tenant_id FROM connection n WHERE ${where} ORDER BY n.id
     ON CONFLICT (connection_id) DO UPDATE SET tenant_id = excluded.tenant_id, mark = excluded.mark`,
    [id],
  );
}

/**
 * Of every connection that is marked, judges what waits, if a plan has not done so since. Whose change set a plan is being stored for is left
 * to the next time. Gives how many changes are decided otherwise now, or are to be.
 */
export async function judgeMarked(database: Database, at: Date): Promise<number> {
  const marked = await database.bulk(database.root, (tx) => tx.query<Marked>(`${MARKED} ORDER BY 1`));
  let [altered, failed]: [number, unknown[]] = [0, []];
  for (const one of marked) {
    try {
      altered += (await judgeOne(database, one, at)) ?? 0;
    } catch (error) {
      failed = [...failed, error]; // one whose policy cannot be read keeps no other waiting
    }
  }
  if (failed.length > 0) throw new AggregateError(failed, 'changes of some connections are not judged anew');
  return altered;
}

/** Connections, or those that these changes or applies are of. */
export type Meant =
  | { readonly changes: readonly ChangeId[] }
  | { readonly applies: readonly ApplyId[] }
  | { readonly connections: readonly ConnectionId[] };

/** Which connections are meant: what the id of each is, in SQL, of the ids in `$1`. */
export function connectionsMeant(meant: Meant): { readonly ids: readonly string[]; readonly are: string } {
  if ('connections' in meant) return { ids: meant.connections, are: '= ANY ($1::uuid[])' };
  const [table, ids] = 'changes' in meant ? ['change', meant.changes] : ['apply', meant.applies];
  return { ids, are: `IN (SELECT connection_id FROM ${table} WHERE id = ANY ($1::uuid[]))` };
}

/**
 * The same of those that are meant, as far as `within` sees them. Gives whether all of them go by the rules of now: false where a plan or
 * somebody else has the change set at this moment.
 */
export async function judgeMeant(
  database: Database,
  within: TenantId,
  meant: Meant,
  at: Date,
): Promise<boolean> {
  const { ids, are } = connectionsMeant(meant);
  const marked = await database.bulk(within, (tx) =>
    tx.query<Marked>(`${MARKED} WHERE connection_id ${are} ORDER BY 1`, [ids]),
  );
  let areJudged = true;
  for (const one of marked) if ((await judgeOne(database, one, at)) === null) areJudged = false;
  return areJudged;
}

type Marked = Of & { readonly mark: string };
const MARKED = 'SELECT connection_id AS connection, tenant_id AS tenant, mark FROM to_judge';

async function judgeOne(database: Database, { mark, ...of }: Marked, at: Date): Promise<number | null> {
  const judged = await database.bulk(of.tenant, (tx) => judgeIn(tx, of, at));
  if (judged !== null) await database.bulk(of.tenant, (tx) => unmark(tx, of, mark));
  return judged;
}

/** null: somebody else has the change set. */
async function judgeIn(tx: BulkTransaction, of: Of, at: Date): Promise<number | null> {
  const [free] = await tx.query<{ revision: string }>(
    'SELECT change_revision AS revision FROM connection WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED',
    [of.connection],
  );
  if (free === undefined) return null;
  const revision = Number(free.revision) + 1;
  const { altered, entries } = await judgeChanges(tx, of, { revision, at });
  if (altered === 0) return 0;
  await tx.query('UPDATE connection SET change_revision = $2 WHERE id = $1', [of.connection, revision]);
  await appendAudit(tx, of.tenant, at, entries);
  return altered;
}

/** In a transaction of its own, where it holds nothing that others wait for. Who has marked it again since then was not seen: that stays. */
async function unmark(sql: Sql, { connection }: Of, mark: string): Promise<void> {
  await sql.query('DELETE FROM to_judge WHERE connection_id = $1 AND mark = $2', [connection, mark]);
}

const BATCH = 1_000;
/** Groups whose risk is remembered. */
const REMEMBERED = 5_000;

type Row = Omit<JudgedChange, 'risk' | 'riskSignals'> & {
  readonly id: string;
  readonly state: 'open' | 'held' | 'approved' | 'rejected';
  readonly group: string;
  readonly verdictId: string | null;
  /** Was put off, by whomever, until a time that has come: it is a person's turn. */
  readonly timeUp: boolean;
  /** In the state that an earlier verdict has put it in. */
  readonly byPolicy: boolean;
};

const WAITING = `SELECT c.id, c.state, c.kind, c.cause, c.before, c.after, c.fields, c.roles_gained AS "rolesGained", c.roles_lost AS "rolesLost",
    c.group_id AS "group", c.verdict_id AS "verdictId", coalesce(c.note ->> 'because' = 'time-up', false) AS "timeUp"`;
/** Those of this revision. What rules have decided earlier is none of them. */
const NEW = `${WAITING}, false AS "byPolicy" FROM change c WHERE c.connection_id = $1 AND c.state IN ('open', 'held') AND c.revision = $2`;
const ALL = `${WAITING}, coalesce(d.made_by = 'policy', false) AS "byPolicy"
  FROM change c LEFT JOIN decision d ON d.id = c.decision_id
  WHERE c.connection_id = $1 AND (c.state IN ('open', 'held') OR c.state IN ('approved', 'rejected') AND d.made_by = 'policy')
    AND $2::bigint IS NOT NULL`;

type Action = { readonly verdict: 'approve' | 'hold' | 'reject'; readonly state: string };

/** What follows for a change that waits for nobody's decision but this; null: a person's. */
function actionOf({ kind, timeUp }: Row, verdict: Verdict | null): Action | null {
  switch (verdict?.verdict) {
    case undefined:
    case 'require':
      return null;
    case 'approve':
      return kind === 'conflict' || timeUp ? null : { verdict: 'approve', state: 'approved' };
    case 'hold':
      return { verdict: 'hold', state: 'held' };
    case 'ignore':
      return timeUp ? null : { verdict: 'reject', state: 'rejected' };
    case 'reject':
      return { verdict: 'reject', state: 'rejected' };
  }
}

type Decision = Action & { readonly id: string; readonly of: Verdict; readonly verdictId: string };

class Judging {
  readonly #tx: BulkTransaction;
  readonly #of: Of;
  readonly #when: When;
  readonly #risks: Risks;
  /** Ids of verdicts by their content, and the decisions that follow from them here. */
  readonly #verdicts = new Map<string, string>();
  readonly #decisions = new Map<string, Decision>();
  #noted = 0;

  constructor(tx: BulkTransaction, of: Of, when: When) {
    this.#tx = tx;
    this.#of = of;
    this.#when = when;
    this.#risks = new Risks(tx);
  }

  async judgeAll({ levels, place }: ConnectionRules, anew: boolean): Promise<void> {
    const judge = compileRules(levels)?.(place) ?? (() => null);
    await this.#tx.query(
      `CREATE TEMP TABLE IF NOT EXISTS judged (change_id uuid, was text, verdict_id uuid, decision_id uuid, state text) ON COMMIT DELETE ROWS`,
    );
    await this.#tx.query('DELETE FROM judged');
    const values = [this.#of.connection, this.#when.revision];
    await this.#tx.query(`DECLARE to_judge NO SCROLL CURSOR FOR ${anew ? ALL : NEW}`, values);
    for (;;) {
      const rows = await this.#tx.query<Row>(`FETCH ${BATCH} FROM to_judge`);
      if (rows.length === 0) break;
      await this.#note(rows, judge);
    }
    await this.#tx.query('CLOSE to_judge');
  }

  async #note(rows: readonly Row[], judge: Judge): Promise<void> {
    const judgeOne = startTime()(judge);
    const risks = await this.#risks.of(rows.map(({ group }) => group));
    const lines: (string | null)[][] = [];
    for (const row of rows) {
      const verdict = judgeOne({ ...row, ...(risks.get(row.group) ?? LOWEST) }, this.#when.at);
      const verdictId = verdict === null ? null : await this.#verdictId(verdict);
      const line = this.#lineOf(row, verdict, verdictId);
      if (line !== null) lines.push(line);
    }
    this.#noted += lines.length;
    if (lines.length > 0) await copyInto(this.#tx.client, 'judged', lines);
  }

  /** null: nothing is to be written. */
  #lineOf(row: Row, verdict: Verdict | null, verdictId: string | null): (string | null)[] | null {
    const isSame = row.verdictId === verdictId;
    const mine = row.state === 'open' || (row.byPolicy && !isSame);
    const action = mine ? actionOf(row, verdict) : null;
    const decision =
      action === null || verdict === null || verdictId === null
        ? null
        : this.#decisionFor(action, verdict, verdictId);
    const opens = mine && decision === null && row.state !== 'open';
    if (isSame && decision === null && !opens) return null;
    return [row.id, row.state, verdictId, decision?.id ?? null, opens ? 'open' : (decision?.state ?? null)];
  }

  #decisionFor(action: Action, of: Verdict, verdictId: string): Decision {
    const known = this.#decisions.get(verdictId) ?? { ...action, id: v7(), of, verdictId };
    this.#decisions.set(verdictId, known);
    return known;
  }

  async #verdictId(verdict: Verdict): Promise<string> {
    const content = JSON.stringify(verdict);
    const known = this.#verdicts.get(content) ?? (await this.#store(verdict));
    this.#verdicts.set(content, known);
    return known;
  }

  async #store(verdict: Verdict): Promise<string> {
    const { rule, level, approvals, from, configurators, deadlineHours, escalateTo, validHours } = verdict;
    const { connection, tenant } = this.#of;
    const [row] = await this.#tx.query<{ id: string }>(
      `INSERT INTO policy_verdict (id, tenant_id, connection_id, verdict, rule, level_tenant, approvals, approver_role, configurators, deadline_hours,
         escalate_to, valid_hours, reason, until_days, digest)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
       ON CONFLICT (connection_id, digest) DO UPDATE SET digest = excluded.digest RETURNING id`,
      [
        ...[
          v7(),
          tenant,
          connection,
          verdict.verdict,
          rule,
          level,
          approvals,
          from,
          configurators === 'allowed',
        ],
        ...[
          deadlineHours,
          escalateTo,
          validHours,
          verdict.reason,
          verdict.days,
          fingerprintOf({ ...verdict }),
        ],
      ],
    );
    if (row === undefined) throw new Error('a verdict was not stored');
    return row.id;
  }

  /** All of it in one statement; who has decided on a change since it was read is not overruled. */
  async carryOut(): Promise<Judged> {
    if (this.#noted === 0) return NOTHING;
    const { at, revision } = this.#when;
    const made = [...this.#decisions.values()];
    const rows = made.map(({ id, verdict, verdictId, of }) => ({
      ...{ id, verdict, verdict_id: verdictId, reason: explainVerdict(of), until: untilOf(of, at) },
    }));
    const counted = await this.#tx.query<{ decision: string | null; changes: number }>(
      `WITH meant AS (
         SELECT c.id, c.tenant_id, c.fingerprint, j.verdict_id, j.decision_id, j.state
         FROM judged j JOIN change c ON c.id = j.change_id AND c.state = j.was ORDER BY c.id FOR UPDATE OF c),
       made AS (
         INSERT INTO decision (id, tenant_id, connection_id, verdict, made_by, reason, verdict_id, until, created_at)
         SELECT id, $1, $2, verdict, 'policy', reason, verdict_id, until, $4::timestamptz
         FROM jsonb_to_recordset($3::jsonb) AS d (id uuid, verdict text, verdict_id uuid, reason text, until timestamptz)
         WHERE id IN (SELECT decision_id FROM meant)),
       evidence AS (
         INSERT INTO decision_change (decision_id, change_id, tenant_id, fingerprint)
         SELECT decision_id, id, tenant_id, fingerprint FROM meant WHERE decision_id IS NOT NULL),
       noted AS (
         UPDATE change c SET verdict_id = m.verdict_id, state = coalesce(m.state, c.state),
           decision_id = CASE WHEN m.state IS NULL THEN c.decision_id ELSE m.decision_id END,
           revision = CASE WHEN m.state = 'open' THEN $5::bigint ELSE c.revision END,
           note = CASE WHEN m.state IS NULL THEN c.note END
         FROM meant m WHERE c.id = m.id RETURNING m.decision_id)
       SELECT decision_id AS decision, count(*)::int AS changes FROM noted GROUP BY 1`,
      [this.#of.tenant, this.#of.connection, JSON.stringify(rows), at.toISOString(), revision],
    );
    const changes = new Map(counted.map((one) => [one.decision, one.changes]));
    return {
      altered: counted.reduce((sum, one) => sum + one.changes, 0),
      entries: made.flatMap((one) => this.#entryOf(one, changes.get(one.id) ?? 0)),
    };
  }

  #entryOf({ id, state, of }: Decision, changes: number): readonly AuditEntry[] {
    if (changes === 0) return [];
    const level = of.level === null ? 'connection' : of.level === this.#of.tenant ? 'tenant' : 'above';
    const until = untilOf(of, this.#when.at);
    return [
      {
        actor: { kind: 'system', id: null, name: 'policy' },
        action: `changes.${state}`,
        subject: { kind: 'change-set', id: this.#of.connection },
        details: {
          ...{ decision: id, changes, reason: explainVerdict(of), rule: of.rule, level },
          ...(until === null ? {} : { until }),
        },
      },
    ];
  }
}

function untilOf({ verdict, days }: Verdict, at: Date): string | null {
  return verdict === 'ignore' && days !== null
    ? new Date(at.getTime() + days * 86_400_000).toISOString()
    : null;
}

type Risk = { readonly risk: RiskLevel; readonly riskSignals: readonly RiskSignal[] };

export const LOWEST: Risk = { risk: 'low', riskSignals: [] };

/** What is known of changes by their groups, looked up once. */
export class Risks {
  readonly #sql: Sql;
  readonly #known = new Map<string, Risk>();
  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** At least of these. */
  async of(groups: readonly string[]): Promise<ReadonlyMap<string, Risk>> {
    if (this.#known.size > REMEMBERED) this.#known.clear();
    const sought = [...new Set(groups)].filter((group) => !this.#known.has(group));
    if (sought.length > 0) {
      const found = await this.#sql.query<Risk & { id: string }>(
        'SELECT id, risk, risk_signals AS "riskSignals" FROM change_group WHERE id = ANY ($1::uuid[])',
        [sought],
      );
      for (const { id, ...risk } of found) this.#known.set(id, risk);
    }
    return this.#known;
  }
}

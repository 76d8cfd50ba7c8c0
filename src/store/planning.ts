/**
 * The plan of one run, in one transaction: streams the rows that differ out, takes the proposed changes in, and merges them into
 * the connection's living change set. What a difference means is decided in src/domain; this finds and stores, by sets.
 */
import { v7 } from 'uuid';
import type { Contest } from '../domain/addresses.ts';
import type { AuditEntry } from '../domain/audit.ts';
import { fingerprintOfChange, type ProposedChange } from '../domain/change.ts';
import { type Counted, explainFinding, type Finding } from '../domain/guard.ts';
import type { ExternalId } from '../domain/ids.ts';
import type { Absent } from '../domain/plan.ts';
import { Policy } from '../domain/policy.ts';
import type { RunCounts, TakenRun } from '../domain/run.ts';
import { appendAudit } from './audit.ts';
import { CONTESTED, SAME, SoughtAddresses, spokenOf } from './contested.ts';
import { copyInto } from './copy.ts';
import type { BulkTransaction, Database } from './database.ts';
import { forgetAway } from './directoryUsers.ts';
import { manyIds } from './ids.ts';
import { lockForPlan } from './locks.ts';
import { type Concluded, countPending, type PlanFacts, readConcluded, readFacts } from './planFacts.ts';
import {
  AWAY,
  type AwaySql,
  DIFFERING,
  type DifferingRow,
  type DifferingSql,
  JOINED,
  LOOKED_UP,
  NAMED,
  toAbsent,
  toDiffering,
  toPlannedRow,
  UNSEEN,
} from './planRows.ts';
import { finishRun } from './runs.ts';
import { RunTakenOver } from './staging.ts';

/** How many rows are in memory at once. */
const BATCH = 1_000;
/** Up to here, looking each row up by key costs less than going over everybody. */
const FEW = 5_000;

/** States in which a change waits or is remembered; all others are history. */
export const LIVE = `('open', 'approved', 'rejected', 'held', 'moved', 'failed')`;

export class Planning {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Carries `work` out in the transaction of this run's plan. Nothing of it is kept unless it ends with `Plan.finish`. */
  inPlan<T>(run: TakenRun, work: (plan: Plan) => Promise<T>): Promise<T> {
    return this.#database.bulk(run.tenant, async (tx) => {
      await lockForPlan(tx, run.connection);
      const plan = await Plan.begin(tx, run, await readConcluded(tx, run));
      try {
        return await work(plan);
      } catch (error) {
        await plan.stored(); // where storing failed, that is the reason; what came after it failed with the transaction
        throw error;
      }
    });
  }
}

/** `version`: of the auth user, which is as the directory wants it. `before`: the one that was agreed on until now. */
export type Agreed = {
  readonly externalId: ExternalId;
  readonly hash: string;
  readonly version: number;
  readonly before: number;
};

/** Use in this order: rows out and changes in, then `contested`, `merge`, `count`, `hold`, `finish`. */
export class Plan {
  readonly #tx: BulkTransaction;
  readonly #run: TakenRun;
  readonly #revision: number;
  readonly #sought: SoughtAddresses;
  /** Changes that this plan has made, taken back, opened, held or based anew. */
  #altered = 0;
  #storing: Promise<void> = Promise.resolve();
  readonly facts: PlanFacts;

  private constructor(
    tx: BulkTransaction,
    run: TakenRun,
    { revision, facts, sought }: { revision: number; facts: PlanFacts; sought: SoughtAddresses },
  ) {
    this.#tx = tx;
    this.#run = run;
    this.#revision = revision;
    this.#sought = sought;
    this.facts = facts;
  }

  static async begin(tx: BulkTransaction, run: TakenRun, concluded: Concluded): Promise<Plan> {
    // NO KEY: a decision or a queued run refers to the connection's key, and waits for no plan.
    const [connection] = await tx.query<{ revision: string; policy: unknown }>(
      `SELECT change_revision AS revision, policy FROM connection WHERE id = $1 FOR NO KEY UPDATE`,
      [run.connection],
    );
    if (connection === undefined) throw new RunTakenOver(run.id);
    await tx.query(`SET LOCAL cursor_tuple_fraction = 1.0`); // the cursors are read to their end: plan for all rows, not the first
    await tx.query(
      `CREATE TEMP TABLE IF NOT EXISTS planned (
         id uuid, external_id text, tenant_id uuid, auth_user_id uuid, kind text, cause text, before jsonb, after jsonb, fields jsonb,
         roles_gained text[], roles_lost text[], candidates jsonb, fingerprint bytea, desired_hash bytea, base_version integer, found_tenants uuid[]
       ) ON COMMIT DELETE ROWS`,
    );
    await tx.query(
      `CREATE TEMP TABLE IF NOT EXISTS agreed (external_id text, hash bytea, version integer, before integer) ON COMMIT DELETE ROWS`,
    );
    const { guards } = Policy.parse(connection.policy);
    const facts = { ...(await readFacts(tx, run, concluded)), limits: guards };
    return new Plan(tx, run, {
      revision: Number(connection.revision) + 1,
      facts,
      sought: await SoughtAddresses.begin(tx, run, facts.spread),
    });
  }

  /** The staged users that are new or differ, a batch at a time. */
  async *differing(): AsyncGenerator<readonly DifferingRow[]> {
    const few = await this.#areFew();
    const rows = this.#cursor<DifferingSql>(
      DIFFERING(few ? LOOKED_UP : JOINED, this.facts.spread),
      [this.#run.id, this.#run.connection],
      few ? 'few' : 'many',
    );
    for await (const batch of rows) yield batch.map(toDiffering);
  }

  /**
   * Linked auth users of whom the provider said, asked for each, that they are away; and those whose directory user was not staged,
   * which means that they left only if the snapshot is complete.
   */
  async *unseen(): AsyncGenerator<readonly Absent[]> {
    const all = this.facts.snapshot.kind === 'complete';
    const rows = this.#cursor<AwaySql>(
      AWAY(all ? UNSEEN : NAMED),
      [this.#run.id, this.#run.connection],
      all ? 'many' : 'few',
    );
    for await (const batch of rows) yield batch.map(toAbsent);
  }

  /** Whether so few staged rows have to be looked at that it costs less to look each up than to go over all auth users. */
  async #areFew(): Promise<boolean> {
    const [counted] = await this.#tx.query<{ rows: number }>(
      `SELECT count(*)::int AS rows FROM (
         SELECT FROM staged_user WHERE run_id = $1 AND differs LIMIT ${FEW + 1}) AS differing`,
      [this.#run.id],
    );
    return (counted?.rows ?? 0) <= FEW;
  }

  /** Rows that were staged a moment ago have no statistics: PostgreSQL has to be told whether there are few or many. */
  async *#cursor<Row>(
    select: string,
    values: readonly unknown[],
    rows: 'few' | 'many' = 'many',
  ): AsyncGenerator<readonly Row[]> {
    if (rows === 'many') await this.#tx.query('SET LOCAL enable_nestloop = off');
    await this.#tx.query(`DECLARE plan_rows NO SCROLL CURSOR FOR ${select}`, values);
    if (rows === 'many') await this.#tx.query('SET LOCAL enable_nestloop = on');
    try {
      const fetch = () => this.#tx.query<Row>(`FETCH ${BATCH} FROM plan_rows`);
      for (let coming = fetch(); ; ) {
        const batch = await coming;
        if (batch.length === 0) return;
        coming = fetch(); // PostgreSQL looks for the next rows while we think about these
        coming.catch(() => {}); // awaited in the next round, or the transaction has failed for another reason
        yield batch;
      }
    } finally {
      await this.#tx.query('CLOSE plan_rows').catch(() => {}); // fails when the transaction has failed, which is reported then
    }
  }

  async propose(changes: readonly ProposedChange[]): Promise<void> {
    if (changes.length === 0) return;
    const ids = manyIds(changes.length);
    const fingerprints = changes.map((change) => `\\x${fingerprintOfChange(change)}`);
    const row = (change: ProposedChange, at: number) =>
      toPlannedRow(ids[at] ?? v7(), change, fingerprints[at] ?? '');
    const rows = changes.map(row);
    await this.#store(async () => {
      await copyInto(this.#tx.client, 'planned', rows);
      await this.#sought.note(changes, fingerprints);
    });
  }

  /** One thing after the other, and each while the next rows are thought about. */
  async #store(work: () => Promise<void>): Promise<void> {
    await this.#storing;
    this.#storing = work();
    this.#storing.catch(() => {}); // awaited by whoever stores next, or by `stored`
  }

  /** Resolves when all that was proposed is stored. */
  stored(): Promise<void> {
    return this.#storing;
  }

  /** These rows were looked at and need no change: the next run skips them unless they move again. */
  async agree(rows: readonly Agreed[]): Promise<void> {
    const agreed = rows.map((row) => [row.externalId, `\\x${row.hash}`, `${row.version}`, `${row.before}`]);
    if (agreed.length > 0) await this.#store(() => copyInto(this.#tx.client, 'agreed', agreed));
  }

  /**
   * The changes whose address is not to be had, with what stands against it. What is proposed in their place, while they are read,
   * takes their place; so nothing else may be proposed meanwhile.
   */
  async *contested(): AsyncGenerator<
    readonly { readonly change: ProposedChange; readonly contest: Contest }[]
  > {
    await this.stored();
    if ((await this.#sought.findContested(this.facts.snapshot.kind)) === 0) return;
    const rows = this.#cursor<ProposedChange & Contest>(CONTESTED, []);
    for await (const batch of rows) {
      yield batch.map(({ holders, rivals, ...change }) => ({ change, contest: { holders, rivals } }));
    }
    await this.stored();
    await this.#tx.query(
      `DELETE FROM planned p USING contested c WHERE c.external_id = p.external_id AND p.kind <> 'conflict'`,
    );
  }

  async #alter(statement: string, values: readonly unknown[]): Promise<void> {
    const { rowCount } = await this.#tx.client.query(statement, [...values]);
    this.#altered += rowCount ?? 0;
  }

  /** Merges what was proposed into the change set: the same content keeps its decision, other content is a new change. */
  async merge(): Promise<void> {
    const { connection, id: run } = this.#run;
    await this.stored();
    await this.#tx.query(`ANALYZE planned (external_id, fingerprint)`); // what it is joined by; the others are large
    await this.#tx.query(
      `UPDATE identity i SET agreed_hash = g.hash, agreed_version = g.version FROM agreed g
       WHERE i.connection_id = $1 AND i.external_id = g.external_id AND i.agreed_version = g.before`,
      [connection],
    );
    await forgetAway(this.#tx, this.#run, this.facts.snapshot.kind);
    // A change is no longer true when its user was seen (or is known to be absent) and nothing of that content was proposed.
    // Users whom this run did not see, or could not read, keep what was known about them.
    await this.#alter(
      `UPDATE change c SET state = 'superseded', closed_at = now()
       WHERE c.connection_id = $1 AND c.state IN ${LIVE}
         AND NOT EXISTS (SELECT FROM planned p WHERE ${SAME('p', 'c')})
         AND ${spokenOf('c.external_id', '$2', '$3::text')}`,
      [connection, run, this.facts.snapshot.kind],
    );
    await this.#alter(
      `UPDATE change c SET base_version = p.base_version FROM planned p
       WHERE c.connection_id = $1 AND c.state IN ${LIVE} AND ${SAME('p', 'c')}
         AND c.base_version IS DISTINCT FROM p.base_version`,
      [connection],
    );
    await this.#alter(
      `UPDATE change c SET ${OPEN_AGAIN('$2')} FROM planned p
       WHERE c.connection_id = $1 AND c.state IN ('moved', 'failed') AND ${SAME('p', 'c')}`,
      [connection, this.#revision],
    );
    await this.#alter(
      `INSERT INTO change (id, tenant_id, connection_id, external_id, auth_user_id, kind, cause, before, after, fields, roles_gained,
         roles_lost, candidates, fingerprint, desired_hash, base_version, found_tenants, state, revision, run_id)
       SELECT id, tenant_id, $1, external_id, auth_user_id, kind, cause, before, after, fields, roles_gained, roles_lost, candidates,
         fingerprint, desired_hash, base_version, found_tenants, 'open', $2, $3
       FROM planned p
       WHERE NOT EXISTS (SELECT FROM change c WHERE c.connection_id = $1 AND c.external_id = p.external_id AND c.state IN ${LIVE})`,
      [connection, this.#revision, run],
    );
  }

  /** What the guards look at. */
  async count(): Promise<Counted> {
    const [{ deletions, lost, moves, refused } = NONE] = await this.#tx.query<typeof NONE>(
      `SELECT count(*) FILTER (WHERE ${concernedBy['too-many-deletions']} AND state <> 'rejected')::int AS deletions,
         count(*) FILTER (WHERE ${concernedBy['too-many-lost-roles']} AND state <> 'rejected')::int AS lost,
         count(*) FILTER (WHERE ${concernedBy['too-many-moves']} AND state <> 'rejected')::int AS moves,
         count(*) FILTER (WHERE kind = 'delete' AND state = 'rejected')::int AS refused
       FROM change WHERE connection_id = $1 AND state IN ('open', 'held', 'approved', 'rejected')`,
      [this.#run.connection],
    );
    await this.#tx.query('SET LOCAL enable_nestloop = off'); // everybody is counted, however few the statistics say there are
    const [all] = await this.#tx.query<{ linked: number }>(
      `SELECT count(*)::int AS linked FROM identity i JOIN auth_user a ON a.id = i.auth_user_id
       WHERE i.connection_id = $1 AND a.state <> 'deleted'`,
      [this.#run.connection],
    );
    await this.#tx.query('SET LOCAL enable_nestloop = on');
    const blanked = await this.#tx.query<{ field: string; users: number }>(
      `SELECT f ->> 'field' AS field, count(*)::int AS users FROM change c, jsonb_array_elements(c.fields) f
       WHERE c.connection_id = $1 AND c.state IN ('open', 'held', 'approved') AND c.kind IN ('update', 'reactivate')
         AND f -> 'after' = 'null' AND f ->> 'field' <> 'tenant' GROUP BY 1`,
      [this.#run.connection],
    );
    const { linked = 0 } = all ?? {};
    const { lastComplete } = this.facts;
    return {
      linkedUsers: linked,
      usersBefore: lastComplete === null ? null : Math.max(lastComplete.users, linked - refused),
      usersNow: this.facts.snapshot.kind === 'complete' ? this.facts.snapshot.users : null,
      deletions,
      usersWhoLoseRoles: lost,
      usersWhoMove: moves,
      blanked: new Map(blanked.map((found) => [found.field, found.users])),
    };
  }

  /**
   * Holds what the findings concern. What a guard held earlier is open again where a complete snapshot shows that the guard has
   * nothing to find any more; but not what was held because the directory had shrunk: the next run compares with the shrunken
   * one, so that its silence proves nothing. That waits for a person, or for the people to be back.
   */
  async hold(findings: readonly Finding[]): Promise<void> {
    if (this.facts.snapshot.kind === 'complete')
      await this.#alter(
        `UPDATE change c SET ${OPEN_AGAIN('$3')} FROM decision d
       WHERE c.connection_id = $1 AND c.state = 'held' AND d.id = c.decision_id AND d.made_by = 'guard'
         AND d.finding ->> 'guard' <> 'shrunken-directory'
         AND NOT EXISTS (SELECT FROM jsonb_to_recordset($2::jsonb) AS f (guard text, field text)
                         WHERE f.guard = d.finding ->> 'guard' AND f.field IS NOT DISTINCT FROM d.finding ->> 'field')`,
        [this.#run.connection, JSON.stringify(findings), this.#revision],
      );
    for (const finding of findings) await this.#holdFor(finding); // a handful at the most: guards times fields
  }

  async #holdFor(finding: Finding): Promise<void> {
    const concerned = concernedBy[finding.guard];
    await this.#alter(
      `WITH concerned AS (
         SELECT id, tenant_id, fingerprint FROM change WHERE connection_id = $1 AND state = 'open' AND ${concerned}),
       made AS (
         INSERT INTO decision (id, tenant_id, connection_id, verdict, made_by, reason, finding)
         SELECT $2, $3, $1, 'hold', 'guard', $4, $5::jsonb WHERE EXISTS (SELECT FROM concerned)),
       evidence AS (
         INSERT INTO decision_change (decision_id, change_id, tenant_id, fingerprint)
         SELECT $2, id, tenant_id, fingerprint FROM concerned)
       UPDATE change c SET state = 'held', decision_id = $2 FROM concerned
       WHERE c.id = concerned.id AND c.state = 'open'`, // a person may have decided since
      [this.#run.connection, v7(), this.#run.tenant, explainFinding(finding), JSON.stringify(finding)],
    );
  }

  /**
   * Ends the run: revision, counts and audit entry commit with the changes. A plan that alters nothing leaves the revision; and if it
   * is of a delta, of which there may be one a minute, the audit log too: that it was made is in the run.
   */
  async finish(findings: readonly Finding[], at: Date): Promise<RunCounts> {
    const counts = await countPending(this.#tx, this.#run);
    // The token goes on from what is planned here: from a whole reading, or from a delta upon one. Any other leaves it where it is.
    const keepsToken = this.facts.snapshot.kind === 'partial' || this.#run.kind === 'targeted';
    const revision = this.#altered === 0 ? this.#revision - 1 : this.#revision;
    await this.#tx.query(
      `UPDATE connection c SET change_revision = $2, delta_token = CASE WHEN $3 THEN c.delta_token ELSE r.delta_token END,
         delta_token_at = CASE WHEN $3 THEN c.delta_token_at ELSE r.started_at END,
         delta_fingerprint = CASE WHEN $3 THEN c.delta_fingerprint ELSE r.reading_fingerprint END
       FROM sync_run r WHERE c.id = $1 AND r.id = $4`,
      [this.#run.connection, revision, keepsToken, this.#run.id],
    );
    await finishRun(this.#tx, this.#run, counts, at);
    if (this.#altered === 0 && this.facts.snapshot.kind === 'named') return counts;
    const entry: AuditEntry = {
      actor: { kind: 'system', id: null, name: 'sync' },
      action: 'plan.stored',
      subject: { kind: 'run', id: this.#run.id },
      details: { connection: this.#run.connection, revision, counts, findings },
    };
    await appendAudit(this.#tx, this.#run.tenant, at, [entry]);
    return counts;
  }
}

const NONE = { deletions: 0, lost: 0, moves: 0, refused: 0 };

/** A change that waits again, as if it had come with this plan: an approval of an earlier revision does not take it in. */
const OPEN_AGAIN = (revision: string) =>
  `state = 'open', revision = ${revision}, decision_id = NULL, outcome = NULL, outcome_reason = NULL, apply_id = NULL, closed_at = NULL`;

/** Which changes a guard's finding concerns. `$5` is the finding. */
const concernedBy = {
  'too-many-deletions': `kind IN ('suspend', 'delete')`,
  'shrunken-directory': `kind IN ('suspend', 'delete')`,
  'too-many-lost-roles': `roles_lost <> '{}' AND kind <> 'conflict'`,
  'too-many-moves': `fields @> '[{"field": "tenant"}]' AND kind <> 'conflict'`,
  'bulk-blanking': `kind IN ('update', 'reactivate') AND fields @> jsonb_build_array(jsonb_build_object('field', $5::jsonb ->> 'field', 'after', NULL))`,
} as const satisfies Record<Finding['guard'], string>;

/**
 * The plan of one run, in one transaction: streams the rows that differ out, takes the proposed changes in, and merges them into
 * the connection's living change set. What a difference means is decided in src/domain; this finds and stores, by sets.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { v7 } from 'uuid';
import type { Contest } from '../domain/addresses.ts';
import type { AuditEntry } from '../domain/audit.ts';
import { fingerprintOfChange, type ProposedChange } from '../domain/change.ts';
import type { Counted, Finding, Override } from '../domain/guard.ts';
import type { ExternalId } from '../domain/ids.ts';
import type { Absent } from '../domain/plan.ts';
import { Policy } from '../domain/policy.ts';
import { riskFacts } from '../domain/risk.ts';
import type { RunCounts, TakenRun } from '../domain/run.ts';
import { findAlike, type Sought } from './alike.ts';
import { appendAudit } from './audit.ts';
import { PlannedGroups, removeEmptyGroups, tidyCounts, wideRoles } from './changeGroups.ts';
import { reopenDue } from './changeNotes.ts';
import { CONTESTED, SoughtAddresses } from './contested.ts';
import { copyInto } from './copy.ts';
import type { BulkTransaction, Database } from './database.ts';
import { forgetAway } from './directoryUsers.ts';
import { activeOverrides } from './guardOverrides.ts';
import { countForGuards, holdFound } from './guards.ts';
import { manyIds } from './ids.ts';
import { judgeChanges } from './judging.ts';
import { PlannedLeavers } from './leavers.ts';
import { type LeftRow, leaveExcluded, leaveRows } from './leftRows.ts';
import { LIVE, mergePlanned } from './livingChanges.ts';
import { lockForPlan } from './locks.ts';
import { countMissed } from './missed.ts';
import { pairUp } from './pairs.ts';
import { type Concluded, countPending, type PlanFacts, readConcluded, readFacts } from './planFacts.ts';
import { avoiding } from './planner.ts';
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
import { rememberParts } from './shrinkingParts.ts';
import { RunTakenOver } from './staging.ts';

/** How many rows are in memory at once, and how many of them are thought about at once. */
const [BATCH, AT_ONCE] = [1_000, 250];
/** Up to so many, and up to this share of all, looking each row up by key costs less than going over everybody. */
const [FEW, FEW_OF_ALL] = [5_000, 0.02];

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

type Begun = {
  readonly revision: number;
  readonly facts: PlanFacts;
  readonly sought: SoughtAddresses;
  readonly groups: PlannedGroups;
  readonly leavers: PlannedLeavers;
};

/** Use in this order: rows out and changes in, then `contested`, `merge`, `count`, `hold`, `judge`, `finish`. */
export class Plan {
  readonly #tx: BulkTransaction;
  readonly #run: TakenRun;
  readonly #revision: number;
  readonly #sought: SoughtAddresses;
  readonly #groups: PlannedGroups;
  /** Changes that this plan has made, taken back, opened, held or based anew. */
  #altered = 0;
  /** Changes that deltas before this run should have found. */
  #missed: number | null = null;
  #overrides: readonly Override[] = [];
  /** What policy rules have decided: for the end of the audit log. */
  #decided: readonly AuditEntry[] = [];
  #storing: Promise<void> = Promise.resolve();
  readonly facts: PlanFacts;
  readonly leavers: PlannedLeavers;

  private constructor(
    tx: BulkTransaction,
    run: TakenRun,
    { revision, facts, sought, groups, leavers }: Begun,
  ) {
    this.#tx = tx;
    this.#run = run;
    this.#revision = revision;
    this.#sought = sought;
    this.#groups = groups;
    this.facts = facts;
    this.leavers = leavers;
  }

  static async begin(tx: BulkTransaction, run: TakenRun, concluded: Concluded): Promise<Plan> {
    // NO KEY: a decision or a queued run refers to the connection's key, and waits for no plan.
    const [connection] = await tx.query<{ revision: string; policy: unknown; timeZone: string }>(
      `SELECT change_revision AS revision, policy, time_zone AS "timeZone" FROM connection WHERE id = $1 FOR NO KEY UPDATE`,
      [run.connection],
    );
    if (connection === undefined) throw new RunTakenOver(run.id);
    await tx.query(`SET LOCAL cursor_tuple_fraction = 1.0`); // the cursors are read to their end: plan for all rows, not the first
    await tx.query(
      `CREATE TEMP TABLE IF NOT EXISTS planned (
         id uuid, external_id text, tenant_id uuid, auth_user_id uuid, kind text, cause text, before jsonb, after jsonb, fields jsonb,
         roles_gained text[], roles_lost text[], candidates jsonb, fingerprint bytea, desired_hash bytea, base_version integer, found_tenants uuid[],
         group_id uuid
       ) ON COMMIT DELETE ROWS`,
    );
    await tx.query(
      `CREATE TEMP TABLE IF NOT EXISTS agreed (external_id text, hash bytea, version integer, before integer) ON COMMIT DELETE ROWS`,
    );
    const policy = Policy.parse(connection.policy);
    const facts = await readFacts(tx, run, concluded, { policy, timeZone: connection.timeZone });
    return new Plan(tx, run, {
      revision: Number(connection.revision) + 1,
      facts,
      sought: await SoughtAddresses.begin(tx, run, facts.spread),
      groups: new PlannedGroups(run, riskFacts(policy, await wideRoles(tx), facts.noticing.noticed)),
      leavers: await PlannedLeavers.begin(tx, run, policy.leavers),
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

  /** Auth users without a link who share with these what matching rules compare, beside the address. */
  alike(sought: readonly Sought[]) {
    return findAlike(this.#tx, this.#run, sought, this.facts.spread);
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

  /**
   * Nothing follows for these, as for records that could not be understood. To be said before `merge`.
   */
  async leave(rows: readonly LeftRow[]): Promise<void> {
    if (rows.length > 0) await this.#store(() => leaveRows(this.#tx, this.#run, rows));
  }

  /** The same for all who were taken for out of scope. Before `unseen`. */
  async leaveExcluded(problem: string): Promise<void> {
    await this.#store(() => leaveExcluded(this.#tx, this.#run, problem));
    await this.stored();
  }

  /** Whether so few staged rows have to be looked at that it costs less to look each up than to go over all auth users. */
  async #areFew(): Promise<boolean> {
    const few = Math.max(FEW, (this.facts.lastComplete?.users ?? 0) * FEW_OF_ALL);
    const [counted] = await this.#tx.query<{ rows: number }>(
      `SELECT count(*)::int AS rows FROM (
         SELECT FROM staged_user WHERE run_id = $1 AND desired_hash IS NOT NULL LIMIT $2::int + 1) AS differing`,
      [this.#run.id, Math.floor(few)],
    );
    return (counted?.rows ?? 0) <= few;
  }

  /** Rows that were staged a moment ago have no statistics: PostgreSQL has to be told whether there are few or many. */
  async *#cursor<Row>(
    select: string,
    values: readonly unknown[],
    rows: 'few' | 'many' = 'many',
  ): AsyncGenerator<readonly Row[]> {
    const declare = () => this.#tx.query(`DECLARE plan_rows NO SCROLL CURSOR FOR ${select}`, values);
    await (rows === 'many' ? avoiding('nestloop', this.#tx, declare) : declare());
    try {
      const fetch = () => this.#tx.query<Row>(`FETCH ${BATCH} FROM plan_rows`);
      for (let coming = fetch(); ; ) {
        const batch = await coming;
        if (batch.length === 0) return;
        coming = fetch(); // PostgreSQL looks for the next rows while we think about these
        coming.catch(() => {}); // awaited in the next round, or the transaction has failed for another reason
        for (let at = 0; at < batch.length; at += AT_ONCE) {
          yield batch.slice(at, at + AT_ONCE);
          await nextTurn(); // what is being stored goes on meanwhile
        }
      }
    } finally {
      await this.#tx.query('CLOSE plan_rows').catch(() => {}); // fails when the transaction has failed, which is reported then
    }
  }

  async propose(changes: readonly ProposedChange[]): Promise<void> {
    if (changes.length === 0) return;
    await this.facts.noticing.look(changes);
    const ids = manyIds(changes.length);
    const fingerprints = changes.map((change) => `\\x${fingerprintOfChange(change)}`);
    const row = (change: ProposedChange, at: number) => {
      const id = ids[at] ?? v7();
      return toPlannedRow(id, change, fingerprints[at] ?? '', this.#groups.groupOf(change, id));
    };
    const rows = changes.map(row);
    await this.#store(async () => {
      await this.#groups.write(this.#tx);
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

  /** Merges what was proposed into the change set: the same content keeps its decision, other content is a new change. */
  async merge(): Promise<void> {
    await this.stored();
    await this.#tx.query(`ANALYZE planned (external_id, fingerprint)`); // what it is joined by; the others are large
    await this.#tx.query(
      `UPDATE identity i SET agreed_hash = g.hash, agreed_version = g.version FROM agreed g
       WHERE i.connection_id = $1 AND i.external_id = g.external_id AND i.agreed_version = g.before`,
      [this.#run.connection],
    );
    this.#missed = await countMissed(this.#tx, this.#run, LIVE);
    const losing = await rememberParts(this.#tx, this.#run);
    await forgetAway(this.#tx, this.#run, this.facts.snapshot.kind);
    this.#altered += await mergePlanned(this.#tx, this.#run, {
      kind: this.facts.snapshot.kind,
      revision: this.#revision,
      areLosing: losing > 0,
    });
    this.#altered += await pairUp(this.#tx, this.#run, {
      revision: this.#revision,
      snapshot: this.facts.snapshot,
    });
  }

  /** What the guards look at, and what somebody has let through; what was put off until now is open again. `at`: when the plan is made. */
  async count(at: Date): Promise<{ readonly counted: Counted; readonly overrides: readonly Override[] }> {
    this.#altered += await reopenDue(this.#tx, this.#run.connection, this.#revision, at);
    this.#overrides = await activeOverrides(this.#tx, [this.#run.connection], at);
    const counted = await countForGuards(this.#tx, this.#run, { facts: this.facts, at });
    return { counted, overrides: this.#overrides };
  }

  /** Holds what the findings concern, as `holdFound` does. */
  async hold(findings: readonly Finding[]): Promise<void> {
    const { snapshot } = this.facts;
    const found = { findings, overrides: this.#overrides, snapshot, revision: this.#revision };
    this.#altered += await holdFound(this.#tx, this.#run, found);
  }

  /** Lets policy rules say what they say of the changes that are new in this plan. After `hold`. `at`: when the plan is made. */
  async judge(at: Date): Promise<void> {
    const { altered, entries } = await judgeChanges(this.#tx, this.#run, { revision: this.#revision, at });
    this.#altered += altered;
    this.#decided = entries;
  }

  /**
   * Ends the run: revision, counts and audit entry commit with the changes. A plan that alters nothing leaves the revision; and if it
   * is of a delta, of which there may be one a minute, the audit log too: that it was made is in the run.
   */
  async finish(findings: readonly Finding[], at: Date): Promise<RunCounts> {
    const counts = await countPending(this.#tx, this.#run);
    // The token goes on from what is planned here: from a whole reading, or from a delta upon one. Any other leaves it where it is. If
    // it was dropped while a delta was on its way, then because everybody has to be looked at.
    const keepsToken = this.facts.snapshot.kind === 'partial' || this.#run.kind === 'targeted';
    const revision = this.#altered === 0 ? this.#revision - 1 : this.#revision;
    await this.#tx.query(
      `UPDATE connection c SET change_revision = $2, delta_token = CASE WHEN $3 OR r.kind = 'delta' AND c.delta_token IS NULL THEN c.delta_token ELSE r.delta_token END,
         delta_token_at = CASE WHEN $3 THEN c.delta_token_at ELSE r.started_at END,
         delta_fingerprint = CASE WHEN $3 THEN c.delta_fingerprint ELSE r.reading_fingerprint END
       FROM sync_run r WHERE c.id = $1 AND r.id = $4`,
      [this.#run.connection, revision, keepsToken, this.#run.id],
    );
    await finishRun(this.#tx, this.#run, { counts, missed: this.#missed, findings }, at);
    if (this.#altered > 0) await tidyCounts(this.#tx, this.#run.connection);
    if (this.#altered > 0 && this.facts.snapshot.kind === 'complete')
      await removeEmptyGroups(this.#tx, this.#run.connection);
    if (this.#altered === 0 && this.facts.snapshot.kind === 'named') return counts;
    const entry: AuditEntry = {
      actor: { kind: 'system', id: null, name: 'sync' },
      action: 'plan.stored',
      subject: { kind: 'run', id: this.#run.id },
      details: { connection: this.#run.connection, revision, counts, findings },
    };
    await appendAudit(this.#tx, this.#run.tenant, at, [...this.#decided, entry]);
    return counts;
  }
}

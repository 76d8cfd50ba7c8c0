/**
 * Carries out an apply's changes in batches, a transaction each: auth users, identities, roles, the change's outcome, audit entries
 * and events commit together or not at all. Several processes may work on one apply: each takes rows that no other has.
 *
 *   approved --batch commits--> applied | moved        approved --batch fails--> halves, down to the one row that is the reason: failed
 */
import { v7 } from 'uuid';
import type { ApplyState, Halt, Outcome } from '../domain/apply.ts';
import type { Terms, Window } from '../domain/applyPolicy.ts';
import type { Actor, AuditEntry } from '../domain/audit.ts';
import type { DespiteFreezes } from '../domain/freeze.ts';
import type { ApplyId, ChangeId, ConnectionId, PrincipalId, TenantId } from '../domain/ids.ts';
import { compileMapping, Mapping } from '../domain/mapping.ts';
import type { PageOptions } from '../domain/page.ts';
import { AddressGivenOut, Batch, type Claim, type Late, type RunningApply } from './applyBatch.ts';
import { type ApplyCounts, COUNTED, countOutcomes, noteLeft, readOutcomes } from './applyOutcomes.ts';
import { firstPart, haltOf, supersedeWaiting } from './applyStarts.ts';
import { appendAudit } from './audit.ts';
import { tidyCounts } from './changeGroups.ts';
import { letExpire } from './changeNotes.ts';
import type { ChangeView } from './changes.ts';
import type { BulkTransaction, Database } from './database.ts';
import { LIVE } from './livingChanges.ts';
import { lockForApply, lockForPlan } from './locks.ts';
import { isSpread } from './places.ts';
import { SUBTREE } from './scope.ts';

const BATCH = 1_000;
/** Those who exchange addresses come in one batch at the end: few ever do. */
const LAST_BATCH = 10_000;

export type ApplyView = ApplyCounts & {
  readonly id: ApplyId;
  readonly tenant: TenantId;
  readonly connection: ConnectionId;
  readonly state: ApplyState;
  /** Whoever started it; of one that the policy started `policy`. */
  readonly by: string;
  readonly total: number;
  readonly createdAt: string;
  readonly finishedAt: string | null;
  /** Of one that waits: not before. */
  readonly startsAt: string | null;
  /** Why it waits, is paused, was cancelled or was given up. */
  readonly halt: Halt | null;
  /** That it keeps to. */
  readonly windows: readonly Window[];
  /** Of one that is paused: when it goes on by itself. */
  readonly resumesAt: string | null;
  /** Since when it has been running this time. */
  readonly runningSince: string | null;
  /** How much was done before. */
  readonly doneBefore: number;
  /** Why it goes on in a freeze period, where somebody said that it does. */
  readonly despiteFreeze: string | null;
};

/** Who starts an apply, and by what it goes. */
export type Start = {
  readonly principal: PrincipalId;
  readonly actor: Actor;
  readonly terms: Terms;
  readonly despite: DespiteFreezes | null;
};

export class Applying {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Makes an apply of everything that is approved for this connection now; where one is running or paused already (a process may have
   * died half way), gives that one. null: nothing is approved. Applies that wait for their time come with it.
   */
  start(
    of: { connection: ConnectionId; tenant: TenantId },
    by: Start,
    at: Date,
  ): Promise<{ apply: ApplyId; total: number; state: 'running' | 'paused' } | null> {
    return this.#database.bulk(of.tenant, async (tx) => {
      await tx.query('SELECT FROM connection WHERE id = $1 FOR UPDATE', [of.connection]); // one start at a time
      const [underWay] = await tx.query<{ apply: ApplyId; total: number; state: 'running' | 'paused' }>(
        `SELECT id AS apply, total, state FROM apply WHERE connection_id = $1 AND state IN ('running', 'paused')`,
        [of.connection],
      );
      if (underWay !== undefined) return underWay;
      const expired = await letExpire(tx, of, at);
      const [waiting] = await tx.query<{ total: number; decisions: string[] | null }>(
        `SELECT count(*)::int AS total, array_agg(DISTINCT decision_id) AS decisions FROM change
         WHERE connection_id = $1 AND state = 'approved'`,
        [of.connection],
      );
      if (waiting === undefined || waiting.decisions === null) {
        if (expired.length > 0) await appendAudit(tx, of.tenant, at, expired);
        return null;
      }
      const { total, decisions } = waiting;
      const id = v7() as ApplyId;
      await tx.query(
        `INSERT INTO apply (id, tenant_id, connection_id, state, principal_id, actor, decisions, total, created_at, terms, despite_freeze,
           first_part, despite_freezes, running_since)
         VALUES ($1, $2, $3, 'running', $4, $5, $6, $7, $8, $9, $10, $11, $12, $8)`,
        [
          ...[id, of.tenant, of.connection, by.principal, by.actor, decisions, total, at.toISOString()],
          ...[by.terms, by.despite?.reason ?? null, await firstPart(tx, of.connection, decisions, by.terms)],
          by.despite === null ? null : JSON.stringify(by.despite.periods),
        ],
      );
      const superseded = await supersedeWaiting(tx, of, by.actor, at);
      const entry: AuditEntry = {
        actor: by.actor,
        action: 'apply.started',
        subject: { kind: 'apply', id },
        details: {
          ...{ connection: of.connection, changes: total },
          ...(by.despite === null ? {} : { despiteFreeze: by.despite.reason }),
        },
      };
      await appendAudit(tx, of.tenant, at, [...expired, ...superseded, entry]);
      return { apply: id, total, state: 'running' };
    });
  }

  /** null when there is no such apply or it is not running. */
  open(id: ApplyId): Promise<RunningApply | null> {
    return this.#database.bulk(this.#database.root, async (tx) => {
      const [row] = await tx.query<Omit<RunningApply, 'spread'> & { mapping: unknown }>(
        `SELECT a.id, a.tenant_id AS tenant, a.connection_id AS connection, a.decisions, a.actor, a.terms, a.first_part AS "firstPart",
           c.mapping FROM apply a
           JOIN connection c ON c.id = a.connection_id WHERE a.id = $1 AND a.state = 'running'`,
        [id],
      );
      if (row === undefined) return null;
      const { mapping, ...apply } = row;
      const { data } = Mapping.safeParse(mapping);
      const places = data === undefined || compileMapping(data).places;
      return { ...apply, spread: await isSpread(tx, apply, places) };
    });
  }

  /**
   * Carries out the next batch, behind `after`, that no other process has; `last` is null when none is left to take there, `done` what
   * has its outcome, `trouble` how much of that failed or had moved. Of the first part only the first part. Throws `ApplyHalted`,
   * `TenantSuspended`.
   */
  async next(
    apply: RunningApply,
    at: Date,
    after: ChangeId | null,
    late: Late,
    only: readonly ChangeId[] | null = null,
  ): Promise<{ done: number; trouble: number; last: ChangeId | null }> {
    const batch = new Batch(apply, at);
    const claim = { limit: late === 'waits' && only === null ? BATCH : LAST_BATCH, after, only, late };
    const last = () => batch.claimed.at(-1) ?? null;
    try {
      const done = await this.#carryOut(apply, batch, claim);
      return { done, trouble: batch.moved, last: last() };
    } catch (error) {
      if (!blamesTheData(error)) throw error;
      const done = await this.#bisect(apply, at, batch.claimed, late, error);
      return { done, trouble: done, last: last() }; // how much of it is looked up where it matters
    }
  }

  async #carryOut(apply: RunningApply, batch: Batch, claim: Claim): Promise<number> {
    for (;;) {
      try {
        return await this.#database.bulk(apply.tenant, (tx) => batch.carryOut(tx, claim));
      } catch (error) {
        if (!(error instanceof AddressGivenOut)) throw error;
      }
    }
  }

  /** One bad row does not stop the others: halves are tried until it stands alone, with its reason. Gives how many are done. */
  async #bisect(
    apply: RunningApply,
    at: Date,
    ids: readonly ChangeId[],
    late: Late,
    reason: unknown,
  ): Promise<number> {
    if (ids.length <= 1) {
      await this.#database.bulk(apply.tenant, (tx) => failChange(tx, apply, ids, at, describe(reason)));
      return ids.length;
    }
    const middle = Math.ceil(ids.length / 2);
    let done = 0;
    for (const half of [ids.slice(0, middle), ids.slice(middle)]) {
      const claim = { limit: half.length, after: null, only: half, late };
      try {
        done += await this.#carryOut(apply, new Batch(apply, at), claim);
      } catch (error) {
        if (!blamesTheData(error)) throw error;
        done += await this.#bisect(apply, at, half, late, error);
      }
    }
    return done;
  }

  /** Finishes the apply if nothing of it is left to do, neither here nor in another process. */
  finish(apply: RunningApply, at: Date): Promise<void> {
    return this.#database.bulk(apply.tenant, async (tx) => {
      const rows = await tx.query(
        `UPDATE apply SET state = 'finished', finished_at = $2 WHERE id = $1 AND state = 'running'
           AND NOT EXISTS (SELECT FROM change WHERE connection_id = $3 AND state = 'approved' AND decision_id = ANY ($4::uuid[]))
         RETURNING id`,
        [apply.id, at.toISOString(), apply.connection, apply.decisions],
      );
      if (rows.length === 0) return;
      const counts = await countOutcomes(tx, apply.id);
      await tx.query('UPDATE apply SET counts = $2 WHERE id = $1', [apply.id, counts]);
      // Whoever asks first for what waits goes over all that was applied just now: that is better done here than in the next plan.
      const [left] = await tx.query<{ waiting: number }>(
        `SELECT count(*)::int AS waiting FROM change WHERE connection_id = $1 AND state IN ${LIVE}`,
        [apply.connection],
      );
      await tidyCounts(tx, apply.connection); // each batch has added to them
      const subject = { kind: 'apply', id: apply.id } as const;
      const details = { connection: apply.connection, ...counts, waiting: left?.waiting ?? 0 };
      await appendAudit(tx, apply.tenant, at, [
        { actor: apply.actor, action: 'apply.finished', subject, details },
      ]);
    });
  }

  /** Ends an apply that cannot be carried out. What it did stays done; what it did not do is still approved, for the next one. */
  abandon(apply: RunningApply, because: string, at: Date): Promise<void> {
    return this.#database.bulk(apply.tenant, async (tx) => {
      await lockForPlan(tx, apply.connection); // batches under way are waited for, so that they are counted
      const rows = await tx.query(
        `UPDATE apply SET state = 'finished', finished_at = $2, halt = $3 WHERE id = $1 AND state = 'running' RETURNING id`,
        [apply.id, at.toISOString(), haltOf('given-up', { by: null, reason: because }, at)],
      );
      if (rows.length === 0) return;
      await tx.query('UPDATE apply SET counts = $2 WHERE id = $1', [
        apply.id,
        await countOutcomes(tx, apply.id),
      ]);
      const entry: AuditEntry = {
        actor: { kind: 'system', id: null, name: 'worker' },
        action: 'apply.abandoned',
        subject: { kind: 'apply', id: apply.id },
        details: { connection: apply.connection, because },
      };
      await appendAudit(tx, apply.tenant, at, [entry]);
    });
  }

  /** Whether anything is left to do. */
  isLeft({ connection, decisions, tenant }: RunningApply): Promise<boolean> {
    return this.#database.bulk(tenant, async (tx) => {
      const rows = await tx.query(
        `SELECT FROM change WHERE connection_id = $1 AND state = 'approved' AND decision_id = ANY ($2::uuid[]) LIMIT 1`,
        [connection, decisions],
      );
      return rows.length > 0;
    });
  }

  /** What the changes of an apply came to, finished or not. */
  counts(id: ApplyId): Promise<ApplyCounts> {
    return this.#database.bulk(this.#database.root, (tx) => countOutcomes(tx, id));
  }

  /** Applies that no process may be working on any more; carrying one out again finds what is done done. */
  unfinished(): Promise<readonly ApplyId[]> {
    return this.#database.bulk(this.#database.root, async (tx) => {
      const rows = await tx.query<{ id: ApplyId }>(
        `SELECT id FROM apply WHERE state = 'running' ORDER BY id`,
      );
      return rows.map((row) => row.id);
    });
  }

  /** Those that an apply gave their outcome, oldest first; one row more than `limit` where others follow. */
  changesOf(
    within: TenantId,
    of: { apply: ApplyId; outcomes: readonly Outcome[] },
    page: PageOptions,
  ): Promise<readonly ChangeView[]> {
    return this.#database.bulk(within, (tx) => readOutcomes(tx, within, of, page));
  }

  /** Newest first. */
  list(
    within: TenantId,
    filter: { connection?: ConnectionId | undefined; id?: ApplyId | undefined },
    page: { limit: number; after: string | null },
  ): Promise<readonly ApplyView[]> {
    return this.#database.bulk(within, async (tx) => {
      const rows = await tx.query<
        Omit<ApplyView, Moments> & { createdAt: Date } & Record<Exclude<Moments, 'createdAt'>, Date | null>
      >(
        `SELECT a.id, a.tenant_id AS tenant, a.connection_id AS connection, a.state, a.actor ->> 'name' AS by, a.total, a.created_at AS "createdAt",
           a.finished_at AS "finishedAt", a.starts_at AS "startsAt", a.halt, a.terms -> 'windows' AS windows, a.resumes_at AS "resumesAt", a.running_since AS "runningSince",
           a.done_before AS "doneBefore", a.despite_freeze AS "despiteFreeze", n.applied, n."alreadyApplied", n.moved, n.failed, coalesce(n.held, 0) AS held
         FROM apply a, LATERAL (${COUNTED('CASE WHEN a.counts IS NULL THEN a.id END')}) c,
           LATERAL jsonb_to_record(coalesce(a.counts, to_jsonb(c))) AS n (applied int, "alreadyApplied" int, moved int, failed int, held int)
         WHERE a.tenant_id IN ${SUBTREE('$1::uuid')}
           AND ($2::uuid IS NULL OR a.connection_id = $2) AND ($3::uuid IS NULL OR a.id = $3) AND ($4::uuid IS NULL OR a.id < $4)
         ORDER BY a.id DESC LIMIT $5::int`,
        [within, filter.connection ?? null, filter.id ?? null, page.after, page.limit],
      );
      return rows.map((row) => ({
        ...row,
        createdAt: row.createdAt.toISOString(),
        finishedAt: row.finishedAt?.toISOString() ?? null,
        startsAt: row.startsAt?.toISOString() ?? null,
        resumesAt: row.resumesAt?.toISOString() ?? null,
        runningSince: row.runningSince?.toISOString() ?? null,
      }));
    });
  }
}

type Moments = 'createdAt' | 'finishedAt' | 'startsAt' | 'resumesAt' | 'runningSince';

async function failChange(
  tx: BulkTransaction,
  apply: RunningApply,
  ids: readonly ChangeId[],
  at: Date,
  reason: string,
): Promise<void> {
  await lockForApply(tx, apply.connection);
  const rows = await tx.query<{ id: ChangeId }>(
    `UPDATE change SET state = 'failed', apply_id = $4, outcome = 'failed', outcome_reason = $2, closed_at = $3 WHERE id = ANY ($1::uuid[]) AND state = 'approved' RETURNING id`,
    [ids, reason, at.toISOString(), apply.id],
  );
  await noteLeft(
    tx,
    apply,
    'failed',
    rows.map(({ id }) => ({ id, reason })),
  );
  const entries = rows.map(
    ({ id }): AuditEntry => ({
      actor: apply.actor,
      action: 'change.failed',
      subject: { kind: 'change', id },
      details: { apply: apply.id, because: reason },
    }),
  );
  await appendAudit(tx, apply.tenant, at, entries);
}

/**
 * SQLSTATE classes 22 (data exception) and 23 (integrity constraint violation) are about rows, and so is a row that row-level security
 * keeps out of reach; all others are about the whole.
 */
function blamesTheData(error: unknown): boolean {
  return isOutOfReach(error) || /^2[23]/.test((error as { code?: unknown }).code?.toString() ?? '');
}

/** A missing right has the same SQLSTATE, and comes from another routine of PostgreSQL. */
function isOutOfReach(error: unknown): boolean {
  const { code, routine } = error as { code?: unknown; routine?: unknown };
  return code === '42501' && routine === 'ExecWithCheckOptions';
}

/** Without the values that PostgreSQL's own message would repeat. */
function describe(error: unknown): string {
  const { code, constraint, column, table } = error as {
    code?: string;
    constraint?: string;
    column?: string;
    table?: string;
  };
  if (isOutOfReach(error)) return 'somebody in a tenant out of reach has what this would write';
  if (table === 'role_assignment' && column === 'role_id')
    return 'a role that the change gives does not exist any more';
  return `the database refused it (SQLSTATE ${code ?? 'unknown'}${constraint === undefined ? '' : `, ${constraint}`})`;
}

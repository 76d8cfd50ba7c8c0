/** Sync runs: queued, taken by one process at a time, concluded. Who may take one is decided by the lock of locks.ts. */
import { v7 } from 'uuid';
import type { Actor, AuditEntry } from '../domain/audit.ts';
import type { Finding } from '../domain/guard.ts';
import type { RunHistory } from '../domain/health.ts';
import {
  ConnectionId,
  type ExternalId,
  type RunId,
  RunId as RunIdSchema,
  type TenantId,
} from '../domain/ids.ts';
import { Mapping } from '../domain/mapping.ts';
import { DECIDES_PLANS } from '../domain/replan.ts';
import type {
  PartSizes,
  ProviderUsage,
  RunCounts,
  RunFailure,
  RunKind,
  RunState,
  RunTrigger,
  RunView,
  TakenRun,
} from '../domain/run.ts';
import {
  concludedBefore,
  type ProviderEvidence,
  type PullEvidence,
  type Snapshot,
} from '../domain/snapshot.ts';
import { appendAudit } from './audit.ts';
import { type Database, type OrdinaryTransaction, type Sql, sqlOf } from './database.ts';
import { NAMED_BY_DIRECTORY } from './directoryUsers.ts';
import { Prisma, type SyncRun } from './generated/client.ts';
import { PROBLEMS } from './leftRows.ts';
import { connectionsBeingRun } from './locks.ts';
import { whyNotResumed } from './resumable.ts';
import { auditQuarantine, auditRecovery, readHistories } from './runHistory.ts';
import { toView } from './runViews.ts';
import { subtree } from './scope.ts';
import { insertTouched, RunTakenOver } from './staging.ts';

export type RunWork = { readonly run: RunId; readonly connection: ConnectionId; readonly tenant: TenantId };

/** Whom a run that starts now would read, and by which mapping. */
export type Reading = {
  readonly mapping: Mapping;
  readonly readingFingerprint: string;
  /** Everybody, even where changes alone could be asked for. */
  readonly full: boolean;
  /** Nobody but these. null: all who have changed, or everybody. */
  readonly users: readonly ExternalId[] | null;
};

/** From where on the provider will tell changes, and where the deltas before stopped. */
type Tokens = { readonly deltaToken: string | null; readonly deltaFrom: string | null };

/** By the same provider, settings, credentials and network, whatever the mapping; see `readingOf` in src/sync/sync.ts. */
const SAME_ACCESS = `split_part(b.reading_fingerprint, '.', 1) = split_part(r.reading_fingerprint, '.', 1)`;
/** What the credential could do at the last complete run by the access of the run `r` that told; null where none did. */
export const PERMISSIONS_BEFORE = `(SELECT b.evidence -> 'permissions' FROM sync_run b
  WHERE b.connection_id = r.connection_id AND b.state = 'finished' AND b.snapshot = 'complete'
    AND ${SAME_ACCESS} AND jsonb_typeof(b.evidence -> 'permissions') = 'array'
  ORDER BY b.id DESC LIMIT 1)`;

export class Runs {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Queues a run, or gives the one that already waits for this connection, which then reads what either would have read.
   */
  async queue(
    work: Omit<RunWork, 'run'>,
    reading: Reading,
    by: Actor,
    at: Date,
  ): Promise<{ run: RunId; already: boolean }> {
    for (;;) {
      const queued = await this.#tryToQueue(work, reading, by, at);
      if (queued !== null) return queued; // else the waiting one was taken up between our two looks: ours has room now
    }
  }

  #tryToQueue(
    work: Omit<RunWork, 'run'>,
    reading: Reading,
    by: Actor,
    at: Date,
  ): Promise<{ run: RunId; already: boolean } | null> {
    return this.#database.ordinary(work.tenant, async (tx) => {
      const [made] = await tx.syncRun.createManyAndReturn({
        data: [newRun(work, reading, 'demand', by.name)],
        skipDuplicates: true,
      });
      if (made === undefined) {
        const waiting = await widen(tx, work, reading);
        return waiting === null ? null : { run: waiting, already: true };
      }
      await insertTouched(sqlOf(tx), { id: made.id, tenant: work.tenant }, reading.users ?? []);
      const entry: AuditEntry = {
        actor: by,
        action: 'run.requested',
        subject: { kind: 'run', id: made.id },
        details: { connection: work.connection, ...(reading.users === null ? {} : { users: reading.users }) },
      };
      await appendAudit(sqlOf(tx), work.tenant, at, [entry]);
      return { run: RunIdSchema.parse(made.id), already: false };
    });
  }

  /**
   * Gives the run that the holder of the connection's lock works on now: one that another process left unfinished (`resumed`), as
   * long as it was reading by the same configuration, and not so long ago that its pages would be of another time; else the queued one; else a new one. null: `wanted` is finished already.
   */
  take(
    work: Omit<RunWork, 'run'>,
    reading: Reading,
    how: { wanted: RunId | null; trigger: RunTrigger; requestedBy: string; at: Date },
  ): Promise<{ run: TakenRun; resumed: boolean } | null> {
    return this.#database.ordinary(work.tenant, async (tx) => {
      const worker = v7();
      const left = await tx.syncRun.findFirst({
        where: { connectionId: work.connection, state: { in: ['pulling', 'planning'] } },
      });
      const because = left === null ? null : whyNotResumed(left, reading, how.at);
      if (left !== null && because === null) {
        return {
          run: toTaken(await tx.syncRun.update({ where: { id: left.id }, data: { worker } })),
          resumed: true,
        };
      }
      if (left !== null && because !== null) await failRun(tx, left.id, because, how.at);
      const queued = await tx.syncRun.findFirst({
        where: { connectionId: work.connection, state: 'queued' },
      });
      if (how.wanted !== null && queued?.id !== how.wanted) return null;
      const { mapping, readingFingerprint } = reading;
      const kind = kindOnceTaken(queued, reading, how.wanted);
      const started = { mapping, readingFingerprint, worker, state: 'pulling', startedAt: how.at, ...kind };
      const row =
        queued === null
          ? await tx.syncRun.create({
              data: { ...newRun(work, reading, how.trigger, how.requestedBy), ...started },
            })
          : await tx.syncRun.update({ where: { id: queued.id }, data: started });
      return { run: toTaken(row), resumed: false };
    });
  }

  /** What decides whether the snapshot is complete; the caller adds what only it knows. */
  evidence(run: TakenRun): Promise<Omit<PullEvidence, 'chainClosed' | 'looped'>> {
    return this.#database.bulk(run.tenant, async (tx) => {
      const [row] = await tx.query<Omit<PullEvidence, 'chainClosed' | 'looped'>>(
        `SELECT r.users_read AS users, r.found_later AS "foundLater", r.nameless AS "namelessRecords", r.evidence AS told,
           (SELECT count(*)::int FROM staged_user WHERE run_id = r.id AND ${NAMED_BY_DIRECTORY}) AS stored,
           EXISTS (SELECT FROM identity i JOIN auth_user a ON a.id = i.auth_user_id
                   WHERE i.connection_id = r.connection_id AND a.state <> 'deleted') AS "hasLinkedUsers",
           CASE WHEN r.found_later = 0 THEN 0 ELSE (SELECT count(*)::int FROM identity i JOIN auth_user a ON a.id = i.auth_user_id
              LEFT JOIN staged_user s ON s.run_id = $1 AND s.external_id = i.external_id
            WHERE i.connection_id = r.connection_id AND a.state <> 'deleted' AND s.external_id IS NULL) END AS "notAskedFor",
           coalesce((SELECT users_read FROM sync_run b WHERE b.connection_id = r.connection_id AND b.state = 'finished'
             AND b.snapshot = 'complete' ORDER BY b.id DESC LIMIT 1), 0) AS "usersBefore",
           ${PERMISSIONS_BEFORE} AS "permissionsBefore"
         FROM sync_run r WHERE r.id = $1`,
        [run.id],
      );
      if (row === undefined) throw new RunTakenOver(run.id);
      return row;
    });
  }

  /** pulling -> planning: the snapshot is what it is from here on. */
  async concludePull(
    run: TakenRun,
    snapshot: Snapshot,
    failure: RunFailure | null,
    usage: ProviderUsage,
  ): Promise<TakenRun> {
    const before = await this.#database.ordinary(run.tenant, (tx) =>
      tx.syncRun.findFirst({
        where: { connectionId: run.connection, state: 'finished', snapshot: 'complete' },
        orderBy: { id: 'desc' },
      }),
    );
    await this.#set(run, ['pulling'], {
      ...(before === null ? {} : { domainsBefore: before.domains }),
      usage,
      state: 'planning',
      snapshot: snapshot.kind,
      partialReason: snapshot.kind === 'partial' ? snapshot.reason : null,
      ...(failure === null ? {} : { failure }),
    });
    return { ...run, state: 'planning' };
  }

  /**
   * The run is a full one; what was learnt before its first page, or why it was not.
   */
  begin(run: TakenRun, evidence: ProviderEvidence | RunFailure, tokens: Tokens): Promise<void> {
    const learnt =
      'kind' in evidence
        ? { evidence: Prisma.DbNull, failure: evidence }
        : { evidence, failure: Prisma.DbNull };
    return this.#set(run, ['pulling'], { kind: 'full', ...learnt, ...tokens });
  }

  fail(run: TakenRun, failure: RunFailure, at: Date): Promise<void> {
    return this.#database.ordinary(run.tenant, async (tx) => {
      const where = { id: run.id, worker: run.worker, state: { in: ['pulling', 'planning'] } };
      const failed = { state: 'failed', failure, finishedAt: at };
      const { count } = await tx.syncRun.updateMany({ where, data: failed });
      if (count === 0) throw new RunTakenOver(run.id);
      await auditQuarantine(sqlOf(tx), { ...run, run: run.id }, failure, at);
    });
  }

  /** Fails a run that nobody works on, in whatever state it was left. For whoever holds its connection's lock. */
  abandon(work: RunWork, failure: RunFailure, at: Date): Promise<void> {
    return this.#database.ordinary(work.tenant, async (tx) => {
      const { count } = await tx.syncRun.updateMany({
        where: { id: work.run, state: { in: ['queued', 'pulling', 'planning'] } },
        data: { state: 'failed', failure, finishedAt: at },
      });
      if (count > 0) await auditQuarantine(sqlOf(tx), work, failure, at);
    });
  }

  async #set(run: TakenRun, from: readonly string[], data: object): Promise<void> {
    const where = { id: run.id, worker: run.worker, state: { in: [...from] } };
    const changed = await this.#database.ordinary(run.tenant, (tx) => tx.syncRun.updateMany({ where, data }));
    if (changed.count === 0) throw new RunTakenOver(run.id);
  }

  /** Of a run that is in planning, or after. `failure`: why the snapshot is partial, where the provider is the reason. */
  async concluded(
    run: TakenRun,
  ): Promise<{ snapshot: Snapshot; failure: RunFailure | null; missedByDeltas: number | null }> {
    const row = await this.#database.ordinary(run.tenant, (tx) =>
      tx.syncRun.findUniqueOrThrow({ where: { id: run.id } }),
    );
    const { snapshot, partialReason: reason, usersRead: users } = row;
    return {
      snapshot: concludedBefore({ snapshot, reason, users }),
      failure: row.failure as RunFailure | null,
      missedByDeltas: row.missedByDeltas,
    };
  }

  /** What the health of these connections is computed from; those that cannot be seen are not in it. */
  histories(
    within: TenantId,
    connections: readonly ConnectionId[],
    now: Date,
  ): Promise<ReadonlyMap<ConnectionId, RunHistory>> {
    return this.#database.bulk(within, (tx) => readHistories(tx, connections, now));
  }

  list(
    within: TenantId,
    filter: { connection?: ConnectionId | undefined },
    page: { limit: number; after: string | null },
  ): Promise<readonly RunView[]> {
    return this.#database.ordinary(within, async (tx) => {
      const rows = await tx.syncRun.findMany({
        where: {
          tenant: await subtree(tx, within),
          ...(filter.connection === undefined ? {} : { connectionId: filter.connection }),
          ...(page.after === null ? {} : { id: { lt: page.after } }),
        },
        orderBy: { id: 'desc' },
        take: page.limit,
      });
      return rows.map(toView);
    });
  }

  get(within: TenantId, id: RunId): Promise<RunView | null> {
    return this.#database.ordinary(within, async (tx) => {
      const row = await tx.syncRun.findFirst({ where: { tenant: await subtree(tx, within), id } });
      return row === null ? null : toView(row);
    });
  }

  /** Work that is recorded and that no process is doing: queued runs, and runs whose process has died. */
  unfinished(): Promise<readonly (RunWork & { readonly state: RunState })[]> {
    return this.#database.bulk(this.#database.root, async (tx) => {
      const rows = await tx.query<RunWork & { state: RunState }>(
        `SELECT id AS run, connection_id AS connection, tenant_id AS tenant, state FROM sync_run
         WHERE state IN ('queued', 'pulling', 'planning') ORDER BY id`,
      );
      const alive = await connectionsBeingRun(
        tx,
        rows.map((row) => row.connection),
      );
      return rows.filter((row) => !alive.has(row.connection));
    });
  }
}

async function failRun(tx: OrdinaryTransaction, id: string, failure: RunFailure, at: Date): Promise<void> {
  await tx.syncRun.update({ where: { id }, data: { state: 'failed', failure, finishedAt: at } });
}

/** Of the policy, which the transaction of a plan holds locked, what decides what a plan proposes. */
const PLANNED_BY = `(SELECT coalesce(jsonb_object_agg(p.key, p.value), '{}') FROM connection n, jsonb_each(n.policy) p
  WHERE n.id = sync_run.connection_id AND p.key = ANY ('{${DECIDES_PLANS.join(',')}}'))`;

/** Ends a planned run within the transaction that stores its plan. */
export async function finishRun(
  sql: Sql,
  run: TakenRun,
  { counts, missed, findings }: { counts: RunCounts; missed: number | null; findings: readonly Finding[] },
  at: Date,
): Promise<void> {
  await auditRecovery(sql, { ...run, run: run.id }, at);
  const rows = await sql.query(
    `UPDATE sync_run SET state = 'finished', counts = $3, finished_at = $4, missed_by_deltas = $5, findings = $6, planned_by = ${PLANNED_BY},
       problems = CASE WHEN unreadable = 0 THEN '[]' ELSE ${PROBLEMS} END
     WHERE id = $1 AND worker = $2 AND state = 'planning' RETURNING id`,
    [run.id, run.worker, JSON.stringify(counts), at.toISOString(), missed, JSON.stringify(findings)],
  );
  if (rows.length === 0) throw new RunTakenOver(run.id);
}

/** Any run is a delta if it can be, unless everybody is asked for. */
/** Whoever takes up whatever is due means more than the users whom somebody named. */
function kindOnceTaken(queued: SyncRun | null, { full }: Reading, wanted: RunId | null): { kind?: RunKind } {
  if (full) return { kind: 'full' };
  return queued?.kind === 'targeted' && wanted === null ? { kind: 'delta' } : {};
}

/** The run that waits for the connection; null: none does any more. Until the transaction ends nobody takes it up. */
async function widen(
  tx: OrdinaryTransaction,
  work: Omit<RunWork, 'run'>,
  { full, users }: Reading,
): Promise<RunId | null> {
  const sql = sqlOf(tx);
  const [waiting] = await sql.query<{ id: RunId }>(
    `SELECT id FROM sync_run WHERE connection_id = $1::uuid AND state = 'queued' FOR UPDATE`,
    [work.connection],
  );
  if (waiting === undefined) return null;
  await insertTouched(sql, { id: waiting.id, tenant: work.tenant }, users ?? []);
  if (full || users === null)
    await sql.query(
      `UPDATE sync_run SET kind = CASE WHEN $2::boolean THEN 'full' WHEN kind = 'targeted' THEN 'delta' ELSE kind END WHERE id = $1::uuid`,
      [waiting.id, full],
    );
  return waiting.id;
}

function newRun(
  work: Omit<RunWork, 'run'>,
  { full, users, ...reading }: Reading,
  trigger: RunTrigger,
  requestedBy: string,
) {
  return {
    id: v7(),
    tenantId: work.tenant,
    connectionId: work.connection,
    kind: full ? 'full' : users === null ? 'delta' : 'targeted',
    trigger,
    state: 'queued',
    requestedBy,
    ...reading,
  };
}

function toTaken(row: SyncRun): TakenRun {
  return {
    id: RunIdSchema.parse(row.id),
    connection: ConnectionId.parse(row.connectionId),
    tenant: row.tenantId as TenantId,
    worker: row.worker ?? '',
    startedAt: row.startedAt ?? row.createdAt,
    kind: row.kind as TakenRun['kind'],
    state: row.state as TakenRun['state'],
    phase: row.phase as TakenRun['phase'],
    cursor: row.cursor,
    mapping: Mapping.parse(row.mapping),
    readingFingerprint: row.readingFingerprint,
    domains: row.domains as PartSizes,
    orgUnits: row.orgUnits as PartSizes,
    deltaFrom: row.deltaFrom,
    told: null,
    pages: row.pages,
    users: row.usersRead,
  };
}

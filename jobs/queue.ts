/**
 * The two queues: what a job is called, what it carries, when it is tried again, and how work gets in. A job is a reminder, never
 * a record: the database says what has to be done, and jobs/housekeeping.ts makes a reminder anew when one was lost. So a job
 * that has ended leaves nothing behind, and its id is free again.
 */
import { z } from 'zod';
import { ConnectorError, whoActs } from '../connectors/contract.ts';
import { ApplyId, ConnectionId, RunId, TenantId } from '../src/domain/ids.ts';
import { Problem } from '../src/domain/problem.ts';
import type { Logger } from '../src/log.ts';
import { nextStart, startTimesOf } from '../src/sync/startTimes.ts';
import {
  backendName,
  findBackend,
  type JobsBackend,
  outageLog,
  PREFIX,
  patternOf,
  Queue,
  scheduling,
  unreachable,
} from './backend.ts';

/** Names in the database, so never changed. Apart, so that a long run keeps nobody's apply waiting. */
export const queueNames = { sync: 'rollcall-sync', apply: 'rollcall-apply' } as const;

/** A run that somebody asked for and that is recorded already, or one that the schedule asks for and that begins with the job. */
export const SyncJob = z.discriminatedUnion('trigger', [
  z.object({ trigger: z.literal('demand'), run: RunId, connection: ConnectionId, tenant: TenantId }),
  z.object({ trigger: z.literal('schedule'), connection: ConnectionId }),
]);
export type SyncJob = z.infer<typeof SyncJob>;

export const ApplyJob = z.object({ apply: ApplyId });
export type ApplyJob = z.infer<typeof ApplyJob>;

export type QueuedRun = { readonly run: RunId; readonly connection: ConnectionId; readonly tenant: TenantId };
export type QueuedApply = { readonly apply: ApplyId };

/** `schedule: null` and any state but `active` mean that nothing starts by itself. */
export type ScheduledConnection = {
  readonly id: ConnectionId;
  /** Cron: five fields, or six with seconds first. */
  readonly schedule: string | null;
  /** IANA name. */
  readonly timeZone: string;
  readonly state: string;
};

/** From the work, so that asking twice for the same work makes one job. BullMQ takes neither a bare number nor a colon. */
export const jobIds = {
  run: (run: RunId) => `run-${run}`,
  apply: (apply: ApplyId) => `apply-${apply}`,
  schedule: (connection: ConnectionId) => `connection-${connection}`,
} as const;

export const retryPolicy = {
  /** Carried out at most so often, the first time included. */
  attempts: 6,
  longestDelayMs: 600_000,
  /** A job whose worker was killed more often than this is taken to be what kills it. */
  stalls: 3,
} as const;

const jobOptions = {
  attempts: retryPolicy.attempts,
  backoff: { type: 'jittered' },
  removeOnComplete: true,
  removeOnFail: true,
  stackTraceLimit: 0,
} as const;

export type Verdict =
  | { readonly end: 'retry'; readonly reason: string; readonly atLeastMs: number }
  | { readonly end: 'give-up'; readonly reason: string };

/**
 * What to do about an error, once for all jobs. Tried again is what mends itself (the provider, the database); what needs a person
 * is given up. An error of an unknown kind is tried again, because lost connections come in many shapes and the attempts are counted.
 */
export function judge(error: unknown): Verdict {
  if (error instanceof ConnectorError) {
    const { kind, retryAfterMs = 0 } = error.failure;
    if (whoActs[kind] === 'nobody') return { end: 'retry', reason: kind, atLeastMs: retryAfterMs };
    return { end: 'give-up', reason: kind };
  }
  if (error instanceof z.ZodError) return { end: 'give-up', reason: 'unreadable-job' };
  if (error instanceof Problem && error.code !== 'database-unreachable' && error.code !== 'queue-unreachable')
    return { end: 'give-up', reason: error.code };
  return {
    end: 'retry',
    reason: error instanceof Problem ? error.code : 'unexpected-error',
    atLeastMs: 0,
  };
}

/**
 * Doubles with each attempt, up to ten minutes, and is then cut by up to a half, so that what failed together does not return
 * together. `chance` is in [0, 1). Never earlier than the provider said.
 */
export function retryDelay(attempt: number, firstMs: number, atLeastMs: number, chance: number): number {
  const full = Math.min(retryPolicy.longestDelayMs, firstMs * 2 ** (attempt - 1));
  return Math.round(Math.max(atLeastMs * (1 + chance / 10), full * (1 - chance / 2)));
}

export type JobQueues = {
  /** Asks for a recorded run. Asking again while its job waits or runs changes nothing. Throws `database-unreachable` or `queue-unreachable`. */
  enqueueRun(work: QueuedRun): Promise<void>;
  /** Asks for a recorded apply, likewise. */
  enqueueApply(work: QueuedApply): Promise<void>;
  /** Makes the jobs that are missing for this recorded work, and says how many were. */
  restore(work: {
    readonly runs: readonly QueuedRun[];
    readonly applies: readonly QueuedApply[];
  }): Promise<number>;
  /**
   * Brings the schedules to what these connections want; touches only what differs. A schedule that cannot be read is logged and
   * left out: it stops nobody else's.
   */
  reconcileSchedules(connections: readonly ScheduledConnection[]): Promise<void>;
  /** When this connection starts next by itself, or null. */
  nextStart(connection: ConnectionId): Promise<Date | null>;
  /** Resolves when the backend answers within five seconds; else throws `database-unreachable` or `queue-unreachable`. */
  ping(): Promise<void>;
  close(): Promise<void>;
};

/** Throws a Problem when the backend cannot be reached or used. On PostgreSQL it makes and migrates the queues' own schema. */
export async function openQueues(options: JobsBackend & { readonly log: Logger }): Promise<JobQueues> {
  const log = options.log.child({ backend: backendName(options) });
  await findBackend(options);
  const sync = openQueue<SyncJob>(queueNames.sync, options, log);
  const apply = openQueue<ApplyJob>(queueNames.apply, options, log);
  const close = async () => {
    await Promise.all([sync.close(), apply.close()]);
  };
  const reach = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw unreachable(options, error);
    }
  };
  try {
    await reach(() => Promise.all([sync.waitUntilReady(), apply.waitUntilReady()]));
  } catch (error) {
    await close();
    throw error;
  }
  const enqueueRun = ({ run, connection, tenant }: QueuedRun) =>
    reach(() => sync.add('run', { trigger: 'demand', run, connection, tenant }, { jobId: jobIds.run(run) }));
  const enqueueApply = (work: QueuedApply) =>
    reach(() => apply.add('apply', { apply: work.apply }, { jobId: jobIds.apply(work.apply) }));
  return {
    enqueueRun: async (work) => void (await enqueueRun(work)),
    enqueueApply: async (work) => void (await enqueueApply(work)),
    restore: async ({ runs, applies }) => {
      let restored = 0;
      for (const work of runs) {
        if ((await reach(() => sync.getJob(jobIds.run(work.run)))) !== undefined) continue;
        await enqueueRun(work);
        restored++;
      }
      for (const work of applies) {
        if ((await reach(() => apply.getJob(jobIds.apply(work.apply)))) !== undefined) continue;
        await enqueueApply(work);
        restored++;
      }
      return restored;
    },
    reconcileSchedules: (connections) => reach(() => reconcile(sync, connections, log)),
    nextStart: (connection) =>
      reach(async () => {
        const next = (await sync.getJobScheduler(jobIds.schedule(connection)))?.next;
        return next === undefined || next === null ? null : new Date(next);
      }),
    ping: () => reach(() => answersInTime(sync)),
    close,
  };
}

type OpenQueue<Data> = InstanceType<typeof Queue<Data>>;

function openQueue<Data>(name: string, backend: JobsBackend, log: Logger): OpenQueue<Data> {
  const queue = new Queue<Data>(name, {
    connection: backend,
    prefix: PREFIX,
    defaultJobOptions: jobOptions,
    streams: { events: { maxLen: 1_000 } },
    settings: scheduling,
  });
  queue.on('error', outageLog(log, 'queue.error', name));
  return queue;
}

async function answersInTime(queue: OpenQueue<SyncJob>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, failed) => {
    timer = setTimeout(() => failed(new Error('no answer within five seconds')), 5_000);
  });
  try {
    await Promise.race([queue.getActiveCount(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A schedule whose next job should have started this long ago is looked at more closely: the job may be lost. */
const OVERDUE_MS = 60_000;

async function reconcile(
  queue: OpenQueue<SyncJob>,
  connections: readonly ScheduledConnection[],
  log: Logger,
): Promise<void> {
  const timesOf = startTimesOf();
  const found = new Map((await queue.getJobSchedulers()).map((scheduler) => [scheduler.key, scheduler]));
  for (const connection of connections) {
    if (connection.state !== 'active' || connection.schedule === null) continue;
    const key = jobIds.schedule(connection.id);
    const present = found.get(key);
    const times = timesOf(connection.id, connection.schedule, connection.timeZone);
    if (times === null || nextStart(times, Date.now()) === null) {
      log.warn({ event: 'schedule.refused', connection: connection.id });
      continue;
    }
    found.delete(key);
    const pattern = patternOf(times);
    const asWanted = present?.pattern === pattern && present.tz === connection.timeZone;
    if (asWanted && !(await hasLostItsJob(queue, key, present.next))) continue;
    const data = { trigger: 'schedule', connection: connection.id } as const;
    const job = { name: 'schedule', data, opts: jobOptions };
    await queue.upsertJobScheduler(key, { pattern, tz: connection.timeZone }, job);
    log.info({ event: 'schedule.set', connection: connection.id });
  }
  for (const key of found.keys()) {
    await queue.removeJobScheduler(key);
    log.info({ event: 'schedule.removed', job: key });
  }
}

/** Each job of a schedule makes the next one, so a single lost job (Redis evicted it) would end the schedule for good. */
async function hasLostItsJob(
  queue: OpenQueue<SyncJob>,
  key: string,
  next: number | undefined,
): Promise<boolean> {
  if (next === undefined) return true;
  if (next > Date.now() - OVERDUE_MS) return false;
  return (await queue.getJob(`repeat:${key}:${next}`)) === undefined;
}

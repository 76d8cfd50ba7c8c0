/**
 * Takes jobs off the queues and carries them out, several side by side. Here, and nowhere else, the end of a job is decided:
 *
 *   running --done, or dropped--> gone                 running --later (busy)--> delayed --> running, no attempt counted
 *   running --an error that mends itself--> delayed --> running        running --another error, or the last attempt--> given up
 *   taken --not its turn--> put back                                    running --others wait for its slot--> put back, no attempt counted
 *   running --the worker ends--> waiting, no attempt counted           running --the worker is killed--> waiting, a stall counted
 */
import { DelayedError, type Job, UnrecoverableError, WaitingError } from 'bullmq';
import type { ApplyId, ConnectionId, RunId } from '../src/domain/ids.ts';
import type { Logger } from '../src/log.ts';
import {
  backendName,
  findBackend,
  type JobsBackend,
  outageLog,
  PREFIX,
  scheduling,
  unreachable,
  Worker,
} from './backend.ts';
import { Fairness, type Turn } from './fairness.ts';
import { type CarryOutApply, handleApply } from './handlers/apply.ts';
import { handleSync, type SyncConnection } from './handlers/sync.ts';
import { ApplyJob, judge, queueNames, retryDelay, retryPolicy, SyncJob } from './queue.ts';
import type { Whose } from './turns.ts';

/** Work that no job will be made for again. `run: null`: whatever run this connection left unfinished. */
export type Abandoned =
  | { readonly kind: 'run'; readonly connection: ConnectionId; readonly run: RunId | null }
  | { readonly kind: 'apply'; readonly apply: ApplyId };

/** What one job is about. */
export type JobWork =
  | { readonly kind: 'run'; readonly connection: ConnectionId }
  | { readonly kind: 'apply'; readonly apply: ApplyId };

export type WorkerDeps = {
  readonly syncConnection: SyncConnection;
  readonly carryOutApply: CarryOutApply;
  /**
   * Records that this work has failed for good, unless its own end is recorded already. Without it housekeeping would bring back
   * what kills its worker. `reason`: one word, such as `worker-killed`, a connector failure's kind or a problem's code.
   */
  readonly abandon: (work: Abandoned, reason: string) => Promise<void>;
  /** Whose work it is, so that nobody has more than a share of the slots while others wait. */
  readonly whoseOf: (work: JobWork) => Promise<Whose>;
  /** When the work that is being carried out was begun first; null: it may be put off however old it is. */
  readonly begunAt: (work: JobWork) => Promise<Date | null>;
  readonly log: Logger;
  /** How many runs, and how many applies besides, this worker carries out side by side. */
  readonly concurrency: number;
};

/** All in milliseconds. */
export type WorkerTiming = {
  /** A worker that has not renewed its claim on a job for so long is taken to be dead. */
  readonly lock: number;
  /** How often it is looked for jobs of dead workers; one is given to another at the second look. */
  readonly stalledCheck: number;
  readonly firstRetry: number;
  /** How long a run waits that another process keeps waiting. */
  readonly busy: number;
  /** How often it is looked whether others wait for a slot beyond somebody's share. */
  readonly fair: number;
  /** After how long another worker calls a job that one has put back: it may be gone. */
  readonly forgotten: number;
  /** At the end: how long jobs may go on before they are told to stop, and then before they are left alone. */
  readonly grace: number;
  readonly stop: number;
};

const usualTiming: WorkerTiming = {
  lock: 30_000,
  stalledCheck: 30_000,
  firstRetry: 15_000,
  busy: 10_000,
  fair: 5_000,
  forgotten: 120_000,
  grace: 5_000,
  stop: 10_000,
};

export type JobWorker = {
  /**
   * Takes no more jobs, waits for the running ones, after the grace period aborts their signals and gives them back to the queue.
   * Ends in any case: a job that does not stop then is taken over by another worker once its lock has run out.
   */
  close(): Promise<void>;
};

type AnyWorker = InstanceType<typeof Worker<unknown>>;
type AnyJob = Job<unknown>;

/** Throws a Problem when the backend cannot be reached. Later interruptions are logged and waited for. */
export async function openWorker(
  backend: JobsBackend,
  deps: WorkerDeps,
  changedTiming: Partial<WorkerTiming> = {},
): Promise<JobWorker> {
  const timing = { ...usualTiming, ...changedTiming };
  const log = deps.log.child({ backend: backendName(backend) });
  const context: Context = { ...deps, log, timing, stopping: new AbortController(), running: new Set() };
  await findBackend(backend);
  const opened = [
    startWorker(queueNames.sync, backend, context, (job, signal) =>
      handleSync(deps.syncConnection, job.data, job.attemptsMade + 1, signal),
    ),
    startWorker(queueNames.apply, backend, context, (job, signal) =>
      handleApply(deps.carryOutApply, job.data, signal),
    ),
  ];
  try {
    await Promise.all(opened.map(({ worker }) => worker.waitUntilReady()));
  } catch (error) {
    for (const { fairness } of opened) fairness.close();
    await Promise.all(opened.map(({ worker }) => worker.close(true)));
    throw unreachable(backend, error);
  }
  return { close: () => closeWorkers(opened, context) };
}

type Context = WorkerDeps & {
  readonly timing: WorkerTiming;
  readonly stopping: AbortController;
  readonly running: Set<AnyJob>;
};
type Handle = (job: AnyJob, signal: AbortSignal) => Promise<'done' | 'dropped' | 'later'>;

type OpenWorker = { readonly worker: AnyWorker; readonly fairness: Fairness };

function startWorker(name: string, backend: JobsBackend, context: Context, handle: Handle): OpenWorker {
  const { log, timing } = context;
  const worker = new Worker<unknown>(
    name,
    async (job, token) => {
      const turn = await fairness.begin(job, token);
      context.running.add(job);
      try {
        await carryOut(job, token, { ...context, turn }, handle);
      } finally {
        turn.end();
        context.running.delete(job);
      }
    },
    {
      connection: backend,
      prefix: PREFIX,
      concurrency: context.concurrency,
      lockDuration: timing.lock,
      stalledInterval: timing.stalledCheck,
      maxStalledCount: 1_000_000, // counted in carryOut, where it can also be recorded
      settings: {
        ...scheduling,
        backoffStrategy: (_attempts, _type, error) => (error instanceof TryAgain ? error.delayMs : 0),
      },
    },
  );
  worker.on('error', outageLog(log, 'worker.error', name));
  worker.on('stalled', (job) => log.warn({ event: 'job.stalled', queue: name, job }));
  const fairness = fairly(worker, context); // the worker takes its first job later than this
  return { worker, fairness };
}

function fairly(worker: AnyWorker, { concurrency, whoseOf, begunAt, log, timing }: Context): Fairness {
  const of = async (data: unknown) => {
    const work = workIn(data);
    return work === null ? [] : await whoseOf(work);
  };
  const begunOf = async (data: unknown) => {
    const work = workIn(data);
    return work === null ? null : await begunAt(work);
  };
  const { fair: everyMs, forgotten: forgottenMs } = timing;
  return new Fairness(worker, {
    slots: concurrency,
    whoseOf: of,
    begunAt: begunOf,
    log,
    everyMs,
    forgottenMs,
  });
}

/** What BullMQ is told, and stores, about an attempt that failed: one word, never a message that may hold somebody's name. */
class TryAgain extends Error {
  readonly delayMs: number;
  constructor(reason: string, delayMs: number) {
    super(reason);
    this.delayMs = delayMs;
  }
}

async function carryOut(
  job: AnyJob,
  token: string | undefined,
  context: Context & { readonly turn: Turn },
  handle: Handle,
): Promise<void> {
  const { log, timing, stopping, turn } = context;
  const signal = AbortSignal.any([stopping.signal, turn.signal]); // its own, so that what listens to it goes with the job
  const about = { queue: job.queueName, job: job.id ?? null };
  if (job.stalledCounter > retryPolicy.stalls) return await giveUp(job, 'worker-killed', context);
  let end: Awaited<ReturnType<Handle>>;
  try {
    signal.throwIfAborted(); // fetched while the worker was ending
    end = await handle(job, signal);
  } catch (error) {
    if (!signal.aborted) return await settle(job, error, context);
    if (!stopping.signal.aborted) return await turn.stepBack(token);
    log.info({ event: 'job.returned', ...about });
    await job.moveToWait(token);
    throw new WaitingError();
  }
  if (end === 'dropped') log.info({ event: 'job.dropped', ...about, reason: 'busy' });
  if (end !== 'later') return;
  log.info({ event: 'job.postponed', ...about, reason: 'busy' });
  await job.moveToDelayed(Date.now() + Math.round(timing.busy * (0.5 + Math.random())), token);
  throw new DelayedError();
}

async function settle(job: AnyJob, error: unknown, context: Context): Promise<void> {
  const verdict = judge(error);
  const attempt = job.attemptsMade + 1;
  const about = { queue: job.queueName, job: job.id ?? null, reason: verdict.reason, attempt };
  if (verdict.end === 'give-up' || attempt >= retryPolicy.attempts) {
    context.log.error({ event: 'job.failed', ...about, error });
    return await giveUp(job, verdict.reason, context);
  }
  const delayMs = retryDelay(attempt, context.timing.firstRetry, verdict.atLeastMs, Math.random());
  context.log.warn({ event: 'job.retried', ...about, delayMs, error });
  throw new TryAgain(verdict.reason, delayMs);
}

/** Throws always: that is how BullMQ hears of it. */
async function giveUp(job: AnyJob, reason: string, context: Context): Promise<never> {
  const about = { queue: job.queueName, job: job.id ?? null, reason };
  context.log.error({ event: 'job.given-up', ...about });
  const work = workIn(job.data);
  try {
    if (work !== null) await context.abandon(work, reason);
  } catch (error) {
    context.log.error({ event: 'job.not-recorded', ...about, error }); // housekeeping finds the work unfinished and begins again
  }
  throw new UnrecoverableError(reason);
}

function workIn(data: unknown): Abandoned | null {
  const sync = SyncJob.safeParse(data).data;
  if (sync !== undefined)
    return { kind: 'run', connection: sync.connection, run: sync.trigger === 'demand' ? sync.run : null };
  const apply = ApplyJob.safeParse(data).data;
  return apply === undefined ? null : { kind: 'apply', apply: apply.apply };
}

async function closeWorkers(opened: readonly OpenWorker[], context: Context): Promise<void> {
  for (const { fairness } of opened) fairness.close();
  const workers = opened.map(({ worker }) => worker);
  const { log, running, stopping, timing } = context;
  const idle = Promise.all(workers.map((worker) => worker.pause()));
  let isIdle = await within(idle, timing.grace);
  if (!isIdle) stopping.abort(new DOMException('The worker is stopping.', 'AbortError'));
  // With nothing running, only a backend that is away keeps it from being idle: no use in waiting for that.
  if (!isIdle && running.size > 0) isIdle = await within(idle, timing.stop);
  if (running.size > 0) log.warn({ event: 'worker.left-jobs', jobs: running.size });
  await Promise.all(workers.map((worker) => worker.close(!isIdle)));
}

/** Whether the work was done in time. */
async function within(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((done) => {
    timer = setTimeout(() => done(false), ms);
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

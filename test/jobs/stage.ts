/** One test's backend, queues and workers, with everything closed afterwards. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, vi } from 'vitest';
import type { SyncConnection, SyncOutcome, SyncRequest } from '../../jobs/handlers/sync.ts';
import { type JobQueues, openQueues, type QueuedRun, type ScheduledConnection } from '../../jobs/queue.ts';
import { type JobWorker, openWorker, type WorkerDeps, type WorkerTiming } from '../../jobs/worker.ts';
import { ApplyId, ConnectionId, RunId, TenantId } from '../../src/domain/ids.ts';
import type { LogEntry, Logger } from '../../src/log.ts';
import type { Backends, TestBackend } from './backends.ts';

export const finished: SyncOutcome = { result: 'finished', failure: null };
/** A use case that notes what it is asked for and is done. */
export const finishing =
  (note: (request: SyncRequest) => unknown): SyncConnection =>
  async (request) => {
    note(request);
    return finished;
  };
export const busy: SyncOutcome = { result: 'busy', failure: null };

export const aConnection = () => ConnectionId.parse(randomUUID());
export const anApply = () => ({ apply: ApplyId.parse(randomUUID()) });
export const aRun = (connection = aConnection()): QueuedRun => ({
  run: RunId.parse(randomUUID()),
  connection,
  tenant: TenantId.parse(randomUUID()),
});
export const aSchedule = (schedule: string | null, timeZone = 'UTC'): ScheduledConnection => ({
  id: aConnection(),
  schedule,
  timeZone,
  state: 'active',
});

/** Until it holds. Generous, because a slow machine is no fault of the queue. */
export const eventually = <T>(what: () => T) => vi.waitFor(what, { timeout: 30_000, interval: 20 });

/** A promise that the test resolves itself. */
export const aGate = () => Promise.withResolvers<void>();

/** Fast enough that a test need not wait for what in production takes seconds. */
const fast: Partial<WorkerTiming> = {
  lock: 1_000,
  stalledCheck: 300,
  firstRetry: 5,
  busy: 20,
  fair: 50,
  forgotten: 30_000,
  grace: 30_000,
  stop: 30_000,
};

export class Stage {
  readonly place: TestBackend;
  readonly queues: JobQueues;
  readonly logged: LogEntry[];
  readonly #opened: { close(): Promise<void> }[] = [];

  private constructor(place: TestBackend, queues: JobQueues, logged: LogEntry[]) {
    this.place = place;
    this.queues = queues;
    this.logged = logged;
  }

  static async open(place: TestBackend): Promise<Stage> {
    const logged: LogEntry[] = [];
    return new Stage(place, await openQueues({ ...place.backend, log: recorder(logged) }), logged);
  }

  get log(): Logger {
    return recorder(this.logged);
  }

  /** How often this event was logged. */
  count(event: string): number {
    return this.logged.filter((entry) => entry.event === event).length;
  }

  async worker(deps: Partial<WorkerDeps> = {}, timing: Partial<WorkerTiming> = {}): Promise<JobWorker> {
    const usual: WorkerDeps = {
      syncConnection: async () => finished,
      carryOutApply: async () => {},
      abandon: async () => {},
      whoseOf: async () => [],
      begunAt: async () => null,
      log: this.log,
      concurrency: 1,
    };
    return this.closing(await openWorker(this.place.backend, { ...usual, ...deps }, { ...fast, ...timing }));
  }

  /** Closed after the test, the last opened first. Closing what the test has closed itself must do no harm. */
  closing<T extends { close(): Promise<void> }>(opened: T): T {
    this.#opened.unshift(opened);
    return opened;
  }

  async close(): Promise<void> {
    for (const opened of this.#opened) await opened.close();
    await this.queues.close();
  }
}

function recorder(logged: LogEntry[]): Logger {
  const record = (entry: LogEntry) => void logged.push(entry);
  return { debug: record, info: record, warn: record, error: record, child: () => recorder(logged) };
}

/** The stage of the test that is running, over a server that the whole file shares. */
export function eachOnItsOwnStage(start: () => Promise<Backends>): () => Stage {
  let backends: Backends;
  let stage: Stage;
  beforeAll(async () => {
    backends = await start();
  }, 60_000);
  beforeEach(async () => {
    stage = await Stage.open(await backends.fresh());
  }, 30_000);
  afterEach(() => stage.close(), 60_000);
  afterAll(() => backends.stop(), 60_000);
  return () => stage;
}

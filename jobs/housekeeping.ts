/**
 * Once a minute in every worker process: brings the queues back to what the database says. Schedules follow the connections, and
 * recorded work that lost its job gets a new one, whether the queue was emptied, a process died between recording and asking, or
 * Redis was restarted without its data. Processes may do this side by side: each step changes only what is still wrong.
 */
import { schedule } from 'node-cron';
import type { Logger } from '../src/log.ts';
import type { JobQueues, QueuedApply, QueuedRun, ScheduledConnection } from './queue.ts';

export type HousekeepingDeps = {
  readonly queues: JobQueues;
  /** Every connection of every tenant. */
  readonly connectionsWithSchedules: () => Promise<readonly ScheduledConnection[]>;
  /** Runs and applies that are recorded as not ended and that no living process is carrying out. */
  readonly unfinishedWork: () => Promise<{
    readonly runs: readonly QueuedRun[];
    readonly applies: readonly QueuedApply[];
  }>;
  readonly log: Logger;
};

export type Housekeeping = {
  /** Does it now; joins the round that is under way. Never throws: what failed is logged and tried again in the next round. */
  tidy(): Promise<void>;
  /** No further round begins; waits for the one under way. */
  close(): Promise<void>;
};

/** The first round begins at once. */
export function startHousekeeping(deps: HousekeepingDeps): Housekeeping {
  let round: Promise<void> | null = null;
  const tidy = () => {
    round ??= tidyUp(deps).finally(() => {
      round = null;
    });
    return round;
  };
  const clock = schedule('* * * * *', tidy, {
    noOverlap: true,
    maxRandomDelay: 10_000, // processes started together do not all ask at once
    suppressMissedWarning: true,
  });
  void tidy();
  return {
    tidy,
    close: async () => {
      await clock.destroy();
      await round;
    },
  };
}

async function tidyUp(deps: HousekeepingDeps): Promise<void> {
  const { queues, log } = deps;
  await logged(log, 'schedules', async () =>
    queues.reconcileSchedules(await deps.connectionsWithSchedules()),
  );
  await logged(log, 'unfinished-work', async () => {
    const restored = await queues.restore(await deps.unfinishedWork());
    if (restored > 0) log.info({ event: 'housekeeping.restored', jobs: restored });
  });
}

/** One step that fails does not keep the other from being done. */
async function logged(log: Logger, part: string, step: () => Promise<void>): Promise<void> {
  try {
    await step();
  } catch (error) {
    log.warn({ event: 'housekeeping.failed', part, error });
  }
}

/**
 * Once a minute in every worker process: brings the queues back to what the database says. Schedules follow the connections, and
 * recorded work that lost its job gets a new one, whether the queue was emptied, a process died between recording and asking, or
 * Redis was restarted without its data. Processes may do this side by side: each step changes only what is still wrong. Before that,
 * applies that policies want begin, and get their job then.
 *
 * What was refused or held back until now waits again, and the next key that signs tokens is made, a day before it signs. Beside it,
 * because it may take longer than a minute: tenants whose deletion is due are deleted, and what they held is removed; the records of
 * verified domains are looked for once a day; and people are told of what needs them.
 */
import { schedule } from 'node-cron';
import type { Logger } from '../src/log.ts';
import type { JobQueues, QueuedApply, QueuedRun, ScheduledConnection } from './queue.ts';

export type HousekeepingDeps = {
  readonly queues: JobQueues;
  /** Every connection of every tenant. */
  readonly connectionsWithSchedules: () => Promise<readonly ScheduledConnection[]>;
  /** Makes, begins and resumes the applies that policies want now. Gives how many run because of it. */
  readonly advanceApplies: () => Promise<number>;
  /** Runs and applies that are recorded as not ended and that no living process is carrying out. */
  readonly unfinishedWork: () => Promise<{
    readonly runs: readonly QueuedRun[];
    readonly applies: readonly QueuedApply[];
  }>;
  /** Makes the next key that signs tokens where it is time for it. Gives whether it was. */
  readonly renewSigningKeys: () => Promise<boolean>;
  /** Opens again what was refused or held back until a time that has come. Gives how many changes. */
  readonly openChangesAgain: () => Promise<number>;
  /** Deletes the tenants that are due, and removes what deleted ones held. Aborted, it leaves the rest for later. */
  readonly deletedTenants: (signal: AbortSignal) => Promise<void>;
  /** Removes what is personal about users who were deleted long ago, where policies say so. Aborted, it leaves the rest for later. */
  readonly purgedUsers: (signal: AbortSignal) => Promise<void>;
  /** Looks whether the records of verified domains are still there, of those that are due. Gives how many. */
  readonly checkedDomains: (signal: AbortSignal) => Promise<number>;
  /** Looks for what channels are to be told, and sends what is due. */
  readonly notifications: (signal: AbortSignal) => Promise<{
    readonly sent: number;
    readonly failed: number;
    readonly later: number;
  }>;
  readonly log: Logger;
};

export type Housekeeping = {
  /** Does all of it now; joins what is under way. Never throws: what failed is logged and tried again in the next round. */
  tidy(): Promise<void>;
  /** No further round begins; waits for the one under way, and for the batch of a removal. */
  close(): Promise<void>;
};

/** The first round begins at once. */
export function startHousekeeping(deps: HousekeepingDeps): Housekeeping {
  const closing = new AbortController();
  const queues = joined(() => tidyUp(deps));
  const tenants = joined(() => removeTenants(deps, closing.signal));
  const domains = joined(() => checkDomains(deps, closing.signal));
  const notifications = joined(() => notify(deps, closing.signal));
  const tidy = async () => {
    await Promise.all([queues.begin(), tenants.begin(), domains.begin(), notifications.begin()]);
  };
  // The next round does not wait for a long removal: it joins it.
  const clock = schedule('* * * * *', () => void tidy(), {
    maxRandomDelay: 10_000, // processes started together do not all ask at once
    suppressMissedWarning: true,
  });
  void tidy();
  return {
    tidy,
    close: async () => {
      await clock.destroy();
      closing.abort();
      await Promise.all([queues.ended(), tenants.ended(), domains.ended(), notifications.ended()]);
    },
  };
}

/** Whoever begins it while it is being done joins that. */
function joined(work: () => Promise<void>) {
  let underWay: Promise<void> | null = null;
  return {
    begin: () => {
      underWay ??= work().finally(() => {
        underWay = null;
      });
      return underWay;
    },
    ended: async () => {
      await underWay;
    },
  };
}

/** Tenants, and then people of those that stay. */
async function removeTenants(deps: HousekeepingDeps, signal: AbortSignal): Promise<void> {
  await untilAborted(deps.log, 'deleted-tenants', signal, deps.deletedTenants);
  await untilAborted(deps.log, 'purged-users', signal, deps.purgedUsers);
}

async function untilAborted(
  log: Logger,
  part: string,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  await logged(log, part, async () => {
    try {
      await work(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  });
}

/** Beside the others: name servers may take seconds each. */
async function checkDomains(deps: HousekeepingDeps, signal: AbortSignal): Promise<void> {
  await logged(deps.log, 'domains', async () => {
    const domains = await deps.checkedDomains(signal);
    if (domains > 0) deps.log.info({ event: 'domains.checked', domains });
  });
}

/** Beside the others: receivers may take half a minute each. */
async function notify(deps: HousekeepingDeps, signal: AbortSignal): Promise<void> {
  await logged(deps.log, 'notifications', async () => {
    try {
      const done = await deps.notifications(signal);
      if (done.sent + done.failed + done.later > 0) deps.log.info({ event: 'notifications.sent', ...done });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  });
}

async function tidyUp(deps: HousekeepingDeps): Promise<void> {
  const { queues, log } = deps;
  await logged(log, 'schedules', async () =>
    queues.reconcileSchedules(await deps.connectionsWithSchedules()),
  );
  await logged(log, 'applies', async () => {
    const applies = await deps.advanceApplies();
    if (applies > 0) log.info({ event: 'applies.advanced', applies });
  });
  await logged(log, 'unfinished-work', async () => {
    const restored = await queues.restore(await deps.unfinishedWork());
    if (restored > 0) log.info({ event: 'housekeeping.restored', jobs: restored });
  });
  await logged(log, 'changes', async () => {
    const changes = await deps.openChangesAgain();
    if (changes > 0) log.info({ event: 'changes.opened-again', changes });
  });
  await logged(log, 'signing-keys', async () => {
    if (await deps.renewSigningKeys()) log.info({ event: 'signing-key.made' });
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

/** The daemon: queues, API, worker and housekeeping over one install, opened in this order and closed in reverse. */
import { type ConnectorFailure, whoActs } from '../connectors/contract.ts';
import type { SyncConnection } from '../jobs/handlers/sync.ts';
import { startHousekeeping } from '../jobs/housekeeping.ts';
import { type JobQueues, openQueues, type ScheduledConnection } from '../jobs/queue.ts';
import { type Abandoned, openWorker } from '../jobs/worker.ts';
import { openServer } from './api/server.ts';
import { renewSigningKeys } from './authorization/tokenKeys.ts';
import type { Config } from './config.ts';
import type { Connection } from './domain/connection.ts';
import { ApplyId, type ConnectionId, type RunId } from './domain/ids.ts';
import type { RunFailure, RunTrigger } from './domain/run.ts';
import { publicUrlOf } from './domain/signIn.ts';
import type { Install } from './install.ts';
import { deliverDue } from './notifications/deliver.ts';
import { lookForChannels } from './notifications/look.ts';
import { Opened } from './opened.ts';
import { carryOutApply } from './review/apply.ts';
import { advanceApplies } from './review/dueApplies.ts';
import { offerSetUp, type SetUpOffer } from './signIn/setUp.ts';
import { type RunOutcome, syncConnection } from './sync/sync.ts';
import { recheckDomains } from './tenancy/domainClaims.ts';
import { removeDueTenants } from './tenancy/tenantRemoval.ts';
import { purgeDueUsers } from './tenancy/userPurge.ts';

/** Which parts one process carries. */
export type DaemonParts = 'all' | 'api' | 'worker';

export type Daemon = {
  /** Where the API listens; null without an API. */
  readonly url: string | null;
  /** How its first administrator comes in, of an install that has none yet; null without an API. */
  readonly offerSetUp: (() => Promise<SetUpOffer>) | null;
  readonly config: Config;
  readonly isNew: boolean;
  readonly databaseFolder: string | null;
  close(): Promise<void>;
};

/** Takes the install over: closing the daemon closes it, and so does a failure to open. */
export async function openDaemon(config: Config, install: Install, parts: DaemonParts): Promise<Daemon> {
  const { log, store } = install.deps;
  const opened = new Opened();
  opened.add(() => install.close());
  try {
    const { redisUrl } = config;
    const backend = redisUrl === null ? { databaseUrl: install.databaseUrl } : { redisUrl };
    const queues = await openQueues({ ...backend, log });
    opened.add(() => queues.close());
    // First what may fail because of the outside: a port in use must not leave a run begun.
    const url = parts === 'worker' ? null : await openApi(config, install, queues, opened);
    if (parts !== 'api') {
      const worker = await openWorker(backend, {
        syncConnection: runsOf(install, queues),
        carryOutApply: async ({ apply, signal }) => {
          await carryOutApply(install.deps, apply, { signal });
          await applyDue(install.deps, queues, { applies: [apply] }); // another of the connection may have waited for this one
        },
        abandon: (work, reason) => abandon(install, work, reason),
        whoseOf: (work) => store.whoseWork(work),
        begunAt: (work) => store.begunAt(work),
        log,
        concurrency: config.concurrency,
      });
      opened.add(() => worker.close());
      const housekeeping = startHousekeeping({
        queues,
        connectionsWithSchedules: () => everySchedule(install),
        advanceApplies: async () => (await advanceApplies(install.deps)).begun.length,
        openChangesAgain: () => store.decisions.openAgain(install.deps.clock.now()),
        renewSigningKeys: () => renewSigningKeys(install.deps),
        unfinishedWork: async () => ({
          runs: await store.runs.unfinished(),
          applies: (await store.applying.unfinished()).map((apply) => ({ apply })),
        }),
        deletedTenants: (signal) => removeDueTenants(install.deps, signal),
        purgedUsers: (signal) => purgeDueUsers(install.deps, signal),
        checkedDomains: (signal) => recheckDomains(install.deps, signal),
        notifications: notifications(install),
        log,
      });
      opened.add(() => housekeeping.close());
    }
    log.info({ event: 'daemon.started', kind: parts });
    return {
      url,
      offerSetUp: url === null ? null : () => setUpAt(config, install, url),
      config,
      isNew: install.isNew,
      databaseFolder: install.databaseFolder,
      close: async () => {
        log.info({ event: 'daemon.stopping' });
        await opened.close();
      },
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function openApi(
  config: Config,
  { deps }: Install,
  queues: JobQueues,
  opened: Opened,
): Promise<string> {
  const { store } = deps;
  const server = await openServer(
    {
      ...deps,
      enqueueRun: queues.enqueueRun,
      enqueueApply: queues.enqueueApply,
      readiness: { database: () => store.tenants.get(store.root, store.root), queue: queues.ping },
    },
    config,
  );
  opened.add(() => server.close());
  return server.url;
}

/** What is seen is told at once: by whichever process comes first. */
function notifications({ deps }: Install) {
  return async (signal: AbortSignal) => {
    await lookForChannels(deps, signal);
    return await deliverDue(deps, signal);
  };
}

function setUpAt({ publicUrl, host, setUpToken }: Config, { deps }: Install, url: string) {
  const port = Number(new URL(url).port);
  return offerSetUp({ ...deps, publicUrl: () => publicUrlOf({ publicUrl, host, port }) }, setUpToken);
}

function runsOf({ deps }: Install, queues: JobQueues): SyncConnection {
  const logSkipped = skipped(deps);
  return async ({ connection, run, trigger, attempt, signal }) => {
    const outcome = await syncConnection(deps, {
      connection,
      trigger,
      signal,
      requestedBy: await whoAsked(deps, run, trigger),
      // An earlier attempt has recorded its failure with the run that was meant: this one makes a new run.
      ...(run === undefined || attempt > 1 ? {} : { run }),
    });
    logSkipped(connection, outcome);
    switch (outcome.result) {
      case 'busy':
        return { result: 'busy', failure: null };
      case 'failed':
        return { result: 'failed', failure: isConnectorFailure(outcome.failure) ? outcome.failure : null };
      case 'finished':
        await applyDue(deps, queues, { connections: [connection] });
        return { result: 'finished', failure: null };
      case 'done-before':
      case 'skipped':
        return { result: 'finished', failure: null };
    }
  };
}

/** What policies apply need not wait for the next minute; what fails here is tried again then. */
async function applyDue(
  deps: Install['deps'],
  queues: JobQueues,
  meant: NonNullable<Parameters<typeof advanceApplies>[1]>,
): Promise<void> {
  try {
    for (const apply of (await advanceApplies(deps, meant)).begun) await queues.enqueueApply({ apply });
  } catch (error) {
    deps.log.warn({ event: 'applies.not-advanced', ...meant, error });
  }
}

/** Once for each pause: what is due every minute would say so every minute. */
function skipped({ log, clock }: Install['deps']) {
  const told = new Map<ConnectionId, number>();
  return (connection: ConnectionId, outcome: RunOutcome) => {
    if (outcome.result !== 'skipped' || outcome.because !== 'quarantined')
      return void told.delete(connection);
    const { because: reason, until } = outcome;
    if (told.get(connection) === until.getTime()) return;
    told.set(connection, until.getTime());
    const delayMs = until.getTime() - clock.now().getTime();
    log.warn({ event: 'run.skipped', connection, reason, delayMs });
  };
}

function isConnectorFailure(failure: RunFailure): failure is ConnectorFailure {
  return Object.hasOwn(whoActs, failure.kind);
}

/** A later attempt is a run of its own, and still that person's. */
async function whoAsked(
  { store }: Install['deps'],
  run: RunId | undefined,
  trigger: RunTrigger,
): Promise<string> {
  const asked = run === undefined ? null : await store.runs.get(store.root, run);
  return asked?.requestedBy ?? trigger;
}

/**
 * One that cannot be read has no schedule until it can; it is told of, and the others keep theirs. Nor has one of a suspended tenant,
 * until that is resumed.
 */
async function everySchedule({ deps }: Install): Promise<readonly ScheduledConnection[]> {
  const found: Connection[] = [];
  for await (const connection of deps.store.connections.each(deps.store.root)) {
    if (connection.state !== 'unreadable') found.push(connection);
    else deps.log.warn({ event: 'connection.unreadable', connection: connection.id });
  }
  const working = await deps.store.tenants.working(found.map(({ tenant }) => tenant));
  return found.filter(({ tenant }) => working.has(tenant));
}

/** What no job will be made for again ends, with its reason: a run fails, an apply leaves what it did not do approved. */
async function abandon({ deps }: Install, work: Abandoned, reason: string): Promise<void> {
  const { store, clock } = deps;
  if (work.kind === 'apply') {
    const apply = await store.applying.open(ApplyId.parse(work.apply));
    if (apply !== null) await store.applying.abandon(apply, reason, clock.now());
    return;
  }
  const left = (await store.runs.unfinished()).find(
    // A scheduled job speaks of no run by its id: it gives up what was begun, not what somebody has asked for since.
    (one) =>
      one.connection === work.connection &&
      (work.run === null ? one.state !== 'queued' : one.run === work.run),
  );
  if (left === undefined) return;
  const lock = await store.lockConnection(left.connection);
  if (lock === null) return; // somebody has taken it up
  try {
    await store.runs.abandon(left, givenUp(reason), clock.now());
  } finally {
    await lock.release();
  }
}

function givenUp(reason: string): RunFailure {
  if (reason === 'worker-killed') {
    return {
      kind: reason,
      message: 'The run was given up because its worker was killed again and again.',
      remedy: 'Look whether the machine runs out of memory, then start the run again.',
    };
  }
  return {
    kind: reason,
    message: 'The run was given up after several attempts.',
    remedy: 'The log has the reason of each attempt (job.retried, job.failed); then start the run again.',
  };
}

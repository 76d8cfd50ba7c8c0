/**
 * One run, from its beginning or from where another process left it, to the stored plan.
 *
 *   lock the connection -> take the run (unfinished, queued or new) -> pull -> conclude the snapshot -> plan -> finished
 *   any step may be the last one of this process: the lock ends with it, and the next process to take the run goes on
 */
import { type Connector, ConnectorError, type Evidence } from '../../connectors/contract.ts';
import { fingerprintOf } from '../domain/canonical.ts';
import type { Clock } from '../domain/clock.ts';
import { type Connection, paused } from '../domain/connection.ts';
import { quarantineOf } from '../domain/health.ts';
import type { ConnectionId, RunId } from '../domain/ids.ts';
import { notFound } from '../domain/input.ts';
import { Problem } from '../domain/problem.ts';
import type { RunCounts, RunFailure, RunKind, RunTrigger, TakenRun } from '../domain/run.ts';
import { concludeSnapshot, type PartialReason, type Snapshot } from '../domain/snapshot.ts';
import { suspended } from '../domain/tenant.ts';
import type { Store } from '../store/store.ts';
import { inTime, LONGEST_RUN_MS, TookTooLong } from './deadline.ts';
import { beginDelta, beginTargeted, NeedsFullRun, pullChanges, toldSince } from './delta.ts';
import type { PullDeps } from './lookUp.ts';
import { plan } from './plan.ts';
import { Progress, type RunProgress } from './progress.ts';
import { type Pulled, pull } from './pull.ts';

export type Log = { info(fields: object): void; warn(fields: object): void };

type OpenedConnector = {
  readonly connector: Connector;
  /** null: they do not say. */
  readonly credentialExpiresAt: Date | null;
};

export type SyncDeps = {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Reads a connection with its credentials. Throws `Problem` or `ConnectorError` where they cannot be used. */
  readonly openConnector: (connection: ConnectionId) => Promise<OpenedConnector>;
  /** Milliseconds that one run may take. Default: six hours. */
  readonly longestRunMs?: number;
  /** Milliseconds after which everybody is read again, see `FULL_EVERY_MS`. */
  readonly fullEveryMs?: number;
};

export type SyncRequest = {
  readonly connection: ConnectionId;
  /** The queued run that is meant; without it, whatever is due for the connection. */
  readonly run?: RunId;
  readonly trigger: RunTrigger;
  readonly requestedBy: string;
  /** Reads everybody, also where the provider could name those who changed. */
  readonly full?: boolean;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: RunProgress) => void;
};

export type RunOutcome =
  /** Another process runs this connection at this moment. */
  | { readonly result: 'busy' }
  /** Nobody has asked for this run. The tenant, or one above it, is suspended; or the connection is quarantined, see src/domain/health.ts. */
  | { readonly result: 'skipped'; readonly because: 'tenant-suspended' }
  | { readonly result: 'skipped'; readonly because: 'quarantined'; readonly until: Date }
  /** The run that was meant is finished already. */
  | { readonly result: 'done-before'; readonly run: RunId }
  | {
      readonly result: 'finished';
      readonly run: RunId;
      readonly kind: RunKind;
      readonly snapshot: Snapshot['kind'];
      readonly partialReason: PartialReason | null;
      /** Why the snapshot is partial, where the provider is the reason. */
      readonly failure: RunFailure | null;
      readonly counts: RunCounts;
    }
  | { readonly result: 'failed'; readonly run: RunId; readonly failure: RunFailure };

/** The signal's abort leaves the run unfinished, to be gone on with; so does the death of the process. */
export async function syncConnection(deps: SyncDeps, request: SyncRequest): Promise<RunOutcome> {
  const lock = await deps.store.lockConnection(request.connection);
  if (lock === null) return { result: 'busy' };
  if (lock.fromHung) deps.log.warn({ event: 'run.taken-over', connection: request.connection });
  try {
    const connection = await deps.store.connections.get(deps.store.root, request.connection);
    if (connection === null) throw notFound('connection');
    return await runLocked(deps, request, connection);
  } finally {
    await lock.release();
  }
}

async function runLocked(deps: SyncDeps, request: SyncRequest, connection: Connection): Promise<RunOutcome> {
  const work = { connection: connection.id, tenant: connection.tenant };
  const works = (await deps.store.tenants.standing(work.tenant)) === 'active';
  const askedFor = request.trigger === 'demand' || request.run !== undefined;
  if (!works && !askedFor) {
    deps.log.info({ event: 'run.skipped', ...work, reason: 'tenant-suspended' });
    return { result: 'skipped', because: 'tenant-suspended' };
  }
  const until = askedFor ? null : await quarantinedUntil(deps, connection);
  if (until !== null) return { result: 'skipped', because: 'quarantined', until };
  const { trigger, requestedBy } = request;
  const how = { wanted: request.run ?? null, trigger, requestedBy, at: deps.clock.now() };
  const reading = { ...readingOf(connection), full: request.full ?? false, users: null };
  const taken = await deps.store.runs.take(work, reading, how);
  if (taken === null) return { result: 'done-before', run: request.run as RunId };
  const { run, resumed } = taken;
  deps.log.info({ event: resumed ? 'run.resumed' : 'run.started', run: run.id, ...work });
  try {
    if (connection.state === 'paused') throw paused(connection.id);
    if (!works) throw suspended('no run starts');
    const longestMs = deps.longestRunMs ?? LONGEST_RUN_MS;
    const time = { clock: deps.clock, longestMs, startedAt: run.startedAt };
    const planned = await inTime(time, request.signal, (signal) =>
      carryOut(deps, connection, run, { ...request, signal }),
    );
    const { counts, snapshot, partialReason } = planned;
    deps.log.info({ event: 'run.finished', run: run.id, ...work, snapshot, partialReason, counts });
    return { result: 'finished', run: run.id, ...planned };
  } catch (error) {
    const failure = failureOf(error);
    if (failure === null) throw error;
    await deps.store.runs.fail(run, failure, deps.clock.now());
    await deps.store.staging.forget(run);
    deps.log.warn({
      event: 'run.failed',
      run: run.id,
      ...work,
      kind: failure.kind,
      requestId: failure.requestId,
    });
    return { result: 'failed', run: run.id, failure };
  }
}

/** null: a run may start by schedule. */
async function quarantinedUntil(
  { store, clock }: SyncDeps,
  { id, tenant }: Connection,
): Promise<Date | null> {
  const history = (await store.runs.histories(tenant, [id], clock.now())).get(id);
  const quarantine = history === undefined ? null : quarantineOf(history);
  return quarantine !== null && clock.now() < quarantine.until ? quarantine.until : null;
}

/** What a run's record says of an error that ends it. null: the run is not at fault, and is gone on with later. */
function failureOf(error: unknown): RunFailure | null {
  if (error instanceof ConnectorError || error instanceof TookTooLong) return error.failure;
  if (!(error instanceof Problem)) return null;
  return { kind: error.code, message: error.message, remedy: error.remedy };
}

const about = ({ id: run, connection, tenant }: TakenRun) => ({ run, connection, tenant });

type Planned = Omit<Extract<RunOutcome, { result: 'finished' }>, 'result' | 'run'>;

async function carryOut(
  deps: SyncDeps,
  connection: Connection,
  run: TakenRun,
  request: SyncRequest,
): Promise<Planned> {
  const progress = new Progress(deps.clock, run, request.onProgress ?? (() => {}));
  const { connector, credentialExpiresAt } = await deps.openConnector(run.connection);
  try {
    // Of credentials that were stored before anybody asked them when they end.
    if (credentialExpiresAt !== null && connection.credentialExpiresAt === null)
      await deps.store.connections.noteExpiry(connection, credentialExpiresAt);
    const { staging, touched, directoryUsers } = deps.store;
    const pullDeps = { staging, touched, directoryUsers, connector };
    const reading = { deps, pull: pullDeps, request, progress };
    const read = run.state === 'pulling' ? await readSnapshot(reading, run) : run;
    progress.planning();
    const counts = await plan({ planning: deps.store.planning, clock: deps.clock }, read);
    const { snapshot, failure, missedByDeltas } = await deps.store.runs.concluded(read);
    if (missedByDeltas !== null && missedByDeltas > 0)
      deps.log.warn({ event: 'deltas.missed', ...about(run), changes: missedByDeltas });
    const partialReason = snapshot.kind === 'partial' ? snapshot.reason : null;
    await deps.store.staging.forgetOlder(read).catch((error: Error) => {
      deps.log.warn({ event: 'staging.kept', run: run.id, error }); // the run is finished; the next one tidies up
    });
    return { kind: read.kind, snapshot: snapshot.kind, partialReason, failure, counts };
  } finally {
    await connector.close();
  }
}

type Reading = {
  readonly deps: SyncDeps;
  readonly pull: PullDeps;
  readonly request: SyncRequest;
  readonly progress: Progress;
};

async function readSnapshot(reading: Reading, run: TakenRun): Promise<TakenRun> {
  const { deps, pull, request } = reading;
  const fresh = run.phase === 'groups' && run.cursor === null && run.pages === 0;
  const begun = fresh ? await begin(reading, run) : run;
  if (begun === null || begun.kind === 'full') {
    const deltaFrom = fresh ? await pull.touched.lastDelta(run) : run.deltaFrom;
    return await readEverybody(reading, { ...run, kind: 'full', deltaFrom }, fresh);
  }
  try {
    await pullChanges(pull, begun, request.signal, reading.progress);
    const usage = pull.connector.usage();
    return await deps.store.runs.concludePull(begun, { kind: 'named' }, null, usage);
  } catch (error) {
    const reason = await whyFullInstead(reading, begun, error);
    if (reason === null) throw error;
    deps.log.info({ event: 'run.full-instead', run: run.id, connection: run.connection, reason });
    return await readEverybody(reading, await startOver(reading, begun), true);
  }
}

/**
 * null: a full run would fare no better. An outage passes, mostly, and the lists are gone with the feed; where it did not pass by the next run, the
 * feed, or the look-ups, may be away alone.
 */
async function whyFullInstead(
  { deps, request }: Reading,
  { kind, tenant, connection }: TakenRun,
  error: unknown,
): Promise<string | null> {
  if (error instanceof NeedsFullRun) return error.because;
  const isDown = error instanceof ConnectorError && error.failure.kind === 'unavailable';
  if (!isDown || kind !== 'delta' || request.signal.aborted) return null;
  const history = (await deps.store.runs.histories(tenant, [connection], deps.clock.now())).get(connection);
  return history?.last?.failure.kind === 'unavailable'
    ? 'what changed could not be read the time before either'
    : null;
}

/** null: everybody has to be read. */
async function begin({ deps, pull }: Reading, run: TakenRun): Promise<TakenRun | null> {
  switch (run.kind) {
    case 'full':
      return run;
    case 'delta':
      return await beginDelta(pull, run, deps);
    case 'targeted':
      return await beginTargeted(pull, run);
  }
}

async function readEverybody(reading: Reading, run: TakenRun, fresh: boolean): Promise<TakenRun> {
  const { deps } = reading;
  const { connector } = reading.pull;
  if (fresh) await prepare(reading, run);
  const pulled = await pullOrStartOver(reading, run);
  const evidence = await deps.store.runs.evidence(run);
  // Nothing was read at all: there is nothing to plan from, and the run has simply failed.
  if (pulled.failure !== null && evidence.users === 0) throw pulled.failure;
  const snapshot = concludeSnapshot({ ...evidence, chainClosed: pulled.chainClosed, looped: pulled.looped });
  const failure = pulled.failure?.failure ?? null;
  const told = failure === null ? await toldSince(reading.pull, run, reading.request.signal) : null;
  return { ...(await deps.store.runs.concludePull(run, snapshot, failure, connector.usage())), told };
}

/** What has to be known before the first page is asked for. */
async function prepare({ deps, pull, request }: Reading, run: TakenRun): Promise<void> {
  const evidence = await evidenceOf(pull.connector, request.signal);
  const deltaToken = await tokenFor(pull.connector, request.signal);
  await deps.store.runs.begin(run, evidence, { deltaToken, deltaFrom: run.deltaFrom });
}

/** What could not be asked is not known, and the snapshot will be partial for it; who is listed can be read all the same. */
async function evidenceOf(connector: Connector, signal: AbortSignal): Promise<Evidence | RunFailure> {
  try {
    return await connector.evidence(signal);
  } catch (error) {
    if (error instanceof ConnectorError && !signal.aborted) return error.failure;
    throw error;
  }
}

/** Asked for before the listing begins, so that nothing falls between the two. A feed that is closed to us is no reason to fail. */
async function tokenFor({ changes, lookUp }: Connector, signal: AbortSignal): Promise<string | null> {
  if (changes === null || lookUp === null) return null;
  try {
    return await changes.begin(signal);
  } catch (error) {
    if (error instanceof ConnectorError && !signal.aborted) return null;
    throw error;
  }
}

/** A saved cursor may have expired while nobody worked on the run: then it starts over, once. */
async function pullOrStartOver(reading: Reading, run: TakenRun): Promise<Pulled> {
  const { pull: pullDeps, request, progress } = reading;
  try {
    return await pull(pullDeps, run, request.signal, progress);
  } catch (error) {
    if (!(error instanceof ConnectorError) || error.failure.kind !== 'cursor-expired') throw error;
    reading.deps.log.info({
      event: 'run.restarted',
      run: run.id,
      connection: run.connection,
      reason: 'cursor-expired',
    });
    const anew = await startOver(reading, run);
    await prepare(reading, anew);
    return await pull(pullDeps, anew, request.signal, progress);
  }
}

async function startOver({ deps }: Reading, run: TakenRun): Promise<TakenRun> {
  await deps.store.staging.discard(run);
  return { ...run, kind: 'full', deltaFrom: null, phase: 'groups', cursor: null };
}

/**
 * All that decides who is in a snapshot and what is read of them. First, before the dot, how the directory is reached: what a credential
 * may do there is no matter of the mapping.
 */
export function readingOf(connection: Connection): {
  mapping: Connection['mapping'];
  readingFingerprint: string;
} {
  const { provider, accessVersion, settings, mapping } = connection;
  const access = fingerprintOf({ provider, accessVersion, settings });
  return { mapping, readingFingerprint: `${access}.${fingerprintOf(mapping)}` };
}

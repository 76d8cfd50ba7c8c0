/** The worker that is measured: one process that does what a worker does, told by its parent what to do next. */
import { subscribe } from 'node:diagnostics_channel';
import { connectors } from '../connectors/registry.ts';
import type { ConnectionId } from '../src/domain/ids.ts';
import { carryOutApply, startApply } from '../src/review/apply.ts';
import { summarise } from '../src/review/changes.ts';
import { decide } from '../src/review/decide.ts';
import { openStore } from '../src/store/store.ts';
import { requestRun } from '../src/sync/runs.ts';
import { type RunOutcome, type SyncDeps, type SyncRequest, syncConnection } from '../src/sync/sync.ts';
import { createConnection, openStoredConnector } from '../src/tenancy/connections.ts';
import { ensureOperator } from '../src/tenancy/principals.ts';
import { createTenant } from '../src/tenancy/tenants.ts';
import { MAPPED_GROUP } from './floor.ts';

export type Setup = {
  readonly url: string;
  readonly secretKey: string;
  readonly simulator: {
    readonly origin: string;
    readonly ca: string;
    readonly settings: unknown;
    readonly credentials: unknown;
  };
};
/**
 * `sync` reads everybody; `pull` too, and reports before anything is planned: then `leave` leaves the run as a worker that dies would.
 * `delta` reads only those whom the provider names as changed; with a directory user's id, a targeted run reads them alone.
 */
export type Order = 'sync' | 'pull' | 'leave' | 'delta' | 'apply' | 'stop' | { readonly look: string };
/** Milliseconds; memory in bytes, the highest since the process began. */
export type Report =
  | { readonly did: 'pull'; readonly pullMs: number; readonly pullMemory: number }
  | {
      readonly did: 'sync';
      readonly pullMs: number;
      /** When all was pulled, and nothing planned yet. */
      readonly pullMemory: number;
      readonly planMs: number;
      /** Of these, how long the provider had something to answer. */
      readonly providerMs: number;
      readonly outcome: RunOutcome;
      readonly peakMemory: number;
    }
  | {
      readonly did: 'apply';
      readonly decideMs: number;
      readonly applyMs: number;
      readonly applied: number;
      readonly peakMemory: number;
    };

process.once('message', async (setup: Setup) => {
  const { sync, look, apply, close } = await prepare(setup);
  process.on('message', async (order: Order) => {
    if (typeof order === 'object') process.send?.(await look(order.look));
    if (order === 'sync') process.send?.(await sync(true));
    if (order === 'pull') await sync(true, (report) => process.send?.(report));
    if (order === 'leave') process.exit();
    if (order === 'delta') process.send?.(await sync(false));
    if (order === 'apply') process.send?.(await apply());
    if (order === 'stop') {
      await close();
      process.disconnect();
    }
  });
  process.send?.('ready');
});

/** An install with one tenant and one connection, and the two things that are measured on it. */
async function prepare(setup: Setup) {
  const store = await openStore(setup.url, setup.secretKey);
  const clock = { now: () => new Date() };
  const log = { info: () => {}, warn: () => {} };
  const deps = { store, clock, connectors, log };
  const operator = await ensureOperator(deps, 'bench');
  const tenant = await createTenant(deps, operator, { name: 'Bench' });
  const { origin, ca, settings, credentials } = setup.simulator;
  const connection = await createConnection(deps, operator, {
    tenant: tenant.id,
    name: 'directory',
    provider: 'entra',
    settings,
    credentials,
    network: { baseUrl: origin, ca, proxy: null },
    mapping: { roles: [{ group: MAPPED_GROUP, role: 'engineer' }], everyone: ['member'] },
  });
  const openConnector = (id: ConnectionId) => openStoredConnector(deps, id);

  const sync = (full: boolean, onPulled?: (report: Report) => void) =>
    measureSync({ store, clock, log, openConnector }, { connection: connection.id, full }, onPulled);

  /** From the request to the pending change. */
  const look = async (user: string): Promise<Report> => {
    const began = performance.now();
    const { run } = await requestRun(deps, operator, { connection: connection.id, users: [user] });
    const report = await measureSync(
      { store, clock, log, openConnector },
      { connection: connection.id, run },
    );
    return report.did === 'sync' ? { ...report, pullMs: performance.now() - began - report.planMs } : report;
  };

  const apply = async (): Promise<Report> => {
    const began = performance.now();
    const [summary] = await summarise(deps, operator, { connection: connection.id });
    const revision = summary?.revision ?? 0;
    await decide(deps, operator, {
      verdict: 'approve',
      reason: 'bench',
      connection: connection.id,
      revision,
    });
    const decided = performance.now();
    const { apply: id } = await startApply(deps, operator, { connection: connection.id });
    const counts = await carryOutApply(deps, id, { signal: new AbortController().signal });
    const applyMs = performance.now() - decided;
    return {
      did: 'apply',
      decideMs: decided - began,
      applyMs,
      applied: counts.applied,
      peakMemory: peakMemory(),
    };
  };

  return { sync, look, apply, close: () => store.close() };
}

/** By the HTTP client's own account: from when it begins a request, connecting included, until the answer has ended. */
const provider = { asked: 0, since: 0, ms: 0 };
subscribe('undici:request:create', () => {
  if (provider.asked++ === 0) provider.since = performance.now();
});
for (const end of ['undici:request:trailers', 'undici:request:error'])
  subscribe(end, () => {
    if (--provider.asked === 0) provider.ms += performance.now() - provider.since;
  });

async function measureSync(
  deps: SyncDeps,
  wanted: Pick<SyncRequest, 'connection' | 'full' | 'run'>,
  onPulled?: (report: Report) => void,
): Promise<Report> {
  const began = performance.now();
  let planning = began;
  let pullMemory = 0;
  const providerBefore = provider.ms;
  const outcome = await syncConnection(deps, {
    ...wanted,
    trigger: 'demand',
    requestedBy: 'bench',
    signal: new AbortController().signal,
    onProgress: ({ phase }) => {
      if (phase !== 'planning') return;
      planning = performance.now();
      pullMemory = peakMemory();
      onPulled?.({ did: 'pull', pullMs: planning - began, pullMemory });
    },
  });
  const now = performance.now();
  return {
    did: 'sync',
    pullMs: planning - began,
    planMs: now - planning,
    providerMs: provider.ms - providerBefore,
    pullMemory,
    outcome,
    peakMemory: peakMemory(),
  };
}

/** `maxRSS` is in kilobytes. */
function peakMemory(): number {
  return process.resourceUsage().maxRSS * 1024;
}

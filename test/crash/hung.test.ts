import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { connectors } from '../../connectors/registry.ts';
import { type Simulator, spawnSimulator } from '../../simulators/start.ts';
import { listRuns } from '../../src/sync/runs.ts';
import { syncConnection } from '../../src/sync/sync.ts';
import { openStoredConnector } from '../../src/tenancy/connections.ts';
import { type Connected, Install } from '../support/install.ts';
import { until, whileHeldAtAudit } from '../support/waiting.ts';
import { killWorkers, startWorker, type Worker } from './killed.ts';

const USERS = 420;
/** Long enough that a process which lives is not taken for one that does not. */
const HUNG_AFTER_MS = 1_000;

let install: Install;
let simulator: Simulator;
let watcher: pg.Client;
beforeAll(async () => {
  install = await Install.open(connectors);
  simulator = await spawnSimulator('okta', { users: USERS, latencyMs: 30, plain: true, groups: 6 });
  watcher = new pg.Client({ connectionString: install.database.url });
  await watcher.connect();
});
afterEach(killWorkers);
afterAll(async () => {
  await watcher.end();
  await simulator.close();
  await install.close();
});

/** By another process, which does not wait two minutes for the one that has the lock. */
async function takingOver({ connection }: Connected) {
  const events: unknown[] = [];
  const log = {
    info: ({ event }: { event?: string }) => events.push(event),
    warn: (entry: object) => events.push(entry),
  };
  const { store } = install;
  const deps = {
    ...install,
    store: { ...store, lockConnection: (id: typeof connection) => store.lockConnection(id, HUNG_AFTER_MS) },
    clock: { now: () => new Date() },
    log: { info: (entry: object) => log.info(entry), warn: log.warn },
    openConnector: (id: typeof connection) => openStoredConnector({ store, connectors }, id),
  };
  const { signal } = new AbortController();
  const request = { connection, trigger: 'schedule', requestedBy: 'other', signal } as const;
  const outcome = await until('it is taken over', async () => {
    const found = await syncConnection(deps, request);
    return found.result === 'busy' ? null : found;
  });
  return { outcome, events };
}

async function stateOf({ connection }: Connected) {
  const { rows } = await watcher.query<{ state: string; pages: number }>(
    'SELECT state, pages FROM sync_run WHERE connection_id = $1',
    [connection],
  );
  return rows[0] ?? { state: 'none', pages: 0 };
}

async function isDoneOnce(one: Connected, hung: Worker): Promise<void> {
  const { outcome, events } = await takingOver(one);
  expect(outcome).toMatchObject({ result: 'finished', snapshot: 'complete', counts: { new: USERS } });
  expect(events).toContainEqual({ event: 'run.taken-over', connection: one.connection });
  expect(events).toContain('run.resumed');
  const found = await one.live();
  hung.goOn();
  await expect(hung.outcome).rejects.toThrow('ended without an outcome');
  expect(await one.live()).toEqual(found);
  const { items } = await listRuns(install, one.administrator, { connection: one.connection });
  expect(items).toMatchObject([{ state: 'finished', users: USERS }]);
}

describe('A worker that hangs with its sessions alive', () => {
  it('while it pulls is shut out, and another goes on', async () => {
    const one = await install.connectTo(simulator);
    const hung = startWorker(install, { sync: one.connection });
    await until('it pulls', async () => (await stateOf(one)).pages > 0);
    hung.stop();
    expect(await one.sync()).toEqual({ result: 'busy' });
    await isDoneOnce(one, hung);
  });

  it('in the middle of its plan is shut out with the transaction that would hold up every other plan', async () => {
    const one = await install.connectTo(simulator);
    const hung = startWorker(install, { sync: one.connection });
    await whileHeldAtAudit(install.database.url, one.tenant, 1, async () => hung.stop());
    expect(await stateOf(one)).toMatchObject({ state: 'planning' });
    await isDoneOnce(one, hung);
  });
});

it('A process that gives signs of life keeps its locks', async () => {
  const one = await install.connectTo(simulator);
  const lock = await install.store.lockConnection(one.connection);
  expect(lock).toMatchObject({ fromHung: false });
  expect(await install.store.lockConnection(one.connection)).toBeNull();
  await lock?.release();
  const next = await install.store.lockConnection(one.connection);
  expect(next).toMatchObject({ fromHung: false });
  await next?.release();
});

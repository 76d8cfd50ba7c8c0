import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { connectors } from '../../connectors/registry.ts';
import { type Simulator, spawnSimulator } from '../../simulators/start.ts';
import { type Connected, Install } from '../support/install.ts';
import { until, whileHeldAtAudit } from '../support/waiting.ts';
import { killWorkers, startWorker, type Worker } from './killed.ts';

/** Of these more than half change: two pages of changes, three look-ups. */
const USERS = 420;
/** So that a process can be killed between two answers. */
const LATENCY_MS = 50;

vi.setConfig({ testTimeout: 180_000 }); // six processes, one after the other

let install: Install;
let simulator: Simulator;
let watcher: pg.Client;
beforeAll(async () => {
  install = await Install.open(connectors);
  simulator = await spawnSimulator('entra', { users: USERS, plain: true, groups: 6 });
  watcher = new pg.Client({ connectionString: install.database.url });
  await watcher.connect();
});
afterEach(killWorkers);
afterAll(async () => {
  await watcher.end();
  await simulator.close();
  await install.close();
});

const mapping = { roles: [{ group: 'Engineering', role: 'engineer' }], everyone: ['member'] };
const syncing = (one: Connected) => startWorker(install, { sync: one.connection });

/** Everybody applied, a token stored; then people come, leave and change. Gives whom a change is to wait for. */
async function withNews(): Promise<{ one: Connected; expected: readonly string[]; token: string }> {
  await simulator.control.latency(0);
  const one = await install.connectTo(simulator, mapping);
  expect(await syncing(one).outcome).toMatchObject({ kind: 'full', snapshot: 'complete' });
  await one.approveAll();
  expect(await one.apply()).toMatchObject({ moved: 0, failed: 0 });
  const { ids: edited } = await simulator.control.edit(55);
  const { ids: hired } = await simulator.control.hire(3);
  await simulator.control.leave(edited.slice(0, 2), 'delete');
  await simulator.control.leave(edited.slice(2, 4), 'purge');
  await simulator.control.latency(LATENCY_MS);
  const { token } = await state(one);
  return { one, expected: [...edited, ...hired], token };
}

type State = {
  readonly token: string;
  /** Of the newest run. */
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly phase: string;
  readonly pages: number;
  readonly found: number;
};

async function state({ connection }: Connected): Promise<State> {
  const { rows } = await watcher.query<State>(
    `SELECT c.delta_token AS token, r.id, r.kind, r.state, r.phase, r.pages,
       (SELECT count(*)::int FROM staged_user WHERE run_id = r.id) AS found
     FROM connection c JOIN sync_run r ON r.connection_id = c.id WHERE c.id = $1 ORDER BY r.id DESC LIMIT 1`,
    [connection],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('the connection has no run');
  return row;
}

/** One after the other. */
const MOMENTS: ((now: State) => boolean)[] = [
  ({ phase, pages }) => phase === 'changes' && pages > 0,
  ({ phase, found }) => phase === 'look-up' && found === 0,
  ({ phase, found }) => phase === 'look-up' && found > 0,
];

/** Nothing of what it read has come to anything, and the place in the feed is the old one. */
async function leftNothing(one: Connected, token: string): Promise<State> {
  const left = await state(one);
  expect(left).toMatchObject({ kind: 'delta', token });
  expect(['pulling', 'planning']).toContain(left.state);
  expect(await one.live()).toEqual([]);
  return left;
}

async function isGoneOnWith(one: Connected, left: State): Promise<Worker> {
  const next = syncing(one);
  expect(await next.outcome).toMatchObject({ result: 'finished', kind: 'delta', snapshot: 'named' });
  expect(next.log.map(({ event }) => event)).toContain('run.resumed');
  const now = await state(one);
  expect(now).toMatchObject({ id: left.id, state: 'finished' });
  expect(now.token).not.toBe(left.token);
  return next;
}

/** Nobody was skipped: neither the next delta nor a full run finds anybody else. */
async function nobodyIsSkipped(one: Connected, expected: readonly string[]): Promise<void> {
  expect(await one.pending()).toEqual(expect.arrayContaining([...expected])); // and whose manager has left
  const found = await one.live();
  await simulator.control.latency(0);
  expect(await syncing(one).outcome).toMatchObject({ kind: 'delta' });
  expect(await one.sync({ full: true })).toMatchObject({ kind: 'full', snapshot: 'complete' });
  expect(await one.live()).toEqual(found);
}

describe('A worker that is killed', () => {
  it('while it reads what changed, the next before it looks people up, the next while it does: the last goes on, and skips nobody', async () => {
    const { one, expected, token } = await withNews();
    const before = await state(one);
    let left = before;
    for (const isIt of MOMENTS) {
      const killed = syncing(one);
      await until('it is that far', async () => {
        const now = await state(one);
        return now.id !== before.id && isIt(now);
      });
      await killed.kill();
      left = await leftNothing(one, token);
      expect(left.state).toBe('pulling');
    }
    await isGoneOnWith(one, left);
    await nobodyIsSkipped(one, expected);
  });

  it('with the whole plan of a delta written and not committed leaves nothing of it, and the token as it was', async () => {
    const { one, expected, token } = await withNews();
    const killed = syncing(one);
    await whileHeldAtAudit(install.database.url, one.tenant, 1, () => killed.kill());
    const left = await leftNothing(one, token);
    expect(left.state).toBe('planning');
    await isGoneOnWith(one, left);
    await nobodyIsSkipped(one, expected);
  });
});

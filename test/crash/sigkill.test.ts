import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { connectors } from '../../connectors/registry.ts';
import { type Simulator, spawnSimulator } from '../../simulators/start.ts';
import { getApply } from '../../src/review/applies.ts';
import { startApply } from '../../src/review/apply.ts';
import { listRuns } from '../../src/sync/runs.ts';
import { type Connected, Install } from '../support/install.ts';
import { auditOf } from '../support/tenancy.ts';
import { until, whileHeldAtAudit } from '../support/waiting.ts';
import { killWorkers, startWorker, type Worker } from './killed.ts';

/** Two batches of an apply, and a dozen pages of the directory. */
const USERS = 1_300;
const LATENCY_MS = 30;

let install: Install;
let simulator: Simulator;
let watcher: pg.Client;
/** What a connection looks like after a run and an apply that nobody disturbed. */
let undisturbed: Awaited<ReturnType<typeof endOf>>;
let requestsOfARun: number;

beforeAll(async () => {
  install = await Install.open(connectors);
  simulator = await spawnSimulator('okta', { users: USERS, latencyMs: LATENCY_MS, plain: true, groups: 12 });
  watcher = new pg.Client({ connectionString: install.database.url });
  await watcher.connect();
  const calm = await connected();
  await simulator.control.resetCounters();
  expect(await startWorker(install, { sync: calm.connection }).outcome).toMatchObject({
    snapshot: 'complete',
  });
  requestsOfARun = await pagesAsked();
  await calm.approveAll();
  const { apply } = await startApply(install, calm.administrator, { connection: calm.connection });
  expect(await startWorker(install, { apply }).outcome).toMatchObject({ applied: USERS });
  undisturbed = await endOf(calm);
}, 120_000);
afterEach(killWorkers);
afterAll(async () => {
  await watcher.end();
  await simulator.close();
  await install.close();
});

const mapping = { roles: [{ group: 'Engineering', role: 'engineer' }], everyone: ['member'] };
const connected = () => install.connectTo(simulator, mapping);
const syncing = (one: Connected) => startWorker(install, { sync: one.connection });

async function pagesAsked(): Promise<number> {
  const { users, groups, members } = (await simulator.control.state()).requests;
  return users + groups + members;
}

/** Everything that is to be the same however often somebody was killed on the way. */
async function endOf(one: Connected) {
  const users = await one.users();
  const events = await one.events();
  const external = new Map(users.map((user) => [user.id as string, user.externalId]));
  return {
    users: users
      .map(({ id: _, ...user }) => user)
      .toSorted((a, b) => ((a.externalId ?? '') < (b.externalId ?? '') ? -1 : 1)),
    events: events
      .map((event) => `${event.type} ${external.get(event.authUser ?? '')} ${event.userVersion}`)
      .sort(),
    applied: (await auditOf(install.database.url, one.tenant)).filter(
      ({ action }) => action === 'change.applied',
    ).length,
    whole: await install.auditIsWhole(),
    waiting: await one.pending(),
  };
}

/** Approves and applies, and compares with what nobody disturbed. */
async function endsAsIfUndisturbed(one: Connected): Promise<void> {
  expect(await one.approveAll()).toBe(USERS);
  expect(await one.apply()).toEqual({ applied: USERS, alreadyApplied: 0, moved: 0, failed: 0, held: 0 });
  expect(await endOf(one)).toEqual(undisturbed);
}

type RunRow = { readonly state: string; readonly pages: number };

async function runRow(one: Connected): Promise<RunRow | null> {
  const { rows } = await watcher.query<RunRow>('SELECT state, pages FROM sync_run WHERE connection_id = $1', [
    one.connection,
  ]);
  return rows[0] ?? null;
}

/** Another process takes over; there is still one run, and it was gone on with. */
async function isResumed(one: Connected): Promise<Worker> {
  const next = syncing(one);
  expect(await next.outcome).toMatchObject({ result: 'finished', snapshot: 'complete' });
  expect(next.log.map(({ event }) => event)).toContain('run.resumed');
  const { items } = await listRuns(install, one.administrator, {});
  expect(items).toMatchObject([{ state: 'finished', users: USERS, counts: { new: USERS } }]);
  return next;
}

/** The same moments at every run of the tests. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

const chance = seeded(20_260_501);
const moments = Array.from({ length: 3 }, () => chance());

describe('A worker that is killed while it pulls', () => {
  it.each(moments)('is followed by one that goes on after its last page (moment %f)', async (moment) => {
    const one = await connected();
    await simulator.control.resetCounters();
    const after = 1 + Math.floor(moment * (requestsOfARun - 5));
    const killed = syncing(one);
    await until(`${after} pages are stored`, async () => ((await runRow(one))?.pages ?? 0) >= after);
    await killed.kill();
    const stored = await runRow(one);
    const asked = await pagesAsked();
    expect(stored?.state).toBe('pulling');
    await isResumed(one);
    // What was stored is not asked for again.
    expect((await pagesAsked()) - asked).toBe(requestsOfARun - (stored?.pages ?? 0));
    await endsAsIfUndisturbed(one);
  });
});

describe('A worker that is killed while it plans', () => {
  it('leaves nothing of the plan, even if all of it was written; the next one plans from the same snapshot', async () => {
    const one = await connected();
    const killed = syncing(one);
    await whileHeldAtAudit(install.database.url, one.tenant, 1, () => killed.kill());
    expect(await one.live()).toEqual([]);
    expect(await runRow(one)).toMatchObject({ state: 'planning' });
    const asked = await pagesAsked();
    await isResumed(one);
    expect(await pagesAsked()).toBe(asked);
    await endsAsIfUndisturbed(one);
  });

  it('at any moment is followed by one that plans', async () => {
    const one = await connected();
    const killed = syncing(one);
    await until('it plans', async () => (await runRow(one))?.state === 'planning');
    await killed.kill();
    expect(await runRow(one)).toMatchObject({ state: 'planning' });
    await isResumed(one);
    await endsAsIfUndisturbed(one);
  });
});

describe('A worker that is killed while it applies', () => {
  async function applying(): Promise<{ one: Connected; apply: string }> {
    const one = await connected();
    await syncing(one).outcome;
    expect(await one.approveAll()).toBe(USERS);
    const { apply } = await startApply(install, one.administrator, { connection: one.connection });
    return { one, apply };
  }

  const eventsOf = async ({ tenant }: Connected) => {
    const { rows } = await watcher.query<{ count: number }>(
      'SELECT count(*)::int AS count FROM event WHERE tenant_id = $1',
      [tenant],
    );
    return rows[0]?.count ?? 0;
  };

  it('after some of the changes is followed by one that does the others: each once', async () => {
    const { one, apply } = await applying();
    const killed = startWorker(install, { apply });
    await until('a batch is committed', async () => (await eventsOf(one)) > 0);
    await killed.kill();
    await startWorker(install, { apply }).outcome;
    expect(await endOf(one)).toEqual(undisturbed);
    expect(await getApply(install, one.administrator, apply)).toMatchObject({
      state: 'finished',
      total: USERS,
      applied: USERS,
    });
  });

  it('with whole batches written and not committed leaves nothing of them', async () => {
    const { one, apply } = await applying();
    const killed = startWorker(install, { apply });
    await whileHeldAtAudit(install.database.url, one.tenant, 2, () => killed.kill());
    expect(await one.users()).toEqual([]);
    expect(await startWorker(install, { apply }).outcome).toMatchObject({ applied: USERS });
    expect(await endOf(one)).toEqual(undisturbed);
  });

  it('beside another one does not hold that one up', async () => {
    const { one, apply } = await applying();
    const both = [startWorker(install, { apply }), startWorker(install, { apply })] as const;
    await until('a batch is committed', async () => (await eventsOf(one)) > 0);
    await both[0].kill();
    await both[1].outcome;
    await startWorker(install, { apply }).outcome;
    expect(await endOf(one)).toEqual(undisturbed);
  });
});

describe('Two processes', () => {
  it('never run one connection at the same time: one of them is told that it is busy', async () => {
    const one = await connected();
    await simulator.control.latency(2_000); // the first one must not be done before the second has started
    const first = syncing(one);
    await until('the first one pulls', async () => ((await runRow(one))?.pages ?? 0) > 0);
    const second = await syncing(one).outcome;
    await simulator.control.latency(LATENCY_MS);
    expect(second).toEqual({ result: 'busy' });
    expect(await first.outcome).toMatchObject({ result: 'finished' });
    expect((await listRuns(install, one.administrator, {})).items).toHaveLength(1);
    await endsAsIfUndisturbed(one);
  });

  it('carry one apply out together, each change once', async () => {
    const one = await connected();
    await syncing(one).outcome;
    await one.approveAll();
    const { apply } = await startApply(install, one.administrator, { connection: one.connection });
    await Promise.all([1, 2].map(() => startWorker(install, { apply }).outcome));
    expect(await endOf(one)).toEqual(undisturbed);
    expect(await getApply(install, one.administrator, apply)).toMatchObject({
      state: 'finished',
      applied: USERS,
    });
  });
});

/**
 * Whether one worker shares itself out among many tenants whose runs are all due at the same moment.
 *
 * Each has one connection, and all directories are alike, so each tenant's fair share is the same: one run of a round in which everybody has
 * one. Besides there is a greedy customer with twenty connections, each of a tenant below it so that its runs are like all others. They
 * stand before everybody else in the line; of a round, one run is fair for it too.
 *
 * Whoever comes last in a round waits for all of it, however fair the worker is. That is the fair wait: the work of one round by as many
 * hands as the worker has slots. What a tenant really waits is from the moment at which all are due until its own run is done. Longer than the
 * round makes it each slot that stands idle, each moment that the worker spends between runs, and each run that the customer has while others had none
 * yet. Runs that hinder each other make both longer; so there is the bare work too: runs like these, as many side by side, without queue and
 * turns, before and after.
 *
 * A run is counted from the worker's word that it has begun to its word that all is stored. (The database notes the end of a run
 * within the transaction that stores its plan, some time before its commit.)
 */
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { connectors } from '../connectors/registry.ts';
import { openQueues } from '../jobs/queue.ts';
import { type SimulatorAccess, spawnSimulator } from '../simulators/start.ts';
import { parseConfig } from '../src/config.ts';
import type { ConnectionId, TenantId } from '../src/domain/ids.ts';
import type { Caller } from '../src/domain/permission.ts';
import { openLogger } from '../src/log.ts';
import { openStore, type Store } from '../src/store/store.ts';
import { type ConnectionDeps, createConnection } from '../src/tenancy/connections.ts';
import { ensureOperator } from '../src/tenancy/principals.ts';
import { createTenant } from '../src/tenancy/tenants.ts';
import { answer, forkWorker, say } from './children.ts';
import type { BareSetup } from './fairBare.ts';
import type { FairSetup, FairWord } from './fairWorker.ts';
import { MAPPED_GROUP } from './floor.ts';

/** `users`: in each directory. */
export type Crowd = { readonly tenants: number; readonly users: number };

/** Milliseconds; memory in bytes, the highest since the worker began. */
export type FairTimes = {
  /** What the tenant that waits longest waits, the customer's aside, and what is fair. */
  readonly longest: number;
  readonly round: number;
  /** Until the last run of the customer has ended, and the work of all runs. */
  readonly all: number;
  readonly work: number;
  /** A round as the same runs make it without queue and worker, from a sample. */
  readonly bareRound: number;
  readonly peakMemory: number;
};

export const GREEDY = 20;

type Run = { readonly connection: string; readonly began: number; readonly ended: number };
type Bench = ConnectionDeps & {
  readonly store: Store;
  readonly operator: Caller;
  readonly client: pg.Client;
};

/** `url` is the owner's; the database is migrated and empty. */
export async function measureFairness(url: string, crowd: Crowd): Promise<FairTimes> {
  const simulator = await spawnSimulator('entra', { users: crowd.users, plain: true });
  const secretKey = randomBytes(32).toString('base64');
  const store = await openStore(url, secretKey);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const deps = { store, clock: { now: () => new Date() }, connectors };
    const bench: Bench = { ...deps, client, operator: await ensureOperator(deps, 'bench') };
    return await onStage(bench, { url, secretKey }, { ...crowd, simulator });
  } finally {
    await client.end();
    await store.close();
    await simulator.close();
  }
}

async function onStage(
  bench: Bench,
  setup: FairSetup,
  { tenants, users, simulator }: Crowd & { simulator: SimulatorAccess },
): Promise<FairTimes> {
  const slots = parseConfig({}).concurrency; // unless told otherwise, and nobody tells the worker
  say(`${tenants} tenants with a directory of ${users} users each, and a customer with ${GREEDY}`);
  const customer = (await createTenant(bench, bench.operator, { name: 'customer' })).id;
  const connect = (count: number, kind: string, parent: TenantId | null = null) =>
    connectMany(bench, simulator, { count, kind, parent });
  const greedy = await connect(GREEDY, 'part', customer);
  const single = await connect(tenants, 'tenant');
  const all = [...greedy, ...single];
  const sample = Math.max(GREEDY, Math.ceil(tenants / 20));
  const bare = async (kind: string) => {
    const connections = await connect(GREEDY + sample, kind);
    say(`the bare work: ${sample} runs of others, ${slots} at a time`);
    const [first, others] = [connections.slice(0, GREEDY), connections.slice(GREEDY)];
    return await bareRun({ ...setup, slots, first, others });
  };
  const before = await bare('before');
  const due = new Date(Math.ceil(Date.now() / 1_000 + 15 + 0.03 * tenants) * 1_000);
  await setDue(bench, setup.url, all, due);
  say(`all due at ${due.toISOString()}, for one worker with ${slots} slots`);
  const { runs, memory } = await atWork(setup, (worker) => watch(worker, all, due), due);
  await ensureStored(bench.client, runs.length, due);
  const after = await bare('after');
  const times = timesOf(runs, new Set(single), slots);
  return { ...times, bareRound: ((before + after) / 2) * (tenants + 1), peakMemory: memory };
}

/** With a worker that is there before the runs are due, and gone when they are done. */
async function atWork(
  setup: FairSetup,
  watched: (worker: ChildProcess) => Promise<readonly Run[]>,
  due: Date,
): Promise<{ readonly runs: readonly Run[]; readonly memory: number }> {
  const worker = forkWorker('fairWorker.ts');
  try {
    worker.send(setup);
    const ready = (await answer(worker)) as FairWord;
    if (ready.said !== 'ready' || Date.now() > due.getTime())
      throw new Error('The runs were due before the worker was there.');
    const runs = await watched(worker);
    worker.send('end');
    const [closed] = (await Promise.all([answer(worker), once(worker, 'exit')])) as [FairWord, unknown];
    if (closed.said !== 'closed') throw new Error('There was another run than those due.');
    return { runs, memory: closed.memory };
  } finally {
    worker.kill();
  }
}

async function connectMany(
  bench: Bench,
  { origin, ca, settings, credentials }: SimulatorAccess,
  {
    count,
    kind,
    parent,
  }: { readonly count: number; readonly kind: string; readonly parent: TenantId | null },
): Promise<readonly ConnectionId[]> {
  const made: ConnectionId[] = [];
  for (let n = 0; n < count; n += 1) {
    const tenant = await createTenant(bench, bench.operator, { name: `${kind} ${n}`, parent });
    const connection = await createConnection(bench, bench.operator, {
      tenant: tenant.id,
      name: 'directory',
      provider: 'entra',
      settings,
      credentials,
      network: { baseUrl: origin, ca, proxy: null },
      mapping: { roles: [{ group: MAPPED_GROUP, role: 'engineer' }], everyone: ['member'] },
    });
    made.push(connection.id);
  }
  return made;
}

/** By their schedules, which have a second here so that nothing spreads them, and in this order in the line. */
async function setDue(bench: Bench, url: string, due: readonly ConnectionId[], at: Date): Promise<void> {
  const schedule = `${at.getUTCSeconds()} ${at.getUTCMinutes()} ${at.getUTCHours()} ${at.getUTCDate()} ${at.getUTCMonth() + 1} *`;
  await bench.client.query('UPDATE connection SET schedule = $1 WHERE id = ANY($2)', [schedule, due]);
  const queues = await openQueues({ databaseUrl: url, log: openLogger('warn', process.stderr) });
  try {
    const active = { schedule, timeZone: 'UTC', state: 'active' };
    await queues.reconcileSchedules(due.map((id) => ({ id, ...active })));
  } finally {
    await queues.close();
  }
}

const LOOKED_EVERY_MS = 500;
const TOLD_EVERY_MS = 15_000;
const STUCK_MS = 180_000;

/** One run of each that is due, in the order of their beginnings. Throws where one fails, none ends for minutes, or there is another. */
async function watch(worker: ChildProcess, due: readonly ConnectionId[], at: Date): Promise<readonly Run[]> {
  const began = new Map<string, number>();
  const runs: Run[] = [];
  let [told, last] = [at.getTime(), at.getTime()];
  const hear = (word: FairWord) => {
    if (!('connection' in word)) return;
    const { said, connection } = word;
    last = word.at;
    if (said === 'failed') throw new Error('A run failed.');
    if (said === 'began') began.set(connection, last - at.getTime());
    else runs.push({ connection, began: began.get(connection) ?? Number.NaN, ended: last - at.getTime() });
    if (last - told < TOLD_EVERY_MS) return;
    told = last;
    say(`  ${runs.length} of ${due.length}`);
  };
  worker.on('message', hear);
  while (runs.length < due.length) {
    await sleep(LOOKED_EVERY_MS);
    if (worker.exitCode !== null) throw new Error('The worker has ended.');
    if (Date.now() - last > STUCK_MS) throw new Error(`Only ${runs.length} of ${due.length} runs end.`);
  }
  worker.off('message', hear);
  const wanted = new Set<string>(due);
  for (const { connection, began: start } of runs)
    if (!wanted.delete(connection) || !(start >= 0)) throw new Error('There was another run than those due.');
  return runs.sort((one, other) => one.began - other.began);
}

async function ensureStored(client: pg.Client, runs: number, due: Date): Promise<void> {
  const { rows } = await client.query<{ finished: number }>(
    `SELECT count(DISTINCT connection_id)::int AS finished FROM sync_run WHERE state = 'finished' AND started_at >= $1`,
    [due],
  );
  if (rows[0]?.finished !== runs) throw new Error('The database knows of other runs than the worker.');
}

/** Of runs in the order of their beginnings, whose times are counted from when they were due. */
function timesOf(runs: readonly Run[], single: ReadonlySet<string>, slots: number) {
  if (mostAtOnce(runs) > slots) throw new Error('The worker has used more slots than it has.');
  const sum = (some: readonly Run[]) => some.reduce((all, { began, ended }) => all + ended - began, 0);
  const latest = (some: readonly Run[]) => Math.max(...some.map(({ ended }) => ended));
  const ofSingle = runs.filter(({ connection }) => single.has(connection));
  const ofGreedy = runs.filter(({ connection }) => !single.has(connection));
  const last = ofSingle.at(-1);
  const before = ofGreedy.filter(({ began }) => began < (last?.began ?? 0)).length;
  say(`  ${before} runs of the customer began before everybody else had one`);
  return {
    longest: latest(ofSingle),
    round: (sum(ofSingle) + sum(ofGreedy) / ofGreedy.length) / slots,
    all: latest(runs),
    work: sum(runs) / slots,
  };
}

function mostAtOnce(runs: readonly Run[]): number {
  const most = runs.map(({ began }) => runs.filter((other) => other.began <= began && other.ended > began));
  return Math.max(...most.map(({ length }) => length));
}

/** What one more run takes, in milliseconds, where so many always run. */
async function bareRun(setup: BareSetup): Promise<number> {
  const child = forkWorker('fairBare.ts');
  child.send(setup);
  const [ms] = (await Promise.all([answer(child), once(child, 'exit')])) as [number, unknown];
  return ms;
}

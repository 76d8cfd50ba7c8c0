/**
 * What it costs to read what a user may do: through real HTTP, with the key of an application at the root, for users picked at random
 * among all. Processor time is that of the API and of PostgreSQL together, so that a busy machine and our own asking do not count.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { Pool } from 'undici';
import type { Order, Serving } from './authorizationServer.ts';

/** Kept busy at once when asking as fast as can be. */
const SIDE_BY_SIDE = 16;
const ASKED_FOR_A_SECOND = 2_000;

export type Reads = {
  /** Of one core, by processor time of all that is involved. */
  readonly perSecondOfCore: number;
  /** As they were answered, all at once. */
  readonly perSecond: number;
  /** Milliseconds, of reads that begin at even distances, 2,000 a second. */
  readonly p50: number;
  readonly p95: number;
};

export async function measureReads(
  order: Order,
  { seconds, users }: { readonly seconds: number; readonly users: number },
): Promise<Reads> {
  const ids = await someUsers(order.url, users);
  const child = fork(join(import.meta.dirname, 'authorizationServer.ts'));
  child.send(order);
  const serving = (await answer(child)) as Serving;
  const read = reader(serving, ids);
  try {
    await asFastAsCanBe(read, 2);
    const before = await used(child, order.url);
    const fast = await asFastAsCanBe(read, seconds);
    const after = await used(child, order.url);
    const delays = await evenly(read, seconds);
    return {
      perSecond: fast / seconds,
      perSecondOfCore: fast / (after - before),
      p50: percentile(delays, 0.5),
      p95: percentile(delays, 0.95),
    };
  } finally {
    await read.close();
    child.send('stop');
    await once(child, 'exit');
  }
}

async function someUsers(url: string, count: number): Promise<readonly string[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ id: string }>('SELECT id FROM auth_user ORDER BY random() LIMIT $1', [
    count,
  ]);
  await client.end();
  return rows.map(({ id }) => id);
}

type Reader = { read(): Promise<void>; close(): Promise<void> };

function reader({ url, key }: Serving, ids: readonly string[]): Reader {
  const pool = new Pool(url, { connections: 64, pipelining: 1 });
  const headers = { authorization: `Bearer ${key}` };
  let turn = 0;
  return {
    read: async () => {
      const path = `/v1/users/${ids[turn++ % ids.length]}/authorization`;
      const { statusCode, body } = await pool.request({ method: 'GET', path, headers });
      const text = await body.text();
      if (statusCode !== 200) throw new Error(`${statusCode}: ${text}`);
    },
    close: () => pool.close(),
  };
}

/** Gives how many were answered. */
async function asFastAsCanBe({ read }: Reader, seconds: number): Promise<number> {
  const end = performance.now() + seconds * 1_000;
  let answered = 0;
  const one = async () => {
    while (performance.now() < end) {
      await read();
      answered += 1;
    }
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, one));
  return answered;
}

/** Each delay counts from when the read was due, so that what waits behind a slow one is not left out. */
async function evenly({ read }: Reader, seconds: number): Promise<readonly number[]> {
  const delays: number[] = [];
  const under = new Set<Promise<void>>();
  const began = performance.now();
  const total = seconds * ASKED_FOR_A_SECOND;
  for (let sent = 0; sent < total; ) {
    for (; sent < total && began + (sent * 1_000) / ASKED_FOR_A_SECOND <= performance.now(); sent += 1) {
      const due = began + (sent * 1_000) / ASKED_FOR_A_SECOND;
      const one: Promise<void> = read().then(() => {
        delays.push(performance.now() - due);
        under.delete(one);
      });
      under.add(one);
    }
    await sleep(1); // whoever asks must not take the time of whoever answers
  }
  await Promise.all(under);
  return delays;
}

function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

/** Seconds of processor time, of the child and of all sessions of the database. */
async function used(child: ChildProcess, url: string): Promise<number> {
  child.send('usage');
  const { user, system } = (await answer(child)) as NodeJS.CpuUsage;
  return (user + system) / 1e6 + (await usedByPostgres(url));
}

/** As Linux tells of each process (proc(5), stat: utime and stime, in hundredths of a second); nothing elsewhere, or of another machine. */
async function usedByPostgres(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`,
  );
  await client.end();
  const here = new Set(process.platform === 'linux' ? readdirSync('/proc') : []);
  const ticks = rows.flatMap(({ pid }) => {
    if (!here.has(String(pid))) return [];
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return [Number(fields[11]) + Number(fields[12])];
  });
  return ticks.reduce((sum, one) => sum + one, 0) / 100;
}

async function answer(child: ChildProcess): Promise<unknown> {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`bench/authorizationServer.ts ended with ${code}`);
  });
  const [message] = (await Promise.race([once(child, 'message'), ended])) as [unknown];
  ended.catch(() => {}); // its later end is what we ask for
  return message;
}

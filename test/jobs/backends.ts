/** Real backends for the queue suite: an empty database in PostgreSQL, or a Redis server, for each test. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { inject } from 'vitest';
import type { JobsBackend } from '../../jobs/backend.ts';
import { asOwner, type FreshDatabase, freshDatabase } from '../support/database.ts';
import { freePort } from '../support/freePort.ts';

/** What can happen to a backend while it is in use. */
export type TestBackend = {
  readonly backend: JobsBackend;
  /** A password that no message may repeat. */
  readonly password: string;
  /** Everything in the queues is lost. */
  empty(): Promise<void>;
  /** The schedule `key` is still there, but the job that would start it an hour ago is not. */
  loseNextJobOf(key: string): Promise<void>;
  /** Every connection is cut; new ones are accepted. */
  interrupt(): Promise<void>;
  /** It is gone for good. */
  vanish(): Promise<void>;
};

export type Backends = { fresh(): Promise<TestBackend>; stop(): Promise<void> };

const HOUR_MS = 3_600_000;
const REDIS = 'redis-server';

export async function startPostgres(): Promise<Backends> {
  const databases = new Map<string, FreshDatabase>();
  const admin = (text: string, values: readonly string[] = []) =>
    asOwner(inject('postgres').url, (client) => client.query(text, [...values]));
  return {
    fresh: async () => {
      const database = await freshDatabase({ migrated: false });
      const { pathname, password } = new URL(database.url);
      const name = pathname.slice(1);
      databases.set(name, database);
      const within = (...statements: readonly string[]) =>
        asOwner(database.url, async (client) => {
          for (const statement of statements) await client.query(statement);
        });
      return {
        backend: { databaseUrl: database.url },
        password: password || 'none was given',
        empty: () => within('DELETE FROM rollcall_jobs.job', 'DELETE FROM rollcall_jobs.scheduler'),
        loseNextJobOf: (key) =>
          within(
            `DELETE FROM rollcall_jobs.job WHERE scheduler_id = '${key}'`,
            `UPDATE rollcall_jobs.scheduler SET next_run_ms = ${Date.now() - HOUR_MS} WHERE scheduler_id = '${key}'`,
          ),
        interrupt: async () => {
          await admin('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);
        },
        vanish: async () => {
          databases.delete(name);
          await admin(`DROP DATABASE ${name} WITH (FORCE)`);
        },
      };
    },
    stop: async () => {
      for (const database of databases.values()) await database.drop();
    },
  };
}

/** null when redis-server is on the PATH, else why the tests that need it cannot run here. */
export function whyNoRedis(): string | null {
  return spawnSync(REDIS, ['--version']).status === 0 ? null : `${REDIS} is not on the PATH`;
}

export async function startRedis(): Promise<Backends> {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-redis-'));
  const servers: RedisServer[] = [];
  return {
    fresh: async () => {
      const server = await startRedisServer(folder);
      servers.push(server);
      const within = async (work: (redis: Redis) => Promise<unknown>) => {
        const redis = new Redis(server.url);
        await work(redis);
        redis.disconnect();
      };
      return {
        backend: { redisUrl: server.url },
        password: server.password,
        empty: () => within((redis) => redis.flushall()),
        loseNextJobOf: (key) =>
          within(async (redis) => {
            const jobs = await redis.keys(`rollcall:rollcall-sync:repeat:${key}:*`);
            await redis.del('rollcall:rollcall-sync:delayed', ...jobs);
            await redis.zadd('rollcall:rollcall-sync:repeat', Date.now() - HOUR_MS, key);
          }),
        interrupt: () => within((redis) => redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')),
        vanish: () => server.stop(),
      };
    },
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

type RedisServer = { readonly url: string; readonly password: string; stop(): Promise<void> };

async function startRedisServer(folder: string): Promise<RedisServer> {
  const port = await freePort();
  const password = 'not-for-logs';
  const address = ['--bind', '127.0.0.1', '--port', String(port), '--requirepass', password];
  const child = spawn(REDIS, [...address, '--dir', folder, '--save', '', '--appendonly', 'no'], {
    stdio: 'ignore',
  });
  const ended = once(child, 'exit');
  const url = `redis://:${password}@127.0.0.1:${port}`;
  const redis = new Redis(url, { retryStrategy: () => 20, maxRetriesPerRequest: null });
  redis.on('error', () => {}); // not up yet
  await redis.ping();
  redis.disconnect();
  return {
    url,
    password,
    stop: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

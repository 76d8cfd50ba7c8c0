/** How the job queues reach what keeps them: PostgreSQL, or Redis and Valkey. Nothing else in jobs/ knows which one it is. */
import {
  type AdvancedOptions,
  type BackendFactory,
  createPostgresBackend,
  createRedisBackend,
  type IQueueBackend,
  SchemaVersionMismatchError,
  UnsupportedPostgresVersionError,
  withBackend,
} from 'bullmq';
import { Redis } from 'ioredis';
import { Problem } from '../src/domain/problem.ts';
import type { Logger } from '../src/log.ts';
import { nextStart, type StartTimes } from '../src/sync/startTimes.ts';

/** `databaseUrl` is the owner's: it makes the schema `rollcall_jobs`, which no tenant's row ever enters. */
export type JobsBackend = { readonly databaseUrl: string } | { readonly redisUrl: string };

const SCHEMA = 'rollcall_jobs';
/** In Redis, where other programs may keep queues of their own. */
export const PREFIX = 'rollcall';

const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Small pools, because every queue and every worker has one of its own. A worker waits without end for a Redis that is away; a
 * queue does not, so that a caller is told instead of left hanging.
 */
const connectBackend: BackendFactory<IQueueBackend, JobsBackend> = (name, options, kind = {}) => {
  const backend = options.connection;
  if ('redisUrl' in backend) {
    const patience = kind.withBlockingConnection === true ? null : 1;
    const connection = {
      url: backend.redisUrl,
      connectTimeout: CONNECT_TIMEOUT_MS,
      maxRetriesPerRequest: patience,
    };
    return createRedisBackend(name, { ...options, connection }, kind);
  }
  const connection = {
    connectionString: backend.databaseUrl,
    schema: SCHEMA,
    migrate: true,
    max: 2,
    application_name: 'rollcall-jobs',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
  };
  return createPostgresBackend(name, { ...options, connection }, kind);
};

/** How a scheduler remembers when it starts: the cron expression, and the seconds that are added to each of its times. */
export function patternOf({ schedule, offsetMs }: StartTimes): string {
  return `${schedule} +${offsetMs / 1_000}s`;
}

function timesIn(pattern: string, timeZone: string): StartTimes {
  const [, schedule = pattern, seconds = '0'] = /^(.*) \+(\d+)s$/.exec(pattern) ?? [];
  return { schedule, timeZone, offsetMs: Number(seconds) * 1_000 };
}

/** For queues and workers alike: either may make the next job of a schedule. */
export const scheduling: Pick<AdvancedOptions, 'repeatStrategy'> = {
  repeatStrategy: (millis, { pattern = '', tz = 'UTC' }) =>
    nextStart(timesIn(pattern, tz), millis) ?? undefined,
};

/** BullMQ's classes, over either backend. */
export const { Queue, Worker } = withBackend(connectBackend);

export function backendName(backend: JobsBackend): 'postgres' | 'redis' {
  return 'redisUrl' in backend ? 'redis' : 'postgres';
}

/** Looks once whether Redis is there: BullMQ itself would wait for it without end. Throws what `unreachable` makes. */
export async function findBackend(backend: JobsBackend): Promise<void> {
  if (!('redisUrl' in backend)) return; // BullMQ's own first connection tells at once
  const redis = new Redis(backend.redisUrl, {
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  let broken: Error | undefined;
  redis.on('error', (error) => {
    broken = error;
  });
  try {
    await redis.connect();
    await redis.ping();
  } catch (error) {
    throw unreachable(backend, broken ?? error);
  } finally {
    redis.disconnect();
  }
}

const REPEATED_AFTER_MS = 30_000;

/**
 * For BullMQ's error events, which during an outage come many times a second: the first of a kind is logged at once, then one in
 * thirty seconds with the number of those left out.
 */
export function outageLog(log: Logger, event: string, queue: string): (error: Error) => void {
  const last = new Map<string, { at: number; leftOut: number }>();
  return (error) => {
    const kind = (error as NodeJS.ErrnoException).code ?? error.name;
    const before = last.get(kind);
    if (before !== undefined && Date.now() - before.at < REPEATED_AFTER_MS) {
      before.leftOut++;
      return;
    }
    last.set(kind, { at: Date.now(), leftOut: 0 });
    log.warn({ event, queue, error, leftOut: before?.leftOut ?? 0 });
  };
}

/** What a person is told when the queues cannot be reached. It never shows the URL's password. */
export function unreachable(backend: JobsBackend, error: unknown): Problem {
  if (error instanceof Problem) return error;
  const variable = 'redisUrl' in backend ? 'REDIS_URL' : 'DATABASE_URL';
  const { code, message } = error as { code?: string; message?: string };
  if (error instanceof UnsupportedPostgresVersionError || error instanceof SchemaVersionMismatchError) {
    const newer = error instanceof SchemaVersionMismatchError;
    return new Problem(
      {
        code: newer ? 'database-newer' : 'database-too-old',
        message: `The job queues at ${whereIs(backend)} cannot be used: ${message}`,
        remedy: newer
          ? 'Start the newer version of Rollcall that made them.'
          : 'Upgrade PostgreSQL, or unset DATABASE_URL to use the embedded one.',
      },
      { cause: error },
    );
  }
  if (code === '42501') {
    return new Problem(
      {
        code: 'bad-configuration',
        message: `The role in DATABASE_URL may not make or use the schema ${SCHEMA}, where the job queues live.`,
        remedy: 'Grant the role CREATE on the database, or name the role that owns it.',
      },
      { cause: error },
    );
  }
  return new Problem(
    {
      code: 'redisUrl' in backend ? 'queue-unreachable' : 'database-unreachable',
      message: `The job queues at ${whereIs(backend)} cannot be reached: ${message || code}.`,
      remedy: `Start ${'redisUrl' in backend ? 'Redis' : 'PostgreSQL'}, or correct ${variable} (host, port, user, password, database).`,
    },
    { cause: error },
  );
}

function whereIs(backend: JobsBackend): string {
  const { hostname, port, pathname } =
    'redisUrl' in backend ? new URL(backend.redisUrl) : new URL(backend.databaseUrl);
  return `${hostname || 'the local socket'}:${port || ('redisUrl' in backend ? '6379' : '5432')}${pathname}`;
}

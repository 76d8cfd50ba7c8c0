/** Looks once at everything that an install stands on, and says for each what is wrong and what mends it. Changes no data. */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ConnectorError } from '../connectors/contract.ts';
import { openQueues } from '../jobs/queue.ts';
import type { Config } from './config.ts';
import { minute } from './domain/clock.ts';
import { type Connection, type ListedConnection, unreadable } from './domain/connection.ts';
import { EXPIRES_SOON_MS } from './domain/notice.ts';
import type { Listed } from './domain/page.ts';
import { Problem } from './domain/problem.ts';
import { type Connectors, type Install, openInstall } from './install.ts';
import type { Logger } from './log.ts';
import { Opened } from './opened.ts';
import type { ListedChannel } from './store/channels.ts';
import { connectAsOwner } from './store/database.ts';
import { knownElsewhere } from './store/dataFolder.ts';
import { hasEmbeddedPostgres, joinEmbeddedPostgres } from './store/embedded.ts';
import { openStoredConnector } from './tenancy/connections.ts';
import { oneWithHealth } from './tenancy/health.ts';

/** One line of `rollcall doctor`. */
export type Check = {
  readonly check: string;
  readonly result: 'ok' | 'warn' | 'fail';
  readonly detail: string;
  /** There unless the result is ok. */
  readonly remedy?: string;
};

const MIGRATIONS = join(import.meta.dirname, '..', 'prisma', 'migrations');

/** Seconds between this clock and the database's that nobody notices, and that spoil tokens and schedules. */
const SKEW = { warn: 2, fail: 60 } as const;

/** Each check follows from the ones before: the first that makes the rest pointless is the last. */
export async function* checkUp(config: Config, connectors: Connectors, log: Logger): AsyncGenerator<Check> {
  yield { check: 'install', result: 'ok', detail: whichInstall(config) };
  yield { check: 'node', result: 'ok', detail: `Node ${process.versions.node}` };
  const folder = checkFolder(config);
  yield folder;
  if (folder.result !== 'ok' && config.databaseUrl === null) return;
  yield checkSecretKey(config);
  const opened = new Opened();
  try {
    const url = await databaseUrl(config, opened);
    const { checks, usable } = await checkDatabase(url);
    yield* checks;
    yield await checkQueues(config, url, log);
    if (!usable) return;
    const install = await openInstall(config, log, connectors, { begins: false });
    opened.add(() => install.close());
    yield* checkConnections(install);
    yield* checkChannels(install);
  } catch (error) {
    yield failed('database', error);
  } finally {
    await opened.close();
  }
}

/** So that nobody takes the health of one install for that of another. Without user and password. */
function whichInstall({ databaseUrl, redisUrl, dataFolder }: Config): string {
  const place = (url: string) => `${new URL(url).host}${new URL(url).pathname}`;
  const database =
    databaseUrl === null
      ? `the embedded PostgreSQL in ${dataFolder}`
      : `the database ${place(databaseUrl)} (DATABASE_URL), data folder ${dataFolder}`;
  return `This is about ${database}${redisUrl === null ? '' : `, jobs on ${place(redisUrl)} (REDIS_URL)`}.`;
}

function failed(check: string, error: unknown): Check {
  const told = error instanceof ConnectorError ? error.failure : error instanceof Problem ? error : null;
  if (told !== null) return { check, result: 'fail', detail: told.message, remedy: told.remedy };
  const detail = error instanceof Error ? error.message : String(error);
  return {
    check,
    result: 'fail',
    detail,
    remedy: 'Run `rollcall doctor` again; if it stays so, report it with this text.',
  };
}

function checkFolder({ dataFolder, databaseUrl: url, secretKey }: Config): Check {
  const check = 'data folder';
  const nearest = nearestExisting(dataFolder);
  try {
    accessSync(nearest, constants.W_OK);
  } catch (error) {
    return {
      check,
      result: 'fail',
      detail: `${dataFolder} cannot be written (${(error as NodeJS.ErrnoException).code}).`,
      remedy:
        'Give this user the right to write there, or name another folder in ROLLCALL_DATA or with --data.',
    };
  }
  if (url !== null) return { check, result: 'ok', detail: dataFolder };
  const keyElsewhere = secretKey !== null;
  if (hasEmbeddedPostgres(dataFolder, { keyElsewhere })) {
    const elsewhere = knownElsewhere(dataFolder, { keyElsewhere });
    const database = elsewhere === null ? '' : `; its PostgreSQL, which cannot enter it, is in ${elsewhere}`;
    return { check, result: 'ok', detail: `${dataFolder}${database}` };
  }
  return {
    check,
    result: 'warn',
    detail: `There is no install in ${dataFolder}, so there is no database to look at.`,
    remedy:
      'If there should be one, name its folder in ROLLCALL_DATA or with --data. `rollcall start` makes a new one.',
  };
}

function nearestExisting(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestExisting(dirname(path));
}

function checkSecretKey({ secretKey, dataFolder }: Config): Check {
  const check = 'secret key';
  if (secretKey !== null) return { check, result: 'ok', detail: 'From ROLLCALL_SECRET_KEY.' };
  const file = join(dataFolder, 'secret.key');
  if (!existsSync(file)) return { check, result: 'ok', detail: `The first command makes ${file}.` };
  if (process.platform === 'win32' || (statSync(file).mode & 0o077) === 0)
    return { check, result: 'ok', detail: `In ${file}; keep a copy apart from the database.` };
  return {
    check,
    result: 'warn',
    detail: `Others than its owner can read ${file}.`,
    remedy: `chmod 600 ${file}`,
  };
}

async function databaseUrl(config: Config, opened: Opened): Promise<string> {
  if (config.databaseUrl !== null) return config.databaseUrl;
  const postgres = await joinEmbeddedPostgres(config.dataFolder, { keyElsewhere: config.secretKey !== null });
  opened.add(() => postgres.leave());
  return postgres.url;
}

type Owner = Awaited<ReturnType<typeof connectAsOwner>>;

async function checkDatabase(url: string): Promise<{ checks: readonly Check[]; usable: boolean }> {
  const owner = await connectAsOwner(url);
  try {
    const clock = await checkClock(owner);
    const { rows } = await owner.query<{ version: string }>(
      `SELECT current_setting('server_version') AS version`,
    );
    const reached: Check = {
      check: 'database',
      result: 'ok',
      detail: `PostgreSQL ${rows[0]?.version} answers.`,
    };
    const migrations = await checkMigrations(owner);
    const migrated = migrations.result === 'ok';
    const role = migrated ? [await checkRole(owner)] : [];
    return { checks: [reached, clock, migrations, ...role], usable: migrated };
  } finally {
    await owner.end();
  }
}

async function checkClock(owner: Owner): Promise<Check> {
  const asked = Date.now();
  const { rows } = await owner.query<{ now: Date }>('SELECT clock_timestamp() AS now');
  const here = (asked + Date.now()) / 2;
  const seconds = Math.abs((rows[0]?.now.getTime() ?? here) - here) / 1000;
  const detail = `The database's clock and this one differ by ${seconds.toFixed(2)} s.`;
  if (seconds < SKEW.warn) return { check: 'clock', result: 'ok', detail };
  const result = seconds < SKEW.fail ? 'warn' : 'fail';
  return {
    check: 'clock',
    result,
    detail,
    remedy: 'Let both machines take the time from the same source (NTP).',
  };
}

async function checkMigrations(owner: Owner): Promise<Check> {
  const check = 'migrations';
  const entries = await readdir(MIGRATIONS, { withFileTypes: true });
  const known = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  const { rows: tables } = await owner.query<{ there: boolean }>(
    `SELECT to_regclass('_prisma_migrations') IS NOT NULL AS there`,
  );
  const { rows } = tables[0]?.there
    ? await owner.query<{ name: string }>(
        'SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL',
      )
    : { rows: [] };
  const applied = new Set(rows.map((row) => row.name));
  const foreign = [...applied].filter((name) => !known.includes(name));
  const due = known.filter((name) => !applied.has(name));
  if (foreign.length > 0) {
    const remedy = 'Start the newer version of Rollcall that migrated it, or use another database.';
    return { check, result: 'fail', detail: `This version does not know ${foreign.join(', ')}.`, remedy };
  }
  if (applied.size === 0) {
    const remedy =
      'If there should be one, name its database in DATABASE_URL, or its folder with --data. `rollcall start` makes a new one.';
    return { check, result: 'warn', detail: 'The database is empty: there is no install in it.', remedy };
  }
  if (due.length === 0) return { check, result: 'ok', detail: `All ${known.length} applied.` };
  const remedy = 'Nothing: the next start or command applies them.';
  return { check, result: 'warn', detail: `Not applied yet: ${due.join(', ')}.`, remedy };
}

/** Row-level security does not bind a superuser, a role that may bypass it, or the owner of a table. A worker's temporary tables are its own. */
async function checkRole(owner: Owner): Promise<Check> {
  const check = 'role';
  const { rows } = await owner.query<{ unbound: boolean; owns: number }>(
    `SELECT r.rolsuper OR r.rolbypassrls AS unbound,
       (SELECT count(*)::int FROM pg_class c
        WHERE c.relowner = r.oid AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't') AS owns
     FROM pg_roles r WHERE r.rolname = 'rollcall_app'`,
  );
  const [role] = rows;
  if (role !== undefined && !role.unbound && role.owns === 0)
    return {
      check,
      result: 'ok',
      detail: 'The daemon works as rollcall_app, which owns no table and is bound by row-level security.',
    };
  const detail =
    role === undefined
      ? 'There is no role rollcall_app.'
      : `rollcall_app ${role.unbound ? 'is not bound by row-level security' : `owns ${role.owns} tables`}.`;
  const remedy =
    'ALTER ROLE rollcall_app NOSUPERUSER NOBYPASSRLS, and give its tables to the role in DATABASE_URL.';
  return { check, result: 'fail', detail, remedy };
}

async function checkQueues({ redisUrl }: Config, url: string, log: Logger): Promise<Check> {
  const check = 'queues';
  const where = redisUrl === null ? 'PostgreSQL' : 'Redis';
  try {
    const queues = await openQueues({ ...(redisUrl === null ? { databaseUrl: url } : { redisUrl }), log });
    await queues.ping().finally(() => queues.close());
    return { check, result: 'ok', detail: `The job queues on ${where} answer.` };
  } catch (error) {
    return failed(check, error);
  }
}

async function* checkConnections({ deps }: Install): AsyncGenerator<Check> {
  for await (const connection of deps.store.connections.each(deps.store.root)) {
    yield connection.state === 'unreadable'
      ? failed('connection', unreadable(connection))
      : await checkCredentials(deps, connection);
    yield await checkLastRun(deps, connection);
    yield* await checkHealth(deps, connection);
  }
}

/** Those of which the last message was given up, and those that this install has no mail server for. */
async function* checkChannels({ deps: { store, outgoing } }: Install): AsyncGenerator<Check> {
  const check = 'notifications';
  let after: string | null = null;
  do {
    const page: Listed<ListedChannel> = await store.channels.list(store.root, {
      tenant: store.root,
      limit: 500,
      after,
    });
    for (const { id, name, destination, last } of page.items) {
      if (destination.type === 'email' && destination.server === null && outgoing.mail === null) {
        const detail = `${name} has no mail server of its own, and this install has none.`;
        yield { check, result: 'warn', detail, remedy: 'Set ROLLCALL_SMTP_URL and ROLLCALL_SMTP_FROM.' };
      } else if (last?.state === 'failed') {
        const detail = `${name} was not told: ${last.problem ?? 'the last message was given up.'}`;
        yield { check, result: 'warn', detail, remedy: `rollcall notifications channels test ${id}` };
      }
    }
    after = page.next === null ? null : (page.items.at(-1)?.id ?? null);
  } while (after !== null);
}

/** What the last run alone does not show. */
async function checkHealth(deps: Install['deps'], connection: ListedConnection): Promise<Check[]> {
  const { health } = await oneWithHealth(deps, deps.store.root, connection);
  if (health?.state !== 'quarantined' && health?.state !== 'silent') return [];
  const { state, since, because, remedy } = health;
  const detail = `${connection.name}: ${state}${since === null ? '' : ` since ${minute(since)}`}. ${because}`;
  return [{ check: 'health', result: 'warn', detail, ...(remedy === null ? {} : { remedy }) }];
}

async function checkCredentials(deps: Install['deps'], { id, name }: Connection): Promise<Check> {
  const check = 'credentials';
  try {
    const { connector, credentialExpiresAt } = await openStoredConnector(deps, id);
    await connector.close();
    const left =
      credentialExpiresAt === null ? null : credentialExpiresAt.getTime() - deps.clock.now().getTime();
    if (credentialExpiresAt !== null && left !== null && left < EXPIRES_SOON_MS) {
      return {
        check,
        result: 'warn',
        detail: `${name}: its certificate ${left < 0 ? 'expired' : 'expires'} on ${minute(credentialExpiresAt)}.`,
        remedy: `Give the provider a new one, then enter it: rollcall connections update ${id}`,
      };
    }
    return { check, result: 'ok', detail: `${name}: the secret key opens them.` };
  } catch (error) {
    const { detail, ...rest } = failed(check, error);
    return { ...rest, detail: `${name}: ${detail}` };
  }
}

async function checkLastRun({ store }: Install['deps'], { id, name }: ListedConnection): Promise<Check> {
  const check = 'last run';
  const [run] = await store.runs.list(store.root, { connection: id }, { limit: 1, after: null });
  if (run === undefined) return { check, result: 'ok', detail: `${name}: there was none yet.` };
  const when = run.createdAt.slice(0, 16).replace('T', ' ');
  if (run.state !== 'failed' && run.snapshot !== 'partial')
    return { check, result: 'ok', detail: `${name}: ${run.state} (${when} UTC).` };
  const what = run.state === 'failed' ? 'failed' : 'read only part of the directory';
  const remedy = run.failure?.remedy ?? `rollcall connections test ${id}`;
  return {
    check,
    result: 'warn',
    detail: `${name}: ${what} (${when} UTC). ${run.failure?.message ?? ''}`.trim(),
    remedy,
  };
}

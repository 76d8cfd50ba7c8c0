/**
 * One pool for Prisma and for the hand-written statements. Every transaction names the tenant it works within; PostgreSQL's
 * row-level security then shows it that subtree and nothing else. Outside a transaction no tenant is set and no row is visible,
 * so a pooled connection never carries one caller's view to the next.
 */
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import type { TenantId } from '../domain/ids.ts';
import { Problem } from '../domain/problem.ts';
import { type Prisma, PrismaClient } from './generated/client.ts';
import { processName } from './hung.ts';

/** Row-level security needs nothing newer; MERGE, NULLS NOT DISTINCT and cheap subscripting need 15. */
const OLDEST_POSTGRES = 150_000;

/** One statement on one connection: what bulk statements and the audit chain are written against. */
export type Sql = {
  query<Row>(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
};

/** A connection within an open transaction. `client` is there for COPY alone. */
export type BulkTransaction = Sql & { readonly client: pg.ClientBase };

export type BulkOptions = {
  /**
   * The commit does not wait for the disk: should PostgreSQL itself crash, the last transactions may be gone, whole and in order.
   * Only for what is then simply done again.
   */
  readonly mayBeRedone?: boolean;
  /** Nothing is written, and all that is read is as it was when the transaction began. */
  readonly ofOneMoment?: boolean;
};

/** A Prisma transaction that sees one subtree. */
export type OrdinaryTransaction = Prisma.TransactionClient;

export type Database = {
  /** Ordinary queries, through Prisma, in one transaction that sees the subtree of `tenant`. */
  ordinary<T>(tenant: TenantId, work: (tx: OrdinaryTransaction) => Promise<T>): Promise<T>;
  /** Bulk statements, in one transaction that sees the subtree of `tenant`. */
  bulk<T>(tenant: TenantId, work: (tx: BulkTransaction) => Promise<T>, how?: BulkOptions): Promise<T>;
  /**
   * One statement that sees no tenant: of functions that ask for the caller's themselves, and of tables that belong to none. One round
   * trip, prepared under its name on each connection.
   */
  single<Row>(name: string, text: string, values: readonly unknown[]): Promise<readonly Row[]>;
  /** A connection of its own, for a lock that must end with the process that holds it. */
  dedicated(): Promise<pg.Client>;
  /** The tenant that all others descend from. */
  readonly root: TenantId;
  close(): Promise<void>;
};

/** Prisma and pg speak of the same transaction in two ways; this is the one that the audit chain uses. */
export function sqlOf(tx: OrdinaryTransaction): Sql {
  return { query: (text, values = []) => tx.$queryRawUnsafe(text, ...values) };
}

/** For the rest of the transaction every tenant is visible: for what is written where whoever does it may not read. Call it last. */
export async function seeAll(sql: Sql, root: TenantId): Promise<void> {
  await sql.query(`SELECT set_config('rollcall.tenant', $1, true) AS tenant`, [root]);
}

/**
 * How soon PostgreSQL notices that the machine at the other end is gone without a word: after a minute, and not after the two hours of
 * most systems. Until then its session holds its locks, and a connection whose worker vanished could not be run. `pg` cannot set the
 * same for our end; there, keep-alive probes after ten seconds have to do. What the URL says of these counts.
 */
const GONE_AFTER_A_MINUTE =
  '-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3 -c tcp_user_timeout=60000';

/**
 * What makes every session work as the role that owns no table. Options that the URL itself carries stay; taken from it, they would
 * otherwise replace ours (`pg` lets the URL win), and row-level security would be off without a word.
 */
function asApplication(url: string, applicationName: string): pg.ClientConfig {
  const given = new URL(url);
  const options = [GONE_AFTER_A_MINUTE, given.searchParams.get('options'), '-c role=rollcall_app']
    .filter((one) => one !== null)
    .join(' ');
  given.searchParams.delete('options');
  return {
    connectionString: given.href,
    options,
    application_name: applicationName,
    connectionTimeoutMillis: 60_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  };
}

/** Throws `bad-configuration` for a session that is not bound by row-level security, as behind a pooler that drops start-up options. */
async function refuseUnboundSession(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ role: string }>('SELECT current_user AS role');
  if (rows[0]?.role === 'rollcall_app') return;
  throw new Problem({
    code: 'bad-configuration',
    message:
      'Sessions with the database do not work as the role rollcall_app, so that tenants would not be kept apart.',
    remedy:
      'Connect to PostgreSQL directly, or through a pooler that passes on start-up options (session mode).',
  });
}

/** `url` is the owner's: the role rollcall_app is entered at the start of each session. The schema must have been migrated. */
export async function openDatabase(url: string, poolSize = 20): Promise<Database> {
  const asThisProcess = asApplication(url, processName());
  const pool = new pg.Pool({
    ...asThisProcess,
    max: poolSize,
    idleTimeoutMillis: 30_000,
    verify: (client, done) => refuseUnboundSession(client).then(() => done(), done),
  });
  pool.on('error', () => {}); // an idle connection that breaks is replaced at the next use, which reports what is wrong
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool) });
  const root = await findRoot(url);
  return {
    root,
    ordinary: (tenant, work) =>
      prisma.$transaction(
        async (tx) => {
          await tx.$executeRaw`SELECT set_config('rollcall.tenant', ${tenant}, true)`;
          return await work(tx);
        },
        { maxWait: 30_000, timeout: 60_000 },
      ),
    bulk: (tenant, work, how) => inBulkTransaction(pool, tenant, work, how),
    single: async (name, text, values) => (await pool.query({ name, text, values: [...values] })).rows,
    dedicated: async () => {
      const client = new pg.Client(asThisProcess);
      client.on('error', () => {}); // shows at the next query
      await client.connect();
      await refuseUnboundSession(client);
      return client;
    },
    close: async () => {
      await prisma.$disconnect();
      await pool.end();
    },
  };
}

async function inBulkTransaction<T>(
  pool: pg.Pool,
  tenant: TenantId,
  work: (tx: BulkTransaction) => Promise<T>,
  { mayBeRedone = false, ofOneMoment = false }: BulkOptions = {},
): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  // Whoever takes a client from the pool has to listen: a session that PostgreSQL ends would otherwise end this process.
  const noteBroken = (error: Error) => {
    broken = error;
  };
  client.on('error', noteBroken);
  try {
    const commit = mayBeRedone ? 'SET LOCAL synchronous_commit = off; ' : '';
    const how = ofOneMoment ? ' ISOLATION LEVEL REPEATABLE READ READ ONLY' : '';
    await client.query(
      `BEGIN${how}; ${commit}SELECT set_config('rollcall.tenant', ${client.escapeLiteral(tenant)}, true)`,
    );
    const result = await work({
      client,
      query: async (text, values = []) => (await client.query(text, [...values])).rows,
    });
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch((failure: Error) => {
      broken = failure;
    });
    throw error;
  } finally {
    client.off('error', noteBroken);
    client.release(broken);
  }
}

async function findRoot(url: string): Promise<TenantId> {
  const client = await connectAsOwner(url);
  try {
    const { rows } = await client.query<{ id: TenantId }>('SELECT id FROM tenant WHERE parent_id IS NULL');
    const [root] = rows;
    if (root === undefined) throw new Error('the database has no root tenant although it was migrated');
    return root.id;
  } finally {
    await client.end();
  }
}

/** Connects as the owner of the schema. Throws `database-unreachable` or `database-too-old`, never showing the URL's password. */
export async function connectAsOwner(url: string): Promise<pg.Client> {
  const where = describe(url);
  const client = new pg.Client({
    connectionString: url,
    application_name: 'rollcall',
    connectionTimeoutMillis: 10_000,
  });
  client.on('error', () => {}); // shows at the next query
  try {
    await client.connect();
  } catch (error) {
    throw new Problem(
      {
        code: 'database-unreachable',
        message: `The database at ${where} cannot be reached: ${(error as Error).message || (error as NodeJS.ErrnoException).code}.`,
        remedy: 'Start PostgreSQL, or correct DATABASE_URL (host, port, user, password, database name).',
      },
      { cause: error },
    );
  }
  const { rows } = await client.query<{ version: string; name: string }>(
    `SELECT current_setting('server_version_num') AS version, current_setting('server_version') AS name`,
  );
  const [server] = rows;
  if (server === undefined || Number(server.version) < OLDEST_POSTGRES) {
    await client.end();
    throw new Problem({
      code: 'database-too-old',
      message: `The database at ${where} is PostgreSQL ${server?.name}; Rollcall needs 15 or newer.`,
      remedy: 'Upgrade PostgreSQL, or unset DATABASE_URL to use the embedded one.',
    });
  }
  return client;
}

function describe(url: string): string {
  const { hostname, port, pathname } = new URL(url);
  return `${hostname || 'the local socket'}:${port || '5432'}${pathname}`;
}

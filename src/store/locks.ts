/**
 * Advisory locks. A run's lock belongs to a database session of its own, so that it ends with the process that holds it, however
 * that process ends; hung.ts is for one that does not end. Plans and applies of one connection exclude each other by a second lock that ends with their transaction, and so
 * do those that make, move and delete tenants.
 */
import type pg from 'pg';
import type { ConnectionId } from '../domain/ids.ts';
import type { Database, Sql } from './database.ts';
import { giveSignsOfLife, HUNG_AFTER_MS, shutOutHung } from './hung.ts';

const RUN = 7_271;
const CHANGE_SET = 7_272;
const PURGE = 7_273;
const GUARDS = 7_274;

/** `fromHung`: it was taken from a process that had stopped, see hung.ts. */
export type HeldLock = { readonly fromHung: boolean; release(): Promise<void> };

/** Takes the right to run this connection, or gives null when another process has it. */
export function lockConnection(
  database: Database,
  connection: ConnectionId,
  hungAfterMs = HUNG_AFTER_MS,
): Promise<HeldLock | null> {
  return lockForProcess(database, RUN, connection, hungAfterMs);
}

/** Takes the right to purge what deleted tenants held, or gives null when another process has it. */
export function lockPurge(database: Database): Promise<HeldLock | null> {
  return lockForProcess(database, PURGE, 'tenants', HUNG_AFTER_MS);
}

async function lockForProcess(
  database: Database,
  kind: number,
  name: string,
  hungAfterMs: number,
): Promise<HeldLock | null> {
  const client = await database.dedicated();
  const take = async () => {
    const { rows } = await client.query<{ taken: boolean }>(
      'SELECT pg_try_advisory_lock($1, hashtext($2)) AS taken',
      [kind, name],
    );
    return rows[0]?.taken === true;
  };
  try {
    if (await take()) return held(client, false);
    if ((await shutOutHung(client, [kind, name], hungAfterMs)) && (await take())) return held(client, true);
  } catch (error) {
    await client.end();
    throw error;
  }
  await client.end();
  return null;
}

function held(client: pg.Client, fromHung: boolean): HeldLock {
  const stop = giveSignsOfLife(client);
  const release = async () => {
    stop();
    await client.end();
  };
  return { fromHung, release };
}

/** Of the given connections, those that some process runs at this moment. */
export async function connectionsBeingRun(
  sql: Sql,
  connections: readonly ConnectionId[],
): Promise<ReadonlySet<ConnectionId>> {
  const rows = await sql.query<{ connection: ConnectionId }>(
    `SELECT connection FROM unnest($1::text[]) AS connection JOIN pg_locks l ON l.locktype = 'advisory' AND l.classid = $2::int::oid
       AND l.objid::bigint = (hashtext(connection)::bigint & 4294967295)
     WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [connections, RUN],
  );
  return new Set(rows.map((row) => row.connection));
}

/** Until the transaction ends, no other plan and no apply touches this connection's changes. */
export async function lockForPlan(sql: Sql, connection: ConnectionId): Promise<void> {
  await sql.query('SELECT pg_advisory_xact_lock($1, hashtext($2))', [CHANGE_SET, connection]);
}

/** The same, or gives false at once where another plan or an apply is at it. */
export async function tryLockForPlan(sql: Sql, connection: ConnectionId): Promise<boolean> {
  const [row] = await sql.query<{ taken: boolean }>(
    'SELECT pg_try_advisory_xact_lock($1, hashtext($2)) AS taken',
    [CHANGE_SET, connection],
  );
  return row?.taken ?? false;
}

/** Until the transaction ends, no plan touches this connection's changes; other applies may. */
export async function lockForApply(sql: Sql, connection: ConnectionId): Promise<void> {
  await sql.query('SELECT pg_advisory_xact_lock_shared($1, hashtext($2))', [CHANGE_SET, connection]);
}

/** Until the transaction ends, no other apply takes what guards look after from these tenants, or adds to them. */
export async function lockForGuards(sql: Sql, tenants: readonly string[]): Promise<void> {
  await sql.query(
    `SELECT pg_advisory_xact_lock($1, key) FROM (SELECT DISTINCT hashtext(tenant) AS key FROM unnest($2::text[]) AS tenant ORDER BY 1) AS keys`,
    [GUARDS, tenants],
  );
}

/** Until the transaction ends, no tenant is moved or deleted; others may make tenants too. */
export async function holdTree(sql: Sql): Promise<void> {
  await sql.query(`SELECT true AS held FROM pg_advisory_xact_lock_shared(${TREE})`);
}

/** Until the transaction ends, nobody else makes, moves or deletes tenants. Readers go on. */
export async function lockTree(sql: Sql): Promise<void> {
  await sql.query(`SELECT true AS held FROM pg_advisory_xact_lock(${TREE})`);
}

/** The one that the database takes itself where it inserts and moves tenants. */
const TREE = `hashtext('rollcall.tenants')`;

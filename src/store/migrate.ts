/**
 * Applies prisma/migrations in order, each in its own transaction, under an advisory lock, keeping Prisma's own table so that
 * `prisma migrate deploy` agrees with what was done here (docs/decisions/0003-migrations-without-prismas-engine.md).
 */
import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { Problem } from '../domain/problem.ts';
import { connectAsOwner } from './database.ts';

const MIGRATIONS = join(import.meta.dirname, '..', '..', 'prisma', 'migrations');

/** Any number that no other program uses for an advisory lock in this database. */
const LOCK = 727_665_001;

type Migration = { readonly name: string; readonly sql: string; readonly checksum: string };
type Applied = {
  readonly migration_name: string;
  readonly checksum: string;
  readonly finished_at: Date | null;
};

export type Migrated = {
  /** The names of the migrations applied just now. */
  readonly applied: readonly string[];
  /** There was none before: it is a new install, with nothing in it. */
  readonly wasEmpty: boolean;
};

/** Brings the database at `url` (its owner's) to this version's schema. `begins` false: null for one that is empty, and it stays so. */
export async function migrate(url: string): Promise<Migrated>;
export async function migrate(url: string, begins: boolean): Promise<Migrated | null>;
export async function migrate(url: string, begins = true): Promise<Migrated | null> {
  const client = await connectAsOwner(url);
  try {
    await client.query('SELECT pg_advisory_lock($1)', [LOCK]);
    if (!begins && !(await isInstall(client))) return null;
    await client.query(`CREATE TABLE IF NOT EXISTS _prisma_migrations (
      id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz, migration_name varchar(255) NOT NULL,
      logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0)`);
    const { rows } = await client.query<Applied>(
      'SELECT migration_name, checksum, finished_at FROM _prisma_migrations WHERE rolled_back_at IS NULL',
    );
    const known = await readMigrations();
    refuseForeign(known, rows);
    const due = known.filter((migration) => !rows.some((row) => row.migration_name === migration.name));
    for (const migration of due) await applyOne(client, migration);
    return { applied: due.map((migration) => migration.name), wasEmpty: rows.length === 0 };
  } finally {
    await client.end(); // gives the lock back
  }
}

async function isInstall(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>(
    `SELECT to_regclass('_prisma_migrations') IS NOT NULL AS there`,
  );
  return rows[0]?.there === true;
}

async function readMigrations(): Promise<readonly Migration[]> {
  const folders = (await readdir(MIGRATIONS, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const names = folders.map((entry) => entry.name).sort();
  return await Promise.all(
    names.map(async (name) => {
      const sql = await readFile(join(MIGRATIONS, name, 'migration.sql'), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

function refuseForeign(known: readonly Migration[], applied: readonly Applied[]): void {
  for (const row of applied) {
    const migration = known.find((one) => one.name === row.migration_name);
    if (migration !== undefined && migration.checksum === row.checksum && row.finished_at !== null) continue;
    throw new Problem({
      code: 'database-newer',
      message: `The database has a migration that this version of Rollcall does not know in that form: ${row.migration_name}.`,
      remedy: 'Start the newer version of Rollcall that migrated it, or use another database.',
    });
  }
}

async function applyOne(client: pg.Client, migration: Migration): Promise<void> {
  await client.query('BEGIN');
  try {
    await client.query(migration.sql);
    await client.query(
      'INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count) VALUES ($1, $2, $3, now(), 1)',
      [randomUUID(), migration.checksum, migration.name],
    );
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    if ((error as { code?: string }).code === '42501') throw lacksRights(error);
    throw new Error(`migration ${migration.name} failed; nothing of it was kept`, { cause: error });
  }
}

function lacksRights(cause: unknown): Problem {
  return new Problem(
    {
      code: 'bad-configuration',
      message: `The role in DATABASE_URL may not prepare the database: ${(cause as Error).message}.`,
      remedy:
        'Let it own the database and be a member of the role rollcall_app; docs/operations.md says how, and who can grant that.',
    },
    { cause },
  );
}

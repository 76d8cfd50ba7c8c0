import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrate } from '../../src/store/migrate.ts';
import { asOwner, type FreshDatabase, freshDatabase } from '../support/database.ts';

const ROOT = join(import.meta.dirname, '..', '..');

let database: FreshDatabase;
beforeAll(async () => {
  database = await freshDatabase({ migrated: false });
});
afterAll(() => database.drop());

/** In a process of its own; gives how many migrations it applied. */
async function migrateElsewhere(url: string): Promise<number> {
  const program = `
    const { migrate } = await import('./src/store/migrate.ts');
    process.stdout.write(String((await migrate(process.env.URL_TO_MIGRATE)).applied.length));`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: ROOT,
    env: { ...process.env, URL_TO_MIGRATE: url },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (text: Buffer) => {
    said += text.toString();
  });
  const [code] = await once(child, 'close');
  expect(code).toBe(0);
  return Number(said);
}

/** As an install of the version before the migration of that stamp left it. */
async function migrateBefore(url: string, stamp: string): Promise<void> {
  const folder = join(ROOT, 'prisma', 'migrations');
  const names = (await readdir(folder)).filter((name) => /^\d/.test(name) && name < stamp).sort();
  await asOwner(url, async (client) => {
    await client.query(`CREATE TABLE _prisma_migrations (
      id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz, migration_name varchar(255) NOT NULL,
      logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0)`);
    for (const name of names) {
      const sql = await readFile(join(folder, name, 'migration.sql'), 'utf8');
      await client.query(sql);
      await client.query(
        'INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at) VALUES (gen_random_uuid(), $1, $2, now())',
        [createHash('sha256').update(sql).digest('hex'), name],
      );
    }
  });
}

it('Migrations have a stamp each, by which their order is the same everywhere', async () => {
  const folders = (await readdir(join(ROOT, 'prisma', 'migrations'))).filter((name) => /^\d/.test(name));
  const stamps = folders.map((name) => name.split('_', 1)[0]);
  const shared = folders.filter((_, at) => stamps.indexOf(stamps[at]) !== stamps.lastIndexOf(stamps[at]));
  // These two were there before anybody looked, and what has been applied somewhere keeps its name.
  expect(shared.sort()).toEqual(['20261122095100_authorization_facts', '20261122095100_issuers']);
});

describe('migrate', () => {
  it('applies every migration exactly once when two processes start at the same moment', async () => {
    const applied = await Promise.all([migrateElsewhere(database.url), migrateElsewhere(database.url)]);
    const { rows } = await asOwner(database.url, (client) =>
      client.query('SELECT migration_name, finished_at FROM _prisma_migrations'),
    );
    expect(rows.length).toBeGreaterThan(0);
    expect([...applied].sort()).toEqual([0, rows.length]);
    expect(rows.every((row) => row.finished_at !== null)).toBe(true);
  });

  it('has nothing to do the second time, and leaves one root', async () => {
    expect(await migrate(database.url)).toEqual({ applied: [], wasEmpty: false });
    const { rows } = await asOwner(database.url, (client) => client.query('SELECT parent_id FROM tenant'));
    expect(rows).toEqual([{ parent_id: null }]);
  });

  it('refuses a database that a newer version migrated, and changes nothing in it', async () => {
    const newer = await freshDatabase();
    const insert = `INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at)
      VALUES ('x', 'y', '29990101000000_later', now())`;
    await asOwner(newer.url, (client) => client.query(insert));
    await expect(migrate(newer.url)).rejects.toMatchObject({ code: 'database-newer' });
    await newer.drop();
  });

  it('refuses a migration that was altered after it was applied', async () => {
    const altered = await freshDatabase();
    await asOwner(altered.url, (client) => client.query(`UPDATE _prisma_migrations SET checksum = 'other'`));
    await expect(migrate(altered.url)).rejects.toMatchObject({ code: 'database-newer' });
    await altered.drop();
  });

  it('asks for the role rollcall_app where the owner is no member of it, and works for one who is', async () => {
    const { url, drop } = await freshDatabase({ migrated: false });
    const owner = `owner_${randomBytes(4).toString('hex')}`;
    const asRestricted = Object.assign(new URL(url), { username: owner, password: 'x' }).href;
    await asOwner(url, async (client) => {
      await client.query(`CREATE ROLE ${owner} LOGIN PASSWORD 'x'`);
      await client.query(`ALTER DATABASE ${new URL(url).pathname.slice(1)} OWNER TO ${owner}`);
      await client.query(`ALTER SCHEMA public OWNER TO ${owner}`);
    });
    await expect(migrate(asRestricted)).rejects.toMatchObject({ code: 'bad-configuration' });
    await asOwner(url, (client) => client.query(`GRANT rollcall_app TO ${owner}`));
    expect(await migrate(asRestricted)).toMatchObject({ wasEmpty: true });
    await asOwner(url, async (client) => {
      await client.query(
        `REASSIGN OWNED BY ${owner} TO CURRENT_USER; DROP OWNED BY ${owner}; DROP ROLE ${owner}`,
      );
    });
    await drop();
  });

  it('takes over auth users whose names, numbers and sign-in names are longer than any index takes', async () => {
    const { url, drop } = await freshDatabase({ migrated: false });
    await migrateBefore(url, '20261122141000');
    const long = randomBytes(5_000).toString('hex');
    await asOwner(url, (client) =>
      client.query(
        `INSERT INTO auth_user (id, tenant_id, state, user_name, display_name, attributes)
         SELECT gen_random_uuid(), id, 'suspended', $1::text, $1::text, jsonb_build_object('employeeId', $1::text) FROM tenant`,
        [long],
      ),
    );
    expect((await migrate(url)).applied).toContain('20261122141000_matching_keys');
    const { rows } = await asOwner(url, (client) =>
      client.query('SELECT user_name, employee_key, user_name_key, name_key FROM auth_user'),
    );
    expect(rows).toEqual([
      { user_name: long, employee_key: null, user_name_key: null, name_key: long.slice(0, 200) },
    ]);
    await drop();
  });

  it('says without the password which database cannot be reached', async () => {
    const failure = await migrate('postgres://rollcall:hunter2@127.0.0.1:1/none').catch((error) => error);
    expect(failure).toMatchObject({ code: 'database-unreachable' });
    expect(`${failure.message} ${failure.remedy}`).toContain('127.0.0.1:1/none');
    expect(`${failure.message} ${failure.remedy}`).not.toContain('hunter2');
  });
});

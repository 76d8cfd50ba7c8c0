import pg from 'pg';
import { expect, it } from 'vitest';
import { aCommandLine } from './commandLine.ts';

const { env, run, ok } = aCommandLine('external');

/** What doctor says about the role while a session of that role has made this. */
async function beside(statement: string): Promise<{ code: number | null; line: string | undefined }> {
  const session = new pg.Client({ connectionString: env['DATABASE_URL'] });
  await session.connect();
  try {
    await session.query(`GRANT CREATE ON SCHEMA public TO rollcall_app`);
    await session.query('SET ROLE rollcall_app');
    await session.query(statement);
    const { code, stdout } = await run('doctor');
    return { code, line: /^.* {2}role .*$/m.exec(stdout)?.[0] };
  } finally {
    await session.end();
  }
}

it('finds nothing wrong with the temporary tables that a worker fills while it runs', async () => {
  await ok('tenants');
  const { code, line } = await beside('CREATE TEMP TABLE page_of_users (id text)');
  expect(line).toMatch(/^ok {4}role .*owns no table/);
  expect(code).toBe(0);
});

it('fails when the role owns a table that stays, which row-level security would not bind it in', async () => {
  const { code, line } = await beside('CREATE TABLE left_behind (id text)');
  expect(line).toMatch(/^fail {2}role .*owns 1 tables/);
  expect(code).toBe(1);
});

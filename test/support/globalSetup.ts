/** One PostgreSQL for the whole run, with a migrated database that each test file clones. */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { joinEmbeddedPostgres } from '../../src/store/embedded.ts';
import { migrate } from '../../src/store/migrate.ts';
import { databaseAt } from './database.ts';

declare module 'vitest' {
  interface ProvidedContext {
    readonly postgres: {
      /** Of a role that may make databases. */
      readonly url: string;
      /** The database to clone. */
      readonly template: string;
    };
  }
}

/** Uses the server at DATABASE_URL where that is set. Gives back what takes everything away again. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await findServer();
  const template = `rollcall_template_${randomBytes(6).toString('hex')}`;
  try {
    await execute(server.url, `CREATE DATABASE ${template}`);
    await migrate(databaseAt(server.url, template));
  } catch (error) {
    await server.stop();
    throw error;
  }
  project.provide('postgres', { url: server.url, template });
  return async () => {
    await execute(server.url, `DROP DATABASE ${template}`);
    await server.stop();
  };
}

type Server = { readonly url: string; stop(): Promise<void> };

async function findServer(): Promise<Server> {
  const given = process.env['DATABASE_URL'] ?? '';
  if (given !== '') return { url: given, stop: async () => {} };
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-test-'));
  chmodSync(folder, 0o755); // run by root, PostgreSQL works as another user, who has to get in
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    const server = await joinEmbeddedPostgres(folder, { unsafeAndFast: true });
    const stop = async () => {
      await server.leave();
      remove();
    };
    return { url: server.url, stop };
  } catch (error) {
    remove();
    throw error;
  }
}

async function execute(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

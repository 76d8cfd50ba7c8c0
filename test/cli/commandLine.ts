/** The command on an install of one test file's own, which is thrown away when the file is done. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import type { Simulator } from '../../simulators/start.ts';
import { joinEmbeddedPostgres } from '../../src/store/embedded.ts';
import { migrate } from '../../src/store/migrate.ts';
import { freshDatabase } from '../support/database.ts';
import { aFolder, aStandingCommand, type Ended } from './command.ts';

/**
 * `embedded` comes with Rollcall: whichever process is there first starts it, the last one stops it. `held` is the same, running all
 * the time, so that each command joins it. `external` is one of the tests' own server, named by DATABASE_URL.
 */
type Database = 'embedded' | 'held' | 'external';

export function aCommandLine(database: Database = 'held') {
  /** What each call sets; a test may set more. */
  const env: Record<string, string> = {};
  const folder = aFolder();
  const data = join(folder.path, 'data');
  let leave = async () => {};
  const command = aStandingCommand();
  beforeAll(async () => {
    if (database === 'held') {
      mkdirSync(data, { mode: 0o755 });
      const postgres = await joinEmbeddedPostgres(data, { unsafeAndFast: true });
      leave = postgres.leave;
      await migrate(postgres.url); // the first command of a test is not the first of its install
    }
    if (database === 'external') {
      const fresh = await freshDatabase();
      env['DATABASE_URL'] = fresh.url;
      env['ROLLCALL_DATA'] = data;
      env['ROLLCALL_SECRET_KEY'] = randomBytes(32).toString('base64');
      leave = fresh.drop;
    }
  });
  afterAll(async () => {
    await command.end();
    await leave();
    folder.remove();
  });

  const where = database === 'external' ? [] : ['--data', data]; // which would name the embedded one, whatever DATABASE_URL says
  const run = (...args: string[]): Promise<Ended> => command.run([...args, ...where], env);

  /** It ends well, whatever it says. */
  async function ok(...args: string[]): Promise<Ended> {
    const ended = await run(...args);
    expect(ended, ended.stderr).toMatchObject({ code: 0 });
    return ended;
  }

  /** It ends well and has nothing to remark on standard error. */
  async function said(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await run(...args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout;
  }

  const json = async (...args: string[]) => JSON.parse(await said(...args, '--json'));

  /** A file beside the data; its path. */
  function file(name: string, content: string): string {
    const path = join(folder.path, name);
    writeFileSync(path, content);
    return path;
  }

  /** The options by which a connection reaches a simulator that takes a token. */
  function reach({ origin, ca, credentials }: Simulator): string[] {
    const token = file('token', String(credentials['token']));
    return ['--url', origin, '--ca', file('ca.pem', ca), '--token-file', token];
  }

  return { folder: folder.path, data, env, run, ok, said, json, file, reach };
}

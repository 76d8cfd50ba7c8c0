import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { entraPermissions } from '../../simulators/entra/entra.ts';
import { type Simulator, startSimulator } from '../../simulators/start.ts';
import { type FreshDatabase, freshDatabase } from '../support/database.ts';
import { aFolder, type Ended, rollcall } from './command.ts';

const folder = aFolder();
let simulator: Simulator;
let database: FreshDatabase;
let env: Record<string, string>;
let secretFile: string;

const run = (...args: string[]): Promise<Ended> => rollcall(args, { env });

function file(name: string, content: unknown): string {
  const path = join(folder.path, name);
  writeFileSync(path, String(content));
  return path;
}

beforeAll(async () => {
  const permissions = [...entraPermissions, 'Member.Read.Hidden'];
  simulator = await startSimulator('entra', { users: 12, groups: 2, plain: true, permissions });
  database = await freshDatabase();
  env = {
    DATABASE_URL: database.url,
    ROLLCALL_DATA: join(folder.path, 'data'),
    ROLLCALL_SECRET_KEY: randomBytes(32).toString('base64'),
  };
  const { settings, credentials, origin, ca } = simulator;
  secretFile = file('secret', credentials['clientSecret']);
  const reach = ['--url', origin, '--ca', file('ca.pem', ca), '--client-secret-file', secretFile];
  const ids = [
    '--directory-id',
    String(settings['directoryId']),
    '--client-id',
    String(settings['clientId']),
  ];
  const mapping = ['--mapping', file('mapping.json', JSON.stringify({ everyone: ['member'], groups: [] }))];
  expect(await run('tenants', 'add', 'Harbor')).toMatchObject({ code: 0 });
  const added = ['connections', 'add', 'Harbor Entra', '--tenant', 'Harbor', '--provider', 'entra'];
  expect(await run(...added, ...ids, ...reach, ...mapping)).toMatchObject({ code: 0 });
}, 120_000);

afterAll(async () => {
  await simulator.close();
  await database.drop();
  folder.remove();
});

it('A lost permission is told with its remedy, which ends it; the table of runs says why and which were deltas', {
  timeout: 120_000,
}, async () => {
  expect(await run('sync', 'Harbor Entra')).toMatchObject({ code: 0 });
  expect(await run('sync', 'Harbor Entra')).toMatchObject({ code: 0 });
  await simulator.control.permissions(entraPermissions);
  const partial = await run('sync', 'Harbor Entra', '--full');
  expect(partial).toMatchObject({ code: 1, stdout: expect.stringContaining('only part of the directory') });
  expect(partial.stdout).toMatch(/remedy: .*enter the credentials again.* ones to compare with/);
  expect(
    await run('connections', 'update', 'Harbor Entra', '--client-secret-file', secretFile),
  ).toMatchObject({
    code: 0,
  });
  expect(await run('sync', 'Harbor Entra', '--full')).toMatchObject({
    code: 0,
    stdout: expect.not.stringContaining('remedy'),
  });
  const listed = await run('runs');
  const lines = listed.stdout.trimEnd().split('\n');
  expect(lines.map((line) => /finished +(\S+)/.exec(line)?.[1])).toEqual([
    undefined,
    'complete',
    'permission-lost',
    'delta',
    'complete',
  ]);
  expect(lines[0]).toMatch(/ state +read +users /);
});

import { afterAll, beforeAll, expect, it } from 'vitest';
import { entraPermissions } from '../../simulators/entra/entra.ts';
import { type Simulator, startSimulator } from '../../simulators/start.ts';
import { aCommandLine } from './commandLine.ts';

const { run, ok, file } = aCommandLine('external');
let simulator: Simulator;
let secretFile: string;

beforeAll(async () => {
  const permissions = [...entraPermissions, 'Member.Read.Hidden'];
  simulator = await startSimulator('entra', { users: 12, groups: 2, plain: true, permissions });
  const { settings, credentials, origin, ca } = simulator;
  secretFile = file('secret', String(credentials['clientSecret']));
  const reach = ['--url', origin, '--ca', file('ca.pem', ca), '--client-secret-file', secretFile];
  const ids = [
    '--directory-id',
    String(settings['directoryId']),
    '--client-id',
    String(settings['clientId']),
  ];
  const mapping = ['--mapping', file('mapping.json', JSON.stringify({ everyone: ['member'], groups: [] }))];
  await ok('tenants', 'add', 'Harbor');
  const added = ['connections', 'add', 'Harbor Entra', '--tenant', 'Harbor', '--provider', 'entra'];
  await ok(...added, ...ids, ...reach, ...mapping);
}, 120_000);
afterAll(() => simulator.close());

it('A lost permission is told with its remedy, which ends it; the table of runs says why and which were deltas', {
  timeout: 120_000,
}, async () => {
  await ok('sync', 'Harbor Entra');
  await ok('sync', 'Harbor Entra');
  await simulator.control.permissions(entraPermissions);
  const partial = await run('sync', 'Harbor Entra', '--full');
  expect(partial).toMatchObject({ code: 1, stdout: expect.stringContaining('only part of the directory') });
  expect(partial.stdout).toMatch(/remedy: .*enter the credentials again.* ones to compare with/);
  await ok('connections', 'update', 'Harbor Entra', '--client-secret-file', secretFile);
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

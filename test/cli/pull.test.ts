import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type Provider, SIMULATED } from '../../simulators/directory.ts';
import { type Simulator, startSimulator } from '../../simulators/start.ts';
import { aFolder, type Ended, rollcall } from './command.ts';

const folder = aFolder();
const simulators: Record<Provider, Simulator> = {} as never;

beforeAll(async () => {
  for (const provider of SIMULATED) {
    simulators[provider] = await startSimulator(provider, { users: 250, seed: 8 });
  }
  writeFileSync(join(folder.path, 'token'), `${simulators.okta.credentials['token']}\n`);
  writeFileSync(join(folder.path, 'scim-token'), `${simulators.scim.credentials['token']}\n`);
  writeFileSync(join(folder.path, 'secret'), `${simulators.entra.credentials['clientSecret']}\n`);
  writeFileSync(join(folder.path, 'key.json'), JSON.stringify(simulators.google.credentials));
});

afterAll(async () => {
  for (const simulator of Object.values(simulators)) await simulator.close();
  folder.remove();
});

beforeEach(() => simulators.okta.control.clearFaults());

const out = (name: string) => join(folder.path, name);

function pull(provider: Provider, ...more: string[]): Promise<Ended> {
  const { origin, ca, settings } = simulators[provider];
  writeFileSync(out(`${provider}.pem`), ca);
  const own = {
    entra: [
      '--directory-id',
      String(settings['directoryId']),
      '--client-id',
      String(settings['clientId']),
      '--client-secret-file',
      out('secret'),
    ],
    okta: ['--token-file', out('token')],
    google: ['--admin-email', String(settings['adminEmail']), '--service-account-file', out('key.json')],
    scim: ['--token-file', out('scim-token')],
  };
  const url = provider === 'scim' ? `${origin}/scim/v2` : origin;
  const reach = ['--provider', provider, '--url', url, '--ca', out(`${provider}.pem`), ...own[provider]];
  return rollcall(['pull', ...reach, ...more]);
}

function lines(
  name: string,
): { externalId: string; state: string; email: string; groups?: { name: string }[] }[] {
  return readFileSync(out(name), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

it.each(SIMULATED)('reads a whole %s directory with its groups into a file of its own', async (provider) => {
  const name = `${provider}.ndjson`;
  const ended = await pull(provider, '--out', out(name), '--json');
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  const summary = JSON.parse(ended.stdout);
  const users = lines(name);
  expect(summary).toMatchObject({
    complete: true,
    file: out(name),
    users: users.length,
    unreadable: 0,
    failure: null,
  });
  const { listed } = (await simulators[provider].control.state()).users;
  expect(users.length).toBeGreaterThanOrEqual(listed);
  expect(new Set(users.map((user) => user.externalId)).size).toBe(users.length);
  const administrator = users.find((user) => user.state !== 'deprovisioned'); // the first person of all
  expect(administrator?.groups?.map((group) => group.name)).toContain('Administrators');
  expect(statSync(out(name)).mode & 0o777).toBe(0o600);
  expect(existsSync(`${out(name)}.partial`)).toBe(false);
});

it('leaves groups out on request, and takes the token from the environment', async () => {
  const { origin } = simulators.okta;
  const args = [
    'pull',
    '--provider',
    'okta',
    '--url',
    origin,
    '--ca',
    out('okta.pem'),
    '--no-groups',
    '--out',
    out('plain.ndjson'),
  ];
  const ended = await rollcall(args, {
    env: { ROLLCALL_PULL_TOKEN: String(simulators.okta.credentials['token']) },
  });
  expect(ended.code).toBe(0);
  expect(lines('plain.ndjson')[0]).not.toHaveProperty('groups');
});

it('keeps what it read of a directory that stops half way, says so, and leaves the earlier file alone', async () => {
  expect(await pull('okta', '--no-groups', '--out', out('kept.ndjson'))).toMatchObject({ code: 0 });
  const before = readFileSync(out('kept.ndjson'), 'utf8');
  await simulators.okta.control.fault({ name: 'status-403', on: 'users', nth: 2, times: null });
  const ended = await pull('okta', '--no-groups', '--out', out('kept.ndjson'), '--json');
  expect(ended.code).toBe(1);
  expect(ended.stderr).toMatch(
    /only part of the directory was read[\s\S]*mended by: the administrator[\s\S]*remedy:/,
  );
  const summary = JSON.parse(ended.stdout);
  expect(summary).toMatchObject({
    complete: false,
    file: out('kept.ndjson.partial'),
    failure: { kind: 'permission-missing' },
  });
  expect(lines('kept.ndjson.partial')).toHaveLength(summary.users);
  expect(summary.users).toBeGreaterThan(0);
  expect(readFileSync(out('kept.ndjson'), 'utf8')).toBe(before);
});

it('does not follow pages in a circle', async () => {
  await simulators.okta.control.fault({ name: 'looping-link', on: 'users' });
  const ended = await pull('okta', '--no-groups', '--out', out('circle.ndjson'));
  expect(ended).toMatchObject({ code: 1, stderr: expect.stringContaining('only part of the directory') });
});

it('writes a record that it cannot read as what it is', async () => {
  await simulators.okta.control.fault({ name: 'unreadable-record', on: 'users' });
  const ended = await pull('okta', '--no-groups', '--out', out('odd.ndjson'), '--json');
  const { users, unreadable } = JSON.parse(ended.stdout);
  expect(unreadable).toBeGreaterThan(0);
  expect(lines('odd.ndjson').filter((line) => 'problem' in line)).toHaveLength(unreadable);
  expect(lines('odd.ndjson')).toHaveLength(users + unreadable);
  expect(ended.code).toBe(1);
  expect(ended.stderr).toMatch(/^unreadable: user \S+: /);
});

it('waits for a file that was written just now, and says so', async () => {
  writeFileSync(out('people.json'), '[{"id": "1", "email": "ada@harbor.example"}]');
  const columns = { externalId: 'id', email: 'email' };
  const settings = { file: 'people.json', format: 'json', columns, quietSeconds: 3 };
  writeFileSync(out('settings.json'), JSON.stringify(settings));
  const of = ['--provider', 'file', '--settings-file', out('settings.json'), '--no-groups'];
  const ended = await rollcall(['pull', ...of, '--out', out('people.ndjson')], { cwd: folder.path });
  expect(ended).toMatchObject({ code: 0, stdout: expect.stringContaining('1 user') });
  expect(ended.stderr).toContain('until nobody has written to it for 3 s');
});

it('leaves it to whoever types it to try an address again that does not answer', async () => {
  const at = ['--provider', 'okta', '--url', 'https://127.0.0.1:1', '--token-file', out('token')];
  const ended = await rollcall(['pull', ...at, '--out', out('nowhere.ndjson')]);
  expect(ended).toMatchObject({ code: 1, stderr: expect.stringMatching(/mended by: you\n.*\(--url\)/) });
  expect(ended.stderr).not.toContain('next run');
});

it('leaves no file where nothing could be read', async () => {
  await simulators.okta.control.fault({ name: 'status-401', times: null });
  const ended = await pull('okta', '--out', out('none.ndjson'));
  expect(ended).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('does not accept the credential'),
  });
  expect(existsSync(out('none.ndjson')) || existsSync(out('none.ndjson.partial'))).toBe(false);
});

it('names what is wrong with its options before it reads anything', async () => {
  const url = simulators.okta.origin;
  const noFile = await rollcall([
    'pull',
    '--provider',
    'okta',
    '--url',
    url,
    '--token-file',
    out('missing'),
    '--out',
    out('x'),
  ]);
  expect(noFile).toMatchObject({ code: 2, stderr: expect.stringContaining('--token-file') });
  const noUrl = await rollcall([
    'pull',
    '--provider',
    'okta',
    '--token-file',
    out('token'),
    '--out',
    out('x'),
  ]);
  expect(noUrl).toMatchObject({ code: 2, stderr: expect.stringContaining('settings.orgUrl: missing') });
  const noFolder = await pull('okta', '--out', out('missing/x'));
  expect(noFolder).toMatchObject({ code: 2, stderr: expect.stringContaining('--out') });
});

it('reads a file below the folder that it is started in, without a key and without an install', async () => {
  writeFileSync(out('people.csv'), 'nr;mail;teams\n1;a@acme.example;Staff\n2;;\n');
  writeFileSync(
    out('people.json'),
    JSON.stringify({
      file: 'people.csv',
      format: 'csv',
      delimiter: ';',
      columns: { externalId: 'nr', email: 'mail' },
      groups: { column: 'teams' },
      quietSeconds: 0,
    }),
  );
  const pulling = (...more: string[]) =>
    rollcall(
      ['pull', '--provider', 'file', '--settings-file', 'people.json', '--out', 'file.ndjson', ...more],
      {
        cwd: folder.path,
      },
    );
  expect(await pulling()).toMatchObject({ code: 0, stdout: expect.stringContaining('2 users and 1 group') });
  expect(lines('file.ndjson')).toMatchObject([
    { externalId: '1', email: 'a@acme.example', groups: [{ name: 'Staff' }] },
    { externalId: '2', email: null, groups: [] },
  ]);
  expect(await pulling('--file', '../people.csv')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('settings.file: must be a path below the folder of files'),
  });
});

import { existsSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Simulator, startSimulator } from '../../simulators/start.ts';
import { aFolder, type Ended, rollcall } from './command.ts';
import { aCommandLine } from './commandLine.ts';

const { folder, data, run, ok, file } = aCommandLine();
const secret = 'not-the-right-token-4711';
let simulator: Simulator;

beforeAll(async () => {
  simulator = await startSimulator('okta', { users: 10, seed: 6 });
  await ok('tenants', 'add', 'Harbor');
});
afterAll(() => simulator.close());

const token = () => ['--token-file', file('token', secret)];
const okta = () => ['--tenant', 'Harbor', '--provider', 'okta'];
/** Adds a connection X to Okta, with a token and what else it is given. */
const addX = (...more: string[]) => run('connections', 'add', 'X', ...okta(), ...token(), ...more);

/** One message, who mends it, how; and the exit code. */
function refused({ code, stdout, stderr }: Ended, wanted: { code: number; message: RegExp; remedy: RegExp }) {
  expect(stderr).toMatch(wanted.message);
  expect(stderr).toMatch(wanted.remedy);
  expect(stderr.match(/^error: /gm)).toHaveLength(1);
  expect(stderr).toMatch(/^ {2}can be mended by: \w+/m);
  expect(stderr).not.toContain(secret);
  expect(stderr).not.toMatch(/^\s+at /m); // no stack
  expect(stdout).toBe('');
  expect(code).toBe(wanted.code);
}

async function connections(): Promise<string[]> {
  const { stdout } = await run('connections', 'list', '--json');
  return JSON.parse(stdout).items.map((one: { name: string }) => one.name);
}

describe('a connection is not added', { timeout: 60_000 }, () => {
  it('for an unknown provider', async () => {
    const ended = await run(
      'connections',
      'add',
      'X',
      '--tenant',
      'Harbor',
      '--provider',
      'oktaa',
      ...token(),
    );
    refused(ended, { code: 2, message: /no provider "oktaa"/, remedy: /entra, okta, google/ });
  });

  it('without credentials, or with two kinds of them', async () => {
    const none = await run('connections', 'add', 'X', ...okta(), '--url', simulator.origin);
    const own = /For okta give --token-file, or --private-key-file with --key-id, or --credentials-file\./;
    refused(none, { code: 2, message: /No credentials/, remedy: own });
    const two = await addX('--client-secret-file', join(folder, 'token'));
    refused(two, { code: 2, message: /More than one kind/, remedy: /Give one/ });
  });

  it('with another provider’s credentials, which are called as they were typed', async () => {
    const entra = ['--tenant', 'Harbor', '--provider', 'entra', '--directory-id', 'ID', '--client-id', 'ID'];
    refused(await run('connections', 'add', 'X', ...entra, ...token()), {
      code: 2,
      message: /--token-file is no credential of the provider entra/,
      remedy: /For entra give --client-secret-file, or --private-key-file with certificate and key, or/,
    });
  });

  it('with settings, a schedule or a mapping that cannot be, and then nothing is stored', async () => {
    const address = await addX('--url', 'http://harbor.example');
    refused(address, { code: 2, message: /settings\.orgUrl/, remedy: /Correct settings\.orgUrl/ });
    const schedule = await addX('--url', simulator.origin, '--schedule', 'hourly');
    refused(schedule, { code: 2, message: /schedule.*cron/, remedy: /schedule/ });
    const mapping = file('mapping.json', '{"everyone": "member"');
    const broken = await addX('--url', simulator.origin, '--mapping', mapping);
    refused(broken, { code: 2, message: /--mapping.*not a JSON object/, remedy: /docs\/cli\.md/ });
    expect(await connections()).toEqual([]);
  });

  it('for a tenant that is not there', async () => {
    const ended = await run(
      'connections',
      'add',
      'X',
      '--tenant',
      'Nobody',
      '--provider',
      'okta',
      '--url',
      simulator.origin,
      ...token(),
    );
    refused(ended, { code: 2, message: /There is no tenant “Nobody”/, remedy: /list of tenants/ });
  });
});

describe('a directory is not read', { timeout: 60_000 }, () => {
  it('with a wrong credential: the test says so, the run fails, and no change waits', async () => {
    const reach = ['--url', simulator.origin, '--ca', file('ca.pem', simulator.ca), ...token()];
    expect(await run('connections', 'add', 'Wrong', ...okta(), ...reach)).toMatchObject({ code: 0 });
    const tested = await run('connections', 'test', 'Wrong');
    expect(tested).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/fail {2}credential[\s\S]*remedy: /),
    });
    const synced = await run('sync', 'Wrong', '--json');
    expect(synced.code).toBe(1);
    const [failed] = JSON.parse(synced.stdout).runs;
    expect(failed).toMatchObject({
      state: 'failed',
      counts: null,
      failure: { kind: 'credentials-rejected' },
    });
    expect(JSON.parse((await run('changes', '--json')).stdout).items).toEqual([]);
  });

  it('whose host cannot be reached, and the other connection is read all the same', async () => {
    const closed = ['--url', 'https://127.0.0.1:1', ...token()];
    expect(await run('connections', 'add', 'Far', ...okta(), ...closed)).toMatchObject({ code: 0 });
    const right = file('right', String(simulator.credentials['token']));
    expect(await run('connections', 'update', 'Wrong', '--token-file', right)).toMatchObject({ code: 0 });
    const synced = await run('sync', '--all', '--json');
    expect(synced.code).toBe(1);
    const states = JSON.parse(synced.stdout).runs.map((one: { name: string; state: string }) => [
      one.name,
      one.state,
    ]);
    expect(states.sort()).toEqual([
      ['Far', 'failed'],
      ['Wrong', 'finished'],
    ]);
    const again = await run('sync', 'Far');
    expect(again.stderr).toContain('a simulator that was there has ended, or its demo. Start that again.');
  });
});

describe('a command is not carried out', { timeout: 60_000 }, () => {
  it('that does not exist, and the nearest one is named', async () => {
    const ended = await run('changs');
    expect(ended).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('Did you mean changes?'),
    });
    const below = await run('tenants', 'lst');
    expect(below).toMatchObject({ code: 2, stdout: '' });
    expect(below.stderr).toBe("error: unknown command 'lst'\n(Did you mean list?)\n");
    expect((await run('tenants', 'show', 'Habor')).stderr).toContain('Is “Harbor” meant?');
    expect((await run('connections', 'show', 'wron')).stderr).toContain('Is “Wrong” meant?');
    const unknown = [
      ['nonsense', '--help'],
      ['help', 'nonsense'],
      ['notifications', 'channels', 'nonsense', 'IT'],
    ];
    for (const typed of unknown)
      expect(await run(...typed)).toMatchObject({
        ...{ code: 2, stdout: '', stderr: "error: unknown command 'nonsense'\n" },
      });
    const lists = await run('tenants', 'lst', '--help', '--json');
    expect([lists.code, JSON.parse(lists.stdout).error.code]).toEqual([2, 'invalid-input']);
    expect(await run('runs', '--limit', 'many')).toMatchObject({ code: 2, stdout: '' });
    expect(await run('sync')).toMatchObject({ code: 2, stderr: expect.stringContaining('--all') });
  });

  it('and with --json the one document on standard output says why', async () => {
    const ended = await run('show', 'nonsense', '--json');
    expect(ended.code).toBe(2);
    expect(JSON.parse(ended.stdout)).toEqual({
      error: { code: 'not-found', message: expect.any(String), remedy: expect.any(String), who: 'caller' },
    });
    const usage = await run('approve', '--set', 'none', '--json');
    expect(JSON.parse(usage.stdout)).toMatchObject({ error: { code: 'invalid-input', who: 'caller' } });
  });

  it('in an environment that is malformed, without repeating its values', async () => {
    const env = { ROLLCALL_PORT: 'eighty', DATABASE_URL: 'mysql://u:hidden@h/d' };
    const ended = await rollcall(['tenants'], { env });
    refused(ended, { code: 2, message: /ROLLCALL_PORT/, remedy: /docs\/configuration\.md/ });
    expect(ended.stderr).toContain('DATABASE_URL');
    expect(ended.stderr).not.toContain('hidden');
  });

  it('when the database is down', async () => {
    const env = { DATABASE_URL: 'postgres://someone:hidden@127.0.0.1:1/rollcall', ROLLCALL_DATA: data };
    const ended = await rollcall(['tenants'], { env });
    refused(ended, {
      code: 1,
      message: /127\.0\.0\.1:1\/rollcall cannot be reached/,
      remedy: /Start PostgreSQL/,
    });
    expect(ended.stderr).not.toContain('hidden');
    const doctor = await rollcall(['doctor'], { env });
    expect(doctor).toMatchObject({ code: 1, stdout: expect.stringMatching(/^fail {2}database/m) });
  });

  it('in a data folder that cannot be one, and nothing is left there', async () => {
    const occupied = file('a-file', '');
    const before = readdirSync(folder);
    const ended = await rollcall(['tenants', '--data', join(occupied, 'data')]);
    refused(ended, {
      code: 1,
      message: /data folder .* cannot be used/,
      remedy: /Give this user the right|ROLLCALL_DATA/,
    });
    expect(readdirSync(folder)).toEqual(before);
  });

  it('when the port is in use: the daemon does not start, and its database stops again', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    const fresh = aFolder();
    try {
      const env = { ROLLCALL_PORT: String(port), ROLLCALL_LOG_LEVEL: 'silent' };
      const ended = await rollcall(['start', '--data', join(fresh.path, 'data')], { env });
      refused(ended, { code: 1, message: /port \d+ of 127\.0\.0\.1/, remedy: /ROLLCALL_PORT/ });
      expect(existsSync(join(fresh.path, 'data', 'postgres', 'cluster', 'postmaster.pid'))).toBe(false);
    } finally {
      server.close();
      fresh.remove();
    }
  });

  it('by a daemon without any part', async () => {
    refused(await run('start', '--api-only', '--worker-only'), {
      code: 2,
      message: /nothing to start/,
      remedy: /one of them/,
    });
  });
});

describe('what is not there is named as it was typed, with the command that lists such things', () => {
  it.each([
    [
      'a tenant',
      ['tenants', 'show', 'Nope'],
      /tenant “Nope”/,
      /rollcall\.js --data \S+ tenants`.*id or name/,
    ],
    [
      'a connection',
      ['sync', 'Nope'],
      /connection “Nope”/,
      /rollcall\.js --data \S+ connections`.*id or name/,
    ],
    [
      'the tenant of a file',
      ['config', 'export', '--tenant', 'X'],
      /tenant “X”/,
      /rollcall\.js --data \S+ tenants`/,
    ],
    ['a principal', ['principals', 'disable', 'Nope'], /principal “Nope”/, /principals`.*id or name/],
    [
      'a product plan',
      ['product-plans', 'show', 'Nope'],
      /product plan “Nope”/,
      /product-plans`.*id or name/,
    ],
    ['a role', ['roles', 'show', 'nope'], /role “nope”/, /roles`.*use a name/],
    [
      'the user of an identity, whose issuer no connection may have',
      ['users', 'identify', '--issuer', 'https://id.example', '--subject', '1'],
      /no such user/,
      /whose issuer is null.*--issuer/,
    ],
  ])('%s', async (_, args, message, remedy) => {
    refused(await run(...args), { code: 2, message, remedy });
  });
});

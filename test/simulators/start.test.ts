import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { SIMULATED } from '../../simulators/directory.ts';
import { type SimulatorAccess, spawnSimulator, startSimulator } from '../../simulators/start.ts';
import { entraForm, everyPage, userList, visit } from './visitor.ts';

type Ended = { readonly code: number | null; readonly out: string; readonly err: string };

function run(...args: string[]) {
  const child = spawn(process.execPath, ['simulators/main.ts', ...args], { stdio: 'pipe' });
  let out = '';
  let err = '';
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  const ready = new Promise<string>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      if (out.includes('\n')) resolve(out);
    });
  });
  const ended = new Promise<Ended>((resolve) => child.once('close', (code) => resolve({ code, out, err })));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { child, ready, ended };
}

async function answers(origin: string): Promise<boolean> {
  const { hostname, port } = new URL(origin);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'simulator-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

it('prints one line of JSON with all that a connection needs, and hints elsewhere', async () => {
  for (const provider of SIMULATED) {
    const { child, ready, ended } = run(provider, '--users', '5');
    const line = JSON.parse(await ready) as SimulatorAccess & { control: { origin: string } };
    expect(line).toMatchObject({ provider, ca: expect.stringContaining('BEGIN CERTIFICATE') });
    expect(line.origin).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    expect(line.control.origin).toBe(line.origin);
    const keys = { ...line.settings, ...line.credentials };
    expect(Object.keys(keys).sort()).toEqual(
      {
        entra: ['clientId', 'clientSecret', 'cloud', 'directoryId', 'kind'],
        okta: ['clientId', 'kind', 'orgUrl', 'token'],
        google: ['adminEmail', 'clientEmail', 'customer', 'kind', 'privateKey'],
        scim: ['clientId', 'kind', 'scimUrl', 'token', 'tokenUrl'],
      }[provider],
    );
    child.kill('SIGTERM');
    const { code, out, err } = await ended;
    expect([code, out.trim().split('\n').length, err]).toEqual([0, 1, expect.stringContaining('_control')]);
    expect(await answers(line.origin)).toBe(false);
  }
});

it.each(['entra', 'ldap'])(
  'writes what a connection to %s needs into files, which only their owner reads',
  async (provider) => {
    const folder = join(await temporaryFolder(), 'access');
    const { ready } = run(provider, '--users', '5', '--out', folder);
    const { origin, ca, settings, credentials } = JSON.parse(await ready) as SimulatorAccess;
    const read = (name: string) => readFile(join(folder, name), 'utf8');
    expect((await read('url')).trim()).toBe(origin);
    expect(await read('ca.pem')).toBe(ca);
    expect(JSON.parse(await read('settings.json'))).toEqual(settings);
    expect(JSON.parse(await read('credentials.json'))).toEqual(credentials);
    expect((await readdir(folder)).sort()).toEqual(['ca.pem', 'credentials.json', 'settings.json', 'url']);
    expect((await stat(join(folder, 'credentials.json'))).mode & 0o077).toBe(0);
  },
);

it('ends when its standard input closes, if it was started with a parent', async () => {
  const { child, ready, ended } = run('okta', '--users=5', '--with-parent');
  await ready;
  child.stdin.end();
  expect((await ended).code).toBe(0);
});

it('says in one line that the port is in use, and exits 1', async () => {
  const first = await startSimulator('google', { users: 5 });
  onTestFinished(() => first.close());
  const { port } = new URL(first.origin);
  const { code, out, err } = await run('google', '--port', port).ended;
  expect([code, out]).toEqual([1, '']);
  expect(err).toBe(`Port ${port} is in use. Choose another with --port, or leave it out for any free one.\n`);
});

it.each([
  [['workday'], /workday/],
  [[], /entra, okta, google, scim or ldap/],
  [['entra', '--users', 'many'], /--users needs a whole number/],
  [['entra', '--port', '70000'], /--port/],
  [['scim', '--quirks', 'shuffled,haunted'], /scim has no quirk "haunted"/],
  [['okta', '--quirks', 'shuffled'], /okta has no quirk/],
  [['ldap', '--latency', '5'], /--latency: ldap/],
  [['ldap', '--quirks', 'shuffled'], /ldap has no quirk/],
  [['entra', '--usres', '5'], /--usres/],
  [['entra', '--users', '6000000'], /5000000/],
])('refuses %j with a sentence and points to --help', async (args, wanted) => {
  const { code, out, err } = await run(...args).ended;
  expect([code, out]).toEqual([1, '']);
  expect(err).toMatch(wanted);
  expect(err).toContain('--help');
  expect(err).not.toMatch(/\n\s+at /);
});

it('says in one line that a folder for its keys cannot be made', async () => {
  const { code, err } = await run('okta', '--users=5', '--ca-dir', '/dev/null/keys').ended;
  expect(code).toBe(1);
  expect(err).toMatch(/^ENOTDIR: .*\/dev\/null\/keys.*\n$/);
});

it('explains itself with --help', async () => {
  const { code, out } = await run('--help').ended;
  expect(code).toBe(0);
  expect(out).toContain('npm run --silent simulator -- entra --users 1200');
});

it('gives the same people, ids and secrets for the same seed, and others for another', async () => {
  const look = async (seed: number) => {
    const visitor = await visit('entra', { users: 60, seed });
    const users = await everyPage(visitor, userList.entra);
    return { users, settings: visitor.simulator.settings, form: entraForm(visitor) };
  };
  const [first, again, other] = [await look(3), await look(3), await look(4)];
  expect(again).toEqual(first);
  expect(other.settings['directoryId']).not.toBe(first.settings['directoryId']);
  expect(other.users).not.toEqual(first.users);
});

it('keeps its keys in a folder, also when several start there at once', async () => {
  const caDir = join(await temporaryFolder(), 'keys');
  const started = await Promise.all(
    (['entra', 'okta', 'google'] as const).map((provider) => startSimulator(provider, { users: 5, caDir })),
  );
  const later = await startSimulator('google', { users: 5, caDir });
  for (const simulator of [...started, later]) await simulator.close();
  expect(new Set([...started, later].map(({ ca }) => ca)).size).toBe(1);
  expect(later.credentials).toEqual(started[2]?.credentials);
});

it('runs in a process of its own, steered from here, until closed', async () => {
  const simulator = await spawnSimulator('okta', {
    users: 12,
    seed: 9,
    plain: true,
    groups: 4,
    latencyMs: 1,
  });
  const state = await simulator.control.state();
  expect(state).toMatchObject({ provider: 'okta', users: { listed: 12 }, groups: 4, latencyMs: 1 });
  const inside = await startSimulator('okta', { users: 12, seed: 9, plain: true, groups: 4 });
  expect((await inside.control.hire(2)).ids).toEqual((await simulator.control.hire(2)).ids);
  await inside.close();
  await simulator.close();
  expect(await answers(simulator.origin)).toBe(false);
});

it('rejects with the reason where a process of its own cannot start', async () => {
  const first = await startSimulator('okta', { users: 5 });
  onTestFinished(() => first.close());
  const port = Number(new URL(first.origin).port);
  await expect(spawnSimulator('okta', { port })).rejects.toThrow(/in use/);
});

it('counts requests by class, and tokens', async () => {
  const visitor = await visit('entra', { users: 5 });
  await visitor.get('/v1.0/users');
  await visitor.get('/v1.0/users/nobody');
  await visitor.get('/v1.0/nothing');
  const state = await visitor.simulator.control.state();
  expect(state.requests).toMatchObject({ token: 1, users: 1, user: 1, groups: 0, other: 1 });
  expect(state.tokensIssued).toBe(1);
  expect((await visitor.simulator.control.resetCounters()).requests).toMatchObject({ users: 0, token: 0 });
});

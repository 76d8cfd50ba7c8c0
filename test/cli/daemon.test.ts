import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Simulator, startSimulator } from '../../simulators/start.ts';
import { type Running, start } from './command.ts';
import { aCommandLine } from './commandLine.ts';

const { data, run, ok, reach } = aCommandLine('embedded');
let simulator: Simulator;
let daemon: Running;

beforeAll(async () => {
  simulator = await startSimulator('okta', { users: 30, seed: 9, plain: true, groups: 3 });
  daemon = start(['start', '--data', data], { env: { ROLLCALL_PORT: '0' } });
  await daemon.said('daemon.started');
});
afterAll(() => simulator.close());

it('serves commands beside it, which leave its database running', { timeout: 60_000 }, async () => {
  await ok('tenants', 'add', 'Harbor');
  const okta = ['--provider', 'okta', ...reach(simulator)];
  await ok('connections', 'add', 'Okta', '--tenant', 'Harbor', ...okta);
  expect(await run('tenants')).toMatchObject({ code: 0, stdout: expect.stringContaining('Harbor') });
});

it('makes a second sync of a connection wait for the first, and both end well', {
  timeout: 120_000,
}, async () => {
  await simulator.control.latency(2_500); // the first one must not be done before the second has started
  const first = start(['sync', 'Okta', '--json', '--data', data]);
  for (let asked = 0; (await simulator.control.state()).requests.groups === 0; asked++) {
    expect(asked).toBeLessThan(400);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const second = await run('sync', 'Okta', '--json');
  expect(second).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('is being run by another process'),
  });
  await simulator.control.latency(0);
  const runs = [...JSON.parse((await first.ended).stdout).runs, ...JSON.parse(second.stdout).runs];
  expect(runs.map((one: { state: string }) => one.state)).toEqual(['finished', 'finished']);
});

it('ends in order at SIGTERM, and its database with it', { timeout: 60_000 }, async () => {
  daemon.signal('SIGTERM');
  const { code, stdout } = await daemon.ended;
  expect(code).toBe(0);
  expect(existsSync(join(data, 'postgres', 'cluster', 'postmaster.pid'))).toBe(false);
  for (const line of stdout.trimEnd().split('\n')) expect(JSON.parse(line)).toHaveProperty('event');
  expect(stdout).not.toContain('brightwater.example'); // no addresses in the log
});

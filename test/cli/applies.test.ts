import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Simulator, startSimulator } from '../../simulators/start.ts';
import { aCommandLine } from './commandLine.ts';

const { ok, run, file } = aCommandLine('external');
let simulator: Simulator;

const policyFile = (apply: object) => file('policy.json', JSON.stringify({ apply }));

beforeAll(async () => {
  simulator = await startSimulator('okta', { users: 6, seed: 6 });
  const apply = { start: 'automatic', progressive: { first: { changes: 2 }, pauseMinutes: 60 } };
  await ok('tenants', 'add', 'Harbor');
  await ok(
    ...['connections', 'add', 'Harbor Okta', '--tenant', 'Harbor', '--provider', 'okta'],
    ...['--url', simulator.origin, '--ca', file('ca.pem', simulator.ca)],
    ...['--credentials-file', file('credentials.json', JSON.stringify(simulator.credentials))],
    ...['--policy', policyFile(apply)],
  );
}, 120_000);
afterAll(() => simulator.close());

async function syncAndApprove() {
  await ok('sync', 'Harbor Okta');
  const { items } = JSON.parse((await ok('changes', '--json')).stdout);
  const revision = String(Math.max(...items.map((change: { revision: number }) => change.revision)));
  return await ok(
    ...['approve', '--connection', 'Harbor Okta', '--all', '--revision', revision, '--reason', 'Looked at'],
  );
}

describe('rollcall applies', { timeout: 120_000 }, () => {
  it('shows what the policy began by itself, and goes on with it', async () => {
    const approved = await syncAndApprove();
    expect(approved.stdout).toMatch(
      /applied 2 of 6; paused: the first part is done; .* goes on by itself at /,
    );
    const { items } = JSON.parse((await ok('applies', '--json')).stdout);
    expect(items).toMatchObject([{ state: 'paused', by: 'policy', total: 6, done: 2 }]);
    const [{ id }] = items;
    expect(approved.stderr).toContain(`applies resume ${id}`);
    expect((await ok('applies')).stdout).toMatch(/Harbor Okta +paused +2\/6/);
    expect(await run('apply', 'Harbor Okta')).toMatchObject({
      code: 3,
      stderr: expect.stringContaining(`Apply ${id} of this connection is paused.`),
    });
    expect((await ok('applies', 'resume', id)).stdout).toContain('Harbor Okta: applied 6 of 6.');
    expect((await ok('applies', 'show', id)).stdout).toContain('finished, 6 of 6 changes done, by policy');
    expect(await run('applies', 'pause', id)).toMatchObject({
      code: 3,
      stderr: expect.stringContaining(`Apply ${id} is finished: only one that is running can be paused.`),
    });
  });

  it('says when what was approved will be applied, and lets it be cancelled and applied by hand', async () => {
    await ok(
      ...['connections', 'update', 'Harbor Okta'],
      ...['--policy', policyFile({ start: 'automatic', delayMinutes: 60 })],
    );
    await simulator.control.hire(2);
    const approved = await syncAndApprove();
    expect(approved.stdout).toMatch(/Harbor Okta: 2 approved, applied by the policy at \d{4}-/);
    const { items } = JSON.parse((await ok('applies', 'list', '--limit', '1', '--json')).stdout);
    const [{ id }] = items;
    expect(items).toMatchObject([{ state: 'waiting', halt: { because: 'delay' } }]);
    const cancelled = await ok('applies', 'cancel', id, '--reason', 'Too early', '--json');
    expect(JSON.parse(cancelled.stdout)).toMatchObject({ state: 'cancelled', halt: { reason: 'Too early' } });
    expect((await ok('apply', 'Harbor Okta')).stdout).toContain('Harbor Okta: applied 2 of 2.');
  });

  it('begins nothing in a freeze period, unless somebody says why it cannot wait', async () => {
    await simulator.control.hire(1);
    await syncAndApprove();
    const [{ id }] = JSON.parse((await ok('applies', 'list', '--limit', '1', '--json')).stdout).items;
    await ok('applies', 'cancel', id);
    const period =
      'freezes: [{ name: Year end, from: 2026-01-01T00:00:00+01:00, until: 2099-01-04T06:00:00+01:00 }]';
    expect((await ok('changes', '--connection', 'Harbor Okta')).stderr).toMatch(/Next:.* apply /s);
    await ok('policy', 'set', file('freeze.yaml', period), '--tenant', 'Harbor');
    const frozen = await ok('changes', '--connection', 'Harbor Okta');
    expect(frozen.stdout).toContain(
      'frozen: the freeze period “Year end” holds until 2099-01-04T05:00:00.000Z',
    );
    expect(frozen.stderr).not.toMatch(/ apply /);
    expect((await ok('policy', 'show', '--tenant', 'Harbor')).stdout).toContain(
      'freeze period Year end: nothing is applied from 2026-01-01T00:00:00+01:00 until 2099-01-04T06:00:00+01:00',
    );
    expect(await run('apply', 'Harbor Okta')).toMatchObject({
      code: 3,
      stdout: '',
      stderr: expect.stringContaining(
        'Harbor Okta of Harbor: The freeze period “Year end” holds until 2099-01-04T05:00:00.000Z',
      ),
    });
    const despite = await ok('apply', 'Harbor Okta', '--despite-freeze', 'Starts tomorrow');
    expect(despite.stdout).toContain('Harbor Okta: applied 1 of 1.');
  });

  it('keeps the rest back where too much had moved, and says how much that was and what to do', async () => {
    const progressive = { first: { changes: 1 }, pauseMinutes: 0, troublePercent: 5 };
    await ok(
      'connections',
      'update',
      'Harbor Okta',
      '--policy',
      policyFile({ start: 'by-hand', progressive }),
    );
    await simulator.control.move(3);
    await syncAndApprove();
    await ok('roles', 'add', 'guest');
    for (const { id } of JSON.parse((await ok('users', '--tenant', 'Harbor', '--json')).stdout).items)
      await ok('users', 'grant', id, 'guest');
    const kept = await run('apply', 'Harbor Okta', '--despite-freeze', 'A test');
    const found = '0 failed and 1 had moved of 1 carried out: 100 %, more than the 5 % of the policy';
    expect(kept.stdout).toContain(`paused: too many changes failed or had moved (${found})`);
    const [{ id }] = JSON.parse((await ok('applies', 'list', '--limit', '1', '--json')).stdout).items;
    const shown = (await ok('applies', 'show', id)).stdout;
    for (const one of [kept.stdout, shown])
      expect(one).toMatch(
        new RegExp(
          `See what became of each change \\(.*applies show ${id}.*; then go on with .*applies resume ${id}`,
        ),
      );
    expect(shown).toContain(found);
    await ok('applies', 'cancel', id);
  });

  it('leaves alone what another connection has due when something is decided', async () => {
    await ok('tenants', 'add', 'Cove');
    await ok(
      ...['connections', 'add', 'Cove Okta', '--tenant', 'Cove', '--provider', 'okta'],
      ...['--url', simulator.origin, '--ca', file('ca.pem', simulator.ca)],
      ...['--credentials-file', file('credentials.json', JSON.stringify(simulator.credentials))],
    );
    await ok('sync', 'Cove Okta');
    await ok('approve', '--connection', 'Cove Okta', '--all', '--revision', '1', '--reason', 'Looked at');
    await ok('connections', 'update', 'Cove Okta', '--policy', policyFile({ start: 'automatic' }));
    await simulator.control.hire(1);
    const approved = await syncAndApprove();
    expect(approved.stdout).not.toContain('Cove Okta');
    expect((await ok('apply', 'Cove Okta')).stdout).toMatch(/Cove Okta: applied \d+ of \d+[.]/);
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Simulator, startSimulator } from '../../simulators/start.ts';
import { aCommandLine } from './commandLine.ts';

const { ok, run, file } = aCommandLine('external');
let simulator: Simulator;

beforeAll(async () => {
  simulator = await startSimulator('okta', { users: 5, seed: 6 });
  const { credentials } = simulator;
  const policy = { protected: { users: ['nobody@harbor.example'], roles: ['steward'] } };
  await ok('tenants', 'add', 'Harbor');
  await ok(
    ...['connections', 'add', 'Harbor Okta', '--tenant', 'Harbor', '--provider', 'okta'],
    ...['--url', simulator.origin, '--ca', file('ca.pem', simulator.ca)],
    ...['--credentials-file', file('credentials.json', JSON.stringify(credentials))],
    ...['--policy', file('policy.json', JSON.stringify(policy))],
  );
}, 120_000);
afterAll(() => simulator.close());

const override = (...more: string[]) =>
  run(
    'guards',
    'override',
    'Harbor Okta',
    '--guard',
    'too-many-deletions',
    '--reason',
    'Merger with Quay',
    ...more,
  );

describe('rollcall guards', { timeout: 120_000 }, () => {
  it('lets more through for a time, says so wherever the connection is shown, and ends it', async () => {
    const made = await override('--limit', '500', '--until', '2d');
    expect(made).toMatchObject({ code: 0 });
    const said =
      /the guard too-many-deletions lets up to 500 through until .*Z, by operator:\w+: Merger with Quay/i;
    expect(made.stdout).toMatch(said);
    expect((await ok('guards', 'show', 'Harbor Okta')).stdout).toMatch(said);
    expect((await ok('connections')).stderr).toMatch(said);
    expect((await ok('connections', 'show', 'Harbor Okta')).stderr).toMatch(said);
    const { items } = JSON.parse((await ok('connections', '--json')).stdout);
    expect(items).toMatchObject([{ overrides: [{ guard: 'too-many-deletions', allowed: 500 }] }]);
    expect((await ok('audit', 'list', '--tenant', 'Harbor', '--json')).stdout).toContain('guard.overridden');
    await ok('guards', 'end', 'Harbor Okta', '--guard', 'too-many-deletions');
    expect((await ok('connections')).stderr).not.toMatch(said);
    expect(await run('guards', 'end', 'Harbor Okta', '--guard', 'too-many-deletions')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Nothing lets more through for the guard too-many-deletions'),
    });
  });

  it('warns of names in the policy that nothing has', async () => {
    for (const shown of [
      await ok('guards', 'show', 'Harbor Okta'),
      await ok('connections', 'show', 'Harbor Okta'),
    ]) {
      expect(shown.stderr).toMatch(/the policy names roles that do not exist: steward\./);
      expect(shown.stderr).toMatch(/users whom nobody is: nobody@harbor\.example\./);
    }
  });

  it('refuses an override without a limit, without an end that can be read, and of a guard that has none', async () => {
    expect(await override('--until', '2d')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Give --limit with a number, or --off for all.'),
    });
    expect(await override('--off', '--limit', '5', '--until', '2d')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Both --limit and --off are given.'),
    });
    // The second is no day, and not another one in its place.
    for (const time of ['Monday', '2127-02-31'])
      expect(await override('--off', '--until', time)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('2026-12-31'),
      });
    expect(await override('--off', '--until', '200d')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('more than 90 days away'),
    });
    const never = await run(
      ...['guards', 'override', 'Harbor Okta', '--guard', 'protected-users', '--off', '--until', '1d'],
      ...['--reason', 'r'],
    );
    expect(never).toMatchObject({ code: 2, stderr: expect.stringContaining('too-many-deletions') });
  });
});

describe('rollcall reject --until', { timeout: 120_000 }, () => {
  it('refuses until then, which the change says', async () => {
    await ok('sync', 'Harbor Okta');
    const { items } = JSON.parse((await ok('changes', '--connection', 'Harbor Okta', '--json')).stdout);
    const [{ id }] = items;
    await ok('reject', id, '--until', '2099-12-31', '--reason', 'On leave');
    expect((await ok('show', id)).stdout).toMatch(
      /decision +rejected until 2099-12-31T00:00:00\.000Z by operator:\w+: On leave/,
    );
    expect(await run('hold', items[1].id, '--until', '2001-01-01', '--reason', 'r')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('is past already'),
    });
    expect((await run('approve', items[1].id, '--until', '7d', '--reason', 'r')).code).toBe(2);
  });
});

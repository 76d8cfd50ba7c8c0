import { setTimeout as wait } from 'node:timers/promises';
import { v4, v7 } from 'uuid';
import { beforeAll, describe, expect, it } from 'vitest';
import { openKeys } from '../../simulators/certificates.ts';
import { asOwner } from '../support/database.ts';
import { until } from '../support/waiting.ts';
import { start } from './command.ts';
import { aCommandLine } from './commandLine.ts';

const { env, run, ok, file } = aCommandLine('external');

/** Runs of the connection that have failed one after the other, the last one now. */
const failed = (count: number) =>
  asOwner(String(env['DATABASE_URL']), async (client) => {
    for (let made = 0; made < count; made += 1) {
      await client.query(
        `INSERT INTO sync_run (id, tenant_id, connection_id, kind, trigger, state, mapping, reading_fingerprint, requested_by, finished_at, failure)
         SELECT $1, tenant_id, id, 'full', 'schedule', 'failed', mapping, '', 'schedule', now(),
           '{"kind": "unavailable", "message": "The host does not answer.", "remedy": "Wait for it."}' FROM connection WHERE name = 'Down'`,
        [v7()],
      );
    }
  });

beforeAll(async () => {
  const okta = [
    '--provider',
    'okta',
    '--url',
    'https://127.0.0.1:1',
    '--token-file',
    file('token', 'a-token'),
  ];
  await ok('tenants', 'add', 'Harbor');
  await ok('connections', 'add', 'Down', '--tenant', 'Harbor', '--schedule', '0 3 * * *', ...okta);
  await ok('connections', 'add', 'Other', '--tenant', 'Harbor', ...okta);
  await failed(5);
}, 120_000);

describe('A quarantined connection', { timeout: 120_000 }, () => {
  it('stands in the list with why, who has to act, what to do and when it goes on; the others as they are', async () => {
    const { stdout, stderr } = await ok('connections');
    expect(stdout).toMatch(/^Down .* quarantined /m);
    expect(stdout).toMatch(/^Other .* active /m);
    expect(stderr).toMatch(
      /^Down is quarantined\. The last 5 runs failed: The host does not answer\.\n {2}can be mended by: nobody.*\n {2}remedy: Wait for it\.\n {2}next run by schedule: \d{4}-\d\d-\d\d 03:0\d UTC$/m,
    );
    expect(stderr).not.toContain('Other');
    const { items } = JSON.parse((await ok('connections', '--json')).stdout);
    expect(items).toMatchObject([
      { health: { state: 'quarantined', who: 'nobody' } },
      { health: { state: 'active' } },
    ]);
  });

  it('is shown, and found by the check-up', async () => {
    const shown = await ok('connections', 'show', 'Down');
    expect(shown.stdout).toMatch(/^health +quarantined$/m);
    expect(shown.stdout).toMatch(/^next run +\d{4}-\d\d-\d\dT03:0\d:\d\d\.000Z$/m);
    expect(shown.stderr).toContain('remedy: Wait for it.');
    expect((await run('doctor')).stdout).toMatch(
      /warn +health +Down: quarantined since .*The last 5 runs failed/,
    );
  });

  it('is passed over by its schedule, which says so once for each pause', async () => {
    await asOwner(String(env['DATABASE_URL']), (client) =>
      client.query(`UPDATE connection SET schedule = '* * * * * *' WHERE name = 'Down'`),
    );
    const daemon = start(['start', '--worker-only'], { env });
    await daemon.said('"event":"run.skipped"');
    await wait(3_000); // due several times more
    await failed(1);
    const skipped = await until('the longer pause is told', async () => {
      const lines = daemon
        .heard()
        .stdout.split('\n')
        .filter((line) => line.includes('"event":"run.skipped"'));
      return lines.length > 1 ? lines.map((line) => JSON.parse(line)) : null;
    });
    daemon.signal('SIGTERM');
    expect((await daemon.ended).code).toBe(0);
    expect(skipped).toMatchObject([{ reason: 'quarantined' }, { reason: 'quarantined' }]);
    expect(skipped[1].delayMs).toBeGreaterThan(skipped[0].delayMs);
  });
});

it('What deltas missed stands beside the run that found it, and for seven days beside the connection', async () => {
  const found = (missed: number, daysAgo: number) =>
    asOwner(String(env['DATABASE_URL']), (client) =>
      client.query(
        `INSERT INTO sync_run (id, tenant_id, connection_id, kind, trigger, state, snapshot, mapping, reading_fingerprint, requested_by, finished_at,
           counts, missed_by_deltas)
         SELECT $1, tenant_id, id, 'full', 'schedule', 'finished', 'complete', mapping, '', 'schedule', now() - make_interval(days => $3),
           '{"new": 0, "changed": 9, "deleted": 0, "conflicts": 0, "held": 0}', $2 FROM connection WHERE name = 'Other'`,
        [v7(), missed, daysAgo],
      ),
    );
  for (const [missed, daysAgo] of [
    [30, 8],
    [7, 3],
    [5, 1],
    [0, 0],
  ] as const)
    await found(missed, daysAgo);
  const listed = await ok('connections');
  expect(listed.stdout).toMatch(/^Other .* active /m);
  expect(listed.stderr).toContain(
    'Other: deltas missed 12 changes in the last 7 days, which full runs found.',
  );
  expect((await ok('connections', 'show', 'Other')).stdout).toMatch(/^missed by deltas +12$/m);
  const runs = await ok('runs', '--connection', 'Other');
  expect(runs.stdout).toMatch(/complete, 5 missed/);
  const { items } = JSON.parse((await ok('runs', '--connection', 'Other', '--json')).stdout);
  expect(items.map((run: { missedByDeltas: number }) => run.missedByDeltas)).toEqual([0, 5, 7, 30]);
});

it('A certificate is named by lists and by the check-up a month before it ends, and after', {
  timeout: 120_000,
}, async () => {
  const day = 24 * 3_600_000;
  let ending = '';
  for (const [name, left] of [
    ['Fresh', 300],
    ['Ending', 20],
    ['Ended', -2],
  ] as const) {
    const { clientCertificate, clientKey } = await openKeys(null, Date.now() + (left - 365) * day);
    const pem = file(`${name}.pem`, `${clientCertificate}\n${clientKey}`);
    if (name === 'Ending') ending = pem;
    const entra = [
      '--provider',
      'entra',
      '--directory-id',
      v4(),
      '--client-id',
      v4(),
      '--private-key-file',
      pem,
    ];
    await ok('connections', 'add', name, '--tenant', 'Harbor', ...entra);
  }
  const listed = await ok('connections');
  expect(listed.stderr).toMatch(
    /^Ending: its credential expires on \d{4}-.*\n {2}remedy: .* connections update \S+ --cred/m,
  );
  expect(listed.stderr).toMatch(/^Ended: its credential expired on \d{4}-/m);
  expect(listed.stderr).not.toContain('Fresh');
  const fresh = JSON.parse((await ok('connections', 'show', 'Fresh', '--json')).stdout);
  expect(Date.parse(fresh.credentialExpiresAt)).toBeGreaterThan(Date.now() + 299 * day);
  await ok('connections', 'update', 'Fresh', '--private-key-file', ending);
  expect((await ok('connections')).stderr).toContain('Fresh: its credential expires on');
  const { stdout } = await run('doctor');
  expect(stdout).toMatch(/^warn +credentials +Fresh: its certificate expires/m);
  expect(stdout).toMatch(/^warn +credentials +Ending: its certificate expires on \d{4}-/m);
  expect(stdout).toMatch(/^warn +credentials +Ended: its certificate expired on \d{4}-/m);
});

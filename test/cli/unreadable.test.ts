import { beforeAll, describe, expect, it } from 'vitest';
import { asOwner } from '../support/database.ts';
import { until } from '../support/waiting.ts';
import { start } from './command.ts';
import { aCommandLine } from './commandLine.ts';

const { env, run, ok, file } = aCommandLine('external');
const asDatabaseOwner = <T>(work: Parameters<typeof asOwner<T>>[1]) =>
  asOwner(String(env['DATABASE_URL']), work);
/** By name. */
const ids = new Map<string, string>();

beforeAll(async () => {
  const token = file('token', 'a-token-that-nobody-takes');
  await ok('tenants', 'add', 'Harbor');
  for (const name of ['First', 'Broken', 'Last']) {
    const okta = ['--provider', 'okta', '--url', 'https://127.0.0.1:1', '--token-file', token];
    const wanted = ['--tenant', 'Harbor', '--schedule', '0 3 * * *', ...okta];
    const added = await ok('connections', 'add', name, ...wanted, '--json');
    ids.set(name, JSON.parse(added.stdout).id);
  }
  await asDatabaseOwner((client) =>
    client.query(`UPDATE connection SET mapping = '{"roles": "all of them"}' WHERE name = 'Broken'`),
  );
}, 120_000);

describe('A connection whose stored mapping cannot be read', { timeout: 120_000 }, () => {
  it('stands in the list with what is wrong, beside the others', async () => {
    const listed = await run('connections', 'list');
    expect(listed).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Broken .*unreadable/m) });
    expect(listed.stdout).toMatch(/^First .*active/m);
    expect(listed.stdout).toMatch(/^Last .*active/m);
    expect(listed.stderr).toMatch(/Broken cannot be read: mapping\.roles: .*array/);
    const { items } = JSON.parse((await run('connections', 'list', '--json')).stdout);
    expect(items.map((one: { name: string; state: string }) => [one.name, one.state])).toEqual([
      ['First', 'active'],
      ['Broken', 'unreadable'],
      ['Last', 'active'],
    ]);
    expect(await run('connections', 'show', 'Broken')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('mapping.roles'),
    });
  });

  it('is named by the check-up with its remedy, which looks at the others too', async () => {
    const { code, stdout } = await run('doctor');
    expect(code).not.toBe(0);
    expect(stdout).toContain(ids.get('Broken'));
    expect(stdout).toContain('Start the version of Rollcall that stored it');
    expect(stdout).toMatch(/First: the secret key opens them/);
    expect(stdout).toMatch(/Last: the secret key opens them/);
  });

  it('is refused by name, and keeps no other connection from its run or its apply', async () => {
    expect(await run('sync', 'Broken')).toMatchObject({ stderr: expect.stringContaining('mapping.roles') });
    const synced = await run('sync', '--all');
    expect(synced.code).toBe(1);
    const told = `${synced.stdout}${synced.stderr}`;
    for (const name of ['First', 'Broken', 'Last']) expect(told).toMatch(new RegExp(`^${name}: `, 'm'));
    const applied = await run('apply', '--all');
    expect(applied).toMatchObject({ code: 3, stderr: expect.stringContaining('Broken') });
    for (const name of ['First', 'Last']) expect(applied.stdout).toContain(name);
    expect(await run('runs')).toMatchObject({ code: 0, stdout: expect.stringContaining('Last') });
  });

  it('has no schedule, and no run that somebody asked for; the log says so by its id, and the others have theirs', async () => {
    await asDatabaseOwner((client) =>
      client.query(
        `INSERT INTO sync_run (id, tenant_id, connection_id, kind, trigger, state, mapping, reading_fingerprint, requested_by)
         SELECT gen_random_uuid(), tenant_id, id, 'full', 'demand', 'queued', mapping, '', 'somebody' FROM connection WHERE name = 'Broken'`,
      ),
    );
    const daemon = start(['start', '--worker-only'], { env });
    await daemon.said(`"event":"schedule.set","connection":"${ids.get('Last')}"`);
    const asked = await until('the run has ended', () =>
      asDatabaseOwner(async (client) => {
        const { rows } = await client.query(
          `SELECT state, failure ->> 'kind' AS kind FROM sync_run WHERE connection_id = $1 AND requested_by = 'somebody' AND state <> 'queued'`,
          [ids.get('Broken')],
        );
        return rows[0] ?? null;
      }),
    );
    daemon.signal('SIGTERM');
    const { code, stdout } = await daemon.ended;
    expect(code).toBe(0);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line): Record<string, unknown> => JSON.parse(line));
    const about = (event: string) =>
      lines.filter((line) => line['event'] === event).map(({ connection }) => connection);
    expect(asked).toEqual({ state: 'failed', kind: 'unreadable-connection' });
    expect(about('schedule.set').toSorted()).toEqual([ids.get('First'), ids.get('Last')].toSorted());
    expect(new Set(about('connection.unreadable'))).toEqual(new Set([ids.get('Broken')]));
    expect(about('housekeeping.failed')).toEqual([]);
  });
});

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { startSimulator } from '../../simulators/start.ts';
import { settledBy } from '../../src/domain/change.ts';
import { rollcall } from './command.ts';
import { aCommandLine } from './commandLine.ts';

const { folder, data, env, run, ok, json, file } = aCommandLine('embedded');
env['ROLLCALL_FILE_ROOT'] = join(folder, 'files');
const write = (...rows: string[]) => file('files/harbor/people.csv', ['nr,name,mail', ...rows].join('\n'));

const ADA = '1,Ada Lovelace,ada@harbor.example';
const BOB = '2,Bob Baker,bob@harbor.example';

beforeAll(async () => {
  mkdirSync(join(folder, 'files', 'harbor'), { recursive: true });
  const key = file('files/harbor/.rollcall-key', 'the key of the harbor');
  const columns = { externalId: 'nr', displayName: 'name', email: 'mail' };
  const settings = file('settings.json', JSON.stringify({ format: 'csv', columns, quietSeconds: 0 }));
  write(ADA, BOB);
  await ok('tenants', 'add', 'Harbor');
  const where = ['--file', 'harbor/people.csv', '--settings-file', settings, '--folder-key-file', key];
  await ok('connections', 'add', 'Payroll', '--tenant', 'Harbor', '--provider', 'file', ...where);
}, 60_000);

const revision = async () => {
  const { items } = await json('changes', '--connection', 'Payroll', '--limit', '1');
  return Number(items[0]?.revision ?? 0);
};
const approveAll = async (seen: number, ...more: string[]) =>
  await run(
    'approve',
    '--connection',
    'Payroll',
    '--all',
    '--revision',
    String(seen),
    '--reason',
    'Looks right',
    ...more,
  );

it('says why an approval approved nothing: held back, arrived later, or nothing waits', {
  timeout: 120_000,
}, async () => {
  expect(await approveAll(0)).toMatchObject({
    code: 3,
    stdout: 'Approved nothing.\n',
    stderr: '  Nothing waits that this command is about.\n',
  });
  await run('sync', 'Payroll');
  const late = await approveAll(0);
  expect(late.code).toBe(3);
  expect(late.stderr).toMatch(
    /^ {2}2 changes arrived after revision 0: look again with `node bin\/rollcall\.js --data \S+ changes --connection /,
  );
  const seen = await revision();
  await run('hold', '--connection', 'Payroll', '--all', '--revision', String(seen), '--reason', 'Asked HR');
  const held = await approveAll(seen);
  expect(held.stderr).toContain(
    '2 changes held back by a guard, a policy or a person: --include-held approves',
  );
  expect(JSON.parse((await approveAll(seen, '--json')).stdout)).toEqual({
    verdict: 'approve',
    decided: 0,
    waiting: 0,
    refused: [],
    undecided: [{ because: 'held', changes: 2 }],
  });
  expect(await approveAll(seen, '--include-held')).toMatchObject({ stdout: 'Approved 2 changes.\n' });
  expect((await approveAll(seen)).stderr).toMatch(
    /2 changes approved already: `node bin\/rollcall\.js --data \S+ apply /,
  );
  await ok('apply', 'Payroll');
  expect(await run('changes', '--connection', 'Payroll')).toMatchObject({
    code: 0,
    stderr: 'No such change waits.\n',
  });
  const known = await run('changes', '--connection', 'Payroll', '--department', 'Nowhere');
  expect(known.stderr).toBe(
    'No such change waits.\nNo change here was ever one of --department Nowhere: is it spelt so?\n',
  );
  const grouped = await run('changes', '--group-by', 'risk', '--rule', 'titles');
  expect(grouped.stderr).toContain('No change here was ever one of --rule titles: is it spelt so?\n');
  expect((await run('changes')).stderr).toContain('No change waits.');
  const none = await approveAll(seen, '--role-gained', 'edittor');
  expect(none).toMatchObject({ code: 3, stderr: expect.stringContaining('--role-gained edittor: is it') });
  expect(await run('connections', 'delete', 'Payroll')).toMatchObject({
    ...{
      code: 2,
      stderr: expect.stringMatching(/unknown command 'delete'.*tenants delete TENANT --at DAY/s),
    },
  });
});

it('names the other user of a conflict, in the list and by itself', { timeout: 120_000 }, async () => {
  write(ADA, BOB, '3,Ada Byron,ada@harbor.example');
  await run('sync', 'Payroll');
  const list = await run('changes', '--connection', 'Payroll');
  expect(list.stdout).toContain('Ada Lovelace <ada@harbor.example> has the same address');
  const { items } = await json('changes', '--connection', 'Payroll', '--set', 'conflict');
  const shown = await run('show', items[0].id);
  const [candidate] = items[0].candidates;
  expect(items[0].remedy).toBe(settledBy[items[0].cause as keyof typeof settledBy]);
  expect(shown.stdout).toContain(`settled by  ${items[0].remedy}`);
  const conflicts = await run('changes', '--connection', 'Payroll', '--set', 'conflict');
  expect(conflicts.stderr).toMatch(/Next: .*show CHANGE$/m);
  expect(conflicts.stderr).not.toMatch(/approve|apply/);
  expect(shown.stdout).toMatch(
    new RegExp(
      `candidate Ada Lovelace <ada@harbor\\.example> has the same address.*\\(${candidate.authUser}\\)`,
    ),
  );
  expect((await approveAll(await revision(), '--set', 'conflict')).stderr).toContain(
    '1 change in conflict, which nobody can approve',
  );
});

it('says which install was looked at, without its password', { timeout: 60_000 }, async () => {
  const here = await run('doctor');
  expect(here.stdout).toMatch(/^ok {4}install +This is about the embedded PostgreSQL in /);
  expect(here.stdout).toContain(data);
  const DATABASE_URL = 'postgres://kim:hunter2@127.0.0.1:1/people';
  const elsewhere = await rollcall(['doctor', '--json'], { env: { DATABASE_URL, ROLLCALL_DATA: data } });
  const [first] = JSON.parse(elsewhere.stdout).checks;
  expect(first).toMatchObject({
    check: 'install',
    detail: expect.stringContaining('127.0.0.1:1/people (DATABASE_URL)'),
  });
  expect(elsewhere.stdout).not.toContain('hunter2');
});

it('names the option, not the setting, where a pull meets a certificate that is not trusted', async () => {
  const simulator = await startSimulator('okta', { users: 5 });
  try {
    const where = ['--provider', 'okta', '--url', simulator.origin, '--out', join(folder, 'users.ndjson')];
    const pulled = await rollcall(['pull', ...where], {
      env: { ROLLCALL_PULL_TOKEN: String(simulator.credentials['token']) },
    });
    expect(pulled).toMatchObject({ code: 1, stderr: expect.stringContaining('--ca FILE') });
    expect(pulled.stderr).not.toContain('network.ca');
  } finally {
    await simulator.close();
  }
});

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { aCommandLine } from './commandLine.ts';

const { folder, env, run, ok, said, json, file } = aCommandLine('external');
env['ROLLCALL_FILE_ROOT'] = join(folder, 'files');
const write = (...rows: string[]) =>
  file('files/harbor/people.csv', ['nr,name,mail,dep', ...rows].join('\n'));

const BOB = '2,Bob Baker,bob@harbor.example,Board';
const pack = join(folder, 'pack');

beforeAll(async () => {
  mkdirSync(join(folder, 'files', 'harbor'), { recursive: true });
  const key = file('files/harbor/.rollcall-key', 'the key of the harbor');
  const columns = { externalId: 'nr', displayName: 'name', email: 'mail', department: 'dep' };
  const settings = file('settings.json', JSON.stringify({ format: 'csv', columns, quietSeconds: 0 }));
  const mapping = file(
    'mapping.json',
    JSON.stringify({
      everyone: ['member'],
      rules: [{ when: { attribute: { name: 'department', equals: 'Engines' } }, roles: ['builder'] }],
      scope: "user.department != 'Board'",
    }),
  );
  write('1,Ada Lovelace,ada@harbor.example,Engines', BOB);
  await ok('tenants', 'add', 'Harbor');
  const where = ['--file', 'harbor/people.csv', '--settings-file', settings, '--folder-key-file', key];
  const to = ['--tenant', 'Harbor', '--provider', 'file', '--mapping', mapping];
  await ok('connections', 'add', 'Payroll', ...to, ...where);
  await ok('sync', 'Payroll');
  const all = ['--connection', 'Payroll', '--all', '--revision', '1', '--reason', 'As announced'];
  await ok('approve', ...all);
  await ok('apply', 'Payroll');
}, 60_000);

it('explain says where roles and fields come from and what happened, or why somebody is no auth user', async () => {
  const ada = await said('explain', 'ada@harbor.example');
  expect(ada).toMatch(/^builder +Harbor +directory Payroll +rule 1 /m);
  expect(ada).toMatch(/^department +Engines +department of Payroll$/m);
  expect(ada).toMatch(
    / proposed: create, \+ builder \(rule 1\), \+ member .* Payroll: new in the directory +change .*, run /,
  );
  expect(ada).toMatch(/ approved +\S+: As announced +change .*, decision /);
  expect(ada).toMatch(/ applied: version 1 .*, apply /);
  const { roles, fields, timeline } = await json('explain', 'ada@harbor.example', '--limit', '2');
  expect([roles.length, fields.length, timeline.length]).toEqual([2, 4, 2]);
  const bob = await said('explain', '2');
  expect(bob).toMatch(
    /^2 of Payroll: the scope of the mapping does not hold for them\.\n {2}user\.department != 'Board'\n {2}department: Board\n/,
  );
  expect(await said('explain', 'BOB@harbor.example', '--connection', 'Payroll')).toBe(bob);
  const nobody = await run('explain', 'bob@harbor.example');
  expect(nobody).toMatchObject({ code: 2, stderr: expect.stringContaining('--connection') });
});

it('doctor tells of a connection that cannot be opened what mends it', async () => {
  const { ROLLCALL_FILE_ROOT: root = '' } = env;
  env['ROLLCALL_FILE_ROOT'] = '';
  const { code, stdout } = await run('doctor');
  env['ROLLCALL_FILE_ROOT'] = root;
  expect(code).toBe(1);
  expect(stdout).toMatch(
    /^fail {2}credentials +Payroll: This install lets no connection read files\.\n +remedy: .* ROLLCALL_FILE_ROOT/m,
  );
});

it('runs replan says whether the same follows', async () => {
  const [{ id }] = (await json('runs', '--connection', 'Payroll')).items;
  expect(await said('runs', 'replan', id)).toMatch(
    /^ok: nothing follows otherwise than it is recorded\.\npeople +of 2\n1 +of whom nothing follows, .*\ndigest [0-9a-f]{64}\n$/s,
  );
  expect(await json('runs', 'replan', id)).toMatchObject({
    ok: true,
    people: 2,
    same: { now: 0, record: 1 },
  });
  expect(
    await run(
      'runs',
      'replan',
      id.replace(/.$/, (last: string) => (last === '0' ? '1' : '0')),
    ),
  ).toMatchObject({ code: 2 });
});

it('audit export, check and verify --pack go together, and end with 1 where something is not what it was', async () => {
  const period = ['--tenant', 'Harbor', '--from', '2026-01-01', '--to', '0m'];
  const { thumbprint, files } = await json('audit', 'export', ...period, '--out', pack);
  expect(files.map(({ name }: { name: string }) => name)).toContain('roles.csv');
  expect(await run('audit', 'export', ...period, '--out', pack)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('is not empty'),
  });
  // Neither of these looks at any install.
  const { DATABASE_URL = '' } = env;
  env['DATABASE_URL'] = 'postgres://127.0.0.1:1/none';
  expect(await said('audit', 'check', pack, '--key', thumbprint)).toMatch(
    /^Pack .* of Harbor, .*\nok: all files are what was exported/,
  );
  expect(await run('audit', 'check', pack, '--key', 'x')).toMatchObject({ code: 1 });
  env['DATABASE_URL'] = DATABASE_URL;
  expect(await said('audit', 'verify', '--pack', pack)).toMatch(/^ok +Harbor /m);
  const roles = join(pack, 'roles.csv');
  writeFileSync(roles, readFileSync(roles, 'utf8').replace('builder', 'owner'));
  const checked = await run('audit', 'check', pack, '--json');
  expect(checked.code).toBe(1);
  expect(JSON.parse(checked.stdout)).toMatchObject({ ok: false, difference: { file: 'roles.csv', line: 1 } });
  expect(await run('audit', 'verify', '--pack', pack)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('is not what was exported'),
  });
});

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { aCommandLine } from './commandLine.ts';

const { folder, env, run, ok, json, file } = aCommandLine('external');
env['ROLLCALL_FILE_ROOT'] = join(folder, 'files');

const RULES = `rules:
  - name: two
    when: "true"
    decide: {require: {approvals: 2, configurators: allowed}}
`;

beforeAll(async () => {
  await ok('tenants', 'add', 'Harbor');
  await ok('roles', 'add', 'viewer');
  for (const name of ['Payroll', 'Badges']) {
    mkdirSync(join(folder, 'files', name), { recursive: true });
    const key = file(`files/${name}/.rollcall-key`, 'the key of the harbor');
    const columns = { externalId: 'nr', displayName: 'name', email: 'mail' };
    const settings = file('settings.json', JSON.stringify({ format: 'csv', columns, quietSeconds: 0 }));
    file(
      `files/${name}/people.csv`,
      ['nr,name,mail', `1,Ada,ada@${name}.example`, `2,Bob,bob@${name}.example`].join('\n'),
    );
    const where = ['--file', `${name}/people.csv`, '--settings-file', settings, '--folder-key-file', key];
    await ok('connections', 'add', name, '--tenant', 'Harbor', '--provider', 'file', ...where);
    if (name === 'Payroll') await ok('policy', 'set', file('rules.yaml', RULES), '--connection', name);
    await ok('sync', name);
  }
}, 120_000);

describe('Deciding with others', { timeout: 120_000 }, () => {
  it('says that an approval is noted and whose is missing, and refuses the same again', async () => {
    const { items } = await json('changes', '--connection', 'Payroll');
    const [ada] = items;
    const first = await ok('approve', ada.id, '--reason', 'Checked');
    expect(first.stdout).toContain('Your approval of 1 change is noted');
    const shown = await ok('show', ada.id);
    expect(shown.stdout).toMatch(/approvals +1 of 2 approvals; 1 more by reviewer or above/);
    expect(shown.stdout).toMatch(/approved +by operator:.*: Checked/);
    expect(shown.stdout).toMatch(/asked by +policy rule “two” of the connection\n/);
    const explained = await ok('explain', ada.externalId, '--connection', 'Payroll');
    expect(explained.stdout).toMatch(/ approval 1 of 2 +operator:.*: Checked/);
    const again = await run('approve', ada.id, '--reason', 'Checked');
    expect(again).toMatchObject({ code: 3 });
    expect(again.stderr).toContain('you have approved it already: it waits for somebody else');
    expect(await json('show', ada.id)).toMatchObject({
      approvals: { rule: 'two', level: 'connection', needed: 2, given: [{ reason: 'Checked' }] },
    });
  });

  it('refuses what says nothing about changes that are named, and revisions that do not match', async () => {
    const { items } = await json('changes', '--connection', 'Payroll');
    const named = await run(
      'reject',
      items[0].id,
      '--connection',
      'Payroll',
      '--cause',
      'joined',
      '--reason',
      'r',
    );
    expect(named).toMatchObject({ code: 2 });
    expect(named.stderr).toContain('Changes are named, and --connection, --cause says nothing about those');
    const more = await run(
      'hold',
      '--all',
      '--connection',
      'Payroll',
      'Badges',
      '--revision',
      '1',
      '--reason',
      'r',
    );
    expect(more.stderr).toContain('2 connections and 1 revision are given');
  });

  it('decides on several connections at once', async () => {
    const both = ['--connection', 'Badges', 'Payroll', '--revision', '1', '1'];
    const held = await ok('hold', '--all', ...both, '--search', 'bob', '--reason', 'Asked HR');
    expect(held.stdout).toBe('Held 2 changes.\n');
    const none = await run('approve', '--all', ...both, '--search', 'bob', '--reason', 'r');
    expect(none.code).toBe(3);
    expect(none.stderr.match(/held back by a guard, a policy or a person/g)).toHaveLength(2);
  });

  it('assigns, comments on and edits what waits', async () => {
    const of = ['--connection', 'Badges'];
    expect((await ok('assign', '--all', ...of, '--search', 'ada', '--to', 'me')).stdout).toBe(
      'Assigned 1 change.\n',
    );
    const { items } = await json('changes', '--assignee', 'me');
    const operator = items[0].assignee.name;
    for (const who of [operator, items[0].assignee.id])
      expect((await json('changes', '--assignee', who)).items).toEqual(items);
    expect(await run('changes', '--assignee', 'Nobody')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('principal “Nobody”'),
    });
    const ids: string[] = [];
    for (const tenant of [['--tenant', 'Harbor'], []])
      ids.push((await json('keys', 'add', 'Jo', '--role', 'reviewer', ...tenant)).principal.id);
    const several = await run('changes', '--assignee', 'Jo');
    for (const id of ids) expect(several.stderr).toContain(id);
    const [ada] = items;
    await ok('comment', ada.id, 'Ask \u001b[31mJo');
    await ok('tenants', 'add', 'East', '--parent', 'Harbor');
    const edits = ['--roles', 'viewer', '--tenant', 'East', '--reason', 'A trainee'];
    const done = await json('adjust', ada.id, ...edits);
    const shown = await ok('show', done.change);
    expect(shown.stdout).toMatch(/\+ role viewer/);
    expect(shown.stdout).toMatch(/assigned +to operator:/);
    expect(shown.stdout).toMatch(/Ask .*Jo/);
    expect(shown.stdout).not.toContain('\u001b[31mJo');
    const list = await ok('adjustments', ...of);
    expect(list.stdout).toContain('+ viewer, in the tenant East ');
    await ok('adjustments', 'end', done.adjustment, '--reason', 'A mistake');
    expect((await ok('adjustments', ...of)).stderr).toContain('Nobody was edited');
  });
});

import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Simulator, startSimulator } from '../../simulators/start.ts';
import { aCommandLine } from './commandLine.ts';

const { data, run, json, file, reach } = aCommandLine();
let simulator: Simulator;

beforeAll(async () => {
  simulator = await startSimulator('okta', { users: 40, seed: 5, plain: true });
});
afterAll(() => simulator.close());

it('leads from an empty folder to applied changes, and the audit log holds', {
  timeout: 180_000,
}, async () => {
  const tenant = await json('tenants', 'add', 'Harbor Foods');
  const mapping = file('mapping.json', JSON.stringify({ everyone: ['member'], groups: [] }));
  const added = await run(
    'connections',
    'add',
    'Harbor Okta',
    '--tenant',
    'Harbor Foods',
    '--provider',
    'okta',
    ...reach(simulator),
    '--mapping',
    mapping,
  );
  expect(added).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('Added the connection Harbor Okta'),
  });
  expect(added.stderr).toContain('Besides made the role “member”, which was not there.');
  expect(added.stderr).toContain(`Next: node bin/rollcall.js --data ${data} connections test`);
  const connection = await json('connections', 'show', 'Harbor Okta');
  expect(connection).toMatchObject({
    tenant: tenant.id,
    provider: 'okta',
    mapping: { everyone: ['member'] },
  });
  expect(JSON.stringify(connection)).not.toContain(simulator.credentials['token']);

  const tested = await json('connections', 'test', 'Harbor Okta');
  expect(tested).toMatchObject({
    ok: true,
    steps: expect.arrayContaining([expect.objectContaining({ step: 'users' })]),
  });

  const synced = await run('sync', 'Harbor Okta', '--detailed-exitcode');
  expect(synced).toMatchObject({ code: 2, stdout: expect.stringContaining('40 new') });
  expect(synced.stdout).not.toContain('\u001B'); // no colours for programs

  const mistyped = file('mistyped.json', JSON.stringify({ everyone: ['membr'], groups: [] }));
  const preview = await run('connections', 'preview', 'Harbor Okta', '--mapping', mistyped);
  expect(preview.stdout).toContain('there is no role “membr” yet: saving this makes it. Is “member” meant?');
  const saved = await run('connections', 'update', 'Harbor Okta', '--mapping', mistyped);
  expect(saved.stderr).toContain('made the role “membr”, which was not there. Is “member” meant?');
  expect(saved.stderr).toContain(`node bin/rollcall.js --data ${data} roles remove membr`);
  expect(await run('connections', 'update', 'Harbor Okta', '--mapping', mapping)).toMatchObject({ code: 0 });
  expect(await run('roles', 'remove', 'membr')).toMatchObject({ code: 0 });

  const { items, next } = await json('changes', '--connection', 'Harbor Okta', '--limit', '3');
  expect(items).toHaveLength(3);
  expect(next).not.toBeNull();
  const everything = await json('changes', '--connection', 'Harbor Okta', '--set', 'new', '--all');
  expect(everything.items).toHaveLength(40);
  expect(everything.next).toBeNull();
  const [first, second] = everything.items;

  const shown = await run('show', first.id);
  expect(shown.stdout).toContain(first.name);
  expect(shown.stdout).toContain('new in the directory');
  expect(shown.stdout).toMatch(/displayName +— +→ +\S/);

  expect(await json('reject', first.id, '--reason', 'Not yet')).toEqual({
    verdict: 'reject',
    decided: 1,
    waiting: 0,
    refused: [],
  });
  expect(await json('hold', second.id, '--reason', 'Asked HR', '--until', '7d')).toEqual({
    verdict: 'hold',
    decided: 1,
    waiting: 0,
    refused: [],
  });
  expect((await run('show', second.id)).stdout).toMatch(/held until \d{4}-\S+ by operator:\S+: Asked HR/);
  const unseen = await run('approve', '--connection', 'Harbor Okta', '--all', '--reason', 'All of them');
  expect(unseen).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('--revision') });
  const approved = await json(
    'approve',
    '--connection',
    'Harbor Okta',
    '--all',
    '--revision',
    String(first.revision),
    '--reason',
    'New starters',
  );
  expect(approved).toEqual({ verdict: 'approve', decided: 38, refused: [], byName: 0, left: [], waiting: 0 });

  const { applies } = await json('apply', '--all');
  expect(applies).toEqual([
    expect.objectContaining({ name: 'Harbor Okta', total: 38, applied: 38, moved: 0, failed: 0 }),
  ]);
  expect(await run('apply', 'Harbor Okta')).toMatchObject({
    code: 0,
    stdout: 'Harbor Okta: nothing is approved.\n',
  });
  const again = await run('approve', items[2].id, '--reason', 'Again');
  expect(again).toMatchObject({ code: 3, stderr: expect.stringContaining('applied already') });

  const users = await json('users', '--tenant', 'Harbor Foods', '--all');
  expect(users.items).toHaveLength(38);
  const one = await json('users', 'show', users.items[0].email);
  expect(one).toMatchObject({
    roles: [{ name: 'member', origin: 'directory' }],
    identities: [{ connection: connection.id }],
  });
  await json('roles', 'add', 'editor');
  const granted = await json('users', 'grant', users.items[0].email, 'editor');
  expect(granted.roles.map((role: { name: string }) => role.name)).toEqual(['editor', 'member']);
  const edited = await run(
    'users',
    'edit',
    one.id,
    '--display-name',
    'Ada B',
    '--attribute',
    'nickname=A',
    'level=',
  );
  expect(edited).toMatchObject({ code: 0, stdout: `Edited Ada B: version ${one.version + 2}.\n` });
  const nobody = await run('users', 'edit', one.id, '--email', 'nobody');
  expect(nobody).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--email: is not an e-mail address'),
  });
  const set = await json(
    'users',
    'edit',
    one.id,
    '--display-name',
    one.displayName,
    '--attribute',
    'nickname=',
  );
  expect(set).toMatchObject({ displayName: one.displayName, attributes: one.attributes });
  const revoked = await run('users', 'revoke', users.items[0].email, 'member');
  expect(revoked).toMatchObject({ code: 3, stderr: expect.stringContaining('comes from a directory') });

  const may = await json('users', 'authorization', users.items[0].email);
  expect(may).toMatchObject({
    active: true,
    entries: [{ name: 'Harbor Foods', roles: ['editor', 'member'] }],
  });
  const told = await run('users', 'authorization', users.items[0].email, '--tenant', 'Harbor Foods');
  expect(told.stdout).toMatch(/Harbor Foods +\S+ +editor, member +—/);
  const { externalId } = one.identities[0];
  const identified = await json('users', 'identify', '--provider', 'okta', '--external-id', externalId);
  expect(identified.id).toBe(one.id);

  const audit = await json('audit', 'verify');
  expect(audit.ok).toBe(true);
  expect(
    audit.tenants.find((chain: { tenant: string }) => chain.tenant === tenant.id).entries,
  ).toBeGreaterThan(40);
  const log = await json('audit', 'list', '--tenant', 'Harbor Foods', '--all');
  expect(log.items.map((entry: { action: string }) => entry.action)).toEqual(
    expect.arrayContaining(['connection.created', 'changes.approved', 'changes.rejected', 'apply.finished']),
  );
  expect(log.items[0].actor.name).toMatch(/^operator:/);

  const { runs } = await json('sync', '--all');
  // The one who was given a role by hand above is looked at again: nothing is found to change.
  expect(runs).toMatchObject([{ state: 'finished', kind: 'delta', snapshot: 'named', users: 1 }]);
  const named = await run('sync', 'Harbor Okta', '--user', externalId, 'nobody-there');
  expect(named.stdout).toContain('Harbor Okta: looked for 2 named users, and found 1 in ');
  const { runs: whole } = await json('sync', '--all', '--full');
  expect(whole).toMatchObject([{ state: 'finished', kind: 'full', snapshot: 'complete', users: 40 }]);
  expect((await json('runs', '--connection', 'Harbor Okta')).items).toHaveLength(4);
  const doctor = await json('doctor');
  expect(doctor.checks.filter((check: { result: string }) => check.result !== 'ok')).toEqual([]);
});

it('shows a key once, and the list of keys never', { timeout: 60_000 }, async () => {
  const { key, id, principal } = await json('keys', 'add', 'ci', '--role', 'auditor');
  expect(key).toMatch(/^rc_/);
  const list = await run('keys');
  expect(list.stdout).toContain(id);
  expect(list.stdout).not.toContain(key);
  expect(await run('keys', 'add', 'ci', '--role', 'reviewer')).toMatchObject({ code: 2, stdout: '' });
  await json('keys', 'revoke', id);
  const { items } = await json('keys');
  const own = items.find((one: { id: string }) => one.id === principal.id);
  expect(own.keys).toEqual([expect.objectContaining({ id, revokedAt: expect.any(String) })]);
});

it('ends a failed sync with 1, says who mends it, and changes nothing', { timeout: 60_000 }, async () => {
  await simulator.control.fault({ name: 'status-401', times: null });
  try {
    const failed = await run('sync', 'Harbor Okta', '--detailed-exitcode');
    expect(failed).toMatchObject({ code: 1, stdout: 'Harbor Okta: failed; nothing changed.\n' });
    expect(failed.stderr).toMatch(/mended by: the administrator of the directory[\s\S]*remedy: /);
  } finally {
    await simulator.control.clearFaults();
  }
  expect(await run('sync', '--all', '--detailed-exitcode')).toMatchObject({ code: 2 });
});

it('ends quietly when its reader has gone', { timeout: 60_000 }, async () => {
  const { spawn } = await import('node:child_process');
  const { bin } = await import('./command.ts');
  const child = spawn(process.execPath, [bin, 'users', '--all', '--data', data], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.destroy();
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

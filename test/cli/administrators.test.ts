import { beforeAll, describe, expect, it } from 'vitest';
import { aCommandLine } from './commandLine.ts';

const { run, ok, json } = aCommandLine();

beforeAll(async () => {
  await ok('tenants', 'add', 'Harbor');
  await ok('tenants', 'add', 'Logistics', '--parent', 'Harbor');
  await ok('keys', 'add', 'Sue', '--role', 'support');
});

describe('rollcall keys', { timeout: 120_000 }, () => {
  it('makes a key that is narrower than its principal, shows it once, and replaces it without a pause', async () => {
    const wanted = ['--name', 'build server', '--within', 'Logistics', '--only', 'runs.read', 'runs.start'];
    const made = await ok(
      'keys',
      'add',
      'ci',
      '--role',
      'reviewer',
      '--tenant',
      'Harbor',
      ...wanted,
      '--expires',
      '90d',
    );
    expect(made.stdout).toMatch(/^rc_[\w-]{43}\n$/);
    const key = async () =>
      (await json('keys')).items.find((one: { name: string }) => one.name === 'ci').keys.at(-1);
    const first = await key();
    expect(first).toMatchObject({
      name: 'build server',
      permissions: ['runs.read', 'runs.start'],
      lastUsedAt: null,
    });
    const rotated = await ok('keys', 'rotate', first.id, '--overlap', '2h');
    expect(rotated.stdout).toMatch(/^rc_[\w-]{43}\n$/);
    expect(rotated.stdout).not.toBe(made.stdout);
    expect(rotated.stderr).toMatch(/the old one is good until \d{4}-/);
    expect(await key()).toMatchObject({
      replaces: first.id,
      tenant: first.tenant,
      permissions: first.permissions,
    });
    expect(await run('keys', 'rotate', first.id)).toMatchObject({ code: 3 });
    expect((await ok('keys')).stdout).toMatch(
      /ci +reviewer +Harbor +good +build server +Logistics +runs\.read, runs\.start +never/,
    );
  });

  it('disables a principal and enables it again', async () => {
    await ok('keys', 'add', 'Ada Obi', '--role', 'auditor');
    expect((await ok('principals', 'disable', 'Ada Obi')).stdout).toMatch(
      /^Keys of Ada Obi open nothing now/,
    );
    expect((await ok('keys')).stdout).toContain('Ada Obi (disabled)');
    expect((await json('principals', 'enable', 'Ada Obi')).disabledAt).toBeNull();
    expect(await run('principals', 'disable', 'Nobody')).toMatchObject({ code: 2 });
  });

  it('takes a length of time only with its unit', async () => {
    const ended = await run('keys', 'add', 'x', '--role', 'auditor', '--expires', '90');
    expect(ended).toMatchObject({ code: 2 });
    expect(ended.stderr).toContain('such as 24h');
  });
});

describe('rollcall support', { timeout: 120_000 }, () => {
  it('asks for somebody, grants less than was asked, and ends it', async () => {
    const why = ['--for', 'Sue', '--reason', 'Ticket 4711'];
    const asked = await json('support', 'request', 'Harbor', ...why, '--time', '2h', '--may-write');
    expect(asked).toMatchObject({ state: 'requested', name: 'Sue', minutes: 120, mayWrite: true });
    const granted = await ok('support', 'grant', asked.id, '--time', '30m', '--read-only');
    expect(granted.stdout).toMatch(/^Sue may look until [\d: -]+ UTC/);
    expect(granted.stderr).toContain(`rollcall-support-access: ${asked.id}`);
    expect((await ok('support')).stdout).toMatch(/granted +Sue +Harbor +look +[\d: -]+ +Ticket 4711/);
    expect((await ok('support', 'end', asked.id)).stdout).toContain('may not look any more');
    expect(await run('support', 'grant', asked.id)).toMatchObject({ code: 3 });
  });

  it('lets somebody in unasked, and refuses what was asked', async () => {
    const invited = await json(
      'support',
      'invite',
      'Logistics',
      '--for',
      'Sue',
      '--reason',
      'look',
      '--time',
      '15m',
    );
    expect(invited).toMatchObject({ state: 'granted', minutes: 15 });
    const { id } = await json('support', 'request', 'Logistics', '--for', 'Sue', '--reason', 'again');
    expect(await json('support', 'refuse', id)).toMatchObject({ state: 'refused' });
    const { items } = await json('support', 'list', '--tenant', 'Logistics');
    expect(items.map(({ state }: { state: string }) => state)).toEqual(['granted', 'refused']);
  });
});

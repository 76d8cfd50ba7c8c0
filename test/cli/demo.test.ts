import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { aFolder, rollcall, start } from './command.ts';

const folder = aFolder();
const data = join(folder.path, 'demo');
afterAll(folder.remove);

/** Any port, so that two runs of these tests do not meet. */
const env = { ROLLCALL_PORT: '0' };

type Tenant = {
  tenant: string;
  provider: string;
  users: number;
  new: number;
  changed: number;
  deleted: number;
  conflicts: number;
  held: number;
};

async function demo(...args: string[]): Promise<readonly Tenant[]> {
  const { code, stdout, stderr } = await rollcall(['demo', '--exit', '--json', '--data', data, ...args], {
    env,
  });
  expect(code, stderr).toBe(0);
  const summary = JSON.parse(stdout);
  expect(Object.keys(summary)).toEqual(['tenants', 'seconds']);
  expect(summary.seconds).toBeGreaterThan(0);
  return summary.tenants;
}

/** Processes that have the folder in their command line, other than this test's. */
function processesIn(path: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return ''; // it has ended
      }
    })
    .filter((command) => command.includes(path));
}

let first: readonly Tenant[];

it('shows three directories after some weeks of life, one of which lost its people: those are held', {
  timeout: 120_000,
}, async () => {
  first = await demo();
  expect(first.map((one) => one.provider)).toEqual(['entra', 'okta', 'google']);
  const [entra, okta, google] = first;
  // Who comes has the address of one who leaves: whether they are one person, a person says.
  expect(entra).toMatchObject({ held: 1, conflicts: 1 });
  expect(entra?.users).toBeGreaterThan(1_100);
  expect(okta?.users).toBeGreaterThan(300);
  for (const one of first) expect(Math.min(one.new, one.changed, one.deleted)).toBeGreaterThan(0);
  expect(google?.deleted).toBeGreaterThan(30);
  expect(google?.held).toBeGreaterThanOrEqual(google?.deleted ?? 0);
});

it('finds its data again, and the same changes wait', { timeout: 120_000 }, async () => {
  expect(await demo()).toEqual(first);
});

it('prints commands that work as typed', { timeout: 120_000 }, async () => {
  const byNpm = { npm_command: 'run-script', npm_lifecycle_event: 'demo' };
  const shown = await rollcall(['demo', '--exit', '--data', data], { env: { ...env, ...byNpm } });
  const commands = [...shown.stdout.matchAll(/^ +npx rollcall (.+)$/gm)].map((found) => String(found[1]));
  expect(commands.map((command) => command.replace(`--data ${data} `, '').split(' ')[0])).toEqual([
    'changes',
    'show',
    'approve',
    'apply',
    'audit',
  ]);
  expect(commands[0]).toContain('Lumenworks'); // the directory that lost its people, not one with a single hold
  for (const command of commands) {
    const words = [...command.matchAll(/'([^']*)'|(\S+)/g)].map((word) => word[1] ?? word[2] ?? '');
    const ended = await rollcall(words);
    expect(ended.code, `${command}: ${ended.stderr}`).toBe(0);
    // Of two who may be one person, that is said first: nobody is deleted to make place for themselves.
    if (words.includes('show')) expect(ended.stderr).toMatch(/^Next: .* same (\S+) .*\n +.* different \1 /);
  }
  // What was applied does not wait any more; the two who may be one person do.
  const [entra, ...others] = await demo();
  expect(entra).toMatchObject({ new: 0, changed: 0, deleted: 1, conflicts: 1 });
  expect(others).toEqual(first.slice(1));
});

it('begins anew on request', { timeout: 120_000 }, async () => {
  expect(await demo('--fresh')).toEqual(first);
});

it.skipIf(!existsSync('/proc/self/cmdline'))(
  'leaves no process behind when it is interrupted, and the next start goes on',
  { timeout: 180_000 },
  async () => {
    const other = join(folder.path, 'interrupted');
    for (const moment of ['directory users read', null] as const) {
      const running = start(['demo', '--data', other], { env });
      if (moment === null) await new Promise((resolve) => setTimeout(resolve, 700));
      else await running.said(moment);
      running.signal('SIGINT');
      expect((await running.ended).code).toBe(130);
      expect(processesIn(other)).toEqual([]);
    }
    const stays = start(['demo', '--data', other], { env });
    await stays.said('Ready after');
    const second = await rollcall(['demo', '--exit', '--data', other], { env });
    expect(second).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('is running the demo there'),
    });
    stays.signal('SIGTERM');
    await stays.ended;
    expect(processesIn(other)).toEqual([]);
  },
);

it('does not mix with an install that is not its own', { timeout: 60_000 }, async () => {
  const real = join(folder.path, 'real');
  mkdirSync(real);
  writeFileSync(join(real, 'secret.key'), 'kept');
  const ended = await rollcall(['demo', '--exit', '--fresh', '--data', real], { env });
  expect(ended).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('not the demo') });
  expect(readdirSync(real)).toEqual(['secret.key']);
});

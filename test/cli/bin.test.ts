import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import memory from '../../bin/memory.json' with { type: 'json' };
import packageJson from '../../package.json' with { type: 'json' };
import { aFolder, bin, environment, rollcall, start } from './command.ts';

/** A Node on the PATH that cannot run TypeScript, such as many machines have. */
function olderNode(): string | null {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    try {
      const node = join(folder, 'node');
      const [major = 0, minor = 0] = execFileSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8' })
        .split('.')
        .map(Number);
      if (major < 24 || (major === 24 && minor < 12)) return node;
    } catch {
      // there is no Node in this folder
    }
  }
  return null;
}

it('says its version, and helps, without opening anything', async () => {
  expect(await rollcall(['--version'])).toEqual({ code: 0, stdout: `${packageJson.version}\n`, stderr: '' });
  const help = await rollcall(['--help'], { env: { DATABASE_URL: 'nonsense', ROLLCALL_PORT: 'nonsense' } });
  expect(help).toMatchObject({ code: 0, stderr: '' });
  expect(help.stdout).toContain('Exit codes: 0 done');
  const below = (await rollcall(['tenants', 'list', '--help'])).stdout;
  for (const option of ['--parent <tenant>', '--data <folder>', '--json']) expect(below).toContain(option);
});

it('says its version, and that a command is missing, as JSON where that is asked for', async () => {
  const { stdout, code } = await rollcall(['--version', '--json']);
  expect([code, JSON.parse(stdout)]).toEqual([0, { version: packageJson.version }]);
  const none = await rollcall(['--json']);
  expect(none.code).toBe(2);
  expect(JSON.parse(none.stdout)).toMatchObject({
    error: {
      code: 'invalid-input',
      message: 'No command is given.',
      remedy: expect.stringContaining('--help'),
    },
  });
});

it('without a command shows what there is and ends with 2', async () => {
  expect(await rollcall([])).toMatchObject({ code: 2, stderr: expect.stringContaining('Usage: rollcall') });
});

it.each([
  ['npx', { npm_command: 'exec', npm_lifecycle_event: 'npx' }, 'npx rollcall'],
  ['its npm script', { npm_command: 'run-script', npm_lifecycle_event: 'rollcall' }, 'npm run rollcall --'],
  ['another npm script', { npm_command: 'run-script', npm_lifecycle_event: 'demo' }, 'npx rollcall'],
  ['Node', {}, 'node bin/rollcall.js'],
])('started by %s, it shows commands that can be typed so', async (_, env, command) => {
  const folder = aFolder();
  try {
    const named = await rollcall(['sync', '--data', folder.path], { env });
    expect(named.stderr).toContain(`\`${command} --data ${folder.path} start\``);
    expect((await rollcall(['sync', '--help'], { env })).stdout).toContain(`  $ ${command} sync --all`);
  } finally {
    folder.remove();
  }
});

it('shows its own path where it is started from elsewhere, and its name where that is found', async () => {
  const folder = aFolder();
  try {
    const help = (command: string) =>
      execFileSync(process.execPath, [command, 'sync', '--help'], {
        cwd: folder.path,
        env: environment(),
        encoding: 'utf8',
      });
    expect(help(bin)).toContain(`  $ node ${bin} sync --all`);
    symlinkSync(bin, join(folder.path, 'rollcall'));
    expect(help(join(folder.path, 'rollcall'))).toContain('  $ rollcall sync --all');
  } finally {
    folder.remove();
  }
});

it('runs with the memory settings of memory.json, unless the environment has others', async () => {
  const telling = '--import=data:text/javascript,process.stderr.write([process.env.MALLOC_ARENA_MAX].join())';
  const run = async (env: Record<string, string>) =>
    (await rollcall(['--version'], { env: { NODE_OPTIONS: telling, ...env } })).stderr;
  expect(await run({})).toContain(memory.environment.MALLOC_ARENA_MAX);
  expect(await run({ MALLOC_ARENA_MAX: '5' })).toBe('55');
});

it('leaves nobody behind when it is killed: what it has started ends in order', {
  timeout: 60_000,
}, async () => {
  const folder = aFolder();
  try {
    const data = join(folder.path, 'data');
    const daemon = start(['start', '--data', data], { env: { ROLLCALL_PORT: '0' } });
    await daemon.said('daemon.started');
    daemon.signal('SIGKILL');
    // Its output ends when the last process that could write to it has.
    expect((await daemon.ended).stdout).toContain('daemon.stopping');
    expect(existsSync(join(data, 'postgres', 'cluster', 'postmaster.pid'))).toBe(false);
  } finally {
    folder.remove();
  }
});

const node = olderNode();
describe.skipIf(node === null)('started by an older Node', () => {
  const options = { node: node ?? '' };

  it('runs with the Node that npm installed, and ends with its exit code', async () => {
    expect(await rollcall(['--version'], options)).toMatchObject({
      code: 0,
      stdout: `${packageJson.version}\n`,
    });
    expect(await rollcall(['nonsense'], options)).toMatchObject({ code: 2 });
  });

  it('says what to do where npm has not installed one', () => {
    const folder = aFolder();
    try {
      mkdirSync(join(folder.path, 'bin'));
      cpSync(bin, join(folder.path, 'bin', 'rollcall.mjs'));
      cpSync(join(bin, '..', 'memory.json'), join(folder.path, 'bin', 'memory.json'));
      expect(() =>
        execFileSync(String(node), [join(folder.path, 'bin', 'rollcall.mjs')], { stdio: 'pipe' }),
      ).toThrow(/newer is needed[\s\S]*Remedy: run `npm ci`/);
    } finally {
      folder.remove();
    }
  });
});

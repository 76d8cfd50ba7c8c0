/** Folders that only their owner can enter: run by root, the PostgreSQL of such a one has to lie elsewhere. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { knownElsewhere } from '../../src/store/dataFolder.ts';
import { rollcall } from './command.ts';

const isRoot = process.getuid?.() === 0;

let place: string;
let data: string;
const elsewhere = new Set<string>();

beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'rollcall-private-'));
  data = join(place, 'data');
});
afterEach(() => {
  remember();
  for (const folder of [place, ...elsewhere]) rmSync(folder, { recursive: true, force: true });
  elsewhere.clear();
});

function remember(): string | null {
  const folder = knownElsewhere(data);
  if (folder !== null) elsewhere.add(folder);
  return folder;
}

async function run(...args: string[]) {
  const ended = await rollcall([...args, '--data', data]);
  remember();
  return ended;
}

const names = async () =>
  JSON.parse((await run('tenants', '--json')).stdout).items.map(({ name }: { name: string }) => name);

it('An install is gone with its folder: the next one at the same path is new, and says so', async () => {
  const made = await run('tenants', 'add', 'Meridian');
  expect(made).toMatchObject({
    code: 0,
    stderr: expect.stringContaining(`a new, empty install, made in ${data}`),
  });
  const first = remember();
  expect(first !== null, 'only root works as somebody else').toBe(isRoot);
  if (first !== null) expect(made.stderr).toContain(first);
  const doctor = await run('doctor');
  expect(doctor.code, doctor.stdout).toBe(0);
  expect(/^ok {4}data folder .*$/m.exec(doctor.stdout)?.[0]).toContain(first ?? data);
  const again = await run('tenants');
  expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('Meridian') });
  expect(again.stderr).not.toContain('new');

  rmSync(data, { recursive: true });
  for (const reads of [['changes'], ['tenants', 'suspend', 'Meridian'], ['sync', '--all']])
    expect(await run(...reads)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        new RegExp(`There is no install in the folder ${data}\\.[^]*with --data[^]*--data ${data} start\``),
      ),
    });
  expect((await run('doctor')).stdout).toContain(`There is no install in ${data}`);
  expect(existsSync(data)).toBe(false);
  expect(await run('tenants', 'add', 'Brightwater')).toMatchObject({ code: 0 });
  expect(await names()).not.toContain('Meridian');
});

it('Two commands that start at once make one install', async () => {
  const both = await Promise.all([run('tenants', 'add', 'Meridian'), run('tenants', 'add', 'Brightwater')]);
  for (const ended of both) expect(ended, ended.stderr).toMatchObject({ code: 0 });
  expect(await names()).toEqual(expect.arrayContaining(['Meridian', 'Brightwater']));
});

it.runIf(isRoot)('A start that was killed before it had made a database is gone on with', async () => {
  await run('doctor'); // the folder is not there yet, and stays so
  expect(existsSync(data)).toBe(false);
  await run('tenants', 'add', 'Meridian');
  const folder = remember() ?? '';
  rmSync(folder, { recursive: true });
  rmSync(join(data, 'secret.key'));
  expect(await run('tenants', 'add', 'Meridian')).toMatchObject({ code: 0 });
  expect(remember()).toBe(folder);
});

it.runIf(process.platform === 'linux')(
  'Where no folder can be made, the command says so and ends',
  async () => {
    for (const args of [
      ['tenants', 'add', 'Meridian'],
      ['demo', '--exit'],
    ]) {
      const ended = await rollcall([...args, '--data', '/proc/rollcall']);
      expect(ended).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/folder \/proc\/rollcall.* cannot be used.*ENOENT/),
      });
    }
  },
);

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { folderElsewhere, knownElsewhere } from '../../src/store/dataFolder.ts';
import { makeFolder } from '../../src/store/makeFolder.ts';

let place: string;
let data: string;
let below: string;

beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'rollcall-data-'));
  data = join(place, 'data');
  below = join(place, 'system');
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

/** As installs were called before the data folder named them. */
const byPath = (folder: string) => createHash('sha256').update(folder).digest('hex').slice(0, 12);

function anInstallOfBefore(): string {
  const folder = join(below, byPath(data));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'ready'), '');
  return folder;
}

describe('the PostgreSQL of a data folder that it cannot enter', () => {
  it('is found again, also where the data folder was moved to', () => {
    const folder = folderElsewhere(data, { below });
    expect(folderElsewhere(data, { below })).toBe(folder);
    expect(knownElsewhere(data, { below })).toBe(folder);
    expect(dirname(folder)).toBe(below);
    renameSync(data, join(place, 'moved'));
    expect(folderElsewhere(join(place, 'moved'), { below })).toBe(folder);
  });

  it('is one and the same for processes that start at once', async () => {
    const module = join(import.meta.dirname, '../../src/store/dataFolder.ts');
    const script = `import { folderElsewhere } from ${JSON.stringify(module)};
      process.stdout.write(folderElsewhere(${JSON.stringify(data)}, { below: ${JSON.stringify(below)} }));`;
    const found = Array.from({ length: 4 }, async () => {
      const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: 'pipe' });
      let said = '';
      child.stdout.on('data', (text: Buffer) => {
        said += text.toString();
      });
      await once(child, 'close');
      return said;
    });
    expect(await Promise.all(found)).toEqual(Array(4).fill(knownElsewhere(data, { below })));
    expect(readdirSync(data)).toEqual(['postgres-elsewhere']);
  });

  it('is another one when the data folder was thrown away and made again at the same path', () => {
    const first = folderElsewhere(data, { below });
    mkdirSync(first, { recursive: true });
    writeFileSync(join(first, 'ready'), '');
    rmSync(data, { recursive: true });
    expect(knownElsewhere(data, { below })).toBeNull();
    expect(folderElsewhere(data, { below })).not.toBe(first);
  });

  it('is not that of an install of before that was thrown away', () => {
    const old = anInstallOfBefore();
    expect(folderElsewhere(data, { below })).not.toBe(old);
  });

  it('stays that of an install of before, whose key is in the data folder', () => {
    const old = anInstallOfBefore();
    mkdirSync(data);
    writeFileSync(join(data, 'secret.key'), 'key');
    expect(knownElsewhere(data, { below })).toBe(old);
    expect(folderElsewhere(data, { below })).toBe(old);
    rmSync(join(data, 'secret.key'));
    expect(folderElsewhere(data, { below }), 'the name is written down now').toBe(old);
  });

  it('stays that of an install of before, whose key comes from the environment', () => {
    const old = anInstallOfBefore();
    mkdirSync(data);
    expect(folderElsewhere(data, { below, keyElsewhere: true })).toBe(old);
  });

  it('is not another one where the note of its name was damaged', () => {
    folderElsewhere(data, { below });
    writeFileSync(join(data, 'postgres-elsewhere'), '../../etc');
    expect(() => folderElsewhere(data, { below })).toThrow('does not hold the name of a folder');
  });
});

describe('makeFolder', () => {
  it('makes those above as well, and leaves one alone that is there', () => {
    const deep = join(place, 'one', 'two', 'three');
    makeFolder(deep);
    makeFolder(deep);
    expect(readdirSync(join(place, 'one', 'two'))).toEqual(['three']);
  });

  it('says so where a file is in the way', () => {
    writeFileSync(join(place, 'file'), '');
    expect(() => makeFolder(join(place, 'file', 'data'))).toThrow(/file already exists/);
  });

  it.runIf(process.platform === 'linux')('ends where the system makes no folder', () => {
    expect(() => makeFolder('/proc/rollcall/data')).toThrow(/ENOENT/);
  });
});

import { spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { copyForOthers } from '../../src/store/copyForOthers.ts';

let place: string;
let original: string;

beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'rollcall-copy-'));
  original = join(place, 'original');
  mkdirSync(join(original, 'lib'), { recursive: true });
  writeFileSync(join(original, 'lib', 'libicu.so.60.2'), 'the library');
  symlinkSync('libicu.so.60.2', join(original, 'lib', 'libicu.so.60'));
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

it('keeps links between the files among the copies', () => {
  const copy = join(place, 'new', 'copy');
  copyForOthers(original, copy);
  expect(readlinkSync(join(copy, 'lib', 'libicu.so.60'))).toBe('libicu.so.60.2');
  rmSync(original, { recursive: true });
  expect(readFileSync(join(copy, 'lib', 'libicu.so.60'), 'utf8')).toBe('the library');
});

it('leaves a copy alone that is there', () => {
  const copy = join(place, 'copy');
  copyForOthers(original, copy);
  writeFileSync(join(original, 'lib', 'libicu.so.60.2'), 'another version');
  copyForOthers(original, copy);
  expect(readFileSync(join(copy, 'lib', 'libicu.so.60'), 'utf8')).toBe('the library');
});

it('leaves one whole copy and nothing else when several processes make it at once', async () => {
  const copy = join(place, 'copy');
  for (let at = 0; at < 300; at++) writeFileSync(join(original, 'lib', `file-${at}`), 'x'.repeat(1_000));
  const script = `import { copyForOthers } from ${JSON.stringify(join(import.meta.dirname, '../../src/store/copyForOthers.ts'))};
    copyForOthers(${JSON.stringify(original)}, ${JSON.stringify(copy)});`;
  const ends = Array.from({ length: 4 }, () => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: 'ignore' });
    return new Promise((resolve) => child.once('exit', resolve));
  });
  expect(await Promise.all(ends)).toEqual([0, 0, 0, 0]);
  expect(readdirSync(join(copy, 'lib'))).toHaveLength(302);
  expect(readdirSync(place).sort()).toEqual(['copy', 'original']);
});

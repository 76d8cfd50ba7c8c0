import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { keyFromFolder, secretBox } from '../../src/store/secrets.ts';

const KEY = Buffer.alloc(32, 1).toString('base64');
const OTHER_KEY = Buffer.alloc(32, 2).toString('base64');

describe('secretBox', () => {
  it('opens exactly what it sealed', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (secret) => {
        const box = secretBox(KEY);
        expect(JSON.stringify(box.open('row', box.seal('row', secret)))).toBe(JSON.stringify(secret));
      }),
    );
  });

  it('shows nothing of the secret, and never seals alike', () => {
    const box = secretBox(KEY);
    const sealed = [box.seal('row', { token: 'hunter2' }), box.seal('row', { token: 'hunter2' })];
    for (const one of sealed) expect(Buffer.from(one).toString('latin1')).not.toMatch(/hunter2|token/);
    expect(sealed[0]).not.toEqual(sealed[1]);
  });

  it('does not open with another key, for another row, or when a single bit was changed', () => {
    const box = secretBox(KEY);
    const sealed = box.seal('row', 'hunter2');
    const wrong = { code: 'wrong-secret-key' };
    expect(() => secretBox(OTHER_KEY).open('row', sealed)).toThrow(expect.objectContaining(wrong));
    expect(() => box.open('another row', sealed)).toThrow(expect.objectContaining(wrong));
    for (let at = 0; at < sealed.length; at++) {
      const changed = Uint8Array.from(sealed, (byte, index) => (index === at ? byte ^ 1 : byte));
      expect(() => box.open('row', changed), `byte ${at}`).toThrow(expect.objectContaining(wrong));
    }
    for (const length of [0, 1, 12, 28, sealed.length - 1])
      expect(() => box.open('row', sealed.slice(0, length))).toThrow(expect.objectContaining(wrong));
  });
});

describe('keyFromFolder', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-key-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('makes a key of 32 bytes once, which only its owner can read', () => {
    const key = keyFromFolder(join(folder, 'data'));
    expect(Buffer.from(key, 'base64')).toHaveLength(32);
    expect(keyFromFolder(join(folder, 'data'))).toBe(key);
    const file = join(folder, 'data', 'secret.key');
    expect(readFileSync(file, 'utf8').trim()).toBe(key);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('makes another one for another folder', () => {
    expect(keyFromFolder(join(folder, 'one'))).not.toBe(keyFromFolder(join(folder, 'two')));
  });
});

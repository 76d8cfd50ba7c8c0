import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cleanText } from '../../src/domain/normalise.ts';

describe('cleanText', () => {
  it.each([
    ['Ada Lovelace', 'Ada Lovelace'],
    ['  Ada\u00a0 ', 'Ada'],
    ['Zoe\u0308', 'Zoë'],
    ['Zoë', 'Zoë'],
    ['A\u200bd\u200da\ufeff', 'Ada'],
    ['A\u0000da', 'Ada'],
    ['1 Main St\r\nSpringfield', '1 Main St Springfield'],
    ['İstanbul', 'İstanbul'],
    ['e\u200b\u0301', 'é'],
    ['a\ud800', 'a\ufffd'],
    ['👩‍🚒', '👩🚒'],
  ])('turns %j into %j', (from, to) => {
    expect(cleanText(from)).toBe(to);
  });

  it.each([null, undefined, '', '   ', '\u200b', '\u0000\t'])('turns %j into null', (value) => {
    expect(cleanText(value)).toBeNull();
  });

  it('changes nothing the second time', () => {
    const text = fc.string({ unit: 'binary' });
    fc.assert(fc.property(text, (value) => cleanText(cleanText(value)) === cleanText(value)));
  });

  it('gives what the slow way gives for every character', () => {
    for (let code = 0; code < 0x3000; code++) {
      const value = `a${String.fromCodePoint(code)}b`;
      const twice = cleanText(`${value}\u4e00`)?.slice(0, -1); // a CJK character keeps it off the fast way
      expect(cleanText(value), `U+${code.toString(16)}`).toBe(twice);
    }
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonical, type Json } from '../../src/domain/canonical.ts';

describe('the canonical form', () => {
  it('writes each text just as JSON does, halves of surrogate pairs and controls too', () => {
    for (let code = 0; code <= 0xffff; code++) {
      const text = `a${String.fromCharCode(code)}b`;
      if (canonical(text) !== JSON.stringify(text))
        expect(canonical(text), `${code}`).toBe(JSON.stringify(text));
    }
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(canonical(text)).toBe(JSON.stringify(text));
      }),
    );
  });

  it('is the same in whatever order the keys come, and reads back as what it was made of', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
        const turned = Object.fromEntries(Object.entries(object).reverse());
        expect(canonical(turned as Json)).toBe(canonical(object as Json));
        expect(JSON.parse(canonical(object as Json))).toEqual(JSON.parse(JSON.stringify(object)));
      }),
    );
  });
});

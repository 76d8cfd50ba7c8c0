import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { domainKey, domainOf, emailKey } from '../../src/domain/email.ts';

const noAddresses = [
  null,
  undefined,
  '',
  'ada',
  '@example.com',
  'ada@',
  'ada@@example.com',
  'a da@example.com',
  'ada@exam ple.com',
  'ada@example.com:80',
  'ada@example.com/path',
  'ada@example.com#x',
  'ada@127.0.0.1',
  'ada@1.2',
  'ada@0x7f.1',
  'ada@[::1]',
  'ada@-example.com',
  'ada@example..com',
  'ada@.example.com',
  'ada@%65xample.com',
  '"a b"@example.com',
  'ada@example.com, bob@example.com',
  `${'a'.repeat(65)}@example.com`,
  `ada@${'a'.repeat(64)}.com`,
];

describe('emailKey', () => {
  it.each([
    ['ada@example.com', 'ada@example.com'],
    ['  Ada.Lovelace@EXAMPLE.com\u00a0', 'ada.lovelace@example.com'],
    ['a\u200bda@exam\u200bple.com', 'ada@example.com'],
    ['Zoe\u0308@example.com', 'zoë@example.com'],
    ['ada@Bücher.example', 'ada@xn--bcher-kva.example'],
    ['ada@xn--bcher-kva.example', 'ada@xn--bcher-kva.example'],
    ["o'neil+tag@sub.example.co.uk", "o'neil+tag@sub.example.co.uk"],
    ['ada@localhost', 'ada@localhost'],
  ])('of %j is %j', (address, key) => {
    expect(emailKey(address)).toBe(key);
  });

  it.each([
    'İbrahim@example.com',
    'I\u0307brahim@example.com',
    'i\u0307brahim@example.com',
    'Ibrahim@example.com',
  ])('of %j has no combining dot', (address) => {
    expect(emailKey(address)).toBe('ibrahim@example.com');
  });

  it('keeps the dotless i apart, which is another letter', () => {
    expect(emailKey('mıke@example.com')).not.toBe(emailKey('mike@example.com'));
  });

  it.each(noAddresses)('of %j is null', (address) => {
    expect(emailKey(address)).toBeNull();
  });

  it('of a key is the key', () => {
    const address = fc.oneof(
      fc.emailAddress(),
      fc.tuple(fc.string({ unit: 'grapheme' }), fc.domain()).map(([local, domain]) => `${local}@${domain}`),
      fc
        .tuple(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }))
        .map((parts) => parts.join('@')),
    );
    fc.assert(
      fc.property(address, (text) => {
        const key = emailKey(text);
        if (key !== null) expect(emailKey(key)).toBe(key);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('domainOf', () => {
  it('is what follows the last @', () => {
    expect(domainOf('ada@example.com')).toBe('example.com');
  });
});

describe('domainKey', () => {
  it.each([
    ['Example.COM', 'example.com'],
    [' bücher.example ', 'xn--bcher-kva.example'],
    ['example.com.', null],
    ['https://example.com', null],
    ['a@example.com', null],
    ['10.0.0.1', null],
    ['', null],
  ])('of %j is %j', (domain, key) => {
    expect(domainKey(domain)).toBe(key);
  });
});

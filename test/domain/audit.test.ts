import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AuditEntry, chainHash, START_OF_CHAIN } from '../../src/domain/audit.ts';
import { canonical, fingerprintOf, type Json } from '../../src/domain/canonical.ts';

const entry: AuditEntry = {
  actor: { kind: 'person', id: 'p', name: 'Ada' },
  action: 'changes.approved',
  subject: { kind: 'change-set', id: 'c' },
  details: { changes: 3, reason: 'right' },
};
const at = '2026-05-01T09:00:00.000Z';

describe('chainHash', () => {
  const hash = chainHash(START_OF_CHAIN, 1, at, entry);

  it.each<[string, string]>([
    ['previous hash', chainHash(hash, 1, at, entry)],
    ['number', chainHash(START_OF_CHAIN, 2, at, entry)],
    ['time', chainHash(START_OF_CHAIN, 1, '2026-05-01T09:00:00.001Z', entry)],
    ['actor', chainHash(START_OF_CHAIN, 1, at, { ...entry, actor: { ...entry.actor, name: 'Eve' } })],
    ['action', chainHash(START_OF_CHAIN, 1, at, { ...entry, action: 'changes.rejected' })],
    ['subject', chainHash(START_OF_CHAIN, 1, at, { ...entry, subject: { kind: 'change-set', id: 'd' } })],
    ['details', chainHash(START_OF_CHAIN, 1, at, { ...entry, details: { changes: 4, reason: 'right' } })],
  ])('depends on the %s', (_, other) => {
    expect(other).not.toBe(hash);
  });

  it('does not depend on the order in which the details come back from the database', () => {
    const details = { reason: 'right', changes: 3 };
    expect(chainHash(START_OF_CHAIN, 1, at, { ...entry, details })).toBe(hash);
  });
});

describe('canonical', () => {
  it('is JSON of the same value, whatever the order of keys', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonical(value as Json);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonical(JSON.parse(text) as Json)).toBe(text);
      }),
      { numRuns: 300 },
    );
  });

  it('leaves out what is undefined, as a database would', () => {
    expect(canonical({ b: 1, a: undefined })).toBe('{"b":1}');
    expect(fingerprintOf({ a: undefined })).toBe(fingerprintOf({}));
  });
});

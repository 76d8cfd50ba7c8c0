import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { currentKey, dueKey, type KeyTimes, LONGEST_TOKEN_LIFE } from '../../src/domain/signingKey.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Looked at again and again, sometimes after a long silence; gives each look with the keys that were there. */
function looks(pauses: readonly number[]): readonly { now: Date; keys: readonly KeyTimes[] }[] {
  let now = new Date('2026-05-01T09:00:00Z');
  let keys: readonly KeyTimes[] = [];
  return pauses.map((pause) => {
    now = new Date(now.getTime() + pause);
    const made = dueKey(keys, now);
    keys = made === null ? keys : [...keys, made];
    return { now, keys };
  });
}

const now_and_then = fc.array(fc.integer({ min: 60_000, max: HOUR / 2 }), { minLength: 1, maxLength: 3_000 });
const at_times = fc.array(fc.integer({ min: 60_000, max: 90 * DAY }), { minLength: 1, maxLength: 50 });

describe('signing keys', () => {
  it('leave no moment without one that signs, however seldom somebody looks', () => {
    fc.assert(
      fc.property(at_times, (pauses) => {
        for (const { now, keys } of looks(pauses)) expect(currentKey(keys, now)).not.toBe(null);
      }),
    );
  });

  it('are published for a day before they sign, but the first, where somebody looks twice an hour', () => {
    fc.assert(
      fc.property(now_and_then, (pauses) => {
        const all = looks(pauses);
        for (const [at, { keys }] of all.entries()) {
          const made = keys.length > (all[at - 1]?.keys.length ?? 0) ? keys.at(-1) : undefined;
          if (at === 0 || made === undefined) continue;
          const { now } = all[at] as { now: Date };
          expect(made.signsFrom.getTime() - now.getTime()).toBeGreaterThanOrEqual(DAY);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('take turns: when one ends, the next begins', () => {
    const pauses = Array.from({ length: 120 }, () => 12 * HOUR);
    const keys = looks(pauses).at(-1)?.keys ?? [];
    expect(keys.length).toBe(3);
    for (const [at, key] of keys.entries()) {
      const next = keys[at + 1];
      if (next !== undefined) expect(next.signsFrom).toEqual(key.signsUntil);
    }
  });

  it('are published for as long after as anything that they signed is good', () => {
    fc.assert(
      fc.property(at_times, (pauses) => {
        for (const key of looks(pauses).at(-1)?.keys ?? []) {
          const longest = key.signsUntil.getTime() + LONGEST_TOKEN_LIFE * 1_000;
          expect(key.publishedUntil.getTime()).toBeGreaterThan(longest);
        }
      }),
    );
  });
});

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { connectorFailures, runFailures, whoActsOn } from '../../src/domain/failure.ts';
import {
  type Due,
  type FailedRun,
  FIRST_FAILURES,
  healthOf,
  quarantineOf,
  type RunHistory,
} from '../../src/domain/health.ts';
import { problemCodes } from '../../src/domain/problem.ts';

const HOUR = 3_600_000;
const start = Date.UTC(2026, 4, 1);
const at = (hours: number) => new Date(start + hours * HOUR);
const failure = (kind: string) => ({ kind, message: `It was ${kind}.`, remedy: `Mend ${kind}.` });

/** Runs that failed, an hour apart, since the last that finished at the start. */
function failing(...kinds: string[]): RunHistory {
  const runs: FailedRun[] = kinds.map((kind, index) => ({ at: at(index + 1), failure: failure(kind) }));
  const finished = { at: at(0), partial: null, failure: null };
  const first = runs.slice(0, FIRST_FAILURES);
  return { finished, failed: runs.length, first, last: runs.at(-1) ?? null, missedByDeltas: 0 };
}

const times = (count: number, kind: string) => Array.from({ length: count }, () => kind);

/** Due on every full `hours`. */
const every = (hours: number, from = at(0)): Due => ({
  from,
  after: (moment) => at(Math.floor((moment.getTime() - start) / HOUR / hours) * hours + hours),
});

describe('a connection', () => {
  it('is active while its last run finished and read everybody', () => {
    expect(healthOf(failing(), every(1), at(0.5))).toEqual({
      state: 'active',
      since: at(0),
      because: null,
      who: null,
      remedy: null,
      nextScheduledAt: at(1),
      missedByDeltas: 0,
    });
  });

  it('is degraded when its last run failed, with who has to act and what to do', () => {
    expect(healthOf(failing('unavailable', 'permission-missing'), null, at(3))).toEqual({
      state: 'degraded',
      since: at(1),
      because: 'The last 2 runs failed: It was permission-missing.',
      who: 'administrator',
      remedy: 'Mend permission-missing.',
      nextScheduledAt: null,
      missedByDeltas: 0,
    });
  });

  it.each([
    ['permission-lost', null, 'administrator'],
    ['page-failed', failure('unexpected-response'), 'us'],
    ['fewer-than-counted', null, 'nobody'],
  ] as const)('is degraded when its last run read only part, because of %s', (partial, why, who) => {
    const history = { ...failing(), finished: { at: at(0), partial, failure: why } };
    const health = healthOf(history, null, at(1));
    expect(health).toMatchObject({ state: 'degraded', since: at(0), who });
    expect(health.remedy).toMatch(/\w/);
  });

  it.each([
    [times(4, 'unavailable'), null],
    [times(5, 'unavailable'), 5],
    [times(2, 'credentials-rejected'), null],
    [times(3, 'credentials-rejected'), 3],
    [['permission-missing', 'credentials-rejected', 'misconfigured'], 3],
    [['misconfigured', 'unavailable', 'misconfigured', 'misconfigured'], null],
    [['unavailable', ...times(3, 'misconfigured')], 4],
  ])('is quarantined by repeated failure: %j', (kinds, since) => {
    const quarantine = quarantineOf(failing(...kinds));
    expect(quarantine?.since ?? null).toEqual(since === null ? null : at(since));
    expect(healthOf(failing(...kinds), null, at(9)).state).toBe(since === null ? 'degraded' : 'quarantined');
  });

  it('rests as long as its runs have been failing while it is quarantined, and a day at most', () => {
    const waits = [0, 1, 2, 19, 20, 21, 60].map((more) => {
      const quarantine = quarantineOf(failing(...times(5 + more, 'unavailable')));
      expect(quarantine?.isNew).toBe(more === 0);
      return ((quarantine?.until.getTime() ?? 0) - at(5 + more).getTime()) / HOUR;
    });
    expect(waits).toEqual([4, 5, 6, 23, 24, 24, 24]);
    const health = healthOf(failing(...times(7, 'unavailable')), every(3), at(7.5));
    expect(health).toMatchObject({ state: 'quarantined', since: at(5), nextScheduledAt: at(15) });
  });

  it('is silent when it was due three times, or two days ago, and no run has ended', () => {
    const stateOf = (interval: number, now: number) => healthOf(failing(), every(interval), at(now)).state;
    expect([stateOf(1, 3), stateOf(1, 3.1)]).toEqual(['active', 'silent']);
    expect([stateOf(24, 72), stateOf(24, 72.1)]).toEqual(['active', 'silent']);
    expect([stateOf(168, 168 + 48), stateOf(168, 168 + 48.1)]).toEqual(['active', 'silent']);
    const never = { ...failing(), finished: null };
    expect(healthOf(never, every(1, at(10)), at(12)).state).toBe('active');
    expect(healthOf(never, every(1, at(10)), at(14))).toMatchObject({
      state: 'silent',
      since: at(11),
      who: 'us',
    });
    expect(healthOf(never, null, at(99_999)).state).toBe('active');
  });

  it('never waits longer than a day, nor shorter the more has failed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...Object.keys(connectorFailures)), { maxLength: 40 }),
        (kinds) => {
          const waits = kinds.map((_, index) => {
            const quarantine = quarantineOf(failing(...kinds.slice(0, index + 1)));
            return quarantine === null ? 0 : quarantine.until.getTime() - at(index + 1).getTime();
          });
          expect(waits).toEqual([...waits].sort((one, other) => one - other));
          expect(Math.max(0, ...waits)).toBeLessThanOrEqual(24 * HOUR);
          expect(waits.slice(4).every((wait) => wait >= HOUR)).toBe(true);
        },
      ),
    );
  });
});

describe('who has to act', () => {
  it('is known of everything that can end a run, and is us where a kind is not known', () => {
    for (const [kind, mender] of Object.entries({ ...connectorFailures, ...runFailures })) {
      const us = mender === 'operator' || mender === 'developer';
      expect(whoActsOn(kind), kind).toBe(us ? 'us' : mender);
    }
    const codes = Object.keys(problemCodes).filter((code) => !(code in connectorFailures));
    expect(codes.map(whoActsOn)).not.toContain('nobody');
    expect(whoActsOn('wrong-secret-key')).toBe('us');
    expect(whoActsOn('of-another-version')).toBe('us');
    expect(whoActsOn('constructor')).toBe('us');
  });

  it('stands in docs/errors.md for every kind of failure there is, and for no other', () => {
    const [, section = ''] = readFileSync('docs/errors.md', 'utf8').split('\n## Why a run failed\n');
    const rows = section
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) => line.split('|').map((cell) => cell.trim()));
    const meant = Object.entries({ ...connectorFailures, ...runFailures });
    expect(rows.map(([, kind, , mender]) => [kind, mender])).toEqual(
      meant.map(([kind, mender]) => [`\`${kind}\``, mender]),
    );
    for (const [, kind, meaning, , remedy] of rows)
      expect([meaning, remedy], kind).toEqual([
        expect.stringMatching(/\w.*\.$/),
        expect.stringMatching(/\w.*\.$/),
      ]);
  });
});

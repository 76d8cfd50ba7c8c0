import { describe, expect, it } from 'vitest';
import { progressOf } from '../../src/domain/apply.ts';
import {
  ApplyPolicy,
  firstPartOf,
  isTooMuchTrouble,
  openFrom,
  openUntil,
  Progressive,
  startOf,
  type Window,
} from '../../src/domain/applyPolicy.ts';
import { Freezes } from '../../src/domain/freeze.ts';

const at = (time: string) => new Date(time);
/** Weekdays from ten in the evening until two in Rome. */
const nights: Window = { cron: '0 22 * * 1-5', minutes: 240, timeZone: 'Europe/Rome' };

describe('A policy that says nothing about applying', () => {
  it('leaves it to people, at any time, in one part', () => {
    expect(ApplyPolicy.parse({})).toEqual({
      start: 'by-hand',
      delayMinutes: 0,
      windows: [],
      progressive: null,
    });
  });
});

describe('Windows', () => {
  it.each([
    ['before it opens', '2026-05-04T19:59:59Z', null],
    ['when it opens', '2026-05-04T20:00:00Z', '2026-05-05T00:00:00.000Z'],
    ['behind midnight', '2026-05-04T23:59:59Z', '2026-05-05T00:00:00.000Z'],
    ['when it closes', '2026-05-05T00:00:00Z', null],
    ['on a Saturday night', '2026-05-09T21:00:00Z', null],
    ['on what is still Friday night', '2026-05-08T23:00:00Z', '2026-05-09T00:00:00.000Z'],
    [
      'in winter, an hour later by the clock of Greenwich',
      '2026-12-07T21:00:00Z',
      '2026-12-08T01:00:00.000Z',
    ],
  ])('%s', (_, now, until) => {
    expect(openUntil([nights], at(now))).toEqual(until === null ? null : at(until));
  });

  it('are open where there are none, and as long as the last of several', () => {
    expect(openUntil([], at('2026-05-04T12:00:00Z'))).toBe('ever');
    const day: Window = { cron: '0 12 * * *', minutes: 600, timeZone: 'UTC' };
    expect(openUntil([nights, day], at('2026-05-04T21:00:00Z'))).toEqual(at('2026-05-05T00:00:00Z'));
    expect(openUntil([day, nights], at('2026-05-04T13:00:00Z'))).toEqual(at('2026-05-04T22:00:00Z'));
  });

  it('open next when the first of them does; an open one is open now', () => {
    expect(openFrom([nights], at('2026-05-08T12:00:00Z'))).toEqual(at('2026-05-08T20:00:00Z'));
    expect(openFrom([nights], at('2026-05-09T12:00:00Z'))).toEqual(at('2026-05-11T20:00:00Z'));
    expect(openFrom([nights], at('2026-05-08T21:00:00Z'))).toEqual(at('2026-05-08T21:00:00Z'));
  });

  it.each([
    ['0 22 * * 1-5 *', 'not a cron expression'],
    ['0 22 31 2 *', 'not a cron expression'],
    ['every night', 'not a cron expression'],
  ])('refuses %s', (cron, message) => {
    const { error } = ApplyPolicy.safeParse({ windows: [{ cron, minutes: 60 }] });
    expect(error?.issues).toMatchObject([
      { path: ['windows', 0, 'cron'], message: expect.stringContaining(message) },
    ]);
  });

  it('refuses a time zone that there is none of', () => {
    const { error } = ApplyPolicy.safeParse({
      windows: [{ cron: '0 22 * * *', minutes: 60, timeZone: 'Europe/Roma' }],
    });
    expect(error?.issues[0]?.path).toEqual(['windows', 0, 'timeZone']);
  });
});

describe('An automatic apply begins', () => {
  const policy = (input: object) => ApplyPolicy.parse({ start: 'automatic', ...input });
  it.each([
    [{}, '2026-05-09T12:00:00Z'],
    [{ delayMinutes: 90 }, '2026-05-09T13:30:00Z'],
    [{ windows: [nights] }, '2026-05-11T20:00:00Z'],
    [{ windows: [nights], delayMinutes: 2_880 }, '2026-05-11T20:00:00Z'],
    [{ windows: [nights], delayMinutes: 3_420 }, '2026-05-11T21:00:00Z'],
  ])('with %j, approved on a Saturday at noon, %s', (input, start) => {
    expect(startOf(policy(input), at('2026-05-09T12:00:00Z'))).toEqual(at(start));
  });
});

describe('A progressive apply', () => {
  const by = (first: object) => Progressive.parse({ first });
  it.each([
    [{ changes: 10 }, 100, 10],
    [{ changes: 10 }, 11, 10],
    [{ changes: 10 }, 10, null],
    [{ changes: 10 }, 0, null],
    [{ percent: 5 }, 100, 5],
    [{ percent: 5 }, 101, 6],
    [{ percent: 0.1 }, 10, 1],
    [{ percent: 100 }, 10, null],
    [{ percent: 50 }, 1_000_000, 10_000],
  ])('with %j of %d first carries out %s', (first, total, expected) => {
    expect(firstPartOf(by(first), total)).toBe(expected);
  });

  it('stops at more trouble than the policy allows, and not at just as much', () => {
    const progressive = Progressive.parse({ troublePercent: 10 });
    const counts = (applied: number, moved: number, failed: number) => {
      return { applied, alreadyApplied: 0, moved, failed };
    };
    expect(isTooMuchTrouble(progressive, counts(9, 1, 0))).toBe(false);
    expect(isTooMuchTrouble(progressive, counts(8, 1, 1))).toBe(true);
    expect(isTooMuchTrouble(progressive, counts(0, 0, 0))).toBe(false);
    expect(isTooMuchTrouble(Progressive.parse({ troublePercent: 0 }), counts(1_000, 0, 1))).toBe(true);
  });
});

describe('Progress', () => {
  const now = at('2026-05-04T12:00:10Z');
  it('tells the rate since it last began, and how long the rest takes at it', () => {
    const since = { at: at('2026-05-04T12:00:00Z'), done: 100 };
    expect(progressOf(300, 1_000, since, now)).toEqual({
      done: 300,
      total: 1_000,
      rate: 20,
      secondsLeft: 35,
    });
  });
  it('claims nothing of one that does not run, or has done nothing since', () => {
    const unknown = { done: 300, total: 1_000, rate: null, secondsLeft: null };
    expect(progressOf(300, 1_000, null, now)).toEqual(unknown);
    expect(progressOf(300, 1_000, { at: at('2026-05-04T12:00:00Z'), done: 300 }, now)).toEqual(unknown);
    expect(progressOf(300, 1_000, { at: now, done: 0 }, now)).toEqual(unknown);
  });
});

describe('Freeze periods', () => {
  it('end after they begin', () => {
    const period = {
      name: 'Year end',
      from: '2026-12-20T00:00:00+01:00',
      until: '2027-01-04T06:00:00+01:00',
    };
    expect(Freezes.parse([period])).toEqual([period]);
    const { error } = Freezes.safeParse([{ ...period, until: '2026-12-19T23:00:00Z' }]);
    expect(error?.issues).toMatchObject([{ path: [0, 'until'], message: 'is not after `from`' }]);
  });
});

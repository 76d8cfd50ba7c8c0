import { v7 } from 'uuid';
import { describe, expect, it } from 'vitest';
import { ConnectionId } from '../../src/domain/ids.ts';
import { nextStart, type StartTimes, startTimesOf } from '../../src/sync/startTimes.ts';

const connections = Array.from({ length: 1_000 }, () => ConnectionId.parse(v7()));
const AT = Date.UTC(2026, 4, 1, 8, 59, 59);
const MINUTE = 60_000;

const timesOf = startTimesOf();
function times(schedule: string, timeZone = 'UTC', connection = connections[0]): StartTimes {
  const found = connection === undefined ? null : timesOf(connection, schedule, timeZone);
  if (found === null) throw new Error('the schedule cannot be read');
  return found;
}

describe('The starts of a thousand connections that say the same', () => {
  it.each([
    ['0 * * * *', 10],
    ['0 9 * * *', 10],
    ['0,30 * * * *', 5],
    ['*/30 * * * *', 5],
    ['*/5 * * * *', 1],
    ['* * * * *', 1],
    ['0 9 * * 1-5', 10],
    ['0,1 0 1 * *', 1],
  ])('by %s are spread over %i minutes', (schedule, minutes) => {
    const offsets = connections.map((one) => times(schedule, 'UTC', one).offsetMs);
    expect(Math.max(...offsets)).toBeLessThan(minutes * MINUTE);
    const tenth = (minutes * MINUTE) / 10;
    for (let part = 0; part < 10; part++) {
      const within = offsets.filter((ms) => ms >= part * tenth && ms < (part + 1) * tenth);
      expect(within.length).toBeGreaterThan(50); // a hundred, give or take what chance does
      expect(within.length).toBeLessThan(150);
    }
  });

  it('stay what they are, and follow each other as the schedule says', () => {
    for (const one of connections.slice(0, 50)) {
      const hourly = times('0 * * * *', 'UTC', one);
      expect(startTimesOf()(one, '0 * * * *', 'UTC')).toEqual(hourly);
      const first = nextStart(hourly, AT) ?? 0;
      expect(first - (AT + 1_000)).toBe(hourly.offsetMs);
      expect(nextStart(hourly, first)).toBe(first + 60 * MINUTE);
      expect(nextStart(hourly, first - 1)).toBe(first);
    }
  });

  it('are not later in one time zone than in another, and not at all where the schedule gives the second', () => {
    expect(times('0 9 * * *', 'Asia/Kolkata').offsetMs).toBe(times('0 9 * * *').offsetMs);
    expect(times('30 0 9 * * *').offsetMs).toBe(0);
  });
});

it.each(['0 0 31 2 *', 'at tea time', '99 * * * *'])('%s has no times: it never comes', (schedule) => {
  expect(timesOf(ConnectionId.parse(v7()), schedule, 'UTC')).toBeNull();
});

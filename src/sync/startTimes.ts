/**
 * When a connection's runs start by its schedule. A thousand connections may say "every hour": each has an offset of its own, always the
 * same, by which all its starts come later than the schedule says, so that they do not all come at once.
 */
import { createHash } from 'node:crypto';
import { CronExpressionParser } from 'cron-parser';
import type { ConnectionId } from '../domain/ids.ts';

/** Starts are spread over a sixth of the shortest time between two of them, but over no less than this and no more than that. */
const WINDOW_MS = { least: 60_000, most: 600_000, share: 1 / 6 } as const;

/** A week of hours would not fit; that there are longer gaps behind these makes no difference. */
const LOOKED_AT = 25;
/** Any Monday: a window must not change with the time at which it is asked for. */
const FROM = Date.UTC(2024, 0, 1);

/** A cron expression, and what is added to each of its times. */
export type StartTimes = {
  readonly schedule: string;
  readonly timeZone: string;
  /** Whole seconds, in milliseconds. */
  readonly offsetMs: number;
};

/** Gives the start times of connections. Remembers the windows of schedules: most connections have the same few. */
export function startTimesOf(): (
  connection: ConnectionId,
  schedule: string,
  timeZone: string,
) => StartTimes | null {
  const windows = new Map<string, number | null>();
  return (connection, schedule, timeZone) => {
    const key = `${timeZone} ${schedule}`;
    const known = windows.get(key);
    const windowMs = known === undefined ? windowOf(schedule, timeZone) : known;
    windows.set(key, windowMs);
    if (windowMs === null) return null;
    const chance = createHash('sha256').update(connection).digest().readUInt32BE(0) / 2 ** 32;
    return { schedule, timeZone, offsetMs: Math.floor((chance * windowMs) / 1_000) * 1_000 };
  };
}

/** Milliseconds; 0 where the schedule gives the second itself, null where it cannot be read. */
function windowOf(schedule: string, timeZone: string): number | null {
  try {
    const times = CronExpressionParser.parse(schedule, { currentDate: FROM, tz: timeZone });
    if (schedule.trim().split(/\s+/).length !== 5) return 0;
    let shortest = Number.POSITIVE_INFINITY;
    let last = times.next().getTime();
    for (let looked = 0; looked < LOOKED_AT && times.hasNext(); looked++) {
      const next = times.next().getTime();
      shortest = Math.min(shortest, next - last);
      last = next;
    }
    return Math.min(WINDOW_MS.most, Math.max(WINDOW_MS.least, shortest * WINDOW_MS.share));
  } catch {
    return null;
  }
}

/** The first start after `at`, both in milliseconds since 1970; null: there is none (31 February). */
export function nextStart({ schedule, timeZone, offsetMs }: StartTimes, at: number): number | null {
  try {
    const currentDate = at - offsetMs;
    return CronExpressionParser.parse(schedule, { currentDate, tz: timeZone }).next().getTime() + offsetMs;
  } catch {
    return null;
  }
}

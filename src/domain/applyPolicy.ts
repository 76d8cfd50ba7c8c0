/** When approved changes of a connection are carried out: when somebody says so, by themselves, in windows, after a delay, in two parts. */
import { CronExpressionParser } from 'cron-parser';
import { z } from 'zod';
import { TimeZone } from './timeZone.ts';

/** Any Monday: whether an expression ever comes true must not change with the time at which it is asked. */
const FROM = Date.UTC(2024, 0, 1);
const WEEK_MINUTES = 10_080;
const MINUTE_MS = 60_000;

export const Window = z.strictObject({
  /** When it opens: minute, hour, day of month, month, day of week. */
  cron: z
    .string()
    .trim()
    .max(100)
    .refine(
      (text) => text.split(/\s+/).length === 5 && comesTrue(text),
      'is not a cron expression of five fields (minute, hour, day of month, month, day of week) that ever comes true, such as "0 22 * * 1-5"',
    ),
  /** How long it stays open. */
  minutes: z.int().min(1).max(WEEK_MINUTES),
  timeZone: TimeZone.default('UTC'),
});
export type Window = z.infer<typeof Window>;

export const Progressive = z.strictObject({
  /** How many are carried out before the pause: chosen without regard to who they are, the same ones however often it is asked. */
  first: z
    .union([
      z.strictObject({ changes: z.int().min(1).max(10_000) }),
      z.strictObject({ percent: z.number().gt(0).max(100) }),
    ])
    .prefault({ changes: 10 }),
  /** Between the first and the rest. */
  pauseMinutes: z.int().min(0).max(WEEK_MINUTES).default(15),
  /** More of those carried out than this failed, or had moved: it pauses until somebody has looked. */
  troublePercent: z.number().min(0).max(100).default(10),
});
export type Progressive = z.infer<typeof Progressive>;

export const ApplyPolicy = z.strictObject({
  /** `automatic`: whatever is approved is applied without anybody saying so. */
  start: z.enum(['by-hand', 'automatic']).default('by-hand'),
  /** So long after the approval, in which anybody who may apply can cancel it. Of automatic applies. */
  delayMinutes: z.int().min(0).max(WEEK_MINUTES).default(0),
  /** Automatic applies run in these alone; none: at any time. */
  windows: z.array(Window).max(20).default([]),
  /** null: all in one part. Holds for applies that somebody starts too. */
  progressive: Progressive.nullable().default(null),
});
export type ApplyPolicy = z.infer<typeof ApplyPolicy>;

/** What an apply goes by to its end, whatever becomes of the policy. */
export const Terms = z.object({ windows: z.array(Window), progressive: Progressive.nullable() });
export type Terms = z.infer<typeof Terms>;

function comesTrue(cron: string): boolean {
  try {
    CronExpressionParser.parse(cron, { currentDate: FROM, tz: 'UTC' }).next();
    return true;
  } catch {
    return false;
  }
}

/** The end of the window that is open then, of several the last; null: none is. Without any windows it is open for ever. */
export function openUntil(windows: readonly Window[], at: Date): Date | 'ever' | null {
  if (windows.length === 0) return 'ever';
  const ends = windows.flatMap(({ cron, minutes, timeZone }) => {
    const times = CronExpressionParser.parse(cron, { currentDate: at.getTime() + 1, tz: timeZone });
    if (!times.hasPrev()) return [];
    const end = times.prev().getTime() + minutes * MINUTE_MS;
    return end > at.getTime() ? [end] : [];
  });
  return ends.length === 0 ? null : new Date(Math.max(...ends));
}

/** `at`, or when the next window opens. */
export function openFrom(windows: readonly Window[], at: Date): Date {
  if (openUntil(windows, at) !== null) return at;
  const starts = windows.map(({ cron, timeZone }) =>
    CronExpressionParser.parse(cron, { currentDate: at.getTime(), tz: timeZone }).next().getTime(),
  );
  return new Date(Math.min(...starts));
}

/** When what was approved then may be applied by itself. */
export function startOf({ delayMinutes, windows }: ApplyPolicy, approvedAt: Date): Date {
  return openFrom(windows, new Date(approvedAt.getTime() + delayMinutes * MINUTE_MS));
}

/** How many of so many come first; null: all at once, because there is nobody left for a second part. */
export function firstPartOf(progressive: Progressive | null, total: number): number | null {
  if (progressive === null) return null;
  const { first } = progressive;
  const wanted = 'changes' in first ? first.changes : Math.ceil((total * first.percent) / 100);
  const size = Math.min(10_000, Math.max(1, wanted));
  return size < total ? size : null;
}

export function pauseEnds({ pauseMinutes }: Progressive, at: Date): Date {
  return new Date(at.getTime() + pauseMinutes * MINUTE_MS);
}

export type Trouble = {
  readonly applied: number;
  readonly alreadyApplied: number;
  readonly moved: number;
  readonly failed: number;
};

/** How much that is, and how much is allowed: `2 failed and 1 had moved of 10 carried out: 30 %, more than the 10 % of the policy`. */
export function troubleInWords({ troublePercent }: Progressive, counts: Trouble): string {
  const { applied, alreadyApplied, moved, failed } = counts;
  const all = applied + alreadyApplied + moved + failed;
  const percent = Math.round(((moved + failed) * 1_000) / Math.max(1, all)) / 10;
  const parts = `${failed} failed and ${moved} had moved of ${all} carried out`;
  return `${parts}: ${percent} %, more than the ${troublePercent} % of the policy`;
}

/** Whether more failed, or had moved, than an apply goes on with. What a guard held is not counted: that is its work. */
export function isTooMuchTrouble({ troublePercent }: Progressive, counts: Trouble): boolean {
  const { applied, alreadyApplied, moved, failed } = counts;
  const trouble = moved + failed;
  return trouble * 100 > troublePercent * (applied + alreadyApplied + trouble);
}

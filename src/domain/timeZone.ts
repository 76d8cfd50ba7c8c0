/** Time zones by their names, as the IANA database has them, and what time it is there. */
import { z } from 'zod';

export const TimeZone = z
  .string()
  .max(100)
  .refine(isTimeZone, 'is not the name of a time zone, such as Europe/Rome or UTC');

function isTimeZone(text: string): boolean {
  if (!/^[A-Za-z]/.test(text)) return false; // offsets are no time zones: they know no summer
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
    return true;
  } catch {
    return false;
  }
}

export const WEEKDAYS = [
  'monday',
  'tuesday',
  'wednesday',
  'thursday',
  'friday',
  'saturday',
  'sunday',
] as const;
type Weekday = (typeof WEEKDAYS)[number];

/** Day and hour in some time zone. */
export type LocalTime = {
  readonly weekday: Weekday;
  /** 0 to 23. */
  readonly hour: number;
  /** `2026-05-01` */
  readonly date: string;
};

/** `timeZone` is one that `TimeZone` has let through. */
export function localTime(at: Date, timeZone: string): LocalTime {
  const format = new Intl.DateTimeFormat('en-GB', {
    ...{ timeZone, weekday: 'long', hour: '2-digit', hourCycle: 'h23' },
    ...{ year: 'numeric', month: '2-digit', day: '2-digit' },
  });
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, value]));
  const named = (parts.get('weekday') ?? '').toLowerCase();
  return {
    weekday: WEEKDAYS.find((day) => day === named) ?? 'monday',
    hour: Number(parts.get('hour')),
    date: `${parts.get('year')?.padStart(4, '0')}-${parts.get('month')}-${parts.get('day')}`,
  };
}

/** Of days, hours `from` to before `to`. */
export const UsualHours = z
  .strictObject({
    days: z.array(z.enum(WEEKDAYS)).min(1).default(['monday', 'tuesday', 'wednesday', 'thursday', 'friday']),
    from: z.int().min(0).max(23).default(7),
    to: z.int().min(1).max(24).default(19),
  })
  .refine(({ from, to }) => from < to, { path: ['to'], message: 'is not after from' });
export type UsualHours = z.infer<typeof UsualHours>;

/** Whether it is one of the days, and within the hours. */
export function isUsual({ weekday, hour }: LocalTime, { days, from, to }: UsualHours): boolean {
  return days.includes(weekday) && hour >= from && hour < to;
}

/** Points in time as they are typed: a day, a moment, or how far away. */
import { InvalidArgumentError } from 'commander';
import { minutesTyped } from './timeSpan.ts';

const MINUTE_MS = 60_000;

/** For commander: ISO 8601. A day begins at midnight UTC. `7d` is in seven days. */
export function momentTyped(text: string): string {
  return typed(text, 1, 'how far away, such as 7d');
}

/** The same where the past is asked about: `7d` is seven days ago. */
export function pastMomentTyped(text: string): string {
  return typed(text, -1, 'how long ago, such as 7d');
}

function typed(text: string, direction: 1 | -1, orHow: string): string {
  if (/^\d{1,6}[mhd]$/.test(text))
    return new Date(Date.now() + direction * minutesTyped(text) * MINUTE_MS).toISOString();
  const moment = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/.test(text)
    ? new Date(text)
    : null;
  if (moment !== null && isDay(text.slice(0, 10)) && !Number.isNaN(moment.getTime()))
    return moment.toISOString();
  throw new InvalidArgumentError(
    `It must be a day such as 2026-12-31, a moment such as 2026-12-31T18:00Z, or ${orHow}.`,
  );
}

/** `Date` takes 31 February for 3 March. */
function isDay(text: string): boolean {
  const day = new Date(text);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
}

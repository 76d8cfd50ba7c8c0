/** Names of time zones, as the IANA database has them. */
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

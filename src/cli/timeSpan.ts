/** Lengths of time as they are typed: 30m, 24h, 90d. */
import { InvalidArgumentError } from 'commander';

const MINUTES = { m: 1, h: 60, d: 24 * 60 } as const;

/** For commander: in minutes. */
export function minutesTyped(text: string): number {
  const [, number = '', unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  if (number === '')
    throw new InvalidArgumentError(
      'It must be a number with m, h or d for minutes, hours or days, such as 24h.',
    );
  return Number(number) * MINUTES[unit as keyof typeof MINUTES];
}

/** Periods in which no apply of a tenant, nor of those below it, begins or goes on. */
import { z } from 'zod';

const Moment = z.iso.datetime({ offset: true });

export const Freezes = z
  .array(
    z
      .strictObject({
        name: z.string().trim().min(1, 'is empty').max(100),
        from: Moment,
        until: Moment,
      })
      .refine(({ from, until }) => Date.parse(from) < Date.parse(until), {
        path: ['until'],
        message: 'is not after `from`',
      }),
  )
  .max(100);

/** Periods in which no apply of a tenant, nor of those below it, begins or goes on. */
import { z } from 'zod';
import type { TenantId } from './ids.ts';

const Moment = z.iso.datetime({
  offset: true,
  error: 'is no moment with its time zone, such as 2026-12-20T00:00:00+01:00',
});

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

/** One that holds, of the tenant that has declared it. */
export type FreezePeriod = z.infer<typeof Freezes>[number] & { readonly tenant: TenantId };

/** Why an apply goes on although these hold. Not in another, nor in one of these that was prolonged since. */
export type DespiteFreezes = { readonly reason: string; readonly periods: readonly FreezePeriod[] };

/** What a tenant decides for its own connections and for those of all tenants below it. */
import { z } from 'zod';
import { Freezes } from './freeze.ts';
import { ReviewRules } from './reviewRules.ts';
import { TimeZone } from './timeZone.ts';

export const TenantPolicy = z
  .strictObject({
    /** In which the conditions of its rules see days and hours. */
    timeZone: TimeZone.default('UTC'),
    rules: ReviewRules.default([]),
    /** When nothing is applied, unless somebody who may says why it cannot wait. */
    freezes: Freezes.default([]),
  })
  .meta({ id: 'TenantPolicy' });
export type TenantPolicy = z.infer<typeof TenantPolicy>;

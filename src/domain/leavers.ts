/**
 * Whoever leaves goes in steps: suspended at once, deleted when they have been away for as long as the connection keeps leavers, and
 * purged of what is personal some time after that. Whoever returns before they are purged is the same auth user as before.
 */
import { z } from 'zod';
import type { Cause } from './change.ts';

const days = (least: number) => z.number().int().min(least).max(3_650);

/** Part of a connection's policy. */
export const Leavers = z
  .strictObject({
    /** So long they are suspended before their deletion is proposed; 0: it is proposed at once. */
    graceDays: days(0).default(0),
    /** So long after their deletion what is personal about them is removed for good; null: never. */
    purgeAfterDays: days(1).nullable().default(null),
  })
  .prefault({});
export type Leavers = z.infer<typeof Leavers>;

/** Causes of a suspension that somebody's leaving led to. */
export const LEAVING = ['left', 'out-of-scope', 'scope-changed', 'deprovisioned'] as const satisfies Cause[];

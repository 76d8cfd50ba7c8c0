/** Ids are branded so that two of them cannot be swapped without a sound. All but ExternalId are UUIDs that Rollcall makes. */
import { z } from 'zod';

export const TenantId = z.uuid().brand<'TenantId'>();
export type TenantId = z.infer<typeof TenantId>;

export const ConnectionId = z.uuid().brand<'ConnectionId'>();
export type ConnectionId = z.infer<typeof ConnectionId>;

export const AuthUserId = z.uuid().brand<'AuthUserId'>();
export type AuthUserId = z.infer<typeof AuthUserId>;

export const RunId = z.uuid().brand<'RunId'>();
export type RunId = z.infer<typeof RunId>;

export const ChangeId = z.uuid().brand<'ChangeId'>();
export type ChangeId = z.infer<typeof ChangeId>;

export const DecisionId = z.uuid().brand<'DecisionId'>();
export type DecisionId = z.infer<typeof DecisionId>;

export const ApplyId = z.uuid().brand<'ApplyId'>();
export type ApplyId = z.infer<typeof ApplyId>;

export const GuardOverrideId = z.uuid().brand<'GuardOverrideId'>();
export type GuardOverrideId = z.infer<typeof GuardOverrideId>;

export const AdjustmentId = z.uuid().brand<'AdjustmentId'>();
export type AdjustmentId = z.infer<typeof AdjustmentId>;

export const PrincipalId = z.uuid().brand<'PrincipalId'>();
export type PrincipalId = z.infer<typeof PrincipalId>;

/** Control characters, of which PostgreSQL refuses NUL, and halves of surrogate pairs, which no UTF-8 can hold. */
const UNFIT = /[\p{Cc}\p{Cs}]/u;

/** Whether a text that must stay as it is, an id or the name of an attribute, can be stored: one that cannot takes a whole page with it. */
export function isStorable(text: string): boolean {
  return !UNFIT.test(text);
}

/** The provider's immutable id of a user or a group: never an address or a name, which change and get reused. */
export const ExternalId = z
  .string()
  .min(1)
  .max(256)
  .refine(isStorable, 'holds control characters')
  .brand<'ExternalId'>();
export type ExternalId = z.infer<typeof ExternalId>;

/** The same test without the objects that zod makes for it: each user of a directory has an id or two. */
export function isExternalId(value: unknown): value is ExternalId {
  return typeof value === 'string' && value !== '' && value.length <= 256 && isStorable(value);
}

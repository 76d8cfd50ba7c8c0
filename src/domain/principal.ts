/** Who may call Rollcall: a person or a machine with one role within one tenant, and the keys that prove it. */
import { z } from 'zod';
import type { PrincipalId, TenantId } from './ids.ts';
import { cleanText } from './normalise.ts';
import type { Action, PrincipalRole } from './permission.ts';

export const ApiKeyId = z.uuid().brand<'ApiKeyId'>();
export type ApiKeyId = z.infer<typeof ApiKeyId>;

/** Never deleted: the audit log speaks of it. */
export type Principal = {
  readonly id: PrincipalId;
  readonly tenant: TenantId;
  readonly name: string;
  readonly role: PrincipalRole;
  readonly createdAt: Date;
  /** Since when its keys open nothing, and it cannot sign in; null: it may. */
  readonly disabledAt: Date | null;
};

/** What is known of a key: the key itself is stored nowhere. */
export type ApiKey = {
  readonly id: ApiKeyId;
  readonly principal: PrincipalId;
  /** What it is for; may be empty. */
  readonly name: string;
  /** Where alone it holds; null: wherever its principal's role does. */
  readonly tenant: TenantId | null;
  /** All that it may, as far as its principal may; null: what its principal may. */
  readonly permissions: readonly Action[] | null;
  readonly createdAt: Date;
  /** null: never. */
  readonly expiresAt: Date | null;
  /** null: it is good. */
  readonly revokedAt: Date | null;
  /** To the minute or so; null: never. */
  readonly lastUsedAt: Date | null;
  /** The key that it took the place of. */
  readonly replaces: ApiKeyId | null;
};

export const KeyName = z
  .string()
  .transform((text) => cleanText(text) ?? '')
  .pipe(z.string().max(100, 'is longer than 100 characters'));

/** How long a replaced key stays good at most, and unless something else is said. */
export const LONGEST_OVERLAP_MINUTES = 30 * 24 * 60;
export const USUAL_OVERLAP_MINUTES = 24 * 60;

/** Uses of a key are written at most this often. */
export const USE_NOTED_EVERY_MS = 60_000;

/** Principals of people with a shell on the server are called so; no other principal can be. */
export const OPERATOR_PREFIX = 'operator:';

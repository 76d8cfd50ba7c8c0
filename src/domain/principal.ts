/** Who may call Rollcall: a person or a machine with one role within one tenant, and the keys that prove it. */
import { z } from 'zod';
import type { PrincipalId, TenantId } from './ids.ts';
import type { PrincipalRole } from './permission.ts';

export const ApiKeyId = z.uuid().brand<'ApiKeyId'>();
export type ApiKeyId = z.infer<typeof ApiKeyId>;

export type Principal = {
  readonly id: PrincipalId;
  readonly tenant: TenantId;
  readonly name: string;
  readonly role: PrincipalRole;
  readonly createdAt: Date;
};

/** What is known of a key: the key itself is stored nowhere. */
export type ApiKey = {
  readonly id: ApiKeyId;
  readonly principal: PrincipalId;
  readonly createdAt: Date;
  /** null: never. */
  readonly expiresAt: Date | null;
  /** null: it is good. */
  readonly revokedAt: Date | null;
};

/** Principals of people with a shell on the server are called so; no other principal can be. */
export const OPERATOR_PREFIX = 'operator:';

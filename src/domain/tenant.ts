/** A customer, or a part of one. Tenants nest. */
import type { TenantId } from './ids.ts';

/** As one caller sees it: nothing above the caller's own tenant shows. */
export type Tenant = {
  readonly id: TenantId;
  /** null for the caller's own tenant. */
  readonly parent: TenantId | null;
  readonly name: string;
  /** From the caller's own tenant down to this one, both included. */
  readonly path: readonly TenantId[];
  readonly version: number;
  readonly createdAt: Date;
};

/** A domain that this tenant is known to own: addresses in it may be matched with stored auth users. */
export type TenantDomain = {
  readonly tenant: TenantId;
  /** Lower case, punycode. */
  readonly domain: string;
  readonly verifiedAt: Date;
  readonly verifiedBy: string;
};

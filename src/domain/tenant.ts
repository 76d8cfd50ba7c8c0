/**
 * A customer, or a part of one. Tenants nest.
 *
 *   active --suspend--> suspended --resume--> active
 *   active or suspended --delete, while nothing uses it--> deleted
 *   active or suspended --delete at a date--> suspended, with deleteAt --called off--> as before
 *                                                                      --due--> deleted, with all below it
 *
 * What a deleted tenant held is purged; its row stays for its audit log.
 */
import type { TenantId } from './ids.ts';
import type { Listed } from './page.ts';
import { Problem } from './problem.ts';
import type { ProductPlanId } from './productPlan.ts';

export const TENANT_STATES = ['active', 'suspended', 'deleted'] as const;
export type TenantState = (typeof TENANT_STATES)[number];

/** individual: 0 or 1 user who is not deleted. organisation: 2 or more. enterprise: a connection of its own. */
export const TENANT_KINDS = ['individual', 'organisation', 'enterprise'] as const;
export type TenantKind = (typeof TENANT_KINDS)[number];

/** As one caller sees it: nothing above the caller's own tenant shows. */
export type Tenant = {
  readonly id: TenantId;
  /** null for the caller's own tenant. */
  readonly parent: TenantId | null;
  readonly name: string;
  /** From the caller's own tenant down to this one, both included. */
  readonly path: readonly TenantId[];
  /** The same for every caller; the keys of all tenants below begin with it. */
  readonly dataKey: string;
  /** Its own. One above may be suspended all the same. */
  readonly state: TenantState;
  readonly kind: TenantKind;
  /** Whether roles that are held in tenants above hold in this one and below. */
  readonly inheritsRoles: boolean;
  /** Set here; null: that of the nearest tenant above that has one. */
  readonly plan: ProductPlanId | null;
  /** What counts here; null: nothing is limited. */
  readonly effectivePlan: ProductPlanId | null;
  /** When its scheduled deletion is due, or when it was deleted. */
  readonly deleteAt: Date | null;
  readonly version: number;
  readonly createdAt: Date;
};

/** What applications hear of tenants; see docs/tenants.md for what each says. */
export type TenantEventType =
  | 'tenant.created'
  | 'tenant.renamed'
  | 'tenant.updated'
  | 'tenant.moved'
  | 'tenant.suspended'
  | 'tenant.resumed'
  | 'tenant.deleted';

export type TenantDetails = Tenant & {
  /** The first page. */
  readonly children: Listed<Tenant>;
  /** Of all tenants below, at any depth. */
  readonly descendants: Readonly<Record<TenantKind, number>>;
};

/** What keeps a tenant from being deleted at once. Users are those who are not deleted, counted up to `MANY_USERS`. */
export type TenantUse = {
  readonly children: number;
  readonly connections: number;
  readonly users: number;
  readonly runs: number;
};
export const MANY_USERS = 1_000;

export function isUsed(use: TenantUse): boolean {
  return Object.values(use).some((count) => count > 0);
}

/** Says what still uses it. */
export function inUse(use: TenantUse): Problem {
  const number = (count: number, one: string, many: string) => {
    if (count === 0) return [];
    return [count === 1 ? `1 ${one}` : `${count > MANY_USERS ? `more than ${MANY_USERS}` : count} ${many}`];
  };
  const parts = [
    ...number(use.children, 'tenant below it', 'tenants below it'),
    ...number(use.connections, 'connection', 'connections'),
    ...number(use.users, 'user', 'users'),
    ...number(use.runs, 'run or apply under way', 'runs or applies under way'),
  ];
  return new Problem({
    code: 'tenant-in-use',
    message: `The tenant is in use: ${parts.join(', ')}.`,
    remedy:
      'Move or delete what uses it first; or schedule the deletion for a date: the tenant is suspended until then, and it goes with all that it holds.',
  });
}

/** Of a tenant that does not work, or is below one that does not. `what` must not begin there. */
export function suspended(what: string): Problem {
  return new Problem({
    code: 'tenant-suspended',
    message: `The tenant, or one above it, is suspended: ${what}.`,
    remedy: 'Have it resumed by somebody who administers the tenant above, then try again.',
  });
}

/** Of the tenant of whoever comes, with a key or signed in. */
export const ownSuspended = {
  message: 'Your tenant, or one above it, is suspended.',
  remedy: 'Ask whoever administers the tenants above; nothing of yours is lost.',
} as const;

export function notForOneself(what: string): Problem {
  return new Problem({
    code: 'not-allowed-now',
    message: `A tenant cannot ${what} itself.`,
    remedy: 'Ask somebody who administers the tenant above.',
  });
}

/** A tenant that is going to be deleted, or is below one, takes nothing new. */
export function isGoing(): Problem {
  return new Problem({
    code: 'not-allowed-now',
    message: 'The tenant, or one above it, is to be deleted.',
    remedy: 'Call the deletion off first, or choose another tenant.',
  });
}

/** Of a tenant, or one above it, but below the caller's own. */
export function decidedAbove(what: string): Problem {
  return new Problem({
    code: 'not-allowed-now',
    message: `The tenant, or one above it, was ${what} by somebody above your own tenant.`,
    remedy: 'Ask somebody who administers the tenant above yours.',
  });
}

/** A domain that this tenant is known to own: addresses in it may be matched with stored auth users. */
export type TenantDomain = {
  readonly tenant: TenantId;
  /** Lower case, punycode. */
  readonly domain: string;
  readonly verifiedAt: Date;
  readonly verifiedBy: string;
};

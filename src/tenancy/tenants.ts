/** Tenants: make them, find them, rename them, and record which domains are theirs. */
import { v7 } from 'uuid';
import { z } from 'zod';
import type { Clock } from '../domain/clock.ts';
import { domainKey } from '../domain/email.ts';
import { TenantId } from '../domain/ids.ts';
import { invalidInput, Name, notFound, parseId, parseInput } from '../domain/input.ts';
import { type Listed, PageOptions } from '../domain/page.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import type { Tenant, TenantDomain } from '../domain/tenant.ts';
import type { Store } from '../store/store.ts';

export type TenantDeps = { readonly store: Store; readonly clock: Clock };

export const NewTenant = z.strictObject({
  name: Name,
  /** null: below the caller's own tenant. */
  parent: TenantId.nullable().default(null),
});

/** Throws `invalid-input`, `not-found` for the parent, `name-taken` below the same parent. */
export async function createTenant(
  { store, clock }: TenantDeps,
  caller: Caller,
  input: z.input<typeof NewTenant>,
): Promise<Tenant> {
  authorise(caller, 'tenants.write');
  const { name, parent } = parseInput(NewTenant, input);
  const id = TenantId.parse(v7());
  const below = parent ?? caller.tenant;
  return await store.tenants.insert(
    caller.tenant,
    { id, parent: below, name },
    {
      at: clock.now(),
      entry: {
        actor: caller.actor,
        action: 'tenant.created',
        subject: { kind: 'tenant', id },
        details: { name },
      },
    },
  );
}

export const ListTenants = PageOptions.extend({
  /** Its children alone. null: the caller's whole subtree. */
  parent: TenantId.nullable().default(null),
});

/** Throws `invalid-input`, `not-found` for the parent. */
export async function listTenants(
  { store }: Pick<TenantDeps, 'store'>,
  caller: Caller,
  input: z.input<typeof ListTenants> = {},
): Promise<Listed<Tenant>> {
  authorise(caller, 'tenants.read');
  return await store.tenants.list(caller.tenant, parseInput(ListTenants, input));
}

/** Throws `not-found`. */
export async function getTenant(
  { store }: Pick<TenantDeps, 'store'>,
  caller: Caller,
  id: string,
): Promise<Tenant> {
  authorise(caller, 'tenants.read');
  const known = parseId(TenantId, id);
  const tenant = known === null ? null : await store.tenants.get(caller.tenant, known);
  if (tenant === null) throw notFound('tenant');
  return tenant;
}

/** How many of the things that share a name an error lists. */
const AMBIGUOUS = 10;

/** By id, or by a name that only one tenant of the caller's subtree has. Throws `not-found`, `invalid-input` with the ids to choose from. */
export async function findTenant(
  deps: Pick<TenantDeps, 'store'>,
  caller: Caller,
  nameOrId: string,
): Promise<Tenant> {
  authorise(caller, 'tenants.read');
  if (parseId(TenantId, nameOrId) !== null) return await getTenant(deps, caller, nameOrId);
  const [tenant, ...others] = await deps.store.tenants.named(caller.tenant, nameOrId, AMBIGUOUS);
  if (tenant === undefined) throw notFound('tenant');
  if (others.length === 0) return tenant;
  const ids = [tenant, ...others].map(({ id, parent }) => `${id} (below ${parent ?? 'nothing'})`);
  throw invalidInput(
    [{ path: 'tenant', message: 'more than one tenant has this name' }],
    `Give the id in the place of the name: ${ids.join(', ')}.`,
  );
}

export const RenamedTenant = z.strictObject({ tenant: z.string(), name: Name });

/**
 * One's own tenant is renamed from above: whether a name is free among the siblings is not the caller's to know.
 * Throws `invalid-input`, `not-found`, `not-allowed-now`, `name-taken` below the same parent.
 */
export async function renameTenant(
  deps: TenantDeps,
  caller: Caller,
  input: z.input<typeof RenamedTenant>,
): Promise<Tenant> {
  authorise(caller, 'tenants.write');
  const { tenant, name } = parseInput(RenamedTenant, input);
  const before = await getTenant(deps, caller, tenant);
  if (before.name === name) return before;
  if (before.id === caller.tenant && before.id !== deps.store.root) {
    throw new Problem({
      code: 'not-allowed-now',
      message: 'A tenant cannot rename itself.',
      remedy: 'Ask somebody who administers the tenant above.',
    });
  }
  return await deps.store.tenants.rename(caller.tenant, before.id, name, {
    at: deps.clock.now(),
    entry: {
      actor: caller.actor,
      action: 'tenant.renamed',
      subject: { kind: 'tenant', id: before.id },
      details: { before: before.name, after: name },
    },
  });
}

export const VerifiedDomain = z.strictObject({
  tenant: TenantId,
  domain: z.string().transform((text, context) => {
    const key = domainKey(text);
    if (key !== null) return key;
    context.addIssue({ code: 'custom', message: 'is not a domain, such as example.com' });
    return z.NEVER;
  }),
});

/**
 * Records that a domain belongs to a tenant, because an operator says so: addresses in it may then be matched with auth users
 * that have no link yet. For the role `system` alone. Again is no error. Throws `invalid-input`, `forbidden`, `not-found`.
 */
export async function verifyDomain(
  { store, clock }: TenantDeps,
  caller: Caller,
  input: z.input<typeof VerifiedDomain>,
): Promise<TenantDomain> {
  authorise(caller, 'tenants.write');
  if (caller.role !== 'system') {
    throw new Problem({
      code: 'forbidden',
      message: `The role ${caller.role} does not include the verification of domains.`,
      remedy: 'Ask somebody with the role system: a verified domain lets its addresses match stored users.',
    });
  }
  const { tenant, domain } = parseInput(VerifiedDomain, input);
  return await store.tenants.verifyDomain(
    caller.tenant,
    { tenant, domain, verifiedBy: 'operator' },
    {
      at: clock.now(),
      entry: {
        actor: caller.actor,
        action: 'domain.verified',
        subject: { kind: 'tenant', id: tenant },
        details: { domain },
      },
    },
  );
}

/** In alphabetical order. Throws `not-found` for the tenant. */
export async function listDomains(
  deps: Pick<TenantDeps, 'store'>,
  caller: Caller,
  tenant: string,
): Promise<readonly TenantDomain[]> {
  const { id } = await getTenant(deps, caller, tenant);
  return await deps.store.tenants.domains(caller.tenant, id);
}

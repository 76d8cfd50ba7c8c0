/** Tenants: make them, find them, change them, and record which domains are theirs. */
import { v7 } from 'uuid';
import { z } from 'zod';
import type { AuditEntry } from '../domain/audit.ts';
import type { Clock } from '../domain/clock.ts';
import { domainKey } from '../domain/email.ts';
import { TenantId } from '../domain/ids.ts';
import {
  changedSinceShown,
  MOST_NAMESAKES,
  Name,
  notFound,
  onlyOne,
  parseId,
  parseInput,
} from '../domain/input.ts';
import { MOST_LIKENED, nearNames } from '../domain/nearNames.ts';
import { type Listed, PageOptions } from '../domain/page.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import { ProductPlanId } from '../domain/productPlan.ts';
import { notForOneself, type Tenant, type TenantDetails, type TenantDomain } from '../domain/tenant.ts';
import type { Store } from '../store/store.ts';
import type { TenantPatch, Told } from '../store/tenants.ts';

export type TenantDeps = { readonly store: Store; readonly clock: Clock };

export const NewTenant = z.strictObject({
  name: Name,
  /** null: below the caller's own tenant. */
  parent: TenantId.nullable().default(null),
  inheritsRoles: z
    .boolean()
    .default(true)
    .describe('Whether roles that are held in tenants above hold in this one and below.'),
  plan: ProductPlanId.nullable()
    .default(null)
    .describe(
      'A product plan of its own; null: that of the nearest tenant above. For the role system alone.',
    ),
});

/**
 * Throws `invalid-input`, `forbidden` for a plan, `not-found` for the parent or the plan, `name-taken` below the same parent,
 * `not-allowed-now` below one that is to be deleted.
 */
export async function createTenant(
  { store, clock }: TenantDeps,
  caller: Caller,
  input: z.input<typeof NewTenant>,
): Promise<Tenant> {
  authorise(caller, 'tenants.write');
  const { parent, ...given } = parseInput(NewTenant, input);
  if (given.plan !== null) refusePlanBy(caller);
  const id = TenantId.parse(v7());
  return await store.tenants.insert(
    caller.tenant,
    { ...given, id, parent: parent ?? caller.tenant },
    {
      at: clock.now(),
      entry: {
        actor: caller.actor,
        action: 'tenant.created',
        subject: { kind: 'tenant', id },
        details: { name: given.name },
      },
    },
  );
}

export const ListTenants = PageOptions.extend({
  parent: TenantId.nullable()
    .default(null)
    .describe('Only the children of this tenant; without it your own and all below it.'),
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

/** How many children come with a tenant. */
const FIRST_CHILDREN = 50;

/** With its children, the first ones, and all tenants below it counted by kind. Throws `not-found`. */
export async function describeTenant(
  { store }: Pick<TenantDeps, 'store'>,
  caller: Caller,
  id: string,
): Promise<TenantDetails> {
  authorise(caller, 'tenants.read');
  const known = parseId(TenantId, id);
  const tenant = known === null ? null : await store.tenants.describe(caller.tenant, known, FIRST_CHILDREN);
  if (tenant === null) throw notFound('tenant');
  return tenant;
}

/** By id, or by a name that only one tenant of the caller's subtree has. Throws `not-found`, `invalid-input` with the ids to choose from. */
export async function findTenant(
  deps: Pick<TenantDeps, 'store'>,
  caller: Caller,
  nameOrId: string,
): Promise<Tenant> {
  authorise(caller, 'tenants.read');
  if (parseId(TenantId, nameOrId) !== null) return await getTenant(deps, caller, nameOrId);
  const named = await deps.store.tenants.named(caller.tenant, nameOrId, MOST_NAMESAKES);
  if (named.length === 0) {
    const { items } = await deps.store.tenants.list(caller.tenant, {
      ...{ parent: null, limit: MOST_LIKENED, after: null },
    });
    throw notFound(
      'tenant',
      nameOrId,
      nearNames(
        nameOrId,
        items.map(({ name }) => name),
      ),
    );
  }
  return onlyOne('tenant', named, ({ parent }) => `below ${parent ?? 'nothing'}`, nameOrId);
}

export const ChangedTenant = z.strictObject({
  tenant: z.string(),
  name: Name.optional(),
  inheritsRoles: NewTenant.shape.inheritsRoles.unwrap().optional(),
  plan: NewTenant.shape.plan.unwrap().optional(),
  version: z
    .number()
    .int()
    .optional()
    .describe('Of the tenant that the change was made on: refused if it is another one by now.'),
});

/**
 * One's own tenant is changed from above: whether a name is free among the siblings, and what holds here of what is held above, is not
 * the caller's to say. What changes nothing is no error.
 * Throws `invalid-input`, `not-found` for the tenant or the plan, `not-allowed-now`, `forbidden` for a plan, `name-taken` below the same
 * parent, `changed-since-shown`.
 */
export async function updateTenant(
  deps: TenantDeps,
  caller: Caller,
  input: z.input<typeof ChangedTenant>,
): Promise<Tenant> {
  authorise(caller, 'tenants.write');
  const { tenant, version, ...given } = parseInput(ChangedTenant, input);
  const before = await getTenant(deps, caller, tenant);
  if (version !== undefined && version !== before.version) throw changedSinceShown('tenant');
  const { name, ...rest } = differing(given, before);
  if (rest.plan !== undefined) refusePlanBy(caller);
  if (name === undefined && Object.keys(rest).length === 0) return before;
  if (before.id === caller.tenant && before.id !== deps.store.root) throw notForOneself('change');
  const told: Told[] = [];
  if (name !== undefined) {
    const details = { before: before.name, after: name };
    told.push(telling(deps, caller, before, { action: 'tenant.renamed', details, event: 'tenant.renamed' }));
  }
  if (Object.keys(rest).length > 0) {
    const { inheritsRoles, plan } = before;
    const details = { before: { inheritsRoles, plan }, after: { inheritsRoles, plan, ...rest } };
    const data = { fields: Object.keys(rest) };
    told.push(
      telling(deps, caller, before, { action: 'tenant.updated', details, event: 'tenant.updated', data }),
    );
  }
  return await storeChange(
    deps,
    caller,
    before,
    { name, ...rest },
    {
      at: deps.clock.now(),
      entries: told.flatMap(({ entries }) => entries),
      events: told.flatMap(({ events }) => events),
    },
  );
}

type Given = { readonly [Key in 'name' | 'inheritsRoles' | 'plan']?: Tenant[Key] | undefined };

/** What is to be another than it is. */
function differing(given: Given, before: Tenant): Partial<Pick<Tenant, 'name' | 'inheritsRoles' | 'plan'>> {
  const keys = ['name', 'inheritsRoles', 'plan'] as const;
  return Object.fromEntries(
    keys.flatMap((key) =>
      given[key] === undefined || given[key] === before[key] ? [] : [[key, given[key]]],
    ),
  );
}

/** What is recorded of a change of one tenant: in its own chain, and in the feed. */
export function telling(
  { clock }: Pick<TenantDeps, 'clock'>,
  { actor }: Caller,
  { id, dataKey }: Tenant,
  {
    action,
    details = {},
    event,
    data = {},
  }: {
    readonly action: string;
    readonly details?: Told['entries'][number]['details'];
    readonly event: Told['events'][number]['type'];
    readonly data?: Told['events'][number]['data'];
  },
): Told {
  const entry = { actor, action, subject: { kind: 'tenant', id }, details } as const;
  return {
    at: clock.now(),
    entries: [entry],
    events: [{ tenant: id, type: event, data: { tenant: id, dataKey, ...data } }],
  };
}

/** Throws `changed-since-shown` where somebody was faster. */
export async function storeChange(
  { store }: Pick<TenantDeps, 'store'>,
  caller: Caller,
  before: Tenant,
  patch: { readonly [Key in keyof TenantPatch]: TenantPatch[Key] | undefined },
  told: Told,
): Promise<Tenant> {
  const after = await store.tenants.update(caller.tenant, before, defined(patch), told);
  if (after === null) throw changedSinceShown('tenant');
  return after;
}

function defined(patch: object): TenantPatch {
  return Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
}

/** A product plan is what a customer has bought: nobody sets their own, nor one for a part of theirs. */
function refusePlanBy(caller: Caller): void {
  if (caller.role === 'system') return;
  throw new Problem({
    code: 'forbidden',
    message: `The role ${caller.role} does not include setting product plans.`,
    remedy: 'Ask somebody with the role system.',
  });
}

export const VerifiedDomain = z.strictObject({
  tenant: TenantId,
  domain: z.string().transform((text, context) => {
    const key = domainKey(text);
    if (key?.includes('.')) return key; // one label, such as localhost, is nobody's
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
  const { tenant, domain } = attestedBy(caller, input);
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

/**
 * Takes back what `verifyDomain` recorded: unless a record proves the domain, its addresses match nobody from now on. Who was linked by it
 * stays linked. For the role `system` alone. Throws `invalid-input`, `forbidden`, `not-found`.
 */
export async function unverifyDomain(
  { store, clock }: TenantDeps,
  caller: Caller,
  input: z.input<typeof VerifiedDomain>,
): Promise<void> {
  const { tenant, domain } = attestedBy(caller, input);
  const { actor } = caller;
  const entry: AuditEntry = {
    actor,
    action: 'domain.attestation-withdrawn',
    subject: { kind: 'tenant', id: tenant },
    details: { domain },
  };
  const of = { tenant, domain };
  if (!(await store.domainClaims.takeBackWord(caller.tenant, of, { at: clock.now(), entry })))
    throw notFound('domain claim', domain);
}

function attestedBy(caller: Caller, input: z.input<typeof VerifiedDomain>) {
  authorise(caller, 'tenants.write');
  if (caller.role !== 'system') {
    throw new Problem({
      code: 'forbidden',
      message: `The role ${caller.role} does not include the verification of domains.`,
      remedy: 'Ask somebody with the role system: a verified domain lets its addresses match stored users.',
    });
  }
  return parseInput(VerifiedDomain, input);
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

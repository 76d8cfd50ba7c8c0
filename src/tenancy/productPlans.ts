/** Product plans: make them, change them, and see who has them. They are set at tenants with the tenants themselves. */
import { v7 } from 'uuid';
import { z } from 'zod';
import { canonical } from '../domain/canonical.ts';
import type { Clock } from '../domain/clock.ts';
import type { TenantId } from '../domain/ids.ts';
import { changedSinceShown, invalidInput, Name, notFound, parseId, parseInput } from '../domain/input.ts';
import { type Listed, PageOptions } from '../domain/page.ts';
import { authorise, type Caller, seesHidden } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import { type ProductPlan, ProductPlanId, type Subscription } from '../domain/productPlan.ts';
import { type RoleId, RoleName } from '../domain/role.ts';
import type { Audited } from '../store/audited.ts';
import type { Store } from '../store/store.ts';
import { getTenant } from './tenants.ts';

export type ProductPlanDeps = { readonly store: Store; readonly clock: Clock };

const Seats = z.int().min(0).max(1_000_000_000).nullable();
const Description = z.string().max(1000);
const Roles = z.array(RoleName).max(1000);

export const NewProductPlan = z.strictObject({
  name: Name,
  description: Description.default(''),
  /** null: no limit. */
  seats: Seats.default(null),
  /** Names of roles. */
  roles: Roles.default([]),
});

/** Throws `invalid-input`, also for roles that there are not, and `name-taken`. */
export async function createProductPlan(
  deps: ProductPlanDeps,
  caller: Caller,
  input: z.input<typeof NewProductPlan>,
): Promise<ProductPlan> {
  authorise(caller, 'roles.write');
  const { roles, ...plan } = parseInput(NewProductPlan, input);
  const id = ProductPlanId.parse(v7());
  const made = { ...plan, id, roles: await idsOf(deps, roles) };
  const { name, seats } = plan;
  return await deps.store.productPlans.insert(
    made,
    audited(deps, caller, 'created', id, { name, seats, roles }),
  );
}

async function idsOf({ store }: ProductPlanDeps, names: readonly string[]): Promise<readonly RoleId[]> {
  const known = new Map((await store.roles.named(names)).map(({ id, name }) => [name, id]));
  const unknown = [...new Set(names)].filter((name) => !known.has(name));
  if (unknown.length > 0)
    throw invalidInput(
      unknown.map((name) => ({ path: 'roles', message: `there is no role ${JSON.stringify(name)}` })),
      'Make the role first, or correct its name.',
    );
  return [...known.values()];
}

export const ListProductPlans = PageOptions;

/** From above all tenants all plans; else those that count in the caller's tenant and below. Throws `invalid-input`. */
export async function listProductPlans(
  { store }: Pick<ProductPlanDeps, 'store'>,
  caller: Caller,
  input: z.input<typeof ListProductPlans> = {},
): Promise<Listed<ProductPlan>> {
  authorise(caller, 'roles.read');
  const { items, next } = await store.productPlans.list(caller.tenant, parseInput(ListProductPlans, input));
  return { items: await withoutHidden(store, caller, items), next };
}

/** Throws `not-found`. */
export async function getProductPlan(
  { store }: Pick<ProductPlanDeps, 'store'>,
  caller: Caller,
  id: string,
): Promise<ProductPlan> {
  authorise(caller, 'roles.read');
  const known = parseId(ProductPlanId, id);
  const plan = known === null ? null : await store.productPlans.get(caller.tenant, known);
  const [shown] = plan === null ? [] : await withoutHidden(store, caller, [plan]);
  if (shown === undefined) throw notFound('product plan', known === null ? id : undefined);
  return shown;
}

/** By id or name. Throws `not-found`. */
export async function findProductPlan(
  deps: Pick<ProductPlanDeps, 'store'>,
  caller: Caller,
  nameOrId: string,
): Promise<ProductPlan> {
  authorise(caller, 'roles.read');
  const named = await deps.store.productPlans.named(caller.tenant, nameOrId);
  return await getProductPlan(deps, caller, named?.id ?? nameOrId);
}

async function withoutHidden(
  store: Store,
  caller: Caller,
  plans: readonly ProductPlan[],
): Promise<readonly ProductPlan[]> {
  if (seesHidden(caller)) return plans;
  const roles = await store.roles.named([...new Set(plans.flatMap((plan) => plan.roles))]);
  const hidden = new Set(roles.filter(({ type }) => type === 'hidden').map(({ name }) => name));
  return plans.map((plan) => ({ ...plan, roles: plan.roles.filter((name) => !hidden.has(name)) }));
}

export const ChangedProductPlan = z.strictObject({
  productPlan: z.string(),
  version: z.int().optional(),
  name: Name.optional(),
  description: Description.optional(),
  seats: Seats.optional(),
  /** Replaces all of them. */
  roles: Roles.optional(),
});

/**
 * Counts at once in all tenants that have the plan. An assignment of a role that the plan does not have any more is kept, and counts
 * no longer. Throws `invalid-input`, `not-found`, `changed-since-shown`, `name-taken`.
 */
export async function updateProductPlan(
  deps: ProductPlanDeps,
  caller: Caller,
  input: z.input<typeof ChangedProductPlan>,
): Promise<ProductPlan> {
  authorise(caller, 'roles.write');
  const { productPlan: id, version, roles, ...given } = parseInput(ChangedProductPlan, input);
  const before = await getProductPlan(deps, caller, id);
  if (version !== undefined && version !== before.version) throw changedSinceShown('product plan');
  const wanted = roles === undefined ? before.roles : [...new Set(roles)].sort();
  const patch = {
    ...Object.fromEntries(
      Object.entries(given).filter(
        ([field, value]) => value !== undefined && value !== before[field as keyof typeof given],
      ),
    ),
    ...(canonical(wanted) === canonical(before.roles) ? {} : { roles: await idsOf(deps, wanted) }),
  };
  if (Object.keys(patch).length === 0) return before;
  const details = {
    fields: Object.keys(patch).sort(),
    before: { seats: before.seats, roles: before.roles },
    after: { seats: given.seats === undefined ? before.seats : given.seats, roles: wanted },
  };
  const after = await deps.store.productPlans.update(
    before,
    patch,
    audited(deps, caller, 'updated', before.id, details),
  );
  if (after === null) throw changedSinceShown('product plan');
  return after;
}

/** Throws `not-found`, and `not-allowed-now` while a tenant has it. */
export async function deleteProductPlan(deps: ProductPlanDeps, caller: Caller, id: string): Promise<void> {
  authorise(caller, 'roles.write');
  const plan = await getProductPlan(deps, caller, id);
  const entry = audited(deps, caller, 'deleted', plan.id, { name: plan.name });
  switch (await deps.store.productPlans.remove(plan.id, entry)) {
    case 'removed':
      return;
    case 'gone':
      throw notFound('product plan');
    case 'used':
      throw new Problem({
        code: 'not-allowed-now',
        message: 'The product plan is still used: tenants have it.',
        remedy: 'Set another plan at its tenants first; `rollcall product-plans show` lists them.',
      });
  }
}

export const ListSubscriptions = PageOptions.extend({ productPlan: z.string() });

/** The caller's tenants that the plan is set at, with the seats that are taken in each. Throws `invalid-input`, `not-found`. */
export async function listSubscriptions(
  { store }: Pick<ProductPlanDeps, 'store'>,
  caller: Caller,
  input: z.input<typeof ListSubscriptions>,
): Promise<Listed<Subscription>> {
  authorise(caller, 'tenants.read');
  const { productPlan, ...page } = parseInput(ListSubscriptions, input);
  const { id } = await getProductPlan({ store }, caller, productPlan);
  return await store.productPlans.subscriptions(caller.tenant, id, page);
}

export type PlanOfTenant = {
  /** null: no plan limits the tenant. */
  readonly plan: ProductPlan | null;
  /** The tenant that it is set at; null where there is none, and where it is none of the caller's. */
  readonly at: TenantId | null;
  /** Of the plan's seats, over all who share them; null where `at` is. */
  readonly used: number | null;
};

/** The plan that counts in a tenant: its own, else that of the nearest above. Throws `not-found` for the tenant. */
export async function getProductPlanOf(
  { store }: Pick<ProductPlanDeps, 'store'>,
  caller: Caller,
  tenant: string,
): Promise<PlanOfTenant> {
  authorise(caller, 'roles.read');
  const { id, path } = await getTenant({ store }, caller, tenant);
  const subscribed = await store.productPlans.of(id);
  if (subscribed === null) return { plan: null, at: null, used: null };
  const [plan = null] = await withoutHidden(store, caller, [subscribed.plan]);
  if (!path.includes(subscribed.at)) return { plan, at: null, used: null };
  return { plan, at: subscribed.at, used: await store.productPlans.seatsUsed(subscribed.at) };
}

function audited(
  { clock }: ProductPlanDeps,
  { actor }: Caller,
  what: 'created' | 'updated' | 'deleted',
  id: ProductPlanId,
  details: Audited['entry']['details'],
): Audited {
  return {
    at: clock.now(),
    entry: { actor, action: `product-plan.${what}`, subject: { kind: 'product-plan', id }, details },
  };
}

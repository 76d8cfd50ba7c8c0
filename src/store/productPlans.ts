/** Product plans, where they are set, and how many of their seats are taken. */
import { TenantId } from '../domain/ids.ts';
import { type Listed, type PageOptions, toPage } from '../domain/page.ts';
import { type ProductPlan, ProductPlanId, type Subscription } from '../domain/productPlan.ts';
import type { RoleId } from '../domain/role.ts';
import { type Audited, record } from './audited.ts';
import { type Database, type OrdinaryTransaction, sqlOf } from './database.ts';
import { refusingTakenNames } from './duplicates.ts';
import { writeRolesChanged } from './events.ts';
import type { Prisma } from './generated/client.ts';
import { isWithin, pageQuery, subtree } from './scope.ts';

export type ProductPlanPatch = Partial<Pick<ProductPlan, 'name' | 'description' | 'seats'>> & {
  readonly roles?: readonly RoleId[];
};

/** The product plan that counts in a tenant, and where it is set. */
export type Subscribed = { readonly plan: ProductPlan; readonly at: TenantId };

export type ProductPlanStore = {
  /** Recorded at the root, whose plans they are. Throws `name-taken`. */
  insert(
    plan: Omit<ProductPlan, 'createdAt' | 'version' | 'roles'> & { readonly roles: readonly RoleId[] },
    audit: Audited,
  ): Promise<ProductPlan>;
  /** null: it is not at this version any more. Throws `name-taken`. */
  update(plan: ProductPlan, patch: ProductPlanPatch, audit: Audited): Promise<ProductPlan | null>;
  /** 'used': a tenant has it. 'gone': there is none any more. */
  remove(id: ProductPlanId, audit: Audited): Promise<'removed' | 'used' | 'gone'>;
  /** Of everybody below the root all plans; else those that count in the tenant or are set below it. */
  list(scope: TenantId, page: PageOptions): Promise<Listed<ProductPlan>>;
  get(scope: TenantId, id: ProductPlanId): Promise<ProductPlan | null>;
  named(scope: TenantId, name: string): Promise<ProductPlan | null>;
  /** The tenant's own, else that of the nearest tenant above; null: no plan limits it. */
  of(tenant: TenantId): Promise<Subscribed | null>;
  /** The tenants of the subtree that the plan is set at, with the seats that are taken in each. */
  subscriptions(scope: TenantId, plan: ProductPlanId, page: PageOptions): Promise<Listed<Subscription>>;
  /** Active users in a tenant with a plan of its own, and in those below it without. */
  seatsUsed(tenant: TenantId): Promise<number>;
};

const withRoles = { roles: { select: { role: { select: { name: true } } } } } as const;

export function productPlanStore(database: Database): ProductPlanStore {
  const atRoot = <T>(work: (tx: OrdinaryTransaction) => Promise<T>) => database.ordinary(database.root, work);
  return {
    insert: ({ roles, ...plan }, audit) =>
      refusingTakenNames(nameTaken, () =>
        atRoot(async (tx) => {
          await tx.productPlan.create({ data: { ...plan, createdAt: audit.at } });
          await tx.productPlanRole.createMany({ data: rolesOf(plan.id, roles) });
          await record(tx, database.root, audit);
          return toPlan(
            await tx.productPlan.findUniqueOrThrow({ where: { id: plan.id }, include: withRoles }),
          );
        }),
      ),
    update: ({ id, version }, { roles, ...patch }, audit) =>
      refusingTakenNames(nameTaken, () =>
        atRoot(async (tx) => {
          const data = { ...patch, version: { increment: 1 } };
          const { count } = await tx.productPlan.updateMany({ where: { id, version }, data });
          if (count === 0) return null;
          if (roles !== undefined) {
            const shows = await isSeenToBecome(tx, id, roles);
            await tx.productPlanRole.deleteMany({ where: { productPlanId: id } });
            await tx.productPlanRole.createMany({ data: rolesOf(id, roles) });
            await writeRolesChanged(sqlOf(tx), { root: database.root, at: audit.at, shows });
          }
          await record(tx, database.root, audit);
          return toPlan(await tx.productPlan.findUniqueOrThrow({ where: { id }, include: withRoles }));
        }),
      ),
    remove: (id, audit) =>
      atRoot(async (tx) => {
        await sqlOf(tx).query('SELECT FROM product_plan WHERE id = $1::uuid FOR UPDATE', [id]);
        const used = { productPlanId: id, state: { not: 'deleted' } };
        if ((await tx.tenant.findFirst({ where: used, select: { id: true } })) !== null) return 'used';
        await tx.tenant.updateMany({ where: { productPlanId: id }, data: { productPlanId: null } });
        await tx.productPlanRole.deleteMany({ where: { productPlanId: id } });
        const { count } = await tx.productPlan.deleteMany({ where: { id } });
        if (count === 0) return 'gone';
        await record(tx, database.root, audit);
        return 'removed';
      }),
    ...reading(database),
  };
}

function reading(
  database: Database,
): Pick<ProductPlanStore, 'list' | 'get' | 'named' | 'of' | 'subscriptions' | 'seatsUsed'> {
  const atRoot = <T>(work: (tx: OrdinaryTransaction) => Promise<T>) => database.ordinary(database.root, work);
  /** What others pay for is not theirs to know. */
  const shownTo = async (tx: OrdinaryTransaction, scope: TenantId): Promise<Prisma.ProductPlanWhereInput> => {
    if (scope === database.root) return {};
    const below = { ...(await subtree(tx, scope)), state: { not: 'deleted' } };
    const own = await subscribed(tx, scope);
    return { OR: [{ tenants: { some: below } }, ...(own === null ? [] : [{ id: own.plan.id }])] };
  };
  const find = (scope: TenantId, which: Prisma.ProductPlanWhereInput) =>
    atRoot(async (tx) => {
      const where = { AND: [which, await shownTo(tx, scope)] };
      const row = await tx.productPlan.findFirst({ where, include: withRoles });
      return row === null ? null : toPlan(row);
    });
  return {
    list: (scope, page) =>
      atRoot(async (tx) => {
        const { position, order } = pageQuery(page);
        const where = { AND: [position, await shownTo(tx, scope)] };
        const rows = await tx.productPlan.findMany({ where, include: withRoles, ...order });
        return toPage(rows.map(toPlan), page.limit);
      }),
    get: (scope, id) => find(scope, { id }),
    named: (scope, name) => find(scope, { name }),
    of: (tenant) => atRoot((tx) => subscribed(tx, tenant)),
    subscriptions: (scope, plan, page) =>
      atRoot(async (tx) => {
        const { position, order } = pageQuery(page);
        const set = { productPlanId: plan, state: { not: 'deleted' } };
        const where = { AND: [set, position, await subtree(tx, scope)] };
        const rows = await tx.tenant.findMany({ where, select: { id: true, name: true }, ...order });
        const { items, next } = toPage(rows, page.limit);
        const used = await countSeats(tx, items);
        return {
          items: items.map(({ id, name }) => ({ id: TenantId.parse(id), name, used: used.get(id) ?? 0 })),
          next,
        };
      }),
    seatsUsed: (tenant) => atRoot(async (tx) => (await countSeats(tx, [{ id: tenant }])).get(tenant) ?? 0),
  };
}

/** The nearest tenant with a product plan of its own, from `tenant` up: the one whose plan `plan_in_tenant` gives. */
const holderFor = (tenant: string) => `(SELECT holder.id FROM tenant holder
  WHERE holder.id = ANY (string_to_array(rtrim(${tenant}.path, '/'), '/')::uuid[]) AND holder.product_plan_id IS NOT NULL
  ORDER BY length(holder.path) DESC LIMIT 1)`;

async function subscribed(tx: OrdinaryTransaction, tenant: TenantId): Promise<Subscribed | null> {
  const [found] = await sqlOf(tx).query<{ at: TenantId | null }>(
    `SELECT ${holderFor('t')} AS at FROM tenant t WHERE t.id = $1::uuid`,
    [tenant],
  );
  const at = found?.at ?? null;
  if (at === null) return null;
  const where = { tenants: { some: { id: at } } };
  const row = await tx.productPlan.findFirstOrThrow({ where, include: withRoles });
  return { plan: toPlan(row), at };
}

/** Of tenants with product plans of their own. */
async function countSeats(
  tx: OrdinaryTransaction,
  tenants: readonly { readonly id: string }[],
): Promise<ReadonlyMap<string, number>> {
  const rows = await sqlOf(tx).query<{ id: string; used: number }>(
    `SELECT top.id, count(*)::int AS used
     FROM tenant top JOIN tenant t ON ${isWithin('t.path', 'top.path')} AND t.state <> 'deleted'
       JOIN auth_user u ON u.tenant_id = t.id AND u.state = 'active'
     WHERE top.id = ANY ($1::uuid[]) AND ${holderFor('t')} = top.id GROUP BY top.id`,
    [tenants.map(({ id }) => id)],
  );
  return new Map(rows.map(({ id, used }) => [id, used]));
}

/** Whether tenants, which see no hidden roles, see other roles in the plan when it has these. */
async function isSeenToBecome(
  tx: OrdinaryTransaction,
  plan: ProductPlanId,
  roles: readonly RoleId[],
): Promise<boolean> {
  const [found] = await sqlOf(tx).query<{ differs: boolean }>(
    `SELECT EXISTS (SELECT FROM role r WHERE r.type <> 'hidden' AND (r.id = ANY ($2::uuid[]))
       <> EXISTS (SELECT FROM product_plan_role p WHERE p.product_plan_id = $1::uuid AND p.role_id = r.id)) AS differs`,
    [plan, roles],
  );
  return found?.differs === true;
}

function rolesOf(plan: ProductPlanId, roles: readonly RoleId[]) {
  return roles.map((roleId) => ({ productPlanId: plan, roleId }));
}

type Row = Prisma.ProductPlanGetPayload<{ include: typeof withRoles }>;

function toPlan({ id, name, description, seats, roles, version, createdAt }: Row): ProductPlan {
  const names = roles.map(({ role }) => role.name).sort();
  return { id: ProductPlanId.parse(id), name, description, seats, roles: names, version, createdAt };
}

const nameTaken = {
  message: 'Another product plan has this name.',
  remedy: 'Choose another name, or use the plan that is there.',
};

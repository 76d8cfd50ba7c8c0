/** What a user may do in one tenant, asked of the rules one by one: slow, obvious, and what the fast answer is held equal to. */
import fc from 'fast-check';
import { v7 } from 'uuid';
import type { RoleFact, TenantFact } from '../../src/domain/authorization.ts';
import { TenantId } from '../../src/domain/ids.ts';
import { RoleId } from '../../src/domain/role.ts';

export type Node = TenantFact & { readonly parent: Node | null };

export type World = {
  /** Each behind its parent; the first is the root. */
  readonly tenants: readonly Node[];
  readonly roles: readonly (RoleFact & { readonly id: RoleId })[];
  readonly plans: readonly { readonly id: string; readonly roles: readonly RoleId[] }[];
  readonly home: Node;
  readonly assignments: readonly { readonly role: RoleId; readonly tenant: TenantId }[];
};

const upFrom = (tenant: Node): readonly Node[] =>
  tenant.parent === null ? [tenant] : [tenant, ...upFrom(tenant.parent)];

export const isWithin = (tenant: Node, top: Node): boolean => upFrom(tenant).includes(top);

function allows({ plans }: World, tenant: Node, role: RoleId): boolean {
  const plan = upFrom(tenant).find((one) => one.plan !== null)?.plan;
  return plan === undefined || plans.some((one) => one.id === plan && one.roles.includes(role));
}

/** Names of the roles that the user has in this tenant, sorted. */
export function rolesIn(world: World, tenant: Node): readonly string[] {
  if (!isWithin(tenant, world.home)) return [];
  if (upFrom(tenant).some(({ state }) => state !== 'active')) return [];
  const holds = (role: RoleId, automatic: boolean): boolean =>
    world.tenants.some((from) => {
      if (!isWithin(from, world.home) || !isWithin(tenant, from)) return false;
      const path = upFrom(tenant);
      if (!path.slice(0, path.indexOf(from)).every(({ inheritsRoles }) => inheritsRoles)) return false;
      const given = world.assignments.some((one) => one.role === role && one.tenant === from.id);
      return given || (automatic && from === world.home && allows(world, from, role));
    });
  return world.roles
    .filter(({ id, type }) => allows(world, tenant, id) && holds(id, type === 'automatic'))
    .map(({ name }) => name)
    .sort();
}

/** Those that an answer needs: what is above home, and below it only what stands apart. */
export function concerned({ tenants, home, assignments }: World): readonly Node[] {
  return tenants.filter(
    (tenant) =>
      tenant === home ||
      (upFrom(home).includes(tenant) && (tenant.state !== 'active' || tenant.plan !== null)) ||
      assignments.some((one) => one.tenant === tenant.id) ||
      (isWithin(tenant, home) &&
        (tenant.state !== 'active' || !tenant.inheritsRoles || tenant.plan !== null)),
  );
}

const aTenant = fc.record({
  parent: fc.nat(),
  state: fc.oneof(
    { weight: 8, arbitrary: fc.constant('active' as const) },
    { weight: 1, arbitrary: fc.constantFrom('suspended' as const, 'deleted' as const) },
  ),
  inheritsRoles: fc.oneof(
    { weight: 4, arbitrary: fc.constant(true) },
    { weight: 1, arbitrary: fc.constant(false) },
  ),
  plan: fc.option(fc.nat(), { freq: 3 }),
});

const aRole = fc.record({
  type: fc.constantFrom('ordinary' as const, 'automatic' as const, 'assignable' as const, 'hidden' as const),
  permissions: fc.uniqueArray(fc.constantFrom('read', 'write', 'pay', 'close'), { maxLength: 3 }),
});

/** Small enough to be looked through, with everything that can stand in each other's way. */
export const aWorld: fc.Arbitrary<World> = fc
  .record({
    tenants: fc.array(aTenant, { minLength: 1, maxLength: 14 }),
    roles: fc.array(aRole, { minLength: 1, maxLength: 5 }),
    plans: fc.array(fc.array(fc.nat(), { maxLength: 4 }), { maxLength: 3 }),
    home: fc.nat(),
    assignments: fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 8 }),
  })
  .map((drawn) => {
    const at = <T>(list: readonly T[], index: number): T => list[index % list.length] as T;
    const roles = drawn.roles.map((role, n) => ({ ...role, id: RoleId.parse(v7()), name: `role ${n}` }));
    const plans = drawn.plans.map((picked) => ({
      id: v7(),
      roles: [...new Set(picked.map((one) => at(roles, one).id))],
    }));
    const tenants: Node[] = [];
    for (const [n, { parent, plan, ...rest }] of drawn.tenants.entries()) {
      const above = n === 0 ? null : at(tenants, parent);
      tenants.push({
        ...rest,
        id: TenantId.parse(v7()),
        name: `tenant ${n}`,
        // Numbers of one, two and three figures, so that one is the beginning of another.
        dataKey: above === null ? '' : `${above.dataKey}${n ** 2 + 1}.`,
        plan: plan === null || plans.length === 0 ? null : at(plans, plan).id,
        parent: above,
      });
    }
    const assignments = drawn.assignments.map(([role, tenant]) => ({
      role: at(roles, role).id,
      tenant: at(tenants, tenant).id,
    }));
    return { tenants, roles, plans, home: at(tenants, drawn.home), assignments };
  });

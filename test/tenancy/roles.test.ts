import { describe, expect, it } from 'vitest';
import type { AuthUserId, TenantId } from '../../src/domain/ids.ts';
import type { Caller } from '../../src/domain/permission.ts';
import type { RoleType } from '../../src/domain/role.ts';
import { createConnection, updateConnection } from '../../src/tenancy/connections.ts';
import {
  createProductPlan,
  deleteProductPlan,
  getProductPlan,
  getProductPlanOf,
  listProductPlans,
  listSubscriptions,
  updateProductPlan,
} from '../../src/tenancy/productPlans.ts';
import {
  createRole,
  deleteRole,
  getRole,
  grantRole,
  listRoles,
  revokeRole,
  updateRole,
} from '../../src/tenancy/roles.ts';
import { getUser } from '../../src/tenancy/users.ts';
import { asOwner } from '../support/database.ts';
import {
  aCaller,
  aTenancy,
  aTenant,
  aUser,
  auditOf,
  giveByDirectory,
  unknownId,
} from '../support/tenancy.ts';

const { database, deps, operator } = await aTenancy();
const tenant = await aTenant(deps);
const below = await aTenant(deps, { parent: tenant });
const admin = await aCaller(deps, tenant);

let made = 0;
async function aRole(type: RoleType = 'assignable', permissions: readonly string[] = []): Promise<string> {
  made += 1;
  const name = `role ${made}`;
  await createRole(deps, operator, { name, type, permissions: [...permissions] });
  return name;
}

/** As `rollcall tenants` would set it. */
async function subscribe(at: TenantId, plan: string | null): Promise<void> {
  await asOwner(database.url, (client) =>
    client.query('UPDATE tenant SET product_plan_id = $2 WHERE id = $1', [at, plan]),
  );
}

async function withPlan(at: TenantId, roles: readonly string[], work: () => Promise<void>): Promise<void> {
  made += 1;
  const { id } = await createProductPlan(deps, operator, { name: `plan ${made}`, roles: [...roles] });
  await subscribe(at, id);
  try {
    await work();
  } finally {
    await subscribe(at, null);
  }
}

const rolesOf = async (caller: Caller, user: AuthUserId) =>
  (await getUser(deps, caller, user)).roles.map(({ name, tenant: at, origin }) => [name, at, origin]);

describe('a role', () => {
  it('keeps its permissions in order, each once, and counts its versions', async () => {
    const name = await aRole('ordinary', ['b.read', 'a.write', 'b.read']);
    expect(await getRole(deps, admin, name)).toMatchObject({
      permissions: ['a.write', 'b.read'],
      version: 1,
    });
    const after = await updateRole(deps, operator, { role: name, permissions: ['c.read'], version: 1 });
    expect(after).toMatchObject({ permissions: ['c.read'], version: 2, type: 'ordinary' });
    expect(await updateRole(deps, operator, { role: name, permissions: ['c.read'] })).toEqual(after);
    const late = updateRole(deps, operator, { role: name, description: 'late', version: 1 });
    await expect(late).rejects.toMatchObject({ code: 'changed-since-shown' });
    expect((await auditOf(database.url, deps.store.root)).at(-1)).toMatchObject({
      action: 'role.updated',
      details: { after: { permissions: ['c.read'] } },
    });
  });

  it.each(['', 'a b', 'a..b', '.a', 'a.', 'ü', 'x'.repeat(101)])(
    'has no permission %j',
    async (permission) => {
      const wrong = createRole(deps, operator, { name: 'wrong', permissions: [permission] });
      await expect(wrong).rejects.toMatchObject({
        code: 'invalid-input',
        fields: [{ path: 'permissions.0' }],
      });
    },
  );

  it('is removed when nothing uses it, and the refusal says what does', async () => {
    const name = await aRole();
    const user = await aUser(database.url, tenant);
    await grantRole(deps, admin, { user, role: name });
    const { id } = await createProductPlan(deps, operator, { name: 'uses it', roles: [name] });
    const connection = await createConnection(deps, operator, {
      ...okta('uses it'),
      tenant,
      mapping: { everyone: [name] },
    });
    const refused = (by: string) =>
      expect(deleteRole(deps, operator, name)).rejects.toMatchObject({
        code: 'not-allowed-now',
        message: expect.stringContaining(by),
      });
    await refused('given it by hand');
    await revokeRole(deps, admin, { user, role: name });
    await refused('product plans');
    await deleteProductPlan(deps, operator, id);
    await refused('mappings');
    await updateConnection(deps, operator, { connection: connection.id, mapping: {} });
    await deleteRole(deps, operator, name);
    await expect(getRole(deps, operator, name)).rejects.toMatchObject({ code: 'not-found' });
  });

  it('cannot become one that no directory gives while a mapping names it', async () => {
    const name = await aRole('ordinary');
    const mapping = { roles: [{ group: 'g"\\', role: name }] };
    await createConnection(deps, operator, { ...okta('keeps the type'), tenant, mapping });
    for (const type of ['hidden', 'automatic'] as const)
      await expect(updateRole(deps, operator, { role: name, type })).rejects.toMatchObject({
        code: 'not-allowed-now',
      });
    expect(await updateRole(deps, operator, { role: name, type: 'assignable' })).toMatchObject({
      version: 2,
    });
  });
});

const okta = (name: string) => ({
  name,
  provider: 'okta' as const,
  settings: { orgUrl: 'https://acme.okta.com' },
  credentials: { kind: 'api-token', token: '00secretOktaToken' },
});

describe('by hand', () => {
  it.each([
    ['ordinary', 'given', 'forbidden'],
    ['assignable', 'given', 'given'],
    ['automatic', 'not-allowed-now', 'not-allowed-now'],
    ['hidden', 'given', 'not-found'],
  ] as const)(
    'a role of the type %s is %s from above and %s within a tenant',
    async (type, above, within) => {
      const role = await aRole(type);
      const user = await aUser(database.url, tenant);
      const tried = (caller: Caller, verb: typeof grantRole) =>
        verb(deps, caller, { user, role }).then(
          () => 'given',
          (error) => error.code,
        );
      expect(await tried(admin, grantRole)).toBe(within);
      expect(await tried(operator, grantRole)).toBe(above);
      expect(await tried(admin, revokeRole)).toBe(within);
    },
  );

  it('a role holds in a tenant below alone, and is taken back there', async () => {
    const role = await aRole();
    const user = await aUser(database.url, tenant);
    await grantRole(deps, admin, { user, role, tenant: below });
    expect(await rolesOf(admin, user)).toEqual([[role, below, 'manual']]);
    await revokeRole(deps, admin, { user, role });
    expect(await rolesOf(admin, user)).toHaveLength(1);
    await grantRole(deps, admin, { user, role });
    expect(await rolesOf(admin, user)).toHaveLength(2);
    await revokeRole(deps, admin, { user, role, tenant: below });
    expect(await rolesOf(admin, user)).toEqual([[role, tenant, 'manual']]);
  });

  it('no role is given above or beside the user’s tenant, and none is found of other customers', async () => {
    const role = await aRole();
    const user = await aUser(database.url, below);
    const beside = await aTenant(deps, { parent: tenant });
    for (const at of [tenant, beside, await aTenant(deps)]) {
      const given = grantRole(deps, admin, { user, role, tenant: at });
      await expect(given).rejects.toMatchObject({ code: 'not-found' });
    }
    const theirs = await aCaller(deps, await aTenant(deps));
    await expect(grantRole(deps, theirs, { user, role })).rejects.toMatchObject({ code: 'not-found' });
  });

  it('a role that the product plan does not have is refused, and what was given before is kept', async () => {
    const [role, other] = [await aRole(), await aRole()];
    const user = await aUser(database.url, below);
    await grantRole(deps, admin, { user, role });
    await withPlan(tenant, [other], async () => {
      await expect(grantRole(deps, operator, { user, role })).rejects.toMatchObject({
        code: 'not-allowed-now',
      });
      await grantRole(deps, admin, { user, role: other });
      expect((await rolesOf(admin, user)).map(([name]) => name)).toEqual([role, other].sort());
      expect((await listRoles(deps, admin, { tenant: below })).items.map(({ name }) => name)).toEqual([
        other,
      ]);
    });
  });
});

describe('a mapping', () => {
  it('names no hidden, no automatic role, and none that the product plan does not have', async () => {
    const [hidden, automatic, outside, fine] = [
      await aRole('hidden'),
      await aRole('automatic'),
      await aRole('ordinary'),
      await aRole('ordinary'),
    ];
    await withPlan(tenant, [fine], async () => {
      const said = (caller: Caller) =>
        createConnection(deps, caller, {
          ...okta(`of ${caller.role}`),
          tenant,
          mapping: { everyone: [fine, hidden, automatic, outside] },
        }).catch((error) => error.fields.map(({ path }: { path: string }) => path));
      expect(await said(admin)).toEqual(['mapping.everyone.1', 'mapping.everyone.2', 'mapping.everyone.3']);
      expect(await said(operator)).toEqual(['mapping.everyone.1', 'mapping.everyone.2']);
    });
  });

  it('has its rules’ roles looked at like all others, and makes tenants only for whom may', async () => {
    const [hidden, fine] = [await aRole('hidden'), await aRole('ordinary')];
    const rules = [{ roles: [fine] }, { roles: [fine, hidden], tenant: 'Offices', create: true }];
    const tried = (caller: Caller, of: object[]) =>
      createConnection(deps, caller, { ...okta(`rules ${made}`), mapping: { rules: of } });
    await expect(tried(admin, rules)).rejects.toMatchObject({
      fields: [{ path: 'mapping.rules.1.roles.1' }],
    });
    const narrow = {
      ...admin,
      permissions: admin.permissions.filter((action) => action !== 'tenants.write'),
    };
    const making = [{ roles: [fine], tenant: 'Offices', create: true }];
    await expect(tried(narrow, making)).rejects.toMatchObject({ code: 'forbidden' });
    await tried(narrow, [{ roles: [fine], tenant: 'Offices' }]);
    await expect(deleteRole(deps, operator, fine)).rejects.toMatchObject({
      message: expect.stringContaining('mappings'),
    });
  });

  it('is answered about a hidden role as about one that does not exist', async () => {
    const hidden = await aRole('hidden');
    const said = (role: string) =>
      createConnection(deps, admin, { ...okta('curious'), mapping: { everyone: [role] } }).catch((error) =>
        error.message.replaceAll(role, 'ROLE'),
      );
    expect(await said(hidden)).toBe(await said('never heard of'));
  });
});

it('hidden roles show to nobody in a tenant: not in lists, not on users, not in product plans', async () => {
  const hidden = await aRole('hidden');
  const user = await aUser(database.url, tenant);
  await grantRole(deps, operator, { user, role: hidden });
  await withPlan(tenant, [hidden], async () => {
    const auditor = await aCaller(deps, tenant, 'auditor');
    const seen = async (caller: Caller) => [
      (await listRoles(deps, caller, { limit: 500 })).items.some(({ name }) => name === hidden),
      (await getUser(deps, caller, user)).roles.length === 1,
      (await getProductPlanOf(deps, caller, tenant)).plan?.roles.includes(hidden),
      (await listProductPlans(deps, caller)).items.some(({ roles }) => roles.includes(hidden)),
    ];
    expect(await seen(auditor)).toEqual([false, false, false, false]);
    expect(await seen(operator)).toEqual([true, true, true, true]);
    await expect(getRole(deps, auditor, hidden)).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('a product plan', () => {
  it('counts active users below it, without those of tenants that have a plan of their own', async () => {
    const [top, mid, own, deep] = await (async () => {
      const a = await aTenant(deps);
      const b = await aTenant(deps, { parent: a });
      const c = await aTenant(deps, { parent: b });
      return [a, b, c, await aTenant(deps, { parent: c })];
    })();
    for (const at of [top, mid, mid, own, deep, deep]) await aUser(database.url, at as TenantId);
    await aUser(database.url, mid as TenantId, { state: 'suspended' });
    const gone = await aTenant(deps, { parent: mid as TenantId });
    await aUser(database.url, gone); // until what it held is purged
    await asOwner(database.url, (client) =>
      client.query(`UPDATE tenant SET state = 'deleted', delete_at = now() WHERE id = $1`, [gone]),
    );
    const outer = await createProductPlan(deps, operator, { name: 'outer', seats: 2 });
    const inner = await createProductPlan(deps, operator, { name: 'inner' });
    await subscribe(top as TenantId, outer.id);
    await subscribe(own as TenantId, inner.id);
    const used = async (productPlan: string) =>
      (await listSubscriptions(deps, operator, { productPlan })).items.map(({ id, used: taken }) => [
        id,
        taken,
      ]);
    expect(await used(outer.id)).toEqual([[top, 3]]);
    expect(await used(inner.id)).toEqual([[own, 3]]);
    expect(await getProductPlanOf(deps, operator, deep as TenantId)).toMatchObject({
      plan: inner,
      at: own,
      used: 3,
    });

    const within = await aCaller(deps, mid as TenantId);
    expect(await getProductPlanOf(deps, within, mid as TenantId)).toEqual({
      plan: outer,
      at: null,
      used: null,
    });
    expect((await listProductPlans(deps, within)).items.map(({ name }) => name)).toEqual(['outer', 'inner']);
    expect((await listSubscriptions(deps, within, { productPlan: outer.id })).items).toEqual([]);
    const others = await aCaller(deps, await aTenant(deps));
    expect((await listProductPlans(deps, others)).items).toEqual([]);
    await expect(getProductPlan(deps, others, outer.id)).rejects.toMatchObject({ code: 'not-found' });
  });

  it('is changed as a whole or not at all, and not removed while a tenant has it', async () => {
    const [one, two] = [await aRole(), await aRole()];
    const plan = await createProductPlan(deps, operator, { name: 'changing', seats: 5, roles: [two, one] });
    expect(plan.roles).toEqual([one, two].sort());
    const unknown = updateProductPlan(deps, operator, { productPlan: plan.id, roles: ['nobody made this'] });
    await expect(unknown).rejects.toMatchObject({ code: 'invalid-input', fields: [{ path: 'roles' }] });
    const after = await updateProductPlan(deps, operator, {
      productPlan: plan.id,
      seats: null,
      roles: [two],
    });
    expect(after).toMatchObject({ seats: null, roles: [two], version: 2, name: 'changing' });
    expect(
      await updateProductPlan(deps, operator, { productPlan: plan.id, seats: null, name: 'changing' }),
    ).toEqual(after);
    await expect(createProductPlan(deps, operator, { name: 'changing' })).rejects.toMatchObject({
      code: 'name-taken',
    });
    const holder = await aTenant(deps);
    await subscribe(holder, plan.id);
    await expect(deleteProductPlan(deps, operator, plan.id)).rejects.toMatchObject({
      code: 'not-allowed-now',
    });
    await subscribe(holder, null);
    await deleteProductPlan(deps, operator, plan.id);
    await expect(deleteProductPlan(deps, operator, plan.id)).rejects.toMatchObject({ code: 'not-found' });
    const actions = (await auditOf(database.url, deps.store.root))
      .filter(({ subject }) => subject.id === plan.id)
      .map(({ action, subject }) => [action, subject.kind]);
    // What a run proposes is called a plan there.
    expect(actions).toEqual(
      ['created', 'updated', 'deleted'].map((what) => [`product-plan.${what}`, 'product-plan']),
    );
  });

  it('is the system’s alone to make and change', async () => {
    const plan = await createProductPlan(deps, operator, { name: 'not theirs' });
    const tried = [
      createProductPlan(deps, admin, { name: 'mine' }),
      updateProductPlan(deps, admin, { productPlan: plan.id, seats: 1 }),
      deleteProductPlan(deps, admin, plan.id),
      updateRole(deps, admin, { role: 'any', type: 'hidden' }),
      deleteRole(deps, admin, 'any'),
    ];
    for (const one of tried) await expect(one).rejects.toMatchObject({ code: 'forbidden' });
    await expect(getProductPlan(deps, operator, unknownId())).rejects.toMatchObject({ code: 'not-found' });
  });
});

it('a role from a directory is not given back by hand, wherever it is held', async () => {
  const role = await aRole();
  const connection = await createConnection(deps, operator, { ...okta('giving'), tenant });
  const user = await aUser(database.url, tenant, { connection: connection.id });
  await giveByDirectory(database.url, tenant, { user, role, connection: connection.id });
  await expect(revokeRole(deps, admin, { user, role })).rejects.toMatchObject({ code: 'not-allowed-now' });
  expect(await revokeRole(deps, admin, { user, role, tenant: below })).toMatchObject({ version: 1 });
});

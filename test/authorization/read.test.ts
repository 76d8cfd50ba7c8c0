import fc from 'fast-check';
import type pg from 'pg';
import { v7 } from 'uuid';
import { describe, expect, it } from 'vitest';
import { readAuthorization } from '../../src/authorization/read.ts';
import { entryFor } from '../../src/domain/authorization.ts';
import type { TenantId } from '../../src/domain/ids.ts';
import { createRole, grantRole } from '../../src/tenancy/roles.ts';
import { aWorld, isWithin, rolesIn, type World } from '../support/authorizationTwin.ts';
import { asOwner } from '../support/database.ts';
import { aCaller, aTenancy, aTenant, aUser, unknownId } from '../support/tenancy.ts';

const { database: fresh, deps, operator } = await aTenancy();
const application = await aCaller(deps, fresh.store.root, 'application');

const execute = (text: string, values: readonly unknown[] = []) =>
  asOwner(fresh.url, (client) => client.query(text, [...values]));

const read = async (user: string, tenant: string | null = null, caller = application) =>
  (await readAuthorization(deps, caller, { user, tenant: tenant as TenantId | null })).authorization;

/** Puts a drawn world below the root tenant, with a user at home in it. */
async function settle(client: pg.Client, world: World): Promise<string> {
  const user = v7();
  for (const { id, name, permissions, type } of world.roles) {
    const values = [id, `${name} ${id}`, type, permissions];
    await client.query('INSERT INTO role (id, name, type, permissions) VALUES ($1, $2, $3, $4)', values);
  }
  for (const { id, roles } of world.plans) {
    await client.query('INSERT INTO product_plan (id, name) VALUES ($1::uuid, $1::uuid::text)', [id]);
    await client.query('INSERT INTO product_plan_role SELECT $1, unnest($2::uuid[])', [id, roles]);
  }
  for (const { id, parent, state, inheritsRoles, plan } of world.tenants) {
    await client.query(
      `INSERT INTO tenant (id, parent_id, name, path, data_key, state, inherits_roles, product_plan_id)
       VALUES ($1::uuid, $2, $1::uuid::text, '', '', $3, $4, $5)`,
      [id, parent?.id ?? fresh.store.root, state, inheritsRoles, plan],
    );
  }
  const insertUser = `INSERT INTO auth_user (id, tenant_id, state) VALUES ($1, $2, 'active')`;
  await client.query(insertUser, [user, world.home.id]);
  for (const { role, tenant } of world.assignments) {
    await client.query(
      `INSERT INTO role_assignment (auth_user_id, role_id, origin, tenant_id) VALUES ($1, $2, 'manual', $3)
       ON CONFLICT DO NOTHING`,
      [user, role, tenant],
    );
  }
  return user;
}

describe('reading an authorization', () => {
  it('finds in PostgreSQL what the rules say one by one', async () => {
    const once = fc
      .asyncProperty(aWorld, async (world) => {
        const user = await asOwner(fresh.url, (client) => settle(client, world));
        const { rows } = await execute('SELECT id, data_key FROM tenant');
        const keyOf = new Map(rows.map(({ id, data_key }) => [id, data_key as string]));
        const { entries } = await read(user);
        for (const tenant of world.tenants) {
          const entry = isWithin(tenant, world.home)
            ? entryFor(entries, keyOf.get(tenant.id) ?? '')
            : undefined;
          const names = rolesIn(world, tenant).map((name) => {
            const role = world.roles.find((one) => one.name === name);
            return `${name} ${role?.id}`;
          });
          expect(entry?.roles ?? []).toEqual(names.sort());
          if (tenant.state === 'deleted')
            await expect(read(user, tenant.id)).rejects.toMatchObject({ code: 'not-found' });
          else expect((await read(user, tenant.id)).entries.flatMap(({ roles }) => roles)).toEqual(names);
        }
      })
      // Automatic roles of one world would be held in the next.
      .afterEach(async () => {
        await execute('DELETE FROM role_assignment; DELETE FROM product_plan_role; DELETE FROM role');
      });
    await fc.assert(once, { numRuns: 25 });
  });

  it('follows each change at once: role, permissions, plan, tenant, user', async () => {
    const parent = await aTenant(deps, { name: 'Harbor' });
    const child = await aTenant(deps, { name: 'Pier', parent });
    const user = await aUser(fresh.url, parent);
    const role = `clerk ${v7()}`;
    await createRole(deps, operator, { name: role });
    const versions = [(await read(user)).version];
    const following = async (change: () => Promise<unknown>) => {
      await change();
      const answer = await read(user);
      expect(answer.version).not.toBe(versions.at(-1));
      versions.push(answer.version);
      return answer;
    };
    const plan = v7();
    const holding = (tenant: TenantId, name: string, more: object) => ({ tenant, name, ...more });
    expect(await following(() => grantRole(deps, operator, { user, role }))).toMatchObject({
      active: true,
      tenant: parent,
      entries: [holding(parent, 'Harbor', { roles: [role], permissions: [] })],
    });
    expect(
      await following(() =>
        execute(`UPDATE role SET permissions = '{invoices.read}' WHERE name = $1`, [role]),
      ),
    ).toMatchObject({ entries: [{ permissions: ['invoices.read'] }] });
    expect(
      await following(() => execute('UPDATE tenant SET inherits_roles = false WHERE id = $1', [child])),
    ).toMatchObject({ entries: [{ roles: [role] }, holding(child, 'Pier', { roles: [], permissions: [] })] });
    expect(
      await following(async () => {
        await execute('INSERT INTO product_plan (id, name) VALUES ($1::uuid, $1::uuid::text)', [plan]);
        await execute('UPDATE tenant SET product_plan_id = $1 WHERE id = $2', [plan, parent]);
      }),
    ).toMatchObject({ active: true, entries: [{ roles: [] }] });
    const inPlan = 'INSERT INTO product_plan_role SELECT $1, id FROM role WHERE name = $2';
    await execute(inPlan, [plan, role]);
    expect(await read(user)).toMatchObject({ entries: [{ roles: [role] }, { roles: [] }] });
    await execute('UPDATE tenant SET product_plan_id = NULL WHERE id = $1', [parent]);
    expect((await read(user)).version).toBe(versions.at(-2));
    expect(
      await following(() => execute(`UPDATE auth_user SET state = 'suspended' WHERE id = $1`, [user])),
    ).toMatchObject({ active: false, entries: [] });
  });

  it('of a suspended tenant, and below it, gives nobody anything, and everything back with it', async () => {
    const parent = await aTenant(deps);
    const child = await aTenant(deps, { parent });
    const user = await aUser(fresh.url, child);
    const before = await read(user);
    await execute(`UPDATE tenant SET state = 'suspended' WHERE id = $1`, [parent]);
    expect(await read(user)).toMatchObject({ active: false, entries: [] });
    await execute(`UPDATE tenant SET state = 'active' WHERE id = $1`, [parent]);
    expect(await read(user)).toEqual(before);
  });

  it('does not count a role in a tenant that was moved away from the user’s', async () => {
    const [here, there] = [await aTenant(deps), await aTenant(deps)];
    const child = await aTenant(deps, { parent: here });
    const user = await aUser(fresh.url, here);
    const role = `guest ${v7()}`;
    await createRole(deps, operator, { name: role });
    await execute(
      `INSERT INTO role_assignment (auth_user_id, role_id, origin, tenant_id) SELECT $1, id, 'manual', $2 FROM role WHERE name = $3`,
      [user, child, role],
    );
    expect((await read(user)).entries.map(({ tenant }) => tenant)).toEqual([here, child]);
    await asOwner(fresh.url, async (client) => {
      await client.query(`SELECT set_config('rollcall.tenant', $1, false)`, [fresh.store.root]);
      await client.query('SELECT move_tenant($1, $2)', [child, there]);
    });
    expect((await read(user)).entries.map(({ tenant }) => tenant)).toEqual([here]);
    expect((await read(user, child)).entries).toEqual([]);
  });

  it('asks for one tenant where something else holds in too many', async () => {
    const parent = await aTenant(deps);
    const user = await aUser(fresh.url, parent);
    const insert = `INSERT INTO tenant (id, parent_id, name, path, data_key, inherits_roles)
      SELECT gen_random_uuid(), $1, 'part ' || n, '', '', false FROM generate_series(1, 1001) n RETURNING id`;
    const { rows } = await execute(insert, [parent]);
    await expect(read(user)).rejects.toMatchObject({ code: 'answer-too-large' });
    expect(await read(user, rows[0]?.id)).toMatchObject({
      active: true,
      entries: [{ tenant: rows[0]?.id, roles: [] }],
    });
  });
});

describe('who may read an authorization', () => {
  it('sees nobody of another tenant, and no tenant of another', async () => {
    const [ours, theirs] = [await aTenant(deps), await aTenant(deps)];
    const below = await aTenant(deps, { parent: ours });
    const caller = await aCaller(deps, ours, 'application');
    const [user, lower, foreign] = [
      await aUser(fresh.url, ours),
      await aUser(fresh.url, below),
      await aUser(fresh.url, theirs),
    ];
    expect(await read(user, null, caller)).toMatchObject({ active: true });
    expect(await read(lower, null, caller)).toMatchObject({ active: true });
    for (const id of [foreign, unknownId(), 'nobody'])
      await expect(read(id, null, caller)).rejects.toMatchObject({ code: 'not-found' });
    for (const tenant of [theirs, fresh.store.root, unknownId()])
      await expect(read(user, tenant, caller)).rejects.toMatchObject({ code: 'not-found' });
    const narrow = await aCaller(deps, below, 'application');
    await expect(read(user, null, narrow)).rejects.toMatchObject({ code: 'not-found' });
    await expect(read(user, below, narrow)).rejects.toMatchObject({ code: 'not-found' });
    expect((await read(lower, ours, caller)).entries).toEqual([]);
  });

  it('sees their own and nothing else when callers of many tenants ask at the same time', async () => {
    const people = await Promise.all(
      Array.from({ length: 12 }, async () => {
        const tenant = await aTenant(deps);
        return {
          tenant,
          caller: await aCaller(deps, tenant, 'application'),
          user: await aUser(fresh.url, tenant),
        };
      }),
    );
    const asked = people.flatMap(({ caller }) => people.map(({ user }) => read(user, null, caller)));
    const answers = await Promise.allSettled(asked);
    const seen = answers.map((one) =>
      one.status === 'fulfilled' ? [one.value.user, one.value.tenant] : one.reason.code,
    );
    expect(seen).toEqual(
      people.flatMap((own) =>
        people.map(({ user, tenant }) => (user === own.user ? [user, tenant] : 'not-found')),
      ),
    );
  });

  it('has the permission for it', async () => {
    const tenant = await aTenant(deps);
    const reviewer = await aCaller(deps, tenant, 'reviewer');
    const user = await aUser(fresh.url, tenant);
    await expect(read(user, null, reviewer)).rejects.toMatchObject({ code: 'forbidden' });
  });

  it('is told hidden roles as an application of the root, and neither as an administrator of the tenant nor as an application that one has made', async () => {
    const tenant = await aTenant(deps);
    const user = await aUser(fresh.url, tenant);
    const role = `beta ${v7()}`;
    await createRole(deps, operator, { name: role });
    await grantRole(deps, operator, { user, role });
    await execute(`UPDATE role SET type = 'hidden', permissions = '{beta}' WHERE name = $1`, [role]);
    const administrator = await aCaller(deps, tenant, 'tenant-administrator');
    expect((await read(user)).entries).toMatchObject([{ roles: [role], permissions: ['beta'] }]);
    const application = await aCaller(deps, tenant, 'application');
    for (const caller of [administrator, application])
      expect((await read(user, null, caller)).entries).toMatchObject([{ roles: [], permissions: [] }]);
  });
});

import type pg from 'pg';
import { v7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AuthUserId, TenantId } from '../../src/domain/ids.ts';
import type { Caller } from '../../src/domain/permission.ts';
import { listEvents } from '../../src/review/changes.ts';
import { createProductPlan } from '../../src/tenancy/productPlans.ts';
import { createRole, grantRole } from '../../src/tenancy/roles.ts';
import {
  deleteTenant,
  keepTenant,
  moveTenant,
  resumeTenant,
  suspendTenant,
} from '../../src/tenancy/tenantLife.ts';
import { createTenant, getTenant, listTenants, updateTenant } from '../../src/tenancy/tenants.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { Install } from '../support/install.ts';
import { aCaller, aTenant, aUser, auditOf, unknownId } from '../support/tenancy.ts';
import { untilFeedIsUpToDate, untilWaiting } from '../support/waiting.ts';

let install: Install;
let operator: Caller;
beforeAll(async () => {
  install = await Install.open();
  operator = install.operator;
});
afterAll(() => install.close());

const below = (parent?: TenantId, name?: string) =>
  aTenant(install, { ...(parent === undefined ? {} : { parent }), ...(name === undefined ? {} : { name }) });
const move = (tenant: TenantId, parent: TenantId, by: Caller = operator) =>
  moveTenant(install, by, { tenant, parent });
const placeOf = async (tenant: TenantId) => {
  const { path, dataKey, version, parent } = await getTenant(install, operator, tenant);
  return { path, dataKey, version, parent };
};
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    ({ code }) => code,
  );

/** Two customers, one with three levels. */
async function twoCustomers() {
  const [one, other] = [await below(), await below()];
  const middle = await below(one);
  const moved = await below(middle);
  const child = await below(moved);
  const grandchild = await below(child);
  return { one, other, middle, moved, child, grandchild };
}

describe('A tenant that is moved', () => {
  it('takes all below it along: paths and data keys begin anew, and go on as before', async () => {
    const { other, moved, child, grandchild } = await twoCustomers();
    const before = [await placeOf(moved), await placeOf(child), await placeOf(grandchild)] as const;
    const result = await move(moved, other);
    const there = await placeOf(other);
    expect(result).toMatchObject({ id: moved, parent: other, version: before[0].version + 1 });
    const own = before[0].dataKey.split('.').at(-2);
    expect(result.dataKey).toBe(`${there.dataKey}${own}.`);
    for (const [at, id] of [moved, child, grandchild].entries()) {
      const { path, dataKey, parent, version } = await placeOf(id);
      expect(path).toEqual([...there.path, ...[moved, child, grandchild].slice(0, at + 1)]);
      expect(dataKey).toBe(result.dataKey + before[at]?.dataKey.slice(before[0].dataKey.length));
      if (at === 0) continue;
      expect({ parent, version }).toEqual({ parent: before[at]?.parent, version: before[at]?.version });
    }
  });

  it('is seen by the new administrators and no longer by the old ones; its own see what they saw', async () => {
    const { one, other, moved, child } = await twoCustomers();
    const [old, next, own] = [
      await aCaller(install, one),
      await aCaller(install, other),
      await aCaller(install, moved),
    ];
    const before = await getTenant(install, own, moved);
    await move(moved, other);
    expect(await codeOf(getTenant(install, old, child))).toBe('not-found');
    expect((await getTenant(install, next, child)).path).toEqual([other, moved, child]);
    const after = await getTenant(install, own, moved);
    expect(after).toMatchObject({ parent: null, path: [moved], name: before.name });
  });

  it('is moved by an administrator above, within what they see, with all that ends and is recorded', async () => {
    const { one, middle, moved, child } = await twoCustomers();
    const admin = await aCaller(install, one);
    const role = `role ${v7()}`;
    await createRole(install, operator, { name: role, type: 'assignable' });
    const user = await aUser(install.database.url, middle);
    await grantRole(install, admin, { user, role, tenant: child });
    expect(await move(moved, one, admin)).toMatchObject({ parent: one, path: [one, moved] });
    expect((await auditOf(install.database.url, middle)).map(({ action }) => action)).toEqual(
      expect.arrayContaining(['tenant.moved-away', 'role.revoked']),
    );
    expect((await getTenant(install, admin, child)).path).toEqual([one, moved, child]);
  });

  it('stays where it is when it is moved to where it stands', async () => {
    const { middle, moved } = await twoCustomers();
    const before = await placeOf(moved);
    expect(await move(moved, middle)).toMatchObject(before);
    expect((await auditOf(install.database.url, moved)).map(({ action }) => action)).toEqual([
      'tenant.created',
    ]);
  });

  it('leaves the move in its own log, and in those of both parents, of which neither names the other', async () => {
    const { middle, other, moved } = await twoCustomers();
    const { dataKey: before } = await placeOf(moved);
    const { dataKey: after } = await move(moved, other);
    const subject = { kind: 'tenant', id: moved };
    const last = async (tenant: TenantId) => (await auditOf(install.database.url, tenant)).at(-1);
    expect(await last(moved)).toMatchObject({
      ...{ action: 'tenant.moved', subject },
      details: { dataKeyBefore: before, dataKey: after, tenants: 3 },
    });
    expect(await last(middle)).toEqual(
      expect.objectContaining({ action: 'tenant.moved-away', subject, details: { dataKeyBefore: before } }),
    );
    expect(await last(other)).toEqual(
      expect.objectContaining({ action: 'tenant.moved-here', subject, details: { dataKey: after } }),
    );
    expect(await install.auditIsWhole()).toBe(true);
  });
});

describe('A move is refused', () => {
  it('below itself, directly or further down, and leaves everything as it was', async () => {
    const { moved, child, grandchild } = await twoCustomers();
    const before = await placeOf(moved);
    for (const parent of [moved, child, grandchild])
      expect(await codeOf(move(moved, parent))).toBe('not-allowed-now');
    expect(await placeOf(moved)).toEqual(before);
  });

  it('to where a sibling has the name, whose owner keeps it', async () => {
    const { one, other, moved } = await twoCustomers();
    const { name } = await getTenant(install, operator, moved);
    await below(other, name);
    expect(await codeOf(move(moved, other))).toBe('name-taken');
    expect(await codeOf(move(moved, one))).toBe('done');
  });

  it('of one’s own tenant, and of the root', async () => {
    const { one, moved } = await twoCustomers();
    const admin = await aCaller(install, moved);
    expect(await codeOf(move(moved, moved, admin))).toBe('not-allowed-now');
    expect(await codeOf(move(install.store.root, one))).toBe('not-allowed-now');
  });

  it('for what is not one’s own to see, which is answered like what does not exist', async () => {
    const { one, other, middle, moved } = await twoCustomers();
    const admin = await aCaller(install, one);
    const said = async (tenant: string, parent: string) =>
      moveTenant(install, admin, { tenant, parent: parent as TenantId }).then(
        () => null,
        ({ code, message, remedy }) => ({ code, message, remedy }),
      );
    const unknown = await said(unknownId(), middle);
    expect(unknown).toMatchObject({ code: 'not-found' });
    expect(await said(other, middle)).toEqual(unknown);
    expect(await said(moved, other)).toEqual(unknown);
    expect(await said(moved, install.store.root)).toEqual(unknown);
    expect(await codeOf(move(moved, middle, await aCaller(install, one, 'auditor')))).toBe('forbidden');
  });

  it('below a tenant that is to be deleted; out of one it is not', async () => {
    const { other, middle, moved, child } = await twoCustomers();
    const at = new Date(install.clock.now().getTime() + 1_000);
    await deleteTenant(install, operator, { tenant: middle, at });
    expect(await codeOf(move(other, moved))).toBe('not-allowed-now');
    expect(await codeOf(move(child, other))).toBe('done');
    install.clock.advance(1_000);
    expect(await codeOf(move(moved, other))).toBe('not-allowed-now');
  });

  it('while a connection above, which would not be above any more, keeps users in it', async () => {
    const { one, other, middle, moved, child } = await twoCustomers();
    const acme = await install.connect({ directory: aDirectory({ users: 1 }), tenant: one });
    await aUser(install.database.url, child, { connection: acme.connection });
    const failure = await move(moved, other).catch((error) => error);
    expect(failure).toMatchObject({ code: 'not-allowed-now' });
    expect(failure.message).toContain('kept by the connection directory');
    expect(await codeOf(move(moved, one))).toBe('done');
    expect(await codeOf(move(moved, middle))).toBe('done');
  });
});

describe('The product plan that counts', () => {
  async function withPlans() {
    const [customer, gold, basic] = [await below(), `gold ${v7()}`, `basic ${v7()}`];
    const plan = async (name: string) => (await createProductPlan(install, operator, { name, roles: [] })).id;
    const [goldPlan, basicPlan] = [await plan(gold), await plan(basic)];
    await updateTenant(install, operator, { tenant: customer, plan: basicPlan });
    const { id: shop } = await createTenant(install, operator, {
      name: 'shop',
      parent: customer,
      plan: goldPlan,
    });
    const rest = await below(customer);
    const office = await below(rest);
    return { customer, shop, rest, office, goldPlan, basicPlan, admin: await aCaller(install, customer) };
  }
  const planOf = async (tenant: TenantId) => (await getTenant(install, operator, tenant)).effectivePlan;

  it('is not chosen by a move, neither a better one nor none; the system may', async () => {
    const { customer, shop, rest, office, admin, goldPlan, basicPlan } = await withPlans();
    expect(await codeOf(move(rest, shop, admin))).toBe('forbidden');
    const inShop = await below(shop);
    expect(await codeOf(move(office, inShop, admin))).toBe('forbidden');
    expect(await codeOf(move(inShop, rest, admin))).toBe('forbidden');
    expect([await planOf(rest), await planOf(office)]).toEqual([basicPlan, basicPlan]);
    await move(rest, shop);
    expect([await planOf(rest), await planOf(office)]).toEqual([goldPlan, goldPlan]);
    expect(await codeOf(move(rest, customer, admin))).toBe('forbidden');
  });

  it('stays the same by all other moves, which are for administrators', async () => {
    const { customer, shop, rest, office, admin, goldPlan, basicPlan } = await withPlans();
    await move(office, customer, admin);
    await move(shop, rest, admin); // has a plan of its own
    expect([await planOf(office), await planOf(shop)]).toEqual([basicPlan, goldPlan]);
    const [one, other] = [await below(shop), await below(shop)];
    await move(one, other, admin);
    expect(await planOf(one)).toBe(goldPlan);
  });
});

describe('What happens while a tenant is moved', () => {
  it('makes no circle: of two moves below each other one is refused', async () => {
    const tried = Array.from({ length: 8 }, async () => {
      const [left, right] = [await below(), await below()];
      const [inLeft, inRight] = [await below(left), await below(right)];
      const outcomes = await Promise.all([codeOf(move(left, inRight)), codeOf(move(right, inLeft))]);
      expect(outcomes.sort()).toEqual(['done', 'not-allowed-now']);
      for (const id of [left, right, inLeft, inRight]) {
        const { path } = await placeOf(id);
        expect(new Set(path).size).toBe(path.length);
        expect(path[0]).toBe(install.store.root);
      }
    });
    await Promise.all(tried);
  });

  it('a tenant that is made below it waits, and goes along', async () => {
    const { other, moved, child } = await twoCustomers();
    const making = await whileMoving(moved, other, async (client) => {
      const made = createTenant(install, operator, { name: `late ${v7()}`, parent: child });
      await untilWaiting(client, 2);
      return { made };
    });
    const { id } = await making.made;
    const { path, dataKey } = await placeOf(id);
    expect(path).toEqual([install.store.root, other, moved, child, id]);
    expect(dataKey.startsWith((await placeOf(child)).dataKey)).toBe(true);
  });

  it('whoever reads sees the tree as it was, without waiting', async () => {
    const { one, other, moved, grandchild } = await twoCustomers();
    const admin = await aCaller(install, one);
    const before = await placeOf(grandchild);
    await whileMoving(moved, other, async () => {
      expect(await placeOf(grandchild)).toEqual(before);
      expect((await listTenants(install, admin)).items.map(({ id }) => id)).toContain(grandchild);
    });
    expect((await placeOf(grandchild)).path).toContain(other);
    expect((await listTenants(install, admin)).items.map(({ id }) => id)).not.toContain(grandchild);
  });

  it('of a rename and a move at once both hold', async () => {
    const { other, moved } = await twoCustomers();
    const name = `renamed ${v7()}`;
    const renamed = updateTenant(install, operator, { tenant: moved, name });
    const outcomes = await Promise.all([codeOf(move(moved, other)), codeOf(renamed)]);
    expect(outcomes[0]).toBe('done');
    if (outcomes[1] !== 'done') {
      // It saw the tenant as it was before the move, and says so: then it is done again.
      expect(outcomes[1]).toBe('changed-since-shown');
      await updateTenant(install, operator, { tenant: moved, name });
    }
    expect(await getTenant(install, operator, moved)).toMatchObject({ parent: other, name });
  });
});

/** Does `work` when everything of the move is written, and nothing is committed. */
async function whileMoving<T>(
  tenant: TenantId,
  parent: TenantId,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  return await asOwner(install.database.url, async (client) => {
    await client.query('BEGIN');
    await client.query('SELECT FROM audit_head WHERE tenant_id = $1 FOR UPDATE', [tenant]);
    const moving = move(tenant, parent);
    try {
      await untilWaiting(client, 1);
      return await work(client);
    } finally {
      await client.query('COMMIT');
      await moving;
    }
  });
}

describe('What hangs on a moved tenant', () => {
  it('goes along: changes that wait, their approvals, connection, users and their roles', async () => {
    const { other, moved } = await twoCustomers();
    const acme = await install.connect({
      directory: aDirectory({ users: 3 }),
      tenant: moved,
      mapping: { everyone: ['member'] },
    });
    await acme.syncAndApply();
    acme.directory.edit('u1', { displayName: 'Edited' });
    acme.directory.remove('u2');
    await acme.sync();
    await acme.approve('u1');
    await move(moved, other);
    expect(await acme.inState('approved')).toEqual(['u1']);
    expect(await acme.pending()).toEqual(['u1', 'u2']);
    expect(await acme.apply()).toMatchObject({ applied: 1, moved: 0 });
    expect(await acme.user('u1')).toMatchObject({ fields: { displayName: 'Edited' }, roles: ['member'] });
    expect(await acme.sync()).toMatchObject({ result: 'finished', counts: { deleted: 1 } });
    expect(await install.auditIsWhole()).toBe(true);
  });

  it('goes along in the middle of a run, which ends where the tenant is then', async () => {
    const { other, moved } = await twoCustomers();
    const directory = aDirectory({ users: 4, pageSize: 2 });
    const acme = await install.connect({ directory, tenant: moved });
    directory.faults = {
      beforePage: async (list, page) => {
        if (list === 'users' && page === 2) await move(moved, other);
      },
    };
    expect(await acme.sync()).toMatchObject({ result: 'finished', snapshot: 'complete', counts: { new: 4 } });
    expect((await placeOf(moved)).parent).toBe(other);
    await acme.approveAll();
    expect(await acme.apply()).toMatchObject({ applied: 4 });
  });
});

describe('What reached into a moved tenant', () => {
  const rolesIn = (user: AuthUserId) =>
    asOwner(install.database.url, async (client) => {
      const { rows } = await client.query(
        'SELECT tenant_id, (SELECT version FROM auth_user WHERE id = $1) AS version FROM role_assignment WHERE auth_user_id = $1',
        [user],
      );
      return rows as { tenant_id: TenantId; version: number }[];
    });

  it('by hand, from a tenant that is not above it any more, is taken back; the rest stays', async () => {
    const { one, other, middle, moved, child } = await twoCustomers();
    const role = `role ${v7()}`;
    await createRole(install, operator, { name: role });
    const { url } = install.database;
    const [fromOne, fromMiddle, own] = [
      await aUser(url, one),
      await aUser(url, middle),
      await aUser(url, moved),
    ];
    for (const [user, tenant] of [
      [fromOne, child],
      [fromOne, one],
      [fromMiddle, moved],
      [own, child],
    ] as const)
      await grantRole(install, operator, { user, role, tenant });
    const [{ version: before = 0 } = {}] = await rolesIn(fromMiddle);
    await move(moved, one);
    expect((await rolesIn(fromOne)).map(({ tenant_id }) => tenant_id).sort()).toEqual([one, child].sort());
    expect(await rolesIn(fromMiddle)).toEqual([]);
    await move(moved, other);
    expect((await rolesIn(fromOne)).map(({ tenant_id }) => tenant_id)).toEqual([one]);
    expect((await rolesIn(own)).map(({ tenant_id }) => tenant_id)).toEqual([child]);
    const entry = (await auditOf(url, middle)).find(({ action }) => action === 'role.revoked');
    expect(entry).toMatchObject({
      subject: { kind: 'auth-user', id: fromMiddle },
      details: { tenant: moved, because: 'tenant-moved' },
    });
    const versions = await asOwner(url, (client) =>
      client.query('SELECT version FROM auth_user WHERE id = $1', [fromMiddle]),
    );
    expect(versions.rows[0].version).toBe(before + 1);
  });

  it('as support or by a sign-in from there ends; what comes from further above stays', async () => {
    const { one, other, moved } = await twoCustomers();
    const { url } = install.database;
    const [near, far] = [await aCaller(install, one, 'support'), operator];
    const admin = await aCaller(install, moved);
    await asOwner(url, async (client) => {
      for (const [id, principal, state] of [
        ['granted', near.principal, 'granted'],
        ['requested', near.principal, 'requested'],
        ['from above', far.principal, 'granted'],
      ])
        await client.query(
          `INSERT INTO support_access (id, tenant_id, principal_id, actor, state, reason, minutes, decided_by, decided_at, expires_at)
           VALUES (gen_random_uuid(), $1, $2, '{}', $3, $4, 60, CASE $3 WHEN 'granted' THEN '{}'::jsonb END, now(),
             CASE $3 WHEN 'granted' THEN now() + interval '1 hour' END)`,
          [moved, principal, state, id],
        );
      for (const [name, tenant] of [
        ['near', one],
        ['far', install.store.root],
      ]) {
        const provider = v7();
        await client.query(
          `INSERT INTO sign_in_provider (id, tenant_id, name, issuer, client_id) VALUES ($1, $2, $3, 'https://id.example.com', 'c')`,
          [provider, tenant, `${name} ${provider}`],
        );
        await client.query(
          `INSERT INTO principal_login (provider_id, subject, tenant_id, principal_id) VALUES ($1, $2, $3, $4)`,
          [provider, name, moved, admin.principal],
        );
      }
      await client.query(
        `INSERT INTO session (id, tenant_id, principal_id, secret_hash, method, expires_at)
         VALUES (gen_random_uuid(), $1, $2, '\\x01', 'openid-connect', now() + interval '1 day')`,
        [moved, admin.principal],
      );
    });
    await move(moved, other);
    const left = await asOwner(url, async (client) => ({
      support: (
        await client.query(
          'SELECT reason, state, decided_by IS NOT NULL AS decided, ended_at IS NOT NULL AS ended FROM support_access WHERE tenant_id = $1 ORDER BY reason',
          [moved],
        )
      ).rows,
      logins: (await client.query('SELECT subject FROM principal_login WHERE tenant_id = $1', [moved])).rows,
      sessions: (
        await client.query('SELECT ended_at IS NOT NULL AS ended FROM session WHERE tenant_id = $1', [moved])
      ).rows,
    }));
    expect(left).toEqual({
      support: [
        { reason: 'from above', state: 'granted', decided: true, ended: false },
        { reason: 'granted', state: 'ended', decided: true, ended: true },
        { reason: 'requested', state: 'refused', decided: true, ended: false },
      ],
      logins: [{ subject: 'far' }],
      sessions: [{ ended: true }],
    });
    const actions = (await auditOf(url, moved)).map(({ action }) => action);
    expect(actions).toEqual(
      expect.arrayContaining([
        'tenant.moved',
        'support-access.ended',
        'support-access.refused',
        'login.removed',
      ]),
    );
  });
});

describe('What was decided about a moved tenant by those whom it leaves', () => {
  const on = new Date('2027-01-31T00:00:00Z').toISOString();

  it('stays suspended, and is for the new parent to resume; what is suspended within it is as it was', async () => {
    const { one, other, moved, child, grandchild } = await twoCustomers();
    const [old, next, own] = [
      await aCaller(install, one),
      await aCaller(install, other),
      await aCaller(install, moved),
    ];
    await suspendTenant(install, own, grandchild);
    await suspendTenant(install, old, child);
    await suspendTenant(install, old, moved);
    await move(moved, other);
    expect((await getTenant(install, next, moved)).state).toBe('suspended');
    expect(await codeOf(resumeTenant(install, own, child))).toBe('not-allowed-now');
    for (const tenant of [moved, child, grandchild])
      expect(await resumeTenant(install, next, tenant)).toMatchObject({ state: 'active' });
  });

  it('stays theirs to resume who are above both places', async () => {
    const { other, moved } = await twoCustomers();
    await suspendTenant(install, operator, moved);
    await move(moved, other);
    const next = await aCaller(install, other);
    expect(await codeOf(resumeTenant(install, next, moved))).toBe('not-allowed-now');
    expect(await resumeTenant(install, operator, moved)).toMatchObject({ state: 'active' });
  });

  it('keeps it, or a part of it, from being moved while they have set a date for its deletion', async () => {
    const { one, middle, other, moved, child } = await twoCustomers();
    const old = await aCaller(install, one);
    for (const tenant of [moved, child]) {
      await deleteTenant(install, old, { tenant, at: on });
      const refused = await move(moved, other).catch((error) => error);
      expect(refused).toMatchObject({ code: 'not-allowed-now', message: expect.stringContaining('date') });
      expect((await placeOf(moved)).parent).toBe(middle);
      await keepTenant(install, operator, tenant);
    }
    expect(await move(moved, other)).toMatchObject({ parent: other, state: 'active' });
  });

  it('goes along where they are above it still, who can call the deletion off', async () => {
    const { one, moved } = await twoCustomers();
    const old = await aCaller(install, one);
    await deleteTenant(install, old, { tenant: moved, at: on });
    expect(await move(moved, one)).toMatchObject({ parent: one, state: 'suspended' });
    expect(await keepTenant(install, old, moved)).toMatchObject({ state: 'active', deleteAt: null });
  });
});

describe('The feed', () => {
  async function toldTo(caller: Caller, about: TenantId) {
    await untilFeedIsUpToDate(install.database.url);
    const told = [];
    for (let after: string | null = null; ; ) {
      const page = await listEvents(install, caller, { limit: 500, after });
      told.push(...page.items);
      after = page.next;
      if (after === null) break;
    }
    return told
      .filter(({ type, data }) => type === 'tenant.moved' && data['tenant'] === about)
      .map(({ tenant, data }) => ({ tenant, ...data }));
  }

  it('tells a move where it goes; where it leaves, that it has left and not to where', async () => {
    const { one, other, middle, moved } = await twoCustomers();
    const [left, came, own] = [
      await aCaller(install, one),
      await aCaller(install, other),
      await aCaller(install, moved),
    ];
    const { dataKey: dataKeyBefore } = await placeOf(moved);
    const { dataKey } = await move(moved, other);
    const there = { tenant: moved, dataKeyBefore, dataKey };
    const gone = { tenant: moved, dataKeyBefore, dataKey: null };
    expect(await toldTo(left, moved)).toEqual([gone]);
    expect(await toldTo(await aCaller(install, middle), moved)).toEqual([gone]);
    expect(await toldTo(came, moved)).toEqual([there]);
    expect(await toldTo(own, moved)).toEqual([there]);
    expect(await toldTo(operator, moved)).toEqual([there, gone]);
  });

  it('tells a move within what its reader sees once, with both keys', async () => {
    const { one, moved, middle } = await twoCustomers();
    const reader = await aCaller(install, one);
    const sibling = await below(middle);
    const { dataKey: dataKeyBefore } = await placeOf(moved);
    const { dataKey } = await move(moved, sibling);
    expect(await toldTo(reader, moved)).toEqual([{ tenant: moved, dataKeyBefore, dataKey }]);
  });
});

import { beforeEach, describe, expect, it } from 'vitest';
import { exportConfiguration, loadConfiguration } from '../../src/configuration/configuration.ts';
import type { ConfigurationDeps } from '../../src/configuration/read.ts';
import type { TenantId } from '../../src/domain/ids.ts';
import type { Caller } from '../../src/domain/permission.ts';
import { verifyAudit } from '../../src/review/audit.ts';
import { suspendTenant } from '../../src/tenancy/tenantLife.ts';
import { createTenant, updateTenant } from '../../src/tenancy/tenants.ts';
import { editUser, listUsers } from '../../src/tenancy/users.ts';
import { Configuring } from '../support/configuring.ts';
import { asOwner } from '../support/database.ts';
import { aCaller, aUser, auditOf } from '../support/tenancy.ts';

const on = await Configuring.open();
/** A customer of each test's own, and its administrator. */
let name: string;
let customer: TenantId;
let admin: Caller;
let count: number;

beforeEach(async () => {
  ({ name, customer, admin, count } = await on.customer());
});

describe('what a file does not say', () => {
  it('stays as it is, field by field', async () => {
    await on.load(`roles:
  - {name: writer ${count}, type: assignable, permissions: [b.write, a.read]}
tenants:
  - {path: ${name}/Part, inheritsRoles: false}
users:
  - {tenant: ${name}, userName: kiosk, email: kiosk@a.example, attributes: {badge: b1, floor: 2}}`);
    expect(
      await on.shown(`roles:
  - {name: writer ${count}}
tenants:
  - {path: ${name}/Part}
users:
  - {tenant: ${name}, userName: kiosk}`),
    ).toEqual([]);
    const change = `users:
  - {tenant: ${name}, userName: kiosk, attributes: {floor: null, wing: east}}`;
    expect((await on.diff(change)).differences).toMatchObject([
      {
        fields: [
          { field: 'attributes.floor', before: 2, after: null },
          { field: 'attributes.wing', before: null, after: 'east' },
        ],
      },
    ]);
    await on.load(change);
    expect((await on.userNamed(customer, 'kiosk')).attributes).toEqual({ badge: 'b1', wing: 'east' });
  });

  it('is counted and left alone: tenants, users, domains, roles given by hand', async () => {
    const first = `tenants:
  - {path: ${name}/Part, domains: [a${count}.example, b${count}.example]}
users:
  - {tenant: ${name}, userName: one, roles: [{role: editor}]}
  - {tenant: ${name}, userName: two, roles: [{role: editor}]}`;
    const before = (await on.diff(first)).unnamed;
    await on.load(first);
    const second = `tenants:
  - {path: ${name}/Part, domains: [a${count}.example]}
users:
  - {tenant: ${name}, userName: one, roles: []}`;
    const { differences, unnamed } = await on.diff(second);
    expect(differences).toEqual([]);
    expect(unnamed).toMatchObject({ tenants: before.tenants, domains: before.domains + 1 });
    expect([unnamed.users - before.users, unnamed.assignments - before.assignments]).toEqual([1, 2]);
    expect((await on.userNamed(customer, 'one')).roles).toMatchObject([{ name: 'editor' }]);
  });
});

describe('a difference', () => {
  it('shows each thing that is made, and each field before and after', async () => {
    const { id } = await createTenant(on.deps, on.operator, { name: 'Part', parent: customer });
    await suspendTenant(on.deps, on.operator, id);
    const file = `productPlans:
  - {name: Plan ${count}, seats: 5, roles: [editor]}
tenants:
  - {path: ${name}, plan: Plan ${count}}
  - {path: ${name}/Part, state: active, inheritsRoles: false}
  - {path: ${name}/New/Deep}
  - {path: ${name}/New}`;
    expect(await on.shown(file)).toEqual([
      `create product-plan Plan ${count}: seats roles`,
      `update tenant ${name}: plan`,
      `update tenant ${name}/Part: inheritsRoles state`,
      `create tenant ${name}/New/Deep: `,
      `create tenant ${name}/New: `,
    ]);
    await on.load(file);
    expect(await on.shown(file)).toEqual([]);
    expect((await auditOf(on.database.url, id)).map(({ action }) => action)).toEqual([
      'tenant.created',
      'tenant.suspended',
      'tenant.updated',
      'tenant.resumed',
    ]);
  });

  it('has another stamp when anything of it is another, and loading by the old one is refused', async () => {
    const configuration = `tenants:
  - {path: ${name}, inheritsRoles: false}
  - {path: ${name}/Part}`;
    const { stamp } = await on.diff(configuration);
    expect((await on.diff(configuration)).stamp).toBe(stamp);
    await updateTenant(on.deps, on.operator, { tenant: customer, inheritsRoles: false });
    expect((await on.diff(configuration)).stamp).not.toBe(stamp);
    await expect(loadConfiguration(on.deps, on.operator, { configuration, stamp })).rejects.toMatchObject({
      code: 'changed-since-shown',
    });
    expect(await on.shown(configuration)).toEqual([`create tenant ${name}/Part: `]);
  });

  it('is of one tenant: its stamp loads nothing for another', async () => {
    const other = await aCaller(
      on.deps,
      (await createTenant(on.deps, on.operator, { name: `Other ${count}` })).id,
    );
    const configuration = 'tenants:\n  - {path: Part}';
    const { stamp } = await on.diff(configuration, admin);
    await expect(loadConfiguration(on.deps, other, { configuration, stamp })).rejects.toMatchObject({
      code: 'changed-since-shown',
    });
  });
});

describe('local users', () => {
  it('exchange their addresses in one load', async () => {
    const text = (one: string, other: string) =>
      `users:\n  - {tenant: ${name}, userName: a, email: ${one}@a.example}\n  - {tenant: ${name}, userName: b, email: ${other}@a.example}`;
    await on.load(text('one', 'two'));
    await on.load(text('two', 'one'));
    expect([(await on.userNamed(customer, 'a')).email, (await on.userNamed(customer, 'b')).email]).toEqual([
      'two@a.example',
      'one@a.example',
    ]);
  });

  it('are made, changed, suspended and given roles, each with an audit entry and an event', async () => {
    await on.load(`users: [{tenant: ${name}, userName: kiosk, roles: [{role: editor}]}]`);
    await on.load(`users: [{tenant: ${name}, userName: kiosk, displayName: Kiosk, state: suspended}]`);
    await on.load(`users: [{tenant: ${name}, userName: kiosk, state: active, roles: [{role: clerk}]}]`);
    const user = await on.userNamed(customer, 'kiosk');
    expect(user).toMatchObject({ displayName: 'Kiosk', state: 'active', version: 3 });
    expect(
      (await auditOf(on.database.url, customer))
        .slice(1)
        .map(({ action }) => action)
        .filter((action) => !action.startsWith('principal')),
    ).toEqual([
      'auth-user.created',
      'role.granted',
      'auth-user.edited',
      'auth-user.suspended',
      'auth-user.reactivated',
      'role.granted',
    ]);
    const events = await asOwner(on.database.url, async (client) => {
      const { rows } = await client.query(
        'SELECT type, user_version, data FROM event WHERE auth_user_id = $1 ORDER BY user_version, id',
        [user.id],
      );
      return rows;
    });
    expect(events).toMatchObject([
      { type: 'user.created', user_version: 1, data: { fields: ['userName'], rolesGained: ['editor'] } },
      { type: 'user.suspended', user_version: 2, data: { fields: ['displayName'] } },
      { type: 'user.sessions-revoked', user_version: 2, data: {} },
      { type: 'user.reactivated', user_version: 3, data: { rolesGained: ['clerk'] } },
    ]);
    expect((await verifyAudit(on.deps, on.operator, {})).tenants.every(({ ok }) => ok)).toBe(true);
  });

  it('edited between the comparison and the writing are left as they were edited, and the next load shows it', async () => {
    const file = (displayName: string) =>
      `users: [{tenant: ${name}, userName: kiosk, displayName: ${displayName}}]`;
    await on.load(file('One'));
    const { stamp } = await on.diff(file('Two'));
    const user = await on.userNamed(customer, 'kiosk');
    const { configuration } = on.deps.store;
    const racing: ConfigurationDeps = {
      ...on.deps,
      store: {
        ...on.deps.store,
        configuration: {
          ...configuration,
          writeUsers: async (...args) => {
            await editUser(on.deps, on.operator, { user: user.id, displayName: 'By hand' });
            await configuration.writeUsers(...args);
          },
        },
      },
    };
    await expect(
      loadConfiguration(racing, on.operator, { configuration: file('Two'), stamp }),
    ).rejects.toMatchObject({
      code: 'changed-since-shown',
    });
    expect((await on.userNamed(customer, 'kiosk')).displayName).toBe('By hand');
    expect((await on.diff(file('Two'))).differences[0]?.fields).toEqual([
      { field: 'displayName', before: 'By hand', after: 'Two' },
    ]);
  });

  it('are not made twice by two loads at once', async () => {
    const configuration = `users: [{tenant: ${name}, userName: kiosk, email: kiosk@a.example}]`;
    const { stamp } = await on.diff(configuration);
    const ended = await Promise.allSettled(
      [1, 2, 3].map(() => loadConfiguration(on.deps, on.operator, { configuration, stamp })),
    );
    expect(ended.some(({ status }) => status === 'fulfilled')).toBe(true);
    expect((await listUsers(on.deps, admin)).items).toHaveLength(1);
  });

  it('whom no name tells apart are left out of an export and counted', async () => {
    await aUser(on.database.url, customer, { userName: 'twin' });
    await aUser(on.database.url, customer, { userName: 'twin' });
    await aUser(on.database.url, customer, { email: 'nameless@a.example' });
    const { configuration, leftOut } = await exportConfiguration(on.deps, on.operator, { tenant: customer });
    expect(leftOut.users).toBe(3);
    expect(configuration).not.toContain('twin');
    expect(await on.refusal(`users: [{tenant: ${name}, userName: twin}]`)).toEqual([
      expect.stringContaining('more than one local user has the name "twin"'),
    ]);
  });
});

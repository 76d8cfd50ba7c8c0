import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectors } from '../../connectors/registry.ts';
import {
  diffConfiguration,
  exportConfiguration,
  loadConfiguration,
} from '../../src/configuration/configuration.ts';
import type { ConfigurationDeps } from '../../src/configuration/read.ts';
import type { TenantId } from '../../src/domain/ids.ts';
import { type Caller, callerOf } from '../../src/domain/permission.ts';
import type { Problem } from '../../src/domain/problem.ts';
import { verifyAudit } from '../../src/review/audit.ts';
import { listConnections } from '../../src/tenancy/connections.ts';
import { createRole, grantRole } from '../../src/tenancy/roles.ts';
import { deleteTenant, suspendTenant } from '../../src/tenancy/tenantLife.ts';
import { createTenant, updateTenant } from '../../src/tenancy/tenants.ts';
import { editUser, getUser, listUsers } from '../../src/tenancy/users.ts';
import { clockAt } from '../support/clock.ts';
import { asOwner, type FreshStore, freshStore } from '../support/database.ts';
import { aCaller, anOperator, aUser, auditOf } from '../support/tenancy.ts';

let database: FreshStore;
let deps: ConfigurationDeps;
let operator: Caller;
/** A customer of each test's own, and its administrator. */
let name: string;
let customer: TenantId;
let admin: Caller;
let count = 0;

beforeAll(async () => {
  database = await freshStore();
  deps = { store: database.store, clock: clockAt('2026-05-01T09:00:00Z'), connectors };
  operator = await anOperator(deps);
  await createRole(deps, operator, { name: 'editor', type: 'assignable' });
  await createRole(deps, operator, { name: 'clerk', type: 'ordinary' });
  await createRole(deps, operator, { name: 'everyone', type: 'automatic' });
  await createRole(deps, operator, { name: 'vendor', type: 'hidden' });
});
afterAll(() => database.drop());
beforeEach(async () => {
  count += 1;
  name = `Customer ${count}`;
  customer = (await createTenant(deps, operator, { name })).id;
  admin = await aCaller(deps, customer);
});

const diff = (configuration: string, caller = operator, secrets: Record<string, string> = {}) =>
  diffConfiguration(deps, caller, { configuration, secrets });
const shown = async (configuration: string, caller = operator) =>
  (await diff(configuration, caller)).differences.map(
    ({ kind, action, name: what, fields }) =>
      `${action} ${kind} ${what}: ${fields.map(({ field }) => field).join(' ')}`,
  );
const load = async (configuration: string, caller = operator, secrets: Record<string, string> = {}) => {
  const { stamp } = await diff(configuration, caller, secrets);
  return await loadConfiguration(deps, caller, { configuration, stamp, secrets });
};
const refusal = async (configuration: string, caller = operator, secrets: Record<string, string> = {}) => {
  const problem: Problem = await diff(configuration, caller, secrets).then(
    () => {
      throw new Error('the file was taken');
    },
    (error) => error,
  );
  return problem.fields.map(({ path, message }) => `${path}: ${message}`);
};
const userNamed = async (userName: string) => {
  const { items } = await listUsers(deps, operator, { search: userName, tenant: customer });
  const [found] = items;
  if (found === undefined) throw new Error(`there is no ${userName}`);
  return await getUser(deps, operator, found.id);
};

describe('what a file does not say', () => {
  it('stays as it is, field by field', async () => {
    await load(`roles:
  - {name: writer ${count}, type: assignable, permissions: [b.write, a.read]}
tenants:
  - {path: ${name}/Part, inheritsRoles: false}
users:
  - {tenant: ${name}, userName: kiosk, email: kiosk@a.example, attributes: {badge: b1, floor: 2}}`);
    expect(
      await shown(`roles:
  - {name: writer ${count}}
tenants:
  - {path: ${name}/Part}
users:
  - {tenant: ${name}, userName: kiosk}`),
    ).toEqual([]);
    const change = `users:
  - {tenant: ${name}, userName: kiosk, attributes: {floor: null, wing: east}}`;
    expect((await diff(change)).differences).toMatchObject([
      {
        fields: [
          { field: 'attributes.floor', before: 2, after: null },
          { field: 'attributes.wing', before: null, after: 'east' },
        ],
      },
    ]);
    await load(change);
    expect((await userNamed('kiosk')).attributes).toEqual({ badge: 'b1', wing: 'east' });
  });

  it('is counted and left alone: tenants, users, domains, roles given by hand', async () => {
    const first = `tenants:
  - {path: ${name}/Part, domains: [a${count}.example, b${count}.example]}
users:
  - {tenant: ${name}, userName: one, roles: [{role: editor}]}
  - {tenant: ${name}, userName: two, roles: [{role: editor}]}`;
    const before = (await diff(first)).unnamed;
    await load(first);
    const second = `tenants:
  - {path: ${name}/Part, domains: [a${count}.example]}
users:
  - {tenant: ${name}, userName: one, roles: []}`;
    const { differences, unnamed } = await diff(second);
    expect(differences).toEqual([]);
    expect(unnamed).toMatchObject({ tenants: before.tenants, domains: before.domains + 1 });
    expect([unnamed.users - before.users, unnamed.assignments - before.assignments]).toEqual([1, 2]);
    expect((await userNamed('one')).roles).toMatchObject([{ name: 'editor' }]);
  });
});

describe('a difference', () => {
  it('shows each thing that is made, and each field before and after', async () => {
    const { id } = await createTenant(deps, operator, { name: 'Part', parent: customer });
    await suspendTenant(deps, operator, id);
    const file = `plans:
  - {name: Plan ${count}, seats: 5, roles: [editor]}
tenants:
  - {path: ${name}, plan: Plan ${count}}
  - {path: ${name}/Part, state: active, inheritsRoles: false}
  - {path: ${name}/New/Deep}
  - {path: ${name}/New}`;
    expect(await shown(file)).toEqual([
      `create plan Plan ${count}: seats roles`,
      `update tenant ${name}: plan`,
      `update tenant ${name}/Part: inheritsRoles state`,
      `create tenant ${name}/New/Deep: `,
      `create tenant ${name}/New: `,
    ]);
    await load(file);
    expect(await shown(file)).toEqual([]);
    expect((await auditOf(database.url, id)).map(({ action }) => action)).toEqual([
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
    const { stamp } = await diff(configuration);
    expect((await diff(configuration)).stamp).toBe(stamp);
    await updateTenant(deps, operator, { tenant: customer, inheritsRoles: false });
    expect((await diff(configuration)).stamp).not.toBe(stamp);
    await expect(loadConfiguration(deps, operator, { configuration, stamp })).rejects.toMatchObject({
      code: 'changed-since-shown',
    });
    expect(await shown(configuration)).toEqual([`create tenant ${name}/Part: `]);
  });

  it('is of one tenant: its stamp loads nothing for another', async () => {
    const other = await aCaller(deps, (await createTenant(deps, operator, { name: `Other ${count}` })).id);
    const configuration = 'tenants:\n  - {path: Part}';
    const { stamp } = await diff(configuration, admin);
    await expect(loadConfiguration(deps, other, { configuration, stamp })).rejects.toMatchObject({
      code: 'changed-since-shown',
    });
  });
});

describe('what cannot be loaded is refused as a whole, each place by line and column', () => {
  it.each([
    [
      'a tenant that neither is nor is made',
      'users:\n  - {tenant: Nowhere, userName: a}',
      'users.0.tenant: line 2, column 14: there is no tenant "Nowhere"',
    ],
    [
      'a tenant below none',
      'tenants:\n  - {path: Nowhere/Part}',
      'tenants.0.path: line 2, column 12: there is no tenant "Nowhere"',
    ],
    [
      'a plan that there is not',
      'tenants:\n  - {path: A new one, plan: Gold}',
      'tenants.0.plan: line 2, column 29: there is no product plan "Gold"',
    ],
    [
      'a role that there is not, in a plan',
      'plans:\n  - {name: Silver, roles: [ghost]}',
      'plans.0.roles.0: line 2, column 28: there is no role "ghost"',
    ],
    [
      'a role that there is not, given by hand',
      'users:\n  - {tenant: ., userName: a, roles: [{role: ghost}]}',
      'users.0.roles.0: line 2, column 38: there is no role "ghost"',
    ],
    [
      'an automatic role',
      'users:\n  - {tenant: ., userName: a, roles: [{role: everyone}]}',
      'users.0.roles.0: line 2, column 38: the role "everyone" is automatic',
    ],
    [
      'a connection that there is not',
      'users:\n  - {tenant: ., connection: None, externalId: b}',
      'users.0.connection: line 2, column 29: there is no connection "None"',
    ],
    [
      'settings that the provider does not know',
      'connections:\n  - {tenant: ., name: A, provider: entra, settings: {x: 1}}',
      'connections.0.settings.x: line 2, column 54: is not known here',
    ],
    [
      'a new connection without credentials',
      'connections:\n  - {tenant: ., name: A, provider: okta, settings: {orgUrl: https://a.okta.com}}',
      'connections.0.credentials: line 2, column 5: are missing',
    ],
    [
      'a role that no mapping gives',
      'connections:\n  - {tenant: ., name: A, provider: okta, settings: {orgUrl: https://a.okta.com}, mapping: {everyone: [everyone]}}',
      'connections.0.mapping.everyone.0: line 2, column 103: the role "everyone" is automatic',
    ],
  ])('%s', async (_, text, message) => {
    expect(await refusal(text)).toContainEqual(expect.stringContaining(message));
  });

  it('a role that would be held above its user, or beside', async () => {
    const text = (tenant: string) =>
      `tenants: [{path: ${name}/A}, {path: ${name}/B}]\nusers: [{tenant: ${name}/A, userName: a, roles: [{role: editor, tenant: ${tenant}}]}]`;
    for (const tenant of [name, `${name}/B`, '.'])
      expect(await refusal(text(tenant))).toEqual([
        expect.stringContaining('neither in the tenant of the user nor below'),
      ]);
    expect(await shown(text(`${name}/A`))).toHaveLength(3);
  });

  it('a role outside the product plan that will count there', async () => {
    const plan = `plans: [{name: Narrow ${count}, roles: [clerk]}]\ntenants: [{path: ${name}, plan: Narrow ${count}}, {path: ${name}/A}]`;
    expect(
      await refusal(`${plan}\nusers: [{tenant: ${name}/A, userName: a, roles: [{role: editor}]}]`),
    ).toEqual([
      expect.stringContaining(
        `the product plan "Narrow ${count}" of the tenant does not have the role "editor"`,
      ),
    ]);
  });

  it('what is below a tenant that is to be deleted, and its return by a file', async () => {
    const { id } = await createTenant(deps, operator, { name: 'Going', parent: customer });
    await deleteTenant(deps, operator, { tenant: id, at: '2027-01-01T00:00:00Z' });
    expect(
      await refusal(`tenants: [{path: ${name}/Going/New}, {path: ${name}/Going, state: active}]`),
    ).toEqual([
      expect.stringContaining('the tenant above is to be deleted'),
      expect.stringContaining('the tenant is to be deleted: call its deletion off first'),
    ]);
  });

  it('an address that two would have, both in the file or one of them there already', async () => {
    await aUser(database.url, customer, { email: 'taken@a.example' });
    const two = `users:
  - {tenant: ${name}, userName: a, email: Same@a.example}
  - {tenant: ${name}, userName: b, email: same@A.example}
  - {tenant: ${name}, userName: c, email: Taken@a.example}`;
    expect(await refusal(two)).toEqual([
      expect.stringContaining('users.1.email: line 3, column'),
      expect.stringContaining('another user of the tenant has this address'),
    ]);
    const elsewhere = two.replaceAll(`tenant: ${name},`, (text) => `${text.slice(0, -1)}/Part,`);
    expect(await refusal(`tenants: [{path: ${name}/Part}]\n${elsewhere}`)).toHaveLength(1);
  });

  it('nothing is written of a file of which anything is wrong', async () => {
    const text = `tenants: [{path: ${name}/Part}]\nusers: [{tenant: ${name}/Part, userName: a, roles: [{role: ghost}]}]`;
    await expect(
      loadConfiguration(deps, operator, { configuration: text, stamp: 'any' }),
    ).rejects.toMatchObject({ code: 'invalid-input' });
    expect(await shown(`tenants: [{path: ${name}/Part}]`)).toHaveLength(1);
  });
});

describe('local users', () => {
  it('exchange their addresses in one load', async () => {
    const text = (one: string, other: string) =>
      `users:\n  - {tenant: ${name}, userName: a, email: ${one}@a.example}\n  - {tenant: ${name}, userName: b, email: ${other}@a.example}`;
    await load(text('one', 'two'));
    await load(text('two', 'one'));
    expect([(await userNamed('a')).email, (await userNamed('b')).email]).toEqual([
      'two@a.example',
      'one@a.example',
    ]);
  });

  it('are made, changed, suspended and given roles, each with an audit entry and an event', async () => {
    await load(`users: [{tenant: ${name}, userName: kiosk, roles: [{role: editor}]}]`);
    await load(`users: [{tenant: ${name}, userName: kiosk, displayName: Kiosk, state: suspended}]`);
    await load(`users: [{tenant: ${name}, userName: kiosk, state: active, roles: [{role: clerk}]}]`);
    const user = await userNamed('kiosk');
    expect(user).toMatchObject({ displayName: 'Kiosk', state: 'active', version: 3 });
    expect(
      (await auditOf(database.url, customer))
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
    const events = await asOwner(database.url, async (client) => {
      const { rows } = await client.query(
        'SELECT type, user_version, data FROM event WHERE auth_user_id = $1 ORDER BY user_version',
        [user.id],
      );
      return rows;
    });
    expect(events).toMatchObject([
      { type: 'user.created', user_version: 1, data: { fields: ['userName'], rolesGained: ['editor'] } },
      { type: 'user.suspended', user_version: 2, data: { fields: ['displayName'] } },
      { type: 'user.reactivated', user_version: 3, data: { rolesGained: ['clerk'] } },
    ]);
    expect((await verifyAudit(deps, operator, {})).tenants.every(({ ok }) => ok)).toBe(true);
  });

  it('edited between the comparison and the writing are left as they were edited, and the next load shows it', async () => {
    const file = (displayName: string) =>
      `users: [{tenant: ${name}, userName: kiosk, displayName: ${displayName}}]`;
    await load(file('One'));
    const { stamp } = await diff(file('Two'));
    const user = await userNamed('kiosk');
    const { configuration } = deps.store;
    const racing: ConfigurationDeps = {
      ...deps,
      store: {
        ...deps.store,
        configuration: {
          ...configuration,
          writeUsers: async (...args) => {
            await editUser(deps, operator, { user: user.id, displayName: 'By hand' });
            await configuration.writeUsers(...args);
          },
        },
      },
    };
    await expect(
      loadConfiguration(racing, operator, { configuration: file('Two'), stamp }),
    ).rejects.toMatchObject({
      code: 'changed-since-shown',
    });
    expect((await userNamed('kiosk')).displayName).toBe('By hand');
    expect((await diff(file('Two'))).differences[0]?.fields).toEqual([
      { field: 'displayName', before: 'By hand', after: 'Two' },
    ]);
  });

  it('are not made twice by two loads at once', async () => {
    const configuration = `users: [{tenant: ${name}, userName: kiosk, email: kiosk@a.example}]`;
    const { stamp } = await diff(configuration);
    const ended = await Promise.allSettled(
      [1, 2, 3].map(() => loadConfiguration(deps, operator, { configuration, stamp })),
    );
    expect(ended.some(({ status }) => status === 'fulfilled')).toBe(true);
    expect((await listUsers(deps, admin)).items).toHaveLength(1);
  });

  it('whom no name tells apart are left out of an export and counted', async () => {
    await aUser(database.url, customer, { userName: 'twin' });
    await aUser(database.url, customer, { userName: 'twin' });
    await aUser(database.url, customer, { email: 'nameless@a.example' });
    const { configuration, leftOut } = await exportConfiguration(deps, operator, { tenant: customer });
    expect(leftOut.users).toBe(3);
    expect(configuration).not.toContain('twin');
    expect(await refusal(`users: [{tenant: ${name}, userName: twin}]`)).toEqual([
      expect.stringContaining('more than one local user has the name "twin"'),
    ]);
  });
});

describe('connections', () => {
  const okta = (more = '') =>
    `connections:
  - tenant: ${name}
    name: Okta
    provider: okta
    settings: {orgUrl: "https://acme.okta.example"}
    credentials: {kind: api-token, token: {env: TOKEN}}
    ${more}`;

  it('need their secrets when they are made or sent elsewhere, and otherwise keep what they have', async () => {
    expect(await refusal(okta())).toEqual([expect.stringContaining('not at hand')]);
    await load(okta(), operator, { 'env:TOKEN': 'first' });
    expect(await shown(okta('schedule: "0 * * * *"'))).toEqual([`update connection ${name}: Okta: schedule`]);
    await load(okta('schedule: "0 * * * *"'));
    const elsewhere = okta().replace('acme', 'other');
    expect(await refusal(elsewhere)).toEqual([expect.stringContaining('send them somewhere else')]);
    await load(elsewhere, operator, { 'env:TOKEN': 'first' });
    const [connection] = (await listConnections(deps, operator, { tenant: customer })).items;
    expect(connection).toMatchObject({
      settings: { orgUrl: 'https://other.okta.example' },
      schedule: '0 * * * *',
    });
  });

  it('show that a secret is another one, and never a secret', async () => {
    await load(okta(), operator, { 'env:TOKEN': 'first' });
    expect((await diff(okta(), operator, { 'env:TOKEN': 'first' })).differences).toEqual([]);
    const { differences } = await diff(okta(), operator, { 'env:TOKEN': 'second' });
    expect(differences[0]?.fields).toEqual([{ field: 'credentials', before: 'stored', after: 'given' }]);
    await load(okta(), operator, { 'env:TOKEN': 'second' });
    const [connection] = (await listConnections(deps, operator, { tenant: customer })).items;
    const opened = connection && (await deps.store.connections.open(operator.tenant, connection.id));
    expect(opened?.credentials).toMatchObject({ token: 'second' });
    expect((await exportConfiguration(deps, operator)).configuration).not.toMatch(/second|credentials/);
  });

  it('do not change their provider', async () => {
    await load(okta(), operator, { 'env:TOKEN': 'first' });
    const google = `connections: [{tenant: ${name}, name: Okta, provider: google}]`;
    expect(await refusal(google)).toEqual([
      expect.stringContaining('the connection is one to okta, which stays'),
    ]);
  });
});

describe('a tenant’s administrator', () => {
  it('loads and exports what is below, with paths that begin there, and sees nothing else', async () => {
    await createTenant(deps, operator, { name: `Secret neighbour ${count}` });
    await load(
      'tenants: [{path: Part}]\nusers: [{tenant: Part, userName: a, roles: [{role: editor}]}, {tenant: ., userName: b}]',
      admin,
    );
    const { configuration } = await exportConfiguration(deps, admin);
    expect(configuration).toBe(`tenants:
  - path: Part
    plan: null
    inheritsRoles: true
    state: active
    domains: []
users:
  - tenant: .
    userName: b
    email: null
    displayName: null
    attributes: {}
    state: active
    roles: []
  - tenant: Part
    userName: a
    email: null
    displayName: null
    attributes: {}
    state: active
    roles:
      - role: editor
`);
    expect(await diff(configuration, admin)).toMatchObject({
      differences: [],
      unnamed: { roles: 0, plans: 0, tenants: 0, connections: 0, users: 0, domains: 0, assignments: 0 },
    });
  });

  it('cannot name what is outside: another’s path is one that does not exist', async () => {
    const other = (await createTenant(deps, operator, { name: `Other ${count}` })).id;
    await aUser(database.url, other, { userName: 'theirs', email: 'theirs@a.example' });
    expect(await refusal(`users: [{tenant: Other ${count}, userName: theirs}]`, admin)).toEqual([
      expect.stringContaining('there is no tenant'),
    ]);
    const own = 'users: [{tenant: ., userName: theirs, email: theirs@a.example}]';
    expect(await shown(own, admin)).toHaveLength(1);
    await load(own, admin);
    await expect(exportConfiguration(deps, admin, { tenant: other })).rejects.toMatchObject({
      code: 'not-found',
    });
  });

  it('writes no roles, plans, plans of tenants, domains, and nothing of their own tenant that is decided above', async () => {
    expect(
      await refusal(
        `roles: [{name: editor, description: Mine}]
plans: [{name: Mine ${count}}]
tenants: [{path: A, plan: Mine ${count}, domains: [a${count}.example]}, {path: ., inheritsRoles: false, state: suspended}]`,
        admin,
      ),
    ).toEqual([
      expect.stringMatching(/^roles\.0: .*written by the role system alone/),
      expect.stringMatching(/^plans\.0: .*written by the role system alone/),
      expect.stringMatching(/^tenants\.0\.plan: .*set by the role system alone/),
      expect.stringMatching(/^tenants\.0\.domains: .*set by the role system alone/),
      expect.stringMatching(/^tenants\.1\.state: .*changed from above/),
      expect.stringMatching(/^tenants\.1\.inheritsRoles: .*changed from above/),
    ]);
    expect(await shown('roles: [{name: editor, type: assignable}]', admin)).toEqual([]);
  });

  it('gives no role that is given from above, and hears of a hidden one no more than of one that is none', async () => {
    const giving = (role: string) => `users: [{tenant: ., userName: a, roles: [{role: ${role}}]}]`;
    expect(await refusal(giving('clerk'), admin)).toEqual([
      expect.stringContaining('from above all tenants only'),
    ]);
    const [hidden] = await refusal(giving('vendor'), admin);
    const [unknown] = await refusal(giving('nobody'), admin);
    expect(hidden?.replace('vendor', '')).toBe(unknown?.replace('nobody', ''));
    const id = await aUser(database.url, customer, { userName: 'held' });
    await grantRole(deps, operator, { user: id, role: 'vendor' });
    expect((await exportConfiguration(deps, admin)).configuration).not.toContain('vendor');
    expect((await exportConfiguration(deps, operator)).configuration).toContain('vendor');
  });

  it('needs the permissions: those who read see the difference and load nothing, a narrower key neither', async () => {
    const reader = await aCaller(deps, customer, 'auditor');
    const configuration = 'tenants: [{path: Part}]';
    const { stamp } = await diff(configuration, reader);
    await expect(loadConfiguration(deps, reader, { configuration, stamp })).rejects.toMatchObject({
      code: 'forbidden',
    });
    const narrow = callerOf(
      { id: admin.principal, tenant: customer, role: 'tenant-administrator', name: 'narrow' },
      'person',
      { tenant: null, permissions: ['connections.write', 'connections.read', 'tenants.read', 'roles.read'] },
    );
    for (const refused of [diff(configuration, narrow), exportConfiguration(deps, narrow)])
      await expect(refused).rejects.toMatchObject({ code: 'forbidden' });
    await expect(loadConfiguration(deps, narrow, { configuration, stamp })).rejects.toMatchObject({
      code: 'forbidden',
    });
  });
});

import { beforeEach, describe, expect, it } from 'vitest';
import { diffConfiguration, loadConfiguration } from '../../src/configuration/configuration.ts';
import type { TenantId } from '../../src/domain/ids.ts';
import { createConnection, listConnections } from '../../src/tenancy/connections.ts';
import { createRole } from '../../src/tenancy/roles.ts';
import { deleteTenant, suspendTenant } from '../../src/tenancy/tenantLife.ts';
import { createTenant } from '../../src/tenancy/tenants.ts';
import { Configuring } from '../support/configuring.ts';
import { asOwner } from '../support/database.ts';
import { aCaller, aUser } from '../support/tenancy.ts';

const anOktaConnection = {
  name: 'Mapped',
  provider: 'okta' as const,
  settings: { orgUrl: 'https://acme.okta.example' },
  credentials: { kind: 'api-token', token: 'secret' },
};

const on = await Configuring.open();
/** A customer of each test's own, and its administrator. */
let name: string;
let customer: TenantId;
let count: number;

beforeEach(async () => {
  ({ name, customer, count } = await on.customer());
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
      'productPlans:\n  - {name: Silver, roles: [ghost]}',
      'productPlans.0.roles.0: line 2, column 28: there is no role "ghost"',
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
      'a role that no mapping gives, by a rule',
      'connections:\n  - {tenant: ., name: A, provider: okta, settings: {orgUrl: https://a.okta.com}, mapping: {rules: [{roles: [everyone]}]}}',
      'connections.0.mapping.rules.0.roles.0: line 2, column 109: the role "everyone" is automatic',
    ],
    [
      'an expression that cannot work, at its place in the file',
      'connections:\n  - tenant: .\n    name: A\n    provider: okta\n    settings: {orgUrl: https://a.okta.com}\n    mapping:\n      scope: user.dept == "x"',
      'connections.0.mapping.scope: line 7, column 19: no such key: dept',
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
    expect(await on.refusal(text)).toContainEqual(expect.stringContaining(message));
  });

  it('all that is wrong with a file whose form is right, at once', async () => {
    const told = await on.refusal(
      `tenants: [{path: ${name}/Nowhere/Deep}, {path: ${name}, plan: None}, {path: ${name}}]`,
    );
    expect(told).toHaveLength(3);
    for (const part of [/tenants\.2.*names the same as tenants\.1/, /tenants\.0/, /tenants\.1\.plan/])
      expect(told).toContainEqual(expect.stringMatching(part));
  });

  it('a role that would be held above its user, or beside', async () => {
    const text = (tenant: string) =>
      `tenants: [{path: ${name}/A}, {path: ${name}/B}]\nusers: [{tenant: ${name}/A, userName: a, roles: [{role: editor, tenant: ${tenant}}]}]`;
    for (const tenant of [name, `${name}/B`, '.'])
      expect(await on.refusal(text(tenant))).toEqual([
        expect.stringContaining('neither in the tenant of the user nor below'),
      ]);
    expect(await on.shown(text(`${name}/A`))).toHaveLength(3);
  });

  it('a role outside the product plan that will count there', async () => {
    const plan = `productPlans: [{name: Narrow ${count}, roles: [clerk]}]\ntenants: [{path: ${name}, plan: Narrow ${count}}, {path: ${name}/A}]`;
    expect(
      await on.refusal(`${plan}\nusers: [{tenant: ${name}/A, userName: a, roles: [{role: editor}]}]`),
    ).toEqual([
      expect.stringContaining(
        `the product plan "Narrow ${count}" of the tenant does not have the role "editor"`,
      ),
    ]);
  });

  it('what is below a tenant that is to be deleted, and its return by a file', async () => {
    const { id } = await createTenant(on.deps, on.operator, { name: 'Going', parent: customer });
    await deleteTenant(on.deps, on.operator, { tenant: id, at: '2027-01-01T00:00:00Z' });
    expect(
      await on.refusal(`tenants: [{path: ${name}/Going/New}, {path: ${name}/Going, state: active}]`),
    ).toEqual([
      expect.stringContaining('the tenant above is to be deleted'),
      expect.stringContaining('the tenant is to be deleted: call its deletion off first'),
    ]);
  });

  it('the return of a tenant that was suspended by somebody above', async () => {
    const { id } = await createTenant(on.deps, on.operator, { name: 'Halted', parent: customer });
    await suspendTenant(on.deps, on.operator, id);
    const admin = await aCaller(on.deps, customer);
    expect(await on.refusal('tenants: [{path: Halted, state: active}]', admin)).toEqual([
      expect.stringMatching(/^tenants.0.state: line 1, column 33: .*suspended by somebody above/),
    ]);
    expect(await on.shown(`tenants: [{path: ${name}/Halted, state: active}]`)).toHaveLength(1);
  });

  it('a type that no directory gives, of a role that a mapping names or a directory has given', async () => {
    const type = (role: string) => `roles: [{name: ${role}, type: hidden}]`;
    for (const role of [`mapped ${count}`, `given ${count}`, `free ${count}`])
      await createRole(on.deps, on.operator, { name: role });
    const mapping = { rules: [{ roles: [`mapped ${count}`] }] };
    const connection = { ...anOktaConnection, tenant: customer, mapping };
    const { id } = await createConnection(on.deps, on.operator, connection);
    const user = await aUser(on.database.url, customer, { email: `given${count}@a.example` });
    await asOwner(on.database.url, (owner) =>
      owner.query(
        `INSERT INTO role_assignment (auth_user_id, role_id, tenant_id, origin, connection_id, granted_at)
         SELECT $1, id, $2, 'directory', $4, now() FROM role WHERE name = $3`,
        [user, customer, `given ${count}`, id],
      ),
    );
    for (const role of [`mapped ${count}`, `given ${count}`])
      expect(await on.refusal(type(role))).toEqual([
        expect.stringMatching(/^roles.0.type: line 1, column \d+: mappings name the role/),
      ]);
    expect(await on.shown(type(`free ${count}`))).toHaveLength(1);
  });

  it('roles of the whole install, with a key that does not write them: also those that only a mapping names', async () => {
    const permissions = on.operator.permissions.filter((permission) => permission !== 'roles.write');
    const narrowed = { ...on.operator, permissions };
    expect(await on.refusal('roles: [{name: new}]', narrowed)).toEqual([
      expect.stringContaining('written by the role system alone'),
    ]);
    const connection = `connections: [{tenant: ${name}, name: A, provider: okta, settings: {orgUrl: https://a.okta.com},
      credentials: {kind: api-token, token: {env: T}}, mapping: {everyone: [unheard of]}}]`;
    const secrets = { 'env:T': 'token' };
    expect(await on.refusal(connection, narrowed, secrets)).toEqual([
      expect.stringContaining('there is no role "unheard of"'),
    ]);
    expect((await on.diff(connection, on.operator, secrets)).differences).toHaveLength(2);
  });

  it('an address that two would have, both in the file or one of them there already', async () => {
    await aUser(on.database.url, customer, { email: 'taken@a.example' });
    const two = `users:
  - {tenant: ${name}, userName: a, email: Same@a.example}
  - {tenant: ${name}, userName: b, email: same@A.example}
  - {tenant: ${name}, userName: c, email: Taken@a.example}`;
    expect(await on.refusal(two)).toEqual([
      expect.stringContaining('users.1.email: line 3, column'),
      expect.stringContaining('another user of the tenant has this address'),
    ]);
    const elsewhere = two.replaceAll(`tenant: ${name},`, (text) => `${text.slice(0, -1)}/Part,`);
    expect(await on.refusal(`tenants: [{path: ${name}/Part}]\n${elsewhere}`)).toHaveLength(1);
  });

  it('nothing is written of a file of which anything is wrong', async () => {
    const text = `tenants: [{path: ${name}/Part}]\nusers: [{tenant: ${name}/Part, userName: a, roles: [{role: ghost}]}]`;
    await expect(
      loadConfiguration(on.deps, on.operator, { configuration: text, stamp: 'any' }),
    ).rejects.toMatchObject({ code: 'invalid-input' });
    expect(await on.shown(`tenants: [{path: ${name}/Part}]`)).toHaveLength(1);
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
    expect(await on.refusal(okta())).toEqual([
      expect.stringContaining('env:TOKEN is not among the secrets that came with the file, because a new'),
    ]);
    await on.load(okta(), on.operator, { 'env:TOKEN': 'first' });
    expect(await on.shown(okta('schedule: "0 * * * *"'))).toEqual([
      `update connection ${name}: Okta: schedule`,
    ]);
    await on.load(okta('schedule: "0 * * * *"'));
    const elsewhere = okta().replace('acme', 'other');
    expect(await on.refusal(elsewhere)).toEqual([expect.stringContaining('send them somewhere else')]);
    await on.load(elsewhere, on.operator, { 'env:TOKEN': 'first' });
    const [connection] = (await listConnections(on.deps, on.operator, { tenant: customer })).items;
    expect(connection).toMatchObject({
      settings: { orgUrl: 'https://other.okta.example' },
      schedule: '0 * * * *',
    });
  });

  it('name the variable or the file that is not there, for somebody with a shell', async () => {
    const deps = { ...on.deps, lookUp: () => null };
    for (const [source, said] of [
      ['{env: TOKEN}', 'TOKEN is not set'],
      ['{file: token.txt}', 'the file token.txt cannot be read'],
    ] as const) {
      const configuration = okta().replace('{env: TOKEN}', source);
      await expect(diffConfiguration(deps, on.operator, { configuration })).rejects.toMatchObject({
        fields: [{ path: 'connections.0.credentials', message: expect.stringContaining(said) }],
      });
    }
  });

  it('show that a secret is another one, and never a secret', async () => {
    await on.load(okta(), on.operator, { 'env:TOKEN': 'first' });
    expect((await on.diff(okta(), on.operator, { 'env:TOKEN': 'first' })).differences).toEqual([]);
    const { differences } = await on.diff(okta(), on.operator, { 'env:TOKEN': 'second' });
    expect(differences[0]?.fields).toEqual([{ field: 'credentials', before: 'stored', after: 'given' }]);
    await on.load(okta(), on.operator, { 'env:TOKEN': 'second' });
    const [connection] = (await listConnections(on.deps, on.operator, { tenant: customer })).items;
    const opened = connection && (await on.deps.store.connections.open(on.operator.tenant, connection.id));
    expect(opened?.credentials).toMatchObject({ token: 'second' });
    expect(await on.export()).not.toMatch(/second|credentials/);
  });

  it('do not change their provider', async () => {
    await on.load(okta(), on.operator, { 'env:TOKEN': 'first' });
    const google = `connections: [{tenant: ${name}, name: Okta, provider: google}]`;
    expect(await on.refusal(google)).toEqual([
      expect.stringContaining('the connection is one to okta, which stays'),
    ]);
  });
});

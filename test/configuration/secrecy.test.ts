/** What a file, and what is recorded of it, tells to whom: of stored credentials, of hidden roles, of other tenants' directories. */
import { beforeEach, describe, expect, it } from 'vitest';
import { exportConfiguration } from '../../src/configuration/configuration.ts';
import { AuthUserId, type TenantId } from '../../src/domain/ids.ts';
import { type Caller, callerOf } from '../../src/domain/permission.ts';
import { listEvents } from '../../src/review/changes.ts';
import { listConnections } from '../../src/tenancy/connections.ts';
import { grantRole, listRoles } from '../../src/tenancy/roles.ts';
import { createTenant } from '../../src/tenancy/tenants.ts';
import { Configuring } from '../support/configuring.ts';
import { asOwner } from '../support/database.ts';
import { aCaller, aUser, auditOf } from '../support/tenancy.ts';
import { untilFeedIsUpToDate } from '../support/waiting.ts';

const on = await Configuring.open();
let customer: TenantId;
let name: string;
let admin: Caller;
beforeEach(async () => {
  ({ customer, name, admin } = await on.customer());
});

const okta = (more = '') =>
  `connections: [{tenant: ., name: Okta, provider: okta, settings: {orgUrl: https://a.okta.com}, credentials: {kind: api-token, token: {env: T}}${more}}]`;
const compared = async () =>
  (await auditOf(on.database.url, customer)).filter(
    ({ action }) => action === 'connection.credentials-compared',
  );

describe('stored credentials', () => {
  it.each(['auditor', 'reviewer'] as const)('cannot be guessed by whoever is %s', async (role) => {
    await on.load(okta(), admin, { 'env:T': 'Summer2026' });
    const before = await compared();
    const reader = await aCaller(on.deps, customer, role);
    const right = await on.diff(okta(), reader, { 'env:T': 'Summer2026' });
    expect(right.differences).toMatchObject([{ fields: [{ field: 'credentials', after: 'given' }] }]);
    expect(await on.diff(okta(), reader, { 'env:T': 'Spring2026' })).toEqual(right);
    expect(await compared()).toEqual(before);
  });

  it('are not compared for a key that is too narrow to replace them', async () => {
    await on.load(okta(), admin, { 'env:T': 'Summer2026' });
    const principal = { id: admin.principal, tenant: customer, role: admin.role, name: 'Key' };
    const permissions = admin.permissions.filter((action) => action !== 'connections.write');
    const narrow = callerOf(principal, 'person', { tenant: customer, permissions });
    expect((await on.diff(okta(), narrow, { 'env:T': 'Summer2026' })).differences).toHaveLength(1);
  });

  it('are compared for whoever may replace them, which is recorded each time', async () => {
    await on.load(okta(), admin, { 'env:T': 'Summer2026' });
    expect(await compared()).toEqual([]);
    expect((await on.diff(okta(), admin, { 'env:T': 'Spring2026' })).differences).toHaveLength(1);
    expect((await on.diff(okta(), admin, { 'env:T': 'Summer2026' })).differences).toEqual([]);
    expect(await compared()).toHaveLength(2);
    expect(JSON.stringify(await compared())).not.toMatch(/2026"|Spring|Summer/);
  });
});

it('a hidden role that is loaded shows to the tenant neither in its feed nor in its audit log', async () => {
  await on.load(`users: [{tenant: ${name}, userName: bob, roles: [{role: vendor}, {role: editor}]}]`);
  await untilFeedIsUpToDate(on.database.url);
  const { items } = await listEvents(on.deps, admin, {});
  expect(items.filter(({ type }) => type === 'user.created')).toMatchObject([
    { data: { rolesGained: ['editor'] } },
  ]);
  expect(JSON.stringify([items, await auditOf(on.database.url, customer)])).not.toContain('vendor');
  expect(JSON.stringify(await listRoles(on.deps, admin))).not.toContain('vendor');
  expect((await on.userNamed(customer, 'bob')).roles.map((role) => role.name)).toContain('vendor');
});

describe('what is written is what was compared', () => {
  const by = () => ({ actor: admin.actor, at: on.deps.clock.now(), isSystem: false });
  const give = async (role: string, at: TenantId, isSystem = false) => {
    const id = await aUser(on.database.url, customer, { userName: 'ann' });
    const [known] = await on.deps.store.roles.named([role]);
    if (known === undefined) throw new Error('no such role');
    const user = { id: AuthUserId.parse(id), tenant: customer, version: 1, userName: 'ann', email: null };
    const rest = {
      displayName: null,
      attributes: {},
      state: 'active' as const,
      fields: [],
      stateBefore: null,
    };
    const gains = [{ role: known.id, name: role, tenant: at }];
    const { root } = on.deps.store;
    await on.deps.store.configuration.writeUsers(root, [{ ...user, ...rest, gains }], { ...by(), isSystem });
  };

  it('a role is not given where its user is not, though the tenant was below theirs before', async () => {
    const elsewhere = (await createTenant(on.deps, on.operator, { name: `Elsewhere of ${name}` })).id;
    await expect(give('editor', elsewhere)).rejects.toMatchObject({ code: 'changed-since-shown' });
    expect((await on.userNamed(customer, 'ann')).roles.map((role) => role.name)).not.toContain('editor');
  });

  it.each(['clerk', 'vendor', 'everyone'])(
    'a role that has become one that is not theirs to give (%s)',
    (role) => expect(give(role, customer)).rejects.toMatchObject({ code: 'changed-since-shown' }),
  );

  it('but the system gives each that somebody can give', async () => {
    await give('vendor', customer, true);
    expect((await on.userNamed(customer, 'ann')).roles.map((role) => role.name)).toContain('vendor');
  });
});

it('a role that only a mapping names is made for the system, and shown before, and refused to a tenant', async () => {
  const [role, byRule] = [`Mapped of ${name}`, `Ruled of ${name}`];
  const file = okta(`, mapping: {everyone: [${role}], rules: [{roles: [${byRule}]}]}`);
  expect(await on.refusal(file, admin, { 'env:T': 'x' })).toEqual([
    expect.stringMatching(/^connections.0.mapping.everyone.0: .*there is no role/),
    expect.stringMatching(/^connections.0.mapping.rules.0.roles.0: .*there is no role/),
  ]);
  const own = file.replace('tenant: .', `tenant: ${name}`);
  const { differences } = await on.diff(own, on.operator, { 'env:T': 'x' });
  expect(differences).toMatchObject([
    { kind: 'role', action: 'create', name: role },
    { kind: 'role', action: 'create', name: byRule },
    { kind: 'connection', action: 'create' },
  ]);
  const loaded = await on.load(own, on.operator, { 'env:T': 'x' });
  expect(loaded).toMatchObject({ roles: { created: 2 }, connections: { created: 1 } });
  expect((await on.diff(own, on.operator, { 'env:T': 'x' })).differences).toEqual([]);
});

it('a user whom a directory above has placed in a part is no local user to the part’s administrator', async () => {
  await on.load(`${okta()}\ntenants: [{path: Part}]\nusers: [{tenant: Part, userName: own}]`, admin, {
    'env:T': 'x',
  });
  const [connection] = (await listConnections(on.deps, admin)).items;
  const tenants = await on.deps.store.configuration.tenants(customer);
  const part = tenants.find(({ path }) => path[0] === 'Part')?.id;
  if (part === undefined || connection === undefined) throw new Error('not loaded');
  const user = await aUser(on.database.url, part, { userName: 'placed' });
  await asOwner(on.database.url, (client) =>
    client.query(
      `INSERT INTO identity (connection_id, external_id, tenant_id, auth_user_id, agreed_hash, agreed_version)
       VALUES ($1, 'u1', $2, $3, '', 1)`,
      [connection.id, part, user],
    ),
  );
  const below = await aCaller(on.deps, part);
  const { configuration, leftOut } = await exportConfiguration(on.deps, below);
  expect(configuration).toContain('userName: own');
  expect(configuration).not.toContain('placed');
  expect(leftOut).toEqual({ connections: 0, users: 0, directoryUsers: 0 });
  await grantRole(on.deps, on.operator, { user, role: 'editor' });
  expect((await exportConfiguration(on.deps, below)).leftOut).toMatchObject({ directoryUsers: 1 });
  expect((await exportConfiguration(on.deps, on.operator, { tenant: part })).leftOut).toMatchObject({
    directoryUsers: 1,
  });
  expect((await exportConfiguration(on.deps, admin)).leftOut).toMatchObject({ directoryUsers: 0 });
  expect((await on.diff('users: [{tenant: ., userName: own}]', below)).unnamed.users).toBe(0);
});

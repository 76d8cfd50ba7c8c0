import { beforeEach, describe, expect, it } from 'vitest';
import { exportConfiguration, loadConfiguration } from '../../src/configuration/configuration.ts';
import type { TenantId } from '../../src/domain/ids.ts';
import { type Caller, callerOf } from '../../src/domain/permission.ts';
import { grantRole } from '../../src/tenancy/roles.ts';
import { createTenant } from '../../src/tenancy/tenants.ts';
import { Configuring } from '../support/configuring.ts';
import { aCaller, aUser } from '../support/tenancy.ts';

const on = await Configuring.open();
/** A customer of each test's own, and its administrator. */
let customer: TenantId;
let admin: Caller;
let count: number;

beforeEach(async () => {
  ({ customer, admin, count } = await on.customer());
});

describe('a tenant’s administrator', () => {
  it('loads and exports what is below, with paths that begin there, and sees nothing else', async () => {
    await createTenant(on.deps, on.operator, { name: `Secret neighbour ${count}` });
    await on.load(
      'tenants: [{path: Part}]\nusers: [{tenant: Part, userName: a, roles: [{role: editor}]}, {tenant: ., userName: b}]',
      admin,
    );
    const { configuration } = await exportConfiguration(on.deps, admin);
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
    expect(await on.diff(configuration, admin)).toMatchObject({
      differences: [],
      unnamed: {
        roles: 0,
        productPlans: 0,
        tenants: 0,
        connections: 0,
        users: 0,
        domains: 0,
        assignments: 0,
      },
    });
  });

  it('cannot name what is outside: another’s path is one that does not exist', async () => {
    const other = (await createTenant(on.deps, on.operator, { name: `Other ${count}` })).id;
    await aUser(on.database.url, other, { userName: 'theirs', email: 'theirs@a.example' });
    expect(await on.refusal(`users: [{tenant: Other ${count}, userName: theirs}]`, admin)).toEqual([
      expect.stringContaining('there is no tenant'),
    ]);
    const own = 'users: [{tenant: ., userName: theirs, email: theirs@a.example}]';
    expect(await on.shown(own, admin)).toHaveLength(1);
    await on.load(own, admin);
    await expect(exportConfiguration(on.deps, admin, { tenant: other })).rejects.toMatchObject({
      code: 'not-found',
    });
  });

  it('writes no roles, product plans, plans of tenants, domains, and nothing of their own tenant that is decided above', async () => {
    expect(
      await on.refusal(
        `roles: [{name: editor, description: Mine}]
productPlans: [{name: Mine ${count}}]
tenants: [{path: A, plan: Mine ${count}, domains: [a${count}.example]}, {path: ., inheritsRoles: false, state: suspended}]`,
        admin,
      ),
    ).toEqual([
      expect.stringMatching(/^roles\.0: .*written by the role system alone/),
      expect.stringMatching(/^productPlans\.0: .*written by the role system alone/),
      expect.stringMatching(/^tenants\.0\.plan: .*set by the role system alone/),
      expect.stringMatching(/^tenants\.0\.domains: .*set by the role system alone/),
      expect.stringMatching(/^tenants\.1\.state: .*changed from above/),
      expect.stringMatching(/^tenants\.1\.inheritsRoles: .*changed from above/),
    ]);
    expect(await on.shown('roles: [{name: editor, type: assignable}]', admin)).toEqual([]);
  });

  it('gives no role that is given from above, and hears of a hidden one no more than of one that is none', async () => {
    const giving = (role: string) => `users: [{tenant: ., userName: a, roles: [{role: ${role}}]}]`;
    expect(await on.refusal(giving('clerk'), admin)).toEqual([
      expect.stringContaining('from above all tenants only'),
    ]);
    const [hidden] = await on.refusal(giving('vendor'), admin);
    const [unknown] = await on.refusal(giving('nobody'), admin);
    expect(hidden?.replace('vendor', '')).toBe(unknown?.replace('nobody', ''));
    const id = await aUser(on.database.url, customer, { userName: 'held' });
    await grantRole(on.deps, on.operator, { user: id, role: 'vendor' });
    expect(await on.export(admin)).not.toContain('vendor');
    expect(await on.export()).toContain('vendor');
  });

  it('needs the permissions: those who read see the difference and load nothing, a narrower key neither', async () => {
    const reader = await aCaller(on.deps, customer, 'auditor');
    const configuration = 'tenants: [{path: Part}]';
    const { stamp } = await on.diff(configuration, reader);
    await expect(loadConfiguration(on.deps, reader, { configuration, stamp })).rejects.toMatchObject({
      code: 'forbidden',
    });
    const narrow = callerOf(
      { id: admin.principal, tenant: customer, role: 'tenant-administrator', name: 'narrow' },
      'person',
      { tenant: null, permissions: ['connections.write', 'connections.read', 'tenants.read', 'roles.read'] },
    );
    for (const refused of [on.diff(configuration, narrow), exportConfiguration(on.deps, narrow)])
      await expect(refused).rejects.toMatchObject({ code: 'forbidden' });
    await expect(loadConfiguration(on.deps, narrow, { configuration, stamp })).rejects.toMatchObject({
      code: 'forbidden',
    });
  });
});

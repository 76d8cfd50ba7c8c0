/** What becomes of people, and of what was approved for them, when the tenants that they are put in change. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TenantId } from '../../src/domain/ids.ts';
import { Mapping } from '../../src/domain/mapping.ts';
import { deleteTenant, moveTenant } from '../../src/tenancy/tenantLife.ts';
import { createTenant, listTenants, updateTenant } from '../../src/tenancy/tenants.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory, type SomeDirectoryUser } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aUser, auditOf } from '../support/tenancy.ts';
import { untilWaiting } from '../support/waiting.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const byOffice = [{ tenant: 'Offices/{officeLocation}', create: true }];
const at = (id: string, officeLocation: string | null) => ({
  id,
  email: `${id}@example.test`,
  officeLocation,
});

async function connected(
  users: readonly SomeDirectoryUser[],
  rules: object[] = byOffice,
  { hasFeed = false, ...more }: { hasFeed?: boolean; tenant?: TenantId } = {},
): Promise<Connected> {
  const directory = aDirectory({ users: [...users], groups: [{ id: 'g1', members: [] }], hasFeed });
  const mapping = Mapping.parse({ everyone: ['member'], rules, groups: null });
  return await install.connect({ directory, mapping, guards: noGuards, ...more });
}

const placesOf = async (real: Connected) =>
  Object.fromEntries((await real.users()).map(({ externalId, place }) => [externalId, place]));

const child = async (parent: TenantId, name: string) =>
  (await createTenant(install, install.operator, { name, parent })).id;

/** Of a tenant below the connection's, by its name. */
async function idOf(real: Connected, name: string): Promise<TenantId> {
  const { items } = await listTenants(install, real.administrator, { limit: 500 });
  return items.find((one) => one.name === name)?.id as TenantId;
}

it('a tenant that is moved out of reach takes along who was deleted in it: who comes back is made anew', async () => {
  const real = await connected([at('ada', 'Berlin'), at('bob', 'Rome')]);
  await real.syncAndApply();
  real.directory.remove('ada');
  await real.syncAndApply();
  const { id: before } = await real.user('ada');
  const berlin = await idOf(real, 'Berlin');
  await moveTenant(install, install.operator, { tenant: berlin, parent: await install.tenant() });
  const left = await asOwner(install.database.url, async (client) => {
    const { rows } = await client.query(
      `SELECT 'identity' AS of FROM identity WHERE auth_user_id = $1
       UNION ALL SELECT 'role' FROM role_assignment WHERE auth_user_id = $1
       UNION ALL SELECT state FROM auth_user WHERE id = $1`,
      [before],
    );
    return rows;
  });
  expect(left).toEqual([{ of: 'deleted' }]);
  expect(await auditOf(install.database.url, berlin)).toContainEqual(
    expect.objectContaining({
      action: 'identity.removed',
      subject: { kind: 'auth-user', id: before },
      details: { connection: real.connection, because: 'tenant-moved' },
    }),
  );

  real.directory.add(at('ada', 'Berlin'));
  real.directory.edit('bob', { displayName: 'Bob' });
  await real.sync();
  expect(await real.changeOf('ada')).toMatchObject({ kind: 'create' });
  await real.approveAll();
  expect(await real.apply()).toMatchObject({ applied: 2, moved: 0, failed: 0 });
  expect((await real.user('ada')).id).not.toBe(before);
  expect(await install.auditIsWhole()).toBe(true);
});

it('a joiner whose tenant depends on a group that cannot be read waits, and is in no wider one meanwhile', async () => {
  const rules = [{ when: { group: 'g1' }, tenant: 'Guests', create: true, stop: true }];
  const real = await connected([at('ada', null), at('bob', null)], rules);
  real.directory.group('g1', ['bob']);
  real.directory.faults = { unreadableMembers: ['g1'] };
  await real.sync();
  expect(await real.changeOf('bob')).toMatchObject({ kind: 'conflict', cause: 'tenant-unknown' });
  await real.approveAll();
  expect(await real.inState('approved')).toEqual([]);

  real.directory.faults = {};
  await real.syncAndApply();
  expect(await placesOf(real)).toEqual({ ada: null, bob: 'Guests' });
});

it('an apply looks for who has an address also in the tenants where it puts people by rules that are there no more', async () => {
  const real = await connected([at('ada', 'Berlin')], [{ tenant: 'Offices/{officeLocation}' }]);
  const berlin = await child(await child(real.tenant, 'Offices'), 'Berlin');
  await real.sync();
  await real.approveAll();
  await aUser(install.database.url, berlin, { email: 'ada@example.test' });
  await install.remap(real.connection, Mapping.parse({ everyone: ['member'], groups: null }));
  expect(await real.apply()).toMatchObject({ applied: 0, moved: 1 });
  expect((await real.changes({ state: ['moved'] })).map(({ outcomeReason }) => outcomeReason)).toEqual([
    'another auth user has taken the address since this was proposed',
  ]);
});

it('an apply waits for the audit logs in the order of all others: those below its own may come first', async () => {
  const offices = await install.tenant();
  const top = await install.tenant();
  const real = await connected([at('ada', null)], [{ tenant: 'Offices' }], { tenant: top });
  await moveTenant(install, install.operator, { tenant: offices, parent: top });
  await updateTenant(install, install.operator, { tenant: offices, name: 'Offices' });
  await real.sync();
  await real.approveAll();
  await asOwner(install.database.url, async (client) => {
    const locking = 'SELECT FROM audit_head WHERE tenant_id = $1 FOR UPDATE NOWAIT';
    await client.query('BEGIN');
    await client.query(locking, [offices]);
    const applying = real.apply();
    await untilWaiting(client, 1);
    const others = await client.query(locking, [top]).catch((error: Error) => error.message);
    await client.query('ROLLBACK');
    expect(await applying).toMatchObject({ applied: 1 });
    expect(others).toMatchObject({ rowCount: 1 });
  });
});

describe('What was approved for a tenant', () => {
  const rules = [{ tenant: 'Offices/{officeLocation}' }];
  const rename = (tenant: TenantId, name: string) =>
    updateTenant(install, install.operator, { tenant, name });

  it('is for that very one: where another has its name by then it is sent back, and has to be decided on anew', async () => {
    const real = await connected([at('ada', 'Sales'), at('bob', 'Rome')], rules);
    const offices = await child(real.tenant, 'Offices');
    const [sales, board, rome] = [
      await child(offices, 'Sales'),
      await child(offices, 'Board'),
      await child(offices, 'Rome'),
    ];
    await real.sync();
    const { fingerprint, id } = await real.changeOf('ada');
    await real.approveAll();
    await rename(sales, 'Sold');
    await rename(board, 'Sales');
    await rename(rome, 'Roma');
    await rename(rome, 'Rome');
    expect(await real.apply()).toMatchObject({ applied: 1, moved: 1, failed: 0 });
    expect((await real.changeOf('ada')).outcomeReason).toBe(
      'another tenant is called by now like the one that this would put them in',
    );
    await real.sync();
    const again = await real.changeOf('ada');
    expect(again).toMatchObject({ kind: 'create', state: 'open', fingerprint });
    expect(again.id).not.toBe(id);
  });

  it('that was to be made is for none that was there already, under another name', async () => {
    const real = await connected([at('ada', 'Sales'), at('bob', 'Rome')]);
    const board = await child(await child(real.tenant, 'Offices'), 'Board');
    await real.sync();
    await real.approveAll();
    await rename(board, 'Sales');
    expect(await real.apply()).toMatchObject({ applied: 1, moved: 1 });
    expect(await placesOf(real)).toEqual({ bob: 'Offices/Rome' });
    await real.syncAndApply();
    expect(await placesOf(real)).toEqual({ ada: 'Offices/Sales', bob: 'Offices/Rome' });
  });

  it('that was to be made stays approved, or refused, once it is made for somebody else', async () => {
    const real = await connected([at('ada', 'Berlin'), at('bob', 'Berlin'), at('cleo', 'Berlin')]);
    await real.sync();
    await real.approve('ada');
    await real.decide('reject', 'bob');
    await real.apply();
    await real.approve('cleo');
    await real.sync();
    expect(await real.inState('approved')).toEqual(['cleo']);
    expect(await real.inState('rejected')).toEqual(['bob']);
    expect(await real.apply()).toMatchObject({ applied: 1, moved: 0 });
  });

  it('that is gone by then may be made anew once a rule says so: no change is sent back time and again', async () => {
    const real = await connected([at('ada', 'Berlin')], rules);
    const berlin = await child(await child(real.tenant, 'Offices'), 'Berlin');
    await real.sync();
    await real.approveAll();
    await deleteTenant(install, install.operator, { tenant: berlin });
    await install.remap(
      real.connection,
      Mapping.parse({ rules: byOffice, everyone: ['member'], groups: null }),
    );
    expect(await real.syncAndApply()).toMatchObject({ applied: 1, moved: 0 });
    expect(await placesOf(real)).toEqual({ ada: 'Offices/Berlin' });
  });
});

describe('Whoever is in a tenant', () => {
  const inPlace = async (users: SomeDirectoryUser[]) => {
    const real = await connected(users, byOffice, { hasFeed: true });
    await real.syncAndApply();
    await real.sync();
    expect(await real.changes()).toEqual([]);
    return real;
  };
  const movesOf = async (real: Connected) =>
    (await real.changes()).map(({ externalId, cause, fields }) => ({ externalId, cause, fields }));
  const toOldName = (externalId: string, before: string) => ({
    externalId,
    cause: 'placed',
    fields: [{ field: 'tenant', before, after: 'Offices/Berlin' }],
  });

  it.each([{ full: true }, { full: false }])(
    'that is renamed is proposed to be moved with all the others, by the next run (%o)',
    async (how) => {
      const real = await inPlace([at('ada', 'Berlin'), at('bob', 'Berlin'), at('cleo', 'Rome')]);
      await updateTenant(install, real.administrator, { tenant: await idOf(real, 'Berlin'), name: 'Bonn' });
      await real.sync(how);
      expect(await movesOf(real)).toEqual([
        toOldName('ada', 'Offices/Bonn'),
        toOldName('bob', 'Offices/Bonn'),
      ]);
      await real.approveAll();
      await real.apply();
      await real.sync(how);
      await real.sync(how);
      expect(await real.changes()).toEqual([]);
      expect(await placesOf(real)).toEqual({
        ada: 'Offices/Berlin',
        bob: 'Offices/Berlin',
        cleo: 'Offices/Rome',
      });
    },
  );

  it('below one that is moved within reach is proposed to be moved with all the others', async () => {
    const real = await inPlace([at('ada', 'Berlin'), at('bob', 'Berlin')]);
    const other = await child(real.tenant, 'Branches');
    await moveTenant(install, real.administrator, { tenant: await idOf(real, 'Berlin'), parent: other });
    await real.sync();
    expect(await movesOf(real)).toEqual([
      toOldName('ada', 'Branches/Berlin'),
      toOldName('bob', 'Branches/Berlin'),
    ]);
  });

  it('that is renamed is found in place by rules that are changed as well', async () => {
    const real = await inPlace([at('ada', 'Berlin'), at('bob', 'Berlin')]);
    await updateTenant(install, real.administrator, { tenant: await idOf(real, 'Offices'), name: 'Sites' });
    const rules = [{ tenant: 'Sites/{officeLocation}', create: true }];
    await install.remap(real.connection, Mapping.parse({ everyone: ['member'], rules, groups: null }));
    await real.sync();
    expect(await real.changes()).toEqual([]);
  });

  it('is looked at again although what was approved before is applied after it was renamed', async () => {
    const real = await inPlace([at('ada', 'Berlin'), at('bob', 'Berlin')]);
    real.directory.edit('ada', { displayName: 'Ada' });
    await real.sync();
    await real.approveAll();
    await updateTenant(install, real.administrator, { tenant: await idOf(real, 'Berlin'), name: 'Bonn' });
    expect(await real.apply()).toMatchObject({ applied: 1 });
    await real.sync({ full: true });
    expect(await movesOf(real)).toEqual([toOldName('ada', 'Offices/Bonn'), toOldName('bob', 'Offices/Bonn')]);
  });
});

it('an address is looked for in the tenants below as long as some of the connection’s people are there', async () => {
  const real = await connected([at('ada', 'Berlin')]);
  await real.syncAndApply();
  await install.remap(real.connection, Mapping.parse({ everyone: ['member'], groups: null }));
  const berlin = await idOf(real, 'Berlin');
  await aUser(install.database.url, berlin, { email: 'eve@example.test' });
  real.directory.add(at('eve', null));
  await real.sync();
  expect(await real.changeOf('eve')).toMatchObject({ kind: 'conflict', cause: 'address-unverified' });

  const { id } = await real.user('ada');
  await asOwner(install.database.url, async (client) => {
    await client.query('UPDATE auth_user SET tenant_id = $1 WHERE id = $2', [real.tenant, id]);
    await client.query('UPDATE identity SET tenant_id = $1 WHERE auth_user_id = $2', [real.tenant, id]);
  });
  await real.sync();
  expect(await real.changeOf('eve')).toMatchObject({ kind: 'create' });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TenantId } from '../../src/domain/ids.ts';
import { Mapping } from '../../src/domain/mapping.ts';
import { carryOutApply, startApply } from '../../src/review/apply.ts';
import { grantRole } from '../../src/tenancy/roles.ts';
import { deleteTenant, keepTenant, moveTenant } from '../../src/tenancy/tenantLife.ts';
import { createTenant, listTenants, verifyDomain } from '../../src/tenancy/tenants.ts';
import { editUser, listUsers } from '../../src/tenancy/users.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory, type SomeDirectoryUser } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aCaller, aUser, auditOf } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const byOffice = [{ tenant: 'Offices/{officeLocation}', create: true }];
const at = (id: string, officeLocation: string | null, more: Partial<SomeDirectoryUser> = {}) => ({
  id,
  email: `${id}@example.test`,
  officeLocation,
  ...more,
});

async function connected(
  users: readonly SomeDirectoryUser[],
  rules: object[] = byOffice,
  more: { hasFeed?: boolean; verifiedDomains?: readonly string[]; omit?: Mapping['omit'] } = {},
): Promise<Connected> {
  const { hasFeed = false, omit = [], ...others } = more;
  const directory = aDirectory({ users: [...users], groups: [{ id: 'g1', members: ['ada'] }], hasFeed });
  const mapping = Mapping.parse({ everyone: ['member'], rules, groups: null, omit });
  return await install.connect({ directory, mapping, guards: noGuards, ...others });
}

const placesOf = async (real: Connected) =>
  Object.fromEntries((await real.users()).map(({ externalId, place }) => [externalId, place]));

async function child(parent: TenantId, name: string): Promise<TenantId> {
  return (await createTenant(install, install.operator, { name, parent })).id;
}

const below = async (real: Connected) =>
  (await listTenants(install, real.administrator, { limit: 500 })).items
    .filter(({ id }) => id !== real.tenant)
    .map(({ name }) => name)
    .sort();

describe('joiners', () => {
  it('are made in the tenants that the rules name, which are made once, with an audit log and a data key', async () => {
    const real = await connected([
      at('ada', 'Berlin'),
      at('bob', 'Rome'),
      at('cleo', 'Berlin'),
      at('dan', null),
    ]);
    await real.sync();
    expect((await real.changeOf('ada')).after).toMatchObject({ tenant: 'Offices/Berlin' });
    expect((await real.changeOf('ada')).fields).toContainEqual({
      field: 'tenant',
      before: null,
      after: 'Offices/Berlin',
    });
    expect((await real.changeOf('dan')).after).not.toHaveProperty('tenant');
    await real.approveAll();
    expect(await real.apply()).toMatchObject({ applied: 4, moved: 0 });
    expect(await placesOf(real)).toEqual({
      ada: 'Offices/Berlin',
      bob: 'Offices/Rome',
      cleo: 'Offices/Berlin',
      dan: null,
    });
    expect(await below(real)).toEqual(['Berlin', 'Offices', 'Rome']);
    const { items } = await listTenants(install, real.administrator, { limit: 500 });
    const [top, berlin] = ['Offices', 'Berlin'].map((name) => items.find((one) => one.name === name));
    expect(berlin?.dataKey.startsWith(top?.dataKey ?? 'none')).toBe(true);
    expect(await auditOf(install.database.url, berlin?.id as TenantId)).toMatchObject([
      { action: 'tenant.created', details: { name: 'Berlin', connection: real.connection } },
    ]);
    await real.sync();
    expect(await real.changes()).toEqual([]);
  });

  it('wait for a person where the tenant is missing and may not be made, and come when it is there', async () => {
    const real = await connected(
      [at('ada', 'Berlin'), at('bob', null)],
      [{ tenant: 'Offices/{officeLocation}' }],
    );
    await real.sync();
    expect(await real.changeOf('ada')).toMatchObject({
      kind: 'conflict',
      cause: 'tenant-missing',
      actions: ['reject', 'hold'],
    });
    expect(await real.pending('create')).toEqual(['bob']);
    await child(await child(real.tenant, 'Offices'), 'Berlin');
    await real.syncAndApply();
    expect(await placesOf(real)).toEqual({ ada: 'Offices/Berlin', bob: null });
  });

  it('are not put in a tenant that is to be deleted, nor is it made beside it', async () => {
    const real = await connected([at('ada', 'Berlin')]);
    const offices = await child(real.tenant, 'Offices');
    await deleteTenant(install, install.operator, { tenant: offices, at: '2026-06-01T00:00:00Z' } as never);
    await real.sync();
    expect(await real.changeOf('ada')).toMatchObject({ kind: 'conflict', cause: 'tenant-missing' });
  });

  it('are told of where they are: their users, roles and events are the tenant’s own', async () => {
    const real = await connected([at('ada', 'Berlin'), at('bob', 'Rome')]);
    await real.syncAndApply();
    const { items } = await listTenants(install, real.administrator, { limit: 500 });
    const berlin = items.find(({ name }) => name === 'Berlin')?.id as TenantId;
    const auditor = await aCaller(install, berlin, 'auditor');
    expect((await listUsers(install, auditor)).items.map(({ email }) => email)).toEqual(['ada@example.test']);
    const rows = await asOwner(install.database.url, async (client) => {
      const { rows: found } = await client.query(
        `SELECT 'role' AS of, tenant_id FROM role_assignment WHERE connection_id = $1 AND auth_user_id = $2
         UNION ALL SELECT 'identity', tenant_id FROM identity WHERE auth_user_id = $2
         UNION ALL SELECT 'event', tenant_id FROM event WHERE auth_user_id = $2 AND type = 'user.created'`,
        [real.connection, (await real.user('ada')).id],
      );
      return found;
    });
    expect(rows).toEqual(['role', 'identity', 'event'].map((of) => ({ of, tenant_id: berlin })));
  });
});

describe('whoever moves', () => {
  it('is shown with both places, takes along what directories gave, and leaves what was given by hand', async () => {
    const real = await connected([at('ada', 'Berlin'), at('bob', null)]);
    await real.syncAndApply();
    const { id } = await real.user('ada');
    await grantRole(install, install.operator, { user: id, role: 'member' });
    real.directory.edit('ada', { officeLocation: 'Rome' });
    await real.sync();
    const change = await real.changeOf('ada');
    expect(change.fields).toContainEqual({
      field: 'tenant',
      before: 'Offices/Berlin',
      after: 'Offices/Rome',
    });
    expect(change).toMatchObject({ before: { tenant: 'Offices/Berlin' }, after: { tenant: 'Offices/Rome' } });
    await real.approveAll();
    expect(await real.apply()).toMatchObject({ applied: 1 });
    expect(await real.user('ada')).toMatchObject({
      id,
      place: 'Offices/Rome',
      roles: ['member'],
      manualRoles: ['member'],
    });
    const held = await asOwner(install.database.url, async (client) => {
      const { rows } = await client.query(
        `SELECT origin, t.name FROM role_assignment JOIN tenant t ON t.id = tenant_id WHERE auth_user_id = $1 ORDER BY origin`,
        [id],
      );
      return rows;
    });
    expect(held).toEqual([
      { origin: 'directory', name: 'Rome' },
      { origin: 'manual', name: 'Berlin' },
    ]);
    const types = (await real.events()).filter(({ authUser }) => authUser === id).map(({ type }) => type);
    expect(types).toEqual(['user.created', 'user.updated', 'user.moved', 'user.updated']); // the second: the role by hand
    await real.sync();
    expect(await real.changes()).toEqual([]);
  });

  it('stays put where the tenant is missing, while all else is brought up to date', async () => {
    const real = await connected([at('ada', 'Berlin')], [{ tenant: 'Offices/{officeLocation}' }]);
    await child(await child(real.tenant, 'Offices'), 'Berlin');
    await real.syncAndApply();
    real.directory.edit('ada', { officeLocation: 'Rome', jobTitle: 'Buyer' });
    await real.sync();
    const update = await real.changeOf('ada');
    expect(update.kind).toBe('update');
    expect(update.fields.map(({ field }) => field)).not.toContain('tenant');
    await real.approveAll();
    await real.apply();
    expect(await real.user('ada')).toMatchObject({ place: 'Offices/Berlin', fields: { jobTitle: 'Buyer' } });
    await real.sync();
    expect(await real.changeOf('ada')).toMatchObject({
      kind: 'conflict',
      cause: 'tenant-missing',
      fields: [{ field: 'tenant', before: 'Offices/Berlin', after: 'Offices/Rome' }],
    });
  });

  it('is sent back when the tenant is gone by then, and makes none that the rule may not make', async () => {
    const real = await connected([at('ada', 'Berlin')], [{ tenant: 'Offices/{officeLocation}' }]);
    const berlin = await child(await child(real.tenant, 'Offices'), 'Berlin');
    await real.sync();
    await real.approveAll();
    await deleteTenant(install, install.operator, { tenant: berlin } as never);
    expect(await real.apply()).toMatchObject({ applied: 0, moved: 1 });
    expect(await below(real)).toEqual(['Offices']);
  });

  it('comes back to the connection’s own tenant when no rule puts them elsewhere any more', async () => {
    const real = await connected([at('ada', 'Berlin')]);
    await real.syncAndApply();
    real.directory.edit('ada', { officeLocation: null });
    await real.syncAndApply();
    expect(await placesOf(real)).toEqual({ ada: null });
  });

  it('is nobody, as long as no rule names a tenant', async () => {
    const real = await connected([at('ada', 'Berlin')]);
    await real.syncAndApply();
    await install.remap(real.connection, Mapping.parse({ everyone: ['member'], groups: null }));
    await real.sync();
    expect(await real.changes()).toEqual([]);
    expect(await placesOf(real)).toEqual({ ada: 'Offices/Berlin' });
  });

  it('is gone from there when they leave the directory, and back there when they return', async () => {
    const real = await connected([at('ada', 'Berlin'), at('bob', 'Berlin')]);
    await real.syncAndApply();
    const ada = real.directory.users.find(({ externalId }) => externalId === 'ada');
    real.directory.remove('ada');
    await real.syncAndApply();
    expect(await real.user('ada')).toMatchObject({ state: 'deleted', place: 'Offices/Berlin' });
    real.directory.add(at('ada', 'Rome', { displayName: ada?.displayName ?? null }));
    await real.sync();
    expect(await real.changeOf('ada')).toMatchObject({ kind: 'reactivate' });
    await real.approveAll();
    await real.apply();
    expect(await real.user('ada')).toMatchObject({ state: 'active', place: 'Offices/Rome' });
  });
});

describe('an address', () => {
  it('belongs to one auth user in all the tenants that a connection puts people in', async () => {
    const real = await connected([at('ada', 'Berlin')], byOffice, { verifiedDomains: ['example.test'] });
    const rome = await child(await child(real.tenant, 'Offices'), 'Rome');
    await aUser(install.database.url, rome, { email: 'bob@example.test' });
    await aUser(install.database.url, await install.tenant(), { email: 'ada@example.test' });
    await verifyDomain(install, install.operator, { tenant: rome, domain: 'example.test' });
    real.directory.add(at('bob', 'Berlin'));
    await real.sync();
    expect(await real.changeOf('bob')).toMatchObject({
      kind: 'link',
      before: { tenant: 'Offices/Rome' },
      after: { tenant: 'Offices/Berlin' },
    });
    await real.approveAll();
    expect(await real.apply()).toMatchObject({ applied: 2 });
    real.directory.add(at('eve', 'Milan', { email: 'bob@example.test' }));
    await real.sync();
    expect(await real.changeOf('eve')).toMatchObject({ kind: 'conflict', cause: 'address-taken' });
  });

  it('that somebody in a tenant below has is no account to take up, and waits for a person', async () => {
    const real = await connected([at('ceo', null), at('cfo', null)], byOffice, {
      verifiedDomains: ['example.test'],
    });
    const partner = await child(real.tenant, 'Partner');
    const depot = await child(partner, 'Depot');
    const planted = await aUser(install.database.url, partner, { email: 'ceo@example.test' });
    for (const tenant of [partner, depot])
      await aUser(install.database.url, tenant, { email: 'cfo@example.test' });
    await real.sync();
    const because = (place: string, why: string) =>
      `is in the tenant ${place} and has the same address${why}`;
    const ceo = await real.changeOf('ceo');
    expect(ceo).toMatchObject({ kind: 'conflict', cause: 'address-unverified', authUser: null });
    expect(ceo.candidates).toEqual([
      {
        authUser: planted,
        because: because('Partner', ', whose domain the tenant has not verified'),
        evidence: [{ by: 'email', confidence: 'certain' }],
      },
    ]);
    const cfo = await real.changeOf('cfo');
    expect(cfo).toMatchObject({ kind: 'conflict', cause: 'several-candidates' });
    expect(cfo.candidates.map((one) => one.because)).toEqual([
      because('Partner', ''),
      because('Partner/Depot', ''),
    ]);
    await real.approveAll();
    expect(await real.inState('approved')).toEqual([]);

    // Whoever administers the connection's tenant is above: they give the auth user another address, and the joiner comes in.
    await editUser(install, real.administrator, { user: planted, email: 'planted@example.test' });
    await real.sync();
    expect(await real.changeOf('ceo')).toMatchObject({ kind: 'create', authUser: null });
  });
});

it('a tenant that is moved out of reach, or deleted, sends back the changes that lead there, and no others', async () => {
  const real = await connected(
    [at('eve', 'Milan'), at('fay', 'Milan')],
    [{ tenant: 'Offices/{officeLocation}' }],
    { verifiedDomains: ['example.test'] },
  );
  const offices = await child(real.tenant, 'Offices');
  const made = async (name: string) => [name, await child(offices, name)] as const;
  const office = new Map([
    await made('Milan'),
    await made('Berlin'),
    await made('Rome'),
    await made('Depot'),
  ]);
  const tenantOf = (name: string) => office.get(name) ?? real.tenant;
  await real.syncAndApply();
  await verifyDomain(install, install.operator, { tenant: tenantOf('Depot'), domain: 'example.test' });
  await aUser(install.database.url, tenantOf('Depot'), { email: 'dan@example.test' });
  real.directory.add(at('ada', 'Berlin'));
  real.directory.add(at('bob', 'Rome'));
  real.directory.add(at('cleo', 'Milan'));
  real.directory.add(at('dan', 'Milan'));
  real.directory.edit('eve', { officeLocation: 'Berlin' });
  real.directory.edit('fay', { displayName: 'Fay' });
  await real.sync();
  expect(await real.changeOf('dan')).toMatchObject({ kind: 'link' });
  await real.approveAll();

  const elsewhere = await install.tenant();
  for (const name of ['Berlin', 'Depot'])
    await moveTenant(install, install.operator, { tenant: tenantOf(name), parent: elsewhere });
  await deleteTenant(install, install.operator, { tenant: tenantOf('Rome') });
  expect(await real.apply()).toMatchObject({ applied: 2, moved: 4, failed: 0 });
  expect(await placesOf(real)).toEqual({ eve: 'Offices/Milan', fay: 'Offices/Milan', cleo: 'Offices/Milan' });
  expect((await real.inState('moved')).toSorted()).toEqual(['ada', 'bob', 'dan', 'eve']);
  const reasons = (await real.changes({ state: ['moved'] })).map(({ outcomeReason }) => outcomeReason);
  expect(new Set(reasons)).toEqual(
    new Set([
      'the tenant that this would put them in does not exist any more',
      'the auth user does not exist any more',
    ]),
  );
  await real.sync();
  expect(await real.changeOf('ada')).toMatchObject({ kind: 'conflict', cause: 'tenant-missing' });
  expect(await real.changeOf('dan')).toMatchObject({ kind: 'create' });
  expect(await install.auditIsWhole()).toBe(true);
});

describe('a delta', () => {
  const withFeed = (users: readonly SomeDirectoryUser[], rules: object[] = byOffice) =>
    connected(users, rules, { hasFeed: true, omit: ['officeLocation'] });
  /** A full run right after it has nothing to add. */
  const ofDelta = async (real: Connected) => {
    expect(await real.sync()).toMatchObject({ kind: 'delta', snapshot: 'named' });
    const found = await real.live();
    expect(await real.sync({ full: true })).toMatchObject({ kind: 'full', snapshot: 'complete' });
    expect(await real.live()).toEqual(found);
    const shown = found.map(({ externalId, kind, cause, fields }) => {
      const place = fields.find(({ field }) => field === 'tenant');
      return { externalId, kind, cause, to: place === undefined ? undefined : place.after };
    });
    return shown.sort((one, other) => (one.externalId < other.externalId ? -1 : 1));
  };
  const applied = async (real: Connected) => {
    await real.approveAll();
    expect(await real.apply()).toMatchObject({ moved: 0, failed: 0 });
    expect(await ofDelta(real)).toEqual([]);
  };

  it('puts joiners in tenants that it makes, moves people, brings them home and takes them away as a full run would', async () => {
    const real = await withFeed([at('ada', 'Berlin'), at('bob', null)]);
    await real.syncAndApply();
    await real.sync();

    real.directory.add(at('cleo', 'Rome'));
    expect(await ofDelta(real)).toEqual([
      { externalId: 'cleo', kind: 'create', cause: 'joined', to: 'Offices/Rome' },
    ]);
    await applied(real);
    expect(await below(real)).toEqual(['Berlin', 'Offices', 'Rome']);

    real.directory.edit('ada', { officeLocation: 'Rome' });
    real.directory.edit('bob', { officeLocation: 'Milan' });
    expect(await ofDelta(real)).toEqual([
      { externalId: 'ada', kind: 'update', cause: 'placed', to: 'Offices/Rome' },
      { externalId: 'bob', kind: 'update', cause: 'placed', to: 'Offices/Milan' },
    ]);
    await applied(real);
    expect(await placesOf(real)).toEqual({ ada: 'Offices/Rome', bob: 'Offices/Milan', cleo: 'Offices/Rome' });

    real.directory.edit('ada', { officeLocation: null });
    expect(await ofDelta(real)).toEqual([{ externalId: 'ada', kind: 'update', cause: 'placed', to: null }]);
    await applied(real);

    real.directory.remove('cleo');
    expect(await ofDelta(real)).toEqual([
      { externalId: 'cleo', kind: 'delete', cause: 'left', to: undefined },
    ]);
    await applied(real);
    expect(await placesOf(real)).toEqual({ ada: null, bob: 'Offices/Milan', cleo: 'Offices/Rome' });

    real.directory.add(at('cleo', 'Berlin'));
    expect(await ofDelta(real)).toEqual([
      { externalId: 'cleo', kind: 'reactivate', cause: 'returned', to: 'Offices/Berlin' },
    ]);
    await applied(real);
    expect(await placesOf(real)).toEqual({ ada: null, bob: 'Offices/Milan', cleo: 'Offices/Berlin' });
  });

  it('lets nobody into a tenant that is to be deleted, until it stays', async () => {
    const real = await withFeed([at('ada', 'Berlin'), at('bob', null)]);
    await real.syncAndApply();
    const { items } = await listTenants(install, real.administrator, { limit: 500 });
    const berlin = items.find(({ name }) => name === 'Berlin')?.id as TenantId;
    await deleteTenant(install, install.operator, { tenant: berlin, at: '2026-06-01T00:00:00Z' });
    real.directory.add(at('cleo', 'Berlin'));
    real.directory.edit('bob', { officeLocation: 'Berlin' });
    const waiting = ['bob', 'cleo'].map((externalId) => ({
      externalId,
      kind: 'conflict',
      cause: 'tenant-missing',
    }));
    expect(await ofDelta(real)).toEqual(waiting.map((one) => expect.objectContaining(one)));
    await keepTenant(install, install.operator, berlin);
    expect(await ofDelta(real)).toEqual([
      { externalId: 'bob', kind: 'update', cause: 'placed', to: 'Offices/Berlin' },
      { externalId: 'cleo', kind: 'create', cause: 'joined', to: 'Offices/Berlin' },
    ]);
    await applied(real);
  });

  it('looks again at whoever waits for a tenant, refused or not, once it is there', async () => {
    const real = await withFeed(
      [at('ada', null), at('bob', null), at('cleo', null)],
      [{ tenant: 'Offices/{officeLocation}' }],
    );
    await real.syncAndApply();
    real.directory.edit('ada', { officeLocation: 'Berlin' });
    real.directory.edit('bob', { officeLocation: 'Berlin' });
    real.directory.edit('cleo', { officeLocation: 'Rome' });
    real.directory.add(at('dan', 'Berlin'));
    const missing = (externalId: string, to: string) =>
      expect.objectContaining({ externalId, kind: 'conflict', cause: 'tenant-missing', to });
    const everybody = [
      missing('ada', 'Offices/Berlin'),
      missing('bob', 'Offices/Berlin'),
      missing('cleo', 'Offices/Rome'),
      missing('dan', 'Offices/Berlin'),
    ];
    expect(await ofDelta(real)).toEqual(everybody);
    await real.decide('reject', 'bob');
    expect(await ofDelta(real)).toHaveLength(4);

    const offices = await child(real.tenant, 'Offices');
    real.directory.requests.length = 0;
    await real.sync();
    expect(real.directory.requests.map(({ list }) => list)).toEqual(['changes']);
    await child(offices, 'Berlin');
    const moved = { kind: 'update', cause: 'placed', to: 'Offices/Berlin' };
    expect(await ofDelta(real)).toEqual([
      { externalId: 'ada', ...moved },
      { externalId: 'bob', ...moved },
      missing('cleo', 'Offices/Rome'),
      { externalId: 'dan', kind: 'create', cause: 'joined', to: 'Offices/Berlin' },
    ]);
  });
});

it('two applies at once make each tenant once', async () => {
  const users = Array.from({ length: 60 }, (_, n) => at(`u${n}`, `Office ${n % 7}`));
  const [one, two] = [await connected(users), await connected([])];
  const other = await install.connect({
    directory: aDirectory({ users: users.map(({ id, officeLocation }) => at(`v${id}`, officeLocation)) }),
    tenant: one.tenant,
    mapping: Mapping.parse({ rules: byOffice, groups: null }),
    guards: noGuards,
  });
  expect(two.tenant).not.toBe(one.tenant);
  await one.sync();
  await other.sync();
  await one.approveAll();
  await other.approveAll();
  const applies = [
    await startApply(install, one.administrator, { connection: one.connection }),
    await startApply(install, one.administrator, { connection: other.connection }),
  ];
  const signal = new AbortController().signal;
  const counts = await Promise.all(
    applies.flatMap(({ apply }) => [
      carryOutApply(install, apply, { signal }),
      carryOutApply(install, apply, { signal }),
    ]),
  );
  expect(counts.every(({ moved, failed }) => moved + failed === 0)).toBe(true);
  expect(await below(one)).toEqual(['Offices', ...Array.from({ length: 7 }, (_, n) => `Office ${n}`)].sort());
  expect((await one.users()).filter(({ place }) => place?.startsWith('Offices/Office '))).toHaveLength(120);
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AuthUserId } from '../../src/domain/ids.ts';
import { editUser } from '../../src/tenancy/users.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aUser } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const rules = [{ tenant: 'Offices/{officeLocation}', create: true }];
const mapping = { everyone: ['member'], roles: [{ group: 'g', role: 'engineer' }] };

/** Ada is in the group, and in an office; what the directory gives her, a person has given her too. */
async function settled(more: object = {}): Promise<Connected> {
  const users = [{ id: 'ada', officeLocation: 'Berlin' }, { id: 'bob' }];
  const directory = aDirectory({ users, groups: [{ id: 'g', members: ['ada'] }], hasFeed: true });
  const real = await install.connect({ directory, mapping: { ...mapping, ...more }, guards: noGuards });
  await real.syncAndApply();
  for (const role of ['member', 'engineer', 'auditor']) await real.grant('ada', role);
  await real.sync();
  return real;
}

/** Every column of what was given by hand. */
async function byHand(user: AuthUserId) {
  return await asOwner(install.database.url, async (client) => {
    const { rows } = await client.query(
      `SELECT * FROM role_assignment WHERE auth_user_id = $1 AND origin = 'manual' ORDER BY role_id, tenant_id`,
      [user],
    );
    return rows as readonly object[];
  });
}

async function applied(real: Connected, full: boolean): Promise<void> {
  expect(await real.sync({ full })).toMatchObject({ kind: full ? 'full' : 'delta' });
  expect(await real.approveAll()).toBeGreaterThan(0);
  expect(await real.apply()).toMatchObject({ moved: 0, failed: 0 });
}

describe.each([
  ['a full run', true],
  ['a delta', false],
])('What a person gave by hand is row by row as it was after %s by which its user', (_, full) => {
  it('was suspended, deleted and came back, lost the same role by a group and got it again', async () => {
    const real = await settled();
    const { id } = await real.user('ada');
    const before = await byHand(id);
    expect(before).toHaveLength(3);
    const [ada] = real.directory.users.filter(({ externalId }) => externalId === 'ada');
    const steps = [
      () => real.directory.edit('ada', { state: 'suspended' }),
      () => real.directory.edit('ada', { state: 'active', jobTitle: 'Buyer' }),
      () => real.directory.group('g', ['bob']),
      () => real.directory.group('g', ['ada']),
      () => real.directory.remove('ada'),
      () => real.directory.add({ id: 'ada', officeLocation: ada?.officeLocation ?? null }),
    ];
    for (const step of steps) {
      step();
      await applied(real, full);
      expect(await byHand(id)).toEqual(before);
    }
    expect(await real.user('ada')).toMatchObject({ id, state: 'active', roles: ['engineer', 'member'] });
  });

  it('was moved to another tenant, home, and back', async () => {
    const real = await settled({ rules });
    const { id } = await real.user('ada');
    const before = await byHand(id);
    expect(before).toHaveLength(3);
    for (const officeLocation of ['Rome', null, 'Berlin']) {
      real.directory.edit('ada', { officeLocation });
      await applied(real, full);
      expect(await byHand(id)).toEqual(before);
    }
    expect((await real.user('ada')).place).toBe('Offices/Berlin');
  });

  it('was linked to a directory user', async () => {
    const directory = aDirectory({ users: 2, hasFeed: true });
    const verifiedDomains = ['example.test'];
    const real = await install.connect({ directory, mapping, guards: noGuards, verifiedDomains });
    await real.syncAndApply();
    const id = await aUser(install.database.url, real.tenant, { email: 'ada@example.test' });
    directory.add({ id: 'ada' });
    directory.group('g', ['ada']);
    await real.sync({ full: true }); // the group is new: from here on its members are heard of
    expect(await real.changeOf('ada')).toMatchObject({ kind: 'link', authUser: id });
    await real.decide('reject', 'ada');
    for (const role of ['member', 'engineer', 'auditor']) await real.give(id, role);
    const before = await byHand(id);
    expect(before).toHaveLength(3);
    directory.edit('ada', { jobTitle: 'Buyer' });
    await applied(real, full);
    expect(await real.user('ada')).toMatchObject({ id, roles: ['engineer', 'member'] });
    expect(await byHand(id)).toEqual(before);
  });
});

describe.each([true, false])('An address that two auth users were given by hand (full run: %s)', (full) => {
  it('links nobody who comes to it, and takes nobody’s place: a person has to say who it is', async () => {
    const directory = aDirectory({ users: 3, hasFeed: true });
    const verifiedDomains = ['example.test'];
    const real = await install.connect({ directory, guards: noGuards, verifiedDomains });
    await real.syncAndApply();
    const one = await aUser(install.database.url, real.tenant, { email: 'one@example.test' });
    const other = await aUser(install.database.url, real.tenant, { email: 'other@example.test' });
    for (const user of [one, other])
      await editUser(install, real.administrator, { user, email: 'both@example.test' });
    directory.add({ id: 'u4', email: 'Both@example.test' });
    directory.edit('u1', { email: 'both@example.test' });
    expect(await real.sync({ full })).toMatchObject({ kind: full ? 'full' : 'delta' });
    const joiner = await real.changeOf('u4');
    expect(joiner).toMatchObject({ kind: 'conflict', cause: 'several-candidates', authUser: null });
    expect(joiner.candidates.map(({ authUser }) => authUser).sort()).toEqual([one, other].sort());
    expect(await real.changeOf('u1')).toMatchObject({ kind: 'conflict', cause: 'address-taken' });
    expect(await real.approveAll()).toBe(0);
    expect((await real.users()).filter(({ id }) => [one, other].includes(id))).toMatchObject([
      { externalId: null },
      { externalId: null },
    ]);
    // One of them is somebody else after all: then there is one whom it can be.
    await editUser(install, real.administrator, { user: other, email: 'other@example.test' });
    directory.edit('u1', { email: 'u1@example.test' });
    await real.sync({ full });
    expect(await real.changeOf('u4')).toMatchObject({ kind: 'link', authUser: one });
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mapping } from '../../src/domain/mapping.ts';
import { explainUser } from '../../src/review/explain.ts';
import { createRole, grantRole } from '../../src/tenancy/roles.ts';
import { listUsers } from '../../src/tenancy/users.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aCaller, aTenant } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const mapping = Mapping.parse({
  groups: [],
  everyone: ['member'],
  roles: [{ group: 'g1', role: 'engineer' }],
  rules: [
    { when: { attribute: { name: 'department', equals: 'Engines' } }, roles: ['engineer', 'builder'] },
    { when: { group: 'Welders' }, roles: ['builder'] },
  ],
});

async function settled(): Promise<Connected> {
  const directory = aDirectory({
    users: 2,
    groups: [
      { id: 'g1', name: 'Engineers', members: ['u1'] },
      { id: 'g2', name: 'Welders', members: ['u1'] },
    ],
  });
  directory.edit('u1', { department: 'Engines' });
  directory.edit('u2', { department: 'Sales' });
  const acme = await install.connect({ directory, mapping, guards: noGuards });
  await acme.syncAndApply();
  return acme;
}

async function explained(acme: Connected, externalId: string, caller = install.operator) {
  const user = (await acme.users()).find((one) => one.externalId === externalId);
  return await explainUser(install, caller, user?.id ?? '');
}

const reasons = ({ roles }: Awaited<ReturnType<typeof explained>>) =>
  Object.fromEntries(roles.map(({ role, because }) => [role, because]));

describe('The explanation of an auth user', () => {
  it('names for each role of a directory all that gives it, and the groups', async () => {
    const acme = await settled();
    const one = await explained(acme, 'u1');
    expect(reasons(one)).toEqual({
      member: [{ from: 'everyone' }],
      engineer: [
        { from: 'group', group: 'Engineers' },
        { from: 'rule', rule: 1, group: null },
      ],
      builder: [
        { from: 'rule', rule: 1, group: null },
        { from: 'rule', rule: 2, group: 'Welders' },
      ],
    });
    expect(one.identities).toEqual([
      {
        ...{ connection: acme.connection, externalId: 'u1', groups: ['Engineers', 'Welders'] },
        ...{ isAgreed: true, change: null },
      },
    ]);
    expect(reasons(await explained(acme, 'u2'))).toEqual({ member: [{ from: 'everyone' }] });
  });

  it('gives no reason for what nothing gives any more, nor for what a person gave', async () => {
    const acme = await settled();
    acme.directory.edit('u1', { department: 'Sales' });
    acme.directory.group('g1', [], 'Engineers');
    await acme.sync();
    const user = (await acme.users()).find((one) => one.externalId === 'u1');
    await createRole(install, install.operator, { name: 'guest' });
    await grantRole(install, install.operator, { user: user?.id ?? '', role: 'guest' });
    expect(reasons(await explained(acme, 'u1'))).toEqual({
      member: [{ from: 'everyone' }],
      engineer: [],
      builder: [{ from: 'rule', rule: 2, group: 'Welders' }],
      guest: null,
    });
  });

  it('says so where the directory does not have the user any more', async () => {
    const acme = await settled();
    acme.directory.remove('u2');
    await acme.sync();
    const one = await explained(acme, 'u2');
    expect(one.identities).toMatchObject([{ groups: null }]);
    expect(reasons(one)).toEqual({ member: [] });
  });

  it('shows nothing of mapping and groups to whoever may not read connections and changes, and says what it takes', async () => {
    const acme = await settled();
    acme.directory.edit('u1', { displayName: 'Somebody else by now' });
    acme.directory.edit('u2', { department: 'Engines' });
    await acme.sync();
    const whole = await explained(acme, 'u1');
    expect(whole).toMatchObject({ notShownWithout: [], identities: [{ groups: ['Engineers', 'Welders'] }] });
    expect(whole.fields.find(({ field }) => field === 'displayName')?.wanted).not.toBe(null);
    expect((await explained(acme, 'u2')).notHeld).not.toEqual([]);
    const application = await aCaller(install, acme.tenant, 'application');
    for (const externalId of ['u1', 'u2']) {
      const seen = await explained(acme, externalId, application);
      expect(seen.notShownWithout).toEqual(['connections.read', 'changes.read']);
      expect(seen.identities).toEqual([{ ...seen.identities[0], externalId, groups: null }]);
      expect(seen.roles.map(({ role }) => role)).toContain('member');
      expect(new Set(Object.values(reasons(seen)))).toEqual(new Set([null]));
      expect(seen.notHeld).toEqual([]);
      expect(seen.fields.map(({ field }) => field)).toContain('displayName');
      for (const { because, connection, wanted } of seen.fields)
        expect({ because, connection, wanted }).toEqual({ because: null, connection: null, wanted: null });
      expect(JSON.stringify(seen)).not.toMatch(/Engineers|Welders|Somebody else/);
    }
    const auditor = await aCaller(install, acme.tenant, 'auditor');
    const permissions = auditor.permissions.filter((action) => action !== 'changes.read');
    expect(await explained(acme, 'u1', { ...auditor, permissions })).toMatchObject({
      ...{ notShownWithout: ['changes.read'], identities: [{ groups: null }], notHeld: [] },
    });
  });

  it('tells the administrators of a tenant nothing of the directory of one above, and a neighbour nothing at all', async () => {
    const directory = aDirectory({
      users: 1,
      groups: [{ id: 'g1', name: 'Secret project', members: ['u1'] }],
    });
    const top = await install.connect({
      directory,
      mapping: { ...mapping, rules: Mapping.parse({ rules: [{ tenant: 'Part', create: true }] }).rules },
      guards: noGuards,
    });
    await top.syncAndApply();
    const user = (await top.users())[0];
    const { tenant } = (await install.store.users.get(top.tenant, user?.id as never)) ?? {
      tenant: top.tenant,
    };
    expect(tenant).not.toBe(top.tenant);
    const below = await aCaller(install, tenant);
    const seen = await explained(top, 'u1', below);
    expect(seen.identities).toEqual([]);
    expect(new Set(seen.fields.map(({ because }) => because?.from))).toEqual(new Set(['above']));
    const whole = await explained(top, 'u1', top.administrator);
    expect(new Set(whole.fields.map(({ because }) => because?.from))).toEqual(new Set(['attribute']));
    expect(seen.roles.map(({ connection }) => connection)).toEqual([null, null]);
    const asked = { connection: top.connection };
    expect((await listUsers(install, below, asked)).items).toEqual([]);
    expect((await listUsers(install, install.operator, asked)).items).toHaveLength(1);
    expect(reasons(seen)).toEqual({ member: null, engineer: null });
    const elsewhere = await aCaller(install, await aTenant(install));
    await expect(explained(top, 'u1', elsewhere)).rejects.toMatchObject({ code: 'not-found' });
  });
});

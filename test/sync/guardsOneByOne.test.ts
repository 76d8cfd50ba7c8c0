import { v7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import type { TenantId } from '../../src/domain/ids.ts';
import { Mapping } from '../../src/domain/mapping.ts';
import type { Policy } from '../../src/domain/policy.ts';
import { updateConnection } from '../../src/tenancy/connections.ts';
import { createProductPlan } from '../../src/tenancy/productPlans.ts';
import { updateTenant } from '../../src/tenancy/tenants.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const held = (acme: Connected) => acme.inState('held');
const open = (acme: Connected) => acme.inState('open');
const because = async (acme: Connected) => (await acme.summary()).heldBecause;
type Rules = Omit<z.input<typeof Policy>, 'guards'>;

/** Ten users, all applied; u1 to u3 are engineers by a group. No other guard finds anything. */
async function settled(policy: Rules = {}, hasFeed = false) {
  const users = Array.from({ length: 10 }, (_, at) => ({
    id: `u${at + 1}`,
    email: `U${at + 1}@example.test`,
  }));
  const groups = [{ id: 'g', members: ['u1', 'u2', 'u3'] }];
  const acme = await install.connect({
    directory: aDirectory({ users, groups, hasFeed }),
    mapping: { roles: [{ group: 'g', role: 'engineer' }] },
    guards: noGuards,
    policy,
  });
  await acme.syncAndApply();
  return acme;
}

const change = ({ connection, administrator }: Connected, policy: Rules) =>
  updateConnection(install, administrator, { connection, policy: { ...policy, guards: noGuards } });

describe('A protected user', () => {
  it.each<[string, (acme: Connected) => Promise<Rules>]>([
    ['id', async (acme) => ({ protected: { users: [(await acme.user('u1')).id] } })],
    ['address', async () => ({ protected: { users: ['u1@EXAMPLE.test'] } })],
    [
      'user name',
      async (acme) => ({
        protected: { users: [`${(await acme.user('u1')).fields['userName']}`.toUpperCase()] },
      }),
    ],
  ])(
    'by %s is neither deleted nor suspended nor loses a role without a person, and nobody else waits',
    async (_, policy) => {
      const acme = await settled();
      await change(acme, await policy(acme));
      acme.directory.remove('u1', 'u4');
      await acme.sync();
      expect(await held(acme)).toEqual(['u1']);
      expect(await open(acme)).toEqual(['u4']);
      expect(await because(acme)).toEqual([
        '1 of the users whom the policy protects would be suspended, be deleted or lose roles',
      ]);
    },
  );

  it('may not be suspended nor lose a role either, but may be edited', async () => {
    const acme = await settled({
      protected: { users: ['u1@example.test', 'u2@example.test', 'u4@example.test'] },
    });
    acme.directory.edit('u1', { state: 'suspended' });
    acme.directory.edit('u4', { displayName: 'Edited' });
    acme.directory.group('g', ['u1']);
    await acme.sync();
    expect(await held(acme)).toEqual(['u1', 'u2']);
    expect(await open(acme)).toEqual(['u3', 'u4']);
  });

  it('is whoever has a role, be it by hand', async () => {
    const acme = await settled({ protected: { roles: ['keeper', 'engineer'] } });
    await acme.grant('u5', 'keeper');
    acme.directory.remove('u5', 'u6');
    acme.directory.group('g', ['u2', 'u3']);
    await acme.sync();
    expect(await held(acme)).toEqual(['u1', 'u5']);
    expect(await open(acme)).toEqual(['u6']);
  });

  it('is protected in deltas too', async () => {
    const acme = await settled({ protected: { users: ['u1@example.test'] } }, true);
    acme.directory.remove('u1', 'u4');
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    expect(await held(acme)).toEqual(['u1']);
  });

  it('is let go by a person, one without the other, for good', async () => {
    const acme = await settled({ protected: { users: ['u1@example.test', 'u2@example.test'] } });
    acme.directory.remove('u1', 'u2');
    await acme.sync();
    await acme.approve('u1');
    await acme.sync();
    expect(await acme.inState('approved')).toEqual(['u1']);
    expect(await held(acme)).toEqual(['u2']);
    expect(await acme.apply()).toMatchObject({ applied: 1 });
  });

  it('that the policy names no more waits like anybody, while others stay held', async () => {
    const acme = await settled({ protected: { users: ['u1@example.test', 'u2@example.test'] } });
    acme.directory.remove('u1', 'u2');
    await acme.sync();
    expect(await held(acme)).toEqual(['u1', 'u2']);
    await change(acme, { protected: { users: ['u2@example.test'] } });
    await acme.sync();
    expect(await held(acme)).toEqual(['u2']);
    expect(await open(acme)).toEqual(['u1']);
  });
});

describe('The last who has a role', () => {
  const keepOneOf = ['engineer'];

  it('keeps it, whoever leaves before them', async () => {
    const acme = await settled({ keepOneOf });
    acme.directory.remove('u1', 'u2', 'u4');
    await acme.sync();
    expect(await held(acme)).toEqual([]);
    expect(await acme.inState('open')).toEqual(['u1', 'u2', 'u4']);
    await acme.approveAll();
    await acme.apply();
    acme.directory.remove('u3', 'u5');
    await acme.sync();
    expect(await held(acme)).toEqual(['u3']);
    expect(await open(acme)).toEqual(['u5']);
    expect(await because(acme)).toEqual([
      'a tenant would be left without anybody who has the role engineer: 1 user would lose it',
    ]);
  });

  it.each([false, true])(
    'is everybody who has it when all go at once, each in another way (by a delta: %s)',
    async (hasFeed) => {
      const acme = await settled({ keepOneOf }, hasFeed);
      acme.directory.remove('u1', 'u4');
      acme.directory.edit('u2', { state: 'suspended' });
      acme.directory.group('g', ['u1', 'u2']);
      await acme.sync();
      expect(await held(acme)).toEqual(['u1', 'u2', 'u3']);
      expect(await open(acme)).toEqual(['u4']);
    },
  );

  it('is whoever is left of those whose loss was approved', async () => {
    const acme = await settled({ keepOneOf });
    acme.directory.remove('u1', 'u2');
    await acme.sync();
    await acme.approveAll();
    acme.directory.remove('u3');
    await acme.sync();
    expect(await acme.inState('approved')).toEqual(['u1', 'u2']);
    expect(await held(acme)).toEqual(['u3']);
    await acme.approve('u3');
    await acme.sync();
    expect(await held(acme)).toEqual([]);
    expect(await acme.apply()).toMatchObject({ applied: 3 });
  });

  it('is not somebody besides whom another has it by hand, or who has it by hand as well', async () => {
    const acme = await settled({ keepOneOf });
    await acme.grant('u5', 'engineer');
    acme.directory.remove('u1', 'u2', 'u3');
    await acme.sync();
    expect(await held(acme)).toEqual([]);
    const other = await settled({ keepOneOf });
    await other.grant('u3', 'engineer');
    other.directory.group('g', []);
    await other.sync();
    expect(await held(other)).toEqual([]);
    other.directory.remove('u3');
    await other.sync();
    expect(await open(other)).toEqual([]);
    expect(await held(other)).toEqual(['u1', 'u2', 'u3']);
  });

  it('is not helped by somebody who is suspended, nor by who has it in another tenant', async () => {
    const [acme, other] = [await settled({ keepOneOf }), await settled({ keepOneOf })];
    acme.directory.edit('u3', { state: 'suspended' });
    await acme.syncAndApply();
    expect((await acme.user('u3')).roles).toEqual(['engineer']);
    acme.directory.remove('u1', 'u2');
    await acme.sync();
    expect(await held(acme)).toEqual(['u1', 'u2']);
    expect((await other.user('u1')).roles).toEqual(['engineer']);
  });

  it('may go when a person has refused that another goes, or somebody new has the role', async () => {
    const acme = await settled({ keepOneOf });
    acme.directory.remove('u1', 'u2', 'u3');
    await acme.sync();
    await acme.decide('reject', 'u1');
    await acme.sync();
    expect(await held(acme)).toEqual([]);
    expect(await open(acme)).toEqual(['u2', 'u3']);

    const other = await settled({ keepOneOf });
    other.directory.remove('u1', 'u2', 'u3');
    other.directory.group('g', ['u4']);
    await other.sync();
    expect(await held(other)).toEqual(['u1', 'u2', 'u3']); // what is proposed may be refused
    await other.approve('u4');
    await other.apply();
    await other.sync();
    expect(await held(other)).toEqual([]);
  });

  it('may not be put in another tenant', async () => {
    const acme = await install.connect({
      directory: aDirectory({
        users: ['u1', 'u2'].map((id) => ({ id, department: 'Quay' })),
        groups: [{ id: 'g', members: ['u1'] }],
      }),
      mapping: Mapping.parse({
        roles: [{ group: 'g', role: 'engineer' }],
        rules: [{ tenant: '{department}', create: true }],
      }),
      guards: noGuards,
      policy: { keepOneOf },
    });
    await acme.syncAndApply();
    for (const id of ['u1', 'u2']) acme.directory.edit(id, { department: 'Wharf' });
    await acme.sync();
    expect(await held(acme)).toEqual(['u1']);
    expect(await open(acme)).toEqual(['u2']);
  });
});

describe('The seats of a product plan', () => {
  const plan = async (seats: number | null) =>
    (await createProductPlan(install, install.operator, { name: `plan ${v7()}`, seats, roles: [] })).id;
  const subscribe = async (tenant: TenantId, productPlan: string) =>
    await updateTenant(install, install.operator, { tenant, plan: productPlan });
  const connect = (tenant: TenantId, ids: readonly string[]) =>
    install.connect({
      directory: aDirectory({ users: ids.map((id) => ({ id })) }),
      tenant,
      guards: noGuards,
    });

  it('are all given, and not one more: who was proposed last is held', async () => {
    const tenant = await install.tenant();
    await subscribe(tenant, await plan(3));
    const acme = await connect(tenant, ['u1', 'u2', 'u3']);
    await acme.sync();
    expect(await held(acme)).toEqual([]);
    acme.directory.add({ id: 'a0' });
    await acme.sync();
    expect(await held(acme)).toEqual(['a0']);
    expect(await open(acme)).toEqual(['u1', 'u2', 'u3']);
    expect(await because(acme)).toEqual([
      '1 user would come beyond the seats of the product plan; who was proposed before them goes first',
    ]);
  });

  it('are taken by whoever is active, also until their leaving is applied, and by whoever comes back', async () => {
    const tenant = await install.tenant();
    const acme = await connect(tenant, ['u1', 'u2', 'u3']);
    await acme.syncAndApply();
    acme.directory.edit('u1', { state: 'suspended' });
    await acme.syncAndApply();
    await subscribe(tenant, await plan(2));
    acme.directory.edit('u1', { state: 'active' });
    acme.directory.remove('u2');
    acme.directory.edit('u3', { displayName: 'Edited' });
    await acme.sync();
    expect(await held(acme)).toEqual(['u1']);
    expect(await open(acme)).toEqual(['u2', 'u3']);
    await acme.approve('u2');
    await acme.apply();
    await acme.sync();
    expect(await held(acme)).toEqual([]);
    expect(await open(acme)).toEqual(['u1', 'u3']);
  });

  it('go to the approved first, and a person may let somebody in beyond them', async () => {
    const tenant = await install.tenant();
    await subscribe(tenant, await plan(1));
    const acme = await connect(tenant, ['u1', 'u2', 'u3']);
    await acme.sync();
    expect(await held(acme)).toHaveLength(2);
    await acme.approve('u3');
    await acme.decide('reject', ...(await open(acme)));
    await acme.sync();
    expect(await acme.inState('approved')).toEqual(['u3']);
    expect(await held(acme)).toHaveLength(1);
    expect(await acme.apply()).toMatchObject({ applied: 1 });
  });

  it('are shared by the tenants below where it is set, but for those with a plan of their own', async () => {
    const top = await install.tenant();
    const [one, two, free] = [
      await install.tenant(top),
      await install.tenant(top),
      await install.tenant(top),
    ];
    await subscribe(top, await plan(2));
    await subscribe(free, await plan(null));
    const inOne = await connect(one, ['u1']);
    await inOne.syncAndApply();
    const [inTwo, inFree] = [await connect(two, ['v1', 'v2']), await connect(free, ['w1', 'w2', 'w3'])];
    await inTwo.sync();
    await inFree.sync();
    expect(await held(inTwo)).toHaveLength(1);
    expect(await open(inTwo)).toHaveLength(1);
    expect(await held(inFree)).toEqual([]);
  });
});

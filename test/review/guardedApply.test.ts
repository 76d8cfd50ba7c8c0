import { v7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TenantId } from '../../src/domain/ids.ts';
import { carryOutApply, startApply } from '../../src/review/apply.ts';
import { decide } from '../../src/review/decide.ts';
import { createProductPlan } from '../../src/tenancy/productPlans.ts';
import { updateRole } from '../../src/tenancy/roles.ts';
import { updateTenant } from '../../src/tenancy/tenants.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aUser, auditOf } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

/** Users of one directory of the tenant, all applied; the first has the role. */
async function directoryOf(tenant: TenantId, ids: readonly string[], role: string, keepOneOf: string[] = []) {
  const [first = ''] = ids;
  const connected = await install.connect({
    tenant,
    directory: aDirectory({ users: ids.map((id) => ({ id })), groups: [{ id: 'g', members: [first] }] }),
    mapping: { roles: [{ group: 'g', role }] },
    guards: noGuards,
    policy: { keepOneOf },
  });
  await connected.syncAndApply();
  return connected;
}

/** They leave, and a person has approved that, as nothing stood against it. */
async function approvedToLeave(of: Connected, ...ids: readonly string[]) {
  of.directory.remove(...ids);
  await of.sync();
  expect(await of.inState('held')).toEqual([]);
  await of.approveAll();
}

const active = async (of: Connected, id: string) => (await of.user(id)).state === 'active';

describe('An apply that would take a role from the last who has it, since another has left meanwhile', () => {
  it('holds that change again with the reason, and carries the others out', async () => {
    const tenant = await install.tenant();
    const one = await directoryOf(tenant, ['a1', 'a2'], 'engineer', ['engineer']);
    const two = await directoryOf(tenant, ['b1', 'b2', 'b3'], 'engineer', ['engineer']);
    await approvedToLeave(one, 'a1');
    await approvedToLeave(two, 'b1', 'b2');
    expect(await one.apply()).toMatchObject({ applied: 1, held: 0 });
    expect(await two.apply()).toMatchObject({ applied: 1, held: 1, moved: 0, failed: 0 });
    expect(await two.inState('held')).toEqual(['b1']);
    expect(await active(two, 'b1')).toBe(true);
    const because = 'a tenant would be left without anybody who has the role engineer: 1 user would lose it';
    expect(await two.changeOf('b1')).toMatchObject({
      outcome: 'held',
      outcomeReason: because,
      decision: { madeBy: 'guard', verdict: 'hold', reason: because },
      actions: ['approve', 'reject'],
    });
    const entries = await auditOf(install.database.url, tenant);
    expect(entries.find(({ action }) => action === 'change.held')).toMatchObject({
      actor: two.administrator.actor,
      details: { because },
    });
    await two.sync();
    expect(await two.inState('held')).toEqual(['b1']);
  });

  it('holds one of two who leave by applies at the same time', async () => {
    const tenant = await install.tenant();
    const one = await directoryOf(tenant, ['a1', 'a2'], 'engineer', ['engineer']);
    const two = await directoryOf(tenant, ['b1', 'b2'], 'engineer', ['engineer']);
    await approvedToLeave(one, 'a1');
    await approvedToLeave(two, 'b1');
    const counts = await Promise.all([one.apply(), two.apply()]);
    expect(counts.map(({ applied }) => applied).sort()).toEqual([0, 1]);
    expect(counts.map(({ held }) => held).sort()).toEqual([0, 1]);
  });

  it('lets go what a person has let go, knowing what the guard had found', async () => {
    const tenant = await install.tenant();
    const one = await directoryOf(tenant, ['a1', 'a2'], 'engineer', ['engineer']);
    const two = await directoryOf(tenant, ['b1', 'b2'], 'engineer', ['engineer']);
    await approvedToLeave(one, 'a1');
    await approvedToLeave(two, 'b1');
    await one.apply();
    await two.apply();
    expect(await two.decideAll('approve', {}, { includeHeld: true })).toBe(0); // by name alone
    await two.approve('b1');
    await two.sync();
    expect(await two.inState('approved')).toEqual(['b1']);
    expect(await two.apply()).toMatchObject({ applied: 1, held: 0 });
    expect(await active(two, 'b1')).toBe(false);
  });
});

describe('What a guard had found once, and does not find any more', () => {
  /** u1 leaves, and was held as the last administrator until another one came. */
  async function heldOnce() {
    const tenant = await install.tenant();
    const acme = await directoryOf(tenant, ['u1', 'u2'], 'admin');
    acme.directory.remove('u1');
    await acme.sync();
    expect(await acme.inState('held')).toEqual(['u1']);
    const other = await directoryOf(tenant, ['b1', 'b2'], 'admin');
    await acme.sync({ full: true });
    expect(await acme.inState('open')).toEqual(['u1']);
    return { acme, other };
  }

  it('is let go by nobody who approves it then: an apply asks again', async () => {
    const { acme, other } = await heldOnce();
    await acme.approveAll();
    await approvedToLeave(other, 'b1');
    expect(await other.apply()).toMatchObject({ applied: 1 });
    expect(await acme.apply()).toMatchObject({ applied: 0, held: 1 });
    expect(await active(acme, 'u1')).toBe(true);
    await acme.approve('u1');
    expect(await acme.apply()).toMatchObject({ applied: 1, held: 0 });
  });

  it('and was refused in between is asked again likewise', async () => {
    const tenant = await install.tenant();
    const acme = await directoryOf(tenant, ['u1', 'u2'], 'admin');
    acme.directory.remove('u1');
    await acme.sync();
    await acme.decide('reject', 'u1');
    await acme.approve('u1');
    expect(await acme.apply()).toMatchObject({ applied: 0, held: 1 });
  });

  it('is not let go from a page on which it was still open', async () => {
    const { acme, other } = await heldOnce();
    const { id, fingerprint } = await acme.changeOf('u1');
    await approvedToLeave(other, 'b1');
    await other.apply();
    await acme.sync({ full: true });
    expect(await acme.inState('held')).toEqual(['u1']);
    const { decision } = await acme.changeOf('u1');
    for (const shown of [undefined, null, v7()]) {
      const ruling = { verdict: 'approve', reason: 'test', changes: [{ id, fingerprint, decision: shown }] };
      expect(await decide(install, acme.administrator, ruling)).toMatchObject({
        decided: 0,
        refused: [{ id, because: 'changed-since-shown' }],
      });
    }
    const ruling = {
      verdict: 'approve',
      reason: 'test',
      changes: [{ id, fingerprint, decision: decision?.id }],
    };
    expect(await decide(install, acme.administrator, ruling)).toMatchObject({ decided: 1 });
    expect(await acme.apply()).toMatchObject({ applied: 1 });
  });
});

describe('The last who administers a tenant', () => {
  it.each([
    ['admin', []],
    ['Tenant Owner', []],
    ['steward', ['invoices.admin']],
  ])('by the role %s (%j) stays without being named anywhere, at the plan', async (role, permissions) => {
    const acme = await directoryOf(await install.tenant(), ['u1', 'u2'], role);
    await updateRole(install, install.operator, { role, permissions });
    acme.directory.remove('u1', 'u2');
    acme.directory.add({ id: 'u3' });
    await acme.sync();
    expect(await acme.inState('held')).toEqual(['u1']);
    expect(await acme.inState('open')).toEqual(['u2', 'u3']);
    expect((await acme.summary()).heldBecause).toEqual([
      'a tenant would be left without anybody who administers it: 1 user would go or lose the role',
    ]);
  });

  it('stays at the apply too, and whichever of the roles another has', async () => {
    const tenant = await install.tenant();
    const one = await directoryOf(tenant, ['a1'], 'admin');
    const two = await directoryOf(tenant, ['b1'], 'owner');
    one.directory.add({ id: 'a2' }); // a directory without anybody is no news
    two.directory.add({ id: 'b2' });
    await approvedToLeave(one, 'a1');
    await approvedToLeave(two, 'b1');
    expect(await one.apply()).toMatchObject({ held: 0 });
    expect(await two.apply()).toMatchObject({ held: 1 });
    expect(await active(two, 'b1')).toBe(true);
  });

  it('of a tenant and of its parent are both held, when they leave at once', async () => {
    const parent = await install.tenant();
    const child = await install.tenant(parent);
    const [above, below] = [
      await directoryOf(parent, ['p1', 'p2'], 'admin'),
      await directoryOf(child, ['c1', 'c2'], 'admin'),
    ];
    above.directory.remove('p1');
    below.directory.remove('c1');
    await Promise.all([above.sync(), below.sync()]);
    expect(await above.inState('held')).toEqual(['p1']);
    expect(await below.inState('held')).toEqual(['c1']);
  });

  it('may go where a break-glass account is left, which no directory has and no sync touches', async () => {
    const acme = await directoryOf(await install.tenant(), ['u1', 'u2'], 'admin');
    const glass = await aUser(install.database.url, acme.tenant, { email: 'glass@example.test' });
    await acme.give(glass, 'admin');
    acme.directory.remove('u1');
    acme.directory.add({ id: 'u3', email: 'glass@example.test' });
    await acme.sync();
    expect(await acme.inState('held')).toEqual([]);
    expect(await acme.pending('conflict')).toEqual(['u3']); // nobody takes it over by its address
    await acme.approveAll();
    expect(await acme.apply()).toMatchObject({ applied: 1, held: 0 });
    const left = (await acme.users()).find(({ id }) => id === glass);
    expect(left).toMatchObject({ state: 'active', externalId: null, manualRoles: ['admin'] });
  });
});

it('A policy that cannot be read any more lets no apply begin, nor one that has begun carry anything out', async () => {
  const tenant = await install.tenant();
  const acme = await directoryOf(tenant, ['u1', 'u2', 'u3'], 'engineer', ['engineer']);
  await approvedToLeave(acme, 'u2');
  const { connection, administrator } = acme;
  const damaged = (policy: string) =>
    asOwner(install.database.url, (client) =>
      client.query('UPDATE connection SET policy = $2::jsonb WHERE id = $1', [connection, policy]),
    );
  await damaged('{"keepOneOf": 7}');
  await expect(acme.apply()).rejects.toMatchObject({ code: 'unreadable-connection' });
  await damaged('{}');
  const { apply } = await startApply(install, administrator, { connection });
  await damaged('{"keepOneOf": 7}');
  const { signal } = new AbortController();
  await expect(carryOutApply(install, apply, { signal })).rejects.toThrow();
  expect(await active(acme, 'u2')).toBe(true);
  await damaged('{}');
  expect(await carryOutApply(install, apply, { signal })).toMatchObject({ applied: 1 });
});

describe('An apply that would let somebody in beyond the seats, since others have come meanwhile', () => {
  it.each([false, true])(
    'holds those again, and carries the others out (at the same time: %s)',
    async (atOnce) => {
      const tenant = await install.tenant();
      const plan = await createProductPlan(install, install.operator, {
        name: `plan ${v7()}`,
        seats: 3,
        roles: [],
      });
      await updateTenant(install, install.operator, { tenant, plan: plan.id });
      const connect = (ids: readonly string[]) =>
        install.connect({
          tenant,
          directory: aDirectory({ users: ids.map((id) => ({ id })) }),
          guards: noGuards,
        });
      const [one, two] = [await connect(['a1', 'a2']), await connect(['b1', 'b2'])];
      for (const each of [one, two]) {
        await each.sync();
        expect(await each.inState('held')).toEqual([]); // each by itself has room
        await each.approveAll();
      }
      const counts = atOnce
        ? await Promise.all([one.apply(), two.apply()])
        : [await one.apply(), await two.apply()];
      expect(counts.map(({ applied }) => applied).sort()).toEqual([1, 2]);
      expect(counts.map(({ held }) => held).sort()).toEqual([0, 1]);
      const last = (counts[0]?.held ?? 0) > 0 ? one : two;
      const [waiting = ''] = await last.inState('held');
      await last.approve(waiting);
      expect(await last.apply()).toMatchObject({ applied: 1 });
    },
  );
});

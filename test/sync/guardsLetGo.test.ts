import { v7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import type { Policy } from '../../src/domain/policy.ts';
import { getGuards } from '../../src/review/guards.ts';
import { unknownUsers } from '../../src/store/unknownNames.ts';
import { updateConnection } from '../../src/tenancy/connections.ts';
import { createRole } from '../../src/tenancy/roles.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aUser, auditOf } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const names = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => `u${from + at}`);
const held = (acme: Connected) => acme.inState('held');
const open = (acme: Connected) => acme.inState('open');
type Rules = Omit<z.input<typeof Policy>, 'guards'>;

/** All applied; u1 to u20 work in Engines. Ten in a hundred may go, of the whole directory. */
async function settled(count = 100, policy: Rules = {}, guards: object = {}) {
  const users = names(1, count).map((id, at) => ({ id, department: at < 20 ? 'Engines' : 'Deck' }));
  const acme = await install.connect({
    directory: aDirectory({ users }),
    guards: { ...noGuards, deletedPercent: 10, deletedAtLeast: 5, ...guards },
    policy,
  });
  await acme.syncAndApply();
  return acme;
}

describe('Part of what a guard holds', () => {
  it('is let go by a filter, stays let go run after run, and the rest stays held', async () => {
    const acme = await settled();
    acme.directory.remove(...names(1, 12));
    await acme.sync();
    expect(await acme.decideAll('approve', { search: 'u1@' }, { includeHeld: true })).toBe(1);
    acme.directory.remove('u13');
    for (const full of [true, false]) await acme.sync({ full });
    expect(await acme.inState('approved')).toEqual(['u1']);
    expect(await held(acme)).toEqual(names(2, 13).sort());
  });

  it('is held again when its content is another', async () => {
    const acme = await settled();
    acme.directory.remove(...names(1, 12));
    await acme.sync();
    await acme.approve('u1', 'u2');
    await acme.edit('u1', { displayName: 'Edited here' }); // whom it would delete is another by now
    await acme.sync();
    expect(await acme.inState('approved')).toEqual(['u2']);
    expect(await held(acme)).toContain('u1');
  });

  it('of protected users is let go by name, and by no filter', async () => {
    const acme = await settled(100, { protected: { users: ['u1@example.test', 'u2@example.test'] } });
    acme.directory.remove(...names(1, 12));
    await acme.sync();
    expect(await acme.decideAll('approve', {}, { includeHeld: true })).toBe(10);
    expect(await held(acme)).toEqual(['u1', 'u2']);
    await acme.approve('u1');
    await acme.sync();
    expect(await acme.inState('approved')).toHaveLength(11);
    expect(await held(acme)).toEqual(['u2']);
    expect(await acme.decideAll('reject')).toBe(12); // refusing takes nothing from anybody
  });
});

describe('A policy that names a role which does not exist', () => {
  it('cannot say whom it looks after: whoever would lose something is held, until it is mended', async () => {
    const role = `steward ${v7()}`;
    const acme = await settled(30, { keepOneOf: [role] }, noGuards);
    acme.directory.remove('u1');
    acme.directory.edit('u2', { state: 'suspended' });
    acme.directory.edit('u3', { displayName: 'Edited' });
    acme.directory.add({ id: 'u31' });
    await acme.sync();
    expect(await held(acme)).toEqual(['u1', 'u2']);
    expect(await open(acme)).toEqual(['u3', 'u31']);
    expect((await acme.summary()).heldBecause).toEqual([
      expect.stringMatching(/^the policy names roles that do not exist \(steward .*: 2 users would/),
    ]);
    await createRole(install, install.operator, { name: role });
    await acme.sync();
    expect(await held(acme)).toEqual([]);
  });

  it('and users whom nobody is, says so', async () => {
    const role = `steward ${v7()}`;
    const users = ['u1@EXAMPLE.test', 'nobody@example.test', 'U2@example.test', v7()];
    const acme = await settled(3, { protected: { users, roles: [role] } });
    const id = (await acme.user('u3')).id;
    await updateConnection(install, acme.administrator, {
      connection: acme.connection,
      policy: { protected: { users: [...users, id], roles: [role] } },
    });
    const { unknown } = await getGuards(install, acme.administrator, acme.connection);
    expect(unknown.users).toHaveLength(2);
    expect(unknown).toEqual({
      users: expect.arrayContaining(['nobody@example.test', users[3]]),
      roles: [role],
    });
  });
});

describe('Who is named and nobody is', () => {
  it('is looked for by keys, however many are named and however many users there are', async () => {
    const acme = await settled(3);
    const asked: string[] = [];
    const query = <Row>(text: string, values?: readonly unknown[]) =>
      asOwner(install.database.url, async (client) => {
        await client.query('SET enable_seqscan = off'); // of three users: what is possible by an index
        const plan = await client.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`, [...(values ?? [])]);
        asked.push(plan.rows.map((line) => line['QUERY PLAN']).join('\n'));
        return (await client.query(text, [...(values ?? [])])).rows as Row[];
      });
    const names = ['U1@example.test', 'nobody', (await acme.user('u2')).id.toUpperCase(), 'not a uuid'];
    expect(await unknownUsers({ query }, acme.tenant, names)).toEqual(['nobody', 'not a uuid']);
    expect(asked).toHaveLength(1);
    for (const index of ['auth_user_pkey', 'auth_user_email', 'auth_user_user_name'])
      expect(asked[0]).toContain(index);
  });
});

describe('A raised limit', () => {
  it('of the policy lets through at the next plan, and the audit log has it before and after', async () => {
    const acme = await settled();
    acme.directory.remove(...names(1, 12));
    await acme.sync();
    expect(await held(acme)).toHaveLength(12);
    await updateConnection(install, acme.administrator, {
      connection: acme.connection,
      policy: { guards: { ...noGuards, deletedPercent: 12, deletedAtLeast: 5 } },
    });
    await acme.sync();
    expect(await held(acme)).toEqual([]);
    const entry = (await auditOf(install.database.url, acme.tenant)).findLast(
      ({ action }) => action === 'connection.updated',
    );
    expect(entry).toMatchObject({
      actor: acme.administrator.actor,
      details: { guards: { before: { deletedPercent: 10 }, after: { deletedPercent: 12 } } },
    });
  });
});

describe('A tenant of two users', () => {
  it('may lose one, or both by what the provider says of them, and asks for nobody', async () => {
    const acme = await settled(2, {}, { deletedAtLeast: 5 });
    acme.directory.edit('u1', { state: 'deprovisioned' });
    acme.directory.edit('u2', { state: 'suspended' });
    await acme.sync();
    expect(await open(acme)).toEqual(['u1', 'u2']);
  });

  it('whose every user leaves a guard lets none go, where none may', async () => {
    const acme = await settled(2, {}, { deletedPercent: 0, deletedAtLeast: 0 });
    acme.directory.edit('u1', { state: 'deprovisioned' });
    acme.directory.edit('u2', { state: 'deprovisioned' });
    await acme.sync();
    expect(await held(acme)).toEqual(['u1', 'u2']);
  });
});

describe('Users whom the directory does not have', () => {
  it('neither count for a guard nor are touched: local ones, service accounts, those of other connections', async () => {
    const acme = await settled(20);
    const other = await install.connect({
      tenant: acme.tenant,
      directory: aDirectory({ users: names(1, 60).map((id) => ({ id: `o-${id}` })) }),
      guards: noGuards,
    });
    await other.syncAndApply();
    const { url } = install.database;
    const local = await aUser(url, acme.tenant, { email: 'local@example.test' });
    const service = await aUser(url, acme.tenant, { userName: 'svc-backup' });
    acme.directory.remove(...names(1, 6)); // of 20 linked users five may go; of all 82 it would be eight
    await acme.sync();
    expect(await held(acme)).toHaveLength(6);
    await acme.decideAll('approve', {}, { includeHeld: true });
    await acme.apply();
    await acme.sync();
    const users = await acme.users();
    const touched = users.filter(({ version }) => version > 1);
    expect(touched).toHaveLength(6);
    for (const id of [local, service])
      expect(users.find((user) => user.id === id)).toMatchObject({ state: 'active', version: 1 });
    expect((await other.users()).filter(({ externalId }) => externalId !== null)).toHaveLength(60);
  });
});

describe('Managers', () => {
  it('outside the scope, and later inside, are no reason for anything but their own joining', async () => {
    const acme = await install.connect({
      directory: aDirectory({ users: [{ id: 'u1', manager: 'boss' }] }),
      guards: noGuards,
    });
    await acme.syncAndApply();
    expect((await acme.user('u1')).fields['manager']).toBe('boss');
    await acme.sync();
    expect(await acme.pending()).toEqual([]);
    acme.directory.add({ id: 'boss', manager: 'u1' });
    await acme.sync();
    expect(await acme.pending()).toEqual(['boss']);
    await acme.approveAll();
    await acme.apply();
    await acme.sync();
    expect(await acme.pending()).toEqual([]);
    acme.directory.remove('boss');
    await acme.sync();
    expect(await acme.pending()).toEqual(['boss']);
  });

  it('in a circle, and of themselves, are taken over as they are and come to rest', async () => {
    const circle = { u1: 'u2', u2: 'u3', u3: 'u1', u4: 'u4' };
    const users = Object.entries(circle).map(([id, manager]) => ({ id, manager }));
    const acme = await install.connect({ directory: aDirectory({ users }), guards: noGuards });
    expect(await acme.syncAndApply()).toMatchObject({ applied: 4 });
    const managers = (await acme.users()).map(({ externalId, fields }) => [externalId, fields['manager']]);
    expect(Object.fromEntries(managers)).toEqual(circle);
    await acme.sync();
    expect(await acme.pending()).toEqual([]);
    acme.directory.remove('u2');
    await acme.sync();
    expect(await acme.pending('delete')).toEqual(['u2']);
  });
});

describe('A user who flips on every run', () => {
  it('is one change at a time, and is not counted twice by what looks back over a week', async () => {
    const acme = await settled(
      100,
      {},
      { deletedPercent: 100, deletedInWindowPercent: 1, deletedAtLeast: 2 },
    );
    for (let round = 0; round < 4; round += 1) {
      acme.directory.edit('u1', { state: round % 2 === 0 ? 'suspended' : 'active' });
      await acme.sync();
      expect(await acme.pending()).toEqual(['u1']);
      expect(await held(acme)).toEqual([]);
      await acme.approveAll();
      await acme.apply();
    }
    acme.directory.remove('u1', 'u2');
    await acme.sync();
    expect(await held(acme)).toEqual([]);
    expect(await open(acme)).toEqual(['u1', 'u2']);
  });
});

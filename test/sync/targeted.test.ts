import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ExternalId } from '../../src/domain/ids.ts';
import { getRun, requestRun } from '../../src/sync/runs.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory, type Faults } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { auditOf } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

/** Ten users, all applied; two are engineers, who have a role for it. */
async function settled(faults: Faults = { hasFeed: true }): Promise<Connected> {
  const directory = aDirectory({
    users: 10,
    groups: [{ id: 'engineers', members: ['u1', 'u2'] }],
    ...faults,
  });
  const roles = [{ group: 'engineers', role: 'engineer' }];
  const acme = await install.connect({ directory, mapping: { roles }, guards: noGuards });
  await acme.syncAndApply();
  directory.requests.length = 0;
  return acme;
}

const request = (acme: Connected, users: readonly string[] | null) =>
  requestRun(install, acme.administrator, {
    connection: acme.connection,
    users: users?.map((id) => ExternalId.parse(id)) ?? null,
  });

async function syncOnly(acme: Connected, ...users: readonly string[]) {
  const { run } = await request(acme, users);
  return await acme.sync({ run });
}

const kinds = async (acme: Connected) =>
  Object.fromEntries((await acme.changes()).map(({ externalId, kind }) => [externalId, kind]));

const lists = (acme: Connected) => acme.directory.requests.map(({ list }) => list);

const tokenOf = (acme: Connected) =>
  asOwner(install.database.url, async (client) => {
    const { rows } = await client.query('SELECT delta_token FROM connection WHERE id = $1', [
      acme.connection,
    ]);
    return rows[0].delta_token as string;
  });

describe('A targeted run', () => {
  it('looks up whom it is about and nobody else, and says nothing of the others', async () => {
    const acme = await settled();
    acme.directory.edit('u3', { displayName: 'Edited' });
    acme.directory.edit('u4', { displayName: 'Edited too' });
    acme.directory.remove('u5', 'u6');
    acme.directory.add({ id: 'new' });
    expect(await syncOnly(acme, 'u3', 'u5', 'u7', 'new')).toMatchObject({
      result: 'finished',
      kind: 'targeted',
      snapshot: 'named',
    });
    expect(lists(acme)).toEqual(['look-up']);
    expect(await kinds(acme)).toEqual({ u3: 'update', u5: 'delete', new: 'create' });
  });

  it('gives the roles that follow from groups, as a full run would', async () => {
    const acme = await settled();
    acme.directory.group('engineers', ['u2', 'u3']);
    await syncOnly(acme, 'u1', 'u3');
    const changes = await acme.changes();
    expect(
      changes.map(({ externalId, rolesGained, rolesLost }) => [externalId, rolesGained, rolesLost]).sort(),
    ).toEqual([
      ['u1', [], ['engineer']],
      ['u3', ['engineer'], []],
    ]);
  });

  it('leaves the delta token where it is, so that nothing is lost to the next delta', async () => {
    const acme = await settled();
    const before = await tokenOf(acme);
    acme.directory.edit('u3', { displayName: 'Edited' });
    acme.directory.edit('u4', { displayName: 'Edited' });
    await syncOnly(acme, 'u3');
    expect(await tokenOf(acme)).toBe(before);
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    expect(await kinds(acme)).toEqual({ u3: 'update', u4: 'update' });
  });

  it('that comes to a waiting one is about the users of both; to a wider one it adds nothing', async () => {
    const acme = await settled();
    const first = await request(acme, ['u3']);
    const second = await request(acme, ['u4']);
    expect(second).toEqual({ run: first.run, already: true });
    for (const id of ['u3', 'u4', 'u5']) acme.directory.edit(id, { displayName: 'Edited' });
    expect(await acme.sync({ run: first.run })).toMatchObject({ kind: 'targeted' });
    expect(await kinds(acme)).toEqual({ u3: 'update', u4: 'update' });

    const wide = await request(acme, null);
    await request(acme, ['u6']);
    expect(await acme.sync({ run: wide.run })).toMatchObject({ kind: 'delta' });
    expect(await kinds(acme)).toEqual({ u3: 'update', u4: 'update', u5: 'update' });
  });

  it('becomes a run about all where one is asked for, or due, while it waits', async () => {
    const acme = await settled();
    acme.directory.edit('u5', { displayName: 'Edited' });
    const { run } = await request(acme, ['u3']);
    await request(acme, null);
    expect(await acme.sync({ run })).toMatchObject({ kind: 'delta' });
    await request(acme, ['u3']);
    expect(await acme.sync({ trigger: 'schedule' })).toMatchObject({ kind: 'delta' });
    await request(acme, ['u3']);
    expect(await acme.sync({ full: true })).toMatchObject({ kind: 'full', snapshot: 'complete' });
    expect(await kinds(acme)).toEqual({ u5: 'update' });
  });

  it('reads everybody where the provider cannot be asked for one user, before the first complete run, and after a change of the mapping', async () => {
    const listOnly = await settled({});
    expect(await syncOnly(listOnly, 'u3')).toMatchObject({ kind: 'full', snapshot: 'complete' });
    const directory = aDirectory({ users: 2, hasFeed: true });
    const fresh = await install.connect({ directory });
    expect(await syncOnly(fresh, 'u1')).toMatchObject({ kind: 'full', snapshot: 'complete' });
    const remapped = await settled();
    await install.remap(remapped.connection, { everyone: ['member'] });
    expect(await syncOnly(remapped, 'u3')).toMatchObject({ kind: 'full', snapshot: 'complete' });
    expect(Object.keys(await kinds(remapped))).toHaveLength(10);
  });

  it('takes nobody away whom the provider refuses to speak of, nor anybody for gone whom it could not read', async () => {
    const acme = await settled();
    acme.directory.remove('u3');
    acme.directory.faults = { hasFeed: true, lookUps: 'unavailable' };
    expect(await syncOnly(acme, 'u3')).toMatchObject({ result: 'failed' });
    acme.directory.faults = { hasFeed: true, unreadable: ['u4'] };
    await syncOnly(acme, 'u4');
    expect(await kinds(acme)).toEqual({});
  });

  it('of somebody whom nobody knows proposes nothing', async () => {
    const acme = await settled();
    expect(await syncOnly(acme, 'nobody')).toMatchObject({ result: 'finished', kind: 'targeted' });
    expect(await kinds(acme)).toEqual({});
  });

  it('stands in the audit log with whom it was asked for', async () => {
    const acme = await settled();
    const { run } = await request(acme, ['u3', 'u4']);
    const entries = await auditOf(install.database.url, acme.tenant);
    expect(
      entries.find(({ action, subject }) => action === 'run.requested' && subject?.id === run),
    ).toMatchObject({
      details: { connection: acme.connection, users: ['u3', 'u4'] },
    });
    await acme.sync({ run });
    expect(await getRun(install, acme.administrator, run)).toMatchObject({ kind: 'targeted', users: 2 });
  });
});

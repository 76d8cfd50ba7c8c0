import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mapping } from '../../src/domain/mapping.ts';
import { replanRun } from '../../src/sync/replan.ts';
import { updateConnection } from '../../src/tenancy/connections.ts';
import { listTenants, unverifyDomain, updateTenant } from '../../src/tenancy/tenants.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aCaller, aUser } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
  passes();
});
afterAll(() => install.close());

/** The database dates some of what is compared. */
function passes(): void {
  install.clock.advance(Date.now() - install.clock.now().getTime());
}

const mapping = Mapping.parse({
  everyone: ['member'],
  roles: [{ group: 'g1', role: 'engineer' }],
  scope: "user.department != 'Board'",
  attributes: {
    displayName: { value: "user.givenName + ' ' + user.familyName" },
    costCenter: { owner: 'first' },
  },
});

async function acmeWith(users: number): Promise<Connected> {
  const directory = aDirectory({ users, groups: [{ id: 'g1', name: 'Engineers', members: ['u1', 'u2'] }] });
  for (const { externalId } of directory.users)
    directory.edit(externalId, { givenName: 'Ada', familyName: externalId, department: 'Sales' });
  return await install.connect({ directory, mapping, guards: noGuards, verifiedDomains: ['acme.example'] });
}

async function synced(acme: Connected): Promise<string> {
  passes();
  const outcome = await acme.sync();
  passes();
  return 'run' in outcome ? outcome.run : '';
}

const replanned = (acme: Connected, run: string, caller = acme.administrator) =>
  replanRun(install, caller, run);

describe('A run that is planned again', () => {
  it('proposes the same, before and after it was applied, edited by hand and decided on', async () => {
    const acme = await acmeWith(6);
    const first = await synced(acme);
    const before = await replanned(acme, first);
    expect(before).toMatchObject({
      ok: true,
      people: 6,
      nothing: 0,
      same: { now: 6, record: 0 },
      different: 0,
      unknown: {},
    });
    await acme.decide('reject', 'u6');
    await acme.approve('u1', 'u2', 'u3', 'u4', 'u5');
    await acme.apply();
    const after = await replanned(acme, first);
    expect(after).toMatchObject({ ok: true, same: { now: 1, record: 5 }, digest: before.digest });

    acme.directory.edit('u1', { department: 'Engines' });
    acme.directory.group('g1', ['u2', 'u3'], 'Engineers');
    acme.directory.remove('u4');
    acme.directory.edit('u5', { department: 'Board' });
    const second = await synced(acme);
    expect(await acme.pending()).toEqual(['u1', 'u3', 'u4', 'u5']);
    const now = await replanned(acme, second);
    expect(now).toMatchObject({ ok: true, people: 6, nothing: 1, same: { now: 5, record: 0 }, unknown: {} });
    await acme.approveAll();
    await acme.apply();
    await acme.edit('u3', { attributes: { badge: 'B 17' } });
    expect(await replanned(acme, second)).toMatchObject({
      ok: true,
      same: { now: 1, record: 4 },
      digest: now.digest,
    });
    await expect(replanned(acme, first)).rejects.toMatchObject({ code: 'not-allowed-now' });
  });

  it('says of whom it cannot tell', async () => {
    const acme = await acmeWith(4);
    acme.directory.add({
      id: 'twin',
      email: acme.directory.users[0]?.email ?? null,
      givenName: 'T',
      familyName: 'W',
    });
    acme.directory.faults = { unreadable: ['u4'], hasFeed: true };
    const run = await synced(acme);
    expect(await replanned(acme, run)).toMatchObject({
      ok: true,
      people: 5,
      same: { now: 2, record: 0 },
      unknown: { conflict: 2, unread: 1 },
    });
    acme.directory.edit('u2', { department: 'Engines' });
    await synced(acme);
    expect(await replanned(acme, run)).toMatchObject({
      ok: true,
      unknown: { conflict: 2, unread: 1, 'read-since': 1 },
    });
  });

  it('goes by the policy and mapping of its time: whoever was suspended to be deleted later still is', async () => {
    const acme = await acmeWith(3);
    const { connection } = acme;
    const policyOf = (graceDays: number, more: object = {}) => ({
      ...{ samePerson: 'show' as const, leavers: { graceDays } },
      guards: { ...noGuards, ...more },
    });
    await updateConnection(install, install.operator, { connection, policy: policyOf(30) });
    await synced(acme);
    await acme.approveAll();
    await acme.apply();
    acme.directory.remove('u1');
    const run = await synced(acme);
    expect((await acme.changeOf('u1')).kind).toBe('suspend');
    const before = await replanned(acme, run);
    expect(before).toMatchObject({ ok: true, nothing: 2, same: { now: 1 } });
    const policy = policyOf(0, { deletedPercent: 1, deletedAtLeast: 1 });
    await updateConnection(install, install.operator, { connection, policy, mapping: { groups: null } });
    expect(await replanned(acme, run)).toEqual(before);
  });

  it('says of whom it cannot tell because verified domains or tenants have changed since, and of no other', async () => {
    const directory = aDirectory({ users: 0 });
    directory.add({ id: 'u1', email: 'u1@other.test', officeLocation: 'Rome' });
    const rules = [{ tenant: '{officeLocation}', create: true }];
    const acme = await install.connect({
      ...{ directory, mapping: Mapping.parse({ rules, groups: null }), guards: noGuards },
      verifiedDomains: ['acme.example'],
    });
    directory.add({ id: 'u2', email: 'u2@other.test', officeLocation: 'Oslo' });
    await synced(acme);
    await acme.approveAll();
    await acme.apply();
    const known = await aUser(install.database.url, acme.tenant, { email: 'ada@acme.example' });
    directory.edit('u1', { officeLocation: 'Oslo' });
    directory.edit('u2', { jobTitle: 'Smith' });
    directory.add({ id: 'ada', email: 'ada@acme.example' });
    const run = await synced(acme);
    expect(await acme.changeOf('ada')).toMatchObject({ kind: 'link', authUser: known });
    expect(await replanned(acme, run)).toMatchObject({ ok: true, same: { now: 2, record: 1 }, unknown: {} });
    await unverifyDomain(install, install.operator, { tenant: acme.tenant, domain: 'acme.example' });
    expect(await replanned(acme, run)).toMatchObject({
      ...{ ok: true, same: { now: 2 }, unknown: { 'domains-since': 1 }, differences: [] },
    });
    const { items } = await listTenants(install, acme.administrator, { parent: null });
    const oslo = items.find(({ name }) => name === 'Oslo');
    await updateTenant(install, install.operator, { tenant: oslo?.id ?? '', name: 'Christiania' });
    const { ok, unknown, same, different } = await replanned(acme, run);
    expect({ ok, unknown, same, different }).toEqual({
      ...{ ok: true, same: { now: 1, record: 0 }, different: 0 },
      unknown: { 'domains-since': 1, 'tenants-since': 1 },
    });
    await asOwner(install.database.url, (client) =>
      client.query(
        `UPDATE change SET after = jsonb_set(after, '{fields,jobTitle}', '"Board"') WHERE connection_id = $1 AND external_id = 'u2'`,
        [acme.connection],
      ),
    );
    expect(await replanned(acme, run)).toMatchObject({
      differences: [{ externalId: 'u2', because: 'change-altered' }],
    });
  });

  const tampered: readonly (readonly [string, string, object])[] = [
    [
      'a change whose content was altered',
      `UPDATE change SET after = jsonb_set(after, '{fields,department}', '"Board"') WHERE connection_id = $1 AND external_id = 'u2'`,
      { because: 'change-altered' },
    ],
    [
      'a change that was taken away',
      `DELETE FROM change WHERE connection_id = $1 AND external_id = 'u2'`,
      { because: 'not-recorded', change: null },
    ],
    [
      'what was read, altered',
      `UPDATE directory_user SET content = jsonb_set(content::jsonb, '{user,department}', '"Board"')::json WHERE connection_id = $1 AND external_id = 'u2'`,
      { because: 'content-altered' },
    ],
    [
      'what was read, taken away',
      `DELETE FROM directory_user WHERE connection_id = $1 AND external_id = 'u2'`,
      { because: 'content-missing' },
    ],
    [
      'a change for somebody who is not in the scope',
      `UPDATE directory_user SET content = jsonb_set(content::jsonb, '{user,department}', '"Engines"')::json WHERE connection_id = $1 AND external_id = 'out'`,
      { because: 'content-altered', externalId: 'out' },
    ],
  ];
  it.each(tampered)('finds %s', async (_, sql, difference) => {
    const acme = await acmeWith(3);
    acme.directory.add({ id: 'out', department: 'Board' });
    const run = await synced(acme);
    expect(await replanned(acme, run)).toMatchObject({ ok: true, nothing: 1, same: { now: 3 } });
    await asOwner(install.database.url, (client) => client.query(sql, [acme.connection]));
    expect(await replanned(acme, run)).toMatchObject({
      ok: false,
      different: 1,
      differences: [{ externalId: 'u2', says: expect.any(String), ...difference }],
    });
    await asOwner(install.database.url, async (client) => {
      await client.query('DELETE FROM change_count WHERE connection_id = $1', [acme.connection]);
      await client.query(
        `INSERT INTO change_count (tenant_id, connection_id, group_id, state, changes)
         SELECT tenant_id, connection_id, group_id, state, count(*) FROM change WHERE connection_id = $1 GROUP BY 1, 2, 3, 4`,
        [acme.connection],
      );
    });
  });

  it('is for whoever may see runs and changes, of their own tenant; and of a run that has finished', async () => {
    const [acme, other] = [await acmeWith(1), await acmeWith(1)];
    const run = await synced(acme);
    await expect(replanned(acme, run, other.administrator)).rejects.toMatchObject({ code: 'not-found' });
    const application = await aCaller(install, acme.tenant, 'application');
    await expect(replanned(acme, run, application)).rejects.toMatchObject({ code: 'forbidden' });
    acme.directory.faults = { fails: { page: 1 } };
    await acme.sync().catch(() => {});
    const [failed] = await asOwner(install.database.url, async (client) => {
      const { rows } = await client.query(
        'SELECT id, state, snapshot FROM sync_run WHERE connection_id = $1 AND id <> $2',
        [acme.connection, run],
      );
      return rows;
    });
    await expect(replanned(acme, failed.id)).rejects.toMatchObject({ code: 'not-allowed-now' });
  });
});

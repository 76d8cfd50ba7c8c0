import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adjustNewcomer, listAdjustments, takeBackAdjustment } from '../../src/review/adjust.ts';
import { assignChanges, commentOnChange, listComments } from '../../src/review/assign.ts';
import { listChanges } from '../../src/review/changes.ts';
import { decide } from '../../src/review/decide.ts';
import { createRole } from '../../src/tenancy/roles.ts';
import { updateTenant } from '../../src/tenancy/tenants.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aCaller, auditOf } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
  for (const name of ['viewer', 'editor', 'admin']) await createRole(install, install.operator, { name });
});
afterAll(() => install.close());

/** Joiners u1 to u<users>, all viewers; those in the group Admins are administrators too. */
async function joiners(users = 2, more: Partial<Parameters<Install['connect']>[0]> = {}): Promise<Connected> {
  const groups = [{ id: 'g', members: ['u1'], name: 'Admins' }];
  const mapping = { everyone: ['viewer'], roles: [{ group: 'Admins', role: 'admin' }] };
  const acme = await install.connect({
    directory: aDirectory({ users, groups }),
    mapping,
    guards: noGuards,
    ...more,
  });
  await acme.sync();
  return acme;
}

async function adjust(acme: Connected, wanted: { roles?: string[]; tenant?: string }, externalId = 'u1') {
  const { id, fingerprint } = await acme.changeOf(externalId);
  return await adjustNewcomer(install, acme.administrator, {
    change: id,
    fingerprint,
    reason: 'asked for',
    ...wanted,
  });
}

const rolesOf = async (acme: Connected, id = 'u1') => (await acme.user(id)).roles;

describe('Somebody new who is edited before they are approved', () => {
  it('comes in with the roles that were given, and no later run proposes others', async () => {
    const acme = await joiners();
    await acme.approve('u1');
    const before = await acme.changeOf('u1');
    const done = await adjust(acme, { roles: ['viewer', 'editor'] });
    const now = await acme.changeOf('u1');
    expect(now).toMatchObject({
      id: done.change,
      state: 'open',
      decision: null,
      rolesGained: ['editor', 'viewer'],
    });
    expect(now.fingerprint).not.toBe(before.fingerprint);
    expect(await acme.syncAndApply()).toMatchObject({ applied: 2 });
    expect(await rolesOf(acme)).toEqual(['editor', 'viewer']);
    expect(await rolesOf(acme, 'u2')).toEqual(['viewer']);
    await acme.sync();
    expect(await acme.pending()).toEqual([]);
  });

  it('hears of what the directory changes otherwise', async () => {
    const acme = await joiners();
    await adjust(acme, { roles: ['viewer'] });
    await acme.syncAndApply();
    expect(await rolesOf(acme)).toEqual(['viewer']);
    acme.directory.edit('u1', { displayName: 'Renamed' });
    await acme.sync();
    const change = await acme.changeOf('u1');
    expect(change.fields.map(({ field }) => field)).toEqual(['displayName']);
    expect(change.rolesGained).toEqual([]);
    acme.directory.group('g', []);
    await acme.syncAndApply();
    expect(await rolesOf(acme)).toEqual(['viewer']);
  });

  it('is approved by a rule in the audit log too', async () => {
    const rules = [{ name: 'plain', when: 'change.rolesGained == ["viewer"]', decide: 'approve' as const }];
    const acme = await joiners(1, { policy: { rules } });
    expect(await acme.changeOf('u1')).toMatchObject({ state: 'open' });
    await adjust(acme, { roles: ['viewer'] });
    expect(await acme.changeOf('u1')).toMatchObject({ state: 'approved', decision: { madeBy: 'policy' } });
    const entries = await auditOf(install.database.url, acme.tenant);
    expect(entries.filter(({ action }) => action === 'changes.approved')).toMatchObject([
      { actor: { kind: 'system', name: 'policy' }, details: { changes: 1, rule: 'plain' } },
    ]);
  });

  it('is the same change to a run that comes before anybody decides, with what was decided on it', async () => {
    const acme = await joiners();
    await adjust(acme, { roles: [] });
    await acme.approve('u1');
    const { id } = await acme.changeOf('u1');
    await acme.sync();
    expect(await acme.changeOf('u1')).toMatchObject({ id, state: 'approved', rolesGained: [] });
  });

  it('comes into the tenant that was given, and stays in it when that is called otherwise', async () => {
    const acme = await joiners();
    const office = await install.tenant(acme.tenant);
    await adjust(acme, { tenant: office });
    expect(await acme.syncAndApply()).toMatchObject({ applied: 2, moved: 0 });
    const { place } = await acme.user('u1');
    expect(place).toEqual(expect.any(String));
    await updateTenant(install, install.operator, { tenant: office, name: 'Elsewhere' });
    await acme.sync();
    expect(await acme.pending()).toEqual([]);
    expect((await acme.user('u1')).place).toBe('Elsewhere');
  });

  it('who belongs in a tenant that does not exist is given another', async () => {
    const acme = await joiners(1, {
      mapping: { rules: [{ when: {}, roles: [], tenant: 'Nowhere', create: false, stop: false }] },
    });
    expect(await acme.changeOf('u1')).toMatchObject({ kind: 'conflict', cause: 'tenant-missing' });
    await adjust(acme, { tenant: acme.tenant });
    expect(await acme.changeOf('u1')).toMatchObject({ kind: 'create', state: 'open' });
    expect(await acme.syncAndApply()).toMatchObject({ applied: 1 });
    expect((await acme.user('u1')).place).toBeNull();
  });

  it('is as the mapping makes them again once that is taken back, before and after they came in', async () => {
    const acme = await joiners();
    const first = await adjust(acme, { roles: ['editor'] });
    const original = { state: 'open', rolesGained: ['admin', 'viewer'] };
    const end = (adjustment: string | null) =>
      takeBackAdjustment(install, acme.administrator, { adjustment: adjustment ?? '', reason: 'a mistake' });
    await end(first.adjustment);
    expect(await acme.changeOf('u1')).toMatchObject(original);
    const second = await adjust(acme, { roles: ['editor'] });
    await acme.syncAndApply();
    expect(await end(second.adjustment)).toEqual({ change: null });
    await acme.sync();
    expect(await acme.changeOf('u1')).toMatchObject({
      kind: 'update',
      rolesGained: ['admin', 'viewer'],
      rolesLost: ['editor'],
    });
    await expect(end(second.adjustment)).rejects.toMatchObject({ code: 'not-found' });
    const list = await listAdjustments(install, acme.administrator, { connection: acme.connection });
    expect(list.items).toEqual([]);
  });

  it('is listed and audited, with ids and roles alone', async () => {
    const acme = await joiners();
    const { adjustment, change } = await adjust(acme, { roles: ['viewer', 'editor'] });
    const { items } = await listAdjustments(install, acme.administrator, { connection: acme.connection });
    expect(items).toMatchObject([
      { id: adjustment, externalId: 'u1', rolesAdded: ['editor'], rolesRemoved: ['admin'], place: null },
    ]);
    expect((await auditOf(install.database.url, acme.tenant)).at(-1)).toMatchObject({
      action: 'change.adjusted',
      subject: { kind: 'change', id: change },
      details: { rolesAdded: ['editor'], rolesRemoved: ['admin'], reason: 'asked for' },
    });
  });

  it('is not approved by whoever edited them, where the policy wants somebody else', async () => {
    const rules = [
      { name: 'all', when: 'true', decide: { require: { approvals: 1, configurators: 'refused' as const } } },
    ];
    const acme = await joiners(1, { policy: { rules } });
    await adjust(acme, { roles: ['viewer'] });
    expect(await acme.approve('u1')).toMatchObject({
      decided: 0,
      refused: [{ because: 'own-configuration' }],
    });
    const { id, fingerprint } = await acme.changeOf('u1');
    const ruling = { verdict: 'approve', reason: 'checked', changes: [{ id, fingerprint }] };
    expect(await decide(install, await aCaller(install, acme.tenant, 'reviewer'), ruling)).toMatchObject({
      decided: 1,
    });
  });

  it('is approved by none of those who edited them, one after the other', async () => {
    const rules = [
      { name: 'all', when: 'true', decide: { require: { approvals: 1, configurators: 'refused' as const } } },
    ];
    const acme = await joiners(1, { policy: { rules } });
    await adjust(acme, { roles: ['viewer'] });
    const other = await aCaller(install, acme.tenant, 'tenant-administrator');
    const edited = await acme.changeOf('u1');
    const roles = ['viewer', 'editor'];
    await adjustNewcomer(install, other, {
      ...{ change: edited.id, fingerprint: edited.fingerprint, reason: 'and this', roles },
    });
    const { id, fingerprint } = await acme.changeOf('u1');
    const ruling = { verdict: 'approve', reason: 'checked', changes: [{ id, fingerprint }] };
    for (const by of [acme.administrator, other])
      expect(await decide(install, by, ruling)).toMatchObject({
        refused: [{ because: 'own-configuration' }],
      });
  });

  it('cannot be given a role that does not exist, nor a tenant that is not below, and not by a reviewer', async () => {
    const acme = await joiners();
    const other = await install.tenant();
    await expect(adjust(acme, { roles: ['nothing'] })).rejects.toMatchObject({
      fields: [{ path: 'roles.0' }],
    });
    await expect(adjust(acme, { tenant: other })).rejects.toMatchObject({ fields: [{ path: 'tenant' }] });
    await expect(adjust(acme, {})).rejects.toMatchObject({ code: 'invalid-input' });
    const { id, fingerprint } = await acme.changeOf('u1');
    const reviewer = await aCaller(install, acme.tenant, 'reviewer');
    const input = { change: id, fingerprint, roles: [], reason: 'r' };
    await expect(adjustNewcomer(install, reviewer, input)).rejects.toMatchObject({ code: 'forbidden' });
    const stranger = await aCaller(install, other);
    await expect(adjustNewcomer(install, stranger, input)).rejects.toMatchObject({ code: 'not-found' });
    await expect(
      adjustNewcomer(install, acme.administrator, { ...input, fingerprint: '0'.repeat(64) }),
    ).rejects.toMatchObject({ code: 'changed-since-shown' });
  });

  it('are those alone who are new', async () => {
    const acme = await joiners(1);
    await acme.syncAndApply();
    acme.directory.edit('u1', { displayName: 'Renamed' });
    await acme.sync();
    await expect(adjust(acme, { roles: [] })).rejects.toMatchObject({ code: 'not-allowed-now' });
  });
});

describe('Changes that somebody is to look at', () => {
  const mine = async (acme: Connected, assignee: string) =>
    (await listChanges(install, acme.administrator, { assignee })).items.map(
      ({ externalId }) => `${externalId}`,
    );

  it('are found by whom they are assigned to, and by that nobody is', async () => {
    const acme = await joiners(4);
    const reviewer = await aCaller(install, acme.tenant, 'reviewer');
    const [one] = await acme.live();
    const by = { connection: acme.connection };
    expect(await assignChanges(install, reviewer, { to: 'me', changes: [one?.id] })).toEqual({ assigned: 1 });
    expect(
      await assignChanges(install, acme.administrator, { to: 'me', ...by, filter: { search: 'u4' } }),
    ).toEqual({
      assigned: 1,
    });
    expect(await mine(acme, reviewer.principal)).toEqual(['u1']);
    expect(await mine(acme, 'me')).toEqual(['u4']);
    expect(await mine(acme, '')).toEqual(['u2', 'u3']);
    expect((await acme.changeOf('u1')).assignee).toEqual({
      id: reviewer.principal,
      name: reviewer.actor.name,
    });
    expect(await acme.decideAll('approve', { assignee: 'me' })).toBe(1);
    expect(await acme.inState('approved')).toEqual(['u4']);
    expect(await assignChanges(install, reviewer, { to: null, ...by })).toEqual({ assigned: 2 });
    expect((await auditOf(install.database.url, acme.tenant)).at(-1)).toMatchObject({
      action: 'changes.unassigned',
      details: { changes: 2 },
    });
  });

  it('are handed on to what takes their place, and to nobody once they are over', async () => {
    const acme = await joiners(2);
    await assignChanges(install, acme.administrator, { to: 'me', connection: acme.connection });
    await adjust(acme, { roles: ['editor'] });
    expect((await acme.changeOf('u1')).assignee).not.toBeNull();
    acme.directory.edit('u1', { displayName: 'Renamed' });
    await acme.approve('u2');
    await acme.apply();
    await acme.sync();
    await install.store.decisions.openAgain(install.clock.now());
    expect((await acme.changeOf('u1')).assignee).not.toBeNull();
    const [applied] = await acme.changes({ state: ['applied'] });
    expect(applied?.assignee).toBeNull();
  });

  it('are assigned to nobody who decides nothing, or is not known here', async () => {
    const acme = await joiners(1);
    const auditor = await aCaller(install, acme.tenant, 'auditor');
    const stranger = await aCaller(install, await install.tenant(), 'reviewer');
    const assign = (to: string) =>
      assignChanges(install, acme.administrator, { to, connection: acme.connection });
    await expect(assign(auditor.principal)).rejects.toMatchObject({ fields: [{ path: 'to' }] });
    await expect(assign(stranger.principal)).rejects.toMatchObject({ code: 'not-found' });
    expect(
      await assignChanges(install, stranger, { to: 'me', changes: [(await acme.changeOf('u1')).id] }),
    ).toEqual({
      assigned: 0,
    });
  });
});

describe('A comment on a change', () => {
  it('stays with the person when something else is proposed for them, and is seen by nobody else', async () => {
    const acme = await joiners(2);
    const { id } = await acme.changeOf('u1');
    await commentOnChange(install, acme.administrator, { change: id, text: ' <b>Ask</b> Jo ' });
    acme.directory.edit('u1', { displayName: 'Renamed' });
    await acme.sync();
    const now = await acme.changeOf('u1');
    const { items } = await listComments(install, acme.administrator, { change: now.id });
    expect(items).toMatchObject([{ change: id, text: '<b>Ask</b> Jo', by: acme.administrator.actor.name }]);
    const other = await acme.changeOf('u2');
    expect((await listComments(install, acme.administrator, { change: other.id })).items).toEqual([]);
    const stranger = await aCaller(install, await install.tenant());
    await expect(listComments(install, stranger, { change: id })).rejects.toMatchObject({
      code: 'not-found',
    });
    await expect(commentOnChange(install, stranger, { change: id, text: 'x' })).rejects.toMatchObject({
      code: 'not-found',
    });
    const entries = await auditOf(install.database.url, acme.tenant);
    expect(JSON.stringify(entries)).not.toContain('Ask');
    expect(entries.some(({ action }) => action === 'change.commented')).toBe(true);
  });
});

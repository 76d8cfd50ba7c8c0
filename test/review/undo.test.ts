import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApplyId } from '../../src/domain/ids.ts';
import { Mapping } from '../../src/domain/mapping.ts';
import { carryOutApply, startApply } from '../../src/review/apply.ts';
import { undoApply } from '../../src/review/undo.ts';
import { updateConnection } from '../../src/tenancy/connections.ts';
import { listTenants, updateTenant } from '../../src/tenancy/tenants.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, type ConnectOptions, Install, noGuards } from '../support/install.ts';
import { aCaller, aUser, auditOf } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const never = () => new AbortController().signal;

async function settled(count: number, options: Partial<ConnectOptions> = {}): Promise<Connected> {
  const acme = await install.connect({
    directory: aDirectory({ users: count }),
    guards: noGuards,
    ...options,
  });
  await acme.syncAndApply();
  return acme;
}

/** Carries out what is approved; gives the apply. */
async function applied(acme: Connected): Promise<ApplyId> {
  const { apply } = await startApply(install, acme.administrator, { connection: acme.connection });
  await carryOutApply(install, apply, { signal: never() });
  return apply;
}

async function syncedAndApplied(acme: Connected): Promise<ApplyId> {
  await acme.sync();
  await acme.approveAll();
  return await applied(acme);
}

const undo = (acme: Connected, apply: ApplyId, more: object = {}) =>
  undoApply(install, acme.administrator, { apply, ...more });

/** Proposes the undo, approves it and carries it out; gives the apply that did. */
async function undone(acme: Connected, apply: ApplyId): Promise<ApplyId> {
  await undo(acme, apply);
  await acme.approveAll();
  return await applied(acme);
}

const withoutVersions = async (acme: Connected) =>
  (await acme.users()).map(({ version: _, ...user }) => user);

describe('The undo of an apply', () => {
  it('puts all back as it was, and the undo of the undo all forth, whatever kinds there are', async () => {
    const groups = [{ id: 'g', members: ['u1'] }];
    const mapping = { roles: [{ group: 'g', role: 'editor' }] };
    const directory = aDirectory({ users: 5, groups });
    const acme = await settled(5, { directory, mapping });
    directory.edit('u5', { state: 'suspended' });
    await acme.syncAndApply();
    directory.edit('u1', { department: 'Engines', displayName: 'Edited' });
    directory.group('g', ['u2']);
    directory.edit('u3', { state: 'suspended' });
    directory.remove('u4');
    directory.edit('u5', { state: 'active', department: 'Bridges' });
    directory.add({ id: 'u6' });
    const before = await withoutVersions(acme);
    const apply = await syncedAndApplied(acme);
    const after = await withoutVersions(acme);
    const result = await undo(acme, apply);
    expect(result).toMatchObject({
      proposed: 6,
      left: 0,
      kinds: { update: 2, reactivate: 2, suspend: 1, delete: 1 },
    });
    await acme.approveAll();
    const back = await applied(acme);
    const madeAndGone = (user: (typeof before)[number]) => user.externalId !== 'u6';
    expect((await withoutVersions(acme)).filter(madeAndGone)).toEqual(before);
    expect((await acme.user('u6')).state).toBe('deleted');
    await undone(acme, back);
    expect(await withoutVersions(acme)).toEqual(after);
    expect(await install.auditIsWhole()).toBe(true);
  });

  it('is not proposed again by later runs, until the directory says something else about that user', async () => {
    const directory = aDirectory({ users: 5 });
    const acme = await settled(5, { directory });
    directory.edit('u1', { department: 'Engines' });
    directory.edit('u2', { state: 'suspended' });
    directory.remove('u3');
    directory.add({ id: 'u6' });
    const apply = await syncedAndApplied(acme);
    await undone(acme, apply);
    for (const full of [true, false, true]) await acme.sync({ full });
    expect(await acme.pending()).toEqual([]);
    expect((await acme.users()).map(({ state }) => state)).toEqual([...Array(5).fill('active'), 'deleted']);
    directory.edit('u1', { department: 'Bridges' });
    directory.edit('u2', { state: 'suspended', jobTitle: 'Away' });
    directory.edit('u6', { department: 'Engines' });
    await acme.sync();
    const proposed = (await acme.live()).map(({ externalId, kind }) => [externalId, kind]);
    expect(proposed.toSorted()).toEqual([
      ['u1', 'update'],
      ['u2', 'suspend'],
      ['u6', 'reactivate'],
    ]);
    await acme.edit('u3', { displayName: 'Edited here' });
    await acme.sync();
    expect(await acme.changeOf('u3')).toMatchObject({ kind: 'delete', cause: 'left' });
  });

  it('names what has moved since and leaves it alone, and puts the rest back', async () => {
    const groups = [{ id: 'g', members: ['u1'] }];
    const mapping = { roles: [{ group: 'g', role: 'editor' }] };
    const directory = aDirectory({ users: 6, groups });
    const acme = await settled(6, { directory, mapping });
    directory.edit('u1', { department: 'Engines', displayName: 'Edited' });
    directory.edit('u2', { department: 'Engines' });
    directory.edit('u3', { state: 'suspended' });
    directory.group('g', ['u4']);
    directory.add({ id: 'u7' }, { id: 'u8' });
    const apply = await syncedAndApplied(acme);
    await acme.edit('u1', { displayName: 'Edited here' });
    await acme.edit('u2', { attributes: { department: 'Here' } });
    directory.edit('u3', { state: 'active' });
    directory.group('g', []);
    await acme.grant('u7', 'approver');
    directory.edit('u8', { department: 'Bridges' });
    await syncedAndApplied(acme);
    await acme.edit('u1', { displayName: 'Edited here' }); // the directory had put it back
    const result = await undo(acme, apply);
    const left = result.items.map(({ name, because, what, proposed }) => [
      name,
      because,
      what,
      proposed !== null,
    ]);
    expect(left).toEqual(
      expect.arrayContaining([
        ['Edited', 'moved', ['displayName'], true],
        ['User u3', 'moved', ['state'], false],
        ['User u4', 'moved', ['role: editor'], false],
        ['User u7', 'moved', ['roles given by hand'], false],
        ['User u8', 'moved', ['department'], false],
      ]),
    );
    expect(result).toMatchObject({ proposed: 2, kinds: { update: 2 }, left: 5 });
    await acme.approveAll({ cause: 'undo' });
    expect(await acme.apply()).toMatchObject({ applied: 2 });
    expect((await acme.user('u1')).fields).toMatchObject({ displayName: 'Edited here' });
    expect((await acme.user('u1')).fields).not.toHaveProperty('department');
    expect((await acme.user('u7')).state).toBe('active');
  });

  it('sends back what moves between its proposal and its apply, and can be asked for again', async () => {
    const acme = await settled(2);
    for (const id of ['u1', 'u2']) acme.directory.edit(id, { department: 'Engines' });
    const apply = await syncedAndApplied(acme);
    await undo(acme, apply);
    await acme.approveAll();
    await acme.grant('u1', 'approver');
    expect(await acme.apply()).toMatchObject({ applied: 1, moved: 1 });
    expect(await undo(acme, apply)).toMatchObject({ proposed: 1, left: 1, items: [{ because: 'undone' }] });
    await acme.approveAll();
    expect(await acme.apply()).toMatchObject({ applied: 1 });
    expect((await acme.users()).map(({ fields }) => fields['department'])).toEqual([undefined, undefined]);
  });

  it('does nothing twice, and says what waits already', async () => {
    const acme = await settled(2);
    acme.directory.edit('u1', { department: 'Engines' });
    const apply = await syncedAndApplied(acme);
    const { revision } = await undo(acme, apply);
    const [waiting] = await acme.changes();
    expect(await undo(acme, apply)).toMatchObject({
      ...{ proposed: 0, left: 1, revision },
      items: [{ because: 'waits-already', proposed: waiting?.id }],
    });
    await acme.approveAll();
    await applied(acme);
    expect(await undo(acme, apply)).toMatchObject({ proposed: 0, items: [{ because: 'undone' }] });
    expect(await acme.pending()).toEqual([]);
  });

  it('may be of some of its changes, and a dry run proposes nothing', async () => {
    const acme = await settled(3);
    for (const id of ['u1', 'u2', 'u3']) acme.directory.edit(id, { department: 'Engines' });
    const apply = await syncedAndApplied(acme);
    const [first, second] = await acme.changes({ state: ['applied'], kind: ['update'] });
    const changes = [first?.id, second?.id];
    expect(await undo(acme, apply, { dryRun: true, reason: 'x' })).toMatchObject({ proposed: 3, held: 0 });
    expect(await acme.pending()).toEqual([]);
    const elsewhere = await acme.changes({ state: ['applied'], kind: ['create'] });
    const unknown = '01a20115-dead-71f6-a218-fc3bfeae2c2f';
    const result = await undo(acme, apply, { changes: [...changes, elsewhere[0]?.id, unknown] });
    expect(result).toMatchObject({ proposed: 2, left: 2 });
    expect(result.items.map(({ because }) => because).sort()).toEqual(['not-applied', 'not-found']);
    const proposed = await acme.changes();
    expect(proposed.map(({ undoes, cause }) => [undoes, cause])).toEqual(changes.map((id) => [id, 'undo']));
  });

  it('is approved by no rule that would approve such a change of a directory, and held by one that holds it', async () => {
    const when = 'change.cause == "undo" && before.department == "Heads"';
    const rules = [
      { name: 'heads', when, decide: { hold: { reason: 'ask them' } } },
      { name: 'all', when: 'true', decide: 'approve' as const },
    ];
    const acme = await settled(2, { policy: { rules } });
    acme.directory.edit('u1', { department: 'Engines' });
    acme.directory.edit('u2', { department: 'Heads' });
    await acme.sync();
    expect(await acme.inState('approved')).toEqual(['u1', 'u2']);
    expect(await undo(acme, await applied(acme))).toMatchObject({ proposed: 2, held: 1 });
    expect(await acme.inState('held')).toEqual(['u2']);
    expect(await acme.changeOf('u1')).toMatchObject({ cause: 'undo', state: 'open', decision: null });
    await acme.approve('u1');
    expect(await acme.inState('approved')).toEqual(['u1']);
  });

  it('keeps why somebody wants it, for reviewers and in the audit log', async () => {
    const acme = await settled(1);
    acme.directory.edit('u1', { department: 'Engines' });
    const apply = await syncedAndApplied(acme);
    await expect(undo(acme, apply, { reason: 'x'.repeat(1_001) })).rejects.toMatchObject({
      code: 'invalid-input',
    });
    await undo(acme, apply, { reason: ' Wrong list ' });
    expect(await acme.changeOf('u1')).toMatchObject({ cause: 'undo', undoReason: 'Wrong list' });
    const [entry] = (await auditOf(install.database.url, acme.tenant)).filter(
      ({ action }) => action === 'apply.undo-proposed',
    );
    expect(entry?.details).toMatchObject({ changes: 1, reason: 'Wrong list' });
  });

  it('is proposed again where it was refused, in the place of what was', async () => {
    const acme = await settled(1);
    acme.directory.edit('u1', { department: 'Engines' });
    const apply = await syncedAndApplied(acme);
    await undo(acme, apply);
    const refused = await acme.changeOf('u1');
    await acme.decide('reject', 'u1');
    expect(await undo(acme, apply, { dryRun: true })).toMatchObject({ proposed: 1, left: 0 });
    expect(await undo(acme, apply, { reason: 'Again' })).toMatchObject({ proposed: 1, left: 0 });
    const again = await acme.changeOf('u1');
    expect(again).toMatchObject({ cause: 'undo', state: 'open', undoReason: 'Again' });
    const [gone] = await acme.changes({ state: ['superseded'] });
    expect(gone).toMatchObject({ id: refused.id, note: { because: 'replaced', by: again.id } });
  });

  it('leaves alone for whom another change waits, and gives way to what a run finds for the same user', async () => {
    const acme = await settled(3);
    for (const id of ['u1', 'u2', 'u3']) acme.directory.edit(id, { department: 'Engines' });
    const apply = await syncedAndApplied(acme);
    acme.directory.edit('u1', { department: 'Bridges' });
    await acme.sync();
    expect(await undo(acme, apply)).toMatchObject({ proposed: 2, items: [{ because: 'other-waits' }] });
    await acme.sync();
    expect(await acme.pending()).toEqual(['u1', 'u2', 'u3']);
    acme.directory.edit('u2', { department: 'Tunnels' });
    await acme.sync();
    expect(await acme.changeOf('u2')).toMatchObject({ undoes: null, cause: 'edited' });
    expect(await acme.changeOf('u3')).toMatchObject({ cause: 'undo', state: 'open' });
    const [gone] = await acme.changes({ state: ['superseded'] });
    expect(gone).toMatchObject({ externalId: 'u2', cause: 'undo', note: { because: 'replaced' } });
  });

  it('unlinks whom it linked, as they were, and the same link is not proposed again', async () => {
    const directory = aDirectory({ users: 1 });
    const acme = await settled(1, { directory, verifiedDomains: ['example.test'] });
    const user = await aUser(install.database.url, acme.tenant, {
      email: 'ada@example.test',
      displayName: 'Ada, by hand',
    });
    directory.add({ id: 'ada', email: 'ada@example.test', displayName: 'Ada Obi', department: 'Engines' });
    const before = (await acme.users()).find(({ id }) => id === user);
    const apply = await syncedAndApplied(acme);
    expect(await acme.user('ada')).toMatchObject({ id: user, fields: { displayName: 'Ada Obi' } });
    expect(await undo(acme, apply)).toMatchObject({ kinds: { unlink: 1 } });
    await acme.approveAll();
    const back = await applied(acme);
    const now = (await acme.users()).find(({ id }) => id === user);
    expect({ ...now, version: 0 }).toEqual({ ...before, version: 0 });
    expect((await acme.events()).at(-1)).toMatchObject({ type: 'user.unlinked', authUser: user });
    const { decision } = await acme.changeOf('ada');
    expect(await auditOf(install.database.url, acme.tenant)).toContainEqual(
      expect.objectContaining({
        action: 'changes.rejected',
        details: { decision: decision?.id, changes: 1, because: 'link-undone' },
      }),
    );
    await acme.sync({ full: true });
    expect(await acme.inState('rejected')).toEqual(['ada']);
    expect(await acme.pending()).toEqual([]);
    expect(await acme.changeOf('ada')).toMatchObject({ kind: 'link', decision: { verdict: 'reject' } });
    expect(await undo(acme, back)).toMatchObject({ kinds: { link: 1 }, left: 0 });
    await acme.approveAll();
    await acme.apply();
    expect(await acme.user('ada')).toMatchObject({ id: user, fields: { department: 'Engines' } });
    await acme.sync();
    expect(await acme.live()).toEqual([]);
  });

  it('brings back to the tenant that they were in, and not to one that is called otherwise by now', async () => {
    const mapping = Mapping.parse({
      rules: [{ tenant: 'Offices/{officeLocation}', create: true }],
      groups: null,
    });
    const directory = aDirectory({ users: 0 });
    directory.add({ id: 'ada', officeLocation: 'Rome' }, { id: 'bob', officeLocation: 'Milan' });
    const acme = await settled(0, { directory, mapping });
    for (const id of ['ada', 'bob']) directory.edit(id, { officeLocation: 'Oslo', department: 'Engines' });
    const apply = await syncedAndApplied(acme);
    const { items } = await listTenants(install, acme.administrator, { parent: null });
    const milan = items.find(({ name }) => name === 'Milan');
    await updateTenant(install, install.operator, { tenant: milan?.id ?? '', name: 'Milano' });
    const result = await undo(acme, apply);
    expect(result).toMatchObject({ proposed: 2, items: [{ because: 'tenant-missing', what: ['tenant'] }] });
    await acme.approveAll({ cause: 'undo' });
    await acme.apply();
    expect(await acme.user('ada')).toMatchObject({
      place: 'Offices/Rome',
      fields: { officeLocation: 'Rome' },
    });
    expect(await acme.user('bob')).toMatchObject({
      place: 'Offices/Oslo',
      fields: { officeLocation: 'Milan' },
    });
  });

  it('is held by guards, like any other', async () => {
    const acme = await settled(3);
    acme.directory.add({ id: 'u4' }, { id: 'u5' }, { id: 'u6' });
    const apply = await syncedAndApplied(acme);
    await updateConnection(install, acme.administrator, {
      connection: acme.connection,
      policy: { guards: { ...noGuards, deletedPercent: 0, deletedAtLeast: 2 } },
    });
    expect(await undo(acme, apply)).toMatchObject({ proposed: 3, held: 3 });
    expect(await acme.inState('held')).toEqual(['u4', 'u5', 'u6']);
  });

  it('of a deletion waits for whoever has the address, unless the same undo frees it', async () => {
    const acme = await settled(3);
    acme.directory.remove('u1');
    await acme.syncAndApply();
    acme.directory.remove('u2');
    acme.directory.edit('u3', { email: 'u2@example.test' });
    acme.directory.add({ id: 'other', email: 'u1@example.test' });
    const apply = await syncedAndApplied(acme);
    const applies = await acme.changes({ state: ['applied'], kind: ['delete'] });
    const first = applies.find(({ externalId }) => externalId === 'u1')?.apply as ApplyId;
    expect(await undo(acme, first)).toMatchObject({ proposed: 0, items: [{ because: 'address-taken' }] });
    expect(await undo(acme, apply)).toMatchObject({ proposed: 3, left: 0 });
    await acme.approveAll({ cause: 'undo' });
    expect(await acme.apply()).toMatchObject({ applied: 3 });
    expect(await acme.user('u2')).toMatchObject({ state: 'active', fields: { email: 'u2@example.test' } });
    expect((await acme.user('u3')).fields).toMatchObject({ email: 'u3@example.test' });
  });

  it('leaves an address alone that another has taken since, and puts all else back', async () => {
    const acme = await settled(3);
    acme.directory.edit('u1', { email: 'new@example.test', department: 'Engines' });
    acme.directory.edit('u2', { email: 'newer@example.test' });
    const apply = await syncedAndApplied(acme);
    acme.directory.add({ id: 'u4', email: 'U1@example.test' });
    acme.directory.edit('u3', { email: 'u2@example.test' });
    await acme.syncAndApply();
    expect(await undo(acme, apply)).toMatchObject({
      proposed: 1,
      left: 2,
      items: expect.arrayContaining([
        expect.objectContaining({ externalId: 'u1', because: 'address-taken', what: ['email'] }),
        expect.objectContaining({ externalId: 'u2', because: 'address-taken', proposed: null }),
      ]),
    });
    await acme.approveAll();
    expect(await acme.apply()).toMatchObject({ applied: 1, moved: 0 });
    const { fields } = await acme.user('u1');
    expect(fields).toMatchObject({ email: 'new@example.test' });
    expect(fields).not.toHaveProperty('department', 'Engines');
  });

  it('puts addresses back that two have exchanged', async () => {
    const acme = await settled(2);
    acme.directory.edit('u1', { email: 'u2@example.test' });
    acme.directory.edit('u2', { email: 'u1@example.test' });
    const apply = await syncedAndApplied(acme);
    expect(await undo(acme, apply)).toMatchObject({ proposed: 2, left: 0 });
    await acme.approveAll();
    expect(await acme.apply()).toMatchObject({ applied: 2 });
    expect((await acme.user('u1')).fields).toMatchObject({ email: 'u1@example.test' });
  });

  it('is refused until the apply has ended', async () => {
    const acme = await install.connect({ directory: aDirectory({ users: 1 }) });
    await acme.sync();
    await acme.approveAll();
    const { apply } = await startApply(install, acme.administrator, { connection: acme.connection });
    await expect(undo(acme, apply)).rejects.toMatchObject({ code: 'not-allowed-now' });
  });
});

it('is not for somebody of another tenant', async () => {
  const acme = await settled(1);
  acme.directory.edit('u1', { department: 'Engines' });
  const apply = await syncedAndApplied(acme);
  const stranger = await aCaller(install, await install.tenant());
  await expect(undoApply(install, stranger, { apply })).rejects.toMatchObject({
    code: 'not-found',
  });
});

it('is not for a key that may apply and not look: it names people', async () => {
  const acme = await settled(1);
  acme.directory.edit('u1', { department: 'Engines' });
  const apply = await syncedAndApplied(acme);
  const { administrator } = acme;
  const key = { ...administrator, permissions: ['changes.apply'] } as typeof administrator;
  await expect(undoApply(install, key, { apply, dryRun: true })).rejects.toMatchObject({
    code: 'forbidden',
  });
});

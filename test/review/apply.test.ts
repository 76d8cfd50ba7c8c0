import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { getApply } from '../../src/review/applies.ts';
import { carryOutApply, startApply } from '../../src/review/apply.ts';
import { deleteRole } from '../../src/tenancy/roles.ts';
import { updateTenant } from '../../src/tenancy/tenants.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aUser, auditOf } from '../support/tenancy.ts';
import { whileAuditIsLocked } from '../support/waiting.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

async function settled(count: number): Promise<Connected> {
  const acme = await install.connect({ directory: aDirectory({ users: count }), guards: noGuards });
  await acme.syncAndApply();
  return acme;
}

const never = () => new AbortController().signal;

/** Says `no` to auth users with this name, as a constraint of a later version might. */
async function refusing<T>(name: string, work: () => Promise<T>): Promise<T> {
  const { url } = install.database;
  const constraint = 'test_refuses';
  await asOwner(url, (client) =>
    client.query(
      `ALTER TABLE auth_user ADD CONSTRAINT ${constraint} CHECK (display_name <> '${name}') NOT VALID`,
    ),
  );
  try {
    return await work();
  } finally {
    await asOwner(url, (client) => client.query(`ALTER TABLE auth_user DROP CONSTRAINT ${constraint}`));
  }
}

describe('An apply', () => {
  it('fails the one change whose directory user is linked to somebody out of reach, and applies the others', async () => {
    const acme = await settled(2);
    acme.directory.add({ id: 'u3' });
    acme.directory.edit('u1', { displayName: 'Edited' });
    await acme.sync();
    await acme.approveAll();
    const elsewhere = await install.tenant();
    const user = await aUser(install.database.url, elsewhere);
    await asOwner(install.database.url, (client) =>
      client.query(
        `INSERT INTO identity (connection_id, external_id, tenant_id, auth_user_id, agreed_hash, agreed_version)
         VALUES ($1, 'u3', $2, $3, '\\x00', 1)`,
        [acme.connection, elsewhere, user],
      ),
    );
    expect(await acme.apply()).toEqual({ applied: 1, alreadyApplied: 0, moved: 0, failed: 1, held: 0 });
    expect((await acme.changeOf('u3')).outcomeReason).toBe(
      'somebody in a tenant out of reach has what this would write',
    );
    expect((await acme.user('u1')).fields).toMatchObject({ displayName: 'Edited' });
  });

  it('sends back only the change whose auth user was edited here meanwhile; the next run proposes afresh', async () => {
    const acme = await settled(3);
    for (const id of ['u1', 'u2', 'u3']) acme.directory.edit(id, { department: 'Engines' });
    await acme.sync();
    await acme.approveAll();
    await acme.edit('u2', { displayName: 'Edited here' });
    expect(await acme.apply()).toEqual({ applied: 2, alreadyApplied: 0, moved: 1, failed: 0, held: 0 });
    expect(await acme.inState('moved')).toEqual(['u2']);
    expect((await acme.changeOf('u2')).outcomeReason).toBe(
      'the auth user was changed since this was proposed',
    );
    expect((await acme.user('u2')).fields).not.toHaveProperty('department');
    await acme.sync();
    expect(await acme.changeOf('u2')).toMatchObject({
      state: 'open',
      decision: null,
      cause: 'local-edit',
      fields: [
        { field: 'displayName', before: 'Edited here', after: 'User u2' },
        { field: 'department', before: null, after: 'Engines' },
      ],
    });
  });

  it('finds done what somebody has made so here meanwhile: it tells nobody again, and no run proposes more', async () => {
    const acme = await settled(2);
    for (const id of ['u1', 'u2']) acme.directory.edit(id, { department: 'Engines' });
    await acme.sync();
    await acme.approveAll();
    await acme.edit('u1', { attributes: { department: 'Engines' } });
    const { id, version } = await acme.user('u1');
    expect(await acme.apply()).toEqual({ applied: 1, alreadyApplied: 1, moved: 0, failed: 0, held: 0 });
    const applied = await acme.changes({ state: ['applied'], kind: ['update'] });
    expect(applied.map(({ externalId, outcome }) => `${externalId} ${outcome}`).sort()).toEqual([
      ...['u1 already-applied', 'u2 applied'],
    ]);
    expect((await acme.user('u1')).version).toBe(version);
    const told = (await acme.events()).filter(({ authUser }) => authUser === id);
    expect(told.map(({ userVersion }) => userVersion)).toEqual([1, version]);
    await acme.sync();
    expect(await acme.live()).toEqual([]);
    const actions = (await auditOf(install.database.url, acme.tenant)).map(({ action }) => action);
    expect(actions.filter((action) => action === 'change.already-applied')).toHaveLength(1);
  });

  it('sends back a change of the same content too, to be decided on anew', async () => {
    const acme = await settled(1);
    acme.directory.edit('u1', { department: 'Engines' });
    await acme.sync();
    await acme.approveAll();
    await acme.grant('u1', 'approver');
    expect(await acme.apply()).toMatchObject({ moved: 1, applied: 0 });
    const before = await acme.changeOf('u1');
    await acme.sync();
    expect(await acme.changeOf('u1')).toMatchObject({ id: before.id, state: 'open', decision: null });
    expect(await acme.decideAll('approve', {}, { revision: before.revision })).toBe(0); // it arrived anew
    expect(await acme.changeOf('u1')).toMatchObject({ revision: await acme.revision() });
    await acme.approveAll();
    expect(await acme.apply()).toMatchObject({ applied: 1 });
  });

  it('takes what was approved when it began; later approvals belong to the next', async () => {
    const acme = await install.connect({ directory: aDirectory({ users: 4 }) });
    await acme.sync();
    await acme.approve('u1', 'u2');
    const { apply, total } = await startApply(install, acme.administrator, { connection: acme.connection });
    expect(total).toBe(2);
    await acme.approve('u3');
    expect(await carryOutApply(install, apply, { signal: never() })).toMatchObject({ applied: 2 });
    expect(await acme.inState('approved')).toEqual(['u3']);
    expect(await acme.apply()).toMatchObject({ applied: 1 });
  });

  it('leaves a change alone that is refused after it began', async () => {
    const acme = await install.connect({ directory: aDirectory({ users: 3 }) });
    await acme.sync();
    await acme.approveAll();
    const { apply } = await startApply(install, acme.administrator, { connection: acme.connection });
    await acme.decide('reject', 'u2');
    expect(await carryOutApply(install, apply, { signal: never() })).toMatchObject({ applied: 2 });
    expect(await acme.inState('rejected')).toEqual(['u2']);
  });

  it('that is finished is left alone when it is carried out again', async () => {
    const acme = await install.connect({ directory: aDirectory({ users: 3 }) });
    await acme.sync();
    await acme.approveAll();
    const { apply } = await startApply(install, acme.administrator, { connection: acme.connection });
    await carryOutApply(install, apply, { signal: never() });
    const before = [
      await acme.users(),
      await acme.events(),
      await auditOf(install.database.url, acme.tenant),
    ];
    await carryOutApply(install, apply, { signal: never() });
    const after = [await acme.users(), await acme.events(), await auditOf(install.database.url, acme.tenant)];
    expect(after).toEqual(before);
  });

  it('says of each change what happened: one event and one audit entry each, and the chain is whole', async () => {
    const acme = await settled(3);
    acme.directory.edit('u1', { displayName: 'Edited' });
    acme.directory.edit('u2', { state: 'suspended' });
    acme.directory.remove('u3');
    acme.directory.add({ id: 'u4' });
    const before = (await acme.events()).length;
    await acme.syncAndApply();
    const events = (await acme.events()).slice(before);
    expect(events.map(({ type }) => type).sort()).toEqual([
      'user.created',
      'user.deleted',
      'user.sessions-revoked',
      'user.sessions-revoked',
      'user.suspended',
      'user.updated',
    ]);
    expect(new Set(events.flatMap(({ change }) => change ?? [])).size).toBe(4);
    const applied = (await auditOf(install.database.url, acme.tenant)).filter(
      ({ action, subject }) =>
        action === 'change.applied' && events.some(({ change }) => change === subject.id),
    );
    expect(applied).toHaveLength(4);
    expect(await install.auditIsWhole()).toBe(true);
  });

  it.each<[string, (at: number, count: number) => number]>([
    ['exchanged between two who are far apart', (at, count) => (at + count / 2) % count],
    ['handed on along a chain that is longer than a batch', (at) => at + 1],
    ['handed round all of them', (at, count) => (at + 1) % count],
  ])('gives addresses that are %s, although it takes several batches', async (_, giver) => {
    const count = 2_400;
    const acme = await settled(count);
    const addresses = acme.directory.users.map(({ email }) => email);
    for (let at = 0; at < count; at++)
      acme.directory.edit(`u${at + 1}`, { email: addresses[giver(at, count)] ?? 'new@example.test' });
    await acme.sync();
    await acme.approveAll();
    expect(await acme.apply()).toEqual({ applied: count, alreadyApplied: 0, moved: 0, failed: 0, held: 0 });
    await acme.sync();
    expect(await acme.pending()).toEqual([]);
  });

  it('goes on although the tenant was renamed meanwhile', async () => {
    const acme = await install.connect({ directory: aDirectory({ users: 2 }) });
    await acme.sync();
    await acme.approveAll();
    await updateTenant(install, install.operator, { tenant: acme.tenant, name: `renamed ${acme.tenant}` });
    expect(await acme.apply()).toMatchObject({ applied: 2 });
  });

  it('stops at the signal, and is gone on with', async () => {
    const acme = await install.connect({ directory: aDirectory({ users: 3_500 }) });
    await acme.sync();
    await acme.approveAll();
    const { apply } = await startApply(install, acme.administrator, { connection: acme.connection });
    const stop = new AbortController();
    const onProgress = () => stop.abort(new Error('stopped'));
    await expect(carryOutApply(install, apply, { signal: stop.signal, onProgress })).rejects.toThrow(
      'stopped',
    );
    const half = (await acme.events()).length;
    expect(half).toBeGreaterThan(0);
    expect(half).toBeLessThan(3_500);
    expect(await startApply(install, acme.administrator, { connection: acme.connection })).toMatchObject({
      apply,
    });
    expect(await carryOutApply(install, apply, { signal: never() })).toMatchObject({ applied: 3_500 });
    expect(await acme.events()).toHaveLength(3_500);
  });

  it('shared by two workers carries each change out once', async () => {
    const acme = await install.connect({ directory: aDirectory({ users: 2_500 }) });
    await acme.sync();
    await acme.approveAll();
    const { apply } = await startApply(install, acme.administrator, { connection: acme.connection });
    await Promise.all([1, 2].map(() => carryOutApply(install, apply, { signal: never() })));
    const view = await getApply(install, acme.administrator, apply);
    expect(view).toMatchObject({ state: 'finished', total: 2_500, applied: 2_500, moved: 0, failed: 0 });
    expect(new Set((await acme.events()).map(({ change }) => change)).size).toBe(2_500);
    expect(await acme.users()).toHaveLength(2_500);
    expect(await install.auditIsWhole()).toBe(true);
  });
});

describe('A bad row', () => {
  it('does not stop the others, leaves nothing behind, and is counted', async () => {
    const acme = await install.connect({ directory: aDirectory({ users: 40 }) });
    for (const id of ['u7', 'u8', 'u31']) acme.directory.edit(id, { displayName: 'Refused' });
    await acme.sync();
    await acme.approveAll();
    const counts = await refusing('Refused', () => acme.apply());
    expect(counts).toEqual({ applied: 37, alreadyApplied: 0, moved: 0, failed: 3, held: 0 });
    expect(await acme.users()).toHaveLength(37);
    expect(await acme.events()).toHaveLength(37);
    expect(await acme.inState('failed')).toEqual(['u31', 'u7', 'u8']);
    const failed = await acme.changeOf('u7');
    expect(failed).toMatchObject({
      outcome: 'failed',
      outcomeReason: 'the database refused it (SQLSTATE 23514, test_refuses)',
    });
    expect((await auditOf(install.database.url, acme.tenant)).map(({ action }) => action)).toContain(
      'change.failed',
    );
    expect(await install.auditIsWhole()).toBe(true);
  });

  it('is proposed again by the next run, and goes through once what was wrong is mended', async () => {
    const acme = await install.connect({ directory: aDirectory({ users: 3 }) });
    acme.directory.edit('u2', { displayName: 'Refused' });
    await acme.sync();
    await acme.approveAll();
    await refusing('Refused', () => acme.apply());
    await acme.sync();
    expect(await acme.changeOf('u2')).toMatchObject({ state: 'open', decision: null });
    await acme.approveAll();
    expect(await acme.apply()).toMatchObject({ applied: 1, failed: 0 });
  });

  it('may be a role that was removed while the changes waited; who does not get it is not concerned', async () => {
    const groups = [{ id: 'g', members: ['u1', 'u2'] }];
    const mapping = { roles: [{ group: 'g', role: 'short-lived' }] };
    const acme = await install.connect({ directory: aDirectory({ users: 6, groups }), mapping });
    await acme.sync();
    await acme.approveAll();
    await install.remap(acme.connection, {});
    await deleteRole(install, install.operator, 'short-lived');
    expect(await acme.apply()).toMatchObject({ applied: 4, failed: 2 });
    expect((await acme.users()).map(({ externalId }) => externalId).sort()).toEqual(['u3', 'u4', 'u5', 'u6']);
    expect((await acme.changeOf('u1')).outcomeReason).toBe(
      'a role that the change gives does not exist any more',
    );
  });

  it('and a row that moved are still counted by their apply after later runs have proposed them afresh', async () => {
    const acme = await settled(4);
    for (const id of ['u1', 'u2', 'u3']) acme.directory.edit(id, { department: 'Engines' });
    acme.directory.edit('u2', { displayName: 'Refused' });
    await acme.sync();
    await acme.approveAll();
    await acme.grant('u1', 'approver');
    const { apply } = await startApply(install, acme.administrator, { connection: acme.connection });
    const counts = await refusing('Refused', () => carryOutApply(install, apply, { signal: never() }));
    expect(counts).toEqual({ applied: 1, alreadyApplied: 0, moved: 1, failed: 1, held: 0 });
    await acme.syncAndApply();
    expect(await getApply(install, acme.administrator, apply)).toMatchObject(counts);
  });
});

describe('An apply that is given up', () => {
  it('keeps what it did, leaves the rest approved for the next one, and is in the audit log with the reason', async () => {
    const acme = await install.connect({ directory: aDirectory({ users: 3_500 }) });
    await acme.sync();
    await acme.approveAll();
    const { apply } = await startApply(install, acme.administrator, { connection: acme.connection });
    const stop = new AbortController();
    const onProgress = () => stop.abort(new Error('stopped'));
    const stopped = carryOutApply(install, apply, { signal: stop.signal, onProgress });
    await expect(stopped).rejects.toThrow('stopped');
    const { applying } = install.store;
    const running = await applying.open(apply);
    if (running === null) throw new Error('the apply is not finished');
    await applying.abandon(running, 'worker-killed', install.clock.now());
    const done = (await acme.users()).length;
    const ended = await getApply(install, acme.administrator, apply);
    expect(ended).toMatchObject({ state: 'finished', total: 3_500, applied: done, moved: 0, failed: 0 });
    expect(done).toBeLessThan(3_500);
    expect(await acme.inState('approved')).toHaveLength(3_500 - done);
    expect(await applying.unfinished()).not.toContain(apply);
    const abandoned = {
      action: 'apply.abandoned',
      subject: { id: apply },
      details: { because: 'worker-killed' },
    };
    expect((await auditOf(install.database.url, acme.tenant)).at(-1)).toMatchObject(abandoned);
    await applying.abandon(running, 'again', install.clock.now());
    expect(await getApply(install, acme.administrator, apply)).toEqual(ended);
    expect(await acme.apply()).toMatchObject({ applied: 3_500 - done });
    expect(await install.auditIsWhole()).toBe(true);
  });
});

describe('Two applies of one tenant at the same moment', () => {
  it('do not both give out one address', async () => {
    const tenant = await install.tenant();
    const both = await Promise.all(
      ['one', 'two'].map((id) =>
        install.connect({ directory: aDirectory({ users: [{ id, email: 'ada@example.test' }] }), tenant }),
      ),
    );
    for (const one of both) {
      await one.sync();
      await one.approveAll();
    }
    const started: Parameters<typeof carryOutApply>[1][] = [];
    for (const { administrator, connection } of both) {
      started.push((await startApply(install, administrator, { connection })).apply);
    }
    // Both have looked for who holds the address, and wait to append to the tenant's audit log.
    const carryOut = () =>
      Promise.all(started.map((apply) => carryOutApply(install, apply, { signal: never() })));
    const counts = await whileAuditIsLocked(install.database.url, tenant, 2, carryOut);
    expect(counts.map(({ applied }) => applied).sort()).toEqual([0, 1]);
    expect(counts.map(({ moved }) => moved).sort()).toEqual([0, 1]);
    expect(await both[0]?.users()).toHaveLength(1);
  });
});

describe('A tenant', () => {
  it('is not touched by plan and apply of another, although ids and addresses are the same', async () => {
    const mapping = { everyone: ['member'] };
    const connect = () => install.connect({ directory: aDirectory({ users: 5 }), mapping, guards: noGuards });
    const [acme, other] = [await connect(), await connect()];
    await acme.syncAndApply();
    await other.syncAndApply();
    await other.edit('u3', { displayName: 'Edited there' });
    other.directory.edit('u4', { department: 'Engines' });
    await other.sync();
    await other.approve('u4');
    const everything = async () => [
      await other.users(),
      await other.live(),
      await other.events(),
      await other.summary(),
      await auditOf(install.database.url, other.tenant),
    ];
    const before = await everything();
    acme.directory.remove('u1', 'u2');
    for (const id of ['u3', 'u4'])
      acme.directory.edit(id, { displayName: 'Edited here', department: 'Other' });
    acme.directory.add({ id: 'u9' });
    expect(await acme.syncAndApply()).toMatchObject({ applied: 5, moved: 0, failed: 0 });
    expect(await everything()).toEqual(before);
  });

  it('does not lend its accounts to the directory of another: the same address makes a new auth user', async () => {
    const connect = () =>
      install.connect({ directory: aDirectory({ users: 2 }), verifiedDomains: ['example.test'] });
    const [acme, other] = [await connect(), await connect()];
    await acme.syncAndApply();
    await other.sync();
    expect(await other.pending('create')).toEqual(['u1', 'u2']);
    await other.approveAll();
    await other.apply();
    const ids = [...(await acme.users()), ...(await other.users())].map(({ id }) => id);
    expect(new Set(ids).size).toBe(4);
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FailureKind, whoActs } from '../../connectors/contract.ts';
import { ConnectionId } from '../../src/domain/ids.ts';
import { getRun } from '../../src/sync/runs.ts';
import { aDirectory, type Faults } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { unknownId } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const unknownConnection = ConnectionId.parse(unknownId());

/** A connection whose ten users are all applied; pages of three. */
async function settled(mapping = {}): Promise<Connected> {
  const directory = aDirectory({
    users: 10,
    pageSize: 3,
    groups: [{ id: 'engineers', members: ['u1', 'u2'] }],
  });
  const acme = await install.connect({ directory, mapping, guards: noGuards });
  await acme.syncAndApply();
  return acme;
}

async function runOf(acme: Connected, run: string) {
  return await getRun(install, acme.administrator, run);
}

describe('A directory that answers wrongly', () => {
  it.each<[string, Faults, string]>([
    ['an empty first page', { emptyFirstPage: true }, 'empty-directory'],
    ['a later page that fails', { fails: { page: 3 } }, 'page-failed'],
    ['a link that leads in a circle', { loopsAfterPage: 2 }, 'looping-cursor'],
    ['a link to the page that it is on', { loopsAfterPage: 1 }, 'looping-cursor'],
    ['a record without a readable id', { nameless: ['u2'] }, 'nameless-record'],
  ])('with %s proposes nobody for deletion: the snapshot is partial', async (_, faults, reason) => {
    const acme = await settled();
    acme.directory.remove('u9', 'u10');
    acme.directory.edit('u1', { displayName: 'Edited' });
    acme.directory.faults = faults;
    const outcome = await acme.sync();
    expect(outcome).toMatchObject({ result: 'finished', snapshot: 'partial', partialReason: reason });
    expect(await acme.pending('delete', 'suspend')).toEqual([]);
    acme.directory.faults = {};
    expect(await acme.sync()).toMatchObject({ snapshot: 'complete' });
    expect(await acme.pending('delete')).toEqual(['u10', 'u9']);
  });

  it.each(Object.keys(whoActs).filter((kind) => kind !== 'cursor-expired') as FailureKind[])(
    'with %s on a later page keeps what was read and deletes nobody',
    async (kind) => {
      const acme = await settled();
      acme.directory.remove('u8');
      acme.directory.edit('u1', { displayName: 'Edited' });
      acme.directory.edit('u10', { displayName: 'Edited' });
      acme.directory.faults = { fails: { page: 3, kind } };
      expect(await acme.sync()).toMatchObject({ result: 'finished', snapshot: 'partial', failure: { kind } });
      expect(await acme.pending()).toEqual(['u1']);
    },
  );

  it.each(['users', 'groups', 'members'] as const)(
    'on its first page of %s fails the run, says why, and leaves every change as it was',
    async (list) => {
      const acme = await settled();
      acme.directory.edit('u4', { displayName: 'Edited' });
      acme.directory.remove('u5');
      await acme.sync();
      await acme.approve('u4');
      const before = await acme.live();
      acme.directory.faults = { fails: { page: 1, list, kind: 'credentials-rejected' } };
      const outcome = await acme.sync();
      expect(outcome).toMatchObject({ result: 'failed', failure: { kind: 'credentials-rejected' } });
      expect(await acme.live()).toEqual(before);
      const run = 'run' in outcome ? await runOf(acme, outcome.run) : null;
      expect(run).toMatchObject({ state: 'failed', failure: { remedy: 'Ask the test.' } });
    },
  );

  it('is not believed to be empty where it had users that wait for their first approval', async () => {
    const acme = await install.connect({ directory: aDirectory({ users: 3 }) });
    await acme.sync();
    await acme.approve('u1');
    acme.directory.faults = { emptyFirstPage: true };
    expect(await acme.sync()).toMatchObject({ snapshot: 'partial', partialReason: 'empty-directory' });
    expect(await acme.inState('approved')).toEqual(['u1']);
    expect(await acme.inState('open')).toEqual(['u2', 'u3']);
  });

  it('and that never had a user is complete', async () => {
    const acme = await install.connect({ directory: aDirectory({ users: 0 }) });
    expect(await acme.sync()).toMatchObject({ result: 'finished', snapshot: 'complete' });
  });
});

describe('A record that cannot be read', () => {
  it('leaves its user neither deleted nor changed, does not stop the others, and is reported', async () => {
    const acme = await settled();
    acme.directory.edit('u3', { displayName: 'Unseen' });
    acme.directory.edit('u4', { displayName: 'Seen' });
    acme.directory.remove('u6');
    acme.directory.faults = { unreadable: ['u3'] };
    const outcome = await acme.sync();
    expect(outcome).toMatchObject({ snapshot: 'complete' });
    expect(await acme.pending('update')).toEqual(['u4']);
    expect(await acme.pending('delete')).toEqual(['u6']);
    expect('run' in outcome && (await runOf(acme, outcome.run))).toMatchObject({ users: 9, unreadable: 1 });
  });

  it('leaves the change that waits for its user as it was decided', async () => {
    const acme = await settled();
    acme.directory.edit('u3', { displayName: 'Edited' });
    await acme.sync();
    await acme.approve('u3');
    acme.directory.faults = { unreadable: ['u3'] };
    await acme.sync();
    expect(await acme.inState('approved')).toEqual(['u3']);
  });

  it('counts as the user when it is the last that is said about them', async () => {
    const directory = aDirectory({ users: [{ id: 'u1', displayName: 'First' }, { id: 'u2' }], pageSize: 1 });
    directory.faults = { listedTwice: [{ id: 'u1', displayName: 'Last' }] };
    const acme = await install.connect({ directory });
    const outcome = await acme.sync();
    expect(outcome).toMatchObject({ snapshot: 'complete' });
    expect('run' in outcome && (await runOf(acme, outcome.run))).toMatchObject({ users: 2 });
    expect((await acme.changeOf('u1')).after).toMatchObject({ fields: { displayName: 'Last' } });
  });
});

describe('Groups that cannot be read', () => {
  const mapping = { roles: [{ group: 'engineers', role: 'engineer' }] };

  it.each<[string, Faults]>([
    ['a group', { unreadableGroups: ['engineers'] }],
    ['a member', { unreadableMembers: ['engineers'] }],
  ])('take no role away (%s), and other changes go on', async (_, faults) => {
    const acme = await settled(mapping);
    expect((await acme.user('u1')).roles).toEqual(['engineer']);
    acme.directory.faults = faults;
    acme.directory.edit('u1', { displayName: 'Edited' });
    await acme.sync();
    expect(await acme.pending()).toEqual(['u1']);
    expect((await acme.changeOf('u1')).rolesLost).toEqual([]);
  });

  it.each(['not-found', 'permission-missing'] as const)(
    'because they are closed to us (%s) keep their roles in doubt; other groups are read, and the run goes on',
    async (kind) => {
      const groups = [
        { id: 'analysts', members: ['u1', 'u2'] },
        { id: 'engineers', members: ['u1', 'u2'] },
      ];
      const roles = [
        { group: 'analysts', role: 'analyst' },
        { group: 'engineers', role: 'engineer' },
      ];
      const acme = await install.connect({ directory: aDirectory({ users: 3, groups }), mapping: { roles } });
      await acme.syncAndApply();
      acme.directory.faults = { fails: { page: 1, list: 'members', group: 'analysts', kind } };
      acme.directory.group('engineers', ['u2']);
      expect(await acme.sync()).toMatchObject({ result: 'finished', snapshot: 'complete' });
      expect(await acme.pending()).toEqual(['u1']);
      expect((await acme.changeOf('u1')).rolesLost).toEqual(['engineer']);
    },
  );

  it('do not make a role that is lost later stay for ever', async () => {
    const acme = await settled(mapping);
    acme.directory.faults = { unreadableGroups: ['engineers'] };
    acme.directory.edit('u1', { displayName: 'Edited' });
    await acme.syncAndApply();
    expect((await acme.user('u1')).roles).toEqual(['engineer']);
    acme.directory.faults = {};
    acme.directory.group('engineers', ['u2']);
    await acme.sync();
    expect((await acme.changeOf('u1')).rolesLost).toEqual(['engineer']);
  });

  it('of which everybody is a member give everybody the role, whoever else is listed', async () => {
    const directory = aDirectory({
      users: 4,
      groups: [
        { id: 'all', name: 'All staff', members: 'everyone' },
        { id: 'ghosts', members: ['u1', 'nobody', 'u1'] },
      ],
    });
    const roles = [
      { group: 'All staff', role: 'member' },
      { group: 'ghosts', role: 'engineer' },
    ];
    const acme = await install.connect({ directory, mapping: { roles } });
    await acme.syncAndApply();
    const users = await acme.users();
    expect(Object.fromEntries(users.map((user) => [user.externalId, user.roles]))).toEqual({
      u1: ['engineer', 'member'],
      u2: ['member'],
      u3: ['member'],
      u4: ['member'],
    });
  });

  it('are not asked for their members when the mapping does not read them', async () => {
    const groups = [
      { id: 'g1', name: 'Read', members: ['u1'] },
      { id: 'g2', name: 'Left alone', members: ['u1'] },
    ];
    const acme = await install.connect({
      directory: aDirectory({ users: 2, groups }),
      mapping: { groups: [], roles: [{ group: 'Read', role: 'engineer' }] },
    });
    await acme.sync();
    const asked = acme.directory.requests.filter(({ list }) => list === 'members');
    expect(asked.map(({ group }) => group)).toEqual(['g1']);
  });
});

describe('Members of many groups', () => {
  /** Each page of members takes until a few others were asked for too, or until nobody comes. */
  async function sideBySide(groups: number): Promise<{ most: number; acme: Connected }> {
    const list = Array.from({ length: groups }, (_, at) => ({ id: `g${at}`, members: ['u1', `u${at}`] }));
    let now = 0;
    let most = 0;
    const beforePage: Faults['beforePage'] = async (list) => {
      if (list !== 'members') return;
      now += 1;
      most = Math.max(most, now);
      for (let turn = 0; turn < 20; turn++) await new Promise((done) => setImmediate(done));
      now -= 1;
    };
    const roles = list.map(({ id }) => ({ group: id, role: 'engineer' }));
    const acme = await install.connect({
      directory: aDirectory({ users: 10, groups: list, pageSize: 1, beforePage }),
      mapping: { roles },
    });
    await acme.sync();
    return { most, acme };
  }

  it('are read side by side, a few at once', async () => {
    const { most, acme } = await sideBySide(9);
    expect(most).toBe(4);
    const changes = await acme.changes();
    expect(changes.filter((change) => change.rolesGained.length > 0)).toHaveLength(8);
  });

  it('end the run by the first error, when the others have come to rest', async () => {
    const list = Array.from({ length: 9 }, (_, at) => ({ id: `g${at}`, members: ['u1', 'u2'] }));
    const directory = aDirectory({ users: 3, groups: list, pageSize: 1 });
    directory.faults = { fails: { page: 2, list: 'members', group: 'g2' } };
    const acme = await install.connect({ directory });
    expect(await acme.sync()).toMatchObject({ result: 'failed', failure: { kind: 'unavailable' } });
    const asked = directory.requests.length;
    for (let turn = 0; turn < 50; turn++) await new Promise((done) => setImmediate(done));
    expect(directory.requests).toHaveLength(asked);
  });
});

describe('A connection that cannot be opened', () => {
  it('is not kept locked by the attempt', async () => {
    const acme = await settled();
    const attempt = acme.sync({ connection: unknownConnection });
    await expect(attempt).rejects.toMatchObject({ code: 'not-found' });
    const lock = await install.store.lockConnection(unknownConnection);
    expect(lock).not.toBeNull();
    await lock?.release();
  });
});

describe('The number of requests', () => {
  it('grows with users and with groups, not with their product', async () => {
    const groups = Array.from({ length: 6 }, (_, at) => ({ id: `g${at}`, members: ['u1', 'u2', 'u3'] }));
    const acme = await install.connect({ directory: aDirectory({ users: 30, groups, pageSize: 3 }) });
    await acme.sync();
    expect(acme.directory.requests).toHaveLength(2 + 6 + 10);
  });
});

describe('A run that was interrupted', () => {
  it('goes on after its last stored page', async () => {
    const acme = await install.connect({ directory: aDirectory({ users: 10, pageSize: 2 }) });
    const stop = new AbortController();
    const stopped = acme.sync({
      signal: stop.signal,
      onProgress: ({ phase, users }) => phase === 'users' && users === 6 && stop.abort(new Error('stopped')),
    });
    await expect(stopped).rejects.toThrow('stopped');
    const before = acme.directory.requests.length;
    expect(await acme.sync()).toMatchObject({ result: 'finished', snapshot: 'complete' });
    const pages = acme.directory.requests.slice(before).map(({ list, page }) => `${list} ${page}`);
    expect(pages).toEqual(['users 4', 'users 5']); // what was on its way when the run was stopped was not stored
    expect(await acme.pending('create')).toHaveLength(10);
  });

  it('goes on among the members of a group', async () => {
    const groups = [
      { id: 'g1', members: ['u1', 'u2', 'u3', 'u4'] },
      { id: 'g2', members: ['u1'] },
    ];
    const mapping = { roles: [{ group: 'g1', role: 'engineer' }] };
    const acme = await install.connect({ directory: aDirectory({ users: 4, groups, pageSize: 1 }), mapping });
    const stop = new AbortController();
    const stopped = acme.sync({
      signal: stop.signal,
      onProgress: ({ phase }) => phase === 'members' && stop.abort(new Error('stopped')),
    });
    await expect(stopped).rejects.toThrow('stopped');
    const before = acme.directory.requests.length;
    await acme.sync();
    const asked = acme.directory.requests.slice(before).filter(({ list }) => list !== 'users');
    expect(asked.map(({ group, page }) => `${group} ${page}`)).toEqual(['g1 3', 'g1 4']); // the second group was read beside the first, and stored
    expect((await acme.changes()).map((change) => change.rolesGained)).toEqual(Array(4).fill(['engineer']));
  });

  it('whose page never comes ends with the signal and is gone on with later', async () => {
    const acme = await settled();
    acme.directory.faults = { hangsOnPage: 2 };
    const stop = new AbortController();
    const hanging = acme.sync({
      signal: stop.signal,
      onProgress: ({ phase }) => phase === 'users' && stop.abort(new Error('time is up')),
    });
    await expect(hanging).rejects.toThrow('time is up');
    acme.directory.faults = {};
    expect(await acme.sync()).toMatchObject({ snapshot: 'complete' });
    expect(await acme.pending()).toEqual([]);
  });

  it('starts over when its cursor has expired, and infers no deletion from the failed attempt', async () => {
    const acme = await settled();
    const stop = new AbortController();
    const stopped = acme.sync({
      signal: stop.signal,
      onProgress: ({ phase, users }) => phase === 'users' && users === 6 && stop.abort(new Error('stopped')),
    });
    await expect(stopped).rejects.toThrow('stopped');
    acme.directory.faults = { oldCursorsExpire: true };
    acme.directory.remove('u1');
    const outcome = await acme.sync();
    expect(outcome).toMatchObject({ result: 'finished', snapshot: 'complete' });
    expect('run' in outcome && (await runOf(acme, outcome.run))).toMatchObject({ users: 9, groups: 1 });
    expect(await acme.pending()).toEqual(['u1']);
  });

  it('fails when its cursors expire again and again', async () => {
    const acme = await settled();
    acme.directory.faults = { fails: { page: 2, kind: 'cursor-expired' } };
    expect(await acme.sync()).toMatchObject({ result: 'failed', failure: { kind: 'cursor-expired' } });
    expect(await acme.pending()).toEqual([]);
  });

  it('gives way to a new one when the connection was reconfigured meanwhile', async () => {
    const acme = await settled();
    const stop = new AbortController();
    const stopped = acme.sync({
      signal: stop.signal,
      onProgress: ({ phase }) => phase === 'users' && stop.abort(new Error('stopped')),
    });
    await expect(stopped).rejects.toThrow('stopped');
    const other = aDirectory({ users: 10 });
    await install.redirect(acme.connection, other);
    const before = acme.directory.requests.length;
    expect(await acme.sync()).toMatchObject({ result: 'finished', snapshot: 'complete' });
    expect(acme.directory.requests).toHaveLength(before);
    expect(other.requests.map(({ list, page }) => `${list} ${page}`)).toEqual(['groups 1', 'users 1']);
  });
});

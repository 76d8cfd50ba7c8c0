/** What nobody knows is not concluded, and is asked for again: by deltas, and by full runs that have to look people up. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requestRun } from '../../src/sync/runs.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory, type Faults } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const HOUR_MS = 60 * 60_000;

/** Two of the users are in a group that gives a role; all is applied. */
async function settled(faults: Faults, { users = 10, mapping = {} } = {}): Promise<Connected> {
  const groups = [{ id: 'engineers', members: ['u1', 'u2'] }];
  const directory = aDirectory({ users, pageSize: 300, groups, ...faults });
  const roles = [{ group: 'engineers', role: 'engineer' }];
  const acme = await install.connect({ directory, mapping: { roles, ...mapping }, guards: noGuards });
  await acme.syncAndApply();
  directory.requests.length = 0;
  return acme;
}

describe('Nobody loses a role', () => {
  it('by a delta that follows a full run which could not read the group', async () => {
    const acme = await settled({ hasFeed: true }, { mapping: { groups: [] } });
    acme.directory.faults = { hasFeed: true, unreadableGroups: ['engineers'] };
    expect(await acme.sync({ full: true })).toMatchObject({ snapshot: 'complete' });
    acme.directory.edit('u1', { displayName: 'Edited' });
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    expect(await acme.changeOf('u1')).toMatchObject({ kind: 'update', rolesLost: [] });
  });

  it('by a delta that follows a full run which could not read who is in the group', async () => {
    const acme = await settled({ hasFeed: true });
    acme.directory.faults = { hasFeed: true, unreadableMembers: ['engineers'] };
    expect(await acme.sync({ full: true })).toMatchObject({ snapshot: 'complete' });
    acme.directory.group('engineers', []);
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    expect(await acme.pending()).toEqual([]);
    acme.directory.faults = { hasFeed: true };
    await acme.sync({ full: true });
    expect(await acme.pending()).toEqual(['u1', 'u2']);
  });

  it('by a run whose credential may do less than before', async () => {
    const acme = await settled({ evidence: { users: null, permissions: ['groups', 'users'] } });
    acme.directory.group('engineers', []);
    acme.directory.faults = { evidence: { users: null, permissions: ['users'] } };
    expect(await acme.sync()).toMatchObject({ partialReason: 'permission-lost' });
    expect(await acme.pending()).toEqual([]);
  });
});

describe('Of many whom a full listing does not name', () => {
  const left = Array.from({ length: 501 }, (_, at) => `u${at + 3}`);

  it('some are asked for: where these are there, nobody counts as having left', async () => {
    const acme = await settled({ canLookUp: true }, { users: 1_200 });
    acme.directory.faults = { canLookUp: true, slipsThrough: left };
    expect(await acme.sync()).toMatchObject({ partialReason: 'listing-incomplete' });
    expect(await acme.pending()).toEqual([]);
  });

  it('those who were not asked for count as having left where nobody who was is there', async () => {
    const acme = await settled({ canLookUp: true }, { users: 1_200 });
    acme.directory.remove(...left);
    expect(await acme.sync()).toMatchObject({ snapshot: 'complete', counts: { deleted: 501 } });
    const asked = acme.directory.requests.filter((request) => request.list === 'look-up');
    expect(asked.reduce((sum, { page }) => sum + page, 0)).toBe(500);
  });
});

describe('A partial run', () => {
  it.each(['reject', 'approve'] as const)(
    'leaves what was decided (%s) on those whom it was told to be gone',
    async (verdict) => {
      const acme = await settled({ canLookUp: true });
      acme.directory.remove('u4');
      await acme.sync();
      await acme.decide(verdict, 'u4');
      const before = await acme.changeOf('u4');
      acme.directory.faults = { canLookUp: true, nameless: ['u9'] };
      expect(await acme.sync()).toMatchObject({ partialReason: 'nameless-record' });
      expect(await acme.changeOf('u4')).toEqual(before);
    },
  );
});

describe('A delta looks again, unasked by the feed,', () => {
  it.each([{ full: true }, { full: false }])(
    'at whom the run before it could not read (%o)',
    async ({ full }) => {
      const acme = await settled({ hasFeed: true });
      acme.directory.edit('u3', { state: 'suspended' });
      acme.directory.faults = { hasFeed: true, unreadable: ['u3'] };
      await acme.sync({ full });
      expect(await acme.sync()).toMatchObject({ kind: 'delta' });
      acme.directory.faults = { hasFeed: true, unreadable: ['u3'], nameless: ['u9'] };
      expect(await acme.sync({ full: true })).toMatchObject({ snapshot: 'partial' });
      acme.directory.faults = { hasFeed: true };
      expect(await acme.sync()).toMatchObject({ kind: 'delta' });
      expect(await acme.pending('suspend')).toEqual(['u3']);
    },
  );

  it('at whose change an apply has sent back', async () => {
    const acme = await settled({ hasFeed: true });
    acme.directory.edit('u3', { department: 'Engines' });
    await acme.sync();
    await acme.approveAll();
    await acme.edit('u3', { displayName: 'Edited here' });
    expect(await acme.apply()).toMatchObject({ moved: 1 });
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    expect(await acme.changeOf('u3')).toMatchObject({ state: 'open', cause: 'local-edit' });
  });

  it('at whoever waited for the address of another, once that one has left', async () => {
    const acme = await settled({ hasFeed: true });
    acme.directory.remove('u3');
    acme.directory.add({ id: 'new', email: 'u3@example.test' });
    await acme.sync();
    expect(await acme.changeOf('new')).toMatchObject({ kind: 'conflict' });
    await acme.approve('u3');
    await acme.apply();
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    expect(await acme.changeOf('new')).toMatchObject({ kind: 'create' });
  });
});

describe('Everybody is read', () => {
  it('where so many changed that to look them up would cost more', async () => {
    const acme = await settled({ hasFeed: true }, { users: 510 });
    for (let at = 1; at <= 501; at++) acme.directory.edit(`u${at}`, { department: 'Engines' });
    expect(await acme.sync()).toMatchObject({ kind: 'full', counts: { changed: 501 } });
    expect(acme.directory.requests.filter((request) => request.list === 'look-up')).toEqual([]);
  });

  it('where that is asked for, although a delta waits in the queue', async () => {
    const acme = await settled({ hasFeed: true });
    await requestRun(install, acme.administrator, { connection: acme.connection });
    expect(await acme.sync({ full: true })).toMatchObject({ kind: 'full', snapshot: 'complete' });
  });

  it('where that is asked for, although a delta was left unfinished', async () => {
    const acme = await settled({ hasFeed: true });
    acme.directory.edit('u3', { displayName: 'Edited' });
    await acme.leftAtLookUp();
    expect(await acme.sync({ full: true })).toMatchObject({ kind: 'full', snapshot: 'complete' });
    expect(await acme.pending()).toEqual(['u3']);
  });
});

describe('What a run staged', () => {
  it('and never planned from is removed by the next one', async () => {
    const acme = await install.connect({ directory: aDirectory({ users: 10, hasFeed: true }) });
    await acme.syncAndApply();
    acme.directory.edit('u3', { displayName: 'Edited' });
    await acme.leftAtLookUp();
    install.clock.advance(2 * HOUR_MS);
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    expect(await acme.pending()).toEqual(['u3']);
    const left = await asOwner(install.database.url, (client) =>
      client.query(
        'SELECT FROM staged_touched t JOIN sync_run r ON r.id = t.run_id WHERE r.connection_id = $1',
        [acme.connection],
      ),
    );
    expect(left.rowCount).toBe(0);
  });
});

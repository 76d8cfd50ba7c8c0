import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FailureKind } from '../../connectors/contract.ts';
import { FULL_EVERY_MS } from '../../src/sync/delta.ts';
import { listRuns } from '../../src/sync/runs.ts';
import { verifyDomain } from '../../src/tenancy/tenants.ts';
import { asOwner } from '../support/database.ts';
import type { Faults } from '../support/directory.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aUser, auditOf } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

/** Ten users, two of them in a group that gives a role, all applied; the next run may be a delta. */
async function settled(faults: Faults = { hasFeed: true }, mapping = {}): Promise<Connected> {
  const directory = aDirectory({
    users: 10,
    pageSize: 3,
    groups: [{ id: 'engineers', members: ['u1', 'u2'] }],
    ...faults,
  });
  const roles = [{ group: 'engineers', role: 'engineer' }];
  const acme = await install.connect({ directory, mapping: { roles, ...mapping }, guards: noGuards });
  await acme.syncAndApply();
  directory.requests.length = 0;
  return acme;
}

/** The same with a group that the mapping does not read. */
const withTwoGroups = (mapping = {}) =>
  settled(
    {
      hasFeed: true,
      groups: [
        { id: 'engineers', members: ['u1', 'u2'] },
        { id: 'sales', members: ['u2', 'u3'] },
      ],
    } as Faults,
    { groups: [], ...mapping },
  );

const listed = (acme: Connected) =>
  acme.directory.requests.filter((request) => request.list === 'users').length;
const lookedUp = (acme: Connected) =>
  acme.directory.requests
    .filter((request) => request.list === 'look-up')
    .reduce((sum, { page }) => sum + page, 0);

describe('A delta run', () => {
  it('looks only at those whom the provider names, and proposes what a full run would', async () => {
    const acme = await settled();
    acme.directory.edit('u3', { displayName: 'Edited' });
    acme.directory.remove('u4');
    acme.directory.add({ id: 'u11' });
    acme.directory.group('engineers', ['u2', 'u5']);
    expect(await acme.sync()).toMatchObject({
      kind: 'delta',
      snapshot: 'named',
      counts: { new: 1, changed: 3, deleted: 1 },
    });
    expect(listed(acme)).toBe(0);
    expect(lookedUp(acme)).toBe(5);
    const afterDelta = await acme.live();
    expect(await acme.changeOf('u5')).toMatchObject({ cause: 'group-membership', rolesGained: ['engineer'] });
    expect(await acme.changeOf('u1')).toMatchObject({ cause: 'group-membership', rolesLost: ['engineer'] });
    expect(await acme.changeOf('u4')).toMatchObject({ kind: 'delete', cause: 'left' });
    expect(await acme.sync({ full: true })).toMatchObject({ kind: 'full', snapshot: 'complete' });
    expect(await acme.live()).toEqual(afterDelta);
  });

  it.each<[string, Faults]>([
    ['whose members changed', { changedGroups: ['sales'] }],
    ['that has another name', { renamedGroups: { sales: 'Sellers' } }],
    [
      'that is new, and whom nobody wants',
      { renamedGroups: { newcomers: 'Newcomers' }, changedGroups: ['newcomers'] },
    ],
    ['that it reads, under the name that it had', { renamedGroups: { engineers: 'Group engineers' } }],
  ])('hears of a group %s and goes on: the mapping does not read it', async (_, news) => {
    const acme = await withTwoGroups();
    acme.directory.edit('u3', { displayName: 'Edited' });
    acme.directory.faults = { hasFeed: true, ...news };
    expect(await acme.sync()).toMatchObject({ kind: 'delta', snapshot: 'named' });
    expect(await acme.pending()).toEqual(['u3']);
  });

  it('knows a group that came since the last complete run, also when only its members change later', async () => {
    const acme = await withTwoGroups();
    acme.directory.faults = { hasFeed: true, renamedGroups: { newcomers: 'Newcomers' } };
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    acme.directory.faults = { hasFeed: true, changedGroups: ['newcomers'] };
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    acme.directory.faults = { hasFeed: true, renamedGroups: { newcomers: 'engineers' } };
    expect(await acme.sync()).toMatchObject({ kind: 'full' });
  });

  it('that alters nothing leaves the revision and the audit log as they are, and is in the list of runs', async () => {
    const acme = await settled();
    acme.directory.edit('u3', { displayName: 'Edited' });
    await acme.sync();
    const revision = await acme.revision();
    const audited = (await auditOf(install.database.url, acme.tenant)).length;
    acme.directory.edit('u3', {}); // named, and as it was
    for (const _ of [1, 2]) expect(await acme.sync()).toMatchObject({ kind: 'delta', result: 'finished' });
    expect(await acme.revision()).toBe(revision);
    expect(await auditOf(install.database.url, acme.tenant)).toHaveLength(audited);
    const { items } = await listRuns(install, acme.administrator, { connection: acme.connection });
    expect(items.slice(0, 2)).toMatchObject([{ kind: 'delta' }, { kind: 'delta' }]);
    acme.directory.edit('u3', { displayName: 'User u3' });
    await acme.sync();
    expect(await acme.revision()).toBe(revision + 1);
    expect((await auditOf(install.database.url, acme.tenant)).at(-1)).toMatchObject({
      action: 'plan.stored',
      details: { revision: revision + 1 },
    });
  });

  it('with nothing new asks for nobody, and changes nothing', async () => {
    const acme = await settled();
    expect(await acme.sync()).toMatchObject({ kind: 'delta', counts: { new: 0, changed: 0, deleted: 0 } });
    expect(acme.directory.requests.map((request) => request.list)).toEqual(['changes']);
  });

  it('goes on from the delta before it', async () => {
    const acme = await settled();
    acme.directory.edit('u3', { displayName: 'Edited' });
    await acme.sync();
    acme.directory.edit('u4', { displayName: 'Edited' });
    acme.directory.requests.length = 0;
    await acme.sync();
    expect(lookedUp(acme)).toBe(1);
    expect(await acme.pending()).toEqual(['u3', 'u4']);
  });

  it('takes back what is no longer true of those whom it sees, and leaves the others as they are', async () => {
    const acme = await settled();
    acme.directory.edit('u3', { displayName: 'Edited' });
    acme.directory.edit('u4', { displayName: 'Edited' });
    acme.directory.remove('u5');
    await acme.sync();
    acme.directory.edit('u3', { displayName: 'User u3' });
    acme.directory.add({ id: 'u5' });
    await acme.sync();
    expect(await acme.pending()).toEqual(['u4']);
  });

  it('sees somebody who was removed and restored, or named many times, as they are now', async () => {
    const acme = await settled();
    for (const _ of [1, 2, 3]) acme.directory.edit('u3', { displayName: 'Edited' });
    acme.directory.remove('u4');
    acme.directory.add({ id: 'u4' });
    await acme.sync();
    expect(await acme.pending()).toEqual(['u3']);
    expect(lookedUp(acme)).toBe(2);
  });

  it('looks at whom somebody has edited here, whom no feed names', async () => {
    const acme = await settled();
    await acme.edit('u3', { displayName: 'Edited here' });
    expect(await acme.sync()).toMatchObject({ kind: 'delta', counts: { changed: 1 } });
    expect(await acme.changeOf('u3')).toMatchObject({ kind: 'update', cause: 'local-edit' });
    expect(lookedUp(acme)).toBe(1);
    acme.directory.requests.length = 0;
    await acme.sync();
    expect(lookedUp(acme)).toBe(0);
    expect(await acme.pending()).toEqual(['u3']);
  });

  it('looks at whose edit was under way while the last plan was made, whatever time the edit says it is of', async () => {
    const acme = await settled();
    await asOwner(install.database.url, async (client) => {
      await client.query('BEGIN');
      await client.query(
        `UPDATE auth_user SET display_name = 'Edited here', version = version + 1, updated_at = '2026-01-01' WHERE id = (
           SELECT auth_user_id FROM identity WHERE connection_id = $1 AND external_id = 'u3')`,
        [acme.connection],
      );
      expect(await acme.sync()).toMatchObject({ kind: 'delta', counts: { changed: 0 } });
      install.clock.advance(3_600_000);
      await client.query('COMMIT');
    });
    expect(await acme.sync()).toMatchObject({ kind: 'delta', counts: { changed: 1 } });
    expect(await acme.changeOf('u3')).toMatchObject({ kind: 'update', cause: 'local-edit' });
  });

  it('is a full run where the transactions of the last plan are those of another database', async () => {
    const acme = await settled();
    await asOwner(install.database.url, (client) =>
      client.query(`UPDATE sync_run SET seen_before = seen_before + 1e12::bigint WHERE connection_id = $1`, [
        acme.connection,
      ]),
    );
    expect(await acme.sync()).toMatchObject({ kind: 'full' });
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
  });

  it('looks again at whoever comes to an address whose domain is verified by now', async () => {
    const acme = await settled();
    const candidate = await aUser(install.database.url, acme.tenant, { email: 'u11@example.test' });
    const untouched = `UPDATE auth_user SET updated_at = '2026-01-01' WHERE id = $1`;
    await asOwner(install.database.url, (client) => client.query(untouched, [candidate]));
    acme.directory.add({ id: 'u11' });
    await acme.sync();
    expect(await acme.changeOf('u11')).toMatchObject({ kind: 'conflict', cause: 'address-unverified' });
    await acme.decide('reject', 'u11');
    install.clock.advance(1_000);
    await acme.sync();
    acme.directory.requests.length = 0;
    await acme.sync();
    expect(lookedUp(acme)).toBe(0);
    install.clock.advance(1_000);
    await verifyDomain(install, install.operator, { tenant: acme.tenant, domain: 'example.test' });
    // What is read of a part in between is no plan of everybody.
    acme.directory.faults = { hasFeed: true, fails: { page: 2 } };
    install.clock.advance(1_000);
    expect(await acme.sync({ full: true })).toMatchObject({ snapshot: 'partial' });
    acme.directory.faults = { hasFeed: true };
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    expect(await acme.changeOf('u11')).toMatchObject({ kind: 'link', authUser: candidate, state: 'open' });
  });

  it('tells who is left out by the settings from who is gone', async () => {
    const acme = await settled();
    acme.directory.edit('u3', {});
    acme.directory.remove('u4');
    acme.directory.faults = { hasFeed: true, outOfScope: ['u3'] };
    await acme.sync();
    expect(await acme.changeOf('u3')).toMatchObject({ kind: 'delete', cause: 'out-of-scope' });
    expect(await acme.changeOf('u4')).toMatchObject({ kind: 'delete', cause: 'left' });
  });

  it.each([
    ['less than at the last complete run', { users: null, permissions: ['users'] }],
    ['nobody knows what', { users: null, permissions: null }],
    ['nobody could be asked what', 'unexpected-response' as const],
  ])(
    'concludes nothing from what it finds where the credential may do %s: who looks sees less',
    async (_, evidence) => {
      const told = { users: null, permissions: ['groups', 'users'] };
      const acme = await settled({ hasFeed: true, evidence: told });
      acme.directory.edit('u3', { displayName: 'Edited' });
      acme.directory.group('engineers', []);
      acme.directory.remove('u4');
      acme.directory.faults = { hasFeed: true, evidence };
      for (const _ of [1, 2]) expect(await acme.sync()).toMatchObject({ kind: 'full', snapshot: 'partial' });
      expect(await acme.pending()).toEqual(['u3']);
      acme.directory.faults = { hasFeed: true, evidence: told };
      expect(await acme.sync()).toMatchObject({ kind: 'delta' });
      expect(await acme.pending()).toEqual(['u1', 'u2', 'u3', 'u4']);
    },
  );

  it('asks what the credential may do only where it looks at somebody', async () => {
    const acme = await settled({ hasFeed: true, evidence: { users: 10, permissions: ['users'] } });
    acme.directory.faults = { hasFeed: true, evidence: 'unavailable' };
    expect(await acme.sync()).toMatchObject({ result: 'finished', kind: 'delta' });
    acme.directory.edit('u3', { displayName: 'Edited' });
    expect(await acme.sync()).toMatchObject({ result: 'failed', failure: { kind: 'unavailable' } });
    acme.directory.faults = { hasFeed: true, evidence: { users: 10, permissions: ['users'] } };
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    expect(await acme.pending()).toEqual(['u3']);
  });

  it('leaves a user whose record cannot be understood as they are', async () => {
    const acme = await settled();
    acme.directory.edit('u3', { displayName: 'Edited' });
    await acme.sync();
    acme.directory.edit('u3', { displayName: 'Edited again' });
    acme.directory.faults = { hasFeed: true, unreadable: ['u3'] };
    const before = await acme.changeOf('u3');
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    expect(await acme.changeOf('u3')).toEqual(before);
  });

  it('sees what happens while a full pull or a delta is under way, then or the next time', async () => {
    const acme = await settled();
    acme.directory.edit('u3', { displayName: 'Edited' });
    let once = true;
    acme.directory.faults = {
      hasFeed: true,
      beforePage: (list) => {
        if (list !== 'look-up' || !once) return;
        once = false;
        acme.directory.edit('u3', { displayName: 'Edited meanwhile' });
        acme.directory.edit('u9', { displayName: 'Edited meanwhile' });
      },
    };
    await acme.sync();
    expect(await acme.pending()).toEqual(['u3']);
    await acme.sync();
    expect(await acme.pending()).toEqual(['u3', 'u9']);
    once = true;
    acme.directory.faults = {
      hasFeed: true,
      beforePage: (list, page) => {
        if (list !== 'users' || page !== 4 || !once) return;
        once = false;
        acme.directory.edit('u1', { displayName: 'Edited behind the reader' });
      },
    };
    await acme.sync({ full: true });
    expect(await acme.pending()).toEqual(['u3', 'u9']);
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    expect(await acme.pending()).toEqual(['u1', 'u3', 'u9']);
  });
});

describe('Everybody is read instead of a delta', () => {
  it.each(['expired', 'refused', 'unreadable', 'a-group', 'circular', 'endless'] as const)(
    'where the feed is %s: nothing follows from the delta itself',
    async (feed) => {
      const acme = await settled();
      acme.directory.edit('u3', { displayName: 'Edited' });
      acme.directory.remove('u4');
      acme.directory.faults = { hasFeed: true, feed };
      expect(await acme.sync()).toMatchObject({ result: 'finished', kind: 'full', snapshot: 'complete' });
      expect(await acme.pending()).toEqual(['u3', 'u4']);
    },
  );

  it('where the feed expires on a later page: nothing follows from the pages before it', async () => {
    const acme = await settled();
    acme.directory.remove('u4', 'u5'); // on the first page of the feed
    for (const id of ['u1', 'u2', 'u3']) acme.directory.edit(id, { displayName: 'Edited' });
    const beforePage = (list: string) => {
      if (list !== 'changes') return;
      // From the next page on; and of the users that are listed then, the second page is missing.
      acme.directory.faults = { hasFeed: true, feed: 'expired', fails: { page: 2 } };
    };
    acme.directory.faults = { hasFeed: true, beforePage };
    expect(await acme.sync()).toMatchObject({
      kind: 'full',
      snapshot: 'partial',
      partialReason: 'page-failed',
    });
    expect(acme.directory.requests.filter(({ list }) => list === 'changes')).toHaveLength(2);
    expect(await acme.pending()).toEqual(['u1', 'u2', 'u3']);
    acme.directory.faults = { hasFeed: true };
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    expect(await acme.pending()).toEqual(['u1', 'u2', 'u3', 'u4', 'u5']);
  });

  it.each(['refused', 'silent', 'contradictory'] as const)(
    'where look-ups are %s, and then nobody is deleted',
    async (lookUps) => {
      const acme = await settled();
      acme.directory.remove('u4');
      acme.directory.faults = { hasFeed: true, lookUps };
      expect(await acme.sync()).toMatchObject({
        kind: 'full',
        snapshot: 'partial',
        partialReason: 'page-failed',
      });
      expect(await acme.pending()).toEqual([]);
    },
  );

  it.each([{ feed: 'unavailable' }, { lookUps: 'unavailable' }] as const)(
    'but not at once where the provider is down (%o): the run fails, the changes and the token stay',
    async (fault) => {
      const acme = await settled();
      acme.directory.edit('u3', { displayName: 'Edited' });
      acme.directory.faults = { hasFeed: true, ...fault };
      expect(await acme.sync()).toMatchObject({ result: 'failed', failure: { kind: 'unavailable' } });
      acme.directory.faults = { hasFeed: true };
      expect(await acme.sync()).toMatchObject({ kind: 'delta' });
      expect(await acme.pending()).toEqual(['u3']);
    },
  );

  it('where the feed is down the second time in a row, and everything else is not', async () => {
    const acme = await settled();
    acme.directory.edit('u3', { displayName: 'Edited' });
    const down: Faults = { hasFeed: true, feed: 'unavailable' };
    acme.directory.faults = { ...down, fails: { page: 1, list: 'groups' } };
    expect(await acme.sync()).toMatchObject({ result: 'failed', failure: { kind: 'unavailable' } });
    expect(await acme.sync()).toMatchObject({ result: 'failed', failure: { kind: 'unavailable' } });
    acme.directory.faults = down;
    expect(await acme.sync()).toMatchObject({ kind: 'full', snapshot: 'complete' });
    expect(await acme.pending()).toEqual(['u3']);
    acme.directory.edit('u4', { displayName: 'Edited' });
    acme.directory.faults = { hasFeed: true };
    expect(await acme.sync()).toMatchObject({ result: 'finished' });
    expect(await acme.pending()).toEqual(['u3', 'u4']);
  });

  it('where the mapping or the settings have changed', async () => {
    const acme = await settled();
    await install.remap(acme.connection, { everyone: ['member'] });
    expect(await acme.sync()).toMatchObject({ kind: 'full' });
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
  });

  it('where the last complete run is 23 hours ago: a run of once a day is a full one each time', async () => {
    const acme = await settled();
    install.clock.advance(FULL_EVERY_MS - 60_000);
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    install.clock.advance(120_000);
    expect(await acme.sync()).toMatchObject({ kind: 'full' });
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
  });

  it.each([
    ['that it reads have changed', { changedGroups: ['engineers'] }, {}],
    ['that nobody has heard of have changed', { changedGroups: ['newcomers'] }, {}],
    ['that it reads is called otherwise', { renamedGroups: { engineers: 'Builders' } }, {}],
    ['that it does not read has a name by now that it wants', { renamedGroups: { sales: 'engineers' } }, {}],
    ['that is new has such a name', { renamedGroups: { newcomers: 'engineers' } }, {}],
    ['that is called nobody knows what', { renamedGroups: { sales: null } }, {}],
    ['changes and the mapping reads every group', { changedGroups: ['sales'] }, { groups: null }],
    [
      'is renamed and the mapping reads every group',
      { renamedGroups: { sales: 'Sellers' } },
      { groups: null },
    ],
  ] as [string, Faults, object][])('where a group %s', async (_, news, mapping) => {
    const acme = await withTwoGroups(mapping);
    acme.directory.faults = { hasFeed: true, ...news };
    expect(await acme.sync()).toMatchObject({ kind: 'full', snapshot: 'complete' });
    expect(await acme.pending()).toEqual([]);
  });

  it('where somebody is in a group whose name was not read', async () => {
    const acme = await settled();
    acme.directory.group('sales', ['u3']);
    expect(await acme.sync()).toMatchObject({ kind: 'full', snapshot: 'complete' });
  });

  it('where the last plan was of a part of the directory, the token before it still serves', async () => {
    const acme = await settled();
    acme.directory.edit('u10', { displayName: 'Edited' });
    acme.directory.faults = { hasFeed: true, fails: { page: 2 } };
    expect(await acme.sync({ full: true })).toMatchObject({ snapshot: 'partial' });
    acme.directory.faults = { hasFeed: true };
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    expect(await acme.pending()).toEqual(['u10']);
  });
});

describe('A delta that its process leaves', () => {
  it.each(['changes', 'look-up'] as const)(
    'while it reads %s is gone on with, and ends as it would have',
    async (at) => {
      const acme = await settled();
      for (const id of ['u1', 'u2', 'u3', 'u4', 'u5']) acme.directory.edit(id, { displayName: 'Edited' });
      acme.directory.remove('u6');
      const controller = new AbortController();
      let pages = 0;
      acme.directory.faults = {
        hasFeed: true,
        beforePage: (list) => {
          pages += list === at ? 1 : 0;
          if (list !== at || pages < (at === 'changes' ? 2 : 1)) return;
          controller.abort(new Error('the process ends here'));
          controller.signal.throwIfAborted();
        },
      };
      await expect(acme.sync({ signal: controller.signal })).rejects.toThrow('the process ends here');
      expect(await acme.pending()).toEqual([]);
      acme.directory.faults = { hasFeed: true };
      acme.directory.requests.length = 0;
      expect(await acme.sync()).toMatchObject({ kind: 'delta', snapshot: 'named' });
      if (at === 'look-up')
        expect(acme.directory.requests.map((request) => request.list)).toEqual(['look-up']);
      expect(await acme.pending()).toEqual(['u1', 'u2', 'u3', 'u4', 'u5', 'u6']);
    },
  );
});

describe('Whoever a full listing does not name', () => {
  it('is asked for: who is still there stays, and why the others are away is known', async () => {
    const acme = await settled({ canLookUp: true });
    acme.directory.remove('u4');
    acme.directory.edit('u6', { displayName: 'Edited' });
    acme.directory.faults = { canLookUp: true, slipsThrough: ['u5', 'u6'], outOfScope: ['u7'] };
    expect(await acme.sync()).toMatchObject({ kind: 'full', snapshot: 'complete' });
    expect(await acme.pending('delete')).toEqual(['u4', 'u7']);
    expect(await acme.changeOf('u7')).toMatchObject({ cause: 'out-of-scope' });
    expect(await acme.pending('update')).toEqual(['u6']);
  });

  it('keeps the roles that groups give', async () => {
    const acme = await settled({ canLookUp: true });
    acme.directory.faults = { canLookUp: true, slipsThrough: ['u1'] };
    await acme.sync();
    expect(await acme.pending()).toEqual([]);
  });

  it('in numbers shows that the lists are not whole: then nobody loses a role by a group either', async () => {
    const acme = await settled({ canLookUp: true });
    acme.directory.group('engineers', []);
    acme.directory.faults = { canLookUp: true, slipsThrough: ['u3', 'u4', 'u5', 'u6', 'u7', 'u8'] };
    expect(await acme.sync()).toMatchObject({ snapshot: 'partial', partialReason: 'listing-incomplete' });
    expect(await acme.pending()).toEqual([]);
    acme.directory.faults = { canLookUp: true };
    await acme.sync();
    expect(await acme.pending('update')).toEqual(['u1', 'u2']);
  });

  it('is not deleted where the provider cannot say', async () => {
    const acme = await settled({ canLookUp: true });
    acme.directory.remove('u4', 'u5');
    acme.directory.faults = { canLookUp: true, lookUps: 'unavailable' };
    expect(await acme.sync()).toMatchObject({ snapshot: 'partial', partialReason: 'page-failed' });
    expect(await acme.pending()).toEqual([]);
    acme.directory.faults = { canLookUp: true, unreadable: ['u4'] };
    await acme.sync();
    expect(await acme.pending()).toEqual(['u5']);
  });
});

describe('What a provider says of itself', () => {
  it('keeps a snapshot from being complete where it counts many more than it listed', async () => {
    const acme = await settled({ evidence: { users: 10, permissions: null } });
    acme.directory.remove('u4');
    acme.directory.faults = { evidence: { users: 40, permissions: null } };
    expect(await acme.sync()).toMatchObject({ snapshot: 'partial', partialReason: 'fewer-than-counted' });
    expect(await acme.pending()).toEqual([]);
  });

  it('keeps it from being complete where a permission is gone, until that was somebody’s doing', async () => {
    const acme = await settled({ evidence: { users: null, permissions: ['groups', 'users'] } });
    acme.directory.remove('u4');
    acme.directory.faults = { evidence: { users: null, permissions: ['users'] } };
    expect(await acme.sync()).toMatchObject({ snapshot: 'partial', partialReason: 'permission-lost' });
    expect(await acme.pending()).toEqual([]);
    await install.redirect(acme.connection, acme.directory);
    expect(await acme.sync()).toMatchObject({ snapshot: 'complete' });
    expect(await acme.pending()).toEqual(['u4']);
  });

  it('stands beside how many were listed of each domain, now and at the last complete run', async () => {
    const acme = await settled({}, {});
    acme.directory.add({ id: 'u11', email: 'u11@Other.test' }, { id: 'u12', email: null, userName: null });
    acme.directory.remove('u4', 'u5');
    const first = await acme.sync();
    const run = 'run' in first ? await install.store.runs.get(acme.tenant, first.run) : null;
    expect(run?.domains).toEqual([
      { domain: 'example.test', users: 8, before: 10 },
      { domain: '', users: 1, before: 0 },
      { domain: 'other.test', users: 1, before: 0 },
    ]);
  });

  it('counts of a domain what the directory has, whatever it is called', async () => {
    const acme = await settled({}, {});
    acme.directory.add({ id: 'u11', email: 'u11@constructor' });
    const outcome = await acme.sync();
    const run = 'run' in outcome ? await install.store.runs.get(acme.tenant, outcome.run) : null;
    expect(run?.domains).toEqual([
      { domain: 'example.test', users: 10, before: 10 },
      { domain: 'constructor', users: 1, before: 0 },
    ]);
  });

  it('is compared with what was told last: a failed question in between does not make less the measure', async () => {
    const told = (...permissions: string[]) => ({ evidence: { users: null, permissions } });
    const acme = await settled(told('groups', 'users'));
    acme.directory.faults = { evidence: 'unavailable' };
    expect(await acme.sync()).toMatchObject({ snapshot: 'partial', partialReason: 'evidence-missing' });
    acme.directory.faults = { ...told('users'), slipsThrough: ['u4', 'u5'] };
    expect(await acme.sync()).toMatchObject({ snapshot: 'partial', partialReason: 'permission-lost' });
    expect(await acme.pending()).toEqual([]);
  });

  it.each<FailureKind>(['unavailable', 'unexpected-response'])(
    'keeps a snapshot from being complete where it could not be asked for (%s), and the run says why',
    async (evidence) => {
      const acme = await settled({ evidence: { users: 10, permissions: ['users'] } });
      acme.directory.remove('u4');
      acme.directory.edit('u5', { displayName: 'Edited' });
      acme.directory.group('engineers', []);
      acme.directory.faults = { evidence };
      const outcome = await acme.sync();
      expect(outcome).toMatchObject({
        result: 'finished',
        partialReason: 'evidence-missing',
        failure: { kind: evidence },
      });
      const run = 'run' in outcome ? await install.store.runs.get(acme.tenant, outcome.run) : null;
      expect(run).toMatchObject({ evidence: null, failure: { kind: evidence, remedy: 'Ask the test.' } });
      expect(await acme.pending()).toEqual(['u5']);
      acme.directory.faults = { evidence: { users: 9, permissions: ['users'] } };
      const next = await acme.sync();
      expect(next).toMatchObject({ snapshot: 'complete', failure: null });
      expect(await acme.pending('delete')).toEqual(['u4']);
    },
  );

  it('is missing where it told of permissions and does not any more, until that was somebody’s doing', async () => {
    const acme = await settled({ evidence: { users: null, permissions: ['users'] } });
    acme.directory.remove('u4');
    acme.directory.faults = { evidence: { users: null, permissions: null } };
    for (const _ of [1, 2])
      expect(await acme.sync()).toMatchObject({ snapshot: 'partial', partialReason: 'evidence-missing' });
    expect(await acme.pending()).toEqual([]);
    await install.redirect(acme.connection, acme.directory);
    expect(await acme.sync()).toMatchObject({ snapshot: 'complete' });
    expect(await acme.pending()).toEqual(['u4']);
  });

  it('is kept with the run', async () => {
    const acme = await settled({ evidence: { users: 10, permissions: ['users'] } });
    const outcome = await acme.sync();
    const run = 'run' in outcome ? await install.store.runs.get(acme.tenant, outcome.run) : null;
    expect(run).toMatchObject({
      kind: 'full',
      evidence: { users: 10, permissions: ['users'] },
      usage: { requests: 0 },
    });
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Pair, PairVerdict } from '../../src/domain/pair.ts';
import { choosePairs, listPairs } from '../../src/review/pairs.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aCaller, aUser, auditOf } from '../support/tenancy.ts';
import { until } from '../support/waiting.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const guards = noGuards;
const ada = { id: 'old', displayName: 'Ada Obi', employeeId: 'E-7', email: 'ada@example.test', manager: 'm' };
const bob = { id: 'bob', displayName: 'Bob Bell', email: 'bob@example.test' };

/** A tenant whose directory has Ada and Bob, both applied. */
async function withAda(more: object = {}, hasFeed = false): Promise<Connected> {
  const directory = aDirectory({ users: [{ ...ada, ...more }, bob], hasFeed });
  const connected = await install.connect({ directory, guards, verifiedDomains: ['example.test'] });
  await connected.syncAndApply();
  return connected;
}

async function pairs(connected: Connected, ...state: Pair['state'][]): Promise<readonly Pair[]> {
  const filter = { connection: connected.connection, ...(state.length === 0 ? {} : { state }) };
  return (await listPairs(install, connected.administrator, filter)).items;
}

async function choose(connected: Connected, verdict: PairVerdict, chosen?: readonly Pair[]) {
  const shown = (chosen ?? (await pairs(connected))).map(({ id, fingerprint }) => ({
    id,
    fingerprint: fingerprint ?? '00'.repeat(32),
  }));
  return await choosePairs(install, connected.administrator, { verdict, reason: 'HR says so', pairs: shown });
}

describe('who leaves and who comes', () => {
  it.each<[string, object, object, readonly string[]]>([
    [
      'employee number',
      {},
      { displayName: 'Ada B', email: 'a@else.test', employeeId: 'e-7' },
      ['employee-number'],
    ],
    ['address', {}, { displayName: 'Ada B', employeeId: null, manager: null }, ['address']],
    [
      'address, among those that reach who comes',
      {},
      { displayName: 'A', employeeId: null, email: 'ab@example.test', aliases: ['ADA@example.test'] },
      ['address'],
    ],
    ['name and manager', {}, { employeeId: null, email: 'a@else.test' }, ['name-and-manager']],
    ['everything', {}, {}, ['address', 'employee-number', 'name-and-manager']],
  ])('are a pair where they share: %s', async (_, before, after, shares) => {
    const connected = await withAda(before);
    connected.directory.remove('old');
    connected.directory.add({ ...ada, ...after, id: 'new' });
    await connected.sync();
    const { id } = await connected.user('old');
    expect(await pairs(connected)).toMatchObject([
      {
        kind: 'rename',
        state: 'open',
        shares,
        joiner: { externalId: 'new', change: (await connected.changeOf('new')).id },
        authUser: {
          id,
          state: 'active',
          formerExternalId: 'old',
          change: (await connected.changeOf('old')).id,
        },
      },
    ]);
  });

  it.each<[string, object]>([
    ['the name alone', { employeeId: null, email: 'a@else.test', manager: null }],
    ['nothing', { displayName: 'X', employeeId: 'E-8', email: 'x@else.test' }],
  ])('are no pair where they share %s', async (_, after) => {
    const connected = await withAda();
    connected.directory.remove('old');
    connected.directory.add({ ...ada, ...after, id: 'new' });
    await connected.sync();
    expect(await pairs(connected)).toEqual([]);
  });

  it('are no pair where more than three share it', async () => {
    const connected = await withAda();
    connected.directory.remove('old');
    for (const at of [1, 2, 3, 4])
      connected.directory.add({ ...ada, id: `n${at}`, email: `n${at}@example.test`, manager: null });
    await connected.sync();
    expect(await pairs(connected)).toEqual([]);
  });

  it('are a pair also where the one who left was deleted or suspended long ago', async () => {
    const connected = await withAda();
    connected.directory.remove('old');
    connected.directory.edit('bob', { state: 'suspended' });
    await connected.syncAndApply();
    connected.directory.add({ ...ada, id: 'new' });
    connected.directory.add({ ...bob, id: 'bob2' });
    await connected.sync();
    expect(
      (await pairs(connected)).toSorted((one, other) => (one.joiner.name < other.joiner.name ? -1 : 1)),
    ).toMatchObject([
      { kind: 're-hire', joiner: { externalId: 'new' }, authUser: { state: 'deleted', change: null } },
      { kind: 're-hire', joiner: { externalId: 'bob2' }, authUser: { state: 'suspended', change: null } },
    ]);
  });

  it('are a pair no more once who left is back', async () => {
    const connected = await withAda();
    connected.directory.remove('old');
    connected.directory.add({ ...ada, id: 'new', email: 'new@example.test' });
    await connected.sync();
    expect(await pairs(connected)).toHaveLength(1);
    connected.directory.add(ada);
    await connected.sync();
    expect(await pairs(connected)).toEqual([]);
  });
});

describe('whom a person calls the same', () => {
  it('goes on with the auth user, its id, its roles by hand and what is local, under the new id', async () => {
    const connected = await withAda();
    await connected.grant('old', 'auditor by hand');
    const before = await connected.user('old');
    connected.directory.remove('old');
    connected.directory.add({ ...ada, id: 'new', displayName: 'Ada Obi-Bell' });
    await connected.sync();
    const both = [(await connected.changeOf('old')).id, (await connected.changeOf('new')).id];
    const [pair] = await pairs(connected);
    for (const change of both)
      expect((await listPairs(install, connected.administrator, { change })).items).toEqual([pair]);
    const applied = await connected.changes({ state: ['applied'] });
    const change = applied.find(({ externalId }) => externalId === 'bob')?.id;
    expect((await listPairs(install, connected.administrator, { change })).items).toEqual([]);
    expect(await choose(connected, 'same')).toEqual({ decided: 1, refused: [] });
    expect(await connected.live()).toEqual([]);
    const gone = await connected.changes({ state: ['superseded'] });
    expect(gone.map(({ id }) => id).toSorted()).toEqual(both.toSorted());
    const note = { because: 'same-person', reason: 'HR says so', pair: pair?.id, user: before.id };
    for (const change of gone) expect(change.note).toMatchObject({ ...note, by: expect.any(String) });
    expect(await connected.user('new')).toMatchObject({
      id: before.id,
      state: 'active',
      manualRoles: ['auditor by hand'],
    });
    await connected.sync();
    expect(await connected.live()).toMatchObject([
      {
        externalId: 'new',
        kind: 'update',
        authUser: before.id,
        fields: [{ field: 'displayName', after: 'Ada Obi-Bell' }],
      },
    ]);
    await connected.syncAndApply();
    await connected.sync();
    expect(await connected.live()).toEqual([]);
    expect((await connected.users()).length).toBe(2);
  });

  it('is proposed for reactivation where they were deleted, and comes back by that alone', async () => {
    const connected = await withAda();
    connected.directory.remove('old');
    await connected.syncAndApply();
    connected.directory.add({ ...ada, id: 'new' });
    await connected.sync();
    await choose(connected, 'same');
    expect(await connected.user('new')).toMatchObject({ state: 'deleted' });
    await connected.sync();
    expect(await connected.live()).toMatchObject([{ externalId: 'new', kind: 'reactivate' }]);
  });

  it('is looked at by the next run also where that is a delta, and the feed names nobody', async () => {
    const connected = await withAda({}, true);
    connected.directory.remove('old');
    await connected.syncAndApply();
    connected.directory.add({ ...ada, id: 'new' });
    await connected.sync();
    await choose(connected, 'same');
    expect(await connected.sync()).toMatchObject({ kind: 'delta' });
    expect(await connected.live()).toMatchObject([{ externalId: 'new', kind: 'reactivate' }]);
    await connected.approveAll();
    await connected.apply();
    for (let run = 0; run < 2; run++) expect(await connected.sync()).toMatchObject({ kind: 'delta' });
    expect(await connected.live()).toEqual([]);
    expect(await connected.user('new')).toMatchObject({ state: 'active' });
  });

  it('is refused where another connection was given the auth user while it was being said', async () => {
    const connected = await withAda();
    connected.directory.remove('old');
    await connected.syncAndApply();
    connected.directory.add({ ...ada, id: 'new' });
    await connected.sync();
    const [pair] = await pairs(connected);
    const other = await install.connect({
      directory: aDirectory({ users: [] }),
      tenant: connected.tenant,
      guards,
    });
    const said = await asOwner(install.database.url, async (client) => {
      await client.query('BEGIN');
      await client.query('SELECT FROM auth_user WHERE id = $1 FOR UPDATE', [pair?.authUser.id]); // as an apply does
      const saying = choose(connected, 'same', pair === undefined ? [] : [pair]);
      await until('it waits for that', async () => {
        const waits = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
        return (await client.query(waits)).rowCount === 1;
      });
      await client.query(
        `INSERT INTO identity (connection_id, external_id, tenant_id, auth_user_id, agreed_hash, agreed_version)
         SELECT $2, 'theirs', tenant_id, id, '\\x00', version FROM auth_user WHERE id = $1`,
        [pair?.authUser.id, other.connection],
      );
      await client.query('UPDATE auth_user SET version = version + 1 WHERE id = $1', [pair?.authUser.id]);
      await client.query('COMMIT');
      return await saying;
    });
    expect(said).toMatchObject({ decided: 0, refused: [{ because: 'changed-since-shown' }] });
  });

  it('is said once: again is refused, and there is one event and one entry in the audit log', async () => {
    const connected = await withAda();
    connected.directory.remove('old');
    connected.directory.add({ ...ada, id: 'new' });
    await connected.sync();
    const shown = await pairs(connected);
    await choose(connected, 'same', shown);
    expect(await choose(connected, 'same', shown)).toMatchObject({
      decided: 0,
      refused: [{ because: 'not-allowed-now' }],
    });
    const { id } = await connected.user('new');
    expect(
      (await connected.events()).filter(({ authUser, type }) => authUser === id && type === 'user.linked'),
    ).toHaveLength(1);
    const entries = await auditOf(install.database.url, connected.tenant);
    expect(entries.filter(({ action }) => action === 'pair.same')).toMatchObject([
      {
        subject: { kind: 'pair' },
        details: { user: id, externalId: 'new', formerExternalId: 'old', reason: 'HR says so' },
      },
    ]);
    expect(await install.auditIsWhole()).toBe(true);
  });

  it('is one of several: the other pairs of either side are none any more', async () => {
    const connected = await withAda();
    connected.directory.remove('old');
    connected.directory.add({ ...ada, id: 'n1', email: 'n1@example.test' });
    connected.directory.add({ ...ada, id: 'n2', email: 'n2@example.test' });
    await connected.sync();
    const [one, two] = await pairs(connected);
    if (one === undefined || two === undefined) throw new Error('there are two pairs');
    expect(await choose(connected, 'same', [one, two])).toMatchObject({
      decided: 1,
      refused: [{ because: 'not-allowed-now' }],
    });
    expect(await pairs(connected)).toEqual([]);
    expect(await connected.pending()).toEqual([two.joiner.externalId]);
  });

  it('is refused where either was edited since it was shown', async () => {
    const connected = await withAda();
    connected.directory.remove('old');
    connected.directory.add({ ...ada, id: 'new' });
    await connected.sync();
    const shown = await pairs(connected);
    await connected.edit('old', { displayName: 'Somebody else' });
    expect(await choose(connected, 'same', shown)).toMatchObject({
      decided: 0,
      refused: [{ because: 'changed-since-shown' }],
    });
    expect((await connected.user('old')).state).toBe('active');
  });
});

describe('whom a person calls different', () => {
  it('go both their ways, and are not asked about again until either is another', async () => {
    const connected = await withAda();
    connected.directory.remove('old');
    connected.directory.add({ ...ada, id: 'new', email: 'new@example.test' });
    await connected.sync();
    await choose(connected, 'different');
    await connected.sync();
    expect(await pairs(connected)).toEqual([]);
    expect(await connected.pending('create')).toEqual(['new']);
    expect(await connected.pending('delete')).toEqual(['old']);
    connected.directory.edit('new', { jobTitle: 'Engineer' });
    await connected.sync();
    expect(await pairs(connected)).toHaveLength(1);
  });
});

describe('where the policy does not say otherwise', () => {
  it('both wait for a person, and no approval of all takes them in; who is called different goes on', async () => {
    const directory = aDirectory({ users: [ada, bob] });
    const connected = await install.connect({ directory, policy: { samePerson: 'hold' } });
    await connected.syncAndApply();
    directory.remove('old');
    directory.add({ ...ada, id: 'new', email: 'new@example.test' });
    directory.add({ id: 'other', displayName: 'Somebody else', email: 'other@example.test' });
    await connected.sync();
    expect(await connected.inState('held')).toEqual(['new', 'old']);
    expect((await connected.summary()).heldBecause).toEqual([
      '2 users who would come or go may be the same person as another one; somebody has to say so (rollcall pairs)',
    ]);
    expect(await connected.approveAll()).toBe(1);
    await connected.sync();
    expect(await connected.inState('held')).toEqual(['new', 'old']);
    const before = await connected.revision();
    await choose(connected, 'different');
    expect(await connected.inState('open')).toEqual(['new', 'old']);
    expect(await connected.decideAll('approve', {}, { revision: before })).toBe(0);
    await connected.sync();
    expect(await connected.inState('open')).toEqual(['new', 'old']);
    expect(await connected.approveAll()).toBe(2);
    expect(await connected.apply()).toMatchObject({ applied: 3 });
  });

  it('who is called different stays held for another reason', async () => {
    const directory = aDirectory({ users: [ada, bob] });
    const guards = { deletedPercent: 0, deletedAtLeast: 0 };
    const connected = await install.connect({ directory, guards, policy: { samePerson: 'hold' } });
    await connected.syncAndApply();
    directory.remove('old');
    directory.add({ ...ada, id: 'new', email: 'new@example.test' });
    await connected.sync();
    await choose(connected, 'different');
    expect(await connected.inState('held')).toEqual(['old']);
    expect(await connected.inState('open')).toEqual(['new']);
  });

  it('whoever may be two people waits as long as one of the two is undecided', async () => {
    const directory = aDirectory({ users: [ada, bob] });
    const connected = await install.connect({ directory, policy: { samePerson: 'hold' } });
    await connected.syncAndApply();
    directory.remove('old');
    directory.add({ ...ada, id: 'n1', email: 'n1@example.test' });
    directory.add({ ...ada, id: 'n2', email: 'n2@example.test' });
    await connected.sync();
    const [one] = await pairs(connected);
    if (one === undefined) throw new Error('there are two pairs');
    await choose(connected, 'different', [one]);
    expect(await connected.inState('open')).toEqual([one.joiner.externalId]);
    expect(await connected.inState('held')).toHaveLength(2);
  });
});

describe('an auth user whom a rule is not sure of', () => {
  const matching = [{ by: 'employeeId', confidence: 'likely' }] as const;

  async function withLocal(hasFeed = false) {
    const directory = aDirectory({ users: [bob], hasFeed });
    const connected = await install.connect({ directory, guards, policy: { matching: [...matching] } });
    await connected.syncAndApply();
    const local = await aUser(install.database.url, connected.tenant, {
      displayName: 'Ada',
      attributes: { employeeId: 'E-7' },
    });
    directory.add({ ...ada, id: 'new' });
    await connected.sync();
    return { connected, local };
  }

  it('is linked once a person says that they are the same', async () => {
    const { connected, local } = await withLocal();
    expect(await connected.changeOf('new')).toMatchObject({ kind: 'conflict', cause: 'match-unsure' });
    expect(await pairs(connected)).toMatchObject([
      { kind: 'match', authUser: { id: local }, shares: ['employee-number'] },
    ]);
    await choose(connected, 'same');
    await connected.syncAndApply();
    expect(await connected.user('new')).toMatchObject({ id: local, fields: { displayName: 'Ada Obi' } });
  });

  it('stays as it is once a person says that they are two, and who comes gets an auth user of their own, by a delta too', async () => {
    const { connected, local } = await withLocal(true);
    await choose(connected, 'different');
    expect(await connected.sync()).toMatchObject({ kind: 'delta' });
    expect(await connected.pending('create')).toEqual(['new']);
    await connected.syncAndApply();
    expect((await connected.user('new')).id).not.toBe(local);
  });

  it('is asked about again once a value of it is somewhere else', async () => {
    const { connected, local } = await withLocal();
    await choose(connected, 'different');
    await asOwner(install.database.url, (client) =>
      client.query(
        `UPDATE auth_user SET attributes = attributes || '{"manager": "Ada"}', display_name = NULL, version = version + 1, updated_at = now() WHERE id = $1`,
        [local],
      ),
    );
    await connected.sync();
    expect(await pairs(connected, 'open')).toMatchObject([{ kind: 'match', authUser: { id: local } }]);
  });

  it('counts as somebody else also where the tenant of who comes is not there yet', async () => {
    const directory = aDirectory({ users: [bob] });
    const mapping = { rules: [{ when: {}, roles: [], tenant: '{department}', create: false, stop: false }] };
    const connected = await install.connect({
      directory,
      guards,
      policy: { matching: [...matching] },
      mapping,
    });
    await aUser(install.database.url, connected.tenant, {
      displayName: 'Ada',
      attributes: { employeeId: 'E-7' },
    });
    directory.add({ ...ada, id: 'new', department: 'Rome' });
    await connected.sync();
    expect(await connected.changeOf('new')).toMatchObject({ cause: 'match-unsure' });
    await choose(connected, 'different');
    await connected.sync();
    expect(await connected.changeOf('new')).toMatchObject({ cause: 'tenant-missing', candidates: [] });
  });
});

it('is chosen by nobody who may not decide, nor for another tenant', async () => {
  const connected = await withAda();
  connected.directory.remove('old');
  connected.directory.add({ ...ada, id: 'new' });
  await connected.sync();
  const shown = (await pairs(connected)).map(({ id, fingerprint }) => ({
    id,
    fingerprint: fingerprint ?? '',
  }));
  const ruling = { verdict: 'same', reason: 'test', pairs: shown };
  const auditor = await aCaller(install, connected.tenant, 'auditor');
  await expect(choosePairs(install, auditor, ruling)).rejects.toMatchObject({ code: 'forbidden' });
  const stranger = await aCaller(install, await install.tenant());
  expect(await choosePairs(install, stranger, ruling)).toMatchObject({
    decided: 0,
    refused: [{ because: 'not-found' }],
  });
  expect((await listPairs(install, stranger, {})).items).toEqual([]);
});

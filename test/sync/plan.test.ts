import { hash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConnectionId } from '../../src/domain/ids.ts';
import { aDirectory, type SomeDirectoryUser } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aUser, unknownId } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const kinds = async (acme: Connected) =>
  Object.fromEntries((await acme.changes()).map((one) => [one.externalId as string, one.kind]));
const causes = async (acme: Connected) =>
  Object.fromEntries((await acme.changes()).map((one) => [one.externalId as string, one.cause]));

/** All applied, guards aside. */
async function settled(users: readonly SomeDirectoryUser[], verifiedDomains: readonly string[] = []) {
  const acme = await install.connect({ directory: aDirectory({ users }), guards: noGuards, verifiedDomains });
  await acme.syncAndApply();
  return acme;
}

const ada = (id: string) => ({ id, email: 'ada@example.test' });
/** 10 kB that do not compress, as no index would take them. */
const LONG = Array.from({ length: 160 }, (_, at) => hash('sha256', `${at}`)).join('');
const LONG_TEXTS = {
  ...{
    displayName: LONG,
    givenName: LONG,
    familyName: LONG,
    jobTitle: LONG,
    department: LONG,
    division: LONG,
  },
  ...{
    costCenter: LONG,
    company: LONG,
    employeeId: LONG,
    employeeType: LONG,
    officeLocation: LONG,
    phone: LONG,
  },
  ...{
    mobilePhone: LONG,
    locale: LONG,
    orgUnit: `/${LONG}`,
    manager: LONG,
    aliases: [`${LONG}@example.test`],
  },
  ...{ userName: `${LONG}@example.test`, email: `${LONG}@example.test` },
};

describe('The same address with another id', () => {
  it.each([
    ['after the one who leaves', (users: SomeDirectoryUser[]) => users],
    ['before the one who leaves', (users: SomeDirectoryUser[]) => users.toReversed()],
  ])('is a conflict while the old account is there (%s)', async (_, inOrder) => {
    const acme = await settled([ada('old'), { id: 'u1' }]);
    acme.directory.edit('old', { state: 'deprovisioned' });
    const order = inOrder([{ id: 'old' }, { id: 'new' }]).map(({ id }) => id);
    acme.directory.add(ada('new'));
    acme.directory.reorder((at) => (at === 1 ? 2 : order.indexOf(at === 0 ? 'old' : 'new')));
    await acme.sync();
    expect(await kinds(acme)).toEqual({ old: 'delete', new: 'conflict' });
    expect(await causes(acme)).toEqual({ old: 'deprovisioned', new: 'address-taken' });
    expect(await acme.approveAll()).toBe(1);
  });

  it('never inherits the old account: once that is deleted, a new one is proposed', async () => {
    const acme = await settled([ada('old'), { id: 'u1' }], ['example.test']);
    await acme.grant('old', 'approver');
    const before = await acme.user('old');
    acme.directory.remove('old');
    acme.directory.add(ada('new'));
    await acme.sync();
    expect(await kinds(acme)).toEqual({ old: 'delete', new: 'conflict' });
    await acme.approve('old');
    await acme.apply();
    await acme.sync();
    expect(await kinds(acme)).toEqual({ new: 'create' });
    await acme.approveAll();
    await acme.apply();
    const after = await acme.user('new');
    expect(after.id).not.toBe(before.id);
    expect(after).toMatchObject({ state: 'active', manualRoles: [] });
    expect(await acme.user('old')).toMatchObject({ id: before.id, state: 'deleted' });
  });

  it('waits also where the new one comes before the old one leaves, who keeps what is theirs till then', async () => {
    const acme = await settled([ada('old'), { id: 'u1' }], ['example.test']);
    acme.directory.add(ada('new'));
    await acme.sync();
    expect(await kinds(acme)).toEqual({ new: 'conflict' });
    expect(await acme.approveAll()).toBe(0);
    expect(await acme.user('old')).toMatchObject({ state: 'active', version: 1 });
    acme.directory.remove('old');
    await acme.sync();
    expect(await kinds(acme)).toEqual({ old: 'delete', new: 'conflict' });
    await acme.syncAndApply();
    expect(await acme.syncAndApply()).toMatchObject({ applied: 1 });
    expect((await acme.user('new')).id).not.toBe((await acme.user('old')).id);
    expect(await acme.user('old')).toMatchObject({ state: 'deleted' });
  });

  it('of two joiners makes no account until a person has told them apart, in whatever order they are listed', async () => {
    const acme = await install.connect({ directory: aDirectory({ users: [ada('one'), ada('two')] }) });
    await acme.sync();
    expect(await causes(acme)).toEqual({ one: 'address-shared', two: 'address-shared' });
    expect(await kinds(acme)).toEqual({ one: 'conflict', two: 'conflict' });
    expect(await acme.approveAll()).toBe(0);
    acme.directory.edit('two', { email: 'other.ada@example.test' });
    await acme.sync();
    expect(await kinds(acme)).toEqual({ one: 'create', two: 'create' });
    await acme.approveAll();
    expect(await acme.apply()).toMatchObject({ applied: 2, moved: 0 });
  });

  it('of two joiners links an auth user without a link to one of them at the most: once it is clear which', async () => {
    const acme = await install.connect({
      directory: aDirectory({ users: [ada('one'), ada('two'), { id: 'u3' }] }),
      verifiedDomains: ['example.test'],
    });
    const local = await aUser(install.database.url, acme.tenant, { email: 'ada@example.test' });
    await acme.sync();
    expect(await causes(acme)).toEqual({ one: 'address-shared', two: 'address-shared', u3: 'joined' });
    expect(await acme.changeOf('one')).toMatchObject({
      kind: 'conflict',
      authUser: null,
      before: null,
      candidates: [{ authUser: local, because: expect.stringContaining('several directory users come') }],
    });
    acme.directory.remove('two');
    await acme.sync();
    expect(await kinds(acme)).toEqual({ one: 'link', u3: 'create' });
  });
});

describe('An address that somebody would be given', () => {
  const addressOf = (id: string) => `${id}@example.test`;
  const three = () => settled([{ id: 'u1' }, { id: 'u2' }, { id: 'u3' }]);
  const appliedInFull = async (acme: Connected) => {
    await acme.approveAll();
    expect(await acme.apply()).toMatchObject({ moved: 0, failed: 0 });
    await acme.sync();
    expect(await acme.pending()).toEqual([]);
  };

  it('and that another keeps makes a conflict, which shows who has it, what differs, and nothing to approve', async () => {
    const acme = await three();
    acme.directory.edit('u1', { email: addressOf('u2').toUpperCase(), displayName: 'Ada' });
    await acme.sync();
    const { id: holder } = await acme.user('u2');
    const { id: authUser } = await acme.user('u1');
    const change = await acme.changeOf('u1');
    expect(await kinds(acme)).toEqual({ u1: 'conflict' });
    expect(change).toMatchObject({
      cause: 'address-taken',
      authUser,
      candidates: [
        { authUser: holder, because: expect.stringContaining('linked to another directory user') },
      ],
    });
    expect(change.fields.map(({ field }) => field).toSorted()).toEqual(['displayName', 'email']);
    expect(change.actions).not.toContain('approve');
    await acme.sync();
    expect(await acme.changeOf('u1')).toMatchObject({ id: change.id, state: 'open' });
  });

  it('and that a user of nobody in the directory has is not taken from them', async () => {
    const acme = await three();
    const local = await aUser(install.database.url, acme.tenant, { email: 'desk@example.test' });
    acme.directory.edit('u1', { email: 'desk@example.test' });
    await acme.sync();
    expect(await acme.changeOf('u1')).toMatchObject({
      kind: 'conflict',
      cause: 'address-taken',
      candidates: [{ authUser: local, because: expect.stringContaining('no directory user') }],
    });
  });

  it('and that another tenant has, or a deleted user had, is theirs', async () => {
    const [acme, other] = [await three(), await three()];
    await aUser(install.database.url, other.tenant, { email: 'desk@example.test' });
    await aUser(install.database.url, acme.tenant, { email: 'desk@example.test', state: 'deleted' });
    acme.directory.edit('u1', { email: 'desk@example.test' });
    await acme.sync();
    expect(await kinds(acme)).toEqual({ u1: 'update' });
    await appliedInFull(acme);
  });

  it('by coming back, and that another has by now, makes a conflict', async () => {
    const acme = await three();
    acme.directory.remove('u1');
    await acme.syncAndApply();
    acme.directory.edit('u2', { email: addressOf('u1') });
    await acme.syncAndApply();
    acme.directory.add({ id: 'u1' });
    await acme.sync();
    expect(await acme.changeOf('u1')).toMatchObject({
      kind: 'conflict',
      cause: 'address-taken',
      before: { state: 'deleted' },
      candidates: [{ authUser: (await acme.user('u2')).id }],
    });
  });

  it('is free when whoever has it leaves by the same change set', async () => {
    const acme = await three();
    acme.directory.remove('u2');
    acme.directory.edit('u1', { email: addressOf('u2') });
    await acme.sync();
    expect(await kinds(acme)).toEqual({ u1: 'update', u2: 'delete' });
    await appliedInFull(acme);
  });

  it.each<[string, Record<string, string>]>([
    ['two exchange theirs', { u1: 'u2', u2: 'u1' }],
    ['three hand theirs round', { u1: 'u2', u2: 'u3', u3: 'u1' }],
    ['each takes the next one, and the last a new one', { u1: 'u2', u2: 'u3', u3: 'u9' }],
  ])('flows where %s', async (_, taking) => {
    const acme = await three();
    for (const [id, from] of Object.entries(taking)) acme.directory.edit(id, { email: addressOf(from) });
    await acme.sync();
    expect(new Set(Object.values(await kinds(acme)))).toEqual(new Set(['update']));
    await appliedInFull(acme);
  });

  it('does not flow along a chain whose last one has to wait', async () => {
    const acme = await settled([{ id: 'u1' }, { id: 'u2' }, { id: 'u3' }, { id: 'u4' }]);
    acme.directory.edit('u1', { email: addressOf('u2') });
    acme.directory.edit('u2', { email: addressOf('u3') });
    acme.directory.edit('u3', { email: addressOf('u4') });
    await acme.sync();
    const names = new Map((await acme.users()).map(({ id, externalId }) => [id as string, externalId]));
    const candidates = (await acme.changes()).map((one) => [
      one.externalId as string,
      one.candidates.map(({ authUser }) => names.get(authUser)),
    ]);
    expect(Object.fromEntries(candidates)).toEqual({ u1: ['u2'], u2: ['u3'], u3: ['u4'] });
    expect(await acme.pending('conflict')).toEqual(['u1', 'u2', 'u3']);
  });

  it('to two at once, or to a joiner as well, makes all of them wait', async () => {
    const acme = await three();
    acme.directory.edit('u1', { email: addressOf('new') });
    acme.directory.edit('u2', { email: addressOf('new') });
    acme.directory.add({ id: 'new' });
    await acme.sync();
    expect(await causes(acme)).toEqual({ u1: 'address-shared', u2: 'address-shared', new: 'address-shared' });
    const [one, two] = [await acme.user('u1'), await acme.user('u2')];
    const named = async (id: string) => (await acme.changeOf(id)).candidates.map(({ authUser }) => authUser);
    expect(await named('u1')).toEqual([two.id]);
    expect(await named('u2')).toEqual([one.id]);
    expect(await named('new')).toEqual([one.id, two.id].toSorted());
  });

  it('is not freed by a change that was refused, and the refusal is remembered', async () => {
    const acme = await three();
    acme.directory.edit('u1', { email: addressOf('u2') });
    acme.directory.edit('u2', { email: addressOf('u1') });
    await acme.sync();
    await acme.decide('reject', 'u2');
    for (const _ of [1, 2]) {
      await acme.sync();
      expect(await kinds(acme)).toEqual({ u1: 'conflict' });
      expect(await acme.inState('rejected')).toEqual(['u2']);
    }
  });

  it('is free when a change that waits since an earlier run frees it, although this run did not come that far', async () => {
    const acme = await settled([{ id: 'u1' }, { id: 'u2' }, { id: 'u3' }]);
    acme.directory.edit('u3', { state: 'deprovisioned' });
    await acme.sync();
    acme.directory.edit('u1', { email: addressOf('u3') });
    acme.directory.pageSize = 2;
    acme.directory.faults = { fails: { page: 2 } };
    expect(await acme.sync()).toMatchObject({ snapshot: 'partial' });
    expect(await kinds(acme)).toEqual({ u1: 'update', u3: 'delete' });
    acme.directory.faults = {};
    await appliedInFull(acme);
  });

  it('is not given twice because the two who come were read by different runs', async () => {
    const directory = aDirectory({ users: [{ id: 'u1' }, { id: 'u2' }, ada('one')], pageSize: 2 });
    const acme = await install.connect({ directory, guards: noGuards });
    await acme.sync();
    acme.directory.edit('u1', { email: 'ADA@example.test' });
    acme.directory.faults = { fails: { page: 2 } };
    expect(await acme.sync()).toMatchObject({ snapshot: 'partial' });
    expect(await kinds(acme)).toEqual({ u1: 'conflict', u2: 'create', one: 'create' });
    acme.directory.faults = {};
    await acme.sync();
    expect(await causes(acme)).toMatchObject({ u1: 'address-shared', one: 'address-shared' });
  });

  it('and that another keeps counts for no guard: what cannot be applied takes nothing away', async () => {
    const groups = [{ id: 'g', members: ['u1', 'u2', 'u3'] }];
    const acme = await install.connect({
      directory: aDirectory({ users: 3, groups }),
      mapping: { roles: [{ group: 'g', role: 'engineer' }] },
      guards: { ...noGuards, lostRolesPercent: 0, lostRolesAtLeast: 1 },
    });
    await acme.syncAndApply();
    acme.directory.group('g', ['u3']);
    acme.directory.edit('u1', { email: addressOf('u3') });
    await acme.sync();
    expect(await kinds(acme)).toEqual({ u1: 'conflict', u2: 'update' });
    expect(await acme.changeOf('u1')).toMatchObject({ state: 'open', rolesLost: ['engineer'] });
    expect(await acme.inState('held')).toEqual([]);
  });
});

describe('An auth user who is there already', () => {
  const joiner = () => aDirectory({ users: [{ id: 'u1', email: ' ADA@Example.test\u200b' }] });

  it('is linked by an address of a verified domain, keeping what is theirs', async () => {
    const acme = await install.connect({ directory: joiner(), verifiedDomains: ['example.test'] });
    const local = await aUser(install.database.url, acme.tenant, {
      email: 'ada@example.test',
      attributes: { nickname: 'Countess' },
    });
    await acme.sync();
    expect(await kinds(acme)).toEqual({ u1: 'link' });
    await acme.approveAll();
    await acme.apply();
    expect(await acme.users()).toMatchObject([
      { id: local, externalId: 'u1', fields: { nickname: 'Countess', displayName: 'User u1' } },
    ]);
    await acme.sync();
    expect(await acme.pending()).toEqual([]);
  });

  it.each<[string, string[], { email: string; linked?: boolean }[]]>([
    ['address-unverified', [], [{ email: 'ada@example.test' }]],
    ['address-unverified', ['other.test'], [{ email: 'ada@example.test' }]],
    ['address-taken', ['example.test'], [{ email: 'ada@example.test', linked: true }]],
    ['several-candidates', ['example.test'], [{ email: 'ada@example.test' }, { email: 'Ada@Example.test' }]],
  ])('is not taken over: %s, with %j verified', async (cause, verifiedDomains, locals) => {
    const acme = await install.connect({ directory: joiner(), verifiedDomains });
    for (const { email, linked } of locals) {
      const link = linked === true ? { connection: ConnectionId.parse(unknownId()) } : {};
      await aUser(install.database.url, acme.tenant, { email, ...link });
    }
    await acme.sync();
    expect(await causes(acme)).toEqual({ u1: cause });
    const { candidates, actions } = await acme.changeOf('u1');
    expect(candidates).toHaveLength(locals.length);
    expect(actions).not.toContain('approve');
    const before = await acme.users();
    expect(await acme.approve('u1')).toMatchObject({ decided: 0, refused: [{ because: 'not-allowed-now' }] });
    expect(await acme.users()).toEqual(before);
  });

  it('and belongs to nobody in the directory is never touched: local users, and those of another connection', async () => {
    const tenant = await install.tenant();
    const one = await install.connect({ directory: aDirectory({ users: 3 }), tenant, guards: noGuards });
    const otherDirectory = aDirectory({ users: [{ id: 'u1', email: 'else@example.test' }] });
    const other = await install.connect({ directory: otherDirectory, tenant, guards: noGuards });
    await aUser(install.database.url, tenant, { displayName: 'A service account' });
    await one.syncAndApply();
    await other.syncAndApply();
    one.directory.remove('u2', 'u3');
    await one.sync();
    await other.sync();
    expect(await one.pending()).toEqual(['u2', 'u3']);
    expect(await other.pending()).toEqual([]);
    await one.approveAll();
    await one.apply();
    const states = (await one.users()).map(({ externalId, state }) => `${externalId} ${state}`);
    expect(states.toSorted()).toEqual([
      'null active',
      'null active',
      'u1 active',
      'u2 deleted',
      'u3 deleted',
    ]);
  });
});

describe('A directory that is renamed', () => {
  it('changes a thousand addresses by updates, never by delete and create', async () => {
    const acme = await settled(Array.from({ length: 1_000 }, (_, at) => ({ id: `u${at}` })));
    for (const { externalId } of acme.directory.users) {
      const address = `${externalId}@renamed.test`;
      acme.directory.edit(externalId, { email: address, userName: address, orgUnit: '/renamed' });
    }
    await acme.sync();
    expect(await acme.summary()).toMatchObject({ new: 0, changed: 1_000, deleted: 0, conflicts: 0 });
    await acme.approveAll();
    expect(await acme.apply()).toEqual({ applied: 1_000, alreadyApplied: 0, moved: 0, failed: 0, held: 0 });
  });

  it('may hand one address on to another user within one run', async () => {
    const acme = await settled([
      { id: 'u1', email: 'one@example.test' },
      { id: 'u2', email: 'two@example.test' },
    ]);
    acme.directory.edit('u1', { email: 'two@example.test' });
    acme.directory.edit('u2', { email: 'one@example.test' });
    expect(await acme.syncAndApply()).toMatchObject({ applied: 2 });
    await acme.sync();
    expect(await acme.pending()).toEqual([]);
  });
});

describe('Users without or with strange values', () => {
  it.each<[string, Omit<SomeDirectoryUser, 'id'>]>([
    ['neither address nor name', { email: null, userName: null, displayName: null }],
    ['an attribute of 10 kB', { custom: { note: LONG } }],
    ['10 kB of every attribute', LONG_TEXTS],
    ['blanks, tabs and NUL', { displayName: '  a\t\u0000b ' }],
    ['decomposed letters', { displayName: 'Zoe\u0308', email: 'zoe\u0308@example.test' }],
    ['zero-width characters', { displayName: 'A\u200bda', email: ' a\u200bda@example.test\ufeff' }],
    ['the Turkish i', { email: '\u0130brahim@example.test', displayName: '\u0130brahim Ad\u0131' }],
    ['a guest name', { userName: 'ada_example.org#EXT#@example.test', userType: 'guest' }],
    ['a domain beyond ASCII', { email: 'ada@b\u00fccher.test' }],
    ['a domain in punycode', { email: 'ada@xn--bcher-kva.test' }],
    ['a tagged address', { email: 'Ada+tag@Example.Test' }],
    ['backslashes and quotes', { displayName: '\\N "quoted" \\. \'' }],
    ['emoji', { displayName: '👩‍🚒 🇮🇹' }],
  ])('with %s are made once and then come to rest', async (_, values) => {
    const mapping = { custom: ['note'] };
    const directory = aDirectory({ users: [{ id: 'u1', ...values }] });
    const acme = await install.connect({ directory, mapping });
    expect(await acme.syncAndApply()).toMatchObject({ applied: 1 });
    await acme.sync();
    expect(await acme.pending()).toEqual([]);
    const { displayName, userName, email, employeeId, custom } = directory.users[0] ?? {};
    const wanted = { displayName, userName, email, employeeId, 'custom.note': custom?.['note'] ?? null };
    const owned = Object.entries(wanted).filter(([, value]) => value !== null);
    expect((await acme.user('u1')).fields).toMatchObject(Object.fromEntries(owned));
    await acme.edit('u1', { attributes: { desk: '7' } }); // now they are compared value by value
    await acme.sync();
    expect(await acme.pending()).toEqual([]);
  });

  it('whose attribute turns from text into a list are updated once', async () => {
    const mapping = { custom: ['tags'] };
    const acme = await install.connect({
      directory: aDirectory({ users: [{ id: 'u1', custom: { tags: 'one' } }] }),
      mapping,
    });
    await acme.syncAndApply();
    acme.directory.edit('u1', { custom: { tags: ['one', 'two'] } });
    await acme.sync();
    expect((await acme.changeOf('u1')).fields).toEqual([
      { field: 'custom.tags', before: 'one', after: ['one', 'two'] },
    ]);
    await acme.approveAll();
    await acme.apply();
    await acme.sync();
    expect(await acme.pending()).toEqual([]);
  });
});

describe('What happened to a user', () => {
  it('is told apart: suspended, deactivated, gone', async () => {
    const acme = await settled([{ id: 'u1' }, { id: 'u2' }, { id: 'u3' }, { id: 'u4' }]);
    acme.directory.edit('u1', { state: 'suspended' });
    acme.directory.edit('u2', { state: 'deprovisioned' });
    acme.directory.remove('u3');
    await acme.sync();
    expect(await kinds(acme)).toEqual({ u1: 'suspend', u2: 'delete', u3: 'delete' });
    expect(await causes(acme)).toEqual({ u1: 'suspended', u2: 'deprovisioned', u3: 'left' });
  });

  it('is undone when they come back, as the account they had', async () => {
    const groups = [{ id: 'g', members: ['u1', 'u2'] }];
    const acme = await install.connect({
      directory: aDirectory({ users: 3, groups }),
      mapping: { roles: [{ group: 'g', role: 'engineer' }] },
      guards: noGuards,
    });
    await acme.syncAndApply();
    for (const id of ['u1', 'u2']) await acme.grant(id, 'by hand');
    const before = [await acme.user('u1'), await acme.user('u2')];
    acme.directory.edit('u1', { state: 'suspended' });
    acme.directory.remove('u2');
    await acme.syncAndApply();
    expect((await acme.users()).map(({ state }) => state).sort()).toEqual(['active', 'deleted', 'suspended']);
    acme.directory.edit('u1', { state: 'active', displayName: 'Back again' });
    acme.directory.add({ id: 'u2' });
    await acme.sync();
    expect(await kinds(acme)).toEqual({ u1: 'reactivate', u2: 'reactivate' });
    await acme.approveAll();
    await acme.apply();
    for (const [at, id] of ['u1', 'u2'].entries())
      expect(await acme.user(id)).toMatchObject({
        id: before[at]?.id,
        state: 'active',
        fields: { displayName: id === 'u1' ? 'Back again' : 'User u2' },
        roles: ['engineer'],
        manualRoles: ['by hand'],
      });
    await acme.sync();
    expect(await acme.pending()).toEqual([]);
  });

  it('flips on every run, and each time one change waits, never two', async () => {
    const acme = await settled([{ id: 'u1' }, { id: 'u2' }]);
    for (const state of ['suspended', 'active', 'suspended', 'active'] as const) {
      acme.directory.edit('u1', { state });
      await acme.sync();
      expect(await kinds(acme)).toEqual(state === 'suspended' ? { u1: 'suspend' } : {});
    }
    expect(await acme.inState('superseded')).toEqual(['u1', 'u1']);
  });

  it('makes no account for somebody who was suspended before they came', async () => {
    const users = [
      { id: 'u1', state: 'suspended' as const },
      { id: 'u2', state: 'deprovisioned' as const },
    ];
    const acme = await install.connect({ directory: aDirectory({ users }) });
    await acme.sync();
    expect(await acme.pending()).toEqual([]);
    acme.directory.edit('u1', { state: 'active' });
    await acme.sync();
    expect(await kinds(acme)).toEqual({ u1: 'create' });
  });

  it('is a group that they joined or left', async () => {
    const groups = [{ id: 'g', members: ['u1'] }];
    const mapping = { roles: [{ group: 'g', role: 'engineer' }] };
    const acme = await install.connect({ directory: aDirectory({ users: 2, groups }), mapping });
    await acme.syncAndApply();
    acme.directory.group('g', ['u2']);
    await acme.sync();
    expect(await causes(acme)).toEqual({ u1: 'group-membership', u2: 'group-membership' });
    expect(await acme.changeOf('u1')).toMatchObject({ fields: [], rolesLost: ['engineer'], rolesGained: [] });
    expect(await acme.changeOf('u2')).toMatchObject({ fields: [], rolesLost: [], rolesGained: ['engineer'] });
  });
});

describe('What the directory does not own', () => {
  it('survives every run: roles given by hand, and fields that the mapping leaves out', async () => {
    const groups = [{ id: 'g', members: ['u1'] }];
    const mapping = { omit: ['jobTitle' as const], roles: [{ group: 'g', role: 'engineer' }] };
    const acme = await install.connect({
      directory: aDirectory({ users: 2, groups }),
      mapping,
      guards: noGuards,
    });
    await acme.syncAndApply();
    await acme.grant('u1', 'engineer');
    await acme.edit('u1', { attributes: { jobTitle: 'Countess', nickname: 'Ada' } });
    acme.directory.edit('u1', { jobTitle: 'Analyst', department: 'Engines' });
    acme.directory.group('g', []);
    await acme.syncAndApply();
    const kept = {
      roles: [],
      manualRoles: ['engineer'],
      fields: { jobTitle: 'Countess', nickname: 'Ada', department: 'Engines' },
    };
    expect(await acme.user('u1')).toMatchObject(kept);
    acme.directory.edit('u1', { state: 'suspended' });
    await acme.syncAndApply();
    acme.directory.edit('u1', { state: 'active' });
    await acme.syncAndApply();
    expect(await acme.user('u1')).toMatchObject(kept);
    await acme.sync();
    expect(await acme.pending()).toEqual([]);
  });

  it('is told from what it does: an edit here of a field of the directory is proposed to be set back', async () => {
    const acme = await settled([{ id: 'u1' }, { id: 'u2' }]);
    await acme.edit('u1', { displayName: 'Edited here' });
    await acme.sync();
    expect(await causes(acme)).toEqual({ u1: 'local-edit' });
    expect((await acme.changeOf('u1')).fields).toEqual([
      { field: 'displayName', before: 'Edited here', after: 'User u1' },
    ]);
  });
});

describe('A mapping that changes', () => {
  it('is the cause of what differs then', async () => {
    const acme = await settled([{ id: 'u1' }, { id: 'u2' }]);
    await install.remap(acme.connection, { everyone: ['member'] });
    await acme.sync();
    expect(await causes(acme)).toEqual({ u1: 'mapping-changed', u2: 'mapping-changed' });
    expect(await acme.changeOf('u1')).toMatchObject({ rolesGained: ['member'], fields: [] });
  });

  it('or another directory behind the connection is the cause of who is absent then', async () => {
    const acme = await settled([{ id: 'u1' }, { id: 'u2' }]);
    await install.redirect(acme.connection, aDirectory({ users: [{ id: 'u1' }, { id: 'u9' }] }));
    await acme.sync();
    expect(await kinds(acme)).toEqual({ u2: 'delete', u9: 'create' });
    expect((await causes(acme))['u2']).toBe('scope-changed');
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Matching } from '../../src/domain/matching.ts';
import { createTenant, verifyDomain } from '../../src/tenancy/tenants.ts';
import { aDirectory, type SomeDirectoryUser } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { aUser } from '../support/tenancy.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const ada = { id: 'ada', displayName: 'Ada Obi', employeeId: 'E-7', email: 'ada@example.test' };

type Given = {
  readonly users?: readonly SomeDirectoryUser[];
  readonly matching?: Matching;
  readonly verified?: readonly string[];
};

const connected = ({ users = [ada], matching = [], verified = [] }: Given): Promise<Connected> =>
  install.connect({
    directory: aDirectory({ users }),
    guards: noGuards,
    policy: matching.length === 0 ? {} : { matching },
    verifiedDomains: verified,
  });
const local = (to: Connected, more: object) =>
  aUser(install.database.url, to.tenant, { displayName: 'Ada', ...more });

describe('whoever comes', () => {
  it('is linked with whom a certain rule names, and goes on from there with their roles and under their own address', async () => {
    const to = await connected({ matching: [{ by: 'employeeId', confidence: 'certain' }] });
    const id = await local(to, { email: 'old@else.test', attributes: { employeeId: 'e-7' } });
    await to.give(id, 'given by hand');
    await to.sync();
    expect(await to.changeOf('ada')).toMatchObject({ kind: 'link', cause: 'matched-by-rule', authUser: id });
    await to.approveAll();
    expect(await to.apply()).toMatchObject({ applied: 1 });
    expect(await to.user('ada')).toMatchObject({
      id,
      fields: { email: 'ada@example.test', displayName: 'Ada Obi' },
      manualRoles: ['given by hand'],
    });
    await to.sync();
    expect(await to.changes()).toEqual([]);
  });

  it('is asked about with all candidates and what speaks for each, where rules name two', async () => {
    const matching: Matching = [
      { by: 'email', confidence: 'certain' },
      { by: 'employeeId', confidence: 'certain' },
    ];
    const to = await connected({ matching, verified: ['example.test'] });
    const byMail = await local(to, { email: 'ada@example.test' });
    const byNumber = await local(to, { attributes: { employeeId: 'E-7' } });
    await to.sync();
    const change = await to.changeOf('ada');
    expect(change).toMatchObject({ kind: 'conflict', cause: 'several-candidates' });
    expect(change.candidates).toEqual([
      {
        authUser: byMail,
        because: 'has the same address',
        evidence: [{ by: 'email', confidence: 'certain' }],
      },
      {
        authUser: byNumber,
        because: 'has the same employee number',
        evidence: [{ by: 'employeeId', confidence: 'certain' }],
      },
    ]);
  });

  it('takes over nobody whom a directory has, nor whoever was deleted, be the rule ever so certain', async () => {
    const other = await connected({ users: [{ ...ada, email: 'other@example.test' }] });
    await other.syncAndApply();
    const matching: Matching = [{ by: 'employeeId', confidence: 'certain' }];
    const directory = aDirectory({ users: [ada] });
    const to = await install.connect({
      directory,
      tenant: other.tenant,
      guards: noGuards,
      policy: { matching },
    });
    await local(to, { state: 'deleted', attributes: { employeeId: 'E-7' } });
    await to.sync();
    expect(await to.changeOf('ada')).toMatchObject({ kind: 'create', candidates: [] });
  });

  it('is not linked for certain by a number that somebody shares whom another directory has', async () => {
    const other = await connected({ users: [{ ...ada, email: 'other@example.test' }] });
    await other.syncAndApply();
    const policy = { matching: [{ by: 'employeeId', confidence: 'certain' }] satisfies Matching };
    const directory = aDirectory({ users: [ada] });
    const to = await install.connect({ directory, tenant: other.tenant, guards: noGuards, policy });
    const unlinked = await local(to, { attributes: { employeeId: 'E-7' } });
    await to.sync();
    const change = await to.changeOf('ada');
    expect(change).toMatchObject({ kind: 'conflict', cause: 'several-candidates' });
    expect(change.candidates).toHaveLength(2);
    expect(change.candidates).toContainEqual(expect.objectContaining({ authUser: unlinked }));
  });

  it('is not given the roles of somebody whom the administrator of a tenant below has given their number', async () => {
    const matching: Matching = [{ by: 'employeeId', confidence: 'certain' }];
    const directory = aDirectory({ users: [{ ...ada, department: 'Rome' }] });
    const mapping = { rules: [{ when: {}, roles: [], tenant: '{department}', create: false, stop: false }] };
    const to = await install.connect({ directory, guards: noGuards, policy: { matching }, mapping });
    const below = await createTenant(install, install.operator, { name: 'Rome', parent: to.tenant });
    const planted = await aUser(install.database.url, below.id, { attributes: { employeeId: 'E-7' } });
    await to.sync();
    expect(await to.changeOf('ada')).toMatchObject({
      kind: 'conflict',
      cause: 'match-unsure',
      candidates: [{ authUser: planted, because: 'is in the tenant Rome and has the same employee number' }],
    });
  });

  it('is found by an expression among those who share a key', async () => {
    const expression = 'user.displayName.startsWith(candidate.displayName)';
    const to = await connected({ matching: [{ by: 'expression', expression, confidence: 'certain' }] });
    const id = await local(to, { attributes: { employeeId: 'E-7' } });
    await local(to, { displayName: 'Bob', attributes: { employeeId: 'E-7' } });
    await to.sync();
    expect(await to.changeOf('ada')).toMatchObject({ kind: 'link', authUser: id });
  });

  it('of whom several come with one number waits, and so do the others', async () => {
    const users = [1, 2, 3].map((at) => ({ ...ada, id: `u${at}`, email: `u${at}@example.test` }));
    const to = await connected({ users, matching: [{ by: 'employeeId', confidence: 'certain' }] });
    const id = await local(to, { attributes: { employeeId: 'E-7' } });
    await to.sync();
    expect(await to.pending('conflict')).toEqual(['u1', 'u2', 'u3']);
    expect((await to.changeOf('u1')).candidates).toMatchObject([{ authUser: id }]);
  });

  it('comes to no address that somebody else has, by whatever they are matched', async () => {
    const to = await connected({ matching: [{ by: 'employeeId', confidence: 'certain' }] });
    await local(to, { attributes: { employeeId: 'E-7' } });
    await local(to, { email: 'Ada@Example.test', displayName: 'Another' });
    await to.sync();
    expect(await to.changeOf('ada')).toMatchObject({ kind: 'conflict', cause: 'several-candidates' });
  });

  it('is looked up in a delta as in a full run, and at most so many candidates are named', async () => {
    const to = await connected({ users: [], matching: [{ by: 'employeeId', confidence: 'likely' }] });
    for (let at = 0; at < 12; at += 1) await local(to, { attributes: { employeeId: 'E-7' } });
    to.directory.add({ id: 'bob', displayName: 'Bob', email: 'bob@example.test' });
    to.directory.add(ada);
    await to.sync();
    expect((await to.changeOf('ada')).candidates).toHaveLength(10);
    expect(await to.changeOf('bob')).toMatchObject({ kind: 'create' });
  });
});

describe('a directory', () => {
  /** SCENARIOS of matching: re-hires, renames and spellings. */
  it('that hires somebody again with the same address frees it first, in whatever order the two are read', async () => {
    for (const first of ['old', 'new']) {
      const to = await connected({ users: [{ ...ada, id: 'old' }], verified: ['example.test'] });
      await to.syncAndApply();
      to.directory.edit('old', { state: 'deprovisioned' });
      to.directory.add({ ...ada, id: 'new' });
      to.directory.reorder((at) => (first === 'old' ? at : -at));
      await to.sync();
      expect(await to.changeOf('old')).toMatchObject({ kind: 'delete' });
      expect(await to.changeOf('new')).toMatchObject({ kind: 'conflict', cause: 'address-taken' });
      await to.syncAndApply();
      await to.sync();
      expect(await to.changeOf('new')).toMatchObject({ kind: 'create', authUser: null });
    }
  });

  it('that renames a thousand addresses, names and units proposes a thousand updates, and nobody comes or goes', async () => {
    const users = Array.from({ length: 1_000 }, (_, at) => ({
      ...{
        id: `u${at}`,
        displayName: `P ${at}`,
        email: `p${at}@old.test`,
        userName: `p${at}@old.test`,
        orgUnit: '/Old',
      },
    }));
    const to = await connected({ users, verified: ['old.test', 'new.test'] });
    await to.syncAndApply();
    for (const { id, email } of users) {
      const renamed = email.replace('old.test', 'new.test');
      to.directory.edit(id, { email: renamed, userName: renamed, orgUnit: '/New' });
    }
    await to.sync();
    expect(await to.summary()).toMatchObject({ new: 0, changed: 1_000, deleted: 0, conflicts: 0 });
    await to.approveAll();
    expect(await to.apply()).toMatchObject({ applied: 1_000, moved: 0 });
    await to.sync();
    expect(await to.changes()).toEqual([]);
  });

  it.each([
    ['case and blanks', ' ADA@Example.TEST ', 'ada@example.test'],
    ['zero-width characters', 'a\u200bda@example.test', 'ada@example.test'],
    ['composed and decomposed letters', 'zoe\u0308@example.test', 'zo\u00eb@example.test'],
    ['a Turkish capital', '\u0130da@example.test', 'ida@example.test'],
    ['punycode', 'ada@b\u00fccher.test', 'ada@xn--bcher-kva.test'],
  ])(
    'that spells addresses otherwise (%s) means the same, and the next run finds nothing',
    async (_, theirs, ours) => {
      const to = await connected({
        users: [{ ...ada, email: theirs }],
        verified: ['example.test', 'xn--bcher-kva.test'],
      });
      const id = await local(to, { email: ours, emailKey: ours.replace('zo\u00eb', 'zo\u00eb') });
      await to.sync();
      expect(await to.changeOf('ada')).toMatchObject({ kind: 'link', authUser: id });
      await to.approveAll();
      await to.apply();
      await to.sync();
      expect(await to.changes()).toEqual([]);
    },
  );

  it.each([
    ['plus addressing', 'ada+work@example.test', 'ada@example.test'],
    ['a guest with #EXT#', 'ada_else.test#EXT#@example.test', 'ada@else.test'],
    ['a dotless i', 'ad\u0131@example.test', 'adi@example.test'],
  ])('that has another address (%s) means another person', async (_, theirs, ours) => {
    const to = await connected({
      users: [{ ...ada, email: theirs }],
      verified: ['example.test', 'else.test'],
    });
    await local(to, { email: ours });
    await to.sync();
    expect(await to.changeOf('ada')).toMatchObject({ kind: 'create' });
  });

  it('links at a domain that is verified for the tenant of the auth user alone', async () => {
    const to = await connected({});
    await local(to, { email: 'ada@example.test' });
    await to.sync();
    expect(await to.changeOf('ada')).toMatchObject({ kind: 'conflict', cause: 'address-unverified' });
    await verifyDomain(install, install.operator, { tenant: to.tenant, domain: 'example.test' });
    await to.sync();
    expect(await to.changeOf('ada')).toMatchObject({ kind: 'link' });
  });
});

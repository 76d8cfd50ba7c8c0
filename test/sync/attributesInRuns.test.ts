/** Attributes, owners of fields and the scope of a mapping, from the directory to the auth user: full runs, deltas and previews. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { Mapping } from '../../src/domain/mapping.ts';
import { previewMapping } from '../../src/sync/previewMapping.ts';
import { getRun } from '../../src/sync/runs.ts';
import type { RunOutcome } from '../../src/sync/sync.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

type Given = z.input<typeof Mapping>;

const people = Array.from({ length: 8 }, (_, at) => ({
  id: `u${at + 1}`,
  department: at < 6 ? 'Engines' : 'Sales',
  custom: at < 7 ? { level: at + 1 } : {},
}));

async function settled(mapping: Given, faults: object = {}): Promise<Connected> {
  const groups = [{ id: 'g1', name: 'Crew', members: ['u1', 'u2'] }];
  const directory = aDirectory({ users: people, groups, ...faults });
  const acme = await install.connect({
    directory,
    mapping: Mapping.parse({ groups: [], ...mapping }),
    guards: noGuards,
  });
  await acme.syncAndApply();
  return acme;
}

const remap = (acme: Connected, mapping: Given) =>
  install.remap(acme.connection, Mapping.parse({ groups: [], ...mapping }));
const preview = (acme: Connected, mapping: Given) =>
  previewMapping(install, install.operator, {
    connection: acme.connection,
    mapping: { groups: [], ...mapping },
  });
const shown = (changes: readonly { externalId: string; kind: string; cause: string }[]) =>
  changes.map(({ externalId, kind, cause }) => `${externalId} ${kind} ${cause}`).sort();
const pending = async (acme: Connected) => shown(await acme.changes());
const whoIsThere = async (acme: Connected) =>
  (await acme.users()).flatMap((user) => (user.state === 'active' ? [user.externalId] : [])).sort();

async function problemsOf(acme: Connected, outcome: RunOutcome) {
  if (!('run' in outcome)) throw new Error('there was a run');
  const { unreadable, problems } = await getRun(install, acme.administrator, outcome.run);
  return { unreadable, problems };
}

const ENGINES = { scope: 'user.department == "Engines"' };

describe('A scope that names a group which the directory does not list', () => {
  it.each([false, true])('leaves whoever is out of it as they are (a delta: %s)', async (hasFeed) => {
    const acme = await settled({ scope: '"Crew" in groups' }, { hasFeed });
    acme.directory.group('g1', ['u1', 'u2'], 'Ship’s crew');
    expect(await problemsOf(acme, await acme.sync({ full: true }))).toMatchObject({
      problems: [{ problem: 'mapping.scope: the directory lists no group Crew, which it names' }],
    });
    expect(await pending(acme)).toEqual([]);
    acme.directory.edit('u1', { displayName: 'Edited' });
    await acme.sync();
    expect(await pending(acme)).toEqual([]);
    acme.directory.group('g1', ['u2'], 'Crew');
    await acme.sync({ full: true });
    expect(await pending(acme)).toEqual(['u1 delete out-of-scope']);
  });
});

describe('A scope over an attribute that nobody has any more', () => {
  const because = async (acme: Connected) => (await acme.summary()).heldBecause;

  it.each([false, true])(
    'has held whoever is out of it for that, however few (a delta: %s)',
    async (hasFeed) => {
      const acme = await settled({ scope: 'user.department == "Sales"' }, { hasFeed });
      expect(await whoIsThere(acme)).toEqual(['u7', 'u8']);
      for (const { id } of people) acme.directory.edit(id, { department: null });
      await acme.sync();
      expect(await acme.inState('held')).toEqual(['u7', 'u8']);
      expect(await because(acme)).toEqual([
        '2 users would be deleted as out of a scope that reads department, of which hardly anybody has a value, as when a credential has lost a permission',
      ]);
      await acme.sync({ full: true });
      expect(await acme.inState('held')).toEqual(['u7', 'u8']);
      for (const id of ['u7', 'u8']) acme.directory.edit(id, { department: 'Sales' });
      await acme.sync();
      expect(await pending(acme)).toEqual([]);
    },
  );

  it('lets go who has lost theirs among many who have one', async () => {
    const acme = await settled(ENGINES);
    acme.directory.edit('u1', { department: null });
    await acme.sync();
    expect(await acme.inState('open')).toEqual(['u1']);
  });
});

describe('A scope that leaves out everybody who is there', () => {
  it('has them held until a person decides', async () => {
    const acme = await settled(ENGINES);
    for (const { id } of people) acme.directory.edit(id, { department: 'Sales' });
    await acme.sync();
    expect(await acme.inState('held')).toHaveLength(6);
    expect((await acme.summary()).heldBecause).toEqual([
      'the scope of the mapping leaves out everybody who is there: 6 users would be deleted',
    ]);
    await acme.decideAll('approve', {}, { includeHeld: true });
    expect(await acme.apply()).toMatchObject({ applied: 6 });
  });
});

describe('The scope of a mapping', () => {
  it('lets nobody else in, and the directory is read as completely as before', async () => {
    const acme = await settled(ENGINES);
    expect(await whoIsThere(acme)).toEqual(['u1', 'u2', 'u3', 'u4', 'u5', 'u6']);
    expect(await acme.sync({ full: true })).toMatchObject({ snapshot: 'complete', partialReason: null });
    expect(await acme.changes()).toEqual([]);
  });

  it.each([
    ['a full run', {}, { full: true }, 'full'],
    ['a delta', { hasFeed: true }, {}, 'delta'],
  ])('by %s proposes who moved out of it for deletion, and takes them back', async (_, faults, how, kind) => {
    const acme = await settled(ENGINES, faults);
    acme.directory.edit('u1', { department: 'Sales' });
    expect(await acme.sync(how)).toMatchObject({ kind });
    expect(await pending(acme)).toEqual(['u1 delete out-of-scope']);
    await acme.approveAll();
    await acme.apply();
    expect(await acme.sync(how)).toMatchObject({ kind });
    expect(await acme.changes()).toEqual([]);
    acme.directory.edit('u1', { department: 'Engines' });
    await acme.sync(how);
    expect(await pending(acme)).toEqual(['u1 reactivate returned']);
    acme.directory.edit('u1', { department: 'Sales' });
    await acme.sync(how);
    expect(await acme.changes()).toEqual([]);
  });

  it('that is changed is the cause of who is no longer in it; a preview foresees them, and who would come', async () => {
    const acme = await settled(ENGINES);
    const narrower = { scope: 'user.custom.level < 3.0' };
    const foreseen = await preview(acme, narrower);
    expect(foreseen).toMatchObject({
      users: 8,
      outOfScope: 5,
      unreadable: [{ problem: 'mapping.scope: no such key: level', users: 1, example: 'u8' }],
    });
    const leavers = ['u3', 'u4', 'u5', 'u6'].map((id) => `${id} delete scope-changed`);
    expect(shown(foreseen.changes)).toEqual(leavers);
    expect(await acme.changes()).toEqual([]);
    await remap(acme, narrower);
    await acme.sync({ full: true });
    expect(await pending(acme)).toEqual(leavers);

    const wider = { scope: 'user.department != ""' };
    const back = await preview(acme, wider);
    expect(back).toMatchObject({ outOfScope: 0, unreadable: [], withdrawn: 4 });
    expect(shown(back.changes)).toEqual(['u7 create joined', 'u8 create joined']);
    await remap(acme, wider);
    await acme.sync({ full: true });
    expect(await pending(acme)).toEqual(['u7 create joined', 'u8 create joined']);
  });

  it('that cannot be evaluated for somebody leaves them, and the change that waits for them, as they are', async () => {
    const acme = await settled({ scope: '!has(user.custom.level) || user.custom.level > 0.0' });
    acme.directory.edit('u1', { jobTitle: 'Driver' });
    await acme.sync({ full: true });
    await acme.approve('u1');
    for (const id of ['u1', 'u2']) acme.directory.edit(id, { custom: { level: 'high' } });
    const outcome = await acme.sync({ full: true });
    expect(outcome).toMatchObject({ snapshot: 'complete' });
    expect(await problemsOf(acme, outcome)).toEqual({
      unreadable: 2,
      problems: [
        { problem: 'mapping.scope: > does not fit the kinds of its values', users: 2, example: 'u1' },
      ],
    });
    expect(await acme.inState('approved')).toEqual(['u1']);
    expect(await acme.pending()).toEqual(['u1']);
    expect(await whoIsThere(acme)).toHaveLength(8);
    acme.directory.edit('u2', { state: 'deprovisioned' });
    await acme.sync({ full: true });
    expect(await acme.changeOf('u2')).toMatchObject({ kind: 'delete', cause: 'deprovisioned' });
  });

  it('that cannot be evaluated for somebody has no delta ask for them who are as they were', async () => {
    const acme = await settled({ scope: 'user.custom.level > 1.0' }, { hasFeed: true });
    expect(await whoIsThere(acme)).toEqual(['u2', 'u3', 'u4', 'u5', 'u6', 'u7']);
    acme.directory.requests.length = 0;
    acme.directory.edit('u2', { jobTitle: 'Driver' });
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    const lookUps = acme.directory.requests.filter(({ list }) => list === 'look-up');
    expect(lookUps).toEqual([{ list: 'look-up', group: null, page: 1 }]);
    acme.directory.edit('u8', { custom: { level: 2 } });
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    expect(await pending(acme)).toEqual(['u2 update edited', 'u8 create joined']);
  });

  it('that hangs on a group which cannot be read takes nobody for out of it', async () => {
    const acme = await settled({ scope: '"Crew" in groups || user.department == "Sales"' });
    expect(await whoIsThere(acme)).toEqual(['u1', 'u2', 'u7', 'u8']);
    acme.directory.faults = { unreadableMembers: ['g1'] };
    acme.directory.group('g1', ['u2', 'u3']);
    acme.directory.edit('u8', { department: 'Engines' });
    acme.directory.edit('u4', { department: 'Sales' });
    await acme.sync({ full: true });
    expect(await pending(acme)).toEqual(['u3 create joined', 'u4 create joined']); // surely in it
    acme.directory.faults = {};
    await acme.sync({ full: true });
    expect(await pending(acme)).toEqual([
      ...['u1 delete out-of-scope', 'u3 create joined', 'u4 create joined', 'u8 delete out-of-scope'],
    ]);
  });

  it('that names a group which was never read supposes nothing in a preview', async () => {
    const acme = await settled({});
    const foreseen = await preview(acme, { scope: '"Crew" in groups' });
    expect(foreseen).toMatchObject({ unreadGroups: ['Crew'], outOfScope: 0, changes: [] });
    expect(foreseen.unreadable).toEqual([
      { problem: 'mapping.scope: groups that it names could not be read', users: 8, example: 'u1' },
    ]);
  });
});

describe('A field that is mapped', () => {
  const mapping: Given = {
    attributes: {
      department: { from: 'jobTitle', owner: 'first' },
      jobTitle: { owner: 'local' },
      company: { value: '"Crew" in groups ? "Crew of " + user.department : ""', default: 'Shore' },
      'custom.grade': { value: 'has(user.custom.level) ? int(user.custom.level) * 10 : 0' },
    },
  };

  it('comes to the auth user, and the next run finds nothing', async () => {
    const acme = await settled(mapping);
    expect((await acme.user('u1')).fields).toMatchObject({ company: 'Crew of Engines', 'custom.grade': 10 });
    expect((await acme.user('u8')).fields).toMatchObject({ company: 'Shore', 'custom.grade': 0 });
    await acme.sync({ full: true });
    expect(await acme.changes()).toEqual([]);
    acme.directory.group('g1', ['u2']);
    await acme.sync({ full: true });
    expect((await acme.changeOf('u1')).fields).toEqual([
      { field: 'company', before: 'Crew of Engines', after: 'Shore' },
    ]);
  });

  it('whose owner is whoever was first is filled once, and kept from then on, whoever filled it', async () => {
    const acme = await settled(mapping);
    expect((await acme.user('u1')).fields).not.toHaveProperty('department');
    await acme.edit('u2', { attributes: { department: 'Given here' } });
    acme.directory.edit('u1', { jobTitle: 'Driver' });
    acme.directory.edit('u2', { jobTitle: 'Stoker' });
    await acme.sync({ full: true });
    expect(await pending(acme)).toEqual(['u1 update edited']);
    expect((await acme.changeOf('u1')).fields).toEqual([
      { field: 'department', before: null, after: 'Driver', owner: 'first' },
    ]);
    await acme.approveAll();
    await acme.apply();
    acme.directory.edit('u1', { jobTitle: 'Retired' });
    acme.directory.edit('u2', { jobTitle: null });
    await acme.sync({ full: true });
    expect(await acme.changes()).toEqual([]);
    expect((await acme.user('u1')).fields).toMatchObject({ department: 'Driver' });
    expect((await acme.user('u2')).fields).toMatchObject({ department: 'Given here' });
  });

  it('whose owner is local is left alone; the directory takes it over when the mapping says so', async () => {
    const acme = await settled(mapping);
    await acme.edit('u1', { attributes: { jobTitle: 'Given here' } });
    acme.directory.edit('u1', { jobTitle: 'Driver', phone: '7' });
    await acme.sync({ full: true });
    const { fields } = await acme.changeOf('u1');
    expect(fields.map(({ field }) => field)).not.toContain('jobTitle');
    await acme.approveAll();
    await acme.apply();
    expect((await acme.user('u1')).fields).toMatchObject({ jobTitle: 'Given here', phone: '7' });
    const mine: Given = { attributes: { ...mapping.attributes, jobTitle: { from: 'jobTitle' } } };
    const foreseen = await preview(acme, mine);
    await remap(acme, mine);
    await acme.sync({ full: true });
    expect((await acme.changeOf('u1')).fields).toEqual([
      { field: 'jobTitle', before: 'Given here', after: 'Driver' },
    ]);
    expect(foreseen.changes.map(({ externalId, fingerprint }) => [externalId, fingerprint])).toEqual(
      (await acme.changes()).map(({ externalId, fingerprint }) => [externalId, fingerprint]),
    );
  });

  it('that hangs on a group which cannot be read keeps its value', async () => {
    const acme = await settled(mapping);
    acme.directory.faults = { unreadableMembers: ['g1'] };
    acme.directory.group('g1', ['u3', 'u4']);
    acme.directory.edit('u1', { phone: '7' });
    await acme.sync({ full: true });
    expect((await acme.changeOf('u1')).fields).toEqual([{ field: 'phone', before: null, after: '7' }]);
  });

  it('as the address is what others are found by', async () => {
    const acme = await settled({ attributes: { email: { from: 'custom.mail' } } });
    const [one, other] = [{ custom: { mail: 'one@example.test' } }, { custom: { mail: 'ONE@example.test' } }];
    acme.directory.add({ id: 'n1', ...one });
    acme.directory.add({ id: 'n2', ...other });
    await acme.sync({ full: true });
    expect(await pending(acme)).toEqual(['n1 conflict address-shared', 'n2 conflict address-shared']);
  });
});

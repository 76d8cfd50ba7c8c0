import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Policy } from '../../src/domain/policy.ts';
import { overrideGuard } from '../../src/review/guards.ts';
import { previewMapping } from '../../src/sync/previewMapping.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const names = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => `u${from + at}`);
const held = (acme: Connected) => acme.inState('held');
const open = (acme: Connected) => acme.inState('open');
const because = async (acme: Connected) => (await acme.summary()).heldBecause;
/** Ten may leave a part, or four in ten. No other guard finds anything. */
const guards: Partial<Policy['guards']> = { ...noGuards, partPercent: 40, partAtLeast: 10 };

/** u1 to u30 are at Quay, in the unit /Quay and in the group; u31 to u230 at Wharf. All applied. */
async function settled(hasFeed = false, quay = 30) {
  const users = names(1, 230).map((id, at) => {
    const inQuay = at < quay;
    return {
      id,
      userName: `${id}@${inQuay ? 'quay' : 'wharf'}.test`,
      email: `${id}@${inQuay ? 'Quay' : 'wharf'}.test`,
      orgUnit: inQuay ? '/Quay' : '/Wharf',
    };
  });
  const acme = await install.connect({
    directory: aDirectory({ users, hasFeed, groups: [{ id: 'g', name: 'Crew', members: names(1, quay) }] }),
    mapping: { roles: [{ group: 'g', role: 'sailor' }] },
    guards,
  });
  await acme.syncAndApply();
  return acme;
}

describe.each([false, true])('A part of the directory (in deltas: %s)', (hasFeed) => {
  it('may lose people up to the limit', async () => {
    const acme = await settled(hasFeed);
    acme.directory.remove(...names(1, 12));
    await acme.sync();
    expect(await held(acme)).toEqual([]);
  });

  it('has all held who would leave it, one over the limit, and nobody else', async () => {
    const acme = await settled(hasFeed);
    acme.directory.remove(...names(1, 13), 'u100');
    acme.directory.edit('u20', { displayName: 'Edited' });
    await acme.sync();
    expect(await held(acme)).toEqual(names(1, 13).sort());
    expect(await open(acme)).toEqual(['u100', 'u20']);
    const what =
      '13 users of the domain quay.test, which had 30, would be suspended or deleted; up to 12 are unremarkable';
    expect(await because(acme)).toEqual([what]);
  });

  it('stays held run after run, also those who leave later, until a person has decided', async () => {
    const acme = await settled(hasFeed);
    acme.directory.remove(...names(1, 13));
    await acme.sync();
    acme.directory.remove('u14');
    await acme.sync();
    await acme.sync({ full: true });
    await acme.sync({ full: true });
    expect(await held(acme)).toEqual(names(1, 14).sort());
    await acme.decideAll('approve', {}, { includeHeld: true });
    expect(await acme.apply()).toMatchObject({ applied: 14 });
    acme.directory.remove('u15');
    await acme.sync();
    expect(await held(acme)).toEqual([]);
  });

  it('that loses a few at a time is noticed when they wait together', async () => {
    const acme = await settled(hasFeed);
    for (const [from, to] of [
      [1, 5],
      [6, 10],
      [11, 12],
    ] as const) {
      acme.directory.remove(...names(from, to));
      await acme.sync();
      expect(await held(acme)).toEqual([]);
    }
    acme.directory.remove('u13');
    await acme.sync();
    expect(await held(acme)).toEqual(names(1, 13).sort());
  });

  it('is open again once its people are back', async () => {
    const acme = await settled(hasFeed);
    const before = names(1, 13).map((id) => ({
      ...{ id, userName: `${id}@quay.test`, email: `${id}@Quay.test`, orgUnit: '/Quay' },
    }));
    acme.directory.remove(...names(1, 13));
    await acme.sync();
    acme.directory.add(...before.slice(1));
    acme.directory.group('g', names(2, 30));
    await acme.sync({ full: true });
    expect(await held(acme)).toEqual([]);
    expect(await open(acme)).toEqual(['u1']);
  });

  it('counts whom the directory suspends, wherever it moves them', async () => {
    const acme = await settled(hasFeed);
    for (const id of names(1, 13)) acme.directory.edit(id, { state: 'suspended', orgUnit: '/Leavers' });
    await acme.sync();
    expect(await held(acme)).toEqual(names(1, 13).sort());
  });
});

describe('A group', () => {
  it.each([
    [12, 0],
    [13, 13],
  ])('that %i of thirty leave has %i held, and says so by its name', async (leaving, expected) => {
    const acme = await settled();
    acme.directory.group('g', names(leaving + 1, 30));
    acme.directory.remove('u100');
    await acme.sync();
    expect(await held(acme)).toHaveLength(expected);
    expect(await open(acme)).toContain('u100');
    expect(await because(acme)).toEqual(
      expected === 0
        ? []
        : [
            '13 users of the group Crew, which had 30, would go or lose roles with it; up to 12 are unremarkable',
          ],
    );
  });

  it('that is gone altogether has all held whom it gave a role, for as long as it is', async () => {
    const acme = await settled();
    acme.directory.group('g', []);
    await acme.sync();
    await acme.sync();
    expect(await held(acme)).toHaveLength(30);
    acme.directory.group('g', names(1, 30));
    await acme.sync();
    expect(await acme.pending()).toEqual([]);
  });

  it.each(['complete', 'with an override that allows fewer'])(
    'whose members cannot be read keeps held whom it held (a run that is %s)',
    async (how) => {
      const acme = await install.connect({
        directory: aDirectory({ users: 230, groups: [{ id: 'g', name: 'Crew', members: names(1, 30) }] }),
        mapping: { roles: [{ group: 'g', role: 'sailor' }] },
        guards,
      });
      await acme.syncAndApply();
      acme.directory.remove(...names(1, 13));
      acme.directory.group('g', names(14, 30));
      await acme.sync();
      expect(await held(acme)).toHaveLength(13);
      if (how !== 'complete') {
        await overrideGuard(install, acme.administrator, {
          connection: acme.connection,
          guard: 'shrunken-group',
          allowed: 12,
          until: new Date(install.clock.now().getTime() + 3_600_000).toISOString(),
          reason: 'a test',
        });
      }
      acme.directory.faults = { unreadableMembers: ['g'] };
      await acme.sync({ full: true });
      expect(await held(acme)).toHaveLength(13);
      acme.directory.faults = {};
      await acme.sync({ full: true });
      expect(await held(acme)).toHaveLength(13);
    },
  );

  it('that the mapping gives up holds nobody by itself: a person has changed that', async () => {
    const acme = await settled();
    await install.remap(acme.connection, { roles: [], groups: [] });
    await acme.sync();
    expect(await open(acme)).toHaveLength(30);
  });
});

describe('An organisational unit', () => {
  it('is noticed where the domain is everybody’s', async () => {
    const users = names(1, 230).map((id, at) => ({ id, orgUnit: at < 30 ? '/Quay' : '/Wharf' }));
    const acme = await install.connect({ directory: aDirectory({ users }), guards });
    await acme.syncAndApply();
    acme.directory.remove(...names(1, 13), ...names(100, 110));
    await acme.sync();
    expect(await held(acme)).toEqual(names(1, 13).sort());
    expect(await open(acme)).toHaveLength(11);
    expect(await because(acme)).toEqual([
      '13 users of the organisational unit /Quay, which had 30, would be suspended or deleted; up to 12 are unremarkable',
    ]);
  });

  it('of few people may lose them all', async () => {
    const acme = await settled(false, 10);
    acme.directory.remove(...names(1, 10));
    await acme.sync();
    expect(await held(acme)).toEqual([]);
  });

  it('in a mapping that is tried shows what would be held for it, and nothing that would not', async () => {
    const acme = await settled();
    const mapping = { groups: null, roles: [{ group: 'g', role: 'captain' }] };
    const found = await previewMapping(install, install.operator, { connection: acme.connection, mapping });
    expect(found.held).toEqual([]);
  });
});

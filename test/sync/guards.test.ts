import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mapping } from '../../src/domain/mapping.ts';
import { updateConnection } from '../../src/tenancy/connections.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install } from '../support/install.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const names = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => `u${from + at}`);

/** All applied. */
async function settled(
  count: number,
  more: { guards?: object; everyone?: string[]; engineers?: number; hasFeed?: boolean } = {},
) {
  const users = names(1, count).map((id) => ({ id, department: 'Engines', phone: '1' }));
  const groups = [{ id: 'g', members: names(1, more.engineers ?? 0) }];
  const roles = [{ group: 'g', role: 'engineer' }];
  const acme = await install.connect({
    directory: aDirectory({ users, groups, hasFeed: more.hasFeed ?? false }),
    mapping: { roles, everyone: more.everyone ?? [] },
    guards: more.guards ?? {},
  });
  await acme.syncAndApply();
  return acme;
}

const held = (acme: Connected) => acme.inState('held');
const because = async (acme: Connected) => (await acme.summary()).heldBecause;

describe('Deletions', () => {
  it('go exactly up to the limit', async () => {
    const acme = await settled(100);
    acme.directory.remove(...names(1, 10));
    await acme.sync();
    expect(await acme.inState('open')).toHaveLength(10);
    expect(await held(acme)).toEqual([]);
  });

  it('are all held one over the limit, with the reason, and nothing else is', async () => {
    const acme = await settled(100);
    acme.directory.remove(...names(1, 11));
    acme.directory.edit('u50', { displayName: 'Edited' });
    acme.directory.add({ id: 'joiner' });
    expect(await acme.sync()).toMatchObject({ counts: { held: 11, deleted: 11, changed: 1, new: 1 } });
    expect(await held(acme)).toEqual(names(1, 11).sort());
    expect(await acme.inState('open')).toEqual(['joiner', 'u50']);
    expect(await because(acme)).toEqual([
      '11 users would be suspended or deleted; up to 10 go without a person looking at them',
    ]);
    expect((await acme.changeOf('u1')).decision).toMatchObject({
      madeBy: 'guard',
      verdict: 'hold',
      by: null,
    });
  });

  it('count suspensions too', async () => {
    const acme = await settled(100);
    acme.directory.remove(...names(1, 6));
    for (const id of names(7, 11)) acme.directory.edit(id, { state: 'suspended' });
    await acme.sync();
    expect(await held(acme)).toHaveLength(11);
  });

  it('in a tenant of two users are let through, up to what a small directory may lose', async () => {
    const acme = await settled(2);
    acme.directory.remove('u1');
    await acme.sync();
    expect(await acme.inState('open')).toEqual(['u1']);
  });

  it('of a whole directory are not even proposed: it is empty, and that is no news', async () => {
    const acme = await settled(2);
    acme.directory.remove('u1', 'u2');
    expect(await acme.sync()).toMatchObject({ snapshot: 'partial', partialReason: 'empty-directory' });
    expect(await acme.pending()).toEqual([]);
  });

  it('of everybody whom the provider itself calls deactivated are held', async () => {
    const acme = await settled(6);
    for (const id of names(1, 6)) acme.directory.edit(id, { state: 'deprovisioned' });
    await acme.sync();
    expect(await held(acme)).toEqual(names(1, 6));
  });

  it('are not let through by approving the whole set, but where it is said', async () => {
    const acme = await settled(100);
    acme.directory.remove(...names(1, 11));
    await acme.sync();
    expect(await acme.approveAll()).toBe(0);
    expect(await acme.decideAll('approve', {}, { includeHeld: true })).toBe(11);
  });

  it('that a person let through stay so at the next run, and the others stay held', async () => {
    const acme = await settled(100);
    acme.directory.remove(...names(1, 12));
    await acme.sync();
    await acme.approve('u1', 'u2');
    await acme.decide('reject', 'u3');
    await acme.sync();
    expect(await acme.inState('approved')).toEqual(['u1', 'u2']);
    expect(await acme.inState('rejected')).toEqual(['u3']);
    expect(await held(acme)).toEqual(names(4, 12).sort());
    expect(await acme.apply()).toMatchObject({ applied: 2 });
  });

  it('are open again when the directory recovers, for those who are still missing', async () => {
    const acme = await settled(100);
    acme.directory.remove(...names(1, 40));
    await acme.sync();
    expect(await held(acme)).toHaveLength(40);
    acme.directory.add(...names(3, 40).map((id) => ({ id, department: 'Engines', phone: '1' })));
    await acme.sync();
    expect(await held(acme)).toEqual([]);
    expect(await acme.inState('open')).toEqual(['u1', 'u2']);
    expect(await acme.changeOf('u1')).toMatchObject({ decision: null, revision: await acme.revision() });
    // Whoever approves all that they saw before did not see these two waiting.
    expect(await acme.decideAll('approve', {}, { revision: (await acme.revision()) - 1 })).toBe(0);
  });

  it('are not open again because a later run read only a part', async () => {
    const acme = await settled(100);
    acme.directory.remove(...names(1, 12));
    await acme.sync();
    acme.directory.pageSize = 10;
    acme.directory.add({ id: 'u1', department: 'Engines', phone: '1' });
    acme.directory.faults = { fails: { page: 3 } };
    expect(await acme.sync()).toMatchObject({ snapshot: 'partial' });
    expect(await held(acme)).toEqual(names(1, 12).sort());
  });

  it('that a person holds stay held when every guard is content', async () => {
    const acme = await settled(10);
    acme.directory.remove('u1');
    await acme.sync();
    await acme.decide('hold', 'u1');
    await acme.sync();
    expect(await held(acme)).toEqual(['u1']);
    expect((await acme.changeOf('u1')).decision).toMatchObject({ madeBy: 'person' });
  });
});

describe('The limits', () => {
  it('are the ones of when the plan is stored, not of when the run began', async () => {
    const acme = await settled(20);
    acme.directory.remove('u1', 'u2');
    const stricter = { guards: { deletedPercent: 0, deletedAtLeast: 1 } };
    const { connection, administrator } = acme;
    acme.directory.faults = {
      beforePage: async (list) => {
        if (list === 'users')
          await updateConnection(install, administrator, { connection, policy: stricter });
      },
    };
    await acme.sync();
    expect(await held(acme)).toEqual(['u1', 'u2']);
    expect(await because(acme)).toEqual([expect.stringContaining('up to 1 go without')]);
  });
});

describe('A directory that has shrunk', () => {
  const guards = { deletedPercent: 100, deletedInWindowPercent: 100 };

  it.each([
    [25, 0],
    [26, 26],
  ])('by %i of a hundred users has %i deletions held', async (gone, expected) => {
    const acme = await settled(100, { guards });
    acme.directory.remove(...names(1, gone));
    await acme.sync();
    expect(await held(acme)).toHaveLength(expected);
  });

  it('is held at every later run too, until a person has decided', async () => {
    const acme = await settled(100, { guards });
    acme.directory.remove(...names(1, 50));
    await acme.sync();
    await acme.sync();
    await acme.sync();
    expect(await held(acme)).toHaveLength(50);
    expect(await because(acme)).toEqual([expect.stringMatching(/^the directory lists 50 users fewer/)]);
    await acme.decideAll('approve', {}, { includeHeld: true });
    expect(await acme.apply()).toMatchObject({ applied: 50 });
    acme.directory.remove(...names(51, 57));
    await acme.sync();
    expect(await held(acme)).toEqual([]);
    expect(await acme.inState('open')).toHaveLength(7);
  });

  it('and has recovered in part leaves those who are still missing to a person', async () => {
    const acme = await settled(100, { guards });
    acme.directory.remove(...names(1, 50));
    await acme.sync();
    acme.directory.add(...names(4, 50).map((id) => ({ id, department: 'Engines', phone: '1' })));
    await acme.sync();
    expect(await held(acme)).toEqual(names(1, 3));
    expect(await acme.inState('open')).toEqual([]);
  });

  it('and whose deletions were refused does not hold later ones for ever', async () => {
    const acme = await settled(100, { guards });
    acme.directory.remove(...names(1, 50));
    await acme.sync();
    await acme.decideAll('reject');
    acme.directory.remove(...names(51, 57));
    await acme.sync();
    expect(await held(acme)).toEqual([]);
    expect(await acme.inState('open')).toHaveLength(7);
  });
});

describe('A credential that has lost a permission', () => {
  it.each([
    [10, 0],
    [11, 11],
  ])('and blanks a field of %i of a hundred users has %i changes held', async (blanked, expected) => {
    const acme = await settled(100);
    for (const id of names(1, blanked)) acme.directory.edit(id, { phone: null });
    acme.directory.edit('u50', { phone: '2' });
    await acme.sync();
    expect(await held(acme)).toHaveLength(expected);
    expect(await acme.inState('open')).toContain('u50');
  });

  it('is named by every field, and is forgotten when the fields are back', async () => {
    const acme = await settled(30);
    for (const id of names(1, 30)) acme.directory.edit(id, { phone: null, department: null });
    await acme.sync();
    expect(await held(acme)).toHaveLength(30);
    for (const id of names(1, 30)) acme.directory.edit(id, { phone: '1', department: 'Engines' });
    acme.directory.edit('u1', { displayName: 'Edited' });
    await acme.sync();
    expect(await acme.pending()).toEqual(['u1']);
    expect(await held(acme)).toEqual([]);
  });
});

describe('Roles', () => {
  it.each([
    [6, 0],
    [7, 7],
  ])('lost by %i of thirty users hold %i changes', async (losing, expected) => {
    const acme = await settled(30, { engineers: 30 });
    acme.directory.group('g', names(losing + 1, 30));
    await acme.sync();
    expect(await held(acme)).toHaveLength(expected);
  });
});

describe('Another tenant', () => {
  it.each([
    [6, 'Wharf', 0],
    [7, 'Wharf', 7],
    [6, null, 0],
    [7, null, 7],
  ])('for %i of thirty users (%s) holds %i changes', async (moving, department, expected) => {
    const acme = await install.connect({
      directory: aDirectory({ users: names(1, 30).map((id) => ({ id, department: 'Engines', phone: '1' })) }),
      mapping: Mapping.parse({ rules: [{ tenant: '{department}', create: true }], omit: ['department'] }),
      guards: { blankedPercent: 0, blankedAtLeast: 0 },
    });
    await acme.syncAndApply();
    for (const id of names(1, moving)) acme.directory.edit(id, { department });
    acme.directory.edit('u30', { displayName: 'Edited' });
    await acme.sync();
    expect(await held(acme)).toHaveLength(expected);
    expect(await acme.inState('open')).toContain('u30');
    expect(await because(acme)).toEqual(
      expected === 0
        ? []
        : ['7 users would be put in another tenant; up to 6 go without a person looking at them'],
    );
  });
});

describe('A directory of which most has changed', () => {
  it.each([
    [50, 0],
    [51, 51],
  ])('by edits of %i of a hundred users has %i changes held, and no joiner', async (edited, expected) => {
    const acme = await settled(100);
    for (const id of names(1, edited)) acme.directory.edit(id, { displayName: 'Somebody Else' });
    acme.directory.add({ id: 'joiner' });
    await acme.sync();
    expect(await held(acme)).toHaveLength(expected);
    expect(await acme.inState('open')).toContain('joiner');
    expect(await because(acme)).toEqual(
      expected === 0
        ? []
        : ['51 users would change, in whatever way; up to 50 go without a person looking at them'],
    );
  });

  it('counts deletions, and leaves those who come and those who come back alone', async () => {
    const acme = await settled(100, {
      guards: { deletedPercent: 100, deletedInWindowPercent: 100, shrunkenPercent: 100 },
    });
    acme.directory.remove(...names(1, 40));
    for (const id of names(41, 51)) acme.directory.edit(id, { displayName: 'Somebody Else' });
    await acme.sync();
    expect(await held(acme)).toHaveLength(51);
    await acme.decideAll('approve', {}, { includeHeld: true });
    await acme.apply();
    acme.directory.add(...names(1, 40).map((id) => ({ id, department: 'Engines', phone: '1' })));
    acme.directory.add(...names(101, 200).map((id) => ({ id })));
    await acme.sync();
    expect(await held(acme)).toEqual([]);
    expect(await acme.inState('open')).toHaveLength(140);
  });
});

describe('In deltas', () => {
  const asBefore = (from: number, to: number) =>
    names(from, to).map((id) => ({ id, department: 'Engines', phone: '1' }));
  const kinds: [string, { count: number; limit: number; because: RegExp }, Harm, Harm][] = [
    [
      'deletions',
      { count: 100, limit: 10, because: /^11 users would be suspended or deleted; up to 10 go/ },
      ({ directory }, from, to) => directory.remove(...names(from, to)),
      ({ directory }, from, to) => directory.add(...asBefore(from, to)),
    ],
    [
      'lost roles',
      { count: 30, limit: 6, because: /^7 users would lose roles; up to 6 go/ },
      ({ directory }, _, to) => directory.group('g', names(to + 1, 30)),
      ({ directory }, from) => directory.group('g', names(from, 30)),
    ],
    [
      'blanked fields',
      { count: 100, limit: 10, because: /^11 users would lose their phone, as when .* up to 10 go/ },
      ({ directory }, from, to) => {
        for (const id of names(from, to)) directory.edit(id, { phone: null });
      },
      ({ directory }, from, to) => {
        for (const id of names(from, to)) directory.edit(id, { phone: '1' });
      },
    ],
  ];
  const ofDelta = async (acme: Connected) => expect(await acme.sync()).toMatchObject({ kind: 'delta' });

  it.each(kinds)('%s go exactly up to the limit', async (_, { count, limit }, harm) => {
    const acme = await settled(count, { engineers: count, hasFeed: true });
    harm(acme, 1, limit);
    await ofDelta(acme);
    expect(await held(acme)).toEqual([]);
    expect(await acme.inState('open')).toHaveLength(limit);
  });

  it.each(kinds)(
    '%s one over the limit are held, with the reason; a delta never opens them, a full run does once all but some are back',
    async (_, { count, limit, because: reason }, harm, mend) => {
      const acme = await settled(count, { engineers: count, hasFeed: true });
      harm(acme, 1, limit + 1);
      acme.directory.edit('u30', { displayName: 'Edited' });
      await ofDelta(acme);
      expect(await held(acme)).toEqual(names(1, limit + 1).sort());
      expect(await acme.inState('open')).toEqual(['u30']);
      expect(await because(acme)).toEqual([expect.stringMatching(reason)]);
      expect((await acme.changeOf('u1')).decision).toMatchObject({ madeBy: 'guard', verdict: 'hold' });

      mend(acme, 3, limit + 1);
      await ofDelta(acme);
      expect(await held(acme)).toEqual(['u1', 'u2']);
      expect(await acme.sync({ full: true })).toMatchObject({ kind: 'full', snapshot: 'complete' });
      expect(await held(acme)).toEqual([]);
      expect(await acme.inState('open')).toEqual(['u1', 'u2', 'u30']);
    },
  );

  it.each(kinds)(
    '%s that only together exceed the limit are held by the delta that brings the last of them, those before it too',
    async (_, { count, limit }, harm) => {
      const acme = await settled(count, { engineers: count, hasFeed: true });
      const step = Math.floor(limit / 2) - 1;
      for (const [from, to] of [
        [1, step],
        [step + 1, 2 * step],
      ] as const) {
        harm(acme, from, to);
        await ofDelta(acme);
        expect(await held(acme)).toEqual([]);
        expect(await acme.inState('open')).toHaveLength(to);
      }
      const all = Math.max(3 * step, limit + 1);
      harm(acme, 2 * step + 1, all);
      await ofDelta(acme);
      expect(await held(acme)).toEqual(names(1, all).sort());
    },
  );
});

type Harm = (acme: Connected, from: number, to: number) => void;

describe('A stored policy that cannot be read', () => {
  const store = ({ connection }: Connected, policy: string) =>
    asOwner(install.database.url, (client) =>
      client.query('UPDATE connection SET policy = $2::jsonb WHERE id = $1', [connection, policy]),
    );
  const damaged = [
    '{"guards": {"deletedPercent": "all"}}',
    '{"guards": {"deletedPercent": 1000}}',
    '{"guards": {"deletedAtLeast": null}}',
    '{"guards": null}',
    '[]',
    'null',
  ];

  it.each(damaged)('%s lets no run begin: nothing is proposed, nor open that was held', async (policy) => {
    const acme = await settled(30, { hasFeed: true });
    acme.directory.remove(...names(1, 8));
    await acme.sync();
    const before = await acme.live();
    expect(await held(acme)).toHaveLength(8);
    acme.directory.remove(...names(9, 12));
    acme.directory.edit('u20', { displayName: 'Edited' });
    await store(acme, policy);
    for (const full of [false, true])
      await expect(acme.sync({ full })).rejects.toMatchObject({ code: 'unreadable-connection' });
    await store(acme, '{}');
    expect(await acme.live()).toEqual(before);
    await acme.sync();
    expect(await held(acme)).toHaveLength(12);
  });

  it.each(damaged)(
    '%s, damaged while a run is under way, ends it before anything is proposed',
    async (policy) => {
      const acme = await settled(30);
      acme.directory.remove(...names(1, 8));
      acme.directory.faults = {
        beforePage: async (list) => {
          if (list === 'users') await store(acme, policy);
        },
      };
      await expect(acme.sync()).rejects.toThrow();
      acme.directory.faults = {};
      await expect(acme.sync()).rejects.toMatchObject({ code: 'unreadable-connection' });
      await store(acme, '{}');
      expect(await acme.live()).toEqual([]);
      await acme.sync();
      expect(await held(acme)).toHaveLength(8);
    },
  );
});

describe('An apply', () => {
  it('takes nothing that is held', async () => {
    const acme = await settled(20);
    acme.directory.remove(...names(1, 8));
    acme.directory.edit('u20', { displayName: 'Edited' });
    await acme.sync();
    await acme.approveAll();
    expect(await acme.apply()).toMatchObject({ applied: 1 });
    expect((await acme.users()).filter(({ state }) => state === 'active')).toHaveLength(20);
  });
});

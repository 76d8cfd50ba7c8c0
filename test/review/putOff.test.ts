import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decide } from '../../src/review/decide.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { auditOf } from '../support/tenancy.ts';

const HOUR = 3_600_000;
let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

/** Joiners u1 to u3, all open. */
async function joiners(hasFeed = false): Promise<Connected> {
  const acme = await install.connect({ directory: aDirectory({ users: 3, hasFeed }), guards: noGuards });
  await acme.sync();
  return acme;
}

const inHours = (hours: number) => new Date(install.clock.now().getTime() + hours * HOUR).toISOString();

async function putOff(
  acme: Connected,
  verdict: 'approve' | 'reject' | 'hold',
  externalId: string,
  until: string | null,
) {
  const { id, fingerprint } = await acme.changeOf(externalId);
  const ruling = { verdict, reason: 'back on Monday', until, changes: [{ id, fingerprint }] };
  return await decide(install, acme.administrator, ruling);
}

describe('A change that was refused, or held back, until a time', () => {
  it.each([
    ['reject', 'rejected', false],
    ['hold', 'held', false],
    ['reject', 'rejected', true],
  ] as const)(
    'by %s stays %s until then, and waits again at the next plan, with a note (a delta: %s)',
    async (verdict, state, hasFeed) => {
      const acme = await joiners(hasFeed);
      const until = inHours(2);
      await putOff(acme, verdict, 'u1', until);
      install.clock.advance(2 * HOUR - 1);
      await acme.sync();
      expect(await acme.inState(state)).toEqual(['u1']);
      expect((await acme.changeOf('u1')).decision).toMatchObject({ until });
      const seen = await acme.revision();
      install.clock.advance(1);
      await acme.sync();
      expect(await acme.inState('open')).toEqual(['u1', 'u2', 'u3']);
      expect(await acme.changeOf('u1')).toMatchObject({
        decision: null,
        note: {
          ...{ because: 'time-up', was: state, until, reason: 'back on Monday' },
          by: acme.administrator.actor.name,
        },
      });
      // Whoever approves what they saw before did not see it waiting.
      expect(await acme.decideAll('approve', { search: 'u1@' }, { revision: seen })).toBe(0);
    },
  );

  it('waits again without a run too, once for all processes, and it is audited', async () => {
    const [acme, other] = [await joiners(), await joiners()];
    await putOff(acme, 'reject', 'u1', inHours(2));
    await putOff(acme, 'hold', 'u2', inHours(2));
    await putOff(other, 'hold', 'u2', inHours(3));
    install.clock.advance(2 * HOUR - 1);
    expect(await install.store.decisions.openAgain(install.clock.now())).toBe(0);
    const before = await acme.revision();
    install.clock.advance(1);
    const at = install.clock.now();
    const opened = await Promise.all([1, 2].map(() => install.store.decisions.openAgain(at)));
    expect(opened.sort()).toEqual([0, 2]);
    expect(await acme.inState('open')).toEqual(['u1', 'u2', 'u3']);
    expect(await acme.revision()).toBe(before + 1);
    expect(await other.inState('held')).toEqual(['u2']);
    expect((await auditOf(install.database.url, acme.tenant)).at(-1)).toMatchObject({
      actor: { kind: 'system' },
      action: 'changes.opened-again',
      subject: { kind: 'change-set', id: acme.connection },
      details: { changes: 2, because: 'time-up' },
    });
  });

  it('and was decided on otherwise meanwhile stays as that says', async () => {
    const acme = await joiners();
    await putOff(acme, 'reject', 'u1', inHours(1));
    await putOff(acme, 'reject', 'u2', inHours(1));
    await acme.approve('u1');
    await putOff(acme, 'hold', 'u3', inHours(1));
    await acme.decide('reject', 'u3');
    install.clock.advance(2 * HOUR);
    await acme.sync();
    expect(await acme.inState('approved')).toEqual(['u1']);
    expect(await acme.inState('rejected')).toEqual(['u3']);
    expect(await acme.inState('open')).toEqual(['u2']);
    await acme.approve('u2');
    expect((await acme.changeOf('u2')).note).toBeNull();
  });

  it('is refused an end that is past, and an approval any end', async () => {
    const acme = await joiners();
    await expect(putOff(acme, 'reject', 'u1', inHours(0))).rejects.toMatchObject({ code: 'invalid-input' });
    await expect(putOff(acme, 'approve', 'u1', inHours(1))).rejects.toMatchObject({
      code: 'invalid-input',
      message: expect.stringContaining('an approval has no end'),
    });
  });

  it('without an end stays refused until its content changes', async () => {
    const acme = await joiners();
    await acme.decide('reject', 'u1');
    install.clock.advance(1_000 * HOUR);
    await acme.sync();
    expect(await acme.inState('rejected')).toEqual(['u1']);
    acme.directory.edit('u1', { displayName: 'Somebody Else' });
    await acme.sync();
    expect(await acme.inState('open')).toEqual(['u1', 'u2', 'u3']);
  });
});

describe('What guards look at, refused until a time', () => {
  const tenOf = { ...noGuards, deletedPercent: 10, deletedAtLeast: 5 };
  const names = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, at) => `u${from + at}`).sort();

  /** A hundred, all applied. */
  async function settled(guards: object, hasFeed = false): Promise<Connected> {
    const acme = await install.connect({ directory: aDirectory({ users: 100, hasFeed }), guards });
    await acme.syncAndApply();
    return acme;
  }
  async function refuse(acme: Connected, ...ids: readonly string[]) {
    const shown = (await acme.live()).filter(({ externalId }) => ids.includes(externalId));
    const changes = shown.map(({ id, fingerprint }) => ({ id, fingerprint }));
    const ruling = { verdict: 'reject', reason: 'not before Monday', until: inHours(2), changes };
    expect(await decide(install, acme.administrator, ruling)).toMatchObject({ decided: ids.length });
  }
  const timeIsUp = async () => {
    install.clock.advance(2 * HOUR);
    return await install.store.decisions.openAgain(install.clock.now());
  };

  it('is held by the guard again when its time is up, without a run, and an approval of all leaves it', async () => {
    const acme = await settled(tenOf);
    acme.directory.remove(...names(1, 12));
    await acme.sync();
    expect(await acme.inState('held')).toEqual(names(1, 12));
    await refuse(acme, ...names(1, 12));
    expect(await timeIsUp()).toBeGreaterThanOrEqual(12); // of other connections too
    expect(await acme.inState('held')).toEqual(names(1, 12));
    expect(await acme.changeOf('u1')).toMatchObject({
      decision: { madeBy: 'guard', finding: { guard: 'too-many-deletions', counted: 12 } },
      note: { because: 'time-up', was: 'rejected' },
    });
    expect(await acme.approveAll()).toBe(0);
    expect(await timeIsUp()).toBe(0);
  });

  it('is counted with what waits, though no guard had held it before', async () => {
    const acme = await settled(tenOf);
    acme.directory.remove(...names(1, 6));
    await acme.sync();
    await refuse(acme, ...names(1, 6));
    acme.directory.remove(...names(7, 12));
    await acme.sync();
    expect(await acme.inState('held')).toEqual([]);
    await timeIsUp();
    expect(await acme.inState('held')).toEqual(names(1, 12));
  });

  it('waits open where the guards find nothing', async () => {
    const acme = await settled(tenOf);
    acme.directory.remove(...names(1, 6));
    await acme.sync();
    await refuse(acme, ...names(1, 6));
    await timeIsUp();
    expect(await acme.inState('open')).toEqual(names(1, 6));
  });

  it.each([false, true])(
    'is held again for a directory that has shrunk, which a run that reads a part cannot find (a delta: %s)',
    async (hasFeed) => {
      const acme = await settled({ ...noGuards, deletedAtLeast: 5, shrunkenPercent: 25 }, hasFeed);
      acme.directory.remove(...names(1, 30));
      await acme.sync({ full: true });
      expect(await acme.inState('held')).toHaveLength(30);
      await refuse(acme, ...names(1, 30));
      if (hasFeed) {
        install.clock.advance(2 * HOUR);
        await acme.sync();
      } else await timeIsUp();
      expect(await acme.inState('held')).toHaveLength(30);
    },
  );
});

describe('A change that is no longer true', () => {
  const gone = async (acme: Connected) =>
    (await acme.changes({ state: ['superseded'] })).find(({ externalId }) => externalId === 'u1');

  it('says which other one is proposed in its place, and keeps who had decided', async () => {
    const acme = await joiners();
    await acme.approve('u1');
    acme.directory.edit('u1', { displayName: 'Somebody Else' });
    await acme.sync();
    const now = await acme.changeOf('u1');
    expect(await gone(acme)).toMatchObject({
      note: { because: 'replaced', by: now.id },
      decision: { verdict: 'approve', by: acme.administrator.actor.name, reason: 'test' },
    });
    expect(now).toMatchObject({ state: 'open', note: null });
  });

  it('says that there is nothing left to do, where directory and auth user agree', async () => {
    const acme = await joiners();
    await acme.approveAll();
    await acme.apply();
    acme.directory.edit('u1', { displayName: 'Somebody Else' });
    await acme.sync();
    await acme.decide('hold', 'u1');
    acme.directory.edit('u1', { displayName: 'User u1' });
    await acme.sync();
    expect(await gone(acme)).toMatchObject({
      note: { because: 'agrees' },
      decision: { verdict: 'hold', by: acme.administrator.actor.name },
    });
    expect(await acme.pending()).toEqual([]);
  });

  it.each([false, true])(
    'says that the user is away, of a joiner who left again (a delta: %s)',
    async (hasFeed) => {
      const acme = await joiners(hasFeed);
      acme.directory.remove('u1');
      await acme.sync();
      expect(await gone(acme)).toMatchObject({ note: { because: 'away' }, decision: null });
      expect(await acme.inState('open')).toEqual(['u2', 'u3']);
    },
  );
});

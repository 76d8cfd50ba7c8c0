import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Policy } from '../../src/domain/policy.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install } from '../support/install.ts';

const HOUR = 3_600_000;

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const names = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => `u${from + at}`);
const held = (acme: Connected) => acme.inState('held');

/** A hundred users, all applied. */
async function settled(guards: Partial<Policy['guards']> = {}, hasFeed = false) {
  const users = names(1, 100).map((id) => ({ id }));
  const acme = await install.connect({ directory: aDirectory({ users, hasFeed }), guards });
  await acme.syncAndApply();
  return acme;
}

/** They leave, and that is applied. */
async function leave(acme: Connected, from: number, to: number) {
  acme.directory.remove(...names(from, to));
  await acme.sync();
  await acme.decideAll('approve', {}, { includeHeld: true });
  await acme.apply();
}

describe('Deletions over a window', () => {
  it.each([false, true])(
    'of nine in a hundred a day are held from the third time on (by deltas, an hour each: %s)',
    async (hasFeed) => {
      const acme = await settled({}, hasFeed);
      const heldOn: number[] = [];
      for (let day = 0; day < 5; day += 1) {
        acme.directory.remove(...names(9 * day + 1, 9 * day + 9));
        await acme.sync();
        heldOn.push((await held(acme)).length);
        await acme.decideAll('approve', {}, { includeHeld: true });
        await acme.apply();
        install.clock.advance(hasFeed ? HOUR : 24 * HOUR); // after a day a delta would be a full run
      }
      expect(heldOn).toEqual([0, 0, 9, 9, 9]);
    },
  );

  it('go exactly up to the limit, together with those that were applied', async () => {
    const acme = await settled({ deletedPercent: 100 });
    await leave(acme, 1, 10);
    acme.directory.remove(...names(11, 20));
    await acme.sync();
    expect(await held(acme)).toEqual([]);
    expect(await acme.inState('open')).toHaveLength(10);
  });

  it('are held one over, with the reason, suspensions too, and nothing else is', async () => {
    const acme = await settled({ deletedPercent: 100 });
    await leave(acme, 1, 10);
    acme.directory.remove(...names(11, 20));
    acme.directory.edit('u21', { state: 'suspended' });
    acme.directory.edit('u50', { displayName: 'Edited' });
    await acme.sync();
    expect(await held(acme)).toEqual(names(11, 21).sort());
    expect(await acme.inState('open')).toEqual(['u50']);
    expect((await acme.summary()).heldBecause).toEqual([
      '21 users would be suspended or deleted, with those of the last 168 hours; up to 20 go without a person looking at them',
    ]);
  });

  it.each([
    [24, 11],
    [25, 0],
  ])(
    'that were applied count for as long as it reaches: after %i hours of 25, %i are held',
    async (hours, expected) => {
      const acme = await settled({ deletedPercent: 100, windowHours: 25 });
      await leave(acme, 1, 10);
      install.clock.advance(hours * HOUR);
      acme.directory.remove(...names(11, 21));
      await acme.sync();
      expect(await held(acme)).toHaveLength(expected);
    },
  );

  it('are open again when those before them have left the window', async () => {
    const acme = await settled({ deletedPercent: 100, windowHours: 24 });
    await leave(acme, 1, 10);
    acme.directory.remove(...names(11, 21));
    await acme.sync();
    expect(await held(acme)).toHaveLength(11);
    install.clock.advance(24 * HOUR);
    await acme.sync();
    expect(await held(acme)).toEqual([]);
    expect(await acme.inState('open')).toHaveLength(11);
  });

  it('do not count whoever is back, nor anybody twice', async () => {
    const acme = await settled({ deletedPercent: 100 });
    for (const id of names(1, 10)) acme.directory.edit(id, { state: 'suspended' });
    await acme.syncAndApply();
    for (const id of names(1, 5)) acme.directory.edit(id, { state: 'active' });
    await acme.syncAndApply();
    acme.directory.remove(...names(6, 20)); // five of them are suspended
    await acme.sync();
    expect(await held(acme)).toEqual([]);
    acme.directory.remove(...names(21, 26));
    await acme.sync();
    expect(await held(acme)).toEqual(names(6, 26).sort());
  });

  it('that a person let through stay so, and the others stay held', async () => {
    const acme = await settled({ deletedPercent: 100 });
    await leave(acme, 1, 10);
    acme.directory.remove(...names(11, 21));
    await acme.sync();
    await acme.approve('u11', 'u12');
    await acme.sync();
    expect(await acme.inState('approved')).toEqual(['u11', 'u12']);
    expect(await held(acme)).toEqual(names(13, 21));
    expect(await acme.apply()).toMatchObject({ applied: 2 });
  });

  it('of another connection do not count', async () => {
    const [acme, other] = [await settled({ deletedPercent: 100 }), await settled({ deletedPercent: 100 })];
    await leave(other, 1, 20);
    acme.directory.remove(...names(1, 20));
    await acme.sync();
    expect(await held(acme)).toEqual([]);
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aDirectory } from '../support/directory.ts';
import { type Connected, type ConnectOptions, Install, noGuards } from '../support/install.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const DAY_MS = 86_400_000;

/** Leavers are kept for thirty days. */
async function settled(count: number, options: Partial<ConnectOptions> = {}): Promise<Connected> {
  const acme = await install.connect({
    directory: aDirectory({ users: count }),
    guards: noGuards,
    policy: { leavers: { graceDays: 30 } },
    ...options,
  });
  await acme.syncAndApply();
  return acme;
}

const kinds = async (acme: Connected) =>
  (await acme.live()).map(({ externalId, kind, cause }) => [externalId, kind, cause]);

describe('Whoever leaves', () => {
  it('is suspended at once, waits without a word, and is proposed for deletion when their time is over', async () => {
    const acme = await settled(4);
    acme.directory.remove('u1');
    acme.directory.edit('u2', { state: 'deprovisioned' });
    await acme.sync();
    expect(await kinds(acme)).toEqual([
      ['u2', 'suspend', 'deprovisioned'],
      ['u1', 'suspend', 'left'],
    ]);
    await acme.approveAll();
    await acme.apply();
    await acme.sync();
    expect(await kinds(acme)).toEqual([]);
    install.clock.advance(29 * DAY_MS);
    await acme.sync();
    expect(await kinds(acme)).toEqual([]);
    install.clock.advance(DAY_MS);
    await acme.sync();
    expect(await kinds(acme)).toEqual([
      ['u1', 'delete', 'grace-over'],
      ['u2', 'delete', 'grace-over'],
    ]);
    await acme.approveAll();
    await acme.sync(); // as often as it likes: the decision stays
    expect(await acme.apply()).toMatchObject({ applied: 2 });
    await acme.sync();
    expect(await kinds(acme)).toEqual([]);
    expect((await acme.users()).map(({ state }) => state)).toEqual(['deleted', 'deleted', 'active', 'active']);
  });
});

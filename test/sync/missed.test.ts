import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FULL_EVERY_MS } from '../../src/sync/delta.ts';
import { getRun } from '../../src/sync/runs.ts';
import { oneWithHealth } from '../../src/tenancy/health.ts';
import { aDirectory, type Faults } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

/** Ten users, all applied, and a delta that found nothing. */
async function afterADelta(mapping = {}): Promise<Connected> {
  const directory = aDirectory({
    users: 10,
    pageSize: 3,
    groups: [{ id: 'engineers', members: ['u1', 'u2'] }],
    hasFeed: true,
  });
  const roles = [{ group: 'engineers', role: 'engineer' }];
  const acme = await install.connect({ directory, mapping: { roles, ...mapping }, guards: noGuards });
  await acme.syncAndApply();
  expect(await acme.sync()).toMatchObject({ kind: 'delta' });
  return acme;
}

/** What a full run counts that finds this much anew. */
async function missedBy(acme: Connected, faults: Faults = {}): Promise<number | null> {
  acme.directory.faults = { hasFeed: true, ...faults };
  const outcome = await acme.sync({ full: true });
  if (outcome.result !== 'finished') throw new Error('the run did not finish');
  expect(outcome).toMatchObject({ kind: 'full', snapshot: 'complete' });
  return (await getRun(install, acme.administrator, outcome.run)).missedByDeltas;
}

const notTold = (...keptFromFeed: readonly string[]) => ({ keptFromFeed });

describe('What deltas missed', () => {
  it('is counted by the full run that finds it: who came, left, was edited or moved between groups without being named', async () => {
    const acme = await afterADelta();
    acme.directory.edit('u3', { displayName: 'Edited' });
    acme.directory.edit('u4', { state: 'suspended' });
    acme.directory.remove('u5');
    acme.directory.add({ id: 'u11' });
    acme.directory.group('engineers', ['u1', 'u6']);
    const unnamed = notTold('u2', 'u3', 'u4', 'u5', 'u6', 'u11');
    acme.directory.faults = { hasFeed: true, ...unnamed };
    expect(await acme.sync()).toMatchObject({ kind: 'delta' });
    expect(await acme.pending()).toEqual([]);
    expect(await missedBy(acme, unnamed)).toBe(6);
    expect(await missedBy(acme, unnamed)).toBe(null); // no delta since
  });

  it('is not what the feed names by now, and the next delta would have found', async () => {
    const acme = await afterADelta();
    acme.directory.edit('u3', { displayName: 'Edited' });
    acme.directory.edit('u4', { displayName: 'Edited' });
    expect(await missedBy(acme, notTold('u4'))).toBe(1);
  });

  it('shows in the periodic full run, and in the health of the connection for seven days', async () => {
    const acme = await afterADelta();
    acme.directory.edit('u3', { displayName: 'Edited' });
    acme.directory.faults = { hasFeed: true, ...notTold('u3') };
    install.clock.advance(FULL_EVERY_MS);
    expect(await acme.sync({ trigger: 'schedule' })).toMatchObject({ kind: 'full' });
    const health = async () => {
      const connection = await install.store.connections.get(acme.tenant, acme.connection);
      if (connection === null) throw new Error('the connection is away');
      return (await oneWithHealth(install, acme.tenant, connection)).health;
    };
    expect(await health()).toMatchObject({ state: 'active', missedByDeltas: 1 });
    install.clock.advance(7 * 24 * 3_600_000);
    expect(await health()).toMatchObject({ missedByDeltas: 0 });
  });

  it('is not what was edited, decided or given here', async () => {
    const acme = await afterADelta();
    await acme.edit('u3', { displayName: 'Here' });
    expect(await missedBy(acme)).toBe(0);
    expect(await acme.pending()).toEqual(['u3']);
  });

  it('is not known of members where the feed tells of a group that is read, and of others it is', async () => {
    const acme = await afterADelta();
    acme.directory.group('engineers', ['u1', 'u6']);
    acme.directory.edit('u3', { displayName: 'Edited' });
    const faults = { ...notTold('u2', 'u3', 'u6'), changedGroups: ['engineers'] };
    expect(await missedBy(acme, faults)).toBe(1);
  });

  it('is counted also where an earlier full run had read it, and came to no plan', async () => {
    const acme = await afterADelta();
    acme.directory.edit('u3', { displayName: 'Edited' });
    acme.directory.remove('u9');
    const unnamed = notTold('u3', 'u9');
    const controller = new AbortController();
    acme.directory.faults = {
      hasFeed: true,
      beforePage: (list) => {
        if (list === 'look-up') controller.abort(new Error('the process ends here'));
        controller.signal.throwIfAborted();
      },
    };
    await expect(acme.sync({ full: true, signal: controller.signal })).rejects.toThrow('ends here');
    install.clock.advance(2 * 3_600_000); // too long for it to be gone on with
    expect(await missedBy(acme, unnamed)).toBe(2);
  });

  it.each<[string, Faults]>([
    ['has forgotten the place', { feed: 'expired' }],
    ['is away', { feed: 'unavailable' }],
    ['has an entry that cannot be read', { feed: 'unreadable' }],
    ['does not end', { feed: 'endless' }],
  ])('is unknown where the feed %s', async (_, faults) => {
    const acme = await afterADelta();
    acme.directory.edit('u3', { displayName: 'Edited' });
    expect(await missedBy(acme, faults)).toBe(null);
    expect(await acme.pending()).toEqual(['u3']);
  });

  it('is nothing after a change of the mapping, which explains all', async () => {
    const acme = await afterADelta();
    await install.remap(acme.connection, { everyone: ['member'] });
    acme.directory.edit('u3', { displayName: 'Edited' });
    expect(await missedBy(acme, notTold('u3'))).toBe(null);
  });
});

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectors } from '../../connectors/registry.ts';
import { SIMULATED } from '../../simulators/directory.ts';
import { assignedThemselves, servicePrincipalOf } from '../../simulators/entra/assignments.ts';
import { entraPermissions } from '../../simulators/entra/entra.ts';
import { oktaIds } from '../../simulators/population/ids.ts';
import { type Simulator, startSimulator } from '../../simulators/start.ts';
import { type Connected, Install } from '../support/install.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open(connectors);
});
afterAll(() => install.close());

/** A source that keeps no feed has nothing to show here. */
const WITH_FEED = SIMULATED.filter((provider) => connectors[provider].abilities.delta);

/** What reviewers are shown of every change that waits. */
async function shown(acme: Connected) {
  return (await acme.live()).map(({ externalId, kind, cause, state, fields, rolesGained, rolesLost }) => {
    return { externalId, kind, cause, state, fields, rolesGained, rolesLost };
  });
}

describe.each(WITH_FEED)('A delta run against %s', (provider) => {
  let simulator: Simulator;
  let acme: Connected;
  beforeAll(async () => {
    simulator = await startSimulator(provider, { users: 60, groups: 4, plain: true });
  });
  beforeEach(async () => {
    acme = await install.connectTo(simulator, { everyone: ['member'], groups: [] });
    await acme.syncAndApply();
  });
  afterEach(() => simulator.control.clearFaults());
  afterAll(() => simulator.close());

  it('with nothing new proposes nothing', async () => {
    expect(await acme.sync()).toMatchObject({ result: 'finished' });
    expect(await acme.pending()).toEqual([]);
  });

  it('proposes what a full run proposes, when people come, go, change and return', async () => {
    const { ids: hired } = await simulator.control.hire(2);
    const { ids: renamed } = await simulator.control.rename(2);
    const { ids: left } = await simulator.control.leave(1, 'delete');
    const { ids: disabled } = await simulator.control.leave(1, 'disable');
    const { ids: purged } = await simulator.control.leave(1, 'purge');
    const { ids: returned } = await simulator.control.leave(1, 'delete');
    await simulator.control.restore(returned);
    expect(await acme.sync()).toMatchObject({ result: 'finished' });
    const byDelta = await shown(acme);
    // Whoever has come may have gone again, and whoever returned may have left by another way.
    const gone = new Set([...left, ...purged].filter((id) => !returned.includes(id)));
    const away = new Set([...gone, ...disabled]);
    expect(await acme.pending('create')).toEqual(hired.filter((id) => !away.has(id)).toSorted());
    expect(await acme.pending('delete')).toEqual([...gone].filter((id) => !hired.includes(id)).toSorted());
    const changed = renamed.filter((id) => !away.has(id) && !hired.includes(id));
    expect(await acme.pending('update')).toEqual(expect.arrayContaining(changed));
    expect(await acme.sync({ full: true })).toMatchObject({ kind: 'full', snapshot: 'complete' });
    expect(await shown(acme)).toEqual(byDelta);
  });

  // SCIM's filter by time does not age.
  it.skipIf(provider === 'scim')(
    'whose token is not honoured any more reads everybody, and infers no deletion from the refusal',
    async () => {
      const { ids: renamed } = await simulator.control.rename(1);
      await simulator.control.fault({ name: 'changes-expired', times: null });
      expect(await acme.sync()).toMatchObject({ result: 'finished', kind: 'full', snapshot: 'complete' });
      expect(await acme.pending()).toEqual(renamed);
    },
  );

  it('that is told everything twice and out of order proposes it once', async () => {
    const { control } = simulator;
    const isList = provider === 'scim'; // its changes are a list of users, and of none who has left
    const { ids: renamed } = await control.rename(3);
    const { ids: left } = isList ? { ids: [] } : await control.leave(2, 'delete');
    if (!isList) await control.restore(left.slice(1));
    await control.fault({ name: 'changes-repeated', on: isList ? 'users' : 'changes', times: null });
    expect(await acme.sync()).toMatchObject({ result: 'finished' });
    expect((await control.state()).faults[0]?.struck).toBeGreaterThan(0);
    const named = (await acme.changes()).map(({ externalId }) => externalId);
    expect(new Set(named).size).toBe(named.length);
    expect(await acme.pending('delete')).toEqual(left.slice(0, 1));
    expect(await acme.pending('update')).toEqual(
      expect.arrayContaining(renamed.filter((id) => !left.includes(id))),
    );
    await control.clearFaults();
    const byDelta = await shown(acme);
    expect(await acme.sync({ full: true })).toMatchObject({ kind: 'full', snapshot: 'complete' });
    expect(await shown(acme)).toEqual(byDelta);
  });
});

/** An hour: more than what the connectors read twice for the sake of clocks that differ, but for Google's. */
const SKEWS = [3_600, -3_600];

describe.each(WITH_FEED.flatMap((provider) => SKEWS.map((seconds) => [provider, seconds] as const)))(
  'Runs against %s, whose clock is %i seconds ahead of ours',
  (provider, seconds) => {
    it('find who came, changed and left by what has changed, and the full run finds nothing else', async () => {
      const simulator = await startSimulator(provider, { users: 60, groups: 4, plain: true });
      try {
        await simulator.control.fault({ name: 'clock-skew', seconds });
        const acme = await install.connectTo(simulator, { everyone: ['member'], groups: [] });
        await acme.syncAndApply();
        const { ids: hired } = await simulator.control.hire(2);
        const { ids: renamed } = await simulator.control.rename(2);
        expect(await acme.sync()).toMatchObject({ result: 'finished', snapshot: 'named' });
        expect(await acme.pending('create')).toEqual(hired.toSorted());
        const changed = renamed.filter((id) => !hired.includes(id));
        expect(await acme.pending('update')).toEqual(expect.arrayContaining(changed));
        expect(await acme.pending('delete', 'suspend')).toEqual([]);
        const { ids: left } = await simulator.control.leave(1, 'delete');
        const gone = left.filter((id) => !hired.includes(id));
        expect(await acme.sync()).toMatchObject({ result: 'finished' });
        expect(await acme.pending('delete')).toEqual(gone);
        const byDelta = await shown(acme);
        expect(await acme.sync({ full: true })).toMatchObject({ kind: 'full', snapshot: 'complete' });
        expect(await shown(acme)).toEqual(byDelta);
      } finally {
        await simulator.close();
      }
    });
  },
);

describe.each(WITH_FEED)('Somebody renamed and somebody hired while %s is being read', (provider) => {
  /** Approves and applies what waits, which is nobody's leaving; says of how many. */
  async function settled(acme: Connected): Promise<number> {
    expect(await acme.pending('delete', 'suspend')).toEqual([]);
    const { length } = await acme.pending();
    if (length > 0) {
      await acme.decideAll('approve', {}, { includeHeld: true }); // a guard holds edits of everybody
      expect(await acme.apply()).toMatchObject({ moved: 0, failed: 0 });
    }
    return length;
  }

  it.each([
    { read: 'everybody', full: true, on: 'users' as const },
    // SCIM's changes are a list of users, too.
    {
      read: 'what has changed',
      full: false,
      on: provider === 'scim' ? ('users' as const) : ('changes' as const),
    },
  ])(
    'by a run that reads $read are found by the next run, behind whichever page it was',
    async ({ full, on }) => {
      const simulator = await startSimulator(provider, { users: 210, groups: 4, plain: true });
      const { control } = simulator;
      try {
        const acme = await install.connectTo(simulator, { everyone: ['member'], groups: [] });
        await acme.syncAndApply();
        let pages = 0;
        let foundLater = 0;
        for (let isStruck = true; isStruck; pages += 1) {
          // A page of Entra's changes has 200 of them. Of more than a few Google has everybody read.
          if (!full) await control.edit(provider === 'entra' ? 100 : 20);
          await control.fault({ name: 'change-while-reading', on, nth: pages + 1 });
          expect(await acme.sync({ full })).toMatchObject({ snapshot: full ? 'complete' : 'named' });
          isStruck = (await control.state()).faults[0]?.struck === 1;
          await control.clearFaults();
          await settled(acme);
          expect(await acme.sync()).toMatchObject({ snapshot: 'named' });
          foundLater += await settled(acme);
          expect(await acme.sync({ full: true })).toMatchObject({ snapshot: 'complete' });
          expect(await acme.pending()).toEqual([]);
        }
        expect(pages).toBeGreaterThan(1);
        expect(foundLater).toBeGreaterThan(0);
        expect((await acme.users()).length).toBe((await control.state()).users.listed);
      } finally {
        await simulator.close();
      }
    },
  );
});

describe.each(WITH_FEED)('Memberships that change at %s', (provider) => {
  it('are found although nothing changes of the users themselves', async () => {
    const simulator = await startSimulator(provider, { users: 60, groups: 4, plain: true });
    try {
      const { group } = await simulator.control.changeGroup('Administrators', { add: 3 });
      const roles = [{ group, role: 'admin' }];
      const acme = await install.connectTo(simulator, { groups: [], roles });
      await acme.syncAndApply();
      const { added, removed } = await simulator.control.changeGroup(group, { add: 2, remove: 1 });
      expect(await acme.sync()).toMatchObject({ result: 'finished' });
      expect(await acme.pending('update')).toEqual([...added, ...removed].toSorted());
      for (const id of added) expect((await acme.changeOf(id)).rolesGained).toEqual(['admin']);
      for (const id of removed) expect((await acme.changeOf(id)).rolesLost).toEqual(['admin']);
    } finally {
      await simulator.close();
    }
  });
});

const ASSIGNED_BY = { okta: 'VPN Users', entra: 'Engineering' } as const;
const appIn = {
  okta: oktaIds(1, '0oa').of(2),
  entra: { servicePrincipalId: servicePrincipalOf(1) },
} as const;

/** With one of these the list of assignments changes, of which no feed of Entra's tells: then everybody is read. */
const themselves = new Set(assignedThemselves(1, 200));

describe.each(['okta', 'entra'] as const)('Whoever is assigned to an app of %s', (provider) => {
  let simulator: Simulator;
  let acme: Connected;
  beforeAll(async () => {
    const more = provider === 'entra' ? { permissions: [...entraPermissions, 'Application.Read.All'] } : {};
    simulator = await startSimulator(provider, { users: 200, plain: true, ...more });
    const settings = { ...simulator.settings, appScope: appIn[provider] } as never;
    acme = await install.connectTo({ ...simulator, settings }, { everyone: ['member'], groups: [] });
    await acme.syncAndApply();
  });
  afterAll(() => simulator.close());

  it.each([{ full: false }, { full: true }])(
    'and is taken from it, may not sign in any more, or is deleted: the cause of each is told apart (%o)',
    async ({ full }) => {
      const { removed } = await simulator.control.changeGroup(ASSIGNED_BY[provider], { remove: 3 });
      const known = await acme.users();
      const there = known.filter(({ externalId }) => themselves.has(externalId ?? ''));
      expect(there).toHaveLength(provider === 'entra' ? themselves.size : 0);
      const others = known
        .map(({ state, externalId }) => (state === 'active' ? (externalId ?? '') : ''))
        .filter((id) => id !== '' && !removed.includes(id) && !themselves.has(id));
      const [, disabled = '', deleted = '', purged = ''] = others;
      await simulator.control.leave([disabled], 'disable');
      await simulator.control.leave([deleted], 'delete');
      await simulator.control.leave([purged], 'purge');
      expect(await acme.sync({ full })).toMatchObject({ kind: full ? 'full' : 'delta' });
      expect(await acme.changeOf(disabled)).toMatchObject({ kind: 'suspend', cause: 'suspended' });
      expect(await acme.changeOf(deleted)).toMatchObject({ kind: 'delete', cause: 'deprovisioned' });
      expect(await acme.changeOf(purged)).toMatchObject({ kind: 'delete', cause: 'left' });
      const unassigned = (await acme.live()).filter(({ externalId }) => removed.includes(externalId));
      expect(unassigned.length).toBeGreaterThan(0);
      for (const change of unassigned)
        expect(change).toMatchObject({ kind: 'delete', cause: 'out-of-scope' });
      await acme.decideAll('approve', {}, { includeHeld: true });
      expect(await acme.apply()).toMatchObject({ moved: 0, failed: 0 });
      await acme.sync({ full: true });
      expect(await acme.pending()).toEqual([]);
    },
  );
});

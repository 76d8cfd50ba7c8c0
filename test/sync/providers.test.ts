import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { connectors } from '../../connectors/registry.ts';
import { SIMULATED } from '../../simulators/directory.ts';
import type { FaultOrder } from '../../simulators/faults.ts';
import { type Simulator, startSimulator } from '../../simulators/start.ts';
import { type Connected, Install } from '../support/install.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open(connectors);
});
afterAll(() => install.close());

const always = { times: null } as const;

describe.each(SIMULATED)('A run against %s', (provider) => {
  let simulator: Simulator;
  let acme: Connected;
  let count: number;
  beforeAll(async () => {
    simulator = await startSimulator(provider, { users: 40, groups: 4, plain: true });
    acme = await install.connectTo(simulator, { everyone: ['member'] });
    await acme.syncAndApply();
    count = (await acme.users()).length;
  });
  afterEach(() => simulator.control.clearFaults());
  afterAll(() => simulator.close());

  it('finds nothing to do when it is repeated', async () => {
    expect(count).toBeGreaterThanOrEqual(40);
    expect(await acme.sync({ full: true })).toMatchObject({ result: 'finished', snapshot: 'complete' });
    expect(await acme.pending()).toEqual([]);
  });

  it.each<[FaultOrder, object]>([
    [{ name: 'empty-first-page' }, { snapshot: 'partial', partialReason: 'empty-directory' }],
    // Google leaves the list out where there is nobody; from the others that is no answer.
    [
      { name: 'list-key-missing', ...always },
      provider === 'google'
        ? { partialReason: 'empty-directory' }
        : { failure: { kind: 'unexpected-response' } },
    ],
    [
      { name: 'list-key-null', ...always },
      { result: 'failed', failure: { kind: 'unexpected-response' } },
    ],
    [
      { name: 'status-403', ...always },
      { result: 'failed', failure: { kind: 'permission-missing' } },
    ],
    [{ name: 'unreadable-record', ...always }, { snapshot: 'complete' }],
    [
      { name: 'unreadable-id', ...always },
      { snapshot: 'partial', partialReason: 'nameless-record' },
    ],
    [
      { name: 'status-401', ...always },
      { result: 'failed', failure: { kind: 'credentials-rejected' } },
    ],
  ])('with $name proposes nothing', async (fault, outcome) => {
    await simulator.control.expireTokens();
    await simulator.control.fault(fault);
    expect(await acme.sync({ full: true })).toMatchObject(outcome);
    await simulator.control.clearFaults();
    expect(await acme.pending()).toEqual([]);
  });

  it('with a link to the page that it is on proposes nothing, and does not read on for ever', async () => {
    await simulator.control.fault({ name: 'looping-link' });
    // SCIM is read page by page from the start; the others begin with a list of deleted or deactivated users, and nothing is read then.
    const failure = { kind: 'unexpected-response', status: 200 };
    const outcome = { failure, ...(provider === 'scim' ? { snapshot: 'partial' } : { result: 'failed' }) };
    expect(await acme.sync({ full: true })).toMatchObject(outcome);
    expect(await acme.pending()).toEqual([]);
  });

  it('with a permission lost blanks nothing and takes no role away: the groups cannot be read', async () => {
    await simulator.control.fault({ name: 'permission-lost' });
    expect(await acme.sync({ full: true })).toMatchObject({
      result: 'failed',
      failure: { kind: 'permission-missing', status: 403 },
    });
    await simulator.control.clearFaults();
    expect(await acme.live()).toEqual([]);
  });

  it('with a permission lost, of which only the fields of users tell, lets nothing that is blanked go by itself', async () => {
    await simulator.control.fault({ name: 'permission-lost', on: 'users' });
    const outcome = await acme.sync({ full: true });
    await simulator.control.clearFaults();
    const run = 'run' in outcome ? await install.store.runs.get(acme.tenant, outcome.run) : null;
    expect(run).toMatchObject({ state: 'finished' });
    // From Entra there is no telling without its fields who is active: those records are not understood at all.
    expect(run?.unreadable).toBe(provider === 'entra' ? count : 0);
    const found = await acme.live();
    expect(found).toHaveLength(provider === 'entra' ? 0 : count);
    expect(found.every(({ kind, state }) => kind === 'update' && state === 'held')).toBe(true);
    expect(found.flatMap(({ rolesLost }) => rolesLost)).toEqual([]);
    await acme.sync({ full: true });
    expect(await acme.live()).toEqual([]);
  });

  it('with half of the users missing asks for them one by one, and deletes none of those who are there', async () => {
    await simulator.control.fault({ name: 'half-missing' });
    const outcome = await acme.sync({ full: true });
    expect(outcome).toMatchObject({ snapshot: 'partial', partialReason: 'listing-incomplete' });
    await simulator.control.clearFaults();
    expect(await acme.pending()).toEqual([]);
    await acme.sync({ full: true });
    expect(await acme.pending()).toEqual([]);
  });

  it('follows leavers, joiners and people who change', async () => {
    const { ids: renamed } = await simulator.control.rename(2);
    const { ids: hired } = await simulator.control.hire(1);
    const { ids: left } = await simulator.control.leave(1, 'delete');
    await acme.sync();
    expect(await acme.pending('update')).toEqual(renamed.filter((one) => !left.includes(one)).toSorted());
    expect(await acme.pending('create')).toEqual(hired);
    expect(await acme.pending('delete')).toEqual(left);
    await acme.approveAll();
    expect(await acme.apply()).toMatchObject({ moved: 0, failed: 0 });
    await acme.sync({ full: true });
    expect(await acme.pending()).toEqual([]);
  });
});

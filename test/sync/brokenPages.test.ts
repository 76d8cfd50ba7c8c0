/** What a provider answers in the middle of its lists, or how it holds us off: nobody leaves by it, and the next run makes up for it. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { FailureKind } from '../../connectors/contract.ts';
import { guidText } from '../../connectors/ldap/values.ts';
import { SIMULATED } from '../../simulators/directory.ts';
import type { FaultName, FaultOrder } from '../../simulators/faults.ts';
import { populatedDomain } from '../../simulators/ldap/populated.ts';
import {
  BIND_DN,
  type DomainController,
  type LdapFault,
  PASSWORD,
  startDomainController,
} from '../../simulators/ldap/server.ts';
import { type Simulator, startSimulator } from '../../simulators/start.ts';
import { createConnection } from '../../src/tenancy/connections.ts';
import { impatient } from '../support/impatient.ts';
import { Connected, Install } from '../support/install.ts';
import { aCaller } from '../support/tenancy.ts';

const world = impatient();
let install: Install;
beforeAll(async () => {
  install = await Install.open(world.connectors);
});
afterEach(() => {
  world.timeoutMs = 20_000;
});
afterAll(() => install.close());

/** Another full run that has to be whole, and to find whom the broken one may have missed. */
async function madeUpFor(acme: Connected, edited: string): Promise<void> {
  expect(await acme.sync({ full: true })).toMatchObject({ result: 'finished', snapshot: 'complete' });
  expect(await acme.pending()).toEqual([edited]);
  expect(await acme.changeOf(edited)).toMatchObject({ kind: 'update' });
}

const BROKEN: readonly (readonly [FaultName, FailureKind])[] = [
  ['status-401', 'credentials-rejected'],
  ['status-403', 'permission-missing'],
  ['status-404', 'not-found'],
  ['throttled-seconds', 'rate-limited'],
  ['throttled-date', 'rate-limited'],
  ['throttled-silent', 'rate-limited'],
  ['throttled-absurd', 'rate-limited'],
  ['throttled-403', 'rate-limited'],
  ['status-500', 'unavailable'],
  ['status-503', 'unavailable'],
  ['html-page', 'unexpected-response'],
  ['cut-off', 'unexpected-response'],
  ['hang', 'unavailable'],
  ['connection-reset', 'unavailable'],
];

/** More than a page holds of the largest that is asked for, so that there is a second one. Entra is asked besides how many each of two lists holds. */
const USERS = { entra: 1_010, okta: 210, google: 510, scim: 110 } as const;

describe.each(SIMULATED)('Nobody leaves when from the second page on %s answers', (provider) => {
  let simulator: Simulator;
  let acme: Connected;
  let edited: string;
  beforeAll(async () => {
    simulator = await startSimulator(provider, { users: USERS[provider], groups: 2, plain: true });
    acme = await install.connectTo(simulator, { everyone: ['member'], groups: [] });
    await acme.syncAndApply();
    expect(await acme.users()).toHaveLength(USERS[provider]);
    const { ids } = await simulator.control.rename(1);
    edited = ids[0] ?? expect.unreachable('somebody is renamed');
  });
  afterEach(() => simulator.control.clearFaults());
  afterAll(() => simulator.close());

  it.each(BROKEN)(
    'with %s, for as long as anybody asks; the next run makes up for it',
    async (name, kind) => {
      if (name === 'hang') world.timeoutMs = 1_000;
      await simulator.control.resetCounters();
      await simulator.control.fault({ name, nth: provider === 'entra' ? 4 : 2, times: null });
      const ended = await acme.sync({ full: true });
      // What a SCIM service does not know is taken for another service's address.
      const expected = provider === 'scim' && name === 'status-404' ? 'misconfigured' : kind;
      expect(ended).toMatchObject({ failure: { kind: expected } });
      expect(ended).not.toMatchObject({ snapshot: 'complete' });
      const { faults, requests } = await simulator.control.state();
      expect(faults[0]?.struck).toBeGreaterThan(0);
      expect(requests.users).toBeGreaterThan(1); // the first page came as it should
      expect((await acme.pending()).filter((id) => id !== edited)).toEqual([]);
      expect(await acme.pending('delete', 'suspend')).toEqual([]);
      await simulator.control.clearFaults();
      await madeUpFor(acme, edited);
    },
  );
});

describe.each(SIMULATED)('A run against %s', (provider) => {
  let simulator: Simulator;
  let acme: Connected;
  beforeEach(async () => {
    simulator = await startSimulator(provider, { users: 60, groups: 2, plain: true });
    acme = await install.connectTo(simulator, { everyone: ['member'], groups: [] });
    await acme.syncAndApply();
  });
  afterEach(() => simulator.close());

  const passing: readonly FaultOrder[] = [
    { name: 'throttled-seconds' },
    { name: 'throttled-date' },
    { name: 'throttled-silent' },
    { name: 'throttled-403' },
  ];
  it.each(passing)('that is held off once, with $name, comes back and is whole', async (fault) => {
    const { ids } = await simulator.control.rename(1);
    await simulator.control.fault(fault);
    expect(await acme.sync({ full: true })).toMatchObject({ result: 'finished', snapshot: 'complete' });
    expect((await simulator.control.state()).faults[0]?.struck).toBe(1);
    expect(await acme.pending()).toEqual(ids);
  });

  it('leaves one user as they are whose record cannot be read, says so, and goes on with the others', async () => {
    const left = (await acme.users()).at(-1)?.externalId ?? expect.unreachable('there are sixty');
    const { ids: renamed } = await simulator.control.rename(60);
    await simulator.control.leave([left], 'purge');
    await simulator.control.fault({ name: 'unreadable-record', times: null });
    const run = await acme.sync({ full: true });
    expect(run).toMatchObject({ result: 'finished', snapshot: 'complete' });
    const stored = 'run' in run ? await install.store.runs.get(acme.tenant, run.run) : null;
    expect(stored?.unreadable).toBeGreaterThan(0);
    const { length } = renamed.filter((id) => id !== left);
    expect(await acme.pending('update')).toHaveLength(length - 1);
    expect(await acme.pending('delete')).toEqual([left]);
    expect(await acme.pending()).toHaveLength(length);
  });

  it('that finds half of the people really gone holds their deletions, and says why', async () => {
    const signedInAs = simulator.settings['adminEmail'];
    const others = (await acme.users()).filter(({ fields }) => fields['email'] !== signedInAs);
    const half = others.slice(0, 30).map(({ externalId }) => externalId ?? '');
    await simulator.control.leave(half, 'purge');
    expect(await acme.sync({ full: true })).toMatchObject({ result: 'finished' });
    const found = (await acme.live()).filter(({ kind }) => kind !== 'update'); // of those whose managers are gone
    expect(found.map(({ externalId }) => externalId as string).sort()).toEqual(half.toSorted());
    for (const one of found) {
      expect(one).toMatchObject({ kind: 'delete', state: 'held', decision: { madeBy: 'guard' } });
      expect(one.decision?.reason).toMatch(/\w/);
    }
    expect((await acme.users()).filter(({ state }) => state !== 'active')).toEqual([]);
  });
});

describe('Nobody leaves when from the second page on a domain controller answers', () => {
  let dc: DomainController;
  let acme: Connected;
  beforeAll(async () => {
    dc = await startDomainController({ domain: populatedDomain({ users: 60, groups: 2, plain: true }) });
    const tenant = await install.tenant();
    const { id } = await createConnection(install, install.operator, {
      tenant,
      name: 'domain',
      provider: 'ldap',
      settings: { url: dc.url, schema: 'active-directory', baseDn: 'DC=harbor,DC=example', pageSize: 20 },
      credentials: { bindDn: BIND_DN, password: PASSWORD },
      mapping: { groups: [], everyone: ['member'] },
      network: { ca: dc.ca },
    });
    const administrator = await aCaller(install, tenant);
    acme = new Connected(install, { connection: id, tenant, directory: null, administrator });
    await acme.syncAndApply();
    expect(await acme.users()).toHaveLength(60);
  });
  afterAll(() => dc.close());

  const broken: readonly (readonly [LdapFault, string])[] = [
    ['signed-out', 'credentials-rejected'],
    ['refused', 'permission-missing'],
    ['busy', 'rate-limited'],
    ['internal-error', 'unavailable'],
    ['unavailable', 'unavailable'],
    ['html', 'unexpected-response'],
    ['cut-off', 'unexpected-response'],
    ['hang', 'unavailable'],
    ['reset', 'unavailable'],
    ['no-paging', 'unexpected-response'],
    ['no-cookie', 'unexpected-response'],
  ];
  it.each(broken)(
    'with %s, for as long as anybody asks; the next run makes up for it',
    async (name, kind) => {
      if (name === 'hang') world.timeoutMs = 1_000;
      const [kim] = dc.domain
        .within('OU=Staff,DC=harbor,DC=example')
        .filter((one) => one.attributes.has('mail'));
      if (kim === undefined) return expect.unreachable('there are people');
      dc.domain.set(kim, { title: `Struck by ${name}` });
      dc.searches.splice(0);
      dc.fault({ name, on: 'users', nth: 2, times: 1_000 });
      const ended = await acme.sync({ full: true });
      dc.clearFaults();
      expect(ended).toMatchObject({ failure: { kind } });
      expect(ended).not.toMatchObject({ snapshot: 'complete' });
      expect(dc.searches.filter((one) => one === 'users').length).toBeGreaterThan(1);
      const edited = guidText(kim.guid) ?? '';
      expect((await acme.pending()).filter((id) => id !== edited)).toEqual([]);
      expect(await acme.pending('delete', 'suspend')).toEqual([]);
      await madeUpFor(acme, edited);
    },
  );
});

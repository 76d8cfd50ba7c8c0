/** Each way in which a provider goes wrong has a name, and whoever asks for it by that name gets it. */
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Connector } from '../../connectors/contract.ts';
import { openLdap } from '../../connectors/ldap/index.ts';
import { LdapSettings } from '../../connectors/ldap/settings.ts';
import { openConnector } from '../../connectors/registry.ts';
import { VERBS } from '../../simulators/control.ts';
import { populationsOf, SIMULATED } from '../../simulators/directory.ts';
import { FAULTS, type FaultName } from '../../simulators/faults.ts';
import { ROOT } from '../../simulators/ldap/domain.ts';
import { populatedDomain } from '../../simulators/ldap/populated.ts';
import { BIND_DN, PASSWORD, startDomainController } from '../../simulators/ldap/server.ts';
import { POPULATIONS, type PopulationName } from '../../simulators/population/groups.ts';
import { SCENARIOS } from '../../simulators/scenarios.ts';
import { type SimulatorOptions, spawnSimulator, startSimulator } from '../../simulators/start.ts';
import type { ExternalId } from '../../src/domain/ids.ts';
import { never } from '../connectors/aSession.ts';
import { allPages } from '../connectors/oktaOrg.ts';

const LINES = Array.from({ length: 14 }, (_, at) => at + 1);

it('has a name for every line about pulling and about changes, and every name is one to ask for', () => {
  expect(Object.keys(SCENARIOS).map(Number)).toEqual(LINES);
  for (const [line, { faults = [], populations = [], verbs = [] }] of Object.entries(SCENARIOS)) {
    expect(faults.length + populations.length + verbs.length, `line ${line}`).toBeGreaterThan(0);
    expect(faults.filter((name) => !Object.hasOwn(FAULTS, name))).toEqual([]);
    expect(populations.filter((name) => !Object.hasOwn(POPULATIONS, name))).toEqual([]);
    expect(verbs.filter((name) => !Object.hasOwn(VERBS, name))).toEqual([]);
  }
});

it('has no fault or population that shows no scenario, but for what a connector has to bear besides', () => {
  const shown = Object.values(SCENARIOS).flatMap(({ faults = [], populations = [] }) => [
    ...faults,
    ...populations,
  ]);
  const besides: readonly FaultName[] = [
    'empty-middle-page',
    'looping-link',
    'foreign-link',
    'token-refused',
  ];
  const all = [...Object.keys(FAULTS), ...Object.keys(POPULATIONS)];
  expect(all.filter((name) => !shown.includes(name as FaultName | PopulationName)).toSorted()).toEqual(
    besides.toSorted(),
  );
});

it('sets faults that are asked for on the command line, in a process of its own', async () => {
  const simulator = await spawnSimulator('okta', { users: 5, faults: ['status-503', 'half-missing'] });
  onTestFinished(() => simulator.close());
  expect((await simulator.control.state()).faults.map(({ name }) => name)).toEqual([
    'status-503',
    'half-missing',
  ]);
});

it.each(Object.keys(FAULTS) as FaultName[])('sets %s by its name alone', async (name) => {
  const simulator = await startSimulator('entra', { users: 1, groups: 1, faults: [name] });
  onTestFinished(() => simulator.close());
  expect((await simulator.control.state()).faults).toMatchObject([{ name, struck: 0 }]);
});

/** A connector for a directory of that population. */
async function connectTo(
  provider: (typeof SIMULATED)[number] | 'ldap',
  options: SimulatorOptions,
): Promise<Connector> {
  if (provider === 'ldap') {
    const dc = await startDomainController({ domain: populatedDomain(options) });
    onTestFinished(() => dc.close());
    const connector = openLdap({
      settings: LdapSettings.parse({ url: dc.url, schema: 'active-directory', baseDn: ROOT }),
      credentials: { bindDn: BIND_DN, password: PASSWORD },
      network: { baseUrl: null, ca: dc.ca, proxy: null },
    });
    onTestFinished(() => connector.close());
    return connector;
  }
  const { settings, credentials, origin, ca, close } = await startSimulator(provider, options);
  onTestFinished(close);
  const connector = openConnector(provider, {
    settings,
    credentials,
    network: { baseUrl: origin, ca, proxy: null },
  });
  onTestFinished(() => connector.close());
  return connector;
}

const peopleOf = async (connector: Connector) =>
  (await allPages((cursor) => connector.fetchUsers(cursor, never))).flatMap((one) =>
    one.kind === 'user' && one.user.state !== 'deprovisioned' ? [one.user.externalId] : [],
  );

async function groupsOf(connector: Connector): Promise<ReadonlyMap<string, ExternalId>> {
  const records = await allPages((cursor) => connector.fetchGroups(cursor, never));
  return new Map(
    records.flatMap((one) => (one.kind === 'group' ? [[one.group.name, one.group.externalId]] : [])),
  );
}

async function membersOf(connector: Connector, name: string) {
  const id = (await groupsOf(connector)).get(name) ?? expect.unreachable(`there is no group ${name}`);
  const records = await allPages((cursor) => connector.fetchMembers(id, cursor, never));
  return {
    everyone: records.some(({ kind }) => kind === 'everyone'),
    users: new Set(records.flatMap((one) => (one.kind === 'user' ? [one.externalId] : []))),
  };
}

const having = (population: PopulationName) => [
  ...SIMULATED.filter((provider) => populationsOf(provider).includes(population)),
  ...(populationsOf('scim').includes(population) ? (['ldap'] as const) : []),
];

describe.each(having('nested-groups'))('nested-groups of %s', (provider) => {
  it('nest five deep in a circle, hold themselves, and lead through a group outside to users', async () => {
    const connector = await connectTo(provider, { users: 300, plain: true, population: 'nested-groups' });
    const names = [1, 2, 3, 4, 5].map((level) => `Programme Level ${level}`);
    const circle = [];
    for (const name of names) circle.push((await membersOf(connector, name)).users);
    for (const members of circle) expect(members).toEqual(circle[0]);
    expect(circle[0]?.size).toBeGreaterThan(5);
    expect((await membersOf(connector, 'Holding Itself')).users.size).toBeGreaterThan(20);
    const within = (await membersOf(connector, 'Within')).users;
    const beyond = (await membersOf(connector, 'Beyond')).users;
    expect(beyond.size).toBeGreaterThan(20);
    expect([...beyond].filter((id) => !within.has(id))).toEqual([]);
    expect(within.size).toBeGreaterThan(beyond.size);
  });
});

describe.each(having('large-group'))('large-group of %s', (provider) => {
  it('holds everybody who is there', async () => {
    const connector = await connectTo(provider, {
      users: 2_600,
      groups: 1,
      plain: true,
      population: 'large-group',
    });
    const { users } = await membersOf(connector, 'Whole Company');
    expect(users).toEqual(new Set(await peopleOf(connector)));
    expect(users.size).toBe(2_600);
  });
});

/** Members in a page. */
const LARGEST = { entra: 999, okta: 200, google: 200 } as const;

it.each(Object.entries(LARGEST))(
  'large-group of %s is of 50,000 people where nobody says otherwise, read in as many requests as it has pages',
  async (provider, page) => {
    const { control, settings, credentials, origin, ca, close } = await startSimulator(
      provider as keyof typeof LARGEST,
      {
        population: 'large-group',
        plain: true,
        requestsPerMinute: 100_000,
      },
    );
    onTestFinished(close);
    const network = { baseUrl: origin, ca, proxy: null, share: 1 };
    const connector = openConnector(provider, { settings, credentials, network });
    onTestFinished(() => connector.close());
    const { users } = await membersOf(connector, 'Whole Company');
    expect(users.size).toBe(50_000);
    expect((await control.state()).requests.members).toBe(Math.ceil(50_000 / page));
  },
);

it.each(['scim', 'ldap'] as const)('large-group of %s is of 50,000 people, too', async (provider) => {
  const connector = await connectTo(provider, { population: 'large-group', plain: true });
  const { users } = await membersOf(connector, 'Whole Company');
  expect(users.size).toBe(50_000);
});

describe.each(having('group-of-everybody'))('group-of-everybody of %s', (provider) => {
  it('holds whoever is in the directory', async () => {
    const connector = await connectTo(provider, { users: 40, plain: true, population: 'group-of-everybody' });
    const { everyone, users } = await membersOf(connector, 'Everyone');
    if (!everyone) expect(users).toEqual(new Set(await peopleOf(connector)));
    expect(everyone || users.size === 40).toBe(true);
  });
});

describe.each(having('many-groups'))('many-groups of %s', (provider) => {
  it('are 2,000', async () => {
    const connector = await connectTo(provider, { users: 60, plain: true, population: 'many-groups' });
    expect((await groupsOf(connector)).size).toBeGreaterThanOrEqual(2_000);
  });
});

import { describe, expect, it, onTestFinished } from 'vitest';
import { connectorConformance, type Simulated } from '../../connectors/conformance.ts';
import { OktaCredentials, OktaSettings } from '../../connectors/okta/credentials.ts';
import { oktaDefinition, openOkta } from '../../connectors/okta/index.ts';
import { startSimulator } from '../../simulators/start.ts';

const PAGE_SIZE = 200;

/** `which`: the simulator offers both kinds of credentials. */
async function simulated(which: 'credentials' | 'alternativeCredentials', pages: number): Promise<Simulated> {
  const simulator = await startSimulator('okta', { users: pages * PAGE_SIZE - PAGE_SIZE / 2, seed: 7 });
  const settings = OktaSettings.parse(simulator.settings);
  const credentials = OktaCredentials.parse(simulator[which]);
  const network = { baseUrl: null, ca: simulator.ca, proxy: null };
  return {
    connect: (tuning) => openOkta({ settings, credentials, network }, tuning),
    control: simulator.control,
    secrets: [
      credentials.kind === 'api-token' ? credentials.token : (credentials.privateKey.split('\n')[1] ?? ''),
    ],
    close: simulator.close,
  };
}

connectorConformance('Okta with an API token', ({ pages }) => simulated('credentials', pages), {
  abilities: oktaDefinition.abilities,
  cannot: ['expiring-tokens'],
});
connectorConformance('Okta with a private key', ({ pages }) => simulated('alternativeCredentials', pages), {
  abilities: oktaDefinition.abilities,
  cannot: [],
});

describe('the check of a connection to a simulated org', () => {
  async function checked(which: 'credentials' | 'alternativeCredentials', permissions: readonly string[]) {
    const simulator = await startSimulator('okta', { users: 20, permissions });
    onTestFinished(() => simulator.close());
    const connector = oktaDefinition.open({
      settings: oktaDefinition.settings.parse(simulator.settings),
      credentials: oktaDefinition.credentials.parse(simulator[which]),
      network: { baseUrl: null, ca: simulator.ca, proxy: null },
    });
    onTestFinished(() => connector.close());
    const steps = [];
    for await (const step of oktaDefinition.check(connector, new AbortController().signal)) steps.push(step);
    return steps;
  }

  it.each(['credentials', 'alternativeCredentials'] as const)('is good with right %s', async (which) => {
    const steps = await checked(which, ['okta.users.read', 'okta.groups.read', 'okta.logs.read']);
    expect(steps.map(({ step, ok }) => [step, ok])).toEqual(
      [
        'reach',
        'credential',
        'permission',
        'users',
        'permission',
        'groups',
        'members',
        'look-up',
        'permission',
        'changes',
      ].map((step) => [step, true]),
    );
  });

  it.each(['credentials', 'alternativeCredentials'] as const)(
    'names the scope to grant that the %s lack',
    async (which) => {
      const steps = await checked(which, ['okta.users.read']);
      expect(steps).toContainEqual({
        step: 'permission',
        ok: false,
        detail: 'okta.groups.read',
        remedy: expect.stringContaining('grants okta.groups.read'),
      });
    },
  );
});

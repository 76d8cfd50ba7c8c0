import { connectorConformance, type Simulated } from '../../connectors/conformance.ts';
import { ScimCredentials, ScimSettings } from '../../connectors/scim/credentials.ts';
import { openScim, scimDefinition } from '../../connectors/scim/index.ts';
import { startSimulator } from '../../simulators/start.ts';

const PAGE_SIZE = 200;

type Way = {
  /** The simulator offers both kinds of credentials. */
  readonly which: 'credentials' | 'alternativeCredentials';
  readonly quirks?: readonly string[];
};

async function simulated({ which, quirks = [] }: Way, pages: number): Promise<Simulated> {
  const simulator = await startSimulator('scim', {
    users: pages * PAGE_SIZE - PAGE_SIZE / 2,
    seed: 7,
    quirks,
  });
  const settings = ScimSettings.parse(simulator.settings);
  const credentials = ScimCredentials.parse(simulator[which]);
  const network = { baseUrl: null, ca: simulator.ca, proxy: null };
  return {
    connect: (tuning) => openScim({ settings, credentials, network }, tuning),
    control: simulator.control,
    secrets: Object.values(simulator[which] ?? {}).filter((value) => value !== credentials.kind),
    close: simulator.close,
  };
}

/**
 * A next page is a number or a cursor, never a link. Changes are a filter on the ordinary list: no token of theirs ages, and they
 * count who was deleted instead of naming them (scim-changes.test.ts).
 */
const cannot = ['links', 'changes-expired', 'changes-repeated', 'deletions-in-changes'] as const;

connectorConformance(
  'SCIM by cursor, with a token',
  ({ pages }) => simulated({ which: 'credentials' }, pages),
  { abilities: scimDefinition.abilities, cannot: ['expiring-tokens', 'token-refused', ...cannot] },
);
connectorConformance(
  'SCIM by index, with client credentials',
  ({ pages }) => simulated({ which: 'alternativeCredentials', quirks: ['index-only'] }, pages),
  { abilities: scimDefinition.abilities, cannot },
);

/** The providers that Rollcall knows. A new one is one line here and its folder. */
import type { z } from 'zod';
import { PROVIDERS, Provider } from '../src/domain/directory.ts';
import { type Connector, type ConnectorDefinition, ConnectorError, Network } from './contract.ts';
import { entraDefinition, entraDefinitionWith } from './entra/index.ts';
import { type MachineIdentity, noMachine } from './entra/machine.ts';
import { fileDefinition } from './file/index.ts';
import type { FileAccess } from './file/place.ts';
import { googleDefinition, googleDefinitionWith } from './google/index.ts';
import { type MachineIdentity as GoogleMachine, noMachine as noGoogleMachine } from './google/machine.ts';
import { ldapDefinition } from './ldap/index.ts';
import { oktaDefinition } from './okta/index.ts';
import { scimDefinition } from './scim/index.ts';

export const connectors: Readonly<Record<Provider, ConnectorDefinition>> = {
  entra: entraDefinition,
  okta: oktaDefinition,
  google: googleDefinition,
  ldap: ldapDefinition,
  scim: scimDefinition,
  file: fileDefinition({ root: null, keyed: true }),
};

/** The same, with files where this install lets them be read, and with its own identities where it lends those. */
export function connectorsWith(
  files: FileAccess,
  machine: MachineIdentity = noMachine,
  googleMachine: GoogleMachine = noGoogleMachine,
): typeof connectors {
  return {
    ...connectors,
    entra: entraDefinitionWith(machine),
    google: googleDefinitionWith(googleMachine),
    file: fileDefinition(files),
  };
}

/** As it comes from a form, a file or the database. */
export type ConnectorInput = {
  readonly settings: unknown;
  readonly credentials: unknown;
  readonly network?: unknown;
};

/**
 * A connector for what somebody typed or stored; it opens no connection yet. Throws ConnectorError 'misconfigured' that names
 * each wrong field and never holds a value.
 */
export function openConnector(
  provider: unknown,
  input: ConnectorInput,
  known: typeof connectors = connectors,
): Connector {
  const named = Provider.safeParse(provider);
  if (!named.success) {
    throw new ConnectorError({
      kind: 'misconfigured',
      message: 'There is no such provider.',
      remedy: `Choose one of: ${PROVIDERS.join(', ')}.`,
    });
  }
  const definition = known[named.data];
  return definition.open({
    settings: read(definition, 'settings', definition.settings, input.settings),
    credentials: read(definition, 'credentials', definition.credentials, input.credentials),
    network: read(definition, 'network', Network, input.network ?? {}),
  });
}

function read<T>(
  { title, provider }: ConnectorDefinition,
  part: string,
  schema: z.ZodType<T>,
  input: unknown,
): T {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => {
    const field = [part, ...issue.path].join('.');
    const missing = issue.code === 'invalid_type' && valueAt(input, issue.path) === undefined;
    const url = issue.code === 'invalid_format' && issue.format === 'url';
    return `${field}: ${missing ? 'missing' : url ? notThatUrl(part, field) : lowerFirst(issue.message)}`;
  });
  throw new ConnectorError({
    kind: 'misconfigured',
    message: `The connection to ${title} cannot be opened. ${problems.join('; ')}.`,
    remedy: `Correct what is named. What belongs there, and where to find it, is in connectors/${provider}/README.md.`,
  });
}

function notThatUrl(part: string, field: string): string {
  if (part !== 'network') return 'not a complete address, https:// included';
  return field === 'network.proxy'
    ? 'not of the form http://[user:password@]host:port'
    : 'not an address with https://';
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const key of path) value = value instanceof Object ? Reflect.get(value, key) : undefined;
  return value;
}

function lowerFirst(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1);
}

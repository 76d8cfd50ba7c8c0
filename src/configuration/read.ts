/** What there is, as a file would speak of it, and what a file wants, as far as connectors and stored secrets have a say in it. */
import type { Json } from '../domain/canonical.ts';
import {
  type Current,
  type CurrentTenant,
  isSame,
  keyOf,
  type Position,
  type Wanted,
  type WantedConnection,
} from '../domain/configuration.ts';
import { type Connection, type ListedConnection, leadsElsewhere } from '../domain/connection.ts';
import { emailKey } from '../domain/email.ts';
import type { TenantId } from '../domain/ids.ts';
import { rolesIn } from '../domain/mapping.ts';
import type { Listed } from '../domain/page.ts';
import { type Caller, can, seesHidden } from '../domain/permission.ts';
import { mayBeMapped } from '../domain/role.ts';
import { NewConnection } from '../tenancy/connectionInput.ts';
import { type ConnectionDeps, failureToOpen } from '../tenancy/connections.ts';
import { listProductPlans } from '../tenancy/productPlans.ts';
import { listRoles } from '../tenancy/roles.ts';
import { type Mistake, readAs } from './file.ts';
import type { ConfigurationFile, CredentialSources, Reference } from './schema.ts';

export type ConfigurationDeps = ConnectionDeps & {
  /**
   * What a reference stands for; null: nothing. Only for somebody with a shell on this machine: over the API nobody reads the server's
   * variables and files by way of a configuration.
   */
  readonly lookUp?: (reference: Reference) => string | null;
};

/** What references stand for, by `env:NAME` and `file:PATH`. */
export type Secrets = Readonly<Record<string, string>>;

/** Roles, product plans, tenants and connections that the caller sees. */
export async function readStanding(deps: ConfigurationDeps, caller: Caller) {
  const { store } = deps;
  const tenants = await store.configuration.tenants(caller.tenant);
  const connections: ListedConnection[] = [];
  for await (const connection of store.connections.each(caller.tenant)) connections.push(connection);
  return {
    roles: await everything((page) => listRoles(deps, caller, page)),
    productPlans: await everything((page) => listProductPlans(deps, caller, page)),
    tenants,
    planAbove: (await store.productPlans.of(caller.tenant))?.plan.name ?? null,
    connections,
  };
}

export type Standing = Awaited<ReturnType<typeof readStanding>>;

/** With those users whom the file names. */
export async function readCurrent(
  deps: ConfigurationDeps,
  caller: Caller,
  standing: Standing,
  { users, roles }: ConfigurationFile,
): Promise<Current> {
  const tenants = new Map(standing.tenants.map(({ id, path }) => [keyOf(path), id]));
  const connections = new Map(standing.connections.map((one) => [keyOf(one.tenant, one.name), one.id]));
  const there = users.flatMap((user) => {
    const tenant = tenants.get(keyOf(user.tenant));
    return tenant === undefined ? [] : [{ tenant, user }];
  });
  const local = there.flatMap(({ tenant, user }) =>
    user.origin === 'local' ? [{ tenant, userName: user.userName }] : [],
  );
  const linked = there.flatMap(({ tenant, user }) => {
    const connection = user.origin === 'local' ? undefined : connections.get(keyOf(tenant, user.connection));
    return connection === undefined || user.origin === 'local'
      ? []
      : [{ connection, externalId: user.externalId }];
  });
  const addresses = there.flatMap(({ tenant, user }) => {
    const key = user.origin === 'local' ? emailKey(user.email ?? null) : null;
    return key === null ? [] : [{ tenant, key }];
  });
  const { configuration } = deps.store;
  const hidden = seesHidden(caller);
  const typesNow = new Map(standing.roles.map(({ name, type }) => [name, type]));
  const unmappable = roles.flatMap(({ name, type }) =>
    type === undefined || mayBeMapped(type) || type === typesNow.get(name) ? [] : [name],
  );
  return {
    ...standing,
    rolesOfDirectories:
      unmappable.length > 0 && can(caller, 'roles.write')
        ? await configuration.rolesOfDirectories(unmappable)
        : [],
    users: await configuration.usersNamed(caller.tenant, { local, linked }, hidden),
    holders: await configuration.holders(caller.tenant, addresses),
    counted: await configuration.counted(caller.tenant, hidden),
  };
}

const LARGEST_PAGE = 500;

async function everything<T>(
  fetch: (page: { readonly limit: number; readonly after: string | null }) => Promise<Listed<T>>,
): Promise<readonly T[]> {
  const items: T[] = [];
  let after: string | null = null;
  do {
    const page: Listed<T> = await fetch({ limit: LARGEST_PAGE, after });
    items.push(...page.items);
    after = page.next;
  } while (after !== null);
  return items;
}

export type Resolved = {
  readonly wanted: Wanted;
  readonly mistakes: readonly Mistake[];
  /** Of each connection of the file: those that are to be stored, and those that are stored; null where they are not all at hand. */
  readonly credentials: readonly unknown[];
  /** Whose stored credentials were compared with those that are given. */
  readonly opened: readonly Connection[];
};

/**
 * Settings and credentials as the connector reads them; whether credentials are those that are stored. That is told only to somebody
 * who may replace them: anybody else could try guesses until one is called the same.
 */
export async function resolve(
  deps: ConfigurationDeps,
  caller: Caller,
  content: ConfigurationFile,
  { standing, secrets }: { readonly standing: Standing; readonly secrets: Secrets },
): Promise<Resolved> {
  const tenants = new Map(standing.tenants.map((tenant) => [keyOf(tenant.path), tenant]));
  const known = new Map(standing.connections.map((one) => [keyOf(one.tenant, one.name), one]));
  const mistakes: Mistake[] = [];
  const connections: WantedConnection[] = [];
  const credentials: unknown[] = [];
  const opened: Connection[] = [];
  const mayReplace = can(caller, 'connections.write');
  for (const [at, connection] of content.connections.entries()) {
    const position: Position = ['connections', at];
    const stored = storedAs(connection, tenants, known);
    const settings =
      connection.settings === undefined
        ? { value: undefined, mistakes: [] }
        : readAs(deps.connectors[connection.provider].settings, connection.settings, [
            ...position,
            'settings',
          ]);
    const given = credentialsOf(deps, connection, secrets, [...position, 'credentials']);
    mistakes.push(...settings.mistakes, ...given.mistakes);
    const comparable = mayReplace && given.value !== null ? readable(stored) : null;
    if (comparable !== null) opened.push(comparable);
    const isStored = comparable !== null && (await areStored(deps, caller, comparable, given.value));
    credentials.push(given.value);
    const wanted = {
      ...partsOf(connection, (settings.value ?? connection.settings) as Json | undefined, position),
      credentials: sayingOf(given, isStored),
      ...(given.missing === undefined ? {} : { missing: given.missing }),
    };
    connections.push(wanted);
    if (mayReplace && settings.mistakes.length + given.mistakes.length === 0)
      mistakes.push(...(await againstOpening(deps, wanted, given.value, readable(stored), position)));
  }
  return { wanted: { ...content, connections }, mistakes, credentials, opened };
}

/** As when a connection is saved: what only shows when a connector is made of it, of credentials that would be stored. */
async function againstOpening(
  { connectors }: ConfigurationDeps,
  { provider, parts, credentials: said }: WantedConnection,
  credentials: unknown,
  stored: Connection | null,
  position: Position,
): Promise<readonly Mistake[]> {
  const isKept = stored !== null && said === 'stored' && !leadsElsewhere(stored, parts);
  const settings = parts.settings ?? stored?.settings;
  if (credentials === null || isKept || settings === undefined) return [];
  if (stored !== null && stored.provider !== provider) return [];
  const network = parts.network ?? stored?.network ?? NewConnection.shape.network.parse(undefined);
  const wanted = { settings, credentials, network: network as Connection['network'] };
  const failure = (await failureToOpen(connectors[provider], wanted))?.failure;
  return failure === undefined
    ? []
    : [{ position: [...position, 'credentials'], message: `${failure.message} ${failure.remedy}` }];
}

function sayingOf(
  { said, value }: { readonly said: boolean; readonly value: unknown },
  isStored: boolean,
): WantedConnection['credentials'] {
  if (!said) return 'unsaid';
  if (value === null) return 'missing';
  return isStored ? 'stored' : 'new';
}

function readable(stored: ListedConnection | null): Connection | null {
  return stored === null || stored.state === 'unreadable' ? null : stored;
}

type FileConnection = ConfigurationFile['connections'][number];

function storedAs(
  { tenant, name }: FileConnection,
  tenants: ReadonlyMap<string, CurrentTenant>,
  known: ReadonlyMap<string, ListedConnection>,
): ListedConnection | null {
  const id: TenantId | undefined = tenants.get(keyOf(tenant))?.id;
  return id === undefined ? null : (known.get(keyOf(id, name)) ?? null);
}

function partsOf(
  { tenant, name, provider, network, mapping, policy, schedule, timeZone, state }: FileConnection,
  settings: Json | undefined,
  position: Position,
): Omit<WantedConnection, 'credentials'> {
  const parts = { settings, network, mapping, policy, schedule, timeZone, state };
  const roles = mapping === undefined ? [] : rolesIn(mapping);
  return {
    tenant,
    name,
    provider,
    parts: parts as WantedConnection['parts'],
    roles: roles.map((role) => ({ name: role.name, position: [...position, ...role.path.split('.')] })),
  };
}

/** Values are never told: what is wrong with one is said of its position. */
function credentialsOf(
  deps: ConfigurationDeps,
  { credentials, provider }: FileConnection,
  secrets: Secrets,
  position: Position,
): {
  readonly said: boolean;
  readonly value: unknown;
  readonly mistakes: readonly Mistake[];
  readonly missing?: readonly string[];
} {
  if (credentials === undefined) return { said: false, value: null, mistakes: [] };
  const found = valuesOf(deps, credentials, secrets);
  if ('missing' in found) return { said: true, value: null, mistakes: [], missing: found.missing };
  if (found.values === null) {
    const message =
      'what this refers to is not a JSON object: refer to one, or name where each field comes from';
    return { said: true, value: null, mistakes: [{ position, message }] };
  }
  const { value, mistakes } = readAs(deps.connectors[provider].credentials, found.values, position);
  return { said: true, value, mistakes };
}

function valuesOf(
  { lookUp }: ConfigurationDeps,
  sources: CredentialSources,
  secrets: Secrets,
): { readonly values: Record<string, unknown> | null } | { readonly missing: readonly string[] } {
  const find = (reference: Reference) => {
    const key = nameOf(reference);
    return Object.hasOwn(secrets, key) ? (secrets[key] ?? null) : (lookUp?.(reference) ?? null);
  };
  const notThere = (reference: Reference) => {
    if (lookUp === undefined) return `${nameOf(reference)} is not among the secrets that came with the file`;
    return 'env' in reference ? `${reference.env} is not set` : `the file ${reference.file} cannot be read`;
  };
  if ('whole' in sources) {
    const text = find(sources.whole);
    return text === null ? { missing: [notThere(sources.whole)] } : { values: objectIn(text) };
  }
  const values: Record<string, unknown> = {};
  const missing: string[] = [];
  for (const [name, source] of Object.entries(sources.fields)) {
    const value = typeof source === 'string' ? source : find(source);
    if (value === null && typeof source !== 'string') missing.push(notThere(source));
    values[name] = value;
  }
  return missing.length > 0 ? { missing } : { values };
}

export function nameOf(reference: Reference): string {
  return 'env' in reference ? `env:${reference.env}` : `file:${reference.file}`;
}

/** null where the text is none. The parser's own message could repeat a secret, so it is not shown. */
function objectIn(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null;
  } catch {
    return null;
  }
}

async function areStored(
  { store, connectors }: ConfigurationDeps,
  caller: Caller,
  stored: Connection,
  given: unknown,
): Promise<boolean> {
  const opened = await store.connections.open(caller.tenant, stored.id);
  const before = connectors[stored.provider].credentials.safeParse(opened?.credentials);
  return before.success && isSame(before.data as Json, given as Json);
}

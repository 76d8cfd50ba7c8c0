/** Connections: make and change them, test them, and open their connectors. */
import { v7 } from 'uuid';
import { z } from 'zod';
import type { Breakers } from '../../connectors/breaker.ts';
import {
  type CheckStep,
  type Connector,
  type ConnectorDefinition,
  ConnectorError,
  type Network,
} from '../../connectors/contract.ts';
import type { Clock } from '../domain/clock.ts';
import type { Connection } from '../domain/connection.ts';
import type { Provider } from '../domain/directory.ts';
import { ConnectionId, type TenantId } from '../domain/ids.ts';
import {
  changedSinceShown,
  invalidInput,
  MOST_NAMESAKES,
  notFound,
  onlyOne,
  parseId,
  parseInput,
} from '../domain/input.ts';
import { Mapping, rolesIn } from '../domain/mapping.ts';
import { MOST_LIKENED, nearNames } from '../domain/nearNames.ts';
import type { Listed } from '../domain/page.ts';
import { type Action, authorise, type Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import type { Store } from '../store/store.ts';
import {
  ChangedConnection,
  differences,
  ListConnections,
  NewConnection,
  WithProvider,
} from './connectionInput.ts';
import { oneWithHealth, type ReadableWithHealth, type WithHealth, withHealth } from './health.ts';
import { issuerOf, issuerWanted, saidIssuer } from './issuer.ts';
import { type Preview, previewConnection } from './preview.ts';
import { ensureMappable, type NewRoleName, unknownAmong } from './roles.ts';

export type ConnectionDeps = {
  readonly store: Store;
  readonly clock: Clock;
  readonly connectors: Readonly<Record<Provider, ConnectorDefinition>>;
};

/** `newRoles`: those that the mapping names and that were made with it. */
export type SavedConnection = ReadableWithHealth & { readonly newRoles: readonly NewRoleName[] };

/** Throws `invalid-input`, `not-found` for the tenant, `name-taken` within it. Roles that the mapping names: see `ensureMappable`. */
export async function createConnection(
  deps: ConnectionDeps,
  caller: Caller,
  input: z.input<typeof NewConnection>,
): Promise<SavedConnection> {
  authorise(caller, 'connections.write');
  const definition = deps.connectors[parseInput(WithProvider, input).provider];
  const { settings, credentials } = definition;
  const { tenant, ...given } = parseInput(NewConnection.extend({ settings, credentials }), input);
  await refuseUnopenable(definition, given);
  const newRoles = await acceptMapping(deps, caller, tenant ?? caller.tenant, given.mapping);
  const id = ConnectionId.parse(v7());
  const made = await deps.store.connections.insert(
    caller.tenant,
    {
      ...given,
      id,
      tenant: tenant ?? caller.tenant,
      settings: given.settings as Connection['settings'],
      issuer: given.issuer === null ? issuerOf(definition, given) : saidIssuer(caller, given.issuer),
      credentialExpiresAt: definition.credentialExpiresAt?.(given.credentials) ?? null,
    },
    {
      at: deps.clock.now(),
      entry: {
        actor: caller.actor,
        action: 'connection.created',
        subject: { kind: 'connection', id },
        details: { name: given.name, provider: given.provider },
      },
    },
  );
  return { ...(await oneWithHealth(deps, caller.tenant, made)), newRoles };
}

/**
 * Replaces what is given, each part whole. Credentials are write-only, so they must be given again when settings or network send
 * them somewhere else: otherwise whoever may edit a connection could have them sent to a server of their own.
 * Throws `invalid-input`, `not-found`, `name-taken`, `changed-since-shown`.
 */
export async function updateConnection(
  deps: ConnectionDeps,
  caller: Caller,
  input: z.input<typeof ChangedConnection>,
): Promise<SavedConnection> {
  authorise(caller, 'connections.write');
  const id = parseId(ConnectionId, parseInput(ChangedConnection, input).connection);
  const before = id === null ? null : await deps.store.connections.get(caller.tenant, id);
  if (before === null) throw notFound('connection');
  const definition = deps.connectors[before.provider];
  const {
    connection: _,
    version,
    ...given
  } = parseInput(
    ChangedConnection.extend({
      settings: definition.settings.optional(),
      credentials: definition.credentials.optional(),
    }),
    input,
  );
  if (version !== undefined && version !== before.version) throw changedSinceShown('connection');
  const after = {
    settings: given.settings ?? before.settings,
    network: given.network ?? before.network,
  };
  const issuer = issuerWanted(definition, { caller, before, after, said: given.issuer });
  const { patch, fields, details, elsewhere } = differences(before, { ...given, issuer });
  if (fields.length === 0) return { ...(await oneWithHealth(deps, caller.tenant, before)), newRoles: [] };
  if (elsewhere && patch.credentials === undefined) {
    const message = 'must be given again, because settings or network now send them somewhere else';
    throw invalidInput([{ path: 'credentials', message }]);
  }
  if (patch.credentials !== undefined) await refuseUnopenable(definition, { ...before, ...patch });
  const newRoles =
    patch.mapping === undefined ? [] : await acceptMapping(deps, caller, before.tenant, patch.mapping);
  const { credentials } = patch;
  const expiresAt =
    credentials === undefined
      ? {}
      : { credentialExpiresAt: definition.credentialExpiresAt?.(credentials) ?? null };
  const updated = await deps.store.connections.update(
    caller.tenant,
    before,
    { ...patch, ...expiresAt },
    {
      at: deps.clock.now(),
      entry: {
        actor: caller.actor,
        action: 'connection.updated',
        subject: { kind: 'connection', id: before.id },
        details,
      },
    },
  );
  if (updated === null) throw changedSinceShown('connection');
  return { ...(await oneWithHealth(deps, caller.tenant, updated)), newRoles };
}

type ShowDeps = Pick<ConnectionDeps, 'store' | 'clock'>;

/** Those that cannot be read among them. Throws `invalid-input`, `not-found` for the tenant. */
export async function listConnections(
  deps: ShowDeps,
  caller: Caller,
  input: z.input<typeof ListConnections> = {},
): Promise<Listed<WithHealth>> {
  authorise(caller, 'connections.read');
  const { tenant, ...page } = parseInput(ListConnections, input);
  const wanted = { ...page, tenant: tenant ?? caller.tenant };
  const { items, ...rest } = await deps.store.connections.list(caller.tenant, wanted);
  return { ...rest, items: await withHealth(deps, caller.tenant, items) };
}

/** Never with credentials; also one that cannot be read. Throws `not-found`. */
export async function getConnection(deps: ShowDeps, caller: Caller, id: string): Promise<WithHealth> {
  authorise(caller, 'connections.read');
  const known = parseId(ConnectionId, id);
  const connection = known === null ? null : await deps.store.connections.find(caller.tenant, known);
  if (connection === null) throw notFound('connection');
  return await oneWithHealth(deps, caller.tenant, connection);
}

/** By id, or by a name that only one connection of the caller's subtree has. Throws `not-found`, `invalid-input` with the ids to choose from. */
export async function findConnection(deps: ShowDeps, caller: Caller, nameOrId: string): Promise<WithHealth> {
  authorise(caller, 'connections.read');
  if (parseId(ConnectionId, nameOrId) !== null) return await getConnection(deps, caller, nameOrId);
  const named = await deps.store.connections.named(caller.tenant, nameOrId, MOST_NAMESAKES);
  if (named.length === 0) {
    const { items } = await deps.store.connections.list(caller.tenant, {
      ...{ tenant: caller.tenant, limit: MOST_LIKENED, after: null },
    });
    throw notFound(
      'connection',
      nameOrId,
      nearNames(
        nameOrId,
        items.map(({ name }) => name),
      ),
    );
  }
  const found = onlyOne('connection', named, ({ tenant }) => `of tenant ${tenant}`, nameOrId);
  return await oneWithHealth(deps, caller.tenant, found);
}

/** What it brings is shown. */
export const CONNECTION_TEST_NEEDS = [
  'runs.start',
  'connections.read',
  'users.read',
] as const satisfies Action[];

export const ConnectionTest = z.strictObject({ connection: z.string(), mapping: Mapping.optional() });

/** `newRoles`: those that are made when the mapping is saved. */
type TestedConnection = Preview & { readonly newRoles: readonly NewRoleName[] };

/**
 * Tries what a pull needs, step by step, on the real provider, also while runs leave it alone; nothing is stored. Ends with what a run would bring; null where a
 * step failed that a pull cannot do without.
 * With `mapping`: what it would bring by that one, before it is saved.
 * Throws `invalid-input`, also for roles that the caller could not save, `not-found`, `connection-failed` where not even the connector can be opened, and the signal's reason.
 */
export async function* testConnection(
  deps: ConnectionDeps,
  caller: Caller,
  input: z.input<typeof ConnectionTest>,
  signal: AbortSignal,
): AsyncGenerator<CheckStep, TestedConnection | null> {
  for (const action of CONNECTION_TEST_NEEDS) authorise(caller, action);
  const wanted = parseInput(ConnectionTest, input);
  const { id: known, tenant } = await getConnection(deps, caller, wanted.connection);
  const named = wanted.mapping === undefined ? [] : rolesIn(wanted.mapping);
  const newRoles = await unknownAmong(deps, caller, tenant, named);
  try {
    const { connection, connector } = await openStoredConnector(deps, known);
    try {
      const definition = deps.connectors[connection.provider];
      const steps: CheckStep[] = [];
      for await (const step of definition.check(connector, signal)) {
        steps.push(step);
        yield step;
      }
      if (steps.length === 0 || steps.some(({ ok, optional }) => !ok && optional !== true)) return null;
      const mapping = wanted.mapping ?? connection.mapping;
      const places = await deps.store.placesBelow(connection.tenant);
      const tried = { connector, definition, mapping, places, steps, clock: deps.clock, signal };
      return { ...(await previewConnection(tried)), newRoles };
    } finally {
      await connector.close();
    }
  } catch (error) {
    if (!(error instanceof ConnectorError)) throw error;
    const { message, remedy } = error.failure;
    throw new Problem({ code: 'connection-failed', message, remedy }, { cause: error });
  }
}

/**
 * For the sync engine, on nobody's behalf: decrypts the credentials and opens the connector, which the caller closes. With `breakers`
 * it knows what earlier runs of this process have learnt of the provider; without, it always tries.
 * Throws `not-found`, `wrong-secret-key`, and ConnectorError `misconfigured`.
 */
export async function openStoredConnector(
  { store, connectors, breakers }: Pick<ConnectionDeps, 'store' | 'connectors'> & { breakers?: Breakers },
  id: ConnectionId,
): Promise<{
  readonly connection: Connection;
  readonly connector: Connector;
  /** null: they do not say. */
  readonly credentialExpiresAt: Date | null;
}> {
  const opened = await store.connections.open(store.root, id);
  if (opened === null) throw notFound('connection');
  const { connection, credentials, network } = opened;
  const definition = connectors[connection.provider];
  const settings = definition.settings.safeParse(connection.settings);
  const secrets = definition.credentials.safeParse(credentials);
  if (!settings.success || !secrets.success) {
    throw new ConnectorError({
      kind: 'misconfigured',
      message: `The stored ${settings.success ? 'credentials' : 'settings'} are not what this version of Rollcall expects.`,
      remedy: 'Enter settings and credentials of the connection again.',
    });
  }
  return {
    connection,
    credentialExpiresAt: definition.credentialExpiresAt?.(secrets.data) ?? null,
    connector: definition.open({
      settings: settings.data,
      credentials: secrets.data,
      network,
      breaker: breakers?.of(connection),
    }),
  };
}

type ToOpen = { readonly settings: unknown; readonly credentials?: unknown; readonly network: Network };

/** What only shows when a connector is made (a key that does not fit the settings) is refused before it is stored. */
async function refuseUnopenable(definition: ConnectorDefinition, wanted: ToOpen): Promise<void> {
  const failure = await failureToOpen(definition, wanted);
  if (failure === null) return;
  const { message, remedy } = failure.failure;
  throw new Problem({ code: 'invalid-input', message, remedy }, { cause: failure });
}

/** null: a connector can be made of it. */
export async function failureToOpen(
  definition: ConnectorDefinition,
  { settings, credentials, network }: ToOpen,
): Promise<ConnectorError | null> {
  try {
    await definition.open({ settings, credentials, network }).close();
    return null;
  } catch (error) {
    if (error instanceof ConnectorError) return error;
    throw error;
  }
}

/** Whoever has a mapping make tenants makes them. */
async function acceptMapping(
  deps: ConnectionDeps,
  caller: Caller,
  tenant: TenantId,
  mapping: Mapping,
): Promise<readonly NewRoleName[]> {
  if (mapping.rules?.some(({ create }) => create) === true) authorise(caller, 'tenants.write');
  return await ensureMappable(deps, caller, tenant, rolesIn(mapping));
}

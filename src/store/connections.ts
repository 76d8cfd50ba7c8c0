/** Connections. Credentials, and the login of a proxy, go in readable and come out only for `open`. */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { Json } from '../domain/canonical.ts';
import {
  CONNECTION_STATES,
  type Connection,
  type ConnectionNetwork,
  hasLogin,
  type ListedConnection,
  leadsElsewhere,
  unreadable,
} from '../domain/connection.ts';
import { Provider } from '../domain/directory.ts';
import type { ConnectionId, TenantId } from '../domain/ids.ts';
import { Mapping, rolesIn } from '../domain/mapping.ts';
import { type Listed, type PageOptions, toPage } from '../domain/page.ts';
import { Policy } from '../domain/policy.ts';
import { Problem } from '../domain/problem.ts';
import { type Audited, record } from './audited.ts';
import { noteAuthorsOfPolicies, noteConfigurator } from './configurators.ts';
import { type Database, type Sql, sqlOf } from './database.ts';
import { refusingTakenNames } from './duplicates.ts';
import type { Connection as ConnectionRow, Prisma } from './generated/client.ts';
import { holdNamedRoles } from './heldRoles.ts';
import { markToJudge } from './judging.ts';
import { pageQuery, subtree } from './scope.ts';
import type { SecretBox } from './secrets.ts';

export type NewConnection = Omit<Connection, 'changeRevision' | 'accessVersion' | 'version' | 'createdAt'> & {
  readonly credentials: unknown;
};

export type ConnectionPatch = Partial<
  Pick<
    NewConnection,
    | 'name'
    | 'settings'
    | 'credentials'
    | 'network'
    | 'mapping'
    | 'policy'
    | 'schedule'
    | 'timeZone'
    | 'state'
    | 'issuer'
    | 'credentialExpiresAt'
  >
>;

/** What a connector is opened with. */
export type OpenedConnection = {
  readonly connection: Connection;
  readonly credentials: unknown;
  /** With the proxy's login. */
  readonly network: ConnectionNetwork;
};

/**
 * `scope` is the caller's tenant: nothing outside its subtree is seen or touched. Whatever gives a `Connection` throws
 * `unreadable-connection` for one whose stored configuration cannot be read.
 */
export type ConnectionStore = {
  /** Throws `not-found` for the tenant, `name-taken`, `changed-since-shown` for a role that the mapping names. */
  insert(scope: TenantId, connection: NewConnection, audit: Audited): Promise<Connection>;
  /** null: it is not at this version any more. Throws `name-taken`. */
  update(
    scope: TenantId,
    at: Pick<Connection, 'id' | 'version'>,
    patch: ConnectionPatch,
    audit: Audited,
  ): Promise<Connection | null>;
  /** Of the subtree of `tenant`. */
  list(
    scope: TenantId,
    filter: PageOptions & { readonly tenant: TenantId },
  ): Promise<Listed<ListedConnection>>;
  /** All of the subtree, a few hundred at a time. */
  each(scope: TenantId): AsyncGenerator<ListedConnection>;
  get(scope: TenantId, id: ConnectionId): Promise<Connection | null>;
  /** The same, as it stands in a list. */
  find(scope: TenantId, id: ConnectionId): Promise<ListedConnection | null>;
  /** Up to `limit` of the connections with this name, as they stand in a list. */
  named(scope: TenantId, name: string, limit: number): Promise<readonly ListedConnection[]>;
  /** When the credential of this version of the access ends, which was stored before anybody asked it. */
  noteExpiry(connection: Pick<Connection, 'id' | 'tenant' | 'accessVersion'>, expiresAt: Date): Promise<void>;
  /** Decrypts. Throws `wrong-secret-key`. */
  open(scope: TenantId, id: ConnectionId): Promise<OpenedConnection | null>;
};

export function connectionStore(database: Database, box: SecretBox): ConnectionStore {
  return { ...writing(database, box), ...reading(database, box) };
}

function writing(
  database: Database,
  box: SecretBox,
): Pick<ConnectionStore, 'insert' | 'update' | 'noteExpiry'> {
  return {
    noteExpiry: ({ id, tenant, accessVersion }, credentialExpiresAt) =>
      database.ordinary(tenant, async (tx) => {
        await tx.connection.updateMany({ where: { id, accessVersion }, data: { credentialExpiresAt } });
      }),
    insert: (scope, connection, audit) =>
      refusingTakenNames(nameTaken, () =>
        database.ordinary(scope, async (tx) => {
          await subtree(tx, scope, connection.tenant);
          await holdMapped(sqlOf(tx), connection.mapping);
          const { id, tenant, name, provider, credentials } = connection;
          const row = await tx.connection.create({
            data: {
              id,
              tenantId: tenant,
              name,
              provider,
              settings: asJson(connection.settings),
              credentials: box.seal(id, credentials),
              network: sealNetwork(box, id, connection.network),
              mapping: connection.mapping,
              policy: connection.policy,
              schedule: connection.schedule,
              timeZone: connection.timeZone,
              state: connection.state,
              issuer: connection.issuer,
              credentialExpiresAt: connection.credentialExpiresAt,
              createdAt: audit.at,
            },
          });
          await noteConfigurator(sqlOf(tx), { connection: id }, { actor: audit.entry.actor, at: audit.at });
          await noteAuthorsOfPolicies(sqlOf(tx), { connection: id }, null);
          await record(tx, tenant, audit);
          return toConnection(row);
        }),
      ),
    update: (scope, { id, version }, patch, audit) =>
      refusingTakenNames(nameTaken, () =>
        database.ordinary(scope, async (tx) => {
          const where = { id, version, tenant: await subtree(tx, scope) };
          const before = await tx.connection.findFirst({ where });
          if (before === null) return null;
          await holdMapped(sqlOf(tx), patch.mapping);
          const [row] = await tx.connection.updateManyAndReturn({
            where,
            data: {
              ...columnsOf(box, before, patch),
              version: { increment: 1 },
              ...consequences(toConnection(before), patch),
            },
          });
          if (row === undefined) return null;
          const connection = toConnection(row);
          if (isJudgedOtherwise(toConnection(before), patch))
            await markToJudge(sqlOf(tx), { connection: id });
          await noteConfigurator(sqlOf(tx), { connection: id }, { actor: audit.entry.actor, at: audit.at });
          await record(tx, connection.tenant, audit);
          return connection;
        }),
      ),
  };
}

/** How fast a provider is asked alters neither what can be seen there nor who has to be asked again. */
function touchesAccess(before: Connection, { settings, credentials, network }: ConnectionPatch): boolean {
  if (settings !== undefined || credentials !== undefined) return true;
  return network !== undefined && (hasLogin(network) || leadsElsewhere(before, { network }));
}

function consequences(before: Connection, patch: ConnectionPatch): Prisma.ConnectionUpdateManyMutationInput {
  return {
    ...(touchesAccess(before, patch) ? { accessVersion: { increment: 1 } } : {}),
    ...(matchesOtherwise(before, patch) ? { deltaToken: null } : {}),
  };
}

/** Then all that waits is judged anew: by other rules, or by rules that see another name or another hour. */
function isJudgedOtherwise(before: Connection, { policy, name, timeZone }: ConnectionPatch): boolean {
  const [named, at] = [name ?? before.name, timeZone ?? before.timeZone];
  if (named !== before.name || at !== before.timeZone) return true;
  return policy !== undefined && !isDeepStrictEqual(policy.rules, before.policy.rules);
}

/** Then whoever waits to be linked is not matched by the rules that count: the next run looks at everybody. */
function matchesOtherwise(before: Connection, { policy }: ConnectionPatch): boolean {
  return policy !== undefined && !isDeepStrictEqual(policy.matching, before.policy.matching);
}

function reading(
  database: Database,
  box: SecretBox,
): Pick<ConnectionStore, 'list' | 'each' | 'get' | 'find' | 'named' | 'open'> {
  const rowOf = (scope: TenantId, id: ConnectionId) =>
    database.ordinary(scope, async (tx) =>
      tx.connection.findFirst({ where: { id, tenant: await subtree(tx, scope) } }),
    );
  const list: ConnectionStore['list'] = (scope, filter) =>
    database.ordinary(scope, async (tx) => {
      const { position, order } = pageQuery(filter);
      const rows = await tx.connection.findMany({
        where: { tenant: await subtree(tx, scope, filter.tenant), ...position },
        ...order,
      });
      return toPage(rows.map(toListed), filter.limit);
    });
  return {
    list,
    each: async function* (scope) {
      let after: string | null = null;
      do {
        const page: Listed<ListedConnection> = await list(scope, { tenant: scope, limit: 500, after });
        yield* page.items;
        after = page.next === null ? null : (page.items.at(-1)?.id ?? null);
      } while (after !== null);
    },
    get: async (scope, id) => {
      const row = await rowOf(scope, id);
      return row === null ? null : toConnection(row);
    },
    find: async (scope, id) => {
      const row = await rowOf(scope, id);
      return row === null ? null : toListed(row);
    },
    named: (scope, name, limit) =>
      database.ordinary(scope, async (tx) => {
        const where = { name, tenant: await subtree(tx, scope) };
        const rows = await tx.connection.findMany({ where, orderBy: { id: 'asc' }, take: limit });
        return rows.map(toListed);
      }),
    open: async (scope, id) => {
      const row = await rowOf(scope, id);
      if (row === null) return null;
      return {
        connection: toConnection(row),
        credentials: box.open(id, row.credentials),
        network: openNetwork(box, id, row.network),
      };
    },
  };
}

/** Throws `unreadable-connection`. */
function toConnection(row: ConnectionRow): Connection {
  const connection = toListed(row);
  if (connection.state === 'unreadable') throw unreadable(connection);
  return connection;
}

function toListed(row: ConnectionRow): ListedConnection {
  const { name, schedule, timeZone, issuer, credentialExpiresAt, accessVersion, version, createdAt } = row;
  const known = { id: row.id as ConnectionId, tenant: row.tenantId as TenantId, name, createdAt };
  const stored = StoredConnection.safeParse(row);
  if (!stored.success) {
    const parts = stored.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    return { ...known, provider: row.provider, state: 'unreadable', problem: parts.slice(0, 5).join('; ') };
  }
  const { network, provider, mapping, policy, state } = stored.data;
  const { proxyLogin: _, ...shown } = network;
  return {
    ...known,
    provider,
    settings: row.settings as Json,
    network: shown,
    mapping,
    policy,
    schedule,
    timeZone,
    state,
    issuer,
    credentialExpiresAt,
    changeRevision: Number(row.changeRevision),
    accessVersion,
    version,
  };
}

/** The proxy's user and password are secrets in the middle of what is not: they are sealed apart. */
const StoredNetwork = z.object({
  baseUrl: z.string().nullable(),
  ca: z.string().nullable(),
  proxy: z.string().nullable(),
  share: z.number().optional(),
  /** Base64 of the sealed login. */
  proxyLogin: z.string().nullable(),
});
type StoredNetwork = z.infer<typeof StoredNetwork>;
const ProxyLogin = z.object({ username: z.string(), password: z.string() });

/** The columns that have a shape of their own. */
const StoredConnection = z.object({
  provider: Provider,
  network: StoredNetwork,
  mapping: Mapping,
  policy: Policy,
  state: z.enum(CONNECTION_STATES),
});

function sealNetwork(box: SecretBox, id: ConnectionId, network: ConnectionNetwork): StoredNetwork {
  const { proxy, ...rest } = network;
  if (proxy === null) return { ...rest, proxy, proxyLogin: null };
  const url = new URL(proxy);
  const { username, password } = url;
  url.username = '';
  url.password = '';
  const login = username === '' && password === '' ? null : box.seal(`${id}/proxy`, { username, password });
  return {
    ...rest,
    proxy: url.href,
    proxyLogin: login === null ? null : Buffer.from(login).toString('base64'),
  };
}

/** Nobody is shown a login, so that who gives the same proxy without one does not mean to take it away. */
function keepLogin(given: StoredNetwork, before: Prisma.JsonValue): StoredNetwork {
  const stored = StoredNetwork.parse(before);
  if (given.proxy !== stored.proxy || given.proxyLogin !== null) return given;
  return { ...given, proxyLogin: stored.proxyLogin };
}

function openNetwork(box: SecretBox, id: ConnectionId, stored: Prisma.JsonValue): ConnectionNetwork {
  const { proxy, proxyLogin, ...rest } = StoredNetwork.parse(stored);
  if (proxy === null || proxyLogin === null) return { ...rest, proxy };
  const login = ProxyLogin.parse(box.open(`${id}/proxy`, Buffer.from(proxyLogin, 'base64')));
  return { ...rest, proxy: Object.assign(new URL(proxy), login).href };
}

function columnsOf(box: SecretBox, before: ConnectionRow, patch: ConnectionPatch) {
  const id = before.id as ConnectionId;
  const { settings, credentials, network, ...plain } = patch;
  return {
    ...plain,
    ...(settings === undefined ? {} : { settings: asJson(settings) }),
    ...(credentials === undefined ? {} : { credentials: box.seal(id, credentials) }),
    ...(network === undefined ? {} : { network: keepLogin(sealNetwork(box, id, network), before.network) }),
  };
}

/**
 * Until the transaction ends, directories may give the roles that the mapping names: looked at again, because nothing in the mapping
 * keeps anybody from changing or removing them.
 */
async function holdMapped(sql: Sql, mapping: Mapping | undefined): Promise<void> {
  const names = mapping === undefined ? [] : rolesIn(mapping).map(({ name }) => name);
  const { missing, withheld } = await holdNamedRoles(sql, names);
  if (missing.length + withheld.size === 0) return;
  throw new Problem({
    code: 'changed-since-shown',
    message:
      'A role that the mapping names was changed or removed by somebody else in the meantime; nothing was stored.',
    remedy: 'Look at the roles again and repeat it.',
  });
}

/** Prisma's type for jsonb is ours without `readonly`. */
function asJson(value: Json): Prisma.InputJsonObject {
  return value as Prisma.InputJsonObject;
}

const nameTaken = {
  message: 'Another connection of the same tenant has this name.',
  remedy: 'Choose another name, or update the connection that is there.',
};

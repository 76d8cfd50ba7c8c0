/** Microsoft Entra ID through Microsoft Graph v1.0. Settings, permissions, mapping and oddities: README.md beside this file. */
import { z } from 'zod';
import type { ExternalId } from '../../src/domain/ids.ts';
import {
  type Connector,
  type ConnectorDefinition,
  type Cursor,
  type IdClaim,
  Network,
  type Page,
  type UserRecord,
} from '../contract.ts';
import { type HttpSession, openSession, type SessionTuning } from '../session.ts';
import { changesOver } from './changes.ts';
import { checkEntra, type EntraConnector } from './check.ts';
import { EntraCredentials, expiryOf, tokensFor } from './credential.ts';
import { evidenceOf } from './evidence.ts';
import { type Graph, graphOver, type ListRequest } from './graph.ts';
import { pacing } from './limits.ts';
import { lookUpUsers, type People } from './lookUp.ts';
import { demandKey, type MachineIdentity, noMachine, originOf } from './machine.ts';
import { readDeletedUser, readGroup, readMember, readUser } from './map.ts';
import { deletedBefore, firstPosition, positionBehind, positionOf, sinceOf } from './positions.ts';
import { ExtensionName, GROUP_PROPERTIES, USER_PROPERTIES } from './schema.ts';
import { ScopeSettings, scopeOver } from './scope.ts';

/** "National cloud deployments": tokens of one are worth nothing in another, so the three belong together. */
const CLOUDS = {
  global: { authority: 'https://login.microsoftonline.com', graph: 'https://graph.microsoft.com' },
  'us-gov': { authority: 'https://login.microsoftonline.us', graph: 'https://graph.microsoft.us' },
  'us-dod': { authority: 'https://login.microsoftonline.us', graph: 'https://dod-graph.microsoft.us' },
  china: { authority: 'https://login.chinacloudapi.cn', graph: 'https://microsoftgraph.chinacloudapi.cn' },
} as const;

/**
 * The `iss` of version 2.0 tokens ("ID token claims reference"); the claim with the user's id is `oid`. In China it is not the address
 * that tokens are asked for at ("National cloud deployments": its metadata document says so).
 */
function issuerOf({ directoryId, cloud }: Pick<EntraSettings, 'directoryId' | 'cloud'>): string | null {
  if (!z.guid().safeParse(directoryId).success) return null; // a domain name: tokens carry the id all the same
  const authority = cloud === 'china' ? 'https://login.partner.microsoftonline.cn' : CLOUDS[cloud].authority;
  return `${authority}/${directoryId.toLowerCase()}/v2.0`;
}

/**
 * The subject is another to each application; the object id is the same everywhere, and comes with the scope `profile` ("ID token claims
 * reference": `sub`, `oid`).
 */
function idClaimOf(issuer: string): IdClaim | null {
  const directoryId = issuer.split('/')[3] ?? '';
  const clouds = Object.keys(CLOUDS) as (keyof typeof CLOUDS)[];
  const own = clouds.some((cloud) => issuerOf({ directoryId, cloud }) === issuer);
  return own ? { claim: 'oid', scope: 'profile' } : null;
}

const SHARED_AUTHORITIES = ['common', 'organizations', 'consumers'];

export const EntraSettings = z.strictObject({
  /** Directory (tenant) ID, or one of the directory's verified domain names. */
  directoryId: z
    .string()
    .regex(/^[0-9a-z][0-9a-z.-]*$/i, 'give the Directory ID (a GUID) or a verified domain name')
    .refine(
      (id) => !SHARED_AUTHORITIES.includes(id),
      'an application signs in to one directory: give its Directory ID',
    ),
  /** Application (client) ID. */
  clientId: z.guid('give the Application ID (a GUID)'),
  cloud: z.enum(['global', 'us-gov', 'us-dod', 'china']).default('global'),
  /** Directory extensions to read besides the built-in properties. */
  extensions: z.array(ExtensionName).max(50).default([]),
  ...ScopeSettings.shape,
});
export type EntraSettings = z.infer<typeof EntraSettings>;

type OpenOptions = { settings: EntraSettings; credentials: EntraCredentials; network: Network };

/** `tuning` is for tests that cannot wait as long as a pull can. Throws ConnectorError 'misconfigured'. */
export function openEntra(
  { settings, credentials, network }: OpenOptions,
  tuning: SessionTuning = {},
  machine: MachineIdentity = noMachine,
): Connector {
  if ('identityKey' in credentials) demandKey(machine, credentials.identityKey);
  const cloud = CLOUDS[settings.cloud];
  const baseUrl = network.baseUrl?.replace(/\/+$/, '') ?? null;
  const authority = baseUrl ?? cloud.authority;
  const graphUrl = baseUrl ?? cloud.graph;
  const session = openSession({
    ...tuning,
    origins: [authority, graphUrl],
    network,
    ...pacing,
    requestIdHeader: 'request-id',
  });
  const local =
    credentials.kind === 'managed-identity'
      ? openSession({
          ...tuning,
          breaker: undefined, // that this machine answers says nothing of the provider
          origins: [originOf(machine)],
          network: Network.parse({}),
        })
      : null;
  const tokens = tokensFor({
    session,
    machine,
    local,
    authority,
    directoryId: settings.directoryId,
    clientId: settings.clientId,
    scope: `${cloud.graph}/.default`,
    credentials,
  });
  const connector = connectorOver(graphOver(session, tokens, graphUrl), settings, session);
  return { ...connector, close: async () => void (await Promise.all([session.close(), local?.close()])) };
}

function connectorOver(graph: Graph, settings: EntraSettings, session: HttpSession): EntraConnector {
  const { extensions } = settings;
  const scope = scopeOver(graph, settings);
  const users: ListRequest = {
    path: '/users',
    select: [...USER_PROPERTIES, ...extensions],
    expand: 'manager($select=id)',
    permission: 'User.Read.All',
  };
  const deletedUsers: ListRequest = {
    path: '/directory/deletedItems/microsoft.graph.user',
    select: [...USER_PROPERTIES, 'deletedDateTime', ...extensions],
    permission: users.permission,
  };
  const people = { users, deletedUsers, extensions, scope };
  const groups: ListRequest = {
    path: '/groups',
    select: GROUP_PROPERTIES,
    permission: 'GroupMember.Read.All',
  };
  const membersOf = (group: ExternalId): ListRequest => ({
    path: `/groups/${encodeURIComponent(group)}/transitiveMembers`,
    select: ['id'],
    permission: 'GroupMember.Read.All',
  });
  const page = async <T>(
    request: ListRequest,
    cursor: Cursor | null,
    signal: AbortSignal,
    read: (item: unknown) => T | null,
  ): Promise<Page<T>> => {
    const { items, next } = await graph.list(request, cursor, signal);
    return { records: items.map(read).filter((record) => record !== null), next };
  };
  return {
    provider: 'entra',
    assigned: settings.appScope === null ? null : scope.assigned,
    fetchUsers: (cursor, signal) => fetchUsers(graph, people, cursor, signal),
    fetchGroups: (cursor, signal) => page(groups, cursor, signal, readGroup),
    fetchMembers: (group, cursor, signal) => page(membersOf(group), cursor, signal, readMember),
    evidence: (signal) =>
      evidenceOf(
        graph,
        {
          lists: scope.isWhole ? [users.path, deletedUsers.path] : null,
          isAppScoped: settings.appScope !== null,
        },
        signal,
      ),
    lookUp: (ids, wanted, signal) => lookUpUsers(ids, { graph, people, groups: wanted, signal }),
    changes: changesOver(graph, users.select, scope.fingerprint),
    usage: () => session.usage(),
    close: () => session.close(),
  };
}

/** One page of the three lists that hold everybody. */
async function fetchUsers(
  graph: Graph,
  { users, deletedUsers, extensions, scope }: People,
  cursor: Cursor | null,
  signal: AbortSignal,
): Promise<Page<UserRecord>> {
  const at = cursor === null ? firstPosition : positionOf(cursor);
  if (at.link !== null) graph.admit(at.link);
  if (at.list === 'living') {
    const isInScope = await scope.filter(at.link === null, signal);
    const { items, next, date } = await graph.list(users, at.link, signal);
    const records = items.map((item) => readUser(item, extensions)).filter(isInScope);
    return { records, next: positionBehind(at, next, at.since ?? sinceOf(date)) };
  }
  const { items, next, date } = await graph.list(deletedUsers, at.link, signal);
  const since = at.since ?? sinceOf(date);
  const news = at.list === 'deleted' ? items : items.filter((item) => !deletedBefore(item, since));
  const records = news
    .map((item) => readDeletedUser(item, extensions))
    .filter((record) => record.kind === 'unreadable' || scope.wantsKind(record.user));
  return { records, next: positionBehind(at, next, since) };
}

/** `machine`: what the operator lends to connections that sign in without a credential of their own. */
export const entraDefinitionWith = (
  machine: MachineIdentity,
): ConnectorDefinition<EntraSettings, EntraCredentials> => ({
  provider: 'entra',
  title: 'Microsoft Entra ID',
  abilities: {
    groups: true,
    nestedGroups: true,
    orgUnits: false,
    deletedUsers: true,
    lookUp: true,
    delta: true,
    notifications: false,
  },
  settings: EntraSettings,
  credentials: EntraCredentials,
  issuerOf,
  idClaimOf,
  credentialExpiresAt: expiryOf,
  open: ({ breaker, ...options }) => openEntra(options, { breaker }, machine),
  check: checkEntra,
});

export const entraDefinition = entraDefinitionWith(noMachine);

/** Okta: one page of users, groups or members at a time. */
import { type Access, getWith } from '../access.ts';
import {
  type ConnectorDefinition,
  ConnectorError,
  type Cursor,
  type Network,
  type Page,
} from '../contract.ts';
import { type HttpSession, openSession, type SessionTuning } from '../session.ts';
import { changesOf } from './changes.ts';
import { checkOkta, type OktaConnector } from './check.ts';
import { OktaCredentials, OktaSettings, readPrivateKey } from './credentials.ts';
import { bucketOf, limitOf, waitAfterRefusalMs } from './limits.ts';
import {
  allGroups,
  deprovisionedUsers,
  type ListPosition,
  listBehind,
  membersOf,
  readList,
  recentSince,
  toCursor,
  toListPosition,
  USER_LISTS,
  usersOfApp,
} from './lists.ts';
import { lookUp, type Org } from './lookUp.ts';
import { toAssignedUserRecord, toGroupRecord, toMemberRecord, toUserRecord } from './map.ts';
import { apiTokenAccess, type OktaAccess, ServiceAppAccess, scopesFor } from './token.ts';
import { withTypeNames } from './types.ts';

/**
 * Spares Okta the work for what is not read here, and makes the list faster; yes, on a GET (API reference, "List all users").
 */
const WITHOUT_CREDENTIALS =
  'application/json; okta-response=omitCredentials,omitCredentialsLinks,omitTransitioningToStatus';

type Options = {
  readonly settings: OktaSettings;
  readonly credentials: OktaCredentials;
  readonly network: Network;
};

/** `tuning` is for tests, which cannot wait as long as a pull. Throws ConnectorError 'misconfigured'. */
export function openOkta(
  { settings, credentials, network }: Options,
  tuning: SessionTuning = {},
): OktaConnector {
  const origin = network.baseUrl === null ? settings.orgUrl : new URL(network.baseUrl).origin;
  const session = openSession({
    ...tuning,
    origins: [origin],
    network,
    bucketOf,
    limitOf,
    waitMs: waitAfterRefusalMs,
    requestIdHeader: 'x-okta-request-id',
  });
  const access = accessOf({ settings, credentials, session, origin });
  const appScope = settings.appScope ?? null;
  const get = getter(session, access, origin);
  const origins = [settings.orgUrl, origin];
  const toUser = settings.userTypes === true ? withTypeNames({ get, origins }) : async () => toUserRecord;
  const org: Org = { origins, get, appScope, toUser };
  return {
    provider: 'okta',
    appScope,
    readTypes: settings.userTypes === true ? toUser : null,
    fetchUsers: (cursor, signal) =>
      appScope === null ? everybody(org, cursor, signal) : assigned(org, appScope, cursor, signal),
    fetchGroups: (cursor, signal) => listed(org, allGroups, cursor, toGroupRecord, signal),
    /** Okta's groups do not nest. Everyone is listed like any other: its id does not tell what it is. */
    fetchMembers: (group, cursor, signal) => listed(org, membersOf(group), cursor, toMemberRecord, signal),
    /** Okta counts nobody. An API token has an administrator's rights, which Okta does not spell out. */
    evidence: async (signal) => ({ users: null, permissions: await access.permissions(signal) }),
    lookUp: (ids, groups, signal) => lookUp(org, ids, groups, signal),
    changes: changesOf(org),
    usage: () => session.usage(),
    close: () => session.close(),
  };
}

function getter(session: HttpSession, access: Access, origin: string): Org['get'] {
  return (path, signal) => {
    const headers = {
      accept: 'application/json',
      ...(path.startsWith('/api/v1/users?') ? { 'content-type': WITHOUT_CREDENTIALS } : {}),
    };
    return getWith({ session, access, url: origin + path, headers, signal });
  };
}

async function listed<T>(
  { get, origins }: Org,
  start: ListPosition,
  cursor: Cursor | null,
  toRecord: (record: unknown) => T,
  signal: AbortSignal,
): Promise<Page<T>> {
  const at = cursor === null ? start : toListPosition(cursor, [start.list], start);
  const { records, next } = readList(await get(at.path, signal), at, origins);
  return page(records.map(toRecord), next);
}

/** Three lists in one chain of pages (see lists.ts): whoever moves between them may be named twice, the last time as it is. */
async function everybody({ get, origins, toUser }: Org, cursor: Cursor | null, signal: AbortSignal) {
  const toRecord = await toUser(signal);
  const at = cursor === null ? deprovisionedUsers : toListPosition(cursor, USER_LISTS, deprovisionedUsers);
  const answer = await get(at.path, signal);
  const { records, next } = readList(answer, at, origins);
  const since = at.since ?? recentSince(answer);
  return page(records.map(toRecord), next === null ? listBehind(at, since) : { ...next, since });
}

async function assigned(org: Org, app: string, cursor: Cursor | null, signal: AbortSignal) {
  const toUser = await org.toUser(signal);
  const toRecord = (record: unknown) => toAssignedUserRecord(record, toUser);
  const { records, next } = await listed(org, usersOfApp(app), cursor, toRecord, signal);
  return { records: records.filter((record) => record !== null), next };
}

function page<T>(records: readonly T[], next: ListPosition | null): Page<T> {
  return { records, next: next === null ? null : toCursor(next) };
}

type Opened = Pick<Options, 'settings' | 'credentials'> & {
  readonly session: HttpSession;
  readonly origin: string;
};

function accessOf({ settings, credentials, session, origin }: Opened): OktaAccess {
  if (credentials.kind === 'api-token') return apiTokenAccess(credentials.token);
  const { orgUrl, clientId } = settings;
  if (clientId === undefined) {
    throw misconfigured(
      'settings.clientId is missing: a private key is used together with the client id of its app.',
    );
  }
  const read = readPrivateKey(credentials.privateKey);
  if (!read.ok) throw misconfigured(`credentials.privateKey ${read.problem}.`);
  return new ServiceAppAccess({
    session,
    origin,
    orgUrl,
    clientId,
    keyId: credentials.keyId,
    signing: read.signing,
    scopes: scopesFor(settings),
  });
}

function misconfigured(message: string): ConnectorError {
  return new ConnectorError({
    kind: 'misconfigured',
    message,
    remedy: 'Copy it from the Admin Console: Applications › your app › General › Client Credentials.',
  });
}

export const oktaDefinition: ConnectorDefinition<OktaSettings, OktaCredentials> = {
  provider: 'okta',
  title: 'Okta',
  abilities: {
    groups: true,
    nestedGroups: false,
    orgUnits: false,
    deletedUsers: true,
    lookUp: true,
    delta: true,
    notifications: false,
  },
  settings: OktaSettings,
  credentials: OktaCredentials,
  // Of the org's own authorization server ("Org authorization server"); `sub` is then the user's id.
  issuerOf: ({ orgUrl }) => orgUrl,
  open: ({ breaker, ...options }) => openOkta(options, { breaker }),
  check: checkOkta,
};

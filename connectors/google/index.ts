/** Google Workspace: one page at a time of the Directory API's users, groups and members. README.md has the whole picture. */
import type { ConnectorDefinition, Network } from '../contract.ts';
import { openSession, type SessionTuning } from '../session.ts';
import { accountOf } from './account.ts';
import { openApi } from './api.ts';
import { changesOf } from './changes.ts';
import { checkGoogle, type GoogleConnector } from './check.ts';
import { namesOrgUnits, scopeOver } from './connectionScope.ts';
import { GoogleCredentials, GoogleSettings } from './credentials.ts';
import { ORIGINS, sendOver } from './library.ts';
import { openLists } from './lists.ts';
import { lookUp } from './lookUp.ts';
import { type MachineIdentity, noMachine } from './machine.ts';
import { toGroupRecord } from './map.ts';
import { membersPage } from './memberships.ts';
import { isQuota } from './refusals.ts';
import { Administrator } from './schema.ts';
import { neededScopes, scopeOf } from './scopes.ts';
import { signIn } from './signIn.ts';
import { openTokens } from './token.ts';
import { usersOver } from './users.ts';

type Options = {
  readonly settings: GoogleSettings;
  readonly credentials: GoogleCredentials;
  readonly network: Network;
};

/** Google does not tell its limits with its answers; this one holds for each project and impersonated user ("Limits and quotas"). */
const pacing = { isThrottled: isQuota, assumedLimit: { limit: 2_400, windowMs: 60_000 } } as const;

/** `tuning` is for tests, which cannot wait as long as a pull. */
export function openGoogle(
  { settings, credentials, network }: Options,
  tuning: SessionTuning = {},
  machine: MachineIdentity = noMachine,
): GoogleConnector {
  const origins = network.baseUrl === null ? ORIGINS : [network.baseUrl];
  const session = openSession({ ...tuning, ...pacing, origins, network });
  const send = sendOver(session, network.baseUrl);
  const { adminEmail, customer } = settings;
  const clientId = credentials.clientId ?? null;
  const needed = neededScopes({ namesOrgUnits: namesOrgUnits(settings) });
  const tokens = openTokens(
    signIn(credentials, machine, adminEmail, (request) => send({ ...request, forAccess: true })),
    needed,
    scopeOf('activities'),
    clientId,
  );
  const api = openApi(send, tokens, clientId);
  const lists = openLists(api);
  const account = accountOf(api, lists, customer);
  const scope = scopeOver(account, settings);
  const { users, groups } = account.directory;
  return {
    provider: 'google',
    fetchUsers: usersOver(account, scope),
    async fetchGroups(cursor, signal) {
      const { objects, next } = await lists.page(
        { list: 'groups', pageToken: cursor, isStart: cursor === null, signal },
        (common, options) => groups.list({ customer, ...common }, options),
      );
      return { records: objects.map(toGroupRecord), next };
    },
    fetchMembers: (group, cursor, signal) => membersPage(account, group, cursor, signal),
    /**
     * Google keeps no count of users. Of permissions it tells the scopes, and whether the administrator has every right: who is
     * no super administrator any more may see less of the account than before without being refused anything.
     */
    async evidence(signal) {
      const scopes = await tokens.granted(signal);
      const rank = await api.find({ subject: 'users', signal }, Administrator, (options) =>
        users.get({ userKey: adminEmail, fields: 'id,isAdmin' }, options),
      );
      const permissions = rank?.isAdmin === true ? [...scopes, 'isAdmin'] : scopes;
      return { users: null, permissions: permissions.toSorted() };
    },
    lookUp: (ids, asked, signal) => lookUp(account, scope, ids, asked, signal),
    changes: changesOf(account),
    readOrgUnits: namesOrgUnits(settings) ? (signal) => scope.now(signal) : null,
    usage: () => session.usage(),
    close: () => session.close(),
  };
}

/** `machine`: what the operator lends to connections that sign in without a key of their own. */
export const googleDefinitionWith = (
  machine: MachineIdentity,
): ConnectorDefinition<GoogleSettings, GoogleCredentials> => ({
  provider: 'google',
  title: 'Google Workspace',
  abilities: {
    groups: true,
    nestedGroups: true,
    orgUnits: true,
    deletedUsers: true,
    lookUp: true,
    delta: true,
    notifications: false,
  },
  settings: GoogleSettings,
  credentials: GoogleCredentials,
  // "OpenID Connect", ID token payload; `sub` is the id that the Directory API gives.
  issuerOf: () => 'https://accounts.google.com',
  open: ({ breaker, ...options }) => openGoogle(options, { breaker }, machine),
  check: checkGoogle,
});

export const googleDefinition = googleDefinitionWith(noMachine);

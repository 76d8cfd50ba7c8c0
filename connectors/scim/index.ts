/** SCIM 2.0: one page of users or groups at a time, and a group's members at once. */
import { type Access, fixedAccess } from '../access.ts';
import { type Connector, type ConnectorDefinition, ConnectorError, type Network } from '../contract.ts';
import { openSession, type SessionTuning } from '../session.ts';
import { Around } from './around.ts';
import { changesOf } from './changes.ts';
import { checkScim } from './check.ts';
import { ScimCredentials, ScimSettings } from './credentials.ts';
import { allGroups, allUsers } from './lists.ts';
import { lookUpUsers } from './lookUp.ts';
import { toGroupRecord, toUserRecord } from './map.ts';
import { Members, toMemberRecords } from './members.ts';
import { type Pages, pagesOf } from './pages.ts';
import { scimService } from './service.ts';
import { basic, ClientAccess } from './token.ts';

type Options = {
  readonly settings: ScimSettings;
  readonly credentials: ScimCredentials;
  readonly network: Network;
};

/** `tuning` is for tests, which cannot wait as long as a pull. Throws ConnectorError 'misconfigured'. */
export function openScim({ settings, credentials, network }: Options, tuning: SessionTuning = {}): Connector {
  const reached = (address: string): string => {
    const { origin, pathname, search } = new URL(address);
    return (network.baseUrl === null ? origin : new URL(network.baseUrl).origin) + pathname + search;
  };
  const base = reached(settings.scimUrl).replace(/\/+$/, '');
  const tokenUrl = credentials.kind === 'secret' ? reached(required(settings, 'tokenUrl')) : null;
  const clientId = credentials.kind === 'secret' ? required(settings, 'clientId') : '';
  // The list of origins is what keeps the credential here: links, locations and references are read and never followed.
  const origins = [base, ...(tokenUrl === null ? [] : [tokenUrl])].map((address) => new URL(address).origin);
  const session = openSession({ ...tuning, origins, network });

  const accessOf = (): Access => {
    switch (credentials.kind) {
      case 'api-token':
        return fixedAccess(`Bearer ${credentials.token}`);
      case 'basic':
        return fixedAccess(basic(credentials.userName, credentials.password));
      case 'secret': {
        const { scope, clientAuthentication } = settings;
        const { clientSecret } = credentials;
        const client = { clientId, clientSecret, scope, clientAuthentication, tokenUrl: tokenUrl ?? '' };
        return new ClientAccess({ session, ...client });
      }
    }
  };

  const service = scimService(base, session, accessOf());
  const pages = pagesOf(service, settings);
  const members = new Members(service);

  return {
    provider: 'scim',
    async fetchUsers(cursor, signal) {
      const { records, next } = await pages.read(allUsers, cursor, signal);
      return { records: records.map(toUserRecord), next };
    },
    async fetchGroups(cursor, signal) {
      if (cursor === null) members.forget();
      const { records, next } = await pages.read(allGroups, cursor, signal);
      return { records: records.map(toGroupRecord), next };
    },
    /** All at once: SCIM does not page the members of a group. */
    async fetchMembers(group, cursor, signal) {
      if (cursor !== null) throw noSuchPosition();
      return { records: toMemberRecords(await members.of(group, signal)), next: null };
    },
    evidence: async (signal) => ({ users: await countOf(pages, signal), permissions: null }),
    lookUp: (ids, groups, signal) => lookUpUsers({ service, pages, members }, ids, groups, signal),
    changes: changesOf(pages, new Around(service, pages, members)),
    usage: () => service.usage(),
    close: () => service.close(),
  };
}

/** A service that refuses to be asked like that (one that pages by cursor alone, say) keeps no count for us. */
async function countOf(pages: Pages, signal: AbortSignal): Promise<number | null> {
  try {
    return (await pages.count(allUsers, signal)).total;
  } catch (error) {
    if (error instanceof ConnectorError && UNWILLING.has(error.failure.status ?? 0)) return null;
    throw error;
  }
}

const UNWILLING: ReadonlySet<number> = new Set([400, 501]);

function noSuchPosition(): ConnectorError {
  return new ConnectorError({
    kind: 'cursor-expired',
    message: "A group's members come on one page; there is no other place in them.",
    remedy: 'Nobody has to act: the next run reads the list from its beginning.',
  });
}

function required(settings: ScimSettings, name: 'tokenUrl' | 'clientId'): string {
  const value = settings[name];
  if (value !== undefined) return value;
  throw new ConnectorError({
    kind: 'misconfigured',
    message: `settings.${name} is missing: a client secret is used together with a client id at a token endpoint.`,
    remedy:
      'The administrator of the SCIM service gives out both; for a token as it is, use kind "api-token".',
  });
}

export const scimDefinition: ConnectorDefinition<ScimSettings, ScimCredentials> = {
  provider: 'scim',
  title: 'SCIM 2.0',
  abilities: {
    groups: true,
    nestedGroups: true,
    orgUnits: false,
    deletedUsers: false,
    lookUp: true,
    delta: true,
    notifications: false,
  },
  settings: ScimSettings,
  credentials: ScimCredentials,
  open: ({ breaker, ...options }) => openScim(options, { breaker }),
  check: checkScim,
};

/** Google Workspace: one page at a time of the Directory API's users, groups and members. README.md has the whole picture. */
import { admin } from '@googleapis/admin';
import type { Connector, ConnectorDefinition, Cursor, Network } from '../contract.ts';
import { ConnectorError } from '../contract.ts';
import { openSession, type SessionTuning } from '../session.ts';
import { checkGoogle } from './check.ts';
import { GoogleCredentials, GoogleSettings } from './credentials.ts';
import { ORIGINS, sendOver } from './library.ts';
import { openLists } from './lists.ts';
import { type Listing, toGroupRecord, toMemberRecord, toUserRecord } from './map.ts';
import { expiredToken, isQuota } from './refusals.ts';
import { openTokens } from './token.ts';

type Options = {
  readonly settings: GoogleSettings;
  readonly credentials: GoogleCredentials;
  readonly network: Network;
};

/** `tuning` is for tests, which cannot wait as long as a pull. */
export function openGoogle(
  { settings, credentials, network }: Options,
  tuning: SessionTuning = {},
): Connector {
  const origins = network.baseUrl === null ? ORIGINS : [network.baseUrl];
  const session = openSession({ ...tuning, origins, network, isThrottled: isQuota });
  const send = sendOver(session, network.baseUrl);
  const tokens = openTokens(credentials, settings.adminEmail, send);
  const readPage = openLists(send, tokens, credentials.clientId ?? null);
  const { users, groups, members } = admin('directory_v1');
  const { customer } = settings;
  return {
    provider: 'google',
    /** Google lists the living or the deleted, never both; the deleted come second, in one chain of pages. */
    async fetchUsers(cursor, signal) {
      const { listing, pageToken } = placeOf(cursor);
      const which = { customer, projection: 'full', ...(listing === 'live' ? {} : { showDeleted: 'true' }) };
      const { objects, next } = await readPage({ list: 'users', pageToken, signal }, (common, options) =>
        users.list({ ...which, ...common }, options),
      );
      return {
        records: objects.map((object) => toUserRecord(object, listing)),
        next: cursorAfter(listing, next),
      };
    },
    async fetchGroups(cursor, signal) {
      const { objects, next } = await readPage(
        { list: 'groups', pageToken: cursor, signal },
        (common, options) => groups.list({ customer, ...common }, options),
      );
      return { records: objects.map(toGroupRecord), next };
    },
    /** Google resolves nested groups itself: the users in them come as members, beside the groups, which are left out. */
    async fetchMembers(group, cursor, signal) {
      const which = { groupKey: group, includeDerivedMembership: true };
      const { objects, next } = await readPage(
        { list: 'members', pageToken: cursor, signal },
        (common, options) => members.list({ ...which, ...common }, options),
      );
      return { records: objects.map(toMemberRecord).filter((record) => record !== null), next };
    },
    close: () => session.close(),
  };
}

/** The cursor of users names the listing and the page token in it; the deleted begin without a token. */
function placeOf(cursor: Cursor | null): { readonly listing: Listing; readonly pageToken: string | null } {
  if (cursor === null) return { listing: 'live', pageToken: null };
  const [, listing, pageToken] = /^(live|deleted):(.*)$/s.exec(cursor) ?? [];
  if (listing === 'deleted') return { listing, pageToken: pageToken || null };
  if (listing === 'live' && pageToken) return { listing, pageToken };
  throw new ConnectorError(expiredToken);
}

function cursorAfter(listing: Listing, pageToken: string | null): Cursor | null {
  if (pageToken !== null) return `${listing}:${pageToken}`;
  return listing === 'live' ? 'deleted:' : null;
}

export const googleDefinition: ConnectorDefinition<GoogleSettings, GoogleCredentials> = {
  provider: 'google',
  title: 'Google Workspace',
  abilities: { groups: true, nestedGroups: true, orgUnits: true },
  settings: GoogleSettings,
  credentials: GoogleCredentials,
  open: (options) => openGoogle(options),
  check: checkGoogle,
};

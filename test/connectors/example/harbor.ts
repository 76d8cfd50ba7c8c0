/** A whole connector, for the provider that docs/connectors.md tells of: Harbor, a directory that nobody has. */
import { z } from 'zod';
import { failureOf, parseJson } from '../../../connectors/answer.ts';
import { checkInSteps, somebody, Trial } from '../../../connectors/check.ts';
import {
  type Connector,
  type ConnectorDefinition,
  ConnectorError,
  type Cursor,
  type GroupRecord,
  type MemberRecord,
  type Network,
  type Page,
  type UnreadableRecord,
  type UserRecord,
} from '../../../connectors/contract.ts';
import { openSession, type SessionTuning } from '../../../connectors/session.ts';
import type { DirectoryState, DirectoryUser, Provider } from '../../../src/domain/directory.ts';
import { ExternalId } from '../../../src/domain/ids.ts';
import { cleanText } from '../../../src/domain/normalise.ts';

/** A name that is taken, because this example has no line in PROVIDERS; yours has. */
const PROVIDER: Provider = 'scim';

// What an administrator enters

const HarborSettings = z.strictObject({ url: z.url({ protocol: /^https$/ }) });
const HarborCredentials = z.strictObject({ token: z.string().min(1) });
type HarborSettings = z.infer<typeof HarborSettings>;
type HarborCredentials = z.infer<typeof HarborCredentials>;

// Harbor's words: only what is read

const HarborUser = z.object({
  id: ExternalId,
  login: z.string(),
  mail: z.string().nullable(),
  name: z.string().nullable(),
  status: z.enum(['ashore', 'at-sea', 'laid-up', 'gone']),
});
const HarborGroup = z.object({ id: ExternalId, name: z.string() });
const HarborList = z.object({ items: z.array(z.unknown()), next: z.url().nullable() });
const Identified = z.object({ id: ExternalId });

// Harbor's words -> ours

const stateOf = {
  ashore: 'active',
  'at-sea': 'active',
  'laid-up': 'suspended',
  gone: 'deprovisioned',
} as const satisfies Record<z.infer<typeof HarborUser>['status'], DirectoryState>;

const NOTHING: Omit<DirectoryUser, 'externalId' | 'state' | 'userName'> = {
  ...{ email: null, displayName: null, givenName: null, familyName: null, jobTitle: null, department: null },
  ...{ division: null, costCenter: null, company: null, employeeId: null, employeeType: null },
  ...{ officeLocation: null, phone: null, mobilePhone: null, locale: null, orgUnit: null, manager: null },
  ...{ userType: 'member', aliases: [], custom: {} },
};

function toUserRecord(object: unknown): UserRecord {
  const read = HarborUser.safeParse(object);
  if (!read.success) return unreadable(object, read.error);
  const { id, login, mail, name, status } = read.data;
  const state = stateOf[status];
  const words = { userName: cleanText(login), email: cleanText(mail), displayName: cleanText(name) };
  return { kind: 'user', user: { ...NOTHING, ...words, externalId: id, state } };
}

function toGroupRecord(object: unknown): GroupRecord {
  const read = HarborGroup.safeParse(object);
  if (!read.success) return unreadable(object, read.error);
  return { kind: 'group', group: { externalId: read.data.id, name: read.data.name, email: null } };
}

function toMemberRecord(object: unknown): MemberRecord {
  const read = Identified.safeParse(object);
  return read.success ? { kind: 'user', externalId: read.data.id } : unreadable(object, read.error);
}

/** Names the fields that are wrong, never their values. */
function unreadable(object: unknown, error: z.ZodError): UnreadableRecord {
  const fields = error.issues.map((issue) => issue.path.join('.') || 'the object');
  const externalId = Identified.safeParse(object).data?.id ?? null;
  return { kind: 'unreadable', externalId, problem: `cannot be read: ${fields.join(', ')}` };
}

// Reading

type Options = {
  readonly settings: HarborSettings;
  readonly credentials: HarborCredentials;
  readonly network: Network;
};

export function openHarbor(
  { settings, credentials, network }: Options,
  tuning: SessionTuning = {},
): Connector {
  const { origin } = new URL(network.baseUrl ?? settings.url);
  const session = openSession({ ...tuning, origins: [origin], network });
  const headers = { accept: 'application/json', authorization: `Bearer ${credentials.token}` };

  async function page<T>(
    path: string,
    cursor: Cursor | null,
    toRecord: (object: unknown) => T,
    signal: AbortSignal,
  ): Promise<Page<T>> {
    const url = cursor ?? origin + path;
    const answer = await session.request({ method: 'GET', url, headers, signal });
    if (answer.status !== 200) throw new ConnectorError(failureOf(answer));
    const list = HarborList.safeParse(parseJson(answer));
    if (!list.success || list.data.next === url) {
      const message = 'The answer of Harbor is no page of a list.';
      throw new ConnectorError(failureOf(answer, { kind: 'unexpected-response', message }));
    }
    return { records: list.data.items.map(toRecord), next: list.data.next };
  }

  return {
    provider: PROVIDER,
    fetchUsers: (cursor, signal) => page('/users', cursor, toUserRecord, signal),
    fetchGroups: (cursor, signal) => page('/groups', cursor, toGroupRecord, signal),
    fetchMembers: (group, cursor, signal) =>
      page(`/groups/${encodeURIComponent(group)}/members`, cursor, toMemberRecord, signal),
    evidence: async () => ({ users: null, permissions: null }),
    lookUp: null,
    changes: null,
    usage: () => session.usage(),
    close: () => session.close(),
  };
}

// The line of the registry

export const harborDefinition: ConnectorDefinition<HarborSettings, HarborCredentials> = {
  provider: PROVIDER,
  title: 'Harbor',
  abilities: {
    groups: true,
    nestedGroups: false,
    orgUnits: false,
    deletedUsers: true,
    lookUp: false,
    delta: false,
    notifications: false,
  },
  settings: HarborSettings,
  credentials: HarborCredentials,
  open: (options) => openHarbor(options),
  check: (connector, signal) => {
    const trial = new Trial(connector, signal);
    const users = async () => somebody(await trial.users(), 'Give the token the right to see users.');
    return checkInSteps('Harbor', [{ step: 'users', attempt: users }, trial.groups]);
  },
};

/** What `rollcall connections test` tries of an Entra ID directory. */
import type { ExternalId } from '../../src/domain/ids.ts';
import { type Attempt, checkInSteps, counted, type Found, firstRecords } from '../check.ts';
import type { CheckStep, Connector, UserRecord } from '../contract.ts';
import { living } from './places.ts';
import { ASSIGNMENTS, type Assigned } from './scope.ts';

/** `assigned`: what the users in scope follow from; null where assignments do not matter. */
export type EntraConnector = Connector & {
  readonly assigned: ((signal: AbortSignal) => Promise<Assigned | null>) | null;
};

const USERS = 'User.Read.All';
const MEMBERS = 'GroupMember.Read.All';

export function checkEntra(connector: Connector, signal: AbortSignal): AsyncIterable<CheckStep> {
  const assigned = 'assigned' in connector ? (connector as EntraConnector).assigned : null;
  const seen: { user: ExternalId | null; group: ExternalId | null } = { user: null, group: null };
  const look = async (): Promise<readonly UserRecord[]> => {
    const users = await firstRecords((cursor) => connector.fetchUsers(cursor ?? living, signal));
    seen.user = users.find((record) => record.kind === 'user')?.user.externalId ?? null;
    return users;
  };
  const attempts: readonly Attempt[] = [
    {
      step: 'users',
      permission: USERS,
      attempt: async () => {
        const { records } = await connector.fetchUsers(null, signal); // the deleted
        return assigned === null ? somebody(await look()) : { detail: counted('Deleted users', records) };
      },
    },
    ...(assigned === null ? [] : [scoped(assigned, look, signal)]),
    {
      step: 'groups',
      permission: MEMBERS,
      attempt: async () => {
        const groups = await firstRecords((cursor) => connector.fetchGroups(cursor, signal));
        seen.group = groups.find((record) => record.kind === 'group')?.group.externalId ?? null;
        return { detail: counted('Groups', groups) };
      },
    },
    {
      step: 'members',
      after: ['groups'],
      attempt: async () => {
        if (seen.group === null) return null;
        const { records } = await connector.fetchMembers(seen.group, null, signal);
        return { detail: counted('Members of one group', records) };
      },
    },
    ...betweenPulls(connector, seen, signal),
  ];
  return checkInSteps('Entra ID', attempts);
}

/** A directory has at least the administrator who gave the consent. */
function somebody(users: readonly UserRecord[]): Found {
  const detail = counted('Users', users);
  const remedy =
    'Check directoryId: the directory shows nobody, not even whoever registered the application. If the guests setting leaves everybody out, change it.';
  return users.length > 0 ? { detail } : { detail, remedy };
}

function scoped(
  assigned: NonNullable<EntraConnector['assigned']>,
  look: () => Promise<readonly UserRecord[]>,
  signal: AbortSignal,
): Attempt {
  return {
    step: 'users',
    permission: ASSIGNMENTS,
    after: ['users'],
    attempt: async () => {
      const to = await assigned(signal);
      const detail = `Assigned to the application: users ${to?.users.size ?? 0}, groups ${to?.groups.size ?? 0}. ${counted('Users in scope', await look())}`;
      const remedy =
        'Entra admin center › Enterprise applications › the application of appScope › Users and groups: assign somebody.';
      return (to?.users.size ?? 0) + (to?.groups.size ?? 0) > 0 ? { detail } : { detail, remedy };
    },
  };
}

/** A full pull works without these. */
function betweenPulls(
  { lookUp, changes }: Connector,
  seen: { readonly user: ExternalId | null },
  signal: AbortSignal,
): readonly Attempt[] {
  return [
    {
      step: 'look-up',
      after: ['users', 'groups'],
      without: 'Single users cannot be looked at again between full pulls.',
      attempt: async () => {
        if (lookUp === null || seen.user === null) return null;
        await lookUp([seen.user], null, signal);
        return { detail: 'One user can be looked up, with their groups.' };
      },
    },
    {
      step: 'changes',
      after: ['users', 'groups'],
      without: 'Changes are found by full pulls alone.',
      attempt: async () => {
        if (changes === null) return null;
        await changes.fetch(await changes.begin(signal), null, signal);
        return { detail: 'The change feeds of users and groups can be read.' };
      },
    },
  ];
}

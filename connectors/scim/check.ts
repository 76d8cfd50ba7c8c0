/** What `rollcall connections test` tries of a SCIM service. */
import type { ExternalId } from '../../src/domain/ids.ts';
import { type Attempt, checkInSteps, counted, type Found, firstRecords } from '../check.ts';
import type { CheckStep, Connector } from '../contract.ts';

export function checkScim(connector: Connector, signal: AbortSignal): AsyncIterable<CheckStep> {
  let user: ExternalId | null = null;
  let group: ExternalId | null = null;
  const attempts: readonly Attempt[] = [
    {
      step: 'users',
      attempt: async () => {
        const users = await firstRecords((cursor) => connector.fetchUsers(cursor, signal));
        user = users.find((record) => record.kind === 'user')?.user.externalId ?? null;
        return users.length > 0 ? { detail: counted('Users', users) } : nobody;
      },
    },
    {
      step: 'groups',
      attempt: async () => {
        const groups = await firstRecords((cursor) => connector.fetchGroups(cursor, signal));
        group = groups.find((record) => record.kind === 'group')?.group.externalId ?? null;
        return { detail: counted('Groups', groups) };
      },
    },
    {
      step: 'members',
      after: ['groups'],
      attempt: async () => {
        if (group === null) return null;
        const { records } = await connector.fetchMembers(group, null, signal);
        return { detail: counted('Members of one group', records) };
      },
    },
    {
      step: 'look-up',
      after: ['users'],
      without: 'Named users cannot be looked up, so that each run is a full pull.',
      attempt: async () => (user === null ? null : seen(await connector.lookUp?.([user], [], signal))),
    },
    {
      step: 'changes',
      after: ['users', 'groups'],
      without: 'The service does not say who changed, so that each run is a full pull.',
      attempt: async () => {
        const { changes } = connector;
        if (changes === null) return null;
        await changes.fetch(await changes.begin(signal), null, signal);
        return { detail: 'The service lists users and groups by the time of their last change.' };
      },
    },
  ];
  return checkInSteps('The SCIM service', attempts);
}

/** The client that reads is rarely a user itself, but a service with nobody in it is not what anybody means to connect. */
const nobody: Found = {
  detail: 'Users on the first page: 0.',
  remedy:
    'If the service has users, have its administrator let this client read all of them; some services show only those that are assigned to the client.',
};

function seen(found: readonly { readonly kind: string }[] | undefined): Found | null {
  const kind = found?.[0]?.kind;
  if (kind === undefined) return null;
  if (kind === 'user') return { detail: 'A user of the list can be read alone.' };
  return {
    detail: 'A user of the list cannot be read alone.',
    remedy: 'Have the administrator of the SCIM service allow GET /Users/{id} for this client.',
  };
}

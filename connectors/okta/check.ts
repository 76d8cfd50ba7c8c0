/** What `rollcall connections test` tries of an Okta org. */

import type { ExternalId } from '../../src/domain/ids.ts';
import { type Attempt, checkInSteps, counted, type Found, firstRecords } from '../check.ts';
import type { CheckStep, Connector } from '../contract.ts';
import { liveUsers, toCursor } from './lists.ts';

export function checkOkta(connector: Connector, signal: AbortSignal): AsyncIterable<CheckStep> {
  let group: ExternalId | null = null;
  const attempts: readonly Attempt[] = [
    {
      step: 'users',
      permission: 'okta.users.read',
      /** The living: the deactivated, whom a pull reads first, show less of what the credential sees. */
      attempt: async () => {
        const live = toCursor(liveUsers);
        return seen(await firstRecords((cursor) => connector.fetchUsers(cursor ?? live, signal)));
      },
    },
    {
      step: 'groups',
      permission: 'okta.groups.read',
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
  ];
  return checkInSteps('Okta', attempts);
}

/** An org has at least the administrator who connects it: seeing nobody is a lack of rights that Okta answers with 200. */
function seen(users: readonly { readonly kind: string }[]): Found {
  const detail = counted('Users', users);
  if (users.length > 0) return { detail };
  const remedy =
    'Give the app a role that sees all users and groups (Applications › your app › Admin roles); an API token has the rights of the administrator who made it.';
  return { detail, remedy };
}

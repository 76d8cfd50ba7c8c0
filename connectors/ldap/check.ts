/** What `rollcall connections test` tries of a directory server. */
import type { ExternalId } from '../../src/domain/ids.ts';
import { type Attempt, checkInSteps, counted, type Found, firstRecords } from '../check.ts';
import type { CheckStep, Connector, UserRecord } from '../contract.ts';
import { LdapConnector } from './connector.ts';

export function checkLdap(connector: Connector, signal: AbortSignal): AsyncIterable<CheckStep> {
  if (!(connector instanceof LdapConnector)) throw new TypeError('not a connector to a directory server');
  let user: ExternalId | null = null;
  let group: ExternalId | null = null;
  const { changes } = connector;
  const attempts: readonly Attempt[] = [
    {
      step: 'users',
      attempt: async () => {
        const { records, references } = await connector.firstUsers(signal);
        user = records.find((record) => record.kind === 'user')?.user.externalId ?? null;
        return seen(records, references);
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
      without: 'Single users cannot be read again.',
      attempt: async () => {
        if (user === null) return null;
        const [found] = await connector.lookUp([user], null, signal);
        const groups = found?.kind === 'user' ? found.groups.length : 0;
        return { detail: `One user was found again, with groups: ${groups}.` };
      },
    },
    {
      step: 'changes',
      after: ['users'],
      without: 'Every run reads the whole directory.',
      attempt: async () => {
        if (changes === null) return null;
        await changes.fetch(await changes.begin(signal), null, signal);
        return { detail: 'The domain controller tells what has changed, deletions too.' };
      },
    },
  ];
  return checkInSteps('The directory server', attempts);
}

/** Under a base there is at least whoever set this up: to see nobody is a lack of rights, which servers answer with success. */
function seen(records: readonly UserRecord[], references: number): Found {
  const elsewhere = `The server names others that hold more (${references} times); those are not asked.`;
  const detail = `${counted('Users', records)}${references === 0 ? '' : ` ${elsewhere}`}`;
  if (records.length > 0) return { detail };
  const remedy =
    'Check baseDn and userFilter, and grant the account read access to the users below the base; connectors/ldap/README.md lists the rights.';
  return { detail, remedy };
}

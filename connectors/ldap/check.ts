/** What `rollcall connections test` tries of a directory server. */
import { checkInSteps, type Found, somebody, Trial } from '../check.ts';
import type { CheckStep, Connector, UserRecord } from '../contract.ts';
import { LdapConnector } from './connector.ts';

export function checkLdap(connector: Connector, signal: AbortSignal): AsyncIterable<CheckStep> {
  if (!(connector instanceof LdapConnector)) throw new TypeError('not a connector to a directory server');
  const trial = new Trial(connector, signal);
  return checkInSteps('The directory server', [
    {
      step: 'users',
      attempt: async () => {
        const { records, references } = await connector.firstUsers(signal);
        return seen(trial.met(records), references);
      },
    },
    trial.groups,
    trial.members,
    {
      step: 'look-up',
      after: ['users'],
      without: 'Single users cannot be read again.',
      attempt: trial.lookUp(null, (found) => {
        const groups = found?.kind === 'user' ? found.groups.length : 0;
        return { detail: `One user was found again, with groups: ${groups}.` };
      }),
    },
    {
      step: 'changes',
      after: ['users'],
      without: 'Every run reads the whole directory.',
      attempt: trial.changes('The domain controller tells what has changed, deletions too.'),
    },
  ]);
}

/** Under a base there is at least whoever set this up: to see nobody is a lack of rights, which servers answer with success. */
function seen(records: readonly UserRecord[], references: number): Found {
  const found = somebody(
    records,
    'Check baseDn and userFilter, and grant the account read access to the users below the base; connectors/ldap/README.md lists the rights.',
  );
  if (references === 0) return found;
  const elsewhere = `The server names others that hold more (${references} times); those are not asked.`;
  return { ...found, detail: `${found.detail} ${elsewhere}` };
}

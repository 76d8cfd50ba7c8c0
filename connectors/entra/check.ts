/** What `rollcall connections test` tries of an Entra ID directory. */
import { type Attempt, checkInSteps, counted, somebody, Trial } from '../check.ts';
import type { CheckStep, Connector } from '../contract.ts';
import { living } from './positions.ts';
import { ASSIGNMENTS, type Assigned } from './scope.ts';

/** `assigned`: what the users in scope follow from; null where assignments do not matter. */
export type EntraConnector = Connector & {
  readonly assigned: ((signal: AbortSignal) => Promise<Assigned | null>) | null;
};

const USERS = 'User.Read.All';
const MEMBERS = 'GroupMember.Read.All';

export function checkEntra(connector: Connector, signal: AbortSignal): AsyncIterable<CheckStep> {
  const assigned = 'assigned' in connector ? (connector as EntraConnector).assigned : null;
  const trial = new Trial(connector, signal);
  const attempts: readonly Attempt[] = [
    {
      step: 'users',
      permission: USERS,
      attempt: async () => {
        const { records } = await connector.fetchUsers(null, signal); // the deleted
        return assigned === null
          ? somebody(await trial.users(living), CHECK_DIRECTORY)
          : { detail: counted('Deleted users', records) };
      },
    },
    ...(assigned === null ? [] : [scoped(assigned, trial, signal)]),
    { ...trial.groups, permission: MEMBERS },
    trial.members,
    ...betweenPulls(trial),
  ];
  return checkInSteps('Entra ID', attempts);
}

/** A directory has at least the administrator who gave the consent. */
const CHECK_DIRECTORY =
  'Check directoryId: the directory shows nobody, not even whoever registered the application. If the guests setting leaves everybody out, change it.';

function scoped(
  assigned: NonNullable<EntraConnector['assigned']>,
  trial: Trial,
  signal: AbortSignal,
): Attempt {
  return {
    step: 'users',
    permission: ASSIGNMENTS,
    after: ['users'],
    attempt: async () => {
      const to = await assigned(signal);
      const detail = `Assigned to the application: users ${to?.users.size ?? 0}, groups ${to?.groups.size ?? 0}. ${counted('Users in scope', await trial.users(living))}`;
      const remedy =
        'Entra admin center › Enterprise applications › the application of appScope › Users and groups: assign somebody.';
      return (to?.users.size ?? 0) + (to?.groups.size ?? 0) > 0 ? { detail } : { detail, remedy };
    },
  };
}

/** A full pull works without these. */
function betweenPulls(trial: Trial): readonly Attempt[] {
  const after = ['users', 'groups'] as const;
  return [
    {
      step: 'look-up',
      after,
      without: 'Single users cannot be looked at again between full pulls.',
      attempt: trial.lookUp(null, () => ({ detail: 'One user can be looked up, with their groups.' })),
    },
    {
      step: 'changes',
      after,
      without: 'Changes are found by full pulls alone.',
      attempt: trial.changes('The change feeds of users and groups can be read.'),
    },
  ];
}

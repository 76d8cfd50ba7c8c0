/** What `rollcall connections test` tries of an Okta org. */
import { type Attempt, checkInSteps, somebody, Trial } from '../check.ts';
import type { CheckStep, Connector } from '../contract.ts';
import { liveUsers, toCursor } from './lists.ts';

/** Carries what its check needs to know besides. */
export type OktaConnector = Connector & {
  readonly appScope: string | null;
  /** null where user types are not read. */
  readonly readTypes: ((signal: AbortSignal) => Promise<unknown>) | null;
};

function isOkta(connector: Connector): connector is OktaConnector {
  return 'appScope' in connector;
}

const ASSIGN =
  'Assign people or groups to the app that "appScope" names (Admin Console › Applications › the app › Assignments), and see that the role of the credential shows them.';
/** An org has at least the administrator who connects it: seeing nobody is a lack of rights that Okta answers with 200. */
const GIVE_ROLE =
  'Give the app a role that sees all users and groups (Applications › your app › Admin roles); an API token has the rights of the administrator who made it.';
const REPORT =
  'Try once more: the user may have been deleted in between. If it stays, report this as a defect.';

export function checkOkta(connector: Connector, signal: AbortSignal): AsyncIterable<CheckStep> {
  const trial = new Trial(connector, signal);
  const { appScope = null, readTypes = null } = isOkta(connector) ? connector : {};
  const isScoped = appScope !== null;
  const types: readonly Attempt[] =
    readTypes === null
      ? []
      : [
          {
            step: 'users',
            permission: 'okta.userTypes.read',
            attempt: () => readTypes(signal).then(() => null),
          },
        ];
  const attempts: readonly Attempt[] = [
    ...types,
    {
      step: 'users',
      permission: isScoped ? 'okta.apps.read' : 'okta.users.read',
      /** The living: the deactivated, whom a pull reads first, show less of what the credential sees. */
      attempt: async () => {
        const live = isScoped ? null : toCursor(liveUsers);
        return somebody(await trial.users(live), isScoped ? ASSIGN : GIVE_ROLE);
      },
    },
    { ...trial.groups, permission: 'okta.groups.read' },
    trial.members,
    {
      step: 'look-up',
      permission: 'okta.users.read',
      after: ['users', 'groups'],
      attempt: trial.lookUp(null, (found) =>
        found?.kind === 'user'
          ? { detail: `One user by id; groups of that user: ${found.groups.length}.` }
          : { detail: 'A user who was listed is not found by id.', remedy: REPORT },
      ),
    },
    {
      step: 'changes',
      permission: 'okta.logs.read',
      without: 'Between full pulls nobody sees who changes: every run reads the whole directory.',
      attempt: async () => {
        await connector.changes?.begin(signal);
        return { detail: 'The System Log can be read.' };
      },
    },
  ];
  return checkInSteps('Okta', attempts);
}

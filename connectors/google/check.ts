/** What `rollcall connections test` tries of a Workspace account. */
import { type Attempt, checkInSteps, type Found, somebody, Trial } from '../check.ts';
import type { CheckStep, Connector, FoundUser } from '../contract.ts';
import { liveUsers, toCursor } from './positions.ts';
import { scopeOf } from './scopes.ts';

/** Carries what its check needs to know besides. */
export type GoogleConnector = Connector & {
  /** null where the settings name no organisational units. Throws where one is not there. */
  readonly readOrgUnits: ((signal: AbortSignal) => Promise<unknown>) | null;
};

function isGoogle(connector: Connector): connector is GoogleConnector {
  return 'readOrgUnits' in connector;
}

/**
 * Google says of each scope whether it is delegated (token.ts), so that each stands for itself here. Units come behind the groups,
 * which need no settings: a unit that is not there is no lack of contact.
 */
export function checkGoogle(connector: Connector, signal: AbortSignal): AsyncIterable<CheckStep> {
  const { readOrgUnits = null } = isGoogle(connector) ? connector : {};
  const { users, groups, members, lookUp, changes } = attemptsOn(connector, signal);
  if (readOrgUnits === null) return checkInSteps('Google', [users, groups, members, lookUp, changes]);
  const units: Attempt = {
    step: 'users',
    permission: scopeOf('orgUnits'),
    attempt: async () => {
      await readOrgUnits(signal);
      return { detail: 'The organisational units that the settings name are there.' };
    },
  };
  const within: Attempt = { ...users, after: ['users'] };
  return checkInSteps('Google', [groups, members, units, within, lookUp, changes]);
}

function attemptsOn(connector: Connector, signal: AbortSignal) {
  const trial = new Trial(connector, signal);
  return {
    users: {
      step: 'users',
      permission: scopeOf('users'),
      /** The living, who show more of what the administrator sees than the deleted, whom a pull reads first. */
      attempt: async () => somebody(await trial.users(toCursor(liveUsers)), LOOK_ELSEWHERE),
    },
    groups: { ...trial.groups, permission: scopeOf('groups') },
    members: {
      ...trial.members,
      permission: scopeOf('members'),
      attempt: async () => (await trial.members.attempt()) ?? { detail: 'There is no group to list.' },
    },
    lookUp: { step: 'look-up', after: ['users'], attempt: trial.lookUp([], lookedUp) },
    changes: {
      step: 'changes',
      permission: scopeOf('activities'),
      without: 'Changes are found by full pulls only, not between them.',
      attempt: async () => {
        if (connector.changes === null) return null;
        await connector.changes.begin(signal);
        return { detail: 'The admin audit log can be read.' };
      },
    },
  } as const satisfies Record<string, Attempt>;
}

/** The administrator who is impersonated is a user too: seeing nobody means looking in the wrong place. */
const LOOK_ELSEWHERE =
  'Check that the administrator named in "adminEmail" belongs to this Workspace account and has the privilege "Users › Read" for all organisational units, and that the settings "domain" and "orgUnits" do not leave out everybody.';

function lookedUp(found: FoundUser | undefined): Found {
  if (found?.kind === 'user') return { detail: 'One user is found by id.' };
  return {
    detail: 'A user of the list is not found by id.',
    remedy: 'Somebody may have been deleted just now: try again. If it stays, report it as a defect.',
  };
}

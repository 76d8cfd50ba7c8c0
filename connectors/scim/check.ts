/** What `rollcall connections test` tries of a SCIM service. */
import { checkInSteps, type Found, somebody, Trial } from '../check.ts';
import type { CheckStep, Connector, FoundUser } from '../contract.ts';

export function checkScim(connector: Connector, signal: AbortSignal): AsyncIterable<CheckStep> {
  const trial = new Trial(connector, signal);
  return checkInSteps('The SCIM service', [
    { step: 'users', attempt: async () => somebody(await trial.users(), SHOW_ALL) },
    trial.groups,
    trial.members,
    {
      step: 'look-up',
      after: ['users'],
      without: 'Named users cannot be looked up, so that each run is a full pull.',
      attempt: trial.lookUp([], seen),
    },
    {
      step: 'changes',
      after: ['users', 'groups'],
      without: 'The service does not say who changed, so that each run is a full pull.',
      attempt: trial.changes('The service lists users and groups by the time of their last change.'),
    },
  ]);
}

/** The client that reads is rarely a user itself, but a service with nobody in it is not what anybody means to connect. */
const SHOW_ALL =
  'If the service has users, have its administrator let this client read all of them; some services show only those that are assigned to the client.';

function seen(found: FoundUser | undefined): Found | null {
  if (found === undefined) return null;
  if (found.kind === 'user') return { detail: 'A user of the list can be read alone.' };
  return {
    detail: 'A user of the list cannot be read alone.',
    remedy: 'Have the administrator of the SCIM service allow GET /Users/{id} for this client.',
  };
}

/**
 * What a reader of directories has to survive while it pulls and follows changes, each with the names by which a simulator shows it: faults
 * (`--fault`, the verb `fault`), populations (`--population`) and verbs of the control API.
 */
import type { Verb } from './control.ts';
import type { FaultName } from './faults.ts';
import type { PopulationName } from './population/groups.ts';

type Scenario = {
  readonly says: string;
  readonly faults?: readonly FaultName[];
  readonly populations?: readonly PopulationName[];
  readonly verbs?: readonly Verb[];
};

export const SCENARIOS: Readonly<Record<number, Scenario>> = {
  1: { says: 'The first page is empty, with status 200.', faults: ['empty-first-page'] },
  2: {
    says: 'Some page is refused, broken, cut off, no JSON at all, or never comes.',
    faults: [
      'status-401',
      'status-403',
      'status-404',
      'throttled-seconds',
      'status-500',
      'status-503',
      'html-page',
      'cut-off',
      'hang',
      'connection-reset',
    ],
  },
  3: {
    says: 'Status 200 without the list, or with null in its place.',
    faults: ['list-key-missing', 'list-key-null'],
  },
  4: {
    says: '429 with Retry-After in seconds, as a date, missing, or absurd.',
    faults: ['throttled-seconds', 'throttled-date', 'throttled-silent', 'throttled-absurd', 'throttled-403'],
  },
  5: { says: 'One object of a page cannot be read.', faults: ['unreadable-record', 'unreadable-id'] },
  6: {
    says: 'A permission or a licence is gone, and fields come back null.',
    faults: ['permission-lost'],
    verbs: ['permissions'],
  },
  7: {
    says: 'Half the directory is missing, though every page is fine.',
    faults: ['half-missing'],
    verbs: ['lose'],
  },
  8: {
    says: 'Groups five deep, in a circle, holding themselves, leading through one outside the scope; 50,000 members; everybody.',
    populations: ['nested-groups', 'large-group', 'group-of-everybody'],
  },
  9: {
    says: 'Many groups: requests grow with users and groups, never with their product.',
    populations: ['many-groups', 'large-group'],
    verbs: ['resetCounters', 'state'],
  },
  10: { says: 'A token for changes has run out or was revoked.', faults: ['changes-expired'] },
  11: {
    says: 'Somebody is removed for a while or for good, named by id alone, twice, out of order, restored in the same round.',
    faults: ['changes-repeated'],
    verbs: ['leave', 'restore'],
  },
  12: { says: 'Something changes while it is being read.', faults: ['change-while-reading'] },
  13: {
    says: "A group's members change and no user's time stamp does; somebody is deleted and only missing from the lists.",
    verbs: ['changeGroup', 'leave', 'lose'],
  },
  14: { says: "The provider's clock is wrong.", faults: ['clock-skew'] },
};

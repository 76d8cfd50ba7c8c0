/** The one app of a simulated org and who is assigned to it (Okta API reference: Application Users). */
import type { Directory } from '../directory.ts';
import { isMember } from '../population/groups.ts';
import { exists, type Person } from '../population/people.ts';
import { bytes } from '../written.ts';

/** Whoever is in this group is assigned through it. */
const GROUP = 'VPN Users';

export type Assignments = {
  /** Everybody who is in the group, and some who were assigned by hand; never who was deactivated. */
  isAssigned(person: Person): boolean;
  /** `user`: the Okta user, where `expand=user` asks for it. */
  assignment(person: Person, id: string, user: Buffer | null): Buffer;
};

export function assignmentsIn(directory: Directory): Assignments {
  const group = directory.groups.find(({ name }) => name === GROUP);
  const byGroup = (person: Person): boolean => group !== undefined && isMember(group, person.serial);
  return {
    isAssigned: (person) => exists(person) && (byGroup(person) || person.serial % 10 === 1),
    assignment: (person, id, user) => {
      const around = {
        id,
        externalId: null,
        status: 'ACTIVE',
        scope: byGroup(person) ? 'GROUP' : 'USER',
        syncState: 'DISABLED',
        credentials: { userName: `${person.local}@${directory.domain}` },
        profile: {},
      };
      const open = JSON.stringify(around).slice(0, -1);
      return bytes(user === null ? `${open}}` : `${open},"_embedded":{"user":${user.toString()}}}`);
    },
  };
}

/** Users and groups as Okta's Core API shows them (API reference: Users, Groups). */
import type { Directory } from '../directory.ts';
import { departmentAt, siteAt } from '../population/company.ts';
import type { Group } from '../population/groups.ts';
import { oktaIds } from '../population/ids.ts';
import { family, given } from '../population/names.ts';
import { exists, type Person, type State } from '../population/people.ts';
import { bytes, keeping, type Room } from '../written.ts';
import type { Journal } from './journal.ts';

export type OktaStatus =
  | 'ACTIVE'
  | 'STAGED'
  | 'PROVISIONED'
  | 'LOCKED_OUT'
  | 'PASSWORD_EXPIRED'
  | 'SUSPENDED'
  | 'DEPROVISIONED';

const statusOfState = {
  active: 'ACTIVE',
  disabled: 'SUSPENDED',
  archived: 'SUSPENDED',
  staged: 'STAGED',
  invited: 'PROVISIONED',
  locked: 'LOCKED_OUT',
  'password-expired': 'PASSWORD_EXPIRED',
  deleted: 'DEPROVISIONED',
  purged: 'DEPROVISIONED',
} as const satisfies Record<State, OktaStatus>;

export const statusOf = (person: Person): OktaStatus => statusOfState[person.state];

export type OktaObjects = {
  readonly userIdOf: (serial: number) => string;
  readonly groupIdOf: (serial: number) => string;
  /** By id, full login or the part of the login before the @. Deactivated users are found too. */
  findUser(key: string): Person | null;
  findGroup(id: string): Group | null;
  /** Seconds since 1970. */
  readonly lastUpdatedOf: (person: Person) => number;
  /** The user as JSON text. */
  user(person: Person): Buffer;
  group(group: Group): Buffer;
};

const date = (seconds: number): string => new Date(seconds * 1000).toISOString();
const two = (n: number): string => String(n % 100).padStart(2, '0');

/** The parts of a profile that depend on department or place only, made once. */
const departmentParts = Array.from({ length: 20 }, (_, index) => {
  const { name, division, costCenter, titles } = departmentAt(index);
  const part = JSON.stringify({ department: name, division, costCenter, organization: 'Brightwater' }).slice(
    1,
    -1,
  );
  return { part, titles: titles.map((title) => JSON.stringify(title)) };
});
const siteParts = Array.from({ length: 20 }, (_, index) => {
  const { city, state, countryCode, locale, timeZone } = siteAt(index);
  const profile = {
    city,
    state,
    countryCode,
    locale: locale.replace('-', '_'),
    preferredLanguage: locale,
    timezone: timeZone,
  };
  return JSON.stringify(profile).slice(1, -1);
});

export function oktaObjects(directory: Directory, journal: Journal, origin: string, room: Room): OktaObjects {
  const users = oktaIds(directory.seed, '00u');
  const groups = oktaIds(directory.seed, '00g');
  const userTypes = oktaIds(directory.seed, 'oty');
  const [ordinary, contractor] = [userTypes.of(1), userTypes.of(2)];
  const loginOf = (person: Person): string => `${person.local}@${directory.domain}`;

  const managerPart = (person: Person): string => {
    const manager = directory.people[person.manager];
    if (!exists(manager)) return '"manager":null,"managerId":null';
    const name = `${given(manager.given).json} ${family(manager.family).json}`;
    return `"manager":"${name}","managerId":"${loginOf(manager)}"`;
  };

  const profileOf = (person: Person): string => {
    const first = given(person.given).json;
    const last = family(person.family).json;
    const department = departmentParts[person.department];
    const email = person.hasMail ? `"${loginOf(person)}"` : 'null';
    const mobile =
      person.serial % 3 === 0
        ? 'null'
        : `"${siteAt(person.site).dial}${two(person.serial)}${two(person.serial >> 7)}"`;
    const kind = person.kind === 'contractor' ? 'Contractor' : 'Employee';
    const place = siteParts[person.site] ?? '';
    return `{"login":"${loginOf(person)}","email":${email},"secondEmail":null,"firstName":"${first}","lastName":"${last}","displayName":"${first} ${last}","title":${department?.titles[person.title] ?? 'null'},${department?.part ?? ''},"employeeNumber":"${100_000 + person.serial}","userType":"${kind}","mobilePhone":${mobile},${managerPart(person)},${place},"badgeColor":"${person.serial % 5 === 0 ? 'orange' : 'blue'}"}`;
  };

  return {
    userIdOf: users.of,
    lastUpdatedOf: (person) => journal.lastUpdatedOf(person),
    groupIdOf: groups.of,
    findUser: (key) => {
      const serial = users.serialOf(key);
      if (serial !== null) return directory.people[serial] ?? null;
      const person = directory.byLocal(key.replace(/@.*$/, ''));
      return person && (!key.includes('@') || loginOf(person) === key.toLowerCase()) ? person : null;
    },
    findGroup: (id) => directory.groups[groups.serialOf(id) ?? -1] ?? null,
    user: keeping(room, (person) => {
      const id = users.of(person.serial);
      const created = date(person.created);
      const activated = person.state === 'staged' ? 'null' : `"${created}"`;
      const updated = date(journal.lastUpdatedOf(person));
      const times = `"created":"${created}","activated":${activated},"statusChanged":"${created}","lastLogin":null,"lastUpdated":"${updated}","passwordChanged":${activated}`;
      return `{"id":"${id}","status":"${statusOf(person)}",${times},"type":{"id":"${person.kind === 'contractor' ? contractor : ordinary}"},"profile":${profileOf(person)},"credentials":{"provider":{"type":"OKTA","name":"OKTA"}},"_links":{"self":{"href":"${origin}/api/v1/users/${id}"}}}`;
    }),
    group: (group) => {
      const id = groups.of(group.serial);
      const updated = date(group.updated);
      return bytes(
        JSON.stringify({
          id,
          created: date(group.created),
          lastUpdated: date(group.created),
          lastMembershipUpdated: updated,
          objectClass: ['okta:user_group'],
          type: group.kind === 'everyone' ? 'BUILT_IN' : 'OKTA_GROUP',
          profile: { name: group.name, description: null },
          _links: { users: { href: `${origin}/api/v1/groups/${id}/users` } },
        }),
      );
    },
  };
}

/** A domain with the people and groups of a simulated company in it. */
import { Directory } from '../directory.ts';
import { departmentAt, departments, siteAt } from '../population/company.ts';
import { POPULATIONS, type PopulationName } from '../population/groups.ts';
import { family, given } from '../population/names.ts';
import type { Person } from '../population/people.ts';
import { randomFrom, saltOf } from '../population/random.ts';
import { Domain, ROOT } from './domain.ts';

export type Populating = {
  /** How many people a search for users finds. Default 100. */
  readonly users?: number;
  /** Default 1. The same seed gives the same domain, ids included. */
  readonly seed?: number;
  /** Default: the standard ones, about thirty. */
  readonly groups?: number;
  /** Groups that show one thing instead. */
  readonly population?: PopulationName;
  /** true: everybody is active and has an address. Default false. */
  readonly plain?: boolean;
};

const STAFF = `OU=Staff,${ROOT}`;
const GROUPS = `OU=Groups,${ROOT}`;
const unit = { objectClass: ['top', 'organizationalUnit'] };
const unitOf = (department: number): string => `OU=${departmentAt(department).name},${STAFF}`;

/** The tables of names hold the inside of JSON strings. */
const unquoted = (json: string): string => JSON.parse(`"${json}"`) as string;

/** A relative name is there once in its unit: namesakes have their account behind their name. */
function commonNames(people: readonly Person[]): readonly string[] {
  const taken = new Set<string>();
  return people.map((person) => {
    const name = unquoted(`${given(person.given).json} ${family(person.family).json}`);
    const isTaken = taken.has(name.toLowerCase());
    taken.add(name.toLowerCase());
    return isTaken ? `${name} (${person.local})` : name;
  });
}

/** `sAMAccountName` has at most 20 characters (Microsoft's AD schema reference). */
function accountOf({ local, serial }: Person): string {
  return local.length <= 20 ? local : `${local.slice(0, 12)}${serial}`;
}

/** The people are those of the simulated SCIM service with this seed, under the domain's own addresses. */
export function populatedDomain({
  users,
  seed = 1,
  groups,
  population,
  plain = false,
}: Populating = {}): Domain {
  const shown = population === undefined ? null : POPULATIONS[population];
  const company = new Directory('scim', {
    ...{ seed, plain },
    users: users ?? shown?.users ?? 100,
    groups: groups ?? null,
    population: population ?? null,
    domain: 'harbor.example',
  });
  const random = randomFrom(saltOf(seed, 'ldap'));
  const domain = new Domain((count) => Buffer.from(Array.from({ length: count }, () => random.int(256))));
  domain.add(STAFF, unit);
  departments.forEach((_, at) => void domain.add(unitOf(at), unit));
  domain.add(GROUPS, unit);
  domain.addGroup('Domain Users', GROUPS, [], 513);
  const { people } = company;
  const names = commonNames(people);
  const dnOf = (serial: number): string => `CN=${names[serial]},${unitOf(people[serial]?.department ?? 0)}`;
  for (const person of people) {
    const department = departmentAt(person.department);
    const site = siteAt(person.site);
    const address = `${person.local}@${company.domain}`;
    domain.addUser(names[person.serial] ?? '', unitOf(person.department), {
      sAMAccountName: accountOf(person),
      userPrincipalName: address,
      mail: person.hasMail ? address : [],
      givenName: unquoted(given(person.given).json),
      sn: unquoted(family(person.family).json),
      title: department.titles[person.title] ?? [],
      department: department.name,
      l: site.city,
      co: site.country,
      employeeID: String(10_000 + person.serial),
      manager: person.manager < 0 ? [] : dnOf(person.manager),
      userAccountControl: person.state === 'disabled' ? '514' : '512',
    });
  }
  const groupDn = (serial: number): string => `CN=${company.groups[serial]?.name},${GROUPS}`;
  for (const { name, members, children } of company.groups) {
    const inside = [...members.map(dnOf), ...children.map(groupDn)];
    domain.addGroup(
      name,
      GROUPS,
      inside.map((dn) => ({ dn })),
    );
  }
  return domain;
}

/** Users and groups as a SCIM 2.0 service shows them (RFC 7643, sections 4 and 8). */
import type { Directory } from '../directory.ts';
import { departmentAt, siteAt } from '../population/company.ts';
import { type Group, isMember } from '../population/groups.ts';
import { guids, type Ids } from '../population/ids.ts';
import { family, given } from '../population/names.ts';
import { exists, isListed, type Person } from '../population/people.ts';
import { bytes, keeping, type Room } from '../written.ts';
import type { Quirks } from './quirks.ts';

export const CORE = 'urn:ietf:params:scim:schemas:core:2.0';
export const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
export const BADGE = 'urn:example:params:scim:schemas:extension:badge:2.0:User';

export const isActive = (person: Person): boolean =>
  person.state !== 'disabled' && person.state !== 'archived';

const date = (seconds: number): string => new Date(seconds * 1000).toISOString();
const two = (n: number): string => String(n % 100).padStart(2, '0');

/** The tables of names hold the inside of JSON strings. */
const unquoted = (json: string): string => JSON.parse(`"${json}"`) as string;
const nameOf = (person: Person): string =>
  unquoted(`${given(person.given).json} ${family(person.family).json}`);

export class ScimObjects {
  readonly #directory: Directory;
  readonly #base: string;
  readonly #quirks: Quirks;
  readonly #users: Ids;
  readonly #groups: Ids;
  /** The user as JSON text. */
  readonly user: (person: Person) => Buffer;

  /** `base`: the service's own address, before `/Users`. */
  constructor(directory: Directory, base: string, room: Room, quirks: Quirks) {
    this.#directory = directory;
    this.#base = base;
    this.#quirks = quirks;
    this.#users = guids(directory.seed, 'scim-user');
    this.#groups = guids(directory.seed, 'scim-group');
    this.user = keeping(room, (person) => JSON.stringify(this.#shown(person)));
  }

  userIdOf(serial: number): string {
    return this.#users.of(serial);
  }

  groupIdOf(serial: number): string {
    return this.#groups.of(serial);
  }

  userNameOf(person: Person): string {
    return `${person.local}@${this.#directory.domain}`;
  }

  /** By id or user name; also who has left. */
  findUser(key: string): Person | null {
    const serial = this.#users.serialOf(key);
    if (serial !== null) return this.#directory.people[serial] ?? null;
    const person = this.#directory.byLocal(key.replace(/@.*$/, ''));
    return person && this.userNameOf(person) === key.toLowerCase() ? person : null;
  }

  findGroup(id: string): Group | null {
    return this.#directory.groups[this.#groups.serialOf(id) ?? -1] ?? null;
  }

  /** With the groups that they are in directly: only a user who is asked for alone is shown with them. */
  userWithGroups(person: Person): Buffer {
    const direct = this.#directory.groups.filter((group) => isMember(group, person.serial));
    const groups = direct.map(({ serial, name }) => {
      return { value: this.#groups.of(serial), display: name, type: 'direct' };
    });
    return bytes(JSON.stringify({ ...this.#shown(person), groups }));
  }

  /** A group without members has no list of them (RFC 7643, section 2.5). */
  group(group: Group, withMembers: boolean): Buffer {
    const id = this.#groups.of(group.serial);
    const members = withMembers ? this.#membersOf(group) : [];
    return bytes(
      JSON.stringify({
        schemas: [`${CORE}:Group`],
        id,
        displayName: group.name,
        members: members.length === 0 ? undefined : members,
        meta: this.#metaOf('Group', id, group),
      }),
    );
  }

  #shown(person: Person): Record<string, unknown> {
    const id = this.#users.of(person.serial);
    const { city, state, countryCode, locale, timeZone, dial } = siteAt(person.site);
    const mobile = `${dial}${two(person.serial)}${two(person.serial >> 7)}`;
    return {
      schemas: [`${CORE}:User`, ENTERPRISE, BADGE],
      id,
      externalId: `F-${person.serial}`,
      userName: this.userNameOf(person),
      name: {
        givenName: unquoted(given(person.given).json),
        familyName: unquoted(family(person.family).json),
        formatted: nameOf(person),
      },
      displayName: nameOf(person),
      title: departmentAt(person.department).titles[person.title],
      userType: person.kind === 'contractor' ? 'Contractor' : 'Employee',
      preferredLanguage: locale.slice(0, 2),
      locale,
      timezone: timeZone,
      active: this.#activeOf(person),
      emails: person.hasMail ? this.#emailsOf(person) : undefined,
      phoneNumbers: person.serial % 3 === 0 ? undefined : [{ value: mobile, type: 'mobile' }],
      addresses: [{ type: 'work', locality: city, region: state ?? undefined, country: countryCode }],
      [ENTERPRISE]: this.#enterpriseOf(person),
      [BADGE]: { color: person.serial % 5 === 0 ? 'orange' : 'blue' },
      meta: this.#metaOf('User', id, person),
    };
  }

  #emailsOf(person: Person): readonly unknown[] {
    const former = (person.formerLocals ?? []).map((local) => `${local}@${this.#directory.domain}`);
    return [
      { value: this.userNameOf(person), type: 'work', primary: true },
      ...former.map((value) => ({ value, type: 'work' })),
    ];
  }

  #enterpriseOf(person: Person): Record<string, unknown> {
    const { name, division, costCenter } = departmentAt(person.department);
    return {
      employeeNumber: String(100_000 + person.serial),
      costCenter,
      organization: 'Fernhill',
      division,
      department: name,
      manager: this.#managerOf(person),
    };
  }

  #managerOf(person: Person): unknown {
    const manager = this.#directory.people[person.manager];
    if (!exists(manager)) return undefined;
    const value = this.#users.of(manager.serial);
    if (this.#quirks.has('manager-text')) return value;
    if (this.#quirks.has('manager-id')) return { managerId: value };
    return { value, $ref: `../Users/${value}`, displayName: nameOf(manager) };
  }

  #activeOf(person: Person): unknown {
    const active = isActive(person);
    if (this.#quirks.has('active-text')) return active ? 'True' : 'False';
    return active && this.#quirks.has('active-absent') ? undefined : active;
  }

  #metaOf(kind: 'User' | 'Group', id: string, { created, updated }: { created: number; updated: number }) {
    return {
      resourceType: kind,
      created: date(created),
      lastModified: date(updated),
      version: `W/"${updated}"`,
      location: `${this.#base}/${kind}s/${id}`,
    };
  }

  #membersOf(group: Group): readonly unknown[] {
    const { people, groups } = this.#directory;
    const users = group.members.flatMap((serial) => people[serial] ?? []).filter(isListed);
    const inner = group.children.flatMap((serial) => groups[serial] ?? []);
    return [
      ...users.map((person) => this.#member('User', this.#users.of(person.serial), nameOf(person))),
      ...inner.map((one) => this.#member('Group', this.#groups.of(one.serial), one.name)),
    ];
  }

  #member(kind: 'User' | 'Group', value: string, display: string): unknown {
    const type = this.#quirks.has('untyped-members') ? undefined : kind;
    return { value, $ref: `${this.#base}/${kind}s/${value}`, type, display };
  }
}

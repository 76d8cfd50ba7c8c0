/** Users, groups and members as the Admin SDK Directory API v1 shows them (reference: users, groups, members, orgunits). */
import type { Directory } from '../directory.ts';
import { departmentAt, departments, siteAt } from '../population/company.ts';
import type { Group } from '../population/groups.ts';
import { numericIds, oktaIds } from '../population/ids.ts';
import { family, given } from '../population/names.ts';
import { exists, type Person } from '../population/people.ts';
import { bytes, keeping, type Room } from '../written.ts';

export type GoogleObjects = {
  readonly customerId: string;
  readonly userIdOf: (serial: number) => string;
  readonly groupIdOf: (serial: number) => string;
  addressOf(person: Person): string;
  addressOfGroup(group: Group): string;
  /** By id, primary address or alias. */
  findUser(key: string): Person | null;
  /** By id or address. */
  findGroup(key: string): Group | null;
  /** Writes users with the given top-level fields; null: all. Custom schemas are no part of `projection=basic`. */
  users(fields: readonly string[] | null, projection: string | null): (person: Person) => Buffer;
  group(group: Group): Buffer;
  orgUnits(): readonly string[];
  memberUser(person: Person, group: Group): Buffer;
  memberGroup(group: Group): Buffer;
  memberExternal(group: Group, index: number): Buffer;
  memberCustomer(): Buffer;
};

const date = (seconds: number): string => `"${new Date(seconds * 1000).toISOString()}"`;
const text = (value: string | null): string => (value === null ? 'null' : JSON.stringify(value));
const two = (n: number): string => String(n % 100).padStart(2, '0');

const departmentParts = Array.from({ length: 20 }, (_, index) => {
  const { name, costCenter, titles } = departmentAt(index);
  const common = `"department":${text(name)},"costCenter":${text(costCenter)},"primary":true,"customType":""`;
  return { orgUnit: `"/Staff/${name}"`, jobs: titles.map((title) => `[{"title":${text(title)},${common}}]`) };
});
const siteParts = Array.from({ length: 20 }, (_, index) => {
  const { city, locale } = siteAt(index);
  return {
    locations: `[{"type":"desk","area":"desk","buildingId":${text(city)}}]`,
    languages: `[{"languageCode":${text(locale)},"preference":"preferred"}]`,
  };
});

type Field = (person: Person) => string | null;

/** null: Google leaves the field out. */
function userFields(
  directory: Directory,
  customerId: string,
  userIdOf: (serial: number) => string,
): Record<string, Field> {
  const addressOf = (person: Person): string => `${person.local}@${directory.domain}`;
  const phone = (person: Person): string =>
    `${siteAt(person.site).dial}${two(person.serial)}${two(person.serial >> 7)}`;
  const aliases = (person: Person): string | null =>
    person.formerLocals &&
    `[${person.formerLocals.map((local) => `"${local}@${directory.domain}"`).join(',')}]`;
  const inactive = (person: Person): boolean => person.state === 'disabled';
  return {
    kind: () => '"admin#directory#user"',
    id: (person) => `"${userIdOf(person.serial)}"`,
    etag: (person) => `"\\"${(person.serial * 7919 + person.updated).toString(36)}\\""`,
    primaryEmail: (person) => `"${addressOf(person)}"`,
    name: (person) => {
      const first = given(person.given).json;
      const last = family(person.family).json;
      return `{"givenName":"${first}","familyName":"${last}","fullName":"${first} ${last}"}`;
    },
    isAdmin: (person) => String(person.serial === 0),
    isDelegatedAdmin: () => 'false',
    lastLoginTime: (person) =>
      person.serial % 6 === 1 ? '"1970-01-01T00:00:00.000Z"' : date(person.updated),
    creationTime: (person) => date(person.created),
    deletionTime: (person) => (person.state === 'deleted' ? date(person.updated) : null),
    agreedToTerms: () => 'true',
    suspended: (person) => String(inactive(person)),
    suspensionReason: (person) => (inactive(person) ? '"ADMIN"' : null),
    archived: (person) => String(person.state === 'archived'),
    changePasswordAtNextLogin: () => 'false',
    ipWhitelisted: () => 'false',
    emails: (person) => {
      const former = (person.formerLocals ?? []).map(
        (local) => `,{"address":"${local}@${directory.domain}"}`,
      );
      return `[{"address":"${addressOf(person)}","primary":true}${former.join('')}]`;
    },
    externalIds: (person) => `[{"value":"${100_000 + person.serial}","type":"organization"}]`,
    relations: (person) => {
      const manager = directory.people[person.manager];
      return exists(manager) ? `[{"value":"${addressOf(manager)}","type":"manager"}]` : null;
    },
    organizations: (person) => departmentParts[person.department]?.jobs[person.title] ?? null,
    phones: (person) => (person.serial % 3 === 0 ? null : `[{"value":"${phone(person)}","type":"mobile"}]`),
    languages: (person) => siteParts[person.site]?.languages ?? null,
    locations: (person) => siteParts[person.site]?.locations ?? null,
    aliases,
    customerId: () => `"${customerId}"`,
    orgUnitPath: (person) => {
      if (person.state === 'deleted') return null; // Deleted users lose their organisational unit.
      return person.kind === 'contractor'
        ? '"/Contractors"'
        : (departmentParts[person.department]?.orgUnit ?? '"/"');
    },
    customSchemas: (person) =>
      person.serial % 2 === 0
        ? null
        : `{"HR":{"grade":"${1 + (person.serial % 9)}","remote":${person.serial % 3 === 0},"badges":[{"type":"work","value":"${person.serial}"}]}}`,
    isMailboxSetup: (person) => String(person.hasMail),
    isEnrolledIn2Sv: (person) => String(person.serial % 2 === 0),
    isEnforcedIn2Sv: () => 'false',
    includeInGlobalAddressList: () => 'true',
  };
}

/** One writer for each selection of fields, kept with what it has written. */
function userWriters(fieldsOf: Readonly<Record<string, Field>>, room: Room): GoogleObjects['users'] {
  const writers = new Map<string, (person: Person) => Buffer>();
  return (fields, projection) => {
    const isBasic = projection !== 'full' && projection !== 'custom';
    const names = Object.keys(fieldsOf).filter(
      (name) => (fields === null || fields.includes(name)) && !(isBasic && name === 'customSchemas'),
    );
    const known = writers.get(names.join());
    if (known) return known;
    const parts = names.map((name) => ({ lead: `"${name}":`, field: fieldsOf[name] ?? (() => null) }));
    const write = (person: Person): string => {
      let written = '';
      for (const { lead, field } of parts) {
        const value = field(person);
        if (value !== null) written += (written === '' ? '{' : ',') + lead + value;
      }
      return written === '' ? '{}' : `${written}}`;
    };
    if (writers.size >= 12) return (person) => bytes(write(person));
    const fresh = keeping(room, write);
    writers.set(names.join(), fresh);
    return fresh;
  };
}

type Naming = Pick<GoogleObjects, 'customerId' | 'userIdOf' | 'groupIdOf' | 'addressOf' | 'addressOfGroup'>;

function memberObjects({
  customerId,
  userIdOf,
  groupIdOf,
  addressOf,
  addressOfGroup,
}: Naming): Pick<GoogleObjects, 'memberUser' | 'memberGroup' | 'memberExternal' | 'memberCustomer'> {
  return {
    memberUser: (person, group) => {
      const role = person.serial === group.members[0] ? 'OWNER' : 'MEMBER';
      const status =
        person.state === 'disabled' ? 'SUSPENDED' : person.state === 'archived' ? 'ARCHIVED' : 'ACTIVE';
      return bytes(
        `{"kind":"admin#directory#member","id":"${userIdOf(person.serial)}","email":"${addressOf(person)}","role":"${role}","type":"USER","status":"${status}"}`,
      );
    },
    memberGroup: (group) =>
      bytes(
        `{"kind":"admin#directory#member","id":"${groupIdOf(group.serial)}","email":"${addressOfGroup(group)}","role":"MEMBER","type":"GROUP","status":"ACTIVE"}`,
      ),
    // Somebody of another company: no status, and an id that is no user's of this account.
    memberExternal: (group, index) =>
      bytes(
        `{"kind":"admin#directory#member","id":"${userIdOf(900_000_000 + group.serial * 10 + index)}","email":"guest${index}.${group.slug}@partner.example","role":"MEMBER","type":"EXTERNAL"}`,
      ),
    memberCustomer: () =>
      bytes(
        `{"kind":"admin#directory#member","id":"${customerId}","role":"MEMBER","type":"CUSTOMER","status":"ACTIVE"}`,
      ),
  };
}

export function googleObjects(directory: Directory, room: Room): GoogleObjects {
  const people = numericIds(directory.seed, 'google-user');
  const groups = oktaIds(directory.seed, '0g');
  const customerId = oktaIds(directory.seed, 'C0').of(0).slice(0, 9).toLowerCase().replace('c', 'C');
  const fieldsOf = userFields(directory, customerId, people.of);
  const addressOf = (person: Person): string => `${person.local}@${directory.domain}`;
  const addressOfGroup = (group: Group): string => `${group.slug}@${directory.domain}`;
  return {
    customerId,
    addressOf,
    addressOfGroup,
    userIdOf: people.of,
    groupIdOf: groups.of,
    findUser: (key) => {
      const serial = people.serialOf(key);
      if (serial !== null) return directory.people[serial] ?? null;
      const [local = '', domain] = key.toLowerCase().split('@');
      return domain === directory.domain ? directory.byLocal(local) : null;
    },
    findGroup: (key) => {
      const bySerial = directory.groups[groups.serialOf(key) ?? -1];
      return (
        bySerial ?? directory.groups.find((group) => addressOfGroup(group) === key.toLowerCase()) ?? null
      );
    },
    users: userWriters(fieldsOf, room),
    group: (group) =>
      bytes(
        JSON.stringify({
          kind: 'admin#directory#group',
          id: groups.of(group.serial),
          etag: `"${group.updated.toString(36)}"`,
          email: addressOfGroup(group),
          name: group.name,
          // A number as text: that is how the API has it.
          directMembersCount: String(group.members.length + group.children.length + group.externals),
          description: '',
          adminCreated: true,
        }),
      ),
    orgUnits: () => {
      const paths = ['/Staff', '/Contractors', ...departments.map(({ name }) => `/Staff/${name}`)];
      return paths.map((path, at) =>
        JSON.stringify({
          kind: 'admin#directory#orgUnit',
          name: path.slice(path.lastIndexOf('/') + 1),
          description: '',
          orgUnitPath: path,
          orgUnitId: `id:03ph8a2z${at}`,
          parentOrgUnitPath: path.slice(0, path.lastIndexOf('/')) || '/',
        }),
      );
    },
    ...memberObjects({ customerId, userIdOf: people.of, groupIdOf: groups.of, addressOf, addressOfGroup }),
  };
}

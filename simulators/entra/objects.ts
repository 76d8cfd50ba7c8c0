/** Users and groups as Microsoft Graph v1.0 shows them (Graph reference: resources/user, resources/group). */
import type { Directory } from '../directory.ts';
import { departmentAt, siteAt } from '../population/company.ts';
import type { Group } from '../population/groups.ts';
import { guids } from '../population/ids.ts';
import { family, given } from '../population/names.ts';
import { exists, type Person } from '../population/people.ts';
import { bytes, keeping, type Room } from '../written.ts';

type Field<T> = (object: T) => string;

/** Writes the objects of one `$select` as JSON text, by joining ready-made parts. */
export type Writer<T> = (object: T) => Buffer;

export type EntraObjects = {
  readonly userIdOf: (serial: number) => string;
  readonly groupIdOf: (serial: number) => string;
  /** By object id or user principal name; null where there is nobody. */
  findUser(key: string): Person | null;
  findGroup(id: string): Group | null;
  /** `select` null: the properties that Graph gives unasked. `type` adds `@odata.type`, as in lists of mixed objects. */
  users(select: string | null, options?: { withManager?: boolean; type?: boolean }): Writer<Person>;
  groups(select: string | null, options?: { type?: boolean }): Writer<Group>;
  device(group: Group, index: number): Buffer;
  upnOf(person: Person): string;
};

const usersUnasked =
  'businessPhones,displayName,givenName,jobTitle,mail,mobilePhone,officeLocation,preferredLanguage,surname,userPrincipalName,id';
const groupsUnasked =
  'id,createdDateTime,description,displayName,groupTypes,mail,mailEnabled,mailNickname,onPremisesSyncEnabled,securityEnabled,visibility';

const text = (value: string | null): string => (value === null ? 'null' : JSON.stringify(value));
const date = (seconds: number): string => `"${new Date(seconds * 1000).toISOString().slice(0, 19)}Z"`;
const two = (n: number): string => String(n % 100).padStart(2, '0');

/** Properties that exist but hold nothing for anyone here. */
const empty: Readonly<Record<string, string>> = {
  onPremisesSamAccountName: 'null',
  onPremisesUserPrincipalName: 'null',
  onPremisesImmutableId: 'null',
  onPremisesSyncEnabled: 'null',
  onPremisesDomainName: 'null',
  otherMails: '[]',
  deletedDateTime: 'null',
  employeeLeaveDateTime: 'null',
  faxNumber: 'null',
  ageGroup: 'null',
  streetAddress: 'null',
  postalCode: 'null',
};

/** Company tables as JSON once, not once a user. */
const departmentsJson = Array.from({ length: 20 }, (_, index) => {
  const department = departmentAt(index);
  return {
    name: text(department.name),
    orgData: `{"division":${text(department.division)},"costCenter":${text(department.costCenter)}}`,
    titles: department.titles.map(text),
  };
});
const sitesJson = Array.from({ length: 20 }, (_, index) => {
  const site = siteAt(index);
  const { city, state, country, countryCode, locale } = site;
  return [city, state, country, countryCode, locale].map(text);
});

function userFields(
  directory: Directory,
  ids: (serial: number) => string,
  upnOf: (person: Person) => string,
) {
  const { domain } = directory;
  const mailOf = (person: Person): string | null => {
    if (!person.hasMail) return null;
    return person.kind === 'guest' ? `${person.local}@partner.example` : `${person.local}@${domain}`;
  };
  const proxies = (person: Person): string => {
    const mail = mailOf(person);
    if (mail === null) return '[]';
    const former = (person.formerLocals ?? []).map((local) => `,"smtp:${local}@${domain}"`).join('');
    return `["SMTP:${mail}"${former}]`;
  };
  const isGuest = (person: Person): boolean => person.kind === 'guest';
  const site = (person: Person, at: number): string => sitesJson[person.site]?.[at] ?? 'null';
  const phone = (person: Person): string =>
    `${siteAt(person.site).dial}${two(person.serial)}${two(person.serial >> 7)}`;
  const fields: Record<string, Field<Person>> = {
    id: (person) => `"${ids(person.serial)}"`,
    /** Of the deleted the object id comes before it, so that the name is free for somebody else. */
    userPrincipalName: (person) =>
      `"${person.state === 'deleted' ? ids(person.serial).replaceAll('-', '') : ''}${upnOf(person)}"`,
    mail: (person) => (person.hasMail ? `"${mailOf(person)}"` : 'null'),
    mailNickname: (person) => `"${person.local}"`,
    displayName: (person) => `"${given(person.given).json} ${family(person.family).json}"`,
    givenName: (person) => (isGuest(person) ? 'null' : `"${given(person.given).json}"`),
    surname: (person) => (isGuest(person) ? 'null' : `"${family(person.family).json}"`),
    accountEnabled: (person) => (person.state === 'disabled' ? 'false' : 'true'),
    userType: (person) => (isGuest(person) ? '"Guest"' : '"Member"'),
    department: (person) => (isGuest(person) ? 'null' : (departmentsJson[person.department]?.name ?? 'null')),
    jobTitle: (person) => departmentsJson[person.department]?.titles[person.title] ?? 'null',
    employeeId: (person) => (isGuest(person) ? 'null' : `"E${100_000 + person.serial}"`),
    employeeType: (person) =>
      isGuest(person) ? 'null' : person.kind === 'contractor' ? '"Contractor"' : '"Employee"',
    employeeOrgData: (person) =>
      isGuest(person) ? 'null' : (departmentsJson[person.department]?.orgData ?? 'null'),
    companyName: (person) => (isGuest(person) ? '"Partner"' : '"Meridian"'),
    officeLocation: (person) => site(person, 0),
    city: (person) => site(person, 0),
    state: (person) => site(person, 1),
    country: (person) => site(person, 2),
    usageLocation: (person) => site(person, 3),
    preferredLanguage: (person) => site(person, 4),
    mobilePhone: (person) => (person.serial % 3 === 0 ? 'null' : `"${phone(person)}"`),
    businessPhones: (person) => (person.serial % 4 === 0 ? '[]' : `["${phone(person)}"]`),
    externalUserState: (person) => {
      if (!isGuest(person)) return 'null';
      return person.state === 'invited' ? '"PendingAcceptance"' : '"Accepted"';
    },
    externalUserStateChangeDateTime: (person) => (isGuest(person) ? date(person.created) : 'null'),
    creationType: (person) => (isGuest(person) ? '"Invitation"' : 'null'),
    createdDateTime: (person) => date(person.created),
    employeeHireDate: (person) => (isGuest(person) ? 'null' : date(person.created)),
    proxyAddresses: proxies,
    onPremisesExtensionAttributes: (person) =>
      `{"extensionAttribute1":"${person.serial % 5 === 0 ? 'pilot' : 'standard'}","extensionAttribute2":null}`,
    deletedDateTime: (person) => (person.state === 'deleted' ? date(person.updated) : 'null'),
  };
  return {
    ...Object.fromEntries(Object.entries(empty).map(([name, json]) => [name, () => json])),
    ...fields,
  };
}

function groupFields(directory: Directory, ids: (serial: number) => string): Record<string, Field<Group>> {
  const isMail = (group: Group): boolean => group.kind === 'mail';
  return {
    id: (group) => `"${ids(group.serial)}"`,
    displayName: (group) => text(group.name),
    description: () => 'null',
    mail: (group) => (isMail(group) ? `"${group.slug}@${directory.domain}"` : 'null'),
    mailNickname: (group) => `"${group.slug}"`,
    mailEnabled: (group) => String(isMail(group)),
    securityEnabled: (group) => String(!isMail(group)),
    groupTypes: (group) =>
      isMail(group) ? '["Unified"]' : group.kind === 'dynamic' ? '["DynamicMembership"]' : '[]',
    membershipRule: (group) => (group.kind === 'dynamic' ? '"(user.userType -eq \\"Member\\")"' : 'null'),
    onPremisesSyncEnabled: () => 'null',
    visibility: (group) => (isMail(group) ? '"Private"' : 'null'),
    createdDateTime: (group) => date(group.created),
    deletedDateTime: () => 'null',
  };
}

/** Selected properties in the order asked for; Graph adds `id` where it was left out. Unknown names are left out. */
function textOf<T>(
  fields: Readonly<Record<string, Field<T>>>,
  select: string,
  type: string | null,
  more: Field<T> | null,
): (object: T) => string {
  const names = [...new Set(select.split(',').map((name) => name.trim()))].filter((name) => fields[name]);
  if (!names.includes('id')) names.push('id');
  const parts = names.map((name, at) => {
    const lead = `${at > 0 || type ? ',' : ''}"${name}":`;
    return { lead, field: fields[name] ?? (() => 'null') };
  });
  const open = type ? `{"@odata.type":"${type}"` : '{';
  return (object) => {
    let written = open;
    for (const { lead, field } of parts) written += lead + field(object);
    return `${more === null ? written : written + more(object)}}`;
  };
}

export function entraObjects(directory: Directory, room: Room): EntraObjects {
  const people = guids(directory.seed, 'entra-user');
  const groups = guids(directory.seed, 'entra-group');
  const devices = guids(directory.seed, 'entra-device');
  const upnOf = (person: Person): string =>
    person.kind === 'guest'
      ? `${person.local}_partner.example#EXT#@${directory.domain}`
      : `${person.local}@${directory.domain}`;
  const ofUser = userFields(directory, people.of, upnOf);
  const ofGroup = groupFields(directory, groups.of);
  const managerOf: Field<Person> = (person) => {
    const manager = directory.people[person.manager];
    if (!exists(manager)) return ''; // Nobody: Graph leaves the property out.
    return `,"manager":{"@odata.type":"#microsoft.graph.user","id":"${people.of(manager.serial)}","userPrincipalName":"${upnOf(manager)}"}`;
  };
  const writers = new Map<string, Writer<Person>>();
  const usersWriter = (select: string, withManager: boolean, type: boolean): Writer<Person> => {
    const key = `${select} ${withManager} ${type}`;
    const known = writers.get(key);
    if (known) return known;
    const write = textOf(
      ofUser,
      select,
      type ? '#microsoft.graph.user' : null,
      withManager ? managerOf : null,
    );
    if (writers.size >= 12) return (person) => bytes(write(person));
    const fresh = keeping(room, write);
    writers.set(key, fresh);
    return fresh;
  };
  return {
    userIdOf: people.of,
    groupIdOf: groups.of,
    upnOf,
    findUser: (key) => {
      const byId = people.serialOf(key.toLowerCase());
      if (byId !== null) return directory.people[byId] ?? null;
      const found = directory.byLocal(key.replace(/_partner\.example#EXT#@.*$|@.*$/i, ''));
      return found && upnOf(found).toLowerCase() === key.toLowerCase() ? found : null;
    },
    findGroup: (id) => directory.groups[groups.serialOf(id.toLowerCase()) ?? -1] ?? null,
    users: (select, { withManager = false, type = false } = {}) =>
      usersWriter(select ?? usersUnasked, withManager, type),
    groups: (select, { type = false } = {}) => {
      const write = textOf(ofGroup, select ?? groupsUnasked, type ? '#microsoft.graph.group' : null, null);
      return (group) => bytes(write(group));
    },
    device: (group, index) =>
      bytes(
        JSON.stringify({
          '@odata.type': '#microsoft.graph.device',
          id: devices.of(group.serial * 100 + index),
          displayName: `LAPTOP-${group.serial}${two(index)}`,
          accountEnabled: true,
        }),
      ),
  };
}

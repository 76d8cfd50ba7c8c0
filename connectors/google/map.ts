/** Google's words to ours. Pure: what is in the object decides, and which of the two listings it came from. README.md has the table. */
import type { CustomValue, DirectoryUser } from '../../src/domain/directory.ts';
import { isStorable } from '../../src/domain/ids.ts';
import { cleanText } from '../../src/domain/normalise.ts';
import type { GroupRecord, MemberRecord, UserRecord } from '../contract.ts';
import { unreadable } from '../unreadable.ts';
import { Dated, DeletedUser, type GoogleUser, Group, LiveUser, Member } from './schema.ts';

/** Google lists live users and, apart from them, those deleted in the last 20 days. */
export type Listing = 'live' | 'deleted';

/** Whether a deleted user was so before that time, in milliseconds since 1970. Where Google does not say when, it was not. */
export function deletedBefore(object: unknown, ms: number): boolean {
  const { data } = Dated.safeParse(object);
  return data !== undefined && Date.parse(data.deletionTime) < ms;
}

export function toUserRecord(object: unknown, listing: Listing): UserRecord {
  const read = (listing === 'live' ? LiveUser : DeletedUser).safeParse(object);
  if (!read.success) return unreadable(object, read.error);
  return { kind: 'user', user: toDirectoryUser(read.data, listing) };
}

/** A user of whom nobody can tell whether the connection's scope holds them: neither out of it nor as they are shown. */
export function withUnknownScope(record: UserRecord): UserRecord {
  if (record.kind === 'unreadable') return record;
  return {
    kind: 'unreadable',
    externalId: record.user.externalId,
    problem: 'primaryEmail or orgUnitPath: missing',
  };
}

/** A group without a name is called by its address, which every group has. */
export function toGroupRecord(object: unknown): GroupRecord {
  const read = Group.safeParse(object);
  if (!read.success) return unreadable(object, read.error);
  const email = cleanText(read.data.email);
  const name = cleanText(read.data.name) ?? email ?? read.data.id;
  return { kind: 'group', group: { externalId: read.data.id, name, email } };
}

/** null for a member that is no user: nested groups arrive resolved, and external addresses have no account here. */
export function toMemberRecord(object: unknown): MemberRecord | null {
  const read = Member.safeParse(object);
  if (!read.success) return unreadable(object, read.error);
  switch (read.data.type) {
    case 'USER':
      return { kind: 'user', externalId: read.data.id };
    case 'CUSTOMER':
      return { kind: 'everyone' };
    case 'GROUP':
    case 'EXTERNAL':
      return null;
  }
}

function toDirectoryUser(user: GoogleUser, listing: Listing): DirectoryUser {
  const address = cleanText(user.primaryEmail);
  const job =
    user.organizations.find((organization) => organization.primary === true) ?? user.organizations[0];
  return {
    externalId: user.id,
    state: stateOf(user, listing),
    userName: address,
    email: address,
    displayName: cleanText(user.name?.displayName) ?? cleanText(user.name?.fullName),
    givenName: cleanText(user.name?.givenName),
    familyName: cleanText(user.name?.familyName),
    jobTitle: cleanText(job?.title),
    department: cleanText(job?.department),
    division: null,
    costCenter: cleanText(job?.costCenter),
    company: cleanText(job?.name),
    employeeId: cleanText(ofType(user.externalIds, 'organization')?.value),
    employeeType: cleanText(job?.description),
    officeLocation: deskOf(user) ?? cleanText(job?.location),
    phone: cleanText(ofType(user.phones, 'work')?.value),
    mobilePhone: cleanText((ofType(user.phones, 'mobile') ?? ofType(user.phones, 'work_mobile'))?.value),
    locale: cleanText(languageOf(user)?.languageCode),
    orgUnit: cleanText(user.orgUnitPath),
    userType: user.isGuestUser === true ? 'guest' : 'member',
    manager: cleanText(ofType(user.relations, 'manager')?.value),
    aliases: otherAddresses(user, address),
    custom: customOf(user),
  };
}

/** An archived user keeps data but cannot sign in. */
function stateOf(user: GoogleUser, listing: Listing): DirectoryUser['state'] {
  if (listing === 'deleted' || cleanText(user.deletionTime) !== null) return 'deprovisioned';
  return user.suspended === true || user.archived === true ? 'suspended' : 'active';
}

type Typed = { readonly type?: string | null | undefined; readonly primary?: boolean | null | undefined };

/** Of several with one type, the one marked as primary, else the first. */
function ofType<Entry extends Typed>(entries: readonly Entry[], type: string): Entry | undefined {
  const fitting = entries.filter((entry) => entry.type === type);
  return fitting.find((entry) => entry.primary === true) ?? fitting[0];
}

/** The admin console fills `area` with the word "desk", which says nothing about where. */
function deskOf(user: GoogleUser): string | null {
  const desk = ofType(user.locations, 'desk') ?? user.locations[0];
  const area = cleanText(desk?.area);
  return cleanText(desk?.buildingId) ?? (area === 'desk' ? null : area);
}

function languageOf(user: GoogleUser) {
  const wanted = user.languages.filter((language) => language.preference !== 'not_preferred');
  return wanted.find((language) => language.preference === 'preferred') ?? wanted[0];
}

/** Google's own routing address of every account; nobody writes to it. */
const TEST_ADDRESS = '.test-google-a.com';

/** Sorted, because Google promises no order: another order must not look like a change. */
function otherAddresses(user: GoogleUser, main: string | null): string[] {
  const found = new Map<string, string>();
  const mailboxes = user.emails.map((email) => email.address);
  for (const candidate of [...user.aliases, ...user.nonEditableAliases, ...mailboxes]) {
    const address = cleanText(candidate);
    const key = address?.toLowerCase();
    if (!address || !key || key === main?.toLowerCase() || key.endsWith(TEST_ADDRESS)) continue;
    if (!found.has(key)) found.set(key, address);
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, address]) => address);
}

/** Fields whose name cannot be stored are left out. */
function customOf(user: GoogleUser): Record<string, CustomValue> {
  const custom: Record<string, CustomValue> = {};
  for (const [schema, fields] of Object.entries(user.customSchemas ?? {})) {
    for (const [field, value] of Object.entries(fields)) {
      const held = customValue(value);
      const name = `${schema}.${field}`;
      if (held !== null && isStorable(name)) custom[name] = held;
    }
  }
  return custom;
}

type CustomField = NonNullable<GoogleUser['customSchemas']>[string][string];

/** null for a field that holds nothing: it is left out, as Google leaves out what was never filled. */
function customValue(value: CustomField): CustomValue | null {
  if (typeof value === 'string') return cleanText(value);
  if (!Array.isArray(value)) return value;
  const texts = value.map((entry) => cleanText(String(entry.value))).filter((text) => text !== null);
  return texts.length === 0 ? null : texts;
}

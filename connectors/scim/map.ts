/** SCIM's words -> ours. README.md has the same as a table for people. */
import type { CustomValue, DirectoryState, DirectoryUser } from '../../src/domain/directory.ts';
import { isStorable } from '../../src/domain/ids.ts';
import { cleanText } from '../../src/domain/normalise.ts';
import type { GroupRecord, UserRecord } from '../contract.ts';
import { unreadable } from '../unreadable.ts';
import { Enterprise, type Plural, ScimGroup, ScimUser } from './schema.ts';

/** Also SCIM 1.1's `urn:scim:schemas:extension:enterprise:1.0`. URNs are case-insensitive (RFC 7643, section 2.1). */
const ENTERPRISE = /^urn:(?:ietf:params:)?scim:schemas:extension:enterprise:[\d.]+(?::User)?$/i;

export function toUserRecord(record: unknown): UserRecord {
  const read = ScimUser.safeParse(record);
  if (!read.success) return unreadable(record, read.error);
  const { extensions, custom } = furtherOf(read.data);
  const enterprise = Enterprise.safeParse(extensions);
  if (!enterprise.success) return unreadable(record, enterprise.error);
  return { kind: 'user', user: toDirectoryUser(read.data, enterprise.data, custom) };
}

export function toGroupRecord(record: unknown): GroupRecord {
  const read = ScimGroup.safeParse(record);
  if (!read.success) return unreadable(record, read.error);
  const { id, displayName } = read.data;
  return { kind: 'group', group: { externalId: id, name: cleanText(displayName) ?? '', email: null } };
}

function toDirectoryUser(
  user: ScimUser,
  enterprise: Enterprise,
  custom: Record<string, CustomValue>,
): DirectoryUser {
  const addresses = addressesOf(user.emails ?? []);
  const phones = user.phoneNumbers ?? [];
  return {
    externalId: user.id,
    state: stateOf(user.active),
    userName: textOf(user.userName),
    email: addresses.main,
    displayName: textOf(user.displayName) ?? textOf(user.name?.formatted),
    givenName: textOf(user.name?.givenName),
    familyName: textOf(user.name?.familyName),
    jobTitle: textOf(user.title),
    department: textOf(enterprise.department),
    division: textOf(enterprise.division),
    costCenter: textOf(enterprise.costCenter),
    company: textOf(enterprise.organization),
    employeeId: textOf(enterprise.employeeNumber),
    employeeType: textOf(user.userType),
    officeLocation: null,
    phone: singleOf(phones.find(isOfType('work'))) ?? singleOf(phones.find((one) => typeOf(one) === '')),
    mobilePhone: singleOf(phones.find(isOfType('mobile'))),
    locale: textOf(user.locale) ?? textOf(user.preferredLanguage),
    orgUnit: null,
    userType: 'member',
    manager: managerOf(enterprise.manager),
    aliases: addresses.others,
    custom,
  };
}

/**
 * `active` has no default in RFC 7643 and is often left out; somebody who is listed and not said to be inactive is active.
 * What is neither true nor false does not get here: such a user is unreadable.
 */
function stateOf(active: ScimUser['active']): DirectoryState {
  if (active === undefined || active === null) return 'active';
  return String(active).toLowerCase() === 'true' ? 'active' : 'suspended';
}

function textOf(value: unknown): string | null {
  if (typeof value === 'string') return cleanText(value);
  return typeof value === 'number' ? String(value) : null;
}

function singleOf(one: Plural | undefined): string | null {
  return typeof one === 'object' ? textOf(one['value']) : textOf(one);
}

/** In lower case; '' for none. */
function typeOf(one: Plural): string {
  const type = typeof one === 'object' ? one['type'] : undefined;
  return typeof type === 'string' ? type.toLowerCase() : '';
}
const isOfType = (type: string) => (one: Plural) => typeOf(one) === type;

function isPrimary(one: Plural): boolean {
  const primary = typeof one === 'object' ? one['primary'] : undefined;
  return primary === true || (typeof primary === 'string' && primary.toLowerCase() === 'true');
}

/**
 * The primary address, else that of work, else one without a type, else any. Of the others only those of work, and those without a type,
 * are the organisation's to vouch for: an address of type `home` or `other` says nothing about who somebody is here.
 */
function addressesOf(emails: readonly Plural[]): { main: string | null; others: string[] } {
  const held = emails.filter((one) => singleOf(one) !== null);
  const chosen = held.find(isPrimary) ?? held.find(isOfType('work')) ?? held.find(isOfType('')) ?? held[0];
  const main = singleOf(chosen);
  const others = new Set<string>();
  for (const one of held) {
    const value = singleOf(one);
    const type = typeOf(one);
    if (value !== null && value !== main && (type === 'work' || type === '')) others.add(value);
  }
  return { main, others: [...others] };
}

/** The id, from `value`, SCIM 1.1's `managerId` or the end of `$ref`; else the name that is there. No link is followed. */
function managerOf(manager: Enterprise['manager']): string | null {
  if (typeof manager !== 'object' || manager === null) return textOf(manager);
  const { value, managerId, $ref, displayName } = manager;
  const linked = typeof $ref === 'string' ? /\/Users\/([^/?#]+)\/?$/i.exec($ref)?.[1] : undefined;
  return textOf(value) ?? textOf(managerId) ?? textOf(unescaped(linked)) ?? textOf(displayName);
}

function unescaped(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Have a field of their own, say nothing about the person, or are too large or too private to keep. */
const NOT_CUSTOM: ReadonlySet<string> = new Set([
  ...['id', 'schemas', 'meta', 'groups', 'password', 'x509Certificates', 'photos', 'ims'],
  ...['userName', 'active', 'displayName', 'title', 'userType', 'locale', 'name', 'emails', 'phoneNumbers'],
]);
const OWN_OF_ENTERPRISE: ReadonlySet<string> = new Set(Object.keys(Enterprise.shape));

/**
 * The enterprise extension's own attributes, and all other attributes for `custom`, named as SCIM names them in a path (RFC 7644,
 * figure 1): `nickName`, `urn:example:2.0:User:badge`. A URN holds dots and colons itself, so it is never taken
 * apart; some servers send `URN:attribute` as one flat key.
 */
function furtherOf(user: ScimUser): {
  extensions: Record<string, unknown>;
  custom: Record<string, CustomValue>;
} {
  const extensions: Record<string, unknown> = {};
  const custom: Record<string, CustomValue> = {};
  for (const name in user) {
    if (NOT_CUSTOM.has(name)) continue;
    const value = user[name];
    if (name === 'addresses') keepAddress(user.addresses ?? [], custom);
    else if (!/^urn:/i.test(name)) keep(name, value, custom);
    else if (ENTERPRISE.test(name)) spread(name, value, extensions, custom);
    else if (ENTERPRISE.test(name.slice(0, name.lastIndexOf(':')))) {
      spread(name.slice(0, name.lastIndexOf(':')), { [afterColon(name)]: value }, extensions, custom);
    } else keep(name, value, custom);
  }
  return { extensions, custom };
}

const afterColon = (name: string): string => name.slice(name.lastIndexOf(':') + 1);

function spread(
  urn: string,
  extension: unknown,
  extensions: Record<string, unknown>,
  custom: Record<string, CustomValue>,
): void {
  if (typeof extension !== 'object' || extension === null) return;
  for (const [name, value] of Object.entries(extension)) {
    if (OWN_OF_ENTERPRISE.has(name)) extensions[name] = value;
    else keep(`${urn}:${name}`, value, custom);
  }
}

/** Of the addresses, one: the primary, that of work, or the first. */
function keepAddress(addresses: readonly Plural[], custom: Record<string, CustomValue>): void {
  const one = addresses.find(isPrimary) ?? addresses.find(isOfType('work')) ?? addresses[0];
  if (typeof one !== 'object') return;
  for (const [name, value] of Object.entries(one)) {
    if (name !== 'type' && name !== 'primary') keep(`addresses.${name}`, value, custom);
  }
}

/**
 * Empty attributes are left out, so that an attribute that somebody has just defined changes nobody; so are those whose name
 * cannot be stored. Of objects in a list the `value` is kept, of one object each attribute that is no object itself.
 */
function keep(name: string, value: unknown, custom: Record<string, CustomValue>): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const separator = /^urn:/i.test(name) ? ':' : '.';
    for (const [sub, inner] of Object.entries(value)) {
      if (typeof inner !== 'object' || Array.isArray(inner)) keep(name + separator + sub, inner, custom);
    }
    return;
  }
  const kept = Array.isArray(value) ? listOf(value) : scalarOf(value);
  if (kept !== null && isStorable(name)) custom[name] = kept;
}

function scalarOf(value: unknown): string | number | boolean | null {
  if (typeof value === 'boolean' || typeof value === 'number') return value;
  return typeof value === 'string' ? cleanText(value) : null;
}

function listOf(values: readonly (Plural | null)[]): string[] | null {
  const held = values.map((item) => (item === null ? null : listed(item))).filter((item) => item !== null);
  return held.length === 0 ? null : held;
}

function listed(item: Plural): string | null {
  return typeof item === 'boolean' ? String(item) : singleOf(item);
}

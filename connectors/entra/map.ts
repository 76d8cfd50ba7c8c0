/** Graph's words to ours. The table in README.md says the same for people. */
import { z } from 'zod';
import type { CustomValue, DirectoryUser } from '../../src/domain/directory.ts';
import { ExternalId, isStorable } from '../../src/domain/ids.ts';
import { cleanText } from '../../src/domain/normalise.ts';
import type { GroupRecord, MemberRecord, UnreadableRecord, UserRecord } from '../contract.ts';
import {
  DeletedEntraUser,
  EntraGroup,
  EntraMember,
  EntraUser,
  ExtensionValue,
  isEntraUser,
} from './schema.ts';

/** Properties without a field of their own; they keep Graph's names in `custom`. */
const KEPT_AS_CUSTOM = [
  'city',
  'state',
  'country',
  'usageLocation',
  'mailNickname',
  'creationType',
  'createdDateTime',
  'employeeHireDate',
  'externalUserState',
  'externalUserStateChangeDateTime',
  'onPremisesImmutableId',
  'onPremisesSamAccountName',
  'onPremisesUserPrincipalName',
] as const satisfies readonly (keyof EntraUser)[];

const USER_KIND = '#microsoft.graph.user';
const GROUP_KIND = '#microsoft.graph.group';

/** `extensions`: names of the directory extensions that the connection asks for. */
export function readUser(item: unknown, extensions: readonly string[]): UserRecord {
  const parsed = isEntraUser(item) ? { success: true as const, data: item } : EntraUser.safeParse(item);
  if (!parsed.success) return unreadable(item, parsed.error);
  return recordOf(item, parsed.data, parsed.data.accountEnabled ? 'active' : 'suspended', extensions);
}

/** Somebody among the deleted items. Whether the account was enabled does not matter any more. */
export function readDeletedUser(item: unknown, extensions: readonly string[]): UserRecord {
  const parsed = DeletedEntraUser.safeParse(item);
  if (!parsed.success) return unreadable(item, parsed.error);
  const { id, userPrincipalName } = parsed.data;
  const own = withoutPrefix(userPrincipalName, id.replaceAll('-', ''));
  return recordOf(item, { ...parsed.data, userPrincipalName: own }, 'deprovisioned', extensions);
}

/** Entra ID puts the object id before the name of whom it deletes, so that the name is free for somebody else. */
function withoutPrefix(name: string | null | undefined, prefix: string) {
  return name?.toLowerCase().startsWith(prefix.toLowerCase()) ? name.slice(prefix.length) : name;
}

function recordOf(
  item: unknown,
  user: DeletedEntraUser,
  state: DirectoryUser['state'],
  extensions: readonly string[],
): UserRecord {
  const custom = customOf(user);
  for (const name of extensions) {
    const value = ExtensionValue.safeParse(Reflect.get(item as object, name));
    if (!value.success)
      return unreadable(item, `${name}: neither text, number, true or false, nor a list of texts`);
    keep(custom, name, value.data);
  }
  return { kind: 'user', user: toDirectoryUser(user, state, custom) };
}

function toDirectoryUser(
  user: DeletedEntraUser,
  state: DirectoryUser['state'],
  custom: Record<string, CustomValue>,
): DirectoryUser {
  const addresses = smtpAddresses(user.proxyAddresses);
  const email = cleanText(user.mail) ?? addresses.primary;
  return {
    externalId: user.id,
    state,
    userName: cleanText(user.userPrincipalName),
    email,
    displayName: cleanText(user.displayName),
    givenName: cleanText(user.givenName),
    familyName: cleanText(user.surname),
    jobTitle: cleanText(user.jobTitle),
    department: cleanText(user.department),
    division: cleanText(user.employeeOrgData?.division),
    costCenter: cleanText(user.employeeOrgData?.costCenter),
    company: cleanText(user.companyName),
    employeeId: cleanText(user.employeeId),
    employeeType: cleanText(user.employeeType),
    officeLocation: cleanText(user.officeLocation),
    phone: cleanText(user.businessPhones?.[0]),
    mobilePhone: cleanText(user.mobilePhone),
    locale: cleanText(user.preferredLanguage),
    orgUnit: null,
    userType: user.userType?.toLowerCase() === 'guest' ? 'guest' : 'member',
    manager: user.manager?.id ?? null,
    aliases: withoutRepeats(addresses.all, email),
    custom,
  };
}

/** "proxyAddresses": `SMTP:` marks the main address, `smtp:` the others; X500, SIP and the like are no e-mail. */
function smtpAddresses(proxyAddresses: EntraUser['proxyAddresses']) {
  let primary: string | null = null;
  const all: string[] = [];
  for (const entry of proxyAddresses ?? []) {
    if (entry.slice(0, 5).toLowerCase() !== 'smtp:') continue;
    const address = cleanText(entry.slice(5));
    if (address === null) continue;
    if (entry.startsWith('SMTP:')) primary = address;
    all.push(address);
  }
  return { primary, all };
}

/** In one fixed order, because Graph promises none. */
function withoutRepeats(addresses: readonly string[], main: string | null): string[] {
  if (addresses.length === 0 || (addresses.length === 1 && addresses[0] === main)) return [];
  const seen = new Set(main === null ? [] : [main.toLowerCase()]);
  const kept: string[] = [];
  for (const address of addresses.toSorted()) {
    const key = address.toLowerCase();
    if (!seen.has(key)) kept.push(address);
    seen.add(key);
  }
  return kept;
}

/** Nothing is kept of empty values (a never-set property, a null and an empty text are the same), nor under a name that cannot be stored. */
function customOf(user: DeletedEntraUser): Record<string, CustomValue> {
  const custom: Record<string, CustomValue> = {};
  for (const name of KEPT_AS_CUSTOM) keepText(custom, name, user[name]);
  keep(custom, 'onPremisesSyncEnabled', user.onPremisesSyncEnabled);
  keep(custom, 'otherMails', user.otherMails);
  if ((user.businessPhones?.length ?? 0) > 1) keep(custom, 'businessPhones', user.businessPhones);
  const attributes = user.onPremisesExtensionAttributes;
  for (const name in attributes) if (isStorable(name)) keepText(custom, name, attributes[name]);
  return custom;
}

function keepText(custom: Record<string, CustomValue>, name: string, value: string | null | undefined): void {
  const text = cleanText(value);
  if (text !== null) custom[name] = text;
}

function keep(
  custom: Record<string, CustomValue>,
  name: string,
  value: CustomValue | null | undefined,
): void {
  if (value === null || value === undefined) return;
  if (typeof value === 'string') {
    keepText(custom, name, value);
  } else if (Array.isArray(value)) {
    const texts = value.map(cleanText).filter((text) => text !== null);
    if (texts.length > 0) custom[name] = texts;
  } else {
    custom[name] = value;
  }
}

/** The groups among what somebody is a member of; null where one of the objects cannot be read. */
export function readMemberOf(items: readonly unknown[]): readonly ExternalId[] | null {
  const parsed = z.array(EntraMember).safeParse(items);
  if (!parsed.success) return null;
  return parsed.data.filter((one) => one['@odata.type'].toLowerCase() === GROUP_KIND).map(({ id }) => id);
}

export function readGroup(item: unknown): GroupRecord {
  const parsed = EntraGroup.safeParse(item);
  if (!parsed.success) return unreadable(item, parsed.error);
  const { id, displayName, mail } = parsed.data;
  return {
    kind: 'group',
    group: { externalId: id, name: cleanText(displayName) ?? id, email: cleanText(mail) },
  };
}

/** Of an entry that may hold only what has changed; null where the name is not in it. */
export function groupName(item: unknown): string | null {
  const read = readGroup(item);
  return read.kind === 'group' ? read.group.name : null;
}

/** null for devices, contacts, service principals, and for nested groups, whose members Graph lists as well. */
export function readMember(item: unknown): MemberRecord | null {
  const parsed = EntraMember.safeParse(item);
  if (!parsed.success) return unreadable(item, parsed.error);
  if (parsed.data['@odata.type'].toLowerCase() !== USER_KIND) return null;
  return { kind: 'user', externalId: parsed.data.id };
}

const WithId = z.object({ id: ExternalId });

function unreadable(item: unknown, problem: z.ZodError | string): UnreadableRecord {
  const named = WithId.safeParse(item);
  return {
    kind: 'unreadable',
    externalId: named.success ? named.data.id : null,
    problem: typeof problem === 'string' ? problem : problemOf(problem),
  };
}

/** Field and expected type; zod's own sentences hold no values, but they need not stay that way. */
function problemOf(error: z.ZodError): string {
  const problems = error.issues.map((issue) => {
    const field = issue.path.length === 0 ? 'the object' : issue.path.join('.');
    const expected = 'expected' in issue ? `not readable as ${issue.expected}` : 'not readable';
    return `${field}: ${expected}`;
  });
  return [...new Set(problems)].join('; ');
}

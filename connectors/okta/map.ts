/** Okta's words -> ours. README.md has the same as a table for people. */
import type {
  CustomValue,
  DirectoryGroup,
  DirectoryState,
  DirectoryUser,
} from '../../src/domain/directory.ts';
import { isStorable } from '../../src/domain/ids.ts';
import { cleanText } from '../../src/domain/normalise.ts';
import type { GroupRecord, MemberRecord, UserRecord } from '../contract.ts';
import { unreadable } from '../unreadable.ts';
import {
  type CustomAttribute,
  ExpandedAppUser,
  OktaGroup,
  OktaMember,
  OktaProfile,
  OktaUser,
} from './schema.ts';

/**
 * Okta API reference, "Users", status. Whoever only has to renew a password or was locked out after failed sign-ins still
 * belongs to the organisation; STAGED is not activated yet.
 */
const stateOf = {
  STAGED: 'suspended',
  PROVISIONED: 'active',
  ACTIVE: 'active',
  RECOVERY: 'active',
  PASSWORD_EXPIRED: 'active',
  LOCKED_OUT: 'active',
  SUSPENDED: 'suspended',
  DEPROVISIONED: 'deprovisioned',
} as const satisfies Record<OktaUser['status'], DirectoryState>;

export function toDirectoryUser({ id, status, profile }: OktaUser): DirectoryUser {
  return {
    externalId: id,
    state: stateOf[status],
    userName: cleanText(profile.login),
    email: cleanText(profile.email),
    displayName: cleanText(profile.displayName),
    givenName: cleanText(profile.firstName),
    familyName: cleanText(profile.lastName),
    jobTitle: cleanText(profile.title),
    department: cleanText(profile.department),
    division: cleanText(profile.division),
    costCenter: cleanText(profile.costCenter),
    company: cleanText(profile.organization),
    employeeId: cleanText(profile.employeeNumber),
    employeeType: cleanText(profile.userType),
    officeLocation: null,
    phone: cleanText(profile.primaryPhone),
    mobilePhone: cleanText(profile.mobilePhone),
    locale: cleanText(profile.locale),
    orgUnit: null,
    userType: 'member',
    manager: cleanText(profile.managerId) ?? cleanText(profile.manager),
    aliases: [],
    custom: customOf(profile),
  };
}

const withOwnField: ReadonlySet<string> = new Set(Object.keys(OktaProfile.shape));

/**
 * Empty attributes are left out, so that an attribute that an organisation has just defined changes nobody; so are those whose
 * name cannot be stored.
 */
function customOf(profile: OktaUser['profile']): Record<string, CustomValue> {
  const custom: Record<string, CustomValue> = {};
  for (const name in profile) {
    const value = withOwnField.has(name) ? null : toCustomValue(profile[name] ?? null);
    if (value !== null && isStorable(name)) custom[name] = value;
  }
  const managersName = cleanText(profile.manager);
  if (managersName !== null && cleanText(profile.managerId) !== null) custom['manager'] = managersName;
  return custom;
}

function toCustomValue(attribute: CustomAttribute): CustomValue | null {
  if (typeof attribute === 'string') return cleanText(attribute);
  if (typeof attribute !== 'object' || attribute === null) return attribute;
  const items = attribute.map((item) => cleanText(String(item))).filter((item) => item !== null);
  return items.length === 0 ? null : items;
}

export function toUserRecord(record: unknown): UserRecord {
  const read = OktaUser.safeParse(record);
  return read.success ? { kind: 'user', user: toDirectoryUser(read.data) } : unreadable(record, read.error);
}

const ENDED: ReadonlySet<string> = new Set(['DEPROVISIONED', 'INACTIVE', 'REVOKED', 'UNASSIGNED']);

/** Whether somebody with an assignment in this state is assigned. */
export function isAssigned(status: string): boolean {
  return !ENDED.has(status);
}

/** The user behind an assignment; null where the assignment has ended, and that is all that is said. */
export function toAssignedUserRecord(
  record: unknown,
  toUser: (record: unknown) => UserRecord,
): UserRecord | null {
  const read = ExpandedAppUser.safeParse(record);
  if (!read.success) return unreadable(record, read.error);
  const { id, status, _embedded } = read.data;
  const found = toUser(_embedded.user);
  const named = found.kind === 'user' ? found.user.externalId : found.externalId;
  if (named !== id)
    return { kind: 'unreadable', externalId: id, problem: '_embedded.user.id: not that of the assignment' };
  const hasLeft = found.kind === 'user' && found.user.state === 'deprovisioned';
  return isAssigned(status) || hasLeft ? found : null;
}

export function toGroupRecord(record: unknown): GroupRecord {
  const read = OktaGroup.safeParse(record);
  return read.success
    ? { kind: 'group', group: toDirectoryGroup(read.data) }
    : unreadable(record, read.error);
}

export function toMemberRecord(record: unknown): MemberRecord {
  const read = OktaMember.safeParse(record);
  return read.success ? { kind: 'user', externalId: read.data.id } : unreadable(record, read.error);
}

function toDirectoryGroup(group: OktaGroup): DirectoryGroup {
  return { externalId: group.id, name: cleanText(group.profile.name) ?? '', email: null };
}

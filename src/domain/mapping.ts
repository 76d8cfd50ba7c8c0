/** How directory attributes and groups become an auth user's fields and roles. */
import { z } from 'zod';
import type { DesiredAuthUser, FieldValue } from './authUser.ts';
import { type DirectoryUser, type GroupRef, TEXT_ATTRIBUTES } from './directory.ts';
import { RoleName } from './role.ts';

/** Attributes of a directory user that are a field of the same name of the auth user unless the mapping omits them. */
export const FIELD_NAMES = [...TEXT_ATTRIBUTES, 'userType', 'manager'] as const;

export const Mapping = z.strictObject({
  /** Fields that this connection's directory does not own. userName, email and displayName cannot be left out. */
  omit: z.array(z.enum(FIELD_NAMES).exclude(['userName', 'email', 'displayName'])).default([]),
  /** Custom attributes to take over, each as the field `custom.<name>`. */
  custom: z.array(z.string().min(1).max(200)).default([]),
  /** Role for all members of a group, which is named by its external id or its name (exactly as the directory spells it). */
  roles: z.array(z.strictObject({ group: z.string().min(1), role: RoleName })).default([]),
  /** Roles of everybody whom the directory has. */
  everyone: z.array(RoleName).default([]),
  /**
   * Groups to read besides those that `roles` names, by external id or name; null: all that the directory has. What nobody needs is
   * not read: a directory may have ten thousand groups, and each costs a request.
   */
  groups: z.array(z.string().min(1)).nullable().default([]),
});
export type Mapping = z.infer<typeof Mapping>;

const desiredState = {
  active: 'active',
  suspended: 'suspended',
  deprovisioned: 'deleted',
} as const satisfies Record<DirectoryUser['state'], DesiredAuthUser['state']>;

/** What a run could not read of the groups. */
export type UnreadGroups = {
  /** Groups whose members are not, or not all, known. */
  readonly membersUnknown: readonly GroupRef[];
  /** Some records of groups could not be read: any group that is not among `read` may be one of them. */
  readonly someUnreadable: boolean;
  readonly read: readonly GroupRef[];
};

/** A mapping made ready to map many users: look-ups instead of searches. */
export type CompiledMapping = {
  readonly map: (user: DirectoryUser, groups: readonly GroupRef[]) => DesiredAuthUser;
  /** Roles that may follow from groups that could not be read. Nobody loses one of these by such a run. */
  readonly rolesInDoubt: (unread: UnreadGroups) => ReadonlySet<string>;
  /** Whether the members of this group have to be read. */
  readonly reads: (group: { readonly externalId: string; readonly name: string }) => boolean;
  /** Whether there may be any such group. */
  readonly readsGroups: boolean;
  readonly readsEveryGroup: boolean;
};

export function compileMapping(mapping: Mapping): CompiledMapping {
  const omitted = new Set<string>(mapping.omit);
  const names = FIELD_NAMES.filter((name) => !omitted.has(name));
  const rolesByGroup = new Map<string, string[]>();
  for (const { group, role } of mapping.roles)
    rolesByGroup.set(group, [...(rolesByGroup.get(group) ?? []), role]);
  const everyone = [...new Set(mapping.everyone)].sort();
  const chosen = mapping.groups === null ? null : new Set([...mapping.groups, ...rolesByGroup.keys()]);

  const rolesOf = (groups: readonly GroupRef[]): readonly string[] => {
    if (groups.length === 0 || rolesByGroup.size === 0) return everyone;
    const roles = new Set(everyone);
    for (const group of groups) {
      for (const role of rolesByGroup.get(group.externalId) ?? []) roles.add(role);
      for (const role of rolesByGroup.get(group.name) ?? []) roles.add(role);
    }
    return [...roles].sort();
  };

  return {
    map: (user, groups) => {
      const fields: Record<string, FieldValue> = {};
      for (const name of names) fields[name] = user[name];
      for (const name of mapping.custom) fields[`custom.${name}`] = user.custom[name] ?? null;
      return { state: desiredState[user.state], fields, roles: rolesOf(groups) };
    },
    rolesInDoubt: ({ membersUnknown, someUnreadable, read }) => {
      const named = (groups: readonly GroupRef[]) =>
        new Set(groups.flatMap(({ externalId, name }) => [externalId as string, name]));
      const [unknown, known] = [named(membersUnknown), named(read)];
      const doubtful = mapping.roles.filter(
        ({ group }) => unknown.has(group) || (someUnreadable && !known.has(group)),
      );
      return new Set(doubtful.map(({ role }) => role));
    },
    reads: (group) => chosen === null || chosen.has(group.externalId) || chosen.has(group.name),
    readsGroups: chosen === null || chosen.size > 0,
    readsEveryGroup: chosen === null,
  };
}

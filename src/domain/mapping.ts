/** How directory attributes, groups and org units become an auth user's fields, roles and tenant. */
import { z } from 'zod';
import type { DesiredAuthUser, FieldValue, StoredAuthUser } from './authUser.ts';
import { customValue, type DirectoryUser, type GroupRef, TEXT_ATTRIBUTES } from './directory.ts';
import type { Placed } from './place.ts';
import { RoleName } from './role.ts';
import { compileRules, namesOf, Rules } from './rules.ts';

/** Attributes of a directory user that are a field of the same name of the auth user unless the mapping omits them. */
export const FIELD_NAMES = [...TEXT_ATTRIBUTES, 'userType', 'manager'] as const;

export const Mapping = z
  .strictObject({
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
    /** In this order. A mapping without rules is stored without them. */
    rules: Rules.optional(),
  })
  .meta({ id: 'Mapping' });
export type Mapping = z.infer<typeof Mapping>;

/** A role that a mapping names, and where in the connection. */
export type NamedRole = { readonly name: string; readonly path: string };

/** The roles that a mapping gives. */
export function rolesIn({ roles, everyone, rules = [] }: Mapping): readonly NamedRole[] {
  return [
    ...roles.map(({ role }, at) => ({ name: role, path: `mapping.roles.${at}.role` })),
    ...everyone.map((name, at) => ({ name, path: `mapping.everyone.${at}` })),
    ...rules.flatMap(({ roles: given }, rule) =>
      given.map((name, at) => ({ name, path: `mapping.rules.${rule}.roles.${at}` })),
    ),
  ];
}

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
  /** Where groups could not be read: what can be wanted all the same. null: nothing is in doubt. */
  readonly inDoubt: (unread: UnreadGroups) => MapInDoubt | null;
  /** Whether the members of this group have to be read. */
  readonly reads: (group: { readonly externalId: string; readonly name: string }) => boolean;
  /** Whether there may be any such group. */
  readonly readsGroups: boolean;
  readonly readsEveryGroup: boolean;
  /** Groups that something follows from, by external id or name. */
  readonly groups: readonly string[];
  /** Whether it decides in which tenant everybody is. */
  readonly places: boolean;
};

/**
 * What is wanted of somebody in spite of groups that could not be read: nobody loses a role that may follow from one, gains one that
 * they may keep from them, or moves because of it; where a joiner belongs may be unknown. `stored`: the auth user that they are
 * linked to.
 */
export type MapInDoubt = (
  user: DirectoryUser,
  groups: readonly GroupRef[],
  stored: Pick<StoredAuthUser, 'roles'> | null,
) => DesiredAuthUser;

export function compileMapping(mapping: Mapping): CompiledMapping {
  const omitted = new Set<string>(mapping.omit);
  const names = FIELD_NAMES.filter((name) => !omitted.has(name));
  const custom = mapping.custom.map((name) => ({ name, field: `custom.${name}` }));
  // Copied and filled, an object is made in one piece; grown field by field, in a dozen that are thrown away.
  const blank: Record<string, FieldValue> = {};
  for (const field of [...names, ...custom.map(({ field }) => field)]) blank[field] = null;
  const rolesByGroup = new Map<string, string[]>();
  for (const { group, role } of mapping.roles)
    rolesByGroup.set(group, [...(rolesByGroup.get(group) ?? []), role]);
  const everyone = [...new Set(mapping.everyone)].sort();
  const rules =
    mapping.rules === undefined || mapping.rules.length === 0 ? null : compileRules(mapping.rules);
  const needed = [...rolesByGroup.keys(), ...(rules?.groups ?? [])];
  const chosen = mapping.groups === null ? null : new Set([...mapping.groups, ...needed]);

  const rolesOf = (groups: readonly GroupRef[]): readonly string[] => {
    if (groups.length === 0 || rolesByGroup.size === 0) return everyone;
    const roles = new Set(everyone);
    for (const group of groups) {
      for (const role of rolesByGroup.get(group.externalId) ?? []) roles.add(role);
      for (const role of rolesByGroup.get(group.name) ?? []) roles.add(role);
    }
    return [...roles].sort();
  };

  /** Whoever is in the same groups comes with the same list of them. */
  const named = new WeakMap<readonly GroupRef[], ReadonlySet<string>>();
  const namesIn = (groups: readonly GroupRef[]) => {
    const names = named.get(groups) ?? namesOf(groups);
    named.set(groups, names);
    return names;
  };

  const map = (user: DirectoryUser, groups: readonly GroupRef[], doubtful?: ReadonlySet<string>) => {
    const fields = { ...blank };
    for (const name of names) fields[name] = user[name];
    for (const { name, field } of custom) fields[field] = customValue(user, name);
    const desired = { state: desiredState[user.state], fields, roles: rolesOf(groups) };
    if (rules === null) return desired;
    const { roles, placed, placeInDoubt } = rules.apply(user, namesIn(groups), doubtful);
    const all = roles.length === 0 ? desired.roles : [...new Set([...desired.roles, ...roles])].sort();
    if (!rules.place) return { ...desired, roles: all };
    return { ...desired, roles: all, ...(placeInDoubt ? UNKNOWN : { placed: placed ?? HOME }) };
  };

  return {
    map: (user, groups) => map(user, groups),
    inDoubt: (unread) => {
      const doubtful = groupsInDoubt(needed, unread);
      if (doubtful.size === 0) return null;
      const losable = new Set([
        ...mapping.roles.flatMap(({ group, role }) => (doubtful.has(group) ? role : [])),
        ...(rules?.rolesOf(doubtful) ?? []),
      ]);
      return (user, groups, stored) => {
        const certain = map(user, groups, doubtful);
        const wanted = new Set(map(user, groups).roles);
        const kept = (stored?.roles ?? []).filter((role) => losable.has(role) || wanted.has(role));
        return { ...certain, roles: [...new Set([...certain.roles, ...kept])].sort() };
      };
    },
    reads: (group) => chosen === null || chosen.has(group.externalId) || chosen.has(group.name),
    readsGroups: chosen === null || chosen.size > 0,
    readsEveryGroup: chosen === null,
    groups: needed,
    places: rules?.place ?? false,
  };
}

/** Of whom no rule says where they belong. */
const HOME: Placed = { path: null, mayBeMade: false };
const UNKNOWN = { placeUnknown: true } as const;

/** Of the groups that something follows from, by id or name, those of whose members not all are known. */
function groupsInDoubt(
  needed: readonly string[],
  { membersUnknown, someUnreadable, read }: UnreadGroups,
): ReadonlySet<string> {
  const [unknown, known] = [namesOf(membersUnknown), namesOf(read)];
  return new Set(needed.filter((group) => unknown.has(group) || (someUnreadable && !known.has(group))));
}

/** How directory attributes, groups and org units become an auth user's fields, roles and tenant. */
import { z } from 'zod';
import { Attributes, compileAttributes, FIELD_NAMES } from './attributes.ts';
import type { DesiredAuthUser, FieldValue, StoredAuthUser } from './authUser.ts';
import { customValue, type DirectoryUser, type GroupRef } from './directory.ts';
import type { Placed } from './place.ts';
import { RoleName } from './role.ts';
import { type CompiledRules, compileRules, namesOf, Rules } from './rules.ts';
import { looksAtAnyGroup, UserExpression } from './userExpression.ts';
import { type CompiledWritten, compileWritten, type Doubt, type NotMapped } from './written.ts';

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
    /** Fields that are not just the directory's attribute of the same name, or not the directory's alone. */
    attributes: Attributes.optional(),
    /** Whom of the directory the connection is about, in CEL. Without it, everybody. */
    scope: UserExpression('truth').optional(),
  })
  .superRefine((mapping, context) => {
    for (const { path, message } of wrongBetween(mapping))
      context.addIssue({ code: 'custom', path, message });
  })
  .meta({ id: 'Mapping' });
export type Mapping = z.infer<typeof Mapping>;

type Wrong = { readonly path: string[]; readonly message: string };

/** What contradicts each other in a mapping whose parts are right. */
function wrongBetween({
  omit,
  groups,
  attributes = {},
  scope,
}: Pick<Mapping, 'omit' | 'groups' | 'attributes' | 'scope'>): readonly Wrong[] {
  const omitted: readonly string[] = omit;
  const leftOut = Object.keys(attributes)
    .filter((field) => omitted.includes(field))
    .map((field): Wrong => ({ path: ['attributes', field], message: OMITTED }));
  if (groups === null || groups.length > 0) return leftOut;
  const ofFields = Object.entries(attributes)
    .filter(([, { value }]) => value !== undefined && looksAtAnyGroup(value, 'value'))
    .map(([field]): Wrong => ({ path: ['attributes', field, 'value'], message: LOOKS_AT_ALL }));
  const ofScope =
    scope === undefined || !looksAtAnyGroup(scope, 'truth')
      ? []
      : [{ path: ['scope'], message: LOOKS_AT_ALL }];
  return [...leftOut, ...ofFields, ...ofScope];
}

const OMITTED = 'is named in omit as well, by which it is no field of this connection';
const LOOKS_AT_ALL =
  'looks at groups otherwise than by a name, as in "Sales" in groups: say in mapping.groups which are to be read, null for all';

/**
 * To be raised by whatever changes what follows from the same directory user and the same mapping: people are mapped again only where
 * one of the three is another. A test holds what follows today.
 */
export const MAPPING_VERSION = 1;

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
  /** The same user and groups always give the same. */
  readonly map: (user: DirectoryUser, groups: readonly GroupRef[]) => Mapped;
  /** Where groups could not be read: what can be wanted all the same. null: nothing is in doubt. */
  readonly inDoubt: (unread: UnreadGroups) => MapInDoubt | null;
  /** Whether the members of this group have to be read. */
  readonly reads: (group: { readonly externalId: string; readonly name: string }) => boolean;
  /** Whether there may be any such group. */
  readonly readsGroups: boolean;
  readonly readsEveryGroup: boolean;
  /** Groups that something follows from, by external id or name. */
  readonly groups: readonly string[];
  /** Of those, the ones that the scope names. */
  readonly scopeGroups: readonly string[];
  /** What the scope reads of a user, that may be without a value; null without a scope. */
  readonly scopeReads: readonly (readonly string[])[] | null;
  /** Whether it decides in which tenant everybody is. */
  readonly places: boolean;
  /** Custom attributes that something follows from, by name. */
  readonly custom: readonly string[];
  /** Whether people are looked at by any expression. */
  readonly hasExpressions: boolean;
};

/** What a mapping makes of a directory user: told apart by the state. */
export type Mapped = DesiredAuthUser | NotMapped;

export function isMapped(mapped: Mapped): mapped is DesiredAuthUser {
  return mapped.state !== 'out-of-scope' && mapped.state !== 'unreadable';
}

/**
 * What is wanted of somebody in spite of groups that could not be read: nobody loses a role that may follow from one, gains one that
 * they may keep from them, moves because of it, or gets another value in a field; where a joiner belongs may be unknown, and whether
 * they do or what their fields hold: then they are `unreadable`. `stored`: the auth user that they are linked to.
 */
export type MapInDoubt = {
  readonly map: (
    user: DirectoryUser,
    groups: readonly GroupRef[],
    stored: Pick<StoredAuthUser, 'roles' | 'fields'> | null,
  ) => Mapped;
  /** Whether anybody who is out of scope may be in it once the groups are known. */
  readonly scope: boolean;
};

export function compileMapping(mapping: Mapping): CompiledMapping {
  const { blank, names, custom, first } = fieldsOf(mapping);
  const written = compileWritten(mapping.attributes, mapping.scope);
  const rolesByGroup = new Map<string, string[]>();
  for (const { group, role } of mapping.roles)
    rolesByGroup.set(group, [...(rolesByGroup.get(group) ?? []), role]);
  const everyone = [...new Set(mapping.everyone)].sort();
  const rules =
    mapping.rules === undefined || mapping.rules.length === 0 ? null : compileRules(mapping.rules);
  const ofExpressions = written?.expressions.flatMap(({ groups }) => groups) ?? [];
  const needed = [...new Set([...rolesByGroup.keys(), ...(rules?.groups ?? []), ...ofExpressions])];
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

  const map: MapIn = (user, groups, doubt, isCertain) => {
    const fields = { ...blank };
    for (const name of names) fields[name] = user[name];
    for (const { name, field } of custom) fields[field] = customValue(user, name);
    const notMapped = written === null ? null : written.apply(fields, user, groups, doubt);
    if (notMapped !== null) return notMapped;
    const plain = { state: desiredState[user.state], fields, roles: rolesOf(groups) };
    const desired = first.length === 0 ? plain : { ...plain, firstValues: first };
    return rules === null
      ? desired
      : withRules(desired, rules, user, namesIn(groups), isCertain ? doubt : null);
  };

  return {
    map: (user, groups) => map(user, groups, null, true),
    inDoubt: (unread) => {
      const doubt = doubtOf(needed, written?.expressions ?? [], unread);
      return doubt && mapInDoubt(map, doubt, losable(mapping, rules, doubt.groups), written?.scope ?? null);
    },
    reads: (group) => chosen === null || chosen.has(group.externalId) || chosen.has(group.name),
    readsGroups: chosen === null || chosen.size > 0,
    readsEveryGroup: chosen === null,
    groups: needed,
    scopeGroups: written?.scope?.groups ?? [],
    scopeReads: written?.scope?.reads ?? null,
    places: rules?.place ?? false,
    custom: customIn(mapping, written),
    hasExpressions: written !== null && written.expressions.length > 0,
  };
}

/** `isCertain`: what hangs on groups that are in doubt is left out. */
type MapIn = (
  user: DirectoryUser,
  groups: readonly GroupRef[],
  doubt: (Doubt & { readonly groups: ReadonlySet<string> }) | null,
  isCertain: boolean,
) => Mapped;

function withRules(
  desired: DesiredAuthUser,
  rules: CompiledRules,
  user: DirectoryUser,
  groups: ReadonlySet<string>,
  doubt: Pick<Doubts, 'groups'> | null,
): DesiredAuthUser {
  const { roles, placed, placeInDoubt } = rules.apply(user, groups, doubt?.groups);
  const all = roles.length === 0 ? desired.roles : [...new Set([...desired.roles, ...roles])].sort();
  if (!rules.place) return { ...desired, roles: all };
  return { ...desired, roles: all, ...(placeInDoubt ? UNKNOWN : { placed: placed ?? HOME }) };
}

type Doubts = Pick<Doubt, 'concerns'> & { readonly groups: ReadonlySet<string> };

/** null: nothing is in doubt. */
function doubtOf(
  needed: readonly string[],
  expressions: CompiledWritten['expressions'],
  unread: UnreadGroups,
): Doubts | null {
  const groups = groupsInDoubt(needed, unread);
  const anyGroup = unread.someUnreadable || unread.membersUnknown.length > 0;
  const concerns: Doubt['concerns'] = (expression) =>
    (anyGroup && expression.anyGroup) || expression.groups.some((group) => groups.has(group));
  return groups.size > 0 || expressions.some(concerns) ? { groups, concerns } : null;
}

function losable({ roles }: Mapping, rules: CompiledRules | null, doubtful: ReadonlySet<string>) {
  const ofGroups = roles.flatMap(({ group, role }) => (doubtful.has(group) ? role : []));
  return new Set([...ofGroups, ...(rules?.rolesOf(doubtful) ?? [])]);
}

function mapInDoubt(
  map: MapIn,
  { groups: doubtful, concerns }: Doubts,
  mayLose: ReadonlySet<string>,
  scope: CompiledWritten['scope'],
): MapInDoubt {
  return {
    scope: scope !== null && concerns(scope),
    map: (user, groups, stored) => {
      const doubt = { groups: doubtful, concerns, stored: stored?.fields ?? null };
      const certain = map(user, groups, doubt, true);
      const likely = map(user, groups, doubt, false);
      if (!isMapped(certain) || !isMapped(likely)) return certain;
      const kept = (stored?.roles ?? []).filter((role) => mayLose.has(role) || likely.roles.includes(role));
      return { ...certain, roles: [...new Set([...certain.roles, ...kept])].sort() };
    },
  };
}

/** How the fields are filled that need nothing but the attribute of the same name, and what all are before. */
function fieldsOf({ omit, custom, attributes = {} }: Mapping) {
  const { set, local, first } = compileAttributes(attributes);
  const written = set.map(({ field }) => field);
  const isFilled = (field: string) => !local.has(field) && !(omit as readonly string[]).includes(field);
  const fields: readonly string[] = [
    ...FIELD_NAMES.filter(isFilled),
    ...new Set([...custom.map((name) => `custom.${name}`), ...written.filter((name) => !isPlain(name))]),
  ].filter(isFilled);
  // Copied and filled, an object is made in one piece; grown field by field, in a dozen that are thrown away.
  const blank: Record<string, FieldValue> = {};
  for (const field of fields) blank[field] = null;
  return {
    blank,
    first,
    names: FIELD_NAMES.filter((name) => isFilled(name) && !written.includes(name)),
    custom: custom
      .map((name) => ({ name, field: `custom.${name}` }))
      .filter(({ field }) => isFilled(field) && !written.includes(field)),
  };
}

function isPlain(field: string): boolean {
  return (FIELD_NAMES as readonly string[]).includes(field);
}

function customIn({ custom, attributes = {} }: Mapping, written: CompiledWritten | null): readonly string[] {
  const from = Object.entries(attributes).flatMap(([field, { from: given = field, value, owner }]) =>
    value === undefined && owner !== 'local' ? given : [],
  );
  return [
    ...new Set([
      ...custom,
      ...from.filter((name) => !isPlain(name)).map((name) => name.slice('custom.'.length)),
      ...(written?.expressions.flatMap((expression) => expression.custom) ?? []),
    ]),
  ];
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

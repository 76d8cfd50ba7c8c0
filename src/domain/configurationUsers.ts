/** What lies between the users that a file names and those that there are: local users, and what users of directories were given by hand. */
import type { Fields } from './authUser.ts';
import {
  type Current,
  type CurrentTenant,
  type CurrentUser,
  type FieldDifference,
  type Hindrance,
  isSame,
  keyOf,
  type Position,
  pathText,
  type TenantPath,
  type UserDifference,
  type Wanted,
  type WantedAssignment,
  type WantedUser,
} from './configuration.ts';
import { emailKey } from './email.ts';
import type { TenantId } from './ids.ts';
import { hindranceToGiving, type Role, type RoleType } from './role.ts';

/** What holds once the file is loaded, as far as users need it. */
export type Outlook = {
  readonly isSystem: boolean;
  readonly writesRoles: boolean;
  readonly tenants: ReadonlyMap<string, CurrentTenant>;
  readonly pathOf: ReadonlyMap<TenantId, TenantPath>;
  /** There is such a tenant, or the file makes it. */
  readonly willBe: (path: TenantPath) => boolean;
  /** Types by name. */
  readonly roleTypes: ReadonlyMap<string, RoleType>;
  /** The plan that counts there, by name; null: nothing is limited. */
  readonly planAt: (path: TenantPath) => string | null;
  readonly rolesOfPlan: ReadonlyMap<string, readonly string[]>;
};

type LocalUser = Extract<WantedUser, { origin: 'local' }>;
type DirectoryUser = Extract<WantedUser, { origin: 'directory' }>;
type Found =
  | { readonly user: CurrentUser | null }
  | { readonly hindrance: Hindrance }
  | { readonly waits: Position };

export function compareUsers(wanted: Wanted, current: Current, outlook: Outlook) {
  const find = finderOf(current, outlook, wanted);
  const differences: UserDifference[] = [];
  const hindrances: Hindrance[] = [];
  const waiting: Position[] = [];
  let assignmentsNamed = 0;
  let localsKnown = 0;
  for (const [at, user] of wanted.users.entries()) {
    const position: Position = ['users', at];
    const found = find(user, position);
    if ('hindrance' in found) hindrances.push(found.hindrance);
    else if ('waits' in found) waiting.push(found.waits);
    else {
      const given = assignmentsOf(user, found.user, position, outlook);
      hindrances.push(...given.hindrances);
      assignmentsNamed += given.known;
      if (user.origin === 'local' && found.user !== null) localsKnown += 1;
      const fields = [...fieldsOf(user, found.user), ...given.fields];
      if (fields.length > 0 || found.user === null)
        differences.push({ at, wanted: user, current: found.user, fields, gains: given.gains });
    }
  }
  hindrances.push(...sharedAddresses(differences, current, outlook));
  return { differences, hindrances, waiting, assignmentsNamed, localsKnown };
}

function finderOf(current: Current, outlook: Outlook, wanted: Wanted) {
  const named = Map.groupBy(
    current.users.filter(({ userName, state }) => userName !== null && state !== 'deleted'),
    ({ tenant, userName }) => keyOf(tenant, userName),
  );
  const ofDirectory = finderInDirectories(current, wanted);
  return (user: WantedUser, position: Position): Found => {
    if (!outlook.willBe(user.tenant)) return { hindrance: noTenant([...position, 'tenant'], user.tenant) };
    const tenant = outlook.tenants.get(keyOf(user.tenant))?.id ?? null;
    if (user.origin === 'directory') return ofDirectory(user, tenant, position);
    return local(user, position, tenant === null ? [] : (named.get(keyOf(tenant, user.userName)) ?? []));
  };
}

function finderInDirectories(current: Current, wanted: Wanted) {
  const linked = new Map(
    current.users.flatMap((user) =>
      user.identities.map(({ connection, externalId }) => [keyOf(connection, externalId), user] as const),
    ),
  );
  const connections = new Map(current.connections.map((one) => [keyOf(one.tenant, one.name), one.id]));
  const made = new Set(wanted.connections.map(({ tenant, name }) => keyOf(tenant, name)));
  return (user: DirectoryUser, tenant: TenantId | null, position: Position): Found => {
    const connection = connections.get(keyOf(tenant, user.connection));
    if (connection === undefined && !made.has(keyOf(user.tenant, user.connection))) {
      const message = `there is no connection ${quoted(user.connection)} of the tenant ${pathText(user.tenant)}: add it to connections, or correct the name`;
      return { hindrance: { position: [...position, 'connection'], message } };
    }
    const found = connection === undefined ? undefined : linked.get(keyOf(connection, user.externalId));
    return found === undefined || found.state === 'deleted' ? { waits: position } : { user: found };
  };
}

export function noTenant(position: Position, path: TenantPath): Hindrance {
  return {
    position,
    message: `there is no tenant ${quoted(pathText(path))}: add it to tenants, or correct its path`,
  };
}

function local({ userName }: LocalUser, position: Position, found: readonly CurrentUser[]): Found {
  const [only, ...others] = found;
  const refuse = (message: string): Found => ({
    hindrance: { position: [...position, 'userName'], message },
  });
  if (only === undefined) return { user: null };
  if (found.some(({ identities }) => identities.length > 0))
    return refuse(
      `${quoted(userName)} is a user whom a directory has: name them by connection and externalId, with nothing but roles`,
    );
  if (others.length > 0)
    return refuse(
      `more than one local user has the name ${quoted(userName)}: give the others another name first`,
    );
  return { user: only };
}

function fieldsOf(user: WantedUser, current: CurrentUser | null): readonly FieldDifference[] {
  if (user.origin === 'directory') return [];
  const fields: FieldDifference[] = [];
  const compare = (
    field: string,
    before: FieldDifference['before'],
    after: FieldDifference['after'] | undefined,
  ) => {
    if (after !== undefined && !isSame(before, after)) fields.push({ field, before, after });
  };
  compare('email', current?.email ?? null, user.email);
  compare('displayName', current?.displayName ?? null, user.displayName);
  for (const [name, value] of Object.entries(user.attributes))
    compare(`attributes.${name}`, current === null ? null : valueIn(current.attributes, name), value);
  compare('state', current?.state ?? null, user.state ?? (current === null ? 'active' : undefined));
  return fields;
}

function valueIn(attributes: Fields, name: string): FieldDifference['before'] {
  return Object.hasOwn(attributes, name) ? (attributes[name] ?? null) : null;
}

function assignmentsOf(user: WantedUser, current: CurrentUser | null, position: Position, outlook: Outlook) {
  const home = current === null ? user.tenant : (outlook.pathOf.get(current.tenant) ?? user.tenant);
  const text = (role: string, tenant: TenantPath) =>
    isSame(tenant, home) ? role : `${role} in ${pathText(tenant)}`;
  const has = (current?.roles ?? []).flatMap(({ role, tenant }) => {
    const path = outlook.pathOf.get(tenant);
    return path === undefined ? [] : [{ role, tenant: path }];
  });
  const there = new Set(has.map(({ role, tenant }) => keyOf(role, tenant)));
  const hindrances: Hindrance[] = [];
  const gains: { readonly role: string; readonly tenant: TenantPath }[] = [];
  const named = new Set<string>();
  for (const [at, assignment] of user.roles.entries()) {
    const tenant = assignment.tenant ?? home;
    const key = keyOf(assignment.role, tenant);
    if (named.has(key)) continue;
    named.add(key);
    if (there.has(key)) continue;
    const message = hindranceTo(assignment, home, outlook);
    if (message !== null) hindrances.push({ position: [...position, 'roles', at], message });
    else gains.push({ role: assignment.role, tenant });
  }
  const before = has.map(({ role, tenant }) => text(role, tenant)).sort();
  const after = [...before, ...gains.map(({ role, tenant }) => text(role, tenant))].sort();
  const fields: readonly FieldDifference[] = gains.length === 0 ? [] : [{ field: 'roles', before, after }];
  return { gains, hindrances, fields, known: [...named].filter((key) => there.has(key)).length };
}

/** As when a role is given by hand (src/tenancy/roles.ts), and where it would be held. */
function hindranceTo({ role, tenant }: WantedAssignment, home: TenantPath, outlook: Outlook): string | null {
  const at = tenant ?? home;
  const type = outlook.roleTypes.get(role);
  if (type === undefined) return `there is no role ${quoted(role)}: add it to roles, or correct its name`;
  if (tenant !== null && !outlook.willBe(tenant)) return noTenant([], tenant).message;
  if (!home.every((name, depth) => at[depth] === name))
    return 'the role would be held neither in the tenant of the user nor below it: name one of these';
  const plan = outlook.planAt(at);
  const inPlan = plan === null || outlook.rolesOfPlan.get(plan)?.includes(role) === true;
  switch (hindranceToGiving(type, { isSystem: outlook.isSystem, inPlan })) {
    case 'automatic':
      return `the role ${quoted(role)} is automatic and given by nobody: leave it out`;
    case 'from-above-only':
      return `the role ${quoted(role)} is given by mappings, and by hand from above all tenants only: leave it out, or ask somebody with the role system`;
    case 'outside-plan':
      return `the product plan ${quoted(plan ?? '')} of the tenant does not have the role ${quoted(role)}: give another role, or have it added to the plan`;
    case null:
      return null;
  }
}

/** Who would have an address that another user of the same tenant has then too: an address goes to one. */
function sharedAddresses(
  differences: readonly UserDifference[],
  current: Current,
  outlook: Outlook,
): readonly Hindrance[] {
  const changes = differences.flatMap(({ at, wanted, current: user, fields }) => {
    if (wanted.origin === 'directory' || !fields.some(({ field }) => field === 'email')) return [];
    return [{ at, path: wanted.tenant, key: emailKey(wanted.email ?? null), user: user?.id ?? null }];
  });
  const leaving = new Set(changes.flatMap(({ user }) => user ?? []));
  const taken = new Map<string, 'stored' | number>();
  for (const { tenant, key, user } of current.holders) {
    const path = outlook.pathOf.get(tenant);
    if (path !== undefined && !leaving.has(user)) taken.set(keyOf(path, key), 'stored');
  }
  return changes.flatMap(({ at, path, key }) => {
    if (key === null) return [];
    const by = taken.get(keyOf(path, key));
    if (by === undefined) {
      taken.set(keyOf(path, key), at);
      return [];
    }
    const message =
      by === 'stored'
        ? 'another user of the tenant has this address: give one of them another'
        : `users.${by} has this address too, in the same tenant: give one of them another`;
    return [{ position: ['users', at, 'email'], message }];
  });
}

export function quoted(text: string): string {
  return JSON.stringify(text);
}

/** Types by name once the file is loaded. */
export function typesAfter(wanted: Wanted, roles: readonly Role[]): ReadonlyMap<string, RoleType> {
  const types = new Map(roles.map(({ name, type }) => [name, type]));
  for (const { name, type } of wanted.roles) types.set(name, type ?? types.get(name) ?? 'ordinary');
  return types;
}

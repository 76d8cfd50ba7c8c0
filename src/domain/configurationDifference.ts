/** From what is to what a file wants: every difference, what stands against it, and how much the file does not speak of. */
import type { Json } from './canonical.ts';
import {
  type Compared,
  type ConnectionDifference,
  type Current,
  type CurrentTenant,
  type Difference,
  type FieldDifference,
  type Hindrance,
  isSame,
  keyOf,
  type Position,
  type SECTIONS,
  type TenantDifference,
  type TenantPath,
  type Unnamed,
  type Wanted,
  type WantedConnection,
  type WantedRole,
  type WantedTenant,
} from './configuration.ts';
import { compareUsers, noTenant, type Outlook, quoted, typesAfter } from './configurationUsers.ts';
import { leadsElsewhere } from './connection.ts';
import { hindranceToMapping, mayBeMapped } from './role.ts';
import { TenantPolicy } from './tenantPolicy.ts';

/** On whose behalf: what is the whole install's is written by the role system alone. */
export type ComparedFor = {
  readonly isSystem: boolean;
  /** Of the role system, with a key that leaves it in. */
  readonly writesRoles: boolean;
  /** The caller's own tenant is the root, which nobody above could change. */
  readonly isRoot: boolean;
};

export function compareConfiguration(file: Wanted, current: Current, who: ComparedFor): Compared {
  const wanted = who.writesRoles
    ? { ...file, roles: [...file.roles, ...rolesOfMappings(file, current)] }
    : file;
  const outlook = outlookOf(wanted, current, who);
  const roles = compareNamed(wanted.roles, current.roles, ['description', 'type', 'permissions']);
  const productPlans = compareNamed(wanted.productPlans, current.productPlans, [
    'description',
    'seats',
    'roles',
  ]);
  const tenants = compareTenants(wanted, outlook, who);
  const connections = compareConnections(wanted, current, outlook);
  const users = compareUsers(wanted, current, outlook);
  const hindrances = [
    ...refusedTo(who, 'roles', roles),
    ...refusedTo(who, 'productPlans', productPlans),
    ...roles.flatMap((role) => againstType(role, current)),
    ...unknownRolesOfPlans(wanted, outlook),
    ...tenants.hindrances,
    ...connections.hindrances,
    ...users.hindrances,
  ];
  const differences = {
    roles,
    productPlans,
    tenants: tenants.differences,
    connections: connections.differences,
    users: users.differences,
  };
  const unnamed = unnamedOf(wanted, current, who, {
    locals: users.localsKnown,
    assignments: users.assignmentsNamed,
  });
  return { differences, hindrances, waiting: users.waiting, unnamed };
}

/** Those that there are not: as when a mapping is saved (src/tenancy/roles.ts) they are made for the role system, and shown before. */
function rolesOfMappings(file: Wanted, current: Current): readonly WantedRole[] {
  const known = typesAfter(file, current.roles);
  const named = new Set(file.connections.flatMap(({ roles }) => roles.map(({ name }) => name)));
  return [...named].filter((name) => !known.has(name)).map((name) => ({ name }));
}

function outlookOf(wanted: Wanted, current: Current, { isSystem, writesRoles }: ComparedFor): Outlook {
  const tenants = new Map(current.tenants.map((tenant) => [keyOf(tenant.path), tenant]));
  const named = new Map(wanted.tenants.map((tenant) => [keyOf(tenant.path), tenant]));
  const rolesNow = new Map(current.productPlans.map(({ name, roles }) => [name, roles]));
  const planOf = (path: TenantPath): string | null => {
    const said = named.get(keyOf(path))?.plan;
    const own = said === undefined ? (tenants.get(keyOf(path))?.plan ?? null) : said;
    if (own !== null) return own;
    return path.length === 0 ? current.planAbove : planOf(path.slice(0, -1));
  };
  return {
    isSystem,
    writesRoles,
    tenants,
    pathOf: new Map(current.tenants.map(({ id, path }) => [id, path])),
    willBe: (path) => tenants.has(keyOf(path)) || named.has(keyOf(path)),
    roleTypes: typesAfter(wanted, current.roles),
    planAt: planOf,
    rolesOfPlan: new Map(
      [...current.productPlans, ...wanted.productPlans].map(({ name, roles }) => [
        name,
        roles ?? rolesNow.get(name) ?? [],
      ]),
    ),
  };
}

/** Things of the whole install, by their names. */
function compareNamed<
  Field extends string,
  W extends { name: string } & { [Key in Field]?: Json | undefined },
  C extends { name: string } & { [Key in Field]: Json },
>(wanted: readonly W[], current: readonly C[], names: readonly Field[]): readonly Difference<W, C>[] {
  const known = new Map(current.map((one) => [one.name, one]));
  return wanted.flatMap((one, at) => {
    const before = known.get(one.name) ?? null;
    const fields = names.flatMap((field): readonly FieldDifference[] => {
      const after: Json | undefined = one[field];
      const was: Json = before === null ? null : before[field];
      return after === undefined || isSame(was, after) ? [] : [{ field, before: was, after }];
    });
    return before === null || fields.length > 0 ? [{ at, wanted: one, current: before, fields }] : [];
  });
}

function refusedTo(
  { writesRoles }: ComparedFor,
  section: 'roles' | 'productPlans',
  differences: readonly Difference<{ readonly name: string }, unknown>[],
): readonly Hindrance[] {
  if (writesRoles) return [];
  const what = section === 'roles' ? 'roles' : 'product plans';
  return differences.map(({ at }) => {
    const message = `${what} are the whole install’s and written by the role system alone: leave this one out, or ask somebody with that role`;
    return { position: [section, at], message };
  });
}

/** As when a role is changed (src/tenancy/roles.ts): roles come first, so that a mapping of the same file is still the old one. */
function againstType(
  { at, wanted, fields }: Difference<WantedRole, unknown>,
  { rolesOfDirectories }: Current,
): readonly Hindrance[] {
  const { name, type } = wanted;
  const isChanged = fields.some(({ field }) => field === 'type');
  if (!isChanged || type === undefined || mayBeMapped(type) || !rolesOfDirectories.includes(name)) return [];
  const message = `mappings name the role ${quoted(name)}, or directories have given it, and they give none of the type ${type}: take it out of all mappings and apply what follows first, or leave the type as it is`;
  return [{ position: ['roles', at, 'type'], message }];
}

function unknownRolesOfPlans(wanted: Wanted, { roleTypes }: Outlook): readonly Hindrance[] {
  return wanted.productPlans.flatMap(({ roles = [] }, at) =>
    roles.flatMap((role, index) => {
      if (roleTypes.has(role)) return [];
      const message = `there is no role ${quoted(role)}: add it to roles, or correct its name`;
      return [{ position: ['productPlans', at, 'roles', index], message }];
    }),
  );
}

function compareTenants(wanted: Wanted, outlook: Outlook, who: ComparedFor) {
  const hindrances: Hindrance[] = [];
  const differences: TenantDifference[] = [];
  for (const [at, tenant] of wanted.tenants.entries()) {
    const position: Position = ['tenants', at];
    const current = outlook.tenants.get(keyOf(tenant.path)) ?? null;
    const fields = fieldsOfTenant(tenant, current);
    hindrances.push(
      ...againstPlace(tenant, current, position, outlook),
      ...againstFields(tenant, current, fields, who, outlook).map(({ field, message }) => ({
        position: [...position, field],
        message,
      })),
    );
    if (current === null || fields.length > 0) differences.push({ at, wanted: tenant, current, fields });
  }
  return { hindrances, differences };
}

const NO_POLICY = TenantPolicy.parse({});

function fieldsOfTenant(wanted: WantedTenant, current: CurrentTenant | null): readonly FieldDifference[] {
  const { plan = null, inheritsRoles = true, state = 'active', domains = [] } = current ?? {};
  const policy = (current?.policy ?? NO_POLICY) as Json;
  const there = new Set(domains);
  const added = (wanted.domains ?? []).filter((domain) => !there.has(domain));
  const after = {
    plan: wanted.plan,
    inheritsRoles: wanted.inheritsRoles,
    state: wanted.state,
    ...(added.length === 0 ? {} : { domains: [...domains, ...added].sort() }),
    policy: wanted.policy as Json | undefined,
  };
  return Object.entries({ plan, inheritsRoles, state, domains, policy }).flatMap(([field, before]) => {
    const value: Json | undefined = after[field as keyof typeof after];
    return value === undefined || isSame(before, value) ? [] : [{ field, before, after: value }];
  });
}

/** A tenant that is made needs one above it that stays. */
function againstPlace(
  { path }: WantedTenant,
  current: CurrentTenant | null,
  position: Position,
  outlook: Outlook,
): readonly Hindrance[] {
  if (current !== null) return [];
  const above = path.slice(0, -1);
  if (!outlook.willBe(above)) return [noTenant([...position, 'path'], above)];
  if (outlook.tenants.get(keyOf(above))?.goes !== true) return [];
  const message = 'the tenant above is to be deleted: call its deletion off first, or choose another path';
  return [{ position: [...position, 'path'], message }];
}

function againstFields(
  { path, plan, state }: WantedTenant,
  current: CurrentTenant | null,
  fields: readonly FieldDifference[],
  { isSystem, isRoot }: ComparedFor,
  { rolesOfPlan }: Outlook,
): readonly { readonly field: string; readonly message: string }[] {
  const touched = new Set(fields.map(({ field }) => field));
  const refuse = (field: string, when: boolean, message: string) =>
    when && touched.has(field) ? [{ field, message }] : [];
  const isOwn = path.length === 0;
  const fromAbove =
    'of your own tenant this is changed from above: leave it out, or ask somebody who administers the tenant above';
  const bySystem = 'is set by the role system alone: leave it out, or ask somebody with that role';
  return [
    ...refuse('state', isOwn, fromAbove),
    ...refuse('inheritsRoles', isOwn && !isRoot, fromAbove),
    ...refuse('plan', !isSystem, bySystem),
    ...refuse('domains', !isSystem, bySystem),
    ...refuse(
      'plan',
      typeof plan === 'string' && !rolesOfPlan.has(plan),
      `there is no product plan ${quoted(plan ?? '')}: add it to productPlans, or correct its name`,
    ),
    ...refuse(
      'state',
      state === 'active' && current?.goes === true,
      'the tenant is to be deleted: call its deletion off first',
    ),
    ...refuse(
      'state',
      state === 'active' && current?.suspendedAbove === true,
      'the tenant was suspended by somebody above your own tenant: leave this out, or ask somebody who administers the tenant above',
    ),
  ];
}

function compareConnections(wanted: Wanted, current: Current, outlook: Outlook) {
  const known = new Map(
    current.connections.flatMap((one) => {
      const path = outlook.pathOf.get(one.tenant);
      return path === undefined ? [] : [[keyOf(path, one.name), one] as const];
    }),
  );
  const hindrances: Hindrance[] = [];
  const differences: ConnectionDifference[] = [];
  for (const [at, connection] of wanted.connections.entries()) {
    const position: Position = ['connections', at];
    const before = known.get(keyOf(connection.tenant, connection.name)) ?? null;
    const fields = fieldsOfConnection(connection, before);
    hindrances.push(...againstConnection(connection, before, fields, outlook, position));
    if (before === null || fields.length > 0)
      differences.push({ at, wanted: connection, current: before, fields });
  }
  return { hindrances, differences };
}

function fieldsOfConnection(
  { parts, credentials, provider }: WantedConnection,
  before: ConnectionDifference['current'],
): readonly FieldDifference[] {
  if (before?.state === 'unreadable') return [];
  const fields = Object.entries(parts).flatMap(([field, after]) => {
    const was = before === null ? null : (before[field as keyof typeof parts] as Json);
    return after === undefined || isSame(was, after) ? [] : [{ field, before: was, after }];
  });
  const provided = before === null ? [{ field: 'provider', before: null, after: provider }] : [];
  // Whether they are other ones is all that is ever said of secrets.
  const secret =
    credentials === 'new' ? [{ field: 'credentials', before: before && 'stored', after: 'given' }] : [];
  return [...provided, ...fields, ...secret];
}

function againstConnection(
  wanted: WantedConnection,
  before: ConnectionDifference['current'],
  fields: readonly FieldDifference[],
  outlook: Outlook,
  position: Position,
): readonly Hindrance[] {
  const refuse = (field: string, message: string): Hindrance => ({ position: [...position, field], message });
  const found: Hindrance[] = [];
  if (!outlook.willBe(wanted.tenant)) found.push(noTenant([...position, 'tenant'], wanted.tenant));
  if (before?.state === 'unreadable')
    found.push(
      refuse('name', `what is stored of this connection cannot be read (${before.problem}): mend it first`),
    );
  else if (before !== null && before.provider !== wanted.provider)
    found.push(
      refuse(
        'provider',
        `the connection is one to ${before.provider}, which stays: give another name to a new one`,
      ),
    );
  const elsewhere = before !== null && before.state !== 'unreadable' && leadsElsewhere(before, wanted.parts);
  if ((before === null || elsewhere) && wanted.credentials !== 'new' && wanted.credentials !== 'stored') {
    const why =
      before === null ? 'a new connection needs them' : 'settings or network now send them somewhere else';
    const what =
      wanted.credentials === 'missing'
        ? (wanted.missing ?? []).join('; ')
        : 'are missing: name where they come from, each field as {env: NAME} or {file: PATH}';
    found.push(refuse('credentials', `${what}, because ${why}`));
  }
  if (before === null && wanted.parts.settings === undefined)
    found.push(refuse('settings', 'are missing: a new connection needs them'));
  return [...found, ...againstRolesOfMapping(wanted, fields, outlook)];
}

/** As when a mapping is saved (src/tenancy/roles.ts). */
function againstRolesOfMapping(
  { tenant, roles }: WantedConnection,
  fields: readonly FieldDifference[],
  { roleTypes, planAt, rolesOfPlan, writesRoles, willBe }: Outlook,
): readonly Hindrance[] {
  if (!fields.some(({ field }) => field === 'mapping')) return [];
  const plan = willBe(tenant) ? planAt(tenant) : null;
  return roles.flatMap(({ name, position }) => {
    const type = roleTypes.get(name) ?? null;
    const inPlan = plan === null || rolesOfPlan.get(plan)?.includes(name) === true;
    const hindrance = hindranceToMapping(type, { writesRoles, inPlan });
    if (hindrance === null) return [];
    const messages = {
      unknown: `there is no role ${quoted(name)}: add it to roles, or correct its name`,
      unmappable: `the role ${quoted(name)} is ${type}: no mapping gives it; leave it out`,
      'outside-plan': `the product plan ${quoted(plan ?? '')} does not have the role ${quoted(name)}: leave it out`,
    } as const satisfies Record<typeof hindrance, string>;
    return [{ position, message: messages[hindrance] }];
  });
}

function unnamedOf(
  wanted: Wanted,
  current: Current,
  { isSystem }: ComparedFor,
  known: { readonly locals: number; readonly assignments: number },
): Unnamed {
  const without = (there: readonly string[], named: readonly string[]) => {
    const names = new Set(named);
    return there.filter((key) => !names.has(key)).length;
  };
  const paths = new Map(current.tenants.map(({ id, path }) => [id, path]));
  const named = new Map(wanted.tenants.map(({ path, domains }) => [keyOf(path), domains ?? []]));
  const domains = current.tenants.flatMap(({ path, domains: there }) => {
    const said = new Set(named.get(keyOf(path)));
    return there.filter((domain) => !said.has(domain));
  });
  const names = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name);
  const counted = {
    roles: isSystem ? without(names(current.roles), names(wanted.roles)) : 0,
    productPlans: isSystem ? without(names(current.productPlans), names(wanted.productPlans)) : 0,
    tenants: without(
      current.tenants.filter(({ path }) => path.length > 0).map(({ path }) => keyOf(path)),
      [...named.keys()],
    ),
    connections: without(
      current.connections.map((one) => keyOf(paths.get(one.tenant) ?? [], one.name)),
      wanted.connections.map((one) => keyOf(one.tenant, one.name)),
    ),
    users: current.counted.localUsers - known.locals,
  } satisfies Record<(typeof SECTIONS)[number], number>;
  return {
    ...counted,
    domains: domains.length,
    assignments: current.counted.assignments - known.assignments,
  };
}

/** The configuration that there is, as the text of a file: the same text whenever it is the same configuration. */
import { stringify } from 'yaml';
import type { Json } from '../domain/canonical.ts';
import {
  type Current,
  type CurrentUser,
  isSame,
  keyOf,
  OWN,
  type TenantPath,
} from '../domain/configuration.ts';
import type { Connection } from '../domain/connection.ts';
import type { TenantId } from '../domain/ids.ts';
import { TenantPolicy } from '../domain/tenantPolicy.ts';

/** What the file cannot name. */
export type LeftOut = {
  /** Those that cannot be read. */
  readonly connections: number;
  /** Local ones without a user name that is theirs alone. */
  readonly users: number;
  /** Those with roles given by hand, of a connection that the file does not have. */
  readonly directoryUsers: number;
};

export type Written = {
  readonly text: string;
  readonly leftOut: LeftOut;
};

export type ToWrite = Pick<Current, 'roles' | 'productPlans' | 'tenants' | 'connections' | 'users'> & {
  /** Where each tenant stands, also of those that are not written. */
  readonly pathOf: ReadonlyMap<TenantId, TenantPath>;
};

/** Every field is said, but for credentials, which never come out, and for what is empty of a whole section. */
export function writeFile(current: ToWrite): Written {
  const { connections, unreadable } = connectionsOf(current);
  const { users, unnameable, unlinked } = usersOf(current);
  const sections = {
    roles: current.roles
      .map(({ name, description, type, permissions }) => ({ name, description, type, permissions }))
      .sort(byName),
    productPlans: current.productPlans
      .map(({ name, description, seats, roles }) => ({ name, description, seats, roles }))
      .sort(byName),
    tenants: tenantsOf(current),
    connections,
    users,
  };
  const filled = Object.fromEntries(Object.entries(sections).filter(([, list]) => list.length > 0));
  // One line for each text, however long, and no anchors: a line says all that it means, and differs only where something does.
  const text = stringify(filled, { lineWidth: 0, aliasDuplicateObjects: false, schema: 'core' });
  return { text, leftOut: { connections: unreadable, users: unnameable, directoryUsers: unlinked } };
}

/** The caller's own tenant only where it says something that a file can. */
function tenantsOf({ tenants }: ToWrite) {
  return tenants
    .map((tenant) => ({ ...tenant, ...policyOf(tenant) }))
    .filter(
      (one) => one.path.length > 0 || one.plan !== null || one.domains.length > 0 || one.written !== null,
    )
    .toSorted((one, other) => comparePaths(one.path, other.path))
    .map(({ path, plan, inheritsRoles, state, domains, written }) => {
      const policy = written === null ? {} : { policy: written };
      if (path.length > 0) return { path: writtenPath(path), plan, inheritsRoles, state, domains, ...policy };
      return { path: writtenPath(path), plan, domains, ...policy };
    });
}

const NO_POLICY = TenantPolicy.parse({});

/** null: nothing that would be said anew of a tenant that has said nothing. */
function policyOf({ policy }: Current['tenants'][number]): { readonly written: Json | null } {
  return { written: isSame(policy as Json, NO_POLICY as Json) ? null : inOrder(policy as Json) };
}

function connectionsOf({ connections, pathOf }: ToWrite) {
  const readable = connections.flatMap((one): Connection[] => (one.state === 'unreadable' ? [] : [one]));
  const written = readable
    .map((one) => ({ path: pathOf.get(one.tenant) ?? [], one }))
    .sort((a, b) => comparePaths(a.path, b.path) || byName(a.one, b.one))
    .map(({ path, one }) => ({
      tenant: writtenPath(path),
      name: one.name,
      provider: one.provider,
      settings: inOrder(one.settings),
      network: inOrder(one.network as Json),
      mapping: inOrder(one.mapping as Json),
      policy: inOrder(one.policy as Json),
      schedule: one.schedule,
      timeZone: one.timeZone,
      state: one.state,
    }));
  return { connections: written, unreadable: connections.length - readable.length };
}

function usersOf({ users, connections, pathOf }: ToWrite) {
  const linkOf = linksBy(connections, pathOf);
  const locals = users.filter(({ identities }) => identities.length === 0);
  const names = Map.groupBy(locals, ({ tenant, userName }) => keyOf(tenant, userName));
  const nameable = locals.filter(
    ({ tenant, userName }) => userName !== null && names.get(keyOf(tenant, userName))?.length === 1,
  );
  const local = nameable.map((user) => {
    const path = pathOf.get(user.tenant) ?? [];
    const { userName, email, displayName, attributes, state } = user;
    const fields = { userName, email, displayName, attributes: inOrder(attributes), state };
    return {
      place: [path, 0, userName ?? '', ''] as const,
      item: { tenant: writtenPath(path), ...fields, roles: rolesOf(user, pathOf) },
    };
  });
  const given = users
    .filter(({ identities }) => identities.length > 0)
    .map((user) => ({ user, roles: rolesOf(user, pathOf) }))
    .filter(({ roles }) => roles.length > 0);
  const linked = given.flatMap(({ user, roles }) => {
    const [link] = user.identities
      .flatMap(linkOf)
      .sort((a, b) => comparePaths(a.path, b.path) || byName(a, b));
    if (link === undefined) return [];
    const { path, name, externalId } = link;
    const place = [path, 1, name, externalId] as const;
    return [{ place, item: { tenant: writtenPath(path), connection: name, externalId, roles } }];
  });
  const all: readonly { place: readonly [TenantPath, number, string, string]; item: object }[] = [
    ...local,
    ...linked,
  ];
  const sorted = all.toSorted(({ place: [path, kind, name, id] }, { place: [path2, kind2, name2, id2] }) => {
    return comparePaths(path, path2) || kind - kind2 || compare(name, name2) || compare(id, id2);
  });
  return {
    users: sorted.map(({ item }) => item),
    unnameable: locals.length - nameable.length,
    unlinked: given.length - linked.length,
  };
}

type Identity = CurrentUser['identities'][number];

/** By connection; none for one that the caller does not see. */
function linksBy(connections: ToWrite['connections'], pathOf: ToWrite['pathOf']) {
  const known = new Map(connections.map((one) => [one.id, one]));
  return ({ connection, externalId }: Identity) => {
    const found = known.get(connection);
    const path = found === undefined ? undefined : pathOf.get(found.tenant);
    return found === undefined || path === undefined ? [] : [{ path, name: found.name, externalId }];
  };
}

function rolesOf({ roles, tenant }: CurrentUser, pathOf: ToWrite['pathOf']) {
  return roles
    .flatMap(({ role, tenant: at }) => {
      const path = pathOf.get(at);
      return path === undefined ? [] : [{ role, at, path }];
    })
    .sort((a, b) => compare(a.role, b.role) || comparePaths(a.path, b.path))
    .map(({ role, at, path }) => (at === tenant ? { role } : { role, tenant: writtenPath(path) }));
}

/** As a file says it: a list where a name has a slash. */
function writtenPath(path: TenantPath): string | readonly string[] {
  if (path.length === 0) return OWN;
  const text = path.join('/');
  return path.some((name) => name.includes('/')) || text === OWN ? path : text;
}

function comparePaths(one: TenantPath, other: TenantPath): number {
  for (let depth = 0; depth < Math.min(one.length, other.length); depth++) {
    const order = compare(one[depth] ?? '', other[depth] ?? '');
    if (order !== 0) return order;
  }
  return one.length - other.length;
}

function byName(one: { readonly name: string }, other: { readonly name: string }): number {
  return compare(one.name, other.name);
}

/** By code unit: the same wherever it runs. */
function compare(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}

function inOrder(value: Json): Json {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(inOrder);
  const entries = Object.entries(value as { readonly [key: string]: Json | undefined });
  return Object.fromEntries(
    entries
      .flatMap(([key, one]) => (one === undefined ? [] : [[key, inOrder(one)] as const]))
      .sort(([a], [b]) => compare(a, b)),
  );
}

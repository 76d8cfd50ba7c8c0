/** Auth users as people look at them and edit them. What plans and applies do to them is written elsewhere, in bulk. */
import { z } from 'zod';
import { AUTH_USER_STATES, type AuthUserState, type Fields } from '../domain/authUser.ts';
import { emailKey } from '../domain/email.ts';
import { AuthUserId, ConnectionId, ExternalId, TenantId } from '../domain/ids.ts';
import { type Listed, type PageOptions, toPage } from '../domain/page.ts';
import { ROLE_TYPES, type RoleType } from '../domain/role.ts';
import { appendToChains } from './auditChains.ts';
import { type By, tellByHand } from './byHand.ts';
import { type Database, type OrdinaryTransaction, sqlOf } from './database.ts';
import type { AuthUser as AuthUserRow, Prisma } from './generated/client.ts';
import { pageQuery, tenantsOf } from './scope.ts';

export type AuthUser = {
  readonly id: AuthUserId;
  readonly tenant: TenantId;
  readonly state: AuthUserState;
  readonly userName: string | null;
  readonly email: string | null;
  readonly displayName: string | null;
  /** All other fields, by name. */
  readonly attributes: Fields;
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /** When all that was personal was removed for good; null: it was not. */
  readonly purgedAt: Date | null;
};

export type AuthUserDetails = AuthUser & {
  /** Without those of connections that the caller does not see. */
  readonly identities: readonly {
    readonly connection: ConnectionId;
    readonly externalId: ExternalId;
    readonly linkedAt: Date;
  }[];
  /** The same role may be there from several directories and by hand. */
  readonly roles: readonly {
    readonly name: string;
    readonly type: RoleType;
    readonly origin: 'directory' | 'manual';
    /** null for origin `manual`, and for a connection that the caller does not see. */
    readonly connection: ConnectionId | null;
    /** Where it is held; it holds below too. */
    readonly tenant: TenantId;
    readonly grantedAt: Date;
  }[];
};

export type UserFilter = PageOptions & {
  /** Its subtree. */
  readonly tenant: TenantId;
  readonly state: AuthUserState | null;
  /** Beginning of the address, user name or display name, in any case. */
  readonly search: string | null;
  readonly connection: ConnectionId | null;
};

export type UserPatch = Partial<Pick<AuthUser, 'userName' | 'email' | 'displayName' | 'attributes'>>;

/** `scope` is the caller's tenant: nothing outside its subtree is seen or touched. */
export type UserStore = {
  /** Throws `not-found` for the tenant. */
  list(scope: TenantId, filter: UserFilter): Promise<Listed<AuthUser>>;
  get(scope: TenantId, id: AuthUserId): Promise<AuthUserDetails | null>;
  /** Whether a directory has them whose connection is none of the scope's. */
  isLinkedAbove(scope: TenantId, id: AuthUserId): Promise<boolean>;
  /** Gives the auth user a new version. `fields`: names of those that change. false: it is not at this version any more. */
  update(
    scope: TenantId,
    at: Pick<AuthUser, 'id' | 'tenant' | 'version' | 'state'>,
    edit: { readonly patch: UserPatch; readonly fields: readonly string[] },
    by: By,
  ): Promise<boolean>;
};

export function userStore(database: Database): UserStore {
  /** auth_user has no foreign key to tenant. The root's subtree is everything: no need to name a thousand tenants. */
  const within = async (tx: OrdinaryTransaction, scope: TenantId, tenant = scope) =>
    tenant === database.root && scope === database.root
      ? {}
      : { tenantId: { in: await tenantsOf(tx, scope, tenant) } };
  return {
    list: (scope, filter) =>
      database.ordinary(scope, async (tx) => {
        const { position, order } = pageQuery(filter);
        if (filter.connection !== null && (await visible(tx, [filter.connection])).size === 0)
          return toPage([], filter.limit);
        const rows = await tx.authUser.findMany({
          where: {
            ...(await within(tx, scope, filter.tenant)),
            ...position,
            ...(filter.state === null ? {} : { state: filter.state }),
            ...(filter.connection === null
              ? {}
              : { identities: { some: { connectionId: filter.connection } } }),
            ...(filter.search === null ? {} : { OR: beginningWith(filter.search) }),
          },
          ...order,
        });
        return toPage(rows.map(toAuthUser), filter.limit);
      }),
    get: (scope, id) =>
      database.ordinary(scope, async (tx) => {
        const row = await tx.authUser.findFirst({
          where: { id, ...(await within(tx, scope)) },
          include: {
            identities: true,
            assignments: { include: { role: { select: { name: true, type: true } } } },
          },
        });
        if (row === null) return null;
        const connections = row.identities.map(({ connectionId }) => connectionId);
        return { ...toAuthUser(row), ...linksOf(row, await visible(tx, connections)) };
      }),
    isLinkedAbove: (scope, id) =>
      database.ordinary(scope, async (tx) => {
        const links = await tx.identity.findMany({
          where: { authUserId: id },
          select: { connectionId: true },
        });
        const connections = links.map(({ connectionId }) => connectionId);
        return (await visible(tx, connections)).size < connections.length;
      }),
    update: (scope, { id, tenant, version, state }, { patch: { attributes, ...patch }, fields }, by) =>
      database.ordinary(scope, async (tx) => {
        const { count } = await tx.authUser.updateMany({
          where: { AND: [{ id, version, tenantId: tenant }, await within(tx, scope)] },
          data: {
            ...patch,
            ...(patch.email === undefined ? {} : { emailKey: emailKey(patch.email) }),
            ...(attributes === undefined ? {} : { attributes: attributes as Prisma.InputJsonObject }),
            version: { increment: 1 },
            updatedAt: by.at,
          },
        });
        if (count === 0) return false;
        const sql = sqlOf(tx);
        const done = { user: id, tenant, state, version: version + 1, fields, gained: [], lost: [] };
        const entries = await tellByHand(sql, database.root, [{ ...done, what: 'updated' }], by);
        await appendToChains(sql, by.at, entries);
        return true;
      }),
  };
}

function beginningWith(search: string): Prisma.AuthUserWhereInput[] {
  // Prisma hands the text to LIKE as it is.
  const startsWith = { startsWith: search.replaceAll(/[\\%_]/g, '\\$&'), mode: 'insensitive' as const };
  const key = emailKey(search);
  return [
    { email: startsWith },
    { userName: startsWith },
    { displayName: startsWith },
    ...(key === null ? [] : [{ emailKey: key }]),
  ];
}

const State = z.enum(AUTH_USER_STATES);
const Attributes = z.record(
  z.string(),
  z.union([z.string(), z.number(), z.boolean(), z.array(z.string()), z.null()]),
);
const Origin = z.enum(['directory', 'manual']);
const Type = z.enum(ROLE_TYPES);

function toAuthUser(row: AuthUserRow): AuthUser {
  const { userName, email, displayName, version, createdAt, updatedAt, purgedAt } = row;
  return {
    id: AuthUserId.parse(row.id),
    tenant: TenantId.parse(row.tenantId),
    state: State.parse(row.state),
    userName,
    email,
    displayName,
    attributes: Attributes.parse(row.attributes),
    version,
    createdAt,
    updatedAt,
    purgedAt,
  };
}

type Links = Prisma.AuthUserGetPayload<{
  include: { identities: true; assignments: { include: { role: { select: { name: true; type: true } } } } };
}>;

/** Those that the caller's tenant sees: who was put into it from above has links to directories of which nothing is told here. */
async function visible(
  tx: OrdinaryTransaction,
  connections: readonly string[],
): Promise<ReadonlySet<string>> {
  const found = await tx.connection.findMany({
    where: { id: { in: [...connections] } },
    select: { id: true },
  });
  return new Set(found.map(({ id }) => id));
}

function linksOf(row: Links, seen: ReadonlySet<string>): Pick<AuthUserDetails, 'identities' | 'roles'> {
  const roles = row.assignments.map(({ role, origin, connectionId, tenantId, grantedAt }) => ({
    name: role.name,
    type: Type.parse(role.type),
    origin: Origin.parse(origin),
    connection: connectionId === null || !seen.has(connectionId) ? null : ConnectionId.parse(connectionId),
    tenant: TenantId.parse(tenantId),
    grantedAt,
  }));
  return {
    identities: row.identities
      .filter(({ connectionId }) => seen.has(connectionId))
      .map(({ connectionId, externalId, createdAt }) => ({
        connection: ConnectionId.parse(connectionId),
        externalId: ExternalId.parse(externalId),
        linkedAt: createdAt,
      })),
    roles: roles.toSorted((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name))),
  };
}

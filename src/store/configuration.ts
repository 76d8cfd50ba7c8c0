/** What a configuration file speaks of, as it is: read in sets, whatever their number. What a load writes is in configurationWrites.ts. */
import type { Counted, Current, CurrentTenant, CurrentUser } from '../domain/configuration.ts';
import type { AuthUserId, ConnectionId, ExternalId, TenantId } from '../domain/ids.ts';
import { TenantPolicy } from '../domain/tenantPolicy.ts';
import { type ConfigurationWrites, configurationWrites } from './configurationWrites.ts';
import type { Database, Sql } from './database.ts';
import { inMappings } from './roles.ts';
import { SUBTREE } from './scope.ts';
import { AUTHORITY } from './tenants.ts';

/** `scope` is the caller's tenant: nothing outside its subtree is seen. Hidden roles are left out unless `hidden`. */
export type ConfigurationStore = ConfigurationWrites & {
  /** All that are not deleted, the caller's own first, each after the one above it. */
  tenants(scope: TenantId): Promise<readonly CurrentTenant[]>;
  counted(scope: TenantId, hidden: boolean): Promise<Counted>;
  /** Of these names those that a mapping of any tenant names, and those of roles that a directory has given. */
  rolesOfDirectories(names: readonly string[]): Promise<readonly string[]>;
  /** Those with these names who are not deleted, and those with these identities. */
  usersNamed(scope: TenantId, named: NamedUsers, hidden: boolean): Promise<readonly CurrentUser[]>;
  /** Of the subtree of `tenant`: local users, and those of directories who were given roles by hand. At most so many. */
  usersOf(scope: TenantId, of: UsersOf): Promise<readonly CurrentUser[]>;
  /** Who has these addresses, in each case within one tenant. */
  holders(scope: TenantId, addresses: readonly Address[]): Promise<Current['holders']>;
};

export type NamedUsers = {
  readonly local: readonly { readonly tenant: TenantId; readonly userName: string }[];
  readonly linked: readonly { readonly connection: ConnectionId; readonly externalId: ExternalId }[];
};

export type UsersOf = { readonly tenant: TenantId; readonly limit: number; readonly hidden: boolean };

export type Address = { readonly tenant: TenantId; readonly key: string };

export function configurationStore(database: Database): ConfigurationStore {
  return {
    ...configurationWrites(database),
    tenants: (scope) => database.bulk(scope, (tx) => readTenants(tx, scope)),
    counted: (scope, hidden) => database.bulk(scope, (tx) => count(tx, scope, hidden)),
    rolesOfDirectories: (names) =>
      database.bulk(database.root, async (tx) => {
        const rows = await tx.query<{ name: string }>(
          `SELECT r.name FROM role r WHERE r.name = ANY ($1::text[]) AND (
             EXISTS (SELECT FROM role_assignment g WHERE g.role_id = r.id AND g.origin = 'directory') OR ${inMappings('r.name')})`,
          [names],
        );
        return rows.map(({ name }) => name);
      }),
    usersNamed: (scope, { local, linked }, hidden) =>
      database.bulk(scope, async (tx) => {
        const rows = await tx.query<{ id: AuthUserId }>(
          `SELECT u.id FROM jsonb_to_recordset($1::jsonb) AS n (tenant uuid, "userName" text)
             JOIN auth_user u ON u.tenant_id = n.tenant AND u.user_name = n."userName" AND u.state <> 'deleted'
           UNION
           SELECT i.auth_user_id FROM jsonb_to_recordset($2::jsonb) AS n (connection uuid, "externalId" text)
             JOIN identity i ON i.connection_id = n.connection AND i.external_id = n."externalId"`,
          [JSON.stringify(local), JSON.stringify(linked)],
        );
        return await readUsers(tx, scope, rows, hidden);
      }),
    usersOf: (scope, { tenant, limit, hidden }) =>
      database.bulk(scope, async (tx) => {
        const rows = await tx.query<{ id: AuthUserId }>(
          `SELECT u.id FROM auth_user u WHERE u.tenant_id IN ${SUBTREE('$1::uuid')} AND u.state <> 'deleted'
             AND (NOT EXISTS (SELECT FROM identity i WHERE i.auth_user_id = u.id)
               OR EXISTS (SELECT FROM role_assignment g WHERE g.auth_user_id = u.id AND g.origin = 'manual'))
           ORDER BY u.id LIMIT $2::int`,
          [tenant, limit],
        );
        return await readUsers(tx, scope, rows, hidden);
      }),
    holders: (scope, addresses) =>
      database.bulk(scope, (tx) =>
        tx.query(
          `SELECT DISTINCT u.tenant_id AS tenant, u.email_key AS key, u.id AS user
           FROM jsonb_to_recordset($2::jsonb) AS a (tenant uuid, key text)
             JOIN auth_user u ON u.email_key = a.key AND u.tenant_id = a.tenant AND u.state <> 'deleted'
           WHERE u.tenant_id IN ${SUBTREE('$1::uuid')}`,
          [scope, JSON.stringify(addresses)],
        ),
      ),
  };
}

/**
 * Those of the caller's subtree. Three statements in the place of one: by lists whose length PostgreSQL knows it chooses joins well, and
 * row-level security lists the tenants once for each, not for each user.
 */
async function readUsers(
  sql: Sql,
  scope: TenantId,
  chosen: readonly { readonly id: AuthUserId }[],
  hidden: boolean,
): Promise<readonly CurrentUser[]> {
  const ids = chosen.map(({ id }) => id);
  const users = await sql.query<Omit<CurrentUser, 'identities' | 'roles'>>(
    `SELECT u.id, u.tenant_id AS tenant, u.user_name AS "userName", u.email, u.display_name AS "displayName", u.attributes, u.state, u.version
     FROM auth_user u WHERE u.id = ANY ($2::uuid[]) AND u.tenant_id IN ${SUBTREE('$1::uuid')} ORDER BY u.id`,
    [scope, ids],
  );
  const identities = await sql.query<CurrentUser['identities'][number] & { readonly user: AuthUserId }>(
    `SELECT i.auth_user_id AS user, i.connection_id AS connection, i.external_id AS "externalId"
     FROM identity i WHERE i.auth_user_id = ANY ($1::uuid[])`,
    [ids],
  );
  const assignments = await sql.query<CurrentUser['roles'][number] & { readonly user: AuthUserId }>(
    `SELECT g.auth_user_id AS user, r.name AS role, g.tenant_id AS tenant FROM role_assignment g JOIN role r ON r.id = g.role_id
     WHERE g.auth_user_id = ANY ($1::uuid[]) AND g.origin = 'manual' AND ($2::boolean OR r.type <> 'hidden')`,
    [ids, hidden],
  );
  const linked = Map.groupBy(identities, ({ user }) => user);
  const given = Map.groupBy(assignments, ({ user }) => user);
  return users.map((user) => ({
    ...user,
    identities: linked.get(user.id) ?? [],
    roles: given.get(user.id) ?? [],
  }));
}

type TenantRow = Omit<CurrentTenant, 'path' | 'goes' | 'policy'> & {
  readonly policy: unknown;
  readonly ids: string;
  readonly name: string;
  readonly goes: boolean;
};

async function readTenants(sql: Sql, scope: TenantId): Promise<readonly CurrentTenant[]> {
  const rows = await sql.query<TenantRow>(
    `SELECT t.id, t.name, t.path AS ids, p.name AS plan, t.inherits_roles AS "inheritsRoles", t.state, t.version,
       t.delete_at IS NOT NULL OR (t.id = $1 AND deletion_of_tenant(t.id) IS NOT NULL) AS goes,
       t.state = 'suspended' AND ${AUTHORITY('t.suspended_by')} = 'above' AS "suspendedAbove",
       ARRAY(SELECT d.domain FROM tenant_domain d WHERE d.tenant_id = t.id ORDER BY d.domain COLLATE "C") AS domains,
       coalesce(y.policy, '{}') AS policy
     FROM tenant t LEFT JOIN product_plan p ON p.id = t.product_plan_id LEFT JOIN tenant_policy y ON y.tenant_id = t.id
     WHERE t.id IN ${SUBTREE('$1::uuid')} ORDER BY length(t.path), t.path`,
    [scope],
  );
  const known = new Map<string, CurrentTenant>();
  for (const { ids, name, goes, policy: stored, ...row } of rows) {
    const above = known.get(ids.split('/').at(-3) ?? '');
    const path = above === undefined ? [] : [...above.path, name];
    known.set(row.id, {
      ...row,
      path,
      policy: TenantPolicy.parse(stored),
      goes: goes || above?.goes === true,
    });
  }
  return [...known.values()];
}

async function count(sql: Sql, scope: TenantId, hidden: boolean): Promise<Counted> {
  const [counted] = await sql.query<Counted>(
    `SELECT
       (SELECT count(*)::int FROM auth_user u WHERE u.tenant_id IN ${SUBTREE('$1::uuid')} AND u.state <> 'deleted'
          AND NOT EXISTS (SELECT FROM identity i WHERE i.auth_user_id = u.id)) AS "localUsers",
       (SELECT count(*)::int FROM role_assignment g JOIN role r ON r.id = g.role_id JOIN auth_user u ON u.id = g.auth_user_id
        WHERE g.origin = 'manual' AND g.tenant_id IN ${SUBTREE('$1::uuid')} AND u.state <> 'deleted'
          AND ($2::boolean OR r.type <> 'hidden')) AS assignments`,
    [scope, hidden],
  );
  return counted ?? { localUsers: 0, assignments: 0 };
}

/** Roles of the application, and what a person gave to auth users by hand. */
import type { AuditEntry } from '../domain/audit.ts';
import type { AuthUserId, TenantId } from '../domain/ids.ts';
import { type Listed, type PageOptions, toPage } from '../domain/page.ts';
import { type Role, RoleId } from '../domain/role.ts';
import { appendAudit } from './audit.ts';
import { type Audited, record } from './audited.ts';
import { type Database, sqlOf } from './database.ts';
import type { Role as RoleRow } from './generated/client.ts';
import { pageQuery, subtree, tenantsOf } from './scope.ts';

export type Granting = { readonly user: AuthUserId; readonly tenant: TenantId; readonly role: Role };

export type RoleStore = {
  /** Gives those whose names were free. Recorded at the root, whose roles they are. */
  insert(
    roles: readonly Omit<Role, 'createdAt'>[],
    at: Date,
    entryOf: (role: Role) => AuditEntry,
  ): Promise<readonly Role[]>;
  list(page: PageOptions): Promise<Listed<Role>>;
  /** Those of these names that exist. */
  named(names: readonly string[]): Promise<readonly Role[]>;
  /** Gives the role by hand, and the auth user a new version. false: they have it by hand already. */
  grant(scope: TenantId, granting: Granting, audit: Audited): Promise<boolean>;
  /** Takes what was given by hand, and gives the auth user a new version. false: they do not have it by hand. */
  revoke(scope: TenantId, granting: Granting, audit: Audited): Promise<boolean>;
};

export function roleStore(database: Database): RoleStore {
  return {
    insert: (roles, at, entryOf) =>
      database.ordinary(database.root, async (tx) => {
        const rows = await tx.role.createManyAndReturn({
          data: roles.map(({ id, name, description }) => ({ id, name, description, createdAt: at })),
          skipDuplicates: true,
        });
        const made = rows.map(toRole);
        await appendAudit(sqlOf(tx), database.root, at, made.map(entryOf));
        return made;
      }),
    list: (page) =>
      database.ordinary(database.root, async (tx) => {
        const { position, order } = pageQuery(page);
        return toPage((await tx.role.findMany({ where: position, ...order })).map(toRole), page.limit);
      }),
    named: (names) =>
      database.ordinary(database.root, async (tx) =>
        (await tx.role.findMany({ where: { name: { in: [...names] } }, orderBy: { name: 'asc' } })).map(
          toRole,
        ),
      ),
    grant: (scope, { user, tenant, role }, audit) =>
      database.ordinary(scope, async (tx) => {
        await subtree(tx, scope, tenant);
        const key = { authUserId: user, roleId: role.id, origin: 'manual' };
        const { count } = await tx.roleAssignment.createMany({
          data: [{ ...key, tenantId: tenant, grantedAt: audit.at }],
          skipDuplicates: true,
        });
        if (count === 0) return false;
        await tx.authUser.updateMany({
          where: { id: user, tenantId: tenant },
          data: { version: { increment: 1 }, updatedAt: audit.at },
        });
        await record(tx, tenant, audit);
        return true;
      }),
    revoke: (scope, { user, tenant, role }, audit) =>
      database.ordinary(scope, async (tx) => {
        const { count } = await tx.roleAssignment.deleteMany({
          where: {
            authUserId: user,
            roleId: role.id,
            origin: 'manual',
            tenantId: { in: await tenantsOf(tx, scope, tenant) },
          },
        });
        if (count === 0) return false;
        await tx.authUser.updateMany({
          where: { id: user, tenantId: tenant },
          data: { version: { increment: 1 }, updatedAt: audit.at },
        });
        await record(tx, tenant, audit);
        return true;
      }),
  };
}

function toRole(row: RoleRow): Role {
  return { id: RoleId.parse(row.id), name: row.name, description: row.description, createdAt: row.createdAt };
}

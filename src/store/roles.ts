/** Roles of the application, and what a person gave to auth users by hand. */
import { z } from 'zod';
import type { AuditEntry } from '../domain/audit.ts';
import type { AuthUserId, TenantId } from '../domain/ids.ts';
import { type Listed, type PageOptions, toPage } from '../domain/page.ts';
import { Problem } from '../domain/problem.ts';
import type { ProductPlanId } from '../domain/productPlan.ts';
import { ROLE_TYPES, type Role, RoleId } from '../domain/role.ts';
import { appendAudit } from './audit.ts';
import { appendToChains } from './auditChains.ts';
import { type Audited, record } from './audited.ts';
import { type By, type DoneByHand, type RoleByHand, tellByHand } from './byHand.ts';
import { type Database, type OrdinaryTransaction, sqlOf } from './database.ts';
import { writeRolesChanged } from './events.ts';
import type { Role as RoleRow } from './generated/client.ts';
import { holdRoles } from './heldRoles.ts';
import { holdTree } from './locks.ts';
import { pageQuery, subtree } from './scope.ts';

export type Granting = {
  readonly user: AuthUserId;
  /** The auth user's own. */
  readonly tenant: TenantId;
  readonly role: Role;
  /** Where the role is held. */
  readonly at: TenantId;
};

export type RoleFilter = PageOptions & {
  readonly hidden: boolean;
  /** Those that this product plan has; null: all. */
  readonly plan: ProductPlanId | null;
};

export type RolePatch = Partial<Pick<Role, 'description' | 'type' | 'permissions'>>;

/** What a role is needed for. */
export type RoleUses = {
  readonly byDirectories: boolean;
  readonly byHand: boolean;
  readonly inMappings: boolean;
  readonly inPlans: boolean;
};

export type RoleStore = {
  /** Gives those whose names were free. Recorded at the root, whose roles they are. */
  insert(
    roles: readonly Omit<Role, 'createdAt' | 'version'>[],
    at: Date,
    entryOf: (role: Role) => AuditEntry,
  ): Promise<readonly Role[]>;
  list(filter: RoleFilter): Promise<Listed<Role>>;
  /** Those of these names that exist. */
  named(names: readonly string[]): Promise<readonly Role[]>;
  /** null: it is not at this version any more. What `check` throws of its uses, which stay as they are meanwhile, is thrown. */
  update(role: Role, patch: RolePatch, check: (uses: RoleUses) => void, audit: Audited): Promise<Role | null>;
  /** false: there is none any more. What `check` throws of its uses is thrown. */
  remove(role: Role, check: (uses: RoleUses) => void, audit: Audited): Promise<boolean>;
  /**
   * Gives the role by hand, and the auth user a new version. false: they have it there by hand already. Throws `not-found` for the
   * tenants, `changed-since-shown` where user or role are not what they were.
   */
  grant(scope: TenantId, granting: Granting, by: By): Promise<boolean>;
  /** Takes what was given by hand, and gives the auth user a new version. false: they do not have it there by hand. Throws as `grant` does. */
  revoke(scope: TenantId, granting: Granting, by: By): Promise<boolean>;
};

export function roleStore(database: Database): RoleStore {
  return {
    insert: (roles, at, entryOf) =>
      database.ordinary(database.root, async (tx) => {
        const rows = await tx.role.createManyAndReturn({
          data: roles.map((role) => ({ ...role, permissions: [...role.permissions], createdAt: at })),
          skipDuplicates: true,
        });
        const made = rows.map(toRole);
        // One that nobody has to give counts from now on.
        if (made.some(({ type }) => type === 'automatic'))
          await writeRolesChanged(sqlOf(tx), { root: database.root, at, shows: true });
        await appendAudit(sqlOf(tx), database.root, at, made.map(entryOf));
        return made;
      }),
    list: ({ hidden, plan, ...page }) =>
      database.ordinary(database.root, async (tx) => {
        const { position, order } = pageQuery(page);
        const where = {
          ...position,
          ...(hidden ? {} : { type: { not: 'hidden' } }),
          ...(plan === null ? {} : { plans: { some: { productPlanId: plan } } }),
        };
        return toPage((await tx.role.findMany({ where, ...order })).map(toRole), page.limit);
      }),
    named: (names) =>
      database.ordinary(database.root, async (tx) =>
        (await tx.role.findMany({ where: { name: { in: [...names] } }, orderBy: { name: 'asc' } })).map(
          toRole,
        ),
      ),
    ...changing(database),
    grant: (scope, granting, by) =>
      assigning(database, scope, granting, { ...by, gives: true }, async (tx, { user, role, at }) => {
        const key = { authUserId: user, roleId: role.id, origin: 'manual' };
        const data = [{ ...key, tenantId: at, grantedAt: by.at }];
        return (await tx.roleAssignment.createMany({ data, skipDuplicates: true })).count;
      }),
    revoke: (scope, granting, by) =>
      assigning(database, scope, granting, { ...by, gives: false }, async (tx, { user, role, at }) => {
        const where = { authUserId: user, roleId: role.id, origin: 'manual', tenantId: at };
        return (await tx.roleAssignment.deleteMany({ where })).count;
      }),
  };
}

/** `write` gives how many assignments it made or took. Until then user, role and tenants are held as they were when it was asked who may. */
async function assigning(
  database: Database,
  scope: TenantId,
  granting: Granting,
  { gives, ...by }: By & { readonly gives: boolean },
  write: (tx: OrdinaryTransaction, granting: Granting) => Promise<number>,
): Promise<boolean> {
  const { user, tenant, role, at } = granting;
  return await database.ordinary(scope, async (tx) => {
    const sql = sqlOf(tx);
    await holdTree(sql);
    await subtree(tx, scope, tenant);
    await subtree(tx, tenant, at);
    const [held] = await sql.query<Pick<DoneByHand, 'version' | 'state'>>(
      'SELECT version, state FROM auth_user WHERE id = $1::uuid AND tenant_id = $2::uuid FOR UPDATE',
      [user, tenant],
    );
    const type = (await holdRoles(sql, [role.id])).get(role.id);
    if (held === undefined || (gives && held.state === 'deleted') || type !== role.type)
      throw changedMeanwhile();
    if ((await write(tx, granting)) === 0) return false;
    const [gained, lost] = gives ? [[assignment(granting)], []] : [[], [assignment(granting)]];
    const done = { user, tenant, state: held.state, version: held.version + 1, fields: [], gained, lost };
    const touched = { version: done.version, updatedAt: by.at };
    await tx.authUser.updateMany({ where: { id: user, tenantId: tenant }, data: touched });
    const entries = await tellByHand(sql, database.root, [{ ...done, what: 'updated' }], by);
    await appendToChains(sql, by.at, entries);
    return true;
  });
}

function assignment({ role, at }: Granting): RoleByHand {
  return { role: role.id, name: role.name, type: role.type, tenant: at };
}

function changedMeanwhile(): Problem {
  return new Problem({
    code: 'changed-since-shown',
    message: 'The user or the role was changed by somebody else in the meantime; nothing was given or taken.',
    remedy: 'Look at the user and the role again and repeat it.',
  });
}

function changing(database: Database): Pick<RoleStore, 'update' | 'remove'> {
  return {
    update: (role, { permissions, ...patch }, check, audit) =>
      database.ordinary(database.root, async (tx) => {
        check(await usesOf(tx, role));
        const [row] = await tx.role.updateManyAndReturn({
          where: { id: role.id, version: role.version },
          data: {
            ...patch,
            ...(permissions === undefined ? {} : { permissions: [...permissions] }),
            version: { increment: 1 },
          },
        });
        if (row === undefined) return null;
        const shows = role.type !== 'hidden' || row.type !== 'hidden';
        if (permissions !== undefined || patch.type !== undefined)
          await writeRolesChanged(sqlOf(tx), { root: database.root, at: audit.at, shows });
        await record(tx, database.root, audit);
        return toRole(row);
      }),
    remove: (role, check, audit) =>
      database.ordinary(database.root, async (tx) => {
        check(await usesOf(tx, role));
        const { count } = await tx.role.deleteMany({ where: { id: role.id } });
        if (count === 0) return false;
        if (role.type === 'automatic')
          await writeRolesChanged(sqlOf(tx), { root: database.root, at: audit.at, shows: true });
        await record(tx, database.root, audit);
        return true;
      }),
  };
}

/** Whether a mapping of any connection that is seen names the role of this name. */
export const inMappings = (name: string) =>
  `EXISTS (SELECT FROM connection c, (VALUES ('$.everyone[*]'), ('$.roles[*].role'), ('$.rules[*].roles[*]')) AS place (path)
     WHERE c.mapping @? (place.path || ' ? (@ == ' || to_json(${name}) || ')')::jsonpath)`;

/** Holds the row: whoever would refer to it waits until this transaction ends. */
async function usesOf(tx: OrdinaryTransaction, { id, name }: Role): Promise<RoleUses> {
  const sql = sqlOf(tx);
  await sql.query('SELECT FROM role WHERE id = $1::uuid FOR UPDATE', [id]);
  const [uses] = await sql.query<RoleUses>(
    `SELECT EXISTS (SELECT FROM role_assignment WHERE role_id = $1::uuid AND origin = 'directory') AS "byDirectories",
       EXISTS (SELECT FROM role_assignment WHERE role_id = $1::uuid AND origin = 'manual') AS "byHand",
       EXISTS (SELECT FROM product_plan_role WHERE role_id = $1::uuid) AS "inPlans",
       ${inMappings('$2::text')} AS "inMappings"`,
    [id, name],
  );
  return uses ?? { byDirectories: false, byHand: false, inPlans: false, inMappings: false };
}

const Type = z.enum(ROLE_TYPES);

function toRole(row: RoleRow): Role {
  const { name, description, permissions, version, createdAt } = row;
  return {
    id: RoleId.parse(row.id),
    name,
    description,
    type: Type.parse(row.type),
    permissions,
    version,
    createdAt,
  };
}

/** Principals: who may call, and whether they may still. */
import { z } from 'zod';
import { PrincipalId, TenantId } from '../domain/ids.ts';
import { type Listed, type PageOptions, toPage } from '../domain/page.ts';
import { PRINCIPAL_ROLES } from '../domain/permission.ts';
import type { Principal } from '../domain/principal.ts';
import { type Audited, record } from './audited.ts';
import { type Database, type OrdinaryTransaction, sqlOf } from './database.ts';
import { refusingTakenNames } from './duplicates.ts';
import type { Principal as PrincipalRow } from './generated/client.ts';
import { pageQuery, subtree } from './scope.ts';

export type NewPrincipal = Omit<Principal, 'createdAt' | 'disabledAt'>;

/** `scope` is the caller's tenant: nothing outside its subtree is seen or touched. */
export type PrincipalStore = {
  /** Throws `not-found` for the tenant, `name-taken`. */
  insert(scope: TenantId, principal: NewPrincipal, audit: Audited): Promise<Principal>;
  /** The principal with this tenant and name, made when it is missing; only the making is audited. */
  ensure(scope: TenantId, principal: NewPrincipal, audit: Audited): Promise<Principal>;
  /** Of the subtree of `tenant`. */
  list(scope: TenantId, filter: PageOptions & { readonly tenant: TenantId }): Promise<Listed<Principal>>;
  get(scope: TenantId, id: PrincipalId): Promise<Principal | null>;
  /** Of this tenant alone, where one is given. */
  named(
    scope: TenantId,
    name: string,
    of: { readonly tenant: TenantId | null; readonly limit: number },
  ): Promise<readonly Principal[]>;
  /**
   * Disables it from `disabledAt` on: its sessions end, and an invitation that was not used is worth nothing. null: enables it. Again is
   * no error; only what changes something is audited. null: `by`, who does it, was disabled meanwhile; so two do not disable each other.
   */
  setDisabled(
    scope: TenantId,
    principal: Principal,
    disabledAt: Date | null,
    by: PrincipalId,
    audit: Audited,
  ): Promise<Principal | null>;
  /** One in or above a tenant that `scope` may see, whom it need not see itself; null too if it is disabled. */
  above(
    scope: TenantId,
    id: PrincipalId,
    tenant: TenantId,
  ): Promise<Pick<Principal, 'id' | 'tenant' | 'name' | 'role'> | null>;
};

export function principalStore(database: Database): PrincipalStore {
  return {
    insert: (scope, principal, audit) =>
      refusingTakenNames(nameTaken, () =>
        database.ordinary(scope, async (tx) => {
          await subtree(tx, scope, principal.tenant);
          const row = await tx.principal.create({ data: rowOf(principal, audit.at) });
          await record(tx, principal.tenant, audit);
          return toPrincipal(row);
        }),
      ),
    ensure: (scope, principal, audit) =>
      database.ordinary(scope, async (tx) => {
        const key = { tenantId_name: { tenantId: principal.tenant, name: principal.name } };
        const found = await tx.principal.findUnique({ where: key });
        if (found !== null) return toPrincipal(found);
        const made = await tx.principal.createMany({
          data: [rowOf(principal, audit.at)],
          skipDuplicates: true, // another process may be making it
        });
        if (made.count === 1) await record(tx, principal.tenant, audit);
        return toPrincipal(await tx.principal.findUniqueOrThrow({ where: key }));
      }),
    list: (scope, filter) =>
      database.ordinary(scope, async (tx) => {
        const { position, order } = pageQuery(filter);
        const rows = await tx.principal.findMany({
          where: { tenant: await subtree(tx, scope, filter.tenant), ...position },
          ...order,
        });
        return toPage(rows.map(toPrincipal), filter.limit);
      }),
    get: (scope, id) =>
      database.ordinary(scope, async (tx) => {
        const row = await tx.principal.findFirst({ where: { id, tenant: await subtree(tx, scope) } });
        return row === null ? null : toPrincipal(row);
      }),
    named: (scope, name, { tenant, limit }) =>
      database.ordinary(scope, async (tx) => {
        const where = {
          name,
          tenant: await subtree(tx, scope),
          ...(tenant === null ? {} : { tenantId: tenant }),
        };
        const rows = await tx.principal.findMany({ where, orderBy: { id: 'asc' }, take: limit });
        return rows.map(toPrincipal);
      }),
    setDisabled: (scope, { id, tenant }, disabledAt, by, audit) =>
      database.ordinary(scope, async (tx) => {
        if (await isDisabled(tx, by, id)) return null;
        const where = { id, tenant: await subtree(tx, scope) };
        const { count } = await tx.principal.updateMany({
          where: { ...where, disabledAt: disabledAt === null ? { not: null } : null },
          data: { disabledAt },
        });
        if (disabledAt !== null) {
          await tx.session.updateMany({
            where: { principalId: id, endedAt: null },
            data: { endedAt: disabledAt },
          });
          await tx.signInLink.deleteMany({ where: { principalId: id, purpose: 'invitation', usedAt: null } });
        }
        if (count === 1) await record(tx, tenant, audit);
        return toPrincipal(await tx.principal.findFirstOrThrow({ where }));
      }),
    above: (scope, id, tenant) =>
      database.bulk(scope, async (tx) => {
        const [row] = await tx.query<Pick<PrincipalRow, 'id' | 'name' | 'role'> & { tenant: string }>(
          'SELECT * FROM principal_above($1, $2)',
          [id, tenant],
        );
        return row === undefined ? null : toKnown({ ...row, tenantId: row.tenant });
      }),
  };
}

/** Until the transaction ends it is neither disabled nor enabled, and nobody else signs in as it. */
export async function holdPrincipal(tx: OrdinaryTransaction, id: string): Promise<void> {
  await sqlOf(tx).query('SELECT true AS held FROM principal WHERE id = $1::uuid FOR NO KEY UPDATE', [id]);
}

/** Holds both as they are, in one order for all. Whoever stands above what is visible is not asked about. */
async function isDisabled(tx: OrdinaryTransaction, who: PrincipalId, other: PrincipalId): Promise<boolean> {
  const rows = await sqlOf(tx).query<{ id: string; disabled: boolean }>(
    `SELECT id, disabled_at IS NOT NULL AS disabled FROM principal WHERE id = ANY (ARRAY[$1, $2]::uuid[]) ORDER BY id FOR NO KEY UPDATE`,
    [who, other],
  );
  return rows.some(({ id, disabled }) => id === who && disabled);
}

const Role = z.enum(PRINCIPAL_ROLES);

function rowOf({ id, tenant, name, role }: NewPrincipal, createdAt: Date): PrincipalRow {
  return { id, tenantId: tenant, name, role, createdAt, disabledAt: null };
}

export function toPrincipal(row: PrincipalRow): Principal {
  return { ...toKnown(row), createdAt: row.createdAt, disabledAt: row.disabledAt };
}

function toKnown(row: Pick<PrincipalRow, 'id' | 'tenantId' | 'name' | 'role'>) {
  return {
    id: PrincipalId.parse(row.id),
    tenant: TenantId.parse(row.tenantId),
    name: row.name,
    role: Role.parse(row.role),
  };
}

const nameTaken = {
  message: 'Another principal of the same tenant has this name.',
  remedy: 'Choose another name, or make a key for the principal that is there.',
};

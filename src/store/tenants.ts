/** Tenants and their verified domains. */
import { TenantId } from '../domain/ids.ts';
import { notFound } from '../domain/input.ts';
import { type Listed, type PageOptions, toPage } from '../domain/page.ts';
import type { Tenant, TenantDomain } from '../domain/tenant.ts';
import { type Audited, record } from './audited.ts';
import type { Database } from './database.ts';
import { refusingTakenNames } from './duplicates.ts';
import type { Tenant as TenantRow } from './generated/client.ts';
import { pageQuery, subtree } from './scope.ts';

/** `scope` is the caller's tenant: nothing outside its subtree is seen or touched. */
export type TenantStore = {
  /** Below `parent`. Throws `not-found` where the parent is not the caller's to see, `name-taken`. */
  insert(
    scope: TenantId,
    tenant: { readonly id: TenantId; readonly parent: TenantId; readonly name: string },
    audit: Audited,
  ): Promise<Tenant>;
  /** Throws `not-found`, `name-taken`. */
  rename(scope: TenantId, id: TenantId, name: string, audit: Audited): Promise<Tenant>;
  /** All of the subtree, or the children of one tenant. */
  list(scope: TenantId, filter: PageOptions & { readonly parent: TenantId | null }): Promise<Listed<Tenant>>;
  get(scope: TenantId, id: TenantId): Promise<Tenant | null>;
  /** Up to `limit` of the tenants with this name. */
  named(scope: TenantId, name: string, limit: number): Promise<readonly Tenant[]>;
  /** Again is no error; the first time stays recorded, and only it is audited. Throws `not-found` for the tenant. */
  verifyDomain(
    scope: TenantId,
    domain: Omit<TenantDomain, 'verifiedAt'>,
    audit: Audited,
  ): Promise<TenantDomain>;
  /** Those of one tenant, in alphabetical order. Throws `not-found` for the tenant. */
  domains(scope: TenantId, tenant: TenantId): Promise<readonly TenantDomain[]>;
};

export function tenantStore(database: Database): TenantStore {
  return {
    insert: (scope, { id, parent, name }, audit) =>
      refusingTakenNames(nameTaken, () =>
        database.ordinary(scope, async (tx) => {
          await subtree(tx, scope, parent);
          // Path and data key are set by the database. Not create(): the row that it would give back is not visible within the
          // statement that makes it.
          const row = { id, parentId: parent, name, path: '', dataKey: '', createdAt: audit.at };
          await tx.tenant.createMany({ data: [row] });
          await record(tx, id, audit);
          return toTenant(await tx.tenant.findUniqueOrThrow({ where: { id } }), scope);
        }),
      ),
    rename: (scope, id, name, audit) =>
      refusingTakenNames(nameTaken, () =>
        database.ordinary(scope, async (tx) => {
          const [row] = await tx.tenant.updateManyAndReturn({
            where: { id, ...(await subtree(tx, scope)) },
            data: { name, version: { increment: 1 } },
          });
          if (row === undefined) throw notFound('tenant');
          await record(tx, id, audit);
          return toTenant(row, scope);
        }),
      ),
    list: (scope, filter) =>
      database.ordinary(scope, async (tx) => {
        const { position, order } = pageQuery(filter);
        const below = await subtree(tx, scope, filter.parent ?? scope);
        const rows = await tx.tenant.findMany({
          where: { AND: [below, position, filter.parent === null ? {} : { parentId: filter.parent }] },
          ...order,
        });
        return toPage(
          rows.map((row) => toTenant(row, scope)),
          filter.limit,
        );
      }),
    get: (scope, id) =>
      database.ordinary(scope, async (tx) => {
        const row = await tx.tenant.findFirst({ where: { id, ...(await subtree(tx, scope)) } });
        return row === null ? null : toTenant(row, scope);
      }),
    named: (scope, name, limit) =>
      database.ordinary(scope, async (tx) => {
        const where = { name, ...(await subtree(tx, scope)) };
        const rows = await tx.tenant.findMany({ where, orderBy: { id: 'asc' }, take: limit });
        return rows.map((row) => toTenant(row, scope));
      }),
    ...domains(database),
  };
}

function domains(database: Database): Pick<TenantStore, 'verifyDomain' | 'domains'> {
  return {
    verifyDomain: (scope, { tenant, domain, verifiedBy }, audit) =>
      database.ordinary(scope, async (tx) => {
        await subtree(tx, scope, tenant);
        const row = { tenantId: tenant, domain, verifiedBy, verifiedAt: audit.at };
        const { count } = await tx.tenantDomain.createMany({ data: [row], skipDuplicates: true });
        if (count === 1) await record(tx, tenant, audit);
        return toDomain(
          await tx.tenantDomain.findUniqueOrThrow({
            where: { tenantId_domain: { tenantId: tenant, domain } },
          }),
        );
      }),
    domains: (scope, tenant) =>
      database.ordinary(scope, async (tx) => {
        await subtree(tx, scope, tenant);
        const rows = await tx.tenantDomain.findMany({
          where: { tenantId: tenant },
          orderBy: { domain: 'asc' },
        });
        return rows.map(toDomain);
      }),
  };
}

function toTenant(row: TenantRow, scope: TenantId): Tenant {
  const ids = row.path.split('/').slice(0, -1);
  return {
    id: TenantId.parse(row.id),
    parent: row.id === scope || row.parentId === null ? null : TenantId.parse(row.parentId),
    name: row.name,
    path: ids.slice(ids.indexOf(scope)).map((id) => TenantId.parse(id)),
    version: row.version,
    createdAt: row.createdAt,
  };
}

function toDomain(row: {
  tenantId: string;
  domain: string;
  verifiedAt: Date;
  verifiedBy: string;
}): TenantDomain {
  const { tenantId, domain, verifiedAt, verifiedBy } = row;
  return { tenant: TenantId.parse(tenantId), domain, verifiedAt, verifiedBy };
}

const nameTaken = {
  message: 'Another tenant below the same parent has this name.',
  remedy: 'Choose another name, or use the tenant that is there.',
};

/** Narrows a query to what the caller may see, besides row-level security, which holds the same underneath. */
import type { ConnectionId, TenantId } from '../domain/ids.ts';
import { notFound } from '../domain/input.ts';
import type { PageOptions } from '../domain/page.ts';
import type { OrdinaryTransaction } from './database.ts';

/**
 * Filter on `tenant` for the subtree of `tenant`, which must itself be within the subtree of `scope`; throws `not-found` if not. Deleted
 * tenants are in no subtree. A path has ids and slashes only, nothing that LIKE would take for a wildcard.
 */
export async function subtree(
  tx: OrdinaryTransaction,
  scope: TenantId,
  tenant: TenantId = scope,
): Promise<{ readonly path: { readonly startsWith: string }; readonly state: { readonly not: 'deleted' } }> {
  const rows = await tx.tenant.findMany({
    where: { id: { in: [scope, tenant] }, state: { not: 'deleted' } },
    select: { id: true, path: true },
  });
  const above = rows.find((row) => row.id === scope);
  const below = rows.find((row) => row.id === tenant);
  if (above === undefined || below === undefined || !below.path.startsWith(above.path))
    throw notFound('tenant');
  return { path: { startsWith: below.path }, state: { not: 'deleted' } };
}

/** The ids of that subtree, for tables that have the tenant's id but no foreign key to it. */
export async function tenantsOf(
  tx: OrdinaryTransaction,
  scope: TenantId,
  tenant: TenantId = scope,
): Promise<string[]> {
  const rows = await tx.tenant.findMany({
    where: await subtree(tx, scope, tenant),
    select: { id: true },
  });
  return rows.map((row) => row.id);
}

/**
 * The same as part of a statement: the ids of the subtree whose top is the statement's parameter, such as `$1::uuid`. Bounds in the
 * place of LIKE, which could not use the index, because the pattern is not known beforehand.
 */
export const SUBTREE = (top: string) => `(${EVER_WITHIN(top)} AND t.state <> 'deleted')`;

/** With those that were deleted. */
export const EVER_WITHIN = (top: string) =>
  `SELECT t.id FROM tenant t, tenant top WHERE top.id = ${top} AND ${isWithin('t.path', 'top.path')}`;

/** Whether a path is that of a tenant or of one below it: '0' is the byte after the '/' that ends each id. */
export const isWithin = (path: string, top: string) =>
  `${path} ~>=~ ${top} AND ${path} ~<~ (left(${top}, -1) || '0')`;

/** The part of a Prisma query that fetches one page, and one row more to know whether another follows. */
export function pageQuery({ limit, after }: PageOptions) {
  return {
    position: after === null ? {} : { id: { gt: after } },
    order: { orderBy: { id: 'asc' as const }, take: limit + 1 },
  };
}

/** One, or those of a tenant. own: of it alone. subtree: of all below it too. */
export type SomeConnections =
  | { readonly connection: ConnectionId }
  | { readonly tenant: TenantId; readonly reach: 'own' | 'subtree' };

/** Which of `connection n` are meant; `id` is the statement's first parameter. */
export function theConnections(some: SomeConnections): { readonly where: string; readonly id: string } {
  if ('connection' in some) return { where: 'n.id = $1::uuid', id: some.connection };
  const tenants = some.reach === 'own' ? '($1::uuid)' : SUBTREE('$1::uuid');
  return { where: `n.tenant_id IN ${tenants}`, id: some.tenant };
}

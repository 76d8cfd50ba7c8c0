/** Tenants as they are read: what is stored, with what follows from it. */
import { TenantId } from '../domain/ids.ts';
import type { ProductPlanId } from '../domain/productPlan.ts';
import type { Tenant, TenantKind, TenantState } from '../domain/tenant.ts';
import type { Sql } from './database.ts';

export type TenantRow = {
  readonly id: string;
  readonly parent_id: string | null;
  readonly name: string;
  readonly path: string;
  readonly data_key: string;
  readonly state: TenantState;
  readonly kind: TenantKind;
  readonly inherits_roles: boolean;
  readonly plan: ProductPlanId | null;
  readonly effective_plan: ProductPlanId | null;
  readonly delete_at: Date | null;
  readonly version: number;
  readonly created_at: Date;
};

/** Of the tenant `t`. Looks at two users at the most, however many there are. */
export const KIND = `CASE
  WHEN EXISTS (SELECT FROM connection c WHERE c.tenant_id = t.id) THEN 'enterprise'
  WHEN (SELECT count(*) FROM (SELECT FROM auth_user u WHERE u.tenant_id = t.id AND u.state <> 'deleted' LIMIT 2) AS seen) = 2
  THEN 'organisation' ELSE 'individual' END`;

const COLUMNS = `t.id, t.parent_id, t.name, t.path, t.data_key, t.state, ${KIND} AS kind, t.inherits_roles, t.product_plan_id AS plan,
  plan_in_tenant(t.id) AS effective_plan, t.delete_at, t.version, t.created_at`;

/** Those of which `condition` holds, which speaks of `tenant t` and may end with an order and a limit; in the order of their ids. */
export async function readTenants(
  sql: Sql,
  scope: TenantId,
  condition: string,
  values: readonly unknown[],
): Promise<Tenant[]> {
  const rows = await sql.query<TenantRow>(
    `SELECT ${COLUMNS} FROM (SELECT * FROM tenant t WHERE ${condition}) t ORDER BY t.id`,
    values,
  );
  return rows.map((row) => toTenant(row, scope));
}

/** One that is there; throws where it is not. */
export async function readTenant(sql: Sql, scope: TenantId, id: string): Promise<Tenant> {
  const [tenant] = await readTenants(sql, scope, 't.id = $1::uuid', [id]);
  if (tenant === undefined) throw new Error(`the tenant ${id} is not visible to its own transaction`);
  return tenant;
}

function toTenant(row: TenantRow, scope: TenantId): Tenant {
  const ids = row.path.split('/').slice(0, -1);
  return {
    id: TenantId.parse(row.id),
    parent: row.id === scope || row.parent_id === null ? null : TenantId.parse(row.parent_id),
    name: row.name,
    path: ids.slice(ids.indexOf(scope)).map((id) => TenantId.parse(id)),
    dataKey: row.data_key,
    state: row.state,
    kind: row.kind,
    inheritsRoles: row.inherits_roles,
    plan: row.plan,
    effectivePlan: row.effective_plan,
    deleteAt: row.delete_at,
    version: row.version,
    createdAt: row.created_at,
  };
}

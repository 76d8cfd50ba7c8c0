/** In what directory users are to differ from what the mapping makes of them: as people have said. */
import { v7 } from 'uuid';
import { type Adjustment, isNothing } from '../domain/adjustment.ts';
import type { Actor } from '../domain/audit.ts';
import type { AdjustmentId, ConnectionId, ExternalId, PrincipalId, TenantId } from '../domain/ids.ts';
import type { PageOptions } from '../domain/page.ts';
import type { Sql } from './database.ts';
import { SUBTREE } from './scope.ts';

/** Of a connection, by directory user. Nearly always there are none. */
export async function readAdjustments(
  sql: Sql,
  connection: ConnectionId,
): Promise<ReadonlyMap<ExternalId, Adjustment>> {
  const rows = await sql.query<Adjustment & { readonly externalId: ExternalId }>(
    `SELECT external_id AS "externalId", roles_added AS "rolesAdded", roles_removed AS "rolesRemoved", place_id AS place
     FROM adjustment WHERE connection_id = $1`,
    [connection],
  );
  return new Map(rows.map(({ externalId, ...adjustment }) => [externalId, adjustment]));
}

export type AdjustmentView = Adjustment & {
  readonly id: AdjustmentId;
  readonly tenant: TenantId;
  readonly connection: ConnectionId;
  readonly externalId: ExternalId;
  readonly by: string;
  readonly reason: string;
  readonly createdAt: string;
};

export type AdjustedBy = {
  readonly principal: PrincipalId;
  readonly actor: Actor;
  readonly reason: string;
  readonly at: Date;
};

const VIEW = `SELECT j.id, j.tenant_id AS tenant, j.connection_id AS connection, j.external_id AS "externalId", j.roles_added AS "rolesAdded",
  j.roles_removed AS "rolesRemoved", j.place_id AS place, j.actor ->> 'name' AS by, j.reason, j.created_at AS "createdAt" FROM adjustment j`;

export async function listAdjustments(
  sql: Sql,
  within: TenantId,
  filter: { readonly tenant?: TenantId | undefined; readonly connection?: ConnectionId | undefined },
  { limit, after }: PageOptions,
): Promise<readonly AdjustmentView[]> {
  const rows = await sql.query<Omit<AdjustmentView, 'createdAt'> & { readonly createdAt: Date }>(
    `${VIEW} WHERE j.tenant_id IN ${SUBTREE('$1::uuid')} AND ($2::uuid IS NULL OR j.tenant_id IN ${SUBTREE('$2::uuid')})
       AND ($3::uuid IS NULL OR j.connection_id = $3) AND ($4::uuid IS NULL OR j.id > $4) ORDER BY j.id LIMIT $5::int`,
    [within, filter.tenant ?? null, filter.connection ?? null, after, limit],
  );
  return rows.map((row) => ({ ...row, createdAt: row.createdAt.toISOString() }));
}

type Of = { readonly connection: ConnectionId; readonly tenant: TenantId; readonly externalId: ExternalId };

/** Takes the place of the one that is there. null: nothing differs, and none is there any more. */
export async function storeAdjustment(
  tx: Sql,
  { connection, tenant, externalId }: Of,
  adjustment: Adjustment,
  by: AdjustedBy,
): Promise<AdjustmentId | null> {
  if (isNothing(adjustment)) {
    await tx.query('DELETE FROM adjustment WHERE connection_id = $1 AND external_id = $2', [
      connection,
      externalId,
    ]);
    return null;
  }
  const { rolesAdded, rolesRemoved, place } = adjustment;
  const [row] = await tx.query<{ id: AdjustmentId }>(
    `INSERT INTO adjustment AS j (id, tenant_id, connection_id, external_id, roles_added, roles_removed, place_id, principal_id, editors, actor, reason, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, ARRAY[$8::uuid], $9, $10, $11)
     ON CONFLICT (connection_id, external_id) DO UPDATE SET roles_added = excluded.roles_added, roles_removed = excluded.roles_removed,
       place_id = excluded.place_id, principal_id = excluded.principal_id,
       editors = array_remove(j.editors, excluded.principal_id) || excluded.principal_id, actor = excluded.actor, reason = excluded.reason,
       created_at = excluded.created_at
     RETURNING j.id`,
    [
      ...[v7(), tenant, connection, externalId, rolesAdded, rolesRemoved, place],
      ...[by.principal, by.actor, by.reason, by.at.toISOString()],
    ],
  );
  return row?.id ?? null;
}

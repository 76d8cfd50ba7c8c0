/**
 * What connections of tenants that a moved one has left still have in it. Nobody there is theirs any more, as the move would have been
 * refused; but who was deleted kept the link, and the connection, which cannot see it any more, could never make them anew.
 */
import type { AuditEntry } from '../domain/audit.ts';
import type { AuthUserId, ConnectionId, TenantId } from '../domain/ids.ts';
import type { ChainedEntry } from './auditChains.ts';
import type { Sql } from './database.ts';
import { SUBTREE } from './scope.ts';

/** Removes links and roles that they gave; gives what is to be recorded of it, for each in the chain of their tenant. */
export async function removeLeftLinks(
  sql: Sql,
  moved: TenantId,
  left: readonly TenantId[],
  by: AuditEntry['actor'],
): Promise<readonly ChainedEntry[]> {
  const rows = await sql.query<{ user: AuthUserId; tenant: TenantId; connection: ConnectionId }>(
    `WITH reaching AS (SELECT id FROM connection WHERE tenant_id = ANY ($2::uuid[])),
     there AS (SELECT id FROM auth_user WHERE tenant_id IN ${SUBTREE('$1::uuid')}),
     roles AS (
       DELETE FROM role_assignment g USING there
       WHERE g.auth_user_id = there.id AND g.connection_id IN (SELECT id FROM reaching))
     DELETE FROM identity i USING there
     WHERE i.auth_user_id = there.id AND i.connection_id IN (SELECT id FROM reaching)
     RETURNING i.auth_user_id AS user, i.tenant_id AS tenant, i.connection_id AS connection`,
    [moved, left],
  );
  return rows.map(({ user, tenant, connection }) => ({
    chain: tenant,
    entry: {
      actor: by,
      action: 'identity.removed',
      subject: { kind: 'auth-user', id: user },
      details: { connection, because: 'tenant-moved' },
    },
  }));
}

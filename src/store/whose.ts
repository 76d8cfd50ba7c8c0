/** Whose a run or an apply is: what a worker shares its slots by. */
import type { ApplyId, ConnectionId, TenantId } from '../domain/ids.ts';
import type { Database } from './database.ts';

export type SomeWork = { readonly connection: ConnectionId } | { readonly apply: ApplyId };

/** The tenants above the work's own and that one, from the top, without the root; for the root's own work it alone. Empty: it is gone. */
export function whoseWork(database: Database, work: SomeWork): Promise<readonly TenantId[]> {
  const [table, id] = 'apply' in work ? ['apply', work.apply] : ['connection', work.connection];
  return database.bulk(database.root, async (tx) => {
    const [row] = await tx.query<{ path: string }>(
      `SELECT t.path FROM ${table} w JOIN tenant t ON t.id = w.tenant_id WHERE w.id = $1`,
      [id],
    );
    const path = (row?.path ?? '').split('/').filter((part) => part !== '') as TenantId[];
    return path.length > 1 ? path.slice(1) : path;
  });
}

/** Whose a run or an apply is, and how old a run: what a worker shares its slots by. */
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

/**
 * When the run of a connection that is under way was begun, whichever process did so; null: none is. What an apply has done stays done: it
 * is never too old to be gone on with.
 */
export async function begunAt(database: Database, work: SomeWork): Promise<Date | null> {
  if (!('connection' in work)) return null;
  return await database.bulk(database.root, async (tx) => {
    const [run] = await tx.query<{ at: Date | null }>(
      `SELECT started_at AS at FROM sync_run WHERE connection_id = $1 AND state IN ('pulling', 'planning')`,
      [work.connection],
    );
    return run?.at ?? null;
  });
}

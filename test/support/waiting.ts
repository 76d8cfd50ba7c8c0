/** Waiting for what another process does, and holding it at a known point. */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { TenantId } from '../../src/domain/ids.ts';
import { asOwner } from './database.ts';

/** Asks until the answer is neither null nor false; fails after half a minute, saying what it waited for. */
export async function until<T>(what: string, ask: () => Promise<T | null | false>): Promise<T> {
  for (let left = 3_000; left > 0; left--) {
    const answer = await ask();
    if (answer !== null && answer !== false) return answer;
    await sleep(10);
  }
  throw new Error(`waited in vain until ${what}`);
}

/**
 * Does `work` while nobody can append to the tenant's audit log, until so many transactions wait to do so: everything else that
 * they write is written then, and nothing is committed.
 */
export async function whileAuditIsLocked<T>(
  url: string,
  tenant: TenantId,
  waiting: number,
  work: () => Promise<T>,
): Promise<T> {
  return await asOwner(url, async (client) => {
    await client.query('BEGIN');
    await client.query('SELECT FROM audit_head WHERE tenant_id = $1 FOR UPDATE', [tenant]);
    const working = work();
    try {
      await untilWaiting(client, waiting);
    } finally {
      await client.query('COMMIT');
    }
    return await working;
  });
}

/** Until so many sessions of this database wait for a lock. */
export async function untilWaiting(client: pg.Client, count: number): Promise<void> {
  await until(`${count} transactions wait for a lock`, async () => {
    const { rows } = await client.query<{ waiting: number }>(
      `SELECT count(*)::int AS waiting FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return (rows[0]?.waiting ?? 0) >= count;
  });
}

/** Waiting for what another process does, and holding it at a known point. */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { TenantId } from '../../src/domain/ids.ts';
import { asOwner } from './database.ts';

/** Asks until the answer is neither null nor false; fails after half a minute, saying what it waited for. */
export async function until<T>(what: string, ask: () => Promise<T | null | false>): Promise<T> {
  for (let left = 6_000; left > 0; left--) {
    const answer = await ask();
    if (answer !== null && answer !== false) return answer;
    await sleep(5);
  }
  throw new Error(`waited in vain until ${what}`);
}

/**
 * Until the feed shows all that is committed by now: it waits for every older transaction of the server, also those of the tests that
 * run beside this one.
 */
export async function untilFeedIsUpToDate(url: string): Promise<void> {
  await asOwner(url, async (client) => {
    const { rows } = await client.query<{ now: string }>('SELECT pg_current_xact_id()::text AS now');
    await until('all older transactions have ended', async () => {
      const ended = 'SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint > $1::bigint AS ended';
      return (await client.query<{ ended: boolean }>(ended, [rows[0]?.now])).rows[0]?.ended ?? false;
    });
  });
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
  return await lockingAudit(url, tenant, async (unlock, client) => {
    const working = work();
    try {
      await untilWaiting(client, waiting);
    } finally {
      await unlock();
    }
    return await working;
  });
}

/** The other way round: does `work` when so many transactions wait at that point. */
export async function whileHeldAtAudit(
  url: string,
  tenant: TenantId,
  waiting: number,
  work: () => Promise<void>,
): Promise<void> {
  await lockingAudit(url, tenant, async (unlock, client) => {
    try {
      await untilWaiting(client, waiting);
      await work();
    } finally {
      await unlock();
    }
    await untilWaiting(client, 0);
  });
}

/**
 * `first` does all that it does and cannot commit, because it cannot append to the tenant's audit log; then `second` begins, and has
 * to wait, at the same place or before; then both go on.
 */
export async function oneThenOther<A, B>(
  url: string,
  tenant: TenantId,
  first: () => Promise<A>,
  second: () => Promise<B>,
): Promise<readonly [A, B]> {
  return await lockingAudit(url, tenant, async (unlock, client) => {
    const one = first();
    await untilWaiting(client, 1);
    const other = second();
    await untilWaiting(client, 2);
    await unlock();
    return [await one, await other];
  });
}

async function lockingAudit<T>(
  url: string,
  tenant: TenantId,
  work: (unlock: () => Promise<unknown>, client: pg.Client) => Promise<T>,
): Promise<T> {
  return await asOwner(url, async (client) => {
    await client.query('BEGIN');
    await client.query('SELECT FROM audit_head WHERE tenant_id = $1 FOR UPDATE', [tenant]);
    return await work(() => client.query('COMMIT'), client);
  });
}

/** Until so many sessions of this database wait for a lock. */
export async function untilWaiting(client: pg.Client, count: number): Promise<void> {
  await until(`${count} transactions wait for a lock`, async () => {
    await client.query('SELECT pg_stat_clear_snapshot()'); // within a transaction the view stays as it was first seen
    const { rows } = await client.query<{ waiting: number }>(
      `SELECT count(*)::int AS waiting FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    const now = rows[0]?.waiting ?? 0;
    return count === 0 ? now === 0 : now >= count;
  });
}

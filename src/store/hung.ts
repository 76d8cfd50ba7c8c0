/**
 * Processes that hold a lock and have stopped: their sessions live, because the machine still answers for them, and would hold their
 * locks for good. Whoever holds a lock says so every twenty seconds in its session; who has not for two minutes is shut out.
 */

import type pg from 'pg';
import { v7 } from 'uuid';

const SIGN_OF_LIFE_MS = 20_000;
export const HUNG_AFTER_MS = 120_000;
/** PostgreSQL waits so long for a session that it ends. */
const ENDS_WITHIN_MS = 5_000;

/** Of this process, as its sessions are called in pg_stat_activity. */
export function processName(): string {
  return `rollcall ${v7()}`;
}
const PROCESS_NAME = '^rollcall [0-9a-f-]{36}$';

/** Until what it gives is called. */
export function giveSignsOfLife(client: pg.Client): () => void {
  const clock = setInterval(() => {
    client.query('SELECT 1').catch(() => {}); // the session is gone, and the lock with it: whoever has it now shuts this run out
  }, SIGN_OF_LIFE_MS).unref();
  return () => clearInterval(clock);
}

/**
 * Ends all sessions of the process that holds this advisory lock, if it has given no sign of life for `hungAfterMs`: with its lock also the
 * transactions that it has begun. Gives whether there was such a one. Only the owner of the database sees that, and may.
 */
export async function shutOutHung(
  client: pg.Client,
  [kind, name]: readonly [number, string],
  hungAfterMs: number,
): Promise<boolean> {
  await client.query('SET ROLE NONE');
  try {
    // Where the database's URL gives all processes one name, the session of the lock alone is known to be of that process.
    const { rowCount } = await client.query(
      `WITH holder AS (
         SELECT a.pid, a.application_name AS name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
         WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = $1::int::oid
           AND l.objid::bigint = (hashtext($2)::bigint & 4294967295) AND a.datname = current_database()
           AND a.state_change < clock_timestamp() - make_interval(secs => $3::float8 / 1000))
       SELECT pg_terminate_backend(a.pid, ${ENDS_WITHIN_MS}) FROM pg_stat_activity a JOIN holder h
         ON a.pid = h.pid OR a.application_name = h.name AND h.name ~ '${PROCESS_NAME}'
       WHERE a.datname = current_database()`,
      [kind, name, hungAfterMs],
    );
    return (rowCount ?? 0) > 0;
  } finally {
    await client.query('RESET ROLE');
  }
}

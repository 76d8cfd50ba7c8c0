/** Staged users for whom nothing can be made out. */
import type { ExternalId } from '../domain/ids.ts';
import type { TakenRun } from '../domain/run.ts';
import type { Sql } from './database.ts';

export type LeftRow = { readonly externalId: ExternalId; readonly problem: string };

/** SQL: why users of the run `$1` are unreadable, the ten most frequent reasons as `UnreadableUsers`. */
export const PROBLEMS = `(SELECT coalesce(json_agg(p), '[]')::jsonb FROM (
  SELECT problem, count(*)::int AS users, min(external_id COLLATE "C") AS example FROM staged_user
  WHERE run_id = $1 AND problem IS NOT NULL GROUP BY problem ORDER BY users DESC, problem LIMIT 10) p)`;

/** They count as unreadable from now on. */
export function leaveRows(sql: Sql, run: TakenRun, rows: readonly LeftRow[]): Promise<void> {
  return leave(
    sql,
    `FROM unnest($2::text[], $3::text[]) AS r (external_id, problem) WHERE s.external_id = r.external_id AND`,
    [run.id, rows.map(({ externalId }) => externalId), rows.map(({ problem }) => problem)],
  );
}

export function leaveExcluded(sql: Sql, run: TakenRun, problem: string): Promise<void> {
  return leave(sql, `FROM (SELECT $2::text AS problem) r WHERE s.absence = 'excluded' AND`, [
    run.id,
    problem,
  ]);
}

async function leave(sql: Sql, which: string, values: readonly unknown[]): Promise<void> {
  await sql.query(
    `WITH left_out AS (
       UPDATE staged_user s SET problem = r.problem, absence = NULL, email_key = NULL, desired_hash = NULL
       ${which} s.run_id = $1 RETURNING 1)
     UPDATE sync_run SET unreadable = unreadable + (SELECT count(*) FROM left_out) WHERE id = $1`,
    values,
  );
}

/** Users whom the mapping's scope leaves out because what it reads of them is not there any more, or whom it leaves out all together. */
import type { TakenRun } from '../domain/run.ts';
import type { BulkTransaction } from './database.ts';

/** Among so many it is looked for who has a value still. */
const LOOKED_AT = 100_000;

/** What waits, of users who were read and are out of scope. */
const EXCLUDED = `excluded AS MATERIALIZED (
  SELECT c.id, c.external_id, d.content FROM change c JOIN directory_user d ON d.connection_id = c.connection_id AND d.external_id = c.external_id
  WHERE c.connection_id = $1 AND c.state IN ('open', 'held', 'approved') AND c.kind IN ('suspend', 'delete') AND c.cause IN ('out-of-scope', 'scope-changed'))`;

/**
 * `reads`: where the attributes are that the scope reads; null: there is no scope. An attribute counts where more of those users have no
 * value of it than anybody has one. Notes which changes concern each, for the guards.
 */
export async function concernScope(
  tx: BulkTransaction,
  run: Pick<TakenRun, 'connection'>,
  reads: readonly (readonly string[])[] | null,
): Promise<ReadonlyMap<string | null, number>> {
  if (reads === null) return new Map();
  const found = await tx.query<{ part: string | null; users: number }>(
    `WITH ${EXCLUDED},
     blank AS MATERIALIZED (
       SELECT e.id, r.path FROM excluded e JOIN (
         SELECT ARRAY(SELECT jsonb_array_elements_text(p)) AS path FROM jsonb_array_elements($2::jsonb) p) r
         ON coalesce(e.content #>> ('{user}'::text[] || r.path), '') = ''),
     emptied AS (
       SELECT b.path FROM (SELECT path, count(*) AS users FROM blank GROUP BY path) b WHERE b.users > (
         SELECT count(*) FROM (
           SELECT FROM (SELECT content FROM directory_user WHERE connection_id = $1 LIMIT ${LOOKED_AT}) d
           WHERE d.content #>> ('{user}'::text[] || b.path) <> '' LIMIT b.users) still)),
     noted AS (
       INSERT INTO concerned (guard, part, change_id)
       SELECT 'scope-emptied', array_to_string(path, '.'), id FROM blank WHERE path IN (SELECT path FROM emptied)
       UNION ALL SELECT 'scope-emptied', NULL, id FROM excluded WHERE NOT EXISTS (
         SELECT FROM identity i JOIN auth_user a ON a.id = i.auth_user_id AND a.state <> 'deleted'
         WHERE i.connection_id = $1 AND NOT i.external_id IN (SELECT external_id FROM excluded))
       RETURNING part)
     SELECT part, count(*)::int AS users FROM noted GROUP BY part ORDER BY part`,
    [run.connection, JSON.stringify(reads)],
  );
  return new Map(found.map(({ part, users }) => [part, users]));
}

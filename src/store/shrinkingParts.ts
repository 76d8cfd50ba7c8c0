/**
 * Domains, organisational units and groups of a directory that would lose many of their people, though the whole may hardly shrink. Of
 * each change that takes something from somebody it is kept of which they were; how many a part has is counted as a listing is read. So
 * what is done here grows with the changes that take something, not with the directory.
 */
import type { PartKind, ShrinkingPart } from '../domain/guard.ts';
import { guardOfPart } from '../domain/guard.ts';
import type { TakenRun } from '../domain/run.ts';
import type { Snapshot } from '../domain/snapshot.ts';
import type { BulkTransaction } from './database.ts';

/** Parts beyond these, the largest losses first, are left to the guards of the whole. */
const MOST_PARTS = 100;
/** As many parts of a kind as a run counts by name; see `PartCount`. */
const COUNTED = 1_000;

const LAST_COMPLETE = `(SELECT id FROM sync_run WHERE connection_id = $1 AND id <> $2 AND state = 'finished' AND snapshot = 'complete'
  ORDER BY id DESC LIMIT 1)`;

/** The domain of a directory user's address, as `PartCount` takes it; null without one. */
const DOMAIN = (content: string) =>
  `nullif(lower(substring(coalesce(${content} #>> '{user,email}', ${content} #>> '{user,userName}') from '@([^@]*)$')), '')`;
const GROUPS = (content: string) =>
  `coalesce((SELECT array_agg(g ->> 'externalId') FROM json_array_elements(${content} -> 'groups') g), '{}')`;

/**
 * Of which parts those are from whom the plan would take something, in a table of the transaction: to be asked before the plan forgets
 * who is away. Where somebody was moved elsewhere as they were suspended, their auth user still says where they were. What is known
 * already of a change that waits is kept where nothing is known any more. Gives how many they are.
 */
export async function rememberParts(tx: BulkTransaction, run: TakenRun): Promise<number> {
  await tx.query(
    `CREATE TEMP TABLE IF NOT EXISTS losing_parts (external_id text, parts jsonb) ON COMMIT DELETE ROWS`,
  );
  const known = (was: string, sizes: string, now: string) =>
    `CASE WHEN last.${sizes} ? (${was}) THEN ${was} ELSE ${now} END`;
  await tx.query('SET LOCAL enable_seqscan = off'); // each is looked up by key, whatever the statistics of what was just stored say
  const { rowCount } = await tx.client.query(
    `WITH last AS MATERIALIZED (SELECT id, domains, org_units FROM sync_run WHERE id = ${LAST_COMPLETE}),
     taking AS MATERIALIZED (
       SELECT external_id, auth_user_id, kind IN ('suspend', 'delete') AS leaves, cause FROM planned
       WHERE kind IN ('suspend', 'delete') AND cause <> 'grace-over' OR kind <> 'conflict' AND roles_lost <> '{}')
     INSERT INTO losing_parts (external_id, parts)
     SELECT t.external_id, coalesce(c.parts, '{}') || jsonb_strip_nulls(jsonb_build_object(
         'domain', CASE WHEN t.leaves THEN ${known("split_part(a.email_key, '@', 2)", 'domains', DOMAIN('d.content'))} END,
         'unit', CASE WHEN t.leaves THEN ${known("a.attributes ->> 'orgUnit'", 'org_units', "d.content #>> '{user,orgUnit}'")} END,
         'groups', CASE WHEN t.cause <> 'mapping-changed' THEN g.groups END))
     FROM taking t JOIN last ON true
       LEFT JOIN LATERAL (SELECT content FROM directory_user WHERE connection_id = $1 AND external_id = t.external_id OFFSET 0) d ON true
       LEFT JOIN LATERAL (SELECT email_key, attributes FROM auth_user WHERE id = t.auth_user_id OFFSET 0) a ON true
       LEFT JOIN LATERAL (SELECT parts FROM change WHERE connection_id = $1 AND external_id = t.external_id
         AND state IN ('open', 'approved', 'rejected', 'held', 'moved', 'failed') OFFSET 0) c ON true
       LEFT JOIN LATERAL (
         SELECT to_jsonb(array_agg(DISTINCT group_id)) AS groups FROM staged_membership m
         WHERE m.run_id = last.id AND m.user_id = t.external_id AND (t.leaves OR NOT m.group_id = ANY (${GROUPS('d.content')})) OFFSET 0) g ON true`,
    [run.connection, run.id],
  );
  await tx.query('SET LOCAL enable_seqscan = on');
  if (rowCount !== null && rowCount > 0) await tx.query('ANALYZE losing_parts (external_id)'); // it is joined by that
  return rowCount ?? 0;
}

/** Whether a directory user, as they were last read, is in a part. */
const IS_IN = `CASE t.kind WHEN 'domain' THEN ${DOMAIN('d.content')} = t.part AND d.content #>> '{user,state}' <> 'deprovisioned'
  WHEN 'unit' THEN d.content #>> '{user,orgUnit}' = t.part AND d.content #>> '{user,state}' <> 'deprovisioned'
  ELSE t.part = ANY (${GROUPS('d.content')}) END`;

type Found = ShrinkingPart & { readonly kind: PartKind };

/**
 * The parts that more than `atLeast` people would leave by what waits, with how many they had: those whom the last complete listing has
 * in them, and those whom it had lost already. Notes which changes concern each, for the guards; and, without a change, the parts of which
 * it cannot be told.
 */
export async function concernParts(
  tx: BulkTransaction,
  run: Pick<TakenRun, 'id' | 'connection'>,
  how: { readonly snapshot: Snapshot['kind']; readonly atLeast: number },
): Promise<readonly ShrinkingPart[]> {
  await tx.query('SET LOCAL enable_seqscan = off');
  const found = await tx.query<Found>(
    `WITH listing AS MATERIALIZED (
       SELECT id, domains, org_units FROM sync_run WHERE connection_id = $1 AND domains <> '{}' AND (
         id = $2 AND $4 OR id = ${LAST_COMPLETE}) ORDER BY id DESC LIMIT 1),
     taken AS MATERIALIZED (
       SELECT c.id, c.external_id, c.run_id, x.kind, x.part FROM change c, LATERAL (
         SELECT 'domain' AS kind, c.parts ->> 'domain' AS part WHERE c.kind IN ('suspend', 'delete')
         UNION ALL SELECT 'unit', c.parts ->> 'unit' WHERE c.kind IN ('suspend', 'delete')
         UNION ALL SELECT 'group', jsonb_array_elements_text(c.parts -> 'groups')) x
       WHERE c.connection_id = $1 AND c.state IN ('open', 'held', 'approved') AND c.parts IS NOT NULL AND x.part IS NOT NULL),
     every AS MATERIALIZED (SELECT kind, part, count(*) AS losing FROM taken GROUP BY kind, part HAVING count(*) > $3),
     many AS MATERIALIZED (SELECT * FROM every ORDER BY losing DESC, part LIMIT ${MOST_PARTS}),
     still AS (
       SELECT t.kind, t.part, count(*) FILTER (WHERE t.run_id > l.id OR ${IS_IN}) AS listed
       FROM many m JOIN taken t ON t.kind = m.kind AND t.part = m.part CROSS JOIN listing l
         LEFT JOIN LATERAL (SELECT content FROM directory_user WHERE connection_id = $1 AND external_id = t.external_id OFFSET 0) d ON true
       GROUP BY t.kind, t.part),
     sized AS (
       SELECT m.kind, m.part, m.losing, s.listed, g.name, CASE
           WHEN m.kind <> 'group' AND counted = '{}' THEN NULL -- by a run that did not count these yet
           WHEN m.kind <> 'group' THEN CASE WHEN counted ? m.part OR (SELECT count(*) FROM jsonb_object_keys(counted)) < ${COUNTED}
             THEN coalesce((counted ->> m.part)::int, 0) END
           WHEN g.everyone THEN NULL ELSE coalesce(g.members, 0) END AS size -- where not all could be read, at least so many
       FROM many m JOIN still s USING (kind, part) CROSS JOIN listing l
         CROSS JOIN LATERAL (SELECT CASE m.kind WHEN 'domain' THEN l.domains ELSE l.org_units END AS counted) one
         LEFT JOIN staged_group g ON m.kind = 'group' AND g.run_id = l.id AND g.external_id = m.part),
     noted AS (
       INSERT INTO concerned (guard, part, change_id)
       SELECT $5::jsonb ->> t.kind, t.part, t.id FROM many m JOIN taken t ON t.kind = m.kind AND t.part = m.part
       UNION ALL SELECT $5::jsonb ->> e.kind, e.part, NULL FROM every e
       WHERE NOT EXISTS (SELECT FROM sized s WHERE s.kind = e.kind AND s.part = e.part AND s.size IS NOT NULL))
     SELECT kind, part, coalesce(name, (SELECT name FROM staged_group WHERE run_id = ${LAST_COMPLETE} AND external_id = part), part) AS name, losing::int AS losing, greatest(losing, size - listed + losing)::int AS before
     FROM sized WHERE size IS NOT NULL ORDER BY kind, part`,
    [run.connection, run.id, how.atLeast, how.snapshot === 'complete', JSON.stringify(guardOfPart)],
  );
  await tx.query('SET LOCAL enable_seqscan = on');
  return found;
}

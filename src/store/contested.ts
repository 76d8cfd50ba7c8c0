/** Finds, over a whole plan at once, whose address is not to be had: the rule of src/domain/addresses.ts, in sets. */
import type { RunId } from '../domain/ids.ts';
import type { TakenRun } from '../domain/run.ts';
import type { BulkTransaction } from './database.ts';

/** How many of those who come to one address are named to each other: enough to find them all by. */
const RIVALS = 100;

/** Made with the table `planned`, whose rows it is about. */
export const CONTESTED = `CREATE TEMP TABLE IF NOT EXISTS contested (external_id text, holders json, rivals uuid[]) ON COMMIT DELETE ROWS`;

/** Whether the run says anything of a user, or at least says that it is gone. Others keep what was known about them. */
export const spokenOf = (externalId: string, run: string, complete: string) =>
  `CASE WHEN ${complete} THEN NOT EXISTS (SELECT FROM staged_user s WHERE s.run_id = ${run} AND s.external_id = ${externalId} AND s.problem IS NOT NULL)
        ELSE EXISTS (SELECT FROM staged_user s WHERE s.run_id = ${run} AND s.external_id = ${externalId} AND s.problem IS NULL) END`;

/** Fills `contested`; gives the number of its rows. Wants statistics about `planned`. */
export async function findContested(tx: BulkTransaction, run: TakenRun, complete: boolean): Promise<number> {
  const [row] = await tx.query<{ found: number }>(
    `WITH RECURSIVE ${PROPOSED}, ${SHARED}, ${HELD}, ${WAITING},
     kept AS (
       SELECT h.external_id, json_agg(json_build_object('id', h.id, 'links', (SELECT count(*) FROM identity i WHERE i.auth_user_id = h.id))
         ORDER BY h.id) AS holders
       FROM held h WHERE h.freed_by IS NULL OR h.freed_by IN (SELECT external_id FROM waiting) GROUP BY 1),
     found AS (
       INSERT INTO contested
       SELECT w.external_id, coalesce(k.holders, '[]'), coalesce(a.users, u.users, '{}')
       FROM waiting w LEFT JOIN kept k ON k.external_id = w.external_id
         LEFT JOIN rival r ON r.external_id = w.external_id LEFT JOIN shared_address a ON a.address = r.address
         LEFT JOIN sought s ON s.external_id = w.external_id AND s.kind = 'link' LEFT JOIN shared_user u ON u.id = s.auth_user_id
       RETURNING 1)
     SELECT count(*)::int AS found FROM found`,
    [run.connection, run.tenant, run.id satisfies RunId, complete],
  );
  return row?.found ?? 0;
}

/** What was refused will not be carried out: it comes to no address, and frees none. */
const PROPOSED = `
  refused AS MATERIALIZED (
    SELECT external_id, fingerprint FROM change WHERE connection_id = $1 AND state = 'rejected'),
  proposed AS (
    SELECT * FROM planned p
    WHERE NOT EXISTS (SELECT FROM refused r WHERE r.external_id = p.external_id AND r.fingerprint = p.fingerprint)),
  sought AS MATERIALIZED (
    SELECT external_id, auth_user_id, kind, address FROM proposed WHERE address IS NOT NULL)`;

/** Several who come to one address, or to one auth user. Who has the address already does not come to it. */
const SHARED = `
  rival AS MATERIALIZED (
    SELECT s.external_id, s.auth_user_id, s.address FROM sought s
    WHERE s.kind <> 'link' AND s.address IN (SELECT address FROM sought WHERE kind <> 'link' GROUP BY address HAVING count(*) > 1)
      AND NOT EXISTS (SELECT FROM auth_user a WHERE a.id = s.auth_user_id AND a.email_key = s.address AND a.state <> 'deleted')),
  shared_address AS (
    SELECT address, (array_agg(auth_user_id ORDER BY auth_user_id) FILTER (WHERE auth_user_id IS NOT NULL))[1:${RIVALS}] AS users
    FROM rival GROUP BY address HAVING count(*) > 1),
  shared_user AS (
    SELECT auth_user_id AS id, ARRAY[auth_user_id] AS users FROM sought WHERE kind = 'link' GROUP BY auth_user_id HAVING count(*) > 1)`;

const FREES = (change: string) =>
  `(${change}.kind = 'delete' OR ${change}.kind IN ('update', 'reactivate') AND ${change}.fields @> '[{"field": "email"}]')`;

/**
 * Who has the address that somebody else seeks, and by whose change they would leave it: one of this plan, or one that waits since
 * an earlier run and that this one says nothing about. Joiners need no look: whom they meet was looked at with each of them.
 */
const HELD = `
  held AS MATERIALIZED (
    SELECT s.external_id, h.id, coalesce(p.external_id, c.external_id) AS freed_by
    FROM sought s JOIN auth_user h ON h.tenant_id = $2 AND h.email_key = s.address AND h.state <> 'deleted' AND h.id <> s.auth_user_id
      LEFT JOIN proposed p ON p.auth_user_id = h.id AND ${FREES('p')} AND p.address IS DISTINCT FROM s.address
      LEFT JOIN change c ON c.connection_id = $1 AND c.auth_user_id = h.id AND ${FREES('c')}
        AND c.state IN ('open', 'approved', 'held', 'moved', 'failed') AND NOT ${spokenOf('c.external_id', '$3', '$4')}
    WHERE s.kind IN ('update', 'reactivate'))`;

/** Who has to wait keeps their own address: so whoever counted on that has to wait too. */
const WAITING = `
  waiting (external_id) AS (
    (SELECT external_id FROM held WHERE freed_by IS NULL
     UNION SELECT r.external_id FROM rival r JOIN shared_address a ON a.address = r.address
     UNION SELECT s.external_id FROM sought s JOIN shared_user u ON u.id = s.auth_user_id AND s.kind = 'link')
    UNION
    SELECT h.external_id FROM waiting w JOIN held h ON h.freed_by = w.external_id)`;

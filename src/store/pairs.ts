/** Finds who may be the same person, over a whole change set at once: see src/domain/pair.ts. */
import type { ConnectionId } from '../domain/ids.ts';
import { LEAVING } from '../domain/leavers.ts';
import { sharedBy } from '../domain/pair.ts';
import type { TakenRun } from '../domain/run.ts';
import type { Snapshot } from '../domain/snapshot.ts';
import type { BulkTransaction } from './database.ts';

/** What so many people share says nothing of who is who. */
const FEW = 3;

/** States of a change that waits for somebody or something. */
export const WAITS = `('open', 'approved', 'held', 'moved', 'failed')`;

/** Who comes without an auth user of their own. */
export const JOINS = (change: string) =>
  `${change}.kind IN ('create', 'conflict') AND ${change}.auth_user_id IS NULL AND ${change}.state IN ${WAITS}`;
export const LEAVES = (change: string) =>
  `${change}.kind IN ('suspend', 'delete') AND ${change}.undoes IS NULL AND ${change}.state IN ${WAITS}`;

/** As long as none of it changes, a verdict that two are different stands. `hash`: of what the directory wants of who comes. */
export const CONTENT = (hash: string, user: string) =>
  `sha256(convert_to(jsonb_build_array(encode(${hash}, 'hex'), ${user}.email_key, ${user}.employee_key, ${user}.user_name_key,
     ${user}.display_name, ${user}.attributes ->> 'manager')::text, 'UTF8'))`;

/** What is shown of the two: the change of who comes, `l` of who leaves, if any does, and the auth user as it is. */
export const FINGERPRINT = `sha256(j.fingerprint || coalesce(l.fingerprint, '') || convert_to(a.version || ' ' || a.state, 'UTF8'))`;

/** Said besides row-level security, which alone would filter after those of all others were read. */
const VISIBLE = '(ARRAY(SELECT visible_tenants()))';
/** The order is that of the index that has them. */
export const ANYBODY_AWAY = `EXISTS (SELECT FROM visible_tenants() AS v (id), LATERAL (
  SELECT FROM auth_user a WHERE a.tenant_id = v.id AND a.state <> 'active' ORDER BY a.created_at LIMIT 1) one)`;
/** Auth users who are away, of those that share `key` of the given ones. */
export const AWAY = (keys: string, is: string) =>
  `(SELECT DISTINCT key, left(split_part(key, E'\\x1f', 1), 200) AS name FROM ${keys}) k
   JOIN auth_user a ON a.state <> 'active' AND a.tenant_id = ANY ${VISIBLE} AND ${is}`;
export const SAME_NAME_AND_MANAGER = `a.name_key = k.name AND a.display_name = split_part(k.key, E'\\x1f', 1)
  AND a.attributes ->> 'manager' = split_part(k.key, E'\\x1f', 2)`;

const NAME_AND_MANAGER = (name: string, manager: string) => `${name} || E'\\x1f' || ${manager}`;

/**
 * Brings the pairs of a connection up to date with its change set, in the transaction of a plan, once its changes are merged. Gives how
 * many pairs came or went. Costs a look at all who come and all who leave, where a delta proposes any such change, or it is no delta, and somebody leaves
 * or is away; of who is away, only those are read whom somebody shares something with.
 */
export async function pairUp(
  tx: BulkTransaction,
  run: TakenRun,
  { revision, snapshot }: { readonly revision: number; readonly snapshot: Snapshot },
): Promise<number> {
  await tx.query(
    `CREATE TEMP TABLE IF NOT EXISTS joining (external_id text, shares text, key text) ON COMMIT DELETE ROWS;
     CREATE TEMP TABLE IF NOT EXISTS leaving (auth_user_id uuid, external_id text, kind text, shares text, key text) ON COMMIT DELETE ROWS;
     CREATE TEMP TABLE IF NOT EXISTS paired (external_id text, auth_user_id uuid, former text, kind text, shares text[], content bytea, fingerprint bytea)
       ON COMMIT DELETE ROWS`,
  );
  const [may] = await tx.query<{ come: boolean; pair: boolean; known: boolean }>(
    `SELECT $2 OR EXISTS (SELECT FROM planned WHERE kind IN ('create', 'conflict', 'suspend', 'delete')) AS come,
       EXISTS (SELECT FROM change c WHERE c.connection_id = $1 AND ${LEAVES('c')})
         OR ${ANYBODY_AWAY}
         OR EXISTS (SELECT FROM planned WHERE kind = 'conflict' AND candidates IS NOT NULL) AS pair,
       EXISTS (SELECT FROM pair WHERE connection_id = $1 AND state = 'open') AS known`,
    [run.connection, snapshot.kind !== 'named'],
  );
  if (may?.come !== true) return may?.known === true ? await dropUntrue(tx, run) : 0;
  if (may.pair) {
    await findLeavers(tx, run);
    await findMatches(tx, run);
  }
  return may.pair || may.known ? await store(tx, run, revision) : 0;
}

async function findLeavers(tx: BulkTransaction, run: TakenRun): Promise<void> {
  const { rowCount: joiners } = await tx.client.query(
    `INSERT INTO joining
     SELECT c.external_id, k.shares, k.key FROM change c
       LEFT JOIN directory_user d ON d.connection_id = c.connection_id AND d.external_id = c.external_id
       CROSS JOIN LATERAL (
         SELECT 'employee-number', lower(c.after #>> '{fields,employeeId}')
         UNION SELECT 'name-and-manager', ${NAME_AND_MANAGER(`(c.after #>> '{fields,displayName}')`, `(c.after #>> '{fields,manager}')`)}
         UNION SELECT 'address', lower(c.after #>> '{fields,email}')
         UNION SELECT 'address', lower(alias) FROM json_array_elements_text(d.content #> '{user,aliases}') alias) AS k (shares, key)
     WHERE c.connection_id = $1 AND ${JOINS('c')} AND k.key IS NOT NULL`,
    [run.connection],
  );
  if ((joiners ?? 0) === 0) return;
  await tx.query(
    `INSERT INTO leaving
     SELECT a.id, c.external_id, CASE WHEN c.cause = ANY ($2::text[]) THEN 'rename' ELSE 're-hire' END, k.shares, k.key
     FROM change c JOIN auth_user a ON a.id = c.auth_user_id
       CROSS JOIN LATERAL (VALUES ('employee-number', a.employee_key), ('address', a.email_key),
         ('name-and-manager', ${NAME_AND_MANAGER('a.display_name', `(a.attributes ->> 'manager')`)})) AS k (shares, key)
     WHERE c.connection_id = $1 AND ${LEAVES('c')} AND k.key IS NOT NULL`,
    [run.connection, LEAVING],
  );
  await tx.query('ANALYZE joining; ANALYZE leaving');
  await findAway(tx, run, 'employee-number', 'a.employee_key = k.key');
  await findAway(tx, run, 'address', 'a.email_key = k.key');
  await findAway(tx, run, 'name-and-manager', SAME_NAME_AND_MANAGER);
  await tx.query(
    `INSERT INTO paired
     SELECT j.external_id, l.auth_user_id, min(l.external_id), min(l.kind), array_agg(DISTINCT l.shares ORDER BY l.shares)
     FROM joining j JOIN leaving l ON l.shares = j.shares AND l.key = j.key AND l.external_id <> j.external_id
     WHERE (j.shares, j.key) IN (SELECT shares, key FROM joining GROUP BY 1, 2 HAVING count(*) <= ${FEW})
       AND (l.shares, l.key) IN (SELECT shares, key FROM leaving GROUP BY 1, 2 HAVING count(*) <= ${FEW})
     GROUP BY 1, 2`,
  );
}

/** Who comes, and who leaves, of the pairs that wait for a person; gives how many changes these are. */
export async function concernPairs(tx: BulkTransaction, connection: ConnectionId): Promise<number> {
  const { rowCount } = await tx.client.query(
    `INSERT INTO concerned (guard, change_id)
     SELECT 'same-person', c.id FROM (
       SELECT external_id FROM pair WHERE connection_id = $1 AND state = 'open' AND kind <> 'match'
       UNION SELECT former_external_id FROM pair WHERE connection_id = $1 AND state = 'open' AND kind <> 'match') p
     JOIN change c ON c.connection_id = $1 AND c.external_id = p.external_id
     WHERE c.state IN ('open', 'held', 'approved') AND c.kind IN ('create', 'suspend', 'delete')`,
    [connection],
  );
  return rowCount ?? 0;
}

/** Who was suspended or deleted earlier, and is the auth user of somebody in this directory for whom nothing waits. */
async function findAway(tx: BulkTransaction, run: TakenRun, shares: string, is: string): Promise<void> {
  await tx.query(
    `INSERT INTO leaving
     SELECT a.id, i.external_id, 're-hire', $2, k.key
     FROM ${AWAY('joining WHERE shares = $2', is)}
       JOIN identity i ON i.auth_user_id = a.id AND i.connection_id = $1
     WHERE NOT EXISTS (SELECT FROM change c WHERE c.auth_user_id = a.id AND c.connection_id = $1 AND c.state IN ${WAITS})`,
    [run.connection, shares],
  );
}

const SHARED_BY = `CASE e ->> 'by' ${Object.entries(sharedBy)
  .map(([by, what]) => `WHEN '${by}' THEN '${what}'`)
  .join(' ')} END`;

/** Auth users without a link whom matching rules name, and who were not certain enough. */
async function findMatches(tx: BulkTransaction, run: TakenRun): Promise<void> {
  await tx.query(
    `INSERT INTO paired
     SELECT c.external_id, a.id, NULL, 'match', array_agg(DISTINCT ${SHARED_BY})
     FROM change c CROSS JOIN LATERAL jsonb_to_recordset(c.candidates) AS k ("authUser" uuid, evidence jsonb)
       JOIN auth_user a ON a.id = k."authUser" CROSS JOIN LATERAL jsonb_array_elements(k.evidence) AS e
     WHERE c.connection_id = $1 AND ${JOINS('c')} AND c.kind = 'conflict' AND c.candidates IS NOT NULL
       AND NOT EXISTS (SELECT FROM identity i WHERE i.auth_user_id = a.id)
     GROUP BY 1, 2`,
    [run.connection],
  );
}

/** This plan brought nobody who comes or leaves; but somebody of a pair may be back, or settled. */
async function dropUntrue(tx: BulkTransaction, run: TakenRun): Promise<number> {
  const { rowCount } = await tx.client.query(
    `UPDATE pair q SET state = 'superseded', closed_at = now()
     WHERE q.connection_id = $1 AND q.state = 'open' AND (
       NOT EXISTS (SELECT FROM change c WHERE c.connection_id = $1 AND c.external_id = q.external_id AND ${JOINS('c')})
       OR q.kind <> 'match' AND NOT EXISTS (SELECT FROM change c WHERE c.connection_id = $1 AND c.auth_user_id = q.auth_user_id AND ${LEAVES('c')})
         AND NOT EXISTS (SELECT FROM auth_user a WHERE a.id = q.auth_user_id AND a.state <> 'active'))`,
    [run.connection],
  );
  return rowCount ?? 0;
}

/** The same content keeps its verdict, other content is a new pair, and what is no longer true goes. */
async function store(tx: BulkTransaction, run: TakenRun, revision: number): Promise<number> {
  await tx.query(
    `UPDATE paired p SET content = ${CONTENT('j.desired_hash', 'a')}, fingerprint = ${FINGERPRINT}
     FROM change j, auth_user a LEFT JOIN change l ON l.connection_id = $1 AND l.auth_user_id = a.id AND ${LEAVES('l')}
     WHERE j.connection_id = $1 AND j.external_id = p.external_id AND ${JOINS('j')} AND a.id = p.auth_user_id`,
    [run.connection],
  );
  await tx.query('ANALYZE paired');
  // Two statements: with OR between them, PostgreSQL would look through all pairs for each.
  const untrue = await tx.client.query(
    `UPDATE pair q SET state = 'superseded', closed_at = now()
     WHERE q.connection_id = $1 AND q.state = 'open' AND NOT EXISTS (
       SELECT FROM paired p WHERE p.external_id = q.external_id AND p.auth_user_id = q.auth_user_id AND p.fingerprint = q.fingerprint
         AND p.former IS NOT DISTINCT FROM q.former_external_id AND p.kind = q.kind AND p.shares = q.shares)`,
    [run.connection],
  );
  const otherwise = await tx.client.query(
    `UPDATE pair q SET state = 'superseded', closed_at = now() FROM paired p
     WHERE q.connection_id = $1 AND q.state = 'different' AND p.external_id = q.external_id AND p.auth_user_id = q.auth_user_id
       AND p.content <> q.content`,
    [run.connection],
  );
  const come = await tx.client.query(
    `INSERT INTO pair (id, tenant_id, connection_id, kind, external_id, auth_user_id, former_external_id, shares, content, fingerprint, state, revision,
       run_id)
     SELECT gen_random_uuid(), $2, $1, kind, external_id, auth_user_id, former, shares, content, fingerprint, 'open', $3, $4 FROM paired p
     WHERE NOT EXISTS (SELECT FROM pair q WHERE q.connection_id = $1 AND q.external_id = p.external_id
       AND q.auth_user_id = p.auth_user_id AND q.state IN ('open', 'different'))`,
    [run.connection, run.tenant, revision, run.id],
  );
  return (untrue.rowCount ?? 0) + (otherwise.rowCount ?? 0) + (come.rowCount ?? 0);
}

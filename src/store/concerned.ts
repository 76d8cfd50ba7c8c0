/**
 * Guards that look at each change by itself: which changes concern them, in a table of the transaction. Asked when a plan is stored, of
 * all that waits; and when an apply is about to carry a batch out, of that batch, for the ground may have moved since.
 */
import type { Counted } from '../domain/guard.ts';
import type { ChangeId, ConnectionId } from '../domain/ids.ts';
import { administers } from '../domain/role.ts';
import type { BulkTransaction, Sql } from './database.ts';

/** Of changes that put somebody in another tenant. Speaks of `change c`, as all here do. */
const MOVES = `c.fields @> '[{"field": "tenant"}]'`;

/**
 * Whose changes are looked at. `among`: these, which are about to be carried out; what a person has let go, knowing what a guard had
 * found in it, they have let go. null: all that wait. What was rejected takes nothing from anybody.
 */
export type Looked = { readonly connection: ConnectionId; readonly among: readonly ChangeId[] | null };

/** `$1` is the connection, `$2` whom `among` names. */
const LOOKED = `c.connection_id = $1 AND CASE WHEN $2::uuid[] IS NULL THEN c.state IN ('open', 'held', 'approved') ELSE c.id = ANY ($2::uuid[]) END`;

/** Whether the approval that stands set aside what this guard held the change for just then. `part`: an expression, or NULL. */
const LET_GO = (guard: string, part: string) => `($2::uuid[] IS NOT NULL AND EXISTS (
  SELECT FROM decision_change e JOIN decision d ON d.id = e.overrode AND d.made_by = 'guard'
  WHERE e.decision_id = c.decision_id AND e.change_id = c.id AND e.fingerprint = c.fingerprint
    AND d.finding ->> 'guard' = ${guard} AND d.finding ->> 'role' IS NOT DISTINCT FROM ${part}))`;

/** Empties with the transaction. `part`: of last-holder the role; of the guards of parts, which. */
export async function beginConcerned(tx: BulkTransaction): Promise<void> {
  await tx.query(
    'CREATE TEMP TABLE IF NOT EXISTS concerned (guard text, part text, change_id uuid) ON COMMIT DELETE ROWS',
  );
}

type Last = Pick<Counted, 'lastAdministrators' | 'lastHolders'>;

export const NOBODY_LAST: Last = { lastAdministrators: 0, lastHolders: new Map() };

/** A role that somebody has to keep. `part`: its name; or null for all that administer together, of which one is enough. */
type Watched = { readonly part: string | null; readonly role: string };

export async function watchedRoles(sql: Sql, keepOneOf: readonly string[]): Promise<readonly Watched[]> {
  const roles = await sql.query<{ name: string; permissions: readonly string[] }>(
    'SELECT name, permissions FROM role',
  );
  return [
    ...keepOneOf.map((role) => ({ part: role, role })),
    ...roles.filter(administers).map(({ name }) => ({ part: null, role: name })),
  ];
}

/** How a user may lose what was given to them: of a `role_assignment g` with the role `w`, who is `auth_user a`. */
const LOST = `(c.kind IN ('suspend', 'delete')
  OR g.connection_id IS NOT DISTINCT FROM $1 AND w.role = ANY (c.roles_lost)
  OR g.connection_id IS NOT NULL AND g.tenant_id = a.tenant_id AND ${MOVES})`;

const LOSING = `FROM change c JOIN auth_user a ON a.id = c.auth_user_id AND a.state = 'active'
    JOIN role_assignment g ON g.auth_user_id = a.id JOIN watched w ON w.role_id = g.role_id
  WHERE ${LOOKED} AND c.kind <> 'conflict'`;
const WATCHED = `watched AS (
  SELECT w.part, r.id AS role_id, w.role FROM jsonb_to_recordset($3::jsonb) AS w (part text, role text) JOIN role r ON r.name = w.role)`;

/**
 * Who would lose one of these roles, when in a tenant nobody who is active would have it after all that is looked at. What the set
 * gives counts only once it is applied, for it may be refused.
 */
export async function concernLast(
  tx: BulkTransaction,
  { connection, among }: Looked,
  watched: readonly Watched[],
): Promise<Last> {
  if (watched.length === 0) return NOBODY_LAST;
  const guard = `CASE WHEN l.part IS NULL THEN 'last-administrator' ELSE 'last-holder' END`;
  const found = await tx.query<{ part: string | null; users: number }>(
    `WITH ${WATCHED},
     losing AS (
       SELECT c.id, w.part, g.tenant_id,
         ${LET_GO(`CASE WHEN w.part IS NULL THEN 'last-administrator' ELSE 'last-holder' END`, 'w.part')} AS let_go
       ${LOSING} GROUP BY c.id, w.part, g.tenant_id HAVING bool_and(${LOST})),
     emptied AS (
       SELECT part, tenant_id FROM losing l GROUP BY part, tenant_id
       HAVING NOT bool_or(let_go) AND count(*) >= (
         SELECT count(DISTINCT h.id) FROM watched w JOIN role_assignment g ON g.role_id = w.role_id JOIN auth_user h ON h.id = g.auth_user_id
         WHERE w.part IS NOT DISTINCT FROM l.part AND g.tenant_id = l.tenant_id AND h.state = 'active')),
     stored AS (
       INSERT INTO concerned (guard, part, change_id)
       SELECT DISTINCT ${guard}, l.part, l.id
       FROM losing l JOIN emptied e ON e.part IS NOT DISTINCT FROM l.part AND e.tenant_id = l.tenant_id
       RETURNING part)
     SELECT part, count(*)::int AS users FROM stored GROUP BY part ORDER BY part`,
    [connection, among, JSON.stringify(watched)],
  );
  return {
    lastAdministrators: found.find(({ part }) => part === null)?.users ?? 0,
    lastHolders: new Map(found.flatMap(({ part, users }) => (part === null ? [] : [[part, users]]))),
  };
}

/** Of the changes that are about to be carried out: the tenants in which they would take one of these roles from somebody. */
export async function tenantsThatLose(
  sql: Sql,
  { connection, among }: Looked,
  watched: readonly Watched[],
): Promise<readonly string[]> {
  if (watched.length === 0) return [];
  const rows = await sql.query<{ tenant: string }>(
    `WITH ${WATCHED} SELECT DISTINCT g.tenant_id AS tenant ${LOSING} AND ${LOST}`,
    [connection, among, JSON.stringify(watched)],
  );
  return rows.map(({ tenant }) => tenant);
}

const ARRIVING = `SELECT c.id, c.state, CASE WHEN a.id IS NULL OR ${MOVES}
    THEN coalesce(c.found_tenants[cardinality(c.found_tenants)], c.tenant_id) ELSE a.tenant_id END AS tenant,
    ${LET_GO(`'too-few-seats'`, 'NULL')} AS let_go
  FROM change c LEFT JOIN auth_user a ON a.id = c.auth_user_id
  WHERE ${LOOKED} AND c.kind IN ('create', 'link', 'reactivate')
    AND (a.id IS NULL OR a.state <> 'active') AND (c.kind = 'create' OR c.after ->> 'state' = 'active')`;
const SEATS = `seats_left((SELECT array_agg(DISTINCT tenant) FROM arriving)) f ON f.tenant = r.tenant`;

/**
 * Who would become active in a tenant beyond the seats that its product plan has left, the last ones first; gives how many. Seats go to
 * the approved, then to whoever was proposed earlier. Whoever is to leave keeps theirs until that is applied.
 */
export async function concernSeatless(tx: BulkTransaction, { connection, among }: Looked): Promise<number> {
  if (!(await seatsAreLimited(tx))) return 0;
  const { rowCount } = await tx.client.query(
    `WITH arriving AS MATERIALIZED (${ARRIVING}),
     ranked AS (
       SELECT r.id, r.let_go, f.seats, row_number() OVER (PARTITION BY f.set_at ORDER BY r.let_go, r.state <> 'approved', r.id) AS place
       FROM arriving r JOIN ${SEATS})
     INSERT INTO concerned (guard, change_id) SELECT 'too-few-seats', id FROM ranked WHERE place > seats AND NOT let_go`,
    [connection, among],
  );
  return rowCount ?? 0;
}

/** Where the seats are set that the changes would take which are about to be carried out. */
export async function whereSeatsAreTaken(
  sql: Sql,
  { connection, among }: Looked,
): Promise<readonly string[]> {
  if (!(await seatsAreLimited(sql))) return [];
  const rows = await sql.query<{ tenant: string }>(
    `WITH arriving AS MATERIALIZED (${ARRIVING}) SELECT DISTINCT f.set_at AS tenant FROM arriving r JOIN ${SEATS}`,
    [connection, among],
  );
  return rows.map(({ tenant }) => tenant);
}

async function seatsAreLimited(sql: Sql): Promise<boolean> {
  const [plans] = await sql.query<{ limited: boolean }>(
    'SELECT EXISTS (SELECT FROM product_plan WHERE seats IS NOT NULL) AS limited',
  );
  return plans?.limited ?? false;
}

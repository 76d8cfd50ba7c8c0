/** What the guards count in a connection's change set, and how what they find is held: by sets, a few statements for each plan. */
import { v7 } from 'uuid';
import { emailKey } from '../domain/email.ts';
import { type Counted, explainFinding, type Finding } from '../domain/guard.ts';
import type { Policy } from '../domain/policy.ts';
import type { TakenRun } from '../domain/run.ts';
import type { Snapshot } from '../domain/snapshot.ts';
import type { BulkTransaction } from './database.ts';
import type { PlanFacts } from './planFacts.ts';

/** A change that waits again, as if it had come with this plan: an approval of an earlier revision does not take it in. */
export const OPEN_AGAIN = (revision: string) =>
  `state = 'open', revision = ${revision}, decision_id = NULL, outcome = NULL, outcome_reason = NULL, apply_id = NULL, closed_at = NULL`;

const MOVES = `fields @> '[{"field": "tenant"}]'`;

/** Which changes a guard's finding concerns. `$5` is the finding. */
const concernedBy = {
  'protected-users': `id IN (SELECT change_id FROM concerned WHERE guard = 'protected-users')`,
  'last-holder': `id IN (SELECT change_id FROM concerned WHERE guard = 'last-holder' AND role = $5::jsonb ->> 'role')`,
  'too-few-seats': `id IN (SELECT change_id FROM concerned WHERE guard = 'too-few-seats')`,
  'too-many-deletions': `kind IN ('suspend', 'delete')`,
  'too-many-deletions-in-window': `kind IN ('suspend', 'delete')`,
  'shrunken-directory': `kind IN ('suspend', 'delete')`,
  'too-many-lost-roles': `roles_lost <> '{}' AND kind <> 'conflict'`,
  'too-many-moves': `${MOVES} AND kind <> 'conflict'`,
  'bulk-blanking': `kind IN ('update', 'reactivate') AND fields @> jsonb_build_array(jsonb_build_object('field', $5::jsonb ->> 'field', 'after', NULL))`,
  'too-many-changes': `kind IN ('update', 'suspend', 'delete')`,
} as const satisfies Record<Finding['guard'], string>;

/** Of guards that look at each change by itself: which they concern. */
async function beginConcerned(tx: BulkTransaction): Promise<void> {
  await tx.query(
    'CREATE TEMP TABLE IF NOT EXISTS concerned (guard text, role text, change_id uuid) ON COMMIT DELETE ROWS',
  );
}

/** What waits. What was rejected takes nothing from anybody. */
const WAITING = `('open', 'held', 'approved')`;

/** Gives how many changes there are that would take something from whom the policy protects. */
async function concernProtected(
  tx: BulkTransaction,
  run: TakenRun,
  { users, roles }: Policy['protected'],
): Promise<number> {
  if (users.length === 0 && roles.length === 0) return 0;
  const { rowCount } = await tx.client.query(
    `INSERT INTO concerned (guard, change_id)
     SELECT 'protected-users', c.id FROM change c JOIN auth_user a ON a.id = c.auth_user_id
     WHERE c.connection_id = $1 AND c.state IN ${WAITING}
       AND (c.kind IN ('suspend', 'delete') OR c.kind <> 'conflict' AND c.roles_lost <> '{}')
       AND (a.id::text = ANY ($2::text[]) OR a.email_key = ANY ($3::text[])
         OR lower(a.user_name) IN (SELECT lower(name) FROM unnest($2::text[]) AS n (name))
         OR EXISTS (SELECT FROM role_assignment g JOIN role r ON r.id = g.role_id
                    WHERE g.auth_user_id = a.id AND r.name = ANY ($4::text[])))`,
    [run.connection, users, users.flatMap((user) => emailKey(user) ?? []), roles],
  );
  return rowCount ?? 0;
}

/**
 * Who would lose one of these roles, when in a tenant nobody who is active would have it after all that waits: by role, how many. What
 * the set gives counts only once it is applied, for it may be refused.
 */
async function concernLastHolders(
  tx: BulkTransaction,
  run: TakenRun,
  roles: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (roles.length === 0) return new Map();
  const found = await tx.query<{ role: string; users: number }>(
    `WITH losing AS (
       SELECT c.id, g.role_id, g.tenant_id, r.name
       FROM change c JOIN auth_user a ON a.id = c.auth_user_id AND a.state = 'active'
         JOIN role_assignment g ON g.auth_user_id = a.id JOIN role r ON r.id = g.role_id AND r.name = ANY ($2::text[])
       WHERE c.connection_id = $1 AND c.state IN ${WAITING} AND c.kind <> 'conflict'
       GROUP BY c.id, g.role_id, g.tenant_id, r.name
       HAVING bool_and(c.kind IN ('suspend', 'delete')
         OR g.connection_id IS NOT DISTINCT FROM $1 AND r.name = ANY (c.roles_lost)
         OR g.connection_id IS NOT NULL AND g.tenant_id = a.tenant_id AND c.${MOVES})),
     emptied AS (
       SELECT role_id, tenant_id FROM losing l GROUP BY role_id, tenant_id
       HAVING count(*) >= (SELECT count(DISTINCT h.id) FROM role_assignment g JOIN auth_user h ON h.id = g.auth_user_id
                           WHERE g.role_id = l.role_id AND g.tenant_id = l.tenant_id AND h.state = 'active')),
     stored AS (
       INSERT INTO concerned (guard, role, change_id)
       SELECT DISTINCT 'last-holder', l.name, l.id FROM losing l JOIN emptied e USING (role_id, tenant_id)
       RETURNING role)
     SELECT role, count(*)::int AS users FROM stored GROUP BY role ORDER BY role`,
    [run.connection, roles],
  );
  return new Map(found.map(({ role, users }) => [role, users]));
}

/**
 * Who would become active in a tenant beyond the seats that its product plan has left, the last ones first; gives how many. Seats go to
 * the approved, then to whoever was proposed earlier. Whoever is to leave keeps theirs until that is applied.
 */
async function concernSeatless(tx: BulkTransaction, run: TakenRun): Promise<number> {
  const [plans] = await tx.query<{ limit: boolean }>(
    'SELECT EXISTS (SELECT FROM product_plan WHERE seats IS NOT NULL) AS limit',
  );
  if (plans?.limit !== true) return 0;
  const { rowCount } = await tx.client.query(
    `WITH arriving AS MATERIALIZED (
       SELECT c.id, c.state, CASE WHEN a.id IS NULL OR c.${MOVES}
         THEN coalesce(c.found_tenants[cardinality(c.found_tenants)], c.tenant_id) ELSE a.tenant_id END AS tenant
       FROM change c LEFT JOIN auth_user a ON a.id = c.auth_user_id
       WHERE c.connection_id = $1 AND c.state IN ${WAITING} AND c.kind IN ('create', 'link', 'reactivate')
         AND (a.id IS NULL OR a.state <> 'active') AND (c.kind <> 'link' OR c.after ->> 'state' = 'active')),
     ranked AS (
       SELECT r.id, f.seats, row_number() OVER (PARTITION BY f.set_at ORDER BY r.state <> 'approved', r.id) AS place
       FROM arriving r JOIN seats_left((SELECT array_agg(DISTINCT tenant) FROM arriving)) f ON f.tenant = r.tenant)
     INSERT INTO concerned (guard, change_id) SELECT 'too-few-seats', id FROM ranked WHERE place > seats`,
    [run.connection],
  );
  return rowCount ?? 0;
}

/** Up to so many changes are looked up one by one. */
const FEW = 100;
const NONE = { deletions: 0, lost: 0, moves: 0, changes: 0, refused: 0 };

/** Guards that may let go of one change and keep another. */
const ONE_BY_ONE = `('protected-users', 'last-holder', 'too-few-seats')`;

/** `at`: when the plan is made. Finds out as well which changes the guards concern that look at each by itself. */
export async function countForGuards(
  tx: BulkTransaction,
  run: TakenRun,
  { facts, at }: { readonly facts: PlanFacts; readonly at: Date },
): Promise<Counted> {
  const { lastComplete, policy, snapshot } = facts;
  await beginConcerned(tx);
  const [{ deletions, lost, moves, changes, refused } = NONE] = await tx.query<typeof NONE>(
    `SELECT count(*) FILTER (WHERE ${concernedBy['too-many-deletions']} AND state <> 'rejected')::int AS deletions,
       count(*) FILTER (WHERE ${concernedBy['too-many-lost-roles']} AND state <> 'rejected')::int AS lost,
       count(*) FILTER (WHERE ${concernedBy['too-many-moves']} AND state <> 'rejected')::int AS moves,
       count(*) FILTER (WHERE ${concernedBy['too-many-changes']} AND state <> 'rejected')::int AS changes,
       count(*) FILTER (WHERE kind = 'delete' AND state = 'rejected')::int AS refused
     FROM change WHERE connection_id = $1 AND state IN ('open', 'held', 'approved', 'rejected')`,
    [run.connection],
  );
  // What was proposed a moment ago has no statistics: looked up one by one, many changes would each go over all who have a role.
  const many = deletions + lost + moves > FEW;
  if (many) await tx.query('SET LOCAL enable_nestloop = off');
  const one = {
    protectedUsers: await concernProtected(tx, run, policy.protected),
    lastHolders: await concernLastHolders(tx, run, policy.keepOneOf),
  };
  if (many) await tx.query('SET LOCAL enable_nestloop = on');
  const linked = await countLinked(tx, run);
  return {
    linkedUsers: linked,
    usersBefore: lastComplete === null ? null : Math.max(lastComplete.users, linked - refused),
    usersNow: snapshot.kind === 'complete' ? snapshot.users : null,
    deletions,
    ...one,
    usersWithoutSeat: await concernSeatless(tx, run),
    leftInWindow: deletions === 0 ? NOBODY : await countLeft(tx, run, earlier(at, policy.guards.windowHours)),
    usersWhoLoseRoles: lost,
    usersWhoMove: moves,
    usersWhoChange: changes,
    blanked: await countBlanked(tx, run),
  };
}

async function countLinked(tx: BulkTransaction, run: TakenRun): Promise<number> {
  await tx.query('SET LOCAL enable_nestloop = off'); // everybody is counted, however few the statistics say there are
  const [all] = await tx.query<{ linked: number }>(
    `SELECT count(*)::int AS linked FROM identity i JOIN auth_user a ON a.id = i.auth_user_id
     WHERE i.connection_id = $1 AND a.state <> 'deleted'`,
    [run.connection],
  );
  await tx.query('SET LOCAL enable_nestloop = on');
  return all?.linked ?? 0;
}

const NOBODY = { users: 0, deleted: 0 };
const earlier = (at: Date, hours: number) => new Date(at.getTime() - hours * 3_600_000);

/** Whom applies have suspended or deleted since, who are still away, and whom no such change waits for. */
async function countLeft(tx: BulkTransaction, run: TakenRun, since: Date): Promise<Counted['leftInWindow']> {
  const [left] = await tx.query<Counted['leftInWindow']>(
    `SELECT count(*)::int AS users, count(*) FILTER (WHERE a.state = 'deleted')::int AS deleted
     FROM (SELECT DISTINCT auth_user_id AS id FROM change WHERE connection_id = $1 AND state = 'applied' AND outcome = 'applied'
             AND kind IN ('suspend', 'delete') AND closed_at > $2) gone
       JOIN auth_user a ON a.id = gone.id AND a.state <> 'active'
     WHERE NOT EXISTS (SELECT FROM change w WHERE w.connection_id = $1 AND w.auth_user_id = gone.id
                         AND w.state IN ('open', 'held', 'approved') AND w.kind IN ('suspend', 'delete'))`,
    [run.connection, since.toISOString()],
  );
  return left ?? NOBODY;
}

async function countBlanked(tx: BulkTransaction, run: TakenRun): Promise<ReadonlyMap<string, number>> {
  const blanked = await tx.query<{ field: string; users: number }>(
    `SELECT f ->> 'field' AS field, count(*)::int AS users FROM change c, jsonb_array_elements(c.fields) f
     WHERE c.connection_id = $1 AND c.state IN ('open', 'held', 'approved') AND c.kind IN ('update', 'reactivate')
       AND f -> 'after' = 'null' AND f ->> 'field' <> 'tenant' GROUP BY 1`,
    [run.connection],
  );
  return new Map(blanked.map((found) => [found.field, found.users]));
}

type Found = {
  readonly findings: readonly Finding[];
  readonly snapshot: Snapshot;
  /** Of the plan. */
  readonly revision: number;
};

/**
 * Holds what the findings concern; gives how many changes were held or opened. What a guard held earlier is open again where a complete
 * snapshot shows that the guard has nothing to find any more; but not what was held because the directory had shrunk: the next run
 * compares with the shrunken one, so that its silence proves nothing. That waits for a person, or for the people to be back.
 */
export async function holdFound(tx: BulkTransaction, run: TakenRun, found: Found): Promise<number> {
  const { findings, snapshot, revision } = found;
  let altered = snapshot.kind === 'complete' ? await openAgain(tx, run, findings, revision) : 0;
  for (const finding of findings) altered += await holdFor(tx, run, finding); // a handful at the most: guards times fields
  return altered;
}

async function openAgain(
  tx: BulkTransaction,
  run: TakenRun,
  findings: readonly Finding[],
  revision: number,
): Promise<number> {
  const { rowCount } = await tx.client.query(
    `UPDATE change c SET ${OPEN_AGAIN('$3')} FROM decision d
     WHERE c.connection_id = $1 AND c.state = 'held' AND d.id = c.decision_id AND d.made_by = 'guard'
       AND d.finding ->> 'guard' <> 'shrunken-directory'
       AND (NOT EXISTS (SELECT FROM jsonb_to_recordset($2::jsonb) AS f (guard text, field text, role text)
                        WHERE f.guard = d.finding ->> 'guard' AND f.field IS NOT DISTINCT FROM d.finding ->> 'field'
                          AND f.role IS NOT DISTINCT FROM d.finding ->> 'role')
         OR d.finding ->> 'guard' IN ${ONE_BY_ONE}
           AND NOT EXISTS (SELECT FROM concerned x WHERE x.guard = d.finding ->> 'guard' AND x.change_id = c.id
                             AND x.role IS NOT DISTINCT FROM d.finding ->> 'role'))`,
    [run.connection, JSON.stringify(findings), revision],
  );
  return rowCount ?? 0;
}

async function holdFor(tx: BulkTransaction, run: TakenRun, finding: Finding): Promise<number> {
  const { rowCount } = await tx.client.query(
    `WITH meant AS (
       SELECT id, tenant_id, fingerprint FROM change
       WHERE connection_id = $1 AND state = 'open' AND ${concernedBy[finding.guard]}),
     made AS (
       INSERT INTO decision (id, tenant_id, connection_id, verdict, made_by, reason, finding)
       SELECT $2, $3, $1, 'hold', 'guard', $4, $5::jsonb WHERE EXISTS (SELECT FROM meant)),
     evidence AS (
       INSERT INTO decision_change (decision_id, change_id, tenant_id, fingerprint)
       SELECT $2, id, tenant_id, fingerprint FROM meant)
     UPDATE change c SET state = 'held', decision_id = $2 FROM meant
     WHERE c.id = meant.id AND c.state = 'open'`, // a person may have decided since
    [run.connection, v7(), run.tenant, explainFinding(finding), JSON.stringify(finding)],
  );
  return rowCount ?? 0;
}

/** What the guards count in a connection's change set, and how what they find is held: by sets, a few statements for each plan. */
import { v7 } from 'uuid';
import { emailKey } from '../domain/email.ts';
import {
  type Counted,
  enoughLinked,
  explainFinding,
  type Finding,
  ONE_BY_ONE,
  type Override,
} from '../domain/guard.ts';
import { LEAVING } from '../domain/leavers.ts';
import type { Policy } from '../domain/policy.ts';
import type { TakenRun } from '../domain/run.ts';
import type { Snapshot } from '../domain/snapshot.ts';
import { beginConcerned, concernLast, concernSeatless, NOBODY_LAST, watchedRoles } from './concerned.ts';
import type { BulkTransaction } from './database.ts';
import { concernPairs } from './pairs.ts';
import type { PlanFacts } from './planFacts.ts';
import { avoiding } from './planner.ts';
import { concernScope } from './scopeEmptied.ts';
import { concernParts } from './shrinkingParts.ts';
import { unknownRoles } from './unknownNames.ts';

/**
 * A change that waits again, as if it had come with this plan: an approval of an earlier revision does not take it in. `holding`: the
 * decision that holds it, where it is not NULL.
 */
export const OPEN_AGAIN = (revision: string, note = 'NULL', holding = 'NULL') =>
  `state = CASE WHEN ${holding} IS NULL THEN 'open' ELSE 'held' END, revision = ${revision}, decision_id = ${holding}, outcome = NULL, outcome_reason = NULL, apply_id = NULL, closed_at = NULL, note = ${note}`;

/** Whose deletion follows their suspension was counted with that. */
const REMOVES = `kind IN ('suspend', 'delete') AND cause <> 'grace-over'`;
const MOVES = `fields @> '[{"field": "tenant"}]'`;

const LOSES = `(kind IN ('suspend', 'delete') OR kind <> 'conflict' AND (roles_lost <> '{}' OR ${MOVES}))`;
const OF_PART = (guard: Finding['guard']) =>
  `id IN (SELECT change_id FROM concerned WHERE guard = '${guard}' AND part = $5::jsonb ->> 'part')`;

/** Which changes a guard's finding concerns. `$5` is the finding. */
const concernedBy = {
  'protected-users': `id IN (SELECT change_id FROM concerned WHERE guard = 'protected-users')`,
  'last-administrator': `id IN (SELECT change_id FROM concerned WHERE guard = 'last-administrator')`,
  'last-holder': `id IN (SELECT change_id FROM concerned WHERE guard = 'last-holder' AND part = $5::jsonb ->> 'role')`,
  'too-few-seats': `id IN (SELECT change_id FROM concerned WHERE guard = 'too-few-seats')`,
  'same-person': `id IN (SELECT change_id FROM concerned WHERE guard = 'same-person')`,
  'policy-in-doubt': LOSES,
  'scope-emptied': `id IN (SELECT change_id FROM concerned WHERE guard = 'scope-emptied' AND part IS NOT DISTINCT FROM $5::jsonb ->> 'field')`,
  'too-many-deletions': REMOVES,
  'too-many-deletions-in-window': REMOVES,
  'shrunken-directory': REMOVES,
  'shrunken-domain': OF_PART('shrunken-domain'),
  'shrunken-org-unit': OF_PART('shrunken-org-unit'),
  'shrunken-group': OF_PART('shrunken-group'),
  'too-many-lost-roles': `roles_lost <> '{}' AND kind <> 'conflict'`,
  'too-many-moves': `${MOVES} AND kind <> 'conflict'`,
  'bulk-blanking': `kind IN ('update', 'reactivate') AND fields @> jsonb_build_array(jsonb_build_object('field', $5::jsonb ->> 'field', 'after', NULL))`,
  'too-many-changes': `(kind = 'update' OR ${REMOVES})`,
} as const satisfies Record<Finding['guard'], string>;

/** How many changes there are of the groups, in the states, that a condition upon changes tells: as counted with every statement. */
const inGroups = (condition: string) =>
  `coalesce(sum(n.changes) FILTER (WHERE ${condition.replaceAll(MOVES, `'tenant' = ANY (fields)`)}), 0)::int`;
const standing = (condition: string) => inGroups(`${condition} AND state <> 'rejected'`);

/** What waits. What was rejected takes nothing from anybody. */
const WAITING = `c.state IN ('open', 'held', 'approved')`;

/** Gives how many changes there are that would take something from whom the policy protects. */
async function concernProtected(
  tx: BulkTransaction,
  run: Guarded,
  { users, roles }: Policy['protected'],
): Promise<number> {
  if (users.length === 0 && roles.length === 0) return 0;
  const { rowCount } = await tx.client.query(
    `INSERT INTO concerned (guard, change_id)
     SELECT 'protected-users', c.id FROM change c JOIN auth_user a ON a.id = c.auth_user_id
     WHERE c.connection_id = $1 AND ${WAITING}
       AND (c.kind IN ('suspend', 'delete') OR c.kind <> 'conflict' AND c.roles_lost <> '{}')
       AND (a.id::text = ANY ($2::text[]) OR a.email_key = ANY ($3::text[])
         OR lower(a.user_name) IN (SELECT lower(name) FROM unnest($2::text[]) AS n (name))
         OR EXISTS (SELECT FROM role_assignment g JOIN role r ON r.id = g.role_id
                    WHERE g.auth_user_id = a.id AND r.name = ANY ($4::text[])))`,
    [run.connection, users, users.flatMap((user) => emailKey(user) ?? []), roles],
  );
  return rowCount ?? 0;
}

/** Up to so many changes are looked up one by one. */
const FEW = 100;
const NONE = { deletions: 0, lost: 0, moves: 0, losers: 0, changes: 0, away: 0 };

/** Whose change set is guarded. `id`: of the run whose plan it is. */
type Guarded = Pick<TakenRun, 'id' | 'connection' | 'tenant'>;
type GuardFacts = Pick<PlanFacts, 'policy' | 'snapshot' | 'scopeReads'> & {
  readonly lastComplete: { readonly users: number } | null;
};

/** `at`: when the plan is made. Finds out as well which changes the guards concern that look at each by itself. */
export async function countForGuards(
  tx: BulkTransaction,
  run: Guarded,
  { facts, at }: { readonly facts: GuardFacts; readonly at: Date },
): Promise<Counted> {
  const { lastComplete, policy, snapshot } = facts;
  const all = { connection: run.connection, among: null };
  await beginConcerned(tx);
  const count = () =>
    tx.query<typeof NONE>(
      `SELECT ${standing(REMOVES)} AS deletions, ${standing(concernedBy['too-many-lost-roles'])} AS lost,
         ${standing(concernedBy['too-many-moves'])} AS moves, ${standing(LOSES)} AS losers, ${standing(concernedBy['too-many-changes'])} AS changes,
         ${inGroups(`kind IN ('suspend', 'delete') AND cause = ANY ($2::text[]) AND state = 'rejected'`)}
           + (SELECT count(*)::int FROM leaver l JOIN auth_user a ON a.id = l.auth_user_id AND a.state = 'suspended' WHERE l.connection_id = $1) AS away
       FROM change_count n JOIN change_group g ON g.id = n.group_id
       WHERE n.connection_id = $1 AND n.state IN ('open', 'held', 'approved', 'rejected')`,
      [run.connection, LEAVING],
    );
  const [{ deletions, lost, moves, losers, changes, away } = NONE] = await avoiding('seqscan', tx, count);
  // What was proposed a moment ago has no statistics: looked up one by one, many changes would each go over all who have a role.
  const many = deletions + lost + moves > FEW;
  const oneByOne = async () => ({
    protectedUsers: await concernProtected(tx, run, policy.protected),
    ...(losers === 0 ? NOBODY_LAST : await concernLast(tx, all, await watchedRoles(tx, policy.keepOneOf))),
  });
  const one = await (many ? avoiding('nestloop', tx, oneByOne) : oneByOne());
  const counted = {
    deletions,
    ...one,
    usersWithoutSeat: await concernSeatless(tx, all),
    inPairs: policy.samePerson === 'hold' ? await concernPairs(tx, run.connection) : 0,
    usersWhoLose: losers,
    unknownRoles: losers === 0 ? [] : await unknownRoles(tx, policy),
    shrinking:
      deletions + lost === 0
        ? []
        : await concernParts(tx, run, { snapshot: snapshot.kind, atLeast: policy.guards.partAtLeast }),
    scopeEmptied: deletions === 0 ? new Map() : await concernScope(tx, run, facts.scopeReads),
    leftInWindow: deletions === 0 ? NOBODY : await countLeft(tx, run, earlier(at, policy.guards.windowHours)),
    usersWhoLoseRoles: lost,
    usersWhoMove: moves,
    usersWhoChange: changes,
    blanked: await countBlanked(tx, run),
    usersBefore: null,
    usersNow: null,
  };
  const named = snapshot.kind === 'named';
  const enough = named ? enoughLinked(counted, policy.guards) : Number.POSITIVE_INFINITY;
  const linkedUsers = await countLinked(tx, run, enough);
  if (snapshot.kind !== 'complete' || lastComplete === null) return { ...counted, linkedUsers };
  const usersBefore = Math.max(lastComplete.users, linkedUsers - away);
  return { ...counted, linkedUsers, usersBefore, usersNow: snapshot.users };
}

/**
 * Auth users that are linked and not deleted, counted no further than `enough`: as links, by an index alone, less those of the deleted,
 * who are few.
 */
async function countLinked(tx: BulkTransaction, run: Guarded, enough: number): Promise<number> {
  if (enough === 0) return 0;
  const [gone] = await tx.query<{ users: number }>(
    `SELECT count(*)::int AS users FROM auth_user a JOIN identity i ON i.auth_user_id = a.id AND i.connection_id = $1
     WHERE a.state = 'deleted'`,
    [run.connection],
  );
  const deleted = gone?.users ?? 0;
  const [all] = await tx.query<{ links: number }>(
    'SELECT count(*)::int AS links FROM (SELECT FROM identity WHERE connection_id = $1 LIMIT $2) linked',
    [run.connection, Number.isFinite(enough) ? enough + deleted : null],
  );
  return (all?.links ?? 0) - deleted;
}

const NOBODY = { users: 0, deleted: 0 };
const earlier = (at: Date, hours: number) => new Date(at.getTime() - hours * 3_600_000);

/** Whom applies have suspended or deleted since, who are still away, and whom no such change waits for. */
async function countLeft(tx: BulkTransaction, run: Guarded, since: Date): Promise<Counted['leftInWindow']> {
  const [left] = await tx.query<Counted['leftInWindow']>(
    `SELECT count(*)::int AS users, count(*) FILTER (WHERE a.state = 'deleted')::int AS deleted
     FROM (SELECT DISTINCT auth_user_id AS id FROM change WHERE connection_id = $1 AND state = 'applied' AND outcome = 'applied'
             AND ${REMOVES} AND closed_at > $2) gone
       JOIN auth_user a ON a.id = gone.id AND a.state <> 'active'
     WHERE NOT EXISTS (SELECT FROM change w WHERE w.connection_id = $1 AND w.auth_user_id = gone.id
                         AND w.state IN ('open', 'held', 'approved') AND w.kind IN ('suspend', 'delete') AND w.cause <> 'grace-over')`,
    [run.connection, since.toISOString()],
  );
  return left ?? NOBODY;
}

async function countBlanked(tx: BulkTransaction, run: Guarded): Promise<ReadonlyMap<string, number>> {
  const blanked = await tx.query<{ field: string; users: number }>(
    `SELECT f ->> 'field' AS field, sum(n.changes)::int AS users
     FROM change_count n JOIN change_group g ON g.id = n.group_id, jsonb_array_elements(g.difference -> 'fields') f
     WHERE n.connection_id = $1 AND n.state IN ('open', 'held', 'approved') AND g.kind IN ('update', 'reactivate')
       AND (f ->> 'how' = 'emptied' OR f ->> 'how' = 'value' AND f -> 'after' = 'null') AND f ->> 'field' <> 'tenant'
     GROUP BY 1 HAVING sum(n.changes) > 0`,
    [run.connection],
  );
  return new Map(blanked.map((found) => [found.field, found.users]));
}

type Found = {
  readonly findings: readonly Finding[];
  readonly overrides: readonly Override[];
  readonly snapshot: Snapshot;
  /** Of the plan. */
  readonly revision: number;
};

/**
 * Holds what the findings concern; gives how many changes were held or opened. What a guard held earlier is open again where a complete
 * snapshot shows that the guard has nothing to find any more; but not what was held because the directory had shrunk: the next run
 * compares with the shrunken one, so that its silence proves nothing. That waits for a person, or for the people to be back.
 */
export async function holdFound(tx: BulkTransaction, run: Guarded, found: Found): Promise<number> {
  const holding = found.findings.filter(({ overridden }) => overridden === undefined);
  let altered = await openAgain(tx, run, found);
  for (const finding of holding) altered += await holdFor(tx, run, finding); // a handful at the most: guards times fields and parts
  return altered;
}

/** A finding `f` of this plan, of what the decision `d` was about. */
const SAME_FINDING = `f.guard = d.finding ->> 'guard' AND f.field IS NOT DISTINCT FROM d.finding ->> 'field'
  AND f.role IS NOT DISTINCT FROM d.finding ->> 'role' AND f.part IS NOT DISTINCT FROM d.finding ->> 'part'`;

/**
 * What an override lets through is open whatever the run has read, as a person has said so: that is, what it would have let through when
 * it was held, or lets through now. That a guard finds nothing is no reason: a run that has not read everybody does not ask some guards.
 * Nor is it of a part whose size is not known.
 */
async function openAgain(
  tx: BulkTransaction,
  run: Guarded,
  { findings, overrides, snapshot, revision }: Found,
): Promise<number> {
  if (snapshot.kind !== 'complete' && overrides.length === 0) return 0;
  const { rowCount } = await tx.client.query(
    `WITH found AS MATERIALIZED (
       SELECT *, overridden IS NULL AS holds FROM jsonb_to_recordset($2::jsonb)
         AS f (guard text, field text, role text, part text, overridden jsonb))
     UPDATE change c SET ${OPEN_AGAIN('$3')} FROM decision d
     WHERE c.connection_id = $1 AND c.state = 'held' AND d.id = c.decision_id AND d.made_by = 'guard' AND (
       NOT EXISTS (SELECT FROM found f WHERE f.holds AND ${SAME_FINDING}) AND (
         EXISTS (SELECT FROM jsonb_to_recordset($4::jsonb) AS o (guard text, allowed integer)
                 WHERE o.guard = d.finding ->> 'guard' AND (o.allowed IS NULL OR (d.finding ->> 'counted')::int <= o.allowed
                   OR EXISTS (SELECT FROM found f WHERE NOT f.holds AND ${SAME_FINDING})))
         OR $5 AND d.finding ->> 'guard' <> 'shrunken-directory'
           AND NOT EXISTS (SELECT FROM concerned x WHERE x.change_id IS NULL AND x.guard = d.finding ->> 'guard'
                             AND x.part = d.finding ->> 'part'))
       OR $5 AND d.finding ->> 'guard' = ANY ($6::text[])
         AND NOT EXISTS (SELECT FROM concerned x WHERE x.guard = d.finding ->> 'guard' AND x.change_id = c.id
                           AND x.part IS NOT DISTINCT FROM d.finding ->> 'role'))`,
    [
      run.connection,
      JSON.stringify(findings),
      revision,
      JSON.stringify(overrides),
      snapshot.kind === 'complete',
      ONE_BY_ONE,
    ],
  );
  return rowCount ?? 0;
}

async function holdFor(tx: BulkTransaction, run: Guarded, finding: Finding): Promise<number> {
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

/** What applies made of changes: of what was not carried out, kept with the apply, because a later run may propose the change afresh. */
import type { Outcome } from '../domain/apply.ts';
import type { ApplyId, ChangeId, TenantId } from '../domain/ids.ts';
import type { PageOptions } from '../domain/page.ts';
import { type ChangeView, readChanges } from './changes.ts';
import type { Sql } from './database.ts';
import { SUBTREE } from './scope.ts';

export type ApplyCounts = {
  readonly applied: number;
  readonly alreadyApplied: number;
  readonly moved: number;
  readonly failed: number;
  /** By a guard, for things had moved since the plan. */
  readonly held: number;
};

type Left = { readonly id: ChangeId; readonly reason: string | null };

/** In the transaction of what it says. Of none, nothing is asked. */
export async function noteLeft(
  sql: Sql,
  { id: apply, tenant }: { readonly id: ApplyId; readonly tenant: TenantId },
  outcome: 'moved' | 'failed' | 'held',
  left: readonly Left[],
): Promise<void> {
  if (left.length === 0) return;
  await sql.query(
    `INSERT INTO apply_outcome (apply_id, change_id, tenant_id, outcome, reason)
     SELECT $2, id, $3, $4, reason FROM jsonb_to_recordset($1::jsonb) AS row (id uuid, reason text)
     ON CONFLICT (apply_id, change_id) DO UPDATE SET outcome = excluded.outcome, reason = excluded.reason`,
    [JSON.stringify(left), apply, tenant, outcome],
  );
}

/** Of the apply with this id: one row of `ApplyCounts`, by going over all that it has done. */
export const COUNTED = (apply: string) =>
  `SELECT c.*, o.* FROM (SELECT count(*) FILTER (WHERE outcome = 'applied')::int AS applied,
       count(*) FILTER (WHERE outcome = 'already-applied')::int AS "alreadyApplied" FROM change WHERE apply_id = ${apply}) c,
     (SELECT count(*) FILTER (WHERE outcome = 'moved')::int AS moved, count(*) FILTER (WHERE outcome = 'failed')::int AS failed,
       count(*) FILTER (WHERE outcome = 'held')::int AS held FROM apply_outcome WHERE apply_id = ${apply}) o`;

/** What the changes of an apply came to so far. */
export async function countOutcomes(sql: Sql, apply: ApplyId): Promise<ApplyCounts> {
  const [row] = await sql.query<ApplyCounts>(COUNTED('$1'), [apply]);
  return row ?? { applied: 0, alreadyApplied: 0, moved: 0, failed: 0, held: 0 };
}

/** Those that an apply gave their outcome, oldest first, as they are now but for that; one row more than `limit` where others follow. */
export async function readOutcomes(
  sql: Sql,
  within: TenantId,
  { apply, outcomes }: { readonly apply: ApplyId; readonly outcomes: readonly Outcome[] },
  { limit, after }: PageOptions,
): Promise<readonly ChangeView[]> {
  const rows = await sql.query<{ id: ChangeId; outcome: Outcome; reason: string | null }>(
    `SELECT * FROM (
       SELECT id, outcome, outcome_reason AS reason FROM change WHERE apply_id = $1 AND outcome IN ('applied', 'already-applied')
       UNION ALL SELECT change_id, outcome, reason FROM apply_outcome WHERE apply_id = $1) o
     WHERE outcome = ANY ($2::text[]) AND ($3::uuid IS NULL OR id > $3) ORDER BY id LIMIT $4::int`,
    [apply, outcomes, after, limit + 1],
  );
  const given = new Map(rows.map((row) => [row.id, row]));
  const where = `c.id = ANY ($1::uuid[]) AND c.tenant_id IN ${SUBTREE('$2::uuid')}`;
  const changes = await readChanges(sql, where, [[...given.keys()], within], limit + 1);
  return changes.map((change) => {
    const { outcome, reason } = given.get(change.id) ?? {
      outcome: change.outcome,
      reason: change.outcomeReason,
    };
    return { ...change, apply, outcome, outcomeReason: reason };
  });
}

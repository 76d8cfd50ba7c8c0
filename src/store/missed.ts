/** What the deltas before a full run should have found. */
import type { Cause } from '../domain/change.ts';
import type { TakenRun } from '../domain/run.ts';
import { SAME } from './contested.ts';
import type { BulkTransaction } from './database.ts';
import { LAST_WITH_TOKEN } from './staging.ts';

/** What a feed of changes tells. All else comes from here: an edit, a decision, a tenant, a verified domain, the mapping. */
const TOLD: readonly Cause[] = [
  'joined',
  'matched-by-email',
  'returned',
  'edited',
  'suspended',
  'deprovisioned',
];
/** Of those who are not listed any more nothing new was read; that they were there is known from before. */
const TOLD_OF_ABSENT: readonly Cause[] = ['left', 'out-of-scope'];
const OF_GROUPS: Cause = 'group-membership';

/**
 * Of what the plan's table `planned` holds, before it is merged: the new changes that stem from what was read otherwise than before the
 * last delta, by a full run, and of users whom the feed did not name since. null where the feed was not asked. `live`: the
 * states of a change that waits or is remembered.
 */
export async function countMissed(tx: BulkTransaction, run: TakenRun, live: string): Promise<number | null> {
  const { told } = run;
  if (told === null) return null;
  const read = told.ofGroups ? TOLD : [...TOLD, OF_GROUPS];
  const [row] = await tx.query<{ missed: number }>(
    `SELECT count(*)::int AS missed FROM planned p
       JOIN directory_user d ON d.connection_id = $1 AND d.external_id = p.external_id
     WHERE (p.cause = ANY ($2::text[]) AND d.read_by > (${LAST_WITH_TOKEN}) OR p.cause = ANY ($3::text[]))
       AND NOT EXISTS (SELECT FROM unnest($4::text[]) AS t (id) WHERE t.id = p.external_id)
       AND NOT EXISTS (SELECT FROM change c WHERE c.connection_id = $1 AND c.state IN ${live} AND ${SAME('p', 'c')})`,
    [run.connection, read, TOLD_OF_ABSENT, [...told.users]],
  );
  return row?.missed ?? 0;
}

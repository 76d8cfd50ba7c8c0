/** The living change set: what waits or is remembered of a connection, and how what a plan proposes is merged into it, by sets. */
import type { TakenRun } from '../domain/run.ts';
import type { Snapshot } from '../domain/snapshot.ts';
import { WHY_GONE } from './changeNotes.ts';
import { SAME, spokenOf } from './contested.ts';
import type { BulkTransaction } from './database.ts';
import { OPEN_AGAIN } from './guards.ts';
import { avoiding } from './planner.ts';

/** States in which a change waits or is remembered; all others are history. */
export const LIVE = `('open', 'approved', 'rejected', 'held', 'moved', 'failed')`;

/** `revision`: of the change set with this plan. `areLosing`: the table `losing_parts` has rows. */
type Merged = {
  readonly kind: Snapshot['kind'];
  readonly revision: number;
  readonly areLosing: boolean;
};

/** Of the table `planned`: the same content keeps its decision, other content is a new change. Gives how many changes are otherwise than before. */
export function mergePlanned(tx: BulkTransaction, run: TakenRun, merged: Merged): Promise<number> {
  return avoiding('seqscan', tx, () => merge(tx, run, merged)); // what waits is found by its index
}

async function merge(
  tx: BulkTransaction,
  { connection, id: run }: TakenRun,
  { kind, revision, areLosing }: Merged,
): Promise<number> {
  const altered = async (statement: string, values: readonly unknown[]) => {
    const { rowCount } = await tx.client.query(statement, [...values]);
    return rowCount ?? 0;
  };
  const gone = await altered(TAKE_BACK(kind), [connection, run, kind]);
  const based = await altered(
    `UPDATE change b SET base_version = p.base_version
     FROM planned p JOIN ${kind === 'named' ? `LATERAL (${OF_CONNECTION} AND external_id = p.external_id OFFSET 0)` : `(${OF_CONNECTION})`} c ON ${SAME('p', 'c')}
     WHERE b.id = c.id AND b.state IN ${LIVE} AND b.base_version IS DISTINCT FROM p.base_version`,
    [connection],
  );
  const again = await altered(
    `UPDATE change c SET ${OPEN_AGAIN('$2')} FROM planned p
     WHERE c.connection_id = $1 AND c.state IN ('moved', 'failed') AND ${SAME('p', 'c')}`,
    [connection, revision],
  );
  const made = await altered(
    `INSERT INTO change (id, tenant_id, connection_id, external_id, auth_user_id, kind, cause, before, after, fields, roles_gained,
       roles_lost, candidates, fingerprint, desired_hash, base_version, found_tenants, group_id, state, revision, run_id,
       parts)
     SELECT id, tenant_id, $1, external_id, auth_user_id, kind, cause, before, after, fields, roles_gained, roles_lost, candidates,
       fingerprint, desired_hash, base_version, found_tenants, group_id, 'open', $2, $3, ${areLosing ? 'parts' : 'NULL'}
     FROM planned p ${areLosing ? 'LEFT JOIN losing_parts USING (external_id)' : ''}
     WHERE NOT EXISTS (SELECT FROM change c WHERE c.connection_id = $1 AND c.external_id = p.external_id AND c.state IN ${LIVE}
       ${kind === 'named' ? 'OFFSET 0' : ''})`, // each is looked up by itself
    [connection, revision, run],
  );
  return gone + based + again + made;
}

const OF_CONNECTION = `SELECT * FROM change WHERE connection_id = $1 AND state IN ${LIVE}`;

/**
 * A change is no longer true when its user was seen (or is known to be absent) and nothing of that content was proposed. Users whom this
 * run did not see, or could not read, keep what was known about them. Where only some were looked at, each is looked up.
 * `$1` is the connection, `$2` the run, `$3` the kind of its snapshot.
 */
export const TAKE_BACK = (kind: Snapshot['kind']) => {
  const named = `staged_user u CROSS JOIN LATERAL (${OF_CONNECTION} AND external_id = u.external_id OFFSET 0) c`;
  return `WITH gone AS MATERIALIZED (
      SELECT c.id, ${WHY_GONE} AS note
      FROM ${kind === 'named' ? named : `(${OF_CONNECTION}) c`} LEFT JOIN planned p ON p.external_id = c.external_id
      WHERE ${kind === 'named' ? 'u.run_id = $2 AND' : ''} (${SAME('p', 'c')}) IS NOT TRUE
        AND (c.undoes IS NULL OR p.id IS NOT NULL) -- a person asked for an undo
        AND ${spokenOf('c.external_id', '$2', '$3::text')})
    UPDATE change c SET state = 'superseded', closed_at = now(), note = gone.note FROM gone WHERE c.id = gone.id AND c.state IN ${LIVE}`;
};

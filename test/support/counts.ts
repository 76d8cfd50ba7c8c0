/** The counts of changes beside the changes themselves, counted one by one. */
import { expect } from 'vitest';
import { asOwner } from './database.ts';

/** Fails where any group of any tenant is counted otherwise than it is. */
export async function expectTrueCounts(url: string): Promise<void> {
  const wrong = await asOwner(url, async (client) => {
    const { rows } = await client.query(
      `WITH counted AS (
         SELECT tenant_id, connection_id, group_id, state, guard, sum(changes)::int AS changes FROM change_count
         GROUP BY 1, 2, 3, 4, 5 HAVING sum(changes) <> 0),
       there AS (
         SELECT c.tenant_id, c.connection_id, c.group_id, c.state,
           CASE WHEN c.state = 'held' AND d.made_by = 'guard' THEN d.finding ->> 'guard' ELSE '' END AS guard, count(*)::int AS changes
         FROM change c LEFT JOIN decision d ON d.id = c.decision_id WHERE c.state NOT IN ('applied', 'superseded') GROUP BY 1, 2, 3, 4, 5)
       SELECT * FROM counted EXCEPT SELECT * FROM there UNION ALL (SELECT * FROM there EXCEPT SELECT * FROM counted)`,
    );
    return rows;
  });
  expect(wrong).toEqual([]);
}

/** What PostgreSQL's planner is told where its statistics cannot know: of rows that were stored, or whose state changed, a moment ago. */
import type { Sql } from './database.ts';

/** `seqscan`: going over a whole table; `nestloop`: looking each of many rows up one by one. */
type Means = 'seqscan' | 'nestloop';

/** The statements of `work` avoid this where they can. Within a transaction, which `work` fails with. */
export async function avoiding<T>(means: Means, sql: Sql, work: () => Promise<T>): Promise<T> {
  await sql.query(`SET LOCAL enable_${means} = off`);
  const done = await work();
  await sql.query(`SET LOCAL enable_${means} = on`);
  return done;
}

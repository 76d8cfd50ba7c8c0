/** What PostgreSQL's planner is told where its statistics cannot know: of rows that were stored, or whose state changed, a moment ago. */
import type { Sql } from './database.ts';

/**
 * `seqscan`: going over a whole table; and going by an index to whatever it may point to, first of all (a bitmap scan): that finds no row
 * sooner, and never notes which entries point to nothing any more. `nestloop`: looking each of many rows up one by one.
 */
type Means = 'seqscan' | 'nestloop';

const SETTINGS: { readonly [means in Means]: readonly string[] } = {
  seqscan: ['enable_seqscan', 'enable_bitmapscan'],
  nestloop: ['enable_nestloop'],
};

/** The statements of `work` avoid this where they can. Within a transaction, which `work` fails with. */
export async function avoiding<T>(means: Means, sql: Sql, work: () => Promise<T>): Promise<T> {
  const set = (to: 'on' | 'off') =>
    sql.query(`SELECT ${SETTINGS[means].map((name) => `set_config('${name}', '${to}', true)`).join(', ')}`);
  await set('off');
  const done = await work();
  await set('on');
  return done;
}

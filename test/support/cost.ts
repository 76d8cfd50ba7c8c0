/** What work costs the database, by counts that no load of the machine alters. */
import pg from 'pg';
import { asOwner } from './database.ts';

export type Cost = {
  readonly statements: number;
  /** Rows that PostgreSQL went over, in tables, each time that it did. */
  readonly rowsRead: number;
  /** Of the largest answer: so many were in this process's memory at once. */
  readonly mostRows: number;
  readonly sessions: number;
};

/** Every session that this process has asked anything of. */
const sessions = new Set<pg.Client>();
let note: ((client: pg.Client, answer: unknown) => void) | null = null;

const { query } = pg.Client.prototype;
pg.Client.prototype.query = function (this: pg.Client, ...given: unknown[]) {
  const answer: unknown = Reflect.apply(query, this, given);
  sessions.add(this);
  note?.(this, answer);
  return answer;
} as typeof query;

/** Of what this process asks of the database meanwhile, by any session. Nothing else may work on it. */
export async function costOf(url: string, work: () => Promise<unknown>): Promise<Cost> {
  const used = new Set<pg.Client>();
  let [statements, mostRows] = [0, 0];
  const before = await rowsRead(url);
  note = (client, answer) => {
    used.add(client);
    statements += 1;
    if (!(answer instanceof Promise)) return;
    const count = (result: pg.QueryResult | pg.QueryResult[]) => {
      for (const { rows } of [result].flat()) mostRows = Math.max(mostRows, rows.length);
    };
    answer.then(count, () => {}); // whoever asked hears of a failure
  };
  try {
    await work();
  } finally {
    note = null;
  }
  return { statements, mostRows, sessions: used.size, rowsRead: (await rowsRead(url)) - before };
}

async function rowsRead(url: string): Promise<number> {
  // A session tells what it has read when it ends, or a while later where it is not asked to.
  for (const one of sessions) {
    await one.query('SELECT pg_stat_force_next_flush()').catch(() => sessions.delete(one));
  }
  return await asOwner(url, async (client) => {
    const { rows } = await client.query<{ read: string }>(
      'SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) AS read FROM pg_stat_user_tables',
    );
    return Number(rows[0]?.read);
  });
}

/**
 * Every directory user as they were last read, with their groups: what follows from a mapping can be seen from these without asking the
 * provider. Written as they are read, whatever becomes of the run; gone once a plan knows that they are away.
 */
import type { DirectoryUser, GroupRef } from '../domain/directory.ts';
import type { TakenRun } from '../domain/run.ts';
import type { Snapshot } from '../domain/snapshot.ts';
import type { Database, Sql } from './database.ts';
import { avoiding } from './planner.ts';

/** Groups are those that the mapping of that time read. */
export type ReadUser = { readonly user: DirectoryUser; readonly groups: readonly GroupRef[] };

/** SQL over a staged user: whether the directory named them, be they out of the mapping's scope. */
export const NAMED_BY_DIRECTORY = `(absence IS NULL OR absence = 'excluded')`;

/** From the table `page_of_users` of this session. */
export async function keepContent(sql: Sql, run: TakenRun): Promise<void> {
  await sql.query(
    `INSERT INTO directory_user AS d (connection_id, external_id, tenant_id, content, content_hash, desired_hash, read_by)
     SELECT $1, external_id, $2, content, content_hash, desired_hash, $3 FROM page_of_users WHERE content IS NOT NULL
     ON CONFLICT (connection_id, external_id) DO UPDATE
       SET content = excluded.content, content_hash = excluded.content_hash, desired_hash = excluded.desired_hash,
         read_by = CASE WHEN d.content::text = excluded.content::text THEN d.read_by ELSE excluded.read_by END
       WHERE d.content_hash <> excluded.content_hash`,
    [run.connection, run.tenant, run.id],
  );
}

/** Those of whom the snapshot says that they are away. Whoever could not be understood, or is out of scope, is there. */
export async function forgetAway(sql: Sql, run: TakenRun, snapshot: Snapshot['kind']): Promise<void> {
  if (snapshot === 'partial') return;
  if (snapshot === 'named') {
    await sql.query(
      `DELETE FROM directory_user d USING staged_user s
       WHERE s.run_id = $2 AND NOT ${NAMED_BY_DIRECTORY} AND d.connection_id = $1 AND d.external_id = s.external_id`,
      [run.connection, run.id],
    );
    return;
  }
  // All are compared, however few the statistics say there are; but by their ids: what was read of them is most of the table.
  await avoiding('nestloop', sql, () =>
    sql.query(
      `DELETE FROM directory_user WHERE connection_id = $1 AND external_id = ANY (ARRAY(
         SELECT d.external_id FROM directory_user d WHERE d.connection_id = $1
           AND NOT EXISTS (SELECT FROM staged_user s WHERE s.run_id = $2 AND s.external_id = d.external_id AND ${NAMED_BY_DIRECTORY})))`,
      [run.connection, run.id],
    ),
  );
}

/** So much of a hash is kept of each content. Of a million, no two are equal by chance, nor by anybody's patience. */
const KEPT = 16;

/** Parts of a hash one after the other, sorted, all with the same first byte. */
type Bucket = { readonly settled: Buffer | null; readonly others: Buffer | null };

/**
 * All contents of a connection's directory users as last read, by hash: what a listing says of most people is found here without asking
 * the database. A hash is the SHA-256 of the mapping by which the user was mapped and of the content, so that equal hashes mean that the
 * same follows. Sixteen bytes for each.
 */
export class KnownContents {
  readonly #buckets = new Map<number, Bucket>();

  static readonly none = new KnownContents();

  add(firstByte: number, bucket: Bucket): void {
    this.#buckets.set(firstByte, bucket);
  }

  /** `settled`: the auth user agreed with what follows from it. null: nobody was last read like this. */
  find(hash: Buffer): 'settled' | 'unsettled' | null {
    const bucket = this.#buckets.get(hash[0] ?? 0);
    if (bucket === undefined) return null;
    if (isAmong(bucket.settled, hash)) return 'settled';
    return isAmong(bucket.others, hash) ? 'unsettled' : null;
  }
}

function isAmong(sorted: Buffer | null, hash: Buffer): boolean {
  if (sorted === null) return false;
  const count = sorted.length / KEPT;
  const key = hash.readUInt32BE(1); // the first byte is the same for all of them
  let [from, to] = [0, count];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (sorted.readUInt32BE(middle * KEPT + 1) < key) from = middle + 1;
    else to = middle;
  }
  for (; from < count && sorted.readUInt32BE(from * KEPT + 1) === key; from++) {
    if (sorted.compare(hash, 0, KEPT, from * KEPT, (from + 1) * KEPT) === 0) return true;
  }
  return false;
}

/** Up to here, looking each up by key costs less than going over all auth users. */
const FEW = 5_000;
/** How many buckets are fetched at once. */
const FETCHED = 32;

export class DirectoryUsers {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** As they are at this moment. */
  known(run: TakenRun): Promise<KnownContents> {
    return this.#database.bulk(run.tenant, async (tx) => {
      // Where there are many, all are read, however few the statistics say there are; and sorted in memory.
      const [many] = await tx.query(
        `SELECT FROM directory_user WHERE connection_id = $1 OFFSET ${FEW} LIMIT 1`,
        [run.connection],
      );
      if (many !== undefined) await tx.query(`SET LOCAL enable_nestloop = off; SET LOCAL work_mem = '64MB'`);
      await tx.query('SET LOCAL cursor_tuple_fraction = 1.0'); // the cursor is read to its end
      await tx.query(
        `DECLARE known_contents NO SCROLL CURSOR FOR
         SELECT get_byte(hash, 0) AS "firstByte", string_agg(hash, '' ORDER BY hash) FILTER (WHERE agreed) AS settled,
           string_agg(hash, '' ORDER BY hash) FILTER (WHERE NOT agreed) AS others
         FROM (
           SELECT substring(d.content_hash FOR ${KEPT}) AS hash, a.id IS NOT NULL AS agreed FROM directory_user d
             LEFT JOIN identity i ON i.connection_id = $1 AND i.external_id = d.external_id AND i.agreed_hash = d.desired_hash
             LEFT JOIN auth_user a ON a.id = i.auth_user_id AND a.version = i.agreed_version
           WHERE d.connection_id = $1 AND length(d.content_hash) = 32 OFFSET 0) known
         GROUP BY 1`,
        [run.connection],
      );
      const known = new KnownContents();
      for (;;) {
        const buckets = await tx.query<Bucket & { firstByte: number }>(
          `FETCH ${FETCHED} FROM known_contents`,
        );
        if (buckets.length === 0) return known;
        for (const { firstByte, ...bucket } of buckets) known.add(firstByte, bucket);
      }
    });
  }
}

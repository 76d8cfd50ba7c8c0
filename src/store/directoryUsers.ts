/**
 * Every directory user as they were last read, with their groups: what follows from a mapping can be seen from these without asking the
 * provider. Written as they are read, whatever becomes of the run; gone once a plan knows that they are away.
 */
import type { DirectoryUser, GroupRef } from '../domain/directory.ts';
import type { ConnectionId, ExternalId, TenantId } from '../domain/ids.ts';
import type { TakenRun } from '../domain/run.ts';
import type { Snapshot } from '../domain/snapshot.ts';
import type { Database, Sql } from './database.ts';

/** Groups are those that the mapping of that time read. */
export type ReadUser = { readonly user: DirectoryUser; readonly groups: readonly GroupRef[] };

/** SQL over a staged user: whether the directory named them, be they out of the mapping's scope. */
export const NAMED_BY_DIRECTORY = `(absence IS NULL OR absence = 'excluded')`;

/** From the table `page_of_users` of this session. */
export async function keepContent(sql: Sql, run: TakenRun): Promise<void> {
  await sql.query(
    `INSERT INTO directory_user (connection_id, external_id, tenant_id, content, content_hash, read_by)
     SELECT $1, external_id, $2, content, content_hash, $3 FROM page_of_users WHERE content IS NOT NULL
     ON CONFLICT (connection_id, external_id) DO UPDATE SET content = excluded.content, content_hash = excluded.content_hash,
       read_by = excluded.read_by`,
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
  await sql.query('SET LOCAL enable_nestloop = off'); // all are compared, however few the statistics say there are
  await sql.query(
    `DELETE FROM directory_user d WHERE d.connection_id = $1
       AND NOT EXISTS (SELECT FROM staged_user s WHERE s.run_id = $2 AND s.external_id = d.external_id AND ${NAMED_BY_DIRECTORY})`,
    [run.connection, run.id],
  );
  await sql.query('SET LOCAL enable_nestloop = on');
}

export class DirectoryUsers {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** null: the directory has nobody of this id, as far as was read; or `scope` does not see the connection. */
  get(scope: TenantId, connection: ConnectionId, externalId: ExternalId): Promise<ReadUser | null> {
    return this.#database.bulk(scope, async (tx) => {
      const [row] = await tx.query<{ content: ReadUser }>(
        'SELECT content FROM directory_user WHERE connection_id = $1 AND external_id = $2',
        [connection, externalId],
      );
      return row?.content ?? null;
    });
  }
}

/** Whom a run has to look up one by one: those whom a delta names, and those whom a full listing did not name any more. */
import type { ExternalId } from '../domain/ids.ts';
import type { TakenRun } from '../domain/run.ts';
import type { BulkTransaction, Database } from './database.ts';
import { advance, type Progress, update } from './staging.ts';

export class Touched {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  #inRun<T>(run: TakenRun, work: (tx: BulkTransaction) => Promise<T>): Promise<T> {
    return this.#database.bulk(run.tenant, work, { mayBeRedone: true });
  }

  /**
   * Turns a run that has read nothing yet into a delta run, if the connection's last plan left a token behind that is younger than
   * `lifetimeMs`, by the same configuration, and if the last complete run is younger than `fullEveryMs`. Else null.
   */
  begin(
    run: TakenRun,
    when: { readonly at: Date; readonly lifetimeMs: number | null; readonly fullEveryMs: number },
  ): Promise<TakenRun | null> {
    const since = (ms: number | null) =>
      ms === null ? null : new Date(when.at.getTime() - ms).toISOString();
    return this.#inRun(run, async (tx) => {
      const [from] = await tx.query<{ token: string; lastComplete: string }>(
        `SELECT c.delta_token AS token, r.id AS "lastComplete" FROM connection c, LATERAL (
           SELECT id, finished_at FROM sync_run WHERE connection_id = c.id AND state = 'finished' AND snapshot = 'complete'
           ORDER BY id DESC LIMIT 1) r
         WHERE c.id = $1 AND c.delta_token IS NOT NULL AND c.delta_fingerprint = $2
           AND ($3::timestamptz IS NULL OR c.delta_token_at > $3::timestamptz) AND r.finished_at > $4::timestamptz`,
        [run.connection, run.readingFingerprint, since(when.lifetimeMs), since(when.fullEveryMs)],
      );
      if (from === undefined) return null;
      await update(tx, run, `kind = 'delta', phase = 'changes', cursor = NULL, delta_from = $3`, [
        from.token,
      ]);
      // The groups' names: a user who is looked up is in groups by id.
      await tx.query(
        `INSERT INTO staged_group (run_id, external_id, tenant_id, name, everyone, members_done)
         SELECT $1, external_id, tenant_id, name, everyone, true FROM staged_group WHERE run_id = $2`,
        [run.id, from.lastComplete],
      );
      return { ...run, kind: 'delta', phase: 'changes', cursor: null, deltaFrom: from.token };
    });
  }

  /** One page of a change feed. `token`: where the next delta goes on, with the last page. */
  stage(
    run: TakenRun,
    users: readonly ExternalId[],
    progress: Progress,
    token: string | null,
  ): Promise<void> {
    return this.#inRun(run, async (tx) => {
      await tx.query(
        `INSERT INTO staged_touched (run_id, external_id, tenant_id)
         SELECT DISTINCT $1::uuid, id, $2::uuid FROM unnest($3::text[]) AS row (id) ON CONFLICT DO NOTHING`,
        [run.id, run.tenant, users],
      );
      await advance(tx, run, progress, {});
      if (token !== null) await update(tx, run, `delta_token = $3`, [token]);
    });
  }

  /**
   * Those linked auth users whom the listing of a full run did not name, as far as they are not more than `limit`: so many are for
   * a guard and a person, whatever the provider says of each.
   */
  stageUnseen(run: TakenRun, limit: number): Promise<void> {
    return this.#inRun(run, async (tx) => {
      await tx.query('SET LOCAL enable_nestloop = off'); // both sides are large, and freshly staged rows have no statistics
      await tx.query(
        `INSERT INTO staged_touched (run_id, external_id, tenant_id)
         SELECT $1::uuid, external_id, $2::uuid FROM (
           SELECT i.external_id, count(*) OVER () AS unseen FROM identity i JOIN auth_user a ON a.id = i.auth_user_id
           WHERE i.connection_id = $3 AND a.state <> 'deleted'
             AND NOT EXISTS (SELECT FROM staged_user s WHERE s.run_id = $1::uuid AND s.external_id = i.external_id)) AS away
         WHERE unseen <= $4 ON CONFLICT DO NOTHING`,
        [run.id, run.tenant, run.connection, limit],
      );
      await update(tx, run, `phase = 'look-up', cursor = NULL`);
    });
  }

  /** The next ones, in a stable order; `Staging.stageUsers` takes off the list whom it stores. */
  next(run: TakenRun, limit: number): Promise<readonly ExternalId[]> {
    return this.#inRun(run, async (tx) => {
      const rows = await tx.query<{ id: ExternalId }>(
        `SELECT external_id AS id FROM staged_touched WHERE run_id = $1 ORDER BY external_id LIMIT $2`,
        [run.id, limit],
      );
      return rows.map((row) => row.id);
    });
  }
}

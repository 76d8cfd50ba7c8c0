/** Who has left and is kept suspended for a time: noted as plans find them away, and found again when their time is over. */

import type { ExternalId } from '../domain/ids.ts';
import type { Leavers } from '../domain/leavers.ts';
import { type Absent, hashOfAbsence } from '../domain/plan.ts';
import type { TakenRun } from '../domain/run.ts';
import type { Sql } from './database.ts';
import { type AuthUserRow, toStoredAuthUser } from './rows.ts';

const PAGE = 1_000;
const DAY_MS = 86_400_000;

/** Whom it concerns, as auth users of the connection. */
export type Leaver = Pick<Absent, 'externalId' | 'linked'>;

/**
 * Of a `leaver`: something other than its connection has made them active since then; whoever is suspended, or deleted, again is so from a
 * later time on.
 */
export const WAS_BACK = (leaver: string, then: 'since' | 'deleted_at') => `(
  EXISTS (SELECT FROM event e WHERE e.auth_user_id = ${leaver}.auth_user_id AND e.change_id IS NULL AND e.type = 'user.reactivated'
    AND e.created_at > ${leaver}.${then})
  OR EXISTS (SELECT FROM change b WHERE b.auth_user_id = ${leaver}.auth_user_id AND b.kind = 'reactivate' AND b.outcome = 'applied'
    AND b.closed_at > ${leaver}.${then}))`;

/** The leavers of one connection, within the transaction of a plan. */
export class PlannedLeavers {
  readonly #sql: Sql;
  readonly #run: TakenRun;
  readonly #policy: Leavers;
  /** Whoever leaves is suspended first. */
  readonly keeps: boolean;
  /** There are none, and there will be none: nothing need be asked. */
  readonly none: boolean;

  private constructor(sql: Sql, run: TakenRun, policy: Leavers, any: boolean) {
    this.#sql = sql;
    this.#run = run;
    this.#policy = policy;
    this.keeps = policy.graceDays > 0;
    this.none = !this.keeps && !any;
  }

  static async begin(sql: Sql, run: TakenRun, policy: Leavers): Promise<PlannedLeavers> {
    const [found] = await sql.query<{ any: boolean }>(
      'SELECT EXISTS (SELECT FROM leaver WHERE connection_id = $1 AND deleted_at IS NULL) AS any',
      [run.connection],
    );
    return new PlannedLeavers(sql, run, policy, found?.any ?? false);
  }

  /** These are suspended and away: from now on, unless it is known since when. `told`: as for an `Absent`. */
  async stay(rows: readonly Pick<Absent, 'externalId' | 'told'>[], at: Date): Promise<void> {
    await this.#note(
      rows.map(({ externalId }) => externalId),
      at,
    );
    const away = rows.map((row) => ({ external_id: row.externalId, hash: hashOfAbsence(row) }));
    await this.#sql.query(
      `UPDATE identity i SET agreed_hash = decode(r.hash, 'hex'), agreed_version = a.version
       FROM jsonb_to_recordset($1::jsonb) AS r (external_id text, hash text), auth_user a
       WHERE i.connection_id = $2 AND i.external_id = r.external_id AND a.id = i.auth_user_id AND a.state = 'suspended'`,
      [JSON.stringify(away), this.#run.connection],
    );
  }

  /** The same of those whom the directory still names, as deprovisioned. */
  async stayNamed(users: readonly ExternalId[], at: Date): Promise<void> {
    if (users.length > 0) await this.#note(users, at);
  }

  async #note(users: readonly ExternalId[], at: Date): Promise<void> {
    await this.#sql.query(
      `INSERT INTO leaver (connection_id, external_id, tenant_id, auth_user_id, since)
       SELECT $1, i.external_id, $3, i.auth_user_id, $4 FROM identity i JOIN auth_user a ON a.id = i.auth_user_id
       WHERE i.connection_id = $1 AND i.external_id = ANY ($2::text[]) AND a.state = 'suspended'
       ON CONFLICT (connection_id, external_id) DO UPDATE SET auth_user_id = excluded.auth_user_id, since = excluded.since,
           deleted_at = NULL
         WHERE leaver.auth_user_id <> excluded.auth_user_id OR ${WAS_BACK('leaver', 'since')}`,
      [this.#run.connection, users, this.#run.tenant, at.toISOString()],
    );
  }

  /** These are in the directory again. */
  async back(users: readonly ExternalId[]): Promise<void> {
    if (users.length === 0) return;
    await this.#sql.query('DELETE FROM leaver WHERE connection_id = $1 AND external_id = ANY ($2::text[])', [
      this.#run.connection,
      users,
    ]);
  }

  /**
   * Those who have been suspended for as long as leavers are kept, but for whoever the run could not read, and whom something is proposed
   * for already: to be asked when all else is stored.
   */
  async *due(at: Date): AsyncGenerator<readonly Leaver[]> {
    if (this.none) return;
    const until = new Date(at.getTime() - this.#policy.graceDays * DAY_MS);
    for (let after = ''; ; ) {
      const rows: readonly (AuthUserRow & { external_id: ExternalId })[] = await this.#sql.query(
        `SELECT l.external_id, a.id, a.tenant_id, a.state, a.version, a.user_name, a.email, a.display_name, a.attributes,
           (SELECT array_agg(r.name ORDER BY r.name COLLATE "C") FROM role_assignment g JOIN role r ON r.id = g.role_id
            WHERE g.auth_user_id = a.id AND g.connection_id = $1) AS roles
         FROM leaver l JOIN identity i ON i.connection_id = $1 AND i.external_id = l.external_id AND i.auth_user_id = l.auth_user_id
           JOIN auth_user a ON a.id = l.auth_user_id AND a.state = 'suspended'
         WHERE l.connection_id = $1 AND l.since <= $3 AND l.external_id > $4 AND NOT ${WAS_BACK('l', 'since')}
           AND NOT EXISTS (SELECT FROM planned p WHERE p.external_id = l.external_id)
           AND NOT EXISTS (SELECT FROM staged_user s WHERE s.run_id = $2 AND s.external_id = l.external_id AND s.problem IS NOT NULL)
         ORDER BY l.external_id LIMIT ${PAGE}`,
        [this.#run.connection, this.#run.id, until.toISOString(), after],
      );
      if (rows.length === 0) return;
      after = rows.at(-1)?.external_id ?? after;
      yield rows.map((row) => ({ externalId: row.external_id, linked: toStoredAuthUser(row) }));
    }
  }
}

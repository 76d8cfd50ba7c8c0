/**
 * Removes for good what is personal about auth users who were deleted long enough ago, as the policies of their connections say. What
 * stays is their id, tenant and dates; what was proposed for them and applied, without names, values and the directory's id; and the
 * audit log, which has ids alone.
 */
import type { AuditEntry } from '../domain/audit.ts';
import type { AuthUserId, ConnectionId, ExternalId, TenantId } from '../domain/ids.ts';
import { appendToChains, type ChainedEntry } from './auditChains.ts';
import { groupWithoutValues, removeEmptyGroups } from './changeGroups.ts';
import type { BulkTransaction, Database, Sql } from './database.ts';
import { manyIds } from './ids.ts';
import { WAS_BACK } from './leavers.ts';
import { LIVE } from './livingChanges.ts';
import { tryLockForPlan } from './locks.ts';
import { MOMENT } from './moment.ts';

/** Users that one transaction purges. */
const TOGETHER = 1_000;
const DAY_MS = 86_400_000;

/** A connection whose policy purges. */
export type Purging = {
  readonly connection: ConnectionId;
  readonly tenant: TenantId;
  readonly afterDays: number;
};

type Due = {
  readonly user: AuthUserId;
  readonly tenant: TenantId;
  readonly version: number;
  readonly deletedAt: string;
};

export class UserPurge {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Of every tenant, those that somebody is due in, or may be. */
  connections(now: Date): Promise<readonly Purging[]> {
    return this.#database.bulk(this.#database.root, (tx) =>
      tx.query<Purging>(
        `SELECT n.id AS connection, n.tenant_id AS tenant, p.days AS "afterDays"
         FROM connection n, LATERAL (SELECT (n.policy #>> '{leavers,purgeAfterDays}')::int AS days) p
         WHERE EXISTS (SELECT FROM leaver l WHERE l.connection_id = n.id AND l.deleted_at <= $1::timestamptz - make_interval(days => p.days))
         ORDER BY n.id`,
        [now.toISOString()],
      ),
    );
  }

  /** Purges some who are due; gives how many. None also where a plan or an apply is at it: the next round comes to them. */
  purgeSome(of: Purging, now: Date): Promise<number> {
    return this.#database.bulk(of.tenant, async (tx) => {
      if (!(await tryLockForPlan(tx, of.connection))) return 0;
      const due = await this.#due(tx, of, now);
      if (due.length === 0) return 0;
      const ids = due.map(({ user }) => user);
      await removeTraces(tx, ids);
      await removeEmptyGroups(tx, of.connection);
      await tx.query(
        `UPDATE auth_user SET user_name = NULL, email = NULL, email_key = NULL, display_name = NULL, attributes = '{}', version = version + 1,
           purged_at = $2, updated_at = $2 WHERE id = ANY ($1::uuid[])`,
        [ids, now.toISOString()],
      );
      await tell(tx, due, now);
      await appendToChains(
        tx,
        now,
        due.map((one) => entryOf(one, of)),
      );
      return due.length;
    });
  }

  /**
   * Nobody for whom a change waits or a refusal stands: they may be back; nor whom another directory's policy keeps; nor who was active
   * again since, and was deleted by another directory: that counts; nor who was taken back and is there still: after a purge they would be
   * somebody new, whom nobody has taken back.
   */
  #due(tx: Sql, { connection, afterDays }: Purging, now: Date): Promise<readonly Due[]> {
    return tx.query<Due>(
      `SELECT a.id AS user, a.tenant_id AS tenant, a.version,
         ${MOMENT('l.deleted_at')} AS "deletedAt"
       FROM leaver l JOIN auth_user a ON a.id = l.auth_user_id AND a.state = 'deleted'
       WHERE l.connection_id = $1 AND l.deleted_at <= $2 AND NOT ${WAS_BACK('l', 'deleted_at')}
         AND NOT EXISTS (SELECT FROM change w WHERE w.auth_user_id = a.id AND w.state IN ${LIVE})
         AND NOT (EXISTS (SELECT FROM directory_user d WHERE d.connection_id = l.connection_id AND d.external_id = l.external_id)
           AND EXISTS (SELECT FROM change u WHERE u.auth_user_id = a.id AND u.connection_id = l.connection_id AND u.kind = 'delete'
             AND u.undoes IS NOT NULL AND u.outcome = 'applied' AND u.closed_at >= l.deleted_at))
         AND NOT EXISTS (SELECT FROM identity i LEFT JOIN connection n ON n.id = i.connection_id -- one of a tenant above says nothing here
           WHERE i.auth_user_id = a.id AND i.connection_id <> $1
             AND coalesce(l.deleted_at > $3::timestamptz - make_interval(days => (n.policy #>> '{leavers,purgeAfterDays}')::int), true))
       ORDER BY l.deleted_at, a.id LIMIT ${TOGETHER} FOR UPDATE OF a`,
      [connection, new Date(now.getTime() - afterDays * DAY_MS).toISOString(), now.toISOString()],
    );
  }
}

/** More of one connection are tidied away: see `Staging.forgetOlder`. */
const KEPT_RUNS = 100;
/** What stands in the place of the directory's id. */
const PURGED = 'purged' as ExternalId;

async function removeTraces(tx: BulkTransaction, users: readonly AuthUserId[]): Promise<void> {
  const theirs = 'SELECT connection_id, external_id FROM identity WHERE auth_user_id = ANY ($1::uuid[])';
  const isTheirs = `FROM theirs t WHERE t.connection_id = r.connection_id AND t.external_id = p ->> 'example'`;
  const bare = (side: string) =>
    `${side} = CASE WHEN ${side} IS NULL THEN NULL ELSE jsonb_build_object('state', ${side} -> 'state', 'fields', '{}'::jsonb, 'roles', '[]'::jsonb) END`;
  const ofChange = `external_id = '${PURGED}', ${bare('before')}, ${bare('after')}, fields = '[]', candidates = NULL, parts = NULL`;
  const theirChanges = [
    'auth_user_id = ANY ($1::uuid[])',
    // What was once proposed before they became an auth user.
    `state = 'superseded' AND auth_user_id IS NULL AND (connection_id, external_id) IN (${theirs})`,
  ].map((which) => `SELECT id FROM change WHERE ${which}`);
  await groupWithoutValues(tx, `c.id IN (${theirChanges.join(' UNION ALL ')})`, [users]);
  const statements = [
    ...theirChanges.map((which) => `UPDATE change SET ${ofChange} WHERE id IN (${which})`),
    `DELETE FROM change_comment WHERE (connection_id, external_id) IN (${theirs})`,
    `DELETE FROM adjustment WHERE (connection_id, external_id) IN (${theirs})`,
    `DELETE FROM pair WHERE auth_user_id = ANY ($1::uuid[])`,
    // Of runs that have ended: what the next one reads, it reads anew.
    `WITH theirs AS MATERIALIZED (${theirs}), kept AS MATERIALIZED (
       SELECT r.id, r.connection_id FROM (SELECT DISTINCT connection_id FROM theirs) c CROSS JOIN LATERAL (
         SELECT id, connection_id FROM sync_run WHERE connection_id = c.connection_id AND NOT tidied AND state IN ('finished', 'failed')
         ORDER BY id DESC LIMIT ${KEPT_RUNS}) r)
     DELETE FROM staged_user s USING kept k JOIN theirs t USING (connection_id) WHERE s.run_id = k.id AND s.external_id = t.external_id`,
    `DELETE FROM directory_user WHERE (connection_id, external_id) IN (${theirs})`,
    // Of whom a run could make nothing, it names one.
    `WITH theirs AS MATERIALIZED (${theirs})
     UPDATE sync_run r SET problems = (SELECT jsonb_agg(CASE WHEN EXISTS (SELECT ${isTheirs}) THEN jsonb_set(p, '{example}', '"${PURGED}"') ELSE p END)
       FROM jsonb_array_elements(r.problems) AS p)
     WHERE r.connection_id IN (SELECT connection_id FROM theirs) AND EXISTS (SELECT FROM jsonb_array_elements(r.problems) AS p WHERE EXISTS (SELECT ${isTheirs}))`,
    // Each found by a key of its own: the events are everybody's.
    `UPDATE event e SET data = data - 'externalId' FROM change c WHERE c.auth_user_id = ANY ($1::uuid[]) AND e.change_id = c.id`,
    `UPDATE event SET data = data - 'externalId' WHERE auth_user_id = ANY ($1::uuid[]) AND change_id IS NULL`,
    'DELETE FROM role_assignment WHERE auth_user_id = ANY ($1::uuid[])',
    'DELETE FROM leaver WHERE auth_user_id = ANY ($1::uuid[])',
    'DELETE FROM identity WHERE auth_user_id = ANY ($1::uuid[])',
  ];
  for (const statement of statements) await tx.query(statement, [users]);
}

async function tell(tx: Sql, due: readonly Due[], now: Date): Promise<void> {
  const ids = manyIds(due.length);
  const rows = due.map(({ user, tenant, version }, at) => {
    const data = { fields: [], rolesGained: [], rolesLost: [] };
    return { id: ids[at], tenant_id: tenant, auth_user_id: user, user_version: version + 1, data };
  });
  await tx.query(
    `INSERT INTO event (id, tenant_id, auth_user_id, type, user_version, data, created_at)
     SELECT id, tenant_id, auth_user_id, 'user.purged', user_version, data, $2
     FROM jsonb_to_recordset($1::jsonb) AS row (id uuid, tenant_id uuid, auth_user_id uuid, user_version int, data jsonb)`,
    [JSON.stringify(rows), now.toISOString()],
  );
}

function entryOf({ user, tenant, deletedAt }: Due, { connection, afterDays }: Purging): ChainedEntry {
  const entry: AuditEntry = {
    actor: { kind: 'system', id: null, name: 'housekeeping' },
    action: 'auth-user.purged',
    subject: { kind: 'auth-user', id: user },
    details: { connection, deletedAt, afterDays },
  };
  return { chain: tenant, entry };
}

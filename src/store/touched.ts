/** Whom a run has to look up one by one: those whom a delta names, and those whom a full listing did not name any more. */
import type { ExternalId } from '../domain/ids.ts';
import type { TakenRun } from '../domain/run.ts';
import { OF_THE_MAPPING } from '../domain/written.ts';
import type { BulkTransaction, Database, Sql } from './database.ts';
import { LIVE } from './livingChanges.ts';
import { FoundPlaces } from './places.ts';
import { avoiding } from './planner.ts';
import { PERMISSIONS_BEFORE } from './runs.ts';
import { advance, insertTouched, LAST_WITH_TOKEN, type Progress, update } from './staging.ts';

/** `$1` is the connection. */
const LAST_COMPLETE = `SELECT id FROM sync_run WHERE connection_id = $1 AND state = 'finished' AND snapshot = 'complete'
  ORDER BY id DESC LIMIT 1`;

/** When the run began whose plan was the last one that the token goes on from. `$1` is the connection. */
const LAST_PLAN = `(SELECT started_at FROM sync_run WHERE id = (${LAST_WITH_TOKEN}))`;

/** What that plan may not have seen, in terms of `auth_user.edited`. `$1` is the connection. */
const NOT_SEEN = `(SELECT seen_before FROM sync_run WHERE id = (${LAST_WITH_TOKEN}))`;
/** Who was edited since, of those whom the connection can see: each tenant by its own index, whatever happens in others. */
const EDITED = `(SELECT a.* FROM visible_tenants() AS v (id), LATERAL (
  SELECT id, version, state, email_key FROM auth_user WHERE tenant_id = v.id AND edited >= ${NOT_SEEN} OFFSET 0) a)`;

/** The changes that wait, or are remembered, and give an address. `$1` is the connection. */
const COMES = (change: string) =>
  `${change}.connection_id = $1 AND ${change}.state IN ${LIVE} AND ${change}.kind NOT IN ('suspend', 'delete') AND ${change}.address IS NOT NULL`;
/** So many addresses are looked up one by one. */
const FEW = 100;
const WHOSE = 'c.external_id, c.auth_user_id';
/** Whether any conflict waits, or is remembered. `$1` is the connection. */
const CONFLICTS_WAIT = `EXISTS (SELECT FROM change_count n JOIN change_group g ON g.id = n.group_id
  WHERE n.connection_id = $1 AND n.state IN ${LIVE} AND g.kind = 'conflict' GROUP BY n.group_id HAVING sum(n.changes) > 0)`;

/** Who comes to an address that an auth user was given since the last plan, or about which somebody decided since. */
const RIVALS_SINCE = `
  WITH last AS (SELECT ${LAST_PLAN} AS at),
  decided AS (
    SELECT r.external_id, r.auth_user_id, r.address FROM last, decision d JOIN change r ON r.decision_id = d.id
    WHERE d.connection_id = $1 AND d.created_at >= last.at AND d.made_by <> 'guard' AND r.connection_id = $1 AND r.state IN ${LIVE}),
  news AS (
    SELECT u.email_key AS address, u.id AS holder, NULL AS by FROM ${EDITED} u
    WHERE EXISTS (SELECT FROM change c WHERE ${COMES('c')}) -- mostly nobody does, and then no auth user is looked at
      AND u.email_key IS NOT NULL
    UNION ALL SELECT address, NULL, external_id FROM decided
    UNION ALL SELECT u.email_key, NULL, d.external_id FROM decided d JOIN auth_user u ON u.id = d.auth_user_id),
  few AS (SELECT count(*) <= ${FEW} AS are FROM (SELECT FROM news LIMIT ${FEW + 1}) n)
  SELECT DISTINCT c.external_id AS id FROM (
    SELECT n.*, c.* FROM news n, LATERAL (SELECT ${WHOSE} FROM change c WHERE ${COMES('c')} AND c.address = n.address OFFSET 0) c
    WHERE (SELECT are FROM few)
    UNION ALL
    SELECT n.*, ${WHOSE} FROM news n JOIN change c ON c.address = n.address WHERE ${COMES('c')} AND NOT (SELECT are FROM few)) c
  WHERE (c.auth_user_id = c.holder OR c.external_id = c.by) IS NOT TRUE LIMIT $2::int + 1`;

/**
 * Whose auth user, or the name of whose tenant, is not what the directory was last compared with, and no change says so. OFFSET: each is
 * found by its key.
 */
const EDITED_SINCE = `
  SELECT e.id FROM (
    SELECT i.external_id AS id, a.version
    FROM ${EDITED} a, LATERAL (
      SELECT external_id, agreed_version FROM identity WHERE auth_user_id = a.id AND connection_id = $1 OFFSET 0) i
    WHERE a.state <> 'deleted' AND a.version <> i.agreed_version
    UNION
    SELECT i.external_id, a.version
    FROM (SELECT external_id, auth_user_id, agreed_hash FROM identity WHERE connection_id = $1 AND agreed_version < 0 OFFSET 0) i,
      LATERAL (SELECT version, state FROM auth_user WHERE id = i.auth_user_id OFFSET 0) a
    WHERE a.state <> 'deleted' OR i.agreed_hash = '\\x00') e -- of whom a person says that they are back
  WHERE NOT EXISTS (SELECT FROM change c WHERE c.connection_id = $1 AND c.external_id = e.id AND c.state IN ${LIVE}
                      AND c.base_version = e.version)
  LIMIT $2::int + 1`;

/** `$1` is the run, `$2` the connection. Each is found by its keys: freshly staged rows have no statistics. */
const ADDRESSES_LOOKED_UP = `
  SELECT DISTINCT address FROM staged_user s, LATERAL (
    SELECT s.email_key AS address
    UNION ALL SELECT a.email_key FROM identity i JOIN auth_user a ON a.id = i.auth_user_id
      WHERE i.connection_id = $2 AND i.external_id = s.external_id
    UNION ALL SELECT c.address FROM change c
      WHERE c.connection_id = $2 AND c.external_id = s.external_id AND c.state IN ${LIVE}) one
  WHERE s.run_id = $1 AND address IS NOT NULL`;

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
   * `lifetimeMs`, by the same configuration, and if the last complete run is younger than `fullEveryMs`. Else null; so too where more
   * than `againAtMost` users have to be looked at again whatever the provider says of them.
   */
  begin(
    run: TakenRun,
    when: {
      readonly at: Date;
      readonly lifetimeMs: number | null;
      readonly fullEveryMs: number;
      readonly againAtMost: number;
    },
  ): Promise<TakenRun | null> {
    const since = (ms: number | null) =>
      ms === null ? null : new Date(when.at.getTime() - ms).toISOString();
    return this.#inRun(run, async (tx) => {
      const [from] = await tx.query<{ token: string; lastComplete: string; unreadableGroups: number }>(
        `SELECT c.delta_token AS token, r.id AS "lastComplete", r.unreadable_groups AS "unreadableGroups" FROM connection c, LATERAL (
           SELECT id, finished_at, unreadable_groups FROM sync_run
           WHERE connection_id = c.id AND state = 'finished' AND snapshot = 'complete' ORDER BY id DESC LIMIT 1) r
         WHERE c.id = $1 AND c.delta_token IS NOT NULL AND c.delta_fingerprint = $2
           AND ($3::timestamptz IS NULL OR c.delta_token_at > $3::timestamptz) AND r.finished_at > $4::timestamptz
           AND ${NOT_SEEN} <= pg_snapshot_xmax(pg_current_snapshot())::text::bigint -- else the database was restored from another's copy`,
        [run.connection, run.readingFingerprint, since(when.lifetimeMs), since(when.fullEveryMs)],
      );
      if (from === undefined) return null;
      const again = await this.#again(tx, run, when.againAtMost);
      if (again === null) return null;
      // What could not be read of the groups is as unknown as it was.
      await update(
        tx,
        run,
        `kind = 'delta', phase = 'changes', cursor = NULL, delta_from = $3, unreadable_groups = $4`,
        [from.token, from.unreadableGroups],
      );
      await insertTouched(tx, run, again);
      await takeOverGroups(tx, run, from.lastComplete);
      return { ...run, kind: 'delta', phase: 'changes', cursor: null, deltaFrom: from.token };
    });
  }

  /**
   * Makes a targeted run that has read nothing yet go on to its look-ups. null where the last complete run read by another
   * configuration, or there was none: then what follows from groups is not known.
   */
  beginTargeted(run: TakenRun): Promise<TakenRun | null> {
    return this.#inRun(run, async (tx) => {
      const [last] = await tx.query<{ id: string; fingerprint: string; unreadableGroups: number }>(
        `SELECT id, reading_fingerprint AS fingerprint, unreadable_groups AS "unreadableGroups" FROM sync_run WHERE id = (${LAST_COMPLETE})`,
        [run.connection],
      );
      if (last?.fingerprint !== run.readingFingerprint) return null;
      await update(tx, run, `phase = 'look-up', cursor = NULL, unreadable_groups = $3`, [
        last.unreadableGroups,
      ]);
      await takeOverGroups(tx, run, last.id);
      return { ...run, phase: 'look-up', cursor: null };
    });
  }

  /**
   * Whom the provider need not name again: who could not be read by the run that the token is of (where that were many, a connector
   * does not understand them, and will not now; and whom the mapping makes nothing of, it will make nothing of now); whose change an apply sent back; whose conflict is about an auth user that has
   * changed since, or whose tenant has verified a domain since; who comes to an address of which something was decided, or that an auth user was given, since; who waits for a tenant
   * that takes people in by now; and whose auth user was edited here, which no plan has seen yet.
   * null: more of one of the latter than `limit`.
   */
  async #again(tx: BulkTransaction, run: TakenRun, limit: number): Promise<readonly ExternalId[] | null> {
    const unread = await tx.query<{ id: ExternalId }>(
      `SELECT external_id AS id FROM staged_user
       WHERE problem IS NOT NULL AND NOT starts_with(problem, $3) AND run_id = (${LAST_WITH_TOKEN}) LIMIT $2::int + 1`,
      [run.connection, limit, OF_THE_MAPPING],
    );
    const waiting = await tx.query<{ id: ExternalId }>(
      `SELECT c.external_id AS id FROM change c WHERE c.connection_id = $1 AND c.state IN ('moved', 'failed')
       UNION ALL
       SELECT c.external_id FROM change c WHERE c.connection_id = $1 AND c.state IN ('open', 'held', 'rejected') AND c.kind = 'conflict'
         AND ${CONFLICTS_WAIT} AND EXISTS (
           SELECT FROM jsonb_array_elements(c.candidates) AS one JOIN auth_user u ON u.id = (one ->> 'authUser')::uuid
           WHERE u.edited >= ${NOT_SEEN} OR EXISTS (
             SELECT FROM tenant_domain d WHERE d.tenant_id = u.tenant_id AND d.verified_at >= ${LAST_PLAN}))
       LIMIT $2::int + 1`,
      [run.connection, limit],
    );
    const asked = (statement: string) => tx.query<{ id: ExternalId }>(statement, [run.connection, limit]);
    const [edited, rivals] = await avoiding('seqscan', tx, async () => [
      await asked(EDITED_SINCE),
      await avoiding('nestloop', tx, () => asked(RIVALS_SINCE)), // many may come, and many have been edited
    ]);
    const welcome = await whoseTenantIsThere(tx, run, limit);
    const told = await tx.query<{ id: ExternalId }>(
      `SELECT external_id AS id FROM pair WHERE connection_id = $1 AND state = 'different'
         AND decided_at >= ${LAST_PLAN} - interval '1 minute' LIMIT $2::int + 1`, // clocks differ
      [run.connection, limit],
    );
    const again = [waiting, edited, rivals, welcome, told];
    if (again.some((found) => found.length > limit)) return null;
    return [...(unread.length > limit ? [] : unread), ...again.flat()].map((row) => row.id);
  }

  /** One page of a change feed. `token`: where the next delta goes on, with the last page. */
  stage(
    run: TakenRun,
    users: readonly ExternalId[],
    progress: Progress,
    token: string | null,
  ): Promise<void> {
    return this.#inRun(run, async (tx) => {
      await insertTouched(tx, run, users);
      await advance(tx, run, progress, {});
      if (token !== null) await update(tx, run, `delta_token = $3`, [token]);
    });
  }

  /** Of these groups: the name of one that is read, null for one that the mapping leaves out. What is not known is not there. */
  knownGroups(run: TakenRun, groups: readonly ExternalId[]): Promise<ReadonlyMap<string, string | null>> {
    return this.#inRun(run, async (tx) => {
      const rows = await tx.query<{ id: string; name: string | null }>(
        `SELECT external_id AS id, NULL AS name FROM staged_other_group
         WHERE run_id = (${LAST_COMPLETE}) AND external_id = ANY ($3::text[])
         UNION ALL SELECT external_id, name FROM staged_group WHERE run_id = $2 AND external_id = ANY ($3::text[])
         ORDER BY name NULLS FIRST`, // a group that a listing named twice, by two names, is read if it is by one of them
        [run.connection, run.id, groups],
      );
      return new Map(rows.map(({ id, name }) => [id, name]));
    });
  }

  /** Groups that came since the last complete run, and that the mapping does not read either. */
  leaveOut(run: TakenRun, groups: readonly ExternalId[]): Promise<void> {
    return this.#inRun(run, async (tx) => {
      await tx.query(
        `INSERT INTO staged_other_group (run_id, external_id, tenant_id)
         SELECT last.id, g.id, $2 FROM (${LAST_COMPLETE}) AS last, unnest($3::text[]) AS g (id) ON CONFLICT DO NOTHING`,
        [run.connection, run.tenant, groups],
      );
    });
  }

  /**
   * Who comes to an address that somebody has, had or comes to who was looked up: whether they can have it hangs on both. Up to one
   * more than `limit`; gives how many. What was looked up already is not asked for again, so that this ends when it is repeated.
   */
  stageRivals(run: TakenRun, limit: number): Promise<number> {
    return this.#inRun(run, async (tx) => {
      const found = await tx.query<{ address: string }>(ADDRESSES_LOOKED_UP, [run.id, run.connection]);
      if (found.length === 0) return 0;
      const addresses = found.map(({ address }) => address);
      const rivals = await avoiding('seqscan', tx, () =>
        tx.query<{ id: ExternalId }>(
          `SELECT DISTINCT c.external_id AS id FROM unnest($3::text[]) AS a (address),
             LATERAL (SELECT external_id FROM change c WHERE ${COMES('c')} AND c.address = a.address OFFSET 0) c
           WHERE NOT EXISTS (SELECT FROM staged_user s WHERE s.run_id = $2 AND s.external_id = c.external_id) LIMIT $4::int + 1`,
          [run.connection, run.id, addresses, limit],
        ),
      );
      const ids = rivals.map(({ id }) => id);
      await insertTouched(tx, run, ids);
      return ids.length;
    });
  }

  /**
   * Where the deltas since the last complete run stopped, by the configuration of the given one. null: there were none, or they left
   * no token.
   */
  lastDelta(run: TakenRun): Promise<string | null> {
    return this.#inRun(run, async (tx) => {
      const [last] = await tx.query<{ token: string }>(
        `SELECT c.delta_token AS token FROM connection c JOIN sync_run r ON r.id = (${LAST_WITH_TOKEN}) AND r.kind = 'delta'
         WHERE c.id = $1 AND c.delta_token IS NOT NULL AND c.delta_fingerprint = $2`,
        [run.connection, run.readingFingerprint],
      );
      return last?.token ?? null;
    });
  }

  /** See `PullEvidence`. */
  permissionsBefore(run: TakenRun): Promise<readonly string[] | null> {
    return this.#inRun(run, async (tx) => {
      const [row] = await tx.query<{ before: readonly string[] | null }>(
        `SELECT ${PERMISSIONS_BEFORE} AS before FROM sync_run r WHERE r.id = $1`,
        [run.id],
      );
      return row?.before ?? null;
    });
  }

  /** How many are to be looked up; and how many are linked, where the first are more than `few`. */
  count(run: TakenRun, few: number): Promise<{ readonly touched: number; readonly linked: number }> {
    return this.#inRun(run, async (tx) => {
      const [row] = await tx.query<{ touched: number; linked: number }>(
        `SELECT touched, CASE WHEN touched <= $3 THEN 0 ELSE (SELECT count(*)::int FROM identity WHERE connection_id = $2) END AS linked
         FROM (SELECT count(*)::int AS touched FROM staged_touched WHERE run_id = $1) t`,
        [run.id, run.connection, few],
      );
      return row ?? { touched: 0, linked: 0 };
    });
  }

  /** Those linked auth users whom the listing of a full run did not name; of more than `limit`, so many from all over. */
  stageUnseen(run: TakenRun, limit: number): Promise<void> {
    return this.#inRun(run, async (tx) => {
      await tx.query('SET LOCAL enable_nestloop = off'); // both sides are large, and freshly staged rows have no statistics; who is left over are few
      await tx.query(
        `INSERT INTO staged_touched (run_id, external_id, tenant_id)
         SELECT $1::uuid, i.external_id, $2::uuid FROM (
           SELECT external_id, auth_user_id FROM identity l WHERE l.connection_id = $3
             AND NOT EXISTS (SELECT FROM staged_user s WHERE s.run_id = $1::uuid AND s.external_id = l.external_id) OFFSET 0) i
           JOIN LATERAL (SELECT state FROM auth_user WHERE id = i.auth_user_id OFFSET 0) a ON a.state <> 'deleted'
         ORDER BY md5($1::text || i.external_id) LIMIT $4 ON CONFLICT DO NOTHING`,
        [run.id, run.tenant, run.connection, limit],
      );
      await update(tx, run, `phase = 'look-up', cursor = NULL`);
    });
  }

  /**
   * The next ones behind `last`, in the order of their ids; `Staging.stageUsers` takes off the list whom it stores. By the index alone:
   * freshly staged rows have no statistics, and what was taken off is not to be gone over each time.
   */
  next(run: TakenRun, last: ExternalId | null, limit: number): Promise<readonly ExternalId[]> {
    return this.#inRun(run, async (tx) => {
      await tx.query(
        'SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off',
      );
      const rows = await tx.query<{ id: ExternalId }>(
        `SELECT external_id AS id FROM staged_touched WHERE run_id = $1 AND external_id > $3 ORDER BY external_id LIMIT $2`,
        [run.id, limit, last ?? ''],
      );
      return rows.map((row) => row.id);
    });
  }
}

/** Up to one more than `limit` of those whose tenant was missing when they were last looked at. */
async function whoseTenantIsThere(
  tx: BulkTransaction,
  run: TakenRun,
  limit: number,
): Promise<readonly { readonly id: ExternalId }[]> {
  const ofThose = `FROM change WHERE ${CONFLICTS_WAIT} AND connection_id = $1 AND state IN ${LIVE} AND kind = 'conflict' AND cause = 'tenant-missing'`;
  const sought = await tx.query<{ place: string }>(`SELECT DISTINCT after ->> 'tenant' AS place ${ofThose}`, [
    run.connection,
  ]);
  const places = sought.map(({ place }) => place);
  const found = await FoundPlaces.find(tx, run.tenant, places);
  const there = places.filter((place) => !['missing', 'closed'].includes(found.at(place)));
  if (there.length === 0) return [];
  return await tx.query<{ id: ExternalId }>(
    `SELECT external_id AS id ${ofThose} AND after ->> 'tenant' = ANY ($2::text[]) LIMIT $3::int + 1`,
    [run.connection, there, limit],
  );
}

/** The groups' names: a user who is looked up is in groups by id. */
async function takeOverGroups(sql: Sql, run: TakenRun, lastComplete: string): Promise<void> {
  await sql.query(
    `INSERT INTO staged_group (run_id, external_id, tenant_id, name, everyone, members_done, members_unknown)
     SELECT $1, external_id, tenant_id, name, everyone, true, members_unknown FROM staged_group WHERE run_id = $2`,
    [run.id, lastComplete],
  );
}

/** The snapshot of a run, page by page: each page is stored together with the cursor that follows it, or not at all. */
import type { GroupRef } from '../domain/directory.ts';
import type { ExternalId, TenantId } from '../domain/ids.ts';
import type { PartSizes, RunPhase, TakenRun } from '../domain/run.ts';
import { copyInto } from './copy.ts';
import type { BulkTransaction, Database, Sql } from './database.ts';
import { keepContent, NAMED_BY_DIRECTORY } from './directoryUsers.ts';

export type StagedGroup = { readonly externalId: ExternalId; readonly name: string };

export type StagedUser =
  | { readonly externalId: ExternalId; readonly problem: string; readonly content?: UserContent | null }
  | { readonly externalId: ExternalId; readonly absence: Absence; readonly content?: UserContent | null }
  /** As they were last read, and their auth user agreed with what follows from that. */
  | { readonly externalId: ExternalId; readonly settled: true }
  | {
      readonly externalId: ExternalId;
      /** null: as it was when the user was last read. */
      readonly content: UserContent | null;
      readonly emailKey: string | null;
      readonly desiredHash: string;
    };

/** The JSON text of {user, groups}; `hash`, hexadecimal: see `KnownContents`. */
export type UserContent = { readonly json: string; readonly hash: string };

/** The provider was asked for this very user; `excluded`: they were read, and are out of the mapping's scope. */
export type Absence = 'gone' | 'out-of-scope' | 'excluded';

/** A page of a listing, or some who were looked up. */
export type StagedPage = {
  readonly users: readonly StagedUser[];
  /** The same, but nobody taken for settled: for a page that names somebody whom an earlier one named in another way. */
  readonly anew: () => readonly StagedUser[];
  /** Records without a readable id, which leave nothing to store but must be known of. */
  readonly nameless: number;
  readonly next: Progress;
};

/** Where to go on after this page. */
export type Progress = {
  readonly phase: RunPhase;
  readonly cursor: string | null;
  /** Where users are listed: all that were, by domain. */
  readonly domains?: PartSizes;
  /** Likewise by organisational unit. */
  readonly orgUnits?: PartSizes;
};

export type GroupToRead = StagedGroup & { readonly cursor: string | null };

/** One page of a group's members. `next: null`: there are no more, or (`unknown`) no more can be read. */
export type StagedMembers = {
  readonly group: ExternalId;
  readonly users: readonly ExternalId[];
  readonly everyone: boolean;
  readonly next: string | null;
  readonly unreadable: number;
};

const UNIQUE_VIOLATION = '23505';
const REPLACE_STAGED = `ON CONFLICT (run_id, external_id) DO UPDATE SET problem = excluded.problem, absence = excluded.absence,
  email_key = excluded.email_key, desired_hash = excluded.desired_hash`;

const STAGED = ['staged_user', 'staged_membership', 'staged_group', 'staged_other_group', 'staged_touched'];
/** Each run tidies up behind those before it: what is older than so many of them was tidied long ago. */
const TIDIED = 1_000;

/** The run that the connection's token was stored with. `$1` is the connection. */
export const LAST_WITH_TOKEN = `SELECT id FROM sync_run WHERE connection_id = $1 AND state = 'finished' AND kind <> 'targeted' AND snapshot IN ('complete', 'named')
  ORDER BY id DESC LIMIT 1`;

export class Staging {
  readonly #database: Database;
  /** Sessions that have the table for pages already. */
  readonly #prepared = new WeakSet<object>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** A page that is lost is lost with the cursor that follows it, and read again. */
  #inRun<T>(run: TakenRun, work: (tx: BulkTransaction) => Promise<T>): Promise<T> {
    return this.#database.bulk(run.tenant, work, { mayBeRedone: true });
  }

  /** `others`: groups that are there and not read, of which a later delta needs to hear nothing. */
  stageGroups(
    run: TakenRun,
    groups: readonly StagedGroup[],
    others: readonly ExternalId[],
    unreadable: number,
    progress: Progress,
  ): Promise<void> {
    return this.#inRun(run, async (tx) => {
      await tx.query(
        `INSERT INTO staged_group (run_id, external_id, tenant_id, name)
         SELECT $1, external_id, $2, name FROM unnest($3::text[], $4::text[]) AS row (external_id, name)
         ON CONFLICT (run_id, external_id) DO UPDATE SET name = excluded.name`,
        [run.id, run.tenant, groups.map((group) => group.externalId), groups.map((group) => group.name)],
      );
      if (others.length > 0) {
        await tx.query(
          `INSERT INTO staged_other_group (run_id, external_id, tenant_id)
           SELECT $1, id, $2 FROM unnest($3::text[]) AS row (id) ON CONFLICT DO NOTHING`,
          [run.id, run.tenant, others],
        );
      }
      await advance(tx, run, progress, { groups: groups.length, unreadable, unreadableGroups: unreadable });
    });
  }

  /** The next groups whose members are still to be read, in a stable order. */
  groupsToRead(run: TakenRun, limit: number): Promise<readonly GroupToRead[]> {
    return this.#inRun(run, (tx) =>
      tx.query<GroupToRead>(
        `SELECT external_id AS "externalId", name, members_cursor AS cursor FROM staged_group
         WHERE run_id = $1 AND NOT members_done ORDER BY external_id LIMIT $2`,
        [run.id, limit],
      ),
    );
  }

  /** Pages of one or of many groups at once: a directory may have ten thousand groups of three. */
  stageMembers(run: TakenRun, pages: readonly StagedMembers[]): Promise<void> {
    return this.#inRun(run, async (tx) => {
      const members = pages.flatMap(({ group, users }) => users.map((user) => ({ group, user })));
      await tx.query(
        `INSERT INTO staged_membership (run_id, user_id, group_id, tenant_id)
         SELECT $1, user_id, group_id, $2 FROM unnest($3::text[], $4::text[]) AS row (user_id, group_id)`,
        [run.id, run.tenant, members.map(({ user }) => user), members.map(({ group }) => group)],
      );
      // Of several pages of one group, the last one says where to go on.
      const last = new Map(pages.map(({ group, next }) => [group, next]));
      const groups = [...last].map(([group, next]) => {
        const own = pages.filter((page) => page.group === group);
        return {
          id: group,
          next,
          everyone: own.some((page) => page.everyone),
          unknown: own.some((page) => page.unreadable > 0),
          members: own.reduce((sum, page) => sum + page.users.length, 0),
        };
      });
      await tx.query(
        `UPDATE staged_group g SET everyone = g.everyone OR r.everyone, members_cursor = r.next, members_done = r.next IS NULL,
           members_unknown = members_unknown OR r.unknown, members = g.members + r.members
         FROM jsonb_to_recordset($2::jsonb) AS r (id text, next text, everyone boolean, unknown boolean, members int)
         WHERE g.run_id = $1 AND g.external_id = r.id`,
        [run.id, JSON.stringify(groups)],
      );
      const unreadable = pages.reduce((sum, page) => sum + page.unreadable, 0);
      const counted = { pages: pages.length, members: members.length, unreadable };
      await advance(tx, run, { phase: 'members', cursor: null }, counted);
    });
  }

  /** All groups of the run by id, and those that everybody is in. A directory has far fewer groups than users. */
  readGroups(run: TakenRun): Promise<readonly (StagedGroup & { everyone: boolean })[]> {
    return this.#inRun(run, (tx) =>
      tx.query(
        `SELECT external_id AS "externalId", name, everyone FROM staged_group WHERE run_id = $1 ORDER BY external_id`,
        [run.id],
      ),
    );
  }

  /** Of those among these users who are in a group that was read: the ids of their groups, one perhaps twice. */
  groupsOf(
    run: TakenRun,
    users: readonly ExternalId[],
  ): Promise<ReadonlyMap<string, readonly GroupRef['externalId'][]>> {
    return this.#inRun(run, async (tx) => {
      const rows = await tx.query<{ id: string; groups: readonly GroupRef['externalId'][] }>(
        `SELECT user_id AS id, array_agg(group_id) AS groups FROM staged_membership
         WHERE run_id = $1 AND user_id = ANY ($2::text[]) GROUP BY user_id`,
        [run.id, users],
      );
      return new Map(rows.map(({ id, groups }) => [id, groups]));
    });
  }

  /**
   * Pages in their order, all at once or none. Of several mentions of a user, the last counts. Few directories name anybody twice, so
   * that the cheaper INSERT is tried first.
   */
  async stageUsers(run: TakenRun, pages: readonly StagedPage[]): Promise<void> {
    const client = await this.#stagePages(run, pages, '').catch((error: unknown) => {
      if ((error as { code?: unknown }).code !== UNIQUE_VIOLATION) throw error;
      const anew = pages.map((page) => ({ ...page, users: page.anew() }));
      return this.#stagePages(run, anew, REPLACE_STAGED);
    });
    this.#prepared.add(client); // only now: a table made in a transaction that fails is gone with it
  }

  async #stagePages(run: TakenRun, pages: readonly StagedPage[], onConflict: string): Promise<object> {
    const users = pages.flatMap((page) => page.users);
    const once = [...new Map(users.map((user) => [user.externalId, user])).values()];
    const nameless = pages.reduce((sum, page) => sum + page.nameless, 0);
    const unreadable = users.filter((user) => 'problem' in user).length + nameless;
    const progress = pages.at(-1)?.next;
    if (progress === undefined) throw new Error('a page is stored with what follows it');
    return await this.#inRun(run, async (tx) => {
      await this.#fillPage(tx, once);
      const stored = await tx.query<{ fresh: number }>(
        `WITH stored AS (
           INSERT INTO staged_user (run_id, external_id, tenant_id, problem, absence, email_key, desired_hash)
           SELECT $1, external_id, $2, problem, absence, email_key, desired_hash FROM page_of_users
           ${onConflict} RETURNING xmax = 0 AND ${NAMED_BY_DIRECTORY} AS fresh)
         SELECT count(*) FILTER (WHERE fresh)::int AS fresh FROM stored`,
        [run.id, run.tenant],
      );
      if (once.some((user) => 'content' in user && user.content !== null)) await keepContent(tx, run);
      if (progress.phase === 'look-up') await lookedUp(tx, run, once);
      const fresh = stored[0]?.fresh ?? 0;
      const later = progress.phase === 'look-up' && run.kind === 'full' ? fresh : 0;
      const counted = { pages: pages.length, users: fresh, later, unreadable, nameless };
      await advance(tx, run, progress, counted);
      return tx.client;
    });
  }

  /** COPY cannot write into a table with row-level security; it fills a table of this session, and the policy sees the INSERT. */
  async #fillPage(tx: BulkTransaction, users: readonly StagedUser[]): Promise<void> {
    if (!this.#prepared.has(tx.client)) {
      await tx.query(
        `CREATE TEMP TABLE IF NOT EXISTS page_of_users
         (external_id text, problem text, absence text, content json, content_hash bytea, email_key text,
          desired_hash bytea) ON COMMIT DELETE ROWS`,
      );
    }
    await copyInto(tx.client, 'page_of_users', users.map(toRow));
  }

  /** Forgets what was staged, for a run that has to start over: as a full one, whatever it was. */
  discard(run: TakenRun): Promise<void> {
    return this.#inRun(run, async (tx) => {
      for (const table of STAGED) {
        await tx.query(`DELETE FROM ${table} WHERE run_id = $1`, [run.id]);
      }
      await update(
        tx,
        run,
        `kind = 'full', delta_from = NULL, delta_token = NULL, phase = 'groups', cursor = NULL, pages = 0, groups_read = 0,
         members_read = 0, users_read = 0, unreadable = 0, nameless = 0, unreadable_groups = 0, found_later = 0, domains = '{}',
         org_units = '{}'`,
      );
    });
  }

  /** Removes what a run staged that has ended without a plan. */
  forget(run: TakenRun): Promise<void> {
    return this.#inRun(run, async (tx) => {
      for (const table of STAGED) await tx.query(`DELETE FROM ${table} WHERE run_id = $1`, [run.id]);
    });
  }

  /**
   * Removes what older runs of the connection staged. The last complete snapshot, the run that the token is of and the given run
   * stay.
   */
  forgetOlder(run: TakenRun) {
    return this.#inRun(run, async (tx) => {
      const old = await tx.query<{ id: string }>(
        `SELECT id FROM (SELECT id, state, tidied FROM sync_run WHERE connection_id = $1 AND id <> $2 ORDER BY id DESC LIMIT ${TIDIED}) r
         WHERE NOT tidied AND state IN ('finished', 'failed') AND id NOT IN ((${LAST_WITH_TOKEN}) UNION
           (SELECT id FROM sync_run WHERE connection_id = $1 AND state = 'finished' AND snapshot = 'complete' ORDER BY id DESC LIMIT 1))`,
        [run.connection, run.id],
      );
      const ids = old.map((row) => row.id);
      if (ids.length === 0) return;
      // By key: most have left nothing, and PostgreSQL's statistics of these tables are of another run.
      await tx.query('SET LOCAL enable_seqscan = off');
      for (const table of STAGED) {
        await tx.query(`DELETE FROM ${table} WHERE run_id = ANY ($1::uuid[])`, [ids]);
      }
      await tx.query('UPDATE sync_run SET tidied = true WHERE id = ANY ($1::uuid[])', [ids]);
    });
  }
}

/** In the transaction that stores what was found: whoever is stored need not be asked for again. */
async function lookedUp(sql: Sql, run: TakenRun, users: readonly StagedUser[]): Promise<void> {
  await sql.query(`DELETE FROM staged_touched WHERE run_id = $1 AND external_id = ANY ($2::text[])`, [
    run.id,
    users.map((user) => user.externalId),
  ]);
}

function toRow(user: StagedUser): readonly (string | null)[] {
  const { externalId } = user;
  if ('settled' in user) return [externalId, null, null, null, null, null, null];
  const { content = null } = user;
  const read = content === null ? [null, null] : [content.json, `\\x${content.hash}`];
  if ('problem' in user) return [externalId, user.problem, null, ...read, null, null];
  if ('absence' in user) return [externalId, null, user.absence, ...read, null, null];
  return [externalId, null, null, ...read, user.emailKey, `\\x${user.desiredHash}`];
}

type Counted = {
  /** 1 where it is not said. */
  readonly pages?: number;
  readonly groups?: number;
  readonly members?: number;
  readonly users?: number;
  /** Of `users`. */
  readonly later?: number;
  readonly unreadable?: number;
  readonly nameless?: number;
  readonly unreadableGroups?: number;
};

export async function advance(sql: Sql, run: TakenRun, progress: Progress, counted: Counted): Promise<void> {
  await update(
    sql,
    run,
    `phase = $3, cursor = $4, pages = pages + $11, groups_read = groups_read + $5, members_read = members_read + $6,
     users_read = users_read + $7, unreadable = unreadable + $8, nameless = nameless + $9, unreadable_groups = unreadable_groups + $10,
     found_later = found_later + $12, domains = coalesce($13::jsonb, domains),
     org_units = coalesce($14::jsonb, org_units)`,
    [
      progress.phase,
      progress.cursor,
      counted.groups ?? 0,
      counted.members ?? 0,
      counted.users ?? 0,
      counted.unreadable ?? 0,
      counted.nameless ?? 0,
      counted.unreadableGroups ?? 0,
      counted.pages ?? 1,
      counted.later ?? 0,
      progress.domains === undefined ? null : JSON.stringify(progress.domains),
      progress.orgUnits === undefined ? null : JSON.stringify(progress.orgUnits),
    ],
  );
}

export async function update(
  sql: Sql,
  run: TakenRun,
  set: string,
  values: readonly unknown[] = [],
): Promise<void> {
  const rows = await sql.query(
    `UPDATE sync_run SET ${set} WHERE id = $1 AND worker = $2 AND state = 'pulling' RETURNING id`,
    [run.id, run.worker, ...values],
  );
  if (rows.length === 0) throw new RunTakenOver(run.id);
}

/** Whom the run has to look up. */
export async function insertTouched(
  sql: Sql,
  run: { readonly id: string; readonly tenant: TenantId },
  users: readonly ExternalId[],
): Promise<void> {
  if (users.length === 0) return;
  await sql.query(
    `INSERT INTO staged_touched (run_id, external_id, tenant_id)
     SELECT DISTINCT $1::uuid, id, $2::uuid FROM unnest($3::text[]) AS row (id) ON CONFLICT DO NOTHING`,
    [run.id, run.tenant, users],
  );
}

/** Another process works on this run now; whoever sees this stops without writing anything more. */
export class RunTakenOver extends Error {
  override readonly name = 'RunTakenOver';
  constructor(run: string) {
    super(`another process has taken over run ${run}`);
  }
}

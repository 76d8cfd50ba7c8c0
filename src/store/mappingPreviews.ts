/**
 * A plan by another mapping, of what was last read of the directory, of which nothing stays: the same statements as those of a real plan,
 * in a transaction that is always rolled back.
 */
import { v7 } from 'uuid';
import type { ChangeKind } from '../domain/change.ts';
import type { GroupRef } from '../domain/directory.ts';
import { type ConnectionId, type ExternalId, RunId, type TenantId } from '../domain/ids.ts';
import type { Mapping } from '../domain/mapping.ts';
import type { RunCounts, TakenRun, UnreadableUsers } from '../domain/run.ts';
import { OF_THE_MAPPING } from '../domain/written.ts';
import { type ChangeView, readChanges } from './changes.ts';
import type { BulkTransaction, Database } from './database.ts';
import type { ReadUser } from './directoryUsers.ts';
import { PROBLEMS } from './leftRows.ts';
import { LIVE } from './livingChanges.ts';
import { lockForPlan } from './locks.ts';
import { countPending } from './planFacts.ts';
import { Plan } from './planning.ts';
import type { StagedUser } from './staging.ts';

/** How many directory users are in memory at once. */
const BATCH = 1_000;
/** Changes that are shown one by one. */
const SHOWN = 100;

export type Previewed = {
  /** When the last complete run ended. */
  readonly readAt: string;
  /** Directory users that were looked at. */
  readonly users: number;
  /** Of these, those for whom the mapping's scope does not hold. */
  readonly outOfScope: number;
  /** Of whom nothing can be made out, and nothing would follow: why, of how many, and of whom for one. The first ten problems. */
  readonly unreadable: readonly UnreadableUsers[];
  /** Pending changes as they are, and as they would be. */
  readonly before: RunCounts;
  readonly after: RunCounts;
  /** Changes that would come, by kind, and pending ones that would go. */
  readonly proposed: Readonly<Partial<Record<ChangeKind, number>>>;
  readonly withdrawn: number;
  /** Of the changes that would come, by how many auth users each role is gained and lost. */
  readonly roles: readonly { readonly role: string; readonly gained: number; readonly lost: number }[];
  /** Of the changes that would come, the first hundred. */
  readonly changes: readonly ChangeView[];
  /** Groups that this mapping reads and the last complete run did not, or not wholly. */
  readonly unreadGroups: readonly string[];
};

/**
 * A directory user as last read, to be staged. `agreedHash`: of the desired state that its auth user agrees with; null where there is
 * none, or the auth user has moved since.
 */
export type LastRead = ReadUser & { readonly externalId: ExternalId; readonly agreedHash: string | null };

/** Without a hash: the auth user agrees with what is wanted. */
export type Restaged =
  | Pick<Extract<StagedUser, { problem: string }>, 'externalId' | 'problem'>
  | Pick<Extract<StagedUser, { absence: string }>, 'externalId' | 'absence'>
  | Extract<StagedUser, { settled: true }>
  | Omit<Extract<StagedUser, { desiredHash: string }>, 'content'>;

type PreviewRequest = {
  readonly connection: ConnectionId;
  readonly tenant: TenantId;
  readonly mapping: Mapping;
  readonly readingFingerprint: string;
  /** Groups that something follows from, by external id or name. */
  readonly groups: readonly string[];
  readonly stage: (user: LastRead) => Restaged;
  /** Fills the change set. */
  readonly plan: (plan: Plan, run: TakenRun) => Promise<unknown>;
};

export class MappingPreviews {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** null where there was no complete run yet. While it lasts, plans and applies of the connection wait. */
  async preview(request: PreviewRequest): Promise<Previewed | null> {
    try {
      return await this.#database.bulk(request.tenant, async (tx) => {
        await lockForPlan(tx, request.connection);
        const found = await previewWithin(tx, request);
        if (found === null) return null;
        throw new RolledBack(found);
      });
    } catch (error) {
      if (error instanceof RolledBack) return error.found;
      throw error;
    }
  }
}

/** What was found out leaves the transaction, and nothing else. */
class RolledBack extends Error {
  override readonly name = 'RolledBack';
  readonly found: Previewed;
  constructor(found: Previewed) {
    super('a preview has ended');
    this.found = found;
  }
}

type LastComplete = { readonly id: string; readonly readAt: Date; readonly unreadableGroups: number };

async function previewWithin(tx: BulkTransaction, request: PreviewRequest): Promise<Previewed | null> {
  const { connection, tenant, mapping, readingFingerprint } = request;
  const [last] = await tx.query<LastComplete>(
    `SELECT id, finished_at AS "readAt", unreadable_groups AS "unreadableGroups" FROM sync_run
     WHERE connection_id = $1 AND state = 'finished' AND snapshot = 'complete' ORDER BY id DESC LIMIT 1`,
    [connection],
  );
  if (last === undefined) return null;
  const run: TakenRun = {
    ...{
      id: RunId.parse(v7()),
      connection,
      tenant,
      worker: v7(),
      startedAt: last.readAt,
      kind: 'full',
      state: 'planning',
      phase: 'users',
    },
    ...{
      cursor: null,
      mapping,
      readingFingerprint,
      domains: {},
      orgUnits: {},
      deltaFrom: null,
      told: null,
      pages: 0,
      users: 0,
    },
  };
  const before = await countPending(tx, run);
  const unreadGroups = await stageGroups(tx, run, last, request.groups);
  const users = await stageUsers(tx, run, last, request.stage);
  const concluded = { snapshot: 'complete', reason: null, users, unreadable: last.unreadableGroups };
  const plan = await Plan.begin(tx, run, concluded);
  await request.plan(plan, run);
  return {
    readAt: last.readAt.toISOString(),
    users,
    before,
    after: await countPending(tx, run),
    ...(await describeLeft(tx, run)),
    ...(await describe(tx, run)),
    unreadGroups,
  };
}

/** Gives those that follow something from, and whose members are not known: in the plan they are in doubt. */
async function stageGroups(
  tx: BulkTransaction,
  run: TakenRun,
  last: LastComplete,
  needed: readonly string[],
): Promise<readonly string[]> {
  await tx.query(
    `INSERT INTO staged_group (run_id, external_id, tenant_id, name, everyone, members_done, members_unknown)
     SELECT $1, external_id, tenant_id, name, everyone, true, members_unknown FROM staged_group WHERE run_id = $2`,
    [run.id, last.id],
  );
  const read = await tx.query<GroupRef & { unknown: boolean }>(
    `SELECT external_id AS "externalId", name, members_unknown AS unknown FROM staged_group WHERE run_id = $1`,
    [run.id],
  );
  const known = new Set<string>(
    read.flatMap((group) => (group.unknown ? [] : [group.externalId, group.name])),
  );
  const unread = needed.filter((group) => !known.has(group));
  await tx.query(
    `INSERT INTO staged_group (run_id, external_id, tenant_id, name, members_done, members_unknown)
     SELECT $1, name, $2, name, true, true FROM unnest($3::text[]) AS g (name) ON CONFLICT DO NOTHING`,
    [run.id, run.tenant, unread],
  );
  return unread;
}

/** Gives how many there are. Whoever could not be understood when they were last read is as unknown now. */
async function stageUsers(
  tx: BulkTransaction,
  run: TakenRun,
  last: LastComplete,
  stage: PreviewRequest['stage'],
): Promise<number> {
  await tx.query(
    `INSERT INTO staged_user (run_id, external_id, tenant_id, problem)
     SELECT $1, external_id, tenant_id, problem FROM staged_user
     WHERE run_id = $2 AND problem IS NOT NULL AND NOT starts_with(problem, $3)`,
    [run.id, last.id, OF_THE_MAPPING],
  );
  await tx.query('SET LOCAL enable_nestloop = off'); // all are read, however few the statistics say there are
  await tx.query(
    `DECLARE last_read NO SCROLL CURSOR FOR
     SELECT d.external_id AS "externalId", d.content, CASE WHEN a.version = i.agreed_version THEN encode(i.agreed_hash, 'hex') END AS "agreedHash"
     FROM directory_user d LEFT JOIN identity i ON i.connection_id = $1 AND i.external_id = d.external_id
     LEFT JOIN auth_user a ON a.id = i.auth_user_id
     WHERE d.connection_id = $1`,
    [run.connection],
  );
  await tx.query('SET LOCAL enable_nestloop = on');
  let users = 0;
  for (;;) {
    const rows = await tx.query<Pick<LastRead, 'externalId' | 'agreedHash'> & { readonly content: ReadUser }>(
      `FETCH ${BATCH} FROM last_read`,
    );
    if (rows.length === 0) break;
    users += rows.length;
    const staged = rows.map(({ content, ...row }) => stage({ ...row, ...content }));
    await tx.query(
      `INSERT INTO staged_user (run_id, external_id, tenant_id, problem, absence, email_key, desired_hash)
       SELECT $1, s.id, $2, s.problem, s.absence, s.email_key, decode(s.hash, 'hex')
       FROM jsonb_to_recordset($3::jsonb) AS s (id text, problem text, absence text, email_key text, hash text)
       ON CONFLICT DO NOTHING`,
      [run.id, run.tenant, JSON.stringify(staged.map(toRestagedRow))],
    );
  }
  await tx.query('CLOSE last_read');
  return users;
}

function toRestagedRow(user: Restaged) {
  const { externalId: id } = user;
  if ('problem' in user) return { id, problem: user.problem };
  if ('absence' in user) return { id, absence: user.absence };
  return 'settled' in user ? { id } : { id, email_key: user.emailKey, hash: user.desiredHash };
}

async function describeLeft(
  tx: BulkTransaction,
  run: TakenRun,
): Promise<Pick<Previewed, 'outOfScope' | 'unreadable'>> {
  const [found] = await tx.query<Pick<Previewed, 'outOfScope' | 'unreadable'>>(
    `SELECT ${PROBLEMS} AS unreadable,
       (SELECT count(*)::int FROM staged_user WHERE run_id = $1 AND absence = 'excluded') AS "outOfScope"`,
    [run.id],
  );
  return found ?? { outOfScope: 0, unreadable: [] };
}

async function describe(
  tx: BulkTransaction,
  run: TakenRun,
): Promise<Pick<Previewed, 'proposed' | 'withdrawn' | 'roles' | 'changes'>> {
  const kinds = await tx.query<{ kind: ChangeKind; changes: number }>(
    `SELECT kind, count(*)::int AS changes FROM change WHERE connection_id = $1 AND run_id = $2 GROUP BY kind`,
    [run.connection, run.id],
  );
  const [gone] = await tx.query<{ withdrawn: number }>(
    `SELECT count(*)::int AS withdrawn FROM change WHERE connection_id = $1 AND state = 'superseded' AND closed_at = now()`,
    [run.connection],
  );
  const roles = await tx.query<Previewed['roles'][number]>(
    `SELECT role, count(*) FILTER (WHERE gained)::int AS gained, count(*) FILTER (WHERE NOT gained)::int AS lost
     FROM change c, LATERAL (SELECT unnest(c.roles_gained) AS role, true AS gained UNION ALL SELECT unnest(c.roles_lost), false) r
     WHERE c.connection_id = $1 AND c.run_id = $2 GROUP BY role ORDER BY role`,
    [run.connection, run.id],
  );
  const where = `c.connection_id = $1 AND c.run_id = $2 AND c.state IN ${LIVE}`;
  return {
    proposed: Object.fromEntries(kinds.map(({ kind, changes }) => [kind, changes])),
    withdrawn: gone?.withdrawn ?? 0,
    roles,
    changes: await readChanges(tx, where, [run.connection, run.id], SHOWN),
  };
}

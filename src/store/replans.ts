/** What a finished run has left of everybody whom it spoke of, so that its plan can be made again: read as of one moment, in pages. */

import type { DirectoryUser, GroupRef } from '../domain/directory.ts';
import type { ConnectionId, ExternalId, RunId, TenantId } from '../domain/ids.ts';
import { Mapping } from '../domain/mapping.ts';
import { Policy } from '../domain/policy.ts';
import {
  type ChangedSince,
  DECIDES_PLANS,
  type RecordedChange,
  type ReplannedPerson,
} from '../domain/replan.ts';
import type { TakenRun } from '../domain/run.ts';
import type { BulkTransaction, Database } from './database.ts';
import { type PlanFacts, readFacts } from './planFacts.ts';
import { type AuthUserRow, toStoredAuthUser } from './rows.ts';
import { EVER_WITHIN } from './scope.ts';
import { LAST_WITH_TOKEN } from './staging.ts';

/** How many people are in memory at once. */
const BATCH = 1_000;

/** A run whose snapshot is still there. */
export type KeptRun = Pick<TakenRun, 'id' | 'connection' | 'tenant' | 'mapping' | 'readingFingerprint'> & {
  readonly facts: PlanFacts;
  readonly changedSince: ReadonlySet<ChangedSince>;
};

type RunRow = {
  readonly id: RunId;
  readonly connection: ConnectionId;
  readonly tenant: TenantId;
  readonly mapping: unknown;
  readonly readingFingerprint: string;
  readonly snapshot: string;
  readonly reason: string | null;
  readonly users: number;
  readonly unreadable: number;
  readonly finishedAt: Date;
  /** As it is now. */
  readonly policy: object;
  /** Parts of it as they were. */
  readonly plannedBy: object | null;
  readonly timeZone: string;
};

export class Replans {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** null: the run's snapshot is not kept, or it has none. `people`: everybody, in the order of their ids. */
  ofOneMoment<T>(
    of: { readonly id: RunId; readonly tenant: TenantId },
    work: (run: KeptRun, people: AsyncIterable<readonly ReplannedPerson[]>) => Promise<T>,
  ): Promise<T | null> {
    return this.#database.bulk(
      of.tenant,
      async (tx) => {
        const row = await findKept(tx, of.id);
        if (row === null) return null;
        const { id, connection, tenant, readingFingerprint, snapshot, reason, users, unreadable } = row;
        const run = { id, connection, tenant, readingFingerprint, mapping: Mapping.parse(row.mapping) };
        const now = { snapshot, reason, users, unreadable };
        const policy = Policy.parse(asPlannedBy(row));
        const facts = await readFacts(tx, run, now, { policy, timeZone: row.timeZone });
        const changedSince = await readChangedSince(tx, row);
        return await work({ ...run, facts, changedSince }, peopleOf(tx, row));
      },
      { ofOneMoment: true },
    );
  }
}

/** A part that was not there then is not there. */
function asPlannedBy({ policy, plannedBy }: RunRow): object {
  if (plannedBy === null) return policy;
  const others = Object.entries(policy).filter(([key]) => !DECIDES_PLANS.some((part) => part === key));
  return { ...Object.fromEntries(others), ...plannedBy };
}

/** What of the tenant and those below it was changed after the run. */
async function readChangedSince(
  tx: BulkTransaction,
  { tenant, finishedAt }: RunRow,
): Promise<ReadonlySet<ChangedSince>> {
  const rows = await tx.query<{ since: ChangedSince }>(
    `SELECT DISTINCT CASE WHEN action LIKE 'domain.%' THEN 'domains-since' WHEN action LIKE 'tenant.%' THEN 'tenants-since'
       ELSE 'adjustments-since' END AS since
     FROM audit_entry WHERE tenant_id IN (${EVER_WITHIN('$1::uuid')}) AND at >= $2 AND (action LIKE 'domain.%' AND action <> 'domain.claimed'
       OR action LIKE 'tenant.%' AND action NOT IN ('tenant.policy-changed', 'tenant.updated') OR action = 'adjustment.taken-back')
     ORDER BY since`,
    [tenant, finishedAt.toISOString()],
  );
  return new Set(rows.map(({ since }) => since));
}

async function findKept(tx: BulkTransaction, id: RunId): Promise<RunRow | null> {
  const [row] = await tx.query<RunRow>(
    `SELECT r.id, r.connection_id AS connection, r.tenant_id AS tenant, r.mapping, r.reading_fingerprint AS "readingFingerprint", r.snapshot,
       r.partial_reason AS reason, r.users_read AS users, r.unreadable_groups AS unreadable, r.finished_at AS "finishedAt", c.policy, r.planned_by AS "plannedBy",
       c.time_zone AS "timeZone"
     FROM sync_run r JOIN connection c ON c.id = r.connection_id WHERE r.id = $1 AND r.state = 'finished'`,
    [id],
  );
  if (row === undefined) return null;
  // Older ones are tidied away by the runs after them: see \`Staging.forgetOlder\`.
  const [kept] = await tx.query<{ kept: boolean }>(
    `SELECT $2 IN ((${LAST_WITH_TOKEN}) UNION (SELECT id FROM sync_run WHERE connection_id = $1 AND state = 'finished' AND snapshot = 'complete'
       ORDER BY id DESC LIMIT 1)) AS kept`,
    [row.connection, row.id],
  );
  return kept?.kept === true ? row : null;
}

type PersonRow = AuthUserRow & {
  readonly externalId: ExternalId;
  readonly staged: boolean;
  readonly problem: string | null;
  readonly absence: 'gone' | 'out-of-scope' | 'excluded' | null;
  readonly hash: string | null;
  readonly content: { readonly user: DirectoryUser; readonly groups: readonly GroupRef[] } | null;
  readonly keptHash: string | null;
  readonly isLater: boolean;
  readonly hasMoved: boolean;
  readonly agreedVersion: number | null;
  readonly agreedHash: string | null;
  readonly recorded: RecordedChange | null;
};

async function* peopleOf(tx: BulkTransaction, run: RunRow): AsyncGenerator<readonly ReplannedPerson[]> {
  await tx.query('SET LOCAL enable_nestloop = off'); // all are read, however few the statistics say there are
  await tx.query(
    `DECLARE replanned NO SCROLL CURSOR FOR
     WITH last AS (
       SELECT DISTINCT ON (external_id) id, external_id FROM change
       WHERE connection_id = $2 AND run_id <= $1 AND undoes IS NULL ORDER BY external_id, id DESC),
     people AS (
       SELECT external_id FROM staged_user WHERE run_id = $1
       UNION SELECT external_id FROM identity WHERE connection_id = $2 AND $3 = 'complete')
     SELECT p.external_id AS "externalId", s.run_id IS NOT NULL AS staged, s.problem, s.absence, encode(s.desired_hash, 'hex') AS hash,
       d.content, encode(d.desired_hash, 'hex') AS "keptHash", a.id, a.tenant_id, a.state, a.version, a.user_name, a.email, a.display_name,
       a.attributes, i.agreed_version AS "agreedVersion", encode(i.agreed_hash, 'hex') AS "agreedHash", r.roles,
       coalesce(d.read_by > $1, false) OR i.auth_user_id IS NOT NULL AND a.id IS NULL
         OR s.run_id IS NULL AND (i.created_at > $4 OR a.created_at > $4) AS "isLater",
       coalesce(a.updated_at > $4, false) AS "hasMoved",
       CASE WHEN c.id IS NOT NULL THEN json_build_object('id', c.id, 'externalId', c.external_id, 'tenant', c.tenant_id,
         'authUser', CASE WHEN c.kind <> 'create' THEN c.auth_user_id END, 'kind', c.kind, 'cause', c.cause, 'before', c.before,
         'after', c.after, 'fields', c.fields, 'rolesGained', c.roles_gained, 'rolesLost', c.roles_lost,
         'candidates', coalesce(c.candidates, '[]'), 'baseVersion', c.base_version, 'foundTenants', c.found_tenants,
         'desiredHash', encode(c.desired_hash, 'hex'), 'fingerprint', encode(c.fingerprint, 'hex'), 'isOfRun', c.run_id = $1) END AS recorded
     FROM people p LEFT JOIN staged_user s ON s.run_id = $1 AND s.external_id = p.external_id
       LEFT JOIN directory_user d ON d.connection_id = $2 AND d.external_id = p.external_id
       LEFT JOIN identity i ON i.connection_id = $2 AND i.external_id = p.external_id
       LEFT JOIN auth_user a ON a.id = i.auth_user_id
       LEFT JOIN (SELECT g.auth_user_id, array_agg(o.name ORDER BY o.name COLLATE "C") AS roles FROM role_assignment g
         JOIN role o ON o.id = g.role_id WHERE g.connection_id = $2 GROUP BY 1) r ON r.auth_user_id = a.id
       LEFT JOIN last l ON l.external_id = p.external_id LEFT JOIN change c ON c.id = l.id
     ORDER BY p.external_id COLLATE "C"`,
    [run.id, run.connection, run.snapshot, run.finishedAt.toISOString()],
  );
  for (;;) {
    const rows = await tx.query<PersonRow>(`FETCH ${BATCH} FROM replanned`);
    if (rows.length > 0) yield rows.map(toPerson);
    if (rows.length < BATCH) return;
  }
}

function toPerson(row: PersonRow): ReplannedPerson {
  const { externalId, staged, problem, absence, hash, content, keptHash, isLater, hasMoved, recorded } = row;
  const { agreedVersion, agreedHash } = row;
  return {
    ...{ externalId, content, keptHash, isLater, hasMoved, recorded },
    staged: staged ? { problem, absence, hash } : null,
    linked:
      (row.id as string | null) === null || agreedVersion === null || agreedHash === null
        ? null
        : { ...toStoredAuthUser(row), agreedVersion, agreedHash },
  };
}

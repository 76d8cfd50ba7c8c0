/** What a plan has to know besides the rows that differ, and what it leaves waiting: small reads around the large ones. */
import type { Adjustment } from '../domain/adjustment.ts';
import type { GroupRef } from '../domain/directory.ts';
import type { ExternalId, TenantId } from '../domain/ids.ts';
import { compileMapping, Mapping, type UnreadGroups } from '../domain/mapping.ts';
import type { VerifiedDomains } from '../domain/matching.ts';
import { type Places, placesBelow } from '../domain/place.ts';
import type { Policy } from '../domain/policy.ts';
import type { RunCounts, TakenRun } from '../domain/run.ts';
import { concludedBefore, type PartialReason, type Snapshot } from '../domain/snapshot.ts';
import { readAdjustments } from './adjustments.ts';
import type { BulkTransaction } from './database.ts';
import { Noticing } from './noticing.ts';
import { isSpread, readPlaces } from './places.ts';
import { RunTakenOver } from './staging.ts';

/** What a plan has to know besides the rows. */
export type PlanFacts = {
  readonly snapshot: Snapshot;
  readonly verifiedDomains: VerifiedDomains;
  /** null when there was no complete run yet. */
  readonly lastComplete: {
    readonly readingFingerprint: string;
    readonly mapping: Mapping;
    readonly users: number;
  } | null;
  readonly unreadGroups: UnreadGroups;
  /** Groups that the mapping's scope names and that the directory does not list: renamed, deleted, or never there. */
  readonly unlistedGroups: readonly string[];
  /** See `CompiledMapping`. */
  readonly scopeReads: readonly (readonly string[])[] | null;
  /** People of the connection may be in tenants below its own. */
  readonly spread: boolean;
  /** The tenants below the connection's; none where nobody is in them or is put there. */
  readonly places: Places;
  /** What people have said of newcomers, by directory user. */
  readonly adjustments: ReadonlyMap<ExternalId, Adjustment>;
  /** As they stand when the plan is stored, not when the run began. */
  readonly policy: Policy;
  readonly noticing: Noticing;
};

/** How a run's reading ended. */
export type Concluded = {
  readonly snapshot: string;
  readonly reason: string | null;
  readonly users: number;
  /** Groups. */
  readonly unreadable: number;
};

/** Throws `RunTakenOver` when the run is not this worker's, or not in planning, any more. */
export async function readConcluded(tx: BulkTransaction, run: TakenRun): Promise<Concluded> {
  const [now] = await tx.query<Concluded>(
    `SELECT snapshot, partial_reason AS reason, users_read AS users, unreadable_groups AS unreadable FROM sync_run
     WHERE id = $1 AND worker = $2 AND state = 'planning' FOR UPDATE`,
    [run.id, run.worker],
  );
  if (now === undefined) throw new RunTakenOver(run.id);
  return now;
}

/** What of a run decides what follows from its snapshot. */
type PlannedRun = Pick<TakenRun, 'id' | 'connection' | 'tenant' | 'mapping'>;

export async function readFacts(
  tx: BulkTransaction,
  run: PlannedRun,
  now: Concluded,
  { policy, timeZone }: { readonly policy: Policy; readonly timeZone: string },
): Promise<PlanFacts> {
  const [last] = await tx.query<{ readingFingerprint: string; mapping: unknown; users: number }>(
    `SELECT reading_fingerprint AS "readingFingerprint", mapping, users_read AS users FROM sync_run
     WHERE connection_id = $1 AND state = 'finished' AND snapshot = 'complete' ORDER BY id DESC LIMIT 1`,
    [run.connection],
  );
  const { places, scopeGroups, scopeReads } = compileMapping(run.mapping);
  const adjustments = await readAdjustments(tx, run.connection);
  const placed = places || [...adjustments.values()].some(({ place }) => place !== null);
  const spread = await isSpread(tx, run, placed);
  const snapshot = concludedBefore(now);
  const verifiedDomains = await readVerifiedDomains(tx, run, spread);
  const known = { verifiedDomains, usualHours: policy.usualHours, timeZone, users: last?.users ?? null };
  return {
    snapshot,
    spread,
    policy,
    noticing: new Noticing(tx, { ...known, isFull: snapshot.kind === 'complete' }),
    places: spread ? await readPlaces(tx, run.tenant) : placesBelow(run.tenant, []),
    verifiedDomains,
    lastComplete: last === undefined ? null : { ...last, mapping: Mapping.parse(last.mapping) },
    unreadGroups: await readUnreadGroups(tx, run, now),
    unlistedGroups: await readUnlisted(tx, run, scopeGroups),
    scopeReads,
    adjustments,
  };
}

/** `spread`: also of the tenants below, which are all that is visible. */
async function readVerifiedDomains(
  tx: BulkTransaction,
  run: PlannedRun,
  spread: boolean,
): Promise<VerifiedDomains> {
  const rows = await tx.query<{ tenant: TenantId; domains: readonly string[] }>(
    `SELECT tenant_id AS tenant, json_agg(domain) AS domains FROM tenant_domain WHERE $2 OR tenant_id = $1 GROUP BY tenant_id`,
    [run.tenant, spread],
  );
  return new Map(rows.map(({ tenant, domains }) => [tenant, new Set(domains)]));
}

async function readUnreadGroups(
  tx: BulkTransaction,
  run: PlannedRun,
  now: { readonly unreadable: number; readonly reason: string | null },
): Promise<UnreadGroups> {
  // A directory that leaves people out of its list of users may leave them out of its groups, and hide groups as well.
  if (now.reason !== null && GROUPS_IN_DOUBT.has(now.reason))
    return { membersUnknown: [], someUnreadable: true, read: [] };
  const someUnreadable = now.unreadable > 0;
  const groups = await tx.query<GroupRef & { unknown: boolean }>(
    `SELECT external_id AS "externalId", name, members_unknown AS unknown FROM staged_group
     WHERE run_id = $1 AND (members_unknown OR $2)`,
    [run.id, someUnreadable],
  );
  return { membersUnknown: groups.filter((group) => group.unknown), someUnreadable, read: groups };
}

async function readUnlisted(
  tx: BulkTransaction,
  run: PlannedRun,
  groups: readonly string[],
): Promise<readonly string[]> {
  if (groups.length === 0) return [];
  const unlisted = await tx.query<{ name: string }>(
    `SELECT name FROM unnest($2::text[]) AS sought (name)
     WHERE NOT EXISTS (SELECT FROM staged_group g WHERE g.run_id = $1 AND sought.name IN (g.external_id, g.name)) ORDER BY name`,
    [run.id, groups],
  );
  return unlisted.map(({ name }) => name);
}

const GROUPS_IN_DOUBT: ReadonlySet<string> = new Set<PartialReason>([
  'listing-incomplete',
  'fewer-than-counted',
  'permission-lost',
  'evidence-missing',
]);

/** The changes of the connection that wait, by set: as counted with every statement that proposes, decides or applies. */
export async function countPending(tx: BulkTransaction, run: TakenRun): Promise<RunCounts> {
  const sum = (which: string) => `coalesce(sum(n.changes) FILTER (WHERE ${which}), 0)::int`;
  const [counts] = await tx.query<RunCounts>(
    `SELECT ${sum(`g.kind IN ('create', 'link', 'reactivate')`)} AS new,
       ${sum(`g.kind IN ('update', 'unlink')`)} AS changed,
       ${sum(`g.kind IN ('suspend', 'delete')`)} AS deleted,
       ${sum(`g.kind = 'conflict'`)} AS conflicts,
       ${sum(`n.state = 'held'`)} AS held
     FROM change_count n JOIN change_group g ON g.id = n.group_id
     WHERE n.connection_id = $1 AND n.state IN ('open', 'held', 'approved', 'failed')`,
    [run.connection],
  );
  return counts ?? { new: 0, changed: 0, deleted: 0, conflicts: 0, held: 0 };
}

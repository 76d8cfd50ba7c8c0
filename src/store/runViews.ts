/** A run as people look at it. */
import { ConnectionId, RunId, type TenantId } from '../domain/ids.ts';
import type { PartSizes, RunTrigger, RunView } from '../domain/run.ts';
import type { SyncRun } from './generated/client.ts';

/** The largest first. What a delta saw is no size of anything. */
function domainsOf(row: SyncRun): RunView['domains'] {
  if (row.kind !== 'full') return [];
  const now = sizesIn(row.domains as PartSizes);
  const before = row.domainsBefore === null ? null : sizesIn(row.domainsBefore as PartSizes);
  return [...new Set([...now.keys(), ...(before?.keys() ?? [])])]
    .map((domain) => ({
      domain,
      users: now.get(domain) ?? 0,
      before: before === null ? null : (before.get(domain) ?? 0),
    }))
    .sort((one, other) => largest(other) - largest(one) || (one.domain < other.domain ? -1 : 1));
}

/** A directory names its domains as it likes: `constructor` is one like another. */
const sizesIn = (domains: PartSizes): ReadonlyMap<string, number> => new Map(Object.entries(domains));

function largest({ users, before }: RunView['domains'][number]): number {
  return Math.max(users, before ?? 0);
}

export function toView(row: SyncRun): RunView {
  return {
    id: RunId.parse(row.id),
    connection: ConnectionId.parse(row.connectionId),
    tenant: row.tenantId as TenantId,
    kind: row.kind as RunView['kind'],
    trigger: row.trigger as RunTrigger,
    state: row.state as RunView['state'],
    phase: row.phase as RunView['phase'],
    snapshot: row.snapshot as RunView['snapshot'],
    partialReason: row.partialReason as RunView['partialReason'],
    failure: row.failure as RunView['failure'],
    evidence: row.evidence as RunView['evidence'],
    domains: domainsOf(row),
    usage: row.usage as RunView['usage'],
    pages: row.pages,
    groups: row.groupsRead,
    members: row.membersRead,
    users: row.usersRead,
    unreadable: row.unreadable,
    problems: row.problems as RunView['problems'],
    counts: row.counts as RunView['counts'],
    findings: row.findings as RunView['findings'],
    missedByDeltas: row.missedByDeltas,
    requestedBy: row.requestedBy,
    createdAt: row.createdAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
}

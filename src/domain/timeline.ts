/** What happened to one person, in its order: what the directory said, which rule fired, who decided and why, what was written. */
import type { Actor } from './audit.ts';
import type { Json } from './canonical.ts';
import type { Cause, ChangeKind, ChangeNote, FieldChange } from './change.ts';
import type { Finding } from './guard.ts';
import type { ApplyId, ChangeId, ConnectionId, ExternalId, RunId, TenantId } from './ids.ts';
import type { RoleReason } from './roleReasons.ts';

/** Parts of the mapping of that run that give a role. `certain`: seen to hold for the person, who is still as they were read then. */
export type RoleGiven = {
  readonly role: string;
  readonly because: readonly RoleReason[];
  readonly certain: boolean;
};

/** Which of the approvals of a change it was. With the last of them it is approved. */
export type ApprovalNumber = { readonly number: number; readonly of: number; readonly last: boolean };

export type TimelineEntry = { readonly at: string } & (
  | {
      /** The directory, by the mapping, differed from what was here. */
      readonly what: 'proposed';
      readonly change: ChangeId;
      readonly connection: ConnectionId;
      readonly externalId: ExternalId;
      readonly run: RunId;
      readonly kind: ChangeKind;
      readonly cause: Cause;
      readonly fields: readonly FieldChange[];
      readonly rolesGained: readonly RoleGiven[];
      readonly rolesLost: readonly string[];
      /** The change that it takes back. */
      readonly undoes: ChangeId | null;
      /** Why somebody wanted that. */
      readonly undoReason: string | null;
    }
  | {
      readonly what: 'decided';
      readonly change: ChangeId;
      readonly decision: string;
      readonly verdict: 'approve' | 'reject' | 'hold';
      readonly madeBy: 'person' | 'policy' | 'guard';
      readonly by: string | null;
      /** Of the policy. */
      readonly rule: string | null;
      readonly reason: string;
      readonly finding: Finding | null;
      readonly until: string | null;
      /** One of several that the policy asks for; null: it decides by itself. */
      readonly approval: ApprovalNumber | null;
    }
  | {
      /** What an apply did with it, or could not do. */
      readonly what: 'carried-out';
      readonly change: ChangeId;
      readonly apply: ApplyId;
      readonly by: string | null;
      readonly outcome: string;
      readonly reason: string | null;
      /** Of the auth user from then on, and the event that says so. */
      readonly version: number | null;
      readonly event: string | null;
    }
  | { readonly what: 'withdrawn'; readonly change: ChangeId; readonly note: ChangeNote | null }
  | {
      /** Somebody has said whether the directory user and an auth user are one. */
      readonly what: 'told-apart' | 'told-same';
      readonly pair: string;
      readonly by: string;
      readonly reason: string;
    }
  | {
      readonly what: 'commented';
      readonly change: ChangeId;
      readonly comment: string;
      readonly by: string;
      readonly text: string;
    }
  | {
      /** A person has said in what somebody new differs from what the mapping makes of them. */
      readonly what: 'adjusted';
      readonly connection: ConnectionId;
      readonly rolesAdded: readonly string[];
      readonly rolesRemoved: readonly string[];
      readonly place: TenantId | null;
      readonly by: string;
      readonly reason: string;
    }
  | {
      /** Whatever else the audit log has of the auth user: what was done by hand, or by Rollcall itself in time. */
      readonly what: 'recorded';
      /** Number of the entry in the audit log of the auth user's tenant. */
      readonly audit: number;
      readonly action: string;
      readonly by: Actor;
      readonly details: { readonly [key: string]: Json };
    }
);

/** Nothing happens to a change before what comes before it here. */
const RANK = {
  proposed: 0,
  'told-apart': 1,
  'told-same': 1,
  adjusted: 1,
  commented: 2,
  decided: 2,
  'carried-out': 3,
  withdrawn: 4,
  recorded: 5,
} as const satisfies Record<TimelineEntry['what'], number>;

type Placed = { readonly entry: TimelineEntry; readonly at: string };

/**
 * The oldest first; of those, the last `limit`. The database dates some of it and this process the rest: where their clocks disagree,
 * what follows from something still comes after it.
 */
export function inOrder(entries: readonly TimelineEntry[], limit: number): readonly TimelineEntry[] {
  const byChange = Map.groupBy(entries, (entry) => ('change' in entry ? entry.change : null));
  const placed = [...byChange].flatMap(([change, own]): readonly Placed[] => {
    const each = own.toSorted(byRank).map((entry) => ({ entry, at: entry.at }));
    return change === null ? each : each.map(({ entry }, index) => ({ entry, at: latest(each, index) }));
  });
  const sorted = placed.toSorted((one, other) => compare(one.at, other.at) || byRank(one.entry, other.entry));
  return sorted.slice(-limit).map(({ entry }) => entry);
}

function latest(each: readonly Placed[], index: number): string {
  const times = each.slice(0, index + 1).map(({ at }) => at);
  return times.toSorted().at(-1) ?? '';
}

/** Decisions in the order in which they were made, which their ids have. */
function byRank(one: TimelineEntry, other: TimelineEntry): number {
  const ranked = RANK[one.what] - RANK[other.what];
  return ranked !== 0 || one.what !== 'decided' || other.what !== 'decided'
    ? ranked
    : compare(one.decision, other.decision);
}

function compare(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

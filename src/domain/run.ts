/** A sync run: one execution for one connection. */
import type { Finding } from './guard.ts';
import type { ConnectionId, ExternalId, RunId, TenantId } from './ids.ts';
import type { Mapping } from './mapping.ts';
import type { PartialReason, ProviderEvidence, Snapshot } from './snapshot.ts';

export const RUN_STATES = ['queued', 'pulling', 'planning', 'finished', 'failed'] as const;
export type RunState = (typeof RUN_STATES)[number];
/** `full`: everybody. `delta`: whom the provider names as changed. `targeted`: whom somebody named. */
export type RunKind = 'full' | 'delta' | 'targeted';
/** Full: groups, members, users; then, where the provider can be asked for one user, whoever was missing: look-up. Delta: changes, look-up. */
export type RunPhase = 'groups' | 'members' | 'users' | 'changes' | 'look-up';
export type RunTrigger = 'schedule' | 'demand';

/** Pending changes by set, once the plan is stored. `held` are among the others. */
export type RunCounts = {
  readonly new: number;
  readonly changed: number;
  readonly deleted: number;
  readonly conflicts: number;
  readonly held: number;
};

/** Why a run failed or read only part: what broke, and who has to do what. Without secrets and personal data. */
export type RunFailure = {
  readonly kind: string;
  readonly message: string;
  readonly remedy: string;
  readonly requestId?: string;
};

/**
 * Users by the domain of their address, in lower case, or by their organisational unit; `''` for all beyond the thousandth, and for those
 * without an address.
 */
export type PartSizes = Readonly<Record<string, number>>;

/** See `Usage` in connectors/contract.ts. */
export type ProviderUsage = {
  readonly requests: number;
  readonly retries: number;
  readonly throttled: number;
  readonly waitedMs: number;
  readonly bytes: number;
};

/** A run that this process works on. */
export type TakenRun = {
  readonly id: RunId;
  readonly connection: ConnectionId;
  readonly tenant: TenantId;
  readonly worker: string;
  readonly startedAt: Date;
  readonly kind: RunKind;
  readonly state: 'pulling' | 'planning';
  readonly phase: RunPhase;
  readonly cursor: string | null;
  readonly mapping: Mapping;
  readonly readingFingerprint: string;
  /** Users listed so far, by domain. */
  readonly domains: PartSizes;
  /** Likewise by organisational unit. */
  readonly orgUnits: PartSizes;
  /** Where a delta run goes on from, and where the deltas before a full run stopped; null where there were none. */
  readonly deltaFrom: string | null;
  /** See `Told`; null where there is nothing to compare with. */
  readonly told: Told | null;
  readonly pages: number;
  readonly users: number;
};

/**
 * What the provider's feed tells, from where the last delta stopped, at the end of a full run: whatever else that run finds, deltas have
 * missed.
 */
export type Told = {
  readonly users: ReadonlySet<ExternalId>;
  /** Of the members of a group that the mapping reads: then of whom is not said. */
  readonly ofGroups: boolean;
};

/** Users of whom nothing can be made out, for one and the same reason. `example`: one of them. */
export type UnreadableUsers = {
  readonly problem: string;
  readonly users: number;
  readonly example: ExternalId;
};

export type RunView = {
  readonly id: RunId;
  readonly connection: ConnectionId;
  readonly tenant: TenantId;
  readonly kind: RunKind;
  readonly trigger: RunTrigger;
  readonly state: RunState;
  readonly phase: RunPhase;
  readonly snapshot: Snapshot['kind'] | null;
  readonly partialReason: PartialReason | null;
  readonly failure: RunFailure | null;
  /** What the provider said of itself before a full run; null where it was not asked, or did not answer. */
  readonly evidence: ProviderEvidence | null;
  /** Whom a full run has listed, and the last complete run before it; `before` is null where there was none. */
  readonly domains: readonly {
    readonly domain: string;
    readonly users: number;
    readonly before: number | null;
  }[];
  /** What was asked of the provider, by the process that ended the run. */
  readonly usage: ProviderUsage | null;
  readonly pages: number;
  readonly groups: number;
  readonly members: number;
  readonly users: number;
  readonly unreadable: number;
  /** Why users were, the most frequent first; null before the plan is stored. */
  readonly problems: readonly UnreadableUsers[] | null;
  readonly counts: RunCounts | null;
  /** What the guards found when its plan was stored, what was let through all the same among it; null before. */
  readonly findings: readonly Finding[] | null;
  /** Changes that a full run found and that the deltas before it should have; null where there was nothing to compare with. */
  readonly missedByDeltas: number | null;
  readonly requestedBy: string;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
};

/** A sync run: one execution for one connection. */
import type { ConnectionId, RunId, TenantId } from './ids.ts';
import type { Mapping } from './mapping.ts';
import type { PartialReason } from './snapshot.ts';

export const RUN_STATES = ['queued', 'pulling', 'planning', 'finished', 'failed'] as const;
export type RunState = (typeof RUN_STATES)[number];
export type RunPhase = 'groups' | 'members' | 'users';
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

/** A run that this process works on. */
export type TakenRun = {
  readonly id: RunId;
  readonly connection: ConnectionId;
  readonly tenant: TenantId;
  readonly worker: string;
  readonly state: 'pulling' | 'planning';
  readonly phase: RunPhase;
  readonly cursor: string | null;
  readonly mapping: Mapping;
  readonly readingFingerprint: string;
  readonly pages: number;
  readonly users: number;
};

export type RunView = {
  readonly id: RunId;
  readonly connection: ConnectionId;
  readonly tenant: TenantId;
  readonly kind: 'full' | 'delta' | 'targeted';
  readonly trigger: RunTrigger;
  readonly state: RunState;
  readonly phase: RunPhase;
  readonly snapshot: 'complete' | 'partial' | null;
  readonly partialReason: PartialReason | null;
  readonly failure: RunFailure | null;
  readonly pages: number;
  readonly groups: number;
  readonly members: number;
  readonly users: number;
  readonly unreadable: number;
  readonly counts: RunCounts | null;
  readonly requestedBy: string;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
};

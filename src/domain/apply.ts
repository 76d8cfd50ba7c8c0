/**
 * How an apply stands, and what may be done about it.
 *
 *   waiting --its time has come--> running          paused --its pause is over, or somebody resumes it--> running
 *   running --the first part is done; too much fails; its window closes; a freeze begins; somebody pauses it--> paused
 *   running --nothing is left, or it is given up--> finished          waiting, running, paused --somebody cancels it--> cancelled
 */

import type { ApplyId, ConnectionId, TenantId } from './ids.ts';

export const APPLY_STATES = ['waiting', 'running', 'paused', 'finished', 'cancelled'] as const;
export type ApplyState = (typeof APPLY_STATES)[number];

/** What an apply made of a change. */
export const OUTCOMES = ['applied', 'already-applied', 'moved', 'failed', 'held'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export const applyActions = {
  pause: ['running'],
  resume: ['paused'],
  cancel: ['waiting', 'running', 'paused'],
} as const satisfies Record<string, readonly ApplyState[]>;
export type ApplyAction = keyof typeof applyActions;

export function actionsOn(state: ApplyState): readonly ApplyAction[] {
  const actions = Object.keys(applyActions) as ApplyAction[];
  return actions.filter((action) => (applyActions[action] as readonly ApplyState[]).includes(state));
}

/** Why an apply waits, is paused, was cancelled or was given up; in words for people. */
export const haltReasons = {
  delay: 'the delay of the policy is not over, in which it can be cancelled',
  window: 'it goes on when the next window of the policy opens',
  freeze: 'a freeze period holds',
  queue: 'another apply of the connection comes first',
  'by-hand': 'the policy applies nothing by itself any more; an apply by hand takes it along',
  'first-part': 'the first part is done; the rest follows after the pause, if all is well',
  trouble: 'too many changes failed or had moved',
  health: 'the connection is not healthy: its runs fail, or read only part of the directory',
  person: 'somebody said so',
  'started-by-hand': 'somebody started an apply of all that was approved',
  'given-up': 'it could not be carried out',
} as const;
export type HaltReason = keyof typeof haltReasons;

export type Halt = {
  readonly because: HaltReason;
  /** Who said so; null: the policy, or Rollcall itself. */
  readonly by: string | null;
  /** What somebody said, or why it was given up; of a pause that keeps the rest back, what was found. */
  readonly reason: string | null;
  /** ISO 8601. */
  readonly at: string;
};

/** What somebody has to do so that it goes on; null: nothing, or it is over. */
export function haltRemedy(of: {
  readonly id: ApplyId;
  readonly connection: ConnectionId;
  readonly state: ApplyState;
  readonly halt: Halt | null;
}): string | null {
  const { id, connection, state, halt } = of;
  if (halt === null || state !== 'paused') return null;
  const then = `go on with \`rollcall applies resume ${id}\`, or leave the rest with \`rollcall applies cancel ${id}\`.`;
  if (halt.because === 'trouble')
    return `See what became of each change (\`rollcall applies show ${id}\`), and mend the cause; then ${then}`;
  if (halt.because !== 'health') return null;
  return `Mend that (\`rollcall connections show ${connection}\`), and see a run end well (\`rollcall sync ${connection}\`); then ${then}`;
}

export type Progress = {
  /** Changes that have their outcome. */
  readonly done: number;
  readonly total: number;
  /** Changes a second since it last began; null: nothing to tell it by. */
  readonly rate: number | null;
  readonly secondsLeft: number | null;
};

/** `since`: when it last began to run, with how much done; null: it does not run. */
export function progressOf(
  done: number,
  total: number,
  since: { readonly at: Date; readonly done: number } | null,
  now: Date,
): Progress {
  const seconds = since === null ? 0 : (now.getTime() - since.at.getTime()) / 1_000;
  const lately = since === null ? 0 : done - since.done;
  if (lately <= 0 || seconds <= 0) return { done, total, rate: null, secondsLeft: null };
  const rate = lately / seconds;
  return {
    done,
    total,
    rate: Math.round(rate * 10) / 10,
    secondsLeft: Math.ceil(Math.max(0, total - done) / rate),
  };
}

/** A freeze period that holds: whose, and until when. */
export type Freeze = { readonly tenant: TenantId; readonly name: string; readonly until: Date };

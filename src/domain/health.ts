/**
 * How a connection fares, from the runs that are recorded of it and nothing else.
 *
 *   active --a run fails, or reads only part--> degraded --the failures repeat--> quarantined
 *   degraded, quarantined --a run finishes--> active, or degraded where it read only part
 *   active, degraded --due three times, or two days ago, and none has ended--> silent --a run ends--> by how it ended
 */
import { SAYS_NOTHING, type WhoActs, whoActsOn, whoActsOnPartial } from './failure.ts';
import type { RunFailure } from './run.ts';
import { type PartialReason, partialReasons, partialRemedies } from './snapshot.ts';

export const HEALTH_STATES = ['active', 'degraded', 'quarantined', 'silent'] as const;
export type HealthState = (typeof HEALTH_STATES)[number];

export type FailedRun = { readonly at: Date; readonly failure: RunFailure };

/** Runs that say nothing of the directory are left out. */
export type RunHistory = {
  /** The last run that finished. `partial`: why it read only part; `failure`: where the provider is the reason. */
  readonly finished: {
    readonly at: Date;
    readonly partial: PartialReason | null;
    readonly failure: RunFailure | null;
  } | null;
  /** How many have failed since. */
  readonly failed: number;
  /** Of these the oldest, up to `FIRST_FAILURES`, the oldest first. */
  readonly first: readonly FailedRun[];
  readonly last: FailedRun | null;
  /** Changes that only full runs found, of the last `MISSED_DAYS`: the deltas before them should have. */
  readonly missedByDeltas: number;
};

export const MISSED_DAYS = 7;

/** So many failed runs in a row quarantine a connection, whoever has to act. */
export const FIRST_FAILURES = 5;
/** And so many in a row that only an administrator can mend. */
const FOR_ADMINISTRATOR = 3;

const HOUR_MS = 3_600_000;
const LONGEST_BACK_OFF_MS = 24 * HOUR_MS;
const SILENT_AFTER_MS = 48 * HOUR_MS;

export type Quarantine = {
  readonly since: Date;
  /** No run starts by schedule before; one on demand may always. */
  readonly until: Date;
  /** The last failure was the one that led to it. */
  readonly isNew: boolean;
};

/**
 * null: its runs start as its schedule says. The schedule rests as long as the runs have been failing, and a day at most: an outage of
 * minutes costs minutes, and one of days few requests.
 */
export function quarantineOf({ failed, first, last }: RunHistory): Quarantine | null {
  let inARow = 0;
  const led = first.findIndex(({ failure }, index) => {
    inARow = whoActsOn(failure.kind) === 'administrator' ? inARow + 1 : 0;
    return inARow >= FOR_ADMINISTRATOR || index + 1 >= FIRST_FAILURES;
  });
  const since = first[led]?.at;
  if (since === undefined || last === null) return null;
  const more = failed - led - 1;
  const failingMs = last.at.getTime() - (first[0]?.at ?? last.at).getTime();
  const backOffMs = Math.min(LONGEST_BACK_OFF_MS, failingMs);
  return { since, until: new Date(last.at.getTime() + backOffMs), isNew: more === 0 };
}

/** Whether a run that failed like this counts. */
export function speaksOfDirectory({ kind }: RunFailure): boolean {
  return !SAYS_NOTHING.includes(kind);
}

export type Health = {
  readonly state: HealthState;
  /** null: there was no run yet. */
  readonly since: Date | null;
  /** One sentence; null while it is active. */
  readonly because: string | null;
  readonly who: WhoActs | null;
  readonly remedy: string | null;
  /** When a run starts next by itself; null: none does. */
  readonly nextScheduledAt: Date | null;
  /** Changes of the last seven days that deltas should have found and only full runs did. */
  readonly missedByDeltas: number;
};

/** When runs are due by the schedule. `after` gives the next moment after the given one; null: there is none. */
export type Due = {
  /** Nothing was due before. */
  readonly from: Date;
  after(at: Date): Date | null;
};

/** `due: null`: nothing starts by itself. */
export function healthOf(history: RunHistory, due: Due | null, now: Date): Health {
  const quarantine = quarantineOf(history);
  const earliest = quarantine === null || quarantine.until < now ? now : quarantine.until;
  const nextScheduledAt = due?.after(earliest) ?? null;
  const silent = quarantine !== null || due === null ? null : silence(history, due, now);
  const { missedByDeltas } = history;
  return { ...(silent ?? conditionOf(history, quarantine)), nextScheduledAt, missedByDeltas };
}

type Condition = Omit<Health, 'nextScheduledAt' | 'missedByDeltas'>;

function conditionOf(
  { finished, failed, first, last }: RunHistory,
  quarantine: Quarantine | null,
): Condition {
  if (last !== null) {
    const { message, remedy, kind } = last.failure;
    const count = failed === 1 ? 'The last run failed' : `The last ${failed} runs failed`;
    return {
      state: quarantine === null ? 'degraded' : 'quarantined',
      since: quarantine?.since ?? first[0]?.at ?? last.at,
      because: `${count}: ${message}`,
      who: whoActsOn(kind),
      remedy,
    };
  }
  const since = finished?.at ?? null;
  const partial = finished?.partial ?? null;
  if (partial === null) return { state: 'active', since, because: null, who: null, remedy: null };
  const failure = finished?.failure ?? null;
  return {
    state: 'degraded',
    since,
    because: `The last run read only part of the directory: ${partialReasons[partial]}.`,
    who: failure === null ? whoActsOnPartial[partial] : whoActsOn(failure.kind),
    remedy: failure?.remedy ?? partialRemedies[partial] ?? 'The next run reads the directory again.',
  };
}

function silence({ finished, last }: RunHistory, due: Due, now: Date): Condition | null {
  const ended = last?.at ?? finished?.at ?? due.from;
  const first = due.after(ended);
  const second = first === null ? null : due.after(first);
  const third = second === null ? null : due.after(second);
  if (first === null || now <= first) return null;
  const missedThree = third !== null && now > third;
  if (!missedThree && now.getTime() - first.getTime() <= SILENT_AFTER_MS) return null;
  return {
    state: 'silent',
    since: first,
    because: 'Runs were due by the schedule, and none has ended since.',
    who: 'us',
    remedy:
      'See that a worker runs and reaches its queue (rollcall doctor), and whether a run hangs (rollcall runs).',
  };
}

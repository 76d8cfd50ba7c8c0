/** How long a run may take, so that one that hangs keeps its connection, and a worker, no longer than that. */
import { joined, orAborted } from '../../connectors/abort.ts';
import type { Clock } from '../domain/clock.ts';
import type { RunFailure } from '../domain/run.ts';

export const LONGEST_RUN_MS = 6 * 3_600_000;

/** What the signal of a run aborts with when its time is over. */
export class TookTooLong extends Error {
  override readonly name = 'TookTooLong';
  readonly failure: RunFailure;

  constructor(longestMs: number) {
    const hours = Number((longestMs / 3_600_000).toFixed(2));
    const message = `The run was not finished within ${hours} hours, and was ended.`;
    super(message);
    this.failure = {
      kind: 'took-too-long',
      message,
      remedy:
        'See in the log what it waited for (run.started and what follows it). Where the directory needs more time, set ROLLCALL_RUN_HOURS.',
    };
  }
}

/**
 * Ends with `TookTooLong` when the run, begun at `startedAt`, has had its time, also where the work does not look at its signal: a run
 * that is recorded as failed stores nothing more.
 */
export async function inTime<T>(
  { clock, longestMs, startedAt }: { clock: Clock; longestMs: number; startedAt: Date },
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const either = joined(signal);
  const late = new AbortController();
  const timer = setTimeout(
    () => {
      const reason = new TookTooLong(longestMs);
      either.abort(reason);
      late.abort(reason);
    },
    Math.max(0, startedAt.getTime() + longestMs - clock.now().getTime()),
  );
  try {
    return await orAborted(work(either.signal), late.signal);
  } finally {
    clearTimeout(timer);
    either.release();
  }
}

/** One apply: the use case carries out what is left of it, so that a job that comes twice finds the rest done. */
import type { ApplyId } from '../../src/domain/ids.ts';
import { ApplyJob } from '../queue.ts';

export type ApplyRequest = {
  readonly apply: ApplyId;
  /** Aborted when the worker has to end: stop after the batch in hand. */
  readonly signal: AbortSignal;
};

export type CarryOutApply = (request: ApplyRequest) => Promise<unknown>;

export async function handleApply(
  carryOutApply: CarryOutApply,
  data: unknown,
  signal: AbortSignal,
): Promise<'done'> {
  const { apply } = ApplyJob.parse(data);
  await carryOutApply({ apply, signal });
  return 'done';
}

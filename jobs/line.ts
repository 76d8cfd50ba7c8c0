/**
 * The line in which jobs wait, as one worker sees it. BullMQ takes jobs without a priority first, in their order, and only then the
 * others by their priority: so a job that is put back has one, and one that is called has none any more.
 */
import { Job } from 'bullmq';
import type { Worker } from './backend.ts';

type AnyWorker = InstanceType<typeof Worker<unknown>>;
type AnyJob = Job<unknown>;

/** So many of those who wait longest are looked at to see whether somebody else waits. */
const LOOKED_AT = 50;

export function isPutBack(job: AnyJob): boolean {
  return job.priority > 0;
}

/** Behind all that wait, and there by `rank`. Whoever does so has to throw `WaitingError` then. */
export async function putBack(job: AnyJob, token: string | undefined, rank: number): Promise<void> {
  await job.changePriority({ priority: rank });
  await job.moveToWait(token);
  await job.changePriority({ priority: rank }); // BullMQ puts it before others of its priority, and wakes nobody
}

/** Among those who wait, as the last. One that is gone, or taken by now, is left alone. */
export async function call(worker: AnyWorker, job: string): Promise<void> {
  await worker.backend.changePriority(job, 0).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
}

/** BullMQ's word for a job that is not there: code -1. */
function isMissing(error: unknown): boolean {
  return error instanceof Error && /^Missing key for job/.test(error.message);
}

/** What those who wait longest carry. `more`: there are others behind them. */
export async function waiting(
  worker: AnyWorker,
): Promise<{ readonly data: readonly unknown[]; readonly more: boolean }> {
  const [count = 0] = await worker.backend.getCounts(['wait']);
  const from = Math.max(0, count - LOOKED_AT);
  const [ids = []] = await worker.backend.getRanges(['wait'], from, count);
  const jobs = await Promise.all(ids.map((id) => Job.fromId<unknown>(worker, id)));
  return { data: jobs.flatMap((job) => (job === undefined ? [] : [job.data])), more: from > 0 };
}

/** Those that are put back, by whatever worker, the first in the line first. */
export async function allPutBack(worker: AnyWorker): Promise<readonly string[]> {
  const [ids = []] = await worker.backend.getRanges(['prioritized'], 0, LOOKED_AT - 1, true);
  return ids;
}

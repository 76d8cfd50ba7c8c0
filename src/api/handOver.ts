/** Work that is recorded, handed to the workers. */
import { advanceApplies } from '../review/dueApplies.ts';
import type { ApiDeps } from './deps.ts';

/** Where the queue cannot be reached now, housekeeping hands it over later. */
export async function handOver(
  deps: ApiDeps,
  kind: 'run' | 'apply',
  over: () => Promise<void>,
): Promise<void> {
  try {
    await over();
  } catch (error) {
    deps.log.warn({ event: 'queue.not-reached', kind, error });
  }
}

/** What a policy applies by itself of the connections that are meant need not wait for the next round of housekeeping. */
export async function applyDue(
  deps: ApiDeps,
  meant: NonNullable<Parameters<typeof advanceApplies>[1]>,
): Promise<void> {
  await handOver(deps, 'apply', async () => {
    for (const apply of (await advanceApplies(deps, meant)).begun) await deps.enqueueApply({ apply });
  });
}

/** Work that is recorded, handed to the workers. */
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

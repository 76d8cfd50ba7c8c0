/** Removes what is personal about those who were deleted long ago, as the policies of their connections say. On nobody's behalf. */
import type { Clock } from '../domain/clock.ts';
import type { Store } from '../store/store.ts';

export type UserPurgeDeps = {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: { info(fields: object): void; warn(fields: object): void };
};

/**
 * Processes may do it side by side. The signal's abort ends it after the batch in hand, with the signal's reason; a connection that fails
 * is tried again in the next round, and keeps no other waiting.
 */
export async function purgeDueUsers(
  { store, clock, log }: UserPurgeDeps,
  signal: AbortSignal,
): Promise<void> {
  for (const of of await store.userPurge.connections(clock.now())) {
    const { connection, tenant } = of;
    try {
      for (let purged = 1; purged > 0; ) {
        signal.throwIfAborted();
        purged = await store.userPurge.purgeSome(of, clock.now());
        if (purged > 0) log.info({ event: 'users.purged', connection, tenant, users: purged });
      }
    } catch (error) {
      signal.throwIfAborted();
      log.warn({ event: 'users.purge-failed', connection, tenant, error });
    }
  }
}

/**
 * Deletes the tenants whose scheduled deletion is due, and removes what deleted tenants held. On nobody's behalf: somebody has asked for
 * it before, and everything is in the audit log of the tenant. One process at a time does it; killed, the next goes on where it was.
 */
import type { Actor } from '../domain/audit.ts';
import type { Clock } from '../domain/clock.ts';
import type { TenantId } from '../domain/ids.ts';
import type { Store } from '../store/store.ts';

export type RemovalDeps = {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: { info(fields: object): void; warn(fields: object): void };
};

const HOUSEKEEPING: Actor = { kind: 'system', id: null, name: 'housekeeping' };

/** How many deleted tenants are emptied together. */
const TOGETHER = 50;

/** The signal's abort ends it after the batch in hand, with the signal's reason. */
export async function removeDueTenants(deps: RemovalDeps, signal: AbortSignal): Promise<void> {
  const { store, clock } = deps;
  const due = await store.tenants.due(clock.now());
  if (due.length === 0 && (await store.tenantPurge.next(null, 1)).length === 0) return;
  const lock = await store.lockPurge();
  if (lock === null) return; // another process is at it
  try {
    for (const tenant of due) await attempt(deps, tenant, signal, () => deleteDue(deps, tenant, signal));
    await purge(deps, signal);
  } finally {
    await lock.release();
  }
}

/**
 * The tenant is suspended since the deletion was scheduled: no run or apply begins any more. One that had begun before is waited for, or
 * ended: a run until the next round, an apply at once, after the batch that is under way.
 */
async function deleteDue(
  { store, clock, log }: RemovalDeps,
  tenant: TenantId,
  signal: AbortSignal,
): Promise<void> {
  const { runs, applies } = await store.tenants.underWay(tenant);
  for (const id of applies) {
    const apply = await store.applying.open(id);
    if (apply !== null) await store.applying.abandon(apply, 'tenant-deleted', clock.now());
  }
  if (runs.length > 0) return log.info({ event: 'tenant.deletion-waits', tenant, runs: runs.length });
  do signal.throwIfAborted();
  while (!(await store.tenants.markDue(tenant, HOUSEKEEPING, clock.now())));
  log.info({ event: 'tenant.deleted', tenant });
}

async function purge(deps: RemovalDeps, signal: AbortSignal): Promise<void> {
  let after: TenantId | null = null;
  for (;;) {
    const tenants: readonly TenantId[] = await deps.store.tenantPurge.next(after, TOGETHER);
    after = tenants.at(-1) ?? null;
    if (after === null) return;
    try {
      await empty(deps, tenants, signal);
    } catch {
      // One of them, and which shows when each is emptied alone.
      for (const tenant of tenants) await attempt(deps, tenant, signal, () => empty(deps, [tenant], signal));
    }
  }
}

async function empty(
  { store, clock, log }: RemovalDeps,
  tenants: readonly TenantId[],
  signal: AbortSignal,
): Promise<void> {
  await store.tenantPurge.remove(tenants, clock.now(), signal);
  for (const tenant of await store.tenantPurge.conclude(tenants, clock.now()))
    log.info({ event: 'tenant.purged', tenant });
}

/** A tenant that cannot be removed is tried again in the next round, and keeps no other from being removed in this. */
async function attempt(
  { log }: RemovalDeps,
  tenant: TenantId,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  signal.throwIfAborted();
  try {
    await work();
  } catch (error) {
    signal.throwIfAborted();
    log.warn({ event: 'tenant.removal-failed', tenant, error });
  }
}

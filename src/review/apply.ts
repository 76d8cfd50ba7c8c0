/** Carrying out what was approved. */
import { z } from 'zod';
import type { Clock } from '../domain/clock.ts';
import { ApplyId, type ChangeId, ConnectionId } from '../domain/ids.ts';
import { notFound, parseId, parseInput } from '../domain/input.ts';
import { type Listed, PageOptions, toPage } from '../domain/page.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import { suspended } from '../domain/tenant.ts';
import { type RunningApply, TenantSuspended } from '../store/applyBatch.ts';
import type { ApplyCounts, ApplyView } from '../store/applying.ts';
import type { Store } from '../store/store.ts';

export type ApplyDeps = { readonly store: Store; readonly clock: Clock };

export type ApplyProgress = { readonly done: number; readonly total: number };

/**
 * Makes an apply of all that is approved for the connection now, or gives the one that is running already: what was approved after
 * that one began belongs to the next. Whoever calls has to carry it out, or to see that a worker does.
 */
export async function startApply(
  deps: ApplyDeps,
  caller: Caller,
  input: unknown,
): Promise<{ apply: ApplyId; total: number }> {
  authorise(caller, 'changes.apply');
  const { connection: id } = parseInput(z.strictObject({ connection: ConnectionId }), input);
  const connection = await deps.store.connections.get(caller.tenant, id);
  if (connection === null) throw notFound('connection');
  if (connection.state === 'paused') {
    throw new Problem({
      code: 'not-allowed-now',
      message: 'The connection is paused.',
      remedy: 'Set its state to active first.',
    });
  }
  if ((await deps.store.tenants.standing(connection.tenant)) !== 'active')
    throw suspended('nothing is applied');
  const of = { connection: connection.id, tenant: connection.tenant };
  const started = await deps.store.applying.start(
    of,
    { principal: caller.principal, actor: caller.actor },
    deps.clock.now(),
  );
  if (started !== null) return started;
  throw new Problem({
    code: 'not-allowed-now',
    message: 'Nothing is approved and waiting to be applied for this connection.',
    remedy: 'Approve changes first.',
  });
}

export type HowToApply = {
  readonly signal: AbortSignal;
  readonly total?: number;
  readonly onProgress?: (progress: ApplyProgress) => void;
};

/** While PostgreSQL writes one batch, this process makes the next one ready. */
const BATCHES_AT_ONCE = 2;

/** Waits for all, also when one fails: nothing may go on behind the back of whoever is told of the failure. */
async function allOf(work: readonly Promise<void>[]): Promise<void> {
  const ended = await Promise.allSettled(work);
  for (const one of ended) if (one.status === 'rejected') throw one.reason;
}

/**
 * Carries an apply out to its end, beside other processes that may do the same. Stopping at the signal, or dying, loses nothing:
 * each batch commits as a whole, and the next process goes on with what is left. An apply that is finished is left alone.
 * Throws `tenant-suspended` once the tenant, or one above it, is suspended: the apply is ended, and what it has not done stays approved.
 */
export async function carryOutApply(deps: ApplyDeps, id: ApplyId, how: HowToApply): Promise<ApplyCounts> {
  const apply = await deps.store.applying.open(id);
  if (apply === null) return await deps.store.applying.counts(id); // another process was faster
  try {
    await carryOutBatches(deps, apply, how);
  } catch (error) {
    if (!(error instanceof TenantSuspended)) throw error;
    await deps.store.applying.abandon(apply, 'tenant-suspended', deps.clock.now());
    throw suspended('nothing is applied');
  }
  await deps.store.applying.finish(apply, deps.clock.now());
  return await deps.store.applying.counts(id);
}

async function carryOutBatches(deps: ApplyDeps, apply: RunningApply, how: HowToApply): Promise<void> {
  let done = 0;
  const next = async (after: ChangeId | null, late: 'waits' | 'moves') => {
    how.signal.throwIfAborted();
    const batch = await deps.store.applying.next(apply, deps.clock.now(), after, late);
    done += batch.done;
    if (batch.done > 0) how.onProgress?.({ done, total: Math.max(how.total ?? done, done) });
    return batch.last;
  };
  const work = async () => {
    for (let after = await next(null, 'waits'); after !== null; ) after = await next(after, 'waits');
  };
  await allOf(Array.from({ length: BATCHES_AT_ONCE }, work));
  // From the beginning until nothing is left: who waited for an address, and what another process let go of.
  while ((await next(null, 'moves')) !== null);
}

export const ListApplies = PageOptions.extend({
  connection: ConnectionId.optional().describe('Only of this connection.'),
});

/** Oldest first. */
export async function listApplies(
  deps: ApplyDeps,
  caller: Caller,
  input: unknown,
): Promise<Listed<ApplyView>> {
  authorise(caller, 'changes.read');
  const { connection, ...page } = parseInput(ListApplies, input);
  const rows = await deps.store.applying.list(
    caller.tenant,
    { connection, id: undefined },
    { ...page, limit: page.limit + 1 },
  );
  return toPage(rows, page.limit);
}

export async function getApply(deps: ApplyDeps, caller: Caller, id: string): Promise<ApplyView> {
  authorise(caller, 'changes.read');
  const apply = parseId(ApplyId, id);
  const [found] =
    apply === null
      ? []
      : await deps.store.applying.list(
          caller.tenant,
          { connection: undefined, id: apply },
          { limit: 1, after: null },
        );
  if (found === undefined) throw notFound('apply');
  return found;
}

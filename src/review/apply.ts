/** Carrying out what was approved. */
import { z } from 'zod';
import type { HaltReason } from '../domain/apply.ts';
import { isTooMuchTrouble, openFrom, openUntil, troubleInWords } from '../domain/applyPolicy.ts';
import type { Clock } from '../domain/clock.ts';
import { type Connection, paused } from '../domain/connection.ts';
import { type ApplyId, type ChangeId, ConnectionId } from '../domain/ids.ts';
import { notFound, parseInput } from '../domain/input.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import { suspended } from '../domain/tenant.ts';
import type { RunningApply } from '../store/applyBatch.ts';
import { ROLLCALL } from '../store/applyControl.ts';
import { ApplyHalted, TenantSuspended } from '../store/applyGround.ts';
import type { ApplyCounts } from '../store/applyOutcomes.ts';
import type { Store } from '../store/store.ts';
import { goByRulesOfNow } from './decide.ts';
import { DespiteFreeze, refuseInFreeze } from './freezes.ts';

export type ApplyDeps = { readonly store: Store; readonly clock: Clock };

export type ApplyProgress = { readonly done: number; readonly total: number };

export const StartApply = z.strictObject({
  connection: ConnectionId,
  despiteFreeze: DespiteFreeze,
});

/**
 * Makes an apply of all that is approved for the connection now, or gives the one that is running already: what was approved after
 * that one began belongs to the next. Whoever calls has to carry it out, or to see that a worker does.
 */
export async function startApply(
  deps: ApplyDeps,
  caller: Caller,
  input: z.input<typeof StartApply>,
): Promise<{ apply: ApplyId; total: number }> {
  authorise(caller, 'changes.apply');
  const { connection: id, despiteFreeze } = parseInput(StartApply, input);
  const connection = await deps.store.connections.get(caller.tenant, id);
  if (connection === null) throw notFound('connection');
  refusePaused(connection);
  if ((await deps.store.tenants.standing(connection.tenant)) !== 'active')
    throw suspended('nothing is applied');
  const despite = await refuseInFreeze(deps, caller, connection.tenant, despiteFreeze);
  await goByRulesOfNow(deps, caller.tenant, { connections: [connection.id] });
  const of = { connection: connection.id, tenant: connection.tenant };
  const { progressive } = connection.policy.apply;
  const terms = { windows: [], progressive }; // windows are for what begins by itself
  const { principal, actor } = caller;
  const started = await deps.store.applying.start(of, { principal, actor, terms, despite }, deps.clock.now());
  if (started?.state === 'paused') {
    throw new Problem({
      code: 'not-allowed-now',
      message: `Apply ${started.apply} of this connection is paused.`,
      remedy: 'Resume or cancel it first.',
    });
  }
  if (started !== null) return { apply: started.apply, total: started.total };
  throw new Problem({
    code: 'not-allowed-now',
    message: 'Nothing is approved and waiting to be applied for this connection.',
    remedy: 'Approve changes first.',
  });
}

/** Whose connection rests, of them nothing is applied, and nothing goes on. Throws `not-allowed-now`. */
export function refusePaused({ id, state }: Pick<Connection, 'id' | 'state'>): void {
  if (state === 'paused') throw paused(id);
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
 * Carries an apply out to its end, or to where it is paused, beside other processes that may do the same. Stopping at the signal, or
 * dying, loses nothing: each batch commits as a whole, and the next process goes on with what is left. An apply that does not run is left
 * alone. Throws `tenant-suspended` once the tenant, or one above it, is suspended: the apply is ended, and what it has not done stays
 * approved.
 */
export async function carryOutApply(deps: ApplyDeps, id: ApplyId, how: HowToApply): Promise<ApplyCounts> {
  const { applying } = deps.store;
  const apply = await applying.open(id);
  if (apply === null) return await applying.counts(id); // another process was faster
  try {
    const batches = new Batches(deps, apply, how);
    if (apply.firstPart.length > 0 && !(await batches.carryOutFirst())) return await applying.counts(id);
    await batches.carryOut();
  } catch (error) {
    if (error instanceof ApplyHalted) {
      if (error.because === 'freeze') await pauseInFreeze(deps, apply);
      return await applying.counts(id);
    }
    if (!(error instanceof TenantSuspended)) throw error;
    await applying.abandon(apply, 'tenant-suspended', deps.clock.now());
    throw suspended('nothing is applied');
  }
  await applying.finish(apply, deps.clock.now());
  return await applying.counts(id);
}

class Batches {
  readonly #deps: ApplyDeps;
  readonly #apply: RunningApply;
  readonly #how: HowToApply;
  #done = 0;

  constructor(deps: ApplyDeps, apply: RunningApply, how: HowToApply) {
    this.#deps = deps;
    this.#apply = apply;
    this.#how = how;
  }

  async carryOut(): Promise<void> {
    const work = async () => {
      for (let after = await this.#next(null, 'waits'); after !== null; )
        after = await this.#next(after, 'waits');
    };
    await allOf(Array.from({ length: BATCHES_AT_ONCE }, work));
    // From the beginning until nothing is left: who waited for an address, and what another process let go of.
    while ((await this.#next(null, 'moves')) !== null);
  }

  /** Gives whether the rest follows at once. Who waits for an address of somebody among the rest comes with them. */
  async carryOutFirst(): Promise<boolean> {
    const { firstPart } = this.#apply;
    for (let before = -1; before < this.#done; ) {
      before = this.#done;
      await this.#next(null, 'waits', firstPart);
    }
    return await this.#deps.store.applyControl.endFirstPart(this.#apply, this.#deps.clock.now());
  }

  async #next(
    after: ChangeId | null,
    late: 'waits' | 'moves',
    only: readonly ChangeId[] | null = null,
  ): Promise<ChangeId | null> {
    const { store, clock } = this.#deps;
    this.#how.signal.throwIfAborted();
    await this.#stayInWindow();
    const batch = await store.applying.next(this.#apply, clock.now(), after, late, only);
    this.#done += batch.done;
    const { total = this.#done } = this.#how;
    if (batch.done > 0) this.#how.onProgress?.({ done: this.#done, total: Math.max(total, this.#done) });
    if (batch.trouble > 0 && only === null) await this.#refuseTrouble();
    return batch.last;
  }

  async #stayInWindow(): Promise<void> {
    const { windows } = this.#apply.terms;
    const now = this.#deps.clock.now();
    if (openUntil(windows, now) !== null) return;
    await pauseFor(this.#deps, this.#apply, 'window', openFrom(windows, now));
    throw new ApplyHalted('state');
  }

  async #refuseTrouble(): Promise<void> {
    const { progressive } = this.#apply.terms;
    if (progressive === null) return;
    const { applying } = this.#deps.store;
    const counts = await applying.counts(this.#apply.id);
    if (!isTooMuchTrouble(progressive, counts)) return;
    if (!(await applying.isLeft(this.#apply))) return; // nothing that a pause could keep back
    await pauseFor(this.#deps, this.#apply, 'trouble', null, troubleInWords(progressive, counts));
    throw new ApplyHalted('state');
  }
}

async function pauseFor(
  { store, clock }: ApplyDeps,
  apply: RunningApply,
  because: HaltReason,
  resumesAt: Date | null,
  reason: string | null = null,
): Promise<void> {
  await store.applyControl.pause(apply, because, { actor: ROLLCALL, reason }, resumesAt, clock.now());
}

/** Without a freeze by now it goes on as soon as somebody looks at what is due. */
async function pauseInFreeze(deps: ApplyDeps, apply: RunningApply): Promise<void> {
  const now = deps.clock.now();
  const freeze = await deps.store.applyControl.freezeOver(apply.tenant, now);
  await pauseFor(deps, apply, 'freeze', freeze?.until ?? now);
}

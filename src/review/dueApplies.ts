/** What policies apply by themselves: makes applies of what was approved, begins those whose time has come, and goes on with paused ones. */
import type { HaltReason } from '../domain/apply.ts';
import { ApplyPolicy, openFrom, openUntil, startOf, Terms } from '../domain/applyPolicy.ts';
import type { Clock } from '../domain/clock.ts';
import { healthOf } from '../domain/health.ts';
import type { ApplyId, ConnectionId } from '../domain/ids.ts';
import { ROLLCALL } from '../store/applyControl.ts';
import type { DueApply, Unplanned } from '../store/dueApplies.ts';
import type { Meant } from '../store/judging.ts';
import type { Store } from '../store/store.ts';

export type DueDeps = { readonly store: Store; readonly clock: Clock };

export type Advanced = {
  /** Applies that run now: whoever calls carries them out, or sees that a worker does. */
  readonly begun: readonly ApplyId[];
  /** Applies that were given what was approved, and wait for their time. */
  readonly waiting: readonly ApplyId[];
};

/**
 * Of the connections that are meant; null: of all. May run in several processes at once, and be repeated as often as wanted. One that fails keeps no other
 * waiting: what failed is thrown when all were looked at, and what has begun by then is unfinished work.
 */
export async function advanceApplies(deps: DueDeps, only: Meant | null = null): Promise<Advanced> {
  const { store, clock } = deps;
  const failed: unknown[] = [];
  const each = async <One>(all: readonly One[], advance: (one: One) => Promise<void>) => {
    for (const one of all) await advance(one).catch((error: unknown) => failed.push(error));
  };
  const planned = new Set<ApplyId>();
  await each(await store.dueApplies.unplanned(only), async (approved) => {
    const apply = await plan(deps, approved);
    if (apply !== null) planned.add(apply);
  });
  const begun: ApplyId[] = [];
  await each(await store.dueApplies.due(only, clock.now()), async (apply) => {
    if (await takeUp(deps, apply)) begun.push(apply.id);
  });
  if (failed.length > 0) throw new AggregateError(failed, 'applies of some connections do not go on');
  return { begun, waiting: [...planned].filter((id) => !begun.includes(id)) };
}

/** A policy that cannot be read starts nothing. */
async function plan(
  { store, clock }: DueDeps,
  { policy: stored, approvedAt, ...of }: Unplanned,
): Promise<ApplyId | null> {
  const policy = ApplyPolicy.safeParse(stored).data;
  if (policy === undefined) return null;
  const startsAt = startOf(policy, approvedAt);
  const now = clock.now();
  const delayed = approvedAt.getTime() + policy.delayMinutes * 60_000 > now.getTime();
  const because = delayed ? 'delay' : startsAt > now ? 'window' : 'queue';
  const { windows, progressive } = policy;
  return await store.dueApplies.plan(of, { startsAt, because, terms: { windows, progressive } }, now);
}

async function takeUp(deps: DueDeps, apply: DueApply): Promise<boolean> {
  const { store, clock } = deps;
  const now = clock.now();
  const terms = Terms.safeParse(apply.terms).data;
  if (terms === undefined) return false;
  const obstacle = await obstacleTo(deps, apply, terms, now);
  if (obstacle !== null) {
    await store.dueApplies.putOff(apply, obstacle, now);
    return false;
  }
  if (apply.state === 'waiting') return await store.dueApplies.begin(apply, terms, now);
  const said = { actor: ROLLCALL, reason: null };
  return await store.applyControl.resumeAsSeen(apply, said, apply.halt, now);
}

/** `reason`: what was found. */
type Obstacle = { readonly because: HaltReason; readonly until: Date | null; readonly reason?: string };

async function obstacleTo(
  deps: DueDeps,
  apply: DueApply,
  { windows, progressive }: Terms,
  now: Date,
): Promise<Obstacle | null> {
  if (apply.state === 'waiting' && !apply.automatic) return { because: 'by-hand', until: null };
  const freeze = await deps.store.applyControl.freezeOver(apply.tenant, now, apply.despiteFreezes);
  if (freeze !== null) return { because: 'freeze', until: freeze.until };
  if (openUntil(windows, now) === null) return { because: 'window', until: openFrom(windows, now) };
  if (apply.state !== 'paused' || progressive === null) return null;
  const reason = await whatAils(deps, apply.connection, now);
  return reason === null ? null : { because: 'health', until: null, reason };
}

/** null: its last run has read everything. */
async function whatAils({ store }: DueDeps, connection: ConnectionId, now: Date): Promise<string | null> {
  const history = (await store.runs.histories(store.root, [connection], now)).get(connection);
  if (history === undefined) return null;
  const { state, because, remedy } = healthOf(history, null, now);
  return state === 'active' ? null : [`${state}.`, because, remedy].filter((text) => text !== null).join(' ');
}

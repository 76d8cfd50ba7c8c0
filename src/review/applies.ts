/** Applies as they stand, and what somebody does about one: pause it, let it go on, cancel it. */
import { z } from 'zod';
import {
  type ApplyAction,
  actionsOn,
  applyActions,
  haltReasons,
  haltRemedy,
  OUTCOMES,
  type Progress,
  progressOf,
} from '../domain/apply.ts';
import { openUntil } from '../domain/applyPolicy.ts';
import type { Clock } from '../domain/clock.ts';
import { ApplyId, ConnectionId } from '../domain/ids.ts';
import { notFound, OptionalReason, parseId, parseInput } from '../domain/input.ts';
import { type Listed, PageOptions, toPage } from '../domain/page.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import { suspended } from '../domain/tenant.ts';
import type { ApplyView } from '../store/applying.ts';
import type { ChangeView } from '../store/changes.ts';
import type { Store } from '../store/store.ts';
import { refusePaused } from './apply.ts';
import { goByRulesOfNow } from './decide.ts';
import { DespiteFreeze, refuseInFreeze } from './freezes.ts';

export type ApplyDeps = { readonly store: Store; readonly clock: Clock };

/** An apply as it is shown. */
export type ShownApply = Omit<ApplyView, 'runningSince' | 'doneBefore' | 'windows'> &
  Progress & {
    /** What is allowed now. */
    readonly actions: readonly ApplyAction[];
    /** `halt` in words. */
    readonly explanation: string | null;
    /** What somebody has to do so that it goes on; null: nothing. */
    readonly remedy: string | null;
  };

export const ListApplies = PageOptions.extend({
  connection: ConnectionId.optional().describe('Only of this connection.'),
});

/** Newest first. */
export async function listApplies(
  deps: ApplyDeps,
  caller: Caller,
  input: unknown,
): Promise<Listed<ShownApply>> {
  authorise(caller, 'changes.read');
  const { connection, ...page } = parseInput(ListApplies, input);
  const rows = await deps.store.applying.list(
    caller.tenant,
    { connection, id: undefined },
    { ...page, limit: page.limit + 1 },
  );
  const { items, next } = toPage(rows, page.limit);
  return { items: items.map((one) => shown(one, deps.clock.now())), next };
}

export const ListAppliedChanges = PageOptions.extend({
  apply: z.string(),
  outcome: z
    .array(z.enum(OUTCOMES))
    .default([...OUTCOMES])
    .describe('Only those with these outcomes.'),
});

/**
 * Oldest first. What was sent back, held or failed, and was proposed and applied again since, is among those of the later apply.
 * Throws `not-found`.
 */
export async function listAppliedChanges(
  deps: ApplyDeps,
  caller: Caller,
  input: z.input<typeof ListAppliedChanges>,
): Promise<Listed<ChangeView>> {
  authorise(caller, 'changes.read');
  const { apply, outcome: outcomes, ...page } = parseInput(ListAppliedChanges, input);
  const { id } = await find(deps, caller, apply);
  return toPage(
    await deps.store.applying.changesOf(caller.tenant, { apply: id, outcomes }, page),
    page.limit,
  );
}

/** Throws `not-found`. */
export async function getApply(deps: ApplyDeps, caller: Caller, id: string): Promise<ShownApply> {
  authorise(caller, 'changes.read');
  return shown(await find(deps, caller, id), deps.clock.now());
}

async function find({ store }: ApplyDeps, caller: Caller, id: string): Promise<ApplyView> {
  const apply = parseId(ApplyId, id);
  const only = { connection: undefined, id: apply ?? undefined };
  const [found] =
    apply === null ? [] : await store.applying.list(caller.tenant, only, { limit: 1, after: null });
  if (found === undefined) throw notFound('apply');
  return found;
}

function shown({ runningSince, doneBefore, windows: _, ...apply }: ApplyView, now: Date): ShownApply {
  const { applied, alreadyApplied, moved, failed, held, total, state, halt } = apply;
  const done = applied + alreadyApplied + moved + failed + held;
  const since =
    runningSince === null || state !== 'running' ? null : { at: new Date(runningSince), done: doneBefore };
  return {
    ...apply,
    ...progressOf(done, total, since, now),
    actions: actionsOn(state),
    explanation: halt === null ? null : haltReasons[halt.because],
    remedy: haltRemedy(apply),
  };
}

export const StopApply = z.strictObject({ apply: z.string(), reason: OptionalReason });
export const ResumeApply = StopApply.extend({ despiteFreeze: DespiteFreeze });

/** The batches under way are carried out; nothing begins after them until it is resumed. Throws `not-found`, `not-allowed-now`. */
export async function pauseApply(
  deps: ApplyDeps,
  caller: Caller,
  input: z.input<typeof StopApply>,
): Promise<ShownApply> {
  const { apply, reason } = await meant(deps, caller, parseInput(StopApply, input), 'pause');
  const { actor } = caller;
  const done = await deps.store.applyControl.pause(
    apply,
    'person',
    { actor, reason },
    null,
    deps.clock.now(),
  );
  return await after(deps, caller, apply.id, done, 'pause');
}

/** Whoever calls has to carry it out, or to see that a worker does. Throws `not-found`, `not-allowed-now`, `tenant-suspended`. */
export async function resumeApply(
  deps: ApplyDeps,
  caller: Caller,
  input: z.input<typeof ResumeApply>,
): Promise<ShownApply> {
  const { apply, reason, despiteFreeze } = await meant(
    deps,
    caller,
    parseInput(ResumeApply, input),
    'resume',
  );
  const connection = await deps.store.connections.get(caller.tenant, apply.connection);
  if (connection !== null) refusePaused(connection);
  if ((await deps.store.tenants.standing(apply.tenant)) !== 'active') throw suspended('nothing is applied');
  const despite = await refuseInFreeze(deps, caller, apply.tenant, despiteFreeze);
  await goByRulesOfNow(deps, caller.tenant, { connections: [apply.connection] });
  const said = { actor: caller.actor, reason };
  const now = deps.clock.now();
  // Whoever says now means now, as with an apply that is started by hand.
  const anyTime = openUntil(apply.windows, now) === null;
  const done = await deps.store.applyControl.resume(apply, said, { despite, anyTime }, now);
  return await after(deps, caller, apply.id, done, 'resume');
}

/** What it has not done stays approved, and is applied when somebody starts an apply. Throws `not-found`, `not-allowed-now`. */
export async function cancelApply(
  deps: ApplyDeps,
  caller: Caller,
  input: z.input<typeof StopApply>,
): Promise<ShownApply> {
  const { apply, reason } = await meant(deps, caller, parseInput(StopApply, input), 'cancel');
  const done = await deps.store.applyControl.cancel(apply, { actor: caller.actor, reason }, deps.clock.now());
  return await after(deps, caller, apply.id, done, 'cancel');
}

async function meant<Input extends { readonly apply: string }>(
  deps: ApplyDeps,
  caller: Caller,
  input: Input,
  action: ApplyAction,
): Promise<Omit<Input, 'apply'> & { readonly apply: ApplyView }> {
  authorise(caller, 'changes.apply');
  const apply = await find(deps, caller, input.apply);
  if (!actionsOn(apply.state).includes(action)) throw notIn(apply, action);
  return { ...input, apply };
}

/** `done` is false where somebody else was faster. */
async function after(
  deps: ApplyDeps,
  caller: Caller,
  id: ApplyId,
  done: boolean,
  action: ApplyAction,
): Promise<ShownApply> {
  const apply = await find(deps, caller, id);
  if (!done) throw notIn(apply, action);
  return shown(apply, deps.clock.now());
}

function notIn({ id, state }: ApplyView, action: ApplyAction): Problem {
  const actions = actionsOn(state);
  const able = applyActions[action].join(', ');
  return new Problem({
    code: 'not-allowed-now',
    message: `Apply ${id} is ${state}: only one that is ${able} can be ${participles[action]}.`,
    remedy:
      actions.length === 0
        ? 'Start another one for what is still approved.'
        : `Possible now: ${actions.join(', ')}.`,
  });
}

const participles = { pause: 'paused', resume: 'resumed', cancel: 'cancelled' } as const satisfies Record<
  ApplyAction,
  string
>;

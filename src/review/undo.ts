/** Taking back what an apply has done: as changes that go through the same review and the same apply. */
import { z } from 'zod';
import type { Clock } from '../domain/clock.ts';
import { ApplyId, ChangeId, type ConnectionId } from '../domain/ids.ts';
import { notFound, OptionalReason, parseInput } from '../domain/input.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import type { Store } from '../store/store.ts';
import type { UndoResult } from '../store/undoing.ts';

export type UndoDeps = { readonly store: Store; readonly clock: Clock };

export const UndoApply = z.strictObject({
  apply: ApplyId.describe('Which has to have ended.'),
  changes: z
    .array(ChangeId)
    .min(1)
    .max(10_000)
    .nullable()
    .default(null)
    .describe('Only these of its changes; null: all of them.'),
  reason: OptionalReason,
  dryRun: z.boolean().default(false).describe('Says what would be proposed, and proposes nothing.'),
});

export type ProposedUndo = UndoResult & { readonly connection: ConnectionId };

/**
 * Proposes what takes an apply back, as far as things are still as it has left them; what has moved since is named and left alone.
 * Throws `not-allowed-now` until the apply has ended. Asked twice, it proposes nothing twice.
 */
export async function undoApply(deps: UndoDeps, caller: Caller, input: unknown): Promise<ProposedUndo> {
  authorise(caller, 'changes.apply');
  authorise(caller, 'changes.read'); // it names people
  const { apply: id, changes, reason, dryRun } = parseInput(UndoApply, input);
  const [apply] = await deps.store.applying.list(
    caller.tenant,
    { connection: undefined, id },
    { limit: 1, after: null },
  );
  if (apply === undefined) throw notFound('apply');
  const { tenant, connection } = apply;
  const of = { apply: id, tenant, connection, changes, reason, dryRun };
  const proposed = await deps.store.undoing.propose({ ...of, actor: caller.actor, at: deps.clock.now() });
  if (proposed !== null) return { connection, ...proposed };
  throw new Problem({
    code: 'not-allowed-now',
    message: 'The apply has not ended: it may still do what would have to be taken back.',
    remedy: 'Wait until it has finished, or cancel it.',
  });
}

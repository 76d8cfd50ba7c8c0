/** People who may be one: looked at, and chosen by a person. */
import { z } from 'zod';
import type { Clock } from '../domain/clock.ts';
import { ChangeId, ConnectionId, TenantId } from '../domain/ids.ts';
import { notFound, parseId, parseInput } from '../domain/input.ts';
import { type Listed, PageOptions } from '../domain/page.ts';
import { PAIR_STATES, type Pair } from '../domain/pair.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import type { PairRefusal } from '../store/pairVerdicts.ts';
import type { Store } from '../store/store.ts';

export const PairFilter = PageOptions.extend({
  tenant: TenantId.optional().describe('Only of this tenant and those below it.'),
  connection: ConnectionId.optional().describe('Only of this connection.'),
  change: ChangeId.optional().describe('Only of the people whom this change is about.'),
  state: z
    .array(z.enum(PAIR_STATES))
    .default(['open'])
    .describe('Only those in these states; without it those that wait for a person.'),
});

/** Oldest first. Throws `invalid-input`. */
export async function listPairs(
  { store }: { readonly store: Store },
  caller: Caller,
  input: unknown,
): Promise<Listed<Pair>> {
  authorise(caller, 'changes.read');
  const { limit, after, tenant, connection, change, state } = parseInput(PairFilter, input);
  const filter = { tenant, connection, change, states: state };
  return await store.pairs.list(caller.tenant, filter, { limit, after });
}

/** Throws `not-found`. */
export async function getPair(
  { store }: { readonly store: Store },
  caller: Caller,
  id: string,
): Promise<Pair> {
  authorise(caller, 'changes.read');
  const known = parseId(z.uuid(), id);
  const found = known === null ? null : await store.pairs.get(caller.tenant, known);
  if (found === null) throw notFound('pair');
  return found;
}

export const PairVerdicts = z.strictObject({
  verdict: z
    .enum(['same', 'different'])
    .describe(
      'same: whoever comes goes on with the auth user that is there, at once; different: both go their ways.',
    ),
  reason: z.string().trim().min(1, 'says why, for whoever asks later').max(1_000),
  pairs: z
    .array(z.strictObject({ id: z.uuid(), fingerprint: z.string().regex(/^[0-9a-f]{64}$/) }))
    .min(1)
    .max(10_000)
    .describe('Id and fingerprint of each pair, as they were shown.'),
});

export type PairResult = { readonly decided: number; readonly refused: readonly PairRefusal[] };

/**
 * Says of each pair whether the two are one person. `same` gives somebody an account that is there: whoever says so must be allowed to
 * apply as well. Throws `invalid-input`, `forbidden`.
 */
export async function choosePairs(
  { store, clock }: { readonly store: Store; readonly clock: Clock },
  caller: Caller,
  input: unknown,
): Promise<PairResult> {
  authorise(caller, 'changes.decide');
  authorise(caller, 'changes.apply');
  const { verdict, reason, pairs } = parseInput(PairVerdicts, input);
  const { principal, actor } = caller;
  const ruling = { verdict, reason, principal, actor, at: clock.now() };
  return await store.pairs.choose(caller.tenant, ruling, pairs);
}

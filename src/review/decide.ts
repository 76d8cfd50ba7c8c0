/** Approving, rejecting and holding. A decision is about exactly what was shown: named changes, or a set at a seen revision. */
import { z } from 'zod';
import type { Clock } from '../domain/clock.ts';
import { ChangeId, ConnectionId } from '../domain/ids.ts';
import { invalidInput, notFound, parseInput } from '../domain/input.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import type { Refusal, ShownSet } from '../store/decisions.ts';
import type { Store } from '../store/store.ts';
import { ChangeCriteria, toStoredFilter } from './changes.ts';

export type DecideDeps = { readonly store: Store; readonly clock: Clock };

const Ruling = z.strictObject({
  verdict: z.enum(['approve', 'reject', 'hold']),
  reason: z.string().trim().min(1, 'says why, for whoever asks later').max(1_000),
  /** How long a refusal or a holding back stands; then the change waits again. null: until its content changes. */
  until: z.iso.datetime({ offset: true }).nullable().default(null),
});

const Shown = Ruling.extend({
  /** Id and fingerprint of each change, as they were shown; to approve what is held, also the id of the decision that holds it. */
  changes: z
    .array(
      z.strictObject({
        id: ChangeId,
        fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
        decision: z.uuid().nullable().optional(),
      }),
    )
    .min(1)
    .max(10_000),
});

const ByFilter = Ruling.extend({
  connection: ConnectionId,
  /** Of the connection's change set as it was shown: what arrived later is not included. */
  revision: z.number().int().min(0),
  filter: ChangeCriteria.default({}),
  /** Approve held changes too: without it, what a guard or a person holds is left alone. */
  includeHeld: z.boolean().default(false),
});

const ByGroup = ByFilter.omit({ connection: true, revision: true }).extend({
  /** Of each connection's change set as it was shown. */
  revisions: z
    .array(z.strictObject({ connection: ConnectionId, revision: z.number().int().min(0) }))
    .min(1)
    .max(1_000),
});

export const DecisionRequest = z.union([Shown, ByFilter, ByGroup]);

export type DecisionResult = {
  readonly decided: number;
  readonly refused: readonly Refusal[];
  /** Of a set whose held changes are meant too: those that stay held, because they are let go by name alone. */
  readonly byName?: number;
};

export async function decide(deps: DecideDeps, caller: Caller, input: unknown): Promise<DecisionResult> {
  authorise(caller, 'changes.decide');
  const has = (member: string) => typeof input === 'object' && input !== null && member in input;
  const schema = has('changes') ? Shown : has('revisions') ? ByGroup : ByFilter;
  const request = parseInput<typeof Shown | typeof ByFilter | typeof ByGroup>(schema, input);
  const { verdict, reason } = request;
  const until = refusingPast(request, deps.clock.now());
  const ruling = {
    verdict,
    reason,
    until,
    principal: caller.principal,
    actor: caller.actor,
    at: deps.clock.now(),
  };
  if ('changes' in request) return await deps.store.decisions.onShown(caller.tenant, ruling, request.changes);
  const { includeHeld } = request;
  const sets = await shownSets(deps, caller, 'revisions' in request ? request.revisions : [request]);
  const of = { sets, includeHeld, filter: toStoredFilter(request.filter) };
  return { ...(await deps.store.decisions.onFilter(caller.tenant, ruling, of)), refused: [] };
}

type SeenSet = { readonly connection: ConnectionId; readonly revision: number };

async function shownSets(deps: DecideDeps, caller: Caller, seen: readonly SeenSet[]): Promise<ShownSet[]> {
  const sets: ShownSet[] = [];
  for (const { connection: id, revision } of seen) {
    const connection = await deps.store.connections.get(caller.tenant, id);
    if (connection === null) throw notFound('connection');
    if (revision > connection.changeRevision) {
      throw new Problem({
        code: 'changed-since-shown',
        message: `Revision ${revision} has never been shown: the change set is at ${connection.changeRevision}.`,
        remedy: 'Read the summary again and send the revision that stands there.',
      });
    }
    sets.push({ connection: id, tenant: connection.tenant, revision });
  }
  return sets;
}

function refusingPast({ verdict, until }: z.output<typeof Ruling>, now: Date): Date | null {
  if (until === null) return null;
  const refused = (message: string) => invalidInput([{ path: 'until', message }]);
  if (verdict === 'approve')
    throw refused('an approval has no end: it stands until it is applied or taken back');
  const end = new Date(until);
  if (end <= now) throw refused('is past already');
  return end;
}

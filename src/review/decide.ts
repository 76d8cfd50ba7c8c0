/** Approving, rejecting and holding. A decision is about exactly what was shown: named changes, or a set at a seen revision. */
import { z } from 'zod';
import type { Refusal } from '../domain/approval.ts';
import type { Json } from '../domain/canonical.ts';
import type { Clock } from '../domain/clock.ts';
import { ChangeId, ConnectionId, type TenantId } from '../domain/ids.ts';
import { invalidInput, notFound, parseInput, Reason, Until } from '../domain/input.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import type { Left, ShownSet } from '../store/decisions.ts';
import type { Meant } from '../store/judging.ts';
import type { Store } from '../store/store.ts';
import { ChangeCriteria, toStoredFilter } from './changes.ts';

export type DecideDeps = { readonly store: Store; readonly clock: Clock };

const Ruling = z.strictObject({
  verdict: z.enum(['approve', 'reject', 'hold']),
  reason: Reason.describe('For whoever asks later.'),
  until: Until.nullable()
    .default(null)
    .describe(
      'How long a refusal or a holding back stands; then the change waits again. null: until its content changes. An approval has no end.',
    ),
});

const Shown = Ruling.extend({
  changes: z
    .array(
      z.strictObject({
        id: ChangeId,
        fingerprint: z
          .string()
          .regex(/^[0-9a-f]{64}$/, 'is not the fingerprint of a change: 64 hexadecimal digits')
          .describe('As it was shown.'),
        decision: z
          .uuid()
          .nullable()
          .optional()
          .describe('To approve what is held: the id of the decision that was shown to hold it.'),
      }),
    )
    .min(1, 'names no change')
    .max(10_000, 'names more than 10000 changes: name the connection and its revision instead')
    .describe('Changes one by one, as they were shown.'),
});

const Revision = z.int().min(0);

const ByFilter = Ruling.extend({
  connection: ConnectionId,
  revision: Revision.describe(
    'Of the change set of the connection as it was shown: what arrived later is not included.',
  ),
  filter: ChangeCriteria.default({}).describe('Which of them; empty: all.'),
  includeHeld: z
    .boolean()
    .default(false)
    .describe(
      'Approve held changes too: without it, what a guard, a policy or a person holds is left alone.',
    ),
});

const ByGroup = ByFilter.omit({ connection: true, revision: true }).extend({
  revisions: z
    .array(z.strictObject({ connection: ConnectionId, revision: Revision }))
    .min(1, 'names no connection')
    .max(1_000, 'names more than 1000 connections')
    .superRefine((sets, context) => {
      for (const [at, { connection }] of sets.entries())
        if (sets.findIndex((set) => set.connection === connection) < at)
          context.addIssue({ code: 'custom', path: [at, 'connection'], message: 'is named before already' });
    })
    .describe('The change sets of several connections, each at the revision that was shown.'),
});

export const DecisionRequest = z.union([Shown, ByFilter, ByGroup]);

export type DecisionResult = {
  /** Changes that are in the state that was decided. */
  readonly decided: number;
  /** Approved by one more now, and waiting for others, as the policy asks. */
  readonly waiting: number;
  readonly refused: readonly Refusal[];
  /** Of a set: changes that whoever decided may not, or need not, approve. */
  readonly left?: readonly Left[];
  /** Of a set whose held changes are meant too: those that stay held, because they are let go by name alone. */
  readonly byName?: number;
};

/**
 * What was shown otherwise, or may not be decided so, is named in the answer, and the rest is decided.
 * Throws `invalid-input`, `not-found` for a connection, `changed-since-shown` for a revision that never was, `not-allowed-now`.
 */
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
    role: caller.role,
    actor: caller.actor,
    at: deps.clock.now(),
  };
  if (verdict === 'approve') await goByRulesOfNow(deps, caller.tenant, meantBy(request));
  if ('changes' in request) return await deps.store.decisions.onShown(caller.tenant, ruling, request.changes);
  const { includeHeld } = request;
  const sets = await shownSets(deps, caller, 'revisions' in request ? request.revisions : [request]);
  const of = {
    sets,
    includeHeld,
    filter: toStoredFilter(caller, request.filter),
    asked: toAudited(request.filter),
  };
  return { ...(await deps.store.decisions.onFilter(caller.tenant, ruling, of)), refused: [] };
}

/** The changes or connections that it is about. */
export function meantBy(request: z.output<typeof DecisionRequest>): Meant {
  if ('changes' in request) return { changes: request.changes.map(({ id }) => id) };
  return {
    connections: 'revisions' in request ? request.revisions.map((of) => of.connection) : [request.connection],
  };
}

/**
 * An approval is given, and carried out, by the rules that stand: where they have changed since the plan, what waits is judged first.
 * Throws `not-allowed-now` while a plan has the change set.
 */
export async function goByRulesOfNow(
  { store, clock }: DecideDeps,
  within: TenantId,
  meant: Meant,
): Promise<void> {
  if (await store.decisions.byRulesOfNow(within, meant, clock.now())) return;
  throw new Problem({
    code: 'not-allowed-now',
    message: 'The rules of the policy have changed, and what waits is being judged by them.',
    remedy: 'Try again in a moment, when the sync that is under way has ended.',
  });
}

/** The audit log keeps no names: what was searched for is seen by which changes were found. */
function toAudited({ search, ...criteria }: ChangeCriteria): Json {
  const given = Object.entries(criteria).filter(([, value]) => value !== undefined);
  return {
    ...(Object.fromEntries(given) as { [name: string]: Json }),
    ...(search && { search: 'not kept' }),
  };
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

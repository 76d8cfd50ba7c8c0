/** Pending changes: looked at, counted, decided on. */
import { z } from 'zod';
import { CHANGE_KINDS, CHANGE_SETS, CHANGE_STATES } from '../domain/change.ts';
import { ChangeFilter, getChange, listChanges, SummaryFilter, summarise } from '../review/changes.ts';
import { DecisionRequest, decide } from '../review/decide.ts';
import { pageOf } from './page.ts';
import { route } from './route.ts';
import { FieldValue } from './users.ts';

const moment = z.iso.datetime();
const count = z.number().int();

export const Change = z
  .object({
    id: z.uuid(),
    tenant: z.uuid(),
    connection: z.uuid(),
    externalId: z.string(),
    authUser: z.uuid().nullable(),
    name: z.string().describe('What to call the person.'),
    kind: z.enum(CHANGE_KINDS),
    set: z.enum(CHANGE_SETS),
    cause: z.string(),
    before: z.unknown(),
    after: z.unknown(),
    fields: z.array(z.object({ field: z.string(), before: FieldValue, after: FieldValue })),
    rolesGained: z.array(z.string()),
    rolesLost: z.array(z.string()),
    candidates: z.array(
      z.object({
        authUser: z.uuid(),
        because: z.string(),
        evidence: z
          .array(z.object({ by: z.string(), confidence: z.enum(['certain', 'likely']) }))
          .optional()
          .describe('The matching rules that name it.'),
      }),
    ),
    fingerprint: z.string().describe('What a decision is bound to; send it with the decision.'),
    baseVersion: count.nullable(),
    state: z.enum(CHANGE_STATES),
    actions: z.array(z.string()).describe('What is allowed now.'),
    remedy: z
      .string()
      .nullable()
      .describe('What settles a conflict, which nobody can approve; null for all other changes.'),
    decision: z
      .object({
        verdict: z.enum(['approve', 'reject', 'hold']),
        madeBy: z.string(),
        by: z.string().nullable(),
        reason: z.string(),
        finding: z.unknown(),
        at: moment,
      })
      .nullable(),
    apply: z.uuid().nullable(),
    outcome: z.enum(['applied', 'already-applied', 'moved', 'failed']).nullable(),
    outcomeReason: z.string().nullable(),
    revision: count,
    createdAt: moment,
  })
  .meta({ id: 'Change' });

const Summary = z
  .object({
    connection: z.uuid(),
    tenant: z.uuid(),
    connectionName: z.string(),
    tenantName: z.string(),
    provider: z.string(),
    revision: count.describe('Send it with a decision about everything that was seen.'),
    new: count,
    changed: count,
    deleted: count,
    conflicts: count,
    held: count,
    approved: count,
    rejected: count.describe('Remembered refusals; not among those before.'),
    heldBecause: z.array(z.string()),
  })
  .meta({ id: 'Summary' });

export const changes = [
  route({
    method: 'GET',
    path: '/v1/changes',
    operation: 'listChanges',
    summary: 'List changes',
    needs: 'changes.read',
    input: ChangeFilter,
    status: 200,
    answer: pageOf(Change),
    handle: ({ deps, caller, input }) => listChanges(deps, caller, input),
  }),
  route({
    method: 'GET',
    path: '/v1/changes/summary',
    operation: 'summarise',
    summary: 'Count the pending changes of each connection',
    needs: 'changes.read',
    input: SummaryFilter,
    status: 200,
    answer: z.object({ items: z.array(Summary) }),
    handle: async ({ deps, caller, input }) => ({ items: await summarise(deps, caller, input) }),
  }),
  route({
    method: 'POST',
    path: '/v1/changes/decisions',
    operation: 'decide',
    summary: 'Approve, reject or hold changes',
    description:
      'Either changes one by one, each with the fingerprint that was shown, or all of a connection as of a revision that was seen. What has other content now, or came later, is refused.',
    needs: 'changes.decide',
    input: DecisionRequest,
    status: 200,
    answer: z.object({
      decided: count,
      refused: z.array(
        z.object({
          id: z.string(),
          because: z.enum(['not-found', 'changed-since-shown', 'not-allowed-now']),
        }),
      ),
    }),
    handle: ({ deps, caller, input }) => decide(deps, caller, input),
  }),
  route({
    method: 'GET',
    path: '/v1/changes/{change}',
    operation: 'getChange',
    summary: 'Get a change',
    needs: 'changes.read',
    input: z.object({ change: z.uuid() }),
    status: 200,
    answer: Change,
    handle: ({ deps, caller, input }) => getChange(deps, caller, input.change),
  }),
];

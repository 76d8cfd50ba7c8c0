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

const ChangeNote = z
  .object({
    because: z
      .enum(['replaced', 'agrees', 'away', 'time-up'])
      .describe(
        'replaced: something else is proposed. agrees, away: nothing is left to be done. time-up: a refusal, or the holding back, has ended.',
      ),
    by: z.string().optional().describe('The change that is proposed instead; or who had decided.'),
    was: z.enum(['rejected', 'held']).optional(),
    reason: z.string().optional(),
    until: moment.optional(),
  })
  .meta({ id: 'ChangeNote' });

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
    fields: z.array(
      z.object({
        field: z.string(),
        before: FieldValue,
        after: FieldValue,
        owner: z
          .literal('first')
          .optional()
          .describe(
            'first: the value is given once, and the directory never changes it. Missing: the directory owns the field.',
          ),
      }),
    ),
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
        until: moment
          .nullable()
          .describe('Of a refusal or a holding back: how long it stands; null: until the content changes.'),
        at: moment,
      })
      .nullable(),
    apply: z.uuid().nullable(),
    outcome: z.enum(['applied', 'already-applied', 'moved', 'failed', 'held']).nullable(),
    outcomeReason: z.string().nullable(),
    note: ChangeNote.nullable().describe('Why it is gone, or waits again.'),
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

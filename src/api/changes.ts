/** Pending changes: looked at, counted, decided on. */
import { z } from 'zod';
import { HINDRANCES, REFUSALS, RULE_OWNERS } from '../domain/approval.ts';
import { CHANGE_KINDS, CHANGE_SETS, CHANGE_STATES } from '../domain/change.ts';
import { GROUPINGS } from '../domain/changeGroup.ts';
import { APPROVER_ROLES } from '../domain/reviewRules.ts';
import { RISKS } from '../domain/risk.ts';
import { GroupFilter, groupChanges } from '../review/changeGroups.ts';
import { ChangeCriteria, ChangeFilter, getChange, listChanges, summarise, Whose } from '../review/changes.ts';
import { DecisionRequest, decide, meantBy } from '../review/decide.ts';
import { applyDue } from './handOver.ts';
import { pageOf } from './page.ts';
import { route } from './route.ts';
import { FieldValue } from './users.ts';

const moment = z.iso.datetime();
const count = z.number().int();

export const ChangeNote = z
  .object({
    because: z
      .enum(['replaced', 'agrees', 'away', 'same-person', 'time-up', 'expired'])
      .describe(
        'replaced: something else is proposed. agrees, away: nothing is left to be done. same-person: of a pair, somebody said that both are one. time-up: a refusal, or the holding back, has ended. expired: it was approved, and not applied for as long as the policy lets an approval wait.',
      ),
    by: z.string().optional().describe('The change that is proposed instead; or who had decided.'),
    was: z.enum(['rejected', 'held']).optional(),
    reason: z.string().optional(),
    until: moment.optional(),
    pair: z.uuid().optional(),
    user: z.uuid().optional().describe('The auth user who goes on.'),
  })
  .meta({ id: 'ChangeNote' });

export const ChangedField = z.object({
  field: z.string(),
  before: FieldValue,
  after: FieldValue,
  owner: z
    .literal('first')
    .optional()
    .describe(
      'first: the value is given once, and the directory never changes it. Missing: the directory owns the field.',
    ),
});

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
    fields: z.array(ChangedField),
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
    risk: z
      .object({
        level: z.enum(RISKS),
        reasons: z.array(z.object({ signal: z.string(), because: z.string() })),
      })
      .describe('How much it could harm, as far as that was known when it was proposed.'),
    difference: z.string().describe('The same for all changes that do the same; a filter for them.'),
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
        id: z.uuid().describe('To approve what is held, send it with the decision.'),
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
    approvals: z
      .object({
        rule: z
          .string()
          .nullable()
          .describe('Of the policy, which asks for it; null: the most that any of the rules asks.'),
        level: z
          .enum(RULE_OWNERS)
          .describe('Whose rule it is: that of the connection, of its tenant, or of a tenant above.'),
        needed: count,
        from: z.enum(APPROVER_ROLES).describe('The role that approves; whoever may do more does too.'),
        configurators: z
          .enum(['allowed', 'refused'])
          .describe(
            "Whether whoever has changed the connection's configuration since the last apply before the change counts.",
          ),
        given: z
          .array(z.object({ by: z.string(), at: moment, reason: z.string() }))
          .describe('Those that count now, by different people, oldest first.'),
        deadline: moment.nullable(),
        escalateTo: z
          .enum(APPROVER_ROLES)
          .nullable()
          .describe(
            'After the deadline, one of the approvals has to be by this role, or by one that may do more.',
          ),
        overdue: z.boolean(),
        validHours: count
          .nullable()
          .describe(
            'How long an approval may wait to be applied; then the change is open again. null: for ever.',
          ),
      })
      .nullable()
      .describe('What the policy asks for; null: one approval by anybody who may decide is enough.'),
    assignee: z
      .object({ id: z.uuid(), name: z.string() })
      .nullable()
      .describe('Who is to look at it; null: nobody was told to.'),
    apply: z.uuid().nullable(),
    outcome: z.enum(['applied', 'already-applied', 'moved', 'failed', 'held']).nullable(),
    outcomeReason: z.string().nullable(),
    note: ChangeNote.nullable().describe('Why it is gone, or waits again.'),
    undoes: z.uuid().nullable().describe('The change that it takes back; null: none.'),
    undoReason: z.string().nullable().describe('Why somebody wants it taken back; null: nobody said.'),
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
    freeze: z
      .object({
        name: z.string().nullable().describe('null: of a tenant above, which you do not see.'),
        until: moment,
      })
      .nullable()
      .describe('The freeze period that holds now: nothing is applied.'),
  })
  .meta({ id: 'Summary' });

const counts = <Name extends string>(names: readonly Name[]) => z.partialRecord(z.enum(names), count);

const ChangeGroup = z
  .object({
    key: z.string().describe('What they have in common; empty: they have none.'),
    label: z.string().describe('One line for all of them, in plain words.'),
    changes: count,
    kinds: counts(CHANGE_KINDS),
    states: counts(CHANGE_STATES),
    risks: counts(RISKS),
    sample: z.array(z.object({ id: z.uuid(), name: z.string() })).describe('A few of them.'),
    filter: ChangeCriteria.describe(
      'Beside the tenant, connection and states that were asked for: lists them, and decides on them. By connection, `key` is its id.',
    ),
  })
  .meta({ id: 'ChangeGroup' });

const ChangeGroups = z
  .object({
    by: z.enum(GROUPINGS),
    changes: count.describe('All that match, each once, also where one belongs to several groups.'),
    groups: count,
    lookedAt: count
      .nullable()
      .describe(
        'null: all are counted. With a search: the oldest so many were looked at, and there are more.',
      ),
    revisions: z
      .array(z.object({ connection: z.uuid(), revision: count }))
      .describe('Of the change sets concerned, as counted here; send them with a decision about a group.'),
    items: z.array(ChangeGroup).describe('The largest first.'),
    next: z.string().nullable().describe('`after` of the following page; null: this was the last one.'),
  })
  .meta({ id: 'ChangeGroups' });

export const changes = [
  route({
    method: 'GET',
    path: '/v1/changes',
    operation: 'listChanges',
    summary: 'List changes',
    description:
      'Oldest first. A page may hold fewer than asked for, or none, although others follow: only `next` says whether there are more.',
    needs: 'changes.read',
    input: ChangeFilter,
    status: 200,
    answer: pageOf(Change),
    handle: ({ deps, caller, input }) => listChanges(deps, caller, input),
  }),
  route({
    method: 'GET',
    path: '/v1/changes/groups',
    operation: 'groupChanges',
    summary: 'Group changes by what they have in common',
    description:
      'One line for many changes: by identical difference, cause, kind, risk, department, organisational unit, role gained or lost, field, guard or connection; each with the filter that lists its changes and decides on them.',
    needs: 'changes.read',
    input: GroupFilter,
    status: 200,
    answer: ChangeGroups,
    handle: ({ deps, caller, input }) => groupChanges(deps, caller, input),
  }),
  route({
    method: 'GET',
    path: '/v1/changes/summary',
    operation: 'summarise',
    summary: 'Count the pending changes of each connection',
    needs: 'changes.read',
    input: Whose,
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
      'Either changes one by one, each with the fingerprint that was shown, or all of a connection, or of several, that a filter names, as of the revisions that were seen. What has other content now, or came later, is refused or left out.',
    needs: 'changes.decide',
    input: DecisionRequest,
    status: 200,
    answer: z.object({
      decided: count,
      byName: count
        .optional()
        .describe(
          'Of a set whose held changes are meant too: those that stay held, because they are let go by name alone.',
        ),
      waiting: count.describe(
        'Approved by one more now, and waiting for further approvals, as the policy of the connection asks.',
      ),
      refused: z.array(
        z.object({
          id: z.string(),
          because: z.enum(REFUSALS),
          explanation: z.string().describe('One sentence, with what can be done about it.'),
        }),
      ),
      left: z
        .array(z.object({ because: z.enum(HINDRANCES), changes: count, explanation: z.string() }))
        .optional()
        .describe('Of a set: changes that you may not, or need not, approve.'),
    }),
    handle: async ({ deps, caller, input }) => {
      const decided = await decide(deps, caller, input);
      if (input.verdict === 'approve') await applyDue(deps, meantBy(DecisionRequest.parse(input)));
      return decided;
    },
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

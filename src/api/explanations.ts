/** Why somebody has what they have, or is nobody here; and what happened to them. */
import { z } from 'zod';
import { CHANGE_KINDS, CHANGE_STATES } from '../domain/change.ts';
import { ACTIONS } from '../domain/permission.ts';
import { type Standing, standings } from '../domain/standing.ts';
import { explainUser } from '../review/explain.ts';
import { explainPerson, PersonRequest } from '../review/standing.ts';
import { getTimeline, TimelineRequest } from '../review/timeline.ts';
import { Actor } from './audit.ts';
import { Change, ChangedField, ChangeNote } from './changes.ts';
import { Moment } from './page.ts';
import { route } from './route.ts';
import { FieldValue } from './users.ts';

const RoleReason = z
  .discriminatedUnion('from', [
    z.object({ from: z.literal('everyone') }),
    z.object({ from: z.literal('group'), group: z.string() }),
    z.object({
      from: z.literal('rule'),
      rule: z.number().int().describe('Its place among the rules, from 1 on.'),
      group: z.string().nullable().describe('The group that the rule is about.'),
    }),
    z
      .object({ from: z.literal('adjustment'), by: z.string(), reason: z.string() })
      .describe('What a person said of them before they came in.'),
  ])
  .meta({ id: 'RoleReason' });

const byHand = { by: z.string(), at: z.iso.datetime(), audit: z.number().int() };

const FieldSource = z
  .object({
    field: z.string(),
    value: FieldValue,
    because: z
      .discriminatedUnion('from', [
        z.object({
          from: z.literal('attribute'),
          attribute: z.string(),
          changed: z.boolean().describe('The mapping does more than take it over.'),
        }),
        z.object({ from: z.literal('expression'), expression: z.string() }),
        z.object({ from: z.literal('default') }),
        z.object({ from: z.literal('hand'), ...byHand }),
        z.object({ from: z.literal('above') }),
        z.object({ from: z.literal('before') }),
      ])
      .nullable()
      .describe(
        'hand: a person gave the value; only told to whom the audit log is. above: a directory of a tenant above, of which nothing is told here. before: it was given earlier, by what is otherwise by now. null: not shown.',
      ),
    connection: z.uuid().nullable().describe('Whose directory gives it; null: none does.'),
    owner: z
      .enum(['directory', 'first'])
      .nullable()
      .describe(
        'Who decides what it holds; first: whoever gives it a value first. null: no directory sets it.',
      ),
    wanted: z
      .object({ connection: z.uuid(), value: FieldValue })
      .nullable()
      .describe('Another value, that a directory gives.'),
  })
  .meta({ id: 'FieldSource' });

const Explanation = z
  .object({
    user: z.uuid(),
    notShownWithout: z
      .array(z.enum(ACTIONS))
      .describe(
        'Permissions that the caller has not. Where there are any, what mappings and directories say is not shown: groups, why roles are held, roles not held, where fields come from.',
      ),
    purgedAt: Moment.nullable().describe(
      'When all that was personal was removed for good; null: it was not.',
    ),
    identities: z.array(
      z.object({
        connection: z.uuid(),
        externalId: z.string(),
        groups: z
          .array(z.string())
          .nullable()
          .describe(
            'Those that the mapping reads, by name. null: not in the directory as last read, or not shown.',
          ),
        isAgreed: z
          .boolean()
          .describe(
            'However the two differ, that is agreed on: nothing is proposed until one of them changes, as after an undo.',
          ),
        change: z
          .object({
            id: z.uuid(),
            kind: z.enum(CHANGE_KINDS),
            state: z.enum(CHANGE_STATES),
            rolesLost: z.array(z.string()),
          })
          .nullable()
          .describe('What waits for them there, or was refused; null: nothing, or not shown.'),
      }),
    ),
    roles: z.array(
      z.object({
        role: z.string(),
        tenant: z.uuid().describe('Where it is held; it holds below too.'),
        origin: z.enum(['directory', 'manual']),
        connection: z.uuid().nullable(),
        grantedAt: Moment,
        because: z
          .array(RoleReason)
          .nullable()
          .describe(
            'What gives it. Empty: nothing any more, and the next plan proposes to take it, unless that is agreed on. null: given by hand, the connection is out of the caller’s reach, or not shown.',
          ),
        givenBy: z
          .object(byHand)
          .nullable()
          .describe(
            'Who gave it by hand, with the number of the audit entry. null: nobody did, or the caller may not read the audit log.',
          ),
      }),
    ),
    notHeld: z
      .array(z.object({ role: z.string(), connection: z.uuid(), because: z.array(RoleReason) }))
      .describe(
        'Roles that the mapping gives, and that are not held: a change waits, was refused, or was taken back.',
      ),
    fields: z.array(FieldSource).describe('Those that have a value.'),
  })
  .meta({ id: 'Explanation' });

const at = { at: z.iso.datetime() };
const ofChange = { ...at, change: z.uuid() };

const TimelineEntry = z
  .discriminatedUnion('what', [
    z.object({
      what: z.literal('proposed'),
      ...ofChange,
      connection: z.uuid(),
      externalId: z.string(),
      run: z.uuid(),
      kind: z.enum(CHANGE_KINDS),
      cause: z.string(),
      fields: z.array(ChangedField),
      rolesGained: z.array(
        z.object({
          role: z.string(),
          because: z.array(RoleReason).describe('Parts of the mapping of that run that give the role.'),
          certain: z
            .boolean()
            .describe(
              'Whether they are known to hold: the person is still as they were read then. false: these may give it.',
            ),
        }),
      ),
      rolesLost: z.array(z.string()),
      undoes: z.uuid().nullable().describe('The change that it takes back.'),
      undoReason: z.string().nullable().describe('Why somebody wanted that.'),
    }),
    z.object({
      what: z.literal('decided'),
      ...ofChange,
      decision: z.uuid(),
      verdict: z.enum(['approve', 'reject', 'hold']),
      madeBy: z.enum(['person', 'policy', 'guard']),
      by: z.string().nullable(),
      rule: z.string().nullable().describe('Of the policy.'),
      reason: z.string(),
      finding: z.unknown().describe('Of the guard.'),
      until: z.iso.datetime().nullable(),
      approval: z
        .object({
          number: z.number().int(),
          of: z.number().int(),
          last: z.boolean().describe('With it, it was approved.'),
        })
        .nullable()
        .describe('One of several that the policy asks for; null: it decided by itself.'),
    }),
    z.object({
      what: z.literal('carried-out'),
      ...ofChange,
      apply: z.uuid(),
      by: z.string().nullable(),
      outcome: z.string(),
      reason: z.string().nullable(),
      version: z.number().int().nullable().describe('Of the auth user from then on.'),
      event: z.uuid().nullable().describe('What applications were told.'),
    }),
    z.object({ what: z.literal('withdrawn'), ...ofChange, note: ChangeNote.nullable() }),
    z.object({
      what: z
        .enum(['told-apart', 'told-same'])
        .describe('Whether the directory user and an auth user are one.'),
      ...at,
      pair: z.uuid(),
      by: z.string(),
      reason: z.string(),
    }),
    z.object({
      what: z.literal('commented'),
      ...ofChange,
      comment: z.uuid(),
      by: z.string(),
      text: z.string(),
    }),
    z.object({
      what: z
        .literal('adjusted')
        .describe('A person has said in what somebody new differs from what the mapping makes of them.'),
      ...at,
      connection: z.uuid(),
      rolesAdded: z.array(z.string()),
      rolesRemoved: z.array(z.string()),
      place: z
        .uuid()
        .nullable()
        .describe('The tenant that they belong in; null: where the mapping puts them.'),
      by: z.string(),
      reason: z.string(),
    }),
    z.object({
      what: z
        .literal('recorded')
        .describe(
          'Whatever else the audit log has of the auth user: done by hand, or by Rollcall itself in time.',
        ),
      ...at,
      audit: z.number().int().describe('Number of the entry in the log of the auth user’s tenant.'),
      action: z.string(),
      by: Actor,
      details: z.record(z.string(), z.unknown()),
    }),
  ])
  .meta({ id: 'TimelineEntry' });

const ExplainedPerson = z
  .object({
    connection: z.uuid(),
    externalId: z.string(),
    standing: z.enum(Object.keys(standings) as [Standing, ...Standing[]]),
    says: z.string().describe('The standing as a sentence.'),
    because: z
      .string()
      .nullable()
      .describe(
        'The problem of their record, or the expression that does not hold; null: the standing says it all.',
      ),
    looksAt: z
      .record(z.string(), FieldValue)
      .nullable()
      .describe('Out of scope: what the scope looks at of them.'),
    user: z.uuid().nullable().describe('The auth user that they are linked to.'),
    groups: z
      .array(z.string())
      .nullable()
      .describe('Those that the mapping reads, by name. null: not in the directory as last read.'),
    change: Change.nullable().describe('What waits, or was refused.'),
    lastComplete: z
      .object({ run: z.uuid(), at: Moment })
      .nullable()
      .describe('When everybody was read for the last time.'),
    timeline: z.array(TimelineEntry).describe('The oldest first; of those, the last two hundred.'),
  })
  .meta({ id: 'ExplainedPerson' });

export const explanations = [
  route({
    method: 'GET',
    path: '/v1/users/{user}/explanation',
    operation: 'explainUser',
    summary: 'Where the roles and fields of an auth user come from',
    description:
      'By the mappings of this moment, and the directories as last read. What these say is shown to whoever may read connections and changes too (`notShownWithout`).',
    needs: 'users.read',
    input: z.object({ user: z.uuid() }),
    status: 200,
    answer: Explanation,
    handle: ({ deps, caller, input }) => explainUser(deps, caller, input.user),
  }),
  route({
    method: 'GET',
    path: '/v1/users/{user}/timeline',
    operation: 'getTimeline',
    summary: 'What happened to an auth user, and who decided it',
    description:
      'What the directory said, which rule fired, who decided and why, what was written and by which apply; the oldest first. What the audit log has beside that is among it for whoever may read the log.',
    needs: ['users.read', 'changes.read'],
    input: TimelineRequest,
    status: 200,
    answer: z.object({ items: z.array(TimelineEntry) }),
    handle: ({ deps, caller, input }) => getTimeline(deps, caller, input),
  }),
  route({
    method: 'GET',
    path: '/v1/connections/{connection}/explanation',
    operation: 'explainPerson',
    summary: 'Why somebody whom a directory has is, or is not, an auth user',
    description:
      'From what was last read, without asking the provider. The person is named by `externalId` or `address`, one of the two.',
    needs: ['users.read', 'changes.read', 'connections.read'],
    input: PersonRequest,
    status: 200,
    answer: ExplainedPerson,
    handle: ({ deps, caller, input }) => explainPerson(deps, caller, input),
  }),
];

/** Policies of tenants, and what rules would decide before they are saved. */
import { z } from 'zod';
import { CHANGE_KINDS, CHANGE_STATES } from '../domain/change.ts';
import { APPROVER_ROLES, VERDICTS } from '../domain/reviewRules.ts';
import { TenantPolicy } from '../domain/tenantPolicy.ts';
import {
  listReplayed,
  ReplayedChanges,
  ReplayedPolicy,
  replayPolicy,
  TestedPolicy,
  testPolicy,
} from '../review/policyDrafts.ts';
import {
  ChangedTenantPolicy,
  getConnectionPolicy,
  getTenantPolicy,
  setTenantPolicy,
} from '../tenancy/tenantPolicy.ts';
import { pageOf } from './page.ts';
import { route } from './route.ts';

const count = z.number().int();
const moment = z.iso.datetime();

const IdleRules = z
  .array(z.object({ rule: z.string(), because: z.string() }))
  .describe('Own rules that can be seen to decide nothing, because a tenant above is at least as strict.');

const TenantPolicyView = TenantPolicy.extend({
  tenant: z.uuid(),
  tenantName: z.string(),
  version: count.describe('0: nothing was ever said.'),
  changedAt: moment.nullable(),
  changedBy: z.string().nullable(),
  inherited: z
    .array(TenantPolicy.extend({ tenant: z.uuid(), tenantName: z.string() }))
    .describe('Of the tenants above that you see, from the top down. What is stricter counts.'),
  hasHidden: z.boolean().describe('Tenants above that you do not see have rules as well.'),
  idle: IdleRules,
}).meta({ id: 'TenantPolicyView' });

const ConnectionPolicyView = z
  .object({
    connection: z.uuid(),
    connectionName: z.string(),
    tenant: z.uuid(),
    timeZone: z.string().describe('In which the conditions of its own rules see days and hours.'),
    rules: TenantPolicy.shape.rules.describe('Its own; part of its policy.'),
    inherited: z
      .array(TenantPolicy.extend({ tenant: z.uuid(), tenantName: z.string() }))
      .describe('Of its tenant and of those above that you see, from the top down. What is stricter counts.'),
    hasHidden: z.boolean().describe('Tenants above that you do not see have rules as well.'),
    idle: IdleRules,
  })
  .meta({ id: 'ConnectionPolicyView' });

const Verdict = z
  .object({
    verdict: z.enum(VERDICTS),
    rule: z.string().describe('Its name; of the strictest, where several levels have a say.'),
    level: z.uuid().nullable().describe('The tenant whose rule it is; null: the connection’s own.'),
    approvals: count,
    from: z.enum(APPROVER_ROLES).describe('Or somebody who may do more.'),
    configurators: z
      .enum(['allowed', 'refused'])
      .describe('Whoever has changed the connection’s configuration since the last apply before the change.'),
    deadlineHours: count.nullable(),
    escalateTo: z.enum(APPROVER_ROLES).nullable(),
    validHours: count.nullable(),
    reason: z.string().nullable(),
    days: count.nullable().describe('How long it is ignored.'),
  })
  .meta({ id: 'PolicyVerdict' });

const PolicyTest = z
  .object({
    passed: count,
    failed: count,
    cases: z.array(
      z.object({
        name: z.string(),
        passed: z.boolean(),
        verdict: Verdict.nullable().describe('null: no rule speaks of it, and one approval is enough.'),
        explanation: z.string(),
        differences: z.array(z.string()).describe('What is otherwise than expected.'),
      }),
    ),
    hasHidden: z
      .boolean()
      .describe('Tenants above that you do not see have rules as well; those were not looked at.'),
  })
  .meta({ id: 'PolicyTest' });

const ReplayedChange = z
  .object({
    change: z.uuid(),
    connection: z.uuid(),
    name: z.string(),
    kind: z.enum(CHANGE_KINDS),
    cause: z.string(),
    state: z.enum(CHANGE_STATES).describe('What became of it.'),
    createdAt: moment,
    from: z.string().describe('By the rules that are there.'),
    to: z.string().describe('By the draft.'),
    explanation: z.string().describe('Of the draft; empty where no rule speaks of it.'),
  })
  .meta({ id: 'ReplayedChange' });

const PolicyReplay = z
  .object({
    since: moment,
    changes: count.describe('That were looked at.'),
    same: count.describe('Of these, those of which the draft says the same.'),
    differences: z
      .array(
        z.object({
          from: z.string(),
          to: z.string(),
          changes: count,
          examples: z.array(ReplayedChange).describe('The first three.'),
        }),
      )
      .describe('The most frequent first.'),
    rules: z
      .array(z.object({ rule: z.string(), changes: count }))
      .describe('Of the draft: for how many changes each is the one that decides.'),
  })
  .meta({ id: 'PolicyReplay' });

export const policies = [
  route({
    method: 'GET',
    path: '/v1/tenants/{tenant}/policy',
    operation: 'getTenantPolicy',
    summary: 'Get what a tenant decides for its connections and those of all tenants below',
    needs: 'tenants.read',
    input: z.object({ tenant: z.uuid() }),
    status: 200,
    answer: TenantPolicyView,
    handle: ({ deps, caller, input }) => getTenantPolicy(deps, caller, input.tenant),
  }),
  route({
    method: 'PATCH',
    path: '/v1/tenants/{tenant}/policy',
    operation: 'setTenantPolicy',
    summary: 'Change what a tenant decides for its connections and those of all tenants below',
    description:
      'What is left out stays; what is given replaces the whole of that part. All that waits is judged anew within about a minute. Rules of tenants below, and of connections, can only be stricter.',
    needs: ['tenants.write', 'tenants.read'],
    input: ChangedTenantPolicy,
    status: 200,
    answer: TenantPolicyView,
    handle: ({ deps, caller, input }) => setTenantPolicy(deps, caller, input),
  }),
  route({
    method: 'GET',
    path: '/v1/connections/{connection}/policy',
    operation: 'getConnectionPolicy',
    summary: 'Get the rules by which a connection’s changes are judged',
    needs: 'connections.read',
    input: z.object({ connection: z.uuid() }),
    status: 200,
    answer: ConnectionPolicyView,
    handle: ({ deps, caller, input }) => getConnectionPolicy(deps, caller, input.connection),
  }),
  route({
    method: 'POST',
    path: '/v1/policy-tests',
    operation: 'testPolicy',
    summary: 'Test policy rules by cases',
    description:
      'Says of each case what the rules decide, and whether that is what is expected. With neither a connection nor a tenant by the draft alone. Nothing is kept.',
    needs: 'connections.read',
    input: TestedPolicy,
    status: 200,
    answer: PolicyTest,
    handle: ({ deps, caller, input }) => testPolicy(deps, caller, input),
  }),
  route({
    method: 'POST',
    path: '/v1/policy-replays',
    operation: 'replayPolicy',
    summary: 'See what draft rules would have decided on past changes',
    description:
      'Compares what the draft and the rules that are there say of each change that was proposed in the last days. Guards are not asked, nor is what people decided. Nothing is kept.',
    needs: ['connections.read', 'changes.read'],
    input: ReplayedPolicy,
    status: 200,
    answer: PolicyReplay,
    handle: ({ deps, caller, input, signal }) => replayPolicy(deps, caller, input, signal),
  }),
  route({
    method: 'POST',
    path: '/v1/policy-replays/changes',
    operation: 'listReplayed',
    summary: 'List the changes of which draft rules say something else',
    needs: ['connections.read', 'changes.read'],
    input: ReplayedChanges,
    status: 200,
    answer: pageOf(ReplayedChange),
    handle: ({ deps, caller, input, signal }) => listReplayed(deps, caller, input, signal),
  }),
];

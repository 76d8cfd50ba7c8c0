/** Guards of a connection, and overrides of them. */
import { z } from 'zod';
import { GUARDS, OVERRIDABLE_GUARDS } from '../domain/guard.ts';
import { Policy } from '../domain/policy.ts';
import { endGuardOverride, getGuards, NewGuardOverride, overrideGuard } from '../review/guards.ts';
import { route } from './route.ts';

const count = z.number().int();
const moment = z.iso.datetime();

export const Finding = z
  .object({
    guard: z.enum(GUARDS),
    counted: count,
    limit: count.describe('What would have been let through.'),
    field: z.string().optional(),
    role: z.string().optional(),
    part: z.string().optional().describe('The domain, organisational unit, or id of the group.'),
    name: z.string().optional().describe('What people call it.'),
    before: count.optional().describe('How many it had.'),
    unknown: z.array(z.string()).optional().describe('Roles that the policy names and that do not exist.'),
    hours: z.number().optional(),
    overridden: z
      .object({ allowed: count.nullable(), by: z.string(), reason: z.string(), until: moment })
      .optional()
      .describe('Why nothing is held for it all the same.'),
  })
  .meta({ id: 'GuardFinding' });

export const GuardOverride = z
  .object({
    id: z.uuid(),
    connection: z.uuid(),
    tenant: z.uuid(),
    guard: z.enum(OVERRIDABLE_GUARDS),
    allowed: count.nullable().describe('Up to so many go; null: all.'),
    by: z.string(),
    reason: z.string(),
    until: moment,
    createdAt: moment,
  })
  .meta({ id: 'GuardOverride' });

export const guards = [
  route({
    method: 'GET',
    path: '/v1/connections/{connection}/guards',
    operation: 'getGuards',
    summary: 'Get what the guards of a connection allow and found',
    needs: 'connections.read',
    input: z.object({ connection: z.uuid() }),
    status: 200,
    answer: z.object({
      limits: Policy.shape.guards.unwrap(),
      overrides: z.array(GuardOverride).describe('Those that hold now.'),
      findings: z
        .array(Finding.extend({ explanation: z.string() }))
        .describe('Of the last plan, what was let through all the same among them.'),
      unknown: z
        .object({
          users: z.array(z.string()).describe('Passed over.'),
          roles: z
            .array(z.string())
            .describe('Whoever would lose something waits for a person until these are there.'),
        })
        .describe('What the policy names and nothing is called.'),
    }),
    handle: ({ deps, caller, input }) => getGuards(deps, caller, input.connection),
  }),
  route({
    method: 'POST',
    path: '/v1/connections/{connection}/guards/overrides',
    operation: 'overrideGuard',
    summary: 'Let through for a time what a guard would hold',
    description:
      'From the next plan on, until its time is up. Takes the place of the one that the connection has of the same guard. What protects single users, and who is the last to administer, is let go by name only.',
    needs: 'guards.override',
    input: NewGuardOverride,
    status: 201,
    answer: GuardOverride,
    handle: ({ deps, caller, input }) => overrideGuard(deps, caller, input),
  }),
  route({
    method: 'DELETE',
    path: '/v1/guard-overrides/{guardOverride}',
    operation: 'endGuardOverride',
    summary: 'End an override of a guard before its time',
    needs: 'guards.override',
    input: z.object({ guardOverride: z.uuid() }),
    status: 204,
    handle: ({ deps, caller, input }) => endGuardOverride(deps, caller, input.guardOverride),
  }),
];

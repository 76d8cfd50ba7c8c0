/** Applies, as they are and were. They are started from their connection. */
import { z } from 'zod';
import { getApply, ListApplies, listApplies } from '../review/apply.ts';
import { pageOf } from './page.ts';
import { route } from './route.ts';

const count = z.number().int();

const Apply = z
  .object({
    id: z.uuid(),
    connection: z.uuid(),
    tenant: z.uuid(),
    state: z.enum(['running', 'finished']),
    by: z.string().describe('Name of the principal who started it.'),
    total: count,
    applied: count,
    alreadyApplied: count,
    moved: count.describe('Sent back: the auth user had changed since the plan.'),
    failed: count,
    held: count.describe(
      'By a guard: since the plan, somebody had become the last, or the last seat was taken.',
    ),
    createdAt: z.iso.datetime(),
    finishedAt: z.iso.datetime().nullable(),
  })
  .meta({ id: 'Apply' });

export const applies = [
  route({
    method: 'GET',
    path: '/v1/applies',
    operation: 'listApplies',
    summary: 'List applies, oldest first',
    needs: 'changes.read',
    input: ListApplies,
    status: 200,
    answer: pageOf(Apply),
    handle: ({ deps, caller, input }) => listApplies(deps, caller, input),
  }),
  route({
    method: 'GET',
    path: '/v1/applies/{apply}',
    operation: 'getApply',
    summary: 'Get an apply',
    needs: 'changes.read',
    input: z.object({ apply: z.uuid() }),
    status: 200,
    answer: Apply,
    handle: ({ deps, caller, input }) => getApply(deps, caller, input.apply),
  }),
];

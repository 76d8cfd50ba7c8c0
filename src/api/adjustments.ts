/** Changes as people work on them: edited before they are approved, assigned to somebody, commented on. */
import { z } from 'zod';
import {
  adjustNewcomer,
  EndAdjustment,
  ListAdjustments,
  listAdjustments,
  NewAdjustment,
  takeBackAdjustment,
} from '../review/adjust.ts';
import {
  AssignmentRequest,
  assignChanges,
  commentOnChange,
  ListComments,
  listComments,
  NewComment,
} from '../review/assign.ts';
import { pageOf } from './page.ts';
import { route } from './route.ts';

const moment = z.iso.datetime();

const Adjustment = z
  .object({
    id: z.uuid(),
    tenant: z.uuid(),
    connection: z.uuid(),
    externalId: z.string(),
    rolesAdded: z.array(z.string()).describe('Those that the mapping does not give.'),
    rolesRemoved: z.array(z.string()).describe('Those that the mapping gives.'),
    place: z.uuid().nullable().describe('Where they belong; null: where the mapping puts them.'),
    by: z.string(),
    reason: z.string(),
    createdAt: moment,
  })
  .meta({ id: 'Adjustment' });

const Comment = z
  .object({
    id: z.uuid(),
    change: z
      .uuid()
      .describe('The one that it was said about: of the same person, be it not the one asked for.'),
    by: z.string(),
    text: z.string(),
    at: moment,
  })
  .meta({ id: 'Comment' });

export const adjustments = [
  route({
    method: 'POST',
    path: '/v1/changes/{change}/adjustment',
    operation: 'adjustNewcomer',
    summary: 'Edit the roles and the tenant of somebody new',
    description:
      'Before they are approved. What is proposed for them then takes the place of the change, and has to be decided on; every later run honours it.',
    needs: ['changes.decide', 'users.write'],
    input: NewAdjustment,
    status: 200,
    answer: z.object({
      change: z.uuid().describe('The change that waits now.'),
      adjustment: z.uuid().nullable().describe('null: they are as the mapping makes them.'),
    }),
    handle: ({ deps, caller, input }) => adjustNewcomer(deps, caller, input),
  }),
  route({
    method: 'GET',
    path: '/v1/adjustments',
    operation: 'listAdjustments',
    summary: 'List who was edited before they came in',
    needs: 'changes.read',
    input: ListAdjustments,
    status: 200,
    answer: pageOf(Adjustment),
    handle: ({ deps, caller, input }) => listAdjustments(deps, caller, input),
  }),
  route({
    method: 'POST',
    path: '/v1/adjustments/{adjustment}/end',
    operation: 'takeBackAdjustment',
    summary: 'Take back what was edited',
    description:
      'From then on the mapping alone says what they are: at once where they still wait to come in, else by what the next run that reads everybody proposes.',
    needs: ['changes.decide', 'users.write'],
    input: EndAdjustment,
    status: 200,
    answer: z.object({
      change: z.uuid().nullable().describe('The change that waits now; null: none that is new.'),
    }),
    handle: ({ deps, caller, input }) => takeBackAdjustment(deps, caller, input),
  }),
  route({
    method: 'POST',
    path: '/v1/changes/assignments',
    operation: 'assignChanges',
    summary: 'Say who is to look at changes',
    description: 'Either changes one by one, or all that wait and that a filter names. It decides nothing.',
    needs: 'changes.decide',
    input: AssignmentRequest,
    status: 200,
    answer: z.object({ assigned: z.number().int().describe('Those that were not assigned so before.') }),
    handle: ({ deps, caller, input }) => assignChanges(deps, caller, input),
  }),
  route({
    method: 'POST',
    path: '/v1/changes/{change}/comments',
    operation: 'commentOnChange',
    summary: 'Say something about a change',
    needs: 'changes.decide',
    input: NewComment,
    status: 201,
    answer: Comment,
    handle: ({ deps, caller, input }) => commentOnChange(deps, caller, input),
  }),
  route({
    method: 'GET',
    path: '/v1/changes/{change}/comments',
    operation: 'listComments',
    summary: 'List what was said about a change',
    description:
      'Oldest first, with what was said about earlier changes of the same person in the connection.',
    needs: 'changes.read',
    input: ListComments,
    status: 200,
    answer: pageOf(Comment),
    handle: ({ deps, caller, input }) => listComments(deps, caller, input),
  }),
];

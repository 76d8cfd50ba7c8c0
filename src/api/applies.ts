/** Applies, as they are and were, and what is done about them. They are started from their connection. */
import { z } from 'zod';
import { APPLY_STATES, type HaltReason, haltReasons } from '../domain/apply.ts';
import {
  cancelApply,
  getApply,
  ListAppliedChanges,
  ListApplies,
  listAppliedChanges,
  listApplies,
  pauseApply,
  ResumeApply,
  resumeApply,
  StopApply,
} from '../review/applies.ts';
import { Change } from './changes.ts';
import { handOver } from './handOver.ts';
import { pageOf } from './page.ts';
import { route } from './route.ts';

const count = z.number().int();
const moment = z.iso.datetime();

const Apply = z
  .object({
    id: z.uuid(),
    connection: z.uuid(),
    tenant: z.uuid(),
    state: z.enum(APPLY_STATES).describe('waiting: for its time. paused: nothing begins until it goes on.'),
    actions: z.array(z.string()).describe('What is allowed now.'),
    by: z.string().describe('Name of the principal who started it; of one that a policy started: policy.'),
    total: count.describe('Changes to be carried out.'),
    done: count.describe('Those that have their outcome.'),
    rate: z.number().nullable().describe('Changes a second since it last began; null: not known.'),
    secondsLeft: count.nullable().describe('At that rate; null: not known.'),
    applied: count,
    alreadyApplied: count,
    moved: count.describe('Sent back: the auth user had changed since the plan.'),
    failed: count,
    held: count.describe(
      'By a guard: since the plan, somebody had become the last, or the last seat was taken.',
    ),
    halt: z
      .object({
        because: z.enum(Object.keys(haltReasons) as [HaltReason, ...HaltReason[]]),
        by: z.string().nullable().describe('Who said so; null: nobody did.'),
        reason: z
          .string()
          .nullable()
          .describe(
            'What they said; why it was given up; or, of a pause that keeps the rest back, what was found, with its figures.',
          ),
        at: moment,
      })
      .nullable()
      .describe('Why it waits, is paused, was cancelled or was given up.'),
    explanation: z.string().nullable().describe('`halt` in words.'),
    remedy: z
      .string()
      .nullable()
      .describe('Of one that keeps the rest back until somebody has looked: what to do.'),
    startsAt: moment.nullable().describe('Of one that waits: not before.'),
    resumesAt: moment
      .nullable()
      .describe('Of one that is paused: when it goes on by itself; null: when somebody says so.'),
    despiteFreeze: z
      .string()
      .nullable()
      .describe('Why it goes on in a freeze period, where somebody said that it does.'),
    createdAt: moment,
    finishedAt: moment.nullable(),
  })
  .meta({ id: 'Apply' });

const byId = z.object({ apply: z.uuid() });

export const applies = [
  route({
    method: 'GET',
    path: '/v1/applies',
    operation: 'listApplies',
    summary: 'List applies, newest first',
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
    input: byId,
    status: 200,
    answer: Apply,
    handle: ({ deps, caller, input }) => getApply(deps, caller, input.apply),
  }),
  route({
    method: 'GET',
    path: '/v1/applies/{apply}/changes',
    operation: 'listAppliedChanges',
    summary: 'List what became of each change of an apply, oldest first',
    description:
      'What was sent back, held or failed, and was proposed and applied again since, is among those of the later apply.',
    needs: 'changes.read',
    input: ListAppliedChanges,
    status: 200,
    answer: pageOf(Change),
    handle: ({ deps, caller, input }) => listAppliedChanges(deps, caller, input),
  }),
  route({
    method: 'POST',
    path: '/v1/applies/{apply}/pause',
    operation: 'pauseApply',
    summary: 'Pause an apply',
    description: 'The batches under way are carried out; nothing begins after them until it is resumed.',
    needs: 'changes.apply',
    input: StopApply,
    status: 200,
    answer: Apply,
    handle: ({ deps, caller, input }) => pauseApply(deps, caller, input),
  }),
  route({
    method: 'POST',
    path: '/v1/applies/{apply}/resume',
    operation: 'resumeApply',
    summary: 'Let a paused apply go on',
    needs: 'changes.apply',
    input: ResumeApply,
    status: 202,
    answer: Apply,
    handle: async ({ deps, caller, input }) => {
      const apply = await resumeApply(deps, caller, input);
      await handOver(deps, 'apply', () => deps.enqueueApply({ apply: apply.id }));
      return apply;
    },
  }),
  route({
    method: 'POST',
    path: '/v1/applies/{apply}/cancel',
    operation: 'cancelApply',
    summary: 'Cancel an apply',
    description:
      'What it has done stays done; what it has not done stays approved, and is applied when somebody starts an apply.',
    needs: 'changes.apply',
    input: StopApply,
    status: 200,
    answer: Apply,
    handle: ({ deps, caller, input }) => cancelApply(deps, caller, input),
  }),
];

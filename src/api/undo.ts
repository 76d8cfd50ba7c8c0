/** Taking an apply back. */
import { z } from 'zod';
import { CHANGE_KINDS } from '../domain/change.ts';
import { LEFT_BECAUSE } from '../domain/undo.ts';
import { UndoApply, undoApply } from '../review/undo.ts';
import { route } from './route.ts';

const count = z.number().int();

const ProposedUndo = z
  .object({
    connection: z.uuid(),
    revision: count.describe('Of the change set that has them; send it with a decision about all of them.'),
    proposed: count.describe('Changes that take something back. Each has `undoes`.'),
    kinds: z.partialRecord(z.enum(CHANGE_KINDS), count),
    held: count.describe('Of those proposed: by guards.'),
    takenBack: z
      .array(
        z.object({
          change: z.uuid().describe('Of the apply.'),
          authUser: z.uuid().nullable(),
          externalId: z.string(),
          name: z.string().describe('What to call the person.'),
          kind: z.enum(CHANGE_KINDS).describe('Of the change that takes it back.'),
        }),
      )
      .describe('Up to 500 of those that are proposed, or would be.'),
    left: count.describe('What was left alone, be it in part.'),
    items: z
      .array(
        z.object({
          change: z.uuid().describe('Of the apply.'),
          authUser: z.uuid().nullable(),
          externalId: z.string().nullable(),
          name: z.string().nullable().describe('What to call the person.'),
          because: z.enum(LEFT_BECAUSE),
          what: z
            .array(z.string())
            .describe(
              'What has moved: names of fields, `state`, `tenant`, `role: <name>`; empty: the change as a whole.',
            ),
          proposed: z
            .uuid()
            .nullable()
            .describe('What takes the rest back, or waits to do so; null: nothing of it is taken back.'),
        }),
      )
      .describe('Up to 500 of what was left alone.'),
  })
  .meta({ id: 'ProposedUndo' });

export const undo = [
  route({
    method: 'POST',
    path: '/v1/applies/{apply}/undo',
    operation: 'undoApply',
    summary: 'Propose what takes an apply back',
    description:
      'Whoever was made is deleted, whoever was linked is unlinked, fields, roles, tenant and state go back, as far as they still are as the apply has left them; what has moved since is named and left alone. They wait for a decision like all other changes, and are undone like them.',
    needs: ['changes.apply', 'changes.read'],
    input: UndoApply,
    status: 200,
    answer: ProposedUndo,
    handle: ({ deps, caller, input }) => undoApply(deps, caller, input),
  }),
];

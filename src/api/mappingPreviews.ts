/** What another mapping would change, before it is saved. */
import { z } from 'zod';
import { CHANGE_KINDS } from '../domain/change.ts';
import { MappingPreviewRequest, previewMapping } from '../sync/previewMapping.ts';
import { Change } from './changes.ts';
import { NewRoles } from './roles.ts';
import { route } from './route.ts';
import { RunCounts, UnreadableUsers } from './runs.ts';

const count = z.number().int();

/** Of what is not there yet there is nothing to refer to or to decide. */
const ForeseenChange = Change.omit({
  ...{ id: true, actions: true, decision: true, apply: true, outcome: true, outcomeReason: true },
  ...{ revision: true, createdAt: true },
}).meta({ id: 'ForeseenChange' });

const MappingPreview = z
  .object({
    readAt: z.iso.datetime().describe('When the directory was last read completely.'),
    users: count.describe('Directory users that were looked at.'),
    outOfScope: count.describe('Of these, those for whom the scope of the mapping does not hold.'),
    unreadable: UnreadableUsers.describe('Of whom nothing can be made out: nothing would follow for them.'),
    before: RunCounts.describe('Pending changes as they are.'),
    after: RunCounts.describe('As they would be.'),
    proposed: z
      .partialRecord(z.enum(CHANGE_KINDS), count)
      .describe('Changes that would come, by kind; a kind without any is left out.'),
    withdrawn: count.describe('Pending changes that would go.'),
    roles: z
      .array(z.object({ role: z.string(), gained: count, lost: count }))
      .describe('Of the changes that would come: by how many users each role is gained and lost.'),
    newRoles: NewRoles.describe(
      'Roles that the mapping names and that there are not: they are made when it is saved by somebody who may write roles.',
    ),
    held: z.array(z.string()).describe('What guards would hold changes for.'),
    unreadGroups: z
      .array(z.string())
      .describe(
        'Groups that the mapping reads and the last complete run did not: nothing is supposed of who is in them.',
      ),
    changes: z.array(ForeseenChange).describe('The first hundred that would come.'),
  })
  .meta({ id: 'MappingPreview' });

export const mappingPreviews = [
  route({
    method: 'POST',
    path: '/v1/connections/{connection}/preview',
    operation: 'previewMapping',
    summary: 'See what another mapping would change',
    description:
      'What the next full run would propose by this mapping, if the directory is as it was last read. The provider is not asked, and nothing is kept. Roles that could not be saved are refused as they are then.',
    needs: ['connections.read', 'changes.read'],
    input: MappingPreviewRequest,
    status: 200,
    answer: MappingPreview,
    handle: ({ deps, caller, input }) => previewMapping(deps, caller, input),
  }),
];

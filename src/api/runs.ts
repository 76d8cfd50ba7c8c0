/** Sync runs, as they are and were. They are started from their connection. */
import { z } from 'zod';
import { type Different, differences, type Unknown, unknowns } from '../domain/replan.ts';
import { RUN_STATES } from '../domain/run.ts';
import { replanRun } from '../sync/replan.ts';
import { getRun, listRuns, RunFilter } from '../sync/runs.ts';
import { Finding } from './guards.ts';
import { pageOf } from './page.ts';
import { route } from './route.ts';

const count = z.number().int();
const moment = z.iso.datetime();
const counts = <Name extends string>(names: readonly Name[]) => z.partialRecord(z.enum(names), count);

/** Changes by set; `held` are among the others. */
export const RunCounts = z
  .object({ new: count, changed: count, deleted: count, conflicts: count, held: count })
  .meta({ id: 'RunCounts' });

export const UnreadableUsers = z.array(
  z
    .object({
      problem: z.string(),
      users: count,
      example: z.string().describe('External id of one of them.'),
    })
    .meta({ id: 'UnreadableUsers' }),
);

export const Run = z
  .object({
    id: z.uuid(),
    connection: z.uuid(),
    tenant: z.uuid(),
    kind: z.enum(['full', 'delta', 'targeted']),
    trigger: z.enum(['schedule', 'demand']),
    state: z.enum(RUN_STATES),
    phase: z
      .enum(['groups', 'members', 'users', 'changes', 'look-up'])
      .describe('What is being pulled, or was pulled last.'),
    snapshot: z
      .enum(['complete', 'partial', 'named'])
      .nullable()
      .describe(
        'A partial one proposes no deletion. `named`: only users whom the provider named as changed were read, one by one.',
      ),
    partialReason: z.string().nullable(),
    failure: z
      .object({
        kind: z.string(),
        message: z.string(),
        remedy: z.string(),
        requestId: z
          .string()
          .optional()
          .describe('The provider’s id of the request: what its support asks for.'),
      })
      .nullable(),
    evidence: z
      .object({
        users: count.nullable().describe('How many users the provider counts; null: it does not say.'),
        permissions: z.array(z.string()).nullable().describe('Of the credential, in the provider’s words.'),
      })
      .nullable()
      .describe(
        'What the provider said of itself before a full run; null: it was not asked, or could not be.',
      ),
    domains: z
      .array(z.object({ domain: z.string(), users: count, before: count.nullable() }))
      .describe(
        'Users whom a full run listed, by the domain of their address, beside those of the last complete run before it.',
      ),
    usage: z
      .object({ requests: count, retries: count, throttled: count, waitedMs: z.number(), bytes: count })
      .nullable()
      .describe('What was asked of the provider, by the process that ended the reading.'),
    pages: count,
    groups: count,
    members: count,
    users: count,
    unreadable: count.describe('Records that were not understood: those users stay as they are.'),
    problems: UnreadableUsers.nullable().describe(
      'Why users were unreadable; null before the plan is stored.',
    ),
    counts: RunCounts.nullable().describe('Changes that the run left pending; `held` are among the others.'),
    findings: z
      .array(Finding)
      .nullable()
      .describe('What the guards found when the plan was stored; null before.'),
    missedByDeltas: count
      .nullable()
      .describe(
        'Of a full run: new changes that the deltas before it should have found. null: there was nothing to compare with.',
      ),
    requestedBy: z.string(),
    createdAt: moment,
    startedAt: moment.nullable(),
    finishedAt: moment.nullable(),
  })
  .meta({ id: 'Run' });

const Replanned = z
  .object({
    run: z.uuid(),
    connection: z.uuid(),
    snapshot: z.enum(['complete', 'partial', 'named']),
    ok: z.boolean().describe('Nothing follows otherwise than it is recorded, as far as it can be said.'),
    people: count.describe('Everybody whom the run spoke of.'),
    nothing: count.describe('Of these, those of whom nothing follows and nothing was proposed.'),
    same: z
      .object({ now: count, record: count })
      .describe(
        'Those of whom the same change follows. now: upon the auth user as it is. record: upon the auth user as the change says that it was, which an apply or a person has changed since.',
      ),
    unknown: counts(Object.keys(unknowns) as Unknown[]).describe('Those of whom it cannot be said, by why.'),
    different: count,
    differences: z
      .array(
        z.object({
          externalId: z.string(),
          change: z.uuid().nullable(),
          because: z.enum(Object.keys(differences) as [Different, ...Different[]]),
          says: z.string(),
        }),
      )
      .describe('The first hundred.'),
    digest: z
      .string()
      .describe(
        'SHA-256, hexadecimal, over `EXTERNAL-ID FINGERPRINT` and a line feed for each change that follows, in the order of the ids.',
      ),
  })
  .meta({ id: 'Replanned' });

export const runs = [
  route({
    method: 'GET',
    path: '/v1/runs',
    operation: 'listRuns',
    summary: 'List sync runs, newest first',
    needs: 'runs.read',
    input: RunFilter,
    status: 200,
    answer: pageOf(Run),
    handle: ({ deps, caller, input }) => listRuns(deps, caller, input),
  }),
  route({
    method: 'GET',
    path: '/v1/runs/{run}',
    operation: 'getRun',
    summary: 'Get a sync run',
    needs: 'runs.read',
    input: z.object({ run: z.uuid() }),
    status: 200,
    answer: Run,
    handle: ({ deps, caller, input }) => getRun(deps, caller, input.run),
  }),
  route({
    method: 'GET',
    path: '/v1/runs/{run}/replan',
    operation: 'replanRun',
    summary: 'Make the plan of a finished run again, and say whether the same follows',
    description:
      'From what the run has read and left, by its mapping; nothing is written. Only of the last complete run of a connection, and of the last one that read whom the provider named as changed, is that kept. By the mapping, matching rules and grace period of that time, and by the verified domains and tenants of this moment: of whom these decide, having changed since, it cannot be said.',
    needs: ['runs.read', 'changes.read'],
    input: z.object({ run: z.uuid() }),
    status: 200,
    answer: Replanned,
    handle: ({ deps, caller, input }) => replanRun(deps, caller, input.run),
  }),
];

/** Connections: one tenant's link to one directory, and what is started from it. */
import { z } from 'zod';
import { AUTH_USER_STATES } from '../domain/authUser.ts';
import { CONNECTION_STATES } from '../domain/connection.ts';
import { Provider } from '../domain/directory.ts';
import { HEALTH_STATES } from '../domain/health.ts';
import { Mapping } from '../domain/mapping.ts';
import { Policy } from '../domain/policy.ts';
import { StartApply, startApply } from '../review/apply.ts';
import { getRun, RunRequest, requestRun } from '../sync/runs.ts';
import { ChangedConnection, ListConnections, NewConnection } from '../tenancy/connectionInput.ts';
import {
  CONNECTION_TEST_NEEDS,
  ConnectionTest,
  createConnection,
  getConnection,
  listConnections,
  testConnection,
  updateConnection,
} from '../tenancy/connections.ts';
import { GuardOverride } from './guards.ts';
import { handOver } from './handOver.ts';
import { Moment, pageOf } from './page.ts';
import { NewRoles } from './roles.ts';
import { route } from './route.ts';
import { Run } from './runs.ts';
import { FieldValue } from './users.ts';

const Health = z
  .object({
    state: z
      .enum(HEALTH_STATES)
      .describe(
        'degraded: the last run failed or read only part. quarantined: runs have failed repeatedly, and those by schedule are spaced; one on demand may start, and the first that finishes ends it. silent: runs were due, and none has ended.',
      ),
    since: Moment.nullable(),
    because: z.string().nullable().describe('null while it is active.'),
    who: z
      .enum(['nobody', 'administrator', 'us'])
      .nullable()
      .describe(
        'Who has to act: nobody, because it passes by itself; an administrator of the tenant; or whoever runs Rollcall.',
      ),
    remedy: z.string().nullable(),
    nextScheduledAt: Moment.nullable().describe('When a run starts next by itself; null: none does.'),
    missedByDeltas: z
      .number()
      .int()
      .describe('Changes of the last seven days that deltas should have found and only full runs did.'),
  })
  .meta({ id: 'ConnectionHealth' });

const Connection = z
  .object({
    id: z.uuid(),
    tenant: z.uuid(),
    name: z.string(),
    provider: Provider,
    settings: z.unknown().describe('In the provider’s words.'),
    network: z
      .object({
        baseUrl: z.string().nullable(),
        ca: z.string().nullable(),
        proxy: z.string().nullable(),
        share: z
          .number()
          .optional()
          .describe(
            'Of the provider’s rate limits, what this connection may use; a half where it is missing.',
          ),
      })
      .describe('The proxy without user and password.'),
    mapping: Mapping,
    policy: Policy,
    schedule: z.string().nullable().describe('Cron expression in `timeZone`; null: only on demand.'),
    timeZone: z.string(),
    state: z.enum(CONNECTION_STATES),
    issuer: z
      .string()
      .nullable()
      .describe('`iss` of the tokens that the directory’s users sign in with; null: not known.'),
    changeRevision: z.number().int().describe('Of the change set: grows with every plan that alters it.'),
    accessVersion: z
      .number()
      .int()
      .describe(
        'Grows when settings, credentials or network change (but for the share): another part of the directory may then be visible.',
      ),
    version: z.number().int(),
    health: Health.describe('From the runs that are recorded.'),
    credentialExpiresAt: Moment.nullable().describe(
      'When the credential ends, of which people are told a month before; null: it does not say, as secrets and tokens do not.',
    ),
    overrides: z.array(GuardOverride).describe('Of guards that let more through for a time.'),
    createdAt: Moment,
  })
  .meta({ id: 'Connection' });

const SavedConnection = Connection.extend({
  newRoles: NewRoles.describe('Roles that the mapping names and that were not there: they were made now.'),
}).meta({ id: 'SavedConnection' });

const UnreadableConnection = z
  .object({
    id: z.uuid(),
    tenant: z.uuid(),
    name: z.string(),
    provider: z.string(),
    state: z.literal('unreadable'),
    problem: z.string().describe('Which parts of the stored configuration are not what they should be.'),
    health: z.null(),
    createdAt: Moment,
  })
  .meta({ id: 'UnreadableConnection' });

const CheckStep = z
  .object({
    step: z.enum(['reach', 'credential', 'permission', 'users', 'groups', 'members', 'look-up', 'changes']),
    ok: z.boolean(),
    optional: z.literal(true).optional().describe('A full pull works without it.'),
    detail: z.string(),
    remedy: z.string().optional().describe('Who has to do what, where the step failed.'),
  })
  .meta({ id: 'CheckStep' });

const Preview = z
  .object({
    sample: z
      .array(
        z.object({
          externalId: z.string(),
          state: z.enum(AUTH_USER_STATES),
          fields: z.record(z.string(), FieldValue),
          roles: z.array(z.string()),
          tenant: z
            .string()
            .nullable()
            .describe('Names below the connection’s tenant, joined by slashes; null: that tenant itself.'),
        }),
      )
      .describe('Up to five users as they would be mapped.'),
    tree: z
      .array(
        z.object({
          tenant: z.string().nullable(),
          is: z
            .enum(['there', 'made', 'missing', 'closed'])
            .describe(
              'made: missing, and made when it is applied. missing, or closed because it is to be deleted: whoever belongs there waits for a person.',
            ),
          people: z.number().int(),
          roles: z.array(z.object({ role: z.string(), people: z.number().int() })),
        }),
      )
      .describe(
        'What the mapping makes of the active of `peopleInTree`, each tenant behind the one above it.',
      ),
    peopleInTree: z.number().int(),
    groupRolesShown: z.boolean().describe('Whether `roles` has those that follow from groups too.'),
    users: z.number().int().nullable().describe('How many users a full pull would name; null: unknown.'),
    seconds: z
      .number()
      .int()
      .nullable()
      .describe('Of a full pull at the pace of the first pages; null: unknown.'),
    newRoles: NewRoles.describe('Roles that `mapping` names and that there are not: saving it makes them.'),
    shortcomings: z.array(z.object({ what: z.string(), why: z.string() })).describe('What will not work.'),
  })
  .meta({ id: 'ConnectionPreview' });

const byId = z.object({ connection: z.uuid() });

const configured = [
  route({
    method: 'GET',
    path: '/v1/connections',
    operation: 'listConnections',
    summary: 'List connections',
    description: 'One whose stored configuration cannot be read says so; all others work as ever.',
    needs: 'connections.read',
    input: ListConnections,
    status: 200,
    answer: pageOf(z.union([Connection, UnreadableConnection])),
    handle: ({ deps, caller, input }) => listConnections(deps, caller, input),
  }),
  route({
    method: 'POST',
    path: '/v1/connections',
    operation: 'createConnection',
    summary: 'Create a connection',
    description:
      'Credentials go in and never come out again. What belongs into settings and credentials is in /v1/providers. Roles that the mapping names are made where they are missing and the caller may write roles; a mapping that makes tenants needs `tenants.write` too.',
    needs: 'connections.write',
    input: NewConnection,
    status: 201,
    answer: SavedConnection,
    location: ({ id }) => `/v1/connections/${id}`,
    handle: ({ deps, caller, input }) => createConnection(deps, caller, input),
  }),
  route({
    method: 'GET',
    path: '/v1/connections/{connection}',
    operation: 'getConnection',
    summary: 'Get a connection',
    needs: 'connections.read',
    input: byId,
    status: 200,
    answer: z.union([Connection, UnreadableConnection]),
    handle: ({ deps, caller, input }) => getConnection(deps, caller, input.connection),
  }),
  route({
    method: 'PATCH',
    path: '/v1/connections/{connection}',
    operation: 'updateConnection',
    summary: 'Change a connection',
    description:
      'Only what is sent changes, each part as a whole. Credentials have to be sent again with settings or a network that would send them elsewhere. A mapping that makes tenants needs `tenants.write` too.',
    needs: 'connections.write',
    input: ChangedConnection,
    status: 200,
    answer: SavedConnection,
    handle: ({ deps, caller, input }) => updateConnection(deps, caller, input),
  }),
];

const started = [
  route({
    method: 'POST',
    path: '/v1/connections/{connection}/test',
    operation: 'testConnection',
    summary: 'Try what a pull needs',
    description:
      'Reads a little from the directory and changes nothing. A step that fails may end the list. Where a full pull would work, `preview` shows what it would bring; with `mapping`, what it would by that one.',
    needs: CONNECTION_TEST_NEEDS,
    input: ConnectionTest,
    status: 200,
    answer: z.object({
      ok: z.boolean().describe('A full pull would work.'),
      steps: z.array(CheckStep),
      preview: Preview.nullable(),
    }),
    handle: async ({ deps, caller, input, signal }) => {
      const steps: z.input<typeof CheckStep>[] = [];
      const test = testConnection(deps, caller, input, signal);
      for (;;) {
        const { done, value } = await test.next();
        if (done) return { ok: value !== null, steps, preview: value };
        steps.push(value);
      }
    },
  }),
  route({
    method: 'POST',
    path: '/v1/connections/{connection}/runs',
    operation: 'requestRun',
    summary: 'Start a sync run',
    description: 'Where one waits already, that one is given.',
    needs: 'runs.start',
    input: RunRequest,
    status: 202,
    answer: z.object({ run: Run, already: z.boolean().describe('It was waiting before.') }),
    location: ({ run }) => `/v1/runs/${run.id}`,
    handle: async ({ deps, caller, input }) => {
      const { run: id, already } = await requestRun(deps, caller, input);
      const run = await getRun(deps, caller, id);
      await handOver(deps, 'run', () =>
        deps.enqueueRun({ run: id, connection: run.connection, tenant: run.tenant }),
      );
      return { run, already };
    },
  }),
  route({
    method: 'POST',
    path: '/v1/connections/{connection}/applies',
    operation: 'startApply',
    summary: 'Apply what was approved',
    description:
      'At once, whatever the policy says of when applies begin by themselves; what waited for its time comes with it. In two parts where the policy says so.',
    needs: 'changes.apply',
    input: StartApply,
    status: 202,
    answer: z.object({ apply: z.uuid(), total: z.number().int().describe('Changes to be carried out.') }),
    location: ({ apply }) => `/v1/applies/${apply}`,
    handle: async ({ deps, caller, input }) => {
      const started = await startApply(deps, caller, input);
      await handOver(deps, 'apply', () => deps.enqueueApply(started));
      return started;
    },
  }),
];

export const connections = [...configured, ...started];

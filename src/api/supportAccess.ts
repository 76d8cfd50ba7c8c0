/** Support access: who from above was let into a tenant, why, until when, and what they may. */
import { z } from 'zod';
import { ACTOR_KINDS } from '../domain/audit.ts';
import { allowedIn, SUPPORT_STATES, type SupportVerb } from '../domain/supportAccess.ts';
import {
  endSupport,
  getSupport,
  grantSupport,
  inviteSupport,
  ListSupport,
  listSupport,
  refuseSupport,
  requestSupport,
  type ShownAccess,
  SupportGrant,
  SupportInvitation,
  SupportRequest,
} from '../tenancy/supportAccess.ts';
import { Moment, pageOf } from './page.ts';
import { route } from './route.ts';

const Somebody = z.object({ kind: z.enum(ACTOR_KINDS), id: z.string().nullable(), name: z.string() });

const SupportAccess = z
  .object({
    id: z.uuid().describe('What a request names in the header `rollcall-support-access`.'),
    tenant: z.uuid().describe('With all tenants below it.'),
    principal: z.uuid().describe('Whose access it is.'),
    name: z.string().describe('What that principal is called.'),
    state: z.enum(SUPPORT_STATES),
    mayWrite: z.boolean().describe('false: to look only.'),
    reason: z.string(),
    minutes: z.number().int(),
    requestedAt: Moment,
    decidedBy: Somebody.nullable().describe('Who granted or refused it; null: nobody yet.'),
    decidedAt: Moment.nullable(),
    expiresAt: Moment.nullable().describe('When it ends by itself; null: it was never granted.'),
    endedBy: Somebody.nullable().describe('null where it has ended: its time was up.'),
    endedAt: Moment.nullable(),
    actions: z
      .array(z.enum(Object.keys(allowedIn) as [SupportVerb, ...SupportVerb[]]))
      .describe('What the caller may do with it now.'),
    audit: z.string().describe('Where everything that was done during it is listed.'),
  })
  .meta({ id: 'SupportAccess' });

const One = z.object({ supportAccess: z.uuid() });

function withAudit(access: ShownAccess) {
  return { ...access, audit: `/v1/audit?tenant=${access.tenant}&supportAccess=${access.id}` };
}

export const supportAccess = [
  route({
    method: 'GET',
    path: '/v1/support-accesses',
    operation: 'listSupportAccesses',
    summary: 'List support accesses',
    description: 'The oldest first, those that have ended among them. Support people see their own.',
    needs: 'support.read',
    input: ListSupport,
    status: 200,
    answer: pageOf(SupportAccess),
    handle: async ({ deps, caller, input }) => {
      const { items, next } = await listSupport(deps, caller, input);
      return { items: items.map(withAudit), next };
    },
  }),
  route({
    method: 'POST',
    path: '/v1/support-accesses',
    operation: 'requestSupportAccess',
    summary: 'Ask to be let into a tenant',
    description:
      'An administrator of the tenant, or of one above it, grants or refuses it. The reason is shown to the tenant.',
    needs: 'support.request',
    input: SupportRequest,
    status: 201,
    answer: SupportAccess,
    handle: async ({ deps, caller, input }) => withAudit(await requestSupport(deps, caller, input)),
    location: ({ id }) => `/v1/support-accesses/${id}`,
  }),
  route({
    method: 'POST',
    path: '/v1/support-accesses/invitations',
    operation: 'inviteSupport',
    summary: 'Let somebody from support in who has not asked',
    description:
      '`principal` is the id that the support person has told, as `GET /v1/whoami` shows it to them.',
    needs: 'support.decide',
    input: SupportInvitation,
    status: 201,
    answer: SupportAccess,
    handle: async ({ deps, caller, input }) => withAudit(await inviteSupport(deps, caller, input)),
    location: ({ id }) => `/v1/support-accesses/${id}`,
  }),
  route({
    method: 'GET',
    path: '/v1/support-accesses/{supportAccess}',
    operation: 'getSupportAccess',
    summary: 'Get a support access',
    needs: 'support.read',
    input: One,
    status: 200,
    answer: SupportAccess,
    handle: async ({ deps, caller, input }) => withAudit(await getSupport(deps, caller, input.supportAccess)),
  }),
  route({
    method: 'POST',
    path: '/v1/support-accesses/{supportAccess}/grant',
    operation: 'grantSupportAccess',
    summary: 'Grant a support access that was asked for',
    description: 'From now on, for as long as was asked for or shorter; nobody grants their own.',
    needs: 'support.decide',
    input: SupportGrant,
    status: 200,
    answer: SupportAccess,
    handle: async ({ deps, caller, input }) => withAudit(await grantSupport(deps, caller, input)),
  }),
  route({
    method: 'POST',
    path: '/v1/support-accesses/{supportAccess}/refuse',
    operation: 'refuseSupportAccess',
    summary: 'Refuse a support access that was asked for',
    needs: 'support.decide',
    input: One,
    status: 200,
    answer: SupportAccess,
    handle: async ({ deps, caller, input }) =>
      withAudit(await refuseSupport(deps, caller, input.supportAccess)),
  }),
  route({
    method: 'POST',
    path: '/v1/support-accesses/{supportAccess}/end',
    operation: 'endSupportAccess',
    summary: 'End a support access at once',
    description:
      'Requests that name it are refused from then on. What was not granted yet is taken back. Again changes nothing.',
    needs: 'support.end',
    input: One,
    status: 200,
    answer: SupportAccess,
    handle: async ({ deps, caller, input }) => withAudit(await endSupport(deps, caller, input.supportAccess)),
  }),
];

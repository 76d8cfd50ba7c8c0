/** Tenants, what becomes of them, and the domains that they are known to own. */
import { z } from 'zod';
import { TENANT_KINDS, TENANT_STATES } from '../domain/tenant.ts';
import {
  DeletedTenant,
  deleteTenant,
  keepTenant,
  MovedTenant,
  moveTenant,
  resumeTenant,
  suspendTenant,
} from '../tenancy/tenantLife.ts';
import {
  ChangedTenant,
  createTenant,
  describeTenant,
  ListTenants,
  listDomains,
  listTenants,
  NewTenant,
  unverifyDomain,
  updateTenant,
  VerifiedDomain,
  verifyDomain,
} from '../tenancy/tenants.ts';
import { Moment, pageOf } from './page.ts';
import { route } from './route.ts';

const Tenant = z
  .object({
    id: z.uuid(),
    parent: z.uuid().nullable().describe('null for the caller’s own tenant.'),
    name: z.string(),
    path: z.array(z.uuid()).describe('From the caller’s own tenant down to this one, both included.'),
    dataKey: z
      .string()
      .describe(
        'The keys of all tenants below begin with it: filter rows that carry the key of theirs by it.',
      ),
    state: z.enum(TENANT_STATES).describe('Its own; one above may be suspended all the same.'),
    kind: z
      .enum(TENANT_KINDS)
      .describe('individual: 0 or 1 user. organisation: 2 or more. enterprise: a connection of its own.'),
    inheritsRoles: z.boolean().describe('Whether roles that are held in tenants above hold here and below.'),
    plan: z.uuid().nullable().describe('The product plan that is set here.'),
    effectivePlan: z
      .uuid()
      .nullable()
      .describe('Its own, or that of the nearest tenant above; null: nothing is limited.'),
    deleteAt: Moment.nullable().describe('When its scheduled deletion is due, or when it was deleted.'),
    version: z.number().int(),
    createdAt: Moment,
  })
  .meta({ id: 'Tenant' });

const TenantDetails = Tenant.extend({
  children: pageOf(Tenant).describe('The first page of `GET /v1/tenants?parent=…`.'),
  descendants: z
    .object({ individual: z.number().int(), organisation: z.number().int(), enterprise: z.number().int() })
    .describe('All tenants below, at any depth, by kind.'),
}).meta({ id: 'TenantDetails' });

const TenantDomain = z
  .object({ tenant: z.uuid(), domain: z.string(), verifiedAt: Moment, verifiedBy: z.string() })
  .meta({ id: 'TenantDomain' });

const byId = z.object({ tenant: z.uuid() });

const known = [
  route({
    method: 'GET',
    path: '/v1/tenants',
    operation: 'listTenants',
    summary: 'List tenants',
    needs: 'tenants.read',
    input: ListTenants,
    status: 200,
    answer: pageOf(Tenant),
    handle: ({ deps, caller, input }) => listTenants(deps, caller, input),
  }),
  route({
    method: 'POST',
    path: '/v1/tenants',
    operation: 'createTenant',
    summary: 'Create a tenant',
    needs: 'tenants.write',
    input: NewTenant,
    status: 201,
    answer: Tenant,
    location: ({ id }) => `/v1/tenants/${id}`,
    handle: ({ deps, caller, input }) => createTenant(deps, caller, input),
  }),
  route({
    method: 'GET',
    path: '/v1/tenants/{tenant}',
    operation: 'describeTenant',
    summary: 'Get a tenant, with its children and what is below it',
    needs: 'tenants.read',
    input: byId,
    status: 200,
    answer: TenantDetails,
    handle: ({ deps, caller, input }) => describeTenant(deps, caller, input.tenant),
  }),
  route({
    method: 'PATCH',
    path: '/v1/tenants/{tenant}',
    operation: 'updateTenant',
    summary: 'Change a tenant’s name, whether it inherits roles, or its product plan',
    description: 'What is left out stays. Only the role system may set a product plan.',
    needs: ['tenants.write', 'tenants.read'],
    input: ChangedTenant,
    status: 200,
    answer: Tenant,
    handle: ({ deps, caller, input }) => updateTenant(deps, caller, input),
  }),
];

const life = [
  route({
    method: 'POST',
    path: '/v1/tenants/{tenant}/move',
    operation: 'moveTenant',
    summary: 'Move a tenant, with all below it, to another parent',
    description:
      'Path and data key follow for the whole subtree. Roles that people of a tenant that is not above any more were given in it by hand, support accesses and sign-ins that came from there end. Only the role system moves one to where another product plan counts.',
    needs: ['tenants.write', 'tenants.read'],
    input: MovedTenant,
    status: 200,
    answer: Tenant,
    handle: ({ deps, caller, input }) => moveTenant(deps, caller, input),
  }),
  route({
    method: 'POST',
    path: '/v1/tenants/{tenant}/suspend',
    operation: 'suspendTenant',
    summary: 'Suspend a tenant and all below it',
    description:
      'No run and no apply begins, nobody in it is authorised for anything, its keys open nothing.',
    needs: ['tenants.write', 'tenants.read'],
    input: byId,
    status: 200,
    answer: Tenant,
    handle: ({ deps, caller, input }) => suspendTenant(deps, caller, input.tenant),
  }),
  route({
    method: 'POST',
    path: '/v1/tenants/{tenant}/resume',
    operation: 'resumeTenant',
    summary: 'Resume a suspended tenant',
    needs: ['tenants.write', 'tenants.read'],
    input: byId,
    status: 200,
    answer: Tenant,
    handle: ({ deps, caller, input }) => resumeTenant(deps, caller, input.tenant),
  }),
  route({
    method: 'DELETE',
    path: '/v1/tenants/{tenant}',
    operation: 'deleteTenant',
    summary: 'Delete a tenant that nothing uses, or schedule its deletion',
    description:
      'With `at` it is suspended until then, and goes with all that it holds and all below it. Its audit log stays.',
    needs: ['tenants.write', 'tenants.read'],
    input: DeletedTenant,
    status: 200,
    answer: Tenant,
    handle: ({ deps, caller, input }) => deleteTenant(deps, caller, input),
  }),
  route({
    method: 'POST',
    path: '/v1/tenants/{tenant}/keep',
    operation: 'keepTenant',
    summary: 'Call the scheduled deletion of a tenant off',
    description: 'It is what it was before. Not once the deletion is due.',
    needs: ['tenants.write', 'tenants.read'],
    input: byId,
    status: 200,
    answer: Tenant,
    handle: ({ deps, caller, input }) => keepTenant(deps, caller, input.tenant),
  }),
];

const domains = [
  route({
    method: 'GET',
    path: '/v1/tenants/{tenant}/domains',
    operation: 'listDomains',
    summary: 'List the verified domains of a tenant',
    needs: 'tenants.read',
    input: byId,
    status: 200,
    answer: z.object({ items: z.array(TenantDomain) }),
    handle: async ({ deps, caller, input }) => ({ items: await listDomains(deps, caller, input.tenant) }),
  }),
  route({
    method: 'POST',
    path: '/v1/tenants/{tenant}/domains',
    operation: 'verifyDomain',
    summary: 'Record that a tenant owns a domain',
    description:
      'Addresses in this domain may from now on be matched with stored auth users. Only the role system may say so.',
    needs: 'tenants.write',
    input: VerifiedDomain,
    status: 201,
    answer: TenantDomain,
    handle: ({ deps, caller, input }) => verifyDomain(deps, caller, input),
  }),
  route({
    method: 'DELETE',
    path: '/v1/tenants/{tenant}/domains/{domain}',
    operation: 'unverifyDomain',
    summary: 'Take back that a tenant owns a domain',
    description:
      'Of a domain that was recorded by hand; a claim that its record proves is withdrawn by itself. Nobody who was linked by it is unlinked. Only the role system may do so.',
    needs: 'tenants.write',
    input: VerifiedDomain,
    status: 204,
    handle: ({ deps, caller, input }) => unverifyDomain(deps, caller, input),
  }),
];

export const tenants = [...known, ...life, ...domains];

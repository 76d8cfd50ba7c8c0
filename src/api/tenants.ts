/** Tenants and the domains that they are known to own. */
import { z } from 'zod';
import {
  createTenant,
  getTenant,
  ListTenants,
  listDomains,
  listTenants,
  NewTenant,
  RenamedTenant,
  renameTenant,
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
    version: z.number().int(),
    createdAt: Moment,
  })
  .meta({ id: 'Tenant' });

const TenantDomain = z
  .object({ tenant: z.uuid(), domain: z.string(), verifiedAt: Moment, verifiedBy: z.string() })
  .meta({ id: 'TenantDomain' });

const byId = z.object({ tenant: z.uuid() });

export const tenants = [
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
    operation: 'getTenant',
    summary: 'Get a tenant',
    needs: 'tenants.read',
    input: byId,
    status: 200,
    answer: Tenant,
    handle: ({ deps, caller, input }) => getTenant(deps, caller, input.tenant),
  }),
  route({
    method: 'PATCH',
    path: '/v1/tenants/{tenant}',
    operation: 'renameTenant',
    summary: 'Rename a tenant',
    needs: 'tenants.write',
    input: RenamedTenant,
    status: 200,
    answer: Tenant,
    handle: ({ deps, caller, input }) => renameTenant(deps, caller, input),
  }),
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
];

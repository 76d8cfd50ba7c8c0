/** Domains that a tenant claims, and the records that prove them. */
import { z } from 'zod';
import { CLAIM_STATES } from '../domain/domainClaim.ts';
import {
  checkDomainClaim,
  claimDomain,
  getDomainClaim,
  listDomainClaims,
  NewDomainClaim,
  withdrawDomainClaim,
} from '../tenancy/domainClaims.ts';
import { Moment } from './page.ts';
import { route } from './route.ts';

const DomainClaim = z
  .object({
    id: z.uuid(),
    tenant: z.uuid(),
    domain: z.string(),
    record: z
      .object({ name: z.string(), type: z.literal('TXT'), value: z.string() })
      .describe('What to set in the zone of the domain.'),
    state: z
      .enum(CLAIM_STATES)
      .describe('lost: verified, and its record was not seen the last time. Nobody loses anything by it.'),
    checkedAt: Moment.nullable().describe('When the record was last looked for.'),
    foundAt: Moment.nullable().describe('When it was last seen.'),
    problem: z.string().nullable().describe('Why it was not seen the last time.'),
    alsoVerifiedFor: z
      .array(z.uuid())
      .describe('Other tenants, of those that you may see, for which the same domain is verified.'),
    createdAt: Moment,
  })
  .meta({ id: 'DomainClaim' });

const byId = z.object({ domainClaim: z.uuid() });

export const domainClaims = [
  route({
    method: 'GET',
    path: '/v1/tenants/{tenant}/domain-claims',
    operation: 'listDomainClaims',
    summary: 'List the domains that a tenant claims',
    needs: 'tenants.read',
    input: z.object({ tenant: z.uuid() }),
    status: 200,
    answer: z.object({ items: z.array(DomainClaim) }),
    handle: async ({ deps, caller, input }) => ({
      items: await listDomainClaims(deps, caller, input.tenant),
    }),
  }),
  route({
    method: 'POST',
    path: '/v1/tenants/{tenant}/domain-claims',
    operation: 'claimDomain',
    summary: 'Claim a domain for a tenant',
    description:
      'Answers with the TXT record that proves it. Set it in the zone of the domain, then have it checked. Again gives the same record.',
    needs: 'tenants.write',
    input: NewDomainClaim,
    status: 201,
    answer: DomainClaim,
    location: ({ id }) => `/v1/domain-claims/${id}`,
    handle: ({ deps, caller, input }) => claimDomain(deps, caller, input),
  }),
  route({
    method: 'GET',
    path: '/v1/domain-claims/{domainClaim}',
    operation: 'getDomainClaim',
    summary: 'Get the claim of a domain',
    needs: 'tenants.read',
    input: byId,
    status: 200,
    answer: DomainClaim,
    handle: ({ deps, caller, input }) => getDomainClaim(deps, caller, input.domainClaim),
  }),
  route({
    method: 'POST',
    path: '/v1/domain-claims/{domainClaim}/check',
    operation: 'checkDomainClaim',
    summary: 'Look whether the record of a claimed domain is there',
    description:
      'Once it is, the domain is verified: addresses in it may be matched with auth users of the tenant. Otherwise the answer says why not.',
    needs: 'tenants.write',
    input: byId,
    status: 200,
    answer: DomainClaim,
    handle: ({ deps, caller, input }) => checkDomainClaim(deps, caller, input.domainClaim),
  }),
  route({
    method: 'DELETE',
    path: '/v1/domain-claims/{domainClaim}',
    operation: 'withdrawDomainClaim',
    summary: 'Withdraw the claim of a domain',
    description:
      'The domain is not verified by its record any more. Nobody who was linked by it is unlinked.',
    needs: 'tenants.write',
    input: byId,
    status: 204,
    handle: ({ deps, caller, input }) => withdrawDomainClaim(deps, caller, input.domainClaim),
  }),
];

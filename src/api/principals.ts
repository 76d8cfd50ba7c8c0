/** Who may call: principals, their keys, and whoever is asking. */
import { z } from 'zod';
import { ACTIONS, allowedTo, PRINCIPAL_ROLES } from '../domain/permission.ts';
import {
  createKey,
  createPrincipal,
  ListPrincipals,
  listKeys,
  listPrincipals,
  NewKey,
  NewPrincipal,
  revokeKey,
} from '../tenancy/principals.ts';
import { Moment, pageOf } from './page.ts';
import { route } from './route.ts';

const Principal = z
  .object({
    id: z.uuid(),
    tenant: z.uuid(),
    name: z.string(),
    role: z.enum(PRINCIPAL_ROLES),
    createdAt: Moment,
  })
  .meta({ id: 'Principal' });

const ApiKey = z
  .object({
    id: z.uuid(),
    principal: z.uuid(),
    createdAt: Moment,
    expiresAt: Moment.nullable().describe('null: it does not expire.'),
    revokedAt: Moment.nullable().describe('null: it is good until it expires.'),
  })
  .meta({ id: 'ApiKey' });

export const principals = [
  route({
    method: 'GET',
    path: '/v1/principals',
    operation: 'listPrincipals',
    summary: 'List principals',
    needs: 'principals.read',
    input: ListPrincipals,
    status: 200,
    answer: pageOf(Principal),
    handle: ({ deps, caller, input }) => listPrincipals(deps, caller, input),
  }),
  route({
    method: 'POST',
    path: '/v1/principals',
    operation: 'createPrincipal',
    summary: 'Create a principal',
    needs: 'principals.write',
    input: NewPrincipal,
    status: 201,
    answer: Principal,
    handle: ({ deps, caller, input }) => createPrincipal(deps, caller, input),
  }),
  route({
    method: 'POST',
    path: '/v1/principals/{principal}/keys',
    operation: 'createKey',
    summary: 'Make an API key for a principal',
    description: 'The key is shown this once; Rollcall keeps only its hash.',
    needs: 'principals.write',
    input: NewKey,
    status: 201,
    answer: z.object({ id: z.uuid(), key: z.string() }),
    handle: ({ deps, caller, input }) => createKey(deps, caller, input),
  }),
  route({
    method: 'GET',
    path: '/v1/keys',
    operation: 'listKeys',
    summary: 'List API keys',
    description:
      'What was made for whom, oldest first, revoked and expired ones among them; never the keys themselves.',
    needs: 'principals.read',
    input: ListPrincipals,
    status: 200,
    answer: pageOf(ApiKey),
    handle: ({ deps, caller, input }) => listKeys(deps, caller, input),
  }),
  route({
    method: 'DELETE',
    path: '/v1/keys/{key}',
    operation: 'revokeKey',
    summary: 'Revoke an API key',
    description: 'It stops working at once. Again changes nothing.',
    needs: 'principals.write',
    input: z.object({ key: z.uuid() }),
    status: 204,
    handle: ({ deps, caller, input }) => revokeKey(deps, caller, input.key),
  }),
  route({
    method: 'GET',
    path: '/v1/whoami',
    operation: 'whoami',
    summary: 'Whose key this is',
    needs: 'key',
    status: 200,
    answer: z.object({
      principal: z.uuid(),
      name: z.string(),
      tenant: z.uuid(),
      role: z.enum(PRINCIPAL_ROLES),
      permissions: z.array(z.enum(ACTIONS)),
    }),
    handle: async ({ caller }) => ({
      principal: caller.principal,
      name: caller.actor.name,
      tenant: caller.tenant,
      role: caller.role,
      permissions: allowedTo[caller.role],
    }),
  }),
];

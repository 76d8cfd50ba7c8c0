/** Who may call: principals, and whoever is asking. */
import { z } from 'zod';
import { ACTIONS, PRINCIPAL_ROLES } from '../domain/permission.ts';
import {
  createPrincipal,
  disablePrincipal,
  enablePrincipal,
  getPrincipal,
  ListPrincipals,
  listPrincipals,
  NewPrincipal,
} from '../tenancy/principals.ts';
import { accessOf } from './during.ts';
import { Moment, pageOf } from './page.ts';
import { route } from './route.ts';

const Principal = z
  .object({
    id: z.uuid(),
    tenant: z.uuid(),
    name: z.string(),
    role: z.enum(PRINCIPAL_ROLES),
    createdAt: Moment,
    disabledAt: Moment.nullable().describe('null: its keys open what they should, and it may sign in.'),
  })
  .meta({ id: 'Principal' });

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
    method: 'GET',
    path: '/v1/principals/{principal}',
    operation: 'getPrincipal',
    summary: 'Get a principal',
    needs: 'principals.read',
    input: z.object({ principal: z.uuid() }),
    status: 200,
    answer: Principal,
    handle: ({ deps, caller, input }) => getPrincipal(deps, caller, input.principal),
  }),
  route({
    method: 'POST',
    path: '/v1/principals/{principal}/disable',
    operation: 'disablePrincipal',
    summary: 'Disable a principal',
    description:
      'Its keys open nothing from then on, and its sessions have ended. It stays in the audit log, and can be enabled again. Again changes nothing.',
    needs: 'principals.write',
    input: z.object({ principal: z.uuid() }),
    status: 200,
    answer: Principal,
    handle: ({ deps, caller, input }) => disablePrincipal(deps, caller, input.principal),
  }),
  route({
    method: 'POST',
    path: '/v1/principals/{principal}/enable',
    operation: 'enablePrincipal',
    summary: 'Enable a principal again',
    description:
      'Keys that were neither revoked nor have expired open again; sessions do not. Again changes nothing.',
    needs: 'principals.write',
    input: z.object({ principal: z.uuid() }),
    status: 200,
    answer: Principal,
    handle: ({ deps, caller, input }) => enablePrincipal(deps, caller, input.principal),
  }),
  route({
    method: 'GET',
    path: '/v1/whoami',
    operation: 'whoami',
    summary: 'Who is calling, and what they may',
    description:
      'Permissions are what is left of the role’s by a key that was narrowed; during a support access they are the access’s, and the tenant is the one it is for.',
    needs: 'key',
    status: 200,
    answer: z.object({
      principal: z.uuid(),
      name: z.string(),
      tenant: z.uuid(),
      role: z.enum(PRINCIPAL_ROLES),
      permissions: z.array(z.enum(ACTIONS)),
      supportAccess: z.uuid().nullable().describe('The support access that the request names.'),
    }),
    handle: async ({ caller }) => ({
      principal: caller.principal,
      name: caller.actor.name,
      tenant: caller.tenant,
      role: caller.role,
      permissions: caller.permissions,
      supportAccess: accessOf(caller),
    }),
  }),
];

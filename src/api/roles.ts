/** Roles of the application: the same for all tenants. */
import { z } from 'zod';
import { createRole, ListRoles, listRoles, NewRole } from '../tenancy/roles.ts';
import { Moment, pageOf } from './page.ts';
import { route } from './route.ts';

const Role = z
  .object({ id: z.uuid(), name: z.string(), description: z.string(), createdAt: Moment })
  .meta({ id: 'Role' });

export const roles = [
  route({
    method: 'GET',
    path: '/v1/roles',
    operation: 'listRoles',
    summary: 'List roles',
    needs: 'roles.read',
    input: ListRoles,
    status: 200,
    answer: pageOf(Role),
    handle: ({ deps, caller, input }) => listRoles(deps, caller, input),
  }),
  route({
    method: 'POST',
    path: '/v1/roles',
    operation: 'createRole',
    summary: 'Create a role',
    needs: 'roles.write',
    input: NewRole,
    status: 201,
    answer: Role,
    handle: ({ deps, caller, input }) => createRole(deps, caller, input),
  }),
];

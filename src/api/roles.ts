/** Roles of the application: the same for all tenants. */
import { z } from 'zod';
import { ROLE_TYPES } from '../domain/role.ts';
import {
  ChangedRole,
  createRole,
  deleteRole,
  getRole,
  ListRoles,
  listRoles,
  NewRole,
  updateRole,
} from '../tenancy/roles.ts';
import { Moment, pageOf } from './page.ts';
import { route } from './route.ts';

const Role = z
  .object({
    id: z.uuid(),
    name: z.string(),
    description: z.string(),
    type: z
      .enum(ROLE_TYPES)
      .describe(
        'ordinary: by a mapping, or by hand from above all tenants. automatic: of every active user where the product plan has it. assignable: also by hand by a tenant’s administrators. hidden: seen and given from above all tenants only.',
      ),
    permissions: z.array(z.string()).describe('What the application gives a meaning to.'),
    version: z.number().int(),
    createdAt: Moment,
  })
  .meta({ id: 'Role' });

/** Of a mapping: no role is called so. */
export const NewRoles = z.array(
  z.object({
    role: z.string(),
    similar: z
      .array(z.string())
      .describe('Roles that there are of nearly this name, the nearest first: one of them may be meant.'),
  }),
);

/** Roles are named, not numbered: mappings name them too. */
const byName = z.object({ role: z.string() });

export const roles = [
  route({
    method: 'GET',
    path: '/v1/roles',
    operation: 'listRoles',
    summary: 'List roles',
    description: 'Of a tenant those that count there. Hidden roles show to the role system alone.',
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
    location: ({ name }) => `/v1/roles/${encodeURIComponent(name)}`,
    handle: ({ deps, caller, input }) => createRole(deps, caller, input),
  }),
  route({
    method: 'GET',
    path: '/v1/roles/{role}',
    operation: 'getRole',
    summary: 'Get a role by its name',
    needs: 'roles.read',
    input: byName,
    status: 200,
    answer: Role,
    handle: ({ deps, caller, input }) => getRole(deps, caller, input.role),
  }),
  route({
    method: 'PATCH',
    path: '/v1/roles/{role}',
    operation: 'updateRole',
    summary: 'Change a role',
    description: 'Only what is sent changes. It counts at once for everybody who has the role.',
    needs: ['roles.write', 'roles.read'],
    input: ChangedRole,
    status: 200,
    answer: Role,
    handle: ({ deps, caller, input }) => updateRole(deps, caller, input),
  }),
  route({
    method: 'DELETE',
    path: '/v1/roles/{role}',
    operation: 'deleteRole',
    summary: 'Delete a role that nothing uses',
    needs: ['roles.write', 'roles.read'],
    input: byName,
    status: 204,
    handle: ({ deps, caller, input }) => deleteRole(deps, caller, input.role),
  }),
];

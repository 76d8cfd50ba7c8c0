/** Auth users, and the roles that a person gives them by hand. */
import { z } from 'zod';
import { AUTH_USER_STATES } from '../domain/authUser.ts';
import { ROLE_TYPES } from '../domain/role.ts';
import { Grant, grantRole, revokeRole } from '../tenancy/roles.ts';
import { EditedUser, editUser, getUser, ListUsers, listUsers } from '../tenancy/users.ts';
import { Moment, pageOf } from './page.ts';
import { route } from './route.ts';

export const FieldValue = z.union([z.string(), z.number(), z.boolean(), z.array(z.string()), z.null()]);

const userShape = {
  id: z.uuid(),
  tenant: z.uuid(),
  state: z.enum(AUTH_USER_STATES),
  userName: z.string().nullable(),
  email: z.string().nullable(),
  displayName: z.string().nullable(),
  attributes: z.record(z.string(), FieldValue).describe('All other fields, by name.'),
  version: z.number().int(),
  createdAt: Moment,
  updatedAt: Moment,
  purgedAt: Moment.nullable().describe(
    'When all that was personal was removed for good: id, tenant and dates are left; null: it was not.',
  ),
};

const User = z.object(userShape).meta({ id: 'User' });

export const UserDetails = z
  .object({
    ...userShape,
    identities: z
      .array(z.object({ connection: z.uuid(), externalId: z.string(), linkedAt: Moment }))
      .describe('Without those of connections of a tenant above the caller’s.'),
    roles: z
      .array(
        z.object({
          name: z.string(),
          type: z.enum(ROLE_TYPES),
          origin: z.enum(['directory', 'manual']),
          connection: z
            .uuid()
            .nullable()
            .describe('null: given by hand, or by a connection of a tenant above the caller’s.'),
          tenant: z.uuid().describe('Where it is held; it holds below too.'),
          grantedAt: Moment,
        }),
      )
      .describe('The same role may be there from several directories and by hand.'),
  })
  .meta({ id: 'UserDetails' });

const byId = z.object({ user: z.uuid() });

export const users = [
  route({
    method: 'GET',
    path: '/v1/users',
    operation: 'listUsers',
    summary: 'List auth users',
    needs: 'users.read',
    input: ListUsers,
    status: 200,
    answer: pageOf(User),
    handle: ({ deps, caller, input }) => listUsers(deps, caller, input),
  }),
  route({
    method: 'GET',
    path: '/v1/users/{user}',
    operation: 'getUser',
    summary: 'Get an auth user with identities and roles',
    needs: 'users.read',
    input: byId,
    status: 200,
    answer: UserDetails,
    handle: ({ deps, caller, input }) => getUser(deps, caller, input.user),
  }),
  route({
    method: 'PATCH',
    path: '/v1/users/{user}',
    operation: 'editUser',
    summary: 'Edit an auth user by hand',
    description: 'Changes that were computed from the version before this one go back to be planned afresh.',
    needs: ['users.write', 'users.read'],
    input: EditedUser,
    status: 200,
    answer: UserDetails,
    handle: ({ deps, caller, input }) => editUser(deps, caller, input),
  }),
  route({
    method: 'PUT',
    path: '/v1/users/{user}/roles/{role}',
    operation: 'grantRole',
    summary: 'Give an auth user a role by hand',
    description:
      'No sync takes away what was given by hand. In `tenant`, the user’s own or one below it, and what is below that, the role then holds. Again changes nothing.',
    needs: ['users.write', 'users.read'],
    input: Grant,
    status: 200,
    answer: UserDetails,
    handle: ({ deps, caller, input }) => grantRole(deps, caller, input),
  }),
  route({
    method: 'DELETE',
    path: '/v1/users/{user}/roles/{role}',
    operation: 'revokeRole',
    summary: 'Take away a role that was given by hand',
    description: 'What a directory gave stays. Again changes nothing.',
    needs: ['users.write', 'users.read'],
    input: Grant,
    status: 200,
    answer: UserDetails,
    handle: ({ deps, caller, input }) => revokeRole(deps, caller, input),
  }),
];

/** What applications read: who somebody is, and what they may do where. */
import { z } from 'zod';
import { findByIdentity, IdentityQuery } from '../authorization/byIdentity.ts';
import { AuthorizationQuery, readAuthorization } from '../authorization/read.ts';
import { route } from './route.ts';
import { UserDetails } from './users.ts';

const AuthorizationEntry = z
  .object({
    tenant: z.uuid(),
    name: z.string().describe('Of the tenant.'),
    dataKey: z
      .string()
      .describe('The key that the rows of this tenant carry, and the beginning of those below it.'),
    roles: z.array(z.string()).describe('Sorted.'),
    permissions: z.array(z.string()).describe('Of all these roles, sorted.'),
  })
  .meta({ id: 'AuthorizationEntry' });

const Authorization = z
  .object({
    user: z.uuid(),
    tenant: z.uuid().describe('The user’s own.'),
    active: z.boolean().describe('false: the user or the tenant is suspended or deleted, and nothing holds.'),
    version: z.string().describe('Stays as long as all the rest does; the `ETag` too.'),
    entries: z
      .array(AuthorizationEntry)
      .describe('For a row, the entry counts whose data key is the longest that the row’s key begins with.'),
  })
  .meta({ id: 'Authorization' });

export const authorization = [
  route({
    method: 'GET',
    path: '/v1/users/by-identity',
    operation: 'findUserByIdentity',
    summary: 'Find the auth user whom a directory has under an id',
    description:
      'By `issuer` and `subject` of an ID token (with Entra ID the subject is the claim `oid`), or by `provider` and `externalId`. Where several users are meant the answer is a problem `ambiguous`: `connection` then says which.',
    needs: 'users.read',
    input: IdentityQuery,
    status: 200,
    answer: UserDetails,
    handle: ({ deps, caller, input }) => findByIdentity(deps, caller, input),
  }),
  route({
    method: 'GET',
    path: '/v1/users/{user}/authorization',
    operation: 'getAuthorization',
    summary: 'What an auth user may do, and where',
    description:
      'Roles and permissions with what holds by cascade, by product plans and automatically. In tenants below that are not named, holds what holds in the nearest one above that is. With `tenant`: what holds in that one.',
    needs: 'authorization.read',
    confirms: true,
    input: AuthorizationQuery,
    status: 200,
    answer: Authorization,
    version: ({ version }) => version,
    handle: async ({ deps, caller, input, confirm }) => {
      const { authorization, access } = await readAuthorization(deps, caller, input);
      confirm(access);
      return authorization;
    },
  }),
];

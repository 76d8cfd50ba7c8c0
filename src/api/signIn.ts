/** How administrators come in: the providers they sign in with, invitations, recovery codes. */
import { z } from 'zod';
import { invitePrincipal, NewInvitation, withdrawInvitation } from '../signIn/invitations.ts';
import {
  addSignInProvider,
  ChangedSignInProvider,
  ListSignInProviders,
  listSignInProviders,
  NewSignInProvider,
  removeSignInProvider,
  testSignInProvider,
  updateSignInProvider,
} from '../signIn/providers.ts';
import { createRecoveryCodes } from '../signIn/recovery.ts';
import { Moment, pageOf } from './page.ts';
import { route } from './route.ts';

const SignInProvider = z
  .object({
    id: z.uuid(),
    tenant: z.uuid(),
    name: z.string(),
    issuer: z.string(),
    clientId: z.string(),
    hasSecret: z.boolean().describe('false: a public client.'),
    ca: z.string().nullable(),
    redirectUri: z
      .string()
      .nullable()
      .describe('To be registered at the provider, exactly so. null: the server has no public URL.'),
    createdAt: Moment,
  })
  .meta({ id: 'SignInProvider' });

const providers = [
  route({
    method: 'GET',
    path: '/v1/sign-in-providers',
    operation: 'listSignInProviders',
    summary: 'List sign-in providers',
    needs: 'sign-in.read',
    input: ListSignInProviders,
    status: 200,
    answer: pageOf(SignInProvider),
    handle: ({ deps, caller, input }) => listSignInProviders(deps, caller, input),
  }),
  route({
    method: 'POST',
    path: '/v1/sign-in-providers',
    operation: 'addSignInProvider',
    summary: 'Add a sign-in provider',
    description:
      'An OpenID Connect provider for administrators of this tenant and of those below it. It is asked what it says of itself before it is saved. The client secret is never shown again.',
    needs: 'sign-in.write',
    input: NewSignInProvider,
    status: 201,
    answer: SignInProvider,
    handle: ({ deps, caller, input }) => addSignInProvider(deps, caller, input),
  }),
  route({
    method: 'PATCH',
    path: '/v1/sign-in-providers/{signInProvider}',
    operation: 'updateSignInProvider',
    summary: 'Change a sign-in provider',
    description: 'Its name, its client secret, its CA. Issuer and client id stay: logins are bound to them.',
    needs: 'sign-in.write',
    input: ChangedSignInProvider,
    status: 200,
    answer: SignInProvider,
    handle: ({ deps, caller, input }) => updateSignInProvider(deps, caller, input),
  }),
  route({
    method: 'DELETE',
    path: '/v1/sign-in-providers/{signInProvider}',
    operation: 'removeSignInProvider',
    summary: 'Remove a sign-in provider',
    description: 'With the logins that were bound to it; who has one is signed out.',
    needs: 'sign-in.write',
    input: z.object({ signInProvider: z.uuid() }),
    status: 204,
    handle: ({ deps, caller, input }) => removeSignInProvider(deps, caller, input.signInProvider),
  }),
  route({
    method: 'POST',
    path: '/v1/sign-in-providers/{signInProvider}/test',
    operation: 'testSignInProvider',
    summary: 'Test a sign-in provider',
    description: 'Step by step, as far as it goes without a person. `ok` is null where that cannot tell.',
    needs: 'sign-in.write',
    input: z.object({ signInProvider: z.uuid() }),
    status: 200,
    answer: z.object({
      checks: z.array(
        z.object({
          step: z.enum(['discovery', 'keys', 'pkce', 'client', 'redirect']),
          ok: z.boolean().nullable(),
          detail: z.string(),
          remedy: z.string().nullable(),
        }),
      ),
    }),
    handle: async ({ deps, caller, input }) => ({
      checks: await testSignInProvider(deps, caller, input.signInProvider),
    }),
  }),
];

const waysIn = [
  route({
    method: 'POST',
    path: '/v1/principals/{principal}/invitations',
    operation: 'invitePrincipal',
    summary: 'Invite a principal to sign in',
    description:
      'The link is shown this once. Whoever opens it and signs in with a provider of the principal’s tenant, or of one above it, is this principal from then on. An earlier invitation of the principal is worth nothing any more.',
    needs: 'principals.write',
    input: NewInvitation,
    status: 201,
    answer: z.object({ principal: z.uuid(), link: z.string(), expiresAt: Moment }),
    handle: ({ deps, caller, input }) => invitePrincipal(deps, caller, input),
  }),
  route({
    method: 'DELETE',
    path: '/v1/principals/{principal}/invitations',
    operation: 'withdrawInvitation',
    summary: 'Withdraw an invitation',
    description:
      'Where it was used already, the principal stays who they are; disable the principal instead.',
    needs: 'principals.write',
    input: z.object({ principal: z.uuid() }),
    status: 204,
    handle: ({ deps, caller, input }) => withdrawInvitation(deps, caller, input.principal),
  }),
  route({
    method: 'POST',
    path: '/v1/principals/{principal}/recovery-codes',
    operation: 'createRecoveryCodes',
    summary: 'Make new recovery codes',
    description:
      'For a principal with the role system. Shown this once; the earlier ones open nothing any more.',
    needs: 'principals.write',
    input: z.object({ principal: z.uuid() }),
    status: 201,
    answer: z.object({ principal: z.uuid(), codes: z.array(z.string()) }),
    handle: ({ deps, caller, input }) => createRecoveryCodes(deps, caller, input.principal),
  }),
];

export const signIn = [...providers, ...waysIn];

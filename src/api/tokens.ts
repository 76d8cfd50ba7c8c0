/** Signed tokens: of what a user may do, and for machines to call with; and the keys that they are checked by. */
import { z } from 'zod';
import { GrantRequest, grantAccess } from '../authorization/accessToken.ts';
import { createUserToken, NewUserToken } from '../authorization/userToken.ts';
import { Moment } from './page.ts';
import { openRoute, route } from './route.ts';

/** Whoever checks tokens may keep the keys so long: a new one is published a day before it signs. */
const KEYS_KEPT_SECONDS = 300;

export const tokens = [
  route({
    method: 'POST',
    path: '/v1/users/{user}/token',
    operation: 'createUserToken',
    summary: 'Sign what an auth user may do',
    description:
      'A JWT (EdDSA) with `iss`, `sub` (the user), `aud`, `iat`, `exp`, `jti`, `ver` (the version), `tenant` (the user’s own) and `entries`, as the authorization has them. What is too large for one token is asked for with `tenant`.',
    needs: 'tokens.create',
    confirms: true,
    input: NewUserToken,
    status: 200,
    answer: z.object({
      token: z.string(),
      expiresAt: Moment,
      version: z.string().describe('As long as the authorization has it, a new token would say the same.'),
    }),
    handle: async ({ deps, caller, input, confirm }) => {
      const { made, access } = await createUserToken(deps, caller, input);
      confirm(access);
      return made;
    },
  }),
  openRoute({
    method: 'POST',
    path: '/v1/token',
    operation: 'grantAccess',
    summary: 'Exchange an API key for an access token',
    description:
      'OAuth 2.0 client credentials (RFC 6749, section 4.4): the client is a principal, its secret one of its keys. The token is good for ten minutes, as `Authorization: Bearer`, in one tenant and for the permissions of `scope`; revoking the key ends it. Failures are those of OAuth 2.0: `error`, `error_description`.',
    input: GrantRequest,
    form: true,
    answer: z.object({
      access_token: z.string(),
      token_type: z.literal('Bearer'),
      expires_in: z.number().int().describe('Seconds.'),
      scope: z.string(),
    }),
    handle: (deps, input) => grantAccess(deps, input),
  }),
  openRoute({
    path: '/.well-known/jwks.json',
    operation: 'listSigningKeys',
    summary: 'The keys that tokens are checked by',
    answer: z.object({
      keys: z.array(
        z.object({
          kty: z.literal('OKP'),
          crv: z.literal('Ed25519'),
          x: z.string(),
          kid: z.string(),
          use: z.literal('sig'),
          alg: z.literal('EdDSA'),
        }),
      ),
    }),
    keptSeconds: KEYS_KEPT_SECONDS,
    handle: async ({ tokenKeys }) => ({ keys: await tokenKeys.published() }),
  }),
];

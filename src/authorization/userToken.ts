/** What a user may do as a signed token: for applications that check it themselves, or hand it on to others that do. */
import { v7 } from 'uuid';
import { z } from 'zod';
import type { Clock } from '../domain/clock.ts';
import { parseInput } from '../domain/input.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import { LONGEST_TOKEN_LIFE, USUAL_TOKEN_LIFE } from '../domain/signingKey.ts';
import { type AuthorizationDeps, AuthorizationQuery, authorizationFor, tooLarge } from './read.ts';
import type { TokenKeys } from './tokenKeys.ts';

export type TokenDeps = AuthorizationDeps & {
  readonly clock: Clock;
  readonly tokenKeys: TokenKeys;
  /** Where we are reached, without a slash at the end: the issuer of our tokens. null: not known. */
  readonly publicUrl: () => string | null;
};

/** Characters of a token. Headers of more than eight thousand are refused by many servers. */
const LONGEST_TOKEN = 8_000;

export const NewUserToken = AuthorizationQuery.extend({
  /** Who is to take the token, and nobody else: what the application calls itself. */
  audience: z.string().min(1).max(500),
  /** How long it is good. */
  seconds: z.int().min(30).max(LONGEST_TOKEN_LIFE).default(USUAL_TOKEN_LIFE),
});

export type UserToken = {
  readonly token: string;
  readonly expiresAt: Date;
  /** Of the authorization in it: as long as it stays, a new token would say the same. */
  readonly version: string;
};

/**
 * Signed by a key that /.well-known/jwks.json has. Claims: iss, sub (the user), aud, iat, exp, jti, ver (the version), tenant (the
 * user's own), entries (as the authorization has them).
 * Throws `forbidden`, `invalid-input`, `not-found`, `not-allowed-now` for a user who is not active, `answer-too-large`,
 * `bad-configuration` where our own address is not known, `wrong-secret-key`.
 */
export async function createUserToken(
  deps: TokenDeps,
  caller: Caller,
  input: z.input<typeof NewUserToken>,
): Promise<{ readonly made: UserToken; readonly access: string }> {
  authorise(caller, 'tokens.create');
  const { audience, seconds, ...question } = parseInput(NewUserToken, input);
  const issuer = issuerFrom(deps);
  const { authorization, access } = await authorizationFor(deps, caller, question);
  const { user, tenant, active, version, entries } = authorization;
  if (!active) throw notActive();
  const now = Math.floor(deps.clock.now().getTime() / 1_000);
  const token = await deps.tokenKeys.sign('JWT', {
    iss: issuer,
    sub: user,
    aud: audience,
    iat: now,
    exp: now + seconds,
    jti: v7(),
    ver: version,
    tenant,
    entries,
  });
  if (token.length > LONGEST_TOKEN) throw tooLarge();
  return { made: { token, expiresAt: new Date((now + seconds) * 1_000), version }, access };
}

/** Throws `bad-configuration`. */
export function issuerFrom({ publicUrl }: Pick<TokenDeps, 'publicUrl'>): string {
  const url = publicUrl();
  if (url !== null) return url;
  throw new Problem({
    code: 'bad-configuration',
    message: 'No token can be signed: the address that it would name as its issuer is not known.',
    remedy: 'Set ROLLCALL_PUBLIC_URL to the address that applications reach Rollcall at.',
  });
}

function notActive(): Problem {
  return new Problem({
    code: 'not-allowed-now',
    message: 'The user, or their tenant, is not active: there is nothing that a token could say.',
    remedy: 'End what the user is doing in the application; ask again when they are active.',
  });
}

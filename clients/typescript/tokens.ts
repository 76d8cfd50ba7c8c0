/** Tokens: checked by the keys that Rollcall publishes, and got for calling it without sending an API key each time. */
import { createRemoteJWKSet, type JWTVerifyOptions, jwtVerify } from 'jose';
import { type AuthorizationEntry, RollcallProblem } from './client.ts';

/** What a token says of a user. */
export type UserClaims = {
  readonly user: string;
  /** The user's own. */
  readonly tenant: string;
  /** As long as the authorization has it, a new token would say the same. */
  readonly version: string;
  readonly entries: readonly AuthorizationEntry[];
  readonly expiresAt: Date;
};

export type UserTokens = {
  /** Throws an error of `jose` for what is no token of this Rollcall's for this audience, or not any more. */
  verify(token: string): Promise<UserClaims>;
};

/**
 * @param issuer Rollcall's public address (ROLLCALL_PUBLIC_URL)
 * @param url where the keys are fetched from, if that is another address
 * @param audience what the tokens are asked for with
 */
export function userTokens({
  issuer,
  audience,
  url = issuer,
  ...options
}: {
  readonly issuer: string;
  readonly audience: string;
  readonly url?: string;
} & Pick<JWTVerifyOptions, 'clockTolerance' | 'currentDate'>): UserTokens {
  const keys = createRemoteJWKSet(new URL('/.well-known/jwks.json', url));
  return {
    verify: async (token) => {
      const { payload } = await jwtVerify(token, keys, {
        clockTolerance: 5,
        ...options,
        issuer,
        audience,
        typ: 'JWT',
        algorithms: ['EdDSA'],
        requiredClaims: ['sub', 'exp', 'ver', 'tenant', 'entries'],
      });
      return {
        user: payload.sub ?? '',
        tenant: String(payload['tenant']),
        version: String(payload['ver']),
        entries: payload['entries'] as readonly AuthorizationEntry[],
        expiresAt: new Date((payload.exp ?? 0) * 1_000),
      };
    },
  };
}

export type AccessTokenOptions = {
  readonly url: string;
  /** The id of the principal. */
  readonly clientId: string;
  /** One of its API keys. */
  readonly clientSecret: string;
  /** Permissions; all that the key has, if not given. */
  readonly scope?: readonly string[];
  /** That the token is for; that of the key, if not given. */
  readonly tenant?: string;
  readonly fetch?: typeof fetch;
};

/** Seconds before its end at which a token is not sent any more. */
const RENEWED_BEFORE = 60;

/**
 * For `key` of a client: an access token by client credentials (RFC 6749, section 4.4), got again shortly before it ends.
 * Throws `RollcallProblem`.
 */
export function accessTokens({
  fetch: fetching = fetch,
  ...options
}: AccessTokenOptions): () => Promise<string> {
  let held: { readonly token: string; readonly until: number } | null = null;
  let getting: Promise<{ readonly token: string; readonly until: number }> | null = null;
  const get = async () => {
    const { url, clientId, clientSecret, scope, tenant } = options;
    const asked = performance.now();
    const answer = await fetching(new URL('/v1/token', url), {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: clientId,
        client_secret: clientSecret,
        ...(scope === undefined ? {} : { scope: scope.join(' ') }),
        ...(tenant === undefined ? {} : { tenant }),
      }),
    });
    const said = (await answer.json()) as { readonly access_token: string; readonly expires_in: number };
    if (!answer.ok) throw new RollcallProblem(answer.status, said);
    return { token: said.access_token, until: asked + (said.expires_in - RENEWED_BEFORE) * 1_000 };
  };
  return async () => {
    if (held !== null && held.until > performance.now()) return held.token;
    getting ??= get().finally(() => {
      getting = null;
    });
    held = await getting;
    return held.token;
  };
}

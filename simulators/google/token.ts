/** Google's token endpoint for a service account with domain-wide delegation (grant type jwt-bearer). */
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { decodeJwt, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { type ApiRequest, json, type Plain } from '../protocol.ts';
import type { Tokens } from '../tokens.ts';

export type ServiceAccount = {
  readonly clientEmail: string;
  /** PEM. */
  readonly privateKey: string;
  /** The scopes in the admin console's list for this client. */
  readonly authorised: () => readonly string[];
  /** Whether there is such a user, not suspended. */
  readonly canBeImpersonated: (address: string) => boolean;
};

/** A pool that trusts one issuer; whoever it lets in may sign for the service account. */
export type WorkloadIdentity = {
  readonly audience: string;
  readonly issuer: string;
};

const grantType = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const publicTokenUrl = 'https://oauth2.googleapis.com/token';

const refused = (status: 400 | 401, error: string, description: string): Plain =>
  json(status, { error, error_description: description });

export const invalidGrant = (description: string): Plain => refused(400, 'invalid_grant', description);

async function verified(
  account: ServiceAccount,
  assertion: string,
  origin: string,
): Promise<JWTPayload | string> {
  try {
    if (decodeJwt(assertion).iss !== account.clientEmail) return 'Invalid grant: account not found';
    const { payload } = await jwtVerify(assertion, createPublicKey(account.privateKey), {
      issuer: account.clientEmail,
      audience: [publicTokenUrl, `${origin}/token`],
      algorithms: ['RS256'],
      requiredClaims: ['exp', 'iat'],
      clockTolerance: '1m',
    });
    if ((payload.exp ?? 0) - (payload.iat ?? 0) > 3_600) {
      return 'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.';
    }
    return payload;
  } catch {
    return 'Invalid JWT Signature.';
  }
}

/** `POST /token`. A token without `sub` is issued too, but acts for nobody: the API then answers 403. */
export async function issueToken(
  account: ServiceAccount,
  tokens: Tokens,
  request: ApiRequest,
): Promise<Plain> {
  const form = new URLSearchParams(request.body);
  const assertion = form.get('assertion');
  if (form.get('grant_type') !== grantType || assertion === null) {
    return refused(400, 'unsupported_grant_type', `Invalid grant_type: ${form.get('grant_type') ?? ''}`);
  }
  const claims = await verified(account, assertion, request.url.origin);
  if (typeof claims === 'string') return invalidGrant(claims);
  if (claims.sub !== undefined && !account.canBeImpersonated(claims.sub))
    return invalidGrant('Invalid email or User ID');
  const scopes = String(claims['scope'] ?? '')
    .split(' ')
    .filter((scope) => scope !== '');
  if (scopes.length === 0) return refused(400, 'invalid_scope', 'Empty or missing scope not allowed.');
  if (!scopes.every((scope) => account.authorised().includes(scope))) {
    const text =
      'Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested.';
    return refused(401, 'unauthorized_client', text);
  }
  const acting = claims.sub === undefined ? [] : [`as:${claims.sub}`];
  const caller = { permissions: [...scopes, ...acting] };
  const { token, expiresIn } = tokens.issue(caller, (unique) => `ya29.c.${unique}`);
  return json(200, { access_token: token, expires_in: expiresIn, token_type: 'Bearer' });
}

const exchangeType = 'urn:ietf:params:oauth:grant-type:token-exchange';

/** `POST /v1/token` of the Security Token Service: the platform's token, a JWT of the trusted issuer, for one of Google's. */
export async function exchangeToken(
  { audience, issuer }: WorkloadIdentity,
  account: ServiceAccount,
  tokens: Tokens,
  request: ApiRequest,
): Promise<Plain> {
  const form = new URLSearchParams(request.body);
  if (form.get('grant_type') !== exchangeType)
    return refused(400, 'unsupported_grant_type', 'Invalid grant_type.');
  if (form.get('audience') !== audience)
    return refused(
      400,
      'invalid_target',
      'The target service indicated by the "audience" parameters is invalid.',
    );
  try {
    const key = createPublicKey(account.privateKey);
    await jwtVerify(form.get('subject_token') ?? '', key, { issuer, audience, requiredClaims: ['exp'] });
  } catch {
    return refused(400, 'invalid_grant', 'Error connecting to the given credential.');
  }
  const { token, expiresIn } = tokens.issue(
    { permissions: [`sign:${account.clientEmail}`] },
    (unique) => `ya29.d.${unique}`,
  );
  const issued = 'urn:ietf:params:oauth:token-type:access_token';
  return json(200, {
    access_token: token,
    issued_token_type: issued,
    token_type: 'Bearer',
    expires_in: expiresIn,
  });
}

/** `signJwt` of the IAM Service Account Credentials API. */
export async function signJwt(account: ServiceAccount, request: ApiRequest): Promise<Plain | null> {
  if (request.params.get('account') !== `${account.clientEmail}:signJwt`) return null;
  const { payload } = JSON.parse(request.body) as { payload: string };
  const signedJwt = await new SignJWT(JSON.parse(payload) as JWTPayload)
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: 'simulated' })
    .sign(createPrivateKey(account.privateKey));
  return json(200, { keyId: 'simulated', signedJwt });
}

/** Okta's org authorization server for service apps: client credentials, authenticated by private_key_jwt only. */
import { createPublicKey } from 'node:crypto';
import { decodeProtectedHeader, jwtVerify } from 'jose';
import { type ApiRequest, json, type Plain } from '../protocol.ts';
import { type Tokens, unsignedJwt } from '../tokens.ts';
import type { Proof, Proofs } from './dpop.ts';

export type OktaApp = {
  readonly clientId: string;
  readonly keyId: string;
  /** PEM. */
  readonly privateKey: string;
  /** The scopes that a super administrator granted to the app; `DPOP_REQUIRED` among them turns that setting on. */
  readonly granted: () => readonly string[];
};

/** What Okta calls the app's setting "Require Demonstrating Proof of Possession (DPoP) header in token requests". */
export const DPOP_REQUIRED = 'dpop_bound_access_tokens';

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const algorithms = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512'];

const refused = (status: 400 | 401, error: string, description: string): Plain =>
  json(status, { error, error_description: description });

export const invalidClient = (description: string): Plain => refused(401, 'invalid_client', description);

/** Why the assertion is no good, or null. A `jti` may be used once. */
async function problemOf(
  app: OktaApp,
  assertion: string,
  audience: string,
  usedIds: Set<string>,
): Promise<string | null> {
  try {
    if (decodeProtectedHeader(assertion).kid !== app.keyId)
      return 'The client_assertion signature is invalid.';
    const { clientId: issuer, clientId: subject } = app;
    const key = createPublicKey(app.privateKey);
    const options = { issuer, subject, audience, algorithms, requiredClaims: ['exp'], clockTolerance: '1m' };
    const { payload } = await jwtVerify(assertion, key, options);
    if ((payload.exp ?? 0) > Date.now() / 1000 + 3_600)
      return 'The client_assertion token has an expiration too far into the future.';
    if (payload.jti === undefined) return null;
    if (usedIds.has(payload.jti)) return 'The client_assertion token has already been used.';
    usedIds.add(payload.jti);
    return null;
  } catch (error) {
    return `The client_assertion is invalid: ${error instanceof Error ? error.message : String(error)}.`;
  }
}

/** How a token request is turned away whose proof is missing, no good, or without the nonce; null where it may go on. */
function proofWanted(app: OktaApp, proofs: Proofs, request: ApiRequest, proof: Proof | null): Plain | null {
  const isSent = request.headers['dpop'] !== undefined;
  if (!isSent && !app.granted().includes(DPOP_REQUIRED)) return null;
  if (proof === null)
    return refused(400, 'invalid_dpop_proof', 'The DPoP proof JWT header is missing or not valid.');
  if (proof.nonce === proofs.nonce) return null;
  const description = 'Authorization server requires nonce in DPoP proof.';
  const { nonce } = proofs;
  return json(400, { error: 'use_dpop_nonce', error_description: description }, { 'dpop-nonce': nonce });
}

/** `POST /oauth2/v1/token` */
export async function issueToken(
  app: OktaApp,
  tokens: Tokens,
  proofs: Proofs,
  usedIds: Set<string>,
  request: ApiRequest,
): Promise<Plain> {
  const form = new URLSearchParams(request.body);
  if (form.get('grant_type') !== 'client_credentials') {
    return refused(
      400,
      'unsupported_grant_type',
      'The authorization grant type is not supported by the authorization server.',
    );
  }
  const assertion = form.get('client_assertion');
  if (assertion === null || form.get('client_assertion_type') !== assertionType) {
    return invalidClient(
      'Client Credentials requests to the Org Authorization Server must use the private_key_jwt token_endpoint_auth_method.',
    );
  }
  const proof = await proofs.check(request, null);
  const wanted = proofWanted(app, proofs, request, proof);
  if (wanted !== null) return wanted;
  const problem = await problemOf(app, assertion, `${request.url.origin}${request.url.pathname}`, usedIds);
  if (problem !== null) return invalidClient(problem);
  const scopes = (form.get('scope') ?? '').split(' ').filter((scope) => scope !== '');
  const granted = app.granted();
  if (scopes.length === 0 || !scopes.every((scope) => granted.includes(scope))) {
    return refused(
      400,
      'invalid_scope',
      'One or more scopes are not configured for the authorization server resource.',
    );
  }
  const claims = {
    ver: 1,
    iss: request.url.origin,
    aud: request.url.origin,
    cid: app.clientId,
    sub: app.clientId,
    scp: scopes,
  };
  const { token, expiresIn } = tokens.issue({ permissions: scopes }, (unique) => unsignedJwt(claims, unique));
  if (proof !== null) proofs.bind(token, proof.thumbprint);
  const tokenType = proof === null ? 'Bearer' : 'DPoP';
  const body = { token_type: tokenType, expires_in: expiresIn, access_token: token, scope: scopes.join(' ') };
  return json(200, body, { 'cache-control': 'no-cache, no-store' });
}

/**
 * How the service account proves itself to the token endpoint: with an assertion in the administrator's name, signed by its own
 * key, or by Google for it. Source: "Using OAuth 2.0 for Server to Server Applications".
 */
import { createPrivateKey } from 'node:crypto';
import { SignJWT } from 'jose';
import { z } from 'zod';
import { failureOf, parseJson } from '../answer.ts';
import { ConnectorError } from '../contract.ts';
import type { GoogleCredentials } from './credentials.ts';
import type { Send } from './library.ts';
import { type MachineIdentity, signerOver } from './machine.ts';
import { isNotDelegated, tokenRefusal } from './refusals.ts';
import { AccessToken } from './schema.ts';
import type { RequestGrant } from './token.ts';

const TOKEN_URL = 'https://oauth2.googleapis.com/token';
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
/** The longest that Google allows. */
const LIFETIME_S = 3_600;

type Claims = Readonly<Record<string, string | number>>;
/** A JWT with these claims, signed by the service account. */
type Sign = (claims: Claims) => Promise<string>;

/** A token is for all who wait for it: none of them may abort the request. Closing the session does. */
const never = new AbortController().signal;

export function signIn(
  credentials: GoogleCredentials,
  machine: MachineIdentity,
  adminEmail: string,
  send: Send,
): RequestGrant {
  const sign = signerOf(credentials, machine, send);
  return async (scopes) => {
    const iat = Math.floor(Date.now() / 1000);
    const assertion = await sign({
      iss: credentials.clientEmail,
      sub: adminEmail,
      scope: scopes.join(' '),
      aud: TOKEN_URL,
      iat,
      exp: iat + LIFETIME_S,
    });
    const response = await send({
      method: 'POST',
      url: TOKEN_URL,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ grant_type: JWT_BEARER, assertion }).toString(),
      signal: never,
    });
    if (isNotDelegated(response)) return { refusal: tokenRefusal(response) };
    if (response.status !== 200) throw new ConnectorError(tokenRefusal(response));
    const token = AccessToken.safeParse(parseJson(response));
    if (token.success) {
      const { access_token, expires_in, scope } = token.data;
      return { token: access_token, lastsMs: expires_in * 1000, scopes: scope?.split(' ') ?? scopes };
    }
    const message = `The answer of Google's token endpoint holds no token: ${z.prettifyError(token.error)}`;
    throw new ConnectorError(failureOf(response, { kind: 'unexpected-response', message }));
  };
}

function signerOf(credentials: GoogleCredentials, machine: MachineIdentity, send: Send): Sign {
  if (credentials.kind === 'workload-identity') return signerOver(credentials, machine, send, never);
  const key = createPrivateKey(credentials.privateKey);
  return (claims) => new SignJWT({ ...claims }).setProtectedHeader({ alg: 'RS256', typ: 'JWT' }).sign(key);
}

/** The token endpoint of a simulated SCIM service: client credentials, in the header or in the body (RFC 6749, section 2.3.1). */
import type { ApiRequest, Plain } from '../protocol.ts';
import { json } from '../protocol.ts';
import type { Tokens } from '../tokens.ts';
import { tokenError } from './answers.ts';

export type ScimClient = {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly granted: () => readonly string[];
};

/** The user name and password of an Authorization header; null where it holds none. */
export function basicOf(authorization: string | undefined): { user: string; password: string } | null {
  const [scheme = '', value = ''] = (authorization ?? '').split(' ');
  if (scheme.toLowerCase() !== 'basic') return null;
  const [user = '', ...password] = Buffer.from(value, 'base64').toString('utf8').split(':');
  return { user, password: password.join(':') };
}

const decoded = (text: string): string => new URLSearchParams(`=${text}`).get('') ?? '';

export function issueToken(client: ScimClient, tokens: Tokens, request: ApiRequest): Plain {
  const form = new URLSearchParams(request.body);
  const basic = basicOf(request.headers.authorization);
  const id = basic === null ? form.get('client_id') : decoded(basic.user);
  const secret = basic === null ? form.get('client_secret') : decoded(basic.password);
  if (id !== client.clientId || secret !== client.clientSecret) {
    return tokenError('invalid_client', 'Client authentication failed.');
  }
  if (form.get('grant_type') !== 'client_credentials') {
    return tokenError('unsupported_grant_type', 'Only client_credentials is supported.');
  }
  const asked = form.get('scope')?.split(' ') ?? client.granted();
  if (!asked.every((scope) => client.granted().includes(scope))) {
    return tokenError('invalid_scope', 'The client may not have this scope.');
  }
  const { token, expiresIn } = tokens.issue({ permissions: asked }, (unique) => `scim-access-${unique}`);
  const body = { access_token: token, token_type: 'Bearer', expires_in: expiresIn, scope: asked.join(' ') };
  return json(200, body, { 'cache-control': 'no-store' });
}

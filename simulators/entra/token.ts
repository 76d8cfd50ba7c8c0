/** Microsoft's token endpoint for the client-credentials grant, with a secret or a certificate. */
import { createHash, type KeyObject, X509Certificate } from 'node:crypto';
import { decodeProtectedHeader, errors, jwtVerify } from 'jose';
import { type ApiRequest, json, type Plain } from '../protocol.ts';
import { type Tokens, unsignedJwt } from '../tokens.ts';

export type EntraApp = {
  readonly directoryId: string;
  readonly domain: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly certificate: string;
  /** Application permissions with consent: they become the token's `roles`. */
  readonly permissions: () => readonly string[];
};

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const graphScope =
  /^https:\/\/(graph\.microsoft\.(com|us)|dod-graph\.microsoft\.us|microsoftgraph\.chinacloudapi\.cn)\/\.default$/;

/** The body that branches on `error` and `error_codes` are made from (Microsoft identity platform: error responses). */
export function tokenRefused(status: number, error: string, code: number, description: string): Plain {
  return json(status, {
    error,
    error_description: `AADSTS${code}: ${description}`,
    error_codes: [code],
    timestamp: new Date().toISOString().replace('T', ' '),
    trace_id: crypto.randomUUID(),
    correlation_id: crypto.randomUUID(),
    error_uri: `https://login.microsoftonline.com/error?code=${code}`,
  });
}

/** Client id and secret come in the body or as HTTP Basic credentials. */
function withBasic(form: URLSearchParams, authorization: string | undefined): URLSearchParams {
  const basic = /^Basic (.+)$/i.exec(authorization ?? '')?.[1];
  if (basic === undefined) return form;
  const [id = '', secret = ''] = Buffer.from(basic, 'base64').toString('utf8').split(':');
  form.set('client_id', decodeURIComponent(id));
  form.set('client_secret', decodeURIComponent(secret));
  return form;
}

function thumbprintFits(assertion: string, certificate: X509Certificate): boolean {
  const header = decodeProtectedHeader(assertion);
  const print = (algorithm: string): string =>
    createHash(algorithm).update(certificate.raw).digest('base64url');
  if (typeof header['x5t#S256'] === 'string') return header['x5t#S256'] === print('sha256');
  return header.x5t === print('sha1');
}

/** An assertion of the application's own names its certificate; one of another issuer cannot. */
function isFederated(assertion: string): boolean {
  try {
    const header = decodeProtectedHeader(assertion);
    return header['x5t#S256'] === undefined && header.x5t === undefined;
  } catch {
    return false;
  }
}

async function assertionFits(
  app: EntraApp,
  key: KeyObject,
  assertion: string,
  audience: string,
): Promise<boolean> {
  try {
    if (!thumbprintFits(assertion, new X509Certificate(app.certificate))) return false;
    const { clientId: issuer, clientId: subject } = app;
    await jwtVerify(assertion, key, {
      issuer,
      subject,
      audience,
      algorithms: ['PS256', 'RS256'],
      requiredClaims: ['exp'],
      clockTolerance: '5m', // Microsoft's own library rounds `nbf` up, half a second into the future.
    });
    return true;
  } catch {
    return false;
  }
}

/** The one federated credential of the application ("Workload identity federation"); what it names is signed with the same key. */
export const FEDERATED = {
  issuer: 'https://issuer.meridian.example',
  subject: 'system:serviceaccount:rollcall:worker',
  audience: 'api://AzureADTokenExchange',
} as const;

async function refusedFederated(key: KeyObject, assertion: string): Promise<Plain | null> {
  try {
    await jwtVerify(assertion, key, { ...FEDERATED, algorithms: ['RS256'], requiredClaims: ['exp'] });
    return null;
  } catch (error) {
    if (error instanceof errors.JWTExpired)
      return tokenRefused(
        401,
        'invalid_client',
        700024,
        'Client assertion is not within its valid time range.',
      );
    const text = 'No matching federated identity record found for presented assertion.';
    return tokenRefused(401, 'invalid_client', 700213, text);
  }
}

async function refusedCredential(
  app: EntraApp,
  form: URLSearchParams,
  audience: string,
): Promise<Plain | null> {
  const secret = form.get('client_secret');
  const assertion = form.get('client_assertion');
  if (assertion !== null && form.get('client_assertion_type') === assertionType) {
    const key = new X509Certificate(app.certificate).publicKey;
    if (isFederated(assertion)) return refusedFederated(key, assertion);
    if (await assertionFits(app, key, assertion, audience)) return null;
    const text =
      "Client assertion contains an invalid signature, or the certificate is not registered for the application '";
    return tokenRefused(401, 'invalid_client', 700027, `${text}${app.clientId}'.`);
  }
  if (secret === null) {
    const text =
      "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
    return tokenRefused(401, 'invalid_client', 7000218, text);
  }
  if (secret === app.clientSecret) return null;
  return tokenRefused(
    401,
    'invalid_client',
    7000215,
    `Invalid client secret provided for the app '${app.clientId}'.`,
  );
}

function refusedRequest(app: EntraApp, form: URLSearchParams): Plain | null {
  if (form.get('grant_type') !== 'client_credentials') {
    return tokenRefused(400, 'unsupported_grant_type', 70003, 'The app requested an unsupported grant type.');
  }
  if (form.get('client_id') !== app.clientId) {
    const text = `Application with identifier '${form.get('client_id')}' was not found in the directory '${app.domain}'.`;
    return tokenRefused(400, 'unauthorized_client', 700016, text);
  }
  const implied = ['openid', 'profile', 'offline_access', ''];
  const scopes = (form.get('scope') ?? '').split(' ').filter((scope) => !implied.includes(scope));
  if (scopes.length === 1 && graphScope.test(scopes[0] ?? '')) return null;
  return tokenRefused(
    400,
    'invalid_scope',
    70011,
    `The provided value for the input parameter 'scope' is not valid.`,
  );
}

function tenantIsOurs(app: EntraApp, tenant: string): boolean {
  return [app.directoryId, app.domain].includes(tenant.toLowerCase());
}

function noSuchTenant(tenant: string): Plain {
  return tokenRefused(400, 'invalid_request', 90002, `Tenant '${tenant}' not found.`);
}

/** `POST /{tenant}/oauth2/v2.0/token` */
export async function issueToken(app: EntraApp, tokens: Tokens, request: ApiRequest): Promise<Plain> {
  const tenant = request.params.get('tenant') ?? '';
  if (!tenantIsOurs(app, tenant)) return noSuchTenant(tenant);
  const form = withBasic(new URLSearchParams(request.body), request.headers.authorization);
  const audience = `${request.url.origin}${request.url.pathname}`;
  const refused = refusedRequest(app, form) ?? (await refusedCredential(app, form, audience));
  if (refused) return refused;
  const roles = app.permissions();
  const claims = { aud: 'https://graph.microsoft.com', tid: app.directoryId, appid: app.clientId };
  // Without any consent the token has no `roles`, and is issued all the same.
  const { token, expiresIn } = tokens.issue({ permissions: roles }, (unique) =>
    unsignedJwt(roles.length > 0 ? { ...claims, roles } : claims, unique),
  );
  const body = {
    token_type: 'Bearer',
    expires_in: expiresIn,
    ext_expires_in: expiresIn,
    access_token: token,
  };
  return json(200, body, { 'cache-control': 'no-store, no-cache' });
}

/** `GET /{tenant}/v2.0/.well-known/openid-configuration`, which Microsoft's own client library asks for first. */
export function openIdConfiguration(app: EntraApp, request: ApiRequest): Plain {
  const tenant = request.params.get('tenant') ?? '';
  if (!tenantIsOurs(app, tenant)) return noSuchTenant(tenant);
  const base = `${request.url.origin}/${app.directoryId}`;
  return json(200, {
    token_endpoint: `${base}/oauth2/v2.0/token`,
    token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt', 'client_secret_basic'],
    jwks_uri: `${base}/discovery/v2.0/keys`,
    response_modes_supported: ['query', 'fragment', 'form_post'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256'],
    response_types_supported: ['code', 'id_token', 'code id_token', 'id_token token'],
    scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
    issuer: `${base}/v2.0`,
    authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
    end_session_endpoint: `${base}/oauth2/v2.0/logout`,
    tenant_region_scope: 'EU',
    cloud_instance_name: 'microsoftonline.com',
    msgraph_host: 'graph.microsoft.com',
  });
}

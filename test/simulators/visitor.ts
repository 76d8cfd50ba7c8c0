/** A plain HTTPS client of one simulator, with the provider's own way to a token. */
import { createPrivateKey } from 'node:crypto';
import { importPKCS8, SignJWT } from 'jose';
import { Agent, request } from 'undici';
import { onTestFinished } from 'vitest';
import type { Provider } from '../../simulators/directory.ts';
import { type Simulator, type SimulatorOptions, startSimulator } from '../../simulators/start.ts';

/** Any JSON, to be looked into by name: what is not there is undefined, and an expectation then fails. */
export interface Json {
  readonly [name: string]: Json | undefined;
}

/** The elements of a JSON array; throws where it is none. */
export function list(json: Json | undefined): readonly Json[] {
  if (!Array.isArray(json)) throw new Error(`Not a list: ${JSON.stringify(json)}`);
  return json as readonly Json[];
}

export type Reply = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** Parsed where it is asked for: some replies are no JSON on purpose. */
  json(): Json;
};

export type Visitor = {
  readonly simulator: Simulator;
  /** `pathOrUrl` on the simulator's origin; signed in unless `headers` say otherwise. */
  get(pathOrUrl: string, headers?: Record<string, string>): Promise<Reply>;
  post(path: string, form: Record<string, string>, headers?: Record<string, string>): Promise<Reply>;
  /** Signed in unless `headers` say otherwise. */
  postJson(path: string, body: unknown, headers?: Record<string, string>): Promise<Reply>;
  /** Signed in; without a body where there is none. */
  send(method: 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<Reply>;
};

export const googleScope = 'https://www.googleapis.com/auth/admin.directory.';
export const allGoogleScopes = ['user', 'group', 'group.member', 'orgunit']
  .map((name) => `${googleScope}${name}.readonly`)
  .join(' ');

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

function textIn(record: Readonly<Record<string, string>> | null, name: string): string {
  const value = record?.[name];
  if (value === undefined) throw new Error(`The simulator gave no ${name}.`);
  return value;
}

export const setting = (visitor: Visitor, name: string): string => textIn(visitor.simulator.settings, name);
export const secret = (visitor: Visitor, name: string): string => textIn(visitor.simulator.credentials, name);
export const otherSecret = (visitor: Visitor, name: string): string =>
  textIn(visitor.simulator.alternativeCredentials, name);

export function entraTokenPath(visitor: Visitor): string {
  return `/${setting(visitor, 'directoryId')}/oauth2/v2.0/token`;
}

export function entraForm(visitor: Visitor, changes: Record<string, string> = {}): Record<string, string> {
  return {
    grant_type: 'client_credentials',
    client_id: setting(visitor, 'clientId'),
    client_secret: secret(visitor, 'clientSecret'),
    scope: 'https://graph.microsoft.com/.default',
    ...changes,
  };
}

/** An Okta client assertion; `claims` and `kid` replace the right ones. */
export async function oktaForm(
  visitor: Visitor,
  changes: {
    scope?: string;
    audience?: string;
    kid?: string;
    issuer?: string;
    jti?: string;
    expires?: string;
  } = {},
): Promise<Record<string, string>> {
  const clientId = changes.issuer ?? setting(visitor, 'clientId');
  const key = await importPKCS8(otherSecret(visitor, 'privateKey'), 'RS256');
  const assertion = await new SignJWT()
    .setProtectedHeader({ alg: 'RS256', kid: changes.kid ?? otherSecret(visitor, 'keyId') })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(changes.audience ?? `${visitor.simulator.origin}/oauth2/v1/token`)
    .setIssuedAt()
    .setJti(changes.jti ?? crypto.randomUUID())
    .setExpirationTime(changes.expires ?? '5m')
    .sign(key);
  return {
    grant_type: 'client_credentials',
    scope: changes.scope ?? 'okta.users.read okta.groups.read',
    client_assertion_type: assertionType,
    client_assertion: assertion,
  };
}

export async function googleForm(
  visitor: Visitor,
  changes: { scope?: string; subject?: string | null; audience?: string; issuer?: string; key?: string } = {},
): Promise<Record<string, string>> {
  const key = createPrivateKey(changes.key ?? secret(visitor, 'privateKey'));
  const jwt = new SignJWT({ scope: changes.scope ?? allGoogleScopes })
    .setProtectedHeader({ alg: 'RS256' })
    .setIssuer(changes.issuer ?? secret(visitor, 'clientEmail'))
    .setAudience(changes.audience ?? 'https://oauth2.googleapis.com/token')
    .setIssuedAt()
    .setExpirationTime('1h');
  const subject = changes.subject === undefined ? setting(visitor, 'adminEmail') : changes.subject;
  if (subject !== null) jwt.setSubject(subject);
  return { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: await jwt.sign(key) };
}

async function authorizationOf(visitor: Visitor): Promise<string> {
  switch (visitor.simulator.provider) {
    case 'entra':
      return `Bearer ${(await visitor.post(entraTokenPath(visitor), entraForm(visitor))).json()['access_token']}`;
    case 'okta':
      return `SSWS ${secret(visitor, 'token')}`;
    case 'scim':
      return `Bearer ${secret(visitor, 'token')}`;
    case 'google':
      return `Bearer ${(await visitor.post('/token', await googleForm(visitor))).json()['access_token']}`;
  }
}

/** Starts a simulator for one test, which ends with it. */
export async function visit(provider: Provider, options: SimulatorOptions = {}): Promise<Visitor> {
  const simulator = await startSimulator(provider, options);
  const dispatcher = new Agent({ connect: { ca: simulator.ca } });
  onTestFinished(async () => {
    await dispatcher.destroy();
    await simulator.close();
  });
  const exchange = async (
    pathOrUrl: string,
    init: { method: 'GET' | 'POST' | 'PATCH' | 'DELETE'; headers: Record<string, string>; body?: string },
  ): Promise<Reply> => {
    const url = pathOrUrl.startsWith('/') ? `${simulator.origin}${pathOrUrl}` : pathOrUrl;
    const { statusCode, headers, body } = await request(url, { ...init, dispatcher });
    const text = await body.text();
    return { status: statusCode, headers, text, json: () => JSON.parse(text) as Json };
  };
  let authorization: string | null = null;
  const signedIn = async (headers: Record<string, string>): Promise<Record<string, string>> => {
    if (!('authorization' in headers)) authorization ??= await authorizationOf(visitor);
    return authorization === null ? headers : { authorization, ...headers };
  };
  const visitor: Visitor = {
    simulator,
    get: async (pathOrUrl, headers = {}) =>
      exchange(pathOrUrl, { method: 'GET', headers: await signedIn(headers) }),
    postJson: async (path, body, headers = {}) => {
      const all = { 'content-type': 'application/json', ...(await signedIn(headers)) };
      return exchange(path, { method: 'POST', headers: all, body: JSON.stringify(body) });
    },
    send: async (method, path, body) => {
      const headers = await signedIn({ 'content-type': 'application/json' });
      return exchange(path, {
        method,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    },
    post: (path, form, headers = {}) => {
      const type = { 'content-type': 'application/x-www-form-urlencoded' };
      return exchange(path, {
        method: 'POST',
        headers: { ...type, ...headers },
        body: new URLSearchParams(form).toString(),
      });
    },
  };
  return visitor;
}

/** Follows a listing to its end, in the provider's own way. */
export async function everyPage(visitor: Visitor, path: string): Promise<readonly Json[]> {
  const found: Json[] = [];
  for (let next: string | null = path; next !== null; ) {
    const reply: Reply = await visitor.get(next);
    if (reply.status !== 200) throw new Error(`${reply.status}: ${reply.text}`);
    const { items, link } = pageOf(visitor.simulator.provider, reply, path);
    found.push(...items);
    next = link;
  }
  return found;
}

const textOrNull = (json: Json | undefined): string | null => (json === undefined ? null : String(json));

/** The items of one page and where the next one is. */
export function pageOf(
  provider: Provider,
  reply: Reply,
  path: string,
): { items: readonly Json[]; link: string | null } {
  const body = reply.json();
  switch (provider) {
    case 'entra':
      return { items: list(body['value']), link: textOrNull(body['@odata.nextLink']) };
    case 'okta': {
      const links = [reply.headers['link'] ?? []].flat().join(', ');
      return { items: list(body), link: /<([^>]+)>; rel="next"/.exec(links)?.[1] ?? null };
    }
    case 'google': {
      const token = body['nextPageToken'];
      const items = body['users'] ?? body['groups'] ?? body['members'];
      return { items: items ? list(items) : [], link: token ? `${path}&pageToken=${token}` : null };
    }
    case 'scim': {
      const { members, nextCursor: cursor } = body;
      // A group is one answer, with all its members in it.
      if (members) return { items: list(members).map((one) => ({ id: one['value'] })), link: null };
      const items = Number(body['totalResults']) === 0 ? [] : list(body['Resources']);
      return { items, link: cursor ? path.replace(/\bcursor=[^&]*/, `cursor=${cursor}`) : null };
    }
  }
}

export const userList = {
  entra:
    '/v1.0/users?$select=id,userPrincipalName,displayName,surname,accountEnabled,department,jobTitle,proxyAddresses&$top=50',
  okta: '/api/v1/users?limit=50',
  google: '/admin/directory/v1/users?customer=my_customer&maxResults=50',
  scim: '/scim/v2/Users?count=50&cursor=',
} as const satisfies Record<Provider, string>;

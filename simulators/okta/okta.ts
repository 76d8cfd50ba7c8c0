/** Okta: the Core API routes that a directory sync uses, and the org's token endpoint. */
import { createHash, randomBytes } from 'node:crypto';
import type { OutgoingHttpHeaders } from 'node:http';
import type { Keys } from '../certificates.ts';
import type { Directory } from '../directory.ts';
import { isMember } from '../population/groups.ts';
import { oktaIds } from '../population/ids.ts';
import { exists, isListed, type Person } from '../population/people.ts';
import {
  type Answer,
  type ApiRequest,
  type Bend,
  type Caller,
  decodeCursor,
  encodeCursor,
  json,
  type Listing,
  type Plain,
  type Refusal,
  type Route,
  type SimulatedProvider,
  wholeNumber,
} from '../protocol.ts';
import type { Tokens } from '../tokens.ts';
import { joined, roomFor } from '../written.ts';
import { filterOf } from './filter.ts';
import { type OktaObjects, oktaObjects } from './objects.ts';
import { invalidClient, issueToken, type OktaApp } from './token.ts';

export const oktaScopes = ['okta.users.read', 'okta.groups.read'] as const;

function oktaError(status: number, code: string, summary: string, headers: OutgoingHttpHeaders = {}): Plain {
  const errorId = `oae${randomBytes(16).toString('base64url')}`;
  return json(
    status,
    { errorCode: code, errorSummary: summary, errorLink: code, errorId, errorCauses: [] },
    headers,
  );
}

/** Codes as Okta's error reference lists them. */
function refuse(refusal: Refusal): Plain {
  switch (refusal.because) {
    case 'unauthenticated':
    case 'expired-token':
      return oktaError(401, 'E0000011', 'Invalid token provided');
    case 'forbidden':
      return oktaError(403, 'E0000006', 'You do not have permission to perform the requested action');
    case 'not-found':
      return oktaError(404, 'E0000007', 'Not found: Resource not found');
    case 'no-such-method':
      return oktaError(405, 'E0000022', 'The endpoint does not support the provided HTTP method');
    case 'bad-cursor':
      return oktaError(400, 'E0000001', 'Api validation failed: after');
    case 'bad-request':
      return oktaError(400, 'E0000053', refusal.detail);
    case 'throttled':
      return oktaError(429, 'E0000047', 'API call exceeded rate limit due to too many requests.', {
        ...refusal.headers,
        ...(refusal.seconds === null ? {} : untilReset(refusal.seconds)),
      });
    case 'broken':
      return refusal.status === 500
        ? oktaError(500, 'E0000009', 'Internal Server Error')
        : oktaError(503, 'E0000010', 'Service is in read only mode');
    case 'token-refused':
      return invalidClient('The client application is not active.');
  }
}

const untilReset = (seconds: number): OutgoingHttpHeaders => ({
  'x-rate-limit-remaining': '0',
  'x-rate-limit-reset': String(Math.ceil(Date.now() / 1000) + seconds),
});

type Query = { readonly start: number; readonly limit: number };

const isPlain = (value: object): value is Plain => 'status' in value;

/** A limit above the maximum is silently lowered, as Okta does. */
function queryOf(request: ApiRequest, usual: number, most: number): Query | Plain {
  const { searchParams } = request.url;
  const cursor = searchParams.get('after');
  const at = cursor === null ? { position: 0 } : decodeCursor(cursor);
  if (at === null) return refuse({ because: 'bad-cursor' });
  const asked = searchParams.get('limit');
  const limit = asked === null ? usual : wholeNumber(asked, 1, 1_000_000);
  if (limit === null) return oktaError(400, 'E0000001', 'Api validation failed: limit');
  return { start: at.position, limit: Math.min(limit, most) };
}

const listing = (items: readonly Buffer[], start: number, next: number | null): Listing => {
  return { kind: 'list', key: '', items, start, next, around: {} };
};

class CoreApi {
  readonly #directory: Directory;
  readonly #objects: OktaObjects;

  constructor(directory: Directory, objects: OktaObjects) {
    this.#directory = directory;
    this.#objects = objects;
  }

  users(request: ApiRequest): Answer {
    const query = queryOf(request, 200, 200);
    if (isPlain(query)) return query;
    const accept = this.#accepted(request.url.searchParams);
    if (isPlain(accept)) return accept;
    const page = this.#directory.page(query.start, query.limit, accept);
    return listing(page.people.map(this.#objects.user), query.start, page.next);
  }

  /** Without filter or search Okta leaves out who is DEPROVISIONED. */
  #accepted(search: URLSearchParams): ((person: Person) => boolean) | Plain {
    const expression = search.get('filter') ?? search.get('search');
    if (expression === null) return isListed;
    const filter = filterOf(expression, this.#objects);
    if (filter) return (person) => person.visible && person.state !== 'purged' && filter(person);
    return search.has('filter')
      ? oktaError(400, 'E0000053', 'Invalid filter')
      : oktaError(400, 'E0000031', 'Invalid search criteria.');
  }

  #find(request: ApiRequest): Person | Plain {
    const key = request.params.get('user') ?? '';
    const person = this.#objects.findUser(key);
    if (person && person.state !== 'purged') return person;
    return oktaError(404, 'E0000007', `Not found: Resource not found: ${key} (User)`);
  }

  user(request: ApiRequest): Plain {
    const person = this.#find(request);
    if ('status' in person) return person;
    const body = this.#objects.user(person);
    const etag = `W/"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
    return { ...json(200, null, { etag }), body };
  }

  groupsOfUser(request: ApiRequest): Answer {
    const query = queryOf(request, 200, 200);
    if (isPlain(query)) return query;
    const person = this.#find(request);
    if ('status' in person) return person;
    const groups = this.#directory.groups.filter(
      (group) => exists(person) && (group.kind === 'everyone' || isMember(group, person.serial)),
    );
    return this.#groupPage(query, groups);
  }

  groups(request: ApiRequest): Answer {
    const query = queryOf(request, 10_000, 10_000);
    return isPlain(query) ? query : this.#groupPage(query, this.#directory.groups);
  }

  #groupPage(query: Query, groups: Directory['groups']): Listing {
    const rest = groups.filter((group) => group.serial >= query.start);
    const items = rest.slice(0, query.limit).map(this.#objects.group);
    return listing(items, query.start, rest[query.limit]?.serial ?? null);
  }

  group(request: ApiRequest): Plain {
    const group = this.#objects.findGroup(request.params.get('group') ?? '');
    if (!group) return this.#noGroup(request);
    return { ...json(200, null), body: this.#objects.group(group) };
  }

  #noGroup(request: ApiRequest): Plain {
    return oktaError(
      404,
      'E0000007',
      `Not found: Resource not found: ${request.params.get('group')} (UserGroup)`,
    );
  }

  members(request: ApiRequest): Answer {
    const query = queryOf(request, 1_000, 1_000);
    if (isPlain(query)) return query;
    const group = this.#objects.findGroup(request.params.get('group') ?? '');
    if (!group) return this.#noGroup(request);
    const page =
      group.kind === 'everyone'
        ? this.#directory.page(query.start, query.limit, isListed)
        : this.#directory.pageOf(group.members, query.start, query.limit, isListed);
    return listing(page.people.map(this.#objects.user), query.start, page.next);
  }
}

/** Okta sends one `Link` line for each relation. */
function render(request: ApiRequest, page: Listing, bend: Bend): Plain {
  const { origin, pathname, search } = request.url;
  const links = [`<${origin}${pathname}${search}>; rel="self"`];
  const next = nextLink(request, page, bend);
  if (next !== null) links.push(`<${next}>; rel="next"`);
  const whole = bend.listKey === 'kept';
  const body = whole ? joined('[', page.items, ']') : bend.listKey === 'null' ? 'null' : '{}';
  return { kind: 'plain', status: 200, headers: { 'content-type': 'application/json', link: links }, body };
}

function nextLink(request: ApiRequest, page: Listing, bend: Bend): string | null {
  const foreign = bend.next !== null && 'foreignOrigin' in bend.next ? bend.next.foreignOrigin : null;
  const bent = bend.next !== null && 'cursor' in bend.next ? bend.next.cursor : null;
  if (page.next === null && foreign === null && bent === null) return null;
  const after = bent ?? encodeCursor(page.next ?? 0);
  const kept = request.url.search
    .slice(1)
    .split('&')
    .filter((pair) => pair !== '' && !pair.startsWith('after='));
  return `${foreign ?? request.url.origin}${request.url.pathname}?${[`after=${after}`, ...kept].join('&')}`;
}

/** `SSWS` API tokens act with their administrator's rights, `Bearer` tokens with their scopes. */
function authenticate(
  apiToken: string,
  granted: readonly string[],
  tokens: Tokens,
  request: ApiRequest,
): Caller | Plain {
  const [scheme = '', value = ''] = (request.headers.authorization ?? '').split(' ');
  if (scheme === 'SSWS' && value === apiToken) return { permissions: granted };
  const caller = scheme === 'Bearer' ? tokens.find(value) : 'unknown';
  if (caller === 'unknown') return refuse({ because: 'unauthenticated' });
  if (caller === 'expired') return refuse({ because: 'expired-token' });
  return { permissions: caller.permissions.filter((scope) => granted.includes(scope)) };
}

function withoutPermission(user: Record<string, unknown>): Record<string, unknown> {
  const profile = Object.entries(user['profile'] ?? {});
  const kept = ['login', 'firstName', 'lastName'];
  return {
    ...user,
    profile: Object.fromEntries(profile.map(([name, value]) => [name, kept.includes(name) ? value : null])),
  };
}

function routesOf(api: CoreApi, app: OktaApp, tokens: Tokens): readonly Route[] {
  const [user, group] = oktaScopes;
  const usedIds = new Set<string>();
  const get = (path: string, cls: Route['class'], permission: string, handle: Route['handle']): Route => {
    return { method: 'GET', path, class: cls, permission, handle };
  };
  const token = (request: ApiRequest): Promise<Plain> => issueToken(app, tokens, usedIds, request);
  return [
    { method: 'POST', path: '/oauth2/v1/token', class: 'token', permission: null, handle: token },
    get('/api/v1/users', 'users', user, (request) => api.users(request)),
    get('/api/v1/users/:user', 'user', user, (request) => api.user(request)),
    get('/api/v1/users/:user/groups', 'other', group, (request) => api.groupsOfUser(request)),
    get('/api/v1/groups', 'groups', group, (request) => api.groups(request)),
    get('/api/v1/groups/:group', 'group', group, (request) => api.group(request)),
    get('/api/v1/groups/:group/users', 'members', group, (request) => api.members(request)),
  ];
}

export function okta(
  directory: Directory,
  keys: Keys,
  tokens: Tokens,
  permissions: () => readonly string[],
  origin: string,
): SimulatedProvider {
  const clientId = oktaIds(directory.seed, '0oa').of(1);
  const keyId = oktaIds(directory.seed, 'kid').of(1);
  const apiToken = `00${oktaIds(directory.seed, '00t').of(1)}${oktaIds(directory.seed, '00t').of(2)}`;
  const app: OktaApp = { clientId, keyId, privateKey: keys.clientKey, granted: permissions };
  const objects = oktaObjects(directory, origin, roomFor(160));
  const api = new CoreApi(directory, objects);
  return {
    userIdOf: objects.userIdOf,
    groupIdOf: objects.groupIdOf,
    serialOf: (key) => objects.findUser(key)?.serial ?? null,
    settings: { orgUrl: origin, clientId },
    credentials: { kind: 'api-token', token: apiToken },
    alternativeCredentials: { kind: 'private-key', privateKey: keys.clientKey, keyId },
    protocol: {
      routes: routesOf(api, app, tokens),
      authenticate: (request) => authenticate(apiToken, permissions(), tokens, request),
      refuse,
      render,
      headers: (_, pace) => ({
        'x-okta-request-id': randomBytes(14).toString('base64url'),
        'x-rate-limit-limit': String(pace.limit),
        'x-rate-limit-remaining': String(pace.remaining),
        'x-rate-limit-reset': String(pace.resetEpochSeconds),
      }),
      cursorOf: (request) => request.url.searchParams.get('after'),
      withoutPermission,
      unreadable: (user) => ({ ...user, status: 17, profile: 'none' }),
    },
  };
}

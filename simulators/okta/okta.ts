/** Okta: the Core API routes that a directory sync uses, and the org's token endpoint. */
import { createHash, randomBytes } from 'node:crypto';
import type { Keys } from '../certificates.ts';
import type { Directory } from '../directory.ts';
import { isMember } from '../population/groups.ts';
import { oktaIds } from '../population/ids.ts';
import { exists, isListed, type Person } from '../population/people.ts';
import type { Post } from '../post.ts';
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
  type Route,
  type SimulatedProvider,
  wholeNumber,
} from '../protocol.ts';
import type { Tokens } from '../tokens.ts';
import { joined, roomFor } from '../written.ts';
import { oktaError, refuse } from './answers.ts';
import { type Assignments, assignmentsIn } from './apps.ts';
import { type Proofs, proofs } from './dpop.ts';
import { filterOf } from './filter.ts';
import { OktaHooks } from './hooks.ts';
import { Journal } from './journal.ts';
import { logPage } from './log.ts';
import { type OktaObjects, oktaObjects } from './objects.ts';
import { issueToken, type OktaApp } from './token.ts';

export const oktaScopes = [
  'okta.users.read',
  'okta.groups.read',
  'okta.logs.read',
  'okta.apps.read',
  'okta.userTypes.read',
] as const;

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

type Parts = {
  readonly directory: Directory;
  readonly objects: OktaObjects;
  readonly journal: Journal;
  readonly assignments: Assignments;
  /** Of the org's one app that people are assigned to. */
  readonly appId: string;
};

class CoreApi {
  readonly #parts: Parts;
  readonly #directory: Directory;
  readonly #objects: OktaObjects;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#directory = parts.directory;
    this.#objects = parts.objects;
  }

  logs(request: ApiRequest): Answer {
    const { journal, objects, appId } = this.#parts;
    return logPage(journal, { ...objects, appId }, request, oktaError);
  }

  /** Everybody is of the type that each org has, but for the contractors. */
  types(): readonly unknown[] {
    const { of } = oktaIds(this.#directory.seed, 'oty');
    return [
      { id: of(1), name: 'user', displayName: 'User', default: true },
      { id: of(2), name: 'contractor', displayName: 'Contractor', default: false },
    ];
  }

  app(request: ApiRequest): Plain {
    const { appId } = this.#parts;
    const asked = request.params.get('app');
    return asked === appId
      ? json(200, { id: appId, label: 'Intranet', status: 'ACTIVE' })
      : oktaError(404, 'E0000007', `Not found: Resource not found: ${asked} (AppInstance)`);
  }

  appUsers(request: ApiRequest): Answer {
    const app = this.app(request);
    const query = queryOf(request, 50, 500);
    if (app.status !== 200 || isPlain(query)) return isPlain(query) ? query : app;
    const { isAssigned } = this.#parts.assignments;
    const page = this.#directory.page(
      query.start,
      query.limit,
      (person) => person.visible && isAssigned(person),
    );
    return listing(
      page.people.map((person) => this.#assignment(person, request)),
      query.start,
      page.next,
    );
  }

  appUser(request: ApiRequest): Plain {
    const app = this.app(request);
    if (app.status !== 200) return app;
    const person = this.#objects.findUser(request.params.get('user') ?? '');
    if (person && this.#parts.assignments.isAssigned(person))
      return { ...json(200, null), body: this.#assignment(person, request) };
    return oktaError(
      404,
      'E0000007',
      `Not found: Resource not found: ${request.params.get('user')} (AppUser)`,
    );
  }

  #assignment(person: Person, request: ApiRequest): Buffer {
    const expanded = request.url.searchParams.get('expand') === 'user';
    const user = expanded ? this.#objects.user(person) : null;
    return this.#parts.assignments.assignment(person, this.#objects.userIdOf(person.serial), user);
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
    .filter((pair) => pair !== '' && !/^(after|since)=/.test(pair));
  return `${foreign ?? request.url.origin}${request.url.pathname}?${[`after=${after}`, ...kept].join('&')}`;
}

type Authority = {
  readonly app: OktaApp;
  readonly apiToken: string;
  readonly tokens: Tokens;
  readonly proofs: Proofs;
};

/**
 * `SSWS` API tokens act with their administrator's rights, access tokens with their scopes. One that is bound to a key is no good as
 * `Bearer`, nor without a proof of that key.
 */
async function authenticate(authority: Authority, request: ApiRequest): Promise<Caller | Plain> {
  const { app, apiToken, tokens, proofs } = authority;
  const [scheme = '', value = ''] = (request.headers.authorization ?? '').split(' ');
  const granted = app.granted();
  if (scheme === 'SSWS' && value === apiToken) return { permissions: granted };
  const caller = tokens.find(value);
  const key = proofs.boundTo(value);
  const proof = scheme === 'DPoP' ? await proofs.check(request, value) : null;
  const fits = key === null ? scheme === 'Bearer' : proof?.thumbprint === key;
  if (caller === 'unknown' || !fits) return refuse({ because: 'unauthenticated' });
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

/** Managing hooks is no part of what a sync is granted. */
function hookRoutes(hooks: OktaHooks): readonly Route[] {
  const all = '/api/v1/eventHooks';
  const one = `${all}/:hook`;
  const route = (
    method: Route['method'],
    path: string,
    handle: (request: ApiRequest) => Plain | Promise<Plain>,
  ): Route => {
    const permission = `okta.eventHooks.${method === 'GET' ? 'read' : 'manage'}`;
    return { method, path, class: 'other', permission, handle };
  };
  return [
    route('POST', all, (request) => hooks.create(request)),
    route('GET', one, (request) => hooks.show(request)),
    route('DELETE', one, (request) => hooks.remove(request)),
    route('POST', `${one}/lifecycle/verify`, (request) => hooks.verify(request)),
    route('POST', `${one}/lifecycle/activate`, (request) => hooks.turn(request, 'ACTIVE')),
    route('POST', `${one}/lifecycle/deactivate`, (request) => hooks.turn(request, 'INACTIVE')),
  ];
}

function routesOf(api: CoreApi, journal: Journal, authority: Authority): readonly Route[] {
  const [user, group, log, apps, types] = oktaScopes;
  const usedIds = new Set<string>();
  const get = (
    path: string,
    cls: Route['class'],
    permission: string,
    answer: (r: ApiRequest) => Answer,
  ): Route => {
    const handle = (request: ApiRequest): Answer => {
      journal.observe();
      return answer(request);
    };
    return { method: 'GET', path, class: cls, permission, handle };
  };
  const { app, tokens, proofs } = authority;
  const token = (request: ApiRequest): Promise<Plain> => issueToken(app, tokens, proofs, usedIds, request);
  return [
    { method: 'POST', path: '/oauth2/v1/token', class: 'token', permission: null, handle: token },
    get('/api/v1/users', 'users', user, (request) => api.users(request)),
    get('/api/v1/users/:user', 'user', user, (request) => api.user(request)),
    get('/api/v1/users/:user/groups', 'other', group, (request) => api.groupsOfUser(request)),
    get('/api/v1/groups', 'groups', group, (request) => api.groups(request)),
    get('/api/v1/groups/:group', 'group', group, (request) => api.group(request)),
    get('/api/v1/groups/:group/users', 'members', group, (request) => api.members(request)),
    get('/api/v1/meta/types/user', 'other', types, () => json(200, api.types())),
    get('/api/v1/logs', 'changes', log, (request) => api.logs(request)),
    get('/api/v1/apps/:app', 'other', apps, (request) => api.app(request)),
    get('/api/v1/apps/:app/users', 'users', apps, (request) => api.appUsers(request)),
    get('/api/v1/apps/:app/users/:user', 'user', apps, (request) => api.appUser(request)),
  ];
}

export function okta(
  directory: Directory,
  keys: Keys,
  tokens: Tokens,
  permissions: () => readonly string[],
  origin: string,
  post: Post,
): SimulatedProvider {
  const clientId = oktaIds(directory.seed, '0oa').of(1);
  const appId = oktaIds(directory.seed, '0oa').of(2);
  const keyId = oktaIds(directory.seed, 'kid').of(1);
  const apiToken = `00${oktaIds(directory.seed, '00t').of(1)}${oktaIds(directory.seed, '00t').of(2)}`;
  const app: OktaApp = { clientId, keyId, privateKey: keys.clientKey, granted: permissions };
  const assignments = assignmentsIn(directory);
  const journal = new Journal(directory, assignments.isAssigned);
  const objects = oktaObjects(directory, journal, origin, roomFor(160));
  const api = new CoreApi({ directory, objects, journal, assignments, appId });
  const subscriptions = new OktaHooks(journal, { ...objects, appId }, origin, post);
  const authority = { app, apiToken, tokens, proofs: proofs() };
  return {
    userIdOf: objects.userIdOf,
    groupIdOf: objects.groupIdOf,
    serialOf: (key) => objects.findUser(key)?.serial ?? null,
    settings: { orgUrl: origin, clientId },
    credentials: { kind: 'api-token', token: apiToken },
    alternativeCredentials: { kind: 'private-key', privateKey: keys.clientKey, keyId },
    subscriptions,
    protocol: {
      routes: [...routesOf(api, journal, authority), ...hookRoutes(subscriptions)],
      authenticate: (request) => authenticate(authority, request),
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

/** A SCIM 2.0 service: the resources that a reader uses, paging by index and by cursor, and a token endpoint. */
import { randomBytes } from 'node:crypto';
import type { Directory } from '../directory.ts';
import type { Group } from '../population/groups.ts';
import { guids } from '../population/ids.ts';
import { isListed, type Person } from '../population/people.ts';
import {
  type Answer,
  type ApiRequest,
  type Bend,
  type Caller,
  decodeCursor,
  encodeCursor,
  type Listing,
  type Plain,
  type Route,
  type SimulatedProvider,
  wholeNumber,
} from '../protocol.ts';
import type { Tokens } from '../tokens.ts';
import { roomFor } from '../written.ts';
import { type Around, refuse, renderList, scimAnswer, scimError } from './answers.ts';
import { type Comparable, filterOf } from './filter.ts';
import { isActive, ScimObjects } from './objects.ts';
import type { Quirks } from './quirks.ts';
import { basicOf, issueToken, type ScimClient } from './token.ts';

export const scimPermissions = ['users:read', 'groups:read'] as const;

export const SCIM_BASE = '/scim/v2';
const LARGEST_PAGE = 200;
const SMALL_PAGE = 25;

/** How a page is asked for. `from`: in index paging the place, counted from 0; by cursor the position that the cursor names. */
type Query = { readonly byCursor: boolean; readonly from: number; readonly limit: number };

const isPlain = (value: object): value is Plain => 'status' in value;

class Service {
  readonly #directory: Directory;
  readonly #objects: ScimObjects;
  readonly #quirks: Quirks;
  #order: { readonly key: string; readonly people: readonly Person[] } | null = null;
  #shuffles = 0;

  constructor(directory: Directory, objects: ScimObjects, quirks: Quirks) {
    this.#directory = directory;
    this.#objects = objects;
    this.#quirks = quirks;
  }

  config(): Plain {
    if (this.#quirks.has('no-config')) return this.#missing();
    const cursor = !this.#quirks.has('index-only');
    return scimAnswer(
      JSON.stringify({
        schemas: ['urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'],
        patch: { supported: false },
        bulk: { supported: false, maxOperations: 0, maxPayloadSize: 0 },
        filter: { supported: !this.#quirks.has('no-filter'), maxResults: LARGEST_PAGE },
        sort: { supported: true },
        etag: { supported: false },
        changePassword: { supported: false },
        ...(cursor
          ? {
              pagination: {
                cursor,
                index: true,
                defaultPageSize: 100,
                maxPageSize: LARGEST_PAGE,
                cursorTimeout: 3600,
              },
            }
          : {}),
        authenticationSchemes: [{ type: 'oauthbearertoken', name: 'Bearer', description: 'A bearer token' }],
      }),
    );
  }

  users(request: ApiRequest): Answer {
    const test = this.#filter(request, this.#ofUsers);
    if (isPlain(test)) return test;
    const people = this.#ordered(request.url.searchParams).filter(test);
    return this.#page(request, people, this.#objects.user);
  }

  user(request: ApiRequest): Plain {
    const person = this.#objects.findUser(request.params.get('user') ?? '');
    if (!person || person.state === 'deleted' || person.state === 'purged') return this.#missing();
    return scimAnswer(this.#objects.userWithGroups(person));
  }

  groups(request: ApiRequest): Answer {
    const test = this.#filter(request, this.#ofGroups);
    if (isPlain(test)) return test;
    const { searchParams } = request.url;
    const withMembers = !(searchParams.get('excludedAttributes') ?? '').split(',').includes('members');
    const found = this.#directory.groups.filter(test);
    const sorted = this.#isSorted(searchParams)
      ? byId(found, ({ serial }) => this.#objects.groupIdOf(serial))
      : found;
    return this.#page(request, sorted, (group) => this.#objects.group(group, withMembers));
  }

  group(request: ApiRequest): Plain {
    const group = this.#objects.findGroup(request.params.get('group') ?? '');
    if (!group) return this.#missing();
    const excluded = (request.url.searchParams.get('excludedAttributes') ?? '').split(',');
    return scimAnswer(this.#objects.group(group, !excluded.includes('members')));
  }

  /** The same list again from its start, for a service that has lost its way. */
  fromStart(request: ApiRequest): Answer {
    const url = new URL(request.url);
    url.searchParams.set('startIndex', '1');
    const again = { ...request, url };
    return url.pathname.endsWith('/Groups') ? this.groups(again) : this.users(again);
  }

  readonly #ofUsers: Comparable<Person> = {
    text: {
      id: (person) => this.#objects.userIdOf(person.serial),
      userName: (person) => this.#objects.userNameOf(person),
      externalId: (person) => `F-${person.serial}`,
      active: (person) => String(isActive(person)),
    },
    time: { 'meta.created': (person) => person.created, 'meta.lastModified': (person) => person.updated },
  };
  readonly #ofGroups: Comparable<Group> = {
    text: { id: ({ serial }) => this.#objects.groupIdOf(serial), displayName: ({ name }) => name },
    time: { 'meta.created': ({ created }) => created, 'meta.lastModified': ({ updated }) => updated },
  };

  #filter<T>(request: ApiRequest, comparable: Comparable<T>): ((one: T) => boolean) | Plain {
    const expression = request.url.searchParams.get('filter');
    if (expression === null || this.#quirks.has('ignores-filter')) return () => true;
    const test = this.#quirks.has('no-filter') ? null : filterOf(expression, comparable);
    return test ?? scimError(400, 'invalidFilter', 'The filter is not supported.');
  }

  #isSorted(search: URLSearchParams): boolean {
    return search.get('sortBy') === 'id' && search.get('sortOrder') !== 'descending';
  }

  /** Kept until the directory changes: with an index, each page is looked for from the beginning. */
  #ordered(search: URLSearchParams): readonly Person[] {
    const sorted = this.#isSorted(search);
    const key = `${sorted} ${this.#directory.version}`;
    if (this.#order?.key !== key) {
      const listed = this.#directory.people.filter(isListed);
      const people = sorted ? byId(listed, ({ serial }) => this.#objects.userIdOf(serial)) : listed;
      this.#order = { key, people };
    }
    if (!this.#quirks.has('shuffled')) return this.#order.people;
    this.#shuffles += 1;
    const salt = this.#shuffles * 7919;
    return this.#order.people.toSorted((a, b) => ((a.serial * salt) % 1009) - ((b.serial * salt) % 1009));
  }

  #page<T extends { readonly serial: number }>(
    request: ApiRequest,
    all: readonly T[],
    write: (one: T) => Buffer,
  ): Answer {
    const query = this.#queryOf(request);
    if (isPlain(query)) return query;
    const { byCursor, limit } = query;
    const from = byCursor ? all.filter(({ serial }) => serial < query.from).length : query.from;
    const items = all.slice(from, from + limit).map(write);
    const behind = all[from + limit];
    const next = byCursor ? (behind?.serial ?? null) : behind === undefined ? null : from + limit;
    const around: Around = {
      total: all.length,
      byCursor,
      date: new Date(this.#directory.seconds * 1000).toUTCString(),
      says: this.#quirks.has('page-totals')
        ? 'page-length'
        : byCursor && this.#quirks.has('no-totals')
          ? 'nothing'
          : 'total',
    };
    return { kind: 'list', key: 'Resources', items, start: byCursor ? query.from : from, next, around };
  }

  #queryOf(request: ApiRequest): Query | Plain {
    const { searchParams } = request.url;
    if (this.#quirks.has('no-sort') && searchParams.has('sortBy')) {
      return scimError(501, null, 'Sorting is not supported.');
    }
    const asked = searchParams.get('count');
    const count = asked === null ? 100 : wholeNumber(asked, 0, 1_000_000_000);
    if (count === null) return scimError(400, 'invalidCount', 'count is no whole number.');
    const limit = Math.min(count, this.#quirks.has('small-pages') ? SMALL_PAGE : LARGEST_PAGE);
    if (this.#quirks.has('one-page')) return { byCursor: false, from: 0, limit: Number.MAX_SAFE_INTEGER };
    const cursor = searchParams.get('cursor');
    const known = !this.#quirks.has('index-only');
    if (cursor !== null && !known) return scimError(400, 'invalidValue', 'cursor is not supported.');
    if (cursor !== null && !this.#quirks.has('ignores-cursor')) return this.#cursorQuery(cursor, limit);
    const startIndex = searchParams.get('startIndex') ?? '1';
    const start = this.#quirks.has('same-page') ? 1 : wholeNumber(startIndex, 0, 1_000_000_000);
    if (start === null) return scimError(400, 'invalidValue', 'startIndex is no whole number.');
    return { byCursor: false, from: Math.max(0, start - 1), limit };
  }

  #cursorQuery(cursor: string, limit: number): Query | Plain {
    if (cursor === '') return { byCursor: true, from: 0, limit };
    const [place = '', version] = cursor.split('~');
    const at = decodeCursor(place);
    if (at === null) return refuse({ because: 'bad-cursor' });
    const current = this.#quirks.has('short-lived-cursors') ? String(this.#directory.version) : undefined;
    if (version !== current) return scimError(400, 'expiredCursor', 'The cursor has expired.');
    return { byCursor: true, from: at.position, limit };
  }

  /** What a cursor of this service looks like. */
  stamped(cursor: string): string {
    return this.#quirks.has('short-lived-cursors') ? `${cursor}~${this.#directory.version}` : cursor;
  }

  #missing(): Plain {
    if (!this.#quirks.has('bare-404')) return refuse({ because: 'not-found' });
    return { kind: 'plain', status: 404, headers: {}, body: '' };
  }
}

function byId<T>(all: readonly T[], idOf: (one: T) => string): readonly T[] {
  const keyed = all.map((one) => ({ one, id: idOf(one) }));
  return keyed.sort((a, b) => (a.id < b.id ? -1 : 1)).map(({ one }) => one);
}

/** By cursor as it stands; by index a place that leads back is the first page, whatever was asked for. */
function render(service: Service, request: ApiRequest, page: Listing, bend: Bend): Plain {
  const around = page.around as Around;
  const lost = !around.byCursor && bend.next !== null && 'cursor' in bend.next && page.items.length > 0;
  if (lost) {
    const first = service.fromStart(request);
    if (first.kind === 'list') return renderList(first, first.around as Around, { ...bend, next: null });
  }
  const stamp = (cursor: string) => service.stamped(cursor);
  return renderList(page, around, bend, stamp);
}

/** A token that the administrator made, one of the token endpoint, or the client's id and secret as user name and password. */
function authenticate(
  client: ScimClient,
  apiToken: string,
  tokens: Tokens,
  request: ApiRequest,
): Caller | Plain {
  const permissions = client.granted();
  const basic = basicOf(request.headers.authorization);
  if (basic !== null) {
    const right = basic.user === client.clientId && basic.password === client.clientSecret;
    return right ? { permissions } : refuse({ because: 'unauthenticated' });
  }
  const [scheme = '', value = ''] = (request.headers.authorization ?? '').split(' ');
  if (scheme !== 'Bearer') return refuse({ because: 'unauthenticated' });
  if (value === apiToken) return { permissions };
  const caller = tokens.find(value);
  if (caller === 'unknown') return refuse({ because: 'unauthenticated' });
  if (caller === 'expired') return refuse({ because: 'expired-token' });
  return { permissions: caller.permissions.filter((scope) => permissions.includes(scope)) };
}

function routesOf(service: Service, client: ScimClient, tokens: Tokens): readonly Route[] {
  const [users, groups] = scimPermissions;
  const get = (
    path: string,
    cls: Route['class'],
    permission: string | null,
    handle: Route['handle'],
  ): Route => {
    return { method: 'GET', path: `${SCIM_BASE}${path}`, class: cls, permission, handle };
  };
  return [
    {
      method: 'POST',
      path: '/oauth/token',
      class: 'token',
      permission: null,
      handle: (request) => issueToken(client, tokens, request),
    },
    get('/ServiceProviderConfig', 'discovery', null, () => service.config()),
    get('/Users', 'users', users, (request) => service.users(request)),
    get('/Users/:user', 'user', users, (request) => service.user(request)),
    get('/Groups', 'groups', groups, (request) => service.groups(request)),
    get('/Groups/:group', 'members', groups, (request) => service.group(request)),
  ];
}

/** As a client without rights to it sees a user: nothing but who it is. */
function withoutPermission(user: Record<string, unknown>): Record<string, unknown> {
  const kept = ['schemas', 'id', 'userName', 'active', 'meta'];
  return Object.fromEntries(
    Object.entries(user).map(([name, value]) => [name, kept.includes(name) ? value : null]),
  );
}

export function scim(
  directory: Directory,
  tokens: Tokens,
  permissions: () => readonly string[],
  origin: string,
  quirks: Quirks,
): SimulatedProvider {
  const secrets = guids(directory.seed, 'scim-secret');
  const client: ScimClient = {
    clientId: secrets.of(1),
    clientSecret: `${secrets.of(2)}+/=`,
    granted: permissions,
  };
  const apiToken = `scim-token-${secrets.of(3)}`;
  const objects = new ScimObjects(directory, `${origin}${SCIM_BASE}`, roomFor(200), quirks);
  const service = new Service(directory, objects, quirks);
  return {
    userIdOf: (serial) => objects.userIdOf(serial),
    groupIdOf: (serial) => objects.groupIdOf(serial),
    serialOf: (key) => objects.findUser(key)?.serial ?? null,
    settings: {
      scimUrl: `${origin}${SCIM_BASE}`,
      tokenUrl: `${origin}/oauth/token`,
      clientId: client.clientId,
    },
    credentials: { kind: 'api-token', token: apiToken },
    alternativeCredentials: { kind: 'secret', clientSecret: client.clientSecret },
    subscriptions: null,
    protocol: {
      routes: routesOf(service, client, tokens),
      authenticate: (request) => authenticate(client, apiToken, tokens, request),
      refuse,
      render: (request, page, bend) => render(service, request, page, bend),
      headers: () => ({ 'x-request-id': randomBytes(12).toString('base64url') }),
      cursorOf: ({ url: { searchParams } }) => {
        const cursor = searchParams.get('cursor');
        if (cursor !== null) return cursor === '' ? null : (cursor.split('~')[0] ?? null);
        const start = Number(searchParams.get('startIndex') ?? '1');
        return start > 1 ? encodeCursor(start - 1) : null;
      },
      withoutPermission,
      unreadable: (user) => ({ ...user, active: 'perhaps', name: 17, emails: 'none' }),
    },
  };
}

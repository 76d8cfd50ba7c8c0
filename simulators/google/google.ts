/** Google Workspace: the Directory API v1 routes that a directory sync uses, the admin audit log, and the token endpoint. */
import type { Keys } from '../certificates.ts';
import type { Directory } from '../directory.ts';
import { type Group, isMember } from '../population/groups.ts';
import { exists, isListed, type Person } from '../population/people.ts';
import type { Post } from '../post.ts';
import {
  type Answer,
  type ApiRequest,
  type Caller,
  decodeCursor,
  json,
  type Listing,
  type Plain,
  type Route,
  type SimulatedProvider,
  wholeNumber,
} from '../protocol.ts';
import type { Tokens } from '../tokens.ts';
import { roomFor } from '../written.ts';
import { googleError, invalid, notFound, refuse, render, withoutPermission } from './answers.ts';
import { GoogleChannels } from './channels.ts';
import { selectionOf } from './fields.ts';
import { type GoogleObjects, googleObjects } from './objects.ts';
import { ReportsApi } from './reports.ts';
import { exchangeToken, issueToken, type ServiceAccount, signJwt, type WorkloadIdentity } from './token.ts';

const scope = (name: string): string => `https://www.googleapis.com/auth/admin.directory.${name}.readonly`;

export const googleScopes = [
  scope('user'),
  scope('group'),
  scope('group.member'),
  scope('orgunit'),
  'https://www.googleapis.com/auth/admin.reports.audit.readonly',
] as const;

type Query = { readonly start: number; readonly limit: number };

const isPlain = (value: object): value is Plain => 'status' in value && 'headers' in value;

function queryOf(request: ApiRequest, usual: number, most: number): Query | Plain {
  const { searchParams } = request.url;
  const cursor = searchParams.get('pageToken');
  const at = cursor === null ? { position: 0 } : decodeCursor(cursor);
  if (at === null) return refuse({ because: 'bad-cursor' });
  const asked = searchParams.get('maxResults');
  const limit = asked === null ? usual : wholeNumber(asked, 1, most);
  return limit === null ? invalid('Invalid Input: maxResults') : { start: at.position, limit };
}

/** Clauses of `query` that a sync might use; joined by blanks, all have to hold. */
const clauses: Readonly<Record<string, (person: Person) => boolean>> = {
  'isSuspended=true': (person) => person.state === 'disabled',
  'isSuspended=false': (person) => person.state !== 'disabled',
  'isArchived=true': (person) => person.state === 'archived',
  'isArchived=false': (person) => person.state !== 'archived',
};

const peopleFrom = 10_000;

class DirectoryApi {
  readonly #directory: Directory;
  readonly #objects: GoogleObjects;

  constructor(directory: Directory, objects: GoogleObjects) {
    this.#directory = directory;
    this.#objects = objects;
  }

  users(request: ApiRequest): Answer {
    const query = queryOf(request, 100, 500);
    if (isPlain(query)) return query;
    const wrong = this.wrongAccount(request);
    if (wrong) return wrong;
    const accept = this.#accepted(request.url.searchParams);
    if (accept === null) return invalid('Invalid Input: query');
    const page = this.#directory.page(query.start, query.limit, accept);
    const fields = selectionOf(request.url.searchParams.get('fields'))?.get('users') ?? null;
    const items = page.people.map(this.#objects.users(fields, request.url.searchParams.get('projection')));
    return this.#list('users', { items, start: query.start, next: page.next });
  }

  /** `showDeleted` shows the deleted users and nobody else, whatever `query` says. */
  #accepted(search: URLSearchParams): ((person: Person) => boolean) | null {
    if (search.get('showDeleted') === 'true') return (person) => person.visible && person.state === 'deleted';
    const tests = (search.get('query') ?? '')
      .split(' ')
      .filter((text) => text !== '')
      .map((text) => clauses[text]);
    return tests.includes(undefined)
      ? null
      : (person) => isListed(person) && tests.every((test) => test?.(person));
  }

  /** null where the account that is asked for is this one. */
  wrongAccount(request: ApiRequest): Plain | null {
    const { searchParams } = request.url;
    const customer = searchParams.get('customer');
    const domain = searchParams.get('domain');
    if (customer === null && domain === null)
      return googleError(400, 'Bad Request', { reason: 'badRequest', status: 'INVALID_ARGUMENT' });
    if (customer !== null && !this.#isOurs(customer)) return notFound('Resource Not Found: customer');
    return domain === null || domain === this.#directory.domain ? null : notFound('Domain not found.');
  }

  #isOurs(customer: string): boolean {
    return customer === 'my_customer' || customer === this.#objects.customerId;
  }

  /** Also by alias: the answer's primary address then differs from the key. */
  user(request: ApiRequest): Plain {
    const person = this.#objects.findUser(request.params.get('user') ?? '');
    if (!person || !exists(person)) return notFound('Resource Not Found: userKey');
    const selection = selectionOf(request.url.searchParams.get('fields'));
    const write = this.#objects.users(
      selection && [...selection.keys()],
      request.url.searchParams.get('projection'),
    );
    return { ...json(200, null), body: write(person) };
  }

  groups(request: ApiRequest): Answer {
    const query = queryOf(request, 200, 200);
    if (isPlain(query)) return query;
    const userKey = request.url.searchParams.get('userKey');
    const person = userKey === null ? null : this.#objects.findUser(userKey);
    if (userKey !== null && !exists(person ?? undefined)) return notFound('Resource Not Found: userKey');
    const wrong = userKey === null ? this.wrongAccount(request) : null;
    if (wrong) return wrong;
    const groups = this.#directory.groups.filter(
      (group) => group.serial >= query.start && (person === null || isMember(group, person.serial)),
    );
    const items = groups.slice(0, query.limit).map(this.#objects.group);
    return this.#list('groups', { items, start: query.start, next: groups[query.limit]?.serial ?? null });
  }

  #group(request: ApiRequest): Group | Plain {
    const group = this.#objects.findGroup(request.params.get('group') ?? '');
    return group ?? notFound('Resource Not Found: groupKey');
  }

  group(request: ApiRequest): Plain {
    const group = this.#group(request);
    return isPlain(group) ? group : { ...json(200, null), body: this.#objects.group(group) };
  }

  /** Positions in a list of members: everything that is no user of the account below `peopleFrom`, then people by serial. */
  members(request: ApiRequest): Answer {
    const query = queryOf(request, 200, 200);
    if (isPlain(query)) return query;
    const group = this.#group(request);
    if (isPlain(group)) return group;
    const derived = request.url.searchParams.get('includeDerivedMembership') === 'true';
    const others = this.#otherMembers(group, derived);
    const first = others.slice(query.start, query.start + query.limit);
    const serials = derived ? this.#directory.transitiveMembers(group) : group.members;
    const page = this.#directory.pageOf(
      serials,
      query.start - peopleFrom,
      query.limit - first.length,
      isListed,
    );
    const items = [...first, ...page.people.map((person) => this.#objects.memberUser(person, group))];
    const leftover = query.start + query.limit < others.length;
    const next = leftover ? query.start + query.limit : page.next === null ? null : page.next + peopleFrom;
    return this.#list('members', { items, start: query.start, next });
  }

  #otherMembers(group: Group, derived: boolean): readonly Buffer[] {
    const within = derived ? this.#directory.groupsWithin(group) : [group];
    const children = derived
      ? within.slice(1)
      : group.children.flatMap((serial) => this.#directory.groups[serial] ?? []);
    const customers = within
      .filter((inner) => inner.kind === 'everyone')
      .map(() => this.#objects.memberCustomer());
    const externals = within.flatMap((inner) =>
      Array.from({ length: inner.externals }, (_, index) => this.#objects.memberExternal(inner, index)),
    );
    return [...customers, ...children.map(this.#objects.memberGroup), ...externals];
  }

  /** Of users, also through other groups. The whole account as a member counts for nobody here. */
  hasMember(request: ApiRequest): Plain {
    const group = this.#group(request);
    if (isPlain(group)) return group;
    const person = this.#objects.findUser(request.params.get('member') ?? '');
    if (!person || !exists(person)) return notFound('Resource Not Found: memberKey');
    const within = this.#directory.groupsWithin(group);
    return json(200, { isMember: within.some((inner) => isMember(inner, person.serial)) });
  }

  /** By the member's own id or address, the account's ID included. */
  member(request: ApiRequest): Plain {
    const group = this.#group(request);
    if (isPlain(group)) return group;
    const key = request.params.get('member') ?? '';
    const body = this.#directMember(group, key);
    return body === null ? notFound('Resource Not Found: memberKey') : { ...json(200, null), body };
  }

  #directMember(group: Group, key: string): Buffer | null {
    if (key === this.#objects.customerId)
      return group.kind === 'everyone' ? this.#objects.memberCustomer() : null;
    const inner = this.#objects.findGroup(key);
    if (inner) return group.children.includes(inner.serial) ? this.#objects.memberGroup(inner) : null;
    const person = this.#objects.findUser(key);
    return person && isMember(group, person.serial) ? this.#objects.memberUser(person, group) : null;
  }

  /** Not paged. */
  orgUnits(request: ApiRequest): Plain {
    if (!this.#isOurs(request.params.get('customer') ?? '')) return notFound('Resource Not Found: customer');
    const all = this.#objects.orgUnits();
    const units = request.url.searchParams.get('type') === 'all' ? all : all.slice(0, 2);
    return {
      ...json(200, null),
      body: `{"kind":"admin#directory#orgUnits","organizationUnits":[${units.join(',')}]}`,
    };
  }

  #list(key: string, page: { items: readonly Buffer[]; start: number; next: number | null }): Listing {
    return {
      kind: 'list',
      key,
      ...page,
      around: { kind: `admin#directory#${key}`, etag: `"${this.#directory.version}"` },
    };
  }
}

function authenticate(
  { clientEmail }: ServiceAccount,
  adminEmail: () => string,
  tokens: Tokens,
  request: ApiRequest,
): Caller | Plain {
  const token = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  const caller = token === undefined ? 'unknown' : tokens.find(token);
  if (caller === 'unknown') return refuse({ because: 'unauthenticated' });
  if (caller === 'expired') return refuse({ because: 'expired-token' });
  if (caller.permissions.includes(`sign:${clientEmail}`)) return caller;
  // Who acts for nobody, or for somebody who is no administrator, may read nothing.
  if (!caller.permissions.includes(`as:${adminEmail()}`))
    return refuse({ because: 'forbidden', permission: 'admin' });
  return caller;
}

function routesOf(
  api: DirectoryApi,
  reports: ReportsApi,
  channels: GoogleChannels,
  account: ServiceAccount,
  pool: WorkloadIdentity,
  tokens: Tokens,
): readonly Route[] {
  const [user, group, member, orgUnit, audit] = googleScopes;
  const get = (path: string, cls: Route['class'], permission: string, handle: Route['handle']): Route => {
    return { method: 'GET', path: `/admin/directory/v1${path}`, class: cls, permission, handle };
  };
  const token = (request: ApiRequest): Promise<Plain> => issueToken(account, tokens, request);
  return [
    { method: 'POST', path: '/token', class: 'token', permission: null, handle: token },
    {
      method: 'POST',
      path: '/v1/token',
      class: 'token',
      permission: null,
      handle: (request) => exchangeToken(pool, account, tokens, request),
    },
    {
      method: 'POST',
      path: '/v1/projects/-/serviceAccounts/:account',
      class: 'token',
      permission: `sign:${account.clientEmail}`,
      handle: async (request) =>
        (await signJwt(account, request)) ?? notFound('Not found; Gaia id not found'),
    },
    {
      method: 'POST',
      path: '/admin/directory/v1/users/watch',
      class: 'other',
      permission: user,
      handle: (request) => api.wrongAccount(request) ?? channels.watch(request),
    },
    {
      method: 'POST',
      path: '/admin/directory_v1/channels/stop',
      class: 'other',
      permission: user,
      handle: (request) => channels.stop(request),
    },
    get('/users', 'users', user, (request) => api.users(request)),
    get('/users/:user', 'user', user, (request) => api.user(request)),
    get('/groups', 'groups', group, (request) => api.groups(request)),
    get('/groups/:group', 'group', group, (request) => api.group(request)),
    get('/groups/:group/members', 'members', member, (request) => api.members(request)),
    get('/groups/:group/members/:member', 'other', member, (request) => api.member(request)),
    get('/groups/:group/hasMember/:member', 'other', member, (request) => api.hasMember(request)),
    get('/customer/:customer/orgunits', 'other', orgUnit, (request) => api.orgUnits(request)),
    {
      method: 'GET',
      path: '/admin/reports/v1/activity/users/:user/applications/:application',
      class: 'changes',
      permission: audit,
      handle: (request) => reports.activities(request),
    },
  ];
}

/** Signs the tokens of the platform, with the key of the service account: there is only one here. */
export const platformIssuer = 'https://platform.example';

const identityKeyOf = (seed: number): string => `simulated-machine-identity-${seed}`;

export function google(
  directory: Directory,
  keys: Keys,
  tokens: Tokens,
  permissions: () => readonly string[],
  post: Post,
): SimulatedProvider {
  const objects = googleObjects(directory, roomFor(160));
  const reports = new ReportsApi(directory, objects.customerId, objects.addressOfGroup);
  const subscriptions = new GoogleChannels(directory, objects, post);
  const adminEmail = (): string => {
    const [first] = directory.people;
    return first ? objects.addressOf(first) : '';
  };
  const clientEmail = `directory-sync@simulated-${directory.seed}.iam.gserviceaccount.example`;
  const account: ServiceAccount = {
    clientEmail,
    privateKey: keys.clientKey,
    authorised: permissions,
    canBeImpersonated: (address) => {
      const person = objects.findUser(address);
      return person !== null && isListed(person) && person.state !== 'disabled';
    },
  };
  const pool: WorkloadIdentity = {
    audience: `//iam.googleapis.com/projects/${100_000 + directory.seed}/locations/global/workloadIdentityPools/simulated/providers/platform`,
    issuer: platformIssuer,
  };
  return {
    userIdOf: objects.userIdOf,
    groupIdOf: objects.groupIdOf,
    serialOf: (key) => objects.findUser(key)?.serial ?? null,
    settings: { customer: 'my_customer', adminEmail: adminEmail() },
    credentials: { kind: 'service-account', clientEmail, privateKey: keys.clientKey },
    alternativeCredentials: {
      kind: 'workload-identity',
      clientEmail,
      audience: pool.audience,
      identityKey: identityKeyOf(directory.seed),
    },
    subscriptions,
    protocol: {
      routes: routesOf(new DirectoryApi(directory, objects), reports, subscriptions, account, pool, tokens),
      authenticate: (request) => authenticate(account, adminEmail, tokens, request),
      refuse,
      render,
      headers: () => ({ vary: 'Origin, X-Origin, Referer', 'cache-control': 'private' }),
      cursorOf: (request) => request.url.searchParams.get('pageToken'),
      withoutPermission,
      unreadable: (user) => ({ ...user, primaryEmail: 17, name: 'none', suspended: 'perhaps' }),
    },
  };
}

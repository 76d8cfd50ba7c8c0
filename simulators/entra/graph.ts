/** The lists and single objects of Graph v1.0 that a directory sync reads. */
import type { Directory } from '../directory.ts';
import { type Group, isMember } from '../population/groups.ts';
import { exists, isListed, type Person } from '../population/people.ts';
import {
  type Answer,
  type ApiRequest,
  decodeCursor,
  json,
  type Listing,
  type Plain,
  wholeNumber,
} from '../protocol.ts';
import { graphError, refuse } from './answers.ts';
import type { EntraObjects } from './objects.ts';

type Query = { readonly start: number; readonly limit: number; readonly select: string | null };

/** Paging and selection of a list request; a `Plain` answer says what is wrong with it. */
function queryOf(request: ApiRequest): Query | Plain {
  const { searchParams } = request.url;
  if (searchParams.has('$skip'))
    return refuse({ because: 'bad-request', detail: "'$skip' is not supported by the service." });
  const cursor = searchParams.get('$skiptoken');
  const at = cursor === null ? { position: 0 } : decodeCursor(cursor);
  if (at === null) return refuse({ because: 'bad-cursor' });
  const top = searchParams.get('$top');
  const limit = top === null ? 100 : wholeNumber(top, 1, 999);
  if (limit === null) {
    const detail = `Invalid page size specified: '${top}'. Must be between 1 and 999 inclusive.`;
    return refuse({ because: 'bad-request', detail });
  }
  return { start: at.position, limit, select: searchParams.get('$select') };
}

const filters: Readonly<Record<string, (person: Person) => boolean>> = {
  'accountEnabled eq true': (person) => person.state !== 'disabled',
  'accountEnabled eq false': (person) => person.state === 'disabled',
  "userType eq 'Member'": (person) => person.kind !== 'guest',
  "userType eq 'Guest'": (person) => person.kind === 'guest',
};

const isEventual = (request: ApiRequest): boolean => request.headers['consistencylevel'] === 'eventual';
const isDeleted = (person: Person): boolean => person.visible && person.state === 'deleted';
const deletedUnasked = 'id,displayName,userPrincipalName,deletedDateTime';

const isPlain = (value: object): value is Plain => 'status' in value;

export class Graph {
  readonly #directory: Directory;
  readonly #objects: EntraObjects;

  constructor(directory: Directory, objects: EntraObjects) {
    this.#directory = directory;
    this.#objects = objects;
  }

  users(request: ApiRequest): Answer {
    const query = queryOf(request);
    if (isPlain(query)) return query;
    const { searchParams } = request.url;
    const filter = searchParams.get('$filter');
    const accept = filter === null ? isListed : filters[filter.trim()];
    if (!accept)
      return refuse({
        because: 'bad-request',
        detail: 'Unsupported or invalid query filter clause specified.',
      });
    const page = this.#directory.page(
      query.start,
      query.limit,
      (person) => isListed(person) && accept(person),
    );
    const withManager = /^manager\b/.test(searchParams.get('$expand') ?? '');
    const items = page.people.map(this.#objects.users(query.select, { withManager }));
    const count = this.#counted(request, (person) => isListed(person) && accept(person));
    return this.#list(request, 'users', { items, start: query.start, next: page.next, count });
  }

  /** Counting is an advanced query: without the header Graph leaves the number out. */
  #counted(request: ApiRequest, accept: (person: Person) => boolean): number | undefined {
    const wanted = request.url.searchParams.get('$count') === 'true' && isEventual(request);
    return wanted ? this.#directory.people.filter(accept).length : undefined;
  }

  userCount(request: ApiRequest): Plain {
    if (!isEventual(request)) return refuse({ because: 'bad-request', detail: '$count is not supported.' });
    const count = this.#directory.people.filter(isListed).length;
    return { kind: 'plain', status: 200, headers: { 'content-type': 'text/plain' }, body: String(count) };
  }

  deletedUsers(request: ApiRequest): Answer {
    const query = queryOf(request);
    if (isPlain(query)) return query;
    const page = this.#directory.page(query.start, query.limit, isDeleted);
    const items = page.people.map(this.#objects.users(query.select ?? deletedUnasked));
    const count = this.#counted(request, isDeleted);
    return this.#list(request, 'users', { items, start: query.start, next: page.next, count });
  }

  deletedUser(request: ApiRequest): Plain {
    const id = request.params.get('user') ?? '';
    const person = this.#objects.findUser(id);
    if (!person || !isDeleted(person)) return this.#noSuch(request, id);
    const select = request.url.searchParams.get('$select') ?? deletedUnasked;
    return this.#entity(request, 'directoryObjects', this.#objects.users(select, { type: true })(person));
  }

  user(request: ApiRequest): Plain {
    const person = this.#objects.findUser(request.params.get('user') ?? '');
    if (!person || !exists(person)) return this.#noSuch(request, request.params.get('user') ?? '');
    const { searchParams } = request.url;
    const withManager = /^manager\b/.test(searchParams.get('$expand') ?? '');
    return this.#entity(
      request,
      'users',
      this.#objects.users(searchParams.get('$select'), { withManager })(person),
    );
  }

  manager(request: ApiRequest): Plain {
    const person = this.#objects.findUser(request.params.get('user') ?? '');
    const manager = this.#directory.people[person?.manager ?? -1];
    if (!exists(manager)) return this.#noSuch(request, 'manager');
    const select = request.url.searchParams.get('$select');
    return this.#entity(request, 'directoryObjects', this.#objects.users(select, { type: true })(manager));
  }

  memberOf(request: ApiRequest): Answer {
    const query = queryOf(request);
    if (isPlain(query)) return query;
    const person = this.#objects.findUser(request.params.get('user') ?? '');
    if (!person || !exists(person)) return this.#noSuch(request, request.params.get('user') ?? '');
    const transitive = request.url.pathname.includes('/transitiveMemberOf');
    const groups = this.#directory.groups.filter((group) => {
      const within = transitive ? this.#directory.groupsWithin(group) : [group];
      return group.serial >= query.start && within.some((inner) => isMember(inner, person.serial));
    });
    return this.#groupList(request, query, groups, true);
  }

  groups(request: ApiRequest): Answer {
    const query = queryOf(request);
    if (isPlain(query)) return query;
    return this.#groupList(request, query, this.#directory.groups.slice(query.start), false);
  }

  group(request: ApiRequest): Plain {
    const id = request.params.get('group') ?? '';
    const group = this.#objects.findGroup(id);
    if (!group) return this.#noSuch(request, id);
    return this.#entity(
      request,
      'groups',
      this.#objects.groups(request.url.searchParams.get('$select'))(group),
    );
  }

  /** Positions in a list of members: groups and devices below `peopleFrom`, then people by serial. */
  members(request: ApiRequest): Answer {
    const query = queryOf(request);
    if (isPlain(query)) return query;
    const id = request.params.get('group') ?? '';
    const group = this.#objects.findGroup(id);
    if (!group) return this.#noSuch(request, id);
    const usersOnly = request.url.pathname.endsWith('/microsoft.graph.user');
    const { searchParams } = request.url;
    if (usersOnly && !(isEventual(request) && searchParams.get('$count') === 'true')) {
      const detail = 'Request needs the header ConsistencyLevel: eventual and $count=true.';
      return refuse({ because: 'bad-request', detail });
    }
    const transitive = request.url.pathname.includes('/transitiveMembers');
    const others = usersOnly ? [] : this.#nonUsers(group, transitive, query.select);
    const first = others.slice(query.start, query.start + query.limit);
    const serials = transitive ? this.#directory.transitiveMembers(group) : group.members;
    const page = this.#directory.pageOf(
      serials,
      query.start - peopleFrom,
      query.limit - first.length,
      isListed,
    );
    const write = this.#objects.users(query.select, { type: !usersOnly });
    const items = [...first, ...page.people.map(write)];
    const leftover = query.start + query.limit < others.length;
    const next = leftover ? query.start + query.limit : page.next === null ? null : page.next + peopleFrom;
    const count = usersOnly
      ? serials.filter((serial) => exists(this.#directory.people[serial])).length
      : undefined;
    return this.#list(request, usersOnly ? 'users' : 'directoryObjects', {
      items,
      start: query.start,
      next,
      count,
    });
  }

  #nonUsers(group: Group, transitive: boolean, select: string | null): readonly Buffer[] {
    const within = transitive ? this.#directory.groupsWithin(group) : [group];
    const children = transitive
      ? within.slice(1)
      : group.children.flatMap((serial) => this.#directory.groups[serial] ?? []);
    const devices = within.flatMap((inner) =>
      Array.from({ length: inner.devices }, (_, index) => this.#objects.device(inner, index)),
    );
    return [...children.map(this.#objects.groups(select, { type: true })), ...devices];
  }

  #groupList(request: ApiRequest, query: Query, groups: readonly Group[], type: boolean): Listing {
    const items = groups.slice(0, query.limit).map(this.#objects.groups(query.select, { type }));
    const next = groups[query.limit]?.serial ?? null;
    return this.#list(request, type ? 'directoryObjects' : 'groups', { items, start: query.start, next });
  }

  #list(
    request: ApiRequest,
    set: string,
    page: { items: readonly Buffer[]; start: number; next: number | null; count?: number | undefined },
  ): Listing {
    const select = request.url.searchParams.get('$select');
    const context = `${request.url.origin}/v1.0/$metadata#${set}${select ? `(${select})` : ''}`;
    const counted = page.start === 0 && page.count !== undefined ? { '@odata.count': page.count } : {};
    const { items, start, next } = page;
    return {
      kind: 'list',
      key: 'value',
      items,
      start,
      next,
      around: { '@odata.context': context, ...counted },
    };
  }

  #entity(request: ApiRequest, set: string, written: Buffer): Plain {
    const context = `${request.url.origin}/v1.0/$metadata#${set}/$entity`;
    const head = json(200, null);
    return { ...head, body: `{"@odata.context":${JSON.stringify(context)},${written.toString().slice(1)}` };
  }

  #noSuch(request: ApiRequest, key: string): Plain {
    const message = `Resource '${key}' does not exist or one of its queried reference-property objects are not present.`;
    return graphError(request, 404, 'Request_ResourceNotFound', message);
  }
}

const peopleFrom = 10_000;

/**
 * What a tenant may not see, tried on every route that the OpenAPI document lists: a new route is tried as soon as it is there, and fails
 * here until there is an id for its path and a body that it takes.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Action } from '../../src/domain/permission.ts';
import { createKey, revokeKey } from '../../src/tenancy/apiKeys.ts';
import { createPrincipal, disablePrincipal } from '../../src/tenancy/principals.ts';
import { createRole } from '../../src/tenancy/roles.ts';
import { endSupport, inviteSupport } from '../../src/tenancy/supportAccess.ts';
import { suspendTenant } from '../../src/tenancy/tenantLife.ts';
import type { TestClock } from '../support/clock.ts';
import { asOwner } from '../support/database.ts';
import { until } from '../support/waiting.ts';
import {
  asking,
  type Listed,
  operationsOf,
  parametersOf,
  pathWith,
  UNKNOWN,
  unknownIds,
  usableBody,
} from './operations.ts';
import { addCustomer, fill, type Ids, type Json, type Served, serve } from './served.ts';

const MINUTE = 60_000;

type Customer = Awaited<ReturnType<typeof addCustomer>>;
type Headers = Readonly<Record<string, string>>;

let served: Served;
let operations: readonly Listed[];
/** A customer, a part of it, and another customer. */
let parent: Customer;
let child: Customer;
let stranger: Customer;
let parentIds: Ids;
let childIds: Ids;
let strangerIds: Ids;
let strangerFingerprint: string;
/** What the child reads while it is alone, and when others have much. */
let alone: ReadonlyMap<string, string>;
let crowded: ReadonlyMap<string, string>;

beforeAll(async () => {
  served = await serve();
  operations = await operationsOf(served);
  await createRole(served.deps, served.operator, { name: 'reader', type: 'assignable' });
  parent = await addCustomer(served, 'Parent');
  child = await addCustomer(served, 'Child', parent.tenant);
  stranger = await addCustomer(served, 'Stranger');
  ({ ids: childIds } = await fill(served, child));
  alone = await everythingReadable();
  ({ ids: parentIds } = await fill(served, parent, 5));
  ({ ids: strangerIds, fingerprint: strangerFingerprint } = await fill(served, stranger, 7));
  crowded = await everythingReadable();
});
afterAll(() => served.close());

const withKey = (key: string): Headers => ({ authorization: `Bearer ${key}` });
const asChild = () => withKey(child.keys['tenant-administrator']);
const isOpen = ({ operation }: Listed) => operation.security !== undefined;
const isRead = ({ method }: Listed) => method === 'GET';
const hasBody = ({ operation }: Listed) => operation.requestBody !== undefined;
const permissionsOf = ({ operation }: Listed): readonly Action[] => operation['x-permissions'] ?? [];
const nameOf = ({ method, path }: Listed) => `${method} ${path}`;

/** A few at a time: most of a request is waiting. After a failure nothing is under way any more. */
async function abreast<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const turns = Array.from({ length: 6 }, async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift())
      await work(item).catch((error: unknown) => {
        left.length = 0;
        throw error;
      });
  });
  const ended = await Promise.allSettled(turns);
  for (const turn of ended) if (turn.status === 'rejected') throw turn.reason;
}

/** All of an answer, byte for byte, but for what says which request it answers. */
async function heard(method: string, path: string, headers: Headers, body?: Json): Promise<string> {
  const answer = await fetch(`${served.url}${path}`, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const requestId = answer.headers.get('x-request-id') ?? 'none';
  const kept = [...answer.headers].filter(([name]) => !['date', 'x-request-id'].includes(name));
  return `${answer.status}\n${JSON.stringify(kept)}\n${(await answer.text()).replace(requestId, 'this request')}`;
}

/** Everything there is to read about itself and as lists, as the child's administrator reads it, searches included. */
async function everythingReadable(): Promise<ReadonlyMap<string, string>> {
  await served.request('GET', '/v1/whoami', { headers: asChild() });
  // The first use of a key is noted beside the request.
  await until('it is noted', async () =>
    (await heard('GET', '/v1/keys', asChild())).includes('lastUsedAt":"2'),
  );
  const searched = ['00u1', 'acme.example', 'Person', '%', '_'];
  const paths = operations
    .filter(isRead)
    .flatMap((one) => [
      asking(one.path, childIds),
      ...parametersOf(one, 'query').flatMap(({ name }) =>
        name === 'search' ? searched.map((text) => `${one.path}?search=${encodeURIComponent(text)}`) : [],
      ),
    ]);
  paths.push('/v1/users/by-identity?provider=okta&externalId=00u0'); // whom all three have under this id
  const read = new Map<string, string>();
  await abreast(paths, async (path) => void read.set(path, await heard('GET', path, asChild())));
  return read;
}

/** Every row of a tenant itself, hashed; when its keys were last used is left out. */
async function allRowsOf(tenant: string): Promise<Json> {
  return await asOwner(served.databaseUrl, async (owner) => {
    const { rows: tables } = await owner.query(
      `SELECT c.relname AS name, CASE c.relname WHEN 'tenant' THEN 'id' ELSE 'tenant_id' END AS column FROM pg_class c
       WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND (c.relname = 'tenant'
         OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')) ORDER BY 1`,
    );
    const hashes: Record<string, string> = {};
    for (const { name, column } of tables) {
      const { rows } = await owner.query(
        `SELECT count(*) || ' ' || coalesce(md5(string_agg(md5((to_jsonb(t) - 'last_used_at')::text), '' ORDER BY to_jsonb(t)::text)), '') AS all
         FROM ${name} t WHERE ${column} = $1`,
        [tenant],
      );
      hashes[name] = rows[0].all;
    }
    return hashes;
  });
}

it('every route that takes a body is tried with one that it would take', () => {
  expect(
    operations
      .filter(hasBody)
      .map(({ operation }) => operation.operationId)
      .sort(),
  ).toEqual(Object.keys(usableBody).sort());
});

describe('a key that opens nothing', () => {
  const closed: [string, () => Promise<Headers>, number, string][] = [
    ['no key', async () => ({}), 401, 'unauthenticated'],
    ['an expired key', async () => withKey(await expiredKey()), 401, 'unauthenticated'],
    ['a revoked key', async () => withKey(await revokedKey()), 401, 'unauthenticated'],
    [
      'an access token of a revoked key',
      async () => withKey(await tokenOfRevokedKey()),
      401,
      'unauthenticated',
    ],
    ['the key of a disabled principal', async () => withKey(await disabledKey()), 401, 'unauthenticated'],
    ['a key of a suspended tenant', async () => withKey(await suspendedKey()), 403, 'tenant-suspended'],
    ['a support access that was ended', () => supportThat('was ended'), 403, 'support-access-ended'],
    ['a support access whose time is up', () => supportThat('ran out'), 403, 'support-access-ended'],
  ];

  it.each(closed)('%s is refused on every route, and nothing is done', async (_, headersOf, status, code) => {
    const headers = await headersOf();
    const before = await allRowsOf(parent.tenant);
    const secured = operations.filter((one) => !isOpen(one));
    expect(secured.length).toBeGreaterThan(50);
    await abreast(secured, async (one) => {
      const body = hasBody(one) ? usableBody[one.operation.operationId] : undefined;
      const answer = await served.request(one.method, pathWith(one.path, parentIds), { headers, body });
      expect(answer, nameOf(one)).toMatchObject({ status, body: { code } });
      expect(Object.keys(answer.body).sort()).toEqual([
        'code',
        'detail',
        'instance',
        'remedy',
        'status',
        'title',
        'type',
      ]);
    });
    expect(await allRowsOf(parent.tenant)).toEqual(before);
  });

  it('only health, readiness and what tokens are got and checked by need none', () => {
    expect(operations.filter(isOpen).map(({ path }) => path)).toEqual([
      '/v1/token',
      '/.well-known/jwks.json',
      '/healthz',
      '/readyz',
    ]);
  });

  async function aKey(name: string, options: { expiresAt?: Date } = {}) {
    const { deps, operator } = served;
    const { id } = await createPrincipal(deps, operator, {
      tenant: parent.tenant,
      name,
      role: 'tenant-administrator',
    });
    return { principal: id, ...(await createKey(deps, operator, { principal: id, ...options })) };
  }
  async function expiredKey() {
    const clock = served.deps.clock as TestClock;
    const { key } = await aKey('Expired', { expiresAt: new Date(clock.now().getTime() + MINUTE) });
    clock.advance(MINUTE);
    return key;
  }
  async function revokedKey() {
    const { id, key } = await aKey('Revoked');
    await revokeKey(served.deps, served.operator, id);
    return key;
  }
  async function tokenOfRevokedKey() {
    const { id, key, principal } = await aKey('Token');
    const token = await accessToken(principal, key, parent.tenant);
    expect((await served.request('GET', '/v1/whoami', { headers: withKey(token) })).status).toBe(200);
    await revokeKey(served.deps, served.operator, id);
    return token;
  }
  async function disabledKey() {
    const { principal, key } = await aKey('Disabled');
    await disablePrincipal(served.deps, served.operator, principal);
    return key;
  }
  async function suspendedKey() {
    const closed = await addCustomer(served, 'Closed');
    await suspendTenant(served.deps, served.operator, closed.tenant);
    return closed.keys['tenant-administrator'];
  }
  async function supportThat(how: 'was ended' | 'ran out'): Promise<Headers> {
    const { headers, access } = await duringSupport(parent, how);
    if (how === 'was ended') await endSupport(served.deps, served.operator, access);
    else (served.deps.clock as TestClock).advance(8 * 60 * MINUTE);
    return headers;
  }
});

/** Somebody of all tenants, let into one to look and to write. */
async function duringSupport({ tenant, administrator }: Customer, name: string) {
  const { deps, operator } = served;
  const { id: principal } = await createPrincipal(deps, operator, {
    name: `Support that ${name}`,
    role: 'support',
  });
  const { key } = await createKey(deps, operator, { principal });
  const asked = { tenant, principal, reason: 'to look', minutes: 8 * 60, mayWrite: true };
  const { id: access } = await inviteSupport(deps, administrator, asked);
  return { access, headers: { ...withKey(key), 'rollcall-support-access': access } };
}

/** For one tenant, by a key of the principal. */
async function accessToken(principal: string, key: string, tenant: string): Promise<string> {
  const form = { grant_type: 'client_credentials', client_id: principal, client_secret: key, tenant };
  const answer = await fetch(`${served.url}/v1/token`, { method: 'POST', body: new URLSearchParams(form) });
  const { access_token } = (await answer.json()) as Json;
  return access_token;
}

async function tokenForChild({ administrator, keys }: Customer): Promise<Headers> {
  return withKey(await accessToken(administrator.principal, keys['tenant-administrator'], child.tenant));
}

async function scopedToChild(principal: string): Promise<Headers> {
  const { deps, operator } = served;
  return withKey((await createKey(deps, operator, { principal, tenant: child.tenant })).key);
}

describe('a key that was made for other things', () => {
  it('is refused wherever its permissions do not reach, also where its role does', async () => {
    const { deps, operator } = served;
    const principal = operator.principal;
    const only = async (permission: Action) =>
      withKey((await createKey(deps, operator, { principal, permissions: [permission] })).key);
    const [events, providers] = [await only('events.read'), await only('sign-in.read')];
    const before = await allRowsOf(parent.tenant);
    const guarded = operations.filter((one) => permissionsOf(one).length > 0);
    await abreast(guarded, async (one) => {
      const headers = permissionsOf(one).includes('events.read') ? providers : events;
      const body = hasBody(one) ? usableBody[one.operation.operationId] : undefined;
      const answer = await served.request(one.method, pathWith(one.path, parentIds), { headers, body });
      expect(answer, nameOf(one)).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    });
    expect(await allRowsOf(parent.tenant)).toEqual(before);
  });

  it('reaches only these routes, which ask for no permission', () => {
    const free = operations.filter((one) => !isOpen(one) && permissionsOf(one).length === 0);
    expect(free.map(({ operation }) => operation.operationId).sort()).toEqual([
      'endSession',
      'endSessionsOf',
      'getSession',
      'listProviders',
      'listSessions',
      'signOut',
      'whoami',
    ]);
  });
});

/** Who tries, and whose things: nothing of them is the caller's to know. */
const attempts: [string, () => Promise<Headers>, () => [Customer, Ids]][] = [
  [
    'an administrator of another customer',
    async () => withKey(stranger.keys['tenant-administrator']),
    () => [parent, parentIds],
  ],
  ['an administrator of a child, for its parent', async () => asChild(), () => [parent, parentIds]],
  ['an administrator of a child, for a stranger', async () => asChild(), () => [stranger, strangerIds]],
  ['a reviewer of a child', async () => withKey(child.keys.reviewer), () => [parent, parentIds]],
  ['an application of a child', async () => withKey(child.keys.application), () => [parent, parentIds]],
  [
    'a key of the parent that holds in the child alone',
    () => scopedToChild(parent.administrator.principal),
    () => [parent, parentIds],
  ],
  [
    'a key of the system that holds in the child alone',
    () => scopedToChild(served.operator.principal),
    () => [parent, parentIds],
  ],
  [
    'an access token of the parent for the child alone',
    () => tokenForChild(parent),
    () => [parent, parentIds],
  ],
  [
    'a support access to the child',
    async () => (await duringSupport(child, 'tries')).headers,
    () => [parent, parentIds],
  ],
];

describe.each(attempts)('%s', (_, headersOf, whose) => {
  let headers: Headers;
  let foreign: Ids;
  let before: Json;
  beforeAll(async () => {
    headers = await headersOf();
    const [{ tenant }, ids] = whose();
    foreign = ids;
    before = await allRowsOf(tenant);
  });
  afterAll(async () => {
    const [{ tenant }] = whose();
    expect(await allRowsOf(tenant)).toEqual(before);
  });

  it('finds none of them in any list, nor in what it reads of its own', async () => {
    const own = Object.values(childIds);
    const ids = Object.entries(foreign).flatMap(([name, id]) =>
      name === 'productPlan' || own.includes(id) ? [] : [id],
    );
    await abreast(operations.filter(isRead), async (one) => {
      const said = await heard('GET', asking(one.path, childIds), headers);
      expect(
        ids.filter((id) => said.includes(id)),
        one.path,
      ).toEqual([]);
    });
  });

  it('hears of foreign ids in a path what is said of ids that do not exist', async () => {
    const withIds = operations.filter((one) => parametersOf(one, 'path').some(({ name }) => name !== 'role'));
    expect(withIds.length).toBeGreaterThan(30);
    await abreast(withIds, async (one) => {
      const body = hasBody(one) ? usableBody[one.operation.operationId] : undefined;
      const said = await heard(one.method, asking(one.path, foreign), headers, body);
      expect(said, nameOf(one)).toBe(await heard(one.method, asking(one.path, unknownIds), headers, body));
      expect(said, nameOf(one)).toMatch(/^40[34]\n/);
    });
  });

  it('hears of foreign ids in a query what is said of ids that do not exist', async () => {
    const filters = operations.flatMap((one) =>
      parametersOf(one, 'query').flatMap(({ name, schema }) =>
        schema.format === 'uuid' ? [[one, name] as const] : [],
      ),
    );
    expect(filters.length).toBeGreaterThan(15);
    await abreast(filters, async ([{ method, path }, name]) => {
      const said = await heard(method, asking(path, childIds, { [name]: idNamed(name, foreign) }), headers);
      expect(said, `${path}?${name}`).toBe(
        await heard(method, asking(path, childIds, { [name]: UNKNOWN }), headers),
      );
      expect(said, `${path}?${name}`).toMatch(/^40[34]\n|"items":\[\]/);
    });
  });

  it('hears of foreign ids in a body what is said of ids that do not exist', async () => {
    const members = operations.flatMap((one) => idsInBody(one).map((name) => [one, name] as const));
    expect(members.length).toBeGreaterThan(10);
    await abreast(members, async ([one, name]) => {
      const path = pathWith(one.path, childIds);
      const body = { ...usableBody[one.operation.operationId] };
      const said = await heard(one.method, path, headers, { ...body, [name]: idNamed(name, foreign) });
      expect(said, `${nameOf(one)} ${name}`).toBe(
        await heard(one.method, path, headers, { ...body, [name]: UNKNOWN }),
      );
      expect(said, `${nameOf(one)} ${name}`).toMatch(/^(4\d\d|502)\n/);
    });
  });
});

/** Which kind of id a member of this name holds. */
function idNamed(name: string, ids: Ids): string {
  const kind = { parent: 'tenant', into: 'tenant', plan: 'productPlan', to: 'principal' }[name] ?? name;
  const id = ids[kind as keyof Ids];
  if (id === undefined) throw new Error(`no id is known for ${name}`);
  return id;
}

/** Members of its body that are ids, by their format or their name. */
function idsInBody({ operation }: Listed): readonly string[] {
  const schema = operation.requestBody?.content['application/json']?.schema;
  const variants: readonly Json[] = schema?.oneOf ?? schema?.anyOf ?? [schema];
  const members = variants.flatMap((one) => Object.entries<Json>(one?.properties ?? {}));
  const isId = ([name, member]: readonly [string, Json]) =>
    JSON.stringify(member).includes('"format":"uuid"') || name in unknownIds;
  return [...new Set(members.filter(isId).map(([name]) => name))].filter(
    (name) => !['changes', 'pairs', 'revisions', 'filter'].includes(name),
  );
}

describe('the administrator of a child', () => {
  it('reads byte for byte the same whether its parent and strangers have anything or nothing', async () => {
    for (const [path, said] of alone) expect(crowded.get(path), path).toBe(said);
    expect(crowded.size).toBe(alone.size);
    expect(alone.size).toBeGreaterThan(20);
  });

  it('decides on foreign changes no more than on ones that do not exist', async () => {
    const decide = (id: string) =>
      served.request('POST', '/v1/changes/decisions', {
        headers: asChild(),
        body: { verdict: 'approve', reason: 'why not', changes: [{ id, fingerprint: strangerFingerprint }] },
      });
    for (const id of [strangerIds.change, UNKNOWN])
      expect((await decide(id)).body).toEqual({
        ...{ decided: 0, waiting: 0 },
        refused: [
          { id, because: 'not-found', explanation: 'there is no such change among those that you may see' },
        ],
      });
  });

  it('decides on foreign change sets no more than on ones that do not exist', async () => {
    const decide = async (connection: string) => {
      const body = { verdict: 'hold', reason: 'why not', revisions: [{ connection, revision: 0 }] };
      const answer = await served.request('POST', '/v1/changes/decisions', {
        headers: asChild(),
        body,
      });
      return { status: answer.status, detail: (answer.body as Json).detail };
    };
    expect((await decide(UNKNOWN)).status).toBe(404);
    expect(await decide(strangerIds.connection)).toEqual(await decide(UNKNOWN));
  });

  it('says of a foreign pair no more than of one that does not exist', async () => {
    for (const id of [strangerIds.pair, UNKNOWN]) {
      const pairs = [{ id, fingerprint: strangerFingerprint }];
      const body = { verdict: 'same', reason: 'why not', pairs };
      const answer = await served.request('POST', '/v1/pairs/verdicts', { headers: asChild(), body });
      expect(answer.body).toEqual({ decided: 0, refused: [{ id, because: 'not-found' }] });
    }
  });

  it('may use every name that somebody has elsewhere', async () => {
    for (const [path, body] of [
      ['/v1/principals', { name: 'Parent reviewer', role: 'auditor' }],
      ['/v1/tenants', { name: 'Stranger' }],
    ] as const)
      expect((await served.request('POST', path, { headers: asChild(), body })).status, path).toBe(201);
  });
});

it('the system sees all of it, so that none of this is for want of anything to see', async () => {
  const headers = withKey(parent.keys.system);
  for (const ids of [parentIds, childIds, strangerIds])
    await abreast(operations.filter(isRead), async (one) => {
      const { status } = await served.request('GET', asking(one.path, ids), { headers });
      expect(status, nameOf(one)).toBe(200);
    });
});

import { expect, it } from 'vitest';
import type { SimulatorOptions } from '../../simulators/start.ts';
import { everyPage, type Json, list, otherSecret, setting, type Visitor, visit } from './visitor.ts';

const base = '/scim/v2';
const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';

const scim = (options: SimulatorOptions = {}) => visit('scim', { plain: true, ...options });

async function page(visitor: Visitor, query: string): Promise<Json> {
  const reply = await visitor.get(`${base}/Users?${query}`);
  expect([reply.status, reply.headers['content-type']]).toEqual([
    200,
    'application/scim+json; charset=utf-8',
  ]);
  return reply.json();
}
const idsOf = (body: Json): readonly string[] => list(body['Resources']).map((user) => String(user['id']));
const filtered = (filter: string): string => `filter=${encodeURIComponent(filter)}`;

it('pages by index from 1, gives no more than 200, and says how many there are', async () => {
  const visitor = await scim({ users: 450 });
  const pages = [];
  for (const start of [1, 201, 401]) pages.push(await page(visitor, `startIndex=${start}&count=1000`));
  expect(pages.map((one) => [one['totalResults'], one['startIndex'], one['itemsPerPage']])).toEqual([
    [450, 1, 200],
    [450, 201, 200],
    [450, 401, 50],
  ]);
  expect(new Set(pages.flatMap(idsOf)).size).toBe(450);
  expect(await page(visitor, 'startIndex=0&count=2')).toEqual(await page(visitor, 'startIndex=1&count=2'));
  expect(await page(visitor, 'startIndex=900')).toMatchObject({ totalResults: 450, Resources: [] });
  expect(list((await page(visitor, 'count=0'))['Resources'])).toEqual([]);
});

it('pages by cursor, where an empty one asks for the first page', async () => {
  const visitor = await scim({ users: 430 });
  const users = await everyPage(visitor, `${base}/Users?count=200&cursor=`);
  expect(new Set(users.map((user) => user['id'])).size).toBe(430);
  const wrong = await visitor.get(`${base}/Users?cursor=none-of-ours`);
  expect([wrong.status, wrong.json()['scimType'], wrong.json()['status']]).toEqual([
    400,
    'invalidCursor',
    '400',
  ]);
});

it('moves everybody behind a leaver up by one, as an index does', async () => {
  const visitor = await scim({ users: 40 });
  const before = idsOf(await page(visitor, 'startIndex=1&count=40'));
  await visitor.simulator.control.leave([before[3] ?? ''], 'delete');
  expect(idsOf(await page(visitor, 'startIndex=11&count=10'))).toEqual(before.slice(11, 21));
});

it('sorts by id, and filters by id, name, state and time', async () => {
  const visitor = await scim({ users: 60 });
  const all = idsOf(await page(visitor, 'count=60'));
  expect(idsOf(await page(visitor, 'count=60&sortBy=id'))).toEqual([...all].sort());
  const [one] = list((await page(visitor, 'count=1'))['Resources']);
  expect(
    idsOf(await page(visitor, filtered(`userName eq "${String(one?.['userName']).toUpperCase()}"`))),
  ).toEqual([one?.['id']]);
  expect(idsOf(await page(visitor, filtered(`id eq "${all[4]}" or id eq "${all[5]}"`)))).toEqual(
    all.slice(4, 6),
  );
  const [left = ''] = (await visitor.simulator.control.leave(1, 'disable')).ids;
  expect(idsOf(await page(visitor, filtered('active eq false')))).toEqual([left]);
  const { ids } = await visitor.simulator.control.rename(2);
  const since = await visitor.get(`${base}/Users/${left}`);
  const changed = `meta.lastModified gt "${since.json()['meta']?.['lastModified']}"`;
  expect(idsOf(await page(visitor, filtered(changed)))).toEqual(ids);
  expect(idsOf(await page(visitor, filtered(`${changed} and id eq "${ids[1]}"`)))).toEqual([ids[1]]);
  expect(await page(visitor, filtered('id eq "nobody"'))).not.toHaveProperty('Resources');
  const strange = await visitor.get(`${base}/Users?${filtered('shoeSize gt 43')}`);
  expect([strange.status, strange.json()['scimType']]).toEqual([400, 'invalidFilter']);
});

it('shows users with their extensions, and one alone with the groups that they are in', async () => {
  const visitor = await scim({ users: 60 });
  const engineering = list((await visitor.get(`${base}/Groups?count=200`)).json()['Resources']).find(
    (group) => String(group['displayName']) === 'Engineering',
  );
  const [member] = list(engineering?.['members']);
  const user = (await visitor.get(`${base}/Users/${member?.['value']}`)).json();
  expect(user).toMatchObject({
    active: true,
    emails: [{ type: 'work', primary: true }],
    [ENTERPRISE]: { department: 'Engineering', manager: { value: expect.any(String) } },
    'urn:example:params:scim:schemas:extension:badge:2.0:User': { color: expect.any(String) },
    meta: { resourceType: 'User', location: expect.stringContaining(`${base}/Users/`) },
  });
  expect(list(user['groups'])).toContainEqual({
    value: engineering?.['id'],
    display: 'Engineering',
    type: 'direct',
  });
});

it('lists groups with or without members, users and groups among them', async () => {
  const visitor = await scim({ users: 60 });
  const without = list((await visitor.get(`${base}/Groups?excludedAttributes=members`)).json()['Resources']);
  expect(without.filter((group) => group['members'] !== undefined)).toEqual([]);
  expect(without).toHaveLength((await visitor.simulator.control.state()).groups);
  const named = (name: string) => without.find((group) => String(group['displayName']) === name)?.['id'];
  const product = (
    await visitor.get(`${base}/Groups/${named('Product Development')}?attributes=members`)
  ).json();
  expect(list(product['members']).map((one) => [one['type'], one['display']])).toEqual(
    ['Engineering', 'Design', 'Research'].map((name) => ['Group', name]),
  );
  expect((await visitor.get(`${base}/Groups/${named('Nobody Yet')}`)).json()).not.toHaveProperty('members');
});

it('forgets who is deleted, in its own words', async () => {
  const visitor = await scim({ users: 20 });
  const [gone] = (await visitor.simulator.control.leave(1, 'delete')).ids;
  const reply = await visitor.get(`${base}/Users/${gone}`);
  expect([reply.status, reply.json()]).toEqual([
    404,
    { schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'], detail: expect.any(String), status: '404' },
  ]);
  expect(await page(visitor, 'count=1')).toMatchObject({ totalResults: 19 });
});

it('takes its token, client id and secret as a password, and tokens of its endpoint, each with its scopes', async () => {
  const visitor = await scim({ users: 3 });
  const clientId = setting(visitor, 'clientId');
  const secret = otherSecret(visitor, 'clientSecret');
  const basic = (password: string) => `Basic ${Buffer.from(`${clientId}:${password}`).toString('base64')}`;
  const status = async (authorization: string, path = '/Users') =>
    (await visitor.get(base + path, { authorization })).status;
  expect([await status(basic(secret)), await status(basic('wrong')), await status('Bearer wrong')]).toEqual([
    200, 401, 401,
  ]);
  const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: secret };
  const limited = await visitor.post('/oauth/token', { ...form, scope: 'users:read' });
  const bearer = `Bearer ${limited.json()['access_token']}`;
  expect([await status(bearer), await status(bearer, '/Groups')]).toEqual([200, 403]);
  await visitor.simulator.control.expireTokens();
  expect(await status(bearer)).toBe(401);
  for (const [changes, error] of [
    [{ client_secret: 'wrong' }, 'invalid_client'],
    [{ grant_type: 'password' }, 'unsupported_grant_type'],
    [{ scope: 'users:write' }, 'invalid_scope'],
  ] as const) {
    expect((await visitor.post('/oauth/token', { ...form, ...changes })).json()['error']).toBe(error);
  }
});

it.each([
  ['index-only', 'cursor=', { status: 400 }],
  ['ignores-cursor', 'cursor=&count=5', { keys: ['startIndex'] }],
  ['no-totals', 'cursor=&count=5', { lacks: ['totalResults'] }],
  ['small-pages', 'count=100', { items: 25 }],
  ['one-page', 'count=5', { items: 60 }],
  ['same-page', 'startIndex=30&count=5', { first: 0 }],
  ['page-totals', 'count=7', { total: 7 }],
  ['no-sort', 'sortBy=id', { status: 501 }],
  ['no-filter', filtered('id eq "x"'), { status: 400 }],
  ['ignores-filter', filtered('id eq "x"'), { total: 60 }],
] as const)('with the quirk %s answers %s so', async (quirk, query, expected) => {
  const honest = idsOf(await page(await scim({ users: 60 }), 'count=60'));
  const reply = await (await scim({ users: 60, quirks: [quirk] })).get(`${base}/Users?${query}`);
  const wanted: {
    status?: number;
    items?: number;
    total?: number;
    first?: number;
    keys?: readonly string[];
    lacks?: readonly string[];
  } = expected;
  expect(reply.status).toBe(wanted.status ?? 200);
  const body = reply.json();
  if (wanted.items !== undefined) expect(idsOf(body)).toHaveLength(wanted.items);
  if (wanted.total !== undefined) expect(body['totalResults']).toBe(wanted.total);
  if (wanted.first !== undefined) expect(idsOf(body)[0]).toBe(honest[wanted.first]);
  for (const key of wanted.keys ?? []) expect(body).toHaveProperty(key);
  for (const key of wanted.lacks ?? []) expect(body).not.toHaveProperty(key);
});

it('with quirks of its records writes them so', async () => {
  const records = async (...quirks: string[]) =>
    list((await page(await visit('scim', { users: 200, quirks }), 'count=200'))['Resources']);
  const actives = async (...quirks: string[]) =>
    new Set((await records(...quirks)).map((user) => user['active']));
  expect(await actives()).toEqual(new Set([true, false]));
  expect(await actives('active-text')).toEqual(new Set(['True', 'False']));
  expect(await actives('active-absent')).toEqual(new Set([undefined, false]));
  const managers = async (quirk: string) =>
    (await records(quirk)).map((user) => user[ENTERPRISE]?.['manager']);
  expect((await managers('manager-text')).at(-1)).toMatch(/^[\da-f-]{36}$/);
  expect((await managers('manager-id')).at(-1)).toEqual({
    managerId: expect.stringMatching(/^[\da-f-]{36}$/),
  });
});

it('with other quirks has no configuration, no words for a 404, no types, no order, and cursors that do not last', async () => {
  const all = ['no-config', 'bare-404', 'untyped-members', 'shuffled', 'short-lived-cursors'];
  const visitor = await scim({ users: 60, quirks: all });
  expect((await visitor.get(`${base}/ServiceProviderConfig`)).status).toBe(404);
  const bare = await visitor.get(`${base}/Users/nobody`);
  expect([bare.status, bare.text]).toEqual([404, '']);
  const groups = list((await visitor.get(`${base}/Groups`)).json()['Resources']);
  const [member] = groups.flatMap((group) => (group['members'] ? list(group['members']) : []));
  expect([member?.['type'], String(member?.['$ref'])]).toEqual([
    undefined,
    expect.stringContaining('/Users/'),
  ]);
  expect(idsOf(await page(visitor, 'count=60'))).not.toEqual(idsOf(await page(visitor, 'count=60')));
  const { nextCursor } = await page(visitor, 'count=5&cursor=');
  await visitor.simulator.control.hire(1);
  const expired = await visitor.get(`${base}/Users?cursor=${nextCursor}`);
  expect([expired.status, expired.json()['scimType']]).toEqual([400, 'expiredCursor']);
});

it('says the time by the directory’s own clock', async () => {
  const visitor = await scim({ users: 5 });
  const [changed] = (await visitor.simulator.control.rename(1)).ids;
  const reply = await visitor.get(`${base}/Users`);
  const user = (await visitor.get(`${base}/Users/${changed}`)).json();
  expect(Date.parse(String(reply.headers['date']))).toBe(Date.parse(String(user['meta']?.['lastModified'])));
});

it('goes back to the first page of an index where a fault leads back', async () => {
  const visitor = await scim({ users: 60 });
  const first = idsOf(await page(visitor, 'startIndex=1&count=20'));
  await visitor.simulator.control.fault({ name: 'looping-link' });
  expect(idsOf(await page(visitor, 'startIndex=21&count=20'))).toEqual(first);
});

it('counts half of a list of which a fault leaves out half', async () => {
  const visitor = await scim({ users: 60 });
  await visitor.simulator.control.fault({ name: 'half-missing' });
  expect(await page(visitor, 'count=1')).toMatchObject({ totalResults: 30 });
  await visitor.simulator.control.clearFaults();
  await visitor.simulator.control.fault({ name: 'empty-first-page' });
  expect(await page(visitor, 'count=10')).toMatchObject({ totalResults: 0 });
});

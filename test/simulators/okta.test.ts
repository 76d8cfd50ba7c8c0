import { expect, it } from 'vitest';
import { everyPage, list, oktaForm, pageOf, setting, visit } from './visitor.ts';

const deprovisioned = `/api/v1/users?filter=${encodeURIComponent('status eq "DEPROVISIONED"')}`;

it('issues a token for a private_key_jwt, once for each jti, with granted scopes only', async () => {
  const visitor = await visit('okta');
  const ask = async (changes: Parameters<typeof oktaForm>[1]) =>
    visitor.post('/oauth2/v1/token', await oktaForm(visitor, changes));
  const granted = await ask({ jti: 'one' });
  expect(granted.json()).toMatchObject({
    token_type: 'Bearer',
    expires_in: 3599,
    scope: 'okta.users.read okta.groups.read',
  });
  const users = await visitor.get('/api/v1/users?limit=1', {
    authorization: `Bearer ${granted.json()['access_token']}`,
  });
  expect(users.status).toBe(200);
  const refusals = [
    [{ jti: 'one' }, 401, 'invalid_client'],
    [{ audience: 'https://brightwater.example/oauth2/v1/token' }, 401, 'invalid_client'],
    [{ kid: 'another' }, 401, 'invalid_client'],
    [{ issuer: 'another' }, 401, 'invalid_client'],
    [{ expires: '2h' }, 401, 'invalid_client'],
    [{ expires: '-5m' }, 401, 'invalid_client'],
    [{ scope: 'okta.users.read okta.users.manage' }, 400, 'invalid_scope'],
  ] as const;
  for (const [changes, status, error] of refusals) {
    const reply = await ask(changes);
    expect([changes, reply.status, reply.json()['error']]).toEqual([changes, status, error]);
  }
});

it('limits a token to its scopes', async () => {
  const visitor = await visit('okta');
  const token = await visitor.post('/oauth2/v1/token', await oktaForm(visitor, { scope: 'okta.users.read' }));
  const authorization = `Bearer ${token.json()['access_token']}`;
  expect((await visitor.get('/api/v1/users?limit=1', { authorization })).status).toBe(200);
  const groups = await visitor.get('/api/v1/groups', { authorization });
  expect([groups.status, groups.json()['errorCode']]).toEqual([403, 'E0000006']);
});

it('answers 401 E0000011 to a wrong API token', async () => {
  const visitor = await visit('okta');
  const reply = await visitor.get('/api/v1/users', { authorization: 'SSWS wrong' });
  expect([reply.status, reply.json()['errorCode']]).toEqual([401, 'E0000011']);
});

it('sends self and next as Link lines of their own, and keeps the query in next', async () => {
  const visitor = await visit('okta', { users: 5 });
  const first = await visitor.get('/api/v1/users?limit=3');
  const { origin } = visitor.simulator;
  expect(first.headers['link']).toEqual([
    `<${origin}/api/v1/users?limit=3>; rel="self"`,
    expect.stringMatching(/^<https:\/\/127\.0\.0\.1:\d+\/api\/v1\/users\?after=[\w-]+&limit=3>; rel="next"$/),
  ]);
  const last = await visitor.get(String(pageOf('okta', first, '').link));
  expect(list(last.json())).toHaveLength(2);
  expect(pageOf('okta', last, '').link).toBeNull();
});

it('hides DEPROVISIONED users from the plain list and shows them with a filter', async () => {
  const visitor = await visit('okta', { users: 600 });
  const { users: counted } = await visitor.simulator.control.state();
  const ordinary = await everyPage(visitor, '/api/v1/users?limit=200');
  const gone = await everyPage(visitor, deprovisioned);
  expect([ordinary.length, gone.length]).toEqual([600, counted.deleted]);
  expect(gone.length).toBeGreaterThan(3);
  expect(new Set(gone.map((user) => user['status']))).toEqual(new Set(['DEPROVISIONED']));
  const seen = new Set(ordinary.map((user) => String(user['status'])));
  const all = ['ACTIVE', 'LOCKED_OUT', 'PASSWORD_EXPIRED', 'PROVISIONED', 'STAGED', 'SUSPENDED'];
  expect([...seen].sort()).toEqual(all);
});

it('lowers a limit above 200 silently, and answers a wrong filter or cursor with 400', async () => {
  const visitor = await visit('okta', { users: 230 });
  expect(list((await visitor.get('/api/v1/users?limit=5000')).json())).toHaveLength(200);
  const wrongFilter = await visitor.get(`/api/v1/users?filter=${encodeURIComponent('shoeSize gt 43')}`);
  expect([wrongFilter.status, wrongFilter.json()['errorCode']]).toEqual([400, 'E0000053']);
  expect((await visitor.get('/api/v1/users?after=zzz')).status).toBe(400);
});

it('filters by change, and combines with and and or', async () => {
  const visitor = await visit('okta', { users: 50, plain: true });
  const before = await everyPage(visitor, '/api/v1/users?limit=200');
  const newest = before
    .map((user) => String(user['lastUpdated']))
    .sort()
    .at(-1);
  const { ids } = await visitor.simulator.control.promote(2);
  const [first, second] = ids;
  const changed = `lastUpdated gt "${newest}"`;
  const found = async (filter: string) =>
    (await everyPage(visitor, `/api/v1/users?filter=${encodeURIComponent(filter)}`)).map(
      (user) => user['id'],
    );
  expect(await found(changed)).toEqual(ids);
  expect(await found(`${changed} and id eq "${first}"`)).toEqual([first]);
  expect(await found(`id eq "${first}" or id eq "${second}"`)).toEqual([first, second]);
});

it('has a built-in group of everyone, flat groups, and the groups of one user', async () => {
  const visitor = await visit('okta', { users: 120 });
  const groups = await everyPage(visitor, '/api/v1/groups?limit=10');
  const { groups: count } = await visitor.simulator.control.state();
  expect(groups).toHaveLength(count);
  const everyone = groups.find((group) => String(group['type']) === 'BUILT_IN');
  expect(await everyPage(visitor, `/api/v1/groups/${everyone?.['id']}/users?limit=50`)).toHaveLength(120);
  const engineering = groups.find((group) => String(group['profile']?.['name']) === 'Engineering');
  const [member] = await everyPage(visitor, `/api/v1/groups/${engineering?.['id']}/users`);
  const own = await everyPage(visitor, `/api/v1/users/${member?.['id']}/groups`);
  expect(own.map((group) => group['id'])).toEqual(
    expect.arrayContaining([everyone?.['id'], engineering?.['id']]),
  );
});

it('finds a user by id, login and the part before the @, and says E0000007 for others', async () => {
  const visitor = await visit('okta', { users: 10 });
  const [user] = await everyPage(visitor, '/api/v1/users');
  const login = String(user?.['profile']?.['login']);
  for (const key of [String(user?.['id']), login, login.split('@')[0] ?? '']) {
    expect((await visitor.get(`/api/v1/users/${encodeURIComponent(key)}`)).json()['id']).toBe(user?.['id']);
  }
  const nobody = await visitor.get('/api/v1/users/00u00000000000000000');
  expect([nobody.status, nobody.json()['errorCode']]).toEqual([404, 'E0000007']);
});

it('counts requests down in its rate-limit headers and answers 429 E0000047 when they are used up', async () => {
  const visitor = await visit('okta', { requestsPerMinute: 3 });
  const left: unknown[] = [];
  for (let request = 0; request < 3; request += 1) {
    left.push((await visitor.get('/api/v1/users?limit=1')).headers['x-rate-limit-remaining']);
  }
  expect(left).toEqual(['2', '1', '0']);
  const refused = await visitor.get('/api/v1/users?limit=1');
  expect([refused.status, refused.json()['errorCode']]).toEqual([429, 'E0000047']);
  expect(Number(refused.headers['x-rate-limit-reset'])).toBeGreaterThan(
    Date.parse(String(refused.headers['date'])) / 1000 - 1,
  );
});

it('prints its own origin as the org URL', async () => {
  const visitor = await visit('okta');
  expect(setting(visitor, 'orgUrl')).toBe(visitor.simulator.origin);
});

import { generateKeyPairSync } from 'node:crypto';
import { expect, it } from 'vitest';
import { allGoogleScopes, everyPage, googleForm, googleScope, list, setting, visit } from './visitor.ts';

const users = '/admin/directory/v1/users?customer=my_customer';
const groupList = '/admin/directory/v1/groups?customer=my_customer';

it('issues a token for a signed assertion, and refuses in Google’s words otherwise', async () => {
  const visitor = await visit('google');
  const ask = async (changes: Parameters<typeof googleForm>[1]) =>
    visitor.post('/token', await googleForm(visitor, changes));
  expect((await ask({})).json()).toMatchObject({ token_type: 'Bearer', expires_in: 3599 });
  expect((await ask({ audience: `${visitor.simulator.origin}/token` })).status).toBe(200);
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const refusals = [
    [{ key }, 400, 'invalid_grant'],
    [{ audience: 'https://elsewhere.example/token' }, 400, 'invalid_grant'],
    [{ issuer: 'someone@else.example' }, 400, 'invalid_grant'],
    [{ subject: 'nobody@lumenworks.example' }, 400, 'invalid_grant'],
    [{ scope: `${allGoogleScopes} ${googleScope}customer.readonly` }, 401, 'unauthorized_client'],
  ] as const;
  for (const [changes, status, error] of refusals) {
    const reply = await ask(changes);
    expect([reply.status, reply.json()['error']]).toEqual([status, error]);
  }
});

it('answers 403 to a token that acts for nobody, for an ordinary user, or lacks the scope', async () => {
  const visitor = await visit('google');
  const statusWith = async (changes: Parameters<typeof googleForm>[1], path: string) => {
    const token = (await visitor.post('/token', await googleForm(visitor, changes))).json()['access_token'];
    const reply = await visitor.get(path, { authorization: `Bearer ${token}` });
    return [reply.status, reply.json()['error']?.['errors']?.['0']?.['reason']];
  };
  const everybody = await everyPage(visitor, users);
  const ordinary = everybody.find((user) => !user['isAdmin'] && !user['suspended'] && !user['archived']);
  expect(await statusWith({ subject: null }, users)).toEqual([403, 'forbidden']);
  expect(await statusWith({ subject: String(ordinary?.['primaryEmail']) }, users)).toEqual([
    403,
    'forbidden',
  ]);
  expect(await statusWith({ scope: `${googleScope}user.readonly` }, groupList)).toEqual([
    403,
    'insufficientPermissions',
  ]);
  const anonymous = await visitor.get(users, { authorization: 'Bearer wrong' });
  expect([anonymous.status, anonymous.json()['error']?.['status']]).toEqual([401, 'UNAUTHENTICATED']);
});

it('pages through all users exactly once, 100 unless asked and at most 500', async () => {
  const visitor = await visit('google', { users: 620 });
  expect(list((await visitor.get(users)).json()['users'])).toHaveLength(100);
  expect((await visitor.get(`${users}&maxResults=501`)).status).toBe(400);
  const found = await everyPage(visitor, `${users}&maxResults=500`);
  expect(new Set(found.map((user) => user['id'])).size).toBe(620);
  expect((await visitor.get(`${users}&pageToken=zzz`)).status).toBe(400);
});

it('drops nextPageToken and fields that `fields` does not name', async () => {
  const visitor = await visit('google', { users: 5 });
  const partial = (
    await visitor.get(`${users}&maxResults=2&fields=users(id,name/givenName,organizations(title))`)
  ).json();
  expect(Object.keys(partial)).toEqual(['users']);
  expect(Object.keys(partial['users']?.['0'] ?? {}).sort()).toEqual(['id', 'name', 'organizations']);
  const whole = (await visitor.get(`${users}&maxResults=2&fields=nextPageToken,users/id`)).json();
  expect(Object.keys(whole).sort()).toEqual(['nextPageToken', 'users']);
});

it('leaves the list’s key out where nothing is in it', async () => {
  const visitor = await visit('google', { users: 5, plain: true });
  expect((await visitor.get(`${users}&showDeleted=true`)).json()).not.toHaveProperty('users');
  const groups = await everyPage(visitor, groupList);
  const nobody = groups.find((group) => String(group['name']) === 'Nobody Yet');
  const members = (await visitor.get(`/admin/directory/v1/groups/${nobody?.['id']}/members`)).json();
  expect([members['kind'], 'members' in members]).toEqual(['admin#directory#members', false]);
});

it('shows deleted users alone with showDeleted, without an organisational unit', async () => {
  const visitor = await visit('google', { users: 400 });
  const { users: counted } = await visitor.simulator.control.state();
  const deleted = await everyPage(visitor, `${users}&showDeleted=true`);
  expect(deleted).toHaveLength(counted.deleted);
  expect(deleted.length).toBeGreaterThan(0);
  expect(deleted.every((user) => 'deletionTime' in user && !('orgUnitPath' in user))).toBe(true);
  const live = await everyPage(visitor, `${users}&maxResults=500`);
  expect(live.some((user) => 'deletionTime' in user)).toBe(false);
  expect(live.filter((user) => user['suspended']).every((user) => user['suspensionReason'])).toBe(true);
  expect(live.some((user) => user['archived'])).toBe(true);
});

it('filters by query, and has every user’s unit among the organisational units', async () => {
  const visitor = await visit('google', { users: 400 });
  const all = await everyPage(visitor, `${users}&maxResults=500`);
  const query = encodeURIComponent('isSuspended=false isArchived=false');
  const working = await everyPage(visitor, `${users}&maxResults=500&query=${query}`);
  expect(working).toHaveLength(all.filter((user) => !user['suspended'] && !user['archived']).length);
  const units = (await visitor.get('/admin/directory/v1/customer/my_customer/orgunits?type=all')).json();
  const paths = new Set(list(units['organizationUnits']).map((unit) => unit['orgUnitPath']));
  expect(all.every((user) => paths.has(user['orgUnitPath']))).toBe(true);
});

it('resolves nested groups with includeDerivedMembership, and never the whole customer', async () => {
  const visitor = await visit('google', { users: 2_000 });
  const groups = await everyPage(visitor, groupList);
  const members = (name: string, query = '') => {
    const id = groups.find((group) => String(group['name']) === name)?.['id'];
    return everyPage(visitor, `/admin/directory/v1/groups/${id}/members?maxResults=200${query}`);
  };
  const direct = await members('Product Development');
  expect(direct.map((member) => member['type'])).toEqual(['GROUP', 'GROUP', 'GROUP']);
  const derived = await members('Product Development', '&includeDerivedMembership=true');
  const inside = (
    await Promise.all(['Engineering', 'Design', 'Research'].map((name) => members(name)))
  ).flat();
  const people = derived
    .filter((member) => String(member['type']) === 'USER')
    .map((member) => String(member['id']));
  expect(people.sort()).toEqual(inside.map((member) => String(member['id'])).sort());
  const everyone = await members('Everyone', '&includeDerivedMembership=true');
  expect(everyone).toHaveLength(1);
  expect(everyone[0]).toMatchObject({ type: 'CUSTOMER' });
  expect(everyone[0]).not.toHaveProperty('email');
  expect((await members('Programme Level 2', '&includeDerivedMembership=true')).length).toBeGreaterThan(20);
  const external = (await members('On Call')).find((member) => String(member['type']) === 'EXTERNAL');
  expect(external).not.toHaveProperty('status');
});

it('finds a user by id, address and former address', async () => {
  const visitor = await visit('google', { users: 30, plain: true });
  const before = new Map((await everyPage(visitor, users)).map((user) => [String(user['id']), user]));
  const { ids } = await visitor.simulator.control.rename(1);
  const id = String(ids[0]);
  const renamed = (await visitor.get(`/admin/directory/v1/users/${id}`)).json();
  const formerly = String(before.get(id)?.['primaryEmail']);
  expect(renamed['aliases']).toEqual([formerly]);
  expect(String(renamed['primaryEmail'])).not.toBe(formerly);
  for (const key of [formerly, String(renamed['primaryEmail'])]) {
    expect((await visitor.get(`/admin/directory/v1/users/${key}`)).json()['id']).toBe(id);
  }
  const nobody = await visitor.get('/admin/directory/v1/users/nobody@lumenworks.example');
  expect([nobody.status, nobody.json()['error']?.['message']]).toEqual([404, 'Resource Not Found: userKey']);
});

it('wants a customer or a domain, and its own', async () => {
  const visitor = await visit('google');
  const status = async (query: string) => (await visitor.get(`/admin/directory/v1/users?${query}`)).status;
  expect(await status('maxResults=1')).toBe(400);
  expect(await status('customer=C0wrong')).toBe(404);
  expect(await status('domain=elsewhere.example')).toBe(404);
  expect(await status(`domain=${setting(visitor, 'adminEmail').split('@')[1]}`)).toBe(200);
});

it('keeps the admin audit log, newest first, with the address from before', async () => {
  const visitor = await visit('google', { users: 40, plain: true });
  const scope = 'https://www.googleapis.com/auth/admin.reports.audit.readonly';
  const { access_token } = (await visitor.post('/token', await googleForm(visitor, { scope }))).json();
  const log = '/admin/reports/v1/activity/users/all/applications/admin';
  const read = async (query: string) => {
    const reply = await visitor.get(`${log}?${query}`, { authorization: `Bearer ${access_token}` });
    return { status: reply.status, body: reply.json() };
  };
  expect((await read('maxResults=1')).body).not.toHaveProperty('items');
  expect((await visitor.get(log)).status).toBe(403);
  expect((await read('startTime=soon')).status).toBe(400);

  const before = new Map(
    (await everyPage(visitor, users)).map((user) => [String(user['id']), user['primaryEmail']]),
  );
  const { ids } = await visitor.simulator.control.rename(1);
  await read('maxResults=1');
  await visitor.simulator.control.leave(1, 'delete');
  const first = (await read('maxResults=1')).body;
  const second = (await read(`maxResults=1&pageToken=${first['nextPageToken']}`)).body;
  expect(second).not.toHaveProperty('nextPageToken');
  const events = [first, second].map((page) => list(page['items'])[0]?.['events']?.['0']);
  expect(events.map((event) => event?.['name'])).toEqual(['DELETE_USER', 'RENAME_USER']);
  const told = new Map(list(events[1]?.['parameters']).map((one) => [String(one['name']), one['value']]));
  expect(told.get('USER_EMAIL')).toBe(before.get(String(ids[0])));
  expect(told.get('NEW_VALUE')).not.toBe(told.get('USER_EMAIL'));
  expect((await read(`startTime=${new Date(Date.now() - 1_000).toISOString()}`)).status).toBe(200);
});

it('answers for one member by id, the account itself included', async () => {
  const visitor = await visit('google', { users: 40, plain: true });
  const groups = await everyPage(visitor, groupList);
  const idOf = (name: string) => groups.find((group) => String(group['name']) === name)?.['id'];
  const everyone = `/admin/directory/v1/groups/${idOf('Everyone')}/members`;
  const [customer] = await everyPage(visitor, everyone);
  expect((await visitor.get(`${everyone}/${customer?.['id']}`)).json()).toEqual(customer);
  const staff = `/admin/directory/v1/groups/${idOf('All Staff')}/members`;
  const [person] = await everyPage(visitor, staff);
  expect((await visitor.get(`${staff}/${person?.['id']}`)).json()).toEqual(person);
  expect((await visitor.get(`${staff}/${customer?.['id']}`)).status).toBe(404);
});

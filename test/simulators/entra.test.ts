import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { ClientCertificateCredential, ClientSecretCredential } from '@azure/identity';
import { SignJWT } from 'jose';
import { expect, it } from 'vitest';
import {
  entraForm,
  entraTokenPath,
  everyPage,
  list,
  otherSecret,
  secret,
  setting,
  type Visitor,
  visit,
} from './visitor.ts';

async function certificateForm(
  visitor: Visitor,
  changes: { audience?: string; thumbprint?: string; notBefore?: string } = {},
) {
  const pem = otherSecret(visitor, 'pem');
  const clientId = setting(visitor, 'clientId');
  const print = createHash('sha256').update(new X509Certificate(pem).raw).digest('base64url');
  const assertion = await new SignJWT()
    .setProtectedHeader({ alg: 'PS256', 'x5t#S256': changes.thumbprint ?? print })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(changes.audience ?? `${visitor.simulator.origin}${entraTokenPath(visitor)}`)
    .setNotBefore(changes.notBefore ?? '0s')
    .setExpirationTime('15m')
    .sign(createPrivateKey(pem.slice(pem.indexOf('-----BEGIN PRIVATE KEY'))));
  const { client_secret: _, ...form } = entraForm(visitor);
  const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
  return { ...form, client_assertion_type: type, client_assertion: assertion };
}

it('gives a token for the right secret, and says in Microsoft’s words why not otherwise', async () => {
  const visitor = await visit('entra');
  const ask = (form: Record<string, string>, path = entraTokenPath(visitor)) => visitor.post(path, form);
  const granted = await ask(entraForm(visitor));
  expect(granted.status).toBe(200);
  expect(granted.json()).toMatchObject({ token_type: 'Bearer', expires_in: 3599 });
  const refusals = [
    [await ask(entraForm(visitor, { client_secret: 'wrong' })), 401, 'invalid_client', 7000215],
    [await ask(entraForm(visitor, { client_id: crypto.randomUUID() })), 400, 'unauthorized_client', 700016],
    [
      await ask(entraForm(visitor, { scope: 'https://vault.azure.net/.default' })),
      400,
      'invalid_scope',
      70011,
    ],
    [
      await ask(entraForm(visitor), `/${crypto.randomUUID()}/oauth2/v2.0/token`),
      400,
      'invalid_request',
      90002,
    ],
  ] as const;
  for (const [reply, status, error, code] of refusals) {
    expect(reply.status).toBe(status);
    expect(reply.json()).toMatchObject({ error, error_codes: [code] });
    expect(reply.json()['error_description']).toMatch(`AADSTS${code}: `);
  }
});

it('takes a certificate’s assertion only with its audience, thumbprint and, some minutes aside, time', async () => {
  const visitor = await visit('entra');
  const path = entraTokenPath(visitor);
  expect((await visitor.post(path, await certificateForm(visitor))).status).toBe(200);
  expect((await visitor.post(path, await certificateForm(visitor, { notBefore: '2m' }))).status).toBe(200);
  for (const changes of [
    { audience: 'https://login.microsoftonline.com/' },
    { thumbprint: 'AAAA' },
    { notBefore: '10m' },
  ]) {
    const reply = await visitor.post(path, await certificateForm(visitor, changes));
    expect([reply.status, reply.json()['error_codes']]).toEqual([401, [700027]]);
  }
});

it('satisfies Microsoft’s own client library, with a secret and with a certificate', async () => {
  const visitor = await visit('entra');
  const { origin, ca } = visitor.simulator;
  const options = { authorityHost: origin, disableInstanceDiscovery: true, tlsOptions: { ca } };
  const [tenant, client] = [setting(visitor, 'directoryId'), setting(visitor, 'clientId')];
  const credentials = [
    new ClientSecretCredential(tenant, client, secret(visitor, 'clientSecret'), options),
    new ClientCertificateCredential(tenant, client, { certificate: otherSecret(visitor, 'pem') }, options),
  ];
  for (const credential of credentials) {
    const token = await credential.getToken('https://graph.microsoft.com/.default');
    const reply = await visitor.get('/v1.0/users?$top=1', { authorization: `Bearer ${token.token}` });
    expect(reply.status).toBe(200);
  }
});

it('pages through all users exactly once, whatever $top', async () => {
  const visitor = await visit('entra', { users: 250 });
  for (const top of [7, 100, 249, 250, 999]) {
    const users = await everyPage(visitor, `/v1.0/users?$select=id&$top=${top}`);
    expect(new Set(users.map((user) => user['id'])).size).toBe(250);
    expect(users).toHaveLength(250);
  }
  const unasked = await visitor.get('/v1.0/users');
  expect(unasked.json()['value']).toHaveLength(100);
  const tooMany = await visitor.get('/v1.0/users?$top=1000');
  expect(tooMany.status).toBe(400);
  expect((await visitor.get('/v1.0/users?$skiptoken=AAAA')).json()).toMatchObject({
    error: { code: 'Directory_ExpiredPageToken' },
  });
});

it('shows accountEnabled only to those who select it, and every selected property', async () => {
  const visitor = await visit('entra', { users: 3 });
  const unasked = (await visitor.get('/v1.0/users?$top=1')).json()['value']?.['0'] ?? {};
  expect(Object.keys(unasked)).not.toContain('accountEnabled');
  const select = 'id,accountEnabled,proxyAddresses,employeeOrgData,onPremisesSyncEnabled,noSuchProperty';
  const selected = (await visitor.get(`/v1.0/users?$top=1&$select=${select}`)).json()['value']?.['0'] ?? {};
  expect(Object.keys(selected)).toEqual([
    'id',
    'accountEnabled',
    'proxyAddresses',
    'employeeOrgData',
    'onPremisesSyncEnabled',
  ]);
});

it('expands the manager, and leaves the property out where there is none', async () => {
  const visitor = await visit('entra', { users: 40, plain: true });
  const users = await everyPage(visitor, '/v1.0/users?$select=id&$expand=manager($select=id)');
  const ids = new Set(users.map((user) => String(user['id'])));
  const [first, ...others] = users;
  expect(first).not.toHaveProperty('manager');
  expect(others.every((user) => ids.has(String(user['manager']?.['id'])))).toBe(true);
  const alone = await visitor.get(`/v1.0/users/${first?.['id']}/manager`);
  expect(alone.json()).toMatchObject({ error: { code: 'Request_ResourceNotFound' } });
});

it('finds one user by id and by name, guests with their #EXT# too, and nobody who was deleted', async () => {
  const visitor = await visit('entra', { users: 300 });
  const users = await everyPage(visitor, '/v1.0/users?$select=id,userPrincipalName,userType');
  const guest = users.find((user) => String(user['userType']) === 'Guest');
  expect(guest?.['userPrincipalName']).toMatch(/#EXT#@meridian\.example$/);
  for (const user of [users[0], guest]) {
    for (const key of [user?.['id'], user?.['userPrincipalName']]) {
      const found = await visitor.get(`/v1.0/users/${encodeURIComponent(String(key))}?$select=id`);
      expect(found.json()['id']).toBe(user?.['id']);
    }
  }
  const { ids } = await visitor.simulator.control.leave(1, 'delete');
  expect((await visitor.get(`/v1.0/users/${ids[0]}`)).status).toBe(404);
  const deleted = await everyPage(visitor, '/v1.0/directory/deletedItems/microsoft.graph.user?$select=id');
  expect(deleted.map((user) => user['id'])).toContain(ids[0]);
});

it('lists members of three kinds directly, and users alone through all levels of a circle', async () => {
  const visitor = await visit('entra', { users: 2_000 });
  const groups = await everyPage(visitor, '/v1.0/groups?$select=id,displayName');
  const idOf = (name: string) => groups.find((group) => String(group['displayName']) === name)?.['id'];
  const engineering = await everyPage(
    visitor,
    `/v1.0/groups/${idOf('Engineering')}/members?$select=id&$top=100`,
  );
  const kinds = new Set(engineering.map((member) => member['@odata.type']));
  expect([...kinds].sort()).toEqual(['#microsoft.graph.device', '#microsoft.graph.user']);
  const first = await everyPage(visitor, `/v1.0/groups/${idOf('Programme Level 1')}/members`);
  expect(first.some((member) => String(member['@odata.type']) === '#microsoft.graph.group')).toBe(true);

  const direct = await Promise.all(
    [1, 2, 3, 4, 5].map(async (level) => {
      const members = await everyPage(visitor, `/v1.0/groups/${idOf(`Programme Level ${level}`)}/members`);
      return members.filter((member) => String(member['@odata.type']) === '#microsoft.graph.user');
    }),
  );
  const cast = `/v1.0/groups/${idOf('Programme Level 3')}/transitiveMembers/microsoft.graph.user?$select=id&$count=true`;
  expect((await visitor.get(cast)).status).toBe(400);
  const all = await visitor.get(`${cast}&$top=999`, { ConsistencyLevel: 'eventual' });
  const expected = new Set(direct.flat().map((member) => String(member['id'])));
  const seen = list(all.json()['value']).map((member) => String(member['id']));
  expect(expected.size).toBeGreaterThan(20);
  expect(seen.sort()).toEqual([...expected].sort());
  expect(all.json()['@odata.count']).toBe(expected.size);
});

it('answers 401 without a token and after it expired, and 403 where a permission was not granted', async () => {
  const visitor = await visit('entra');
  const anonymous = await visitor.get('/v1.0/users', { authorization: 'Bearer nonsense' });
  expect([anonymous.status, anonymous.json()['error']?.['code']]).toEqual([
    401,
    'InvalidAuthenticationToken',
  ]);
  expect((await visitor.get('/v1.0/users')).status).toBe(200);
  await visitor.simulator.control.expireTokens();
  const expired = await visitor.get('/v1.0/users');
  expect([expired.status, expired.headers['www-authenticate']]).toEqual([
    401,
    expect.stringMatching('Bearer'),
  ]);

  const limited = await visit('entra', { permissions: ['User.Read.All'] });
  expect((await limited.get('/v1.0/users')).status).toBe(200);
  const groups = await limited.get('/v1.0/groups');
  expect([groups.status, groups.json()['error']?.['code']]).toEqual([403, 'Authorization_RequestDenied']);
});

type Part = { readonly id: string; readonly url: string; readonly headers?: Record<string, string> };

async function batched(visitor: Visitor, requests: readonly Part[]) {
  const body = { requests: requests.map((part) => ({ method: 'GET', ...part })) };
  const reply = await visitor.postJson('/v1.0/$batch', body);
  const answers = reply.status === 200 ? list(reply.json()['responses']) : [];
  return { reply, answers: new Map(answers.map((one) => [String(one['id']), one])) };
}

it('answers the parts of a batch each with its own status, faults included, and in any order', async () => {
  const visitor = await visit('entra', { users: 5 });
  const [user] = await everyPage(visitor, '/v1.0/users?$select=id');
  await visitor.simulator.control.fault({ name: 'throttled-seconds', on: 'user', nth: 2, seconds: 9 });
  await visitor.simulator.control.resetCounters();
  const { reply, answers } = await batched(visitor, [
    { id: 'a', url: `/users/${user?.['id']}?$select=id` },
    { id: 'b', url: `/users/${crypto.randomUUID()}` },
    { id: 'c', url: `/users/${user?.['id']}?$select=id` },
    { id: 'd', url: '/users?$count=true&$top=1&$select=id', headers: { ConsistencyLevel: 'eventual' } },
  ]);
  expect(reply.status).toBe(200);
  expect([...answers.keys()]).toEqual(['d', 'c', 'b', 'a']);
  expect(answers.get('c')).toMatchObject({ status: 200, body: { id: user?.['id'] } });
  expect(answers.get('b')).toMatchObject({ status: 429, headers: { 'retry-after': '9' } });
  expect(answers.get('a')).toMatchObject({ status: 200 });
  expect(answers.get('d')).toMatchObject({ status: 200, body: { '@odata.count': 5 } });
  const { requests } = await visitor.simulator.control.state();
  expect(requests).toMatchObject({ other: 1, user: 0, users: 0 });
});

it('refuses a batch of more than twenty, of equal ids, of nothing, and without a token', async () => {
  const visitor = await visit('entra', { users: 1 });
  const parts = Array.from({ length: 21 }, (_, at) => ({ id: String(at), url: '/users' }));
  for (const requests of [
    parts,
    [
      { id: 'a', url: '/users' },
      { id: 'A', url: '/users' },
    ],
    [],
  ]) {
    expect((await batched(visitor, requests)).reply.status).toBe(400);
  }
  const anonymous = await visitor.postJson(
    '/v1.0/$batch',
    { requests: parts.slice(1) },
    { authorization: '' },
  );
  expect(anonymous.status).toBe(401);
});

it('counts users only for those who accept a count that lags, and shows one deleted user with its altered name', async () => {
  const visitor = await visit('entra', { users: 12 });
  const eventual = { ConsistencyLevel: 'eventual' };
  expect((await visitor.get('/v1.0/users/$count', eventual)).text).toBe('12');
  expect((await visitor.get('/v1.0/users/$count')).status).toBe(400);
  expect((await visitor.get('/v1.0/users?$count=true')).json()).not.toHaveProperty('@odata.count');
  const {
    ids: [id = ''],
  } = await visitor.simulator.control.leave(1, 'delete');
  expect((await visitor.get('/v1.0/users?$count=true', eventual)).json()['@odata.count']).toBe(11);
  const select = '$select=id,userPrincipalName,deletedDateTime';
  const deleted = await visitor.get(`/v1.0/directory/deletedItems/${id}/microsoft.graph.user?${select}`);
  expect(deleted.json()).toMatchObject({
    id,
    userPrincipalName: expect.stringMatching(`^${id.replaceAll('-', '')}.+@meridian`),
    deletedDateTime: expect.stringMatching(/^2026-06-/),
  });
  const living = (await everyPage(visitor, '/v1.0/users?$select=id')).find((user) => user['id']);
  expect((await visitor.get(`/v1.0/directory/deletedItems/${living?.['id']}`)).status).toBe(404);
});

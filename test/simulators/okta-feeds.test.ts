/** What a simulated Okta org tells of changes, assignments and proofs of possession. */
import { createHash, generateKeyPairSync, randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { expect, it } from 'vitest';
import { oktaIds } from '../../simulators/population/ids.ts';
import { everyPage, list, oktaForm, pageOf, type Visitor, visit } from './visitor.ts';

const polling = (since: Date) => `/api/v1/logs?since=${encodeURIComponent(since.toISOString())}&limit=1000`;
const anHourAgo = () => new Date(Date.now() - 3_600_000);

/** The log's entries from this link on, and the link behind the empty page. */
async function read(visitor: Visitor, from: string) {
  const entries = [];
  for (let path = from; ; ) {
    const reply = await visitor.get(path);
    expect([path, reply.status]).toEqual([path, 200]);
    const page = list(reply.json());
    const { link } = pageOf('okta', reply, '');
    if (page.length === 0) return { entries, link: String(link) };
    entries.push(...page);
    path = String(link);
  }
}

it('ends its System Log with an empty page whose next link tells what happens later', async () => {
  const visitor = await visit('okta', { users: 30 });
  const begun = await read(visitor, polling(anHourAgo()));
  expect(begun.entries).toEqual([]);
  const { ids } = await visitor.simulator.control.leave(1, 'delete');
  const later = await read(visitor, begun.link);
  const [entry] = later.entries;
  expect(entry).toMatchObject({
    eventType: 'user.lifecycle.deactivate',
    outcome: { result: 'SUCCESS' },
    target: [{ id: ids[0], type: 'User' }],
  });
  expect((await read(visitor, later.link)).entries).toEqual([]);
});

it('logs who was deleted for good, though no list and no time stamp shows it', async () => {
  const visitor = await visit('okta', { users: 30, plain: true });
  const { ids } = await visitor.simulator.control.leave(1, 'purge');
  const since = encodeURIComponent(`lastUpdated gt "${anHourAgo().toISOString()}"`);
  const changed = await everyPage(visitor, `/api/v1/users?filter=${since}`);
  expect(changed.map(({ id }) => id)).not.toContain(ids[0]);
  const filter = encodeURIComponent('eventType sw "user."');
  const { entries } = await read(visitor, `${polling(anHourAgo())}&filter=${filter}`);
  expect(
    entries
      .filter(({ target }) => String(list(target)[0]?.['id']) === ids[0])
      .map(({ eventType }) => eventType),
  ).toEqual(['user.lifecycle.delete.initiated', 'user.lifecycle.delete.completed']);
});

it("logs who joined and left a group, and leaves those users' own time stamps alone", async () => {
  const visitor = await visit('okta', { users: 60, plain: true });
  const { group, added, removed } = await visitor.simulator.control.changeGroup('On Call', {
    add: 2,
    remove: 1,
  });
  const since = encodeURIComponent(`lastUpdated gt "${anHourAgo().toISOString()}"`);
  expect(await everyPage(visitor, `/api/v1/users?filter=${since}`)).toEqual([]);
  const filter = encodeURIComponent(
    'eventType sw "group.user_membership." or eventType eq "user.lifecycle.create"',
  );
  const { entries } = await read(visitor, `${polling(anHourAgo())}&filter=${filter}`);
  const told = entries.map(({ eventType, target }) => [
    String(eventType),
    ...list(target).map(({ id }) => String(id)),
  ]);
  expect(told.sort()).toEqual(
    [
      ...added.map((id) => ['group.user_membership.add', group, id]),
      ...removed.map((id) => ['group.user_membership.remove', group, id]),
    ].sort(),
  );
});

it('stamps changes with the whole second of its own clock, and finds them by it', async () => {
  const visitor = await visit('okta', { users: 20, plain: true });
  const before = Math.floor(Date.now() / 1000) * 1000;
  const { ids } = await visitor.simulator.control.rename(1);
  const user = (await visitor.get(`/api/v1/users/${ids[0]}`)).json();
  const updated = Date.parse(String(user['lastUpdated']));
  expect(updated).toBeGreaterThanOrEqual(before);
  expect(updated % 1000).toBe(0);
});

it('refuses what it cannot answer of its log: too old, another filter, an upper end', async () => {
  const visitor = await visit('okta', { users: 3 });
  const old = new Date(Date.now() - 181 * 86_400_000);
  for (const path of [
    polling(old),
    `${polling(anHourAgo())}&filter=${encodeURIComponent('outcome.result eq "SUCCESS"')}`,
    `${polling(anHourAgo())}&until=${encodeURIComponent(new Date().toISOString())}`,
  ]) {
    const reply = await visitor.get(path);
    expect([path, reply.status, reply.json()['errorCode']]).toEqual([path, 400, 'E0000053']);
  }
});

it('lists the assignments to its app with and without their users, and logs when they change', async () => {
  const visitor = await visit('okta', { users: 80, seed: 3, plain: true });
  const app = `/api/v1/apps/${oktaIds(3, '0oa').of(2)}`;
  const bare = await everyPage(visitor, `${app}/users?limit=7`);
  const expanded = await everyPage(visitor, `${app}/users?limit=7&expand=user`);
  expect(expanded.map(({ id }) => id)).toEqual(bare.map(({ id }) => id));
  expect(bare.some((one) => '_embedded' in one)).toBe(false);
  for (const { id, _embedded } of expanded) expect(_embedded?.['user']?.['id']).toBe(id);
  expect(new Set(bare.map(({ scope }) => String(scope)))).toEqual(new Set(['USER', 'GROUP']));
  const { added } = await visitor.simulator.control.changeGroup('VPN Users', { add: 1 });
  expect((await visitor.get(`${app}/users/${added[0]}`)).status).toBe(200);
  const { entries } = await read(visitor, polling(anHourAgo()));
  expect(entries.map(({ eventType }) => eventType)).toContain('application.user_membership.add');
  const missing = await visitor.get('/api/v1/apps/0oaUnknown/users');
  expect([missing.status, missing.json()['errorCode']]).toEqual([404, 'E0000007']);
});

it('asks for a proof with its nonce where the app requires DPoP, and binds the token to the key of that proof', async () => {
  const permissions = ['okta.users.read', 'okta.groups.read', 'dpop_bound_access_tokens'];
  const visitor = await visit('okta', { users: 3, permissions });
  const { origin } = visitor.simulator;
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const prove = (method: string, path: string, claims: object = {}) =>
    new SignJWT({ htm: method, htu: origin + path, ...claims })
      .setProtectedHeader({
        typ: 'dpop+jwt',
        alg: 'ES256',
        jwk: key.publicKey.export({ format: 'jwk' }) as object,
      })
      .setIssuedAt()
      .setJti(randomUUID())
      .sign(key.privateKey);
  const ask = async (dpop?: string) =>
    visitor.post('/oauth2/v1/token', await oktaForm(visitor), dpop === undefined ? {} : { dpop });

  expect((await ask()).json()['error']).toBe('invalid_dpop_proof');
  const second = await ask(await prove('POST', '/oauth2/v1/token'));
  expect([second.status, second.json()['error']]).toEqual([400, 'use_dpop_nonce']);
  const nonce = second.headers['dpop-nonce'];
  const third = await ask(await prove('POST', '/oauth2/v1/token', { nonce }));
  expect(third.json()).toMatchObject({ token_type: 'DPoP' });

  const token = String(third.json()['access_token']);
  const ath = createHash('sha256').update(token).digest('base64url');
  const get = async (headers: Record<string, string>) => (await visitor.get('/api/v1/users', headers)).status;
  const dpop = await prove('GET', '/api/v1/users', { ath });
  expect(await get({ authorization: `DPoP ${token}`, dpop })).toBe(200);
  expect(await get({ authorization: `DPoP ${token}`, dpop })).toBe(401);
  expect(await get({ authorization: `Bearer ${token}` })).toBe(401);
  expect(await get({ authorization: `DPoP ${token}`, dpop: await prove('GET', '/api/v1/users') })).toBe(401);
  expect(
    await get({ authorization: `DPoP ${token}`, dpop: await prove('GET', '/api/v1/groups', { ath }) }),
  ).toBe(401);
});

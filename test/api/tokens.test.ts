import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { v7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renewSigningKeys, TokenKeys } from '../../src/authorization/tokenKeys.ts';
import { createRole } from '../../src/tenancy/roles.ts';
import { asOwner } from '../support/database.ts';
import { aTenant, aUser } from '../support/tenancy.ts';
import { addCustomer, type Json, type Served, serve } from './served.ts';

const DAY = 86_400_000;

let served: Served;
let customer: Awaited<ReturnType<typeof addCustomer>>;
let stranger: Awaited<ReturnType<typeof addCustomer>>;
let child: string;
let user: string;
let application: { id: string; key: string };

beforeAll(async () => {
  served = await serve();
  customer = await addCustomer(served, 'Harbor');
  stranger = await addCustomer(served, 'Stranger');
  child = await aTenant(served.deps, { name: 'Pier', parent: customer.administrator.tenant });
  user = await aUser(served.databaseUrl, customer.administrator.tenant);
  application = await anApplication('application');
});
afterAll(() => served.close());

async function anApplication(name: string) {
  const key = customer.keys.system;
  const body = { name, role: 'application', tenant: customer.tenant };
  const principal = await served.request('POST', '/v1/principals', { key, body });
  const made = await served.request('POST', `/v1/principals/${principal.body.id}/keys`, { key, body: {} });
  return { id: principal.body.id as string, key: made.body.key as string };
}

const elsewhere = (text: string, ...values: readonly unknown[]) =>
  asOwner(served.databaseUrl, (client) => client.query(text, [...values]));

const keySet = async () => (await served.request('GET', '/.well-known/jwks.json')).body;

/** As an application checks a token, by nothing but what is published. */
async function checked(token: string, audience: string) {
  return await jwtVerify(token, createLocalJWKSet(await keySet()), {
    issuer: served.url,
    audience,
    currentDate: served.deps.clock.now(),
  });
}

const sign = (body: Json, of = user, key = application.key) =>
  served.request('POST', `/v1/users/${of}/token`, { key, body });

describe('a token of what a user may do', () => {
  it('says what the authorization says, and is checked by the published keys alone', async () => {
    await createRole(served.deps, served.operator, { name: 'clerk', permissions: ['invoices.read'] });
    await served.request('PUT', `/v1/users/${user}/roles/clerk`, { key: customer.keys.system });
    const { status, body } = await sign({ audience: 'invoices' });
    expect(status).toBe(200);
    const { payload, protectedHeader } = await checked(body.token, 'invoices');
    const authorization = await served.request('GET', `/v1/users/${user}/authorization`, {
      key: application.key,
    });
    expect(protectedHeader).toMatchObject({ alg: 'EdDSA', typ: 'JWT' });
    expect(payload).toMatchObject({
      sub: user,
      tenant: customer.tenant,
      ver: authorization.body.version,
      entries: [{ name: 'Harbor', roles: ['clerk'], permissions: ['invoices.read'] }],
    });
    expect(payload['entries']).toEqual(authorization.body.entries);
    expect(body.version).toBe(authorization.body.version);
    expect(new Date(body.expiresAt).getTime()).toBe((payload.exp ?? 0) * 1_000);
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(300);
  });

  it('is for its audience alone, and good for as long as was asked', async () => {
    const { body } = await sign({ audience: 'invoices', seconds: 60 });
    await expect(checked(body.token, 'payroll')).rejects.toMatchObject({ claim: 'aud' });
    served.deps.clock.advance(61_000);
    await expect(checked(body.token, 'invoices')).rejects.toMatchObject({ code: 'ERR_JWT_EXPIRED' });
    for (const seconds of [0, 3_601, 1.5]) expect((await sign({ audience: 'x', seconds })).status).toBe(400);
    expect((await sign({})).body).toMatchObject({ code: 'invalid-input', fields: [{ path: 'audience' }] });
  });

  it('is asked for one tenant, or refused where it would be too large', async () => {
    const one = await sign({ audience: 'invoices', tenant: child });
    expect(decodeJwt(one.body.token)).toMatchObject({ entries: [{ tenant: child, roles: ['clerk'] }] });
    const wide = await aTenant(served.deps, { name: 'Wide', parent: customer.administrator.tenant });
    await elsewhere(
      `INSERT INTO tenant (id, parent_id, name, path, data_key, inherits_roles)
       SELECT gen_random_uuid(), $1, 'part ' || n, '', '', false FROM generate_series(1, 100) n`,
      wide,
    );
    expect(await sign({ audience: 'invoices' })).toMatchObject({
      status: 400,
      body: { code: 'answer-too-large', remedy: expect.stringContaining('tenant') },
    });
    await elsewhere('UPDATE tenant SET inherits_roles = true WHERE parent_id = $1', wide);
  });

  it('is not signed for somebody who is not active, nor for a stranger', async () => {
    const suspended = await aUser(served.databaseUrl, customer.administrator.tenant, { state: 'suspended' });
    const foreign = await aUser(served.databaseUrl, stranger.administrator.tenant);
    expect(await sign({ audience: 'x' }, suspended)).toMatchObject({
      status: 409,
      body: { code: 'not-allowed-now' },
    });
    expect((await sign({ audience: 'x' }, foreign)).status).toBe(404);
    const { status } = await sign({ audience: 'x' }, user, customer.keys['tenant-administrator']);
    expect(status).toBe(403);
  });
});

describe('the published keys', () => {
  it('may be kept for minutes by everybody, and have no private part', async () => {
    const { status, headers, body } = await served.request('GET', '/.well-known/jwks.json');
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('public, max-age=300');
    expect(body.keys).toEqual([
      {
        kty: 'OKP',
        crv: 'Ed25519',
        x: expect.any(String),
        kid: expect.any(String),
        use: 'sig',
        alg: 'EdDSA',
      },
    ]);
  });

  it('are the same for processes that come at the same moment', async () => {
    const fresh = await serve();
    const processes = [1, 2, 3, 4].map(() => new TokenKeys(fresh.deps));
    const found = await Promise.all(processes.map((one) => one.published()));
    await Promise.all([1, 2, 3].map(() => renewSigningKeys(fresh.deps)));
    expect(new Set(found.map((keys) => JSON.stringify(keys))).size).toBe(1);
    const { rows } = await asOwner(fresh.databaseUrl, (client) => client.query('SELECT FROM signing_key'));
    expect(rows).toHaveLength(1);
    await fresh.close();
  });

  it('have the next one a day before it signs, and the last one as long as what it signed is good', async () => {
    const fresh = await serve();
    const keys = new TokenKeys(fresh.deps);
    const kidOf = async () => decodeProtectedHeader(await keys.sign('JWT', { exp: 1 })).kid;
    const published = async () => (await keys.published()).map(({ kid }) => kid);
    const first = await kidOf();
    fresh.deps.clock.advance(29 * DAY);
    expect(await renewSigningKeys(fresh.deps)).toBe(true);
    expect(await renewSigningKeys(fresh.deps)).toBe(false);
    expect(await kidOf()).toBe(first);
    const [, next] = await published();
    expect(await published()).toEqual([first, next]);
    fresh.deps.clock.advance(DAY);
    expect(await kidOf()).toBe(next);
    expect(await published()).toEqual([first, next]);
    fresh.deps.clock.advance(DAY);
    expect(await published()).toEqual([next]);
    await fresh.close();
  });

  it('are of no use to whoever reads the database without the secret key', async () => {
    const { rows } = await elsewhere('SELECT private_key, public_key FROM signing_key');
    for (const { private_key, public_key } of rows) {
      expect(private_key.toString('latin1')).not.toContain('"d"');
      expect(Object.keys(public_key)).not.toContain('d');
    }
  });
});

describe('an access token for a machine', () => {
  const grant = async (fields: Record<string, string>, headers: Record<string, string> = {}) => {
    const answer = await fetch(`${served.url}/v1/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: new URLSearchParams(fields),
    });
    return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Json };
  };
  const asked = (more: Record<string, string> = {}, of = application) =>
    grant({ grant_type: 'client_credentials', client_id: of.id, client_secret: of.key, ...more });
  const call = (path: string, token: string) => served.request('GET', path, { key: token });

  it('is granted for a key, and opens what the key opens', async () => {
    const { status, headers, body } = await asked();
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 600 });
    const { body: who } = await call('/v1/whoami', body.access_token);
    expect(who).toMatchObject({ principal: application.id, tenant: customer.tenant, role: 'application' });
    expect(who.permissions.join(' ')).toBe(body.scope);
    expect((await call(`/v1/users/${user}/authorization`, body.access_token)).status).toBe(200);
  });

  it('is granted to who says id and key in the header too', async () => {
    const basic = Buffer.from(`${application.id}:${application.key}`).toString('base64');
    const { status } = await grant({ grant_type: 'client_credentials' }, { authorization: `Basic ${basic}` });
    expect(status).toBe(200);
  });

  it('is for the permissions and the tenant that were asked for, and for nothing else', async () => {
    for (const where of [{ tenant: child }, { resource: `${served.url}/v1/tenants/${child}` }]) {
      const { body } = await asked({ scope: 'authorization.read users.read', ...where });
      expect(body.scope).toBe('users.read authorization.read');
      const { body: who } = await call('/v1/whoami', body.access_token);
      expect(who).toMatchObject({ tenant: child, permissions: ['users.read', 'authorization.read'] });
      expect((await call('/v1/roles', body.access_token)).status).toBe(403);
      expect((await call(`/v1/users/${user}`, body.access_token)).status).toBe(404);
    }
  });

  it('is good for ten minutes', async () => {
    const { body } = await asked();
    served.deps.clock.advance(599_000);
    expect((await call('/v1/whoami', body.access_token)).status).toBe(200);
    served.deps.clock.advance(2_000);
    expect((await call('/v1/whoami', body.access_token)).status).toBe(401);
  });

  it('ends with its key, with its principal, and where the tenant is moved out of reach', async () => {
    const revoked = await anApplication('revoked');
    const disabled = await anApplication('disabled');
    const [one, two] = [await asked({}, revoked), await asked({}, disabled)];
    const part = await aTenant(served.deps, { name: 'Part', parent: customer.administrator.tenant });
    const three = await asked({ tenant: part });
    await elsewhere('UPDATE api_key SET revoked_at = now() WHERE principal_id = $1', revoked.id);
    await elsewhere('UPDATE principal SET disabled_at = now() WHERE id = $1', disabled.id);
    expect((await call('/v1/whoami', three.body.access_token)).status).toBe(200);
    await asOwner(served.databaseUrl, async (client) => {
      await client.query(`SELECT set_config('rollcall.tenant', $1, false)`, [served.operator.tenant]);
      await client.query('SELECT move_tenant($1, $2)', [part, stranger.tenant]);
    });
    for (const { body } of [one, two, three])
      expect((await call('/v1/whoami', body.access_token)).status).toBe(401);
  });

  it('may no more than its key when that has become narrower', async () => {
    const narrowed = await anApplication('narrowed');
    const { body } = await asked({}, narrowed);
    await elsewhere(`UPDATE api_key SET permissions = '["users.read"]' WHERE principal_id = $1`, narrowed.id);
    expect((await call('/v1/whoami', body.access_token)).body.permissions).toEqual(['users.read']);
  });

  it.each([
    ['another grant type', { grant_type: 'password' }, 400, 'unsupported_grant_type'],
    ['no grant type', { grant_type: '' }, 400, 'unsupported_grant_type'],
    ['a wrong key', { client_secret: `rc_${'x'.repeat(43)}` }, 401, 'invalid_client'],
    ['another principal’s id', { client_id: v7() }, 401, 'invalid_client'],
    ['a permission that the key does not have', { scope: 'users.write' }, 400, 'invalid_scope'],
    ['a tenant of somebody else', { tenant: v7() }, 400, 'invalid_target'],
  ])('is not granted for %s', async (_, fields, status, error) => {
    expect(await asked(fields)).toMatchObject({
      status,
      body: { error, error_description: expect.stringMatching(/\w/) },
    });
  });

  it('is not granted where a parameter is there twice, or the body is no form', async () => {
    const twice = `grant_type=client_credentials&client_id=${application.id}&client_id=${application.id}`;
    const send = (type: string, body: string) =>
      fetch(`${served.url}/v1/token`, { method: 'POST', headers: { 'content-type': type }, body });
    const answer = await send('application/x-www-form-urlencoded', twice);
    expect([answer.status, await answer.json()]).toMatchObject([400, { error: 'invalid_request' }]);
    expect((await send('application/json', '{}')).status).toBe(415);
  });

  it('is not granted for a form of very many fields, whose names are not gone through', async () => {
    const body = Array.from({ length: 101 }, (_, number) => number.toString(36)).join('&');
    const send = (form: string) =>
      served.request('POST', '/v1/token', {
        body: form,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      });
    expect(await send(body)).toMatchObject({
      status: 400,
      body: { error: 'invalid_request', error_description: 'The form has too many fields.' },
    });
    const unknown = Array.from({ length: 90 }, (_, number) => `x${number}=1`).join('&');
    const { id, key } = application;
    const whole = `grant_type=client_credentials&client_id=${id}&client_secret=${key}&${unknown}`;
    expect((await send(whole)).status).toBe(200);
  });

  it('of a tenant that is suspended is neither granted nor good', async () => {
    const { body } = await asked();
    await elsewhere(`UPDATE tenant SET state = 'suspended' WHERE id = $1`, customer.tenant);
    expect((await call('/v1/whoami', body.access_token)).body).toMatchObject({ code: 'tenant-suspended' });
    expect(await asked()).toMatchObject({ status: 403, body: { error: 'unauthorized_client' } });
    await elsewhere(`UPDATE tenant SET state = 'active' WHERE id = $1`, customer.tenant);
  });

  it('is no token of a user, and the other way round', async () => {
    const { body } = await asked();
    const ofUser = await sign({ audience: served.url });
    expect((await call('/v1/whoami', ofUser.body.token)).status).toBe(401);
    expect(decodeProtectedHeader(body.access_token)).toMatchObject({ typ: 'at+jwt' });
    for (const token of [`${body.access_token}x`, body.access_token.replace(/\.[^.]*$/, '.'), 'a.b.c'])
      expect((await call('/v1/whoami', token)).status).toBe(401);
  });
});

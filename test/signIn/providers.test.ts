import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openKeys } from '../../simulators/certificates.ts';
import { asOwner } from '../support/database.ts';
import { aTenant, auditOf } from '../support/tenancy.ts';
import { startOidcProvider } from './oidcProvider.ts';
import { openStage, SECRET, type Stage, said } from './stage.ts';

let stage: Stage;

beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

const request = (method: string, path: string, body?: unknown, key = stage.key) =>
  stage.served.request(method, path, { key, ...(body === undefined ? {} : { body }) });

const wanted = (changed: object = {}) => ({
  tenant: stage.harbor,
  name: 'Another',
  issuer: stage.oidc.issuer,
  clientId: 'another',
  ca: stage.oidc.ca,
  ...changed,
});

describe('adding a provider', () => {
  it.each([
    ['an issuer on plain http', { issuer: 'http://id.example' }, 'issuer: must be an https address'],
    [
      'the address of a discovery document',
      { issuer: 'https://id.example/.well-known/openid-configuration' },
      'must be the issuer itself',
    ],
    ['an issuer with a password', { issuer: 'https://me:pass@id.example' }, 'must be the issuer itself'],
    [
      'a CA that is none',
      { ca: '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----' },
      'ca: holds no readable PEM certificate',
    ],
    [
      'a chain whose second CA is none',
      {
        get ca() {
          return `${stage.oidc.ca}\n-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----`;
        },
      },
      'ca: holds no readable PEM certificate',
    ],
    ['an empty secret', { clientSecret: '' }, 'clientSecret: is empty'],
  ])('is refused with %s', async (_, changed, because) => {
    const { status, body } = await request('POST', '/v1/sign-in-providers', wanted(changed));
    expect([status, body.detail]).toEqual([400, expect.stringContaining(because)]);
    expect(body.detail).not.toContain('pass@');
  });

  it.each([
    [
      'whose certificate nobody has vouched for',
      { ca: null },
      /signed by an authority that is not trusted here/,
      /--ca FILE/,
    ],
    [
      'that calls itself otherwise',
      { issuer: 'TRAILING' },
      /calls itself https:\/\/127\.0\.0\.1:\d+\.$/,
      /letter by letter/,
    ],
    [
      'that is not there',
      { issuer: 'https://127.0.0.1:9' },
      /cannot be reached: it refused the connection/,
      /Check the issuer/,
    ],
    [
      'that is something else',
      { issuer: 'ELSEWHERE' },
      /does not answer as an OpenID Connect provider does/,
      /Give the issuer/,
    ],
  ])(
    'is refused with one %s, saying what helps',
    async (_, changed: { ca?: null; issuer?: string }, detail, remedy) => {
      const issuer = changed.issuer
        ?.replace('TRAILING', `${stage.oidc.issuer}/`)
        .replace('ELSEWHERE', `${stage.oidc.issuer}/me`);
      const body = wanted({ ...changed, ...(issuer === undefined ? {} : { issuer }) });
      const answer = await request('POST', '/v1/sign-in-providers', body);
      expect(answer).toMatchObject({ status: 502, body: { code: 'sign-in-failed' } });
      expect(answer.body.detail).toMatch(detail);
      expect(answer.body.remedy).toMatch(remedy);
    },
  );

  it.each([
    [
      'sends browsers to something that is no https address',
      { authorization_endpoint: 'javascript:alert(1)' },
    ],
    ['takes codes on plain http', { token_endpoint: 'http://id.example/token' }],
    ['has no keys to check its tokens with', { jwks_uri: undefined }],
  ])('is refused where it %s', async (_, changed) => {
    const keys = await openKeys(null);
    const server = createServer(
      { key: keys.serverKey, cert: keys.serverCertificate },
      (_request, response) => {
        const issuer = at();
        const endpoint = (name: string) => `${issuer}/${name}`;
        const metadata = {
          issuer,
          authorization_endpoint: endpoint('authorize'),
          token_endpoint: endpoint('token'),
          jwks_uri: endpoint('jwks'),
          ...changed,
        };
        response.setHeader('content-type', 'application/json').end(JSON.stringify(metadata));
      },
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const at = () => `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const answer = await request('POST', '/v1/sign-in-providers', wanted({ issuer: at(), ca: keys.ca }));
    server.closeAllConnections();
    server.close();
    expect(answer).toMatchObject({ status: 502, body: { code: 'sign-in-failed' } });
    expect(answer.body.detail).toContain(`names no ${Object.keys(changed)[0]} on https`);
  });

  it('keeps its secret encrypted, and never shows it', async () => {
    const added = await request(
      'POST',
      '/v1/sign-in-providers',
      wanted({ name: 'Secret', clientSecret: SECRET }),
    );
    expect(added).toMatchObject({ status: 201, body: { hasSecret: true } });
    expect(added.body.redirectUri).toBe(`${stage.served.url}/sign-in/callback/${added.body.id}`);
    const listed = await request('GET', `/v1/sign-in-providers?tenant=${stage.harbor}`);
    for (const { body } of [added, listed]) expect(JSON.stringify(body)).not.toContain(SECRET);
    const rows = await asOwner(stage.served.databaseUrl, (client) =>
      client.query('SELECT client_secret FROM sign_in_provider'),
    );
    for (const { client_secret: sealed } of rows.rows)
      expect(sealed.toString('latin1')).not.toContain(SECRET);
    expect((await auditOf(stage.served.databaseUrl, stage.harbor)).at(-1)).toMatchObject({
      action: 'sign-in-provider.added',
      subject: { kind: 'sign-in-provider', id: added.body.id },
      details: { name: 'Secret', issuer: stage.oidc.issuer, clientId: 'another' },
    });
  });

  it('gives a name once in a tenant', async () => {
    expect(await request('POST', '/v1/sign-in-providers', wanted({ name: 'Harbor ID' }))).toMatchObject({
      status: 409,
      body: { code: 'name-taken' },
    });
  });
});

describe('changing a provider', () => {
  it('is about its name, secret and CA: never about whom it speaks for', async () => {
    const { id } = await stage.addProvider({ tenant: stage.harbor, name: 'Fixed' });
    const path = `/v1/sign-in-providers/${id}`;
    for (const changed of [
      { issuer: 'https://evil.example' },
      { clientId: 'evil' },
      { tenant: stage.harbor },
    ])
      expect(await request('PATCH', path, changed)).toMatchObject({ status: 400 });
    expect(await request('PATCH', path, { name: 'Renamed', clientSecret: 'next' })).toMatchObject({
      status: 200,
      body: { name: 'Renamed', issuer: stage.oidc.issuer },
    });
    expect((await auditOf(stage.served.databaseUrl, stage.harbor)).at(-1)).toMatchObject({
      action: 'sign-in-provider.updated',
      details: { fields: ['clientSecret', 'name'] },
    });
    expect(await request('PATCH', path, { ca: null })).toMatchObject({
      status: 502,
      body: { code: 'sign-in-failed' },
    });
  });

  it('goes on with the logins that are bound to it', async () => {
    const tenant = await aTenant(stage.served.deps, { name: 'Rotating' });
    const { id } = await stage.addProvider({ tenant, name: 'Rotating ID' });
    await stage.accept(await stage.invite(await stage.principal('Rita', { tenant })), 'rita');
    const clientId = 'client of Rotating ID';
    stage.oidc.register(clientId, 'the next secret', [`${stage.served.url}/sign-in/callback/${id}`]);
    const refused = await stage.signIn('rita', stage.browser(), `tenant=${tenant}`);
    expect([refused.page.status, said(refused.page)]).toEqual([
      502,
      expect.stringContaining('give the present client secret'),
    ]);
    await request('PATCH', `/v1/sign-in-providers/${id}`, { clientSecret: 'the next secret' });
    const again = await stage.signIn('rita', stage.browser(), `tenant=${tenant}`);
    expect(said(again.page)).toContain('You are signed in as Rita');
  });
});

describe('testing a provider', () => {
  it('says step by step what works, and which redirect URI it needs', async () => {
    const { id, redirectUri } = stage.provider;
    const { status, body } = await request('POST', `/v1/sign-in-providers/${id}/test`, {});
    expect(status).toBe(200);
    expect(body.checks).toMatchObject([
      { step: 'discovery', ok: true },
      { step: 'keys', ok: true, detail: '1 in its key set' },
      { step: 'pkce', ok: true },
      { step: 'client', ok: true, detail: 'the provider knows the client and its secret' },
      { step: 'redirect', ok: null, detail: redirectUri },
    ]);
  });

  it('finds out that the secret is wrong, and that the provider is gone', async () => {
    const gone = await startOidcProvider();
    gone.register('here', 'right', ['https://rollcall.example/']);
    const tenant = await aTenant(stage.served.deps, { name: 'Leaving' });
    const given = {
      tenant,
      name: 'Leaving ID',
      issuer: gone.issuer,
      clientId: 'here',
      clientSecret: 'wrong',
      ca: gone.ca,
    };
    const { body: added } = await request('POST', '/v1/sign-in-providers', given);
    const test = async () =>
      (await request('POST', `/v1/sign-in-providers/${added.id}/test`, {})).body.checks;
    expect((await test())[3]).toMatchObject({
      step: 'client',
      ok: false,
      remedy: expect.stringContaining('secret'),
    });
    await gone.close();
    expect(await test()).toMatchObject([
      { step: 'discovery', ok: false, detail: expect.stringContaining('cannot be reached') },
      { step: 'redirect' },
    ]);
  });
});

describe('removing a provider', () => {
  it('signs out whoever came by it, and lets nobody in again', async () => {
    const tenant = await aTenant(stage.served.deps, { name: 'Closing' });
    const { id } = await stage.addProvider({ tenant, name: 'Closing ID' });
    const { browser } = await stage.accept(
      await stage.invite(await stage.principal('Cleo', { tenant })),
      'cleo',
    );
    expect((await browser.open(`${stage.served.url}/account`)).url.pathname).toBe('/account');
    expect((await request('DELETE', `/v1/sign-in-providers/${id}`)).status).toBe(204);
    expect((await browser.open(`${stage.served.url}/account`)).url.pathname).toBe('/sign-in');
    expect((await request('DELETE', `/v1/sign-in-providers/${id}`)).status).toBe(404);
    const written = (await auditOf(stage.served.databaseUrl, tenant)).slice(-2);
    expect(written).toMatchObject([
      { action: 'session.ended', details: { because: 'provider-removed' } },
      { action: 'sign-in-provider.removed', details: { name: 'Closing ID' } },
    ]);
  });
});

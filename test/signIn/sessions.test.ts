import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openServer } from '../../src/api/server.ts';
import { type Json, type Served, serve } from '../api/served.ts';
import { aTenant, auditOf } from '../support/tenancy.ts';
import type { Browser } from './browser.ts';
import { openStage, type Stage, said, throughProvider } from './stage.ts';

const HOUR = 3_600_000;

let stage: Stage;

beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

let made = 0;

/** Somebody new, in a browser. */
async function signedIn({ role = 'reviewer', tenant = stage.harbor as string } = {}) {
  const name = `person-${++made}`;
  const principal = await stage.principal(name, { role, tenant });
  const { browser } = await stage.accept(await stage.invite(principal), name);
  return { name, principal, browser, again: () => stage.signIn(name).then((one) => one.browser) };
}

type Sent = { method?: 'GET' | 'POST' | 'DELETE' | 'PATCH'; body?: string; headers?: Record<string, string> };

async function api(browser: Browser, path: string, sent: Sent = {}): Promise<{ status: number; body: Json }> {
  const { status, text } = await browser.send(new URL(path, stage.served.url), sent);
  return { status, body: text === '' ? null : JSON.parse(text) };
}

const tokenOf = async (browser: Browser): Promise<string> =>
  (await api(browser, '/v1/session')).body.csrfToken;

describe('a session', () => {
  it('does over the API what its principal may, as a key does', async () => {
    const { browser, principal, name } = await signedIn();
    const { body } = await api(browser, '/v1/session');
    expect(body).toMatchObject({
      principal,
      name,
      role: 'reviewer',
      session: { method: 'openid-connect', userAgent: 'Test/1' },
    });
    expect((await api(browser, '/v1/whoami')).body).toMatchObject({ principal });
    expect((await api(browser, '/v1/connections')).status).toBe(200);
    expect(await api(browser, `/v1/audit?tenant=${stage.harbor}`)).toMatchObject({ status: 403 });
  });

  it('changes something only with its token', async () => {
    const { browser } = await signedIn({ role: 'tenant-administrator' });
    const other = await signedIn();
    const create = (headers: Record<string, string>) =>
      api(browser, '/v1/tenants', {
        method: 'POST',
        body: JSON.stringify({ name: `Part ${++made}` }),
        headers: { 'content-type': 'application/json', ...headers },
      });
    const token = await tokenOf(browser);
    for (const wrong of ['', 'wrong', await tokenOf(other.browser)])
      expect(await create({ 'x-csrf-token': wrong })).toMatchObject({
        status: 403,
        body: { code: 'foreign-request' },
      });
    expect(await create({})).toMatchObject({ status: 403, body: { code: 'foreign-request' } });
    expect((await create({ 'x-csrf-token': token })).status).toBe(201);
  });

  it.each([
    ['origin', 'https://evil.example'],
    ['origin', 'null'],
    ['sec-fetch-site', 'cross-site'],
    ['sec-fetch-site', 'same-site'],
    ['sec-fetch-site', 'none'],
  ])('changes nothing for a request with %s: %s, although the token is right', async (name, value) => {
    const { browser } = await signedIn();
    const headers = { 'x-csrf-token': await tokenOf(browser), [name]: value };
    expect(await api(browser, '/v1/session', { method: 'DELETE', headers })).toMatchObject({
      status: 403,
      body: { code: 'foreign-request' },
    });
    const ours = {
      'x-csrf-token': headers['x-csrf-token'],
      origin: stage.served.url,
      'sec-fetch-site': 'same-origin',
    };
    expect((await api(browser, '/v1/session', { method: 'DELETE', headers: ours })).status).toBe(204);
  });

  it('counts for nothing beside a key, good or bad', async () => {
    const { browser } = await signedIn();
    for (const authorization of ['Bearer nothing', `Bearer rc_${'x'.repeat(43)}`, 'Basic eA==', ''])
      expect((await api(browser, '/v1/whoami', { headers: { authorization } })).status).toBe(401);
    const withKey = { authorization: `Bearer ${stage.key}` };
    expect((await api(browser, '/v1/whoami', { headers: withKey })).body).toMatchObject({ role: 'system' });
    expect((await api(browser, '/v1/session', { headers: withKey })).body).toMatchObject({
      session: null,
      csrfToken: null,
    });
    const created = await api(browser, '/v1/tenants', {
      method: 'POST',
      body: JSON.stringify({ name: 'By key' }),
      headers: { ...withKey, 'content-type': 'application/json', 'sec-fetch-site': 'cross-site' },
    });
    expect(created.status).toBe(201);
  });

  it('ends when it is left alone for twelve hours, and not while it is used', async () => {
    const { browser } = await signedIn();
    const { clock } = stage.served.deps;
    for (let use = 0; use < 5; use++) {
      clock.advance(11 * HOUR);
      expect((await api(browser, '/v1/session')).status).toBe(200);
    }
    const { session } = (await api(browser, '/v1/session')).body;
    expect(session.lastUsedAt).toBe(clock.now().toISOString());
    clock.advance(12 * HOUR);
    expect((await api(browser, '/v1/session')).status).toBe(401);
  });

  it('ends after seven days, however much it is used', async () => {
    const { browser } = await signedIn();
    for (let use = 0; use < 27; use++) {
      stage.served.deps.clock.advance(6 * HOUR);
      expect((await api(browser, '/v1/session')).status).toBe(200);
    }
    stage.served.deps.clock.advance(6 * HOUR);
    expect((await api(browser, '/v1/session')).status).toBe(401);
  });

  it('gets a new cookie with each sign-in, and the one before opens nothing', async () => {
    const { browser, name } = await signedIn();
    const before = new Map(browser.cookies);
    // The page leads whoever is signed in onwards: as somebody does who signs in again in another tab.
    const stale = await stage.browser().open(`${stage.served.url}/sign-in?tenant=${stage.harbor}`);
    await throughProvider(stage.oidc, browser, await browser.submit(stale, /provider/), name);
    const cookie = [...browser.cookies.keys()].find((key) => key.endsWith(' rollcall')) ?? '';
    expect(browser.cookies.get(cookie)).not.toBe(before.get(cookie));
    expect((await api(browser, '/v1/session')).status).toBe(200);
    const old = stage.browser();
    for (const [key, value] of before) old.cookies.set(key, value);
    expect((await api(old, '/v1/session')).status).toBe(401);
    expect((await auditOf(stage.served.databaseUrl, stage.harbor)).at(-1)).toMatchObject({
      action: 'session.ended',
      details: { because: 'signed-in-again' },
    });
  });

  it('ends when its principal is disabled, and stays ended when it is enabled again', async () => {
    const { browser, principal } = await signedIn();
    const { request } = stage.served;
    await request('POST', `/v1/principals/${principal}/disable`, { key: stage.key });
    expect((await api(browser, '/v1/session')).status).toBe(401);
    await request('POST', `/v1/principals/${principal}/enable`, { key: stage.key });
    expect((await api(browser, '/v1/session')).status).toBe(401);
  });

  it('opens nothing while its tenant is suspended', async () => {
    const tenant = await aTenant(stage.served.deps, { name: 'Resting', parent: stage.harbor });
    const { browser } = await signedIn({ tenant });
    await stage.served.request('POST', `/v1/tenants/${tenant}/suspend`, { key: stage.key });
    expect(await api(browser, '/v1/session')).toMatchObject({
      status: 403,
      body: { code: 'tenant-suspended' },
    });
    const page = await browser.open(`${stage.served.url}/account`);
    expect([page.status, said(page)]).toEqual([403, expect.stringContaining('is suspended')]);
    expect((await browser.open(`${stage.served.url}/sign-in?tenant=${stage.harbor}`)).text).toContain(
      'Sign in with Harbor ID',
    );
    await stage.served.request('POST', `/v1/tenants/${tenant}/resume`, { key: stage.key });
    expect((await api(browser, '/v1/session')).status).toBe(200);
  });
});

describe('the list of sessions', () => {
  it('has one’s own, of which each can be ended, or all', async () => {
    const one = await signedIn();
    const two = await one.again();
    const three = await one.again();
    const { items } = (await api(two, '/v1/sessions')).body;
    expect(items).toHaveLength(3);
    const mine = (await api(three, '/v1/session')).body.session.id;
    const headers = { 'x-csrf-token': await tokenOf(two) };
    expect((await api(two, `/v1/sessions/${mine}`, { method: 'DELETE', headers })).status).toBe(204);
    expect((await api(three, '/v1/session')).status).toBe(401);
    expect((await api(two, `/v1/sessions/${mine}`, { method: 'DELETE', headers })).status).toBe(404);
    const all = await api(two, '/v1/sessions', { method: 'DELETE', headers });
    expect(all).toMatchObject({ status: 200, body: { ended: 2 } });
    for (const browser of [one.browser, two]) expect((await api(browser, '/v1/session')).status).toBe(401);
  });

  it('shows a principal’s to its administrators, who can end them, and to nobody beside', async () => {
    const reviewer = await signedIn();
    const { session } = (await api(reviewer.browser, '/v1/session')).body;
    const administrator = await signedIn({ role: 'tenant-administrator' });
    const beside = await aTenant(stage.served.deps, { name: `Beside ${++made}` });
    await stage.addProvider({ tenant: beside, name: `Beside ID ${made}` });
    const stranger = await signedIn({ tenant: beside, role: 'tenant-administrator' });
    const list = (browser: Browser) => api(browser, `/v1/sessions?principal=${reviewer.principal}`);
    const end = async (browser: Browser, path: string) =>
      await api(browser, path, { method: 'DELETE', headers: { 'x-csrf-token': await tokenOf(browser) } });
    expect((await list(administrator.browser)).body.items).toMatchObject([{ id: session.id }]);
    expect(await list(stranger.browser)).toMatchObject({ status: 404 });
    expect(await list((await signedIn()).browser)).toMatchObject({ status: 403 });
    expect(await end(stranger.browser, `/v1/sessions/${session.id}`)).toMatchObject({ status: 404 });
    expect(await end(stranger.browser, `/v1/sessions?principal=${reviewer.principal}`)).toMatchObject({
      status: 404,
    });
    expect((await api(reviewer.browser, '/v1/session')).status).toBe(200);
    expect((await end(administrator.browser, `/v1/sessions?principal=${reviewer.principal}`)).body).toEqual({
      ended: 1,
    });
    expect((await api(reviewer.browser, '/v1/session')).status).toBe(401);
    expect((await auditOf(stage.served.databaseUrl, stage.harbor)).at(-1)).toMatchObject({
      action: 'session.ended',
      actor: { kind: 'person', id: administrator.principal },
      subject: { kind: 'session', id: session.id },
    });
  });

  it('is not for a key that was narrowed to something else', async () => {
    const { principal } = await signedIn({ role: 'auditor' });
    const made = await stage.served.request('POST', `/v1/principals/${principal}/keys`, {
      key: stage.key,
      body: { permissions: ['audit.read'] },
    });
    const answer = await stage.served.request('GET', '/v1/sessions', { key: made.body.key });
    expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  });
});

describe('the page of whoever is signed in', () => {
  it('signs out, here and everywhere', async () => {
    const one = await signedIn();
    const two = await one.again();
    const account = `${stage.served.url}/account`;
    const gone = await one.browser.submit(await one.browser.open(account), /sign-out"/);
    expect(gone.url.pathname).toBe('/sign-in');
    expect([...one.browser.cookies.keys()].filter((name) => name.endsWith(' rollcall'))).toEqual([]);
    expect((await api(two, '/v1/session')).status).toBe(200);
    const three = await one.again();
    await three.submit(await three.open(account), /sign-out-everywhere/);
    expect((await api(two, '/v1/session')).status).toBe(401);
    const written = await auditOf(stage.served.databaseUrl, stage.harbor);
    const because = written.filter(
      ({ action, actor }) => action === 'session.ended' && actor.id === one.principal,
    );
    expect(because.map(({ details }) => details['because'])).toEqual(['signed-out', 'ended', 'ended']);
  });

  it('lists the sessions and ends another one', async () => {
    const one = await signedIn();
    const two = await one.again();
    const page = await one.browser.open(`${stage.served.url}/account`);
    expect(said(page)).toContain('this one');
    const after = await one.browser.submit(page, /sessions\/end/);
    expect(after.text).not.toContain('sessions/end');
    expect((await api(two, '/v1/session')).status).toBe(401);
  });

  it('does nothing without the session’s token', async () => {
    const { browser } = await signedIn();
    const page = await browser.open(`${stage.served.url}/account`);
    const forged = await browser.submit(page, /sign-out"/, { csrf: 'forged' });
    expect(forged.status).toBe(403);
    expect((await api(browser, '/v1/session')).status).toBe(200);
  });

  it('leads whoever is not signed in to the sign-in', async () => {
    const page = await stage.browser().open(`${stage.served.url}/account`);
    expect(page.url.pathname).toBe('/sign-in');
  });
});

describe('the cookie', () => {
  const flags = (headers: Headers) => headers.getSetCookie().map((line) => line.replace(/=[^;]*/, '=…'));

  async function begun(served: Served, publicUrl: string | null) {
    const server = await openServer(served.deps, { host: '127.0.0.1', port: 0, publicUrl });
    try {
      const answer = await fetch(`${server.url}/sign-in`, {
        method: 'POST',
        body: new URLSearchParams({ provider: stage.provider.id }),
      });
      return flags(answer.headers);
    } finally {
      await server.close();
    }
  }

  it('is kept from scripts, other sites, other hosts and plain HTTP', async () => {
    expect(await begun(stage.served, 'https://rollcall.example')).toEqual([
      '__Host-rollcall-sign-in=…; Max-Age=600; Path=/; HttpOnly; Secure; SameSite=Lax',
    ]);
  });

  it('does without TLS on this machine alone', async () => {
    expect(await begun(stage.served, null)).toEqual([
      'rollcall-sign-in=…; Max-Age=600; Path=/; HttpOnly; SameSite=Lax',
    ]);
  });

  it('is neither set nor looked at where the public URL is not known', async () => {
    const { deps, close } = await serve();
    const server = await openServer(deps, { host: '0.0.0.0', port: 0 });
    const at = server.url.replace('0.0.0.0', '127.0.0.1');
    const page = await fetch(`${at}/sign-in`);
    expect([page.status, await page.text()]).toEqual([500, expect.stringContaining('ROLLCALL_PUBLIC_URL')]);
    expect(
      (await fetch(`${at}/v1/session`, { headers: { cookie: `rollcall=${'x'.repeat(43)}` } })).status,
    ).toBe(401);
    await server.close();
    await close();
  });
});

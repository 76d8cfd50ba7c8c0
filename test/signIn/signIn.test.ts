import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { asOwner } from '../support/database.ts';
import { aTenant, auditOf } from '../support/tenancy.ts';
import { openStage, type Stage, said, throughProvider } from './stage.ts';

let stage: Stage;

beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());
beforeEach(() => stage.served.deps.clock.advance(16 * 60_000)); // what failed in the test before does not count

const audit = () => auditOf(stage.served.databaseUrl, stage.harbor);
const lastRefusal = async () => (await audit()).filter(({ action }) => action === 'sign-in.refused').at(-1);
const sessionCookies = ({ browser }: { browser: { cookies: Map<string, string> } }) =>
  [...browser.cookies.keys()].filter((name) => name.endsWith(' rollcall'));

describe('an invitation', () => {
  it('binds whoever signs in with it, who comes in without it from then on', async () => {
    const principal = await stage.principal('Ada');
    const { page } = await stage.accept(await stage.invite(principal), 'ada-at-harbor');
    expect(page.url.href).toBe(`${stage.served.url}/account`);
    expect(said(page)).toContain('You are signed in as Ada , with the role reviewer, of Harbor');
    const again = await stage.signIn('ada-at-harbor');
    expect(said(again.page)).toContain('You are signed in as Ada');
    const written = (await audit()).filter(({ actor }) => actor.id === principal);
    expect(written).toMatchObject([
      {
        action: 'login.bound',
        subject: { kind: 'principal', id: principal },
        details: { provider: stage.provider.id, replaces: false },
      },
      { action: 'session.opened', details: { method: 'openid-connect', provider: stage.provider.id } },
      { action: 'session.opened' },
    ]);
  });

  it('is not used up by looking at it, nor by going to the provider and not signing in', async () => {
    const link = await stage.invite(await stage.principal('Looked at'));
    const browser = stage.browser();
    const page = await browser.open(link);
    expect(said(page)).toContain('You are invited to be Looked at , with the role reviewer, of Harbor');
    await browser.submit(page, /provider/);
    const { page: account } = await stage.accept(link, 'looked-at');
    expect(said(account)).toContain('You are signed in as Looked at');
  });

  it('is good once', async () => {
    const link = await stage.invite(await stage.principal('Once'));
    await stage.accept(link, 'once');
    const browser = stage.browser();
    const page = await browser.open(link);
    expect([page.status, said(page)]).toEqual([403, expect.stringContaining('it was used')]);
  });

  it('is good once when two people come back with it at the same moment', async () => {
    const link = await stage.invite(await stage.principal('Two'));
    const both = await Promise.all(['two-a', 'two-b'].map((account) => stage.accept(link, account)));
    expect(both.map(({ page }) => page.status).sort()).toEqual([200, 403]);
  });

  it('opens nothing when it has expired, was withdrawn, or was followed by another', async () => {
    const principal = await stage.principal('Late');
    const expiring = await stage.invite(principal, { minutes: 60 });
    stage.served.deps.clock.advance(61 * 60_000);
    expect((await stage.browser().open(expiring)).status).toBe(403);
    const replaced = await stage.invite(principal);
    const withdrawn = await stage.invite(principal);
    expect((await stage.browser().open(replaced)).status).toBe(403);
    expect((await stage.browser().open(withdrawn)).status).toBe(200);
    await stage.served.request('DELETE', `/v1/principals/${principal}/invitations`, { key: stage.key });
    expect((await stage.browser().open(withdrawn)).status).toBe(403);
  });

  it('opens nothing when it expires on the way to the provider and back', async () => {
    const link = await stage.invite(await stage.principal('Slow'), { minutes: 5 });
    const browser = stage.browser();
    const away = await browser.submit(await browser.open(link), /provider/);
    stage.served.deps.clock.advance(6 * 60_000);
    const back = await browser.submit(away, /./, { login: 'slow', password: 'x' });
    const page = back.url.origin === stage.oidc.issuer ? await browser.submit(back, /./) : back;
    expect([page.status, said(page)]).toEqual([
      403,
      expect.stringContaining('The invitation was used, has expired'),
    ]);
  });

  it('does not bind a login that is another principal’s', async () => {
    await stage.accept(await stage.invite(await stage.principal('First')), 'taken');
    const link = await stage.invite(await stage.principal('Second'));
    const { page, browser } = await stage.accept(link, 'taken');
    expect([page.status, said(page)]).toEqual([403, expect.stringContaining('belongs to another principal')]);
    expect(sessionCookies({ browser })).toEqual([]);
    expect((await stage.browser().open(link)).status).toBe(200);
  });

  it('binds a login to one principal when it is used with two invitations at the same moment', async () => {
    const links = [
      await stage.invite(await stage.principal('Twin one')),
      await stage.invite(await stage.principal('Twin two')),
    ];
    const both = await Promise.all(links.map((link) => stage.accept(link, 'twins')));
    expect(both.map(({ page }) => page.status).sort()).toEqual([200, 403]);
  });

  it('takes the place of the principal’s earlier login, whose sessions end', async () => {
    const principal = await stage.principal('Moved on');
    const before = await stage.accept(await stage.invite(principal), 'old-account');
    await stage.accept(await stage.invite(principal), 'new-account');
    expect((await before.browser.open(`${stage.served.url}/account`)).url.pathname).toBe('/sign-in');
    expect((await stage.signIn('old-account')).page.status).toBe(403);
    expect((await stage.signIn('new-account')).page.status).toBe(200);
  });

  it('is made for nobody who can do more than the inviter, for no machine and for nobody disabled', async () => {
    const { request } = stage.served;
    const { key } = stage;
    const invite = (id: string, by: string) =>
      request('POST', `/v1/principals/${id}/invitations`, { key: by, body: {} });
    const machine = await stage.principal('Machine', { role: 'application' });
    expect(await invite(machine, key)).toMatchObject({ status: 409, body: { code: 'not-allowed-now' } });
    const disabled = await stage.principal('Gone');
    await request('POST', `/v1/principals/${disabled}/disable`, { key });
    expect(await invite(disabled, key)).toMatchObject({ status: 409 });
    const administrator = await stage.principal('Administrator', { role: 'tenant-administrator' });
    const narrow = await request('POST', `/v1/principals/${administrator}/keys`, {
      key,
      body: { permissions: ['principals.write'] },
    });
    const auditor = await stage.principal('Auditor', { role: 'auditor' });
    expect(await invite(auditor, narrow.body.key)).toMatchObject({
      status: 403,
      body: { code: 'forbidden' },
    });
  });
});

describe('whoever the provider vouches for', () => {
  it('does not come in without an invitation, also with the address of somebody who does', async () => {
    // Every account of this provider says that ada@example.com is its verified address.
    await stage.accept(await stage.invite(await stage.principal('Known')), 'known');
    const { page, browser } = await stage.signIn('unknown');
    expect([page.status, said(page)]).toEqual([
      403,
      expect.stringContaining('Ask an administrator for an invitation'),
    ]);
    expect(sessionCookies({ browser })).toEqual([]);
    expect(await lastRefusal()).toMatchObject({
      subject: { kind: 'sign-in-provider', id: stage.provider.id },
      details: { because: 'login-unknown' },
    });
  });

  it('does not come in while disabled, nor while the tenant is suspended', async () => {
    const { served, key } = stage;
    const tenant = await aTenant(served.deps, { name: 'Sleepy' });
    await stage.addProvider({ tenant, name: 'Sleepy ID' });
    const principal = await stage.principal('Sleeper', { tenant });
    await stage.accept(await stage.invite(principal), 'sleeper');
    const tries = async () => said((await stage.signIn('sleeper', stage.browser(), `tenant=${tenant}`)).page);
    await served.request('POST', `/v1/principals/${principal}/disable`, { key });
    expect(await tries()).toContain('Your principal is disabled');
    await served.request('POST', `/v1/principals/${principal}/enable`, { key });
    expect(await tries()).toContain('You are signed in as Sleeper');
    await served.request('POST', `/v1/tenants/${tenant}/suspend`, { key });
    expect(await tries()).toContain('is suspended');
  });

  it('comes in to tenants at and below the provider’s, and nowhere else', async () => {
    const below = await aTenant(stage.served.deps, { name: 'Quay', parent: stage.harbor });
    const beside = await aTenant(stage.served.deps, { name: 'Beside' });
    const child = await stage.principal('Child', { tenant: below });
    const inside = await stage.accept(await stage.invite(child), 'child-account');
    expect(said(inside.page)).toContain('of Quay');
    const neighbour = await stage.principal('Neighbour', { tenant: beside });
    const link = await stage.invite(neighbour);
    const browser = stage.browser();
    expect(said(await browser.open(link))).toContain('Nobody can sign in to Beside yet');
    const token = new URL(link).searchParams.get('token') ?? '';
    const away = await browser.open(`${stage.served.url}/sign-in`, {
      method: 'POST',
      body: new URLSearchParams({ provider: stage.provider.id, invitation: token }).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    const page = await throughProvider(stage.oidc, browser, away, 'neighbour');
    expect([page.status, said(page)]).toEqual([
      403,
      expect.stringContaining('does not speak for your tenant'),
    ]);
  });

  it('does not come in to a tenant that was moved away from the provider’s', async () => {
    const { served, key } = stage;
    const moving = await aTenant(served.deps, { name: 'Moving', parent: stage.harbor });
    const elsewhere = await aTenant(served.deps, { name: 'New home' });
    const principal = await stage.principal('Mover', { tenant: moving });
    await stage.accept(await stage.invite(principal), 'mover');
    await served.request('POST', `/v1/tenants/${moving}/move`, { key, body: { parent: elsewhere } });
    const { page } = await stage.signIn('mover');
    expect([page.status, said(page)]).toEqual([403, expect.stringContaining('Ask an administrator')]);
  });
});

describe('what comes back from the provider', () => {
  /** A browser at our callback: the address that the provider leads to, not yet opened. */
  async function answered(account: string) {
    const browser = stage.browser();
    const start = await browser.open(`${stage.served.url}/sign-in?tenant=${stage.harbor}`);
    let page = await browser.submit(start, /provider/);
    for (let step = 0; step < 3; step++) {
      const sent = await followedUntilBack(browser, page, account);
      if (sent instanceof URL) return { browser, callback: sent };
      page = sent;
    }
    throw new Error('the provider never answered');
  }

  async function followedUntilBack(
    browser: ReturnType<Stage['browser']>,
    page: Awaited<ReturnType<ReturnType<Stage['browser']>['open']>>,
    account: string,
  ) {
    const action = /action="([^"]*)"/.exec(page.text)?.[1] ?? '';
    const fields = [...page.text.matchAll(/name="(\w+)" value="([^"]*)"/g)].map(
      ([, name = '', value = '']) => [name, value],
    );
    let now = await browser.send(new URL(action, page.url), {
      method: 'POST',
      body: new URLSearchParams({ ...Object.fromEntries(fields), login: account, password: 'x' }).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    for (;;) {
      const location = now.headers['location'];
      if (typeof location !== 'string') return now;
      const next = new URL(location, now.url);
      if (next.origin === stage.served.url) return next;
      now = await browser.send(next);
    }
  }

  beforeAll(async () => {
    await stage.accept(await stage.invite(await stage.principal('Careful')), 'careful');
  });

  it('lets in once', async () => {
    const { browser, callback } = await answered('careful');
    expect((await browser.send(callback)).headers['location']).toBe('/account');
    const again = await browser.send(callback);
    expect([again.status, said(again)]).toEqual([
      403,
      expect.stringContaining('has begun no sign-in that fits'),
    ]);
  });

  it('is worth nothing in another browser', async () => {
    const { callback } = await answered('careful');
    const other = stage.browser();
    expect((await other.send(callback)).status).toBe(403);
    expect(sessionCookies({ browser: other })).toEqual([]);
    const busy = await answered('careful'); // one that has begun a sign-in of its own
    expect((await busy.browser.send(callback)).status).toBe(502);
    expect(await lastRefusal()).toMatchObject({ details: { because: 'provider-failed' } });
  });

  it.each([
    ['another state', (url: URL) => url.searchParams.set('state', 'x'.repeat(43))],
    ['no state', (url: URL) => url.searchParams.delete('state')],
    ['another issuer', (url: URL) => url.searchParams.set('iss', 'https://other.example')],
    ['no issuer, which this provider always names', (url: URL) => url.searchParams.delete('iss')],
    ['another code', (url: URL) => url.searchParams.set('code', 'made-up')],
    ['two codes', (url: URL) => url.searchParams.append('code', 'made-up')],
    ['an error', (url: URL) => url.searchParams.set('error', 'access_denied')],
    ['an error that nobody knows', (url: URL) => url.searchParams.set('error', 'constructor')],
  ])('is refused with %s', async (_, alter) => {
    const { browser, callback } = await answered('careful');
    alter(callback);
    const page = await browser.send(callback);
    expect([page.status, sessionCookies({ browser })]).toEqual([502, []]);
    expect(said(page)).toContain('This can be mended by an administrator');
  });

  it('is refused at another provider’s redirect URI', async () => {
    const other = await stage.addProvider({ tenant: stage.harbor, name: 'Harbor second' });
    const { browser, callback } = await answered('careful');
    callback.pathname = callback.pathname.replace(stage.provider.id, other.id);
    const page = await browser.send(callback);
    expect([page.status, said(page)]).toEqual([
      403,
      expect.stringContaining('has begun no sign-in that fits'),
    ]);
    await stage.served.request('DELETE', `/v1/sign-in-providers/${other.id}`, { key: stage.key });
  });

  it('lets people in whatever strangers have spoilt before, and the audit log does not grow with that', async () => {
    const refusals = async () => (await audit()).filter(({ action }) => action === 'sign-in.refused').length;
    const before = await refusals();
    for (let tries = 0; tries < 14; tries++) {
      const { browser, callback } = await answered('careful');
      callback.searchParams.set('code', 'made-up');
      expect((await browser.send(callback)).status).toBe(502);
    }
    expect((await refusals()) - before).toBe(10);
    const code = new URLSearchParams({ code: 'GUESS' });
    const guessed = await fetch(`${stage.served.url}/sign-in/recovery`, { method: 'POST', body: code });
    expect(guessed.status).toBe(403); // looked at, and not 429: these are counted for themselves
    const { browser, callback } = await answered('careful');
    expect((await browser.send(callback)).headers['location']).toBe('/account');
  });

  it('is refused after ten minutes, and with an altered cookie', async () => {
    const late = await answered('careful');
    stage.served.deps.clock.advance(10 * 60_000 + 1);
    expect((await late.browser.send(late.callback)).status).toBe(403);
    const { browser, callback } = await answered('careful');
    const [[name, value] = ['', '']] = [...browser.cookies].filter(([key]) =>
      key.endsWith(' rollcall-sign-in'),
    );
    browser.cookies.set(name, `${value.slice(0, 40)}${value[40] === 'A' ? 'B' : 'A'}${value.slice(41)}`);
    expect((await browser.send(callback)).status).toBe(403);
  });
});

describe('after signing in', () => {
  it.each([
    ['/docs?a=b', '/docs?a=b'],
    ['//evil.example', '/account'],
    ['/\\evil.example', '/account'],
    ['https://evil.example/', '/account'],
    ['/\t/evil.example', '/account'],
    ['javascript:alert(1)', '/account'],
    ['', '/account'],
  ])('%j leads to %s', async (returnTo, path) => {
    const account = `returns-${returnTo.length}-${returnTo.charCodeAt(1)}`;
    await stage.accept(await stage.invite(await stage.principal(account)), account);
    const query = new URLSearchParams({ tenant: stage.harbor, returnTo }).toString();
    const { page } = await stage.signIn(account, stage.browser(), query);
    expect(`${page.url.origin}${page.url.pathname}${page.url.search}`).toBe(`${stage.served.url}${path}`);
  });
});

describe('the sign-in page', () => {
  const page = (query: string) => stage.browser().open(`${stage.served.url}/sign-in?${query}`);

  it('offers a tenant’s own providers and those above it', async () => {
    const below = await aTenant(stage.served.deps, { name: 'Pier', parent: stage.harbor });
    await stage.addProvider({ tenant: below, name: 'Pier ID' });
    const buttons = [...(await page(`tenant=${below}`)).text.matchAll(/Sign in with ([^<]*)</g)];
    expect(buttons.map(([, name]) => name)).toEqual(['Pier ID', 'Harbor ID']);
  });

  it('goes by no name, which somebody else could give their own tenant too', async () => {
    const elsewhere = await aTenant(stage.served.deps, { name: 'Another customer' });
    const mine = await aTenant(stage.served.deps, { name: 'Only mine', parent: elsewhere });
    await stage.addProvider({ tenant: mine, name: 'Trap' });
    const none = (await page('')).text;
    expect((await page('tenant=Only+mine')).text).toBe(none);
    expect((await page('tenant=Harbor')).text).toBe(none);
    await aTenant(stage.served.deps, { name: 'Harbor', parent: elsewhere });
    expect((await page(`tenant=${stage.harbor}`)).text).toContain('Sign in with Harbor ID');
  });

  it('says the same of a tenant that is not there, one without a provider, and none', async () => {
    const bare = await aTenant(stage.served.deps, { name: 'Bare' });
    const texts = await Promise.all(
      [
        '',
        `tenant=${bare}`,
        'tenant=Nobody',
        `tenant=${stage.provider.id}`,
        'tenant=%00',
        'tenant=a&tenant=b',
      ].map(async (query) => (await page(query)).text),
    );
    expect(new Set(texts).size).toBe(1);
    expect(texts[0]).toContain('There is no way to sign in here');
  });

  it('runs no script, loads nothing, is not framed, and sends forms to itself alone', async () => {
    const { headers, text } = await page(`tenant=${stage.harbor}`);
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'$/,
    );
    expect(headers['referrer-policy']).toBe('same-origin');
    expect(headers['cache-control']).toBe('no-store');
    expect(text).not.toMatch(/<script|<link|<img|src=|@import| on\w+=/);
  });

  it('begins nothing for a page of another site', async () => {
    for (const headers of [
      { origin: 'https://evil.example' },
      { 'sec-fetch-site': 'cross-site' },
      { origin: 'null' },
    ]) {
      const answer = await stage.browser().open(`${stage.served.url}/sign-in`, {
        method: 'POST',
        body: new URLSearchParams({ provider: stage.provider.id }).toString(),
        headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      });
      expect(answer.status).toBe(403);
    }
  });

  it('shows what it is told as text', async () => {
    const tenant = await aTenant(stage.served.deps, { name: 'Sly' });
    await stage.addProvider({ tenant, name: '<b onclick="x">' });
    const { text } = await page(`tenant=${tenant}&returnTo=/%22%3E%3Cscript%3E`);
    expect(text).toContain('Sign in with &lt;b onclick=&quot;x&quot;&gt;');
    expect(text).not.toContain('<script>');
  });
});

it('keeps the directory’s id of somebody whose subject is another to each application, from the first sign-in that tells it', async () => {
  const { issuer } = stage.oidc;
  const principal = await stage.principal('Object');
  const known = () =>
    asOwner(stage.served.databaseUrl, async (client) => {
      const { rows } = await client.query('SELECT external_id FROM principal_login WHERE principal_id = $1', [
        principal,
      ]);
      return rows.map(({ external_id }) => external_id);
    });
  await stage.accept(await stage.invite(principal), 'pairwise');
  expect(await known()).toEqual([null]);
  stage.idClaims.set(issuer, { claim: 'oid', scope: 'profile' });
  await stage.signIn('pairwise');
  expect(await known()).toEqual(['object pairwise']);
  stage.idClaims.set(issuer, { claim: 'none', scope: 'profile' });
  expect(said((await stage.signIn('pairwise')).page)).toContain('You are signed in as Object');
  expect(await known()).toEqual(['object pairwise']);
  stage.idClaims.clear();
});

it('nothing that lets somebody in is stored readable, and nothing of it is logged', async () => {
  const link = await stage.invite(await stage.principal('Secretive'));
  const { browser } = await stage.accept(link, 'secretive');
  const secrets = [
    new URL(link).searchParams.get('token') ?? '',
    ...[...browser.cookies].filter(([name]) => name.endsWith(' rollcall')).map(([, value]) => value),
    'the client secret of the test',
  ];
  expect(secrets).toHaveLength(3);
  const stored = await asOwner(stage.served.databaseUrl, async (client) => {
    const tables = ['session', 'sign_in_link', 'sign_in_provider', 'principal_login', 'audit_entry'];
    const rows: string[] = [];
    for (const table of tables) {
      const { rows: all } = await client.query<{ row: string }>(`SELECT t::text AS row FROM ${table} t`);
      rows.push(...all.map(({ row }) => row));
    }
    return rows.join('\n');
  });
  expect(stored).toContain('secretive');
  for (const secret of secrets) {
    expect(stored).not.toContain(secret);
    expect(stored).not.toContain(Buffer.from(secret).toString('hex'));
    expect(stage.served.lines.join('')).not.toContain(secret);
  }
});

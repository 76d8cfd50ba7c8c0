import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openKeys } from '../../simulators/certificates.ts';
import { openServer } from '../../src/api/server.ts';
import { offerSetUp } from '../../src/signIn/setUp.ts';
import { openStage, SECRET, type Stage } from './stage.ts';

const program = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

describe.skipIf(program === undefined)('in a real browser (skipped where there is no Chromium)', () => {
  let stage: Stage;
  let browser: Browser;
  const complaints: string[] = [];

  beforeAll(async () => {
    stage = await openStage();
    browser = await chromium.launch({ executablePath: program ?? '', args });
  });
  afterAll(async () => {
    await browser.close();
    await stage.close();
  });

  /** Of what the pages themselves want to do, their policy has kept nothing from happening. */
  afterEach(() => {
    const own = complaints.splice(0).filter((text) => !/status of 40[34]/.test(text));
    expect(own).toEqual([]);
  });

  /** With nothing in it; the provider's authority is not the machine's. */
  async function newPage(): Promise<Page> {
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    // Among them whatever a content security policy has kept from happening.
    page.on('console', (message) => {
      if (message.type() === 'error' && page.url().startsWith(stage.served.url))
        complaints.push(message.text());
    });
    return page;
  }

  async function throughProvider(page: Page, account: string, back = stage.served.url): Promise<void> {
    await page.waitForURL(`${stage.oidc.issuer}/**`);
    await page.fill('input[name=login]', account);
    await page.fill('input[name=password]', 'x');
    await page.click('button[type=submit]');
    await page.waitForURL(`${stage.oidc.issuer}/interaction/**`);
    await page.click('button[type=submit]');
    await page.waitForURL(`${back}/**`);
  }

  /** What a script of a page at our own address gets to hear. */
  async function fromOurPage(page: Page, headers: Readonly<Record<string, string>>) {
    const script = await page.context().newPage();
    await script.route('**/a-page', (route) =>
      route.fulfill({ contentType: 'text/html', body: '<p>ours</p>' }),
    );
    await script.goto(`${stage.served.url}/a-page`);
    const answer = await script.evaluate(async (given) => {
      const { csrfToken } = JSON.parse(await (await fetch('/v1/session')).text());
      const path = '/v1/sessions/01a20115-dead-71f6-a218-fc3bfeae2c2f';
      const token = given['x-csrf-token'] ?? csrfToken;
      return (await fetch(path, { method: 'DELETE', headers: { ...given, 'x-csrf-token': token } })).status;
    }, headers);
    await script.close();
    return answer;
  }

  it('the first administrator is made, and comes back with a recovery code', async () => {
    const { deps, url } = stage.served;
    const offered = await offerSetUp({ ...deps, publicUrl: () => url }, null);
    if (offered.state !== 'link') throw new Error(offered.state);
    const page = await newPage();
    await page.goto(offered.link);
    await page.getByLabel('Your name').fill('Grace');
    await page.getByRole('button', { name: 'Set up' }).click();
    const codes = ((await page.locator('pre').textContent()) ?? '').trim().split('\n');
    expect(codes).toHaveLength(10);
    await page.getByRole('link', { name: 'Go on' }).click();
    await page.getByText('with the role system').waitFor();
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.getByRole('link', { name: 'Use a recovery code' }).click();
    await page.getByLabel('Code').fill(codes[3] ?? '');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('You are signed in as Grace').waitFor();
  });

  it('somebody is invited, signs in, sees their session, signs out and comes back', async () => {
    const link = await stage.invite(await stage.principal('Ada'));
    const page = await newPage();
    await page.goto(link);
    await page.getByRole('button', { name: 'Sign in with Harbor ID' }).click();
    await throughProvider(page, 'ada');
    await page.getByText('You are signed in as Ada').waitFor();
    expect(page.url()).toBe(`${stage.served.url}/account`);
    const cookies = await page.context().cookies(stage.served.url);
    expect(cookies.find(({ name }) => name === 'rollcall')).toMatchObject({
      httpOnly: true,
      sameSite: 'Lax',
    });
    expect(await page.evaluate('document.cookie')).toBe('');
    expect(await fromOurPage(page, {})).toBe(404); // let through: there is no such session
    expect(await fromOurPage(page, { 'x-csrf-token': 'wrong' })).toBe(403);
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.waitForURL(`${stage.served.url}/sign-in`);
    await page.goto(`${stage.served.url}/sign-in?tenant=${stage.harbor}&returnTo=/docs`);
    await page.getByRole('button', { name: 'Sign in with Harbor ID' }).click();
    await page.waitForURL(`${stage.served.url}/docs`); // the provider still knows them
  });

  it('another site’s page can do nothing in the name of whoever is signed in', async () => {
    const { url } = stage.served;
    const page = await newPage();
    await page.goto(`${url}/sign-in?tenant=${stage.harbor}`);
    await page.getByRole('button', { name: 'Sign in with Harbor ID' }).click();
    await throughProvider(page, 'ada');
    const foreign = await page.context().newPage();
    // localhost is another site than 127.0.0.1.
    await foreign.route('http://localhost:1/', (route) =>
      route.fulfill({
        contentType: 'text/html',
        body: `<form method="post" action="${url}/account/sign-out-everywhere"><button>win</button></form>`,
      }),
    );
    await foreign.goto('http://localhost:1/');
    await foreign.getByRole('button', { name: 'win' }).click();
    await foreign.waitForURL(`${url}/**`);
    await page.goto(`${url}/account`);
    await page.getByText('You are signed in as Ada').waitFor();
  });

  it('behind a proxy with TLS the cookie is taken for this host alone', async () => {
    const keys = await openKeys(null);
    const at = { url: '' };
    const proxy = createServer(
      { key: keys.serverKey, cert: keys.serverCertificate },
      (incoming, outgoing) => {
        const { method, headers, url = '/' } = incoming;
        const passed = request(`${at.url}${url}`, { method, headers }, (answer) => {
          outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
          answer.pipe(outgoing);
        });
        incoming.pipe(passed);
      },
    );
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const publicUrl = `https://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const server = await openServer(stage.served.deps, { host: '127.0.0.1', port: 0, publicUrl });
    at.url = server.url;
    stage.oidc.register('client of Harbor ID', SECRET, [
      `${publicUrl}/sign-in/callback/${stage.provider.id}`,
    ]);
    const page = await newPage();
    await page.goto(`${publicUrl}/sign-in?tenant=${stage.harbor}`);
    await page.getByRole('button', { name: 'Sign in with Harbor ID' }).click();
    await throughProvider(page, 'ada', publicUrl);
    await page.getByText('You are signed in as Ada').waitFor();
    const ours = async () =>
      (await page.context().cookies(publicUrl)).filter(({ name }) => name.includes('rollcall'));
    expect(await ours()).toMatchObject([
      { name: '__Host-rollcall', secure: true, httpOnly: true, path: '/' },
    ]);
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.waitForURL(`${publicUrl}/sign-in`);
    expect(await ours()).toEqual([]);
    await server.close();
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
  });

  it('a script that was put into a page of ours does not run, and the browser says so', async () => {
    const page = await newPage();
    await page.goto(`${stage.served.url}/sign-in`);
    await page.evaluate(`
      const script = document.createElement('script');
      script.textContent = 'document.title = "taken over"';
      document.body.append(script);
    `);
    expect(await page.title()).not.toBe('taken over');
    await expect.poll(() => complaints).toEqual([expect.stringContaining('Content Security Policy')]);
    complaints.length = 0;
  });
});

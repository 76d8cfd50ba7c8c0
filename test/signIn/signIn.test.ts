import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Json, type Served, serve } from '../api/served.ts';
import { aTenant } from '../support/tenancy.ts';
import { Browser, type Page } from './browser.ts';
import { type OidcProvider, startOidcProvider } from './oidcProvider.ts';

const SECRET = 'the client secret of the test';

let served: Served;
let oidc: OidcProvider;
let rootKey: string;
let harbor: string;
let provider: Json;

beforeAll(async () => {
  [served, oidc] = await Promise.all([serve(), startOidcProvider()]);
  const { addCustomer } = await import('../api/served.ts');
  rootKey = (await addCustomer(served, 'Elsewhere')).keys.system;
  harbor = await aTenant(served.deps, { name: 'Harbor' });
  provider = await addProvider({ tenant: harbor, name: 'Harbor ID' });
});
afterAll(async () => {
  await served.close();
  await oidc.close();
});
beforeEach(() => served.deps.clock.advance(16 * 60_000)); // what was wrong in the test before does not count

async function addProvider(wanted: { tenant: string; name: string }, clientId = `client of ${wanted.name}`) {
  oidc.register(clientId, SECRET, []);
  const added = await served.request('POST', '/v1/sign-in-providers', {
    key: rootKey,
    body: { ...wanted, issuer: oidc.issuer, clientId, clientSecret: SECRET, ca: oidc.ca },
  });
  expect(added).toMatchObject({ status: 201 });
  oidc.register(clientId, SECRET, [added.body.redirectUri]);
  return added.body;
}

async function aPrincipal(name: string, { role = 'reviewer', tenant = harbor } = {}): Promise<string> {
  const made = await served.request('POST', '/v1/principals', { key: rootKey, body: { tenant, name, role } });
  expect(made.status).toBe(201);
  return made.body.id;
}

async function invite(principal: string): Promise<string> {
  const path = `/v1/principals/${principal}/invitations`;
  const made = await served.request('POST', path, { key: rootKey, body: {} });
  expect(made).toMatchObject({ status: 201, body: { principal } });
  return made.body.link;
}

/** At the provider: who somebody is, and that they agree. */
async function throughProvider(browser: Browser, page: Page, account: string): Promise<Page> {
  let now = page;
  for (let step = 0; step < 4 && now.url.origin === oidc.issuer; step++)
    now = await browser.submit(
      now,
      /./,
      now.text.includes('name="login"') ? { login: account, password: 'x' } : {},
    );
  return now;
}

async function accepted(account: string, principal: string, browser = new Browser(oidc.agent)) {
  const invitation = await browser.open(await invite(principal));
  return {
    browser,
    page: await throughProvider(browser, await browser.submit(invitation, /provider/), account),
  };
}

async function signIn(account: string, browser = new Browser(oidc.agent), tenant = 'Harbor', returnTo = '') {
  const start = await browser.open(`${served.url}/sign-in?tenant=${tenant}&returnTo=${returnTo}`);
  return { browser, page: await throughProvider(browser, await browser.submit(start, /provider/), account) };
}

describe('an invitation', () => {
  it('binds whoever signs in with it to the principal, who comes in without it from then on', async () => {
    const principal = await aPrincipal('Ada');
    const { page } = await accepted('ada-at-harbor', principal);
    expect(page).toMatchObject({ status: 200, url: new URL(`${served.url}/account`) });
    expect(page.text).toContain('You are signed in as <b>Ada</b>, with the role reviewer, of <b>Harbor</b>');
    const again = await signIn('ada-at-harbor');
    expect(again.page.text).toContain('You are signed in as <b>Ada</b>');
  });
});

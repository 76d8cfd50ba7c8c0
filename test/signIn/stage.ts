/** A served API with a tenant whose administrators sign in with a real provider. */
import { expect } from 'vitest';
import type { IdClaim } from '../../connectors/contract.ts';
import { connectors } from '../../connectors/registry.ts';
import type { TenantId } from '../../src/domain/ids.ts';
import { addCustomer, type Json, type Served, serve } from '../api/served.ts';
import { aTenant } from '../support/tenancy.ts';
import { Browser, type Page } from './browser.ts';
import { type OidcProvider, startOidcProvider } from './oidcProvider.ts';

export const SECRET = 'the client secret of the test';

export type Stage = Awaited<ReturnType<typeof openStage>>;

export async function openStage() {
  const idClaims = new Map<string, IdClaim>();
  const entra = { ...connectors.entra, idClaimOf: (issuer: string) => idClaims.get(issuer) ?? null };
  const [served, oidc] = await Promise.all([serve(undefined, { ...connectors, entra }), startOidcProvider()]);
  const key = (await addCustomer(served, 'Elsewhere')).keys.system;
  const harbor = await aTenant(served.deps, { name: 'Harbor' });
  const provider = await addProvider(served, oidc, key, { tenant: harbor, name: 'Harbor ID' });
  const stage = { served, oidc, key, harbor, provider };
  return {
    ...stage,
    /** By issuer, where tokens name people besides the subject. */
    idClaims,
    addProvider: (wanted: { tenant: string; name: string }) => addProvider(served, oidc, key, wanted),
    /** A principal of Harbor, unless another tenant is named. */
    principal: (name: string, { role = 'reviewer', tenant = harbor as string } = {}) =>
      made(served, key, '/v1/principals', { tenant, name, role }).then(({ id }): string => id),
    invite: (principal: string, body: object = {}) =>
      made(served, key, `/v1/principals/${principal}/invitations`, body).then(({ link }): string => link),
    browser: () => new Browser(oidc.agent),
    /** From the sign-in page to wherever the provider's answer leads. */
    signIn: async (account: string, browser = new Browser(oidc.agent), query = `tenant=${harbor}`) => {
      const start = await browser.open(`${served.url}/sign-in?${query}`);
      const page = await throughProvider(oidc, browser, await browser.submit(start, /provider/), account);
      return { browser, page };
    },
    /** The same, from an invitation's link. */
    accept: async (link: string, account: string, browser = new Browser(oidc.agent)) => {
      const start = await browser.open(link);
      const page = await throughProvider(oidc, browser, await browser.submit(start, /provider/), account);
      return { browser, page };
    },
    close: async () => {
      await served.close();
      await oidc.close();
    },
  };
}

async function made(served: Served, key: string, path: string, body: object): Promise<Json> {
  const answer = await served.request('POST', path, { key, body });
  expect(answer, path).toMatchObject({ status: 201 });
  return answer.body;
}

async function addProvider(
  served: Served,
  oidc: OidcProvider,
  key: string,
  wanted: { readonly tenant: TenantId | string; readonly name: string },
): Promise<Json> {
  const clientId = `client of ${wanted.name}`;
  const registered = { issuer: oidc.issuer, clientId, clientSecret: SECRET, ca: oidc.ca };
  const added = await made(served, key, '/v1/sign-in-providers', { ...wanted, ...registered });
  oidc.register(clientId, SECRET, [added.redirectUri]);
  return added;
}

/** At the provider: who somebody is, and that they agree. */
export async function throughProvider(
  { issuer }: Pick<OidcProvider, 'issuer'>,
  browser: Browser,
  page: Page,
  account: string,
): Promise<Page> {
  let now = page;
  for (let step = 0; step < 4 && now.url.origin === issuer; step++) {
    const login = now.text.includes('name="login"') ? { login: account, password: 'x' } : {};
    now = await browser.submit(now, /./, login);
  }
  return now;
}

/** What a page says, without its markup. */
export function said({ text }: Page): string {
  const body = text.slice(text.indexOf('<main>'));
  return body
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

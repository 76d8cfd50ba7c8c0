import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { TenantId } from '../../src/domain/ids.ts';
import { asOwner } from '../support/database.ts';
import { aTenant, auditOf } from '../support/tenancy.ts';
import { oneThenOther } from '../support/waiting.ts';
import type { Browser, Page } from './browser.ts';
import { openStage, type Stage, throughProvider } from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());
beforeEach(() => stage.served.deps.clock.advance(16 * 60_000));

const request = (method: 'POST' | 'DELETE', path: string, body?: object) =>
  stage.served.request(method, path, { key: stage.key, ...(body === undefined ? {} : { body }) });

/** Somebody in a tenant of their own below Harbor. */
async function somebody(name: string): Promise<{ tenant: TenantId; principal: string }> {
  const tenant = await aTenant(stage.served.deps, { name: `${name}’s`, parent: stage.harbor });
  return { tenant, principal: await stage.principal(name, { tenant }) };
}

const atOnce = <A, B>(tenant: TenantId, first: () => Promise<A>, second: () => Promise<B>) =>
  oneThenOther(stage.served.databaseUrl, tenant, first, second);

/** The provider's answer, which is still to be followed. */
async function signedInAtProvider(
  browser: Browser,
  start: Page,
  account: string,
): Promise<() => Promise<Page>> {
  const away = await browser.submit(start, /provider/);
  return () => throughProvider(stage.oidc, browser, away, account);
}

const isIn = async (browser: Browser) =>
  (await browser.open(`${stage.served.url}/account`)).url.pathname === '/account';
const loginsOf = (principal: string) =>
  asOwner(stage.served.databaseUrl, async (client) => {
    return (await client.query('SELECT FROM principal_login WHERE principal_id = $1', [principal])).rowCount;
  });

describe('whoever is signing in at the moment', () => {
  it('is out again when the tenant is moved away from the provider’s', async () => {
    const { tenant, principal } = await somebody('Mira');
    const elsewhere = await aTenant(stage.served.deps, { name: 'Mira’s new home' });
    const browser = stage.browser();
    const goOn = await signedInAtProvider(browser, await browser.open(await stage.invite(principal)), 'mira');
    const [, moved] = await atOnce(tenant, goOn, () =>
      request('POST', `/v1/tenants/${tenant}/move`, { parent: elsewhere }),
    );
    expect(moved.status).toBe(200);
    expect([await isIn(browser), await loginsOf(principal)]).toEqual([false, 0]);
  });

  it('does not come in where the tenant was on its way first', async () => {
    const { tenant, principal } = await somebody('Lena');
    const elsewhere = await aTenant(stage.served.deps, { name: 'Lena’s new home' });
    const browser = stage.browser();
    const goOn = await signedInAtProvider(browser, await browser.open(await stage.invite(principal)), 'lena');
    const move = () => request('POST', `/v1/tenants/${tenant}/move`, { parent: elsewhere });
    const [, page] = await atOnce(tenant, move, goOn);
    expect(page.status).toBe(403);
    expect([await isIn(browser), await loginsOf(principal)]).toEqual([false, 0]);
  });

  it('is out again when the principal is disabled, also once it is enabled', async () => {
    const { tenant, principal } = await somebody('Dora');
    const browser = stage.browser();
    const goOn = await signedInAtProvider(browser, await browser.open(await stage.invite(principal)), 'dora');
    const [, disabled] = await atOnce(tenant, goOn, () =>
      request('POST', `/v1/principals/${principal}/disable`),
    );
    expect(disabled.status).toBe(200);
    await request('POST', `/v1/principals/${principal}/enable`);
    expect(await isIn(browser)).toBe(false);
  });

  it('is out again, and bound to nothing, when the provider is removed', async () => {
    const { tenant, principal } = await somebody('Rosa');
    const { id } = await stage.addProvider({ tenant, name: 'Rosa ID' });
    const browser = stage.browser();
    const goOn = await signedInAtProvider(browser, await browser.open(await stage.invite(principal)), 'rosa');
    const [, removed] = await atOnce(tenant, goOn, () => request('DELETE', `/v1/sign-in-providers/${id}`));
    expect(removed.status).toBe(204);
    expect([await isIn(browser), await loginsOf(principal)]).toEqual([false, 0]);
    const ended = (await auditOf(stage.served.databaseUrl, tenant)).filter(
      ({ action }) => action === 'session.ended',
    );
    expect(ended).toMatchObject([{ details: { because: 'provider-removed' } }]);
  });

  it('is refused like anybody unknown when the provider went first', async () => {
    const { tenant, principal } = await somebody('Nora');
    const { id } = await stage.addProvider({ tenant, name: 'Nora ID' });
    await stage.accept(await stage.invite(principal), 'nora');
    const browser = stage.browser();
    const start = await browser.open(`${stage.served.url}/sign-in?tenant=${tenant}`);
    const goOn = await signedInAtProvider(browser, start, 'nora');
    const [, page] = await atOnce(tenant, () => request('DELETE', `/v1/sign-in-providers/${id}`), goOn);
    expect(page.status).toBe(403);
    expect(await isIn(browser)).toBe(false);
  });
});

it('an invitation that is open when a tenant is moved away opens nothing, and the log says so', async () => {
  const { tenant, principal } = await somebody('Ines');
  await stage.addProvider({ tenant, name: 'Ines ID' });
  const link = await stage.invite(principal);
  const elsewhere = await aTenant(stage.served.deps, { name: 'Ines’s new home' });
  await request('POST', `/v1/tenants/${tenant}/move`, { parent: elsewhere });
  expect((await stage.browser().open(link)).status).toBe(403);
  const withdrawn = (await auditOf(stage.served.databaseUrl, tenant)).filter(
    ({ action }) => action === 'invitation.withdrawn',
  );
  expect(withdrawn).toMatchObject([
    { subject: { kind: 'principal', id: principal }, details: { because: 'tenant-moved' } },
  ]);
});

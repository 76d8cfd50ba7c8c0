import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openServer } from '../../src/api/server.ts';
import { freshSetUpLink, offerSetUp } from '../../src/signIn/setUp.ts';
import { addCustomer, type Served, serve } from '../api/served.ts';
import { auditOf } from '../support/tenancy.ts';
import { Browser } from './browser.ts';
import { said } from './stage.ts';

const HOUR = 3_600_000;

let served: Served;

beforeEach(async () => {
  served = await serve();
});
afterEach(() => served.close());

const deps = () => ({ ...served.deps, publicUrl: () => served.url });
const offer = (token: string | null = null) => offerSetUp(deps(), token);
const audit = () => auditOf(served.databaseUrl, served.deps.store.root);

async function aLink(): Promise<string> {
  const offered = await offer();
  if (offered.state !== 'link') throw new Error(`no link but ${offered.state}`);
  return offered.link;
}

async function redeemed(link: string, name = 'Ada Obi', browser = new Browser()) {
  const page = await browser.submit(await browser.open(link), /set-up/, { name });
  return { browser, page, codes: page.text.match(/[0-9A-Z]{5}(-[0-9A-Z]{5}){3}/g) ?? [] };
}

async function recovered(code: string, browser = new Browser()) {
  const page = await browser.open(`${served.url}/sign-in/recovery`);
  return { browser, page: await browser.submit(page, /recovery/, { code }) };
}

describe('the set-up link', () => {
  it('makes the first administrator, a session and ten recovery codes', async () => {
    const { browser, page, codes } = await redeemed(await aLink());
    expect(page.status).toBe(200);
    expect(new Set(codes).size).toBe(10);
    expect(said(await browser.open(`${served.url}/account`))).toContain(
      'You are signed in as Ada Obi , with the role system,',
    );
    expect((await audit()).slice(-4)).toMatchObject([
      { action: 'set-up-link.created', actor: { kind: 'system' } },
      {
        action: 'principal.created',
        actor: { kind: 'person', name: 'Ada Obi' },
        details: { role: 'system' },
      },
      { action: 'recovery-codes.created', details: { codes: 10 } },
      { action: 'session.opened', details: { method: 'set-up' } },
    ]);
  });

  it('is not used up by looking at it, as mail scanners do', async () => {
    const link = await aLink();
    for (const method of ['GET', 'GET', 'HEAD'] as const)
      expect((await fetch(link, { method })).status).toBe(200);
    expect((await redeemed(link)).page.status).toBe(200);
  });

  it('opens nothing once it was used, and no other is made', async () => {
    const link = await aLink();
    const form = await new Browser().open(link);
    await redeemed(link);
    const looked = await new Browser().open(link);
    expect([looked.status, said(looked)]).toEqual([410, expect.stringContaining('opens nothing')]);
    const sent = await new Browser().submit(form, /set-up/, { name: 'Mallory' });
    expect([sent.status, said(sent)]).toEqual([403, expect.stringContaining('it was used')]);
    expect(await offer()).toEqual({ state: 'done' });
    expect(await offer('x'.repeat(32))).toEqual({ state: 'done' });
    await expect(freshSetUpLink(deps(), served.operator)).rejects.toMatchObject({ code: 'not-allowed-now' });
    expect((await audit()).at(-1)).toMatchObject({
      action: 'sign-in.refused',
      details: { method: 'set-up', because: 'link-worthless' },
    });
  });

  it('makes one administrator when it is sent twice at the same moment', async () => {
    const link = await aLink();
    const forms = await Promise.all([0, 1].map(() => new Browser().open(link)));
    const both = await Promise.all(
      forms.map((form, nth) => new Browser().submit(form, /set-up/, { name: `Ada ${nth}` })),
    );
    expect(both.map(({ status }) => status).sort()).toEqual([200, 403]);
    const made = (await audit()).filter(({ action }) => action === 'principal.created');
    expect(made.filter(({ actor }) => actor.kind === 'person')).toHaveLength(1);
  });

  it('opens nothing after a day, nor once a fresh one was made', async () => {
    const first = await aLink();
    expect(await offer()).toEqual({ state: 'there' });
    const { link } = await freshSetUpLink(deps(), served.operator);
    expect((await new Browser().open(first)).status).toBe(410);
    expect((await new Browser().open(link)).status).toBe(200);
    served.deps.clock.advance(24 * HOUR);
    expect((await new Browser().open(link)).status).toBe(410);
    expect(await offer()).toMatchObject({ state: 'link' });
  });

  it('stays good when the name cannot be taken', async () => {
    const link = await aLink();
    await addCustomer(served, 'Acme'); // has a principal `Acme system` at the root
    for (const [name, status] of [
      ['', 400],
      ['operator:root', 400],
      ['Acme system', 409],
    ] as const)
      expect((await redeemed(link, name)).page.status, name).toBe(status);
    expect((await redeemed(link)).page.status).toBe(200);
  });

  it('is refused to a page of another site', async () => {
    const token = new URL(await aLink()).searchParams.get('token') ?? '';
    const answer = await fetch(`${served.url}/set-up`, {
      method: 'POST',
      body: new URLSearchParams({ token, name: 'Mallory' }),
      headers: { origin: 'https://evil.example' },
    });
    expect(answer.status).toBe(403);
    expect(await offer()).toEqual({ state: 'there' });
  });

  it('stands in no log', async () => {
    const link = await aLink();
    const { codes } = await redeemed(link);
    const token = new URL(link).searchParams.get('token') ?? '';
    expect(token).toHaveLength(43);
    await expect.poll(() => served.lines.some((line) => line.includes('"/set-up"'))).toBe(true);
    for (const secret of [token, ...codes]) expect(served.lines.join('')).not.toContain(secret);
  });
});

describe('a token of the operator’s own', () => {
  const token = 'a-token-that-the-operator-has-chosen';

  it('opens the page where it is typed, however late, and nothing once it was used', async () => {
    expect(await offer(token)).toEqual({ state: 'token', page: `${served.url}/set-up` });
    served.deps.clock.advance(100 * 24 * HOUR);
    expect(await offer(token)).toMatchObject({ state: 'token' });
    const browser = new Browser();
    const form = await browser.open(`${served.url}/set-up`);
    const wrong = await browser.submit(form, /set-up/, { token: 'another', name: 'Mallory' });
    expect(wrong.status).toBe(403);
    const page = await browser.submit(form, /set-up/, { token, name: 'Ada' });
    expect([page.status, said(page)]).toEqual([200, expect.stringContaining('signed in as Ada')]);
    expect(await offer(token)).toEqual({ state: 'done' });
    expect((await new Browser().submit(form, /set-up/, { token, name: 'Bob' })).status).toBe(403);
  });
});

describe('a recovery code', () => {
  it('signs in once, however it is typed', async () => {
    const { codes } = await redeemed(await aLink());
    const [first = '', second = ''] = codes;
    const { browser, page } = await recovered(first);
    expect(page.url.pathname).toBe('/account');
    expect(said(await browser.open(`${served.url}/account`))).toContain('You are signed in as Ada Obi');
    expect((await audit()).at(-1)).toMatchObject({
      action: 'session.opened',
      details: { method: 'recovery', codesLeft: 9 },
    });
    const again = await recovered(first);
    expect([again.page.status, said(again.page)]).toEqual([403, expect.stringContaining('opens nothing')]);
    expect((await audit()).at(-1)).toMatchObject({
      action: 'sign-in.refused',
      details: { because: 'code-worthless' },
    });
    const typed = ` ${second.toLowerCase().replaceAll('-', ' ').replaceAll('0', 'o').replaceAll('1', 'l')} `;
    expect((await recovered(typed)).page.status).toBe(200);
  });

  it('opens nothing once new ones were made, or its owner was disabled', async () => {
    const { codes } = await redeemed(await aLink());
    const { request } = served;
    const { keys: key } = await addCustomer(served, 'Acme');
    const { body } = await request('GET', '/v1/principals?limit=500', { key: key.system });
    const { id } = body.items.find(({ name }: { name: string }) => name === 'Ada Obi');
    const path = `/v1/principals/${id}/recovery-codes`;
    expect((await request('POST', path, { key: key['tenant-administrator'] })).status).toBe(404);
    const made = await request('POST', path, { key: key.system });
    expect(made.body.codes).toHaveLength(10);
    expect((await recovered(codes[0] ?? '')).page.status).toBe(403);
    expect((await recovered(made.body.codes[0])).page.status).toBe(200);
    await request('POST', `/v1/principals/${id}/disable`, { key: key.system });
    expect((await recovered(made.body.codes[1])).page.status).toBe(403);
    const reviewer = body.items.find(({ name }: { name: string }) => name === 'Acme reviewer').id;
    expect(
      await request('POST', `/v1/principals/${reviewer}/recovery-codes`, { key: key.system }),
    ).toMatchObject({
      status: 409,
      body: { code: 'not-allowed-now' },
    });
  });

  it('cannot be guessed at leisure: after ten failures no code is looked at for a while, the right one neither', async () => {
    const { codes } = await redeemed(await aLink());
    const [code = ''] = codes;
    const statuses: number[] = [];
    for (let guess = 0; guess < 12; guess++) statuses.push((await recovered(`GUESS-${guess}`)).page.status);
    expect(statuses).toEqual([...Array(10).fill(403), 429, 429]);
    const { page } = await recovered(code);
    expect([page.status, said(page)]).toEqual([429, expect.stringContaining('Try again in 15 minutes')]);
    expect((await audit()).filter(({ action }) => action === 'sign-in.refused')).toHaveLength(10);
    served.deps.clock.advance(15 * 60_000);
    expect((await recovered(code)).page.status).toBe(200);
  });

  it('is looked at whatever strangers elsewhere have tried, and the audit log does not grow with that', async () => {
    const token = 'a-token-that-the-operator-has-chosen';
    const { codes } = await redeemed(await aLink());
    const at = { host: '127.0.0.1', port: 0, trustedProxies: ['127.0.0.1'] };
    const server = await openServer(served.deps, at);
    const post = async (path: string, fields: Record<string, string>, from: string) => {
      const body = new URLSearchParams(fields);
      const headers = { 'x-forwarded-for': from };
      const answer = await fetch(`${server.url}${path}`, {
        method: 'POST',
        redirect: 'manual',
        body,
        headers,
      });
      return answer.status;
    };
    for (let stranger = 0; stranger < 120; stranger++)
      expect(await post('/sign-in/recovery', { code: 'GUESS' }, `192.0.2.${stranger}`)).toBe(403);
    expect((await audit()).filter(({ action }) => action === 'sign-in.refused')).toHaveLength(100);
    expect(await post('/set-up', { token, name: 'Late' }, '198.51.100.1')).toBe(403);
    expect(await post('/sign-in/recovery', { code: codes[0] ?? '' }, '198.51.100.2')).toBe(303);
    for (let attempt = 0; attempt < 10; attempt++)
      expect(await post('/sign-in/recovery', { code: 'GUESS' }, '203.0.113.1')).toBe(403);
    expect(await post('/sign-in/recovery', { code: codes[1] ?? '' }, '203.0.113.1')).toBe(429);
    await server.close();
  });

  it('is counted for each address, as far as the word of a trusted proxy goes', async () => {
    const tries = async (proxies: readonly string[], from: (attempt: number) => string) => {
      const at = { host: '127.0.0.1', port: 0, trustedProxies: proxies };
      const server = await openServer(served.deps, at);
      const statuses: number[] = [];
      for (let attempt = 0; attempt < 11; attempt++) {
        const answer = await fetch(`${server.url}/sign-in/recovery`, {
          method: 'POST',
          body: new URLSearchParams({ code: 'GUESS' }),
          headers: { 'x-forwarded-for': from(attempt) },
        });
        statuses.push(answer.status);
      }
      await server.close();
      return statuses.at(-1);
    };
    expect(await tries([], (attempt) => `192.0.2.${attempt}`)).toBe(429);
    expect(await tries(['127.0.0.1'], (attempt) => `192.0.2.${attempt}`)).toBe(403);
    expect(await tries(['127.0.0.1'], () => '192.0.2.1')).toBe(429);
    expect(await tries(['127.0.0.1'], (attempt) => `2001:db8:0:0:${attempt}::1`)).toBe(429);
  });
});

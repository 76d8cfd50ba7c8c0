import { createServer } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openServer } from '../../src/api/server.ts';
import { aConnection, addCustomer, type Json, type Served, serve } from './served.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

let served: Served;
let customer: Awaited<ReturnType<typeof addCustomer>>;
let key: string;

beforeAll(async () => {
  served = await serve();
  customer = await addCustomer(served, 'Acme');
  key = customer.keys.system;
});
afterAll(() => served.close());
beforeEach(() => {
  served.lines.length = 0;
  Object.assign(served.parts, { database: true, queue: true });
});

/** Lines are written when the answer has left, which a client can see before. */
async function logged(event: string): Promise<readonly Json[]> {
  await expect.poll(() => served.lines.some((line) => line.includes(event))).toBe(true);
  return served.lines.map((line) => JSON.parse(line)).filter((line) => line.event === event);
}

describe('a request', () => {
  it('gets an id, which is in the answer’s header, in its problem and in the log', async () => {
    const { headers, body } = await served.request('GET', '/v1/nothing', { key });
    const id = headers.get('x-request-id');
    expect(id).toMatch(UUID);
    expect(body.instance).toBe(`urn:uuid:${id}`);
    expect(await logged('http.answered')).toMatchObject([{ request: id, status: 404, route: null }]);
  });

  it('keeps the id that it came with, if that is a UUID and nothing else', async () => {
    const given = '0b8f6f0e-3a1c-4f6e-9b6e-2f4f5d1c7a90';
    const same = await served.request('GET', '/healthz', { headers: { 'x-request-id': given } });
    expect(same.headers.get('x-request-id')).toBe(given);
    const other = await served.request('GET', '/healthz', { headers: { 'x-request-id': 'ada@example.com' } });
    expect(other.headers.get('x-request-id')).toMatch(UUID);
  });

  it('is logged with its route and its principal, without the key, what was searched for or what was sent', async () => {
    await served.request('GET', '/v1/users?search=ada@example.com', { key });
    await served.request('POST', '/v1/connections', { key, body: aConnection('Ada Lovelace’s') });
    const { body: me } = await served.request('GET', '/v1/whoami', { key });
    await expect.poll(() => served.lines.length).toBe(3);
    expect(await logged('http.answered')).toMatchObject([
      { method: 'GET', route: '/v1/users', status: 200, principal: me.principal },
      { method: 'POST', route: '/v1/connections', status: 201, principal: me.principal },
      { method: 'GET', route: '/v1/whoami', status: 200, principal: me.principal },
    ]);
    const text = served.lines.join('');
    for (const secret of [key, 'ada', 'Ada', '00secretOktaToken', 'okta.example'])
      expect(text).not.toContain(secret);
    expect(text).not.toContain('dropped');
  });
});

describe('every answer', () => {
  it.each(['/healthz', '/v1/whoami', '/nowhere', '/docs', '/openapi.json', '/%zz'])(
    'of %s forbids sniffing, framing, keeping and running anything',
    async (path) => {
      const { headers } = await served.request('GET', path);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('x-frame-options')).toBe('DENY');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('content-security-policy')).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
      expect(headers.get('content-security-policy')).not.toMatch(/script-src|unsafe/);
      expect(headers.get('x-request-id')).toMatch(UUID);
    },
  );

  it('leaves other origins outside', async () => {
    const headers = {
      origin: 'https://evil.example',
      'access-control-request-method': 'GET',
      'access-control-request-headers': 'authorization',
    };
    for (const method of ['GET', 'OPTIONS']) {
      const answer = await served.request(method, '/v1/whoami', { key, headers });
      expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
  });
});

describe('health and readiness', () => {
  it('the process lives, whatever else is down', async () => {
    Object.assign(served.parts, { database: false, queue: false });
    expect(await served.request('GET', '/healthz')).toMatchObject({ status: 200, body: { status: 'alive' } });
  });

  it('it is ready when database and queue answer', async () => {
    expect(await served.request('GET', '/readyz')).toMatchObject({ status: 200, body: { status: 'ready' } });
  });

  it('it is not when one of them does not, and says which', async () => {
    served.parts.queue = false;
    const { status, headers, body } = await served.request('GET', '/readyz');
    expect(status).toBe(503);
    expect(headers.get('content-type')).toBe('application/problem+json');
    expect(body).toMatchObject({
      title: 'Not ready',
      detail: 'These do not answer: queue.',
      parts: { database: 'up', queue: 'down' },
    });
    expect(await logged('part.down')).toMatchObject([{ part: 'queue' }]);
  });
});

describe('the reference', () => {
  it('is where the root leads', async () => {
    const { status, headers } = await served.request('GET', '/');
    expect([status, headers.get('location')]).toEqual([302, '/docs']);
  });

  it('names every route and every error, and loads nothing from anywhere', async () => {
    const { body: html, headers } = await served.request('GET', '/docs');
    const { body: document } = await served.request('GET', '/openapi.json');
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
    for (const [path, methods] of Object.entries<Json>(document.paths)) {
      expect(html).toContain(path);
      for (const operation of Object.values<Json>(methods))
        expect(html).toContain(`<section id="${operation.operationId}">`);
    }
    expect(html).toContain('id="errors/changed-since-shown"');
    expect(html).not.toMatch(/<script|<link|<img|src=|@import|url\(/);
    expect(
      [...html.matchAll(/href="([^"]*)"/g)].map(([, to]) => to).filter((to) => !/^[#/]/.test(to)),
    ).toEqual([]);
  });

  it('shows of each operation its name and its body, and of numbers their range and what is usual', async () => {
    const { body: html } = await served.request('GET', '/docs');
    const section = (operation: string) =>
      html.split(`<section id="${operation}">`)[1]?.split('</section>')[0] ?? '';
    expect(section('createUserToken')).toContain('Operation <code>createUserToken</code>');
    expect(section('createUserToken')).toMatch(
      /seconds\?: integer {3}\/\/ .*at least 30, at most \d+; \d+ unless given/,
    );
    const form = section('grantAccess');
    expect(form).toContain('<h4>Body: application/x-www-form-urlencoded</h4>');
    for (const field of [
      'grant_type: string',
      'client_id?: string',
      'client_secret?: string',
      'scope?: string',
    ])
      expect(form).toContain(field);
  });

  it('links to nothing that is not there', async () => {
    const { body: html } = await served.request('GET', '/docs');
    const ids = new Set([...html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id));
    const targets = [...html.matchAll(/href="#([^"]*)"/g)].map(([, to]) => to);
    expect(targets.length).toBeGreaterThan(40);
    expect(targets.filter((to) => !ids.has(to))).toEqual([]);
  });
});

describe('opening the server', () => {
  it('says which variable helps when the port is in use', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    await expect(openServer(served.deps, { host: '127.0.0.1', port })).rejects.toMatchObject({
      code: 'port-in-use',
      message: expect.stringContaining(`port ${port} of 127.0.0.1`),
      remedy: expect.stringContaining('ROLLCALL_PORT'),
    });
    await new Promise((resolve) => other.close(resolve));
  });

  it('says which variable helps when the address is not this machine’s', async () => {
    await expect(openServer(served.deps, { host: '192.0.2.1', port: 0 })).rejects.toMatchObject({
      code: 'bad-configuration',
      remedy: expect.stringContaining('ROLLCALL_HOST'),
    });
  });

  it('leaves nothing open once it is closed', async () => {
    const server = await openServer(served.deps, { host: '127.0.0.1', port: 0 });
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    await server.close();
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
  });
});

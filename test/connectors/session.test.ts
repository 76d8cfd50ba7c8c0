import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { parseJson } from '../../connectors/answer.ts';
import { aClock, answering, failing, never, opened, SECRET } from './aSession.ts';
import { aHost } from './httpsHost.ts';

describe('answers', () => {
  it.each([200, 204, 301, 400, 401, 403, 404, 410, 501])('gives back %i as it is', async (status) => {
    const host = await answering([status, { location: 'https://elsewhere.example/' }]);
    expect((await opened(host).get('/x?y=1')).status).toBe(status);
    expect(host.asked).toEqual(['GET /x?y=1']);
  });

  it('undoes gzip', async () => {
    const host = await aHost((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('{"a":1}'));
    });
    expect(parseJson(await opened(host).get('/'))).toEqual({ a: 1 });
  });

  it.each([
    ['as they are', (bytes: Buffer) => bytes, {}],
    ['packed', (bytes: Buffer) => gzipSync(bytes, { level: 1 }), { 'content-encoding': 'gzip' }],
  ])('takes no more than 64 MB, %s', async (_, pack, headers) => {
    const body = pack(Buffer.alloc(64 * 2 ** 20 + 1));
    const host = await aHost((_request, response) => response.writeHead(200, headers).end(body));
    expect(await failing(opened(host).get('/'))).toMatchObject({ kind: 'unexpected-response' });
  });

  it.each([
    ['X0f4WkCQjts@CWVeq4@7HQAABZo', 'X0f4WkCQjts@CWVeq4@7HQAABZo'],
    ['9f1f9f0e-3c8b-4a5e-8f5d-0c9e5f5b7a10', '9f1f9f0e-3c8b-4a5e-8f5d-0c9e5f5b7a10'],
    ['<b>ada</b> is not here', null],
    ['x'.repeat(129), null],
    [undefined, null],
  ])("tells the provider's own name of the exchange, where it is one: %s", async (id, requestId) => {
    const host = await answering([404, id === undefined ? {} : { 'x-okta-request-id': id }]);
    const { get } = opened(host, { requestIdHeader: 'x-okta-request-id' });
    expect((await get('/')).requestId).toBe(requestId);
  });

  it.each([
    ['an HTML page', 'text/html; charset=utf-8', `<html>${SECRET}</html>`],
    ['cut-off JSON', 'application/json', `{"value":["${SECRET}`],
    ['nothing', 'application/json', ''],
  ])('does not take %s for JSON, and tells its type and length only', async (_, type, body) => {
    const host = await aHost((_request, response) => response.setHeader('content-type', type).end(body));
    const failure = await failing(opened(host).get('/').then(parseJson));
    expect(failure).toMatchObject({ kind: 'unexpected-response', status: 200 });
    expect(failure.message).toContain(`(${type.split(';')[0]}, ${body.length} bytes)`);
  });
});

describe('where requests go', () => {
  it.each([
    'https://evil.example/v1.0/users',
    'https://127.0.0.1:1/',
    'http://127.0.0.1/',
    'https://user:pass@HOST/',
    'no address',
  ])('refuses %s before a token is asked for', async (link) => {
    const host = await answering();
    const { session } = opened(host);
    const url = link.replace('HOST', new URL(host.origin).host);
    const headers = () => expect.unreachable('a header was made');
    expect(await failing(session.request({ method: 'GET', url, headers, signal: never }))).toMatchObject({
      kind: 'foreign-link',
    });
    expect(host.asked).toEqual([]);
  });
});

describe('Retry-After', () => {
  it('waits as many seconds as Retry-After says', async () => {
    const clock = aClock();
    const host = await answering([429, { 'retry-after': '7' }], [503, { 'retry-after': '120' }]);
    expect((await opened(host, clock).get('/')).status).toBe(200);
    expect(clock.slept).toEqual([7_000, 120_000]);
  });

  it('measures a Retry-After date against the Date of the answer, not against its own clock', async () => {
    const clock = aClock(Date.UTC(2031, 0, 1));
    const headers = { date: 'Thu, 01 Jan 2026 00:00:00 GMT', 'retry-after': 'Thu, 01 Jan 2026 00:00:42 GMT' };
    await opened(await answering([429, headers]), clock).get('/');
    expect(clock.slept).toEqual([42_000]);
  });

  it.each([undefined, 'soon', '-5', '1e9', 'Mon, 01 Jan 2001 00:00:00 GMT'])(
    'backs off by itself, longer each time, when Retry-After is %s',
    async (value) => {
      const clock = aClock();
      const headers = value === undefined ? {} : { 'retry-after': value };
      await opened(await answering([429, headers], [429, headers], [429, headers]), clock).get('/');
      const [first = 0, second = 0, third = 0] = clock.slept;
      expect(clock.slept).toHaveLength(3);
      expect([
        first >= 250,
        first <= 500,
        second >= 500,
        second <= 1000,
        third >= 1000,
        third <= 2000,
      ]).not.toContain(false);
    },
  );

  it('gives up instead of waiting too long, says how long, and sends nothing before that time is over', async () => {
    const clock = aClock();
    const host = await answering([429, { 'retry-after': '3600' }]);
    const { get } = opened(host, clock);
    const failure = { kind: 'rate-limited', retryAfterMs: 3_600_000 };
    expect(await failing(get('/a'))).toMatchObject({ ...failure, status: 429 });
    expect(await failing(get('/b'))).toMatchObject(failure);
    expect([host.asked, clock.slept]).toEqual([['GET /a'], []]);
    clock.pass(3_600_000);
    expect((await get('/c')).status).toBe(200);
  });

  it('says a day at most, whatever the answer says', async () => {
    const host = await answering([429, { 'retry-after': '9'.repeat(400) }]);
    expect(await failing(opened(host).get('/'))).toMatchObject({ retryAfterMs: 86_400_000 });
  });
});

describe('pace', () => {
  it('holds back the other requests to that host as well', async () => {
    const clock = aClock();
    const host = await answering([200], [429, { 'retry-after': '60' }]);
    const { get } = opened(host, { ...clock, maxRetries: 0 });
    await get('/a');
    await failing(get('/b'));
    await get('/c');
    expect(clock.slept).toEqual([60_000]);
  });

  it.each([
    [429, 'rate-limited'],
    [500, 'unavailable'],
    [502, 'unavailable'],
    [503, 'unavailable'],
    [504, 'unavailable'],
  ] as const)('ends %i as %s when the tries are spent', async (status, kind) => {
    const host = await answering([status], [status], [status], [status]);
    expect(await failing(opened(host, { maxRetries: 2 }).get('/'))).toMatchObject({ kind, status });
    expect(host.asked).toHaveLength(3);
  });

  it('knows a provider’s own way to say "too fast" and "wait"', async () => {
    const clock = aClock();
    const host = await answering([403, { 'x-slow-down': '9' }]);
    const { get } = opened(host, {
      ...clock,
      isThrottled: ({ headers }) => headers.has('x-slow-down'),
      waitMs: ({ headers }) => Number(headers.get('x-slow-down')) * 1000,
    });
    expect((await get('/')).status).toBe(200);
    expect(clock.slept).toEqual([9_000]);
  });

  it('leaves the pause that observe asks for before the next request', async () => {
    const clock = aClock();
    const { get } = opened(await answering(), { ...clock, observe: () => 1_500 });
    await get('/a');
    expect(clock.slept).toEqual([]);
    await get('/b');
    expect(clock.slept).toEqual([1_500]);
  });

  it('makes headers and body anew for each try', async () => {
    const seen: unknown[] = [];
    const host = await aHost((request, response) => {
      seen.push(request.headers['x-proof']);
      response.writeHead(seen.length < 3 ? 503 : 200).end();
    });
    let proofs = 0;
    await opened(host).get('/', { headers: async () => ({ 'x-proof': String(++proofs) }) });
    expect(seen).toEqual(['1', '2', '3']);
  });
});

it('counts what it has asked, waited and got', async () => {
  const clock = aClock();
  const host = await answering([200], [429, { 'retry-after': '7' }], [200], [503, { 'retry-after': '3' }]);
  const { get, session } = opened(host, clock);
  for (const path of ['/a', '/b', '/c']) await get(path);
  expect(session.usage()).toEqual({
    requests: 5,
    retries: 2,
    throttled: 1,
    waitedMs: clock.slept.reduce((sum, ms) => sum + ms, 0),
    bytes: 5 * `{"secret":"${SECRET}"}`.length,
  });
  expect(clock.slept).toEqual([7_000, 3_000]);
});

describe('abort', () => {
  it('stops waiting, and stops reading, with the reason of the abort', async () => {
    const reason = new Error('the run was cancelled');
    const waiting = new AbortController();
    const sleep = (_: number, signal: AbortSignal) =>
      new Promise<void>((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('awake')));
        waiting.abort(reason);
      });
    const busy = await answering([429, { 'retry-after': '5' }]);
    await expect(opened(busy, { sleep }).get('/', { signal: waiting.signal })).rejects.toBe(reason);

    const reading = new AbortController();
    const slow = await aHost((_, response) => {
      response.write('{"value":[');
      setTimeout(() => reading.abort(reason), 20);
    });
    await expect(opened(slow).get('/', { signal: reading.signal })).rejects.toBe(reason);
    await expect(opened(slow).get('/', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(slow.asked).toHaveLength(1);
  });
});

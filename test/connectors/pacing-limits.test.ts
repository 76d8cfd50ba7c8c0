/** Limits as headers tell them, and a session that keeps to them over real connections, by the count of the host itself. */
import { describe, expect, it } from 'vitest';
import { type RateLimit, rateLimitIn } from '../../connectors/limits.ts';
import { openSession } from '../../connectors/session.ts';
import { aClock, answering, never, opened } from './aSession.ts';
import { aHost } from './httpsHost.ts';

describe('the RateLimit headers', () => {
  const minute = { limit: 100, windowMs: 60_000, left: { requests: 50, ms: 30_000 } };
  it.each<[string, Record<string, string>, RateLimit | null]>([
    ['of today', { 'ratelimit-policy': '"default";q=100;w=60', ratelimit: '"default";r=50;t=30' }, minute],
    [
      'with several policies, of which the first counts',
      { 'ratelimit-policy': '"burst";q=100;w=60, "day";q=9;w=86400', ratelimit: '"burst";r=50;t=30' },
      minute,
    ],
    [
      'in one line',
      { 'ratelimit-policy': '100;w=60', ratelimit: 'limit=100, remaining=50, reset=30' },
      minute,
    ],
    [
      'in three lines',
      { 'ratelimit-limit': '100, 100;w=60', 'ratelimit-remaining': '50', 'ratelimit-reset': '30' },
      minute,
    ],
    [
      'without a window',
      { 'ratelimit-limit': '100', 'ratelimit-remaining': '50', 'ratelimit-reset': '30' },
      { ...minute, windowMs: null },
    ],
    ['that tell the policy only', { 'ratelimit-policy': '"default";q=100;w=60' }, { ...minute, left: null }],
    ['that tell neither window nor rest', { 'ratelimit-limit': '100' }, null],
    ['that tell no limit', { 'ratelimit-policy': '"default";q=0;w=60' }, null],
    ['full of nonsense', { 'ratelimit-policy': 'q=lots;w=-1', ratelimit: 'r=NaN' }, null],
    ['that are not there', {}, null],
  ])('%s', (_, headers, expected) => {
    expect(rateLimitIn({ headers: new Headers(headers) })).toEqual(expected);
  });
});

describe('buckets', () => {
  const limited = (limit: number) => ({ 'ratelimit-policy': `"default";q=${limit};w=60` });

  it('have a pace each', async () => {
    const clock = aClock();
    const host = await aHost((request, response) => {
      response.writeHead(200, limited(request.url === '/slow' ? 2 : 1_000_000)).end();
    });
    const { get } = opened(host, { ...clock, bucketOf: ({ method, url }) => `${method} ${url.pathname}` });
    for (const path of ['/slow', '/fast', '/fast', '/fast']) await get(path);
    expect(clock.slept.filter((ms) => ms > 1)).toEqual([]);
    await get('/slow');
    expect(clock.slept.at(-1)).toBeGreaterThan(50_000);
  });

  it('have a pause each: one that is refused does not hold up the others', async () => {
    const clock = aClock();
    const host = await answering([429, { 'retry-after': '3600' }]);
    const { get } = opened(host, { ...clock, bucketOf: ({ url }) => url.pathname });
    await expect(get('/a')).rejects.toThrow();
    expect((await get('/b')).status).toBe(200);
    await expect(get('/a')).rejects.toThrow('another 3600 s');
  });

  it.each([
    [undefined, undefined, 0.5],
    [0.25, undefined, 0.25],
    [0.25, 0.8, 0.8],
  ])('keep to the share: of the network %s, of the session %s', async (ofNetwork, ofSession, share) => {
    const clock = aClock();
    const host = await aHost((_, response) => response.writeHead(200, limited(10)).end());
    const network = { ...host.network, ...(ofNetwork === undefined ? {} : { share: ofNetwork }) };
    const { get } = opened(host, {
      ...clock,
      network,
      ...(ofSession === undefined ? {} : { share: ofSession }),
    });
    const start = clock.clock();
    for (let sent = 0; sent < 100; sent += 1) await get('/');
    const perMinute = (99 * 60_000) / (clock.clock() - start);
    expect(perMinute).toBeGreaterThanOrEqual(0.9 * 10 * share);
    expect(perMinute).toBeLessThanOrEqual(10 * share * 1.02);
  });

  it('keep to the limit that the connector assumes where the provider tells none', async () => {
    const clock = aClock();
    const { get } = opened(await answering(), { ...clock, assumedLimit: { limit: 60, windowMs: 60_000 } });
    const start = clock.clock();
    for (let sent = 0; sent < 61; sent += 1) await get('/');
    expect(clock.clock() - start).toBeGreaterThanOrEqual(110_000);
  });
});

describe('in real time', () => {
  it('uses 90 to 100 % of its share of what the host lets through in a second, and is never refused', async () => {
    const LIMIT = 160;
    const WINDOW_MS = 1_000;
    const counts: number[] = [0];
    let refused = 0;
    let end = Date.now() + WINDOW_MS;
    const host = await aHost((_, response) => {
      while (Date.now() >= end) {
        end += WINDOW_MS;
        counts.push(0);
      }
      const count = (counts.at(-1) ?? 0) + 1;
      counts[counts.length - 1] = count;
      if (count > LIMIT) refused += 1;
      response.setHeader('x-left', Math.max(0, LIMIT - count)).setHeader('x-left-ms', end - Date.now());
      response.writeHead(count > LIMIT ? 429 : 200).end();
    });
    const session = openSession({
      origins: [host.origin],
      network: host.network,
      limitOf: ({ headers }) => ({
        limit: LIMIT,
        windowMs: WINDOW_MS,
        left: { requests: Number(headers.get('x-left')), ms: Number(headers.get('x-left-ms')) },
      }),
    });
    // A machine that is busy with other things only sends less: it gets more windows to show what it can.
    const whole = () => counts.slice(1, -1);
    const shown = () => whole().length >= 4 && Math.max(...whole()) >= 0.9 * 0.5 * LIMIT;
    const caller = async () => {
      while (!shown() && whole().length < 30) {
        await session.request({ method: 'GET', url: `${host.origin}/`, signal: never });
      }
    };
    await Promise.all(Array.from({ length: 6 }, caller));
    await session.close();
    expect(refused).toBe(0);
    expect(shown()).toBe(true);
    expect(Math.max(...whole())).toBeLessThanOrEqual(0.5 * LIMIT + 3); // a few can arrive later than they were sent
    expect(session.usage()).toMatchObject({ throttled: 0, retries: 0 });
  });
});

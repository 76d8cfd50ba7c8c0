/** What keeps a provider in trouble from being asked ever more: the budget of retries and the breaker; and many requests at once. */
import { describe, expect, it } from 'vitest';
import type { SessionOptions } from '../../connectors/session.ts';
import { aClock, answering, failing, never, opened } from './aSession.ts';
import { aHost } from './httpsHost.ts';

/** Answers with the status that is set at the moment. */
async function aMoodyHost(status: number) {
  const mood = { status, waiting: 0 };
  const host = await aHost((_, response) => response.writeHead(mood.status).end());
  return { host, mood };
}

describe('the budget of retries', () => {
  const retryBudget = { atLeast: 2, share: 0.5 };

  it('is that of all requests together, and the failure says that it is spent', async () => {
    const { host } = await aMoodyHost(503);
    const { get, session } = opened(host, { retryBudget, breaker: { failures: 99, openMs: 1 } });
    expect((await failing(get('/'))).message).toContain('3 times; no more retries are left');
    expect(host.asked).toHaveLength(1 + 2);
    for (let more = 0; more < 6; more += 1) await failing(get('/'));
    expect(host.asked).toHaveLength(7 + Math.floor(2 + 0.5 * 7));
    expect(session.usage()).toMatchObject({ requests: 12, retries: 5 });
  });

  it('grows with requests that need none', async () => {
    const { host, mood } = await aMoodyHost(200);
    const { get } = opened(host, { retryBudget: { atLeast: 0, share: 0.1 } });
    for (let good = 0; good < 19; good += 1) await get('/');
    mood.status = 500;
    await failing(get('/'));
    expect(host.asked).toHaveLength(20 + 2);
  });

  it('bounds what is sent to a provider that refuses every second request, however many are asked for', async () => {
    let at = 0;
    const host = await aHost((_, response) => response.writeHead(at++ % 2 === 0 ? 500 : 200).end());
    const { get, session } = opened(host, { breaker: { failures: 1_000, openMs: 1 } });
    let failed = 0;
    for (let asked = 0; asked < 200; asked += 1) await get('/').catch(() => (failed += 1));
    expect(session.usage().retries).toBe(60 + 0.1 * 200);
    expect(failed).toBeGreaterThan(0);
  });
});

describe('trouble that passes within half a minute', () => {
  it.each([1, 8])('ends no pull, with %i requests under way', async (width) => {
    const clock = aClock();
    const over = clock.clock() + 30_000;
    const host = await aHost((_, response) => response.writeHead(clock.clock() < over ? 503 : 200).end());
    // Sleeps of requests side by side pass together.
    const sleep = (ms: number) => {
      const until = clock.clock() + ms;
      return new Promise<void>((resolve) => setTimeout(resolve, ms / 100)).then(() =>
        clock.pass(Math.max(0, until - clock.clock())),
      );
    };
    const { get } = opened(host, { clock: clock.clock, sleep });
    const answers = await Promise.all(Array.from({ length: width }, () => get('/')));
    expect(answers.map(({ status }) => status)).toEqual(Array(width).fill(200));
  });
});

describe('the breaker', () => {
  const breaker = { failures: 3, openMs: 30_000 };
  const options = { maxRetries: 1, breaker, retryBudget: { atLeast: 100, share: 0 } };
  const opening = async (more: Partial<SessionOptions> = {}) => {
    const clock = aClock();
    const { host, mood } = await aMoodyHost(503);
    const { get } = opened(host, { ...clock, ...options, ...more });
    return { clock, host, mood, get };
  };
  const untilOpen = async (get: (path: string) => Promise<unknown>) => {
    for (let failed = 0; failed < 3; failed += 1) await failing(get('/'));
  };

  it('opens after so many requests have failed in a row, and says for how long', async () => {
    const { host, get, clock } = await opening();
    await untilOpen(get);
    expect(host.asked).toHaveLength(3 * 2);
    clock.pass(10_000);
    const failure = await failing(get('/'));
    expect(failure).toMatchObject({ kind: 'unavailable', retryAfterMs: 20_000 });
    expect(failure.message).toContain('The last 3 requests');
    expect(host.asked).toHaveLength(3 * 2);
  });

  it('closes when the probe gets through, whatever its answer', async () => {
    const { host, get, clock, mood } = await opening();
    await untilOpen(get);
    clock.pass(30_000);
    mood.status = 404;
    expect((await get('/')).status).toBe(404);
    mood.status = 503;
    await failing(get('/'));
    await failing(get('/'));
    expect(host.asked).toHaveLength(6 + 1 + 2 * 2);
  });

  it('opens again for twice as long when the probe fails, which is tried once', async () => {
    const { host, get, clock } = await opening();
    await untilOpen(get);
    clock.pass(30_000);
    expect(await failing(get('/'))).toMatchObject({ kind: 'unavailable', status: 503 });
    expect(host.asked).toHaveLength(6 + 1);
    expect(await failing(get('/'))).toMatchObject({ retryAfterMs: 60_000 });
    for (let probes = 0; probes < 9; probes += 1) {
      clock.pass(16 * 30_000);
      await failing(get('/'));
    }
    expect(await failing(get('/'))).toMatchObject({ retryAfterMs: 16 * 30_000 });
  });

  it('lets one probe through at a time', async () => {
    const { host, get, clock, mood } = await opening();
    await untilOpen(get);
    clock.pass(30_000);
    mood.status = 200;
    const settled = await Promise.allSettled([get('/'), get('/'), get('/')]);
    expect(settled.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(host.asked).toHaveLength(6 + 1);
    expect((await get('/')).status).toBe(200);
  });

  it('lets a probe get the token that it needs, which does not close it', async () => {
    const { host, get, clock, mood } = await opening();
    await untilOpen(get);
    clock.pass(30_000);
    const headers = async () => {
      mood.status = 200;
      const token = await get('/token', { forAccess: true });
      mood.status = 503;
      return { authorization: String(token.status) };
    };
    expect(await failing(get('/', { headers }))).toMatchObject({ status: 503 });
    expect(host.asked.slice(6)).toEqual(['GET /token', 'GET /']);
    expect(await failing(get('/'))).toMatchObject({ retryAfterMs: 60_000 });
    clock.pass(60_000);
    mood.status = 200;
    await get('/token', { forAccess: true });
    expect((await get('/')).status).toBe(200);
    mood.status = 503;
    await failing(get('/'));
    mood.status = 400;
    await get('/token', { forAccess: true }); // a refusal is an answer too
    mood.status = 503;
    await failing(get('/'));
    await failing(get('/token', { forAccess: true }));
    expect(await failing(get('/'))).toMatchObject({ retryAfterMs: 30_000 });
  });

  it('is not left half open by a probe that is cancelled', async () => {
    const clock = aClock();
    const leaving = new AbortController();
    let asked = 0;
    const host = await aHost((_, response) => {
      asked += 1;
      if (asked === 6 + 1) leaving.abort('cancelled');
      else response.writeHead(asked <= 6 ? 503 : 200).end();
    });
    const { get } = opened(host, { ...clock, ...options });
    await untilOpen(get);
    clock.pass(30_000);
    await expect(get('/', { signal: leaving.signal })).rejects.toBe('cancelled');
    expect((await get('/')).status).toBe(200);
  });

  it('counts only what is down: refusals, too many requests and wrong answers do not open it', async () => {
    const host = await answering(...Array.from({ length: 12 }, () => [429] as [number]));
    const { get } = opened(host, { ...options, maxRetries: 0 });
    for (let refused = 0; refused < 12; refused += 1) {
      expect(await failing(get('/'))).toMatchObject({ kind: 'rate-limited' });
    }
    expect((await get('/')).status).toBe(200);
  });
});

describe('many requests at once', () => {
  it('are under way as many at a time as agreed, for each bucket', async () => {
    let under = 0;
    let most = 0;
    const host = await aHost((_, response) => {
      under += 1;
      most = Math.max(most, under);
      setTimeout(() => {
        under -= 1;
        response.end();
      }, 5);
    });
    const { get } = opened(host, { concurrency: 3 });
    await Promise.all(Array.from({ length: 30 }, () => get('/')));
    expect(most).toBe(3);
  });

  it('share a token that one of them gets, over the same session and limit', async () => {
    const host = await answering();
    const { get } = opened(host, { concurrency: 2 });
    let token: Promise<string> | null = null;
    const headers = async () => {
      token ??= get('/token').then(({ status }) => String(status));
      return { authorization: await token };
    };
    const all = await Promise.all(Array.from({ length: 10 }, () => get('/', { headers })));
    expect(all.map(({ status }) => status)).toEqual(Array(10).fill(200));
    expect(host.asked).toHaveLength(11);
  });

  it('all end when the session is closed, and none is sent any more', async () => {
    const host = await aHost(() => {});
    const { get, session } = opened(host, { concurrency: 2 });
    const ends = Array.from({ length: 6 }, () => failing(get('/', { signal: never })));
    await expect.poll(() => host.asked.length).toBe(2);
    await session.close();
    for (const failure of await Promise.all(ends)) {
      expect(failure).toMatchObject({ kind: 'unavailable', message: expect.stringContaining('closed') });
    }
    expect(host.asked).toHaveLength(2);
  });
});

/** An access token that all requests share, and what a token endpoint answers. */
import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { type AccessToken, HeldToken, tokenErrorIn } from '../../connectors/heldToken.ts';
import { Shared } from '../../connectors/sharing.ts';
import { never } from './aSession.ts';

const LIFE_SECONDS = 1000;

/** `give` ends the request for a token; requests that nobody answers end with their signal. */
function anEndpoint() {
  let now = 0;
  const waiting: PromiseWithResolvers<AccessToken>[] = [];
  let asked = 0;
  const ask = (signal: AbortSignal) => {
    asked += 1;
    const answer = Promise.withResolvers<AccessToken>();
    waiting.push(answer);
    signal.addEventListener('abort', () => answer.reject(signal.reason));
    return answer.promise;
  };
  const token = new HeldToken(ask, () => now);
  const next = () => waiting.shift() ?? expect.unreachable('nobody asked');
  return {
    token,
    asked: () => asked,
    pass: (seconds: number) => {
      now += seconds * 1000;
    },
    give: () => next().resolve({ authorization: `Bearer ${asked}`, lastsSeconds: LIFE_SECONDS }),
    refuse: (reason: Error) => next().reject(reason),
  };
}

/** With the first token held. */
async function aHeldOne() {
  const endpoint = anEndpoint();
  const first = endpoint.token.current(never);
  endpoint.give();
  await first;
  return endpoint;
}

describe('an access token', () => {
  it('is asked for once by all who need it at the same time', async () => {
    const { token, asked, give } = anEndpoint();
    const all = [1, 2, 3].map(() => token.current(never));
    give();
    expect((await Promise.all(all)).map(({ authorization }) => authorization)).toEqual(
      Array(3).fill('Bearer 1'),
    );
    expect(asked()).toBe(1);
  });

  it('is used until nine tenths of its life are over, from the moment it was asked for', async () => {
    const { token, asked, give, pass } = anEndpoint();
    const first = token.current(never);
    pass(100);
    give();
    await first;
    pass(799);
    expect((await token.current(never)).authorization).toBe('Bearer 1');
    pass(1);
    const second = token.current(never);
    give();
    expect((await second).authorization).toBe('Bearer 2');
    expect(asked()).toBe(2);
  });

  it('is not used again once it was refused, and another one is not forgotten for it', async () => {
    const { token, asked, give } = await aHeldOne();
    token.refused({ authorization: 'Bearer 1' });
    const second = token.current(never);
    give();
    await second;
    token.refused({ authorization: 'Bearer 1' });
    token.refused({});
    expect((await token.current(never)).authorization).toBe('Bearer 2');
    expect(asked()).toBe(2);
  });

  it('that is not given fails all who wait for it, and is asked for again by the next', async () => {
    const { token, asked, give, refuse } = anEndpoint();
    const both = [token.current(never), token.current(never)];
    refuse(new Error('refused'));
    for (const one of await Promise.allSettled(both))
      expect(one).toMatchObject({ reason: { message: 'refused' } });
    const next = token.current(never);
    give();
    expect((await next).authorization).toBe('Bearer 2');
    expect(asked()).toBe(2);
  });

  it('is asked for again, once, when the request that had asked for it is aborted', async () => {
    const { token, asked, give } = anEndpoint();
    const stop = new AbortController();
    const aborted = token.current(stop.signal);
    const others = [token.current(never), token.current(never)];
    stop.abort(new Error('stopped by hand'));
    await expect(aborted).rejects.toThrow('stopped by hand');
    await expect.poll(asked).toBe(2);
    give(); // to nobody
    give();
    for (const one of await Promise.all(others)) expect(one.authorization).toBe('Bearer 2');
    expect(asked()).toBe(2);
  });

  it('is not given to a request that is aborted already', async () => {
    const { token } = await aHeldOne();
    await expect(token.current(AbortSignal.abort(new Error('stopped by hand')))).rejects.toThrow(
      'stopped by hand',
    );
  });
});

it('work on different things is not shared, nor is work that is over', async () => {
  const shared = new Shared<string, string>();
  let begun = 0;
  const work = (key: string) => shared.of(key, never, async () => `${key}${++begun}`);
  expect(await Promise.all([work('a'), work('b'), work('a')])).toEqual(['a1', 'b2', 'a1']);
  expect(await work('a')).toBe('a3');
});

it.each([
  ['{"error":"invalid_client"}', 'invalid_client'],
  ['{"error":"a text with blanks, which may hold anything"}', ''],
  [`{"error":"${'x'.repeat(65)}"}`, ''],
  ['{"error":{"code":400}}', ''],
  ['<html>', ''],
])('the error code in %s is "%s"', (body, code) => {
  const answer = { url: 'https://sso.example/token', status: 400, headers: new Headers(), requestId: null };
  expect(tokenErrorIn({ ...answer, body: Buffer.from(body) })).toBe(code);
});

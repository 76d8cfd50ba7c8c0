/** A provider that counts its own windows, and a bucket that paces itself, in simulated time: no request is really sent. */
import { describe, expect, it } from 'vitest';
import type { RateLimit } from '../../connectors/limits.ts';
import { Bucket, type BucketOptions } from '../../connectors/pacing.ts';
import { never } from './aSession.ts';

/** Moves from one sleeper to the next; what they do in between takes no time. */
function simulatedTime() {
  let now = Date.UTC(2026, 0, 1);
  let sleepers: { readonly at: number; readonly wake: () => void }[] = [];
  const pause = (ms: number) =>
    new Promise<void>((wake) => {
      sleepers.push({ at: now + ms, wake });
    });
  /** Lets everything run that waits for no time, then moves on, until `untilMs` from now. */
  async function pass(untilMs: number): Promise<void> {
    const end = now + untilMs;
    for (;;) {
      for (let tick = 0; tick < 30; tick += 1) await Promise.resolve();
      const next = Math.min(...sleepers.map(({ at }) => at));
      if (next > end) break;
      now = Math.max(now, next);
      const due = sleepers.filter(({ at }) => at <= now);
      sleepers = sleepers.filter(({ at }) => at > now);
      for (const { wake } of due) wake();
    }
    now = end;
  }
  return { now: () => now, pause, pass };
}
type Time = ReturnType<typeof simulatedTime>;

/** Refuses what is over its limit, as every provider does. Its first window has been running for a while. */
function aProvider({ now }: Time, limit: number, windowMs: number) {
  const counts: number[] = [0];
  let refused = 0;
  let left = limit;
  let end = now() + windowMs * 0.4;
  const take = (cost: number) => {
    while (now() >= end) {
      end += windowMs;
      left = limit;
      counts.push(0);
    }
    if (left < cost) refused += 1;
    else left -= cost;
    counts[counts.length - 1] = (counts.at(-1) ?? 0) + cost;
  };
  const says = (): RateLimit => ({
    limit,
    windowMs,
    left: { requests: left, ms: Math.ceil((end - now()) / 1000) * 1000 },
  });
  /** Windows that are over, and began after the first request. */
  const whole = () => counts.slice(1, -1);
  return { take, says, whole, refused: () => refused };
}

type Sending = { readonly callers: number; readonly latencyMs: number; readonly cost?: number };

/** So many callers, each of which sends as soon as it has its answer and may. */
function sendSteadily(
  time: Time,
  bucket: Bucket,
  provider: ReturnType<typeof aProvider>,
  { callers, latencyMs, cost = 1 }: Sending,
  says: (answer: RateLimit) => RateLimit | null = (answer) => answer,
): void {
  const stopped = (error: unknown) => expect.unreachable(String(error));
  async function caller(): Promise<void> {
    for (;;) {
      const turn = await bucket.turn(never, () => {});
      await bucket.begin(never);
      await time.pause(latencyMs / 2);
      provider.take(cost);
      const answer = provider.says();
      await time.pause(latencyMs / 2);
      bucket.answered(turn, says(answer), cost);
      bucket.end();
    }
  }
  for (let at = 0; at < callers; at += 1) caller().catch(stopped);
}

const aBucket = (time: Time, options: Partial<BucketOptions> = {}) =>
  new Bucket({ share: 0.5, concurrency: 8, limit: null, now: time.now, pause: time.pause, ...options });

function within(counts: readonly number[], share: number): void {
  expect(counts.length).toBeGreaterThan(8);
  for (const count of counts) {
    expect(count).toBeLessThanOrEqual(Math.ceil(share));
    expect(count).toBeGreaterThanOrEqual(Math.floor(0.9 * share));
  }
}

describe('with a limit that the provider tells', () => {
  it.each([
    [600, 60_000, 0.5, { callers: 8, latencyMs: 120 }],
    [600, 60_000, 0.5, { callers: 1, latencyMs: 20 }],
    [100, 60_000, 0.5, { callers: 50, latencyMs: 2_000 }],
    [40, 60_000, 0.5, { callers: 4, latencyMs: 300 }],
    [10, 60_000, 0.5, { callers: 4, latencyMs: 300 }],
    [4, 60_000, 0.5, { callers: 2, latencyMs: 300 }],
    [1_200, 60_000, 0.8, { callers: 20, latencyMs: 90 }],
    [2_400, 60_000, 1, { callers: 30, latencyMs: 50 }],
    [50, 10_000, 0.25, { callers: 3, latencyMs: 10 }],
  ] as const)(
    'of %i in %i ms, a share of %f is used to 90 % at least, and never more in any of its windows: %o',
    async (limit, windowMs, share, sending) => {
      const time = simulatedTime();
      const provider = aProvider(time, limit, windowMs);
      sendSteadily(time, aBucket(time, { share }), provider, sending);
      await time.pass(12 * windowMs);
      within(provider.whole().slice(1), share * limit); // the first one pays for what was sent before the limit was known
      expect(provider.refused()).toBe(0);
    },
  );

  it('keeps to it where answers tell only the rest of the window', async () => {
    const time = simulatedTime();
    const provider = aProvider(time, 600, 60_000);
    const restOnly = (answer: RateLimit): RateLimit => ({ ...answer, windowMs: null });
    sendSteadily(time, aBucket(time), provider, { callers: 4, latencyMs: 50 }, restOnly);
    await time.pass(12 * 60_000);
    within(provider.whole().slice(1), 300);
    expect(provider.refused()).toBe(0);
  });

  it('counts what each request costs where the limit is not in requests', async () => {
    const time = simulatedTime();
    const provider = aProvider(time, 3_000, 60_000);
    sendSteadily(time, aBucket(time), provider, { callers: 8, latencyMs: 100, cost: 5 });
    await time.pass(12 * 60_000);
    within(provider.whole(), 1_500);
  });

  it('follows the limit when the provider lowers it', async () => {
    const time = simulatedTime();
    const [before, after] = [aProvider(time, 1_000, 60_000), aProvider(time, 200, 60_000)];
    let provider = before;
    const current = { ...before, take: (cost: number) => provider.take(cost), says: () => provider.says() };
    sendSteadily(time, aBucket(time), current, { callers: 8, latencyMs: 100 });
    await time.pass(3 * 60_000);
    provider = after;
    await time.pass(12 * 60_000);
    within(after.whole().slice(3), 100);
    expect(after.refused()).toBe(0);
  });

  it.each([
    [0.3, 0.3],
    [0.7, 0.2],
    [0.9, 0.1],
  ])(
    'beside other programs that use %f of it, it uses no more than is left, and %f at least',
    async (theirs, least) => {
      const time = simulatedTime();
      const limit = 600;
      const provider = aProvider(time, limit, 60_000);
      let ours = 0;
      let oursRefused = 0;
      const counted = {
        ...provider,
        take: (cost: number) => {
          const before = provider.refused();
          provider.take(cost);
          ours += 1;
          oursRefused += provider.refused() - before;
        },
      };
      sendSteadily(time, aBucket(time), counted, { callers: 8, latencyMs: 100 });
      const other = async () => {
        for (;;) {
          await time.pause(60_000 / (theirs * limit));
          provider.take(1);
        }
      };
      other().catch(() => expect.unreachable('the other program ended'));
      await time.pass(10 * 60_000);
      expect(oursRefused).toBe(0);
      if (theirs < 0.8) expect(provider.refused()).toBe(0); // more is over the limit together with any share
      expect(ours).toBeGreaterThan(10 * least * limit);
      expect(ours).toBeLessThanOrEqual(10 * 0.5 * limit + 1);
    },
  );

  it('does not make up for a long pause with a burst', async () => {
    const time = simulatedTime();
    const provider = aProvider(time, 600, 60_000);
    const bucket = aBucket(time);
    sendSteadily(time, bucket, provider, { callers: 8, latencyMs: 100 });
    await time.pass(2.5 * 60_000);
    bucket.hold(25_000);
    await time.pass(5 * 60_000);
    for (const count of provider.whole()) expect(count).toBeLessThanOrEqual(300);
    expect(Math.min(...provider.whole())).toBeLessThan(250);
  });
});

describe('without one', () => {
  it('keeps to the limit that is assumed', async () => {
    const time = simulatedTime();
    const provider = aProvider(time, 2_400, 60_000);
    const bucket = aBucket(time, { limit: { limit: 2_400, windowMs: 60_000 } });
    sendSteadily(time, bucket, provider, { callers: 10, latencyMs: 150 }, () => null);
    await time.pass(12 * 60_000);
    within(provider.whole(), 1_200);
  });

  it('waits only for answers when nothing is assumed', async () => {
    const time = simulatedTime();
    const provider = aProvider(time, 1_000_000, 60_000);
    sendSteadily(time, aBucket(time), provider, { callers: 8, latencyMs: 100 }, () => null);
    await time.pass(3 * 60_000);
    expect(provider.whole()).toEqual([4_800, 4_800]);
  });
});

describe('at once', () => {
  /** Callers that hold their place until told, and how many do at the moment. */
  function crowd(bucket: Bucket, count: number) {
    const ends: (() => void)[] = [];
    const order: number[] = [];
    const caller = async (name: number) => {
      await bucket.turn(never, () => {});
      await bucket.begin(never);
      order.push(name);
      await new Promise<void>((end) => ends.push(end));
      bucket.end();
    };
    const all = Array.from({ length: count }, (_, name) => caller(name));
    return { order, endOne: () => ends.shift()?.(), all };
  }
  const settle = async () => {
    for (let tick = 0; tick < 200; tick += 1) await Promise.resolve();
  };

  it('there are no more than agreed, in the order of asking', async () => {
    const bucket = aBucket(simulatedTime(), { concurrency: 3 });
    const { order, endOne, all } = crowd(bucket, 7);
    await settle();
    expect(order).toEqual([0, 1, 2]);
    endOne();
    await settle();
    expect(order).toEqual([0, 1, 2, 3]);
    for (let left = 0; left < 7; left += 1) {
      endOne();
      await settle();
    }
    await Promise.all(all);
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it('there are half as many after a refusal about pace, and one more again after good answers', async () => {
    const bucket = aBucket(simulatedTime(), { concurrency: 4 });
    bucket.throttled();
    const { order, endOne } = crowd(bucket, 9);
    await settle();
    expect(order).toHaveLength(2);
    bucket.throttled();
    bucket.throttled();
    endOne();
    endOne();
    await settle();
    expect(order).toHaveLength(3);
    for (let answers = 0; answers < 1 + 2; answers += 1) bucket.calm();
    endOne();
    await settle();
    expect(order).toHaveLength(6);
  });

  it('one that gives up while it waits holds nobody up', async () => {
    const bucket = aBucket(simulatedTime(), { concurrency: 1 });
    const { order, endOne } = crowd(bucket, 1);
    await settle();
    const leaving = new AbortController();
    const reason = new Error('cancelled');
    const gone = expect(bucket.turn(leaving.signal, () => {})).rejects.toBe(reason);
    const later = crowd(bucket, 1);
    await settle();
    leaving.abort(reason);
    await gone;
    expect([order, later.order]).toEqual([[0], []]);
    endOne();
    await settle();
    expect(later.order).toEqual([0]);
  });
});

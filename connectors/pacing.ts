/**
 * Sends no faster than an agreed share of a provider's rate limit, and no more at once than agreed: one bucket for each limit
 * that the provider keeps. What it says about the limit is in limits.ts.
 */
import type { RateLimit } from './limits.ts';

/**
 * Part of the allowed rate that is left unused when all goes evenly, so that a late timer or a slow answer can be caught up with
 * and no window, wherever it begins, still holds more than the share.
 */
const RESERVE = 0.05;
/** Of each window, what is never taken as long as the share is less than everything. */
const LEFT_TO_OTHERS = 0.1;
/** A window is over by the provider's clock; so long after its end the next one has surely begun. */
const MARGIN_MS = 1_000;

export type BucketOptions = {
  /** Of each limit, more than 0 and at most 1. */
  readonly share: number;
  /** Requests under way at the same time. */
  readonly concurrency: number;
  /** Where the provider sends no limits with its answers: what to assume. */
  readonly limit: { readonly limit: number; readonly windowMs: number } | null;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Rejects when aborted. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
};

/** A place in the order of sending. */
export type Turn = number;

/**
 * Allowed is `share × limit` in any window. The schedule is a leaky bucket (GCRA): `#due` is when the next request would be due at
 * an even pace of 95 % of that, and one may go ahead of it by as much as 5 % of a window, so that pauses of the others are made
 * up for. Where the provider says that less is left, other programs are at work: then the share of what is left is spread
 * over the rest of the running window, and the last tenth of the window is never taken.
 */
export class Bucket {
  readonly #options: BucketOptions;
  readonly #line = new Slots(1);
  readonly #slots: Slots;
  #limit: BucketOptions['limit'];
  #running: { requests: number; readonly until: number } | null = null;
  #notBefore = 0;
  #due = 0;
  #lastSent = 0;
  #cost = 1;
  #turns = 0;
  #calm = 0;

  constructor(options: BucketOptions) {
    this.#options = options;
    this.#limit = options.limit;
    this.#slots = new Slots(options.concurrency);
  }

  /**
   * Resolves when the next request may be sent, in the order of asking. `refuse` is called with the wait that lies ahead, and may
   * throw instead of waiting. Rejects with the signal's reason.
   */
  async turn(signal: AbortSignal, refuse: (waitMs: number) => void): Promise<Turn> {
    await this.#line.take(signal);
    try {
      for (;;) {
        await this.#slots.untilFree(signal);
        const waitMs = this.#waitMs();
        if (waitMs <= 0) return this.#sent();
        refuse(waitMs);
        await this.#options.pause(waitMs, signal);
      }
    } finally {
      this.#line.give();
    }
  }

  /** Between `begin` and `end` a request counts as under way. Making its headers, which may take a request itself, does not. */
  begin(signal: AbortSignal): Promise<void> {
    return this.#slots.take(signal);
  }

  end(): void {
    this.#slots.give();
  }

  /** What the answer said of the limit (null: nothing), and what it cost in the limit's units. */
  answered(turn: Turn, limit: RateLimit | null, cost: number): void {
    this.#due += (cost - this.#cost) * this.#intervalMs();
    this.#cost = cost;
    if (limit === null) return;
    const isNews = this.#limit === null;
    this.#limit = { limit: limit.limit, windowMs: this.#windowOf(limit) };
    // What was sent before anything was known of a limit has counted against it too.
    if (isNews)
      this.#due = this.#lastSent + Math.min(this.#turns, this.#options.concurrency) * this.#intervalMs();
    const sentSince = (this.#turns - turn) * cost;
    this.#running =
      limit.left === null
        ? null
        : { requests: limit.left.requests - sentSince, until: this.#options.now() + limit.left.ms };
  }

  /** Nothing is sent for so long, by anybody. */
  hold(ms: number): void {
    this.#notBefore = Math.max(this.#notBefore, this.#options.now() + ms);
  }

  /** A refusal that was about pace may also be about too many at once (Okta's is): half as many from now on. */
  throttled(): void {
    this.#slots.capacity = Math.max(1, Math.floor(this.#slots.capacity / 2));
    this.#calm = 0;
  }

  /** One more at once after as many good answers as go at once now, up to the agreed number. */
  calm(): void {
    this.#calm += 1;
    if (this.#slots.capacity >= this.#options.concurrency || this.#calm < this.#slots.capacity) return;
    this.#slots.capacity += 1;
    this.#calm = 0;
  }

  /** Where only the rest of the window is told, the longest rest seen so far comes nearest to the whole. */
  #windowOf({ windowMs, left }: RateLimit): number {
    return windowMs ?? Math.max(this.#limit?.windowMs ?? 0, left?.ms ?? 0, MARGIN_MS);
  }

  #sent(): Turn {
    const now = this.#options.now();
    this.#due = Math.max(this.#due, now) + this.#cost * this.#intervalMs();
    this.#lastSent = now;
    if (this.#running !== null) this.#running.requests -= this.#cost;
    this.#turns += 1;
    return this.#turns;
  }

  #waitMs(): number {
    const now = this.#options.now();
    if (this.#running !== null && now >= this.#running.until + MARGIN_MS) this.#running = null;
    return Math.max(this.#notBefore, this.#evenly(), this.#sparingly()) - now;
  }

  #intervalMs(): number {
    if (this.#limit === null) return 0;
    return this.#limit.windowMs / ((1 - RESERVE) * this.#options.share * this.#limit.limit);
  }

  #evenly(): number {
    const aheadMs = this.#limit === null ? 0 : (this.#limit.windowMs * RESERVE) / (1 - RESERVE);
    return this.#due - aheadMs;
  }

  /** Never binds while nobody else uses the limit: more than our share is then left of the window. */
  #sparingly(): number {
    if (this.#running === null) return 0;
    const { requests, until } = this.#running;
    const { share, now } = this.#options;
    const limit = this.#limit?.limit ?? 0;
    const theirs = Math.min(LEFT_TO_OTHERS, 1 - share) * limit;
    const ours = (share * (requests - theirs)) / this.#cost;
    // With one request left to spread, the others may take all of the rest while it waits.
    if (ours < Math.min(2, (share * limit) / 2)) return until + MARGIN_MS;
    return now() >= until ? 0 : this.#lastSent + (until - this.#lastSent) / ours;
  }
}

/** So many at once; the others wait in their order. */
class Slots {
  capacity: number;
  #taken = 0;
  readonly #waiting = new Set<() => void>();

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  async take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    while (this.#taken >= this.capacity) await this.#change(signal);
    this.#taken += 1; // nothing may come between the look and this
  }

  give(): void {
    this.#taken -= 1;
    for (const wake of [...this.#waiting]) wake();
  }

  async untilFree(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    while (this.#taken >= this.capacity) await this.#change(signal);
  }

  #change(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = () => reject(signal.reason);
    this.#waiting.add(resolve);
    signal.addEventListener('abort', abort);
    return promise.finally(() => {
      this.#waiting.delete(resolve);
      signal.removeEventListener('abort', abort);
    });
  }
}

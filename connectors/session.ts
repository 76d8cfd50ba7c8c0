/** The one way to a provider: allowed origins only, trust and proxy, pacing, bounded retry, and failures without secrets. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { joined, orAborted } from './abort.ts';
import type { SessionResponse } from './answer.ts';
import { BREAKER, Breaker, type BreakerOptions, type Pass } from './breaker.ts';
import { type CircuitBreaker, ConnectorError, type Network, type Usage } from './contract.ts';
import { foreignLink, givenUp, type Outcome, sessionClosed, stillPaused } from './givingUp.ts';
import { type RateLimit, rateLimitIn } from './limits.ts';
import { Bucket, type Turn } from './pacing.ts';
import {
  backOffMs,
  LONGEST_WAIT_MS,
  RETRIED,
  type RetryAllowance,
  RetryBudget,
  retryAfterMs,
} from './retry.ts';
import { dispatcherFor, faultOf, readAnswer, TimedOut } from './transport.ts';

/** What only the provider's connector knows about an answer. A request's own hooks go before the session's. */
export type ThrottleHooks = {
  /** True for a refusal that is about pace although its status does not say so. 429 always is. */
  readonly isThrottled?: (response: SessionResponse) => boolean;
  /** Milliseconds to wait after a throttled answer, where another header than Retry-After says so. */
  readonly waitMs?: (response: SessionResponse) => number | undefined;
};

export type SessionRequest = ThrottleHooks & {
  readonly method: string;
  readonly url: string;
  /** A function is asked anew for each try: a token may have aged, a proof may be good for one use only. */
  readonly headers?: Fresh<Readonly<Record<string, string>>>;
  readonly body?: Fresh<string | Uint8Array>;
  /** It asks for access (a token), not for what is behind it: an answer to it does not say that the provider is there. */
  readonly forAccess?: true;
  readonly signal: AbortSignal;
};
type Fresh<T> = T | (() => T | Promise<T>);

/** How patient and how modest a session is. The defaults suit a pull; tests are in more of a hurry. */
export type SessionTuning = {
  /** Limit of one try, the whole body included. Default: 30 seconds. */
  readonly timeoutMs?: number;
  /** Tries of one request after the first. Default: 7, which sit out half a minute of trouble. */
  readonly maxRetries?: number;
  /** Bounds the retries of all requests together. Default: 60, enough for all that go at once, and a tenth of the requests. */
  readonly retryBudget?: RetryAllowance;
  /** The longest wait that a request sits out; a longer one ends it, with `retryAfterMs` in the failure. Default: 5 minutes. */
  readonly maxWaitMs?: number;
  /** Of the provider's limits, what this connection may use: more than 0, at most 1. Default: the network's `share`, else a half. */
  readonly share?: number;
  /** Requests under way at once, for each limit that the provider keeps. Default: 8, which is also the size of the pool. */
  readonly concurrency?: number;
  /**
   * The connection's breaker, which outlives the session; or when one of the session's own is to stop asking a provider that is down.
   * Default: after 5 failed requests in a row, for 30 seconds at first.
   */
  readonly breaker?: CircuitBreaker | BreakerOptions | undefined;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
};

/** What a provider's limits look like. All is about one bucket: what counts against the same limit. */
export type PacingHooks = {
  /**
   * The name of the limit that a request counts against (Okta keeps one for each endpoint): one of a few, without ids. Default: one
   * for each origin.
   */
  readonly bucketOf?: (request: { readonly method: string; readonly url: URL }) => string;
  /** What an answer says about its limit; null: nothing. Default: the IETF's RateLimit headers (`rateLimitIn`). */
  readonly limitOf?: (response: SessionResponse) => RateLimit | null;
  /** The limit of each bucket until, and unless, an answer tells another. Default: none, as fast as the answers come. */
  readonly assumedLimit?: { readonly limit: number; readonly windowMs: number };
  /** What an answer has cost in the limit's units (Graph's `x-ms-resource-unit`). Default: 1. */
  readonly costOf?: (response: SessionResponse) => number;
  /** Sees every answer; the milliseconds it gives back are left free before the next request of that bucket. */
  readonly observe?: (response: SessionResponse) => number;
};

export type SessionOptions = SessionTuning &
  ThrottleHooks &
  PacingHooks & {
    /** The only origins ever spoken to, checked before anything is sent. */
    readonly origins: readonly string[];
    readonly network: Network;
    readonly requestIdHeader?: string;
  };

export type HttpSession = {
  /**
   * Sends with pacing, bounded retry (429, 500, 502, 503, 504, network errors), a time-out for each try and abort. As many
   * requests as one likes may be asked for at once: they are sent in that order, no faster and no more at a time than agreed.
   * Resolves with any answer that is not retried, refusals included; redirects are answers and are not followed.
   * Throws ConnectorError when retries are spent or cannot help, and the signal's reason when it was aborted.
   */
  request(request: SessionRequest): Promise<SessionResponse>;
  usage(): Usage;
  close(): Promise<void>;
};

const DEFAULTS = {
  timeoutMs: 30_000,
  maxRetries: 7,
  maxWaitMs: 300_000,
  share: 0.5,
  concurrency: 8,
  retryBudget: { atLeast: 60, share: 0.1 },
} as const satisfies SessionTuning;

export function openSession(options: SessionOptions): HttpSession {
  return new Session(options);
}

/** A request's way through its tries. */
type Errand = {
  readonly url: URL;
  readonly request: SessionRequest;
  readonly bucket: Bucket;
  /** The request's own, or the end of the session. */
  readonly signal: AbortSignal;
};

class Session implements HttpSession {
  readonly #options: SessionOptions & Required<Pick<SessionTuning, keyof typeof DEFAULTS>>;
  readonly #dispatcher: Dispatcher;
  readonly #origins: ReadonlySet<string>;
  readonly #buckets = new Map<string, Bucket>();
  readonly #budget: RetryBudget;
  readonly #breaker: CircuitBreaker;
  readonly #reached = new Set<string>();
  readonly #closed = new AbortController();
  readonly #usage = { requests: 0, retries: 0, throttled: 0, waitedMs: 0, bytes: 0 };
  readonly #now: () => number;

  constructor(options: SessionOptions) {
    const { network, breaker = BREAKER } = options;
    const { share = DEFAULTS.share } = network;
    this.#options = { ...DEFAULTS, share, ...options };
    this.#origins = new Set(options.origins.map((origin) => new URL(origin).origin));
    this.#dispatcher = dispatcherFor(network);
    this.#now = options.clock ?? Date.now;
    this.#budget = new RetryBudget(this.#options.retryBudget);
    this.#breaker = 'admit' in breaker ? breaker : new Breaker(breaker, this.#now);
  }

  async request(request: SessionRequest): Promise<SessionResponse> {
    const url = this.#allowed(request.url);
    request.signal.throwIfAborted();
    this.#budget.asked();
    const either = joined(request.signal, this.#closed.signal);
    try {
      return await this.#untilSettled({
        url,
        request,
        bucket: this.#bucketOf(request, url),
        signal: either.signal,
      });
    } finally {
      either.release();
    }
  }

  async #untilSettled(errand: Errand): Promise<SessionResponse> {
    const { maxRetries, maxWaitMs } = this.#options;
    for (let retries = 0; ; retries++) {
      this.#breaker.refuseWhileOpen();
      const { outcome, pass } = await this.#try(errand, retries);
      const waitMs = this.#judge(errand, outcome, retries);
      if (waitMs === null && outcome.ok) {
        this.#heard(errand, pass);
        return outcome.response;
      }
      const fails = (because?: string) => this.#giveUp(errand, outcome, { pass, retries, because });
      if (waitMs === null || retries >= maxRetries || waitMs > maxWaitMs || pass === 'probe') throw fails();
      if (!this.#budget.take()) throw fails('no more retries are left for this run');
      await this.#pause(waitMs, errand.signal);
    }
  }

  usage(): Usage {
    return { ...this.#usage };
  }

  async close(): Promise<void> {
    this.#closed.abort(new ConnectorError(sessionClosed));
    await this.#dispatcher.destroy();
  }

  #allowed(link: string): URL {
    const url = URL.parse(link);
    if (url !== null && this.#origins.has(url.origin) && url.username === '' && url.password === '')
      return url;
    throw new ConnectorError(foreignLink(url, [...this.#origins]));
  }

  #bucketOf({ method }: SessionRequest, url: URL): Bucket {
    const { bucketOf, share, concurrency, assumedLimit: limit = null } = this.#options;
    const name = bucketOf === undefined ? url.origin : bucketOf({ method, url });
    const known = this.#buckets.get(name);
    if (known !== undefined) return known;
    const pause = (ms: number, signal: AbortSignal) => this.#pause(ms, signal);
    const bucket = new Bucket({ share, concurrency, limit, now: this.#now, pause });
    this.#buckets.set(name, bucket);
    return bucket;
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const { sleep = (slept: number) => wait(slept, undefined, { signal }) } = this.#options;
    try {
      this.#usage.waitedMs += ms;
      await sleep(ms, signal);
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    }
  }

  /** The headers are made after the wait for the turn: they may be good for a short time only, and may take a request themselves. */
  async #try(errand: Errand, retries: number): Promise<{ outcome: Outcome; pass: Pass }> {
    const { url, request, bucket, signal } = errand;
    const turn = await bucket.turn(signal, (waitMs) => {
      if (waitMs > this.#options.maxWaitMs) throw new ConnectorError(stillPaused(url.host, waitMs));
    });
    const headers = await fresh(request.headers);
    const body = await fresh(request.body);
    await bucket.begin(signal);
    try {
      const pass = this.#breaker.admit();
      this.#usage.requests += 1;
      if (retries > 0) this.#usage.retries += 1;
      try {
        const outcome = await this.#send(errand, { headers: headers ?? {}, body: body ?? null });
        if (outcome.ok) this.#learn(bucket, turn, outcome.response);
        return { outcome, pass };
      } catch (error) {
        this.#breaker.abandoned(pass);
        throw error;
      }
    } finally {
      bucket.end();
    }
  }

  async #send({ url, request, signal }: Errand, sent: Sent): Promise<Outcome> {
    const either = joined(signal);
    const timer = setTimeout(() => either.abort(new TimedOut()), this.#options.timeoutMs);
    try {
      // undici looks at the signal only once it is connected, and a proxy may accept and never answer.
      const asked = this.#dispatcher.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: request.method as Dispatcher.HttpMethod,
        headers: { 'accept-encoding': 'gzip', ...sent.headers },
        body: sent.body,
        signal: either.signal,
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      const response = await this.#read(url, await orAborted(asked, either.signal));
      this.#reached.add(url.origin);
      const throttled = this.#isThrottled(request, response);
      return { ok: true, response, throttled, waitMs: this.#demandedWaitMs(request, response) };
    } catch (error) {
      if (error instanceof ConnectorError) throw error;
      const reason: unknown = either.signal.aborted ? either.signal.reason : error;
      if (either.signal.aborted && !(reason instanceof TimedOut)) throw reason;
      return { ok: false, fault: faultOf(reason) };
    } finally {
      clearTimeout(timer);
      either.release();
    }
  }

  #learn(bucket: Bucket, turn: Turn, response: SessionResponse): void {
    const { limitOf = rateLimitIn, costOf, observe, maxWaitMs } = this.#options;
    bucket.answered(turn, limitOf(response), costOf?.(response) ?? 1);
    const restMs = Math.min(observe?.(response) ?? 0, maxWaitMs);
    if (restMs > 0) bucket.hold(restMs);
  }

  async #read(url: URL, answer: Dispatcher.ResponseData): Promise<SessionResponse> {
    const { headers, body, bytes } = await readAnswer(url.host, answer);
    this.#usage.bytes += bytes;
    const id = headers.get(this.#options.requestIdHeader ?? 'x-request-id');
    const requestId = id !== null && /^[\w.:+/=@-]{1,128}$/.test(id) ? id : null;
    return { url: url.href, status: answer.statusCode, headers, body, requestId };
  }

  /** Milliseconds to wait before the next try; null: there is no use in one. */
  #judge({ url, bucket }: Errand, outcome: Outcome, retries: number): number | null {
    if (!outcome.ok) {
      // A host that never answered is more likely misspelt or blocked than busy: say so soon.
      const hopeless = outcome.fault.unreachable && !this.#reached.has(url.origin) && retries >= 1;
      return outcome.fault.retry && !hopeless ? backOffMs(retries) : null;
    }
    const { response, throttled, waitMs } = outcome;
    if (!throttled && !RETRIED.has(response.status)) {
      bucket.calm();
      return null;
    }
    if (throttled) {
      this.#usage.throttled += 1;
      bucket.throttled();
    }
    const restMs = Math.max(waitMs ?? 0, backOffMs(retries));
    if (throttled || waitMs !== undefined) bucket.hold(restMs);
    return restMs;
  }

  #heard({ request }: Errand, pass: Pass): void {
    if (request.forAccess === true) this.#breaker.abandoned(pass);
    else this.#breaker.answered();
  }

  #giveUp(errand: Errand, outcome: Outcome, { pass, retries, because }: Giving): ConnectorError {
    const { host } = errand.url;
    const { network, timeoutMs } = this.#options;
    const error = givenUp(outcome, { host, proxy: network.proxy, timeoutMs, retries, because });
    if (error.failure.kind === 'unavailable') this.#breaker.failed(pass);
    else if (outcome.ok) this.#heard(errand, pass);
    else this.#breaker.abandoned(pass);
    return error;
  }

  #isThrottled(request: SessionRequest, response: SessionResponse): boolean {
    const hook = request.isThrottled ?? this.#options.isThrottled;
    return response.status === 429 || hook?.(response) === true;
  }

  #demandedWaitMs(request: SessionRequest, response: SessionResponse): number | undefined {
    const hook = request.waitMs ?? this.#options.waitMs;
    const ms = hook?.(response) ?? retryAfterMs(response.headers, this.#now());
    return ms === undefined || Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), LONGEST_WAIT_MS);
  }
}

type Giving = { readonly pass: Pass; readonly retries: number; readonly because: string | undefined };
type Sent = { readonly headers: Readonly<Record<string, string>>; readonly body: string | Uint8Array | null };

async function fresh<T>(value: Fresh<T> | undefined): Promise<T | undefined> {
  return value instanceof Function ? await value() : value;
}

/** The one way to a provider: allowed origins only, trust and proxy, pacing, bounded retry, and failures without secrets. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { failureOf, rateLimitedRemedy, type SessionResponse } from './answer.ts';
import { ConnectorError, type ConnectorFailure, type Network, type Usage } from './contract.ts';
import { dispatcherFor, type Fault, faultOf, readAnswer, TimedOut } from './transport.ts';

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
  readonly signal: AbortSignal;
};
type Fresh<T> = T | (() => T | Promise<T>);

/** How patient a session is. The defaults suit a pull; tests are in more of a hurry. */
export type SessionTuning = {
  /** Limit of one try, the whole body included. */
  readonly timeoutMs?: number;
  /** Tries after the first. */
  readonly maxRetries?: number;
  /** The longest wait that a request sits out; a longer one ends it, with `retryAfterMs` in the failure. */
  readonly maxWaitMs?: number;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
};

export type SessionOptions = SessionTuning &
  ThrottleHooks & {
    /** The only origins ever spoken to, checked before anything is sent. */
    readonly origins: readonly string[];
    readonly network: Network;
    /** Sees every answer; the milliseconds it gives back are left free before the next request to that origin. */
    readonly observe?: (response: SessionResponse) => number;
    readonly requestIdHeader?: string;
  };

export type HttpSession = {
  /**
   * Sends with pacing, bounded retry (429, 500, 502, 503, 504, network errors), a time-out for each try and abort.
   * Resolves with any answer that is not retried, refusals included; redirects are answers and are not followed.
   * Throws ConnectorError when retries are spent or cannot help, and the signal's reason when it was aborted.
   */
  request(request: SessionRequest): Promise<SessionResponse>;
  /** The same as a WHATWG fetch, for the vendors' libraries: they get no sockets of their own. */
  readonly fetch: typeof globalThis.fetch;
  usage(): Usage;
  close(): Promise<void>;
};

const LONGEST_WAIT_MS = 24 * 3_600_000;
const BACKOFF_MS = { first: 500, cap: 30_000 };
const RETRIED: ReadonlySet<number> = new Set([429, 500, 502, 503, 504, 509]);

export function openSession(options: SessionOptions): HttpSession {
  return new Session(options);
}

/**
 * Per origin, `notBefore` holds the time before which nothing is sent: set by Retry-After, by `waitMs` and by `observe`,
 * and kept by every request of the session, not only by the one that was refused.
 */
class Session implements HttpSession {
  readonly #options: SessionOptions;
  readonly #dispatcher: Dispatcher;
  readonly #origins: ReadonlySet<string>;
  readonly #notBefore = new Map<string, number>();
  readonly #reached = new Set<string>();
  readonly #closed = new AbortController();
  readonly #usage = { requests: 0, retries: 0, throttled: 0, waitedMs: 0, bytes: 0 };
  readonly #timeoutMs: number;
  readonly #maxRetries: number;
  readonly #maxWaitMs: number;
  readonly #now: () => number;
  readonly #sleep: (ms: number, signal: AbortSignal) => Promise<void>;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#origins = new Set(options.origins.map((origin) => new URL(origin).origin));
    this.#dispatcher = dispatcherFor(options.network);
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    this.#maxRetries = options.maxRetries ?? 5;
    this.#maxWaitMs = options.maxWaitMs ?? 300_000;
    this.#now = options.clock ?? Date.now;
    this.#sleep = options.sleep ?? ((ms, signal) => wait(ms, undefined, { signal }));
  }

  async request(request: SessionRequest): Promise<SessionResponse> {
    const url = this.#allowed(request.url);
    for (let retries = 0; ; retries++) {
      request.signal.throwIfAborted();
      await this.#waitForTurn(url, request.signal);
      this.#usage.requests += 1;
      if (retries > 0) this.#usage.retries += 1;
      const outcome = await this.#try(url, request);
      const again = this.#judge(url, request, outcome, retries);
      if (again === null && outcome.ok) return outcome.response;
      if (again === null || retries >= this.#maxRetries) throw this.#failed(url, request, outcome, retries);
      if (again.waitMs > this.#maxWaitMs) throw this.#failed(url, request, outcome, retries, again.waitMs);
      await this.#pause(again.waitMs, request.signal);
    }
  }

  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const request = new Request(input, init);
    const body = request.body === null ? undefined : new Uint8Array(await request.arrayBuffer());
    const answer = await this.request({
      method: request.method,
      url: request.url,
      headers: Object.fromEntries(request.headers),
      ...(body === undefined ? {} : { body }),
      signal: request.signal,
    });
    const { status, headers } = answer;
    const bodyless = status === 204 || status === 205 || status === 304;
    const response = new Response(bodyless ? null : new Uint8Array(answer.body), { status, headers });
    return Object.defineProperty(response, 'url', { value: answer.url });
  };

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
    throw new ConnectorError({
      kind: 'foreign-link',
      message: `A link leads to ${url?.host ?? 'no valid address'}, which is no address of this provider; nothing was sent there.`,
      remedy: `Only ${[...this.#origins].join(', ')} may be asked. Check the connection's base URL; if it is right, report this answer as a defect.`,
    });
  }

  async #waitForTurn(url: URL, signal: AbortSignal): Promise<void> {
    for (;;) {
      const waitMs = (this.#notBefore.get(url.origin) ?? 0) - this.#now();
      if (waitMs <= 0) return;
      if (waitMs > this.#maxWaitMs) throw new ConnectorError(stillPaused(url.host, waitMs));
      await this.#pause(waitMs, signal);
    }
  }

  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const either = joined(signal, this.#closed.signal);
    try {
      this.#usage.waitedMs += ms;
      await this.#sleep(ms, either.signal);
    } catch (error) {
      throw either.signal.aborted ? either.signal.reason : error;
    } finally {
      either.release();
    }
  }

  async #try(url: URL, request: SessionRequest): Promise<Outcome> {
    const headers = await fresh(request.headers);
    const body = await fresh(request.body);
    const either = joined(request.signal, this.#closed.signal);
    const timer = setTimeout(() => either.abort(new TimedOut()), this.#timeoutMs);
    try {
      const answer = await this.#dispatcher.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: request.method as Dispatcher.HttpMethod,
        headers: { 'accept-encoding': 'gzip', ...headers },
        body: body ?? null,
        signal: either.signal,
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      const response = await this.#read(url, answer);
      this.#reached.add(url.origin);
      const restMs = Math.min(this.#options.observe?.(response) ?? 0, this.#maxWaitMs);
      if (restMs > 0) this.#holdBack(url, restMs);
      return { ok: true, response };
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

  async #read(url: URL, answer: Dispatcher.ResponseData): Promise<SessionResponse> {
    const { headers, body, bytes } = await readAnswer(url.host, answer);
    this.#usage.bytes += bytes;
    const id = headers.get(this.#options.requestIdHeader ?? 'x-request-id');
    const requestId = id !== null && /^[\w.:+/=@-]{1,128}$/.test(id) ? id : null;
    return { url: url.href, status: answer.statusCode, headers, body, requestId };
  }

  /** null: final. Otherwise how long to wait before the next try. */
  #judge(url: URL, request: SessionRequest, outcome: Outcome, retries: number): { waitMs: number } | null {
    if (!outcome.ok) {
      // A host that never answered is more likely misspelt or blocked than busy: say so soon.
      const hopeless = outcome.fault.unreachable && !this.#reached.has(url.origin) && retries >= 1;
      return outcome.fault.retry && !hopeless ? { waitMs: backOff(retries) } : null;
    }
    const { response } = outcome;
    const throttled = this.#isThrottled(request, response);
    if (throttled) this.#usage.throttled += 1;
    if (!throttled && !RETRIED.has(response.status)) return null;
    const demanded = this.#demandedWaitMs(request, response);
    const waitMs = Math.max(demanded ?? 0, backOff(retries));
    if (throttled || demanded !== undefined) this.#holdBack(url, waitMs);
    return { waitMs };
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

  #holdBack(url: URL, ms: number): void {
    this.#notBefore.set(url.origin, Math.max(this.#notBefore.get(url.origin) ?? 0, this.#now() + ms));
  }

  #failed(
    url: URL,
    request: SessionRequest,
    outcome: Outcome,
    retries: number,
    waitMs?: number,
  ): ConnectorError {
    const tries = retries === 0 ? '' : `, ${retries + 1} times`;
    if (!outcome.ok) {
      const { kind, happened, remedy, code, unreachable } = outcome.fault;
      const { proxy } = this.#options.network; // behind one, the only host that Rollcall itself connects to
      const host = unreachable && proxy !== null ? `The proxy ${new URL(proxy).host}` : url.host;
      const what = happened.replace('HOST', host).replace('LIMIT', `${this.#timeoutMs / 1000} s`);
      return new ConnectorError({ kind, message: `${what}${tries}.`, remedy }, { cause: new Error(code) });
    }
    const { response } = outcome;
    const throttled = this.#isThrottled(request, response);
    const retryAfter = waitMs ?? this.#demandedWaitMs(request, response);
    const waits = retryAfter === undefined ? '' : ` and asks to wait ${Math.ceil(retryAfter / 1000)} s`;
    return new ConnectorError({
      ...failureOf(response, {
        ...(throttled ? { kind: 'rate-limited', remedy: rateLimitedRemedy } : {}),
        message: `${url.host} answered with status ${response.status}${tries}${waits}.`,
      }),
      ...(retryAfter === undefined ? {} : { retryAfterMs: retryAfter }),
    });
  }
}

type Outcome = { ok: true; response: SessionResponse } | { ok: false; fault: Fault };

async function fresh<T>(value: Fresh<T> | undefined): Promise<T | undefined> {
  return value instanceof Function ? await value() : value;
}

/** Like AbortSignal.any, but leaves no listener behind on a signal that lives as long as a run. */
function joined(...signals: readonly AbortSignal[]) {
  const controller = new AbortController();
  const listeners = signals.map((signal) => ({ signal, abort: () => controller.abort(signal.reason) }));
  for (const { signal, abort } of listeners) {
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort);
  }
  return {
    signal: controller.signal,
    abort: (reason: Error) => controller.abort(reason),
    release: () => {
      for (const { signal, abort } of listeners) signal.removeEventListener('abort', abort);
    },
  };
}

/** Doubles with each retry; between half and the whole of it, so that clients that failed together do not return together. */
function backOff(retries: number): number {
  return Math.min(BACKOFF_MS.first * 2 ** retries, BACKOFF_MS.cap) * (0.5 + Math.random() / 2);
}

/** RFC 9110 section 10.2.3: seconds or a date. A date is measured against the answer's own Date: clocks differ. */
function retryAfterMs(headers: Headers, now: number): number | undefined {
  const value = headers.get('retry-after')?.trim() ?? '';
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const until = /^[A-Z][a-z]{2}/.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(until)) return undefined;
  const sent = Date.parse(headers.get('date') ?? '');
  return until - (Number.isNaN(sent) ? now : sent);
}

const stillPaused = (host: string, waitMs: number): ConnectorFailure => ({
  kind: 'rate-limited',
  message: `${host} asked for a pause that lasts another ${Math.ceil(waitMs / 1000)} s.`,
  remedy: rateLimitedRemedy,
  retryAfterMs: waitMs,
});

const sessionClosed: ConnectorFailure = {
  kind: 'unavailable',
  message: 'The connection to the provider was closed on this side.',
  remedy: 'Nobody has to act: the next run opens a new one.',
};

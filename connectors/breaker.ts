/** Stops asking a provider that is down, so that a run over thousands of groups ends soon instead of failing group by group. */
import { type CircuitBreaker, ConnectorError } from './contract.ts';

export type BreakerOptions = {
  /** So many requests in a row that failed for good, with all their retries, as 'unavailable'. */
  readonly failures: number;
  /** Milliseconds without requests after that; twice as long each time the probe fails, 16 times at the most. */
  readonly openMs: number;
};

export const BREAKER: BreakerOptions = { failures: 5, openMs: 30_000 };
const LONGEST = 16;

export type Pass = ReturnType<CircuitBreaker['admit']>;

/**
 *   closed: requests pass ──`failures` in a row failed──▶ open: none passes, for `openMs` ──its time is over──▶ half open
 *     ▲                                                     ▲                                                    │ │
 *     └──────────── the probe was answered ─────────────────┼────────────────────────────────────────────────────┘ │
 *                                                           └───── the probe failed: open for twice as long ───────┘
 *
 * Half open: one request at a time passes, tried once only. An answer closes it in every state: whoever got one has reached the
 * provider. A token endpoint's is none of these: it answers for another service, and the request that the token is for becomes the probe.
 */
export class Breaker implements CircuitBreaker {
  readonly #options: BreakerOptions;
  readonly #now: () => number;
  #failures = 0;
  #open: { readonly until: number; readonly timesLonger: number; probing: boolean } | null = null;

  constructor(options: BreakerOptions, now: () => number) {
    this.#options = options;
    this.#now = now;
  }

  refuseWhileOpen(): void {
    if (this.#open === null) return;
    const waitMs = this.#open.until - this.#now();
    if (waitMs > 0) throw this.#refusal(waitMs);
  }

  admit(): Pass {
    this.refuseWhileOpen();
    if (this.#open === null) return 'ordinary';
    if (this.#open.probing) throw this.#refusal(1_000);
    this.#open.probing = true;
    return 'probe';
  }

  answered(): void {
    this.#failures = 0;
    this.#open = null;
  }

  failed(pass: Pass): void {
    this.#failures += 1;
    const { failures, openMs } = this.#options;
    if (this.#open === null && this.#failures >= failures) this.#opens(openMs, 1);
    if (pass === 'probe') this.#opens(openMs, Math.min((this.#open?.timesLonger ?? 1) * 2, LONGEST));
  }

  abandoned(pass: Pass): void {
    if (pass === 'probe' && this.#open !== null) this.#open.probing = false;
  }

  #opens(openMs: number, timesLonger: number): void {
    this.#open = { until: this.#now() + openMs * timesLonger, timesLonger, probing: false };
  }

  #refusal(waitMs: number): ConnectorError {
    return new ConnectorError({
      kind: 'unavailable',
      message: `The last ${this.#failures} requests to the provider all failed; none is sent for another ${Math.ceil(waitMs / 1000)} s.`,
      remedy:
        "Nobody has to act: Rollcall tries again then. If it stays, look at the failure before this one and at the provider's status page.",
      retryAfterMs: waitMs,
    });
  }
}

/**
 * The breakers of the connections that a process works on, one each over all of its runs. A connection that reaches its provider
 * another way by now (other credentials, settings or network) begins with a closed one: what failed may be mended.
 */
export class Breakers {
  readonly #now: () => number;
  readonly #known = new Map<string, { readonly accessVersion: number; readonly breaker: Breaker }>();

  /** `now`: milliseconds since 1970. */
  constructor(now: () => number) {
    this.#now = now;
  }

  of(connection: { readonly id: string; readonly accessVersion: number }): CircuitBreaker {
    const { id, accessVersion } = connection;
    const known = this.#known.get(id);
    if (known?.accessVersion === accessVersion) return known.breaker;
    const breaker = new Breaker(BREAKER, this.#now);
    this.#known.set(id, { accessVersion, breaker });
    return breaker;
  }
}

/** Stops asking a provider that is down, so that a run over thousands of groups ends soon instead of failing group by group. */
import { ConnectorError } from './contract.ts';

export type BreakerOptions = {
  /** So many requests in a row that failed for good, with all their retries, as 'unavailable'. */
  readonly failures: number;
  /** Milliseconds without requests after that; twice as long each time the probe fails, 16 times at the most. */
  readonly openMs: number;
};

const LONGEST = 16;

export type Pass = 'ordinary' | 'probe';

/**
 * Closed: requests pass. Open: none does, for `openMs`. Then half open: one request at a time passes, tried once only; a good one
 * closes the breaker and a failing one opens it again, for longer.
 */
export class Breaker {
  readonly #options: BreakerOptions;
  readonly #now: () => number;
  #failures = 0;
  #open: { readonly until: number; readonly timesLonger: number; probing: boolean } | null = null;

  constructor(options: BreakerOptions, now: () => number) {
    this.#options = options;
    this.#now = now;
  }

  /** Throws ConnectorError 'unavailable', with `retryAfterMs`, while it is open. Asked before anything is prepared. */
  refuseWhileOpen(): void {
    if (this.#open === null) return;
    const waitMs = this.#open.until - this.#now();
    if (waitMs > 0) throw this.#refusal(waitMs);
  }

  /**
   * Asked right before sending; what comes of it is told with `answered`, `failed` or `abandoned`. Throws as `refuseWhileOpen`
   * does, also while another request is the probe. What a probe needs beforehand (a new token) can so be the probe itself.
   */
  admit(): Pass {
    this.refuseWhileOpen();
    if (this.#open === null) return 'ordinary';
    if (this.#open.probing) throw this.#refusal(1_000);
    this.#open.probing = true;
    return 'probe';
  }

  /** Whatever the answer was: the provider is there. */
  answered(): void {
    this.#failures = 0;
    this.#open = null;
  }

  /** The request has failed for good. */
  failed(pass: Pass): void {
    this.#failures += 1;
    const { failures, openMs } = this.#options;
    if (this.#open === null && this.#failures >= failures) this.#opens(openMs, 1);
    if (pass === 'probe') this.#opens(openMs, Math.min((this.#open?.timesLonger ?? 1) * 2, LONGEST));
  }

  /** It ended in a way that says nothing about the provider. */
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

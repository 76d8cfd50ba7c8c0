/** When to try again: which answers, after how long, and how often in all. */

/** Statuses that another try may cure. 509: Microsoft Graph's "bandwidth limit exceeded". */
export const RETRIED: ReadonlySet<number> = new Set([429, 500, 502, 503, 504, 509]);
export const LONGEST_WAIT_MS = 24 * 3_600_000;
const BACKOFF_MS = { first: 500, cap: 30_000 };

/** Doubles with each retry; between half and the whole of it, so that clients that failed together do not return together. */
export function backOffMs(retries: number): number {
  return Math.min(BACKOFF_MS.first * 2 ** retries, BACKOFF_MS.cap) * (0.5 + Math.random() / 2);
}

/**
 * RFC 9110 section 10.2.3: seconds or a date. A date is measured against the answer's own Date: clocks differ. undefined where
 * the header is missing or says neither; negative for a date that has passed.
 */
export function retryAfterMs(headers: Headers, now: number): number | undefined {
  const value = headers.get('retry-after')?.trim() ?? '';
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const until = /^[A-Z][a-z]{2}/.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(until)) return undefined;
  const sent = Date.parse(headers.get('date') ?? '');
  return until - (Number.isNaN(sent) ? now : sent);
}

/** At most `atLeast` retries, plus `share` for each request that was asked for. */
export type RetryAllowance = { readonly atLeast: number; readonly share: number };

/**
 * Bounds the retries of all requests together. Each alone is bounded too, but a provider that fails every second answer would
 * otherwise be sent half as much again, at the very time it has trouble.
 */
export class RetryBudget {
  readonly #allowance: RetryAllowance;
  #requests = 0;
  #retries = 0;

  constructor(allowance: RetryAllowance) {
    this.#allowance = allowance;
  }

  /** A request is asked for, whatever tries it takes. */
  asked(): void {
    this.#requests += 1;
  }

  /** Takes one retry out of the budget; false where it is spent. */
  take(): boolean {
    const { atLeast, share } = this.#allowance;
    if (this.#retries + 1 > atLeast + share * this.#requests) return false;
    this.#retries += 1;
    return true;
  }
}

/**
 * Okta's rate limits, read from its own headers (Okta API reference, "Rate limits"): `X-Rate-Limit-Limit` and `-Remaining`
 * count the requests of a window of a minute, `-Reset` is its end in seconds since 1970 on Okta's clock. All waits are in
 * milliseconds and reckoned against the answer's `Date`, so that a wrong clock here does no harm.
 */
type Answer = { readonly status: number; readonly headers: Headers };

/** The share of a window that is left to the org's other programs. */
const SHARE_LEFT = 0.1;
const MARGIN_MS = 1_000;

/**
 * How long to wait after a 429; undefined where Okta does not say. A refusal with a limit of 0 is about too many requests at
 * the same time, and its reset is no promise: the session's own short back-off serves better.
 */
export function waitAfterRefusalMs(answer: Answer): number | undefined {
  if (answer.status !== 429 || numberIn(answer, 'x-rate-limit-limit') === 0) return undefined;
  return untilResetMs(answer);
}

/** How long to rest after any answer: until the window ends once only the share of the others is left, else 0. */
export function restMs(answer: Answer): number {
  const limit = numberIn(answer, 'x-rate-limit-limit');
  const remaining = numberIn(answer, 'x-rate-limit-remaining');
  if (limit === undefined || limit === 0 || remaining === undefined || remaining > limit * SHARE_LEFT)
    return 0;
  return untilResetMs(answer) ?? 0;
}

function untilResetMs(answer: Answer): number | undefined {
  const resetSeconds = numberIn(answer, 'x-rate-limit-reset');
  const dateMs = Date.parse(answer.headers.get('date') ?? '');
  if (resetSeconds === undefined || Number.isNaN(dateMs)) return undefined;
  return Math.max(0, resetSeconds * 1000 - dateMs) + MARGIN_MS;
}

function numberIn(answer: Answer, header: string): number | undefined {
  const text = answer.headers.get(header);
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

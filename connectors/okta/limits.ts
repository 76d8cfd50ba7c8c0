/**
 * Okta's rate limits, read from its own headers (Okta API reference, "Rate limits"): `X-Rate-Limit-Limit` and `-Remaining`
 * count the requests of a window of a minute, `-Reset` is its end in seconds since 1970 on Okta's clock. All waits are in
 * milliseconds and reckoned against the answer's `Date`, so that a wrong clock here does no harm.
 */
import { type RateLimit, wholeNumberIn } from '../limits.ts';

type Answer = { readonly status: number; readonly headers: Headers };

const WINDOW_MS = 60_000;
const MARGIN_MS = 1_000;

/**
 * Okta keeps a limit for each endpoint, whichever object it is asked for ("Rate limits", the dashboard's list of APIs): the path
 * with the ids of users, groups and apps left out.
 */
export function bucketOf({ url }: { readonly url: URL }): string {
  return url.pathname
    .split('/')
    .map((part, at, parts) => ((at === 4 || at === 6) && parts[1] === 'api' ? ':id' : part))
    .join('/');
}

/**
 * How long to wait after a 429; undefined where Okta does not say. A refusal with a limit of 0 is about too many requests at
 * the same time, and its reset is no promise: the session's own short back-off serves better.
 */
export function waitAfterRefusalMs(answer: Answer): number | undefined {
  if (answer.status !== 429 || wholeNumberIn(answer, 'x-rate-limit-limit') === 0) return undefined;
  const ms = untilResetMs(answer);
  return ms === undefined ? undefined : ms + MARGIN_MS;
}

/** What the answer says of the limit; null where it says nothing. A limit of 0 is about requests at the same time. */
export function limitOf(answer: Answer): RateLimit | null {
  const limit = wholeNumberIn(answer, 'x-rate-limit-limit');
  const requests = wholeNumberIn(answer, 'x-rate-limit-remaining');
  const ms = untilResetMs(answer);
  if (limit === undefined || limit === 0) return null;
  const left = requests === undefined || ms === undefined ? null : { requests, ms };
  return { limit, windowMs: WINDOW_MS, left };
}

function untilResetMs(answer: Answer): number | undefined {
  const resetSeconds = wholeNumberIn(answer, 'x-rate-limit-reset');
  const dateMs = Date.parse(answer.headers.get('date') ?? '');
  if (resetSeconds === undefined || Number.isNaN(dateMs)) return undefined;
  return Math.max(0, resetSeconds * 1000 - dateMs);
}

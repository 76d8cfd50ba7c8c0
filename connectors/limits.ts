/** What a provider says about its rate limit, in one form; and the reading of the headers that a standard has given names to. */

/** Everything is as the answer has it: nothing is yet taken off for other programs. */
export type RateLimit = {
  /** Requests (or units, see `costOf`) that all programs together may send within one window. */
  readonly limit: number;
  /** null where the answer tells only what is left of it. */
  readonly windowMs: number | null;
  /** What is left of the window that is running; null where the answer does not say. */
  readonly left: { readonly requests: number; readonly ms: number } | null;
};

type Answer = { readonly headers: Headers };

/** A header that holds a whole number of at most 15 digits, and nothing else. */
export function wholeNumberIn({ headers }: Answer, name: string): number | undefined {
  const text = headers.get(name)?.trim() ?? '';
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/**
 * The IETF's RateLimit headers (draft-ietf-httpapi-ratelimit-headers), in all three shapes that servers send:
 * `RateLimit-Policy: "default";q=100;w=60` with `RateLimit: "default";r=50;t=30`; `RateLimit: limit=100, remaining=50, reset=30`;
 * `RateLimit-Limit`, `-Remaining` and `-Reset`. Times are seconds from the answer on, so that no clock is compared with another.
 * null where they are missing or say no limit.
 */
export function rateLimitIn(answer: Answer): RateLimit | null {
  const { headers } = answer;
  const policy = parametersOf(headers.get('ratelimit-policy') ?? headers.get('ratelimit-limit'));
  const state = parametersOf(headers.get('ratelimit'));
  const limit =
    policy.get('q') ?? state.get('limit') ?? policy.get('') ?? wholeNumberIn(answer, 'ratelimit-limit');
  const left = state.get('r') ?? state.get('remaining') ?? wholeNumberIn(answer, 'ratelimit-remaining');
  const reset = state.get('t') ?? state.get('reset') ?? wholeNumberIn(answer, 'ratelimit-reset');
  const window = policy.get('w');
  const known = left !== undefined && reset !== undefined;
  if (limit === undefined || limit === 0 || (!known && window === undefined) || window === 0) return null;
  return {
    limit,
    windowMs: window === undefined ? null : window * 1000,
    left: known ? { requests: left, ms: reset * 1000 } : null,
  };
}

/** Of the first policy: `"name";q=100;w=60`, `100;w=60` (the bare number under the empty name), `limit=100, remaining=50`. */
function parametersOf(header: string | null): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const part of (header ?? '').split(/[;,]/)) {
    const [, name = '', value] = /^\s*(?:([a-z]+)\s*=\s*)?(\d{1,15})\s*$/.exec(part) ?? [];
    if (value !== undefined && !found.has(name)) found.set(name, Number(value));
  }
  return found;
}

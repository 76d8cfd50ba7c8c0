/**
 * Microsoft Graph's limits ("Microsoft Graph service-specific throttling limits", identity and access; "Microsoft Graph
 * throttling guidance"). Its answers tell what they cost, but not what is left.
 */
import type { SessionResponse } from '../answer.ts';
import { wholeNumberIn } from '../limits.ts';
import type { PacingHooks } from '../session.ts';

export const pacing: PacingHooks = {
  /**
   * Resource units that one application may use in one tenant of more than 500 users. Smaller tenants have 5,000 and 3,500, more
   * than half of which no pull of so few people needs.
   */
  assumedLimit: { limit: 8_000, windowMs: 10_000 },
  costOf: (response) => wholeNumberIn(response, 'x-ms-resource-unit') ?? 1,
  observe,
};

/** From 0.8 on, the header tells how much of the limit is used up, by other runs of the same application too. */
function observe(response: SessionResponse): number {
  const used = Number(response.headers.get('x-ms-throttle-limit-percentage') ?? 0);
  return used >= 0.8 ? Math.min(used, 2) * 1000 : 0;
}

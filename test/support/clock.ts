/** Time that passes when a test says so. */
import type { Clock } from '../../src/domain/clock.ts';

export type TestClock = Clock & {
  /** Negative goes back, as a server's clock may. */
  advance(milliseconds: number): void;
};

/** @param start ISO 8601, such as 2026-05-01T09:00:00Z */
export function clockAt(start: string): TestClock {
  let now = new Date(start).getTime();
  return {
    now: () => new Date(now),
    advance: (milliseconds) => {
      now += milliseconds;
    },
  };
}

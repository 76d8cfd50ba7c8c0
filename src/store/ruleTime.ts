/**
 * How long policy rules may keep a process busy that does nothing else in between. Each condition takes a bounded number of steps (see
 * expressionCost.ts); this is for a great many at once.
 */
import { type Judge, outOfTime } from '../domain/reviewRules.ts';

const AT_MOST_MS = 5_000;

/** The time begins. Whatever a judge is asked when it is over, is held, for whomever the strictest of its rules asks. */
export function startTime(): (judge: Judge) => Judge {
  const end = performance.now() + AT_MOST_MS;
  return (judge) => (change, at) =>
    performance.now() > end ? outOfTime(AT_MOST_MS / 1_000, judge.most) : judge(change, at);
}

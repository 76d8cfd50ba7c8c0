import { describe, expect, it } from 'vitest';
import { ConnectorError, type FailureKind, whoActs } from '../../connectors/contract.ts';
import { jobIds, judge, retryDelay, retryPolicy, SyncJob } from '../../jobs/queue.ts';
import { ApplyId, ConnectionId, RunId } from '../../src/domain/ids.ts';
import { Problem } from '../../src/domain/problem.ts';

const id = '01890a5d-ac96-774b-bcce-b302099a8057';
const failure = (kind: FailureKind, retryAfterMs?: number) =>
  new ConnectorError({ kind, message: 'm', remedy: 'r', ...(retryAfterMs && { retryAfterMs }) });

describe('what is done about an error', () => {
  it.each(Object.entries(whoActs))('a failure of kind %s, which is for %s to mend', (kind, who) => {
    expect(judge(failure(kind as FailureKind)).end).toBe(who === 'nobody' ? 'retry' : 'give-up');
  });

  it('waits at least as long as the provider says', () => {
    const verdict = judge(failure('rate-limited', 90_000));
    expect(verdict).toEqual({ end: 'retry', reason: 'rate-limited', atLeastMs: 90_000 });
    expect(retryDelay(1, 15_000, 90_000, 0)).toBe(90_000);
    expect(retryDelay(1, 15_000, 90_000, 0.99)).toBeGreaterThan(90_000);
  });

  it('gives up a job that cannot be read, because it will not become readable', () => {
    const unreadable = SyncJob.safeParse({ trigger: 'demand', run: 7 });
    expect(judge(unreadable.error)).toEqual({ end: 'give-up', reason: 'unreadable-job' });
  });

  it('gives up what was refused, but not what the database kept from being done', () => {
    const problem = (code: 'not-found' | 'database-unreachable') =>
      new Problem({ code, message: 'm', remedy: 'r' });
    expect(judge(problem('not-found'))).toEqual({ end: 'give-up', reason: 'not-found' });
    expect(judge(problem('database-unreachable')).end).toBe('retry');
  });

  it('tries again after an error of an unknown kind, without repeating its message', () => {
    const verdict = judge(new Error('duplicate key: ada@example.com'));
    expect(verdict).toEqual({ end: 'retry', reason: 'unexpected-error', atLeastMs: 0 });
  });
});

describe('how long a retry waits', () => {
  it('doubles from the first delay and stops growing at the longest', () => {
    const attempts = [1, 2, 3, 4, 5, 10, 60];
    expect(attempts.map((attempt) => retryDelay(attempt, 15_000, 0, 0))).toEqual([
      15_000,
      30_000,
      60_000,
      120_000,
      240_000,
      retryPolicy.longestDelayMs,
      retryPolicy.longestDelayMs,
    ]);
  });

  it('is cut by chance, by less than a half', () => {
    expect(retryDelay(1, 15_000, 0, 0.5)).toBe(11_250);
    expect(retryDelay(1, 15_000, 0, 0.999)).toBeGreaterThan(7_500);
  });
});

it('makes job ids from the work, without a colon and never a bare number', () => {
  const ids = [
    jobIds.run(RunId.parse(id)),
    jobIds.apply(ApplyId.parse(id)),
    jobIds.schedule(ConnectionId.parse(id)),
  ];
  expect(ids).toEqual([`run-${id}`, `apply-${id}`, `connection-${id}`]);
});

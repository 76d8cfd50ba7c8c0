/** A job from being asked for to its end. */
import { expect, it, vi } from 'vitest';
import { ConnectorError, type ConnectorFailure, type FailureKind } from '../../connectors/contract.ts';
import type { SyncOutcome, SyncRequest } from '../../jobs/handlers/sync.ts';
import { retryPolicy } from '../../jobs/queue.ts';
import type { Abandoned } from '../../jobs/worker.ts';
import {
  aGate,
  anApply,
  aRun,
  aSchedule,
  busy,
  eventually,
  finished,
  finishing,
  type Stage,
} from './stage.ts';

const failure = (kind: FailureKind): ConnectorFailure => ({ kind, message: 'm', remedy: 'r' });
const failed = (kind: FailureKind): SyncOutcome => ({ result: 'failed', failure: failure(kind) });

export function carriesOutJobs(stage: () => Stage): void {
  it('carries out a run once, with what was asked for', async () => {
    const requests: SyncRequest[] = [];
    await stage().worker({ syncConnection: finishing((request) => requests.push(request)) });
    const work = aRun();
    await stage().queues.enqueueRun(work);
    const after = aRun();
    await eventually(() => expect(requests).toHaveLength(1));
    await stage().queues.enqueueRun(after);
    await eventually(() => expect(requests.map(({ run }) => run)).toEqual([work.run, after.run]));
    expect(requests[0]).toMatchObject({ connection: work.connection, trigger: 'demand', attempt: 1 });
  });

  it('carries out an apply once', async () => {
    const applies: string[] = [];
    await stage().worker({ carryOutApply: async ({ apply }) => applies.push(apply) });
    const [first, second] = [anApply(), anApply()];
    await stage().queues.enqueueApply(first);
    await stage().queues.enqueueApply(first);
    await stage().queues.enqueueApply(second);
    await eventually(() => expect(applies).toEqual([first.apply, second.apply]));
  });

  it('carries out once what is asked for again while it waits or runs', async () => {
    const runs: unknown[] = [];
    const gate = aGate();
    const [work, after] = [aRun(), aRun()];
    await stage().queues.enqueueRun(work);
    await stage().queues.enqueueRun(work);
    await stage().worker({
      syncConnection: async ({ run }) => {
        runs.push(run);
        await gate.promise;
        return finished;
      },
    });
    await eventually(() => expect(runs).toHaveLength(1));
    await stage().queues.enqueueRun(work);
    await stage().queues.enqueueRun(after);
    gate.resolve();
    await eventually(() => expect(runs).toEqual([work.run, after.run]));
  });

  it('lets a run that another process keeps waiting wait, without counting attempts', async () => {
    const attempts: number[] = [];
    const tries = retryPolicy.attempts + 2;
    await stage().worker({
      syncConnection: async ({ attempt }) => (attempts.push(attempt) < tries ? busy : finished),
    });
    await stage().queues.enqueueRun(aRun());
    await eventually(() => expect(attempts).toEqual(Array(tries).fill(1)));
  });

  it('drops a scheduled run of a connection that is running already', async () => {
    const syncConnection = vi.fn(async () => busy);
    await stage().worker({ syncConnection });
    await stage().queues.reconcileSchedules([aSchedule('* * * * * *')]);
    await eventually(() => expect(stage().count('job.dropped')).toBeGreaterThanOrEqual(2));
    expect(stage().count('job.postponed')).toBe(0);
  });
}

export function decidesAboutErrors(stage: () => Stage): void {
  const abandoning = () => {
    const abandoned: (Abandoned & { reason: string })[] = [];
    const abandon = async (work: Abandoned, reason: string) => void abandoned.push({ ...work, reason });
    return { abandoned, abandon };
  };

  it.each([
    ['recorded', async () => failed('rate-limited')],
    ['thrown', async () => Promise.reject(new ConnectorError(failure('rate-limited')))],
    ['unexpected', async () => Promise.reject(new Error('connection reset'))],
  ])('tries again after a %s failure that mends itself', async (_, failOnce) => {
    const attempts: number[] = [];
    const { abandoned, abandon } = abandoning();
    await stage().worker({
      abandon,
      syncConnection: async ({ attempt }) => (attempts.push(attempt) < 2 ? failOnce() : finished),
    });
    await stage().queues.enqueueRun(aRun());
    await eventually(() => expect(attempts).toEqual([1, 2]));
    expect(abandoned).toEqual([]);
  });

  it('gives up at once what a person must mend, and goes on with the next', async () => {
    const { abandoned, abandon } = abandoning();
    const [broken, sound] = [aRun(), aRun()];
    const runs: unknown[] = [];
    await stage().worker({
      abandon,
      syncConnection: async ({ run }) => {
        runs.push(run);
        return run === broken.run ? failed('credentials-rejected') : finished;
      },
    });
    await stage().queues.enqueueRun(broken);
    await stage().queues.enqueueRun(sound);
    await eventually(() => expect(runs).toEqual([broken.run, sound.run]));
    const { run, connection } = broken;
    expect(abandoned).toEqual([{ kind: 'run', run, connection, reason: 'credentials-rejected' }]);
  });

  it('gives up after the last attempt, and the work can then be asked for anew', async () => {
    const { abandoned, abandon } = abandoning();
    const work = anApply();
    let attempts = 0;
    await stage().worker({
      abandon,
      carryOutApply: async () => {
        attempts++;
        throw new Error('still broken');
      },
    });
    await stage().queues.enqueueApply(work);
    await eventually(() => expect(abandoned).toHaveLength(1));
    expect(attempts).toBe(retryPolicy.attempts);
    expect(abandoned).toEqual([{ kind: 'apply', apply: work.apply, reason: 'unexpected-error' }]);
    await eventually(async () => {
      await stage().queues.enqueueApply(work);
      expect(attempts).toBeGreaterThan(retryPolicy.attempts);
    });
  });
}

/** Nobody has more than a share of a worker's slots while others wait. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { SyncRequest } from '../../jobs/handlers/sync.ts';
import type { QueuedRun } from '../../jobs/queue.ts';
import type { WorkerDeps } from '../../jobs/worker.ts';
import { aGate, aRun, eventually, finished, type Stage } from './stage.ts';

const times = (count: number) => Array.from({ length: count }, () => aRun());

/** Whose each connection is, told to the worker as the database would. */
class Customers {
  readonly #of = new Map<string, string>();

  give(who: string, runs: readonly QueuedRun[]): readonly QueuedRun[] {
    for (const { connection } of runs) this.#of.set(connection, who);
    return runs;
  }

  of(connection: string): string {
    return this.#of.get(connection) ?? 'nobody';
  }

  readonly whoseOf: WorkerDeps['whoseOf'] = async (work) =>
    work.kind === 'run' ? [this.of(work.connection)] : [];
}

export function isFair(stage: () => Stage): void {
  it.each([1, 2, 4])(
    'with %i slots lets no one have more than its share while others wait, and then all',
    async (slots) => {
      const customers = new Customers();
      const huge = customers.give('huge', times(30));
      const others = Array.from({ length: 8 }, (_, at) => customers.give(`small ${at}`, times(2))).flat();
      for (const work of [...huge, ...others]) await stage().queues.enqueueRun(work);
      const started: string[] = [];
      const running = new Map<string, number>();
      let most = { whileOthersWait: 0, atAll: 0 };
      const waiting = new Set(others.map(({ run }) => run as string));
      await stage().worker({
        concurrency: slots,
        whoseOf: customers.whoseOf,
        syncConnection: async ({ connection, run = '' }) => {
          const who = customers.of(connection);
          started.push(who);
          waiting.delete(run);
          const now = (running.get(who) ?? 0) + 1;
          running.set(who, now);
          if (who === 'huge') {
            most = {
              whileOthersWait: Math.max(most.whileOthersWait, waiting.size > 0 ? now : 0),
              atAll: Math.max(most.atAll, now),
            };
          }
          await sleep(20);
          running.set(who, (running.get(who) ?? 1) - 1);
          return finished;
        },
      });
      await eventually(() => expect(started).toHaveLength(huge.length + others.length));
      expect(most).toEqual({ whileOthersWait: Math.max(1, slots / 2), atAll: slots });
      // The thirty came first, and yet everybody else has had a turn before a third of them.
      const last = Math.max(...Array.from({ length: 8 }, (_, at) => started.indexOf(`small ${at}`)));
      expect(started.slice(0, last).filter((who) => who === 'huge').length).toBeLessThan(10);
    },
  );

  it('makes room when somebody comes: of those beyond the share, the last that began steps back, and goes on later', async () => {
    const customers = new Customers();
    const huge = customers.give('huge', times(4));
    const [small] = customers.give('small', times(1));
    const began: SyncRequest[] = [];
    const gate = aGate();
    await stage().worker({
      concurrency: 4,
      whoseOf: customers.whoseOf,
      syncConnection: async (request) => {
        began.push(request);
        if (request.run === small?.run) return finished;
        const stopped = new Promise((_, stop) => {
          request.signal.addEventListener('abort', () => stop(request.signal.reason));
        });
        await Promise.race([gate.promise, stopped]);
        return finished;
      },
    });
    for (const work of huge) await stage().queues.enqueueRun(work);
    await eventually(() => expect(began).toHaveLength(4));
    for (const work of [small]) if (work !== undefined) await stage().queues.enqueueRun(work);
    await eventually(() => expect(began.map(({ run }) => run)).toContain(small?.run));
    expect(began.filter(({ signal }) => signal.aborted).map(({ run }) => run)).toEqual([began[3]?.run]);
    expect(stage().count('job.stepped-back')).toBe(1);
    gate.resolve();
    await eventually(() => expect(began.filter(({ run }) => run === began[3]?.run)).toHaveLength(2));
    expect(new Set(began.map(({ attempt }) => attempt))).toEqual(new Set([1]));
    expect(stage().count('job.retried')).toBe(0);
  });

  it('lets a run step back only as long as it can be gone on with, counted from its first beginning', async () => {
    const customers = new Customers();
    const huge = customers.give('huge', times(4));
    const [small] = customers.give('small', times(1));
    const old = new Set<string>();
    const began: SyncRequest[] = [];
    const gate = aGate();
    await stage().worker({
      concurrency: 4,
      whoseOf: customers.whoseOf,
      begunAt: async (work) => {
        const isOld = work.kind === 'run' && old.has(work.connection);
        return new Date(Date.now() - (isOld ? 31 : 29) * 60_000);
      },
      syncConnection: async (request) => {
        began.push(request);
        if (request.run === small?.run) return finished;
        const stopped = new Promise((_, stop) => {
          request.signal.addEventListener('abort', () => stop(request.signal.reason));
        });
        await Promise.race([gate.promise, stopped]);
        return finished;
      },
    });
    for (const work of huge) await stage().queues.enqueueRun(work);
    await eventually(() => expect(began).toHaveLength(4));
    for (const { connection } of [began[3], began[2]].flatMap((one) => one ?? [])) old.add(connection);
    for (const work of [small]) if (work !== undefined) await stage().queues.enqueueRun(work);
    await eventually(() => expect(began.map(({ run }) => run)).toContain(small?.run));
    expect(began.filter(({ signal }) => signal.aborted).map(({ run }) => run)).toEqual([began[1]?.run]);
    gate.resolve();
    await eventually(() => expect(began.filter(({ run }) => run === began[1]?.run)).toHaveLength(2));
  });

  it('takes up what a worker had put back that is gone, however many others come', async () => {
    const customers = new Customers();
    const [first, second] = customers.give('huge', times(2));
    const [other] = customers.give('other', times(1));
    const began: unknown[] = [];
    const hanging = async ({ run, signal }: SyncRequest) => {
      began.push(run);
      return await new Promise<never>((_, stop) => {
        signal.addEventListener('abort', () => stop(signal.reason));
      });
    };
    const deps = { concurrency: 2, whoseOf: customers.whoseOf, syncConnection: hanging };
    for (const work of [first, second, other]) if (work !== undefined) await stage().queues.enqueueRun(work);
    const gone = await stage().worker(deps, { grace: 0 });
    await eventually(() => expect(began).toEqual([first?.run, other?.run]));
    await gone.close();
    const done: unknown[] = [];
    await stage().worker(
      {
        concurrency: 1,
        whoseOf: customers.whoseOf,
        syncConnection: async ({ run }) => {
          done.push(run);
          if (done.includes(second?.run)) return finished;
          for (const next of customers.give(`another ${done.length}`, times(1)))
            await stage().queues.enqueueRun(next);
          return finished;
        },
      },
      { forgotten: 200 },
    );
    await eventually(() => expect(done).toContain(second?.run));
  });
}

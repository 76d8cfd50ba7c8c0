/** Several workers, and the end of one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import type { JobsBackend } from '../../jobs/backend.ts';
import type { SyncRequest } from '../../jobs/handlers/sync.ts';
import { retryPolicy } from '../../jobs/queue.ts';
import type { Abandoned } from '../../jobs/worker.ts';
import { aConnection, aGate, aRun, busy, eventually, finished, finishing, type Stage } from './stage.ts';

const forever = () => new Promise<never>(() => {});
const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_, aborted) => signal.addEventListener('abort', () => aborted(signal.reason)));

function startProcess(backend: JobsBackend, how: 'hang' | 'finish'): { child: ChildProcess; said: string[] } {
  const script = fileURLToPath(new URL('./workerProcess.ts', import.meta.url));
  const child = spawn(process.execPath, [script, JSON.stringify(backend), how], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => said.push(...text.trim().split('\n')));
  return { child, said };
}

export function sharesWork(stage: () => Stage): void {
  it('gives the jobs of one queue to several workers', async () => {
    const at: string[] = [];
    const both = aGate();
    const syncAt = (place: string) => async () => {
      if (at.push(place) === 2) both.resolve();
      await both.promise; // one worker of concurrency 1 alone would wait here without end
      return finished;
    };
    await stage().worker({ syncConnection: syncAt('first') });
    await stage().worker({ syncConnection: syncAt('second') });
    await stage().queues.enqueueRun(aRun());
    await stage().queues.enqueueRun(aRun());
    await eventually(() => expect(at.toSorted()).toEqual(['first', 'second']));
  });

  it('loses none of the runs that were kept waiting, and carries out none twice', async () => {
    const runs = Array.from({ length: 30 }, () => aRun());
    const asked = new Map<unknown, number>();
    const done: unknown[] = [];
    const syncConnection = async ({ run }: SyncRequest) => {
      const times = (asked.get(run) ?? 0) + 1;
      asked.set(run, times);
      if (times <= 3) return busy;
      done.push(run);
      return finished;
    };
    await stage().worker({ syncConnection, concurrency: 3 });
    await stage().worker({ syncConnection, concurrency: 3 });
    for (const work of runs) await stage().queues.enqueueRun(work);
    await eventually(() => expect(done.length).toBeGreaterThanOrEqual(runs.length));
    expect(done.toSorted()).toEqual(runs.map(({ run }) => run).toSorted());
  });
}

export function keepsApart(stage: () => Stage): void {
  it('carries out as many jobs side by side as it may, and one that hangs delays no other', async () => {
    const gate = aGate();
    const [hanging, ...others] = [aRun(), aRun(), aRun(), aRun()];
    const done: unknown[] = [];
    let [now, most] = [0, 0];
    await stage().worker({
      concurrency: 2,
      syncConnection: async ({ run }) => {
        now++;
        most = Math.max(most, now);
        if (run === hanging.run) await gate.promise;
        done.push(run);
        now--;
        return finished;
      },
    });
    for (const work of [hanging, ...others]) await stage().queues.enqueueRun(work);
    await eventually(() => expect(done).toEqual(others.map(({ run }) => run)));
    gate.resolve();
    await eventually(() => expect(done).toContain(hanging.run));
    expect(most).toBe(2);
  });

  it('carries out two runs of one connection one after the other, each once, on two workers', async () => {
    const connection = aConnection();
    const [first, second] = [aRun(connection), aRun(connection)];
    const begun = aGate();
    let locked = false;
    let sawBusy = false;
    const done: unknown[] = [];
    const syncConnection = async ({ run }: SyncRequest) => {
      if (locked) {
        sawBusy = true;
        begun.resolve();
        return busy;
      }
      locked = true;
      await begun.promise; // until the other worker has found the connection busy
      done.push(run);
      locked = false;
      return finished;
    };
    await stage().worker({ syncConnection });
    await stage().worker({ syncConnection });
    await stage().queues.enqueueRun(first);
    await stage().queues.enqueueRun(second);
    await eventually(() => expect(done.toSorted()).toEqual([first.run, second.run].toSorted()));
    expect(sawBusy).toBe(true);
  });
}

export function ends(stage: () => Stage): void {
  it('waits at the end for what runs, and takes nothing new', async () => {
    const [running, waiting] = [aRun(), aRun()];
    const gate = aGate();
    const runs: unknown[] = [];
    let isClosed = false;
    const worker = await stage().worker({
      syncConnection: async ({ run, signal }) => {
        runs.push(run);
        await gate.promise;
        runs.push(signal.aborted);
        return finished;
      },
    });
    await stage().queues.enqueueRun(running);
    await stage().queues.enqueueRun(waiting);
    await eventually(() => expect(runs).toEqual([running.run]));
    const closing = worker.close().then(() => {
      isClosed = true;
    });
    await stage().queues.ping();
    expect(isClosed).toBe(false);
    gate.resolve();
    await closing;
    expect(runs).toEqual([running.run, false]);
  });

  it('aborts after the grace period what still runs, and another worker takes it at once', async () => {
    const taken: number[] = [];
    const worker = await stage().worker(
      {
        syncConnection: async ({ signal }) => {
          taken.push(0);
          return untilAborted(signal);
        },
      },
      { grace: 50, lock: 60_000 }, // so long a lock, that only a job given back can be taken
    );
    await stage().queues.enqueueRun(aRun());
    await eventually(() => expect(taken).toEqual([0]));
    await worker.close();
    await stage().worker({ syncConnection: finishing(({ attempt }) => taken.push(attempt)) });
    await eventually(() => expect(taken).toEqual([0, 1]));
  });

  it('ends although a job does not stop, which another worker then takes over', async () => {
    const runs: unknown[] = [];
    const stubborn = async ({ run }: SyncRequest) => {
      runs.push(run);
      return forever();
    };
    const worker = await stage().worker({ syncConnection: stubborn }, { grace: 0, stop: 0 });
    const work = aRun();
    await stage().queues.enqueueRun(work);
    await eventually(() => expect(runs).toHaveLength(1));
    await worker.close();
    await stage().worker({ syncConnection: finishing(({ run }) => runs.push(run)) });
    await eventually(() => expect(runs).toEqual([work.run, work.run]));
  });
}

export function isReplaced(stage: () => Stage): void {
  it('gives the job of a killed process to another worker', async () => {
    const work = aRun();
    const { child, said } = startProcess(stage().place.backend, 'hang');
    await stage().queues.enqueueRun(work);
    await eventually(() => expect(said).toEqual([`running ${work.run}`]));
    child.kill('SIGKILL');
    await once(child, 'exit');
    const requests: SyncRequest[] = [];
    await stage().worker({ syncConnection: finishing((request) => requests.push(request)) });
    const { run, connection } = work;
    await eventually(() => expect(requests).toMatchObject([{ run, connection, attempt: 1 }]));
  });

  it('gives up a job that its workers do not survive', async () => {
    const work = aRun();
    const abandoned: (Abandoned & { reason: string })[] = [];
    let starts = 0;
    await stage().queues.enqueueRun(work);
    while (abandoned.length === 0) {
      const before = starts;
      const dying = await stage().worker(
        {
          syncConnection: async () => {
            starts++;
            return forever();
          },
          abandon: async (lost, reason) => void abandoned.push({ ...lost, reason }),
        },
        { grace: 0, stop: 0, lock: 200, stalledCheck: 100 },
      );
      await eventually(() => expect(starts > before || abandoned.length > 0).toBe(true));
      await dying.close(); // leaves the job as it is, like a process that dies
    }
    expect(starts).toBe(1 + retryPolicy.stalls);
    const { run, connection } = work;
    expect(abandoned).toEqual([{ kind: 'run', run, connection, reason: 'worker-killed' }]);
  });

  it('leaves nothing open: its process ends by itself', async () => {
    const work = aRun();
    await stage().queues.enqueueRun(work);
    const { child, said } = startProcess(stage().place.backend, 'finish');
    const [code] = await once(child, 'exit');
    expect(code).toBe(0);
    expect(said).toEqual([`running ${work.run}`, `done ${work.run}`]);
  });
}

/** Schedules, housekeeping, and a backend that fails. */
import { expect, it } from 'vitest';
import type { SyncRequest } from '../../jobs/handlers/sync.ts';
import { startHousekeeping } from '../../jobs/housekeeping.ts';
import { jobIds, openQueues, type QueuedRun, type ScheduledConnection } from '../../jobs/queue.ts';
import { openWorker } from '../../jobs/worker.ts';
import { nextStart, startTimesOf } from '../../src/sync/startTimes.ts';
import { anApply, aRun, aSchedule, eventually, finished, finishing, type Stage } from './stage.ts';

const nextTime = async ({ queues }: Stage, { id }: ScheduledConnection) =>
  (await queues.nextStart(id))?.toISOString().slice(11, 16) ?? null;

export function keepsSchedules(stage: () => Stage): void {
  it('starts a connection again and again', async () => {
    const requests: SyncRequest[] = [];
    await stage().worker({ syncConnection: finishing((request) => requests.push(request)) });
    const scheduled = aSchedule('* * * * * *');
    await stage().queues.reconcileSchedules([scheduled]);
    await eventually(() => expect(requests.length).toBeGreaterThanOrEqual(3));
    for (const request of requests)
      expect(request).toMatchObject({ connection: scheduled.id, trigger: 'schedule', attempt: 1 });
    expect(requests.some((request) => 'run' in request)).toBe(false);
  });

  it('reads a schedule in its time zone', async () => {
    const [utc, tokyo, kolkata] = ['UTC', 'Asia/Tokyo', 'Asia/Kolkata'].map((zone) =>
      aSchedule('0 0 9 * * *', zone),
    ) as [ScheduledConnection, ScheduledConnection, ScheduledConnection];
    await stage().queues.reconcileSchedules([utc, tokyo, kolkata]);
    expect([
      await nextTime(stage(), utc),
      await nextTime(stage(), tokyo),
      await nextTime(stage(), kolkata),
    ]).toEqual(['09:00', '00:00', '03:30']);
  });

  it('starts each connection somewhat later than its schedule says, always by as much, and as it is previewed', async () => {
    const all = Array.from({ length: 8 }, () => aSchedule('0 * * * *'));
    const timesOf = startTimesOf();
    const previewed = all.map(({ id, schedule, timeZone }) => {
      const times = timesOf(id, schedule ?? '', timeZone);
      return times === null ? null : nextStart(times, Date.now());
    });
    const starts = () =>
      Promise.all(all.map(async ({ id }) => (await stage().queues.nextStart(id))?.getTime() ?? null));
    await stage().queues.reconcileSchedules(all);
    expect(await starts()).toEqual(previewed);
    expect(new Set(previewed).size).toBeGreaterThan(4);
    await stage().queues.reconcileSchedules([]);
    await stage().queues.reconcileSchedules(all);
    expect(await starts()).toEqual(previewed);
    expect(stage().count('schedule.set')).toBe(16);
  });
}

export function followsConnections(stage: () => Stage): void {
  it('follows a changed schedule and a changed time zone, and touches nothing else', async () => {
    const [changing, staying] = [aSchedule('0 0 9 * * *'), aSchedule('0 0 9 * * *')];
    await stage().queues.reconcileSchedules([changing, staying]);
    await stage().queues.reconcileSchedules([changing, staying]);
    expect(stage().count('schedule.set')).toBe(2);
    await stage().queues.reconcileSchedules([{ ...changing, schedule: '0 30 17 * * *' }, staying]);
    expect(await nextTime(stage(), changing)).toBe('17:30');
    await stage().queues.reconcileSchedules([{ ...changing, timeZone: 'Asia/Tokyo' }, staying]);
    expect(await nextTime(stage(), changing)).toBe('00:00');
    expect(stage().count('schedule.set')).toBe(4);
  });

  it.each([
    ['was removed', () => []],
    ['is paused', (was: ScheduledConnection) => [{ ...was, state: 'paused' }]],
    ['has no schedule any more', (was: ScheduledConnection) => [{ ...was, schedule: null }]],
  ])('starts nothing for a connection that %s', async (_, now) => {
    const [going, staying] = [aSchedule('0 0 9 * * *'), aSchedule('0 0 9 * * *')];
    await stage().queues.reconcileSchedules([going, staying]);
    await stage().queues.reconcileSchedules([...now(going), staying]);
    expect([await nextTime(stage(), going), await nextTime(stage(), staying)]).toEqual([null, '09:00']);
    expect(stage().count('schedule.removed')).toBe(1);
  });

  it('leaves out a schedule that cannot be read, and sets the others', async () => {
    const unreadable = [aSchedule('at tea time'), aSchedule('0 9 * * *', 'Asia/Nowhere')];
    const sound = aSchedule('0 0 9 * * *');
    await stage().queues.reconcileSchedules([...unreadable, sound]);
    expect(await nextTime(stage(), sound)).toBe('09:00');
    expect(stage().count('schedule.refused')).toBe(2);
  });

  it('begins a schedule again whose next job was lost', async () => {
    const scheduled = aSchedule('0 9 * * *');
    await stage().queues.reconcileSchedules([scheduled]);
    const before = await stage().queues.nextStart(scheduled.id);
    await stage().place.loseNextJobOf(jobIds.schedule(scheduled.id));
    expect(await stage().queues.nextStart(scheduled.id)).not.toEqual(before);
    await stage().queues.reconcileSchedules([scheduled]);
    expect(await stage().queues.nextStart(scheduled.id)).toEqual(before);
  });
}

const housekeeping = (
  stage: Stage,
  runs: () => Promise<readonly QueuedRun[]>,
  connections: () => Promise<readonly ScheduledConnection[]> = async () => [],
  deletedTenants: (signal: AbortSignal) => Promise<void> = async () => {},
) =>
  stage.closing(
    startHousekeeping({
      queues: stage.queues,
      connectionsWithSchedules: connections,
      unfinishedWork: async () => ({ runs: await runs(), applies: [] }),
      openChangesAgain: async () => 0,
      purgedUsers: async () => {},
      advanceApplies: async () => 0,
      renewSigningKeys: async () => false,
      deletedTenants,
      checkedDomains: async () => 0,
      notifications: async () => ({ sent: 0, failed: 0, later: 0 }),
      log: stage.log,
    }),
  );

export function keepsHouse(stage: () => Stage): void {
  it('makes jobs anew for recorded work when the queues were emptied, and none where there is one', async () => {
    const [scheduled, work, apply] = [aSchedule('0 9 * * *'), aRun(), anApply()];
    await stage().queues.reconcileSchedules([scheduled]);
    await stage().queues.enqueueRun(work);
    await stage().place.empty();
    const unfinished = { runs: [work], applies: [apply] };
    await stage().queues.reconcileSchedules([scheduled]);
    expect(await stage().queues.restore(unfinished)).toBe(2);
    expect(await stage().queues.restore(unfinished)).toBe(0);
    expect(await stage().queues.nextStart(scheduled.id)).not.toBeNull();
    const done: unknown[] = [];
    await stage().worker({
      syncConnection: finishing(({ run }) => done.push(run)),
      carryOutApply: async (request) => done.push(request.apply),
    });
    await eventually(() => expect(new Set(done)).toEqual(new Set([work.run, apply.apply])));
  });

  it('does one part of the housekeeping when the other fails', async () => {
    const work = aRun();
    const keeping = housekeeping(
      stage(),
      async () => [work],
      async () => Promise.reject(new Error('the database is away')),
    );
    await keeping.tidy();
    expect(stage().logged).toContainEqual(
      expect.objectContaining({ event: 'housekeeping.failed', part: 'schedules' }),
    );
    expect(stage().count('housekeeping.restored')).toBe(1);
  });

  it('does not begin a round of housekeeping while one is under way', async () => {
    const gate = Promise.withResolvers<readonly QueuedRun[]>();
    let rounds = 0;
    const keeping = housekeeping(stage(), () => {
      rounds++;
      return gate.promise;
    });
    const asked = [keeping.tidy(), keeping.tidy()];
    await eventually(() => expect(rounds).toBe(1));
    gate.resolve([]);
    await Promise.all(asked);
    await keeping.tidy();
    expect(rounds).toBe(2);
  });

  it('goes on looking after the queues while deleted tenants are emptied, which ends when it is closed', async () => {
    let rounds = 0;
    const removing: AbortSignal[] = [];
    const keeping = housekeeping(
      stage(),
      async () => {
        rounds++;
        return [];
      },
      async () => [],
      (signal) => {
        removing.push(signal);
        return new Promise((_, ended) => {
          signal.addEventListener('abort', () => ended(signal.reason));
        });
      },
    );
    await eventually(() => {
      void keeping.tidy();
      expect(rounds).toBeGreaterThan(2);
    });
    expect(removing).toHaveLength(1);
    await keeping.close();
    expect(removing[0]?.aborted).toBe(true);
    expect(stage().count('housekeeping.failed')).toBe(0);
  });

  it('waits at the end for the housekeeping under way', async () => {
    const gate = Promise.withResolvers<readonly QueuedRun[]>();
    const keeping = housekeeping(stage(), () => gate.promise);
    const order: string[] = [];
    const closing = keeping.close().then(() => order.push('closed'));
    await stage().queues.ping();
    order.push('looked up');
    gate.resolve([]);
    await closing;
    expect(order).toEqual(['looked up', 'closed']);
  });
}

export function survivesItsBackend(stage: () => Stage): void {
  it('carries on when its connections were cut', async () => {
    const runs: unknown[] = [];
    await stage().worker({ syncConnection: finishing(({ run }) => runs.push(run)) });
    const [before, after] = [aRun(), aRun()];
    await stage().queues.enqueueRun(before);
    await eventually(() => expect(runs).toHaveLength(1));
    await stage().place.interrupt();
    await eventually(() => stage().queues.enqueueRun(after));
    await eventually(() => expect(runs).toEqual([before.run, after.run]));
  });

  it('ends, and does not crash, when the backend is away for good', async () => {
    const worker = await stage().worker({}, { grace: 300 });
    await stage().place.vanish();
    await eventually(() => expect(stage().count('worker.error')).toBeGreaterThan(0));
    await worker.close();
    await stage().queues.close();
    expect(stage().count('worker.left-jobs')).toBe(0);
  });

  it('says what is wrong, without the password, when the backend is away', async () => {
    const { backend, password } = stage().place;
    await stage().queues.ping();
    await stage().place.vanish();
    const unreachable = expect.objectContaining({
      name: 'Problem',
      code: expect.stringMatching(/^(database|queue)-unreachable$/),
      message: expect.not.stringContaining(password),
      remedy: expect.stringMatching(/REDIS_URL|DATABASE_URL/),
    });
    const { log, queues } = stage();
    const deps = { syncConnection: async () => finished, carryOutApply: async () => {} };
    await expect(queues.ping()).rejects.toEqual(unreachable);
    await expect(queues.enqueueRun(aRun())).rejects.toEqual(unreachable);
    await expect(openQueues({ ...backend, log })).rejects.toEqual(unreachable);
    const opening = openWorker(backend, {
      ...deps,
      abandon: async () => {},
      whoseOf: async () => [],
      begunAt: async () => null,
      log,
      concurrency: 1,
    });
    await expect(opening).rejects.toEqual(unreachable);
  });
}

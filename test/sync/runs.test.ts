import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApply } from '../../src/review/apply.ts';
import { getRun, listRuns, requestRun } from '../../src/sync/runs.ts';
import { updateConnection } from '../../src/tenancy/connections.ts';
import { aCompleteSnapshot } from '../support/builders.ts';
import { costOf } from '../support/cost.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory } from '../support/directory.ts';
import { type Connected, Install, noGuards } from '../support/install.ts';
import { auditOf } from '../support/tenancy.ts';
import { until, untilWaiting } from '../support/waiting.ts';

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const connected = (pageSize = 2) => install.connect({ directory: aDirectory({ users: 6, pageSize }) });

/** A page of users that is given when the test says so. */
function gate(acme: Connected, page: number) {
  const reached = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  let first = true;
  acme.directory.faults = {
    beforePage: async (list, at) => {
      if (list !== 'users' || at !== page || !first) return;
      first = false;
      reached.resolve();
      await opened.promise;
    },
  };
  return { reached: reached.promise, open: opened.resolve };
}

/** As when the network between a worker and the database breaks: the worker lives on, and its lock is gone. */
async function loseLocks(): Promise<void> {
  await asOwner(install.database.url, async (client) => {
    const { rows } = await client.query<{ pid: number }>(
      `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = 7271
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    );
    expect(rows).toHaveLength(1);
    await client.query('SELECT pg_terminate_backend($1, 5000)', [rows[0]?.pid]);
  });
}

describe('Runs of one connection', () => {
  it('never overlap: whoever comes second is told that it is busy, and reads nothing', async () => {
    const acme = await connected();
    const { reached, open } = gate(acme, 2);
    const first = acme.sync();
    await reached;
    const requests = acme.directory.requests.length;
    expect(await acme.sync()).toEqual({ result: 'busy' });
    expect(acme.directory.requests).toHaveLength(requests);
    open();
    expect(await first).toMatchObject({ result: 'finished' });
    expect((await listRuns(install, acme.administrator, {})).items).toHaveLength(1);
  });

  it('do not keep those of another connection waiting', async () => {
    const [slow, other] = [await connected(), await connected()];
    const { reached, open } = gate(slow, 2);
    const hanging = slow.sync();
    await reached;
    expect(await other.sync()).toMatchObject({ result: 'finished', snapshot: 'complete' });
    open();
    await hanging;
  });

  it('are over for a worker whose run another one has taken: it stores nothing more', async () => {
    const acme = await connected();
    const { reached, open } = gate(acme, 3);
    const first = acme.sync();
    first.catch(() => {});
    await reached;
    await loseLocks();
    acme.directory.edit('u6', { displayName: 'As the second worker saw it' });
    const second = await acme.sync();
    expect(second).toMatchObject({ result: 'finished', snapshot: 'complete' });
    const stored = await acme.live();
    open();
    await expect(first).rejects.toMatchObject({ name: 'RunTakenOver' });
    expect(await acme.live()).toEqual(stored);
    const { items } = await listRuns(install, acme.administrator, {});
    expect(items).toMatchObject([{ state: 'finished', pages: 4, users: 6 }]);
  });

  it('are not finished, failed, started over or planned by a worker that has lost them', async () => {
    const acme = await connected();
    const { runs, staging, planning } = install.store;
    const work = { connection: acme.connection, tenant: acme.tenant };
    const reading = {
      mapping: (await readingOfStored(acme)).mapping,
      readingFingerprint: 'the same',
      full: true,
      users: null,
    };
    const how = { wanted: null, trigger: 'demand' as const, requestedBy: 'test', at: install.clock.now() };
    const lost = await runs.take(work, reading, how);
    const taken = await runs.take(work, reading, how);
    if (lost === null || taken === null) throw new Error('there is a run to take');
    expect(taken).toMatchObject({ resumed: true, run: { id: lost.run.id } });
    const failure = { kind: 'unavailable', message: 'gone', remedy: 'wait' };
    const next = { phase: 'users' as const, cursor: null };
    const noUsage = { requests: 0, retries: 0, throttled: 0, waitedMs: 0, bytes: 0 };
    const nobody = [{ users: [], anew: () => [], nameless: 0, next }];
    const attempts = [
      () => staging.stageUsers(lost.run, nobody),
      () => staging.stageGroups(lost.run, [], [], 0, next),
      () => staging.discard(lost.run),
      () => runs.concludePull(lost.run, aCompleteSnapshot(0), null, noUsage),
      () => runs.fail(lost.run, failure, install.clock.now()),
      () => planning.inPlan(lost.run, async () => 'planned'),
    ];
    for (const attempt of attempts) await expect(attempt()).rejects.toMatchObject({ name: 'RunTakenOver' });
    await staging.stageUsers(taken.run, nobody);
    expect(await getRun(install, acme.administrator, taken.run.id)).toMatchObject({
      state: 'pulling',
      pages: 1,
    });
  });
});

async function readingOfStored(acme: Connected) {
  const connection = await install.store.connections.get(acme.tenant, acme.connection);
  if (connection === null) throw new Error('the connection is there');
  return connection;
}

describe('A run that was asked for', () => {
  it('waits once, however often it is asked for, and is the one that is carried out', async () => {
    const acme = await connected();
    const request = { connection: acme.connection };
    const first = await requestRun(install, acme.administrator, request);
    expect(await requestRun(install, acme.administrator, request)).toEqual({ run: first.run, already: true });
    expect(await acme.sync({ run: first.run })).toMatchObject({ result: 'finished', run: first.run });
    expect(await acme.sync({ run: first.run })).toEqual({ result: 'done-before', run: first.run });
    const { items } = await listRuns(install, acme.administrator, {});
    expect(items).toMatchObject([{ id: first.run, requestedBy: acme.administrator.actor.name }]);
  });

  it('is kept while one is under way, and comes after it', async () => {
    const acme = await connected();
    const { reached, open } = gate(acme, 2);
    const first = acme.sync();
    await reached;
    const { run, already } = await requestRun(install, acme.administrator, { connection: acme.connection });
    expect(already).toBe(false);
    open();
    expect(await first).not.toMatchObject({ run });
    expect(await acme.sync({ run })).toMatchObject({ result: 'finished', run });
  });

  it('and finished is in the audit log with what it found, by connection and count', async () => {
    const acme = await connected();
    await acme.sync();
    expect((await auditOf(install.database.url, acme.tenant)).at(-1)).toMatchObject({
      actor: { kind: 'system' },
      action: 'plan.stored',
      details: { connection: acme.connection, revision: 1, counts: { new: 6 } },
    });
  });
});

describe('Work that nobody does', () => {
  it('is found: queued runs and those whose process has gone, not those under way', async () => {
    const [queued, dead, alive] = [await connected(), await connected(), await connected()];
    await requestRun(install, queued.administrator, { connection: queued.connection });
    const stop = new AbortController();
    const stopped = dead.sync({ signal: stop.signal, onProgress: () => stop.abort(new Error('stopped')) });
    await expect(stopped).rejects.toThrow('stopped');
    const { reached, open } = gate(alive, 2);
    const running = alive.sync();
    await reached;
    const found = (await install.store.runs.unfinished()).map(({ connection }) => connection);
    expect(found).toEqual(expect.arrayContaining([queued.connection, dead.connection]));
    expect(found).not.toContain(alive.connection);
    open();
    await running;
    await dead.sync();
    const left = (await install.store.runs.unfinished()).map(({ connection }) => connection);
    expect(left).not.toContain(dead.connection);
  });
});

/** Begun, and stopped after a page of users. */
async function interrupted(): Promise<Connected> {
  const acme = await connected();
  const stop = new AbortController();
  const stopped = acme.sync({
    signal: stop.signal,
    onProgress: ({ phase, users }) => phase === 'users' && users >= 2 && stop.abort(new Error('stopped')),
  });
  await expect(stopped).rejects.toThrow('stopped');
  return acme;
}

const MINUTE_MS = 60_000;

describe('A run that was left unfinished', () => {
  it('is gone on with for an hour', async () => {
    const acme = await interrupted();
    install.clock.advance(60 * MINUTE_MS);
    expect(await acme.sync()).toMatchObject({ result: 'finished', snapshot: 'complete' });
    expect((await listRuns(install, acme.administrator, {})).items).toMatchObject([{ state: 'finished' }]);
  });

  it('after that is no picture of one directory: it fails, and a new one reads from the beginning', async () => {
    const acme = await interrupted();
    acme.directory.edit('u1', { displayName: 'Edited meanwhile' });
    install.clock.advance(60 * MINUTE_MS + 1);
    const before = acme.directory.requests.length;
    expect(await acme.sync()).toMatchObject({ result: 'finished', snapshot: 'complete' });
    const pages = acme.directory.requests.slice(before).filter(({ list }) => list === 'users');
    expect(pages.map(({ page }) => page)).toEqual([1, 2, 3]);
    const { items } = await listRuns(install, acme.administrator, {});
    expect(items).toMatchObject([
      { state: 'finished', users: 6 },
      { state: 'failed', failure: { kind: 'too-old', remedy: expect.stringContaining('Nothing') } },
    ]);
    expect((await acme.changeOf('u1')).after).toMatchObject({ fields: { displayName: 'Edited meanwhile' } });
  });

  it.each(['queued', 'pulling', 'planning'] as const)(
    'and is given up fails, where it was %s',
    async (state) => {
      const acme = state === 'queued' ? await connected() : await interrupted();
      if (state === 'queued') await requestRun(install, acme.administrator, { connection: acme.connection });
      await asOwner(install.database.url, (client) =>
        client.query('UPDATE sync_run SET state = $2 WHERE connection_id = $1', [acme.connection, state]),
      );
      const work = (await install.store.runs.unfinished()).find((one) => one.connection === acme.connection);
      if (work === undefined) throw new Error('a run is left');
      const failure = { kind: 'worker-killed', message: 'gave up', remedy: 'look' };
      await install.store.runs.abandon(work, failure, install.clock.now());
      const ended = await getRun(install, acme.administrator, work.run);
      expect(ended).toMatchObject({
        state: 'failed',
        failure,
        finishedAt: install.clock.now().toISOString(),
      });
      expect(await acme.pending()).toEqual([]);
      expect(await acme.sync()).toMatchObject({ result: 'finished', snapshot: 'complete' });
      await install.store.runs.abandon(work, { ...failure, kind: 'again' }, install.clock.now());
      expect(await getRun(install, acme.administrator, work.run)).toEqual(ended);
    },
  );

  it('and whose rows are gone is partial: what is missing was not absent', async () => {
    const acme = await connected();
    await acme.syncAndApply();
    acme.directory.faults = {
      beforePage: async (list, page) => {
        if (list !== 'users' || page !== 3) return;
        const gone = `DELETE FROM staged_user WHERE external_id = 'u1' AND run_id IN
                        (SELECT id FROM sync_run WHERE connection_id = $1 AND state = 'pulling')`;
        const deleted = () =>
          asOwner(install.database.url, (client) => client.query(gone, [acme.connection]));
        await until('the first page is stored', async () => (await deleted()).rowCount === 1);
      },
    };
    expect(await acme.sync()).toMatchObject({ snapshot: 'partial', partialReason: 'rows-missing' });
    expect(await acme.pending()).toEqual([]);
  });
});

describe('A connection that is paused', () => {
  const paused = async () => {
    const acme = await connected();
    await acme.sync();
    await acme.approveAll();
    await setState(acme, 'paused');
    return acme;
  };
  const setState = (acme: Connected, state: 'active' | 'paused') =>
    updateConnection(install, acme.administrator, { connection: acme.connection, state });
  const refusal = {
    code: 'not-allowed-now',
    remedy: expect.stringMatching(/connections update \S+ --resume/),
  };

  it('refuses runs, and one that comes all the same fails before it asks anything of the provider', async () => {
    const acme = await paused();
    await expect(
      requestRun(install, acme.administrator, { connection: acme.connection }),
    ).rejects.toMatchObject(refusal);
    const requests = acme.directory.requests.length;
    expect(await acme.sync({ trigger: 'schedule' })).toMatchObject({
      result: 'failed',
      failure: { kind: 'not-allowed-now' },
    });
    expect(acme.directory.requests).toHaveLength(requests);
    expect(await acme.inState('approved')).toHaveLength(6);
  });

  it('refuses applies, and carries out what was approved once it is active again', async () => {
    const acme = await paused();
    await expect(
      startApply(install, acme.administrator, { connection: acme.connection }),
    ).rejects.toMatchObject(refusal);
    expect(await acme.users()).toEqual([]);
    await setState(acme, 'active');
    expect(await acme.apply()).toMatchObject({ applied: 6 });
  });
});

describe('What a connection costs', () => {
  const PAGE = 100;

  /** What becomes of so many people: their first run, its approval and apply, a full run after one in a hundred has changed. */
  async function costsOf(count: number) {
    const { url } = install.database;
    const members = Array.from({ length: count / 2 }, (_, at) => `u${2 * at + 1}`);
    const directory = aDirectory({
      users: count,
      groups: [{ id: 'g', members }],
      pageSize: PAGE,
      hasFeed: true,
    });
    const mapping = { roles: [{ group: 'g', role: 'engineer' }], everyone: ['member'] };
    const acme = await install.connect({ directory, mapping, guards: noGuards });
    const first = await costOf(url, () => acme.sync());
    const approval = await costOf(url, () => acme.approveAll());
    const apply = await costOf(url, async () => expect(await acme.apply()).toMatchObject({ applied: count }));
    for (let at = 1; at <= count / 100; at++) directory.edit(`u${at}`, { displayName: 'Edited' });
    const full = await costOf(url, () => acme.sync({ full: true }));
    directory.edit('u1', { displayName: 'Edited again' });
    const delta = await costOf(url, async () => expect(await acme.sync()).toMatchObject({ kind: 'delta' }));
    expect(await acme.pending()).toHaveLength(count / 100);
    return { parts: { first, approval, apply, full }, delta, requests: directory.requests.length };
  }

  it('grows no more than its people do; sessions, and what is in memory of an answer, do not grow, nor does a delta', async () => {
    const [few, many] = [400, 4_800];
    const small = await costsOf(few);
    const large = await costsOf(many);
    const times = many / few;
    for (const part of ['first', 'approval', 'apply', 'full'] as const) {
      const [less, more] = [small.parts[part], large.parts[part]];
      expect(more.rowsRead / less.rowsRead, part).toBeLessThan(4 * times); // squared it would be 144 times; which way PostgreSQL goes hangs on its statistics
      expect(more.statements / less.statements, part).toBeLessThan(times / 2);
      expect(more.mostRows, part).toBeLessThanOrEqual(1_000);
      expect(more.sessions, part).toBeLessThanOrEqual(5);
    }
    expect(large.delta.statements).toBeLessThan(small.delta.statements + 20);
    expect(large.delta.rowsRead).toBeLessThan(small.delta.rowsRead + many / 2);
    expect(large.requests / small.requests).toBeLessThan(times);
  });

  it('is not read further than it can be stored: of all its people a thousand or two are in memory', async () => {
    const acme = await install.connect({ directory: aDirectory({ users: 6_000, pageSize: PAGE }) });
    await asOwner(install.database.url, async (client) => {
      await client.query('BEGIN');
      await client.query('LOCK TABLE staged_user IN SHARE MODE'); // nobody can store anybody
      const run = acme.sync();
      await untilWaiting(client, 1);
      for (let turn = 0; turn < 1_000; turn += 1) await setImmediate(); // long enough to read them all
      const asked = acme.directory.requests.filter(({ list }) => list === 'users').length;
      await client.query('COMMIT');
      expect(await run).toMatchObject({ result: 'finished', snapshot: 'complete', counts: { new: 6_000 } });
      expect(asked * PAGE).toBeGreaterThan(PAGE);
      expect(asked * PAGE).toBeLessThanOrEqual(1_500);
    });
  });
});

describe('A preview', () => {
  it('has no effect: a run writes no auth user and no event', async () => {
    const acme = await connected();
    await acme.sync();
    expect(await acme.users()).toEqual([]);
    expect(await acme.events()).toEqual([]);
  });
});

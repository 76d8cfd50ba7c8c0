import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listRuns } from '../../src/sync/runs.ts';
import { syncConnection } from '../../src/sync/sync.ts';
import {
  getConnection,
  listConnections,
  openStoredConnector,
  updateConnection,
} from '../../src/tenancy/connections.ts';
import { aDirectory, type Faults } from '../support/directory.ts';
import { type Connected, Install } from '../support/install.ts';
import { auditOf } from '../support/tenancy.ts';

const HOUR = 3_600_000;

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const down: Faults = { fails: { page: 1, kind: 'unavailable' } };
const locked: Faults = { fails: { page: 1, kind: 'credentials-rejected' } };

async function connected(schedule: string | null = null): Promise<Connected> {
  const acme = await install.connect({ directory: aDirectory({ users: 2 }) });
  await updateConnection(install, install.operator, { connection: acme.connection, schedule });
  return acme;
}

const healthOf = async (acme: Connected) =>
  (await getConnection(install, acme.administrator, acme.connection)).health;

async function failing(acme: Connected, faults: Faults, times: number): Promise<void> {
  acme.directory.faults = faults;
  for (let run = 0; run < times; run += 1) {
    expect(await acme.sync()).toMatchObject({ result: 'failed' });
    install.clock.advance(60_000);
  }
}

const told = async (acme: Connected) =>
  (await auditOf(install.database.url, acme.tenant))
    .filter(({ action }) => /quarantined|recovered/.test(action))
    .map(({ action, subject, details }) => ({ action, subject, details }));

describe('A connection', () => {
  it('is shown with its health, alone and in a list, and nobody else sees it', async () => {
    const [acme, other] = [await connected(), await connected()];
    expect(await healthOf(acme)).toMatchObject({ state: 'active', since: null, nextScheduledAt: null });
    await failing(acme, locked, 1);
    const { items } = await listConnections(install, acme.administrator);
    expect(items).toMatchObject([
      { id: acme.connection, health: { state: 'degraded', who: 'administrator' } },
    ]);
    expect((await listConnections(install, other.administrator)).items).toMatchObject([
      { health: { state: 'active' } },
    ]);
  });

  it('is degraded by a run that read only part, and active again after one that read everybody', async () => {
    const acme = await install.connect({ directory: aDirectory({ users: 4, pageSize: 2 }) });
    acme.directory.faults = { fails: { page: 2, kind: 'unexpected-response' } };
    expect(await acme.sync()).toMatchObject({ result: 'finished', snapshot: 'partial' });
    expect(await healthOf(acme)).toMatchObject({ state: 'degraded', who: 'us' });
    acme.directory.faults = {};
    await acme.sync();
    expect(await healthOf(acme)).toMatchObject({ state: 'active', because: null });
  });

  it('is quarantined after repeated failure: its schedule rests as long as it has been failing, and what a person asks for does not', async () => {
    const acme = await connected('*/5 * * * *');
    const began = install.clock.now().getTime();
    await failing(acme, down, 4);
    expect(await told(acme)).toEqual([]);
    install.clock.advance(HOUR);
    expect(await acme.sync({ trigger: 'schedule' })).toMatchObject({ result: 'failed' });
    const health = await healthOf(acme);
    const now = install.clock.now();
    expect(health).toMatchObject({ state: 'quarantined', who: 'nobody', since: now });
    expect(health?.nextScheduledAt?.getTime()).toBeGreaterThan(now.getTime() + HOUR);

    const lasted = now.getTime() - began;
    const until = new Date(now.getTime() + lasted);
    const skipped = { result: 'skipped', because: 'quarantined', until };
    expect(await acme.sync({ trigger: 'schedule' })).toEqual(skipped);
    install.clock.advance(lasted - 1);
    expect(await acme.sync({ trigger: 'schedule' })).toEqual(skipped);
    install.clock.advance(1);
    expect(await acme.sync({ trigger: 'schedule' })).toMatchObject({ result: 'failed' });
    install.clock.advance(HOUR);
    expect(await acme.sync({ trigger: 'schedule' })).toMatchObject({ result: 'skipped' });
    expect(await acme.sync()).toMatchObject({ result: 'failed' });

    acme.directory.faults = {};
    expect(await acme.sync()).toMatchObject({ result: 'finished' });
    expect(await healthOf(acme)).toMatchObject({ state: 'active' });
    expect(await acme.sync({ trigger: 'schedule' })).toMatchObject({ result: 'finished' });
    const subject = { kind: 'connection', id: acme.connection };
    expect(await told(acme)).toMatchObject([
      { action: 'connection.quarantined', subject, details: { failed: 5, kind: 'unavailable' } },
      { action: 'connection.recovered', subject, details: { failed: 7 } },
    ]);
    expect(await install.auditIsWhole()).toBe(true);
  });

  it('is quarantined sooner where only an administrator can mend it', async () => {
    const acme = await connected();
    await failing(acme, locked, 3);
    expect(await healthOf(acme)).toMatchObject({ state: 'quarantined', who: 'administrator' });
    expect(await told(acme)).toMatchObject([{ details: { failed: 3, kind: 'credentials-rejected' } }]);
  });

  it('is not blamed for runs that ended because somebody meant another', async () => {
    const acme = await connected();
    await updateConnection(install, install.operator, { connection: acme.connection, state: 'paused' });
    for (let run = 0; run < 6; run += 1) await acme.sync();
    expect(await healthOf(acme)).toMatchObject({ state: 'active' });
  });

  it('is silent when runs were due and none has ended', async () => {
    const acme = await connected('0 * * * *');
    expect(await healthOf(acme)).toMatchObject({ state: 'active' });
    install.clock.advance(4 * HOUR);
    expect(await healthOf(acme)).toMatchObject({ state: 'silent', who: 'us' });
    await acme.sync();
    expect(await healthOf(acme)).toMatchObject({ state: 'active' });
  });
});

/** `longestRunMs` as the configuration would have it. */
const syncWithin = (acme: Connected, longestRunMs: number, credentialExpiresAt: Date | null = null) =>
  syncConnection(
    {
      store: install.store,
      clock: install.clock,
      log: { info: () => {}, warn: () => {} },
      openConnector: async (id) => ({ ...(await openStoredConnector(install, id)), credentialExpiresAt }),
      longestRunMs,
    },
    {
      connection: acme.connection,
      trigger: 'schedule',
      requestedBy: 'schedule',
      signal: new AbortController().signal,
    },
  );

describe('A credential that says when it ends, and was stored before anybody asked it', () => {
  it('is asked by the next run, and by none after it', async () => {
    const acme = await connected();
    const end = async () =>
      (await install.store.connections.get(acme.tenant, acme.connection))?.credentialExpiresAt;
    expect(await end()).toBe(null);
    await syncWithin(acme, HOUR, new Date('2026-08-01T00:00:00Z'));
    expect(await end()).toEqual(new Date('2026-08-01T00:00:00Z'));
    await syncWithin(acme, HOUR, new Date('2027-08-01T00:00:00Z'));
    expect(await end()).toEqual(new Date('2026-08-01T00:00:00Z'));
  });
});

describe('A run that hangs', () => {
  it('is ended by its deadline, and the next one begins anew', async () => {
    const acme = await install.connect({ directory: aDirectory({ users: 4, pageSize: 2 }) });
    acme.directory.faults = { hangsOnPage: 2 };
    const failure = { kind: 'took-too-long', message: expect.stringContaining('hours') };
    expect(await syncWithin(acme, 300)).toMatchObject({ result: 'failed', failure });
    expect((await listRuns(install, acme.administrator, {})).items).toMatchObject([
      { state: 'failed', failure },
    ]);
    expect(await healthOf(acme)).toMatchObject({ state: 'degraded', who: 'us' });
    acme.directory.faults = {};
    expect(await syncWithin(acme, HOUR)).toMatchObject({ result: 'finished', snapshot: 'complete' });
  });

  it('is ended also where the connector does not look at its signal, and stores nothing when it wakes up', async () => {
    const acme = await install.connect({ directory: aDirectory({ users: 4, pageSize: 2 }) });
    const asleep = Promise.withResolvers<void>();
    let woken = () => {};
    const awake = new Promise<void>((resolve) => {
      woken = resolve;
    });
    acme.directory.faults = {
      beforePage: async (list, page) => {
        if (list !== 'users' || page !== 2) return;
        await asleep.promise;
        woken();
      },
    };
    expect(await syncWithin(acme, 300)).toMatchObject({
      result: 'failed',
      failure: { kind: 'took-too-long' },
    });
    asleep.resolve();
    await awake;
    acme.directory.faults = {};
    expect(await syncWithin(acme, HOUR)).toMatchObject({ result: 'finished', snapshot: 'complete' });
    expect((await listRuns(install, acme.administrator, {})).items).toMatchObject([
      { state: 'finished', users: 4 },
      { state: 'failed', users: 2 },
    ]);
  });
});

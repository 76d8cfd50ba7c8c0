/** A provider that is down, over the runs of one worker. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Breakers } from '../../connectors/breaker.ts';
import { type ConnectorDefinition, whoActs } from '../../connectors/contract.ts';
import { entraDefinition, openEntra } from '../../connectors/entra/index.ts';
import { googleDefinition, openGoogle } from '../../connectors/google/index.ts';
import { oktaDefinition, openOkta } from '../../connectors/okta/index.ts';
import { connectors } from '../../connectors/registry.ts';
import { openScim, scimDefinition } from '../../connectors/scim/index.ts';
import type { SessionTuning } from '../../connectors/session.ts';
import { REQUEST_CLASSES } from '../../simulators/protocol.ts';
import { type Simulator, startSimulator } from '../../simulators/start.ts';
import type { ConnectionId } from '../../src/domain/ids.ts';
import { syncConnection } from '../../src/sync/sync.ts';
import { openStoredConnector, testConnection, updateConnection } from '../../src/tenancy/connections.ts';
import { clockAt } from '../support/clock.ts';
import { type Connected, Install } from '../support/install.ts';

const OPEN_MS = 30_000;
const never = new AbortController().signal;

let install: Install;
let keys: string;
beforeAll(async () => {
  install = await Install.open(connectors);
  keys = await mkdtemp(join(tmpdir(), 'breaker-'));
});
afterAll(async () => {
  await rm(keys, { recursive: true });
  await install.close();
});

const clock = clockAt('2026-05-01T09:00:00Z');

/** One worker process: what it learns of a provider in one run it knows in the next. */
function aWorker(definitions = connectors) {
  const breakers = new Breakers(() => clock.now().getTime());
  const deps = {
    store: install.store,
    clock: install.clock,
    log: { info: () => {}, warn: () => {} },
    openConnector: (id: ConnectionId) =>
      openStoredConnector({ ...install, connectors: definitions, store: install.store, breakers }, id),
  };
  return (acme: Connected) =>
    syncConnection(deps, {
      connection: acme.connection,
      trigger: 'schedule',
      requestedBy: 'test',
      signal: never,
    });
}

const refusal = { result: 'failed', failure: { kind: 'unavailable' } };

describe('A connection whose provider does not answer', () => {
  let acme: Connected;
  let run: ReturnType<typeof aWorker>;
  let port: number;
  const start = (): Promise<Simulator> => startSimulator('okta', { users: 5, groups: 1, port, caDir: keys });

  /** Runs that fail by themselves, two requests each: the fifth in a row is the last one. */
  beforeEach(async () => {
    port = 0;
    const simulator = await start();
    port = Number(new URL(simulator.origin).port);
    acme = await install.connectTo(simulator, {});
    await simulator.close();
    run = aWorker();
    for (const _ of [1, 2, 3]) expect(await run(acme)).toMatchObject(refusal);
  });

  const whileUp = async (work: (simulator: Simulator) => Promise<void>) => {
    const simulator = await start();
    try {
      await work(simulator);
    } finally {
      await simulator.close();
    }
  };
  const requestsOf = async ({ control }: Simulator) =>
    Object.values((await control.state()).requests).reduce((sum, count) => sum + count, 0);

  it('is left alone by the next run, which says who acts and when it is tried again', async () => {
    await whileUp(async (simulator) => {
      clock.advance(10_000);
      const outcome = await run(acme);
      expect(outcome).toMatchObject({
        ...refusal,
        failure: { retryAfterMs: OPEN_MS - 10_000, message: expect.stringContaining('another 20 s') },
      });
      expect(whoActs.unavailable).toBe('nobody');
      expect(outcome).toMatchObject({ failure: { remedy: expect.stringContaining('Nobody has to act') } });
      expect(await requestsOf(simulator)).toBe(0);
    });
  });

  it('is asked once more when the time is over, and then read as ever', async () => {
    await whileUp(async () => {
      clock.advance(OPEN_MS);
      expect(await run(acme)).toMatchObject({ result: 'finished', snapshot: 'complete' });
      expect(await run(acme)).toMatchObject({ result: 'finished' });
    });
  });

  it('is left alone for twice as long where that does not help', async () => {
    clock.advance(OPEN_MS);
    expect(await run(acme)).toMatchObject(refusal);
    expect(await run(acme)).toMatchObject({ failure: { retryAfterMs: 2 * OPEN_MS } });
  });

  it('is asked at once where the connection has been configured anew', async () => {
    await whileUp(async ({ credentials }) => {
      await updateConnection(install, install.operator, { connection: acme.connection, credentials });
      expect(await run(acme)).toMatchObject({ result: 'finished', snapshot: 'complete' });
    });
  });

  it('is asked by whoever tests the connection, and by another worker', async () => {
    await whileUp(async () => {
      const steps = [];
      for await (const step of testConnection(
        install,
        install.operator,
        { connection: acme.connection },
        never,
      ))
        steps.push(step);
      expect(steps.filter(({ ok }) => !ok)).toEqual([]);
      expect(steps.length).toBeGreaterThan(2);
      expect(await run(acme)).toMatchObject(refusal);
      expect(await aWorker()(acme)).toMatchObject({ result: 'finished', snapshot: 'complete' });
    });
  });

  it('keeps no other connection from being read', async () => {
    const other = await startSimulator('okta', { users: 3, groups: 1 });
    try {
      expect(await run(await install.connectTo(other, {}))).toMatchObject({ result: 'finished' });
      expect(await run(acme)).toMatchObject(refusal);
    } finally {
      await other.close();
    }
  });
});

/** As the registry has it, but for the patience of its session. */
function inAHurry<Settings, Credentials>(
  definition: ConnectorDefinition<Settings, Credentials>,
  open: (
    options: Parameters<typeof definition.open>[0],
    tuning: SessionTuning,
  ) => ReturnType<typeof definition.open>,
): ConnectorDefinition<Settings, Credentials> {
  const tuning = { maxRetries: 1, sleep: async () => {} };
  return { ...definition, open: ({ breaker, ...options }) => open(options, { ...tuning, breaker }) };
}

describe('A provider that is down while its sign-in service is up', () => {
  const impatient = {
    ...connectors,
    entra: inAHurry(entraDefinition, openEntra),
    google: inAHurry(googleDefinition, openGoogle),
    okta: inAHurry(oktaDefinition, openOkta),
    scim: inAHurry(scimDefinition, openScim),
  };
  const behindSignIn = REQUEST_CLASSES.filter((name) => name !== 'token');

  it.each(['entra', 'google', 'okta', 'scim'] as const)(
    'is left alone, whoever gives out tokens (%s): once the time is over, one request finds out',
    async (provider) => {
      const simulator = await startSimulator(provider, { users: 5, groups: 1, caDir: keys });
      try {
        const { alternativeCredentials: other } = simulator;
        const signsIn = provider === 'okta' || provider === 'scim' ? { credentials: other ?? {} } : {};
        const acme = await install.connectTo({ ...simulator, ...signsIn }, {});
        const { control } = simulator;
        const asked = async () => {
          const { requests } = await control.state();
          return behindSignIn.reduce((sum, name) => sum + requests[name], 0);
        };
        const run = aWorker(impatient);
        for (const on of behindSignIn) await control.fault({ name: 'status-503', on, times: null });
        for (let runs = 0; runs < 5; runs += 1) expect(await run(acme)).toMatchObject(refusal);
        expect(await run(acme)).toMatchObject({ failure: { retryAfterMs: OPEN_MS } });

        const before = await asked();
        clock.advance(OPEN_MS);
        expect(await run(acme)).toMatchObject(refusal);
        expect(await asked()).toBe(before + 1);
        expect(await run(acme)).toMatchObject({ failure: { retryAfterMs: 2 * OPEN_MS } });

        await control.clearFaults();
        clock.advance(2 * OPEN_MS);
        expect(await run(acme)).toMatchObject({ result: 'finished', snapshot: 'complete' });
      } finally {
        await simulator.close();
      }
    },
    60_000,
  );
});

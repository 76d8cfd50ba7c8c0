import { setTimeout as sleep } from 'node:timers/promises';
import { v7 } from 'uuid';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { openQueues } from '../../jobs/queue.ts';
import { openWorker } from '../../jobs/worker.ts';
import { ConnectionId, RunId, TenantId } from '../../src/domain/ids.ts';
import { syncConnection } from '../../src/sync/sync.ts';
import { asOwner } from '../support/database.ts';
import { aDirectory, type TestDirectory } from '../support/directory.ts';
import { Install } from '../support/install.ts';

const SLOTS = 4;
const HUGE = 400;
const SMALL = { customers: 100, connections: 6 };

let install: Install;
beforeAll(async () => {
  install = await Install.open();
});
afterAll(() => install.close());

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const log = { ...silent, child: () => log };

type Work = { readonly connection: ConnectionId; readonly tenant: TenantId; readonly customer: string };

/** Like one that was made in the usual way, and each with a tenant of its own below its customer. */
async function manyLike(template: ConnectionId, customer: TenantId, count: number): Promise<Work[]> {
  const made = Array.from({ length: count }, () => ({ connection: v7(), tenant: v7() }));
  await asOwner(install.database.url, async (client) => {
    const [tenants, connections] = [
      made.map(({ tenant }) => tenant),
      made.map(({ connection }) => connection),
    ];
    await client.query(
      `INSERT INTO tenant (id, parent_id, name, path, data_key) SELECT id, $1, id, '', '' FROM unnest($2::uuid[]) AS id`,
      [customer, tenants],
    );
    await client.query(
      `INSERT INTO connection (id, tenant_id, name, provider, settings, credentials, network, mapping, policy)
       SELECT n.id, n.tenant, 'directory', provider, settings, credentials, network, mapping, policy
       FROM connection, unnest($2::uuid[], $3::uuid[]) AS n (id, tenant) WHERE connection.id = $1`,
      [template, connections, tenants],
    );
  });
  return made.map(({ connection, tenant }) => ({
    connection: ConnectionId.parse(connection),
    tenant: TenantId.parse(tenant),
    customer,
  }));
}

/** Calls `note` with the sessions of this process's store with the database, several times a second, until it is told to end. */
function watchSessions(note: (count: number) => void): () => Promise<void> {
  let isOver = false;
  const watching = asOwner(install.database.url, async (client) => {
    while (!isOver) {
      const { rows } = await client.query<{ count: number }>(
        `SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'rollcall %'`,
      );
      note(rows[0]?.count ?? 0);
      await sleep(200);
    }
  });
  return async () => {
    isOver = true;
    await watching;
  };
}

it('A thousand connections on one worker go by turns, one that hangs delays nobody, and no more sessions with the database are needed', async () => {
  const directory = aDirectory({ users: 1 });
  const { connection: template } = await install.connect({ directory });
  const huge = await install.tenant();
  const all = await manyLike(template, huge, HUGE);
  for (let at = 0; at < SMALL.customers; at++)
    all.push(...(await manyLike(template, await install.tenant(), SMALL.connections)));
  expect(all).toHaveLength(1_000);
  const hanging = aDirectory({ users: 1 });
  hanging.faults = { hangsOnPage: 1 };
  const [first] = all;
  const directoryOf = (id: ConnectionId): TestDirectory => (id === first?.connection ? hanging : directory);
  const customerOf = new Map(all.map(({ connection, customer }) => [connection as string, customer]));

  const backend = { databaseUrl: install.database.url };
  const queues = await openQueues({ ...backend, log });
  for (const work of all) await queues.enqueueRun({ ...work, run: RunId.parse(v7()) });

  const outcomes = new Set<string>();
  const started: string[] = [];
  const waitingSmall = new Set(all.slice(HUGE).map(({ connection }) => connection as string));
  const running = new Map<string, number>();
  let mostOfHuge = 0;
  const ended: string[] = [];
  const deps = {
    store: install.store,
    clock: { now: () => new Date() },
    log: silent,
    openConnector: async (id: ConnectionId) => ({
      connector: directoryOf(id).open(),
      credentialExpiresAt: null,
    }),
  };
  const worker = await openWorker(
    backend,
    {
      concurrency: SLOTS,
      whoseOf: (work) => install.store.whoseWork(work),
      begunAt: (work) => install.store.begunAt(work),
      carryOutApply: async () => {},
      abandon: async () => {},
      log,
      syncConnection: async ({ connection, signal }) => {
        const customer = customerOf.get(connection) ?? '';
        started.push(customer);
        waitingSmall.delete(connection);
        running.set(customer, (running.get(customer) ?? 0) + 1);
        if (waitingSmall.size > 0) mostOfHuge = Math.max(mostOfHuge, running.get(huge) ?? 0);
        const outcome = await syncConnection(deps, {
          connection,
          trigger: 'schedule',
          requestedBy: 'test',
          signal,
        });
        running.set(customer, (running.get(customer) ?? 1) - 1);
        ended.push(connection);
        outcomes.add(outcome.result);
        return { result: 'finished', failure: null };
      },
    },
    { grace: 200 },
  );
  let mostSessions = 0;
  const ends = watchSessions((count) => {
    mostSessions = Math.max(mostSessions, count);
  });
  try {
    // Of each customer one, and a quarter of all: by then the order shows.
    const isEnough = () => ended.length >= 250 && new Set(started).size === 1 + SMALL.customers;
    await vi.waitFor(() => expect(isEnough()).toBe(true), { timeout: 100_000, interval: 100 });
    expect(ended).not.toContain(first?.connection); // it hangs still
  } finally {
    await ends();
    await worker.close();
    await queues.close();
  }
  expect(outcomes).toEqual(new Set(['finished']));
  expect(mostOfHuge).toBe(SLOTS / 2);
  // Its four hundred came first, and yet every other customer has had its first run before a hundred of them.
  const last = Math.max(
    ...new Set([...customerOf.values()].filter((one) => one !== huge).map((one) => started.indexOf(one))),
  );
  expect(started.slice(0, last).filter((one) => one === huge).length).toBeLessThan(100);
  expect(mostSessions).toBeLessThanOrEqual(20 + SLOTS + 1); // the pool, a lock for each run, one that is being asked for
}, 120_000);

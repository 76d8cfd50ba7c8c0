/** Runs without queue and turns, in a process with a worker's memory settings: the first to warm up, the others measured. */
import { connectors } from '../connectors/registry.ts';
import type { ConnectionId } from '../src/domain/ids.ts';
import { openStore } from '../src/store/store.ts';
import { syncConnection } from '../src/sync/sync.ts';
import { openStoredConnector } from '../src/tenancy/connections.ts';

export type BareSetup = {
  readonly url: string;
  readonly secretKey: string;
  readonly slots: number;
  readonly first: readonly ConnectionId[];
  readonly others: readonly ConnectionId[];
};

process.once('message', async ({ url, secretKey, slots, first, others }: BareSetup) => {
  const store = await openStore(url, secretKey);
  const deps = {
    store,
    clock: { now: () => new Date() },
    log: { info: () => {}, warn: () => {} },
    openConnector: (id: ConnectionId) => openStoredConnector({ store, connectors }, id),
  };
  const run = async (connections: readonly ConnectionId[]) => {
    const left = [...connections];
    const hand = async () => {
      for (let connection = left.shift(); connection !== undefined; connection = left.shift()) {
        const { result } = await syncConnection(deps, {
          ...{ connection, trigger: 'demand', requestedBy: 'bench' },
          signal: new AbortController().signal,
        });
        if (result !== 'finished') throw new Error('A run failed.');
      }
    };
    await Promise.all(Array.from({ length: slots }, hand));
  };
  await run(first);
  const began = performance.now();
  await run(others);
  process.send?.((performance.now() - began) / others.length, () => process.disconnect());
  await store.close();
});

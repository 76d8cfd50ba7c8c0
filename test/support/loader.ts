/** A process that loads a configuration file and, once so many users are written, says so and waits to be killed. */
import { writeSync } from 'node:fs';
import { json } from 'node:stream/consumers';
import { connectors } from '../../connectors/registry.ts';
import { diffConfiguration, loadConfiguration } from '../../src/configuration/configuration.ts';
import { openStore } from '../../src/store/store.ts';
import { ensureOperator } from '../../src/tenancy/principals.ts';

export type LoaderOrder = {
  readonly url: string;
  readonly secretKey: string;
  readonly configuration: string;
  readonly stopsAt: number;
};

const { url, secretKey, configuration, stopsAt } = (await json(process.stdin)) as LoaderOrder;
const store = await openStore(url, secretKey);
const deps = { store, clock: { now: () => new Date() }, connectors };
const caller = await ensureOperator(deps, 'root');
const { stamp } = await diffConfiguration(deps, caller, { configuration });
await loadConfiguration(
  deps,
  caller,
  { configuration, stamp },
  {
    onProgress: (progress) => {
      writeSync(1, `${JSON.stringify(progress)}\n`);
      if (progress.what !== 'users' || progress.done < stopsAt) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); // for ever: nothing more is written before the kill
    },
  },
);
await store.close();

/** A process that loads a configuration file, says how far it is, and can be killed. */
import { readFileSync } from 'node:fs';
import { connectors } from '../../connectors/registry.ts';
import { diffConfiguration, loadConfiguration } from '../../src/configuration/configuration.ts';
import { openStore } from '../../src/store/store.ts';
import { ensureOperator } from '../../src/tenancy/principals.ts';

export type LoaderOrder = {
  readonly url: string;
  readonly secretKey: string;
  readonly configuration: string;
};

const { url, secretKey, configuration }: LoaderOrder = JSON.parse(readFileSync(0, 'utf8'));
const store = await openStore(url, secretKey);
const deps = { store, clock: { now: () => new Date() }, connectors };
const caller = await ensureOperator(deps, 'root');
const { stamp } = await diffConfiguration(deps, caller, { configuration });
await loadConfiguration(
  deps,
  caller,
  { configuration, stamp },
  { onProgress: (progress) => process.stdout.write(`${JSON.stringify(progress)}\n`) },
);
await store.close();

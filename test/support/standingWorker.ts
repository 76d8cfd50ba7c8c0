/**
 * A process that works on one thing after another until it is killed: lines of JSON in, lines of JSON out. It knows the one provider of
 * the tests that start it by the hundred, so that it is there in a moment.
 */
import { createInterface } from 'node:readline';
import type { ConnectorDefinition } from '../../connectors/contract.ts';
import { oktaDefinition } from '../../connectors/okta/index.ts';
import { PROVIDERS, type Provider } from '../../src/domain/directory.ts';
import { ApplyId, ConnectionId, RunId } from '../../src/domain/ids.ts';
import { carryOutApply } from '../../src/review/apply.ts';
import { openStore } from '../../src/store/store.ts';
import { syncConnection } from '../../src/sync/sync.ts';
import { openStoredConnector } from '../../src/tenancy/connections.ts';

export type StandingOrder =
  | { readonly url: string; readonly secretKey: string }
  | { readonly sync: string; readonly run: string }
  | { readonly apply: string };

const connectors = Object.fromEntries(PROVIDERS.map((name) => [name, oktaDefinition])) as Record<
  Provider,
  ConnectorDefinition
>;
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
const clock = { now: () => new Date() };
const { signal } = new AbortController();
const log = { info: () => {}, warn: () => {} };

const lines = createInterface(process.stdin)[Symbol.asyncIterator]();
const next = async () => {
  const { value, done } = await lines.next();
  return done === true ? null : (JSON.parse(value) as StandingOrder);
};
const first = await next();
if (first === null || !('url' in first)) throw new Error('the first line says where the database is');
const store = await openStore(first.url, first.secretKey);
say({ ready: true });
for (let order = await next(); order !== null; order = await next()) {
  if ('sync' in order) {
    const openConnector = (id: ConnectionId) => openStoredConnector({ store, connectors }, id);
    const connection = ConnectionId.parse(order.sync);
    const run = RunId.parse(order.run);
    const request = { connection, run, trigger: 'demand', requestedBy: 'worker', signal } as const;
    say({ outcome: await syncConnection({ store, clock, log, openConnector }, request) });
  } else if ('apply' in order) {
    say({ outcome: await carryOutApply({ store, clock }, ApplyId.parse(order.apply), { signal }) });
  }
}
await store.close();

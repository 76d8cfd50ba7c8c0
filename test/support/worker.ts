/** A process that works on one run or one apply, removes deleted tenants, or sends notifications: started by tests that kill it. One line of JSON in, lines of JSON out. */
import { text } from 'node:stream/consumers';
import { connectors } from '../../connectors/registry.ts';
import { ApplyId, ConnectionId } from '../../src/domain/ids.ts';
import { deliverDue } from '../../src/notifications/deliver.ts';
import { networks } from '../../src/notifications/reach.ts';
import { carryOutApply } from '../../src/review/apply.ts';
import { openStore } from '../../src/store/store.ts';
import { syncConnection } from '../../src/sync/sync.ts';
import { openStoredConnector } from '../../src/tenancy/connections.ts';
import { removeDueTenants } from '../../src/tenancy/tenantRemoval.ts';

export type WorkerOrder = {
  readonly url: string;
  readonly secretKey: string;
  readonly work:
    | { readonly sync: string }
    | { readonly apply: string }
    | { readonly tell: 'what is due' }
    | { readonly remove: 'deleted tenants' };
};

const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
const order = JSON.parse(await text(process.stdin)) as WorkerOrder;
const store = await openStore(order.url, order.secretKey);
const clock = { now: () => new Date() };
const signal = new AbortController().signal;
const log = {
  info: (fields: object) => say({ log: fields }),
  warn: (fields: object) => say({ log: fields }),
};
try {
  if ('sync' in order.work) {
    const deps = {
      store,
      clock,
      log,
      openConnector: (id: ConnectionId) => openStoredConnector({ store, connectors }, id),
    };
    const connection = ConnectionId.parse(order.work.sync);
    const request = { connection, trigger: 'schedule', requestedBy: 'worker', signal } as const;
    say({ outcome: await syncConnection(deps, request) });
  } else if ('tell' in order.work) {
    const outgoing = { mail: null, allowed: networks(['127.0.0.0/8']) };
    say({ outcome: await deliverDue({ store, clock, outgoing, publicUrl: () => null }, signal) });
  } else if ('remove' in order.work) {
    await removeDueTenants({ store, clock, log }, signal);
    say({ outcome: {} });
  } else {
    const apply = ApplyId.parse(order.work.apply);
    say({ outcome: await carryOutApply({ store, clock }, apply, { signal }) });
  }
} finally {
  await store.close();
}

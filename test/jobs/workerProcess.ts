/**
 * A worker in a process of its own. Arguments: the backend as JSON, then `hang` (its runs never end) or `finish` (it runs what is
 * waiting, closes everything and then has to end by itself, because nothing is left open). Says `running <run>` and `done <run>`.
 */
import { startHousekeeping } from '../../jobs/housekeeping.ts';
import { openQueues } from '../../jobs/queue.ts';
import { openWorker } from '../../jobs/worker.ts';
import { openLogger } from '../../src/log.ts';

const backend = JSON.parse(process.argv[2] ?? '');
const hangs = process.argv[3] === 'hang';
const log = openLogger('silent');
const say = (text: string) => process.stdout.write(`${text}\n`);

const finished = Promise.withResolvers<void>();
const queues = await openQueues({ ...backend, log });
const worker = await openWorker(
  backend,
  {
    syncConnection: async ({ run }) => {
      say(`running ${run}`);
      if (hangs) await new Promise(() => setInterval(() => {}, 1_000));
      say(`done ${run}`);
      finished.resolve();
      return { result: 'finished', failure: null };
    },
    carryOutApply: async () => {},
    abandon: async () => {},
    whoseOf: async () => [],
    begunAt: async () => null,
    log,
    concurrency: 1,
  },
  { lock: 500, stalledCheck: 500 },
);
const housekeeping = startHousekeeping({
  queues,
  connectionsWithSchedules: async () => [],
  unfinishedWork: async () => ({ runs: [], applies: [] }),
  openChangesAgain: async () => 0,
  purgedUsers: async () => {},
  advanceApplies: async () => 0,
  renewSigningKeys: async () => false,
  deletedTenants: async () => {},
  checkedDomains: async () => 0,
  notifications: async () => ({ sent: 0, failed: 0, later: 0 }),
  log,
});
await finished.promise;
await housekeeping.close();
await worker.close();
await queues.close();

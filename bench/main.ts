/**
 * `npm run bench`: what a full sync of a large directory costs, each figure beside the floor that was measured in the same run on
 * the same machine (bench/floor.ts). Machines differ and are shared; the ratio is what can be compared.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import memory from '../bin/memory.json' with { type: 'json' };
import { spawnSimulator } from '../simulators/start.ts';
import { joinEmbeddedPostgres } from '../src/store/embedded.ts';
import { migrate } from '../src/store/migrate.ts';
import { type Figure, figures, table } from './figures.ts';
import type { Order, Report, Setup } from './worker.ts';

const HELP = `npm run bench -- [--users N] [--out FILE]

  --users N    size of the simulated Entra ID directory (default 100000)
  --out FILE   also write the figures as a JSON array of {name, value, unit, floor, ratio, limit, ok}

The limits are those of 100,000 users; with another size they are in proportion.
`;

const { values } = parseArgs({
  options: {
    users: { type: 'string', default: '100000' },
    out: { type: 'string' },
    help: { type: 'boolean' },
  },
});
if (values.help === true) {
  process.stdout.write(HELP);
} else {
  const measured = await bench(Number(values.users));
  process.stdout.write(`\n${table(measured)}\n`);
  if (values.out !== undefined) writeFileSync(values.out, `${JSON.stringify(measured, null, 2)}\n`);
}

async function bench(users: number): Promise<readonly Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-bench-'));
  chmodSync(folder, 0o755); // run by root, PostgreSQL works as another user
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const postgres = await joinEmbeddedPostgres(folder);
  try {
    await migrate(postgres.url);
    const simulator = await spawnSimulator('entra', { users, plain: true });
    try {
      const { origin, ca, settings, credentials, control } = simulator;
      const secretKey = randomBytes(32).toString('base64');
      const worker = await startWorker({
        url: postgres.url,
        secretKey,
        simulator: { origin, ca, settings, credentials },
      });
      say(`${users} users: first sync`);
      const first = await worker.order('sync');
      say('applying it');
      const applied = await worker.order('apply');
      await control.edit(1);
      say('the same directory with 1 % changed');
      const second = await worker.order('sync');
      await control.edit(1);
      say('only what changed, 1 % again');
      const delta = await worker.order('delta');
      await worker.stop();
      say('the floor');
      const floor = await measureFloor(
        { ...(settings as object), ...(credentials as object), origin, ca },
        postgres.url,
      );
      return figures({ users, first, applied, second, delta, floor });
    } finally {
      await simulator.close();
    }
  } finally {
    await postgres.leave();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function startWorker(setup: Setup) {
  const env = { ...memory.environment, ...process.env, NODE_OPTIONS: memory.nodeOptions }; // as bin/rollcall.js starts it
  const child = fork(join(import.meta.dirname, 'worker.ts'), { env });
  child.send(setup);
  await answer(child);
  return {
    order: async (order: Order): Promise<Report> => {
      child.send(order);
      return (await answer(child)) as Report;
    },
    stop: async () => {
      child.send('stop' satisfies Order);
      await once(child, 'exit');
    },
  };
}

async function measureFloor(directory: object, url: string) {
  const child = fork(join(import.meta.dirname, 'floor.ts'));
  child.send({ directory, url });
  return (await answer(child)) as { fetched: number; staged: number; applied: number; join: number };
}

/** What the child says next; its end without a word is an error. */
async function answer(child: ChildProcess): Promise<unknown> {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`${child.spawnfile} ${child.spawnargs.at(-1)} ended with ${code}`);
  });
  const [message] = (await Promise.race([once(child, 'message'), ended])) as [unknown];
  ended.catch(() => {}); // its later end is what we ask for
  return message;
}

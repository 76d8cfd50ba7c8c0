/** Syncs of a simulated Entra ID directory by a worker in a process of its own, and the floor in another. */
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { spawnSimulator } from '../simulators/start.ts';
import { answer, forkWorker, say } from './children.ts';
import type { Floor, Large, Measured } from './figures.ts';
import type { Order, Report, Setup } from './worker.ts';

type Stage = {
  readonly worker: Awaited<ReturnType<typeof startWorker>>;
  readonly edit: (percent: number) => Promise<readonly string[]>;
  readonly floor: () => Promise<Floor>;
};

/** `url` is the owner's; the database is migrated and empty. */
async function onStage<T>(url: string, users: number, work: (stage: Stage) => Promise<T>): Promise<T> {
  const simulator = await spawnSimulator('entra', { users, plain: true });
  try {
    const { origin, ca, settings, credentials, control } = simulator;
    const secretKey = randomBytes(32).toString('base64');
    const worker = await startWorker({ url, secretKey, simulator: { origin, ca, settings, credentials } });
    const account = { ...(settings as object), ...(credentials as object), origin, ca };
    return await work({
      worker,
      edit: async (percent) => (await control.edit(percent)).ids,
      floor: () => measureFloor(account, url),
    });
  } finally {
    await simulator.close();
  }
}

export function measurePull(url: string, users: number): Promise<Report> {
  return onStage(url, users, async ({ worker }) => {
    say(`${users} users: pulling`);
    const pulled = await worker.order('pull');
    await worker.end('leave');
    return pulled;
  });
}

export function measureDirectory(url: string, users: number): Promise<Measured> {
  return onStage(url, users, async ({ worker, edit, floor }) => {
    const synced = await firstSync(worker, edit, users);
    await edit(1);
    say('only what changed, 1 % again');
    const delta = await worker.order('delta');
    await worker.end('stop');
    say('the floor');
    return { users, ...synced, delta, floor: await floor() };
  });
}

/** A hundred who changed, and one, of so many. */
export function measureLarge(url: string, users: number): Promise<Large> {
  return onStage(url, users, async ({ worker, edit }) => {
    const synced = await firstSync(worker, edit, users);
    say('only what changed: a hundred, six times; the first may look at whom the apply has edited');
    await edit((100 * 100) / users);
    await worker.order('delta');
    const deltas: Report[] = [];
    for (let n = 0; n < 5; n++) {
      await edit((100 * 100) / users);
      deltas.push(await worker.order('delta'));
    }
    say('one of them, ten times');
    const looks: Report[] = [];
    for (let n = 0; n < 10; n++) {
      const [user] = await edit(100 / users);
      if (user === undefined) throw new Error('nobody was edited');
      looks.push(await worker.order({ look: user }));
    }
    await worker.end('stop');
    return { users, ...synced, deltas, looks };
  });
}

async function firstSync(worker: Stage['worker'], edit: Stage['edit'], users: number) {
  say(`${users} users: first sync`);
  const first = await worker.order('sync');
  say('applying it');
  const applied = await worker.order('apply');
  await edit(1);
  say('the same directory with 1 % changed');
  const second = await worker.order('sync');
  return { first, applied, second };
}

async function startWorker(setup: Setup) {
  const child = forkWorker('worker.ts');
  child.send(setup);
  await answer(child);
  return {
    order: async (order: Order): Promise<Report> => {
      child.send(order);
      return (await answer(child)) as Report;
    },
    end: async (order: 'stop' | 'leave') => {
      child.send(order satisfies Order);
      await once(child, 'exit');
    },
  };
}

async function measureFloor(directory: object, url: string) {
  const child = fork(join(import.meta.dirname, 'floor.ts'));
  child.send({ directory, url });
  return (await answer(child)) as Floor;
}

/** Worker processes that a test starts, waits for and kills. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Install } from '../support/install.ts';
import type { WorkerOrder } from '../support/worker.ts';

const script = fileURLToPath(new URL('../support/worker.ts', import.meta.url));

export type Worker = {
  /** What the work came to; rejects when the process ended without saying so. */
  readonly outcome: Promise<Record<string, unknown>>;
  /** Events that it logged so far. */
  readonly log: readonly { readonly event: string }[];
  /** SIGKILL, and until it is gone. */
  kill(): Promise<void>;
  /** Stands still as it is, with all its sessions, and goes on. */
  stop(): void;
  goOn(): void;
};

const running = new Set<ChildProcess>();

export function startWorker({ database }: Install, work: WorkerOrder['work']): Worker {
  const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'pipe'] });
  running.add(child);
  const order: WorkerOrder = { url: database.url, secretKey: database.secretKey, work };
  child.stdin.end(JSON.stringify(order));
  const log: { event: string }[] = [];
  let complaints = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaints += chunk.toString();
  });
  const gone = new Promise<void>((resolve) => {
    child.once('close', () => {
      running.delete(child);
      resolve();
    });
  });
  const said = Promise.withResolvers<Record<string, unknown>>();
  createInterface(child.stdout).on('line', (line) => {
    const one = JSON.parse(line) as { log?: { event: string }; outcome?: Record<string, unknown> };
    if (one.log !== undefined) log.push(one.log);
    if (one.outcome !== undefined) said.resolve(one.outcome);
  });
  const outcome = gone.then(() => {
    said.reject(new Error(`the worker ended without an outcome. ${complaints}`));
    return said.promise;
  });
  outcome.catch(() => {}); // of a worker that is killed nobody asks
  said.promise.catch(() => {});
  return {
    outcome,
    log,
    stop: () => void child.kill('SIGSTOP'),
    goOn: () => void child.kill('SIGCONT'),
    kill: async () => {
      child.kill('SIGKILL');
      await gone;
    },
  };
}

/** For the end of a test that has failed half way. */
export async function killWorkers(): Promise<void> {
  const ended = [...running].map((child) => new Promise((resolve) => child.once('close', resolve)));
  for (const child of running) child.kill('SIGKILL');
  await Promise.all(ended);
}

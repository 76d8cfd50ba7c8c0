/** Worker processes that stand ready, each for one connection, and are killed in the middle of what they do. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Install } from '../support/install.ts';
import type { StandingOrder } from '../support/standingWorker.ts';

const script = fileURLToPath(new URL('../support/standingWorker.ts', import.meta.url));

type Outcome = { readonly result?: string };

/** One process after another. The next one is started when one is killed. */
export class Standing {
  readonly #install: Install;
  readonly #cache: string;
  #child: ChildProcess;
  #waiting = Promise.withResolvers<Outcome>();
  #ready: Promise<Outcome>;
  #complaints = '';

  /** `cache`: a folder for compiled code, so that all but the first are there sooner. */
  constructor(install: Install, cache: string) {
    this.#install = install;
    this.#cache = cache;
    [this.#child, this.#ready] = this.#start();
  }

  #start(): [ChildProcess, Promise<Outcome>] {
    const env = { ...process.env, NODE_COMPILE_CACHE: this.#cache };
    const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'pipe'], env });
    const ready = this.#expect();
    child.stdin.on('error', () => {}); // killed while it is being told
    child.stderr.on('data', (chunk: Buffer) => {
      this.#complaints += chunk.toString();
    });
    createInterface(child.stdout).on('line', (line) => {
      const said = JSON.parse(line) as { outcome?: Outcome };
      if (child === this.#child) this.#waiting.resolve(said.outcome ?? {});
    });
    child.once('exit', (_, signal) => {
      if (signal !== 'SIGKILL') this.#waiting.reject(new Error(`a worker ended. ${this.#complaints}`));
    });
    const { url, secretKey } = this.#install.database;
    child.stdin.write(`${JSON.stringify({ url, secretKey } satisfies StandingOrder)}\n`);
    return [child, ready];
  }

  #expect(): Promise<Outcome> {
    this.#waiting = Promise.withResolvers<Outcome>();
    this.#waiting.promise.catch(() => {}); // awaited later, or the process is killed before
    return this.#waiting.promise;
  }

  /** What the work came to, and how many milliseconds it took; null where the process was killed `killAfterMs` after it had begun. */
  async work(
    order: StandingOrder,
    killAfterMs: number | null,
  ): Promise<{ readonly outcome: Outcome; readonly ms: number } | null> {
    await this.#ready;
    const ended = this.#expect();
    const began = performance.now();
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`);
    if (killAfterMs !== null) {
      const first = await Promise.race([ended, sleep(killAfterMs, 'late' as const)]);
      if (first === 'late') {
        await this.#kill();
        [this.#child, this.#ready] = this.#start();
        return null;
      }
    }
    return { outcome: await ended, ms: performance.now() - began };
  }

  async #kill(): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  async close(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.#kill();
  }
}

export function compileCache(): { readonly folder: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-compiled-'));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

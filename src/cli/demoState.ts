/** What a demo remembers in its folder: that the folder is a demo's, who runs it, how far its directories have lived. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { Problem } from '../domain/problem.ts';
import type { Installation } from './cli.ts';

const State = z.object({
  /** The process that runs the demo; null: none. */
  process: z.number().int().nullable(),
  /** Companies whose first import is applied, so that their directories have gone on living since. */
  lived: z.array(z.string()),
  /** For trying the API; worth nothing outside this folder. */
  apiKey: z.string().nullable(),
});
type State = z.infer<typeof State>;

const NEW: State = { process: null, lived: [], apiKey: null };

export class DemoState {
  readonly #file: string;
  #state: State;

  private constructor(file: string, state: State) {
    this.#file = file;
    this.#state = state;
  }

  /**
   * Takes the folder. Throws `data-folder-unusable` when another process runs the demo there, when it holds an install that is no
   * demo's, or when it cannot be written.
   */
  static take(folder: string, makeFolder: Installation['makeFolder']): DemoState {
    const file = join(folder, 'demo.json');
    const state = read(file);
    if (state === null && existsSync(join(folder, 'secret.key'))) {
      throw unusable(folder, 'it holds an install that is not the demo', 'Name another folder with --data.');
    }
    const runner = state?.process ?? null;
    if (runner !== null && runner !== process.pid && isAlive(runner)) {
      throw unusable(
        folder,
        `process ${runner} is running the demo there`,
        `End it with Ctrl-C. If it is something else, delete ${file}.`,
      );
    }
    const taken = new DemoState(file, { ...(state ?? NEW), process: process.pid });
    try {
      makeFolder(folder);
      taken.#save();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw unusable(
        folder,
        code ?? 'it cannot be written',
        'Name a folder with --data that you may write to.',
        error,
      );
    }
    return taken;
  }

  hasLived(company: string): boolean {
    return this.#state.lived.includes(company);
  }

  rememberLife(company: string): void {
    this.#change({ lived: [...this.#state.lived, company] });
  }

  get apiKey(): string | null {
    return this.#state.apiKey;
  }

  rememberApiKey(apiKey: string): void {
    this.#change({ apiKey });
  }

  forget(): void {
    this.#change({ lived: [], apiKey: null });
  }

  release(): void {
    this.#change({ process: null });
  }

  #change(changes: Partial<State>): void {
    this.#state = { ...this.#state, ...changes };
    this.#save();
  }

  /** Whole or not at all: the demo may be killed at any moment. */
  #save(): void {
    const draft = `${this.#file}.${process.pid}`;
    writeFileSync(draft, `${JSON.stringify(this.#state, null, 2)}\n`, { mode: 0o600 });
    renameSync(draft, this.#file);
  }
}

function read(file: string): State | null {
  try {
    return State.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return null; // not there, or not ours
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function unusable(folder: string, what: string, remedy: string, cause?: unknown): Problem {
  const message = `The folder ${folder} cannot be used for the demo: ${what}.`;
  return new Problem({ code: 'data-folder-unusable', message, remedy }, { cause });
}

/** The processes that a bench starts, and what is said meanwhile on standard error. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import memory from '../bin/memory.json' with { type: 'json' };

export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** As bin/rollcall.js starts one: with its memory settings, and with compiled code that is kept from one start to the next. */
export function forkWorker(file: string): ChildProcess {
  const env = {
    NODE_COMPILE_CACHE: join(import.meta.dirname, '../node_modules/.cache/rollcall'),
    ...memory.environment,
    ...process.env,
    NODE_OPTIONS: memory.nodeOptions,
  };
  return fork(join(import.meta.dirname, file), { env });
}

/** What the child says next; its end without a word is an error. */
export async function answer(child: ChildProcess): Promise<unknown> {
  const heard = new AbortController();
  const ended = once(child, 'exit', { signal: heard.signal }).then(([code]) => {
    throw new Error(`${child.spawnfile} ${child.spawnargs.at(-1)} ended with ${code}`);
  });
  ended.catch(() => {}); // its later end is what we ask for
  const [message] = (await Promise.race([once(child, 'message'), ended])) as [unknown];
  heard.abort();
  return message;
}

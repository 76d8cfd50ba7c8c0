/** Runs the real command in a process of its own, on data folders that are thrown away. */
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import memory from '../../bin/memory.json' with { type: 'json' };
import type { Answer, Call } from './standing.ts';

export const bin = fileURLToPath(new URL('../../bin/rollcall.js', import.meta.url));

export type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

export type Running = {
  readonly pid: number;
  /** Resolves when the text has been written to either stream; rejects when the process ends without it. */
  said(text: string): Promise<void>;
  /** What has been written until now. */
  heard(): Pick<Ended, 'stdout' | 'stderr'>;
  signal(signal: NodeJS.Signals): void;
  readonly ended: Promise<Ended>;
};

export type Options = {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** The folder to start in. */
  readonly cwd?: string;
  /** Another Node than the one that runs the tests. */
  readonly node?: string;
};

/** What the environment of the tests says must not reach the command. */
const foreign = ['DATABASE_URL', 'REDIS_URL', 'NO_COLOR', 'NODE_DISABLE_COLORS', 'FORCE_COLOR', 'CI']; // under CI Node takes a terminal for one without colours

export function environment(): NodeJS.ProcessEnv {
  const names = Object.keys(process.env).filter(
    (name) => !foreign.includes(name) && !/^(ROLLCALL_|npm_)/.test(name),
  );
  return Object.fromEntries(names.map((name) => [name, process.env[name]]));
}

export function start(
  args: readonly string[],
  { env = {}, input, cwd = process.cwd(), node = process.execPath }: Options = {},
): Running {
  const child = spawn(node, [bin, ...args], { cwd, env: { ...environment(), ...env }, stdio: 'pipe' });
  let stdout = '';
  let stderr = '';
  const heard = new Set<() => void>();
  const hear = () => {
    for (const listener of heard) listener();
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    hear();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    hear();
  });
  child.stdin.end(input ?? '');
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  return {
    pid: child.pid ?? 0,
    ended,
    signal: (signal) => child.kill(signal),
    heard: () => ({ stdout, stderr }),
    said: (text) =>
      new Promise((resolve, reject) => {
        const listen = () => {
          if (!`${stdout}${stderr}`.includes(text)) return;
          heard.delete(listen);
          resolve();
        };
        heard.add(listen);
        listen();
        ended.then(() => reject(new Error(`it ended without saying ${text}: ${stdout}${stderr}`)), reject);
      }),
  };
}

export function rollcall(args: readonly string[], options: Options = {}): Promise<Ended> {
  return start(args, options).ended;
}

/** A process that carries commands out one after the other: see standing.ts. */
export function aStandingCommand() {
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
  const child = fork(fileURLToPath(new URL('standing.ts', import.meta.url)), [main], {
    execArgv: [],
    env: { ...environment(), ...memory.environment, NODE_OPTIONS: memory.nodeOptions },
  });
  let last: Promise<unknown> = Promise.resolve();
  const call = async (args: readonly string[], env: Readonly<Record<string, string>>): Promise<Answer> => {
    const answer = once(child, 'message', { signal: AbortSignal.timeout(120_000) });
    child.send({
      args,
      env: { ...environment(), ROLLCALL_COMMAND: 'node bin/rollcall.js', ...env },
    } satisfies Call);
    return (await answer)[0];
  };
  return {
    run: (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Answer> => {
      const answer = last.then(() => call(args, env));
      last = answer.catch(() => {});
      return answer;
    },
    end: async () => {
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
    },
  };
}

/** A folder that PostgreSQL can enter when the tests run as root. */
export function aFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'rollcall-cli-'));
  chmodSync(path, 0o755);
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/**
 * A process that has the command loaded and carries one out after the other, each as src/main.ts would in a process of its own: with its
 * arguments, environment and folder, and with what it writes. What starting a process adds is tested by whoever starts one.
 */
import { pathToFileURL } from 'node:url';

/** What a call is given. */
export type Call = {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
};

export type Answer = { readonly code: number; readonly stdout: string; readonly stderr: string };

const [, , main = ''] = process.argv;
let calls = 0;

function listen(stream: NodeJS.WriteStream): string[] {
  const said: string[] = [];
  stream.write = ((chunk: string | Uint8Array, encoding?: unknown, done?: unknown) => {
    said.push(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString());
    const then = typeof encoding === 'function' ? encoding : done;
    if (typeof then === 'function') then();
    return true;
  }) as typeof stream.write;
  return said;
}

async function carryOut({ args, env }: Call): Promise<Answer> {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, env);
  process.argv = [process.execPath, main, ...args];
  process.exitCode = undefined;
  for (const stream of [process.stdout, process.stderr]) stream.removeAllListeners('error'); // of the one before
  const [stdout, stderr] = [listen(process.stdout), listen(process.stderr)];
  calls += 1;
  await import(`${pathToFileURL(main).href}?call=${calls}`); // main.ts anew, and what it has loaded already
  return { code: Number(process.exitCode), stdout: stdout.join(''), stderr: stderr.join('') };
}

const idle = setInterval(() => {}, 60_000); // a command lets go of the channel, which would end this process
process.on('disconnect', () => clearInterval(idle));
process.on('message', async (call: Call) => {
  process.send?.(await carryOut(call));
});

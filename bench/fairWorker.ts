/** A worker as `rollcall start --worker-only` is one, in a process of its own. It tells of its runs, and at the end of what it needed. */
import { connectorsWith } from '../connectors/registry.ts';
import { parseConfig } from '../src/config.ts';
import { openDaemon } from '../src/daemon.ts';
import { openInstall } from '../src/install.ts';
import { openLogger } from '../src/log.ts';

/** What it is sent first; whatever comes next ends it. */
export type FairSetup = { readonly url: string; readonly secretKey: string };

/** `at`: milliseconds since 1970. Memory in bytes, the highest since the process began. */
export type FairWord =
  | { readonly said: 'ready' }
  | { readonly said: 'began' | 'ended' | 'failed'; readonly connection: string; readonly at: number }
  | { readonly said: 'closed'; readonly memory: number };

const said = { 'run.started': 'began', 'run.finished': 'ended', 'run.failed': 'failed' } as const;

function tell(word: FairWord): void {
  process.send?.(word);
}

/** From the log, where a run has ended when all that it stores is committed; warnings are for whoever measures. */
function listen(line: string): void {
  const { event, level, connection } = JSON.parse(line);
  const about = said[event as keyof typeof said];
  if (about !== undefined) tell({ said: about, connection, at: Date.now() });
  else if (level === 'warn' || level === 'error') process.stderr.write(line);
}

process.once('disconnect', () => process.exit()); // also where the parent is gone
process.once('message', async ({ url, secretKey }: FairSetup) => {
  const config = parseConfig({ DATABASE_URL: url, ROLLCALL_SECRET_KEY: secretKey });
  const connectors = connectorsWith({ root: null, keyed: true });
  const log = openLogger(config.logLevel, { write: listen });
  const daemon = await openDaemon(config, await openInstall(config, log, connectors), 'worker');
  process.once('message', async () => {
    await daemon.close();
    const memory = process.resourceUsage().maxRSS * 1024; // kilobytes
    process.send?.({ said: 'closed', memory } satisfies FairWord, () => process.disconnect());
  });
  tell({ said: 'ready' });
});

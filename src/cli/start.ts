/** `rollcall start`: the daemon, until a signal ends it. */
import { once } from 'node:events';
import type { Command } from 'commander';
import { Problem } from '../domain/problem.ts';
import type { SetUpOffer } from '../signIn/setUp.ts';
import { asTyped } from './asTyped.ts';
import type { Cli } from './cli.ts';
import { examples } from './examples.ts';
import { noteNewInstall } from './newInstall.ts';

type StartOptions = { readonly apiOnly?: boolean; readonly workerOnly?: boolean };

export function addStartCommand(program: Command, cli: Cli): void {
  const start = program
    .command('start')
    .description('run the daemon: API, worker and schedules, until Ctrl-C or SIGTERM')
    .option('--api-only', 'the API without a worker; runs and applies wait for a worker elsewhere')
    .option('--worker-only', 'a worker without the API')
    .action((options: StartOptions) => cli.run(() => runDaemon(cli, options)));
  examples(
    start,
    'rollcall start',
    'DATABASE_URL=postgres://… REDIS_URL=redis://… rollcall start --worker-only',
  );
}

async function runDaemon(cli: Cli, { apiOnly, workerOnly }: StartOptions): Promise<void> {
  if (apiOnly === true && workerOnly === true) {
    throw new Problem({
      code: 'invalid-input',
      message: '--api-only and --worker-only leave nothing to start.',
      remedy: 'Give one of them, or none for both parts.',
    });
  }
  const parts = apiOnly === true ? 'api' : workerOnly === true ? 'worker' : 'all';
  const daemon = await cli.installation.openDaemon(cli.config(), parts);
  try {
    noteNewInstall(cli.terminal, daemon);
    if (daemon.url !== null && process.stderr.isTTY) {
      cli.terminal.note(
        asTyped(`Rollcall listens on ${daemon.url}. A key for it: rollcall keys add NAME --role auditor`),
      );
    }
    const wanted = daemon.offerSetUp === null ? null : wantedAdministrator(await daemon.offerSetUp());
    // On standard error, for whoever started this: the log, on standard output, goes to many.
    if (wanted !== null) cli.terminal.note(asTyped(`This Rollcall has no administrator yet. ${wanted}`));
    if (!cli.signal.aborted) await once(cli.signal, 'abort');
  } finally {
    await daemon.close();
  }
}

/** Who this install still lacks; null: nobody. */
function wantedAdministrator(offer: SetUpOffer): string | null {
  switch (offer.state) {
    case 'done':
      return null;
    case 'link':
      return `This link makes one, once, within 24 hours:\n  ${offer.link}`;
    case 'token':
      return `Open ${offer.page} and enter the token of ROLLCALL_SETUP_TOKEN.`;
    case 'there':
      return 'A set-up link was made before and is good; `rollcall set-up-link` prints a fresh one.';
    case 'nowhere':
      return 'To sign in, set ROLLCALL_PUBLIC_URL to the address that people open.';
  }
}

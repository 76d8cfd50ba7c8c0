/** Why something is decided: asked of a person, and of a script as an option. */
import { Problem } from '../domain/problem.ts';
import type { Cli } from './cli.ts';

/** Throws `invalid-input` where nobody can be asked. */
export async function askForReason({ terminal, signal }: Cli, command: string): Promise<string> {
  if (terminal.interactive) return await terminal.ask('Reason: ', signal);
  throw new Problem({
    code: 'invalid-input',
    message: 'There is no reason.',
    remedy: `Say why with --reason: rollcall ${command} … --reason 'Confirmed by HR'.`,
  });
}

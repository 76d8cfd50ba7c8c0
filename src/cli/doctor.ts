/** `rollcall doctor`: everything that Rollcall stands on, looked at once, each line with its remedy. */
import type { Command } from 'commander';
import type { Check } from '../checkUp.ts';
import { asTyped } from './asTyped.ts';
import type { Cli } from './cli.ts';
import { examples } from './examples.ts';
import { EXIT } from './failure.ts';
import { harmless, type Style } from './terminal.ts';

const styleOf = { ok: 'green', warn: 'yellow', fail: 'red' } as const satisfies Record<
  Check['result'],
  Style
>;

export function addDoctorCommand(program: Command, cli: Cli): void {
  const doctor = program
    .command('doctor')
    .description(
      'look at Node, data folder, database, queues, credentials, runs and clocks; ends with 1 if one fails',
    )
    .action(() => cli.run(() => examine(cli)));
  examples(doctor, 'rollcall doctor', 'rollcall doctor --json');
}

async function examine(cli: Cli): Promise<number> {
  const { terminal, installation } = cli;
  const checks: Check[] = [];
  for await (const check of installation.checkUp(cli.config())) {
    checks.push(check);
    if (terminal.json) continue;
    terminal.line(
      `${terminal.style(styleOf[check.result], check.result.padEnd(4))}  ${check.check.padEnd(14)}  ${harmless(check.detail)}`,
    );
    if (check.remedy !== undefined) terminal.line(`      remedy: ${asTyped(harmless(check.remedy))}`);
  }
  const failed = checks.some((check) => check.result === 'fail');
  if (terminal.json) terminal.document({ ok: !failed, checks });
  return failed ? EXIT.failed : EXIT.ok;
}

/** `rollcall undo`: proposes what takes an apply back. */
import type { Command } from 'commander';
import { leftBecause } from '../domain/undo.ts';
import { askForReason } from './askForReason.ts';
import { asTyped } from './asTyped.ts';
import type { App, Cli } from './cli.ts';
import { examples } from './examples.ts';
import { EXIT } from './failure.ts';
import type { Operator } from './operator.ts';
import { counted, grouped } from './terminal.ts';

type UndoOptions = {
  readonly change?: readonly string[];
  readonly reason?: string;
  readonly dryRun?: boolean;
};

type Undone = Awaited<ReturnType<Operator['undoApply']>>;

export function addUndoCommand(program: Command, cli: Cli): void {
  const undo = program
    .command('undo')
    .description('propose what takes an apply back; it waits for a decision like any other change')
    .argument('<apply>', 'id, as `rollcall applies` lists it')
    .option('--change <change...>', 'only these of its changes')
    .option('--reason <text>', 'why, for whoever decides on it, and whoever asks later')
    .option('--dry-run', 'say what would be proposed, and propose nothing')
    .action((apply: string, options: UndoOptions) =>
      cli.withApp((app) => undoApply(cli, app, apply, options)),
    );
  examples(
    undo,
    'rollcall undo 019ab0c4-5d2e-7c3f-8a1b-2c3d4e5f6a7b --dry-run',
    "rollcall undo 019ab0c4-5d2e-7c3f-8a1b-2c3d4e5f6a7b --reason 'The mapping was wrong'",
    'rollcall undo 019ab0c4-5d2e-7c3f-8a1b-2c3d4e5f6a7b --change 019ab0c4-6a01-7b2c-9d3e-1f2a3b4c5d6e --reason Wrong --json',
  );
}

async function undoApply(
  cli: Cli,
  { operator }: App,
  apply: string,
  { change, reason, dryRun = false }: UndoOptions,
): Promise<number> {
  const { terminal } = cli;
  const undone = await operator.undoApply({
    apply,
    changes: change === undefined ? null : [...change],
    reason: reason ?? (dryRun ? null : await askForReason(cli, 'undo')),
    dryRun,
  });
  if (terminal.json) terminal.document(undone);
  else write(cli, apply, undone, dryRun);
  if (!dryRun && undone.proposed > 0) {
    const { connection, revision } = undone;
    cli.next(
      `changes --connection ${connection} --cause undo`,
      `approve --connection ${connection} --all --cause undo --revision ${revision} --reason TEXT`,
      `apply ${connection}`,
    );
  }
  return undone.left === 0 ? EXIT.ok : EXIT.notNow;
}

const SHOWN = 20;

function write({ terminal }: Cli, apply: string, undone: Undone, dryRun: boolean): void {
  const { proposed, kinds, held, takenBack, left, items } = undone;
  const each = Object.entries(kinds).map(([kind, count]) => `${grouped(count)} ${kind}`);
  const ofThem = each.length === 0 ? '' : `: ${each.join(', ')}`;
  terminal.line(`${dryRun ? 'Would propose' : 'Proposed'} ${counted(proposed, 'change')}${ofThem}.`);
  if (dryRun && takenBack.length > 0) {
    terminal.table(
      ['change', 'name', 'taken back by'],
      takenBack.slice(0, SHOWN).map((one) => [one.change, one.name, one.kind]),
    );
    if (proposed > SHOWN)
      terminal.note(
        asTyped(
          `And ${grouped(proposed - SHOWN)} more: \`rollcall changes --apply ${apply}\` lists all that it did.`,
        ),
      );
  }
  if (held > 0)
    terminal.line(
      `${grouped(held)} of them ${held === 1 ? 'is' : 'are'} held: \`rollcall changes\` says why.`,
    );
  if (left === 0) return;
  terminal.line(`${counted(left, 'change')} left alone, be it in part:`);
  const rows = items.map((one) => [
    one.change,
    one.name ?? '',
    one.what.length === 0 ? leftBecause[one.because] : `${one.what.join(', ')} ${leftBecause[one.because]}`,
    one.proposed === null ? '' : one.proposed,
  ]);
  terminal.table(['change', 'name', 'why', 'what takes the rest back'], rows);
  if (left > items.length) terminal.note(`And ${grouped(left - items.length)} more.`);
}

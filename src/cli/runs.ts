/** `rollcall runs`: the runs that read directories, and whether what one proposed follows from what it read. */
import type { Command } from 'commander';
import type { ListedConnection } from '../domain/connection.ts';
import { type Unknown, unknowns } from '../domain/replan.ts';
import type { RunView } from '../domain/run.ts';
import { asTyped } from './asTyped.ts';
import type { App, Cli } from './cli.ts';
import { examples } from './examples.ts';
import { EXIT } from './failure.ts';
import { atLeastOne, type Page, pagesOf, remembered, writeItems } from './lists.ts';
import { type Cell, grouped, harmless, type Style } from './terminal.ts';

type RunsOptions = { readonly connection?: string; readonly limit: number; readonly all?: boolean };

export function addRunCommands(program: Command, cli: Cli): void {
  const runs = program.command('runs').description('sync runs');
  examples(runs, 'rollcall runs', 'rollcall runs replan RUN');
  const list = runs
    .command('list', { isDefault: true })
    .description('list sync runs, the newest first')
    .option('--connection <connection>', 'only of this connection')
    .option('--limit <number>', 'at most so many', atLeastOne, 20)
    .option('--all', 'all of them')
    .action((options: RunsOptions) => cli.withApp((app) => listRuns(cli, app, options)));
  examples(list, 'rollcall runs', "rollcall runs --connection 'Harbor Okta' --limit 5 --json");
  const replan = runs
    .command('replan')
    .description(
      'make the plan of a finished run again, from what it has read, and say whether the same follows; ends with 1 if not',
    )
    .argument('<run>', 'id of the last complete run of a connection, or of its last delta')
    .action((run: string) => cli.withApp((app) => replanRun(cli, app, run)));
  examples(replan, 'rollcall runs replan 019a2b3c-4d5e-7f60-8123-456789abcdef --json');
}

async function replanRun({ terminal }: Cli, { operator }: App, run: string): Promise<number> {
  const replanned = await operator.replanRun(run);
  const { ok, people, nothing, same, unknown, different, differences, digest } = replanned;
  const code = ok ? EXIT.ok : EXIT.failed;
  if (terminal.json) {
    terminal.document(replanned);
    return code;
  }
  terminal.line(
    ok
      ? `${terminal.style('green', 'ok')}: nothing follows otherwise than it is recorded.`
      : `${terminal.style('red', 'DIFFERENT')}: something else follows than is recorded, of ${grouped(different)}.`,
  );
  const rows: readonly (readonly [number, string])[] = [
    [nothing, 'of whom nothing follows, and nothing was proposed'],
    [same.now, 'of whom the same change follows'],
    [same.record, 'of whom the same change follows from how it says that they were: they were changed since'],
    ...Object.entries(unknown).map(
      ([why, count]) => [count, `unknown: ${unknowns[why as Unknown]}`] as const,
    ),
  ];
  terminal.table(
    ['people', `of ${grouped(people)}`],
    rows.filter(([count]) => count > 0).map(([count, what]) => [grouped(count), what]),
  );
  terminal.line(`digest ${digest}`);
  if (differences.length > 0) {
    terminal.line();
    terminal.table(
      ['directory id', 'what is different', 'change'],
      differences.map(({ externalId, says, change }) => [harmless(externalId), says, change ?? '—']),
    );
  }
  return code;
}

const styleOfState = {
  queued: 'dim',
  pulling: 'cyan',
  planning: 'cyan',
  finished: 'green',
  failed: 'red',
} as const satisfies Record<RunView['state'], Style>;

/**
 * For a table, in a word or two: everybody (`complete`, and how much deltas had missed), why not everybody (as docs/review.md explains
 * it), or what kind of run it is.
 */
function readIn({ kind, snapshot, partialReason, missedByDeltas: missed }: RunView): Cell {
  if (snapshot === 'partial') return { text: partialReason ?? 'partial', style: 'yellow' };
  if (missed !== null && missed > 0) return { text: `complete, ${grouped(missed)} missed`, style: 'yellow' };
  return snapshot === 'complete' ? snapshot : kind;
}

async function listRuns(cli: Cli, { operator }: App, options: RunsOptions): Promise<void> {
  const { terminal } = cli;
  const only =
    options.connection === undefined
      ? {}
      : { connection: (await operator.findConnection(options.connection)).id };
  const fetch = (page: Page) => operator.listRuns({ ...only, ...page });
  if (terminal.json) return await writeItems(terminal, fetch, options);
  const nameOf = remembered(async (id: ListedConnection['id']) => (await operator.getConnection(id)).name);
  let found = 0;
  for await (const page of pagesOf(fetch, options)) {
    const rows = page.items.map(
      async (run): Promise<Cell[]> => [
        await nameOf(run.connection),
        { text: run.state, style: styleOfState[run.state] },
        readIn(run),
        grouped(run.users),
        run.counts === null
          ? '—'
          : `${run.counts.new}/${run.counts.changed}/${run.counts.deleted}/${run.counts.conflicts}`,
        run.createdAt.slice(0, 19).replace('T', ' '),
        run.requestedBy,
        run.id,
        run.failure?.message ?? '',
      ],
    );
    found += page.items.length;
    if (found > 0) {
      const headings = [
        'connection',
        'state',
        'read',
        'users',
        'new/chg/del/conf',
        'started (UTC)',
        'by',
        'run',
        'failure',
      ];
      terminal.table(headings, await Promise.all(rows));
    }
  }
  if (found === 0) terminal.note(asTyped('There was no run yet: rollcall sync --all'));
}

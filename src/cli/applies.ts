/** `rollcall applies`: what is being applied, was, or waits for its time; pausing, resuming and cancelling it. */
import type { Command } from 'commander';
import { haltReasons, OUTCOMES } from '../domain/apply.ts';
import type { ConnectionId } from '../domain/ids.ts';
import { carryOut, writeApplied } from './apply.ts';
import { asTyped } from './asTyped.ts';
import type { App, Cli } from './cli.ts';
import { examples } from './examples.ts';
import { EXIT } from './failure.ts';
import { atLeastOne, type Page, pagesOf, remembered, type Wanted, writeItems } from './lists.ts';
import type { Operator } from './operator.ts';
import { type Cell, counted, duration, grouped, harmless, type Style } from './terminal.ts';

type Apply = Awaited<ReturnType<Operator['getApply']>>;
type ListOptions = { readonly connection?: string; readonly limit: number; readonly all?: boolean };
type StopOptions = { readonly reason?: string | null };
type ResumeOptions = StopOptions & { readonly despiteFreeze?: string };

const ID = '019ab0c4-5d2e-7c3f-8a1b-2c3d4e5f6a7b';

export function addAppliesCommands(program: Command, cli: Cli): void {
  const applies = program.command('applies').description('what is being applied, was, or waits for its time');
  examples(applies, 'rollcall applies', `rollcall applies show ${ID}`, `rollcall applies pause ${ID}`);
  const list = applies
    .command('list', { isDefault: true })
    .description('list applies, the newest first')
    .option('--connection <connection>', 'only of this connection')
    .option('--limit <number>', 'at most so many', atLeastOne, 20)
    .option('--all', 'all of them')
    .action((options: ListOptions) => cli.withApp((app) => listApplies(cli, app, options)));
  examples(list, 'rollcall applies', "rollcall applies list --connection 'Harbor Okta' --json");
  const show = applies
    .command('show')
    .description('show how an apply stands, and each change that it did not apply, with the reason')
    .argument('<apply>', 'id')
    .option('--limit <number>', 'at most so many changes', atLeastOne, 50)
    .option('--all', 'all of them')
    .action((id: string, options: Wanted) => cli.withApp((app) => showApply(cli, app, id, options)));
  examples(show, `rollcall applies show ${ID}`, `rollcall applies show ${ID} --json`);
  const pause = withReason(
    applies.command('pause').description('let nothing more begin until it is resumed'),
  ).action((apply: string, { reason = null }: StopOptions) =>
    cli.withApp(async (app) => tellOf(cli, app, await app.operator.pauseApply({ apply, reason }))),
  );
  examples(pause, `rollcall applies pause ${ID} --reason 'Two people were given the wrong role'`);
  const resume = withReason(applies.command('resume').description('let a paused one go on, and carry it out'))
    .option('--despite-freeze <reason>', 'although a freeze period holds: why it cannot wait')
    .action((apply: string, options: ResumeOptions) =>
      cli.withApp((app) => resumeApply(cli, app, apply, options)),
    );
  examples(resume, `rollcall applies resume ${ID}`);
  const cancel = withReason(
    applies
      .command('cancel')
      .description('end it: what it did stays done, what it did not do stays approved for `rollcall apply`'),
  ).action((apply: string, { reason = null }: StopOptions) =>
    cli.withApp(async (app) => tellOf(cli, app, await app.operator.cancelApply({ apply, reason }))),
  );
  examples(cancel, `rollcall applies cancel ${ID} --reason 'Approved by mistake'`);
}

function withReason(command: Command): Command {
  return command.argument('<apply>', 'id').option('--reason <text>', 'why, for whoever asks later');
}

const styleOfState = {
  waiting: 'cyan',
  running: 'cyan',
  paused: 'yellow',
  finished: 'green',
  cancelled: 'dim',
} as const satisfies Record<Apply['state'], Style>;

async function listApplies(cli: Cli, { operator }: App, options: ListOptions): Promise<void> {
  const { terminal } = cli;
  const only =
    options.connection === undefined
      ? {}
      : { connection: (await operator.findConnection(options.connection)).id };
  const fetch = (page: Page) => operator.listApplies({ ...only, ...page });
  if (terminal.json) return await writeItems(terminal, fetch, options);
  const nameOf = remembered(async (id: ConnectionId) => (await operator.getConnection(id)).name);
  let found = 0;
  for await (const page of pagesOf(fetch, options)) {
    const rows = page.items.map(
      async (apply): Promise<Cell[]> => [
        await nameOf(apply.connection),
        { text: apply.state, style: styleOfState[apply.state] },
        `${grouped(apply.done)}/${grouped(apply.total)}`,
        `${apply.applied}/${apply.alreadyApplied}/${apply.moved}/${apply.failed}/${apply.held}`,
        (apply.startsAt ?? apply.createdAt).slice(0, 19).replace('T', ' '),
        apply.by,
        apply.id,
      ],
    );
    found += page.items.length;
    const headings = [
      'connection',
      'state',
      'done',
      'appl/was/moved/failed/held',
      'begins (UTC)',
      'by',
      'apply',
    ];
    if (found > 0) terminal.table(headings, await Promise.all(rows));
  }
  if (found === 0) terminal.note('Nothing was applied yet.');
}

/** Every change that is not as it was approved, one line each. */
const NOT_APPLIED = OUTCOMES.filter((outcome) => outcome !== 'applied' && outcome !== 'already-applied');

async function showApply(cli: Cli, { operator }: App, id: string, wanted: Wanted): Promise<void> {
  const { terminal } = cli;
  const apply = await operator.getApply(id);
  const fetch = (page: Page) =>
    operator.listAppliedChanges({ apply: apply.id, outcome: [...NOT_APPLIED], ...page });
  const notApplied: object[] = [];
  if (!terminal.json) writeApply(cli, apply, (await operator.getConnection(apply.connection)).name);
  for await (const { items } of pagesOf(fetch, wanted)) {
    for (const { id: change, name, externalId, kind, outcome, outcomeReason } of items) {
      if (terminal.json) notApplied.push({ change, name, externalId, kind, outcome, reason: outcomeReason });
      else
        terminal.line(
          `  ${harmless(name)}: ${kind} ${outcome}: ${harmless(outcomeReason ?? 'no reason is known')}`,
        );
    }
  }
  if (terminal.json) terminal.document({ ...apply, notApplied });
}

function writeApply({ terminal, next }: Cli, apply: Apply, connection: string): void {
  const { applied, alreadyApplied, moved, failed, held } = apply;
  terminal.line(
    `${terminal.style('bold', harmless(connection))}: ${terminal.style(styleOfState[apply.state], apply.state)}, ${grouped(apply.done)} of ${counted(apply.total, 'change')} done, by ${harmless(apply.by)}`,
  );
  terminal.line(
    `  ${grouped(applied)} applied · ${grouped(alreadyApplied)} were so already · ${grouped(moved)} sent back · ${grouped(failed)} failed · ${grouped(held)} held by a guard`,
  );
  for (const line of standingOf(apply)) terminal.line(`  ${line}`);
  if (apply.actions.length > 0) next(...apply.actions.map((action) => `applies ${action} ${apply.id}`));
}

function standingOf(apply: Apply): string[] {
  const { halt, remedy, rate, secondsLeft, startsAt, resumesAt, state, despiteFreeze } = apply;
  const lines: string[] = [];
  if (halt !== null) {
    const who = halt.by === null ? '' : `, by ${harmless(halt.by)}`;
    const said = halt.reason === null ? '' : `: ${harmless(halt.reason)}`;
    lines.push(`${haltReasons[halt.because]} (${halt.at}${who}${said})`);
  }
  if (remedy !== null) lines.push(harmless(asTyped(remedy)));
  if (state === 'waiting' && startsAt !== null) lines.push(`begins ${startsAt} at the earliest`);
  if (resumesAt !== null) lines.push(`goes on by itself at ${resumesAt}`);
  if (rate !== null && secondsLeft !== null)
    lines.push(`${grouped(Math.round(rate))} a second, ${duration(secondsLeft)} left`);
  if (despiteFreeze !== null) lines.push(`despite a freeze period: ${harmless(despiteFreeze)}`);
  return lines;
}

async function tellOf(cli: Cli, { operator }: App, apply: Apply): Promise<void> {
  if (cli.terminal.json) return cli.terminal.document(apply);
  writeApply(cli, apply, (await operator.getConnection(apply.connection)).name);
}

async function resumeApply(cli: Cli, app: App, apply: string, options: ResumeOptions): Promise<number> {
  const { reason = null, despiteFreeze = null } = options;
  const { id } = await app.operator.resumeApply({ apply, reason, despiteFreeze });
  const done = await carryOut(cli, app, id);
  if (cli.terminal.json) cli.terminal.document(done);
  else writeApplied(cli, done);
  return done.state === 'finished' && done.moved + done.failed + done.held === 0 ? EXIT.ok : EXIT.notNow;
}

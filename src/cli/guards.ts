/** `rollcall guards`: what holds the changes of a connection, and letting more through for a time. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { explainFinding, OVERRIDABLE_GUARDS } from '../domain/guard.ts';
import { Problem } from '../domain/problem.ts';
import type { App, Cli } from './cli.ts';
import { examples } from './examples.ts';
import { momentTyped } from './moment.ts';
import type { Operator } from './operator.ts';
import { grouped, harmless } from './terminal.ts';

type Guards = Awaited<ReturnType<Operator['getGuards']>>;
type Override = Guards['overrides'][number];
type OverrideOptions = {
  readonly guard: (typeof OVERRIDABLE_GUARDS)[number];
  readonly limit?: number;
  readonly off?: boolean;
  readonly until: string;
  readonly reason: string;
};

export function addGuardCommands(program: Command, cli: Cli): void {
  const guards = program.command('guards').description('what holds changes back until a person looks');
  examples(guards, "rollcall guards show 'Harbor Okta'");
  const show = guards
    .command('show')
    .description("show a connection's limits, what its guards found last, and who lets more through")
    .argument('<connection>', 'id or name')
    .action((name: string) => cli.withApp((app) => showGuards(cli, app, name)));
  examples(show, "rollcall guards show 'Harbor Okta'", "rollcall guards show 'Harbor Okta' --json");
  const override = guards
    .command('override')
    .description('let more through for a time; from the next sync on')
    .argument('<connection>', 'id or name')
    .addOption(named('whose limit').makeOptionMandatory())
    .option('--limit <number>', 'up to so many', wholeNumber)
    .option('--off', 'all, however many')
    .requiredOption('--until <time>', 'a day, a moment, or how far away: 2026-12-31, 7d', momentTyped)
    .requiredOption('--reason <text>', 'why, for whoever asks later')
    .action((name: string, options: OverrideOptions) =>
      cli.withApp((app) => overrideGuard(cli, app, name, options)),
    );
  examples(
    override,
    "rollcall guards override 'Harbor Okta' --guard too-many-deletions --limit 500 --until 2d --reason 'Merger with Quay'",
  );
  const end = guards
    .command('end')
    .description('end what lets more through, before its time')
    .argument('<connection>', 'id or name')
    .addOption(named('of this guard').makeOptionMandatory())
    .action((name: string, { guard }: Pick<OverrideOptions, 'guard'>) =>
      cli.withApp((app) => endOverride(cli, app, name, guard)),
    );
  examples(end, "rollcall guards end 'Harbor Okta' --guard too-many-deletions");
}

const named = (what: string) => new Option('--guard <guard>', what).choices(OVERRIDABLE_GUARDS);

function wholeNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number of at most nine digits.');
}

async function overrideGuard(
  cli: Cli,
  { operator }: App,
  name: string,
  { guard, limit, off, until, reason }: OverrideOptions,
): Promise<void> {
  if ((limit === undefined) === (off !== true)) {
    throw new Problem({
      code: 'invalid-input',
      message: off === true ? 'Both --limit and --off are given.' : 'It is not said how much may go.',
      remedy: 'Give --limit with a number, or --off for all.',
    });
  }
  const { id: connection } = await operator.findConnection(name);
  const made = await operator.overrideGuard({ connection, guard, allowed: limit ?? null, until, reason });
  if (cli.terminal.json) return cli.terminal.document(made);
  cli.terminal.line(asSentence(made));
  cli.next(`sync ${connection}`);
}

async function endOverride(cli: Cli, { operator }: App, name: string, guard: string): Promise<void> {
  const { id: connection } = await operator.findConnection(name);
  const { overrides } = await operator.getGuards(connection);
  const found = overrides.find((one) => one.guard === guard);
  if (found === undefined) {
    throw new Problem({
      code: 'not-found',
      message: `Nothing lets more through for the guard ${guard} of this connection.`,
      remedy: '`rollcall guards show` lists what does.',
    });
  }
  await operator.endGuardOverride(found.id);
  if (cli.terminal.json) return cli.terminal.document({ ended: found });
  cli.terminal.line(`The guard ${guard} goes by its limit again.`);
}

async function showGuards(cli: Cli, { operator }: App, name: string): Promise<void> {
  const { terminal } = cli;
  const { id } = await operator.findConnection(name);
  const shown = await operator.getGuards(id);
  if (terminal.json) return terminal.document(shown);
  terminal.table(
    ['limit', 'value'],
    Object.entries(shown.limits).map(([limit, value]) => [limit, String(value)]),
  );
  terminal.line();
  if (shown.findings.length === 0) terminal.line('The guards found nothing in the last plan.');
  for (const finding of shown.findings) {
    const held = finding.overridden === undefined ? 'held' : 'let through';
    terminal.line(`${terminal.style('bold', held)}: ${harmless(explainFinding(finding))}`);
  }
  for (const override of shown.overrides) terminal.line(asSentence(override));
  noteUnknown(cli, shown);
}

/** What the policy names and nothing is called: one line each. */
export function noteUnknown({ terminal }: Cli, { unknown: { users, roles } }: Guards): void {
  const list = (names: readonly string[]) => harmless(names.join(', '));
  const warning = terminal.noteStyle('yellow', 'warning');
  if (roles.length > 0) {
    terminal.note(
      `${warning}: the policy names roles that do not exist: ${list(roles)}. Until they do, or are out of it, whoever would lose something waits for a person.`,
    );
  }
  if (users.length > 0)
    terminal.note(
      `${warning}: the policy protects users whom nobody is: ${list(users)}. They are passed over.`,
    );
}

function asSentence(override: Override): string {
  const words = harmless(overrideInWords(override));
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}

export function overrideInWords({ guard, allowed, by, reason, until }: Omit<Override, 'id'>): string {
  const much = allowed === null ? 'everything' : `up to ${grouped(allowed)}`;
  return `the guard ${guard} lets ${much} through until ${until}, by ${by}: ${reason}`;
}

/** `rollcall sync`: read directories, plan what would change. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from 'commander';
import type { FailureKind } from '../../connectors/contract.ts';
import { whoActs } from '../../connectors/contract.ts';
import type { ListedConnection } from '../domain/connection.ts';
import type { RunCounts, RunView } from '../domain/run.ts';
import { partialReasons, partialRemedies } from '../domain/snapshot.ts';
import { applyDue } from './apply.ts';
import { chosenConnections } from './chosen.ts';
import type { App, Cli } from './cli.ts';
import { examples } from './examples.ts';
import { EXIT, failureLines, tell, toldOf } from './failure.ts';
import { noteWhileQuiet } from './quietFile.ts';
import { counted, grouped, harmless, type Progress, type Style, type Terminal } from './terminal.ts';

type SyncOptions = {
  readonly all?: boolean;
  readonly full?: boolean;
  readonly user?: readonly string[];
  readonly detailedExitcode?: boolean;
};

/** How many directories are read side by side, so that one that hangs does not keep the others. */
const SIDE_BY_SIDE = 4;
const POLL_MS = 500;

export function addSyncCommands(program: Command, cli: Cli): void {
  const sync = program
    .command('sync')
    .description(
      'read directories and plan what would change; nothing is applied, but for what a policy applies',
    )
    .argument('[connection...]', 'ids or names')
    .option('--all', 'every connection')
    .option('--full', 'read everybody, also where the provider can name those who changed')
    .option('--user <id...>', 'only these, by their ids in the directory')
    .option('--detailed-exitcode', 'end with 0: no change waits, 1: failed, 2: changes wait')
    .action((names: string[], options: SyncOptions) =>
      cli.withApp((app) => readAndPlan(cli, app, names, options)),
    );
  examples(
    sync,
    "rollcall sync 'Harbor Okta'",
    "rollcall sync 'Harbor Okta' --user 00u1abcd --user 00u2efgh",
    'rollcall sync --all --detailed-exitcode',
  );
}

async function readAndPlan(
  cli: Cli,
  app: App,
  names: readonly string[],
  options: SyncOptions,
): Promise<number> {
  const { terminal } = cli;
  const connections = await chosenConnections(app.operator, names, options.all === true);
  const progress = terminal.progress();
  const waiting = [...connections];
  const ended: Ended[] = [];
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const one = await syncOrFail(app, next, {
        progress,
        signal: cli.signal,
        note: terminal.note,
        full: options.full === true,
        users: options.user ?? null,
      });
      ended.push(one);
      progress.clear();
      if (!terminal.json) describe(cli, one, new Set(options.user).size);
    }
  };
  await Promise.all(Array.from({ length: Math.min(SIDE_BY_SIDE, waiting.length) }, work));
  progress.clear();
  cli.signal.throwIfAborted();
  const applies = await applyWhatPoliciesApproved(cli, app, ended);
  if (terminal.json)
    terminal.document({ runs: ended.map(documentOf), ...(applies.length === 0 ? {} : { applies }) });
  if (ended.some(({ run }) => run === null || run.state !== 'finished' || run.snapshot === 'partial'))
    return options.detailedExitcode !== true && ended.every(isWholeOrNotNow) ? EXIT.notNow : EXIT.failed;
  const open = ended.some(({ run }) => run !== null && run.counts !== null && total(run.counts) > 0);
  return options.detailedExitcode === true && open ? EXIT.changesWait : EXIT.ok;
}

/** Nothing of it broke: what was not run may not run as things stand. */
function isWholeOrNotNow({ run, error }: Ended): boolean {
  if (run === null) return toldOf(error).exit === EXIT.notNow;
  return run.state === 'finished' && run.snapshot !== 'partial';
}

async function applyWhatPoliciesApproved(cli: Cli, app: App, ended: readonly Ended[]): Promise<object[]> {
  const applies: object[] = [];
  for (const { connection, run } of ended)
    if (run?.state === 'finished') applies.push(...(await applyDue(cli, app, [connection.id])));
  return applies;
}

type Ended =
  | { readonly connection: ListedConnection; readonly run: RunView; readonly error: null }
  /** It did not come to a run, or the run ended in a way that is recorded nowhere. */
  | { readonly connection: ListedConnection; readonly run: null; readonly error: unknown };

/** One connection that cannot be run does not keep the others from it. */
async function syncOrFail(app: App, connection: ListedConnection, watching: Watching): Promise<Ended> {
  try {
    watching.signal.throwIfAborted();
    return { connection, run: await syncOne(app, connection, watching), error: null };
  } catch (error) {
    return { connection, run: null, error };
  }
}

function documentOf({ connection, run, error }: Ended) {
  const { id, name, provider } = connection;
  if (run !== null) return { name, provider, ...run };
  const { exit: _, ...told } = toldOf(error);
  return { name, provider, connection: id, error: told };
}

function describe(cli: Cli, { connection, run, error }: Ended, named: number): void {
  if (run !== null) describeRun(cli, connection, run, named);
  if (run !== null || cli.signal.aborted) return;
  cli.terminal.line(
    `${cli.terminal.style('bold', harmless(connection.name))}: ${cli.terminal.style('red', 'not run')}.`,
  );
  tell(error, cli.terminal);
}

type Watching = {
  /** Everybody is read, also where changes alone could be asked for. */
  readonly full?: boolean;
  /** Only these, by their ids in the directory; null: whoever has changed. */
  readonly users?: readonly string[] | null;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly note: (text: string) => void;
};

/**
 * Carries a run out in this process, after one that another process left unfinished. Where another process is running the
 * connection, shows how far that is, and then carries this run out unless the other one has done so.
 */
export async function syncOne(
  { operator }: App,
  connection: ListedConnection,
  watching: Watching,
): Promise<RunView> {
  const { run } = await operator.requestRun({
    connection: connection.id,
    full: watching.full ?? false,
    users: watching.users ?? null,
  });
  const settings = connection.state === 'unreadable' ? null : connection.settings;
  const begun = noteWhileQuiet(watching, { provider: connection.provider, settings });
  try {
    return await follow(operator, connection, { ...watching, run, begun });
  } finally {
    begun();
  }
}

async function follow(
  operator: App['operator'],
  connection: ListedConnection,
  {
    run,
    begun,
    progress,
    signal,
    note,
  }: Watching & { readonly run: RunView['id']; readonly begun: () => void },
): Promise<RunView> {
  const report = (phase: string, pages: number, users: number, usersPerSecond: number) => {
    if (pages > 0) begun();
    const pace = usersPerSecond > 0 ? `, ${grouped(usersPerSecond)}/s` : '';
    progress.update(connection.name, `${phase}, ${counted(pages, 'page')}, ${counted(users, 'user')}${pace}`);
  };
  const told = new Set<'busy'>();
  for (;;) {
    const outcome = await operator.syncConnection({
      connection: connection.id,
      run,
      signal,
      onProgress: ({ phase, pages, users, usersPerSecond }) => report(phase, pages, users, usersPerSecond),
    });
    const current = await operator.getRun(run);
    if (current.state === 'finished' || current.state === 'failed') return current;
    if (outcome.result !== 'busy') continue;
    if (!told.has('busy')) {
      progress.clear();
      note(`${harmless(connection.name)} is being run by another process; waiting for it.`);
    }
    told.add('busy');
    const { items } = await operator.listRuns({ connection: connection.id, limit: 5 });
    const other = items.find((one) => one.state === 'pulling' || one.state === 'planning');
    if (other !== undefined)
      report(other.state === 'planning' ? 'planning' : other.phase, other.pages, other.users, 0);
    await wait(POLL_MS, undefined, { signal });
  }
}

function total(counts: RunCounts): number {
  return counts.new + counts.changed + counts.deleted + counts.conflicts;
}

/** `12 new · 3 changed · 1 deleted · 0 conflicts · 4 held`, the sets in their colours. */
export function countsInWords(counts: RunCounts, style: Terminal['style']): string {
  const parts: readonly (readonly [number, string, Style])[] = [
    [counts.new, 'new', 'green'],
    [counts.changed, 'changed', 'yellow'],
    [counts.deleted, 'deleted', 'red'],
    [counts.conflicts, counts.conflicts === 1 ? 'conflict' : 'conflicts', 'magenta'],
    [counts.held, counts.held === 0 ? 'held' : 'of them held', 'bold'],
  ];
  const words = parts.map(([count, word, format]) => {
    const text = `${grouped(count)} ${word}`;
    return count === 0 ? style('dim', text) : style(format, text);
  });
  return words.join(' · ');
}

/** `named`: how many were asked for by their ids. */
function describeRun(cli: Cli, connection: ListedConnection, run: RunView, named: number): void {
  const { terminal } = cli;
  const name = terminal.style('bold', harmless(connection.name));
  if (run.failure !== null) {
    for (const line of failureInWords(run.failure)) terminal.note(harmlessLine(line));
    if (run.failure.kind === 'unavailable' && isOfThisMachine(connection)) terminal.note(SIMULATOR_ENDED);
  }
  if (run.state === 'failed') {
    terminal.line(`${name}: ${terminal.style('red', 'failed')}; nothing changed.`);
    return;
  }
  const seconds = secondsOf(run);
  const read = readInWords(run, named);
  terminal.line(`${name}: ${read}${seconds === null ? '' : ` in ${seconds} s`}.`);
  describePartial(cli, run);
  describeUnreadable(terminal, run);
  if (run.missedByDeltas !== null && run.missedByDeltas > 0) {
    const missed = counted(run.missedByDeltas, 'change');
    terminal.line(`  ${terminal.style('yellow', `the deltas before it had missed ${missed}`)}`);
  }
  if (run.counts === null) return;
  terminal.line(
    `  ${total(run.counts) === 0 ? 'no change waits' : countsInWords(run.counts, terminal.style)}`,
  );
  if (total(run.counts) > 0) cli.next(`changes --connection ${connection.id}`);
}

function readInWords({ kind, snapshot, users, groups }: RunView, named: number): string {
  if (snapshot !== 'named') return `read ${counted(users, 'user')} and ${counted(groups, 'group')}`;
  // Who is gone without a trace is proposed, and is none of those who were read.
  if (kind !== 'targeted' && users === 0) return 'looked for what changed since the last run';
  if (kind !== 'targeted') return `looked at the ${counted(users, 'user')} who changed since the last run`;
  if (named <= users) return `looked at ${counted(users, 'named user')}`;
  return `looked for ${counted(named, 'named user')}, and found ${grouped(users)}`;
}

/** A demo's directories end with it: waiting helps nobody then, as it does with a provider. */
const SIMULATOR_ENDED =
  '  Its address is on this machine: a simulator that was there has ended, or its demo. Start that again.';

function isOfThisMachine(connection: ListedConnection): boolean {
  if (connection.state === 'unreadable') return false;
  const { orgUrl, scimUrl, url } = Object.fromEntries(Object.entries(connection.settings ?? {}));
  const host = URL.parse(String(connection.network.baseUrl ?? orgUrl ?? scimUrl ?? url))?.hostname;
  return host !== undefined && ['127.0.0.1', '[::1]', 'localhost'].includes(host);
}

function describeUnreadable(terminal: Terminal, { unreadable, problems }: RunView): void {
  if (unreadable === 0) return;
  const left = `${counted(unreadable, 'record')} could not be read and stay as they are`;
  terminal.line(`  ${terminal.style('yellow', left)}`);
  for (const { problem, users, example } of problems ?? [])
    terminal.line(`  ${counted(users, 'user')}, such as ${harmless(example)}: ${harmless(problem)}`);
}

function describePartial({ terminal }: Cli, { snapshot, partialReason: why }: RunView): void {
  if (snapshot !== 'partial') return;
  const reason = why === null ? '' : `: ${partialReasons[why]}`;
  terminal.line(
    `  ${terminal.style('yellow', `only part of the directory${reason}; nobody counts as having left`)}`,
  );
  const remedy = why === null ? undefined : partialRemedies[why];
  if (remedy !== undefined) terminal.line(`  remedy: ${remedy}`);
}

function harmlessLine(line: string): string {
  return (line.startsWith('  ') ? '  ' : '') + harmless(line.trim());
}

function failureInWords(failure: NonNullable<RunView['failure']>): string[] {
  if (Object.hasOwn(whoActs, failure.kind))
    return failureLines({ ...failure, kind: failure.kind as FailureKind });
  return [failure.message, `  remedy: ${failure.remedy}`];
}

function secondsOf(run: RunView): string | null {
  if (run.startedAt === null || run.finishedAt === null) return null;
  return ((Date.parse(run.finishedAt) - Date.parse(run.startedAt)) / 1000).toFixed(1);
}

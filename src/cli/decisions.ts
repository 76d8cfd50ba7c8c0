/** `rollcall approve`, `reject`, `hold` and `apply`: decide on what was shown, and carry out what was approved. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from 'commander';
import { type ListedConnection, unreadable } from '../domain/connection.ts';
import type { ApplyId } from '../domain/ids.ts';
import { Problem } from '../domain/problem.ts';
import { asTyped } from './asTyped.ts';
import { waitingIn, writeSummary } from './changes.ts';
import { chosenConnections } from './chosen.ts';
import type { App, Cli } from './cli.ts';
import { addCriteria, type Criteria, criteriaFrom } from './criteria.ts';
import { examples } from './examples.ts';
import { EXIT } from './failure.ts';
import { momentTyped } from './moment.ts';
import { counted, grouped, harmless, timeLeft } from './terminal.ts';
import { undecidedInWords, whyNothing } from './undecided.ts';

type Verdict = 'approve' | 'reject' | 'hold';

type DecideOptions = Criteria & {
  readonly connection?: string;
  readonly all?: boolean;
  readonly revision?: number;
  readonly reason?: string;
  readonly includeHeld?: boolean;
  readonly until?: string;
};

const WHAT = {
  approve: 'approve changes; `rollcall apply` carries them out',
  reject: 'refuse changes; they are not proposed again until their content changes',
  hold: 'keep changes back until somebody approves or rejects them',
} as const satisfies Record<Verdict, string>;

const UNLESS = {
  reject: 'until the content changes',
  hold: 'until somebody decides',
} as const satisfies Record<Exclude<Verdict, 'approve'>, string>;

const PAST = { approve: 'Approved', reject: 'Rejected', hold: 'Held' } as const satisfies Record<
  Verdict,
  string
>;

export function addDecisionCommands(program: Command, cli: Cli): void {
  for (const verdict of ['approve', 'reject', 'hold'] as const) {
    const command = program
      .command(verdict)
      .description(WHAT[verdict])
      .argument('[change...]', 'ids, as `rollcall changes` lists them')
      .option('--connection <connection>', 'with --all: the connection whose change set is meant')
      .option('--all', 'everything in the change set that the options below leave')
      .option(
        '--revision <number>',
        'the revision of the change set that you saw; later changes are left out',
        revision,
      )
      .option('--reason <text>', 'why, for whoever asks later');
    if (verdict === 'approve') {
      command.option('--include-held', 'with --all: also what a guard or a person holds back');
    } else {
      command.option(
        '--until <time>',
        `how long: 2026-12-31, 7d; without it ${UNLESS[verdict]}`,
        momentTyped,
      );
    }
    addCriteria(command).action((ids: string[], options: DecideOptions) =>
      cli.withApp((app) => decide(cli, app, verdict, ids, options)),
    );
    examples(
      command,
      `rollcall ${verdict} 019ab0c4-5d2e-7c3f-8a1b-2c3d4e5f6a7b --reason 'Confirmed by HR'`,
      `rollcall ${verdict} --connection 'Harbor Okta' --all --set new --revision 3 --reason 'New starters'`,
    );
  }
  const apply = program
    .command('apply')
    .description('carry out what was approved; a user that changed meanwhile is left alone and reported')
    .argument('[connection...]', 'ids or names')
    .option('--all', 'every connection')
    .action((names: string[], options: { all?: boolean }) =>
      cli.withApp((app) => applyApproved(cli, app, names, options)),
    );
  examples(apply, "rollcall apply 'Harbor Okta'", 'rollcall apply --all --json');
}

function revision(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw usage('--revision is a whole number.', '`rollcall changes` shows the revision of each change set.');
}

function usage(message: string, remedy: string): Problem {
  return new Problem({ code: 'invalid-input', message, remedy });
}

async function decide(
  cli: Cli,
  app: App,
  verdict: Verdict,
  ids: readonly string[],
  options: DecideOptions,
): Promise<number> {
  const { terminal } = cli;
  if (ids.length > 0 === (options.all === true)) {
    throw usage(
      ids.length > 0 ? 'Changes are named and --all is given.' : 'No change is named.',
      'Name changes by their ids, or give --connection and --all.',
    );
  }
  const which =
    ids.length > 0 ? await named(cli, app, verdict, ids) : await wholeSet(cli, app, verdict, options);
  if (which === null) return EXIT.notNow;
  const { until = null, reason = await askForReason(cli, verdict) } = options;
  const result = await app.operator.decide({ verdict, reason, until, ...which });
  if (verdict === 'approve' && 'connection' in which && result.decided === 0)
    return await approvedNothing(cli, app, { ...which, byName: result.byName ?? 0 }, options);
  if (terminal.json) terminal.document({ verdict, ...result });
  else writeDecided(cli, verdict, result);
  if (verdict === 'approve' && result.decided > 0)
    cli.next(`apply ${'connection' in which ? which.connection : 'CONNECTION'}`);
  return result.refused.length === 0 ? EXIT.ok : EXIT.notNow;
}

async function approvedNothing(
  { terminal }: Cli,
  { operator }: App,
  asked: Parameters<typeof whyNothing>[1],
  options: DecideOptions,
): Promise<number> {
  const undecided = await whyNothing(operator, asked, options);
  if (terminal.json) terminal.document({ verdict: 'approve', decided: 0, refused: [], undecided });
  else {
    terminal.line('Approved nothing.');
    for (const one of undecided) terminal.note(`  ${asTyped(undecidedInWords(one, asked))}`);
  }
  // What was meant may be among them: whoever goes on to apply should look first.
  return undecided.some((one) => one.because === 'arrived-later') ? EXIT.notNow : EXIT.ok;
}

type Decided = Awaited<ReturnType<App['operator']['decide']>>;

function writeDecided({ terminal }: Cli, verdict: Verdict, { decided, refused, byName = 0 }: Decided): void {
  terminal.line(`${PAST[verdict]} ${counted(decided, 'change')}.`);
  if (byName > 0)
    terminal.note(
      `${counted(byName, 'change')} of protected users, last holders and last administrators left held: approve those by their ids.`,
    );
  for (const { id, because } of refused)
    terminal.note(`${terminal.noteStyle('yellow', 'refused')}: ${id}: ${asTyped(IN_WORDS[because])}`);
}

const IN_WORDS = {
  'not-found': 'there is no such change',
  'changed-since-shown': 'its content is another one by now; look at it again',
  'not-allowed-now': 'this cannot be decided in its present state; `rollcall show` says what is allowed',
} as const;

/** A change's content never changes under its id, so the id is as good as the fingerprint that is sent with it. */
async function named({ terminal }: Cli, { operator }: App, verdict: Verdict, ids: readonly string[]) {
  const changes: { id: string; fingerprint: string; decision: string | null }[] = [];
  for (const id of new Set(ids)) {
    const change = await operator.getChange(id);
    if (verdict === 'approve' && change.state === 'held' && change.decision !== null)
      terminal.note(`${id} is held: ${harmless(change.decision.reason)}`); // since the list was read, it may be
    changes.push({
      ...{ id: change.id, fingerprint: change.fingerprint },
      decision: change.decision?.id ?? null,
    });
  }
  return { changes };
}

/** null: a person was asked and said no. */
async function wholeSet(cli: Cli, { operator }: App, verdict: Verdict, options: DecideOptions) {
  if (options.connection === undefined) {
    throw usage(
      '--all needs to know the change set.',
      'Give --connection; `rollcall connections` lists them.',
    );
  }
  const { id } = await operator.findConnection(options.connection);
  const filter = criteriaFrom(options);
  const set = { connection: id, filter, includeHeld: options.includeHeld === true };
  if (options.revision !== undefined) return { ...set, revision: options.revision };
  const [summary] = await operator.summarise({ connection: id });
  if (summary === undefined || !cli.terminal.interactive) {
    throw usage(
      '--all without --revision would decide on changes that nobody has seen.',
      `Look at \`rollcall changes --connection ${id}\` and give the revision that stands there with --revision.`,
    );
  }
  writeSummary(cli.terminal, summary);
  const narrowed = Object.keys(filter).length === 0 ? 'all' : 'those that your options name, of';
  const spared = verdict === 'approve' && !set.includeHeld ? summary.held : 0;
  const except = spared === 0 ? '' : ` except the ${spared} that are held (--include-held takes them in too)`;
  const question = `${verdict} ${narrowed} ${counted(waitingIn(summary), 'change')} of revision ${summary.revision}${except}? Type yes: `;
  const answer = await cli.terminal.ask(question, cli.signal);
  if (answer.toLowerCase() === 'yes') return { ...set, revision: summary.revision };
  cli.terminal.note('Nothing was decided.');
  return null;
}

async function askForReason({ terminal, signal }: Cli, verdict: Verdict): Promise<string> {
  if (terminal.interactive) return await terminal.ask('Reason: ', signal);
  throw usage(
    'There is no reason.',
    `Say why with --reason: rollcall ${verdict} … --reason 'Confirmed by HR'.`,
  );
}

type Applied = {
  readonly connection: string;
  readonly name: string;
  readonly apply: ApplyId | null;
  readonly total: number;
  readonly applied: number;
  readonly alreadyApplied: number;
  readonly moved: number;
  readonly failed: number;
  readonly held: number;
};

async function applyApproved(
  cli: Cli,
  app: App,
  names: readonly string[],
  options: { readonly all?: boolean },
): Promise<number> {
  const { terminal } = cli;
  const connections = await chosenConnections(app.operator, names, options.all === true);
  const done: Applied[] = [];
  for (const connection of connections) {
    if (connection.state === 'unreadable') {
      terminal.note(`${harmless(connection.name)}: ${unreadable(connection).message}`);
      continue;
    }
    for (const one of await applyTo(cli, app, connection)) {
      done.push(one);
      if (!terminal.json) terminal.line(appliedInWords(one));
    }
  }
  if (terminal.json) terminal.document({ applies: done });
  else if (done.every((one) => one.total === 0))
    terminal.note(asTyped('Approve changes first: rollcall changes'));
  const all = connections.every((one) => one.state !== 'unreadable');
  return all && done.every((one) => one.moved + one.failed + one.held === 0) ? EXIT.ok : EXIT.notNow;
}

/** First what another process left unfinished, then what is approved now. */
export async function applyTo(cli: Cli, { operator }: App, connection: ListedConnection): Promise<Applied[]> {
  const left = (await operator.unfinishedApplies()).filter((one) => one.connection === connection.id);
  const about = { connection: connection.id, name: connection.name };
  const due: { readonly apply: ApplyId; readonly total: number }[] = left.map(({ id, total }) => ({
    apply: id,
    total,
  }));
  try {
    const started = await operator.startApply({ connection: connection.id });
    if (!due.some((one) => one.apply === started.apply)) due.push(started); // one that is unfinished is given again
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'not-allowed-now') throw error;
    const nothing = { total: 0, applied: 0, alreadyApplied: 0, moved: 0, failed: 0, held: 0 };
    if (due.length === 0) return [{ ...about, apply: null, ...nothing }];
  }
  const done: Applied[] = [];
  for (const { apply, total } of due)
    done.push({ ...about, apply, total, ...(await carryOut(cli, operator, connection, apply, total)) });
  return done;
}

const POLL_MS = 300;

async function carryOut(
  cli: Cli,
  operator: App['operator'],
  connection: ListedConnection,
  apply: ApplyId,
  total: number,
) {
  const progress = cli.terminal.progress();
  const started = Date.now();
  try {
    for (;;) {
      await operator.carryOutApply(apply, {
        signal: cli.signal,
        total,
        onProgress: ({ done }) => {
          const left = timeLeft(done, total, Date.now() - started);
          progress.update(
            connection.name,
            `${grouped(done)} of ${grouped(total)} applied${left === '' ? '' : `, ${left}`}`,
          );
        },
      });
      const view = await operator.getApply(apply);
      if (view.state === 'finished') {
        const { applied, alreadyApplied, moved, failed, held } = view;
        return { applied, alreadyApplied, moved, failed, held };
      }
      await wait(POLL_MS, undefined, { signal: cli.signal }); // another process has the last batch
    }
  } finally {
    progress.clear();
  }
}

function appliedInWords(one: Applied): string {
  const name = harmless(one.name);
  if (one.total === 0) return `${name}: nothing is approved.`;
  const before = one.alreadyApplied === 0 ? '' : `, ${grouped(one.alreadyApplied)} were applied before`;
  const moved =
    one.moved === 0
      ? ''
      : `, ${grouped(one.moved)} left alone because the user had changed (the next sync proposes afresh)`;
  const failed =
    one.failed === 0 ? '' : `, ${grouped(one.failed)} failed (${asTyped('rollcall changes --state failed')})`;
  const held =
    one.held === 0
      ? ''
      : `, ${grouped(one.held)} held again by a guard (${asTyped('rollcall changes --state held')})`;
  return `${name}: applied ${grouped(one.applied)} of ${grouped(one.total)}${before}${moved}${failed}${held}.`;
}

/** `rollcall approve`, `reject` and `hold`: decide on what was shown. */
import type { Command } from 'commander';
import type { ConnectionId } from '../domain/ids.ts';
import { Problem } from '../domain/problem.ts';
import { applyDue } from './apply.ts';
import { askForReason } from './askForReason.ts';
import { asTyped } from './asTyped.ts';
import { type ChangeSetSummary, waitingIn, writeSummary } from './changes.ts';
import { givenOf, refuseBoth } from './chosen.ts';
import type { App, Cli } from './cli.ts';
import { addCriteria, type Criteria, criteriaFrom, optionsOf, unheardOf } from './criteria.ts';
import type { ShownChange } from './describe.ts';
import { examples } from './examples.ts';
import { EXIT } from './failure.ts';
import { momentTyped } from './moment.ts';
import { counted, harmless } from './terminal.ts';
import { undecidedInWords, whyNothing } from './undecided.ts';

type Verdict = 'approve' | 'reject' | 'hold';

type DecideOptions = Criteria & {
  readonly connection?: string[];
  readonly all?: boolean;
  readonly revision?: number[];
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

const EXAMPLES = {
  approve: [
    "019ab0c4-5d2e-7c3f-8a1b-2c3d4e5f6a7b --reason 'Confirmed by HR'",
    "--connection 'Harbor Okta' --all --set new --revision 3 --reason 'New starters'",
    "--connection 'Harbor Okta' 'Harbor Google' --all --cause left --revision 3 12 --reason 'Confirmed by HR'",
  ],
  reject: [
    "019ab0c4-5d2e-7c3f-8a1b-2c3d4e5f6a7b --reason 'Still works for us until June' --until 2027-06-30",
    "--connection 'Harbor Okta' --all --set deleted --search Matteo --revision 3 --reason 'Left by mistake'",
  ],
  hold: [
    "019ab0c4-5d2e-7c3f-8a1b-2c3d4e5f6a7b --reason 'HR is asked' --until 7d",
    "--connection 'Harbor Okta' --all --cause left --revision 3 --reason 'HR is asked who of them leaves'",
  ],
} as const satisfies Record<Verdict, readonly string[]>;

export function addDecisionCommands(program: Command, cli: Cli): void {
  for (const verdict of ['approve', 'reject', 'hold'] as const) {
    const command = program
      .command(verdict)
      .description(WHAT[verdict])
      .argument('[change...]', 'ids, as `rollcall changes` lists them')
      .option('--connection <connection...>', 'with --all: the connections whose change sets are meant')
      .option('--all', 'everything in the change set that the options below leave')
      .option(
        '--revision <number...>',
        'the revision of each of these change sets that you saw; later changes are left out',
        revisions,
      )
      .option('--reason <text>', 'why, for whoever asks later');
    if (verdict === 'approve') {
      command.option('--include-held', 'with --all: also what a guard, a policy or a person holds back');
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
    examples(command, ...EXAMPLES[verdict].map((example) => `rollcall ${verdict} ${example}`));
  }
}

function revisions(text: string, before: readonly number[] = []): number[] {
  if (/^\d{1,15}$/.test(text)) return [...before, Number(text)];
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
  const { connection, revision: seen, includeHeld } = options;
  refuseBoth('change', ids, {
    all: options.all === true,
    given: [
      ...givenOf({ '--connection': connection, '--revision': seen, '--include-held': includeHeld }),
      ...optionsOf(options),
    ],
    remedy: 'Name changes by their ids, or give --connection and --all.',
  });
  const meant =
    ids.length > 0 ? await named(cli, app, verdict, ids) : await wholeSets(cli, app, verdict, options);
  if (meant === null) return EXIT.notNow;
  const { which, of } = meant;
  const { until = null, reason = await askForReason(cli, verdict) } = options;
  const result = await app.operator.decide({ verdict, reason, until, ...which });
  if (verdict === 'approve' && 'revisions' in which && isNothing(result))
    return await approvedNothing(cli, app, { ...which, byName: result.byName ?? 0 }, options);
  if (!cli.terminal.json) writeDecided(cli, verdict, result);
  const approved = verdict === 'approve' && result.decided > 0;
  const applies = approved ? await applyDue(cli, app, of) : [];
  if (cli.terminal.json)
    cli.terminal.document({ verdict, ...result, ...(applies.length === 0 ? {} : { applies }) });
  if (approved && applies.length === 0) cli.next(`apply ${[...new Set(of)].join(' ')}`);
  return isWhole(result) ? EXIT.ok : EXIT.notNow;
}

/** Whoever goes on after a decision upon nothing should look first. */
const isWhole = (result: Decided) =>
  !isNothing(result) && result.refused.length + (result.left ?? []).length === 0;

const isNothing = ({ decided, waiting, left = [] }: Decided) => decided + waiting + left.length === 0;

type Sets = {
  readonly revisions: readonly { readonly connection: ConnectionId; readonly revision: number }[];
  readonly filter: Record<string, unknown>;
  readonly includeHeld: boolean;
};

async function approvedNothing(
  { terminal }: Cli,
  { operator }: App,
  { revisions: sets, includeHeld, byName }: Sets & { readonly byName: number },
  options: DecideOptions,
): Promise<number> {
  const asked = sets.map((set, at) => ({ ...set, includeHeld, byName: at === 0 ? byName : 0 }));
  const found = await Promise.all(
    asked.map(async (one) => ({ one, undecided: await whyNothing(operator, one, options) })),
  );
  const undecided = found.flatMap((of) => of.undecided);
  if (terminal.json)
    terminal.document({ verdict: 'approve', decided: 0, waiting: 0, refused: [], undecided });
  else {
    terminal.line('Approved nothing.');
    for (const { one, undecided: why } of found)
      for (const reason of why) terminal.note(`  ${asTyped(undecidedInWords(reason, one))}`);
    for (const one of await unheardOf(operator, options)) terminal.note(`  ${one}`);
  }
  return EXIT.notNow;
}

type Decided = Awaited<ReturnType<App['operator']['decide']>>;

function writeDecided({ terminal }: Cli, verdict: Verdict, result: Decided): void {
  const { decided, waiting, refused, left = [], byName = 0 } = result;
  if (decided > 0) terminal.line(`${PAST[verdict]} ${counted(decided, 'change')}.`);
  else if (waiting === 0) terminal.line(`${PAST[verdict]} nothing.`);
  if (waiting > 0)
    terminal.line(
      `Your approval of ${counted(waiting, 'change')} is noted: the policy asks for more (rollcall show CHANGE says whose).`,
    );
  if (byName > 0)
    terminal.note(
      `${counted(byName, 'change')} of protected users, last holders and last administrators left held: approve those by their ids.`,
    );
  for (const { changes, explanation } of left)
    terminal.note(`${terminal.noteStyle('yellow', 'left')}: ${counted(changes, 'change')}: ${explanation}`);
  for (const { id, explanation } of refused)
    terminal.note(`${terminal.noteStyle('yellow', 'refused')}: ${id}: ${asTyped(harmless(explanation))}`);
}

/** A change's content never changes under its id, so the id is as good as the fingerprint that is sent with it. */
function toDecide({ id, fingerprint, decision }: ShownChange) {
  return { id, fingerprint, decision: decision?.id ?? null };
}

async function named({ terminal }: Cli, { operator }: App, verdict: Verdict, ids: readonly string[]) {
  const changes: ShownChange[] = [];
  for (const id of new Set(ids)) {
    const change = await operator.getChange(id);
    if (verdict === 'approve' && change.state === 'held' && change.decision !== null)
      terminal.note(`${id} is held: ${harmless(change.decision.reason)}`); // since the list was read, it may be
    changes.push(change);
  }
  return { which: { changes: changes.map(toDecide) }, of: changes.map(({ connection }) => connection) };
}

/** null: a person was asked and said no. */
async function wholeSets(
  cli: Cli,
  { operator }: App,
  verdict: Verdict,
  options: DecideOptions,
): Promise<{ readonly which: Sets; readonly of: readonly ConnectionId[] } | null> {
  const { connection: names = [], revision: seen } = options;
  if (names.length === 0) {
    throw usage(
      '--all needs to know the change set.',
      'Give --connection; `rollcall connections` lists them.',
    );
  }
  const ids: ConnectionId[] = [];
  for (const name of names) ids.push((await operator.findConnection(name)).id);
  const set = { filter: await criteriaFrom(operator, options), includeHeld: options.includeHeld === true };
  if (seen !== undefined) return { which: { ...set, revisions: paired(ids, seen) }, of: ids };
  const summaries: ChangeSetSummary[] = [];
  for (const connection of ids) summaries.push(...(await operator.summarise({ connection })));
  if (!cli.terminal.interactive) {
    throw usage(
      '--all without --revision would decide on changes that nobody has seen.',
      `Look at \`rollcall changes --connection ${ids[0]}\` and give the revision that stands there with --revision.`,
    );
  }
  if (await confirmed(cli, verdict, summaries, set))
    return {
      which: { ...set, revisions: summaries.map(({ connection, revision }) => ({ connection, revision })) },
      of: ids,
    };
  cli.terminal.note('Nothing was decided.');
  return null;
}

function paired(ids: readonly ConnectionId[], seen: readonly number[]): Sets['revisions'] {
  if (ids.length === seen.length) {
    return ids.map((connection, at) => ({ connection, revision: seen[at] ?? 0 }));
  }
  throw usage(
    `${counted(ids.length, 'connection')} and ${counted(seen.length, 'revision')} are given.`,
    'Give one revision for each connection, in the same order.',
  );
}

async function confirmed(
  cli: Cli,
  verdict: Verdict,
  summaries: readonly ChangeSetSummary[],
  { filter, includeHeld }: Omit<Sets, 'revisions'>,
): Promise<boolean> {
  for (const summary of summaries) writeSummary(cli.terminal, summary);
  const sum = (of: (summary: ChangeSetSummary) => number) => summaries.reduce((n, one) => n + of(one), 0);
  const narrowed = Object.keys(filter).length === 0 ? 'all' : 'those that your options name, of';
  const held = sum((one) => one.held);
  const spared = verdict === 'approve' && !includeHeld ? held : 0;
  const except = spared === 0 ? '' : ` except the ${spared} that are held (--include-held takes them in too)`;
  const at = summaries.map(({ revision }) => revision).join(', ');
  const question = `${verdict} ${narrowed} ${counted(sum(waitingIn), 'change')} of revision ${at}${except}? Type yes: `;
  return (await cli.terminal.ask(question, cli.signal)).toLowerCase() === 'yes';
}

/** `rollcall pairs`, `same` and `different`: who comes and may be somebody who is there already, and what a person says to it. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  PAIR_KINDS,
  PAIR_STATES,
  type Pair,
  type PairState,
  type PairVerdict,
  SHARED,
  type Shared,
  verdictAllowedIn,
} from '../domain/pair.ts';
import { Problem } from '../domain/problem.ts';
import type { PairResult } from '../review/pairs.ts';
import { askForReason } from './askForReason.ts';
import { asTyped } from './asTyped.ts';
import { givenOf, refuseBoth } from './chosen.ts';
import type { App, Cli } from './cli.ts';
import { examples } from './examples.ts';
import { EXIT } from './failure.ts';
import { atLeastOne, everything, type Page, pagesOf, writeItems } from './lists.ts';
import { type Cell, counted, harmless, type Terminal } from './terminal.ts';

type PairsOptions = {
  readonly tenant?: string;
  readonly connection?: string;
  readonly state?: PairState[];
  readonly limit: number;
  readonly all?: boolean;
};

type VerdictOptions = {
  readonly connection?: string;
  readonly all?: boolean;
  readonly shares?: Shared[];
  readonly revision?: number;
  readonly reason?: string;
};

const WHAT = {
  same: 'say that two are one person: whoever comes goes on with the auth user that is there',
  different: 'say that two are different people: both go their ways',
} as const satisfies Record<PairVerdict, string>;
const VERDICTS = ['same', 'different'] as const satisfies readonly PairVerdict[];

export function addPairCommands(program: Command, cli: Cli): void {
  const pairs = program
    .command('pairs')
    .description('list who comes and may be an auth user that is there: renamed, hired again, or matched')
    .option('--tenant <tenant>', 'only of this tenant and what is below it')
    .option('--connection <connection>', 'only of this connection')
    .addOption(
      new Option('--state <state...>', 'only in these states, instead of those that wait').choices(
        PAIR_STATES,
      ),
    )
    .option('--limit <number>', 'at most so many', atLeastOne, 50)
    .option('--all', 'all of them')
    .action((options: PairsOptions) => cli.withApp((app) => listPairs(cli, app, options)));
  examples(pairs, 'rollcall pairs', "rollcall pairs --connection 'Harbor Okta' --all --json");
  for (const verdict of VERDICTS) {
    const command = program
      .command(verdict)
      .description(WHAT[verdict])
      .argument('[pair...]', 'ids, as `rollcall pairs` lists them')
      .option('--connection <connection>', 'with --all: the connection whose pairs are meant')
      .option('--all', 'all pairs that the options below leave')
      .addOption(
        new Option('--shares <what...>', 'with --all: only those that share all of this').choices(
          Object.keys(SHARED),
        ),
      )
      .option(
        '--revision <number>',
        'the revision of the change set that you saw; later pairs are left out',
        revision,
      )
      .option('--reason <text>', 'why, for whoever asks later')
      .action((ids: string[], options: VerdictOptions) =>
        cli.withApp((app) => choose(cli, app, verdict, ids, options)),
      );
    examples(
      command,
      `rollcall ${verdict} 5f0c1e9a-4d2e-4c3f-8a1b-2c3d4e5f6a7b --reason 'Confirmed by HR'`,
      `rollcall ${verdict} --connection 'Harbor Okta' --all --shares employee-number --revision 3 --reason 'Set up again in May'`,
    );
  }
}

function revision(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

async function listPairs(cli: Cli, { operator }: App, options: PairsOptions): Promise<void> {
  const { terminal } = cli;
  const { tenant, connection, state } = options;
  const filter = {
    ...(tenant === undefined ? {} : { tenant: (await operator.findTenant(tenant)).id }),
    ...(connection === undefined ? {} : { connection: (await operator.findConnection(connection)).id }),
    ...(state === undefined ? {} : { state }),
  };
  const fetch = (page: Page) => operator.listPairs({ ...filter, ...page });
  if (terminal.json) return await writeItems(terminal, fetch, options);
  let found = 0;
  let more = false;
  const verdicts = new Set<PairVerdict>();
  const withState = state !== undefined;
  for await (const { items, next } of pagesOf(fetch, options)) {
    found += items.length;
    more = next !== null;
    for (const verdict of items.flatMap(verdictsOn)) verdicts.add(verdict);
    if (items.length > 0)
      terminal.table(
        ['pair', 'kind', ...(withState ? ['state'] : []), 'who comes', 'may be', 'shares', 'revision'],
        items.map((pair) => rowOf(pair, withState)),
      );
  }
  if (found === 0) return terminal.note('No such pair waits.');
  if (more) terminal.note('\nThere are more: --limit or --all.');
  cli.next(...[...verdicts].map((verdict) => `${verdict} PAIR --reason TEXT`));
}

/** Those that may be given now. */
export function verdictsOn({ state, fingerprint }: Pair): PairVerdict[] {
  if (fingerprint === null) return [];
  return VERDICTS.filter((verdict) => (verdictAllowedIn[verdict] as readonly PairState[]).includes(state));
}

function rowOf(
  { id, kind, state, joiner, authUser, shares, revision: seen }: Pair,
  withState: boolean,
): Cell[] {
  const was = authUser.formerExternalId === null ? '' : `, ${authUser.formerExternalId}`;
  return [
    id,
    kind,
    ...(withState ? [state] : []),
    `${joiner.name} (${joiner.externalId})`,
    `${authUser.name} (${authUser.state}${was}): ${PAIR_KINDS[kind]}`,
    shares.join(', '),
    `${seen}`,
  ];
}

/** The people of a change that may be one. */
export function writePairs(terminal: Terminal, pairs: readonly Pair[]): void {
  for (const { id, kind, joiner, authUser, shares } of pairs)
    terminal.line(
      `  pair        ${id}: ${harmless(`${joiner.name} (${joiner.externalId}) may be ${authUser.name} (${authUser.state}), who ${PAIR_KINDS[kind]}: shares ${shares.join(', ')}`)}`,
    );
}

async function choose(
  cli: Cli,
  { operator }: App,
  verdict: PairVerdict,
  ids: readonly string[],
  options: VerdictOptions,
): Promise<number> {
  const { terminal } = cli;
  const { connection, revision: seen, shares } = options;
  refuseBoth('pair', ids, {
    all: options.all === true,
    given: givenOf({ '--connection': connection, '--revision': seen, '--shares': shares }),
    remedy: 'Name pairs by their ids, or give --connection and --all.',
  });
  const chosen =
    ids.length > 0
      ? await Promise.all([...new Set(ids)].map((id) => operator.getPair(id)))
      : await allOf(operator, verdict, options);
  const reason = options.reason ?? (await askForReason(cli, verdict));
  const done = { decided: 0, refused: [] as PairResult['refused'][number][] };
  for (let at = 0; at < chosen.length; at += AT_ONCE) {
    const pairs = chosen
      .slice(at, at + AT_ONCE)
      .map(({ id, fingerprint }) => ({ id, fingerprint: fingerprint ?? NOTHING_SHOWN }));
    const { decided, refused } = await operator.choosePairs({ verdict, reason, pairs });
    done.decided += decided;
    done.refused.push(...refused);
  }
  if (terminal.json) terminal.document({ verdict, ...done });
  else writeChosen(cli, verdict, done);
  if (done.decided > 0) cli.next(`sync ${chosen[0]?.connection ?? 'CONNECTION'}`);
  return done.refused.length === 0 ? EXIT.ok : EXIT.notNow;
}

function writeChosen({ terminal }: Cli, verdict: PairVerdict, { decided, refused }: PairResult): void {
  const what = verdict === 'same' ? 'one person' : 'two people';
  terminal.line(decided === 0 ? 'Nothing was decided.' : `Called ${counted(decided, 'pair')} ${what}.`);
  for (const { id, because } of refused)
    terminal.note(`${terminal.noteStyle('yellow', 'refused')}: ${id}: ${asTyped(IN_WORDS[because])}`);
}

const AT_ONCE = 1_000;
/** Of a pair of which nothing can be chosen any more: it is refused as such. */
const NOTHING_SHOWN = '0'.repeat(64);

async function allOf(
  operator: App['operator'],
  verdict: PairVerdict,
  { connection, revision: seen, shares = [] }: VerdictOptions,
): Promise<readonly Pair[]> {
  if (connection === undefined || seen === undefined)
    throw usage(
      '--all takes --connection and --revision: otherwise it would be about pairs that nobody has seen.',
      'Look at `rollcall pairs --connection CONNECTION` and give the largest revision that stands there.',
    );
  const { id } = await operator.findConnection(connection);
  const [state] = verdictAllowedIn[verdict];
  const found = await everything((page) => operator.listPairs({ connection: id, state: [state], ...page }));
  return found.filter((pair) => pair.revision <= seen && shares.every((what) => pair.shares.includes(what)));
}

function usage(message: string, remedy: string): Problem {
  return new Problem({ code: 'invalid-input', message, remedy });
}

const IN_WORDS = {
  'not-found': 'there is no such pair',
  'changed-since-shown': 'one of the two is otherwise by now; look at it again after the next sync',
  'not-allowed-now': 'it was decided on already, or another verdict has settled it',
  'same-address':
    'both have the same address, which belongs to one: correct one of the two addresses instead',
} as const;

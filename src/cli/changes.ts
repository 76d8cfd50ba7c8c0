/** `rollcall changes` and `rollcall show`: what waits for a decision, and why. */
import { type Command, Option } from 'commander';
import { CHANGE_STATES, type ChangeState, causes } from '../domain/change.ts';
import { GROUPINGS, type Grouping } from '../domain/changeGroup.ts';
import { explainFinding } from '../domain/guard.ts';
import type { ConnectionId } from '../domain/ids.ts';
import type { Pair } from '../domain/pair.ts';
import { Problem } from '../domain/problem.ts';
import { listGroups } from './changeGroups.ts';
import type { App, Cli } from './cli.ts';
import { addCriteria, type Criteria, criteriaAsTyped, criteriaFrom, unheardOf } from './criteria.ts';
import {
  decisionInWords,
  effectOf,
  type KnownAs,
  knownAs,
  type ShownChange,
  styleOfSet,
  styleOfState,
  whoHolds,
  writeChange,
  writeComments,
} from './describe.ts';
import { examples } from './examples.ts';
import { atLeastOne, everything, type Page, pagesOf, remembered, writeItems } from './lists.ts';
import type { Operator } from './operator.ts';
import { verdictsOn, writePairs } from './pairs.ts';
import { countsInWords } from './sync.ts';
import { type Cell, harmless, type Terminal } from './terminal.ts';

type ChangesOptions = Criteria & {
  readonly tenant?: string;
  readonly connection?: string;
  readonly apply?: string;
  readonly state?: ChangeState[];
  readonly limit: number;
  readonly all?: boolean;
  readonly groupBy?: Grouping;
};

export type ChangeSetSummary = Awaited<ReturnType<Operator['summarise']>>[number];

export function addChangeCommands(program: Command, cli: Cli): void {
  const changes = program
    .command('changes')
    .description('list what waits: new, changed, deleted, conflicts')
    .option('--tenant <tenant>', 'only of this tenant and what is below it')
    .option('--connection <connection>', 'only of this connection')
    .option('--apply <apply>', 'what this apply did and did not do, as `rollcall applies` lists it')
    .addOption(
      new Option('--state <state...>', 'only in these states, instead of those that wait').choices(
        CHANGE_STATES,
      ),
    )
    .addOption(
      new Option('--group-by <what>', 'one line for all that have this in common').choices(GROUPINGS),
    )
    .option('--limit <number>', 'at most so many', atLeastOne, 50)
    .option('--all', 'all of them');
  addCriteria(changes).action((options: ChangesOptions) =>
    cli.withApp((app) => listChanges(cli, app, options)),
  );
  examples(
    changes,
    'rollcall changes --tenant Harbor',
    "rollcall changes --connection 'Harbor Okta' --set deleted --all",
    "rollcall changes --connection 'Harbor Okta' --group-by difference",
    "rollcall changes --state held --json | jq -r '.items[].id'",
  );
  const show = program
    .command('show')
    .description('show one change: every field before and after, roles, cause, decision')
    .argument('<change>', 'id, as `rollcall changes` lists it')
    .action((id: string) => cli.withApp((app) => showChange(cli, app, id)));
  examples(show, 'rollcall show 019ab0c4-5d2e-7c3f-8a1b-2c3d4e5f6a7b');
}

async function listChanges(cli: Cli, { operator }: App, options: ChangesOptions): Promise<void> {
  const { terminal } = cli;
  const { connection, apply } = options;
  const { where, filter } = await wantedFrom(operator, options);
  const none = () => noteNone(cli, operator, filter, options);
  if (options.groupBy !== undefined)
    return await listGroups(cli, operator, { by: options.groupBy, filter, where, none, ...options });
  const fetch = (page: Page) => operator.listChanges({ ...filter, ...page });
  if (terminal.json) return await writeItems(terminal, fetch, options);
  // Before the list: what arrives while it is read is then not within the revision that is shown.
  const summaries = (apply === undefined ? await operator.summarise(where) : []).filter(
    (one) => waitingIn(one) > 0 || connection !== undefined,
  );
  for (const one of summaries) writeSummary(terminal, one);
  const { found, decidable, approved, next } = await writeRows(
    cli,
    operator,
    pagesOf(fetch, options),
    summaries.length > 1,
  );
  if (found === 0) return await none();
  if (next !== null) terminal.note('\nThere are more: --limit or --all.');
  const [only, ...others] = summaries;
  if (only !== undefined && others.length === 0) suggest(cli, only, options, { decidable, approved });
}

async function wantedFrom(operator: Operator, options: ChangesOptions) {
  const { tenant, connection, apply, state, groupBy } = options;
  if (groupBy !== undefined && apply !== undefined) throw new Problem(NOT_TOGETHER);
  const where = {
    ...(tenant === undefined ? {} : { tenant: (await operator.findTenant(tenant)).id }),
    ...(connection === undefined ? {} : { connection: (await operator.findConnection(connection)).id }),
  };
  const filter = {
    ...where,
    ...(await criteriaFrom(operator, options)),
    ...(state === undefined ? {} : { state }),
    ...(apply === undefined ? {} : { apply: (await operator.getApply(apply)).id }),
  };
  return { where, filter };
}

const NOT_TOGETHER = {
  code: 'invalid-input',
  message: '--group-by is about what waits, and --apply about what was done.',
  remedy: 'Leave one of the two out.',
} as const;

/** Nothing may be there because nothing can be: of a name that no change has. */
async function noteNone(
  { terminal }: Cli,
  operator: Operator,
  filter: object,
  options: ChangesOptions,
): Promise<void> {
  const such = Object.keys(filter).length === 0 ? 'No change' : 'No such change';
  terminal.note(options.apply === undefined ? `${such} waits.` : `${such}.`);
  for (const one of await unheardOf(operator, options)) terminal.note(one);
}

type Pages = AsyncIterable<{ readonly items: readonly ShownChange[]; readonly next: string | null }>;

async function writeRows({ terminal }: Cli, operator: Operator, pages: Pages, withConnection: boolean) {
  const nameOf = remembered(async (id: ConnectionId) => (await operator.getConnection(id)).name);
  const seen: { found: number; decidable: boolean; approved: boolean; next: string | null } = {
    found: 0,
    decidable: false,
    approved: false,
    next: null,
  };
  const held = new Set<string>();
  const headings = [
    'change',
    'kind',
    'state',
    ...(withConnection ? ['connection'] : []),
    'name',
    'cause',
    'effect',
  ];
  for await (const page of pages) {
    seen.next = page.next;
    if (page.items.length === 0) continue;
    if (seen.found === 0) terminal.line();
    seen.found += page.items.length;
    seen.decidable ||= page.items.some(({ kind, state }) => kind !== 'conflict' && state === 'open');
    seen.approved ||= page.items.some(({ state }) => state === 'approved');
    for (const why of page.items.flatMap(heldInWords)) held.add(why);
    const known = await knownAs(operator, page.items);
    const rows = page.items.map(async (change) =>
      rowOf(change, withConnection ? await nameOf(change.connection) : null, known),
    );
    terminal.table(headings, await Promise.all(rows));
  }
  if (held.size > 0) terminal.line();
  for (const why of held) terminal.line(`  ${harmless(why)}`);
  return seen;
}

/** Once below a table whose lines say only who holds them. */
function heldInWords(change: ShownChange): string[] {
  const why = change.state === 'held' ? decisionInWords(change) : null;
  if (why === null) return [];
  const finding = change.decision?.finding ?? null;
  return [finding === null ? why : `${whoHolds(change)}: ${explainFinding(finding)}`];
}

export function waitingIn(summary: ChangeSetSummary): number {
  return summary.new + summary.changed + summary.deleted + summary.conflicts;
}

/** One change set: its numbers, the revision that a decision on it names, and why part of it is held. */
export function writeSummary(terminal: Terminal, summary: ChangeSetSummary): void {
  const title = terminal.style('bold', harmless(`${summary.tenantName} · ${summary.connectionName}`));
  const approved = summary.approved === 0 ? '' : ` · ${summary.approved} approved and not applied`;
  terminal.line(
    `${title}  ${countsInWords(summary, terminal.style)}${approved}  ${terminal.style('dim', `revision ${summary.revision}`)}`,
  );
  for (const reason of summary.heldBecause) terminal.line(`  held: ${harmless(reason)}`);
  if (summary.freeze !== null) terminal.line(`  frozen: ${harmless(freezeInWords(summary.freeze))}`);
}

function freezeInWords({ name, until }: NonNullable<ChangeSetSummary['freeze']>): string {
  const which = name === null ? 'a freeze period of a tenant above' : `the freeze period “${name}”`;
  return `${which} holds until ${until}; nothing is applied`;
}

function rowOf(change: ShownChange, connection: string | null, known: KnownAs): Cell[] {
  const held = change.state === 'held' ? whoHolds(change) : null;
  return [
    change.id,
    { text: change.kind, style: styleOfSet[change.set] },
    { text: change.state, style: styleOfState[change.state] },
    ...(connection === null ? [] : [connection]),
    change.name,
    causes[change.cause],
    [
      effectOf(change, known),
      ...[held ?? awaited(change)].flatMap((one) => (one === null ? [] : [`(${one})`])),
    ].join(' '),
  ];
}

/** How far several approvals have come that a policy asks for; null: one is enough, or there are enough. */
function awaited({ state, approvals }: ShownChange): string | null {
  if (state !== 'open' || approvals === null || approvals.needed === 1) return null;
  return `${approvals.given.length} of ${approvals.needed} approvals`;
}

/** Of what was listed alone: conflicts say each by itself what settles them, and what is held is to be looked at. */
function suggest(
  cli: Cli,
  summary: ChangeSetSummary,
  options: Criteria,
  { decidable, approved }: { readonly decidable: boolean; readonly approved: boolean },
): void {
  const { connection, revision, freeze } = summary;
  const criteria = criteriaAsTyped(options);
  cli.terminal.note('');
  const approve = `approve --connection ${connection} --all${criteria} --revision ${revision} --reason TEXT`;
  cli.next(
    'show CHANGE',
    ...(decidable ? [approve] : []),
    ...((decidable || approved) && freeze === null ? [`apply ${connection}`] : []),
  );
}

async function showChange(cli: Cli, { operator }: App, id: string): Promise<void> {
  const { terminal } = cli;
  const change = await operator.getChange(id);
  const [comments, { items: pairs }] = await Promise.all([
    everything((page) => operator.listComments({ change: change.id, ...page })),
    operator.listPairs({ connection: change.connection, change: change.id, limit: PAIRS_SHOWN }),
  ]);
  if (terminal.json) return terminal.document({ ...change, comments, pairs });
  const [connection, tenant, known] = await Promise.all([
    operator.getConnection(change.connection),
    operator.getTenant(change.tenant),
    knownAs(operator, [change]),
  ]);
  writeChange(terminal, change, { connection: connection.name, tenant: tenant.name, known });
  writePairs(terminal, pairs);
  writeComments(terminal, comments);
  const next = nextOf(change, pairs);
  if (next.length > 0) cli.next(...next);
}

const PAIRS_SHOWN = 10;

/** Somebody who may be somebody else is neither made nor deleted before that is said. */
function nextOf(change: ShownChange, pairs: readonly Pair[]): readonly string[] {
  const verdicts = pairs.flatMap((pair) => verdictsOn(pair).map((verdict) => `${verdict} ${pair.id}`));
  const deciding = (['approve', 'reject', 'hold'] as const).filter((one) => change.actions.includes(one));
  const asked = verdicts.length > 0 ? verdicts : deciding.map((action) => `${action} ${change.id}`);
  return [
    ...(change.actions.includes('apply') ? [`apply ${change.connection}`] : []),
    ...asked.map((command) => `${command} --reason TEXT`),
  ];
}

/** `rollcall policy`: the rules that decide changes; trying them out before they hold. */
import type { Command } from 'commander';
import {
  parseCases,
  parseConnectionPolicy,
  parseTenantPolicy,
  writePolicy,
} from '../configuration/policyFile.ts';
import { unreadable } from '../domain/connection.ts';
import { Problem } from '../domain/problem.ts';
import { explainVerdict, type ReviewRule, verdictOf } from '../domain/reviewRules.ts';
import type { TenantPolicy } from '../domain/tenantPolicy.ts';
import { testDraft } from '../review/policyDrafts.ts';
import type { App, Cli } from './cli.ts';
import { contentOf } from './directoryOptions.ts';
import { examples } from './examples.ts';
import { EXIT } from './failure.ts';
import { atLeastOne, pagesOf, writeItems } from './lists.ts';
import type { Operator } from './operator.ts';
import { writeOut } from './outFile.ts';
import { counted, grouped, harmless, type Terminal } from './terminal.ts';

type Where = { readonly connection?: string; readonly tenant?: string };
type Test = Awaited<ReturnType<Operator['testPolicy']>>;
type Replay = Awaited<ReturnType<Operator['replayPolicy']>>;
type ReplayOptions = Where & {
  readonly days?: number;
  readonly list?: boolean;
  readonly from?: string;
  readonly to?: string;
  readonly limit: number;
  readonly all?: boolean;
};

export function addPolicyCommands(program: Command, cli: Cli): void {
  const policy = program
    .command('policy')
    .description('the rules that decide changes, and who has to approve them');
  examples(
    policy,
    "rollcall policy show --connection 'Harbor Okta'",
    'rollcall policy test cases.yaml --policy policy.yaml',
  );
  addShow(policy, cli);
  addSet(policy, cli);
  addTest(policy, cli);
  addReplay(policy, cli);
}

/** Options that say whose rules are meant. */
function whose(command: Command): Command {
  return command
    .option('--connection <connection>', 'of this connection: id or name')
    .option('--tenant <tenant>', 'of this tenant, for its connections and those below: id or name');
}

function addShow(policy: Command, cli: Cli): void {
  const show = whose(policy.command('show'))
    .description('show the rules that hold, those of tenants above first')
    .option('--out <file>', 'write the own rules there, as a file for policy set')
    .action((options: Where & { out?: string }) => cli.withApp((app) => showPolicy(cli, app, options)));
  examples(
    show,
    "rollcall policy show --tenant 'Harbor Foods'",
    "rollcall policy show --connection 'Harbor Okta' --out policy.yaml",
  );
}

function addSet(policy: Command, cli: Cli): void {
  const set = whose(policy.command('set'))
    .description(
      'take over the parts of a policy that a file names. Of a tenant: timeZone, rules, freezes (periods in which nothing is applied). Of a connection: rules, guards, protected, keepOneOf, matching, apply, leavers, samePerson, usualHours; its time zone is an option of connections update',
    )
    .argument('<file>', 'YAML or JSON; - reads standard input')
    .action((file: string, where: Where) => {
      const text = contentOf(file, 'The policy');
      return cli.withApp((app) => setPolicy(cli, app, text, one(where)));
    });
  examples(
    set,
    "rollcall policy set policy.yaml --tenant 'Harbor Foods'",
    "rollcall policy set policy.yaml --connection 'Harbor Okta'",
  );
}

function addTest(policy: Command, cli: Cli): void {
  const test = whose(policy.command('test'))
    .description('test rules by cases; ends with 1 where one is decided otherwise than expected')
    .argument('<cases>', 'YAML or JSON; - reads standard input')
    .option('--policy <file>', 'rules that do not hold yet, in the place of those that do')
    .action((file: string, options: Where & { policy?: string }) => testCases(cli, file, options));
  examples(
    test,
    'rollcall policy test cases.yaml --policy policy.yaml',
    "rollcall policy test cases.yaml --policy policy.yaml --connection 'Harbor Okta' --json",
  );
}

function addReplay(policy: Command, cli: Cli): void {
  const replay = whose(policy.command('replay'))
    .description('show what rules would have decided on the changes of the last days, and where that differs')
    .argument('<file>', 'YAML or JSON; - reads standard input')
    .option('--days <number>', 'how far back (default: 90)', atLeastOne)
    .option('--list', 'list the changes that would be decided otherwise')
    .option('--from <outcome>', 'with --list: those that are decided so now')
    .option('--to <outcome>', 'with --list: those that would be decided so')
    .option('--limit <number>', 'with --list: at most so many', atLeastOne, 50)
    .option('--all', 'with --list: all')
    .action((file: string, options: ReplayOptions) => {
      const text = contentOf(file, 'The policy');
      return cli.withApp((app) => replayDraft(cli, app, text, options));
    });
  examples(
    replay,
    "rollcall policy replay policy.yaml --connection 'Harbor Okta'",
    "rollcall policy replay policy.yaml --tenant 'Harbor Foods' --days 30 --list --to approve",
  );
}

/** Exactly one of them. */
function one(where: Where): Where {
  if ((where.connection === undefined) !== (where.tenant === undefined)) return where;
  throw new Problem({
    code: 'invalid-input',
    message:
      where.tenant === undefined
        ? 'It is not said whose rules they are.'
        : 'Both --connection and --tenant are given.',
    remedy: 'Give --connection or --tenant.',
  });
}

async function idsOf({ operator }: App, { connection, tenant }: Where): Promise<Where> {
  if (connection !== undefined) return { connection: (await operator.findConnection(connection)).id };
  return tenant === undefined ? {} : { tenant: (await operator.findTenant(tenant)).id };
}

async function showPolicy(cli: Cli, app: App, { out, ...where }: Where & { out?: string }): Promise<void> {
  const { terminal } = cli;
  const { connection, tenant = app.operator.root } = await idsOf(app, one(where));
  const shown =
    connection === undefined
      ? await app.operator.getTenantPolicy(tenant)
      : await app.operator.getConnectionPolicy(connection);
  if (out !== undefined) {
    const { timeZone, rules } = shown;
    writeOut(out, writePolicy('freezes' in shown ? { timeZone, rules, freezes: shown.freezes } : { rules }));
  }
  if (terminal.json) return terminal.document(shown);
  for (const level of shown.inherited) writeRules(terminal, `of ${level.tenantName}`, level);
  const name = 'connectionName' in shown ? shown.connectionName : shown.tenantName;
  writeRules(terminal, `of ${name}`, shown);
  writeNotes(terminal, shown);
}

type Rules = {
  readonly timeZone: string;
  readonly rules: readonly ReviewRule[];
  /** Of a tenant. */
  readonly freezes?: TenantPolicy['freezes'];
};

function writeRules(terminal: Terminal, heading: string, { rules, timeZone, freezes = [] }: Rules): void {
  const zone = rules.some(({ when }) => when.includes('time.')) ? ` (${timeZone})` : '';
  terminal.line(terminal.style('bold', `Rules ${harmless(heading)}${zone}`));
  if (rules.length === 0) terminal.line('  none');
  for (const [at, rule] of rules.entries()) {
    terminal.line(
      `  ${at + 1}. ${harmless(rule.name)}: ${harmless(explainVerdict({ ...verdictOf(rule, null), rule: '' }))}`,
    );
    terminal.line(`     when ${harmless(rule.when)}`);
  }
  for (const { name, from, until } of freezes)
    terminal.line(
      `  freeze period ${harmless(name)}: nothing is applied from ${from} until ${until}${isOver(until) ? ', which is over' : ''}`,
    );
}

/** It is stored all the same: files are kept, and set again. */
const isOver = (until: string) => Date.parse(until) <= Date.now();

function writeNotes(
  terminal: Terminal,
  { idle, hasHidden }: { idle: readonly { rule: string; because: string }[]; hasHidden: boolean },
): void {
  for (const { rule, because } of idle)
    terminal.note(
      `${terminal.noteStyle('yellow', 'warning')}: “${harmless(rule)}” decides nothing: ${because}.`,
    );
  if (hasHidden)
    terminal.note('Tenants above that you do not see have rules as well; what is stricter counts.');
}

async function setPolicy(cli: Cli, app: App, text: string, where: Where): Promise<void> {
  const { operator } = app;
  const { connection, tenant } = await idsOf(app, where);
  if (connection !== undefined) {
    const said = parseConnectionPolicy(text);
    const before = await operator.getConnection(connection);
    if (before.state === 'unreadable') throw unreadable(before);
    const policy = { ...before.policy, ...said };
    await operator.updateConnection({ connection, version: before.version, policy });
    const shown = await operator.getConnectionPolicy(connection);
    if (cli.terminal.json) return cli.terminal.document(shown);
    writeNotes(cli.terminal, shown);
    cli.terminal.line(storedInWords(said));
    return cli.next(`sync ${connection}`);
  }
  if (tenant === undefined) return;
  const said = parseTenantPolicy(text);
  const shown = await operator.setTenantPolicy({ tenant, ...said });
  if (cli.terminal.json) return cli.terminal.document(shown);
  writeNotes(cli.terminal, shown);
  for (const { name, until } of shown.freezes)
    if (isOver(until))
      cli.terminal.note(
        `${cli.terminal.noteStyle('yellow', 'warning')}: the freeze period “${harmless(name)}” is over since ${until}: it keeps nothing back.`,
      );
  cli.terminal.line(storedInWords(said));
}

/** Freeze periods, limits and the like hold at once, or from the next sync on, without anything being judged. */
function storedInWords(said: { readonly rules?: unknown; readonly timeZone?: unknown }): string {
  const isJudged = said.rules !== undefined || said.timeZone !== undefined;
  return isJudged
    ? 'The policy is stored. What waits is judged anew in about a minute, or with the next sync.'
    : 'The policy is stored.';
}

/** Of a file that could be set there. */
function draftIn(text: string, { connection }: Where) {
  const said: { rules?: readonly ReviewRule[]; timeZone?: string } =
    connection === undefined ? parseTenantPolicy(text) : parseConnectionPolicy(text);
  const { rules, timeZone } = said;
  if (rules !== undefined) return { rules: [...rules], ...(timeZone === undefined ? {} : { timeZone }) };
  throw new Problem({
    code: 'invalid-input',
    message: 'The policy names no rules, and rules are what is tried.',
    remedy: 'Add them to the file; `rules: []` stands for none.',
  });
}

/** Without an install where rules alone are tested, as in a check before they are merged. */
async function testCases(
  cli: Cli,
  file: string,
  { policy, ...where }: Where & { policy?: string },
): Promise<void> {
  const cases = parseCases(contentOf(file, 'The file of cases'));
  const draft = policy === undefined ? {} : { draft: draftIn(contentOf(policy, 'The policy'), where) };
  if (where.connection === undefined && where.tenant === undefined) {
    if (policy === undefined) one(where);
    return await cli.run(async () => tell(cli, testDraft({ ...draft, cases })));
  }
  await cli.withApp(async (app) => {
    const of = await idsOf(app, one(where));
    return tell(cli, await app.operator.testPolicy({ ...of, ...draft, cases }));
  });
}

function tell({ terminal }: Cli, test: Test): number {
  if (terminal.json) terminal.document(test);
  else {
    for (const result of test.cases) writeResult(terminal, result);
    terminal.line(`${counted(test.passed, 'case')} as expected, ${grouped(test.failed)} not.`);
    if (test.hasHidden) terminal.note('Rules of tenants above that you do not see were not looked at.');
  }
  return test.failed === 0 ? EXIT.ok : EXIT.failed;
}

function writeResult(
  terminal: Terminal,
  { name, passed, explanation, differences }: Test['cases'][number],
): void {
  const mark = passed ? terminal.style('green', 'ok') : terminal.style('red', 'FAILED');
  terminal.line(`${mark}  ${harmless(name)}`);
  if (passed) return;
  for (const difference of [...differences, explanation]) terminal.line(`      ${harmless(difference)}`);
}

async function replayDraft(cli: Cli, app: App, text: string, options: ReplayOptions): Promise<void> {
  const { days, list = false, from, to, limit, all = false, ...where } = options;
  if (!list && (from ?? to) !== undefined) {
    throw new Problem({
      code: 'invalid-input',
      message: '--from and --to choose among the changes that are listed.',
      remedy: 'Add --list.',
    });
  }
  const request = {
    ...{ ...(await idsOf(app, one(where))), draft: draftIn(text, where) },
    ...(days === undefined ? {} : { days }),
  };
  if (!list) {
    const replay = await app.operator.replayPolicy(request);
    return cli.terminal.json ? cli.terminal.document(replay) : writeReplay(cli.terminal, replay);
  }
  const wanted = { ...request, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
  const fetch = (page: { limit: number; after?: string }) =>
    app.operator.listReplayed({ ...wanted, ...page });
  if (cli.terminal.json) return await writeItems(cli.terminal, fetch, { limit, all });
  for await (const { items } of pagesOf(fetch, { limit, all }))
    cli.terminal.table(
      ['change', 'kind', 'name', 'now', 'would be', 'because'],
      items.map((item) => [
        ...[item.change, item.kind, harmless(item.name), item.from, item.to, harmless(item.explanation)],
      ]),
    );
}

function writeReplay(terminal: Terminal, replay: Replay): void {
  const { changes, same, since, differences, rules } = replay;
  terminal.line(
    `${counted(changes, 'change')} since ${since}: ${grouped(same)} would be decided as now, ${grouped(changes - same)} otherwise.`,
  );
  if (differences.length > 0) {
    terminal.table(
      ['now', 'would be', 'changes', 'for example'],
      differences.map(({ from, to, changes: many, examples: [first] }) => [
        ...[from, to, grouped(many), first === undefined ? '' : `${first.kind} of ${harmless(first.name)}`],
      ]),
    );
  }
  terminal.line();
  terminal.table(
    ['rule', 'decides'],
    rules.map(({ rule, changes: many }) => [harmless(rule), counted(many, 'change')]),
  );
}

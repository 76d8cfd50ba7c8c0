/** What the demo shows at its end: per company what waits and why, and what to type next. */
import { causes, setOf } from '../domain/change.ts';
import { shellWord } from '../domain/shellWord.ts';
import { asTyped } from './asTyped.ts';
import type { ChangeSetSummary } from './changes.ts';
import type { Company } from './demoDirectories.ts';
import { effectOf, type ShownChange, styleOfSet } from './describe.ts';
import { countsInWords } from './sync.ts';
import { counted, cut, harmless, type Terminal, widthOf } from './terminal.ts';

export type DemoResult = {
  readonly company: Company;
  readonly summary: ChangeSetSummary;
  /** Active auth users. */
  readonly users: number;
  /** A few changes of each set. */
  readonly samples: readonly ShownChange[];
};

/** The document of --json. */
export function summaryOf(results: readonly DemoResult[], seconds: number) {
  const tenants = results.map(({ company, summary, users }) => ({
    tenant: company.tenant,
    provider: company.provider,
    users,
    new: summary.new,
    changed: summary.changed,
    deleted: summary.deleted,
    conflicts: summary.conflicts,
    held: summary.held,
  }));
  return { tenants, seconds: Math.round(seconds * 10) / 10 };
}

export type DemoEnd = {
  readonly results: readonly DemoResult[];
  readonly seconds: number;
  readonly apiKey: string;
  readonly url: string;
  readonly stays: boolean;
};

const SIGN = { new: '+', changed: '~', deleted: '−', conflict: '?' } as const;

export function writeDemoSummary(terminal: Terminal, end: DemoEnd): void {
  for (const result of end.results) writeCompany(terminal, result);
  writeNext(terminal, end);
}

function writeCompany(terminal: Terminal, { company, summary, users, samples }: DemoResult): void {
  const { style, line } = terminal;
  line();
  line(
    `${style('bold', company.tenant)}  ${style('dim', `${company.providerTitle}, ${counted(users, 'active user')}`)}`,
  );
  line(`  ${countsInWords(summary, style)}`);
  for (const reason of summary.heldBecause) line(`  ${style('bold', 'held')}: ${harmless(reason)}`);
  for (const change of samples) {
    const set = setOf[change.kind];
    const name = harmless(change.name);
    const padding = ' '.repeat(Math.max(1, 24 - widthOf(name)));
    const what = harmless(`${causes[change.cause]}: ${effectOf(change)}`);
    const room = (process.stdout.columns || 120) - 4 - widthOf(name) - padding.length;
    line(`  ${style(styleOfSet[set], `${SIGN[set]} ${name}`)}${padding}${cut(what, Math.max(20, room))}`);
  }
}

function writeNext(terminal: Terminal, { results, seconds, apiKey, url, stays }: DemoEnd): void {
  const { style, line } = terminal;
  const [first] = results;
  const [strange] = results.toSorted((a, b) => b.summary.held - a.summary.held);
  const puzzle = results.flatMap(({ samples }) => samples).find((change) => change.kind === 'conflict');
  line();
  line(
    style(
      'bold',
      `Ready after ${seconds.toFixed(1)} s. ${stays ? 'In another terminal, in this folder:' : 'Next:'}`,
    ),
  );
  const say = (command: string, what: string) =>
    line(`  ${style('cyan', asTyped(command))}\n      ${style('dim', what)}`);
  if (strange !== undefined)
    say(
      `rollcall changes --tenant ${shellWord(strange.company.tenant)}`,
      'two people in five are gone from this directory: nobody loses access until a person has looked',
    );
  if (puzzle !== undefined) say(`rollcall show ${puzzle.id}`, 'a change that only a person can decide on');
  if (first !== undefined) {
    const { connection, revision } = first.summary;
    say(
      `rollcall approve --connection ${connection} --all --revision ${revision} --reason 'Looks right'`,
      `all that waits for ${first.company.tenant} and that no guard holds`,
    );
    say(`rollcall apply ${connection}`, 'carry it out');
  }
  say('rollcall audit verify', 'who did what, and that nobody has touched the record');
  if (!stays) {
    line(`  The API runs while the demo stays: ${style('cyan', 'npm run demo')} without --exit.`);
    return;
  }
  say(
    `curl -H 'Authorization: Bearer ${apiKey}' ${url}/v1/changes`,
    `the same over HTTP; ${url}/docs describes every route`,
  );
  line();
  line('Ctrl-C ends everything; the next start finds the data again.');
}

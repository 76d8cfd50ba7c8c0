/** `rollcall changes --group-by`: one line for many changes, with the options that list them or decide on them. */
import { type ChangeState, setOf } from '../domain/change.ts';
import type { Grouping } from '../domain/changeGroup.ts';
import { RISKS } from '../domain/risk.ts';
import { shellWord } from '../domain/shellWord.ts';
import type { Cli } from './cli.ts';
import { criteriaAsTyped } from './criteria.ts';
import { styleOfSet } from './describe.ts';
import { type Page, pagesOf } from './lists.ts';
import type { Operator } from './operator.ts';
import { type Cell, grouped } from './terminal.ts';

type Asked = {
  readonly by: Grouping;
  readonly filter: object;
  readonly where: { readonly tenant?: string; readonly connection?: string };
  /** Those that were asked for, unless it is those that wait. */
  readonly state?: readonly ChangeState[];
  readonly limit: number;
  readonly all?: boolean;
  /** Says that there are none. */
  readonly none: () => Promise<void>;
};

type Listed = Awaited<ReturnType<Operator['groupChanges']>>;
type Group = Listed['items'][number];

export async function listGroups(cli: Cli, operator: Operator, asked: Asked): Promise<void> {
  const { terminal } = cli;
  const { by, filter } = asked;
  const pages: Listed[] = [];
  const fetch = async (page: Page) => {
    const found = await operator.groupChanges({ ...filter, ...page, by });
    pages.push(found);
    return found;
  };
  for await (const _ of pagesOf(fetch, asked)); // `pages` has them
  const [first] = pages;
  if (first === undefined) return;
  const { changes, groups, lookedAt, revisions } = first;
  const items = pages.flatMap((page) => page.items);
  const next = pages.at(-1)?.next ?? null;
  if (terminal.json) return terminal.document({ by, changes, groups, lookedAt, revisions, items, next });
  if (items.length === 0) return await asked.none();
  terminal.table(
    ['changes', 'risk', by, 'kinds', 'states', 'opened by'],
    items.map((group) => rowOf(by, group)),
  );
  if (lookedAt !== null)
    terminal.note(`\nOf the oldest ${grouped(lookedAt)} that were looked at; there are more.`);
  if (next !== null) terminal.note('\nThere are more: --limit or --all.');
  suggest(cli, { ...asked, revisions, largest: items[0] });
}

function rowOf(by: Grouping, group: Group): Cell[] {
  const kinds = Object.keys(group.kinds) as (keyof typeof setOf)[];
  const [kind] = kinds;
  const text = numbers(group.kinds);
  return [
    grouped(group.changes),
    riskOf(group),
    group.label,
    kinds.length === 1 && kind !== undefined ? { text, style: styleOfSet[setOf[kind]] } : text,
    numbers(group.states),
    openedBy(by, group),
  ];
}

function numbers(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, n]) => `${grouped(n)} ${name}`)
    .join(', ');
}

/** The highest, and how many of it where not all have it. */
function riskOf({ risks, changes }: Group): Cell {
  const level = RISKS.findLast((one) => (risks[one] ?? 0) > 0) ?? 'low';
  const n = risks[level] ?? 0;
  const text = n === changes ? level : `${grouped(n)} ${level}`;
  return level === 'high' ? { text, style: 'red' } : level === 'medium' ? { text, style: 'yellow' } : text;
}

function openedBy(by: Grouping, { key, filter }: Group): string {
  return by === 'connection' ? `--connection ${key}` : criteriaAsTyped(filter).trim();
}

type Known = Pick<Asked, 'by' | 'where' | 'state'> &
  Pick<Listed, 'revisions'> & { readonly largest: Group | undefined };

/** With the largest group as the example. A decision is about one connection's change set. */
function suggest(cli: Cli, { by, where, state, revisions, largest }: Known): void {
  if (largest === undefined) return;
  const whose = Object.entries(where).map(([what, id]) => ` --${what} ${shellWord(id)}`);
  const [only, ...others] = revisions;
  cli.terminal.note('');
  const states = state === undefined ? '' : ` --state ${state.join(' ')}`;
  const list = `changes${by === 'connection' ? '' : whose.join('')} ${openedBy(by, largest)}${states}`;
  cli.next(list, ...(only !== undefined && others.length === 0 ? deciding(by, only, largest) : []));
}

/** None where nothing of it waits for a decision; what is held is to be looked at, not let go together. */
function deciding(
  by: Grouping,
  { connection, revision }: Listed['revisions'][number],
  group: Group,
): string[] {
  const { open = 0 } = group.states;
  if (open === 0) return by === 'guard' && group.key !== '' ? [`guards show ${connection}`] : [];
  if (Object.keys(group.kinds).every((kind) => kind === 'conflict')) return [];
  return [
    `approve --connection ${connection} --all${criteriaAsTyped(group.filter)} --revision ${revision} --reason TEXT`,
  ];
}

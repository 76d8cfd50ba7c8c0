/** Lists that come a page at a time: the first ones, or all of them, as rows or as one JSON document. */
import { InvalidArgumentError } from 'commander';
import type { Listed } from '../domain/page.ts';
import type { Terminal } from './terminal.ts';

const LARGEST_PAGE = 500;

export type Wanted = { readonly limit: number; readonly all?: boolean };

/** What a list is asked for. */
export type Page<Cursor = string> = { readonly limit: number; readonly after?: Cursor };

/** For commander: a whole number of at least one. */
export function atLeastOne(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new InvalidArgumentError('It must be a whole number of at least 1.');
  return Number(text);
}

/** Cursors are texts, but for the audit log, whose entries are numbered. */
type Listing<T, Cursor> = { readonly items: readonly T[]; readonly next: Cursor | null };
type Fetch<T, Cursor> = (page: Page<Cursor>) => Promise<Listing<T, Cursor>>;

/** Page after page until `limit` is reached or, with `all`, until there is no more. Only one page is in memory. */
export async function* pagesOf<T, Cursor>(
  fetch: Fetch<T, Cursor>,
  { limit, all = false }: Wanted,
): AsyncGenerator<Listing<T, Cursor>> {
  let left = all ? Number.POSITIVE_INFINITY : limit;
  let after: Cursor | null = null;
  do {
    const from: { after?: Cursor } = after === null ? {} : { after };
    const page: Listing<T, Cursor> = await fetch({ limit: Math.min(left, LARGEST_PAGE), ...from });
    yield page;
    left -= page.items.length;
    after = page.next;
  } while (after !== null && left > 0);
}

/** Everything, for lists that are short. */
export async function everything<T>(fetch: (page: Page) => Promise<Listed<T>>): Promise<readonly T[]> {
  const items: T[] = [];
  for await (const page of pagesOf<T, string>(fetch, { limit: 0, all: true })) items.push(...page.items);
  return items;
}

/** `{"items": […], "next": …}`, written a page at a time. */
export async function writeItems<T, Cursor>(
  terminal: Terminal,
  fetch: Fetch<T, Cursor>,
  wanted: Wanted,
): Promise<void> {
  let written = 0;
  let begun = false;
  let next: Cursor | null = null;
  for await (const page of pagesOf(fetch, wanted)) {
    if (!begun) terminal.write('{"items": ['); // what is refused leaves no half of a document
    begun = true;
    for (const item of page.items) {
      terminal.write(`${written === 0 ? '' : ','}\n  ${JSON.stringify(item)}`);
      written += 1;
    }
    next = page.next;
  }
  terminal.write(`\n], "next": ${JSON.stringify(next)}}\n`);
}

/** `fetch` with a memory, for ids that stand in many rows. */
export function remembered<Id extends string, T>(fetch: (id: Id) => Promise<T>): (id: Id) => Promise<T> {
  const known = new Map<Id, Promise<T>>();
  return (id) => {
    const found = known.get(id) ?? fetch(id);
    known.set(id, found);
    return found;
  };
}

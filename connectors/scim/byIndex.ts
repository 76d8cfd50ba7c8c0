/**
 * Pages by index (RFC 7644, section 3.4.2.4), which is no snapshot: a place is a number, and whoever stands behind somebody who is
 * removed moves up by one, out of the next page. So each page begins with the record that ended the one before it. Where
 * another stands there, the list has moved: the reading goes back by a page until it meets that record again, or else to the
 * start. People are then named twice, but nobody is left out. A list that moves more than a busy directory would has no order that can
 * be relied on, and is an error. It ends with a page that holds nothing but the last record, when `totalResults` is not
 * larger: `totalResults` alone is not believed, because some services put the length of the page there.
 */
import { z } from 'zod';
import type { SessionResponse } from '../answer.ts';
import { type ListBody, type Listing, noList } from './lists.ts';
import { odd } from './service.ts';

export const IndexPosition = z.object({
  by: z.literal('index'),
  /** 1-based: the place of the record that `last` is, where there is one. */
  start: z.int().min(1),
  count: z.int().min(1),
  sorted: z.boolean(),
  /** Ids of the page before: of the record that ended it, and of the one that began it. null where they are not known. */
  last: z.string().nullable(),
  first: z.string().nullable(),
  /** What that page said that there are. */
  total: z.int().min(0).nullable(),
  /** Pages in a row that brought nobody, and how often the list had moved. */
  idle: z.int().min(0),
  moved: z.int().min(0),
});
export type IndexPosition = z.infer<typeof IndexPosition>;

export function startOfIndex(count: number, sorted: boolean): IndexPosition {
  return { by: 'index', start: 1, count, sorted, last: null, first: null, total: null, idle: 0, moved: 0 };
}

type Ids = readonly (string | null)[];
type Next = { readonly records: readonly unknown[]; readonly next: IndexPosition | null };

/** Throws ConnectorError 'unexpected-response' where nobody can tell whether anybody is missing. */
export function pageByIndex(
  listing: Listing,
  at: IndexPosition,
  answer: SessionResponse,
  body: ListBody,
): Next {
  const { total } = body;
  if (total === null) {
    throw odd(answer, `A page of ${listing.what} does not say how many there are (totalResults).`);
  }
  if (body.records === null && total > 0 && total >= at.start) throw noList(listing, answer);
  const records = body.records ?? [];
  const ids = records.map(idOf);
  const watch = watching(listing, at, answer, total);
  if (isSamePage(at, ids, total)) {
    // It sends everybody at once, whatever is asked for: then everybody has been named already.
    if (total <= ids.length) return { records: [], next: null };
    return { records, next: { ...startOfIndex(at.count, at.sorted), moved: watch.stuck() } };
  }
  if (ids.length === 0) return { records, next: afterNobody(at, total, watch) };
  if (at.last === null) return { records, next: onwards(at, ids, total) };
  const met = ids.indexOf(at.last);
  return met === -1
    ? { records, next: back(at, total, watch) }
    : behindLast(at, { records, ids, met }, total, watch);
}

type Overlapping = { readonly records: readonly unknown[]; readonly ids: Ids; readonly met: number };

/** A page that shows, as its record `met`, the last one of the page before. */
function behindLast(at: IndexPosition, page: Overlapping, total: number, watch: Watch): Next {
  const { records, ids, met } = page;
  const behind = met < ids.length - 1;
  if (!behind && at.start + met >= total) return { records: records.slice(0, met), next: null };
  if (behind && ids.findLastIndex((id) => id !== null) === met) {
    return { records: records.slice(met + 1), next: pastUnnamed(at, ids, total) };
  }
  if (ids.length === 1) return { records: [], next: { ...at, ...pastLast(at), idle: watch.idle() } };
  const moved = met === 0 ? at.moved : watch.moved();
  return { records: met === 0 ? records.slice(1) : records, next: { ...onwards(at, ids, total), moved } };
}

/**
 * A page that begins with the record that began the one before it, in a list that is as long as it was: the service sends one page for
 * all. One of a single record says nothing.
 */
function isSamePage(at: IndexPosition, ids: Ids, total: number): boolean {
  const same = at.start > 1 && at.first !== null && at.first !== at.last && ids[0] === at.first;
  return same && at.total === total;
}

/** The next page begins with the last record that has an id. */
function onwards(at: IndexPosition, ids: Ids, total: number): IndexPosition {
  const lastNamed = ids.findLastIndex((id) => id !== null);
  const start = at.start + (lastNamed === -1 ? ids.length : lastNamed);
  return { ...at, start, last: ids[lastNamed] ?? null, first: ids[0] ?? null, total, idle: 0 };
}

/** Behind the last record that has an id there are only such as have none: the list goes on behind them, or ends with them. */
function pastUnnamed(at: IndexPosition, ids: Ids, total: number): IndexPosition | null {
  const start = at.start + ids.length;
  return start > total ? null : { ...at, start, last: null, first: null, total, idle: 0 };
}

/** Where nobody is shown behind the last record, though there should be: they may be when they are asked for without it. */
function pastLast({ start }: IndexPosition): Partial<IndexPosition> {
  return { start: start + 1, last: null, first: null };
}

function afterNobody(at: IndexPosition, total: number, watch: Watch): IndexPosition | null {
  if (total >= at.start) return { ...at, idle: watch.idle() };
  if (at.start === 1 && at.moved > 0) watch.emptied(); // there was somebody, or the list would not have been begun again
  return at.last === null ? null : back(at, total, watch);
}

/** By a page; from there, or where the page before is not known, to the start. */
function back(at: IndexPosition, total: number, watch: Watch): IndexPosition {
  const moved = watch.moved();
  const start = at.first === null ? 1 : Math.max(1, Math.min(at.start, total) - at.count + 1);
  return start === 1
    ? { ...startOfIndex(at.count, at.sorted), moved }
    : { ...at, start, first: null, idle: 0, moved };
}

const MOST_IDLE = 3;
const MOST_MOVED = 5;
const MOST_STUCK = 2;

type Watch = { idle(): number; moved(): number; stuck(): number; emptied(): never };

/** Counts what may happen now and then, and throws when it happens too often. A list of many pages may move more often than a short one. */
function watching({ what }: Listing, at: IndexPosition, answer: SessionResponse, total: number): Watch {
  return {
    idle() {
      if (at.idle < MOST_IDLE) return at.idle + 1;
      throw odd(
        answer,
        `The service says that there are ${total} in ${what}, and shows nobody from place ${at.start} on.`,
        'Have the administrator of the SCIM service look at it: some services list no more than a certain number, unless they are read by cursor.',
      );
    },
    moved() {
      if (at.moved < MOST_MOVED + at.start / at.count) return at.moved + 1;
      throw odd(
        answer,
        `The order of ${what} changes from page to page, so that nobody can tell who is missing.`,
        remedyForOrder,
      );
    },
    emptied() {
      throw odd(answer, `The service shows nobody in ${what} any more, after it has named some.`);
    },
    stuck() {
      if (at.moved < MOST_STUCK) return at.moved + 1;
      throw odd(
        answer,
        `The service sends the first page of ${what} again, whichever is asked for.`,
        remedyForOrder,
      );
    },
  };
}

const remedyForOrder =
  'Let the service list in a fixed order, and page as RFC 7644 says, or set paging to "cursor" where it knows RFC 9865. A larger pageSize helps where everybody fits into one page.';

function idOf(record: unknown): string | null {
  const id: unknown = record instanceof Object ? Reflect.get(record, 'id') : null;
  return typeof id === 'string' && id !== '' ? id : null;
}

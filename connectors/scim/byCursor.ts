/** Pages by cursor (RFC 9865): the service keeps the place. */
import { z } from 'zod';
import type { SessionResponse } from '../answer.ts';
import { type ListBody, type Listing, noList } from './lists.ts';
import { odd } from './service.ts';

export const CursorPosition = z.object({
  by: z.literal('cursor'),
  /** '' asks for the first page. */
  cursor: z.string(),
  count: z.int().min(1),
  read: z.int().min(0),
  /** The smallest `totalResults` so far; null where there was none. */
  total: z.int().min(0).nullable(),
});
export type CursorPosition = z.infer<typeof CursorPosition>;

/** Of a hundred records one may be missing at the end, for people come and go while the list is read. */
const COMING_AND_GOING = 0.01;

/** A service that ignores `cursor` answers with its first page by index, and says nowhere that more follows. */
export function goesOnByCursor({ nextCursor, total, records }: ListBody): boolean {
  return nextCursor !== null || total === null || total <= (records ?? []).length;
}

export function pageByCursor(
  listing: Listing,
  at: CursorPosition,
  answer: SessionResponse,
  { records, total: said, nextCursor }: ListBody,
): { readonly records: readonly unknown[]; readonly next: CursorPosition | null } {
  if (records === null && said !== 0) throw noList(listing, answer);
  const named = records ?? [];
  const read = at.read + named.length;
  const total = said === null ? at.total : Math.min(said, at.total ?? said);
  if (nextCursor !== null && nextCursor === at.cursor) {
    throw odd(answer, `A page of ${listing.what} names itself as the next one.`);
  }
  if (nextCursor !== null) return { records: named, next: { ...at, cursor: nextCursor, read, total } };
  // An empty page that ends the list is no witness of its own: the answer of a service that has lost the place looks the same.
  const witnessed = named.length === 0 && at.read > 0 ? at.total : total;
  if (witnessed !== null && witnessed - read > witnessed * COMING_AND_GOING) {
    throw odd(
      answer,
      `The service says that there are ${witnessed} in ${listing.what}, and ends it after ${read}.`,
      'Set paging to "index" if the service does not really page by cursor.',
    );
  }
  return { records: named, next: null };
}

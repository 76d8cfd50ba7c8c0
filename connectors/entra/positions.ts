/**
 * Where the reading of users is. Graph lists the living or the deleted, never both, so one chain of pages leads through three lists
 * while people move between them: the deleted, the living, and the deleted once more. Who is restored behind the
 * first list is in the second; who is deleted before the second comes to that place is in the third, and of the third only those
 * count who were deleted since the first began: the others have been named.
 */
import { z } from 'zod';
import { ConnectorError, type Cursor } from '../contract.ts';

const LISTS = ['deleted', 'living', 'deleted-again'] as const;

const UsersPosition = z.object({
  list: z.enum(LISTS),
  /** When the reading began, less an overlap, in milliseconds since 1970 by Graph's clock; null before the first answer. */
  since: z.int().min(0).nullable(),
  /** Graph's own link to the page; null where the list begins. */
  link: z.string().nullable(),
});
export type UsersPosition = z.infer<typeof UsersPosition>;

export const firstPosition: UsersPosition = { list: 'deleted', since: null, link: null };
/** Where to look at who is there without reading everybody. */
export const living: Cursor = JSON.stringify({
  list: 'living',
  since: null,
  link: null,
} satisfies UsersPosition);

/** The first answer's clock and the one that stamps `deletedDateTime` need not be the same. */
const OVERLAP_MS = 300_000;

/** `date`: the first answer's. Without one everybody counts as deleted since, and comes twice. */
export function sinceOf(date: string | null): number {
  const answered = Date.parse(date ?? '');
  return Number.isNaN(answered) ? 0 : Math.max(0, answered - OVERLAP_MS);
}

/** A cursor of nobody's making starts the reading again. */
export function positionOf(cursor: Cursor): UsersPosition {
  try {
    return UsersPosition.parse(JSON.parse(cursor));
  } catch {
    throw new ConnectorError({
      kind: 'cursor-expired',
      message: 'The place to go on from is none that this connector has given out.',
      remedy: 'Nobody has to act: the list is read again from its first page.',
    });
  }
}

/** `next`: Graph's link to the same list's next page, null at its end. */
export function positionBehind(at: UsersPosition, next: string | null, since: number): Cursor | null {
  const list = next === null ? LISTS[LISTS.indexOf(at.list) + 1] : at.list;
  return list === undefined ? null : JSON.stringify({ list, since, link: next } satisfies UsersPosition);
}

const Dated = z.object({ deletedDateTime: z.string() });

/** False where nothing says when. */
export function deletedBefore(item: unknown, ms: number): boolean {
  const { data } = Dated.safeParse(item);
  return data !== undefined && Date.parse(data.deletedDateTime) < ms;
}

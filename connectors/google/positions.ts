/**
 * Where the reading of users is. Google lists the living or the deleted, never both (reference: users.list, parameter
 * showDeleted), so one chain of pages leads through three lists while people move between them: the deleted, the living, and the
 * deleted once more. Who is restored after the first list is in the second; who is deleted before the second comes to
 * that place is in the third. Google has no list of what has changed, so that somebody who is restored behind that place is known
 * as the first list had it, deleted, until the next run.
 */
import { ConnectorError, type Cursor } from '../contract.ts';
import { expiredToken } from './refusals.ts';

const LISTS = ['deleted', 'live', 'deleted-again'] as const;

export type UsersPosition = {
  readonly list: (typeof LISTS)[number];
  /** When the reading began, less an overlap, in milliseconds since 1970 by Google's clock; null before the first answer. */
  readonly since: number | null;
  /** How the units in scope were called when the list of the living began; empty where none is named, and before it. */
  readonly mark: string;
  /** null where the list begins. */
  readonly pageToken: string | null;
};

export const deletedUsers: UsersPosition = { list: 'deleted', since: null, mark: '', pageToken: null };
/** Also where to look at who is there without reading everybody. */
export const liveUsers: UsersPosition = { list: 'live', since: null, mark: '', pageToken: null };

/** The first answer's clock and the one that stamps `deletionTime` need not be the same. */
const OVERLAP_MS = 300_000;

/** `date`: the first answer's. Without one everybody counts as deleted since, and comes twice. */
export function sinceOf(date: string | null): number {
  const answered = Date.parse(date ?? '');
  return Number.isNaN(answered) ? 0 : Math.max(0, answered - OVERLAP_MS);
}

export function toCursor({ list, since, mark, pageToken }: UsersPosition): Cursor {
  return `${list}:${since ?? ''}:${mark}:${pageToken ?? ''}`;
}

/** A cursor of nobody's making starts the reading again. */
export function toPosition(cursor: Cursor): UsersPosition {
  const [, name, since, mark = '', pageToken] = /^([a-z-]+):(\d{0,15}):([\w-]*):(.*)$/s.exec(cursor) ?? [];
  const list = LISTS.find((one) => one === name);
  if (list === undefined) throw new ConnectorError(expiredToken);
  return { list, since: since ? Number(since) : null, mark, pageToken: pageToken || null };
}

/** `next`: the page token of the same list's next page, null at its end. `mark`: of the units, as long as the living are listed. */
export function positionBehind(
  at: UsersPosition,
  next: string | null,
  since: number,
  mark: string,
): Cursor | null {
  if (next !== null) return toCursor({ list: at.list, since, mark, pageToken: next });
  const list = LISTS[LISTS.indexOf(at.list) + 1];
  return list === undefined ? null : toCursor({ list, since, mark: '', pageToken: null });
}

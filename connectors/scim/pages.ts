/** Reads a SCIM list page by page, by index or by cursor, whichever the service knows. */
import { z } from 'zod';
import type { SessionResponse } from '../answer.ts';
import { ConnectorError, type Cursor } from '../contract.ts';
import { CursorPosition, goesOnByCursor, pageByCursor } from './byCursor.ts';
import { IndexPosition, pageByIndex, startOfIndex } from './byIndex.ts';
import { bodyOf, type Listing } from './lists.ts';
import { refusal, type ScimService, scimErrorIn } from './service.ts';

const ListPosition = z.discriminatedUnion('by', [IndexPosition, CursorPosition]);
type ListPosition = z.infer<typeof ListPosition>;
const Saved = z.object({ list: z.string(), place: ListPosition });

export type PagingSettings = {
  readonly paging: 'auto' | 'index' | 'cursor';
  readonly pageSize?: number | undefined;
};

export type Read = { readonly records: readonly unknown[]; readonly next: Cursor | null };

export type Pages = {
  /** One page. Throws ConnectorError where it cannot be vouched for: then nobody may conclude that the list ends here. */
  read(listing: Listing, cursor: Cursor | null, signal: AbortSignal): Promise<Read>;
  /** How many records the service says that the list has; null where it does not say, or says the length of the page. `sent`: when, by its own clock. */
  count(listing: Listing, signal: AbortSignal): Promise<{ total: number | null; sent: Date | null }>;
};

/** Asked for where the service does not say how many it gives, and the most that is asked for unasked. */
const USUAL_PAGE = 100;
const LARGEST_PAGE = 1_000;

/** Nothing is kept between two calls: the cursor of each page says how the list is read. */
export function pagesOf(service: ScimService, settings: PagingSettings): Pages {
  async function firstPosition(signal: AbortSignal): Promise<ListPosition> {
    const hints = await service.hints(signal);
    const count = settings.pageSize ?? Math.min(hints.largestPage ?? USUAL_PAGE, LARGEST_PAGE);
    if (settings.paging === 'cursor' || (settings.paging === 'auto' && hints.cursors)) {
      return { by: 'cursor', cursor: '', count, read: 0, total: null };
    }
    return startOfIndex(count, hints.sorts);
  }

  async function byIndex(listing: Listing, at: IndexPosition, signal: AbortSignal): Promise<Read> {
    const params = { ...listing.params, startIndex: String(at.start), count: String(at.count) };
    const sorting = at.sorted ? { sortBy: 'id', sortOrder: 'ascending' } : {};
    const answer = await service.get(listing.path, { ...params, ...sorting }, signal);
    // A service that says it sorts and then does not is asked again without.
    if (at.sorted && isStart(at) && isUnwilling(answer)) {
      return byIndex(listing, { ...at, sorted: false }, signal);
    }
    granted(listing, at, answer);
    return toRead(listing, pageByIndex(listing, at, answer, bodyOf(listing, answer)));
  }

  async function byCursor(listing: Listing, at: CursorPosition, signal: AbortSignal): Promise<Read> {
    const { cursor, count } = at;
    const params = { ...listing.params, cursor, count: String(count) };
    const answer = await service.get(listing.path, params, signal);
    const mayChange = settings.paging === 'auto' && isStart(at);
    const fromIndex = startOfIndex(count, false);
    if (mayChange && isUnwilling(answer)) return byIndex(listing, fromIndex, signal);
    granted(listing, at, answer);
    const body = bodyOf(listing, answer);
    return mayChange && !goesOnByCursor(body)
      ? toRead(listing, pageByIndex(listing, fromIndex, answer, body))
      : toRead(listing, pageByCursor(listing, at, answer, body));
  }

  async function countBy(listing: Listing, count: number, signal: AbortSignal) {
    const answer = await service.get(listing.path, { ...listing.params, count: String(count) }, signal);
    if (answer.status !== 200) {
      throw new ConnectorError(refusal(answer, { what: listing.what, start: true }));
    }
    const sent = Date.parse(answer.headers.get('date') ?? '');
    const { total } = bodyOf(listing, answer);
    return { total, sent: Number.isNaN(sent) ? null : new Date(sent) };
  }

  return {
    async read(listing, cursor, signal) {
      const at = cursor === null ? await firstPosition(signal) : positionIn(listing, cursor);
      return at.by === 'index' ? byIndex(listing, at, signal) : byCursor(listing, at, signal);
    },
    async count(listing, signal) {
      const counted = await countBy(listing, 1, signal);
      // One, like the length of the page: a service that always says that length says two of two.
      if (counted.total !== 1) return counted;
      const again = await countBy(listing, 2, signal);
      return { ...counted, total: again.total === 1 ? 1 : null };
    },
  };
}

function isStart(at: ListPosition): boolean {
  return at.by === 'cursor' ? at.cursor === '' : at.start === 1 && at.moved === 0 && at.idle === 0;
}

function granted(listing: Listing, at: ListPosition, answer: SessionResponse): void {
  if (answer.status === 200) return;
  throw new ConnectorError(refusal(answer, { what: listing.what, start: isStart(at) }));
}

/** Refused for how it was asked, not for who asked: parameters that the service does not know. */
function isUnwilling(answer: SessionResponse): boolean {
  if (answer.status === 501) return true;
  const scimType = scimErrorIn(answer)?.scimType;
  return answer.status === 400 && scimType !== 'tooMany' && scimType !== 'invalidCount';
}

function positionIn(listing: Listing, cursor: Cursor): ListPosition {
  try {
    const { list, place } = Saved.parse(JSON.parse(cursor));
    if (list === listing.name) return place;
  } catch {
    // Neither JSON nor a place.
  }
  throw new ConnectorError({
    kind: 'cursor-expired',
    message: 'The saved place in the list is none of this list.',
    remedy: 'Nobody has to act: the next run reads the list from its beginning.',
  });
}

function toRead(
  { name: list }: Listing,
  { records, next: place }: { readonly records: readonly unknown[]; readonly next: ListPosition | null },
): Read {
  return { records, next: place === null ? null : JSON.stringify({ list, place }) };
}

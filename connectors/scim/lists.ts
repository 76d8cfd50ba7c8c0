/** The lists of a SCIM service, and what one page of any of them says. */
import { parseJson, type SessionResponse } from '../answer.ts';
import { ListResponse } from './schema.ts';
import { odd } from './service.ts';

/** One list of the service, the same on each of its pages. `name` is in the cursor, `what` in messages. */
export type Listing = {
  readonly name: string;
  readonly what: string;
  readonly path: '/Users' | '/Groups';
  readonly params: Readonly<Record<string, string>>;
};

export const allUsers: Listing = { name: 'users', what: 'the list of users', path: '/Users', params: {} };
/** Members are read group by group: a group can have more of them than fit into a page of groups. */
export const allGroups: Listing = {
  name: 'groups',
  what: 'the list of groups',
  path: '/Groups',
  params: { excludedAttributes: 'members' },
};

export type ListBody = {
  /** null where the answer holds no list at all. */
  readonly records: readonly unknown[] | null;
  readonly total: number | null;
  readonly nextCursor: string | null;
};

export function bodyOf(listing: Listing, answer: SessionResponse): ListBody {
  const read = ListResponse.safeParse(parseJson(answer));
  if (!read.success) throw odd(answer, `A page of ${listing.what} is no list.`);
  const { Resources, totalResults, nextCursor } = read.data;
  return {
    records: Resources ?? null,
    total: totalResults ?? null,
    nextCursor: nextCursor === undefined || nextCursor === '' ? null : nextCursor,
  };
}

/** "Nobody" has to be said in so many words: a page without a list needs a total that does not reach it. */
export function noList(listing: Listing, answer: SessionResponse): Error {
  return odd(answer, `A page of ${listing.what} lacks the list itself (Resources).`);
}

/**
 * Who may have changed since the last reading, by `meta.lastModified`. That never names who was deleted, so it is counted too: of
 * those who were there when the token was made, as many have to be there still. Where they are not, where the service
 * filters by neither time, or says that it does and does not, the token is not honoured ('cursor-expired') and a full pull follows.
 *
 * A group that has changed may be within another, and its members with it (around.ts). Where that would be too much to find out, every
 * group is named.
 */
import { z } from 'zod';
import { ExternalId } from '../../src/domain/ids.ts';
import {
  type Changes,
  type ChangesPage,
  ConnectorError,
  type Cursor,
  type DeltaToken,
  type RenamedGroup,
} from '../contract.ts';
import { Identified } from '../unreadable.ts';
import { type Around, MOST_CHANGED } from './around.ts';
import { allGroups, allUsers, type Listing } from './lists.ts';
import { toGroupRecord } from './map.ts';
import type { Pages } from './pages.ts';
import { Stamped } from './schema.ts';

/** `at`: when the counts were taken, by the service's own clock; null where it did not say. */
const Token = z.object({
  at: z.iso.datetime().nullable(),
  users: z.int().min(0).nullable(),
  groups: z.int().min(0).nullable(),
});
type Token = z.infer<typeof Token>;

const FeedPosition = z.object({
  list: z.enum(['changed-users', 'changed-groups', 'groups-around', 'every-group']),
  page: z.string().nullable(),
  /** Groups that have changed; null where they are too many, or not all known. */
  changed: z.array(ExternalId).nullable(),
  token: Token,
});
type FeedPosition = z.infer<typeof FeedPosition>;

/** Read twice rather than never: the clocks of the service's machines need not agree, and a change may take a while to show. */
const OVERLAP_MS = 300_000;

export function changesOf(pages: Pages, around: Around): Changes {
  async function taken(signal: AbortSignal): Promise<Token> {
    const { total: users, sent } = await pages.count(allUsers, signal);
    const { total: groups } = await pages.count(allGroups, signal);
    return { at: sent?.toISOString() ?? null, users, groups };
  }

  async function begun(since: Since, signal: AbortSignal): Promise<FeedPosition> {
    const token = await taken(signal);
    await stillThere(pages, since, signal);
    return { list: 'changed-users', page: null, changed: [], token };
  }

  /** All at once: the answer is known when the last group has been read. */
  async function fetchAround(at: FeedPosition, signal: AbortSignal): Promise<ChangesPage> {
    const groups = await around.of(at.changed ?? [], at.token, signal);
    const ahead: FeedPosition | null = groups === null ? { ...at, list: 'every-group' } : null;
    const named = { users: [], groups: groups ?? [], renamed: [], unreadable: 0 };
    return { ...named, ...leading(ahead, at.token) };
  }

  async function fetchPage(since: Since, at: FeedPosition, signal: AbortSignal): Promise<ChangesPage> {
    if (at.list === 'groups-around') return fetchAround(at, signal);
    const { records, next } = await refusing(pages.read(listingOf(at.list, since), at.page, signal));
    const { ids, unreadable } = identified(records, at.list === 'every-group' ? null : since);
    const here = at.list === 'changed-groups' ? { ...at, changed: withMore(at, ids, unreadable) } : at;
    const ahead = next === null ? listBehind(here) : { ...here, page: next };
    return { ...toldOf(at.list, records, ids), unreadable, ...leading(ahead, at.token) };
  }

  return {
    tokenLifetimeMs: null,
    begin: async (signal) => JSON.stringify(await taken(signal)),
    async fetch(token, cursor, signal) {
      const since = sinceOf(token);
      const at = cursor === null ? await begun(since, signal) : positionIn(cursor);
      return fetchPage(since, at, signal);
    },
  };
}

function leading(ahead: FeedPosition | null, token: Token): Pick<ChangesPage, 'next' | 'token'> {
  if (ahead === null) return { next: null, token: JSON.stringify(token) };
  return { next: JSON.stringify(ahead), token: null };
}

function withMore(
  { changed }: FeedPosition,
  ids: readonly ExternalId[],
  unreadable: number,
): FeedPosition['changed'] {
  if (changed === null || unreadable > 0 || changed.length + ids.length > MOST_CHANGED) return null;
  return [...changed, ...ids];
}

type Since = { readonly at: Date; readonly users: number; readonly groups: number };

function sinceOf(token: DeltaToken): Since {
  const { at, users, groups } = parsed(Token, token);
  if (at === null || users === null || groups === null) {
    throw unknown('The service did not say what its changes could be told from (Date, totalResults).');
  }
  return { at: new Date(at), users, groups };
}

function positionIn(cursor: Cursor): FeedPosition {
  return parsed(FeedPosition, cursor);
}

function parsed<T>(schema: z.ZodType<T>, text: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw unknown('The saved place among the changes is none of this service.');
  }
}

/** `meta.created lt` a second later: `Date` has whole seconds, and who was created within that one was counted. */
async function stillThere(pages: Pages, { at, users, groups }: Since, signal: AbortSignal): Promise<void> {
  const before = timeText(at.getTime() + 1_000);
  // Compares a time of either attribute, so that one that the service does not know is found out here.
  const filter = `meta.created lt "${before}" and meta.lastModified gt "1970-01-01T00:00:00Z"`;
  for (const [listing, were] of [[allUsers, users] as const, [allGroups, groups] as const]) {
    const params = { ...listing.params, filter };
    const { total } = await refusing(pages.count({ ...listing, params }, signal));
    if (total !== were) {
      throw unknown(
        `Of ${listing.what} the service does not show as many as were there, and it never says who was deleted.`,
      );
    }
  }
}

type Listed = 'changed-users' | 'changed-groups' | 'every-group';

function listingOf(list: Listed, { at }: Since): Listing {
  const filter = `meta.lastModified gt "${timeText(at.getTime() - OVERLAP_MS)}"`;
  switch (list) {
    case 'changed-users':
      return { name: list, what: 'changed users', path: '/Users', params: { filter } };
    case 'changed-groups':
      return { name: list, what: 'changed groups', path: '/Groups', params: { ...allGroups.params, filter } };
    case 'every-group':
      return { ...allGroups, name: list };
  }
}

function listBehind(at: FeedPosition): FeedPosition | null {
  switch (at.list) {
    case 'changed-users':
      return { ...at, list: 'changed-groups', page: null };
    case 'changed-groups':
      if (at.changed === null) return { ...at, list: 'every-group', page: null };
      return at.changed.length > 0 ? { ...at, list: 'groups-around', page: null } : null;
    case 'groups-around':
    case 'every-group':
      return null;
  }
}

function toldOf(
  list: FeedPosition['list'],
  records: readonly unknown[],
  ids: readonly ExternalId[],
): Pick<ChangesPage, 'users' | 'groups' | 'renamed'> {
  if (list === 'changed-users') return { users: ids, groups: [], renamed: [] };
  return { users: [], groups: ids, renamed: list === 'changed-groups' ? records.flatMap(named) : [] };
}

/** A changed group may have another name; of an entry that cannot be read, `unreadable` tells. */
function named(record: unknown): readonly RenamedGroup[] {
  const { success, data } = Identified.safeParse(record);
  if (!success) return [];
  const read = toGroupRecord(record);
  return [{ externalId: data.id, name: read.kind === 'group' ? read.group.name : null }];
}

/** `since`: none may be older. One that is shows that the service does not filter what it lists. */
function identified(
  records: readonly unknown[],
  since: Since | null,
): { ids: readonly ExternalId[]; unreadable: number } {
  const ids: ExternalId[] = [];
  let unreadable = 0;
  for (const record of records) {
    const named = Identified.safeParse(record);
    if (named.success) ids.push(named.data.id);
    else unreadable += 1;
    if (since !== null && named.success && !isRecent(record, since)) {
      throw unknown('The service lists as changed who has not changed since: it does not filter by time.');
    }
  }
  return { ids, unreadable };
}

function isRecent(record: unknown, { at }: Since): boolean {
  const stamped = Stamped.safeParse(record);
  return stamped.success && Date.parse(stamped.data.meta.lastModified) > at.getTime() - OVERLAP_MS - 1_000;
}

/** A service that takes no such filter refuses it in many ways (`invalidFilter`, 501); none of them is about a person. */
async function refusing<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof ConnectorError)) throw error;
    const { status } = error.failure;
    if (status !== 400 && status !== 501 && status !== 403) throw error;
    throw unknown('The service does not list by time of change (meta.created, meta.lastModified).', error);
  }
}

function unknown(message: string, cause?: Error): ConnectorError {
  const remedy = 'Nobody has to act: a full pull follows.';
  return new ConnectorError(
    { kind: 'cursor-expired', message, remedy },
    cause === undefined ? {} : { cause },
  );
}

/** Whole seconds: fractions are more than some services can read. */
const timeText = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/**
 * What one directory server lists.
 *
 * A listing is a row of searches, read a page at a time. The place in a paged search is the server's, bound to the connection
 * (RFC 2696), so a listing keeps a connection to itself from its first page to its last:
 *
 *   begun ──page──▶ waiting ──page──▶ … ──last page──▶ ended (its connection is free again)
 *                      └── its connection breaks, or too many others were begun ──▶ gone: 'cursor-expired'
 *
 * A cursor names a listing of this instance and its next page. Any other one, of another process too, has expired.
 */
import { randomUUID } from 'node:crypto';
import { PagedResultsControl, PresenceFilter } from 'ldapts';
import { ConnectorError, type Cursor, type Usage } from '../contract.ts';
import type { Answer, Connection, Search } from './connection.ts';
import { Refused } from './failures.ts';
import { BrokenOff, type DirectoryServer } from './server.ts';
import { type Entry, Malformed } from './wire.ts';

/** `what`: how a failure calls it. */
export type NamedSearch = Search & { readonly what: string };

export type ListingPage<S extends NamedSearch = NamedSearch> = {
  /** Which of the searches these entries are of. */
  readonly search: S | null;
  readonly entries: readonly Entry[];
  readonly references: number;
  readonly next: Cursor | null;
  /** The same object with each page of the listing: what its reader has to remember. */
  readonly memory: object;
};

type Listing = {
  readonly id: string;
  readonly searches: readonly NamedSearch[];
  readonly memory: object;
  connection: Connection | null;
  /** Of the search that is next. */
  at: number;
  cookie: Buffer | null;
  /** Of the page that is next. */
  page: number;
  /** The first entry of the page before, by which a server that goes in a circle is known. */
  last: string | null;
};

/** Listings that somebody may still go on with; of more, the oldest is given up. */
const MAX_LISTINGS = 32;

export class Directory {
  readonly #server: DirectoryServer;
  readonly #listings = new Map<string, Listing>();
  #searches = 0;
  /** Whether a listing has broken off before. */
  #hasBrokenOff: boolean = false;

  constructor(server: DirectoryServer) {
    this.#server = server;
  }

  usage(): Usage {
    return this.#server.usage();
  }

  /** How many were asked for, those of each page among them; tries of the same one count once. */
  get searches(): number {
    return this.#searches;
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const { connection } of this.#listings.values()) connection?.close();
    this.#listings.clear();
  }

  /** One search without pages, for few entries. A refusal with result code `allowed` is no failure, but an answer. */
  async search(search: NamedSearch, signal: AbortSignal, allowed: readonly number[] = []): Promise<Answer> {
    this.#searches += 1;
    return this.#server.use(signal, async (connection, either) => {
      const answer = await connection.search(search, either);
      const { code } = answer.result;
      if (code !== 0 && !allowed.includes(code)) throw new Refused(answer.result, search.what);
      this.#server.release(connection);
      return answer;
    });
  }

  /** All entries of a search, page by page, for whoever can hold them or drop them as they come. */
  async *all(search: NamedSearch, pageSize: number, signal: AbortSignal): AsyncGenerator<Entry> {
    let page = await this.begin('all', [search], pageSize, signal);
    for (;;) {
      yield* page.entries;
      if (page.next === null) return;
      page = await this.proceed('all', page.next, pageSize, signal);
    }
  }

  /** The first page of a new listing. `memory` comes back with each of its pages. */
  async begin<S extends NamedSearch>(
    kind: string,
    searches: readonly S[],
    pageSize: number,
    signal: AbortSignal,
    memory: object = {},
  ): Promise<ListingPage<S>> {
    const listing: Listing = {
      id: randomUUID(),
      searches,
      memory,
      connection: null,
      at: 0,
      cookie: null,
      page: 1,
      last: null,
    };
    return this.#page(kind, listing, pageSize, signal) as Promise<ListingPage<S>>;
  }

  /** Throws ConnectorError 'cursor-expired' for a place that this instance does not hold (any more). */
  async proceed(kind: string, cursor: Cursor, pageSize: number, signal: AbortSignal): Promise<ListingPage> {
    const [name, id = '', page] = cursor.split(' ');
    const listing = this.#listings.get(id);
    if (name !== kind || listing === undefined || listing.page !== Number(page)) throw expired();
    if (listing.connection?.isOpen === false) {
      this.#forget(listing);
      throw expired();
    }
    return this.#page(kind, listing, pageSize, signal);
  }

  async #page(kind: string, listing: Listing, pageSize: number, signal: AbortSignal): Promise<ListingPage> {
    const search = listing.searches[listing.at] ?? null;
    if (search === null) return { search, entries: [], references: 0, next: null, memory: listing.memory };
    this.#searches += 1;
    this.#listings.delete(listing.id); // until the page is there nobody can ask for another one
    const { entries, references, cookie } = await this.#pageOf(listing, search, pageSize, signal);
    if (cookie === null) listing.at += 1;
    listing.cookie = cookie;
    listing.page += 1;
    listing.last = cookie === null ? null : (entries[0]?.dn ?? listing.last);
    const next = listing.at < listing.searches.length ? `${kind} ${listing.id} ${listing.page}` : null;
    if (next === null) this.#server.release(listing.connection);
    else this.#keep(listing);
    return { search, entries, references, next, memory: listing.memory };
  }

  /** A page that needs no cookie can be asked for on any connection, and so again; any other one only where it is. */
  async #pageOf(listing: Listing, search: NamedSearch, pageSize: number, signal: AbortSignal) {
    const { connection, cookie } = listing;
    const ask = async (on: Connection, either: AbortSignal) => {
      listing.connection = on;
      const value = cookie === null ? { size: pageSize } : { size: pageSize, cookie };
      const paged = new PagedResultsControl({ critical: true, value });
      const controls = [...(search.controls ?? []), paged];
      return this.#read(await on.search({ ...search, controls }, either), search, listing);
    };
    if (cookie === null) {
      this.#server.release(connection);
      return this.#server.use(signal, ask);
    }
    if (connection === null) throw expired();
    try {
      return await this.#server.goOn(connection, signal, ask);
    } catch (error) {
      throw error instanceof BrokenOff ? this.#brokenOff(error) : error;
    }
  }

  #read(answer: Answer, search: NamedSearch, listing: Listing) {
    const { result, entries, references, cookie } = answer;
    if (listing.cookie !== null && COOKIE_REFUSED.has(result.code)) throw expired();
    if (result.code !== 0) throw new Refused(result, search.what);
    if (cookie === null) throw new Malformed('a page does not say whether it is the last one');
    const first = entries[0]?.dn;
    if (first !== undefined && first === listing.last) throw new Malformed('a page came twice');
    if (entries.length === 0 && cookie.length > 0 && listing.cookie?.equals(cookie) === true) {
      throw new Malformed('an empty page names itself as the next one');
    }
    // A subarray would keep the whole of what was received in memory.
    return { entries, references, cookie: cookie.length === 0 ? null : Buffer.from(cookie) };
  }

  /**
   * What broke in the middle of a paged search cannot go on. The first time the caller is told to start over; if it breaks again,
   * the server is in trouble.
   */
  #brokenOff({ failure, cause }: BrokenOff): ConnectorError {
    if (this.#hasBrokenOff) return new ConnectorError(failure, { cause });
    this.#hasBrokenOff = true;
    const message = `${failure.message} The listing cannot go on where it was.`;
    return new ConnectorError({ ...expiredFailure, message }, { cause });
  }

  #keep(listing: Listing): void {
    this.#listings.set(listing.id, listing);
    for (const [, oldest] of this.#listings) {
      if (this.#listings.size <= MAX_LISTINGS) return;
      this.#forget(oldest);
    }
  }

  #forget(listing: Listing): void {
    this.#listings.delete(listing.id);
    listing.connection?.close();
  }
}

/** protocolError, unavailableCriticalExtension, unwillingToPerform: what servers say to a cookie of another time. */
const COOKIE_REFUSED: ReadonlySet<number> = new Set([2, 12, 53]);

const anything = new PresenceFilter({ attribute: 'objectClass' });

/** The entry itself. An entry that is not there, or not for this account, is null. */
export async function readEntry(
  directory: Directory,
  {
    dn,
    attributes,
    what,
    controls = [],
  }: { dn: string; attributes: readonly string[]; what: string; controls?: Search['controls'] },
  signal: AbortSignal,
): Promise<Entry | null> {
  const search = { base: dn, scope: 'base', filter: anything, attributes, what, controls } as const;
  const { entries } = await directory.search(search, signal, [NO_SUCH_OBJECT]);
  return entries[0] ?? null;
}

export const NO_SUCH_OBJECT = 32;
export const SIZE_LIMIT_EXCEEDED = 4;

const expiredFailure = {
  kind: 'cursor-expired',
  message: "The place in the list was the server's, on a connection that is gone.",
  remedy: 'Nobody has to act: the list is read from its beginning.',
} as const;

function expired(): ConnectorError {
  return new ConnectorError(expiredFailure);
}

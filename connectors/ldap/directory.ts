/**
 * The way to one directory server: connections that are signed in, bounded retry, and listings.
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
import { setTimeout as wait } from 'node:timers/promises';
import { PagedResultsControl, PresenceFilter } from 'ldapts';
import { ConnectorError, type Cursor, type Network, type Usage } from '../contract.ts';
import type { SessionTuning } from '../session.ts';
import { trusted } from '../transport.ts';
import { type Answer, Connection, type Endpoint, type Search } from './connection.ts';
import { BUSY, judge, Refused } from './failures.ts';
import type { LdapCredentials, LdapSettings } from './settings.ts';
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
const MAX_IDLE = 4;
const BACKOFF_MS = { first: 500, cap: 30_000 };

export type DirectoryOptions = {
  readonly settings: LdapSettings;
  readonly credentials: LdapCredentials;
  readonly network: Network;
};

export class Directory {
  readonly #options: DirectoryOptions;
  readonly #endpoint: Endpoint;
  readonly #host: string;
  readonly #trusted: readonly string[];
  readonly #idle: Connection[] = [];
  readonly #listings = new Map<string, Listing>();
  readonly #closed = new AbortController();
  readonly #usage = { requests: 0, retries: 0, throttled: 0, waitedMs: 0, bytes: 0 };
  readonly #timeoutMs: number;
  readonly #maxRetries: number;
  readonly #sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  #address: string | null = null;
  #lost = false;

  /** Throws ConnectorError 'misconfigured'. Opens no connection. */
  constructor(options: DirectoryOptions, tuning: SessionTuning = {}) {
    const { settings, network } = options;
    refuseWhatIsNotUsed(network);
    this.#options = options;
    this.#endpoint = endpointOf(settings);
    this.#host = `${settings.url.replace(/^ldaps?:\/\//, '')}`;
    this.#trusted = trusted(network.ca);
    this.#timeoutMs = tuning.timeoutMs ?? 60_000;
    this.#maxRetries = tuning.maxRetries ?? 3;
    this.#sleep = tuning.sleep ?? ((ms, signal) => wait(ms, undefined, { signal }));
  }

  usage(): Usage {
    return { ...this.#usage };
  }

  async close(): Promise<void> {
    this.#closed.abort(new ConnectorError(closedHere));
    for (const { connection } of this.#listings.values()) connection?.close();
    for (const connection of this.#idle.splice(0)) connection.close();
    this.#listings.clear();
  }

  /** One search without pages, for few entries. A refusal with result code `allowed` is no failure, but an answer. */
  async search(search: NamedSearch, signal: AbortSignal, allowed: readonly number[] = []): Promise<Answer> {
    return this.#retried(signal, async (connection, either) => {
      const answer = await connection.search(search, either);
      const { code } = answer.result;
      if (code !== 0 && !allowed.includes(code)) throw new Refused(answer.result, search.what);
      this.#release(connection);
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
    this.#listings.delete(listing.id); // until the page is there nobody can ask for another one
    const { entries, references, cookie } = await this.#pageOf(listing, search, pageSize, signal);
    if (cookie === null) listing.at += 1;
    listing.cookie = cookie;
    listing.page += 1;
    listing.last = cookie === null ? null : (entries[0]?.dn ?? listing.last);
    const next = listing.at < listing.searches.length ? `${kind} ${listing.id} ${listing.page}` : null;
    if (next === null) this.#release(listing.connection);
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
      if (connection?.isOpen === true) this.#idle.push(connection);
      return this.#retried(signal, ask);
    }
    if (connection === null) throw expired();
    for (let retries = 0; ; retries++) {
      try {
        return await this.#either(signal, (either) => ask(connection, either));
      } catch (error) {
        if (signal.aborted || !(await this.#waited(error, connection, retries, signal))) {
          connection.close();
          throw this.#brokenOff(error, signal);
        }
      }
    }
  }

  /** Whether the same can be asked again on this connection: it is there, and the server was only busy. */
  async #waited(
    error: unknown,
    connection: Connection,
    retries: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    this.#noteBusy(error);
    const passes = error instanceof Refused && judge(error, this.#host, this.#timeoutMs).retry;
    if (!passes || !connection.isOpen || retries >= this.#maxRetries) return false;
    this.#usage.retries += 1;
    await this.#pause(retries, signal);
    return true;
  }

  #noteBusy(error: unknown): void {
    if (error instanceof Refused && error.result.code === BUSY) this.#usage.throttled += 1;
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
  #brokenOff(error: unknown, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason;
    const { failure, cause, retry } = judge(error, this.#host, this.#timeoutMs);
    const refused = error instanceof Refused;
    if (!retry || refused || this.#lost || this.#closed.signal.aborted)
      return new ConnectorError(failure, { cause });
    this.#lost = true;
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

  #release(connection: Connection | null): void {
    if (connection === null || !connection.isOpen) return;
    if (this.#idle.length < MAX_IDLE) this.#idle.push(connection);
    else connection.close();
  }

  async #retried<T>(
    signal: AbortSignal,
    work: (connection: Connection, either: AbortSignal) => Promise<T>,
  ): Promise<T> {
    for (let retries = 0; ; retries++) {
      signal.throwIfAborted();
      let connection: Connection | null = null;
      try {
        return await this.#either(signal, async (either) => {
          connection = await this.#signedIn(either);
          return work(connection, either);
        });
      } catch (error) {
        (connection as Connection | null)?.close();
        if (signal.aborted) throw signal.reason;
        const { failure, cause, retry, unreachable } = judge(error, this.#host, this.#timeoutMs);
        this.#noteBusy(error);
        // A host that never answered is more likely misspelt or blocked than busy: say so soon.
        const hopeless = unreachable && this.#address === null && retries >= 1;
        if (!retry || hopeless || retries >= this.#maxRetries) throw new ConnectorError(failure, { cause });
        this.#usage.retries += 1;
        await this.#pause(retries, signal);
      }
    }
  }

  /** Connected, secured and signed in: always all three, so that nobody reads what an anonymous visitor would see. */
  async #signedIn(signal: AbortSignal): Promise<Connection> {
    for (;;) {
      const idle = this.#idle.pop();
      if (idle === undefined) break;
      if (idle.isOpen) return idle;
    }
    const connection = await Connection.open(
      {
        endpoint: this.#endpoint,
        address: this.#address,
        trusted: this.#trusted,
        timeoutMs: this.#timeoutMs,
        meter: this.#usage,
      },
      signal,
    );
    try {
      if (this.#endpoint.security === 'start-tls') {
        const secured = await connection.startTls(signal);
        if (secured.code !== 0) throw new Refused(secured, 'StartTLS');
      }
      this.#address = connection.address;
      const { bindDn, password } = this.#options.credentials;
      const bound = await connection.bind(bindDn, password, signal);
      if (bound.code !== 0) throw new Refused(bound, 'the sign-in');
    } catch (error) {
      connection.close();
      throw error;
    }
    return connection;
  }

  async #pause(retries: number, signal: AbortSignal): Promise<void> {
    const ms = Math.min(BACKOFF_MS.first * 2 ** retries, BACKOFF_MS.cap) * (0.5 + Math.random() / 2);
    this.#usage.waitedMs += ms;
    await this.#either(signal, (either) => this.#sleep(ms, either));
  }

  /** Ends with the caller's signal and with `close`, and leaves no listener on a signal that lives longer. */
  async #either<T>(signal: AbortSignal, work: (either: AbortSignal) => Promise<T>): Promise<T> {
    const both = new AbortController();
    const signals = [signal, this.#closed.signal];
    const listeners = signals.map((one) => ({ one, stop: () => both.abort(one.reason) }));
    for (const { one, stop } of listeners) {
      if (one.aborted) stop();
      else one.addEventListener('abort', stop);
    }
    try {
      return await work(both.signal);
    } catch (error) {
      throw both.signal.aborted ? both.signal.reason : error;
    } finally {
      for (const { one, stop } of listeners) one.removeEventListener('abort', stop);
    }
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

function endpointOf({ url, allowPlaintext }: LdapSettings): Endpoint {
  const { protocol, hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  if (protocol === 'ldaps:') return { host, port: Number(port || 636), security: 'tls' };
  return { host, port: Number(port || 389), security: allowPlaintext ? 'none' : 'start-tls' };
}

function refuseWhatIsNotUsed({ proxy, baseUrl }: Network): void {
  const named = proxy !== null ? 'network.proxy' : baseUrl !== null ? 'network.baseUrl' : null;
  if (named === null) return;
  throw new ConnectorError({
    kind: 'misconfigured',
    message: `${named} is set, but LDAP does not go through an HTTP proxy and has its address in settings.url.`,
    remedy: `Leave ${named} empty. A server that cannot be reached directly needs a tunnel or a route, whose near end is then the url.`,
  });
}

const expiredFailure = {
  kind: 'cursor-expired',
  message: "The place in the list was the server's, on a connection that is gone.",
  remedy: 'Nobody has to act: the list is read from its beginning.',
} as const;

function expired(): ConnectorError {
  return new ConnectorError(expiredFailure);
}

const closedHere = {
  kind: 'unavailable',
  message: 'The connection to the directory server was closed on this side.',
  remedy: 'Nobody has to act: the next run opens a new one.',
} as const;

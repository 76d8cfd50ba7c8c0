/**
 * The way to one directory server: connections that are signed in, each lent to one piece of work at a time.
 *
 *   opened ──secured, signed in──▶ lent ──released──▶ idle ──lent again──▶ …
 *                                   └── its work fails, or too many are idle ──▶ closed
 *
 * Work that fails by the server's pace or by a broken line is tried again, a bounded number of times, each after a longer pause.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { SecureContext } from 'node:tls';
import { joined } from '../abort.ts';
import { BREAKER, Breaker, type Pass } from '../breaker.ts';
import { type CircuitBreaker, ConnectorError, type Network, type Usage } from '../contract.ts';
import { backOffMs } from '../retry.ts';
import type { SessionTuning } from '../session.ts';
import { trusting } from '../transport.ts';
import { Connection, type Endpoint } from './connection.ts';
import { BUSY, type Judged, judge, Refused } from './failures.ts';
import type { LdapCredentials, LdapSettings } from './settings.ts';

export type ServerOptions = {
  readonly settings: LdapSettings;
  readonly credentials: LdapCredentials;
  readonly network: Network;
};

/** `either` ends with the caller's signal, and when the server is closed on this side. */
type Work<T> = (connection: Connection, either: AbortSignal) => Promise<T>;

/** The connection broke that the work was bound to; on another one it might have gone well. */
export class BrokenOff extends ConnectorError {}

const MAX_IDLE = 4;

export class DirectoryServer {
  readonly #credentials: LdapCredentials;
  readonly #endpoint: Endpoint;
  readonly #host: string;
  readonly #trusted: SecureContext;
  readonly #idle: Connection[] = [];
  readonly #closed = new AbortController();
  readonly #usage = { requests: 0, retries: 0, throttled: 0, waitedMs: 0, bytes: 0 };
  readonly #timeoutMs: number;
  readonly #maxRetries: number;
  readonly #breaker: CircuitBreaker;
  readonly #sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Of the host, once it has been reached. */
  #address: string | null = null;

  /** Throws ConnectorError 'misconfigured'. Opens no connection. */
  constructor({ settings, credentials, network }: ServerOptions, tuning: SessionTuning = {}) {
    refuseWhatIsNotUsed(network);
    this.#credentials = credentials;
    this.#endpoint = endpointOf(settings);
    this.#host = `${settings.url.replace(/^ldaps?:\/\//, '')}`;
    this.#trusted = trusting(network.ca);
    this.#timeoutMs = tuning.timeoutMs ?? 60_000;
    this.#maxRetries = tuning.maxRetries ?? 3;
    this.#sleep = tuning.sleep ?? ((ms, signal) => wait(ms, undefined, { signal }));
    const { breaker = BREAKER } = tuning;
    this.#breaker = 'admit' in breaker ? breaker : new Breaker(breaker, tuning.clock ?? Date.now);
  }

  usage(): Usage {
    return { ...this.#usage };
  }

  /** Ends all work, and the connections that nobody holds. */
  close(): void {
    this.#closed.abort(new ConnectorError(closedHere));
    for (const connection of this.#idle.splice(0)) connection.close();
  }

  /**
   * Work that any connection can do; tried again on a new one. The work has its connection until somebody releases it. Throws
   * ConnectorError, or the reason of an abort.
   */
  async use<T>(signal: AbortSignal, work: Work<T>): Promise<T> {
    for (let retries = 0; ; retries++) {
      signal.throwIfAborted();
      let connection: Connection | null = null;
      const pass = this.#breaker.admit();
      try {
        const done = await this.#either(signal, async (either) => {
          connection = await this.#signedIn(either);
          return work(connection, either);
        });
        this.#breaker.answered();
        return done;
      } catch (error) {
        (connection as Connection | null)?.close();
        if (signal.aborted || this.#closed.signal.aborted) this.#breaker.abandoned(pass);
        const judged = this.#judged(error, signal);
        // A host that never answered is more likely misspelt or blocked than busy: say so soon.
        const hopeless = judged.unreachable && this.#address === null && retries >= 1;
        if (hopeless || pass === 'probe' || !(await this.#mayRetry(judged, retries, signal))) {
          this.#learn(judged, pass);
          throw new ConnectorError(judged.failure, { cause: judged.cause });
        }
      }
    }
  }

  #learn({ failure }: Judged, pass: Pass): void {
    if (this.#closed.signal.aborted) return;
    if (failure.kind === 'unavailable') this.#breaker.failed(pass);
    else this.#breaker.answered();
  }

  /**
   * Work that no other connection can do; tried again on this one while the server is only busy. Throws like `use`, and
   * BrokenOff; the connection is closed then.
   */
  async goOn<T>(connection: Connection, signal: AbortSignal, work: Work<T>): Promise<T> {
    try {
      return await this.#untilDone(connection, signal, work);
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  async #untilDone<T>(connection: Connection, signal: AbortSignal, work: Work<T>): Promise<T> {
    for (let retries = 0; ; retries++) {
      try {
        return await this.#either(signal, (either) => work(connection, either));
      } catch (error) {
        const judged = this.#judged(error, signal);
        const { failure, cause, retry } = judged;
        const isRefused = error instanceof Refused;
        if (retry && !isRefused) throw new BrokenOff(failure, { cause });
        if (!isRefused || !connection.isOpen || !(await this.#mayRetry(judged, retries, signal))) {
          throw new ConnectorError(failure, { cause });
        }
      }
    }
  }

  /** Takes back what `use` has lent. */
  release(connection: Connection | null): void {
    if (connection === null || !connection.isOpen) return;
    if (this.#idle.length < MAX_IDLE) this.#idle.push(connection);
    else connection.close();
  }

  /** Throws the reason of an abort: what failed because of it means nothing. */
  #judged(error: unknown, signal: AbortSignal): Judged {
    if (signal.aborted) throw signal.reason;
    if (error instanceof Refused && error.result.code === BUSY) this.#usage.throttled += 1;
    return judge(error, this.#host, this.#timeoutMs);
  }

  /** Comes back with true after the pause. */
  async #mayRetry({ retry }: Judged, retries: number, signal: AbortSignal): Promise<boolean> {
    if (!retry || retries >= this.#maxRetries) return false;
    this.#usage.retries += 1;
    const ms = backOffMs(retries);
    this.#usage.waitedMs += ms;
    await this.#either(signal, (either) => this.#sleep(ms, either));
    return true;
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
      const { bindDn, password } = this.#credentials;
      const bound = await connection.bind(bindDn, password, signal);
      if (bound.code !== 0) throw new Refused(bound, 'the sign-in');
    } catch (error) {
      connection.close();
      throw error;
    }
    return connection;
  }

  /** What fails because one of the two signals ended fails with that signal's reason. */
  async #either<T>(signal: AbortSignal, work: (either: AbortSignal) => Promise<T>): Promise<T> {
    const both = joined(signal, this.#closed.signal);
    try {
      return await work(both.signal);
    } catch (error) {
      throw both.signal.aborted ? both.signal.reason : error;
    } finally {
      both.release();
    }
  }
}

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

const closedHere = {
  kind: 'unavailable',
  message: 'The connection to the directory server was closed on this side.',
  remedy: 'Nobody has to act: the next run opens a new one.',
} as const;

/**
 * One connection to a directory server: TCP, TLS (at once or by StartTLS), and requests with their answers. It is open until
 * something goes wrong, once, and never opens itself again: a sign-in and the place in a paged search live and die with it.
 */
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { BindRequest, type Control, ExtendedRequest, type Filter, SearchRequest } from 'ldapts';
import { TimedOut } from '../transport.ts';
import { type Entry, Malformed, type Message, MessageReader, type Result } from './wire.ts';

export type Endpoint = {
  readonly host: string;
  readonly port: number;
  readonly security: 'tls' | 'start-tls' | 'none';
};

export type ConnectionOptions = {
  readonly endpoint: Endpoint;
  /** The address that the host's name stood for when it was first reached: all connections go to one server. */
  readonly address: string | null;
  readonly trusted: tls.SecureContext;
  /** Of one request with its whole answer, and of connecting. */
  readonly timeoutMs: number;
  readonly meter: Meter;
};

export type Meter = { requests: number; bytes: number };

export type Search = {
  readonly base: string;
  readonly scope: 'base' | 'sub';
  readonly filter: Filter;
  readonly attributes: readonly string[];
  readonly controls?: readonly Control[];
  /** How many entries are enough; the server then refuses the rest by its size limit. */
  readonly enough?: number;
};

export type Answer = {
  readonly entries: readonly Entry[];
  /** How often the server said that another one holds more. */
  readonly references: number;
  readonly result: Result;
  readonly cookie: Buffer | null;
};

/** The server ended the connection and said why. */
export class Disconnected extends Error {
  override readonly name = 'Disconnected';
  readonly result: Result;

  constructor(result: Result) {
    super();
    this.result = result;
  }
}

type Exchange = {
  readonly entries: Entry[];
  references: number;
  bytes: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (reason: unknown) => void;
};

/** Of one answer with all its entries: many times the largest page. A server that goes on and on would fill the memory of all. */
const MAX_ANSWER_BYTES = 256 * 2 ** 20;

const START_TLS = '1.3.6.1.4.1.1466.20037';

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #exchanges = new Map<number, Exchange>();
  #socket: net.Socket;
  #reader = new MessageReader();
  #lastId = 0;
  #failure: unknown = null;

  private constructor(options: ConnectionOptions, socket: net.Socket) {
    this.#options = options;
    this.#socket = socket;
    this.#listen(socket);
  }

  /** Throws the socket's or TLS's own error, `TimedOut`, or the signal's reason. */
  static async open(options: ConnectionOptions, signal: AbortSignal): Promise<Connection> {
    signal.throwIfAborted();
    const { endpoint, timeoutMs } = options;
    const host = options.address ?? endpoint.host;
    const socket =
      endpoint.security === 'tls'
        ? tls.connect({ host, port: endpoint.port, ...identity(options) })
        : net.connect({ host, port: endpoint.port });
    await ready(socket, endpoint.security === 'tls' ? 'secureConnect' : 'connect', timeoutMs, signal);
    socket.setNoDelay(true).setKeepAlive(true, 60_000);
    return new Connection(options, socket);
  }

  get isOpen(): boolean {
    return this.#failure === null;
  }

  /** Where this connection really leads to. */
  get address(): string | null {
    return this.#socket.remoteAddress ?? null;
  }

  /** A refusal is an answer; after `Result.code` 0 everything that is said is encrypted. */
  async startTls(signal: AbortSignal): Promise<Result> {
    const { result } = await this.#exchange(
      (messageId) => new ExtendedRequest({ messageId, oid: START_TLS }),
      signal,
    );
    if (result.code !== 0) return result;
    const plain = this.#socket;
    // Whatever came behind the answer was not encrypted and may be anybody's.
    if (!this.#reader.isBetweenMessages)
      throw this.#end(new Malformed('there is more behind the answer to StartTLS'));
    plain.removeAllListeners('data');
    const { host } = this.#options.endpoint;
    const secure = tls.connect({ socket: plain, host, ...identity(this.#options) });
    try {
      await ready(secure, 'secureConnect', this.#options.timeoutMs, signal);
    } catch (error) {
      throw this.#end(error);
    }
    this.#reader = new MessageReader();
    this.#socket = secure;
    this.#listen(secure);
    return result;
  }

  async bind(dn: string, password: string, signal: AbortSignal): Promise<Result> {
    const { result } = await this.#exchange(
      (messageId) => new BindRequest({ messageId, dn, password }),
      signal,
    );
    return result;
  }

  /** A refusal is an answer, with the entries that came before it. */
  search(search: Search, signal: AbortSignal): Promise<Answer> {
    const { base, scope, filter, attributes, controls = [], enough = 0 } = search;
    const timeLimit = Math.ceil(this.#options.timeoutMs / 1000);
    return this.#exchange(
      (messageId) =>
        new SearchRequest({
          messageId,
          baseDN: base,
          scope,
          filter,
          attributes: [...attributes],
          timeLimit,
          sizeLimit: enough,
          controls: [...controls],
        }),
      signal,
    );
  }

  close(): void {
    this.#end(new Error('closed'));
  }

  #listen(socket: net.Socket): void {
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end(closedEarly()));
  }

  async #exchange(request: (messageId: number) => { write(): Buffer }, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    if (this.#failure !== null) throw this.#failure;
    this.#lastId += 1;
    const id = this.#lastId;
    const stop = () => this.#end(signal.reason);
    const timer = setTimeout(() => this.#end(new TimedOut()), this.#options.timeoutMs);
    signal.addEventListener('abort', stop);
    try {
      return await new Promise<Answer>((resolve, reject) => {
        this.#exchanges.set(id, { entries: [], references: 0, bytes: 0, resolve, reject });
        this.#options.meter.requests += 1;
        this.#socket.write(request(id).write());
      });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      this.#exchanges.delete(id);
    }
  }

  #receive(chunk: Buffer): void {
    this.#options.meter.bytes += chunk.length;
    try {
      for (const exchange of this.#exchanges.values()) {
        exchange.bytes += chunk.length;
        if (exchange.bytes > MAX_ANSWER_BYTES) throw new Malformed('an answer has no end');
      }
      for (const message of this.#reader.read(chunk)) this.#handle(message);
    } catch (error) {
      this.#end(error);
    }
  }

  #handle(message: Message): void {
    // RFC 4511 section 4.4.1: the notice of disconnection carries the id of no request.
    if (message.id === 0 && message.kind === 'result')
      return void this.#end(new Disconnected(message.result));
    const exchange = this.#exchanges.get(message.id);
    if (exchange === undefined) throw new Malformed('an answer belongs to no request');
    switch (message.kind) {
      case 'entry':
        exchange.entries.push(message.entry);
        return;
      case 'reference':
        exchange.references += 1;
        return;
      case 'result': {
        const { entries, references, resolve } = exchange;
        resolve({ entries, references, result: message.result, cookie: message.cookie });
      }
    }
  }

  /** Gives back the reason that counts, which is the first. */
  #end(reason: unknown): unknown {
    if (this.#failure !== null) return this.#failure;
    this.#failure = reason;
    this.#socket.destroy();
    for (const { reject } of this.#exchanges.values()) reject(reason);
    return reason;
  }
}

/** What the server has to prove: to be the host that was asked for, whatever address that leads to. */
function identity({ endpoint, trusted }: ConnectionOptions): tls.ConnectionOptions {
  const name = net.isIP(endpoint.host) === 0 ? { servername: endpoint.host } : {};
  return { secureContext: trusted, ...name };
}

async function ready(
  socket: net.Socket,
  event: 'connect' | 'secureConnect',
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const limit = new AbortController();
  const stop = () => limit.abort(signal.reason);
  const timer = setTimeout(() => limit.abort(new TimedOut()), timeoutMs);
  signal.addEventListener('abort', stop);
  try {
    await Promise.race([
      once(socket, event, { signal: limit.signal }),
      once(socket, 'close', { signal: limit.signal }).then(() => Promise.reject(closedEarly())),
    ]);
  } catch (error) {
    socket.on('error', () => {}); // it has been heard
    socket.destroy();
    throw limit.signal.aborted ? limit.signal.reason : error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    limit.abort(); // the listeners of what did not happen
  }
}

function closedEarly(): Error {
  return Object.assign(new Error('closed'), { code: 'ECONNRESET' });
}

/** Microsoft Graph over the connection's session: lists, one page at a time, built by Microsoft's client, and batches. */
import {
  Client,
  type Context,
  type Middleware,
  type MiddlewareOptions,
  ResponseType,
} from '@microsoft/microsoft-graph-client';
import { failureOf, parseJson, type SessionResponse } from '../answer.ts';
import { ConnectorError, type Cursor } from '../contract.ts';
import type { HttpSession, ThrottleHooks } from '../session.ts';
import { askAll, type Part } from './batch.ts';
import type { Tokens } from './credential.ts';
import { refusalOf } from './refusals.ts';
import { EntraList } from './schema.ts';

const VERSION = 'v1.0';
/** "List users": 1 to 999. */
const PAGE_SIZE = 999;

export type ListRequest = {
  readonly path: string;
  readonly select: readonly string[];
  readonly expand?: string;
  /** Graph's own links do not carry headers on ("Paging Microsoft Graph data"): they go with every page. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The application permission that this list needs, for the remedy. */
  readonly permission: string;
  /** A change feed: what Graph refuses there with 400 is the link that it gave itself. */
  readonly isFeed?: true;
};

export type GraphPage = {
  readonly items: readonly unknown[];
  readonly next: Cursor | null;
  /** Where a change feed goes on another time; only on its last page. */
  readonly delta: string | null;
  /** The answer's own clock. */
  readonly date: string | null;
};

export type Graph = {
  /** One page: the first, or the one that a link of an earlier answer leads to. */
  list(request: ListRequest, link: Cursor | null, signal: AbortSignal): Promise<GraphPage>;
  /**
   * One answer for each part, in the order of the parts, whatever its status; what Graph is too busy for is asked again.
   * `permission`: what the parts need, for the remedy of a refusal of the whole.
   */
  batch(parts: readonly Part[], permission: string, signal: AbortSignal): Promise<readonly SessionResponse[]>;
  /** Throws what the answer to a part of a batch means; for answers that are no success. */
  refuse(answer: SessionResponse, permission: string): ConnectorError;
  /** Throws 'foreign-link' for a link that leads elsewhere. */
  admit(link: string): void;
  /** The application permissions of the token in use; null where they cannot be read. */
  permissions(signal: AbortSignal): Promise<readonly string[] | null>;
};

/** `baseUrl`: Graph's origin, and path where it has one, without a slash at the end. */
export function graphOver(session: HttpSession, tokens: Tokens, baseUrl: string): Graph {
  const send = authorizedOver(session, tokens);
  const client = Client.initWithMiddleware({
    baseUrl,
    defaultVersion: VERSION,
    customHosts: new Set([new URL(baseUrl).hostname]),
    middleware: [new SessionHandler(send)],
  });
  return {
    async list(request, link, signal) {
      if (link !== null) refuseForeign(link, baseUrl);
      const exchange = new Exchange(signal, link, request.headers ?? {});
      const query = client
        .api(request.path)
        .select([...request.select])
        .top(PAGE_SIZE);
      if (request.expand !== undefined) query.expand(request.expand);
      try {
        await query.middlewareOptions([exchange]).responseType(ResponseType.RAW).get();
      } catch (error) {
        throw exchange.failure ?? error; // the client wraps what its chain throws
      }
      const { answer } = exchange;
      if (answer === null) throw new Error('The Graph client did not send the request.');
      if (answer.status !== 200) throw new ConnectorError(refusalOf(answer, request, tokens.permissions()));
      return pageOf(answer, baseUrl);
    },
    batch: (parts, permission, signal) =>
      askAll(parts, async (body, hooks) => {
        const url = `${baseUrl}/${VERSION}/$batch`;
        const headers = { 'content-type': 'application/json' };
        const answer = await send({ method: 'POST', url, headers, body, signal, ...hooks });
        if (answer.status === 200) return answer;
        throw new ConnectorError(refusalOf(answer, { permission }, tokens.permissions()));
      }),
    refuse: (answer, permission) =>
      new ConnectorError(refusalOf(answer, { permission }, tokens.permissions())),
    admit: (link) => refuseForeign(link, baseUrl),
    async permissions(signal) {
      await tokens.current(signal);
      return tokens.permissions();
    },
  };
}

type Outgoing = ThrottleHooks & {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: () => string;
  readonly signal: AbortSignal;
};
type Send = (outgoing: Outgoing) => Promise<SessionResponse>;

/** A token can be revoked before its time: one 401 is answered with a new token. */
function authorizedOver(session: HttpSession, tokens: Tokens): Send {
  return async (outgoing) => {
    let used = '';
    const headers = async () => {
      used = await tokens.current(outgoing.signal);
      return { accept: 'application/json', ...outgoing.headers, authorization: `Bearer ${used}` };
    };
    const request = { ...outgoing, headers };
    const answer = await session.request(request);
    if (answer.status !== 401) return answer;
    tokens.discard(used);
    return session.request(request);
  };
}

/**
 * Travels through the client's chain with one request. `link` replaces the address that the client builds: a next link is
 * opaque ("Paging Microsoft Graph data"), and the client would take it apart and put its parameters in another order.
 */
class Exchange implements MiddlewareOptions {
  readonly signal: AbortSignal;
  readonly link: string | null;
  readonly headers: Readonly<Record<string, string>>;
  answer: SessionResponse | null = null;
  failure: unknown = null;

  constructor(signal: AbortSignal, link: string | null, headers: Readonly<Record<string, string>>) {
    this.signal = signal;
    this.link = link;
    this.headers = headers;
  }
}

/**
 * The whole middleware chain. The client's own handlers stay out: they fetch the token once for all retries, come back before
 * a long Retry-After is over, and follow redirects.
 */
class SessionHandler implements Middleware {
  readonly #send: Send;

  constructor(send: Send) {
    this.#send = send;
  }

  async execute(context: Context): Promise<void> {
    const exchange = context.middlewareControl?.getMiddlewareOptions(Exchange) as Exchange;
    const { headers, signal } = exchange;
    const url = exchange.link ?? String(context.request);
    try {
      exchange.answer = await this.#send({ method: 'GET', url, headers, signal });
    } catch (error) {
      exchange.failure = error;
      throw error;
    }
    context.response = new Response(null, { status: exchange.answer.status });
  }
}

function refuseForeign(link: string, baseUrl: string): void {
  const base = new URL(`${baseUrl}/${VERSION}/`);
  const url = URL.parse(link);
  if (url?.origin === base.origin && url.pathname.startsWith(base.pathname)) return;
  throw new ConnectorError({
    kind: 'foreign-link',
    message: `The link to the next page leads to ${url?.host ?? 'no valid address'}, outside ${base.origin}${base.pathname}; it was not followed.`,
    remedy: 'Check the base URL (network.baseUrl) and the cloud. If both are right, report this as a defect.',
  });
}

function pageOf(answer: SessionResponse, baseUrl: string): GraphPage {
  const list = EntraList.safeParse(parseJson(answer));
  if (!list.success) {
    const fields = list.error.issues.map((issue) => issue.path.join('.') || 'the answer').join(', ');
    throw new ConnectorError(
      failureOf(answer, {
        kind: 'unexpected-response',
        message: `Graph's answer is no page of a list: ${fields} cannot be read.`,
        remedy: 'Check that the base URL is Microsoft Graph; if it is, report this as a defect.',
      }),
    );
  }
  const next = list.data['@odata.nextLink'] ?? null;
  const delta = list.data['@odata.deltaLink'] ?? null;
  for (const link of [next, delta]) if (link !== null) refuseForeign(link, baseUrl);
  if (next === answer.url) {
    throw new ConnectorError(
      failureOf(answer, {
        kind: 'unexpected-response',
        message: 'The link to the next page leads back to the same page.',
        remedy: 'Run again later; if it stays, report this as a defect.',
      }),
    );
  }
  return { items: list.data.value, next, delta, date: answer.headers.get('date') };
}

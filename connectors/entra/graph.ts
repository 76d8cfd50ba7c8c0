/** Microsoft Graph lists, one page at a time: Microsoft's client builds the requests, the connection's session carries them. */
import {
  Client,
  type Context,
  type Middleware,
  type MiddlewareOptions,
  ResponseType,
} from '@microsoft/microsoft-graph-client';
import { failureOf, parseJson, type SessionResponse } from '../answer.ts';
import { ConnectorError, type ConnectorFailure, type Cursor } from '../contract.ts';
import type { HttpSession } from '../session.ts';
import type { Tokens } from './credential.ts';
import { EntraError, EntraList } from './schema.ts';

const VERSION = 'v1.0';
/** "List users": 1 to 999. */
const PAGE_SIZE = 999;

export type ListRequest = {
  readonly path: string;
  readonly select: readonly string[];
  readonly expand?: string;
  /** The application permission that this list needs, for the remedy. */
  readonly permission: string;
};

export type GraphPage = { readonly items: readonly unknown[]; readonly next: Cursor | null };

export type Graph = {
  list(request: ListRequest, cursor: Cursor | null, signal: AbortSignal): Promise<GraphPage>;
};

/** `baseUrl`: Graph's origin, and path where it has one, without a slash at the end. */
export function graphOver(session: HttpSession, tokens: Tokens, baseUrl: string): Graph {
  const client = Client.initWithMiddleware({
    baseUrl,
    defaultVersion: VERSION,
    customHosts: new Set([new URL(baseUrl).hostname]),
    middleware: [new SessionHandler(session, tokens)],
  });
  return {
    async list(request, cursor, signal) {
      if (cursor !== null) refuseForeign(cursor, baseUrl);
      const exchange = new Exchange(signal, cursor);
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
      if (answer.status !== 200) throw new ConnectorError(refusalOf(answer, request, tokens));
      return pageOf(answer, baseUrl);
    },
  };
}

/**
 * Travels through the client's chain with one request. `link` replaces the address that the client builds: a next link is
 * opaque ("Paging Microsoft Graph data"), and the client would take it apart and put its parameters in another order.
 */
class Exchange implements MiddlewareOptions {
  readonly signal: AbortSignal;
  readonly link: string | null;
  answer: SessionResponse | null = null;
  failure: unknown = null;

  constructor(signal: AbortSignal, link: string | null) {
    this.signal = signal;
    this.link = link;
  }
}

/**
 * The whole middleware chain. The client's own handlers stay out: they fetch the token once for all retries, come back before
 * a long Retry-After is over, and follow redirects.
 */
class SessionHandler implements Middleware {
  readonly #session: HttpSession;
  readonly #tokens: Tokens;

  constructor(session: HttpSession, tokens: Tokens) {
    this.#session = session;
    this.#tokens = tokens;
  }

  async execute(context: Context): Promise<void> {
    const exchange = context.middlewareControl?.getMiddlewareOptions(Exchange) as Exchange;
    const url = exchange.link ?? String(context.request);
    try {
      exchange.answer = await this.#send(url, exchange.signal);
    } catch (error) {
      exchange.failure = error;
      throw error;
    }
    context.response = new Response(null, { status: exchange.answer.status });
  }

  /** A token can be revoked before its time: one 401 is answered with a new token. */
  async #send(url: string, signal: AbortSignal): Promise<SessionResponse> {
    let used = '';
    const authorized = async () => {
      used = await this.#tokens.current(signal);
      return { accept: 'application/json', authorization: `Bearer ${used}` };
    };
    const request = { method: 'GET', url, headers: authorized, signal };
    const answer = await this.#session.request(request);
    if (answer.status !== 401) return answer;
    this.#tokens.discard(used);
    return this.#session.request(request);
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
  if (next !== null) refuseForeign(next, baseUrl);
  if (next === answer.url) {
    throw new ConnectorError(
      failureOf(answer, {
        kind: 'unexpected-response',
        message: 'The link to the next page leads back to the same page.',
        remedy: 'Run again later; if it stays, report this as a defect.',
      }),
    );
  }
  return { items: list.data.value, next };
}

/** "Microsoft Graph error responses" and "Paging"; a page token lives for a time that Microsoft does not state. */
const EXPIRED: ReadonlySet<string> = new Set([
  'Directory_ExpiredPageToken',
  'syncStateNotFound',
  'resyncRequired',
]);

function refusalOf(answer: SessionResponse, request: ListRequest, tokens: Tokens): ConnectorFailure {
  const codes = codesIn(answer);
  if (answer.status === 410 || codes.some((code) => EXPIRED.has(code))) {
    return failureOf(answer, {
      kind: 'cursor-expired',
      message: 'The link to the next page is no longer valid.',
      remedy: 'Nobody has to act: the list is read again from its first page.',
    });
  }
  const code = codes[0] === undefined ? '' : ` (${codes[0]})`;
  if (answer.status === 401) {
    return failureOf(answer, {
      message: `Microsoft Graph does not accept the application's access token${code}.`,
      remedy:
        'Check that the cloud of the connection is that of the directory, and that the application is not disabled.',
    });
  }
  if (answer.status === 403) return missingPermission(answer, request, tokens.permissions(), code);
  return failureOf(answer, { message: `Microsoft Graph answered with status ${answer.status}${code}.` });
}

function missingPermission(
  answer: SessionResponse,
  { permission }: ListRequest,
  granted: readonly string[] | null,
  code: string,
): ConnectorFailure {
  const withoutRoles = granted !== null && granted.length === 0;
  const has = withoutRoles
    ? 'the token carries no application permission at all: Entra ID issues one also where nobody consented'
    : `the application permission ${permission} is missing or was withdrawn`;
  return failureOf(answer, {
    kind: 'permission-missing',
    message: `Microsoft Graph refuses the request${code}: ${has}.`,
    remedy: `Entra admin center › App registrations › your app › API permissions › Add a permission › Microsoft Graph › Application permissions: ${permission}. Then "Grant admin consent". It can take some minutes to work.`,
  });
}

/** The precise code first. Codes are Microsoft's own words; anything else in the answer may be about people. */
function codesIn(answer: SessionResponse): string[] {
  if (answer.body.length === 0) return [];
  const parsed = EntraError.safeParse(parseJson(answer));
  if (!parsed.success) return [];
  const { code, innerError, innererror } = parsed.data.error;
  return [innerError?.code, innererror?.code, code].filter(
    (one) => one !== undefined && /^\w{1,80}$/.test(one),
  ) as string[];
}

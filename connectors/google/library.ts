/** Google's client library on the shared session: it builds requests, the session alone opens connections. */
import type { SessionResponse } from '../answer.ts';
import { ConnectorError } from '../contract.ts';
import type { HttpSession, SessionRequest } from '../session.ts';

/** The API, tokens, and for those who sign in without a key the exchange of tokens and the signing in a service account's name. */
export const ORIGINS = [
  'https://admin.googleapis.com',
  'https://oauth2.googleapis.com',
  'https://sts.googleapis.com',
  'https://iamcredentials.googleapis.com',
] as const;

export type Send = (request: SessionRequest) => Promise<SessionResponse>;

/** With a base URL every request goes there, path and query kept, whichever of Google's origins it was for. */
export function sendOver(session: HttpSession, baseUrl: string | null): Send {
  if (baseUrl === null) return (request) => session.request(request);
  const root = baseUrl.replace(/\/+$/, '');
  return (request) => {
    const { pathname, search } = new URL(request.url);
    return session.request({ ...request, url: `${root}${pathname}${search}` });
  };
}

/** What the library wants sent. */
export type LibraryRequest = {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
};

/** What is read of a prepared request. */
type Prepared = {
  readonly method?: string | undefined;
  readonly url: string | URL;
  readonly headers: Headers;
  readonly body?: unknown;
};
type Parsed = ReturnType<JSON['parse']>;

/**
 * Options that put the library's request on `exchange`, which sends it and gives the parsed body or throws. The library's own
 * retries are off: they ignore Retry-After and do not know that some 403 are about pace.
 */
export function through(exchange: (request: LibraryRequest) => Promise<unknown>) {
  const adapter = async <Config extends Prepared>(config: Config) => {
    const data: Parsed = await exchange({
      method: config.method ?? 'GET',
      url: String(config.url),
      headers: Object.fromEntries(config.headers),
      ...(config.body === undefined || config.body === null ? {} : { body: String(config.body) }),
    });
    return Object.assign(new Response(), { config, data });
  };
  return { adapter, retry: false, retryConfig: { shouldRetry: () => false } };
}

/**
 * Waits for a call, no longer than the signal allows. The library's errors wrap the one that matters and hold the whole
 * request, token included: only what is inside leaves.
 */
export async function settled<T>(call: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject: abort } = Promise.withResolvers<never>();
  const onAbort = () => abort(signal.reason);
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([call, aborted]);
  } catch (error) {
    signal.throwIfAborted();
    throw insideOf(error);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function insideOf(error: unknown): ConnectorError {
  for (let inner = error; inner instanceof Error; inner = inner.cause) {
    if (inner instanceof ConnectorError) return inner;
  }
  return new ConnectorError({
    kind: 'unexpected-response',
    message: `Google's client library failed by itself (${error instanceof Error ? error.name : typeof error}).`,
    remedy: 'Report this as a defect, with the version of Rollcall.',
  });
}

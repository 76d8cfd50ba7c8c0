/**
 * Several reads in one request ("Combine multiple HTTP requests using JSON batching"). Each part has an answer of its own: what
 * Graph was too busy for is asked again without those that are answered, so that one part never costs the others.
 */
import { Buffer } from 'node:buffer';
import { failureOf, parseJson, type SessionResponse } from '../answer.ts';
import { ConnectorError } from '../contract.ts';
import type { ThrottleHooks } from '../session.ts';
import { BatchAnswer } from './schema.ts';

/** A GET. `path` begins behind the version: `/users/…`. */
export type Part = { readonly path: string; readonly headers?: Readonly<Record<string, string>> };

/** Sends one batch, made anew for each try. Answers with status 200, or throws. */
export type SendBatch = (body: () => string, hooks: ThrottleHooks) => Promise<SessionResponse>;

/** "JSON batching": at most 20 parts. */
const LARGEST = 20;
const BUSY: ReadonlySet<number> = new Set([429, 500, 502, 503, 504, 509]);

/** The answers in the order of the parts. Throws where a part stays unanswered after all tries. */
export async function askAll(parts: readonly Part[], send: SendBatch): Promise<readonly SessionResponse[]> {
  const batches: Promise<readonly SessionResponse[]>[] = [];
  for (let at = 0; at < parts.length; at += LARGEST) {
    batches.push(askTogether(parts.slice(at, at + LARGEST), send));
  }
  return (await Promise.all(batches)).flat();
}

async function askTogether(parts: readonly Part[], send: SendBatch): Promise<readonly SessionResponse[]> {
  const open = new Map(parts.map((part, at) => [String(at), part]));
  const answered = new Map<string, SessionResponse>();
  let busy: readonly SessionResponse[] = [];
  /** May be asked twice about one answer: what was taken from it stays taken. */
  const take = (response: SessionResponse): void => {
    const answers = partsOf(response).filter(([id]) => open.has(id));
    busy = answers.flatMap(([, answer]) => (BUSY.has(answer.status) ? [answer] : []));
    for (const [id, answer] of answers) {
      if (BUSY.has(answer.status)) continue;
      answered.set(id, answer);
      open.delete(id);
    }
  };
  const hooks: ThrottleHooks = {
    isThrottled: (response) => {
      if (response.status !== 200) return false;
      take(response);
      return busy.length > 0;
    },
    waitMs: () => longestWaitMs(busy),
  };
  const body = () => {
    const requests = [...open].map(([id, { path, ...headers }]) => ({
      id,
      method: 'GET',
      url: path,
      ...headers,
    }));
    return JSON.stringify({ requests });
  };
  const last = await send(body, hooks).catch((error: unknown) => {
    throw busy[0] === undefined ? error : stillBusy(busy[0], error);
  });
  if (open.size > 0) throw unanswered(last);
  return parts.map((_, at) => answered.get(String(at)) ?? last);
}

/** Nothing for an answer that cannot be read: it is judged when it is the last. */
function partsOf(response: SessionResponse): readonly (readonly [string, SessionResponse])[] {
  const { data } = BatchAnswer.safeParse(jsonOrNull(response));
  return (data?.responses ?? []).map(({ id, status, headers, body }) => {
    const own = new Headers(headers);
    const requestId = own.get('request-id') ?? response.requestId;
    const text = body === undefined ? '' : JSON.stringify(body);
    return [id, { url: response.url, status, headers: own, body: Buffer.from(text), requestId }];
  });
}

function jsonOrNull(response: SessionResponse): unknown {
  try {
    return parseJson(response);
  } catch {
    return null;
  }
}

function longestWaitMs(busy: readonly SessionResponse[]): number | undefined {
  const seconds = busy.map(({ headers }) => Number(headers.get('retry-after') ?? Number.NaN));
  const known = seconds.filter((one) => one >= 0);
  return known.length === 0 ? undefined : Math.max(...known) * 1000;
}

function stillBusy(part: SessionResponse, error: unknown): unknown {
  if (!(error instanceof ConnectorError) || error.failure.kind !== 'rate-limited') return error;
  const { retryAfterMs } = error.failure;
  const failure = failureOf(part, {
    message: `Microsoft Graph answered a part of a batch with status ${part.status}, however often it was asked.`,
  });
  return new ConnectorError(retryAfterMs === undefined ? failure : { ...failure, retryAfterMs });
}

function unanswered(response: SessionResponse): ConnectorError {
  parseJson(response); // says more where the answer is no JSON at all
  const failure = failureOf(response, {
    kind: 'unexpected-response',
    message: "Graph's answer to a batch leaves a part of it unanswered.",
    remedy: 'Check that the base URL is Microsoft Graph; if it is, report this as a defect.',
  });
  return new ConnectorError(failure);
}

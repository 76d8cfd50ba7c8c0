/** A session as a WHATWG fetch, for the vendors' libraries: they get no sockets of their own. */
import type { SessionResponse } from './answer.ts';

type Sent = {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal: AbortSignal;
};

/** Keeps to what `send` allows, follows no redirect, and rejects with what `send` rejects with. */
export function fetchOver(send: (request: Sent) => Promise<SessionResponse>): typeof globalThis.fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    const body = request.body === null ? undefined : new Uint8Array(await request.arrayBuffer());
    const answer = await send({
      method: request.method,
      url: request.url,
      headers: Object.fromEntries(request.headers),
      ...(body === undefined ? {} : { body }),
      signal: request.signal,
    });
    const { status, headers } = answer;
    const bodyless = status === 204 || status === 205 || status === 304;
    const response = new Response(bodyless ? null : new Uint8Array(answer.body), { status, headers });
    return Object.defineProperty(response, 'url', { value: answer.url });
  };
}

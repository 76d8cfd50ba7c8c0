/** What proves to a provider who is asking, with each request. */
import type { SessionResponse } from './answer.ts';
import type { HttpSession } from './session.ts';

export type Access = {
  /** Fresh for each try of a request; for the provider itself, and for no other host. */
  headers(request: { method: string; url: string; signal: AbortSignal }): Promise<Record<string, string>>;
  /** After a 401: forgets the access token behind these headers; false where no other can be had. */
  refused(headers: Readonly<Record<string, string>>): boolean;
};

/** The header as it is, for as long as the connector is open. */
export function fixedAccess(authorization: string): Access {
  return { headers: async () => ({ authorization }), refused: () => false };
}

type Asking = {
  readonly session: HttpSession;
  readonly access: Access;
  readonly url: string;
  /** Besides those that prove who asks. */
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
};

/** A refused access token is replaced once; whatever is said then is the answer. */
export async function getWith({ session, access, url, headers, signal }: Asking): Promise<SessionResponse> {
  const method = 'GET';
  for (let renewed = false; ; renewed = true) {
    let proof: Record<string, string> = {};
    const answer = await session.request({
      method,
      url,
      headers: async () => {
        proof = await access.headers({ method, url, signal });
        return { 'user-agent': 'rollcall', ...headers, ...proof };
      },
      signal,
    });
    if (answer.status !== 401 || renewed || !access.refused(proof)) return answer;
  }
}

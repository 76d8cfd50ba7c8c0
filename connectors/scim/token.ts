/** What proves to the server who is asking: a token as it is, a user name with a password, or OAuth 2.0 client credentials. */
import { Buffer } from 'node:buffer';
import { failureOf, parseJson, type SessionResponse } from '../answer.ts';
import { ConnectorError } from '../contract.ts';
import type { HttpSession } from '../session.ts';
import { TokenAnswer, TokenError } from './schema.ts';

export type Access = {
  /** For requests to the SCIM service, and for no other host. */
  headers(signal: AbortSignal): Promise<Record<string, string>>;
  /** After a 401: forgets the access token behind these headers; false where no other can be had. */
  refused(headers: Readonly<Record<string, string>>): boolean;
};

export function fixedAccess(authorization: string): Access {
  return { headers: async () => ({ authorization }), refused: () => false };
}

export const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`, 'utf8').toString('base64')}`;

type Client = {
  readonly session: HttpSession;
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scope: string | undefined;
  readonly clientAuthentication: 'header' | 'body';
};

type Token = { readonly value: string; readonly renewAtMs: number };

/** Where the answer does not say how long its token lives (RFC 6749, section 5.1, only recommends it). */
const ASSUMED_SECONDS = 300;

/**
 * Holds one access token at a time. None -> asked for by the first request; held -> used until nine tenths of its life are over
 * or the server refuses it; then none again.
 */
export class ClientAccess implements Access {
  readonly #client: Client;
  #token: Token | null = null;
  #asked: { readonly token: Promise<Token>; readonly signal: AbortSignal } | null = null;

  constructor(client: Client) {
    this.#client = client;
  }

  async headers(signal: AbortSignal): Promise<Record<string, string>> {
    return { authorization: `Bearer ${(await this.#current(signal)).value}` };
  }

  refused(headers: Readonly<Record<string, string>>): boolean {
    if (headers['authorization'] === `Bearer ${this.#token?.value}`) this.#token = null;
    return true;
  }

  /** Requests that need a token at the same time share one; none of them is undone by the end of another. */
  async #current(signal: AbortSignal): Promise<Token> {
    for (;;) {
      signal.throwIfAborted();
      if (this.#token !== null && Date.now() < this.#token.renewAtMs) return this.#token;
      this.#asked ??= {
        token: this.#ask(signal).finally(() => {
          this.#asked = null;
        }),
        signal,
      };
      const asked = this.#asked;
      try {
        this.#token = await asked.token;
        return this.#token;
      } catch (error) {
        if (!asked.signal.aborted || asked.signal === signal) throw error;
      }
    }
  }

  async #ask(signal: AbortSignal): Promise<Token> {
    const { session, tokenUrl, clientId, clientSecret, scope, clientAuthentication } = this.#client;
    const askedAtMs = Date.now();
    const inHeader = clientAuthentication === 'header';
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      ...(scope === undefined ? {} : { scope }),
      ...(inHeader ? {} : { client_id: clientId, client_secret: clientSecret }),
    });
    const answer = await session.request({
      method: 'POST',
      url: tokenUrl,
      headers: {
        accept: 'application/json',
        'content-type': 'application/x-www-form-urlencoded',
        'user-agent': 'rollcall',
        ...(inHeader ? { authorization: basic(encoded(clientId), encoded(clientSecret)) } : {}),
      },
      body: form.toString(),
      signal,
    });
    if (answer.status !== 200) throw new ConnectorError(refusal(answer));
    const read = TokenAnswer.safeParse(parseJson(answer));
    if (!read.success) {
      const message = 'The token endpoint answered with status 200, but with no usable access token.';
      throw new ConnectorError(failureOf(answer, { kind: 'unexpected-response', message }));
    }
    const { access_token: value, expires_in: seconds = ASSUMED_SECONDS } = read.data;
    return { value, renewAtMs: askedAtMs + seconds * 900 };
  }
}

/** RFC 6749, section 2.3.1: both parts are form-encoded before they go into the header. */
const encoded = (text: string): string => new URLSearchParams({ '': text }).toString().slice(1);

function refusal(answer: SessionResponse) {
  const error = errorIn(answer);
  const code = error === '' ? '' : ` (${error})`;
  if (error === 'invalid_scope') {
    return failureOf(answer, {
      kind: 'permission-missing',
      message: `The token endpoint does not give the client this scope${code}.`,
      remedy: 'Correct settings.scope, or have the authorization server grant it to the client.',
    });
  }
  const { status } = answer;
  if (status === 404 || status === 405 || (status >= 300 && status < 400)) {
    return failureOf(answer, {
      kind: 'misconfigured',
      message: `There is no token endpoint at ${new URL(answer.url).host} where settings.tokenUrl says (status ${status}).`,
      remedy: 'Check tokenUrl: the authorization server documents it, often as token_endpoint.',
    });
  }
  if (status !== 400 && status !== 401 && status !== 403) return failureOf(answer);
  return failureOf(answer, {
    kind: 'credentials-rejected',
    message: `The token endpoint refuses the client${code}.`,
    remedy:
      'Check clientId and client secret, and that the client may use the client_credentials grant. If the endpoint wants them in the body, set clientAuthentication to "body".',
  });
}

/** The OAuth error code, '' where the answer holds none (a proxy's page). */
function errorIn(answer: SessionResponse): string {
  try {
    const { error } = TokenError.parse(parseJson(answer));
    return /^[\w.-]{1,64}$/.test(error) ? error : '';
  } catch {
    return '';
  }
}

/** What proves to the server who is asking: a user name with a password, or OAuth 2.0 client credentials. */
import { Buffer } from 'node:buffer';
import type { Access } from '../access.ts';
import { failureOf, type SessionResponse } from '../answer.ts';
import { ConnectorError } from '../contract.ts';
import { type AccessToken, HeldToken, tokenAnswerIn, tokenErrorIn } from '../heldToken.ts';
import type { HttpSession } from '../session.ts';
import { TokenAnswer } from './schema.ts';

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

/** Where the answer does not say how long its token lives (RFC 6749, section 5.1, only recommends it). */
const ASSUMED_SECONDS = 300;

export class ClientAccess implements Access {
  readonly #client: Client;
  readonly #token = new HeldToken((signal) => this.#ask(signal));

  constructor(client: Client) {
    this.#client = client;
  }

  async headers({ signal }: { signal: AbortSignal }): Promise<Record<string, string>> {
    const { authorization } = await this.#token.current(signal);
    return { authorization };
  }

  refused(headers: Readonly<Record<string, string>>): boolean {
    this.#token.refused(headers);
    return true;
  }

  async #ask(signal: AbortSignal): Promise<AccessToken> {
    const { session, tokenUrl, clientId, clientSecret, scope, clientAuthentication } = this.#client;
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
      forAccess: true,
      signal,
    });
    if (answer.status !== 200) throw new ConnectorError(refusal(answer));
    const read = tokenAnswerIn(answer, TokenAnswer);
    const { access_token: value, expires_in: lastsSeconds = ASSUMED_SECONDS } = read;
    return { authorization: `Bearer ${value}`, lastsSeconds };
  }
}

/** RFC 6749, section 2.3.1: both parts are form-encoded before they go into the header. */
const encoded = (text: string): string => new URLSearchParams({ '': text }).toString().slice(1);

function refusal(answer: SessionResponse) {
  const error = tokenErrorIn(answer);
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

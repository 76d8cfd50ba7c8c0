/** Access tokens: the service account signs an assertion in the administrator's name, Google gives a token for an hour. */
import { JWT } from 'google-auth-library';
import { z } from 'zod';
import { failureOf, parseJson } from '../answer.ts';
import { ConnectorError } from '../contract.ts';
import type { GoogleCredentials } from './credentials.ts';
import { type LibraryRequest, type Send, settled, through } from './library.ts';
import { SCOPES, tokenRefusal } from './refusals.ts';
import { AccessToken } from './schema.ts';

export type Tokens = {
  /** The token to use now; a new one when less than five minutes of it are left. */
  current(signal: AbortSignal): Promise<string>;
  /** Google refused it before its time: the next call asks for another. */
  discard(): void;
};

export function openTokens(credentials: GoogleCredentials, adminEmail: string, send: Send): Tokens {
  const exchange = async (request: LibraryRequest): Promise<unknown> => {
    const headers = { ...request.headers, 'content-type': 'application/x-www-form-urlencoded' };
    // Callers share one request for a token, so that none of them may abort it. Closing the session does.
    const response = await send({ ...request, headers, signal: new AbortController().signal });
    if (response.status !== 200)
      throw new ConnectorError(tokenRefusal(response, credentials.clientId ?? null));
    const token = AccessToken.safeParse(parseJson(response));
    if (token.success) return token.data;
    const message = `The answer of Google's token endpoint holds no token: ${z.prettifyError(token.error)}`;
    throw new ConnectorError(failureOf(response, { kind: 'unexpected-response', message }));
  };
  const signIn = () =>
    new JWT({
      email: credentials.clientEmail,
      key: credentials.privateKey,
      subject: adminEmail,
      scopes: [...SCOPES],
      transporterOptions: through(exchange),
    });
  let client = signIn();
  return {
    async current(signal) {
      const { token } = await settled(client.getAccessToken(), signal);
      return token ?? ''; // never: an answer without a token was refused above
    },
    discard() {
      client = signIn();
    },
  };
}

/** Access tokens of OAuth 2.0: one is held for all requests, and what a token endpoint answers is read here. */
import { z } from 'zod';
import { failureOf, parseJson, type SessionResponse } from './answer.ts';
import { ConnectorError } from './contract.ts';
import { Shared } from './sharing.ts';

export type AccessToken = {
  /** The header's whole value: `Bearer …`. */
  readonly authorization: string;
  /** From the moment it was asked for. */
  readonly lastsSeconds: number;
};

/**
 *   none ──a request needs it──▶ asked for, once for all who need it ──▶ held
 *   held ──nine tenths of its life are over, or it was refused──▶ none
 *
 * A token is forgotten by those only who were refused with it: who hears late of a refusal does not cost the next one.
 */
export class HeldToken<T extends AccessToken> {
  readonly #ask: (signal: AbortSignal) => Promise<T>;
  readonly #clock: () => number;
  readonly #asked = new Shared<'token', T>();
  #held: { readonly token: T; readonly renewAtMs: number } | null = null;

  /** `clock`: milliseconds since 1970. */
  constructor(ask: (signal: AbortSignal) => Promise<T>, clock: () => number = Date.now) {
    this.#ask = ask;
    this.#clock = clock;
  }

  /** Throws what `ask` throws, and the reason of an abort. */
  async current(signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    if (this.#held !== null && this.#clock() < this.#held.renewAtMs) return this.#held.token;
    return this.#asked.of('token', signal, async (one) => {
      const askedAtMs = this.#clock();
      const token = await this.#ask(one);
      this.#held = { token, renewAtMs: askedAtMs + token.lastsSeconds * 900 };
      return token;
    });
  }

  /** After a 401: the token behind these headers is not used again. */
  refused(headers: Readonly<Record<string, string>>): void {
    if (headers['authorization'] === this.#held?.token.authorization) this.#held = null;
  }
}

/** RFC 6749, section 5.2. */
const TokenError = z.object({ error: z.string() });

/** The OAuth error code, '' where the answer holds none (a proxy's page). */
export function tokenErrorIn(answer: SessionResponse): string {
  try {
    const { error } = TokenError.parse(parseJson(answer));
    return /^[\w.-]{1,64}$/.test(error) ? error : '';
  } catch {
    return '';
  }
}

/** RFC 6749, section 5.1, as far as `schema` wants it. Throws ConnectorError 'unexpected-response'. */
export function tokenAnswerIn<T>(answer: SessionResponse, schema: z.ZodType<T>): T {
  const read = schema.safeParse(parseJson(answer));
  if (read.success) return read.data;
  const message = 'The token endpoint answered with status 200, but with no usable access token.';
  throw new ConnectorError(failureOf(answer, { kind: 'unexpected-response', message }));
}

/** Why a request is given up, in words for whoever has to act. */
import { failureOf, rateLimitedRemedy, type SessionResponse } from './answer.ts';
import { ConnectorError, type ConnectorFailure } from './contract.ts';
import type { Fault } from './transport.ts';

/** What came of one try. `throttled`: a refusal about pace, in whatever way the provider says it. */
export type Outcome =
  | {
      readonly ok: true;
      readonly response: SessionResponse;
      readonly throttled: boolean;
      /** What the answer asks for before another try; undefined: nothing. */
      readonly waitMs: number | undefined;
    }
  | { readonly ok: false; readonly fault: Fault };

export type Given = {
  readonly host: string;
  /** Behind a proxy, the only host that Rollcall itself connects to. */
  readonly proxy: string | null;
  readonly timeoutMs: number;
  readonly retries: number;
  /** More than the number of tries, where that is the reason. */
  readonly because: string | undefined;
};

/** The failure of a request whose last try came out like this. */
export function givenUp(
  outcome: Outcome,
  { host, proxy, timeoutMs, retries, because }: Given,
): ConnectorError {
  const tries = retries === 0 ? '' : `, ${retries + 1} times`;
  const why = because === undefined ? '' : `; ${because}`;
  if (!outcome.ok) {
    const { kind, happened, remedy, code, unreachable } = outcome.fault;
    const met = unreachable && proxy !== null ? `The proxy ${new URL(proxy).host}` : host;
    const what = happened.replace('HOST', met).replace('LIMIT', `${timeoutMs / 1000} s`);
    return new ConnectorError(
      { kind, message: `${what}${tries}${why}.`, remedy },
      { cause: new Error(code) },
    );
  }
  const { response, throttled, waitMs } = outcome;
  const waits = waitMs === undefined ? '' : ` and asks to wait ${Math.ceil(waitMs / 1000)} s`;
  return new ConnectorError({
    ...failureOf(response, {
      ...(throttled ? { kind: 'rate-limited', remedy: rateLimitedRemedy } : {}),
      message: `${host} answered with status ${response.status}${tries}${waits}${why}.`,
    }),
    ...(waitMs === undefined ? {} : { retryAfterMs: waitMs }),
  });
}

export const stillPaused = (host: string, waitMs: number): ConnectorFailure => ({
  kind: 'rate-limited',
  message: `${host} asked for a pause that lasts another ${Math.ceil(waitMs / 1000)} s.`,
  remedy: rateLimitedRemedy,
  retryAfterMs: waitMs,
});

export const sessionClosed: ConnectorFailure = {
  kind: 'unavailable',
  message: 'The connection to the provider was closed on this side.',
  remedy: 'Nobody has to act: the next run opens a new one.',
};

export const foreignLink = (url: URL | null, origins: readonly string[]): ConnectorFailure => ({
  kind: 'foreign-link',
  message: `A link leads to ${url?.host ?? 'no valid address'}, which is no address of this provider; nothing was sent there.`,
  remedy: `Only ${origins.join(', ')} may be asked. Check the connection's base URL; if it is right, report this answer as a defect.`,
});

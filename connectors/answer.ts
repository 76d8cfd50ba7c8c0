/** What an answer holds, or what it means when it is a refusal: plain words, without anything of its content. */
import type { Buffer } from 'node:buffer';
import { ConnectorError, type ConnectorFailure, type FailureKind } from './contract.ts';

export type SessionResponse = {
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  /** Content decoded, at most 64 MB. */
  readonly body: Buffer;
  /** The provider's own name of this exchange, where `requestIdHeader` names the header that carries it. */
  readonly requestId: string | null;
};

/**
 * The body as JSON. Throws ConnectorError 'unexpected-response' for anything else (an HTML page, a cut-off answer), saying
 * its content type and length, never its content.
 */
export function parseJson(response: SessionResponse): unknown {
  try {
    return JSON.parse(response.body.toString('utf8'));
  } catch {
    const type =
      /^[\w.+-]+\/[\w.+-]+/.exec(response.headers.get('content-type') ?? '')?.[0] ?? 'no content type';
    throw new ConnectorError(
      failureOf(response, {
        kind: 'unexpected-response',
        message: `${hostOf(response)} answered with status ${response.status}, but not with complete JSON (${type}, ${response.body.length} bytes).`,
        remedy:
          'If a proxy or a sign-in page stands between Rollcall and the provider, let Rollcall pass. Otherwise report this as a defect.',
      }),
    );
  }
}

/** What a status means where the provider says nothing more precise; `refined` replaces what the connector knows better. */
export function failureOf(
  response: SessionResponse,
  refined: Partial<Pick<ConnectorFailure, 'kind' | 'message' | 'remedy'>> = {},
): ConnectorFailure {
  const generic = meaningOf(response.status);
  return {
    kind: generic.kind,
    message: `${hostOf(response)} answered with status ${response.status}${generic.meaning}.`,
    remedy: generic.remedy,
    ...refined,
    status: response.status,
    ...(response.requestId === null ? {} : { requestId: response.requestId }),
  };
}

type Meaning = { readonly kind: FailureKind; readonly meaning: string; readonly remedy: string };

export const rateLimitedRemedy =
  'Nobody has to act: Rollcall waits and goes on. If it stays, look for other clients of the same directory.';
const MEANING: Readonly<Record<number, Meaning>> = {
  401: {
    kind: 'credentials-rejected',
    meaning: ': it does not accept the credential',
    remedy: "Renew the connection's credential.",
  },
  403: {
    kind: 'permission-missing',
    meaning: ': the credential may not do this',
    remedy: "Grant the permissions that the connector's README lists.",
  },
  404: {
    kind: 'not-found',
    meaning: ': what was asked for is not there',
    remedy: 'Nobody has to act, unless every request says so: then check the base URL.',
  },
  429: { kind: 'rate-limited', meaning: ': too many requests', remedy: rateLimitedRemedy },
};

function meaningOf(status: number): Meaning {
  const known = MEANING[status];
  if (known !== undefined) return known;
  if (status >= 500) {
    const remedy =
      "Nobody has to act: Rollcall tries again. If it stays, look at the provider's status page.";
    return { kind: 'unavailable', meaning: ': it is in trouble', remedy };
  }
  const remedy = 'Check the base URL and a proxy on the way; if both are right, report this as a defect.';
  return {
    kind: 'unexpected-response',
    meaning: status < 400 && status >= 300 ? ', a redirect, which is not followed' : '',
    remedy,
  };
}

function hostOf(response: SessionResponse): string {
  return new URL(response.url).host;
}

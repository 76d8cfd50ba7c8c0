/** Access tokens for Graph by @azure/identity, whose HTTP goes over the connection's session, so that CA and proxy hold. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import {
  ClientCertificateCredential,
  ClientSecretCredential,
  type TokenCredentialOptions,
} from '@azure/identity';
import { z } from 'zod';
import { failureOf, parseJson, type SessionResponse } from '../answer.ts';
import { ConnectorError, type ConnectorFailure } from '../contract.ts';
import type { HttpSession } from '../session.ts';
import { TokenClaims, TokenGrant, TokenRefusal } from './schema.ts';

export const EntraCredentials = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('secret'),
    clientSecret: z.string().trim().min(1, 'the client secret is empty'),
  }),
  z.strictObject({ kind: z.literal('certificate'), pem: z.string().superRefine(checkPem) }),
]);
export type EntraCredentials = z.infer<typeof EntraCredentials>;

export type TokenOptions = {
  readonly session: HttpSession;
  /** Origin of the sign-in service, and path where the base URL has one, without a slash at the end. */
  readonly authority: string;
  readonly directoryId: string;
  readonly clientId: string;
  readonly scope: string;
  readonly credentials: EntraCredentials;
};

export type Tokens = {
  /** A token good for some more minutes. Throws ConnectorError. */
  current(signal: AbortSignal): Promise<string>;
  /** Forgets the token, so that the next one is a new one. */
  discard(token: string): void;
  /** The application permissions in the token last issued; null before there is one, or where it cannot be read. */
  permissions(): readonly string[] | null;
};

const RENEW_BEFORE_END_MS = 5 * 60_000;

export function tokensFor(options: TokenOptions): Tokens {
  let held: { readonly token: string; readonly expiresOnTimestamp: number } | null = null;
  return {
    async current(signal) {
      if (held === null || held.expiresOnTimestamp - Date.now() < RENEW_BEFORE_END_MS) {
        held = await newToken(options, signal);
      }
      return held.token;
    },
    discard(token) {
      if (held?.token === token) held = null;
    },
    permissions: () => (held === null ? null : rolesIn(held.token)),
  };
}

/** One credential object for each token: the library keeps tokens too, and would give a rejected one back. */
async function newToken(options: TokenOptions, signal: AbortSignal) {
  const refusals: unknown[] = []; // the library wraps what its HTTP throws, and quotes the answer
  const credential = credentialFor(options, signal, refusals);
  try {
    return await credential.getToken(options.scope);
  } catch (error) {
    signal.throwIfAborted();
    throw refusals.at(-1) ?? new ConnectorError(notIssued(options, error));
  }
}

function credentialFor(options: TokenOptions, signal: AbortSignal, refusals: unknown[]) {
  const { directoryId, clientId, credentials, authority } = options;
  const common = {
    authorityHost: authority,
    disableInstanceDiscovery: true, // it asks the global cloud about the others; the authority is known here
    httpClient: httpClientOver(options, signal, refusals),
    retryOptions: { maxRetries: 0 },
    redirectOptions: { maxRetries: 0 },
  };
  switch (credentials.kind) {
    case 'secret':
      return new ClientSecretCredential(directoryId, clientId, credentials.clientSecret, common);
    case 'certificate': {
      const certificate = canonicalPem(credentials.pem);
      return new ClientCertificateCredential(directoryId, clientId, { certificate }, common);
    }
  }
}

type HttpClient = NonNullable<TokenCredentialOptions['httpClient']>;
type PipelineHeaders = Awaited<ReturnType<HttpClient['sendRequest']>>['headers'];

function httpClientOver(options: TokenOptions, signal: AbortSignal, refusals: unknown[]): HttpClient {
  const { session, authority, directoryId } = options;
  const tenant = `${authority}/${directoryId}`;
  return {
    async sendRequest(request) {
      if (request.url.startsWith(`${tenant}/v2.0/.well-known/openid-configuration`)) {
        const body = JSON.stringify(metadataOf(tenant));
        return { request, status: 200, headers: pipelineHeaders(new Headers()), bodyAsText: body };
      }
      try {
        const answer = await session.request({
          method: request.method,
          url: request.url,
          headers: request.headers.toJSON(),
          ...(typeof request.body === 'string' ? { body: request.body } : {}),
          signal,
        });
        const content = parseJson(answer);
        if (answer.status >= 400) throw new ConnectorError(refusalOf(answer, content));
        if (request.method === 'POST' && !TokenGrant.safeParse(content).success) throw withoutToken(answer);
        const { status, headers, body } = answer;
        return { request, status, headers: pipelineHeaders(headers), bodyAsText: body.toString('utf8') };
      } catch (error) {
        refusals.push(error);
        throw error;
      }
    },
  };
}

/**
 * What "OpenID Connect on the Microsoft identity platform" publishes for a directory, as far as the library reads it. Answered
 * here: it follows from the address, and a look-up could only send the secret elsewhere.
 */
function metadataOf(tenant: string) {
  return {
    issuer: `${tenant}/v2.0`,
    token_endpoint: `${tenant}/oauth2/v2.0/token`,
    authorization_endpoint: `${tenant}/oauth2/v2.0/authorize`,
    jwks_uri: `${tenant}/discovery/v2.0/keys`,
  };
}

function pipelineHeaders(headers: Headers): PipelineHeaders {
  return {
    get: (name) => headers.get(name) ?? undefined,
    has: (name) => headers.has(name),
    set: (name, value) => headers.set(name, String(value)),
    delete: (name) => headers.delete(name),
    toJSON: () => Object.fromEntries(headers),
    [Symbol.iterator]: () => headers.entries(),
  };
}

type Refusal = { readonly meaning: string; readonly remedy: string };

const NEW_SECRET =
  'Entra admin center › App registrations › your app › Certificates & secrets: add a new client secret and give its value (not its id) as the credential of the connection.';
const CHECK_CERTIFICATE =
  'Entra admin center › App registrations › your app › Certificates & secrets › Certificates: upload the certificate that belongs to the private key in use, and check that it has not expired.';
const CHECK_IDS =
  'Compare directoryId and clientId with Entra admin center › App registrations › your app › Overview (Directory ID, Application ID), and check the cloud.';

/** Codes of "Microsoft Entra authentication and authorization error codes". */
const REFUSALS: Readonly<Record<number, Refusal>> = {
  7000215: { meaning: 'the client secret is wrong', remedy: NEW_SECRET },
  7000222: { meaning: 'the client secret has expired', remedy: NEW_SECRET },
  7000216: { meaning: 'a secret or a certificate is required and none came', remedy: NEW_SECRET },
  7000218: { meaning: 'a secret or a certificate is required and none came', remedy: NEW_SECRET },
  700016: { meaning: 'the directory does not know this application', remedy: CHECK_IDS },
  90002: { meaning: 'there is no such directory', remedy: CHECK_IDS },
  900023: { meaning: 'the directory id is neither a GUID nor a domain name', remedy: CHECK_IDS },
  500011: { meaning: 'the directory does not know Microsoft Graph under this address', remedy: CHECK_IDS },
  70011: { meaning: 'the scope is not valid in this cloud', remedy: CHECK_IDS },
  700027: {
    meaning: 'the signature does not fit a certificate of this application',
    remedy: CHECK_CERTIFICATE,
  },
  700024: {
    meaning: "the signed assertion is outside its time: this machine's clock is wrong",
    remedy: 'Set the clock.',
  },
  50012: { meaning: 'the signed assertion was not accepted', remedy: CHECK_CERTIFICATE },
  7000112: {
    meaning: 'the application is disabled',
    remedy: 'Entra admin center › Enterprise applications › your app › Properties: enable users to sign in.',
  },
  53003: {
    meaning: 'a Conditional Access policy blocks this application',
    remedy:
      'Entra admin center › Conditional Access › Policies: let this workload identity sign in from this address.',
  },
};

function refusalOf(answer: SessionResponse, content: unknown): ConnectorFailure {
  const parsed = TokenRefusal.safeParse(content);
  if (!parsed.success) return failureOf(answer);
  const codes = parsed.data.error_codes;
  const code = codes.find((one) => REFUSALS[one] !== undefined) ?? codes[0];
  const known = code === undefined ? undefined : REFUSALS[code];
  const name = code === undefined ? 'no AADSTS code' : `AADSTS${code}`;
  const failure = failureOf(answer, {
    kind: parsed.data.error === 'temporarily_unavailable' ? 'unavailable' : 'credentials-rejected',
    message: `Entra ID issued no access token (${name}): ${known?.meaning ?? 'the sign-in was refused'}.`,
    remedy: known?.remedy ?? `Look the code up at https://login.microsoftonline.com/error. ${CHECK_IDS}`,
  });
  const trace = /^[\w-]{1,64}$/.exec(parsed.data.trace_id ?? '')?.[0];
  return trace === undefined ? failure : { ...failure, requestId: trace };
}

function withoutToken(answer: SessionResponse): ConnectorError {
  const failure = failureOf(answer, {
    kind: 'unexpected-response',
    message: `The sign-in service answered with status ${answer.status}, but with no access token.`,
    remedy: 'Check that the base URL is that of Entra ID, and that nothing on the way alters answers.',
  });
  return new ConnectorError(failure);
}

/** The library failed without a refusal from the other side: its text may quote what it was given, so only its name is told. */
function notIssued(options: TokenOptions, error: unknown): ConnectorFailure {
  const name = error instanceof Error ? error.name : 'unknown';
  return {
    kind: 'credentials-rejected',
    message: `No access token came about for the application (${name}).`,
    remedy:
      options.credentials.kind === 'certificate'
        ? CHECK_CERTIFICATE
        : `${CHECK_IDS} If they are right, report this as a defect.`,
  };
}

function rolesIn(token: string): readonly string[] | null {
  try {
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8');
    return TokenClaims.parse(JSON.parse(payload)).roles;
  } catch {
    return null;
  }
}

function checkPem(pem: string, context: { addIssue(message: string): void }): void {
  try {
    if (!readPem(pem).fits) context.addIssue('the private key does not belong to the certificate');
  } catch {
    context.addIssue('needs a PEM certificate and its unencrypted PEM private key, one after the other');
  }
}

function readPem(pem: string) {
  const certificate = new X509Certificate(
    /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(pem)?.[0] ?? '',
  );
  const key = createPrivateKey(
    /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]+?-----END [A-Z ]*PRIVATE KEY-----/.exec(pem)?.[0] ?? '',
  );
  return { certificate, key, fits: certificate.checkPrivateKey(key) };
}

/** Line ends and order as the library expects them. */
function canonicalPem(pem: string): string {
  const { certificate, key } = readPem(pem);
  return `${key.export({ type: 'pkcs8', format: 'pem' })}${certificate.toString()}`;
}

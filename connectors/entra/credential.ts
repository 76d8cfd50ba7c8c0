/** Access tokens for Graph by @azure/identity, whose HTTP goes over the connection's session, so that CA and proxy hold. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { TokenCredentialOptions } from '@azure/identity';
import { z } from 'zod';
import { parseJson } from '../answer.ts';
import { ConnectorError } from '../contract.ts';
import type { HttpSession } from '../session.ts';
import { claimsIn, type MachineIdentity, managedToken, readAssertion } from './machine.ts';
import { TokenGrant } from './schema.ts';
import { notIssued, signInRefusal, withoutToken } from './signInRefusals.ts';

/** The operator's key to signing in as the machine. */
const identityKey = z.string().min(1, 'the key is empty');

export const EntraCredentials = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('secret'),
    clientSecret: z.string().trim().min(1, 'the client secret is empty'),
  }),
  z.strictObject({ kind: z.literal('certificate'), pem: z.string().superRefine(checkPem) }),
  /** The assertion in a file of this machine, which the application trusts as a federated credential. */
  z.strictObject({ kind: z.literal('federated'), identityKey }),
  /** `user`: the identity whose Client ID the settings name; `system`: the machine's own. */
  z.strictObject({
    kind: z.literal('managed-identity'),
    identity: z.enum(['user', 'system']).default('user'),
    identityKey,
  }),
]);
export type EntraCredentials = z.infer<typeof EntraCredentials>;

/** Of a certificate, the end of its validity. A client secret does not carry its own. */
export function expiryOf(credentials: EntraCredentials): Date | null {
  return credentials.kind === 'certificate' ? readPem(credentials.pem).certificate.validToDate : null;
}

export type TokenOptions = {
  readonly session: HttpSession;
  /** Origin of the sign-in service, and path where the base URL has one, without a slash at the end. */
  readonly authority: string;
  readonly directoryId: string;
  readonly clientId: string;
  readonly scope: string;
  readonly credentials: EntraCredentials;
  readonly machine: MachineIdentity;
  /** For a managed identity, its own session; null for the others. */
  readonly local: HttpSession | null;
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
    permissions: () => (held === null ? null : (claimsIn(held.token)?.roles ?? null)),
  };
}

/** One credential object for each token: the library keeps tokens too, and would give a rejected one back. */
async function newToken(options: TokenOptions, signal: AbortSignal) {
  const { credentials, machine, local, directoryId, scope } = options;
  if (credentials.kind === 'managed-identity' && local !== null) {
    const clientId = credentials.identity === 'user' ? options.clientId : null;
    const resource = scope.replace(/\/\.default$/, '');
    return managedToken({ machine, local, resource, clientId, directoryId }, signal);
  }
  const refusals: unknown[] = []; // the library wraps what its HTTP throws, and quotes the answer
  // Not before it is needed: a process that reads other providers does without its 40 MB.
  const azure = await import('@azure/identity');
  const credential = credentialFor(azure, options, signal, refusals);
  try {
    return await credential.getToken(options.scope);
  } catch (error) {
    signal.throwIfAborted();
    throw refusals.at(-1) ?? new ConnectorError(notIssued(credentials.kind, error));
  }
}

function credentialFor(
  azure: typeof import('@azure/identity'),
  options: TokenOptions,
  signal: AbortSignal,
  refusals: unknown[],
) {
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
      return new azure.ClientSecretCredential(directoryId, clientId, credentials.clientSecret, common);
    case 'federated': {
      const assertion = async () => {
        try {
          return await readAssertion(options.machine);
        } catch (error) {
          refusals.push(error);
          throw error;
        }
      };
      return new azure.ClientAssertionCredential(directoryId, clientId, assertion, common);
    }
    case 'managed-identity':
      throw new Error('A managed identity has a session of its own.');
    case 'certificate': {
      const certificate = canonicalPem(credentials.pem);
      return new azure.ClientCertificateCredential(directoryId, clientId, { certificate }, common);
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
          forAccess: true,
          signal,
        });
        const content = parseJson(answer);
        if (answer.status >= 400) throw new ConnectorError(signInRefusal(answer, content));
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

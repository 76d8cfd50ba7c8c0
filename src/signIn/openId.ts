/** OpenID Connect's code flow at one provider: what it says of itself, where it is asked, what its answer is worth. */
import * as openid from 'openid-client';
import type { Dispatcher } from 'undici';
import type { IdClaim } from '../../connectors/contract.ts';
import { dispatcherFor, faultOf, readAnswer } from '../../connectors/transport.ts';
import type { Clock } from '../domain/clock.ts';
import { type ExternalId, isExternalId, isStorable } from '../domain/ids.ts';
import { Problem } from '../domain/problem.ts';
import type { Attempt, SignInProvider } from '../domain/signIn.ts';

export type { Configuration } from 'openid-client';

/** What is needed to speak to a provider. */
export type Party = Pick<SignInProvider, 'issuer' | 'clientId' | 'ca'> & {
  /** null: a public client. */
  readonly clientSecret: string | null;
};

const LONGEST_WAIT_SECONDS = 10;
const LONGEST_SUBJECT = 255; // OpenID Connect Core 1.0, section 2

const KEPT_MS = 60_000;

/**
 * What providers say of themselves, for a minute: strangers begin as many sign-ins as they like, and ask no provider anything by it. Those who
 * come at once wait for one answer; a failure is kept for nobody.
 */
export class Discoveries {
  readonly #clock: Clock;
  readonly #kept = new Map<
    string,
    { readonly said: Promise<openid.ServerMetadata>; readonly until: number }
  >();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  of({ issuer, ca }: Party, ask: () => Promise<openid.ServerMetadata>): Promise<openid.ServerMetadata> {
    const now = this.#clock.now().getTime();
    for (const [key, { until }] of this.#kept) if (until <= now) this.#kept.delete(key);
    const key = JSON.stringify([issuer, ca]);
    const before = this.#kept.get(key);
    if (before !== undefined) return before.said;
    const said = ask();
    this.#kept.set(key, { said, until: now + KEPT_MS });
    said.catch(() => this.#kept.delete(key));
    return said;
  }
}

/**
 * With what the provider says of itself: afresh, or as it was kept. Everything throws `sign-in-failed`, which says what broke and who has
 * to act.
 */
export async function withProvider<T>(
  party: Party,
  work: (provider: openid.Configuration) => Promise<T>,
  discoveries: Discoveries | null = null,
): Promise<T> {
  const dispatcher = dispatcherFor({ baseUrl: null, ca: party.ca, proxy: null });
  const ask = () => discover(party, dispatcher);
  try {
    const metadata = await (discoveries === null ? ask() : discoveries.of(party, ask));
    return await work(configured(party, metadata, dispatcher));
  } catch (error) {
    throw problemOf(error, party);
  } finally {
    await dispatcher.destroy();
  }
}

async function discover(party: Party, dispatcher: Dispatcher): Promise<openid.ServerMetadata> {
  const { issuer, clientId } = party;
  const provider = await openid.discovery(new URL(issuer), clientId, undefined, openid.None(), {
    timeout: LONGEST_WAIT_SECONDS,
    [openid.customFetch]: fetchOver(dispatcher),
  });
  const metadata = provider.serverMetadata();
  // Some issuers are let through by the library although they speak for others, such as Entra ID's `common`: whoever has an account
  // anywhere would be somebody there.
  if (metadata.issuer !== issuer)
    throw refusal(party, `calls itself ${metadata.issuer}`, 'Give that as the issuer, letter by letter.');
  for (const endpoint of ['authorization_endpoint', 'token_endpoint', 'jwks_uri'] as const)
    if (metadata[endpoint]?.startsWith('https://') !== true)
      throw refusal(party, `names no ${endpoint} on https`, notAProvider);
  return metadata;
}

function configured(
  party: Party,
  metadata: openid.ServerMetadata,
  dispatcher: Dispatcher,
): openid.Configuration {
  const { clientId, clientSecret } = party;
  const authentication = clientAuthentication(party, clientSecret, metadata);
  const provider = new openid.Configuration(metadata, clientId, undefined, authentication);
  provider.timeout = LONGEST_WAIT_SECONDS;
  provider[openid.customFetch] = fetchOver(dispatcher);
  // The token comes straight from the provider over TLS; that its signature is looked at all the same costs one request.
  openid.enableNonRepudiationChecks(provider);
  return provider;
}

const notAProvider = 'Give the issuer of an OpenID Connect provider that offers the code flow.';

/** Where the provider says nothing, `client_secret_basic` is meant (OpenID Connect Discovery 1.0, section 3). */
function clientAuthentication(
  party: Party,
  secret: string | null,
  { token_endpoint_auth_methods_supported: methods = ['client_secret_basic'] }: openid.ServerMetadata,
): openid.ClientAuth {
  if (secret === null) return openid.None();
  if (methods.includes('client_secret_basic')) return openid.ClientSecretBasic(secret);
  if (methods.includes('client_secret_post')) return openid.ClientSecretPost(secret);
  throw refusal(
    party,
    'takes no client secret at its token endpoint',
    'Register the application there as one with a client secret, or as a public client and give no secret.',
  );
}

/** What an attempt is made of: fresh for each. */
export function newChallenge(): Pick<Attempt, 'state' | 'nonce' | 'verifier'> {
  return {
    state: openid.randomState(),
    nonce: openid.randomNonce(),
    verifier: openid.randomPKCECodeVerifier(),
  };
}

/** Where the browser has to go. */
export async function authorizationUrl(
  provider: openid.Configuration,
  { state, nonce, verifier }: Pick<Attempt, 'state' | 'nonce' | 'verifier'>,
  redirectUri: string,
  idClaim: IdClaim | null,
): Promise<string> {
  const url = openid.buildAuthorizationUrl(provider, {
    redirect_uri: redirectUri,
    scope: idClaim === null ? 'openid' : `openid ${idClaim.scope}`,
    state,
    nonce,
    code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  });
  return url.href;
}

/** Who has come back, by the provider's immutable ids of them. */
export type Vouched = {
  readonly subject: string;
  /** Of the directory user; null: not said, or the subject is it. */
  readonly externalId: ExternalId | null;
};

/** @param answer the redirect URI with what the provider added to it */
export async function vouchedBy(
  provider: openid.Configuration,
  answer: URL,
  { state, nonce, verifier }: Pick<Attempt, 'state' | 'nonce' | 'verifier'>,
  idClaim: IdClaim | null,
): Promise<Vouched> {
  const tokens = await openid.authorizationCodeGrant(provider, answer, {
    expectedState: state,
    expectedNonce: nonce,
    pkceCodeVerifier: verifier,
    idTokenExpected: true,
  });
  const claims = tokens.claims();
  const subject = claims?.sub ?? '';
  if (subject === '' || subject.length > LONGEST_SUBJECT || !isStorable(subject))
    throw new TypeError('the subject cannot be stored');
  const externalId = idClaim === null ? null : claims?.[idClaim.claim];
  return { subject, externalId: isExternalId(externalId) ? externalId : null };
}

/** What the provider says of the client when it is shown a code that nobody got: that alone tells whether it knows the secret. */
export async function clientIsKnown(
  provider: openid.Configuration,
  redirectUri: string,
): Promise<'known' | 'refused' | 'unclear'> {
  try {
    await openid.genericGrantRequest(provider, 'authorization_code', {
      code: openid.randomState(),
      redirect_uri: redirectUri,
      code_verifier: openid.randomPKCECodeVerifier(),
    });
    return 'unclear';
  } catch (error) {
    const said = saidByProvider(error);
    if (said === null) throw error;
    if (said === 'invalid_grant') return 'known';
    return ['invalid_client', 'unauthorized_client'].includes(said) ? 'refused' : 'unclear';
  }
}

/** Whether the provider has keys that its tokens can be checked with. */
export async function signingKeys(provider: openid.Configuration): Promise<number> {
  const uri = provider.serverMetadata().jwks_uri ?? '';
  const send = provider[openid.customFetch];
  const answer = await send?.(uri, {
    method: 'GET',
    headers: { accept: 'application/json' },
    body: undefined,
    redirect: 'manual',
    signal: AbortSignal.timeout(LONGEST_WAIT_SECONDS * 1_000),
  });
  const body: unknown = answer?.status === 200 ? await answer.json() : {};
  const keys = (body as { readonly keys?: unknown } | null)?.keys;
  return Array.isArray(keys) ? keys.length : 0;
}

/** The library's requests over our own sockets: their trust, their limits, no redirects. */
function fetchOver(dispatcher: Dispatcher): openid.CustomFetch {
  return async (url, { method, headers, body, signal }) => {
    const { origin, host, pathname, search } = new URL(url);
    const answer = await dispatcher.request({
      origin,
      path: `${pathname}${search}`,
      method: method as Dispatcher.HttpMethod,
      headers,
      body: body instanceof URLSearchParams ? body.toString() : typeof body === 'string' ? body : null,
      signal: signal ?? null,
    });
    const read = await readAnswer(host, answer);
    return new Response(new Uint8Array(read.body), { status: answer.statusCode, headers: read.headers });
  };
}

/** OAuth's word for what is wrong, where the provider has said one. */
function saidByProvider(error: unknown): string | null {
  // Whoever was shown the secret in a header and refuses it answers with a challenge (RFC 6749, section 5.2), and the library with this.
  if (error instanceof openid.WWWAuthenticateChallengeError)
    return error.status === 401 ? 'invalid_client' : null;
  const answered =
    error instanceof openid.ResponseBodyError || error instanceof openid.AuthorizationResponseError;
  return answered && /^[\w.-]{1,60}$/.test(error.error) ? error.error : null;
}

function refusal({ issuer }: Pick<Party, 'issuer'>, what: string, remedy: string, cause?: unknown): Problem {
  return new Problem(
    { code: 'sign-in-failed', message: `The provider ${issuer} ${what}.`, remedy },
    { cause },
  );
}

/** By OAuth's word (RFC 6749, section 4.1.2.1 and 5.2; OpenID Connect Core 1.0, section 3.1.2.6): who has to do what. */
const remedies: ReadonlyMap<string, string> = new Map(
  Object.entries({
    access_denied:
      'Sign in again and agree; if the provider lets you not, ask its administrator for access to this application.',
    invalid_client:
      'An administrator has to give the present client secret: `rollcall sign-in update`, then `rollcall sign-in test`.',
    unauthorized_client:
      'An administrator of the provider has to allow the code flow for this application, and register its redirect URI.',
    invalid_grant:
      'Sign in again. If it stays, an administrator has to compare the redirect URI at the provider with that of `rollcall sign-in list`.',
    temporarily_unavailable: 'Try again in a few minutes.',
    server_error: 'Try again in a few minutes; if it stays, ask the administrator of the provider.',
  }),
);

function problemOf(error: unknown, party: Party): unknown {
  if (error instanceof Problem) return error;
  const said = saidByProvider(error);
  if (said !== null)
    return refusal(
      party,
      `refused with ${said}`,
      remedies.get(said) ?? 'Ask an administrator to run `rollcall sign-in test`.',
      error,
    );
  const fault = transportFault(error);
  if (fault !== null) return refusal(party, fault.what, fault.remedy, error);
  const { code } = error as { readonly code?: unknown };
  const detail = typeof code === 'string' && /^[A-Z_]{1,60}$/.test(code) ? ` (${code})` : '';
  return refusal(
    party,
    `gave an answer that is not to be trusted${detail}`,
    'Sign in again, from the beginning and in one tab. If it stays, an administrator has to run `rollcall sign-in test`, and check the clocks of both machines.',
    error,
  );
}

/** null: it was not the way there that failed. */
function transportFault(error: unknown): { readonly what: string; readonly remedy: string } | null {
  const { code, message, cause } = error as { code?: unknown; message?: unknown; cause?: unknown };
  if (code === 'OAUTH_TIMEOUT')
    return { what: `gave no answer within ${LONGEST_WAIT_SECONDS} seconds`, remedy: tryLater };
  if (code === 'OAUTH_RESPONSE_IS_NOT_CONFORM' || code === 'OAUTH_RESPONSE_IS_NOT_JSON')
    return { what: 'does not answer as an OpenID Connect provider does', remedy: notAProvider };
  // The library wraps whatever its requests are refused with, and says no more about it.
  if (message !== 'something went wrong' || cause === undefined) return null;
  const fault = faultOf(cause);
  const what = `cannot be reached: ${fault.happened.replaceAll('HOST', 'it')}`;
  const untrusted = fault.kind === 'untrusted-certificate';
  return { what, remedy: untrusted ? trustItsAuthority : tryLater };
}

const tryLater =
  'Check the issuer, and this machine’s way there (DNS, firewall); then try again. Rollcall speaks https only.';
const trustItsAuthority =
  'Give the certificate of the authority that signed it: `rollcall sign-in update NAME --ca FILE`. One that has expired has to be renewed there.';

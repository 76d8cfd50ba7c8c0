/**
 * What proves to Okta who is asking: an API token, or access tokens of a service app (client credentials with
 * `private_key_jwt`), bound to a key of this process by DPoP (RFC 9449) where the app requires it.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { type JWK, SignJWT } from 'jose';
import { type Access, fixedAccess } from '../access.ts';
import { failureOf, type SessionResponse } from '../answer.ts';
import { ConnectorError } from '../contract.ts';
import { type AccessToken, HeldToken, tokenAnswerIn, tokenErrorIn } from '../heldToken.ts';
import type { HttpSession } from '../session.ts';
import type { OktaSettings, SigningKey } from './credentials.ts';
import { TokenAnswer } from './schema.ts';

export type OktaAccess = Access & {
  /** Of the scopes that a full pull needs, those that Okta says it has granted, sorted; null where it does not say. */
  permissions(signal: AbortSignal): Promise<readonly string[] | null>;
};

/** `Authorization: SSWS` (Okta developer documentation, "Create an API token"). */
export function apiTokenAccess(token: string): OktaAccess {
  return { ...fixedAccess(`SSWS ${token}`), permissions: async () => null };
}

/** A full pull works without the optional ones. */
export type Scopes = { readonly needed: readonly string[]; readonly optional: readonly string[] };
/** The System Log names who was deleted for good, and who joined or left a group; apps matter where one of them is the scope. */
export function scopesFor({ appScope, userTypes }: Pick<OktaSettings, 'appScope' | 'userTypes'>): Scopes {
  return {
    needed: [
      'okta.users.read',
      'okta.groups.read',
      ...(appScope === undefined ? [] : ['okta.apps.read']),
      ...(userTypes === true ? ['okta.userTypes.read'] : []),
    ],
    optional: ['okta.logs.read'],
  };
}

/** Okta takes assertions of up to an hour; a short one is worth less to a thief and still bears a clock that is a bit wrong. */
const ASSERTION_SECONDS = 300;

type App = {
  readonly session: HttpSession;
  /** Where the token endpoint is asked, which a gateway or a simulator may stand in for. */
  readonly origin: string;
  /** Where Okta itself believes it to be: what a signature has to name. */
  readonly orgUrl: string;
  readonly clientId: string;
  readonly keyId: string;
  readonly signing: SigningKey;
  readonly scopes: Scopes;
};

type Token = AccessToken & {
  /** What a proof of possession names besides the request; null for a bearer token. */
  readonly proven: string | null;
  readonly scopes: readonly string[];
};

/** Okta developer documentation, "Implement OAuth for Okta with a service app": the org's own authorization server only. */
const TOKEN_PATH = '/oauth2/v1/token';

/** DPoP is off until the token endpoint demands it and stays on afterwards. */
export class ServiceAppAccess implements OktaAccess {
  readonly #app: App;
  readonly #token = new HeldToken((signal) => this.#ask(signal));
  #proofs: Proofs | null = null;
  /** Asked for next: all at first, afterwards what turned out to be granted. */
  #scopes: readonly string[];

  constructor(app: App) {
    this.#app = app;
    this.#scopes = [...app.scopes.needed, ...app.scopes.optional];
  }

  async permissions(signal: AbortSignal): Promise<readonly string[]> {
    const { scopes } = await this.#token.current(signal);
    return scopes.filter((scope) => this.#app.scopes.needed.includes(scope));
  }

  /** A DPoP proof is good for one use. */
  async headers({ method, url, signal }: { method: string; url: string; signal: AbortSignal }) {
    const token = await this.#token.current(signal);
    if (token.proven === null || this.#proofs === null) return { authorization: token.authorization };
    const dpop = await this.#proofs.prove(method, this.#named(url), token.proven);
    return { authorization: token.authorization, dpop };
  }

  refused(headers: Readonly<Record<string, string>>): boolean {
    this.#token.refused(headers);
    return true;
  }

  /**
   * Okta gives no token at all when one of the scopes asked for is not granted, and does not say which one. So fewer are asked
   * for: first without the optional ones; then each that is needed alone, and those together that are granted. What is missing is
   * so named by the request that needs it, and what is granted can be tried.
   */
  async #ask(signal: AbortSignal): Promise<Token> {
    const { needed, optional } = this.#app.scopes;
    const asked = await this.#askFor(this.#scopes, signal);
    if (asked.ok) return asked.token;
    const fewer = optional.length === 0 ? asked : await this.#askFor(needed, signal);
    if (fewer.ok) return this.#keep(needed, fewer.token);
    const granted: string[] = [];
    for (const scope of needed) if ((await this.#askFor([scope], signal)).ok) granted.push(scope);
    const last = granted.length === 0 ? fewer : await this.#askFor(granted, signal);
    if (last.ok) return this.#keep(granted, last.token);
    throw this.#failure(last.answer, 'invalid_scope');
  }

  #keep(scopes: readonly string[], token: Token): Token {
    this.#scopes = scopes;
    return token;
  }

  /**
   * At most three requests: one as it is, one with a proof where the app requires DPoP, one with the nonce that Okta then
   * demands (Okta developer documentation, "Configure OAuth 2.0 Demonstrating Proof-of-Possession"). Not ok: a scope is not granted.
   */
  async #askFor(scopes: readonly string[], signal: AbortSignal): Promise<Asked> {
    for (let tries = this.#proofs === null ? 3 : 2; ; tries--) {
      const answer = await this.#send(scopes, signal);
      const nonce = answer.headers.get('dpop-nonce');
      if (nonce !== null) this.#proofs?.remember(nonce);
      if (answer.status === 200) return { ok: true, token: this.#read(answer, scopes) };
      const error = tokenErrorIn(answer);
      if (error === 'invalid_scope') return { ok: false, answer };
      if (!this.#wantsProof(error) || tries === 1) throw this.#failure(answer, error);
      this.#proofs ??= new Proofs();
      if (nonce !== null) this.#proofs.remember(nonce);
    }
  }

  #wantsProof(error: string): boolean {
    return error === 'use_dpop_nonce' || (error === 'invalid_dpop_proof' && this.#proofs === null);
  }

  #send(scopes: readonly string[], signal: AbortSignal): Promise<SessionResponse> {
    const { session, origin } = this.#app;
    return session.request({
      method: 'POST',
      url: origin + TOKEN_PATH,
      headers: async () => ({
        accept: 'application/json',
        'content-type': 'application/x-www-form-urlencoded',
        'user-agent': 'rollcall',
        ...(this.#proofs === null
          ? {}
          : { dpop: await this.#proofs.prove('POST', this.#named(origin + TOKEN_PATH)) }),
      }),
      body: async () =>
        new URLSearchParams({
          grant_type: 'client_credentials',
          scope: scopes.join(' '),
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: await this.#assertion(),
        }).toString(),
      forAccess: true,
      signal,
    });
  }

  #assertion(): Promise<string> {
    const { clientId, keyId, signing, orgUrl } = this.#app;
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT()
      .setProtectedHeader({ alg: signing.alg, kid: keyId })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(orgUrl + TOKEN_PATH)
      .setIssuedAt(now)
      .setExpirationTime(now + ASSERTION_SECONDS)
      .setJti(randomUUID())
      .sign(signing.key);
  }

  /** An answer that names no scopes has granted those asked for (RFC 6749, section 5.1). */
  #read(answer: SessionResponse, asked: readonly string[]): Token {
    const read = tokenAnswerIn(answer, TokenAnswer);
    const { access_token: value, token_type: type, expires_in: lastsSeconds, scope } = read;
    const scopes = scope === undefined ? asked : scope.split(' ').filter((name) => name !== '');
    return {
      authorization: `${type === 'dpop' ? 'DPoP' : 'Bearer'} ${value}`,
      lastsSeconds,
      proven: type === 'dpop' ? value : null,
      scopes: [...new Set(scopes)].sort(),
    };
  }

  #failure(answer: SessionResponse, error: string): ConnectorError {
    const code = error === '' ? '' : ` (${error})`;
    if (error === 'invalid_scope') {
      return new ConnectorError(
        failureOf(answer, {
          kind: 'permission-missing',
          message: `Okta gives the service app no token for ${this.#app.scopes.needed.join(', ')}${code}.`,
          remedy: `A super administrator grants them in the Admin Console: Applications › your app › Okta API Scopes › Grant.`,
        }),
      );
    }
    if (answer.status === 404 || (answer.status >= 300 && answer.status < 400)) {
      return new ConnectorError(
        failureOf(answer, {
          kind: 'misconfigured',
          message: `There is no token endpoint at ${new URL(answer.url).origin} (status ${answer.status}).`,
          remedy: 'Check orgUrl: the address of the org itself, such as https://acme.okta.com.',
        }),
      );
    }
    if (answer.status !== 400 && answer.status !== 401 && answer.status !== 403) {
      return new ConnectorError(failureOf(answer));
    }
    return new ConnectorError(
      failureOf(answer, {
        kind: 'credentials-rejected',
        message: `Okta refuses the service app${code}.${clockGap(answer)}`,
        remedy:
          'Check clientId and keyId in the Admin Console: Applications › your app › General › Client Credentials. The app is active, uses "Public key / Private key", and lists the public key with this key id as active.',
      }),
    );
  }

  /** The address as Okta knows it, whoever stands in between. */
  #named(url: string): string {
    return this.#app.orgUrl + url.slice(this.#app.origin.length);
  }
}

type Asked =
  | { readonly ok: true; readonly token: Token }
  | { readonly ok: false; readonly answer: SessionResponse };

/** An assertion from a clock that is far off has expired before it arrives; Okta does not say so. */
function clockGap(answer: SessionResponse): string {
  const minutes = Math.round((Date.now() - Date.parse(answer.headers.get('date') ?? '')) / 60_000);
  if (Number.isNaN(minutes) || Math.abs(minutes) < 2) return '';
  return ` This machine's clock is ${Math.abs(minutes)} minutes ${minutes > 0 ? 'ahead of' : 'behind'} Okta's: correct it first.`;
}

/** DPoP proofs, each good for one request, signed by a key that never leaves this process. */
class Proofs {
  readonly #key: KeyObject;
  readonly #jwk: JWK;
  #nonce: string | null = null;

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#key = privateKey;
    this.#jwk = publicKey.export({ format: 'jwk' }) as JWK;
  }

  /** The token endpoint's latest nonce; Okta's API asks for none. */
  remember(nonce: string): void {
    this.#nonce = nonce;
  }

  /** `accessToken` is there for API requests and missing for token requests. */
  prove(method: string, url: string, accessToken?: string): Promise<string> {
    const { origin, pathname } = new URL(url);
    const more =
      accessToken === undefined
        ? this.#nonce === null
          ? {}
          : { nonce: this.#nonce }
        : { ath: createHash('sha256').update(accessToken).digest('base64url') };
    return new SignJWT({ htm: method, htu: origin + pathname, ...more })
      .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: this.#jwk })
      .setIssuedAt()
      .setJti(randomUUID())
      .sign(this.#key);
  }
}

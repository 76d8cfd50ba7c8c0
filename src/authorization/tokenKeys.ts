/** Signs and checks tokens with the keys that this install publishes. */
import { generateKeyPairSync } from 'node:crypto';
import { importJWK, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { v7 } from 'uuid';
import type { Clock } from '../domain/clock.ts';
import { currentKey, dueKey, type PublicJwk, type SigningKey, SigningKeyId } from '../domain/signingKey.ts';
import type { NewSigningKey, PrivateJwk } from '../store/signingKeys.ts';
import type { Store } from '../store/store.ts';

export type KeyDeps = { readonly store: Store; readonly clock: Clock };

/** Edwards curve signatures with Ed25519 (RFC 8037). */
const ALGORITHM = 'EdDSA';

/** So soon a process sees what another has made. A key is published for a day before it signs. */
const READ_AGAIN_MS = 60_000;

/** What kind of token it is, in its header: one kind is never taken for another. */
export type TokenKind = 'JWT' | 'at+jwt' | 'evidence+jwt';

export type PublishedKey = PublicJwk & { readonly kid: string; readonly use: 'sig'; readonly alg: 'EdDSA' };

type Loaded = {
  readonly at: number;
  readonly keys: readonly SigningKey[];
  readonly current: SigningKey;
};

type Signer = { readonly id: SigningKeyId; readonly key: Awaited<ReturnType<typeof importJWK>> };

/** Makes the next key where it is time for it. Gives whether one was made; again, and in several processes at once, is no harm. */
export async function renewSigningKeys({ store, clock }: KeyDeps): Promise<boolean> {
  const now = clock.now();
  return await store.signingKeys.renew(now, (keys) => {
    const times = dueKey(keys, now);
    return times === null ? null : { ...times, ...aKeyPair() };
  });
}

function aKeyPair(): Pick<NewSigningKey, 'id' | 'publicKey' | 'privateKey'> {
  const { privateKey } = generateKeyPairSync('ed25519');
  const jwk = privateKey.export({ format: 'jwk' }) as PrivateJwk;
  const { kty, crv, x } = jwk;
  return { id: SigningKeyId.parse(v7()), publicKey: { kty, crv, x }, privateKey: jwk };
}

export class TokenKeys {
  readonly #deps: KeyDeps;
  #loading: Promise<Loaded> | null = null;
  #loaded: Loaded | null = null;
  #signer: Signer | null = null;

  constructor(deps: KeyDeps) {
    this.#deps = deps;
  }

  /** All that tokens are signed with now or tomorrow, as JSON Web Key Set (RFC 7517, section 5). */
  async published(): Promise<readonly PublishedKey[]> {
    const { keys } = await this.#fresh();
    return keys.map(({ id, publicKey }) => ({ ...publicKey, kid: id, use: 'sig', alg: ALGORITHM }));
  }

  /** `claims` with `exp` among them. Throws `wrong-secret-key`. */
  async sign(kind: TokenKind, claims: JWTPayload): Promise<string> {
    const { id } = (await this.#fresh()).current;
    if (this.#signer?.id !== id) this.#signer = await this.#open(id);
    const header = { alg: ALGORITHM, typ: kind, kid: id };
    return await new SignJWT(claims).setProtectedHeader(header).sign(this.#signer.key);
  }

  /** What the token says; null: it is not ours, not of this kind, not for this audience, or has reached its end. */
  async check(
    kind: TokenKind,
    token: string,
    expected: { readonly issuer: string; readonly audience: string },
  ): Promise<JWTPayload | null> {
    const { keys } = await this.#fresh();
    try {
      const { payload } = await jwtVerify(
        token,
        async ({ kid }) => {
          const key = keys.find(({ id }) => id === kid);
          if (key === undefined) throw new Error('no such key');
          return await importJWK({ ...key.publicKey }, ALGORITHM);
        },
        {
          ...expected,
          typ: kind,
          algorithms: [ALGORITHM],
          currentDate: this.#deps.clock.now(),
          requiredClaims: ['sub', 'exp', 'iat'],
        },
      );
      return payload;
    } catch {
      return null;
    }
  }

  async #fresh(): Promise<Loaded> {
    const now = this.#deps.clock.now();
    const known = this.#loaded;
    const isGood =
      known !== null &&
      Math.abs(now.getTime() - known.at) < READ_AGAIN_MS &&
      currentKey([known.current], now) !== null;
    if (isGood) return known;
    this.#loading ??= this.#load(now).finally(() => {
      this.#loading = null;
    });
    this.#loaded = await this.#loading;
    return this.#loaded;
  }

  async #load(now: Date): Promise<Loaded> {
    const { store } = this.#deps;
    const found = await store.signingKeys.published(now);
    const keys = currentKey(found, now) === null ? await this.#made(now) : found;
    // By the time of now: a key that was made meanwhile signs from then on.
    const current = currentKey(keys, this.#deps.clock.now());
    if (current === null) throw new Error('there is no signing key although one was made');
    return { at: now.getTime(), keys, current };
  }

  async #open(id: SigningKeyId): Promise<Signer> {
    const secret = await this.#deps.store.signingKeys.open(id);
    if (secret === null) throw new Error('the signing key is there no more');
    return { id, key: await importJWK({ ...secret }, ALGORITHM) };
  }

  /** The first one of an install, or after a long time in which nothing has run. */
  async #made(now: Date): Promise<readonly SigningKey[]> {
    await renewSigningKeys(this.#deps);
    return await this.#deps.store.signingKeys.published(now);
  }
}

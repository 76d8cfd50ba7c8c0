/** Proofs of possession (RFC 9449; Okta developer documentation: "Configure OAuth 2.0 Demonstrating Proof-of-Possession"). */
import { createHash, randomBytes } from 'node:crypto';
import { calculateJwkThumbprint, decodeProtectedHeader, EmbeddedJWK, jwtVerify } from 'jose';
import type { ApiRequest } from '../protocol.ts';

export type Proof = { readonly thumbprint: string; readonly nonce: unknown };

export type Proofs = {
  /** What the token endpoint wants to see in the next proof. */
  readonly nonce: string;
  /** The key that the request's proof was signed with; null where there is no good proof. Each is good for one use. */
  check(request: ApiRequest, accessToken: string | null): Promise<Proof | null>;
  bind(accessToken: string, thumbprint: string): void;
  /** The key that this access token is bound to; null where it is bound to none. */
  boundTo(accessToken: string): string | null;
};

export function proofs(): Proofs {
  const used = new Set<string>();
  const bound = new Map<string, string>();

  async function verified(proof: string, request: ApiRequest, accessToken: string | null): Promise<Proof> {
    const { payload } = await jwtVerify(proof, EmbeddedJWK, {
      typ: 'dpop+jwt',
      maxTokenAge: '5m',
      clockTolerance: '1m',
    });
    const { htm, htu, ath, jti, nonce } = payload;
    const hash =
      accessToken === null ? undefined : createHash('sha256').update(accessToken).digest('base64url');
    const { origin, pathname } = request.url;
    if (htm !== request.method || htu !== origin + pathname || ath !== hash)
      throw new Error('another request');
    if (jti === undefined || used.has(jti)) throw new Error('used before');
    used.add(jti);
    const { jwk } = decodeProtectedHeader(proof);
    if (jwk === undefined || 'd' in jwk) throw new Error('no public key');
    return { thumbprint: await calculateJwkThumbprint(jwk), nonce };
  }

  return {
    nonce: randomBytes(12).toString('base64url'),
    check: async (request, accessToken) => {
      const proof = request.headers['dpop'];
      if (typeof proof !== 'string') return null;
      return verified(proof, request, accessToken).catch(() => null);
    },
    bind: (accessToken, thumbprint) => void bound.set(accessToken, thumbprint),
    boundTo: (accessToken) => bound.get(accessToken) ?? null,
  };
}

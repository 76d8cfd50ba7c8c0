/** How a person comes in: providers that they sign in with, links that are good once, and the sessions that follow. */
import { z } from 'zod';
import type { PrincipalId, TenantId } from './ids.ts';

/** `iss` of a provider's tokens, compared as it is, to the letter (OpenID Connect Core, section 3.1.3.7). */
export const Issuer = z
  .url({ protocol: /^https$/, error: 'must be an https address' })
  .max(500)
  .refine((url) => {
    const { username, password, search, hash, pathname } = new URL(url);
    return `${username}${password}${search}${hash}` === '' && !pathname.includes('/.well-known/');
  }, 'must be the issuer itself: no user, no query, and not the address of its discovery document');

export const SignInProviderId = z.uuid().brand<'SignInProviderId'>();
export type SignInProviderId = z.infer<typeof SignInProviderId>;

export const SessionId = z.uuid().brand<'SessionId'>();
export type SessionId = z.infer<typeof SessionId>;

/** An OpenID Connect provider. Its client secret is written and never shown. */
export type SignInProvider = {
  readonly id: SignInProviderId;
  readonly tenant: TenantId;
  /** What stands on the button. */
  readonly name: string;
  readonly issuer: string;
  readonly clientId: string;
  /** false: a public client. */
  readonly hasSecret: boolean;
  /** PEM certificates to trust besides the system's. */
  readonly ca: string | null;
  readonly createdAt: Date;
};

export const SIGN_IN_METHODS = ['set-up', 'recovery', 'openid-connect'] as const;
export type SignInMethod = (typeof SIGN_IN_METHODS)[number];

export type Session = {
  readonly id: SessionId;
  readonly tenant: TenantId;
  readonly principal: PrincipalId;
  readonly method: SignInMethod;
  /** What the browser says it is. */
  readonly userAgent: string | null;
  readonly createdAt: Date;
  /** To the minute. */
  readonly lastUsedAt: Date;
  /** However much it is used. Left alone it ends earlier. */
  readonly expiresAt: Date;
};

/** Milliseconds. */
export type SessionLimits = { readonly idleMs: number; readonly longestMs: number };

/** A sign-in that has begun in a browser: what the provider's answer has to fit. The browser keeps it, sealed. */
export const Attempt = z.object({
  provider: SignInProviderId,
  state: z.string(),
  nonce: z.string(),
  /** Of PKCE. */
  verifier: z.string(),
  /** The secret of an invitation that is being accepted. */
  invitation: z.string().nullable(),
  returnTo: z.string().nullable(),
  /** Milliseconds since 1970. */
  expiresAt: z.number(),
});
export type Attempt = z.infer<typeof Attempt>;

/** Printable ASCII without the backslash, which browsers take for a slash; they also drop tabs and line breaks within. */
const LOCAL_PATH = /^\/(?!\/)[!-[\]-~]{0,500}$/;

/** A path of ours, or null: whoever makes a link to the sign-in page must not decide where it ends. */
export function localPath(wanted: unknown): string | null {
  return typeof wanted === 'string' && LOCAL_PATH.test(wanted) ? wanted : null;
}

export function isLoopback(hostname: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/.test(hostname);
}

/**
 * Where browsers reach the API, without a slash at the end: what is configured; else, where it listens on this machine alone, there.
 * null: not known, and nobody can sign in.
 */
export function publicUrlOf({
  publicUrl,
  host,
  port,
}: {
  readonly publicUrl: string | null;
  readonly host: string;
  readonly port: number;
}): string | null {
  if (publicUrl !== null) return publicUrl;
  if (port === 0 || !isLoopback(host)) return null;
  return `http://${host.includes(':') ? `[${host.replaceAll(/[[\]]/g, '')}]` : host}:${port}`;
}

/** Crockford's alphabet: no letter that looks like a digit. */
const LETTERS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** A hundred bits in four groups of five, as they are written down and typed again. @param bytes 20 random ones */
export function recoveryCode(bytes: Uint8Array): string {
  const text = [...bytes].map((byte) => LETTERS[byte % 32]).join('');
  return text.replaceAll(/(.{5})(?=.)/g, '$1-');
}

/** As it was made, however it was typed. */
export function cleanRecoveryCode(typed: string): string {
  const letters = typed
    .toUpperCase()
    .replaceAll(/[^0-9A-Z]/g, '')
    .slice(0, 40);
  const meant = letters.replaceAll('O', '0').replaceAll(/[IL]/g, '1');
  return meant.replaceAll(/(.{5})(?=.)/g, '$1-');
}

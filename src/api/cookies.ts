/** Cookies, and what a request has to show that comes with one. */
import { fastifyCookie } from '@fastify/cookie';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../domain/problem.ts';
import { csrfTokenOf, isSame } from '../signIn/secret.ts';

const NAMES = { session: 'rollcall', attempt: 'rollcall-sign-in' } as const;
type Kind = keyof typeof NAMES;

/** With the prefix a browser takes it from this host alone, over TLS alone, for all paths (RFC 6265bis, section 4.1.3). */
function nameOf(kind: Kind, publicUrl: string): string {
  return isSecure(publicUrl) ? `__Host-${NAMES[kind]}` : NAMES[kind];
}

/** On http there is the loopback address alone: src/config.ts refuses the rest. */
function isSecure(publicUrl: string): boolean {
  return publicUrl.startsWith('https:');
}

/** Loads what reads and writes them. Nothing is done to requests: those with a key must not have their cookies looked at. */
export function acceptCookies(app: FastifyInstance): void {
  void app.register(fastifyCookie, { hook: false });
}

export function readCookie({ headers }: FastifyRequest, kind: Kind, publicUrl: string): string | null {
  if (headers.cookie === undefined) return null;
  return fastifyCookie.parse(headers.cookie)[nameOf(kind, publicUrl)] ?? null;
}

/** `milliseconds: 0` takes it away. Lax: whoever comes back from the provider comes from another site. */
export function setCookie(
  reply: FastifyReply,
  kind: Kind,
  publicUrl: string,
  { value, milliseconds }: { readonly value: string; readonly milliseconds: number },
): void {
  const cookie = fastifyCookie.serialize(nameOf(kind, publicUrl), value, {
    path: '/',
    httpOnly: true,
    sameSite: 'lax',
    secure: isSecure(publicUrl),
    maxAge: Math.floor(milliseconds / 1_000),
  });
  reply.header('set-cookie', cookie); // a second one is added to the first
}

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Throws `foreign-request` for a request that another site's page sent, as far as the browser says where it comes from. */
export function refuseOtherOrigin({ headers }: FastifyRequest, publicUrl: string): void {
  const site = headers['sec-fetch-site'];
  const { origin } = headers;
  if ((site === undefined || site === 'same-origin') && (origin === undefined || origin === publicUrl))
    return;
  throw new Problem({
    code: 'foreign-request',
    message: 'This was sent from a page that is not at the address of this Rollcall.',
    remedy: `Open ${publicUrl} and do it there.`,
  });
}

/** For what changes something: throws `foreign-request` unless it comes from a page that could read the session's token. */
export function refuseForeign(
  request: FastifyRequest,
  { cookie, token, publicUrl }: { cookie: string; token: unknown; publicUrl: string },
): void {
  if (SAFE.has(request.method)) return;
  refuseOtherOrigin(request, publicUrl);
  if (typeof token === 'string' && isSame(token, csrfTokenOf(cookie))) return;
  throw new Problem({
    code: 'foreign-request',
    message: 'The token that goes with this session is missing or wrong.',
    remedy: 'Send what `GET /v1/session` says in the header `x-csrf-token`; on a page, load it again.',
  });
}

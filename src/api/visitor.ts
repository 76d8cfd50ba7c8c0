/** Who a request comes from: an API key, or else the session of a cookie. */
import type { FastifyRequest } from 'fastify';
import { callerOfToken } from '../authorization/accessToken.ts';
import type { Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import { authenticateSession, type Visitor as SessionVisitor } from '../signIn/sessions.ts';
import { authenticateKey } from '../tenancy/apiKeys.ts';
import { readCookie, refuseForeign } from './cookies.ts';
import type { ApiDeps } from './deps.ts';

/** Somebody with a cookie, and the cookie, which the session's token follows from. */
export type Visitor = SessionVisitor & { readonly cookie: string };

/**
 * Whoever sends the header `Authorization` means a key: cookies are not looked at then, whatever the key is worth.
 * Throws `unauthenticated`, `tenant-suspended`, `foreign-request`.
 */
export async function authenticate(
  deps: ApiDeps,
  request: FastifyRequest,
): Promise<{ readonly caller: Caller; readonly visitor: Visitor | null }> {
  const { authorization } = request.headers;
  if (authorization !== undefined) {
    const caller = await callerOfBearer(deps, /^Bearer +([\w.-]{1,4000})$/i.exec(authorization)?.[1] ?? '');
    if (caller === null) throw unauthenticated();
    return { caller, visitor: null };
  }
  const visitor = await visitorOf(deps, request);
  const publicUrl = deps.publicUrl();
  if (visitor === null || publicUrl === null) throw unauthenticated();
  const { cookie, caller } = visitor;
  refuseForeign(request, { cookie, token: request.headers['x-csrf-token'], publicUrl });
  return { caller, visitor };
}

/** By an API key, or by a token that was granted for one. */
async function callerOfBearer(deps: ApiDeps, bearer: string): Promise<Caller | null> {
  if (bearer.startsWith('rc_')) return await authenticateKey(deps, bearer);
  return bearer.split('.').length === 3 ? await callerOfToken(deps, bearer) : null;
}

/** By the cookie alone; null: there is none that opens anything. Throws `tenant-suspended`. */
export async function visitorOf(deps: ApiDeps, request: FastifyRequest): Promise<Visitor | null> {
  const publicUrl = deps.publicUrl();
  const cookie = publicUrl === null ? null : readCookie(request, 'session', publicUrl);
  const visitor = cookie === null ? null : await authenticateSession(deps, cookie);
  return visitor === null || cookie === null ? null : { ...visitor, cookie };
}

export function unauthenticated(): Problem {
  return new Problem({
    code: 'unauthenticated',
    message: 'This needs an API key or a session, and there was none or it is not valid any more.',
    remedy:
      'Send `Authorization: Bearer rc_…` with a key that was neither revoked nor has expired; in a browser, sign in.',
  });
}

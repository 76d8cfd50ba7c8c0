/** Sessions: opened by a sign-in, known by a cookie, seen and ended by their owner and by administrators. */
import { v7 } from 'uuid';
import { z } from 'zod';
import type { AuditEntry } from '../domain/audit.ts';
import type { Clock } from '../domain/clock.ts';
import { PrincipalId } from '../domain/ids.ts';
import { notFound, parseId, parseInput } from '../domain/input.ts';
import { type Listed, PageOptions } from '../domain/page.ts';
import { allowedTo, authorise, type Caller, callerOf, can } from '../domain/permission.ts';
import type { Principal } from '../domain/principal.ts';
import { type Session, SessionId, type SessionLimits, type SignInMethod } from '../domain/signIn.ts';
import type { Audited } from '../store/audited.ts';
import type { NewSession } from '../store/sessions.ts';
import type { Store } from '../store/store.ts';
import { tenantSuspended } from '../tenancy/apiKeys.ts';
import { refuseTowardsSystem } from '../tenancy/principals.ts';
import { hashOf, newSecret } from './secret.ts';

export type SessionDeps = {
  readonly store: Store;
  readonly clock: Clock;
  readonly sessionLimits: SessionLimits;
};

/** Somebody who came by a cookie. */
export type Visitor = { readonly caller: Caller; readonly session: Session };

/** What is known of whoever is about to sign in. */
export type Browser = {
  /** Where the request comes from. */
  readonly address: string;
  readonly userAgent: string | undefined;
  /** Of the session that it had before. */
  readonly cookie: string | null;
};

/** Somebody who has signed in, and the cookie that is theirs from now on. */
export type CameIn = { readonly cookie: string; readonly principal: Principal };

const COOKIE = /^[\w-]{43}$/;
const LONGEST_USER_AGENT = 200;

/** null: no such session, or it has ended. Throws `tenant-suspended`. */
export async function authenticateSession(deps: SessionDeps, cookie: string): Promise<Visitor | null> {
  if (!COOKIE.test(cookie)) return null;
  const found = await deps.store.sessions.authenticate(hashOf(cookie), goodSince(deps));
  if (found === null) return null;
  if (found.tenantIs === 'suspended') throw tenantSuspended();
  return { caller: callerOf(found.principal, 'person'), session: found.session };
}

function goodSince({ clock, sessionLimits }: SessionDeps) {
  const now = clock.now();
  return { now, usedAfter: new Date(now.getTime() - sessionLimits.idleMs) };
}

/** A session that is about to be opened, and the cookie that alone opens it. */
export function newSession(
  { sessionLimits }: Pick<SessionDeps, 'sessionLimits'>,
  method: SignInMethod,
  userAgent: string | undefined,
  at: Date,
): { readonly cookie: string; readonly session: NewSession } {
  const cookie = newSecret();
  const session = {
    id: SessionId.parse(v7()),
    hash: hashOf(cookie),
    method,
    userAgent: userAgent?.replaceAll(/[^ -~]/g, '').slice(0, LONGEST_USER_AGENT) || null,
    expiresAt: new Date(at.getTime() + sessionLimits.longestMs),
  };
  return { cookie, session };
}

/** What a sign-in leaves in the audit log. */
export function opened(
  principal: Pick<Principal, 'id' | 'name'>,
  session: Pick<NewSession, 'id' | 'method'>,
  details: AuditEntry['details'] = {},
): AuditEntry {
  return {
    actor: { kind: 'person', id: principal.id, name: principal.name },
    action: 'session.opened',
    subject: { kind: 'session', id: session.id },
    details: { method: session.method, ...details },
  };
}

/** Who signs in again has one cookie: the session of the one that it takes the place of ends. */
export async function endReplaced(
  deps: SessionDeps,
  principal: Pick<Principal, 'id' | 'name'>,
  before: string | null,
): Promise<void> {
  if (before === null || !COOKIE.test(before)) return;
  const actor = { kind: 'person' as const, id: principal.id, name: principal.name };
  const which = { hash: hashOf(before) };
  await deps.store.sessions.end(deps.store.root, which, ended(actor, 'signed-in-again', deps.clock.now()));
}

export type WhyEnded = 'signed-out' | 'signed-in-again' | 'ended' | 'login-rebound' | 'provider-removed';

export function ended(actor: AuditEntry['actor'], because: WhyEnded, at: Date): (id: SessionId) => Audited {
  return (id) => ({
    at,
    entry: { actor, action: 'session.ended', subject: { kind: 'session', id }, details: { because } },
  });
}

/** Ends the session that the visitor came with. */
export async function signOut(deps: SessionDeps, { caller, session }: Visitor): Promise<void> {
  const audit = ended(caller.actor, 'signed-out', deps.clock.now());
  await deps.store.sessions.end(session.tenant, { id: session.id }, audit);
}

export const ListSessions = PageOptions.extend({
  principal: PrincipalId.nullable().default(null).describe('Whose; without it your own.'),
});

/** The good ones, the oldest first. Throws `invalid-input`, `not-found` for the principal, `forbidden` for another's. */
export async function listSessions(
  deps: SessionDeps,
  caller: Caller,
  input: z.input<typeof ListSessions> = {},
): Promise<Listed<Session>> {
  const { principal: wanted, ...page } = parseInput(ListSessions, input);
  const filter = { ...page, ...goodSince(deps) };
  if (isOwn(caller, wanted))
    return await deps.store.sessions.list(deps.store.root, { ...filter, principal: caller.principal });
  authorise(caller, 'principals.read');
  const principal = await deps.store.principals.get(caller.tenant, wanted ?? caller.principal);
  if (principal === null) throw notFound('principal');
  return await deps.store.sessions.list(caller.tenant, { ...filter, principal: principal.id });
}

/** Ends one. Throws `not-found`, also for one that has ended or is not the caller's to end; `forbidden` for that of the role system. */
export async function endSession(deps: SessionDeps, caller: Caller, id: string): Promise<void> {
  const known = parseId(SessionId, id);
  const own = known === null ? null : await deps.store.sessions.get(deps.store.root, known);
  if (own !== null && isOwn(caller, own.principal.id)) {
    await deps.store.sessions.end(own.session.tenant, { id: own.session.id }, endedBy(deps, caller));
    return;
  }
  const theirs = known !== null && can(caller, 'principals.write');
  const found = theirs ? await deps.store.sessions.get(caller.tenant, known) : null;
  if (found === null) throw notFound('session');
  refuseTowardsSystem(caller, found.principal);
  await deps.store.sessions.end(caller.tenant, { id: found.session.id }, endedBy(deps, caller));
}

export const EndedSessions = z.strictObject({
  principal: PrincipalId.nullable().default(null).describe('Whose; without it your own.'),
});

/** Signs somebody out everywhere. Throws `invalid-input`, `not-found` for the principal, `forbidden`. */
export async function endSessionsOf(
  deps: SessionDeps,
  caller: Caller,
  input: z.input<typeof EndedSessions> = {},
): Promise<{ readonly ended: number }> {
  const { principal: wanted } = parseInput(EndedSessions, input);
  if (isOwn(caller, wanted)) {
    const own = { principals: [caller.principal] };
    return { ended: await deps.store.sessions.end(deps.store.root, own, endedBy(deps, caller)) };
  }
  authorise(caller, 'principals.write');
  const principal = await deps.store.principals.get(caller.tenant, wanted ?? caller.principal);
  if (principal === null) throw notFound('principal');
  refuseTowardsSystem(caller, principal);
  const theirs = { principals: [principal.id] };
  return { ended: await deps.store.sessions.end(caller.tenant, theirs, endedBy(deps, caller)) };
}

function endedBy({ clock }: SessionDeps, caller: Caller) {
  return ended(caller.actor, 'ended', clock.now());
}

/** A key that was narrowed does not stand for its principal here, nor does a support access. */
function isOwn(caller: Caller, principal: PrincipalId | null): boolean {
  const whole =
    caller.actor.kind === 'person' && allowedTo[caller.role].every((action) => can(caller, action));
  return whole && (principal === null || principal === caller.principal);
}

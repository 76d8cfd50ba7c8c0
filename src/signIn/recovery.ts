/** Recovery codes: the way in for whoever runs the install when no provider works. */
import { randomBytes } from 'node:crypto';
import { v7 } from 'uuid';
import { PrincipalId } from '../domain/ids.ts';
import { notFound, parseId } from '../domain/input.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { OPERATOR_PREFIX } from '../domain/principal.ts';
import { Problem } from '../domain/problem.ts';
import { cleanRecoveryCode, recoveryCode } from '../domain/signIn.ts';
import type { NewLink } from '../store/signIn.ts';
import { refuseMore } from '../tenancy/principals.ts';
import type { SignInDeps } from './deps.ts';
import { hashOf } from './secret.ts';
import { type Browser, type CameIn, endReplaced, newSession, opened } from './sessions.ts';

const HOW_MANY = 10;

/** Shown once; what is kept are hashes. Each is good for one session, and does not expire. */
export function newRecoveryCodes(): {
  readonly codes: readonly string[];
  readonly links: readonly NewLink[];
} {
  const codes = Array.from({ length: HOW_MANY }, () => recoveryCode(randomBytes(20)));
  const links = codes.map((code) => ({ id: v7(), hash: hashOf(code), expiresAt: null }));
  return { codes, links };
}

/**
 * New ones, for somebody with the role system: those from before are worth nothing any more. Everybody else asks for an invitation.
 * Throws `not-found`, `forbidden` where the principal can do more than the caller, `not-allowed-now`.
 */
export async function createRecoveryCodes(
  { store, clock }: Pick<SignInDeps, 'store' | 'clock'>,
  caller: Caller,
  id: string,
): Promise<{ readonly principal: PrincipalId; readonly codes: readonly string[] }> {
  authorise(caller, 'principals.write');
  const known = parseId(PrincipalId, id);
  const principal = known === null ? null : await store.principals.get(caller.tenant, known);
  if (principal === null) throw notFound('principal');
  refuseMore(caller, principal.role);
  if (principal.role !== 'system' || principal.name.startsWith(OPERATOR_PREFIX)) {
    throw new Problem({
      code: 'not-allowed-now',
      message: 'Recovery codes are for people with the role system alone.',
      remedy: 'Invite this principal to sign in with a provider instead.',
    });
  }
  const { codes, links } = newRecoveryCodes();
  await store.signIn.replaceRecoveryCodes(caller.tenant, principal, links, {
    at: clock.now(),
    entry: {
      actor: caller.actor,
      action: 'recovery-codes.created',
      subject: { kind: 'principal', id: principal.id },
      details: { codes: links.length },
    },
  });
  return { principal: principal.id, codes };
}

/** Throws `too-many-attempts`, `sign-in-refused`. A code that is unknown, used or of somebody disabled gets the same answer. */
export async function signInWithRecoveryCode(
  deps: SignInDeps,
  typed: string,
  browser: Browser,
): Promise<CameIn> {
  const { store, clock, failures } = deps;
  failures.secrets.refuseTooMany(browser.address);
  const at = clock.now();
  const { cookie, session } = newSession(deps, 'recovery', browser.userAgent, at);
  const principal = await store.signIn.useRecoveryCode(
    hashOf(cleanRecoveryCode(typed)),
    session,
    at,
    (owner, left) => opened(owner, session, { codesLeft: left }),
  );
  if (principal === null) {
    await recordWorthless(deps, browser, { method: 'recovery', because: 'code-worthless' });
    throw new Problem({
      code: 'sign-in-refused',
      message: 'This recovery code opens nothing.',
      remedy: 'Look whether it is spelt as it was shown, and not crossed out: each is good once.',
    });
  }
  await endReplaced(deps, principal, browser.cookie);
  return { cookie, principal };
}

/** A set-up link, an invitation or a code that opens nothing: counted, and written down as long as there are not too many. */
export async function recordWorthless(
  { store, clock, failures }: Pick<SignInDeps, 'store' | 'clock' | 'failures'>,
  { address }: Pick<Browser, 'address'>,
  details: { readonly method: 'set-up' | 'invitation' | 'recovery'; readonly because: string },
): Promise<void> {
  if (!failures.secrets.count(address)) return;
  await store.signIn.recordRefusal(store.root, {
    at: clock.now(),
    entry: {
      actor: { kind: 'system', id: null, name: 'sign-in' },
      action: 'sign-in.refused',
      subject: { kind: 'tenant', id: store.root },
      details,
    },
  });
}

/**
 * A sign-in with a provider, from the button to the session.
 *
 *   begun (sealed cookie, ten minutes) --the browser goes to the provider and comes back--> vouched for
 *   vouched for --bound to a principal, or by this invitation--> session      otherwise: refused, audited, nothing kept
 */
import type { IdClaim } from '../../connectors/contract.ts';
import type { AuditEntry } from '../domain/audit.ts';
import { TenantId } from '../domain/ids.ts';
import { notFound } from '../domain/input.ts';
import { Problem } from '../domain/problem.ts';
import { type Attempt, localPath, SignInProviderId } from '../domain/signIn.ts';
import { ownSuspended } from '../domain/tenant.ts';
import type { SignInRefusal } from '../store/signIn.ts';
import type { OpenedProvider } from '../store/signInProviders.ts';
import { publicUrlFrom, type SignInDeps } from './deps.ts';
import {
  authorizationUrl,
  type Configuration,
  newChallenge,
  type Vouched,
  vouchedBy,
  withProvider,
} from './openId.ts';
import { redirectUriOf } from './providers.ts';
import { hashOf } from './secret.ts';
import { type Browser, type CameIn, ended, endReplaced, newSession, opened } from './sessions.ts';

export const ATTEMPT_MS = 10 * 60_000;

/**
 * What principals of a tenant sign in with. Never by its name: anybody who may make a tenant could give it the name of another's, learn
 * so whether there is one, and stand in its place. What is no tenant's id is answered as the root's.
 */
export async function offeredProviders({ store }: Pick<SignInDeps, 'store'>, tenant: string | null) {
  const id = TenantId.safeParse(tenant);
  return await store.signInProviders.offered(id.success ? id.data : store.root);
}

/**
 * Where the browser goes, and what it has to keep until it comes back. Throws `not-found`, `sign-in-failed`, `too-many-attempts`,
 * `bad-configuration`.
 */
export async function beginSignIn(
  deps: SignInDeps,
  wanted: { readonly provider: unknown; readonly invitation: string | null; readonly returnTo: unknown },
  { address }: Pick<Browser, 'address'>,
): Promise<{ readonly location: string; readonly attempt: string }> {
  const publicUrl = publicUrlFrom(deps);
  deps.failures.beginnings.refuseTooMany(address);
  const challenge = newChallenge();
  const begin = async () => {
    const provider = await openProvider(deps, wanted.provider);
    const onward = (found: Configuration) =>
      authorizationUrl(found, challenge, redirectUriOf(publicUrl, provider.id), idClaimOf(deps, provider));
    return { provider, location: await withProvider(provider, onward, deps.discoveries) };
  };
  const { provider, location } = await begin().catch((error) => {
    deps.failures.beginnings.count(address); // whoever comes again and again makes us wait for a provider that is not there
    throw error;
  });
  const attempt = deps.store.signIn.sealAttempt({
    ...challenge,
    provider: provider.id,
    invitation: wanted.invitation,
    returnTo: localPath(wanted.returnTo),
    expiresAt: deps.clock.now().getTime() + ATTEMPT_MS,
  });
  return { location, attempt };
}

/** null: the subject is the directory's id of a person, or no connector knows the issuer. */
function idClaimOf(
  { connectors }: Pick<SignInDeps, 'connectors'>,
  { issuer }: OpenedProvider,
): IdClaim | null {
  for (const { idClaimOf } of Object.values(connectors)) {
    const claim = idClaimOf?.(issuer) ?? null;
    if (claim !== null) return claim;
  }
  return null;
}

async function openProvider({ store }: SignInDeps, id: unknown): Promise<OpenedProvider> {
  const known = SignInProviderId.safeParse(id);
  const provider = known.success ? await store.signInProviders.open(store.root, known.data) : null;
  if (provider === null) throw notFound('sign-in provider');
  return provider;
}

/**
 * @param query what the provider added to the redirect URI, as it came
 * @param sealed what the browser has kept
 * Throws `sign-in-refused`, `sign-in-failed`; refusals are in the audit log of the provider's tenant, as long as they are not too many.
 */
export async function finishSignIn(
  deps: SignInDeps,
  back: { readonly provider: string; readonly query: string; readonly sealed: string | null },
  browser: Browser,
): Promise<CameIn & { readonly returnTo: string | null }> {
  const attempt = attemptOf(deps, back);
  const provider = await openProvider(deps, attempt.provider);
  const answer = new URL(`${redirectUriOf(publicUrlFrom(deps), provider.id)}${back.query}`);
  const { subject, externalId } = await vouchedFor(deps, provider, answer, attempt, browser);
  const { clock, store } = deps;
  const at = clock.now();
  const { cookie, session } = newSession(deps, 'openid-connect', browser.userAgent, at);
  const result = await store.signIn.signIn({
    provider,
    subject,
    externalId,
    invitation: attempt.invitation === null ? null : hashOf(attempt.invitation),
    session,
    at,
    audit: ({ principal, bound }) => {
      const entry = opened(principal, session, { provider: provider.id });
      return bound === 'no' ? [entry] : [boundTo(entry, principal.id, provider.id, bound), entry];
    },
    ended: ended({ kind: 'system', id: null, name: 'sign-in' }, 'login-rebound', at),
  });
  if (result.refused !== null) {
    const { refused, principal } = result;
    await recordRefusal(deps, provider, browser, { because: refused, principal });
    throw new Problem({ code: 'sign-in-refused', ...refusals[refused] });
  }
  await endReplaced(deps, result.principal, browser.cookie);
  return { cookie, principal: result.principal, returnTo: attempt.returnTo };
}

function boundTo(
  { actor }: AuditEntry,
  principal: string,
  provider: SignInProviderId,
  bound: 'first' | 'again',
): AuditEntry {
  const subject = { kind: 'principal', id: principal } as const;
  return { actor, action: 'login.bound', subject, details: { provider, replaces: bound === 'again' } };
}

/** Throws `sign-in-refused` unless this browser began it, with this provider, a short while ago. */
function attemptOf(
  { store, clock }: SignInDeps,
  { provider, sealed }: { readonly provider: string; readonly sealed: string | null },
): Attempt {
  const attempt = sealed === null ? null : store.signIn.openAttempt(sealed);
  if (attempt !== null && attempt.expiresAt > clock.now().getTime() && attempt.provider === provider)
    return attempt;
  throw new Problem({
    code: 'sign-in-refused',
    message: 'This browser has begun no sign-in that fits, or began it more than ten minutes ago.',
    remedy: 'Begin again, in one tab, with cookies allowed.',
  });
}

async function vouchedFor(
  deps: SignInDeps,
  provider: OpenedProvider,
  answer: URL,
  attempt: Attempt,
  browser: Browser,
): Promise<Vouched> {
  const idClaim = idClaimOf(deps, provider);
  try {
    return await withProvider(
      provider,
      (found) => vouchedBy(found, answer, attempt, idClaim),
      deps.discoveries,
    );
  } catch (error) {
    await recordRefusal(deps, provider, browser, { because: 'provider-failed', principal: null });
    throw error;
  }
}

async function recordRefusal(
  { store, clock, failures }: SignInDeps,
  { id, tenant }: OpenedProvider,
  { address }: Browser,
  { because, principal }: { readonly because: string; readonly principal: string | null },
): Promise<void> {
  if (!failures.providers.count(address)) return;
  await store.signIn.recordRefusal(tenant, {
    at: clock.now(),
    entry: {
      actor: { kind: 'system', id: null, name: 'sign-in' },
      action: 'sign-in.refused',
      subject: { kind: 'sign-in-provider', id },
      details: { because, principal },
    },
  });
}

const refusals = {
  'login-unknown': {
    message: 'The provider knows you, and nobody here has been given your login yet.',
    remedy: 'Ask an administrator for an invitation, and open its link in this browser.',
  },
  'login-of-another': {
    message: 'Your login at the provider belongs to another principal already.',
    remedy: 'Sign out at the provider and come back with the account that the invitation is meant for.',
  },
  'invitation-worthless': {
    message: 'The invitation was used, has expired, or was withdrawn.',
    remedy: 'Ask whoever invited you for another one.',
  },
  'provider-elsewhere': {
    message: 'This provider does not speak for your tenant.',
    remedy: 'Sign in with a provider of your own tenant, or ask an administrator for an invitation to one.',
  },
  'principal-disabled': {
    message: 'Your principal is disabled.',
    remedy: 'Ask an administrator of your tenant.',
  },
  'tenant-suspended': ownSuspended,
} as const satisfies Record<SignInRefusal, { readonly message: string; readonly remedy: string }>;

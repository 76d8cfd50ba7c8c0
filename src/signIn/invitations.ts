/** Invitations: whoever holds one binds who they are at a provider to a principal, once. An address never does. */
import { v7 } from 'uuid';
import { z } from 'zod';
import { PrincipalId } from '../domain/ids.ts';
import { notFound, parseId, parseInput } from '../domain/input.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { OPERATOR_PREFIX, type Principal } from '../domain/principal.ts';
import { Problem } from '../domain/problem.ts';
import { refuseMore } from '../tenancy/principals.ts';
import { publicUrlFrom, type SignInDeps } from './deps.ts';
import { recordWorthless } from './recovery.ts';
import { hashOf, newSecret } from './secret.ts';
import type { Browser } from './sessions.ts';

type Deps = Pick<SignInDeps, 'store' | 'clock' | 'publicUrl'>;

/** Thirty days, and seven. */
const LONGEST_MINUTES = 30 * 24 * 60;
const USUAL_MINUTES = 7 * 24 * 60;

export const NewInvitation = z.strictObject({
  principal: z.string(),
  /** How long it is good. */
  minutes: z.coerce.number<number | string>().int().min(1).max(LONGEST_MINUTES).default(USUAL_MINUTES),
});

export type Invitation = { readonly principal: PrincipalId; readonly link: string; readonly expiresAt: Date };

/**
 * A link for a principal, shown this once, in the place of an earlier one that was not used.
 * Throws `invalid-input`, `not-found`, `forbidden` where the principal can do more than the caller, `not-allowed-now`, `bad-configuration`.
 */
export async function invitePrincipal(
  deps: Deps,
  caller: Caller,
  input: z.input<typeof NewInvitation>,
): Promise<Invitation> {
  authorise(caller, 'principals.write');
  const { principal: wanted, minutes } = parseInput(NewInvitation, input);
  const principal = await ownPrincipal(deps, caller, wanted);
  refuseMachine(principal);
  const publicUrl = publicUrlFrom(deps);
  const at = deps.clock.now();
  const expiresAt = new Date(at.getTime() + minutes * 60_000);
  const secret = newSecret();
  await deps.store.signIn.insertInvitation(
    caller.tenant,
    principal,
    { id: v7(), hash: hashOf(secret), expiresAt },
    {
      at,
      entry: {
        actor: caller.actor,
        action: 'principal.invited',
        subject: { kind: 'principal', id: principal.id },
        details: { expiresAt: expiresAt.toISOString() },
      },
    },
  );
  const link = `${publicUrl}/sign-in/invitation?token=${secret}`;
  return { principal: principal.id, link, expiresAt };
}

/** What was not used is worth nothing any more. Again is no error. Throws `not-found`, `forbidden`. */
export async function withdrawInvitation(deps: Deps, caller: Caller, id: string): Promise<void> {
  authorise(caller, 'principals.write');
  const principal = await ownPrincipal(deps, caller, id);
  await deps.store.signIn.withdrawInvitation(caller.tenant, principal, {
    at: deps.clock.now(),
    entry: {
      actor: caller.actor,
      action: 'invitation.withdrawn',
      subject: { kind: 'principal', id: principal.id },
      details: {},
    },
  });
}

/** Whom an invitation is for, for whoever holds it. Looking uses nothing up. Throws `too-many-attempts`, `sign-in-refused` for one that is not good. */
export async function invitedBy(
  deps: Pick<SignInDeps, 'store' | 'clock' | 'failures'>,
  token: string,
  browser: Pick<Browser, 'address'>,
): Promise<{ readonly principal: Principal; readonly tenantName: string }> {
  const { store, clock, failures } = deps;
  failures.secrets.refuseTooMany(browser.address);
  const principal = await store.signIn.invited(hashOf(token), clock.now());
  const tenant = principal === null ? null : await store.tenants.get(principal.tenant, principal.tenant);
  if (principal !== null && tenant !== null) return { principal, tenantName: tenant.name };
  await recordWorthless(deps, browser, { method: 'invitation', because: 'link-worthless' });
  throw new Problem({
    code: 'sign-in-refused',
    message: 'This invitation opens nothing: it was used, has expired, or was withdrawn.',
    remedy: 'Ask whoever invited you for another one.',
  });
}

async function ownPrincipal({ store }: Deps, caller: Caller, id: string): Promise<Principal> {
  const known = parseId(PrincipalId, id);
  const principal = known === null ? null : await store.principals.get(caller.tenant, known);
  if (principal === null) throw notFound('principal');
  refuseMore(caller, principal.role);
  return principal;
}

function refuseMachine({ name, role, disabledAt }: Principal): void {
  const because = name.startsWith(OPERATOR_PREFIX)
    ? 'An operator comes by the command line.'
    : role === 'application'
      ? 'A machine comes with an API key.'
      : disabledAt === null
        ? null
        : 'This principal is disabled.';
  if (because === null) return;
  throw new Problem({
    code: 'not-allowed-now',
    message: `This principal cannot be invited to sign in. ${because}`,
    remedy: 'Invite another principal, made for the person.',
  });
}

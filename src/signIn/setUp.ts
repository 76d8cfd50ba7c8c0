/** The first administrator: a link that is good once, printed where only whoever runs the install reads it. */
import { v7 } from 'uuid';
import { z } from 'zod';
import type { Actor } from '../domain/audit.ts';
import { PrincipalId } from '../domain/ids.ts';
import { Name, parseInput } from '../domain/input.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { OPERATOR_PREFIX } from '../domain/principal.ts';
import { Problem } from '../domain/problem.ts';
import { refuseMore } from '../tenancy/principals.ts';
import { publicUrlFrom, type SignInDeps } from './deps.ts';
import { newRecoveryCodes, recordWorthless } from './recovery.ts';
import { hashOf, newSecret } from './secret.ts';
import { type Browser, type CameIn, newSession, opened } from './sessions.ts';

const GOOD_FOR_MS = 24 * 60 * 60_000;

type Deps = Pick<SignInDeps, 'store' | 'clock' | 'publicUrl'>;

/**
 * `link`: shown this once. `there`: one was made before and is still good. `token`: that of ROLLCALL_SETUP_TOKEN opens the page.
 * `done`: the install has been set up, or somebody has accepted an invitation; no set-up link will ever open again. `nowhere`: the
 * public URL is not known.
 */
export type SetUpOffer =
  | { readonly state: 'link'; readonly link: string; readonly expiresAt: Date }
  | { readonly state: 'token'; readonly page: string }
  | { readonly state: 'there' | 'done' | 'nowhere' };

/** At the start of the API. @param token of the operator's own choice, which does not expire; null: one is made, unless there is one */
export async function offerSetUp(deps: Deps, token: string | null): Promise<SetUpOffer> {
  if (!(await deps.store.signIn.setUpIsOpen())) return { state: 'done' };
  if (deps.publicUrl() === null) return { state: 'nowhere' };
  return await offer(deps, { kind: 'system', id: null, name: 'set-up' }, { token, fresh: false });
}

/**
 * A fresh link in the place of the one before. Throws `forbidden` unless the caller is the whole system, `not-allowed-now` once Rollcall
 * is set up, `bad-configuration`.
 */
export async function freshSetUpLink(
  deps: Deps,
  caller: Caller,
): Promise<{ readonly link: string; readonly expiresAt: Date }> {
  authorise(caller, 'principals.write');
  refuseMore(caller, 'system');
  const offered = await offer(deps, caller.actor, { token: null, fresh: true });
  if (offered.state === 'link') return { link: offered.link, expiresAt: offered.expiresAt };
  throw new Problem({
    code: 'not-allowed-now',
    message: 'This Rollcall has been set up.',
    remedy:
      'Whoever lost their way in gets another: `rollcall principals invite NAME` for a provider, `rollcall principals recovery-codes NAME` without one.',
  });
}

async function offer(
  deps: Deps,
  actor: Actor,
  { token, fresh }: { readonly token: string | null; readonly fresh: boolean },
): Promise<SetUpOffer> {
  const { store, clock } = deps;
  const at = clock.now();
  const secret = token ?? newSecret();
  const expiresAt = token === null ? new Date(at.getTime() + GOOD_FOR_MS) : null;
  const page = `${publicUrlFrom(deps)}/set-up`;
  const result = await store.signIn.offerSetUp(
    { id: v7(), hash: hashOf(secret), expiresAt },
    { fresh: fresh || token !== null },
    {
      at,
      entry: {
        actor,
        action: 'set-up-link.created',
        subject: { kind: 'tenant', id: store.root },
        details: { expiresAt: expiresAt?.toISOString() ?? null },
      },
    },
  );
  if (result === 'done') return { state: 'done' };
  if (expiresAt === null) return { state: 'token', page };
  return result === 'there'
    ? { state: 'there' }
    : { state: 'link', link: `${page}?token=${secret}`, expiresAt };
}

/**
 * Whether this token would open the set-up now. Looking uses nothing up: mail scanners look at every link; guessing counts like any other.
 * Throws `too-many-attempts`.
 */
export async function setUpIsGood(
  deps: Pick<SignInDeps, 'store' | 'clock' | 'failures'>,
  token: string,
  browser: Pick<Browser, 'address'>,
): Promise<boolean> {
  deps.failures.secrets.refuseTooMany(browser.address);
  const isGood = await deps.store.signIn.setUpIsGood(hashOf(token), deps.clock.now());
  if (!isGood) await recordWorthless(deps, browser, { method: 'set-up', because: 'link-worthless' });
  return isGood;
}

/** Whether there will be a first administrator yet. */
export async function setUpIsOpen({ store }: Pick<Deps, 'store'>): Promise<boolean> {
  return await store.signIn.setUpIsOpen();
}

export const SetUp = z.object({
  token: z.string().min(1, 'is empty').max(200),
  name: Name.refine((name) => !name.startsWith(OPERATOR_PREFIX), `begins with ${OPERATOR_PREFIX}`),
});

/**
 * Makes the first principal with the role system, a session for it, and recovery codes, which are shown this once.
 * Throws `invalid-input`, `too-many-attempts`, `sign-in-refused` for a token that is not good, `name-taken`.
 */
export async function setUp(
  deps: SignInDeps,
  input: z.input<typeof SetUp>,
  browser: Browser,
): Promise<CameIn & { readonly codes: readonly string[] }> {
  const { store, clock, failures } = deps;
  failures.secrets.refuseTooMany(browser.address);
  const { token, name } = parseInput(SetUp, input);
  const at = clock.now();
  const id = PrincipalId.parse(v7());
  const { cookie, session } = newSession(deps, 'set-up', browser.userAgent, at);
  const { codes, links } = newRecoveryCodes();
  const principal = { id, tenant: store.root, name, role: 'system' } as const;
  const actor = { kind: 'person', id, name } as const;
  const subject = { kind: 'principal', id } as const;
  const made = await store.signIn.setUp(hashOf(token), {
    principal,
    codes: links,
    session,
    at,
    entries: [
      { actor, action: 'principal.created', subject, details: { role: 'system', by: 'set-up-link' } },
      { actor, action: 'recovery-codes.created', subject, details: { codes: links.length } },
      opened(principal, session),
    ],
  });
  if (made !== null) return { cookie, principal: made, codes };
  await recordWorthless(deps, browser, { method: 'set-up', because: 'link-worthless' });
  throw new Problem({
    code: 'sign-in-refused',
    message: 'This set-up link opens nothing: it was used, has expired, or was replaced by another.',
    remedy:
      'Whoever runs this Rollcall can print a fresh one with `rollcall set-up-link`, unless it has been set up.',
  });
}

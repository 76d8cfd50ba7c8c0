/** The OpenID Connect providers that administrators of a tenant, and of those below it, sign in with. */
import { v7 } from 'uuid';
import { z } from 'zod';
import { TenantId } from '../domain/ids.ts';
import { MOST_NAMESAKES, Name, notFound, onlyOne, parseId, parseInput } from '../domain/input.ts';
import { type Listed, PageOptions, TopTenant } from '../domain/page.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import { Problem } from '../domain/problem.ts';
import { Issuer, type SignInProvider, SignInProviderId } from '../domain/signIn.ts';
import { Certificates } from '../tenancy/connectionInput.ts';
import { refuseMore } from '../tenancy/principals.ts';
import { publicUrlFrom, type SignInDeps } from './deps.ts';
import { clientIsKnown, signingKeys, withProvider } from './openId.ts';
import { ended } from './sessions.ts';

export type ProviderDeps = Omit<SignInDeps, 'failures' | 'discoveries' | 'sessionLimits'>;

/** With the address that has to be registered at the provider. */
export type ShownProvider = SignInProvider & { readonly redirectUri: string | null };

const Secret = z.string().min(1, 'is empty').max(2_000);

export const NewSignInProvider = z.strictObject({
  /** null: the caller's own. */
  tenant: TenantId.nullable().default(null),
  name: Name,
  issuer: Issuer,
  clientId: z.string().min(1, 'is empty').max(500),
  /** null: a public client. */
  clientSecret: Secret.nullable().default(null),
  /** PEM certificates to trust besides the system's. */
  ca: Certificates.nullable().default(null),
});

/**
 * Asks the provider what it says of itself first. Throws `invalid-input`, `sign-in-failed`, `not-found` for the tenant, `forbidden` where
 * people could come by it who can do more than the caller, `name-taken`.
 */
export async function addSignInProvider(
  deps: ProviderDeps,
  caller: Caller,
  input: z.input<typeof NewSignInProvider>,
): Promise<ShownProvider> {
  authorise(caller, 'sign-in.write');
  const { tenant, ...given } = parseInput(NewSignInProvider, input);
  const at = tenant ?? caller.tenant;
  refuseVouching(deps, caller, at);
  await withProvider(given, async () => {});
  const id = SignInProviderId.parse(v7());
  const { name, issuer, clientId } = given;
  const added = await deps.store.signInProviders.insert(
    caller.tenant,
    { ...given, id, tenant: at },
    {
      at: deps.clock.now(),
      entry: {
        actor: caller.actor,
        action: 'sign-in-provider.added',
        subject: { kind: 'sign-in-provider', id },
        details: { name, issuer, clientId },
      },
    },
  );
  return shown(deps, added);
}

export const ChangedSignInProvider = z.strictObject({
  signInProvider: z.string(),
  name: Name.optional(),
  /** null: a public client. */
  clientSecret: Secret.nullable().optional(),
  ca: Certificates.nullable().optional(),
});

/**
 * Issuer and client id stay: whoever is bound to the provider is so by what that issuer calls them.
 * Throws `invalid-input`, `not-found`, `forbidden` as for adding it, `sign-in-failed`, `name-taken`.
 */
export async function updateSignInProvider(
  deps: ProviderDeps,
  caller: Caller,
  input: z.input<typeof ChangedSignInProvider>,
): Promise<ShownProvider> {
  authorise(caller, 'sign-in.write');
  const { signInProvider, ...given } = parseInput(ChangedSignInProvider, input);
  const patch = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const before = await openOwn(deps, caller, signInProvider);
  refuseVouching(deps, caller, before.tenant);
  const fields = Object.keys(patch).sort();
  if (fields.length === 0) return shown(deps, before);
  await withProvider({ ...before, ...patch }, async () => {});
  const after = await deps.store.signInProviders.update(caller.tenant, before.id, patch, {
    at: deps.clock.now(),
    entry: {
      actor: caller.actor,
      action: 'sign-in-provider.updated',
      subject: { kind: 'sign-in-provider', id: before.id },
      details: { fields },
    },
  });
  if (after === null) throw notFound('sign-in provider');
  return shown(deps, after);
}

export const ListSignInProviders = PageOptions.extend({
  tenant: TopTenant,
});

/** Never with their secrets. Throws `invalid-input`, `not-found` for the tenant. */
export async function listSignInProviders(
  deps: ProviderDeps,
  caller: Caller,
  input: z.input<typeof ListSignInProviders> = {},
): Promise<Listed<ShownProvider>> {
  authorise(caller, 'sign-in.read');
  const { tenant, ...page } = parseInput(ListSignInProviders, input);
  const filter = { ...page, tenant: tenant ?? caller.tenant };
  const { items, next } = await deps.store.signInProviders.list(caller.tenant, filter);
  return { items: items.map((provider) => shown(deps, provider)), next };
}

/** By id, or by a name that only one of the caller's subtree has. Throws `not-found`, `invalid-input` with the ids to choose from. */
export async function findSignInProvider(
  deps: ProviderDeps,
  caller: Caller,
  nameOrId: string,
): Promise<ShownProvider> {
  authorise(caller, 'sign-in.read');
  const known = parseId(SignInProviderId, nameOrId);
  if (known !== null) {
    const found = await deps.store.signInProviders.get(caller.tenant, known);
    if (found === null) throw notFound('sign-in provider');
    return shown(deps, found);
  }
  const named = await deps.store.signInProviders.named(caller.tenant, nameOrId, MOST_NAMESAKES);
  return shown(
    deps,
    onlyOne('sign-in provider', named, ({ tenant }) => `of tenant ${tenant}`, nameOrId),
  );
}

/** With who was bound to it: they are signed out, and need a new invitation for another provider. Throws `not-found`. */
export async function removeSignInProvider(deps: ProviderDeps, caller: Caller, id: string): Promise<void> {
  authorise(caller, 'sign-in.write');
  const known = parseId(SignInProviderId, id);
  const found = known === null ? null : await deps.store.signInProviders.get(caller.tenant, known);
  if (found === null) throw notFound('sign-in provider');
  const at = deps.clock.now();
  const { name, issuer, clientId } = found;
  const entry = {
    actor: caller.actor,
    action: 'sign-in-provider.removed',
    subject: { kind: 'sign-in-provider', id: found.id },
    details: { name, issuer, clientId },
  } as const;
  const signedOut = ended(caller.actor, 'provider-removed', at);
  await deps.store.signInProviders.remove(caller.tenant, found, { at, entry }, signedOut);
}

/** One line of a test. `ok: null`: not to be told from here. */
export type ProviderCheck = {
  readonly step: 'discovery' | 'keys' | 'pkce' | 'client' | 'redirect';
  readonly ok: boolean | null;
  readonly detail: string;
  readonly remedy: string | null;
};

/** Tries what can be tried without a person. Changes nothing. Throws `not-found`, `bad-configuration` without a public URL. */
export async function testSignInProvider(
  deps: ProviderDeps,
  caller: Caller,
  id: string,
): Promise<readonly ProviderCheck[]> {
  authorise(caller, 'sign-in.write');
  const provider = await openOwn(deps, caller, id);
  const redirectUri = redirectUriOf(publicUrlFrom(deps), provider.id);
  const checks: ProviderCheck[] = [];
  try {
    await withProvider(provider, async (found) => {
      checks.push(passed('discovery', `${provider.issuer} offers the code flow`));
      const keys = await signingKeys(found);
      checks.push(keys > 0 ? passed('keys', `${keys} in its key set`) : failed('keys', noKeys));
      checks.push(pkceCheck(found.serverMetadata().code_challenge_methods_supported));
      checks.push(clientChecks[await clientIsKnown(found, redirectUri)]);
    });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const step = (['discovery', 'keys', 'pkce', 'client'] as const)[checks.length] ?? 'client';
    checks.push(failed(step, { detail: error.message, remedy: error.remedy }));
  }
  const remedy = 'Have exactly this registered at the provider as a redirect URI of the application.';
  return [...checks, { step: 'redirect', ok: null, detail: redirectUri, remedy }];
}

function passed(step: ProviderCheck['step'], detail: string): ProviderCheck {
  return { step, ok: true, detail, remedy: null };
}

type Said = { readonly detail: string; readonly remedy: string };

function failed(step: ProviderCheck['step'], said: Said): ProviderCheck {
  return { step, ok: false, ...said };
}

const noKeys: Said = {
  detail: 'no keys to check its tokens with',
  remedy: 'Ask the administrator of the provider: its key set (jwks_uri) is empty or cannot be read.',
};

function pkceCheck(methods: readonly string[] | undefined): ProviderCheck {
  if (methods?.includes('S256')) return passed('pkce', 'S256');
  const remedy = 'Sign in once to see: a provider that does not know PKCE ignores it, as OAuth asks it to.';
  return { step: 'pkce', ok: null, detail: 'the provider does not say that it knows S256', remedy };
}

const clientChecks = {
  known: passed('client', 'the provider knows the client and its secret'),
  refused: failed('client', {
    detail: 'the provider refuses the client id or its secret',
    remedy: 'Give the present secret with `rollcall sign-in update`; a wrong client id needs a new provider.',
  }),
  unclear: {
    step: 'client',
    ok: null,
    detail: 'whether the provider knows the client cannot be told from here',
    remedy: 'Sign in once to see.',
  },
} as const satisfies Record<Awaited<ReturnType<typeof clientIsKnown>>, ProviderCheck>;

/** Whoever decides who vouches for the people of a tenant, and by which certificates that one is known, could come as any of them. */
function refuseVouching({ store }: ProviderDeps, caller: Caller, tenant: TenantId): void {
  refuseMore(caller, tenant === store.root ? 'system' : 'tenant-administrator');
}

async function openOwn({ store }: ProviderDeps, caller: Caller, id: string) {
  const known = parseId(SignInProviderId, id);
  const found = known === null ? null : await store.signInProviders.open(caller.tenant, known);
  if (found === null) throw notFound('sign-in provider');
  return found;
}

function shown({ publicUrl }: ProviderDeps, provider: SignInProvider): ShownProvider {
  const url = publicUrl();
  return { ...provider, redirectUri: url === null ? null : redirectUriOf(url, provider.id) };
}

/**
 * Each provider has its own: an answer that comes in at one was given by that one, so that no provider gets hold of what another
 * has said (RFC 9700, section 4.4.2.2).
 */
export function redirectUriOf(publicUrl: string, provider: SignInProviderId): string {
  return `${publicUrl}/sign-in/callback/${provider}`;
}

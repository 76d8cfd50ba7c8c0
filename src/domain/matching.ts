/** Which auth user, if any, a directory user without a link might be. E-mail is not identity: see rule 5 of docs/architecture.md. */
import type { FieldValue, StoredAuthUser } from './authUser.ts';
import type { Candidate, Cause } from './change.ts';
import { domainOf, emailKey } from './email.ts';
import type { AuthUserId } from './ids.ts';

/** An auth user with the same address. `links` counts the identities it has, of this or of any other connection. */
export type FoundAuthUser = StoredAuthUser & { readonly links: number };

export type Match =
  | { readonly kind: 'none' }
  | { readonly kind: 'certain'; readonly authUser: StoredAuthUser }
  | { readonly kind: 'uncertain'; readonly cause: Cause; readonly candidates: readonly Candidate[] };

/**
 * Certain only for exactly one auth user that has no link yet, at an address whose domain the tenant has verified. Deleted auth
 * users hold no address any more: a joiner who was given it never inherits their account.
 */
export function match(
  email: FieldValue | undefined,
  found: readonly FoundAuthUser[],
  verifiedDomains: ReadonlySet<string>,
): Match {
  const holders = found.filter((user) => user.state !== 'deleted');
  const [only] = holders;
  if (only === undefined) return { kind: 'none' };
  if (holders.length > 1) return uncertain('several-candidates', holders, 'has the same address');
  if (only.links > 0)
    return uncertain(
      'address-taken',
      holders,
      'has the same address and is linked to another directory user',
    );
  const key = typeof email === 'string' ? emailKey(email) : null;
  const domain = key === null ? null : domainOf(key);
  if (domain === null || !verifiedDomains.has(domain)) {
    return uncertain(
      'address-unverified',
      holders,
      'has the same address, whose domain the tenant has not verified',
    );
  }
  return { kind: 'certain', authUser: only };
}

function uncertain(cause: Cause, holders: readonly { readonly id: AuthUserId }[], because: string): Match {
  return { kind: 'uncertain', cause, candidates: holders.map((user) => ({ authUser: user.id, because })) };
}

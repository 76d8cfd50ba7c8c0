/** Which auth user, if any, a directory user without a link might be. E-mail is not identity: see rule 5 of docs/architecture.md. */
import type { FieldValue, StoredAuthUser } from './authUser.ts';
import type { Candidate, Cause } from './change.ts';
import { domainOf, emailKey } from './email.ts';
import type { TenantId } from './ids.ts';
import type { Place } from './place.ts';

/** An auth user with the same address. `links` counts the identities it has, of this or of any other connection. */
export type FoundAuthUser = StoredAuthUser & { readonly links: number };

export type Match =
  | { readonly kind: 'none' }
  | { readonly kind: 'certain'; readonly authUser: StoredAuthUser }
  | { readonly kind: 'uncertain'; readonly cause: Cause; readonly candidates: readonly Candidate[] };

/** By tenant: the domains, lower case and punycode, that each has verified itself. */
export type VerifiedDomains = ReadonlyMap<TenantId, ReadonlySet<string>>;

/**
 * Certain only for exactly one auth user that has no link yet, at an address whose domain is verified for the very tenant that the auth
 * user is in: of a domain that is verified above, whoever administers a tenant below could make an auth user with anybody's address,
 * and be given what is theirs. Deleted auth users hold no address any more: a joiner who was given it never inherits their account.
 * `placeOf`: where a tenant stands, for whom a person has to look.
 */
export function match(
  email: FieldValue | undefined,
  found: readonly FoundAuthUser[],
  verifiedDomains: VerifiedDomains,
  placeOf: (tenant: TenantId) => Place | undefined,
): Match {
  const uncertain = (cause: Cause, because: string): Match => ({
    kind: 'uncertain',
    cause,
    candidates: holders.map(({ id, tenant }) => {
      const place = placeOf(tenant) ?? null;
      return { authUser: id, because: place === null ? because : `is in the tenant ${place} and ${because}` };
    }),
  });
  const holders = found.filter((user) => user.state !== 'deleted');
  const [only] = holders;
  if (only === undefined) return { kind: 'none' };
  if (holders.length > 1) return uncertain('several-candidates', 'has the same address');
  if (only.links > 0)
    return uncertain('address-taken', 'has the same address and is linked to another directory user');
  const key = typeof email === 'string' ? emailKey(email) : null;
  const domain = key === null ? null : domainOf(key);
  if (domain === null || verifiedDomains.get(only.tenant)?.has(domain) !== true) {
    return uncertain('address-unverified', 'has the same address, whose domain the tenant has not verified');
  }
  return { kind: 'certain', authUser: only };
}

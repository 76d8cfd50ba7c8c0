/** Which auth user, if any, a directory user without a link might be. E-mail is not identity: see rule 5 of docs/architecture.md. */
import { z } from 'zod';
import type { Fields, FieldValue, StoredAuthUser } from './authUser.ts';
import type { Candidate, Cause, Evidence } from './change.ts';
import { domainOf, emailKey } from './email.ts';
import type { TenantId } from './ids.ts';
import { compileMatchExpression, MatchExpression } from './matchExpression.ts';
import { cleanText } from './normalise.ts';
import type { Place } from './place.ts';

const confidence = z
  .enum(['certain', 'likely'])
  .describe('certain: may be linked where it names one auth user alone; likely: a person has to say so.');

/**
 * An expression refines: it is asked of auth users who share the address, the employee number or the user name, and says which of them may
 * be meant.
 */
export const MatchingRule = z.discriminatedUnion('by', [
  z.strictObject({ by: z.enum(['email', 'employeeId', 'userName']), confidence }),
  z.strictObject({ by: z.literal('expression'), expression: MatchExpression, confidence }),
]);
export type MatchingRule = z.infer<typeof MatchingRule>;

/** In order: who is found by a rule is asked about before whoever is found by those after it. */
export const Matching = z
  .array(MatchingRule)
  .max(20)
  .default([{ by: 'email', confidence: 'certain' }])
  .describe(
    'How directory users without a link find the auth user that they are; by default by an address in a verified domain alone.',
  );
export type Matching = z.infer<typeof Matching>;

/** An auth user that one might be. `links` counts the identities it has, of this or of any other connection. */
export type FoundAuthUser = StoredAuthUser & { readonly links: number };

export type Match =
  | { readonly kind: 'none' }
  | { readonly kind: 'certain'; readonly cause: Cause; readonly authUser: StoredAuthUser }
  | { readonly kind: 'uncertain'; readonly cause: Cause; readonly candidates: readonly Candidate[] };

/** By tenant: the domains, lower case and punycode, that each has verified itself. */
export type VerifiedDomains = ReadonlyMap<TenantId, ReadonlySet<string>>;

type CompiledRule = MatchingRule & { readonly hits: (wanted: Fields, stored: Fields) => boolean };

/** Matching rules made ready: with the one for addresses, which is asked always. */
export type CompiledMatching = readonly CompiledRule[];

export function compileMatching(matching: readonly MatchingRule[]): CompiledMatching {
  const all = matching.some(({ by }) => by === 'email') ? matching : [...matching, HAS_THE_ADDRESS];
  return all.map((rule): CompiledRule => {
    if (rule.by === 'expression') return { ...rule, hits: compileMatchExpression(rule.expression) };
    const { by } = rule;
    return { ...rule, hits: (wanted, stored) => sameKey(by, wanted, stored) };
  });
}

export type MatchContext = {
  /** Of the connection. */
  readonly tenant: TenantId;
  readonly matching: CompiledMatching;
  readonly verifiedDomains: VerifiedDomains;
  /** Where a tenant stands, for whom a person has to look. */
  readonly placeOf: (tenant: TenantId) => Place | undefined;
};

/** By what auth users without a link are looked up; null: by nothing. */
export type MatchKeys = { readonly employeeId: string | null; readonly userName: string | null };

/** What the rules, beside that for addresses, compare of somebody. */
export function matchKeysOf(fields: Fields, matching: CompiledMatching): MatchKeys | null {
  const asked = (key: 'employeeId' | 'userName') =>
    matching.some(({ by }) => by === key || by === 'expression') ? textKey(fields[key]) : null;
  const keys = { employeeId: asked('employeeId'), userName: asked('userName') };
  return keys.employeeId === null && keys.userName === null ? null : keys;
}

const LONGEST_KEY = 200;

/** The spelling under which two numbers or names are the same: the column `employee_key`, or `user_name_key`, of an auth user. */
export function textKey(value: FieldValue | undefined): string | null {
  if (typeof value === 'number') return String(value);
  const key = typeof value === 'string' ? cleanText(value)?.toLowerCase() : undefined;
  return key === undefined || key.length > LONGEST_KEY ? null : key;
}

/**
 * Who the rules find. All are asked; they are certain only where everybody whom a certain rule names, everybody whom the first rule that
 * finds anybody names, and whoever has the same address are one and the same auth user, and it is safe to believe the rule there:
 *
 * - it has no link yet, and is not deleted, and nobody whom a directory has already shares with the joiner what a rule asks for: a joiner who was given a leaver's address or number never inherits their account;
 * - by an address, its domain is verified for the very tenant that the auth user is in: of a domain that is verified above, whoever
 *   administers a tenant below could make an auth user with anybody's address, and be given what is theirs;
 * - by a number or a name, the auth user is in the tenant of the connection itself: whoever administers a tenant below could give an auth
 *   user there anybody's. In the connection's tenant, whoever could do so could as well change the connection. A user name that is an
 *   address is no more than that, and needs its domain to be verified besides;
 * - by an expression, they share something that is safe to believe by itself.
 *
 * An address belongs to one auth user: whoever has it already is asked about, be there a rule for addresses or not.
 */
export function match(wanted: Fields, found: readonly FoundAuthUser[], context: MatchContext): Match {
  const rules = context.matching;
  const hits = found
    .filter((user) => user.state !== 'deleted')
    .map((user) => ({ user, rules: rules.filter((rule) => isHit(rule, wanted, user)) }))
    .filter((hit) => hit.rules.length > 0);
  const first = rules.find((rule) => hits.some((hit) => hit.rules.includes(rule)));
  const named = hits.filter((hit) =>
    hit.rules.some((rule) => rule === first || rule.confidence === 'certain' || rule.by === 'email'),
  );
  const [only] = named;
  if (only === undefined) return { kind: 'none' };
  const uncertain = (cause: Cause): Match => ({
    kind: 'uncertain',
    cause,
    candidates: hits.map((hit) => candidateOf(hit, context, cause)),
  });
  if (named.length > 1) return uncertain('several-candidates');
  if (only.user.links > 0) return uncertain('address-taken');
  const believed = only.rules.find((rule) => isSafe(rule, wanted, only.user, context));
  // What somebody else, whom a directory has already, has as well names nobody for certain.
  const others = found
    .filter((user) => user !== only.user && user.links > 0 && user.state !== 'deleted')
    .map((user) => ({ user, rules: rules.filter((rule) => rule.hits(wanted, user.fields)) }))
    .filter((hit) => hit.rules.length > 0);
  if (believed !== undefined && others.length > 0) {
    const candidates = [...hits, ...others].map((hit) => candidateOf(hit, context, 'several-candidates'));
    return { kind: 'uncertain', cause: 'several-candidates', candidates };
  }
  if (believed !== undefined) {
    const cause = believed.by === 'email' ? 'matched-by-email' : 'matched-by-rule';
    return { kind: 'certain', cause, authUser: only.user };
  }
  const unverified = only.rules.every(({ by, confidence: how }) => by === 'email' && how === 'certain');
  return uncertain(unverified ? 'address-unverified' : 'match-unsure');
}

const HAS_THE_ADDRESS: MatchingRule = { by: 'email', confidence: 'likely' };

type Hit = { readonly user: FoundAuthUser; readonly rules: readonly CompiledRule[] };
type Key = 'email' | 'employeeId' | 'userName';

/** Besides by the address, nobody is meant whom a directory has already. */
const isHit = ({ by, hits }: CompiledRule, wanted: Fields, user: FoundAuthUser) =>
  (by === 'email' || user.links === 0) && hits(wanted, user.fields);

function sameKey(by: Key, wanted: Fields, stored: Fields): boolean {
  const key = keyFor[by](wanted[by]);
  return key !== null && keyFor[by](stored[by]) === key;
}

const addressKey = (value: FieldValue | undefined) => (typeof value === 'string' ? emailKey(value) : null);
const keyFor = { email: addressKey, employeeId: textKey, userName: textKey } as const;

function isSafe(
  { by, confidence: how }: MatchingRule,
  wanted: Fields,
  user: FoundAuthUser,
  context: MatchContext,
): boolean {
  if (how !== 'certain' || user.links > 0) return false;
  const keys: readonly Key[] = by === 'expression' ? ['email', 'employeeId', 'userName'] : [by];
  return keys.some((key) => sameKey(key, wanted, user.fields) && isKeySafe(key, wanted, user, context));
}

function isKeySafe(
  key: Key,
  wanted: Fields,
  user: FoundAuthUser,
  { tenant, verifiedDomains }: MatchContext,
): boolean {
  const isOwn = user.tenant === tenant;
  if (key === 'employeeId') return isOwn;
  const address = addressKey(wanted[key]);
  if (address === null) return key === 'userName' && isOwn;
  const isVerified = verifiedDomains.get(user.tenant)?.has(domainOf(address)) === true;
  return isVerified && (key === 'email' || isOwn);
}

const shared = {
  email: 'has the same address',
  employeeId: 'has the same employee number',
  userName: 'has the same user name',
  expression: 'fits an expression of the matching rules',
} as const satisfies Record<MatchingRule['by'], string>;

function candidateOf({ user, rules }: Hit, { placeOf }: MatchContext, cause: Cause): Candidate {
  const evidence = rules.map(({ by, confidence: how }): Evidence => ({ by, confidence: how }));
  const place = placeOf(user.tenant) ?? null;
  const because = [
    ...(place === null ? [] : [`is in the tenant ${place}`]),
    ...new Set(rules.map(({ by }) => shared[by])),
    ...(user.links > 0 ? ['is linked to another directory user'] : []),
  ];
  const text = inOneSentence(because);
  const unverified = cause === 'address-unverified' ? ', whose domain the tenant has not verified' : '';
  return { authUser: user.id, because: `${text}${unverified}`, evidence };
}

/** Why a link is proposed, as far as the two show it: `has the same address`. null: by what an expression alone compares. */
export function linkedBecause(stored: Fields, wanted: Fields): string | null {
  const keys: readonly Key[] = ['email', 'employeeId', 'userName'];
  const same = keys.filter((key) => sameKey(key, wanted, stored)).map((key) => shared[key]);
  return same.length === 0 ? null : inOneSentence(same);
}

function inOneSentence(parts: readonly string[]): string {
  const last = parts.at(-1) ?? '';
  return parts.length < 2 ? last : `${parts.slice(0, -1).join(', ')} and ${last}`;
}

/**
 * A tenant says that a domain is theirs, and proves it by a TXT record in it. The record's name is of a form of its own, so that no other
 * record is in its way and the domain may be an alias; its value is of this tenant and this domain alone, so that another tenant's record
 * proves nothing.
 *
 * pending -> verified, once the record is seen; verified <-> lost, as it is seen or not when it is looked for again. A lost record takes
 * nothing from anybody: a zone may be edited by mistake, or its servers may be out of reach for a day. It is shown, and people decide.
 */
import { z } from 'zod';
import type { TenantId } from './ids.ts';

export const DomainClaimId = z.uuid().brand<'DomainClaimId'>();
export type DomainClaimId = z.infer<typeof DomainClaimId>;

export const CLAIM_STATES = ['pending', 'verified', 'lost'] as const;
export type ClaimState = (typeof CLAIM_STATES)[number];

export type DomainClaim = {
  readonly id: DomainClaimId;
  readonly tenant: TenantId;
  /** Lower case, punycode. */
  readonly domain: string;
  /** What to set in the domain's zone. */
  readonly record: { readonly name: string; readonly type: 'TXT'; readonly value: string };
  readonly state: ClaimState;
  /** When the record was last looked for, and last seen; null: never yet. */
  readonly checkedAt: Date | null;
  readonly foundAt: Date | null;
  /** Why it was not seen the last time; null: it was, or nobody has looked yet. */
  readonly problem: string | null;
  /** Other tenants, of those that the caller sees, for which the same domain is verified, neither above nor below this one. */
  readonly alsoVerifiedFor: readonly TenantId[];
  readonly createdAt: Date;
};

export const recordName = (domain: string) => `_rollcall-challenge.${domain}`;
export const recordValue = (token: string) => `rollcall-domain-verification=${token}`;

/** What the name servers say of the TXT records of a name. The parts of a record are joined, as RFC 7208 does. */
export type TxtAnswer =
  | { readonly kind: 'found'; readonly values: readonly string[] }
  | { readonly kind: 'none' }
  /** They did not say. `code`: as c-ares names it, such as ETIMEOUT. */
  | { readonly kind: 'failed'; readonly code: string };

/** null: the record is there. Never what else stands in the zone. */
export function whyNotProven(answer: TxtAnswer, token: string): string | null {
  switch (answer.kind) {
    case 'found':
      if (answer.values.some((value) => value.trim() === recordValue(token))) return null;
      return 'There are TXT records of this name, and none has the value. A record that was changed may take an hour to be seen.';
    case 'none':
      return 'There is no TXT record of this name. A new record may take minutes, and in some zones an hour, to be seen.';
    case 'failed':
      return `The name servers did not answer (${answer.code}). It was not seen whether the record is there: try again.`;
  }
}

/** Seen once, it is verified from then on, be the record there or not. */
export function claimState(foundAt: Date | null, problem: string | null): ClaimState {
  if (foundAt === null) return 'pending';
  return problem === null ? 'verified' : 'lost';
}

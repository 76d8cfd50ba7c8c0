/** Claiming domains and proving them by a TXT record; who attests one by hand does so in tenants.ts. */
import { randomBytes } from 'node:crypto';
import { v7 } from 'uuid';
import type { z } from 'zod';
import type { Actor, AuditEntry } from '../domain/audit.ts';
import type { Clock } from '../domain/clock.ts';
import { type ClaimState, type DomainClaim, DomainClaimId, whyNotProven } from '../domain/domainClaim.ts';
import type { TenantId } from '../domain/ids.ts';
import { notFound, parseId, parseInput } from '../domain/input.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import type { StoredClaim } from '../store/domainClaims.ts';
import type { Store } from '../store/store.ts';
import { getTenant, VerifiedDomain } from './tenants.ts';
import type { TxtRecords } from './txtRecords.ts';

export type DomainClaimDeps = {
  readonly store: Store;
  readonly clock: Clock;
  readonly txtRecords: TxtRecords;
};

export const NewDomainClaim = VerifiedDomain;

/** Says which record proves that the domain is the tenant's. Again gives the same record. Throws `invalid-input`, `not-found`. */
export async function claimDomain(
  { store, clock }: Pick<DomainClaimDeps, 'store' | 'clock'>,
  caller: Caller,
  input: z.input<typeof NewDomainClaim>,
): Promise<DomainClaim> {
  authorise(caller, 'tenants.write');
  const { tenant, domain } = parseInput(NewDomainClaim, input);
  const claim = {
    id: DomainClaimId.parse(v7()),
    tenant,
    domain,
    token: randomBytes(24).toString('base64url'),
  };
  const entry = telling(caller.actor, 'domain.claimed', claim);
  const found = await store.domainClaims.add(caller.tenant, claim, { at: clock.now(), entry });
  if (found === null) throw notFound('tenant');
  return shown(found);
}

/** In alphabetical order. Throws `not-found` for the tenant. */
export async function listDomainClaims(
  deps: Pick<DomainClaimDeps, 'store'>,
  caller: Caller,
  tenant: string,
): Promise<readonly DomainClaim[]> {
  const { id } = await getTenant(deps, caller, tenant);
  return (await deps.store.domainClaims.list(caller.tenant, id)).map(shown);
}

/** Throws `not-found`. */
export async function getDomainClaim(
  deps: Pick<DomainClaimDeps, 'store'>,
  caller: Caller,
  id: string,
): Promise<DomainClaim> {
  authorise(caller, 'tenants.read');
  return shown(await find(deps, caller, id));
}

/**
 * Asks the name servers for the record. Once it is there, addresses of the domain may be matched with auth users of the tenant; what is
 * wrong otherwise stands in the answer. Throws `not-found`.
 */
export async function checkDomainClaim(
  deps: DomainClaimDeps,
  caller: Caller,
  id: string,
): Promise<DomainClaim> {
  authorise(caller, 'tenants.write');
  const seen = await look(deps, caller.tenant, await find(deps, caller, id), caller.actor);
  if (seen === null) throw notFound('domain claim');
  return shown(seen);
}

/** The domain is not verified by its record any more, and has to be claimed anew. Links stay. Throws `not-found`. */
export async function withdrawDomainClaim(
  deps: Pick<DomainClaimDeps, 'store' | 'clock'>,
  caller: Caller,
  id: string,
): Promise<void> {
  authorise(caller, 'tenants.write');
  const claim = await find(deps, caller, id);
  const entry = telling(caller.actor, 'domain.claim-withdrawn', claim);
  if (!(await deps.store.domainClaims.withdraw(caller.tenant, claim.id, { at: deps.clock.now(), entry })))
    throw notFound('domain claim');
}

const DAY_MS = 86_400_000;

/**
 * Looks once a day whether the records of verified domains are still there. Gives how many were looked for. One at a time: whom it does
 * not come to any more is due the next time.
 */
export async function recheckDomains(deps: DomainClaimDeps, signal: AbortSignal): Promise<number> {
  const since = new Date(deps.clock.now().getTime() - DAY_MS);
  let looked = 0;
  while (!signal.aborted) {
    const due = await deps.store.domainClaims.takeDue(since, deps.clock.now());
    if (due === null) break;
    await look(deps, deps.store.root, due, { kind: 'system', id: null, name: 'housekeeping' });
    looked += 1;
  }
  return looked;
}

async function find(
  { store }: Pick<DomainClaimDeps, 'store'>,
  caller: Caller,
  id: string,
): Promise<StoredClaim> {
  const known = parseId(DomainClaimId, id);
  const found = known === null ? null : await store.domainClaims.get(caller.tenant, known);
  if (found === null) throw notFound('domain claim');
  return found;
}

/** null: the claim was withdrawn meanwhile. */
async function look(
  { store, clock, txtRecords }: DomainClaimDeps,
  scope: TenantId,
  claim: StoredClaim,
  actor: Actor,
): Promise<StoredClaim | null> {
  const problem = whyNotProven(await txtRecords(claim.record.name), claim.token);
  const entriesAfter = (state: ClaimState) =>
    actionsFor(state, problem).map((action) => telling(actor, action, claim));
  return await store.domainClaims.noteSeen(scope, claim.id, { at: clock.now(), problem, entriesAfter });
}

/** What the audit log is told: what has changed, and not each look. */
function actionsFor(state: ClaimState, problem: string | null): readonly string[] {
  if (problem === null)
    return state === 'verified' ? [] : [state === 'lost' ? 'domain.record-back' : 'domain.verified'];
  return state === 'verified' ? ['domain.record-lost'] : [];
}

function telling(
  actor: Actor,
  action: string,
  { tenant, domain }: Pick<DomainClaim, 'tenant' | 'domain'>,
): AuditEntry {
  return { actor, action, subject: { kind: 'tenant', id: tenant }, details: { domain, by: 'dns' } };
}

/** Its token stands in the record, and nowhere else. */
function shown({ token: _, ...claim }: StoredClaim): DomainClaim {
  return claim;
}

/** Reading the audit log, and proving that nobody has touched it. */
import { z } from 'zod';
import { chainHash, START_OF_CHAIN } from '../domain/audit.ts';
import { TenantId } from '../domain/ids.ts';
import { notFound, parseInput } from '../domain/input.ts';
import { PageOptions } from '../domain/page.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import type { StoredAuditEntry } from '../store/audit.ts';
import type { Store } from '../store/store.ts';

export type AuditDeps = { readonly store: Store };

/** How many entries are in memory at once. */
const BATCH = 5_000;

export type VerifiedChain = {
  readonly tenant: TenantId;
  readonly entries: number;
  readonly ok: boolean;
  /** Number of the first entry that is not what it was, and what is wrong with it. */
  readonly brokenAt?: number;
  readonly because?: string;
};

export const VerifiedTenants = z.strictObject({
  tenant: TenantId.optional().describe('Of this tenant alone; without it of your own and all below it.'),
});

/** Follows each chain of the caller's subtree (or of one tenant) from its beginning to its recorded end. */
export async function verifyAudit(
  deps: AuditDeps,
  caller: Caller,
  input: unknown,
): Promise<{ tenants: readonly VerifiedChain[] }> {
  authorise(caller, 'audit.read');
  const { tenant } = parseInput(VerifiedTenants, input);
  const visible = await deps.store.audit.tenants(caller.tenant);
  const chosen = tenant === undefined ? visible : [await known(deps, caller, tenant)];
  const tenants: VerifiedChain[] = [];
  for (const one of chosen) tenants.push(await verifyChain(deps, caller, one)); // a chain has to be read in its order
  return { tenants };
}

async function verifyChain(deps: AuditDeps, caller: Caller, tenant: TenantId): Promise<VerifiedChain> {
  let number = 0;
  let hash = START_OF_CHAIN;
  for (;;) {
    const entries = await deps.store.audit.page(caller.tenant, tenant, number, BATCH);
    for (const entry of entries) {
      const broken = (because: string) => ({
        tenant,
        entries: number,
        ok: false,
        brokenAt: number + 1,
        because,
      });
      if (entry.number !== number + 1) return broken('the entry is missing');
      if (chainHash(hash, entry.number, entry.at, entry) !== entry.hash)
        return broken('the entry was altered');
      number = entry.number;
      hash = entry.hash;
    }
    if (entries.length < BATCH) break;
  }
  const head = (await deps.store.audit.head(caller.tenant, tenant)) ?? { number: 0, hash: START_OF_CHAIN };
  if (head.number > number)
    return {
      tenant,
      entries: number,
      ok: false,
      brokenAt: number + 1,
      because: 'the end of the log was cut off',
    };
  if (head.number < number || head.hash !== hash) {
    return {
      tenant,
      entries: number,
      ok: false,
      brokenAt: number,
      because: 'the recorded end of the log is not the one of its entries',
    };
  }
  return { tenant, entries: number, ok: true };
}

export const AuditFilter = z.strictObject({
  tenant: TenantId.optional().describe('Of this tenant alone; without it of your own.'),
  supportAccess: z.uuid().optional().describe('Only what was done during this support access.'),
  after: z.coerce
    .number()
    .int()
    .min(0)
    .default(0)
    .describe('`next` of the page before: the number of its last entry.'),
  limit: PageOptions.shape.limit,
});

export type ListedAudit = { readonly items: readonly StoredAuditEntry[]; readonly next: number | null };

/** One tenant's log (the caller's own, if none is named), oldest first. */
export async function listAudit(deps: AuditDeps, caller: Caller, input: unknown): Promise<ListedAudit> {
  authorise(caller, 'audit.read');
  const { tenant, supportAccess, after, limit } = parseInput(AuditFilter, input);
  const chosen = tenant === undefined ? caller.tenant : await known(deps, caller, tenant);
  const rows =
    supportAccess === undefined
      ? await deps.store.audit.page(caller.tenant, chosen, after, limit + 1)
      : await deps.store.audit.duringSupport(caller.tenant, chosen, supportAccess, after, limit + 1);
  const items = rows.slice(0, limit);
  return { items, next: rows.length > limit ? (items.at(-1)?.number ?? null) : null };
}

/** Also one that was deleted: its log stays. Throws `not-found`. */
async function known({ store }: AuditDeps, caller: Caller, tenant: TenantId): Promise<TenantId> {
  if (await store.tenants.isKnown(caller.tenant, tenant)) return tenant;
  throw notFound('tenant');
}

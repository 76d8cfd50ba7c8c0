/** Reading the audit log, and proving that nobody has touched it. */
import { z } from 'zod';
import { chainHash, START_OF_CHAIN } from '../domain/audit.ts';
import { TenantId } from '../domain/ids.ts';
import { notFound, parseInput, Until } from '../domain/input.ts';
import { PageOptions } from '../domain/page.ts';
import { authorise, type Caller } from '../domain/permission.ts';
import type { AuditRows, StoredAuditEntry } from '../store/audit.ts';
import type { ReadChain } from '../store/auditLog.ts';
import type { Store } from '../store/store.ts';

export type AuditDeps = { readonly store: Store };

/** How many entries are in memory at once. */
const BATCH = 5_000;

export type VerifiedChain = {
  readonly tenant: TenantId;
  /** null: it was deleted. */
  readonly tenantName: string | null;
  readonly entries: number;
  readonly ok: boolean;
  /** Number of the first entry that is not what it was, and what is wrong with it. */
  readonly brokenAt?: number;
  readonly because?: string;
};

/** A chain was once seen to be so long, with this hash at its end, as `TENANT/NUMBER/HASH`. */
const KnownEnd = z
  .string()
  .regex(/^[0-9a-f-]{36}\/\d{1,15}\/[0-9a-f]{64}$/, 'is not TENANT/NUMBER/HASH')
  .transform((text) => {
    const [tenant = '', number = '', hash = ''] = text.split('/');
    return { tenant: tenant as TenantId, number: Number(number), hash };
  });
type KnownEnd = z.output<typeof KnownEnd>;
/** Of one chain. */
type EndsByNumber = ReadonlyMap<number, readonly KnownEnd[]>;

export const VerifiedTenants = z.strictObject({
  tenant: TenantId.optional().describe('Of this tenant alone; without it of your own and all below it.'),
  known: z
    .array(KnownEnd)
    .max(10_000)
    .default([])
    .describe(
      'Ends of chains that were seen earlier, such as those of an evidence pack, as TENANT/NUMBER/HASH: an entry of this number has to be there, with this hash.',
    ),
});

/** Follows each chain of the caller's subtree (or of one tenant) from its beginning to its recorded end. */
export async function verifyAudit(
  deps: AuditDeps,
  caller: Caller,
  input: unknown,
): Promise<{ tenants: readonly VerifiedChain[] }> {
  authorise(caller, 'audit.read');
  const { tenant, known: seen } = parseInput(VerifiedTenants, input);
  const meant = seen.filter((end) => tenant === undefined || end.tenant === tenant);
  const ends = Map.groupBy(meant, (end) => end.tenant);
  const chosen = new Set(
    tenant === undefined
      ? await deps.store.audit.tenants(caller.tenant)
      : [await known(deps, caller, tenant)],
  );
  // Of a chain that is gone altogether, nothing but what was seen earlier tells.
  for (const one of ends.keys()) if (!chosen.has(one)) chosen.add(await known(deps, caller, one));
  const tenants: VerifiedChain[] = [];
  for (const one of chosen) {
    const own = Map.groupBy(ends.get(one) ?? [], ({ number }) => number);
    const verify = (chain: ReadChain) => verifyChain(chain, one, own);
    const found = await deps.store.audit.ofOneMoment(caller.tenant, one, verify); // a chain has to be read in its order
    const { name = null } = (await deps.store.tenants.get(caller.tenant, one)) ?? {};
    tenants.push({ ...found, tenantName: name });
  }
  return { tenants };
}

async function verifyChain(
  chain: ReadChain,
  tenant: TenantId,
  ends: EndsByNumber,
): Promise<Omit<VerifiedChain, 'tenantName'>> {
  let number = 0;
  let hash = START_OF_CHAIN;
  const broken = (brokenAt: number, because: string) => ({
    tenant,
    entries: number,
    ok: false,
    brokenAt,
    because,
  });
  for (;;) {
    const entries = await chain.page(number, BATCH);
    for (const entry of entries) {
      const because = whatIsWrong(entry, { number, hash }, ends);
      if (because !== null) return broken(number + 1, because);
      number = entry.number;
      hash = entry.hash;
    }
    if (entries.length < BATCH) break;
  }
  const head = (await chain.head()) ?? { number: 0, hash: START_OF_CHAIN };
  if (head.number > number) return broken(number + 1, 'the end of the log was cut off');
  if (head.number < number || head.hash !== hash)
    return broken(number, 'the recorded end of the log is not the one of its entries');
  if ([...ends.keys()].some((end) => end > number))
    return broken(
      number + 1,
      'the log went on when it was seen earlier: its end was cut off, and the record of it',
    );
  return { tenant, entries: number, ok: true };
}

type Link = { readonly number: number; readonly hash: string };

/** null: the entry follows the one before it. */
function whatIsWrong(entry: StoredAuditEntry, before: Link, ends: EndsByNumber): string | null {
  if (entry.number !== before.number + 1) return 'the entry is missing';
  if (chainHash(before.hash, entry.number, entry.at, entry) !== entry.hash) return 'the entry was altered';
  const isAnother = ends.get(entry.number)?.some(({ hash }) => hash !== entry.hash) ?? false;
  return isAnother ? 'the log up to here is another one than was seen earlier' : null;
}

export const AuditFilter = z
  .strictObject({
    tenant: TenantId.optional().describe('Of this tenant alone; without it of your own.'),
    order: z
      .enum(['newest', 'oldest'])
      .default('newest')
      .describe('`oldest` goes on behind `after` as the log grows, for whoever keeps a copy of it.'),
    action: z
      .string()
      .min(1)
      .max(100)
      .transform((action) => action.replace(/\.\*?$/, ''))
      .optional()
      .describe('Only this action, such as `changes.approved`, or all that begin so: `changes`.'),
    actor: z
      .string()
      .min(1)
      .max(320)
      .optional()
      .describe('Only what this actor has done: id or name, as `actor` has them.'),
    from: Until.optional().describe('Only what was done since then.'),
    to: Until.optional().describe('Only what was done before.'),
    supportAccess: z.uuid().optional().describe('Only what was done during this support access.'),
    after: z.coerce
      .number()
      .int()
      .min(0)
      .optional()
      .describe(
        '`next` of the page before. So many entries are looked at for one page: it may be short, or empty, and `next` says that there are more.',
      ),
    limit: PageOptions.shape.limit,
  })
  .refine(({ from, to }) => from === undefined || to === undefined || Date.parse(from) < Date.parse(to), {
    path: ['to'],
    message: 'is not after from',
  });

/** One tenant's log (the caller's own, if none is named), the newest first unless asked otherwise. */
export async function listAudit(deps: AuditDeps, caller: Caller, input: unknown): Promise<AuditRows> {
  authorise(caller, 'audit.read');
  const { tenant, after = null, ...page } = parseInput(AuditFilter, input);
  const chosen = tenant === undefined ? caller.tenant : await known(deps, caller, tenant);
  return deps.store.audit.page(caller.tenant, chosen, { ...page, after });
}

/** Also one that was deleted: its log stays. Throws `not-found`. */
async function known({ store }: AuditDeps, caller: Caller, tenant: TenantId): Promise<TenantId> {
  if (await store.tenants.isKnown(caller.tenant, tenant)) return tenant;
  throw notFound('tenant');
}

/** Appends to a tenant's audit chain within the transaction of what is audited, and reads the chain back. */
import type { AuditEntry } from '../domain/audit.ts';
import type { TenantId } from '../domain/ids.ts';
import { appendToChains } from './auditChains.ts';
import type { Sql } from './database.ts';

/** `appendToChains` for one tenant: call it last. */
export async function appendAudit(
  sql: Sql,
  tenant: TenantId,
  at: Date,
  entries: readonly AuditEntry[],
): Promise<void> {
  await appendToChains(
    sql,
    at,
    entries.map((entry) => ({ chain: tenant, entry })),
  );
}

export type StoredAuditEntry = AuditEntry & {
  readonly number: number;
  readonly at: string;
  readonly hash: string;
};

type EntryRow = Omit<StoredAuditEntry, 'number' | 'at'> & { readonly number: string; readonly at: Date };

const ENTRIES = `SELECT number::text AS number, at, actor, action, subject, details, encode(hash, 'hex') AS hash
  FROM audit_entry WHERE tenant_id = $1::uuid`;

/** One page of a tenant's chain, oldest first, after the entry with number `after`. */
export async function readAudit(
  sql: Sql,
  tenant: TenantId,
  after: number,
  limit: number,
): Promise<readonly StoredAuditEntry[]> {
  const page = `${ENTRIES} AND number > $2::bigint ORDER BY audit_entry.number LIMIT $3::int`;
  return (await sql.query<EntryRow>(page, [tenant, after, limit])).map(toEntry);
}

/** Which entries are meant; what is not there says nothing. */
export type AuditCriteria = {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  /** An action, or what stands before its dot. */
  readonly action?: string | undefined;
  /** Id or name, as it stands in the entry. */
  readonly actor?: string | undefined;
  readonly supportAccess?: string | undefined;
};

export type AuditPage = AuditCriteria & {
  readonly order: 'newest' | 'oldest';
  /** Number of the last entry of the page before, or of the last one that was looked at for it. */
  readonly after: number | null;
  readonly limit: number;
};

export type AuditRows = { readonly items: readonly StoredAuditEntry[]; readonly next: number | null };

/** Criteria have no index of their own: so many entries are looked at for one page, by their numbers. */
const LOOKED_AT = 20_000;

/** One page of those entries of a tenant that are meant. It may be short, or empty, and there are more all the same. */
export async function findAudit(sql: Sql, tenant: TenantId, page: AuditPage): Promise<AuditRows> {
  const end = (await readAuditHead(sql, tenant))?.number ?? 0;
  const { order, limit } = page;
  const newest = order === 'newest';
  const after = page.after ?? (newest ? end + 1 : 0);
  const [first, last] = newest
    ? [Math.max(after - LOOKED_AT, 1), after - 1]
    : [after + 1, Math.min(after + LOOKED_AT, end)];
  const rows = await sql.query<EntryRow>(
    `${ENTRIES} AND number BETWEEN $2::bigint AND $3::bigint
       AND ($5::timestamptz IS NULL OR at >= $5) AND ($6::timestamptz IS NULL OR at < $6)
       AND ($7::text IS NULL OR action = $7 OR starts_with(action, $7 || '.'))
       AND ($8::text IS NULL OR $8 IN (actor ->> 'id', actor ->> 'name'))
       AND ($9::text IS NULL OR actor ->> 'kind' = 'support' AND actor ->> 'id' = $9)
     ORDER BY audit_entry.number ${newest ? 'DESC' : 'ASC'} LIMIT $4::int`,
    [
      ...[tenant, first, last, limit + 1],
      ...[page.from, page.to, page.action, page.actor, page.supportAccess].map((one) => one ?? null),
    ],
  );
  const items = rows.slice(0, limit).map(toEntry);
  if (rows.length > limit) return { items, next: items.at(-1)?.number ?? null };
  if (newest) return { items, next: first > 1 ? first : null };
  return { items, next: last < end ? last : null };
}

function toEntry(row: EntryRow): StoredAuditEntry {
  return { ...row, number: Number(row.number), at: new Date(row.at).toISOString() };
}

/** The recorded end of a tenant's chain; null when nothing was audited yet. */
export async function readAuditHead(
  sql: Sql,
  tenant: TenantId,
): Promise<{ number: number; hash: string } | null> {
  const [row] = await sql.query<{ number: string; hash: string }>(
    `SELECT number::text AS number, encode(hash, 'hex') AS hash FROM audit_head WHERE tenant_id = $1::uuid`,
    [tenant],
  );
  return row === undefined ? null : { number: Number(row.number), hash: row.hash };
}

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
  FROM audit_entry WHERE tenant_id = $1::uuid AND number > $2::bigint`;

/** One page of a tenant's chain, oldest first, after the entry with number `after`. */
export async function readAudit(
  sql: Sql,
  tenant: TenantId,
  after: number,
  limit: number,
): Promise<readonly StoredAuditEntry[]> {
  const page = `${ENTRIES} ORDER BY audit_entry.number LIMIT $3::int`;
  return (await sql.query<EntryRow>(page, [tenant, after, limit])).map(toEntry);
}

/** The same of those entries whose actor is a support access. */
export async function readAuditOfSupport(
  sql: Sql,
  tenant: TenantId,
  supportAccess: string,
  after: number,
  limit: number,
): Promise<readonly StoredAuditEntry[]> {
  const page = `${ENTRIES} AND actor ->> 'kind' = 'support' AND actor ->> 'id' = $4 ORDER BY audit_entry.number LIMIT $3::int`;
  return (await sql.query<EntryRow>(page, [tenant, after, limit, supportAccess])).map(toEntry);
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

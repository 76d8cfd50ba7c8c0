/** Appends to a tenant's audit chain within the transaction of what is audited, and reads the chain back. */
import { type AuditEntry, chainHash, START_OF_CHAIN } from '../domain/audit.ts';
import type { TenantId } from '../domain/ids.ts';
import type { Sql } from './database.ts';

/**
 * Appends entries in their order. Takes the lock on the end of the tenant's chain until the transaction ends: call it last, so
 * that two applies of one tenant wait for each other as briefly as possible.
 */
export async function appendAudit(
  sql: Sql,
  tenant: TenantId,
  at: Date,
  entries: readonly AuditEntry[],
): Promise<void> {
  if (entries.length === 0) return;
  await sql.query(
    `INSERT INTO audit_head (tenant_id, number, hash) VALUES ($1::uuid, 0, decode($2, 'hex')) ON CONFLICT DO NOTHING`,
    [tenant, START_OF_CHAIN],
  );
  const [head] = await sql.query<{ number: string; hash: string }>(
    `SELECT number::text AS number, encode(hash, 'hex') AS hash FROM audit_head WHERE tenant_id = $1::uuid FOR UPDATE`,
    [tenant],
  );
  if (head === undefined) throw new Error('the end of the audit chain is not visible to this transaction');
  const time = at.toISOString();
  let number = Number(head.number);
  let hash = head.hash;
  const rows = entries.map((entry) => {
    number += 1;
    hash = chainHash(hash, number, time, entry);
    return { ...entry, number, hash };
  });
  await sql.query(
    `INSERT INTO audit_entry (tenant_id, number, at, actor, action, subject, details, hash)
     SELECT $1::uuid, number, $2::timestamptz, actor, action, subject, details, decode(hash, 'hex')
     FROM jsonb_to_recordset($3::jsonb) AS row (number bigint, actor jsonb, action text, subject jsonb, details jsonb, hash text)`,
    [tenant, time, JSON.stringify(rows)],
  );
  await sql.query(
    `UPDATE audit_head SET number = $2::bigint, hash = decode($3, 'hex') WHERE tenant_id = $1::uuid`,
    [tenant, number, hash],
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

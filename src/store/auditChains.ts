/** Appends to many tenants' audit chains at once, in as many statements as one chain takes. */
import { type AuditEntry, chainHash, START_OF_CHAIN } from '../domain/audit.ts';
import type { TenantId } from '../domain/ids.ts';
import type { Sql } from './database.ts';

export type ChainedEntry = { readonly chain: TenantId; readonly entry: AuditEntry };

/** As `appendAudit`: call it last. The ends of the chains are locked in one order for all processes. */
export async function appendToChains(sql: Sql, at: Date, entries: readonly ChainedEntry[]): Promise<void> {
  if (entries.length === 0) return;
  const chains = [...new Set(entries.map(({ chain }) => chain))].sort();
  await sql.query(
    `INSERT INTO audit_head (tenant_id, number, hash) SELECT id, 0, decode($2, 'hex') FROM unnest($1::uuid[]) AS id ORDER BY id
     ON CONFLICT DO NOTHING`,
    [chains, START_OF_CHAIN],
  );
  const heads = await sql.query<{ chain: TenantId; number: string; hash: string }>(
    `SELECT tenant_id AS chain, number::text AS number, encode(hash, 'hex') AS hash FROM audit_head
     WHERE tenant_id = ANY ($1::uuid[]) ORDER BY tenant_id FOR UPDATE`,
    [chains],
  );
  const time = at.toISOString();
  const ends = new Map(heads.map(({ chain, number, hash }) => [chain, { number: Number(number), hash }]));
  const rows = entries.map(({ chain, entry }) => {
    const end = ends.get(chain);
    if (end === undefined) throw new Error('the end of an audit chain is not visible to this transaction');
    const number = end.number + 1;
    const hash = chainHash(end.hash, number, time, entry);
    ends.set(chain, { number, hash });
    return { ...entry, tenant_id: chain, number, hash };
  });
  await sql.query(
    `INSERT INTO audit_entry (tenant_id, number, at, actor, action, subject, details, hash)
     SELECT tenant_id, number, $1::timestamptz, actor, action, subject, details, decode(hash, 'hex')
     FROM jsonb_to_recordset($2::jsonb) AS row
       (tenant_id uuid, number bigint, actor jsonb, action text, subject jsonb, details jsonb, hash text)`,
    [time, JSON.stringify(rows)],
  );
  await sql.query(
    `UPDATE audit_head h SET number = e.number, hash = decode(e.hash, 'hex')
     FROM jsonb_to_recordset($1::jsonb) AS e (chain uuid, number bigint, hash text) WHERE h.tenant_id = e.chain`,
    [JSON.stringify([...ends].map(([chain, end]) => ({ chain, ...end })))],
  );
}

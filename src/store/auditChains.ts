/** Appends to tenants' audit chains, to many at once in as many statements as to one. */
import { type AuditEntry, chainHash, START_OF_CHAIN } from '../domain/audit.ts';
import type { TenantId } from '../domain/ids.ts';
import type { Sql } from './database.ts';

export type ChainedEntry = { readonly chain: TenantId; readonly entry: AuditEntry };

type End = { readonly number: number; readonly hash: string };

/**
 * Takes the locks on the ends of these chains until the transaction ends, in one order for all processes: whoever locks several, at once
 * or one after the other, has to lock all of them by the first call. A chain that is not visible is left out.
 */
export async function lockChains(sql: Sql, chains: readonly TenantId[]): Promise<ReadonlyMap<TenantId, End>> {
  const ids = [...new Set(chains)].sort();
  await sql.query(
    `INSERT INTO audit_head (tenant_id, number, hash) SELECT id, 0, decode($2, 'hex') FROM unnest($1::uuid[]) AS id ORDER BY id
     ON CONFLICT DO NOTHING`,
    [ids, START_OF_CHAIN],
  );
  const heads = await sql.query<{ chain: TenantId; number: string; hash: string }>(
    `SELECT tenant_id AS chain, number::text AS number, encode(hash, 'hex') AS hash FROM audit_head
     WHERE tenant_id = ANY ($1::uuid[]) ORDER BY tenant_id FOR UPDATE`,
    [ids],
  );
  return new Map(heads.map(({ chain, number, hash }) => [chain, { number: Number(number), hash }]));
}

/**
 * Appends entries, those of each chain in their order. Locks the ends of the chains: call it last, so that two writers of one tenant wait
 * for each other as briefly as possible.
 */
export async function appendToChains(sql: Sql, at: Date, entries: readonly ChainedEntry[]): Promise<void> {
  if (entries.length === 0) return;
  const ends = new Map(
    await lockChains(
      sql,
      entries.map(({ chain }) => chain),
    ),
  );
  const time = at.toISOString();
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

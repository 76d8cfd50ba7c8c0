/** Who holds the addresses that a batch of an apply gives out: before it does, and whether another batch was faster. */
import type { AuthUserId, TenantId } from '../domain/ids.ts';
import type { Sql } from './database.ts';

export type Holders = {
  readonly held: readonly { readonly key: string; readonly users: readonly AuthUserId[] }[];
  /** In terms of `auth_user.edited`: what older transactions did is in `held`. */
  readonly seenBefore: string;
};

/**
 * In the tenant, or, with `spread`, in any that is visible: the tenants below it too. Address by address: in any other way each batch would
 * look over all users that the ones before it have made, of whom PostgreSQL has no statistics yet (OFFSET keeps it from turning it round).
 */
const HOLDERS = `unnest($2::text[]) AS given (email_key),
  LATERAL (SELECT id, tenant_id FROM auth_user WHERE email_key = given.email_key AND state <> 'deleted' OFFSET 0) AS holder
  WHERE ($3 OR tenant_id = $1)`;

export async function findHolders(
  sql: Sql,
  tenant: TenantId,
  addresses: readonly string[],
  spread: boolean,
): Promise<Holders> {
  const [seen] = await sql.query<{ before: string }>(
    'SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS before',
  );
  const held = await sql.query<{ key: string; users: AuthUserId[] }>(
    `SELECT email_key AS key, json_agg(id) AS users FROM ${HOLDERS} GROUP BY email_key`,
    [tenant, addresses, spread],
  );
  return { held, seenBefore: seen?.before ?? '0' };
}

/**
 * Whether anybody but `own` was given one of the addresses since. In one tenant only those are looked at whom a transaction has edited
 * that was not over then: a few batches, and not everybody.
 */
export async function areGivenOut(
  sql: Sql,
  tenant: TenantId,
  addresses: readonly string[],
  { spread, seenBefore, own }: { spread: boolean; seenBefore: string; own: readonly AuthUserId[] },
): Promise<boolean> {
  const since = `(SELECT id, email_key, state FROM auth_user WHERE tenant_id = $1 AND edited >= $3::bigint OFFSET 0) AS holder
    WHERE email_key = ANY ($2::text[]) AND state <> 'deleted'`;
  const others = await sql.query(
    `SELECT FROM ${spread ? HOLDERS : since} AND id <> ALL ($4::uuid[]) LIMIT 1`,
    [tenant, addresses, spread ? true : seenBefore, own],
  );
  return others.length > 0;
}

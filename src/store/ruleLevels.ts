/** The policy rules that a connection's changes are judged by: those of each tenant from the root down, then its own. */
import { fingerprintOf, type Json } from '../domain/canonical.ts';
import type { JudgedPlace } from '../domain/changeExpression.ts';
import type { ConnectionId, TenantId } from '../domain/ids.ts';
import { ReviewRules, type RuleLevel } from '../domain/reviewRules.ts';
import { TenantPolicy } from '../domain/tenantPolicy.ts';
import type { Sql } from './database.ts';

export type ConnectionRules = {
  /** Those with rules. */
  readonly levels: readonly RuleLevel[];
  readonly place: JudgedPlace;
  /** Of all that decides what they say, but the time; null where there are none. */
  readonly digest: string | null;
  /** The digest of those by which the open changes were judged last. */
  readonly judgedBy: string | null;
  /** The connection's. */
  readonly timeZone: string;
  /** From the root down to the connection's. */
  readonly path: readonly TenantId[];
};

/** A level in the place of the one that is there, or where it would be. `path`: the tenants from the root down. */
export function withDraft(
  { levels, path }: Pick<ConnectionRules, 'levels' | 'path'>,
  draft: RuleLevel,
): readonly RuleLevel[] {
  const placeOf = ({ tenant }: RuleLevel) => (tenant === null ? path.length : path.indexOf(tenant));
  const others = levels.filter(({ tenant }) => tenant !== draft.tenant);
  return [...others, draft].toSorted((one, other) => placeOf(one) - placeOf(other));
}

type Row = {
  readonly id: string;
  readonly name: string;
  readonly provider: string;
  readonly tenant: string;
  readonly tenantName: string;
  readonly path: string;
  readonly rules: unknown;
  readonly timeZone: string;
  readonly judgedBy: string | null;
  readonly above: readonly { readonly tenant: TenantId; readonly policy: unknown }[] | null;
};

/** One look, whatever there is. null: there is no such connection within what is visible. */
export async function readRules(sql: Sql, connection: ConnectionId): Promise<ConnectionRules | null> {
  const [row] = await sql.query<Row>(
    `SELECT n.id, n.name, n.provider, n.tenant_id AS tenant, t.name AS "tenantName", t.path, n.policy -> 'rules' AS rules,
       n.time_zone AS "timeZone", n.judged_by AS "judgedBy",
       (SELECT json_agg(json_build_object('tenant', p.tenant_id, 'policy', p.policy)) FROM policies_over(n.tenant_id) p) AS above
     FROM connection n JOIN tenant t ON t.id = n.tenant_id WHERE n.id = $1`,
    [connection],
  );
  if (row === undefined) return null;
  const { timeZone, judgedBy, tenant, tenantName, id, name, provider } = row;
  const tenants = (row.above ?? []).map((one): RuleLevel => {
    const policy = TenantPolicy.parse(one.policy);
    return { tenant: one.tenant, timeZone: policy.timeZone, rules: policy.rules };
  });
  const own: RuleLevel = { tenant: null, timeZone, rules: ReviewRules.parse(row.rules ?? []) };
  const levels = [...tenants, own].filter(({ rules }) => rules.length > 0);
  const place = { tenant: { id: tenant, name: tenantName }, connection: { id, name, provider } };
  const digest = levels.length === 0 ? null : fingerprintOf({ levels, place } as unknown as Json);
  const path = row.path.split('/').filter((id) => id !== '') as TenantId[];
  return { levels, place, digest, judgedBy, path, timeZone };
}

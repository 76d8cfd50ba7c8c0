/** Tenants' own policies, which hold for their connections and for those of all tenants below. */
import type { Actor, AuditEntry } from '../domain/audit.ts';
import { canonical, type Json } from '../domain/canonical.ts';
import type { ConnectionId, TenantId } from '../domain/ids.ts';
import { TenantPolicy } from '../domain/tenantPolicy.ts';
import { appendAudit } from './audit.ts';
import { noteConfigurator } from './configurators.ts';
import type { Database, Sql } from './database.ts';
import { markToJudge } from './judging.ts';
import { type ConnectionRules, readRules } from './ruleLevels.ts';
import { SUBTREE } from './scope.ts';

/** Of a tenant that has said nothing, version 0. */
export type StoredTenantPolicy = {
  readonly tenant: TenantId;
  readonly tenantName: string;
  readonly policy: TenantPolicy;
  readonly version: number;
  readonly changedAt: string | null;
  readonly changedBy: string | null;
};

/** The policies that a tenant's connections go by. */
export type PoliciesOver = {
  readonly own: StoredTenantPolicy;
  /** Of the tenants above, from the root down, those that have said something; `isSeen`: within what the caller sees. */
  readonly above: readonly {
    readonly tenant: TenantId;
    readonly tenantName: string;
    readonly policy: TenantPolicy;
    readonly isSeen: boolean;
  }[];
};

type Row = {
  readonly tenant: TenantId;
  readonly tenantName: string;
  readonly policy: unknown;
  readonly version: number;
  readonly changedAt: Date | null;
  readonly changedBy: string | null;
};

const OWN = `SELECT t.id AS tenant, t.name AS "tenantName", coalesce(p.policy, '{}') AS policy, coalesce(p.version, 0) AS version,
    p.changed_at AS "changedAt", p.changed_by ->> 'name' AS "changedBy"
  FROM tenant t LEFT JOIN tenant_policy p ON p.tenant_id = t.id
  WHERE t.id = $1 AND t.id IN ${SUBTREE('$2::uuid')}`;

export class TenantPolicies {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** null: no such tenant within `scope`. */
  get(scope: TenantId, tenant: TenantId): Promise<PoliciesOver | null> {
    return this.#database.bulk(scope, async (tx) => {
      const own = await readOwn(tx, scope, tenant);
      if (own === null) return null;
      const rows = await tx.query<{ tenant: TenantId; name: string | null; policy: unknown }>(
        `SELECT p.tenant_id AS tenant, t.name, p.policy FROM policies_over($1) WITH ORDINALITY AS p (tenant_id, policy, place)
           LEFT JOIN tenant t ON t.id = p.tenant_id WHERE p.tenant_id <> $1 ORDER BY p.place`,
        [tenant],
      );
      const above = rows.map((row) => ({
        ...{ tenant: row.tenant, tenantName: row.name ?? '', isSeen: row.name !== null },
        policy: TenantPolicy.parse(row.policy),
      }));
      return { own, above };
    });
  }

  /** Those of all levels, of tenants that `scope` does not see too. null: no such connection within it. */
  rulesOf(scope: TenantId, connection: ConnectionId): Promise<ConnectionRules | null> {
    return this.#database.bulk(scope, (tx) => readRules(tx, connection));
  }

  /**
   * null: no such tenant, or its policy is at another version than the one that `change` was made from. `entry`: what is audited, of what
   * was there before and is there now.
   */
  save(
    scope: TenantId,
    tenant: TenantId,
    change: {
      readonly version: number | null;
      readonly policyFrom: (before: TenantPolicy) => TenantPolicy;
      readonly entry: (before: TenantPolicy, after: TenantPolicy) => AuditEntry;
      readonly by: { readonly actor: Actor; readonly at: Date };
    },
  ): Promise<StoredTenantPolicy | null> {
    const { by } = change;
    return this.#database.bulk(scope, async (tx) => {
      await tx.query('SELECT FROM tenant WHERE id = $1 FOR NO KEY UPDATE', [tenant]); // one after the other
      const before = await readOwn(tx, scope, tenant);
      if (before === null || (change.version !== null && change.version !== before.version)) return null;
      const policy = change.policyFrom(before.policy);
      await tx.query(
        `INSERT INTO tenant_policy (tenant_id, policy, version, changed_at, changed_by) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant_id) DO UPDATE SET policy = excluded.policy, version = excluded.version, changed_at = excluded.changed_at,
           changed_by = excluded.changed_by`,
        [tenant, policy as Json, before.version + 1, by.at.toISOString(), by.actor],
      );
      const governed = { tenant, reach: 'subtree' } as const;
      if (judgesOtherwise(before.policy, policy)) await markToJudge(tx, governed);
      await noteConfigurator(tx, governed, by);
      await appendAudit(tx, tenant, by.at, [change.entry(before.policy, policy)]);
      return await readOwn(tx, scope, tenant);
    });
  }
}

function judgesOtherwise(before: TenantPolicy, after: TenantPolicy): boolean {
  const said = ({ rules, timeZone }: TenantPolicy) => canonical({ rules, timeZone } as Json);
  return said(before) !== said(after);
}

async function readOwn(sql: Sql, scope: TenantId, tenant: TenantId): Promise<StoredTenantPolicy | null> {
  const [row] = await sql.query<Row>(OWN, [tenant, scope]);
  if (row === undefined) return null;
  return {
    ...row,
    policy: TenantPolicy.parse(row.policy),
    changedAt: row.changedAt?.toISOString() ?? null,
  };
}

/** What of a tenant, and of those below it, needs somebody: counted where the database counts it, whoever is told of it. */
import type { Guard } from '../domain/guard.ts';
import type { ApplyId, ConnectionId, TenantId } from '../domain/ids.ts';
import { conditions, NAME } from './changeFilter.ts';
import type { Database } from './database.ts';
import { SUBTREE } from './scope.ts';

type Of = {
  readonly connection: ConnectionId;
  readonly connectionName: string;
  readonly tenant: TenantId;
  readonly tenantName: string;
};

/** Changes that wait, or that something holds. */
export type WaitingChanges = Of & {
  readonly kind: string;
  readonly state: 'open' | 'held';
  /** '': none holds them. */
  readonly guard: Guard | '';
  readonly changes: number;
};
export type HeldByRule = {
  readonly connection: ConnectionId;
  readonly rule: string;
  readonly changes: number;
};
export type OverdueChanges = Of & { readonly changes: number };
export type FailedApply = Of & {
  readonly apply: ApplyId;
  readonly end: 'failed' | 'given-up' | 'stopped';
  readonly failed: number;
  readonly total: number;
};
export type ExpiringKey = {
  readonly key: string;
  readonly tenant: TenantId;
  readonly tenantName: string;
  readonly expiresAt: Date;
};

const OF = `c.id AS connection, c.name AS "connectionName", t.id AS tenant, t.name AS "tenantName"`;

export class Matters {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * From what is counted with every statement that proposes, decides or applies. Here and below each connection is looked up by itself: it is
   * asked for every channel once a minute, and PostgreSQL would go over the changes of all tenants.
   */
  waiting(scope: TenantId): Promise<readonly WaitingChanges[]> {
    return this.#database.bulk(scope, (tx) =>
      tx.query<WaitingChanges>(
        `SELECT ${OF}, g.kind, n.state, n.guard, sum(n.changes)::int AS changes
         FROM connection c JOIN tenant t ON t.id = c.tenant_id
           CROSS JOIN LATERAL (SELECT * FROM change_count WHERE connection_id = c.id AND state IN ('open', 'held') OFFSET 0) n
           JOIN change_group g ON g.id = n.group_id AND g.connection_id = n.connection_id
         WHERE t.id IN ${SUBTREE('$1::uuid')}
         GROUP BY c.id, t.id, g.kind, n.state, n.guard HAVING sum(n.changes) > 0 ORDER BY c.id, n.state DESC, n.guard, g.kind`,
        [scope],
      ),
    );
  }

  /** Of these connections, what rules of policies hold. */
  heldByRules(scope: TenantId, connections: readonly ConnectionId[]): Promise<readonly HeldByRule[]> {
    return this.#database.bulk(scope, (tx) =>
      tx.query<HeldByRule>(
        `SELECT c.connection_id AS connection, v.rule, count(*)::int AS changes
         FROM change c JOIN decision d ON d.id = c.decision_id AND d.made_by = 'policy' JOIN policy_verdict v ON v.id = d.verdict_id
         WHERE c.connection_id = ANY ($2::uuid[]) AND c.state = 'held' AND c.tenant_id IN ${SUBTREE('$1::uuid')}
         GROUP BY c.connection_id, v.rule ORDER BY 1, 2`,
        [scope, connections],
      ),
    );
  }

  /** Those that were noted to have waited for longer than a policy wants them to. */
  overdue(scope: TenantId): Promise<readonly OverdueChanges[]> {
    return this.#database.bulk(scope, (tx) =>
      tx.query<OverdueChanges>(
        `SELECT ${OF}, x.changes
         FROM connection c JOIN tenant t ON t.id = c.tenant_id
           CROSS JOIN LATERAL (SELECT count(*)::int AS changes FROM change
             WHERE connection_id = c.id AND state IN ('open', 'held') AND overdue_at IS NOT NULL) x
         WHERE t.id IN ${SUBTREE('$1::uuid')} AND x.changes > 0 ORDER BY c.id`,
        [scope],
      ),
    );
  }

  /** Applies that ended since, given up or with changes that could not be carried out; and those that stand still because too much fails. */
  failedApplies(scope: TenantId, since: Date): Promise<readonly FailedApply[]> {
    return this.#database.bulk(scope, (tx) =>
      tx.query<FailedApply>(
        `SELECT ${OF}, a.id AS apply, a.total, coalesce((a.counts ->> 'failed')::int, 0) AS failed,
           CASE WHEN a.state = 'paused' THEN 'stopped' WHEN a.halt ->> 'because' = 'given-up' THEN 'given-up' ELSE 'failed' END AS end
         FROM (SELECT * FROM apply WHERE tenant_id IN ${SUBTREE('$1::uuid')} AND finished_at >= $2
                 AND ((counts ->> 'failed')::int > 0 OR halt ->> 'because' = 'given-up')
               UNION ALL SELECT * FROM apply WHERE tenant_id IN ${SUBTREE('$1::uuid')} AND state = 'paused'
                 AND halt ->> 'because' IN ('trouble', 'health')) a
           JOIN connection c ON c.id = a.connection_id JOIN tenant t ON t.id = c.tenant_id ORDER BY a.id`,
        [scope, since.toISOString()],
      ),
    );
  }

  /**
   * API keys that open nothing any more by `until`, and were made for longer than `madeFor` milliseconds: whoever makes one for a day knows.
   * Not those that another one has taken the place of.
   */
  expiringKeys(
    scope: TenantId,
    { at, until, madeForMs }: { readonly at: Date; readonly until: Date; readonly madeForMs: number },
  ): Promise<readonly ExpiringKey[]> {
    return this.#database.bulk(scope, (tx) =>
      tx.query<ExpiringKey>(
        `SELECT k.id AS key, t.id AS tenant, t.name AS "tenantName", k.expires_at AS "expiresAt"
         FROM api_key k JOIN tenant t ON t.id = k.tenant_id JOIN principal p ON p.id = k.principal_id
         WHERE k.tenant_id IN ${SUBTREE('$1::uuid')} AND k.revoked_at IS NULL AND p.disabled_at IS NULL
           AND k.expires_at > $2 AND k.expires_at <= $3 AND k.expires_at - k.created_at >= make_interval(secs => $4 / 1000.0)
           AND NOT EXISTS (SELECT FROM api_key r WHERE r.replaces = k.id) ORDER BY k.id`,
        [scope, at.toISOString(), until.toISOString(), madeForMs],
      ),
    );
  }

  async tenantNames(scope: TenantId, ids: readonly TenantId[]): Promise<ReadonlyMap<TenantId, string>> {
    const rows = await this.#database.bulk(scope, (tx) =>
      tx.query<{ id: TenantId; name: string }>('SELECT id, name FROM tenant WHERE id = ANY ($1::uuid[])', [
        ids,
      ]),
    );
    return new Map(rows.map(({ id, name }) => [id, name]));
  }

  /** Names of a few of those whom changes concern, the oldest first. */
  people(
    scope: TenantId,
    of: {
      readonly connection: ConnectionId;
      readonly state: 'open' | 'held';
      readonly guard: Guard | '' | undefined;
      readonly rule: string | undefined;
    },
    limit: number,
  ): Promise<readonly string[]> {
    const { where, values } = conditions(scope, {
      connection: of.connection,
      states: [of.state],
      guard: of.guard,
      rule: of.rule,
    });
    return this.#database.bulk(scope, async (tx) => {
      const rows = await tx.query<{ name: string }>(
        `SELECT ${NAME} AS name FROM change c WHERE ${where} ORDER BY c.id LIMIT $${values.length + 1}`,
        [...values, limit],
      );
      return rows.map(({ name }) => name);
    });
  }
}

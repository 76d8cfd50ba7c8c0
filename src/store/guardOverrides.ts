/** Overrides of guards: what somebody lets through for a time. They end by themselves: nothing has to be done when their time is up. */
import type { Actor, AuditEntry } from '../domain/audit.ts';
import type { Finding, Guard, Override } from '../domain/guard.ts';
import type { ConnectionId, GuardOverrideId, PrincipalId, TenantId } from '../domain/ids.ts';
import type { Policy } from '../domain/policy.ts';
import { appendAudit } from './audit.ts';
import type { Database, Sql } from './database.ts';
import { MOMENT } from './moment.ts';
import { SUBTREE } from './scope.ts';
import { unknownRoles, unknownUsers } from './unknownNames.ts';

export type GuardOverride = Override & {
  readonly id: GuardOverrideId;
  readonly connection: ConnectionId;
  readonly tenant: TenantId;
  readonly createdAt: string;
};

export type NewOverride = {
  readonly id: GuardOverrideId;
  readonly connection: ConnectionId;
  readonly tenant: TenantId;
  readonly guard: Guard;
  readonly allowed: number | null;
  readonly reason: string;
  readonly until: Date;
};

const VIEW = `o.id, o.connection_id AS connection, o.tenant_id AS tenant, o.guard, o.allowed, o.actor ->> 'name' AS by, o.reason,
  ${MOMENT('o.expires_at')} AS until, ${MOMENT('o.created_at')} AS "createdAt"`;

/** Those of these connections that hold at this time. */
export function activeOverrides(
  sql: Sql,
  connections: readonly ConnectionId[],
  at: Date,
): Promise<readonly GuardOverride[]> {
  return sql.query<GuardOverride>(
    `SELECT ${VIEW} FROM guard_override o
     WHERE o.connection_id = ANY ($1::uuid[]) AND o.ended_at IS NULL AND o.expires_at > $2 ORDER BY o.id`,
    [connections, at.toISOString()],
  );
}

export class GuardOverrides {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Takes the place of the one that the connection has of the same guard. */
  insert(
    scope: TenantId,
    made: NewOverride,
    by: { readonly principal: PrincipalId; readonly actor: Actor; readonly at: Date },
  ): Promise<GuardOverride> {
    const { id, connection, tenant, guard, allowed, reason, until } = made;
    return this.#database.bulk(scope, async (tx) => {
      const at = by.at.toISOString();
      await tx.query('SELECT FROM connection WHERE id = $1 FOR NO KEY UPDATE', [connection]); // one after the other
      await tx.query(
        'UPDATE guard_override SET ended_at = $3 WHERE connection_id = $1 AND guard = $2 AND ended_at IS NULL',
        [connection, guard, at],
      );
      await tx.query(
        `INSERT INTO guard_override (id, tenant_id, connection_id, guard, allowed, reason, expires_at, principal_id, actor, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
        [id, tenant, connection, guard, allowed, reason, until.toISOString(), by.principal, by.actor, at],
      );
      const entry: AuditEntry = {
        actor: by.actor,
        action: 'guard.overridden',
        subject: { kind: 'connection', id: connection },
        details: { override: id, guard, allowed, until: until.toISOString(), reason },
      };
      await appendAudit(tx, tenant, by.at, [entry]);
      const [stored] = await tx.query<GuardOverride>(`SELECT ${VIEW} FROM guard_override o WHERE o.id = $1`, [
        id,
      ]);
      if (stored === undefined) throw new Error('the override is there');
      return stored;
    });
  }

  /** Ends one before its time. false: there is none that holds. */
  end(
    scope: TenantId,
    id: GuardOverrideId,
    by: { readonly actor: Actor; readonly at: Date },
  ): Promise<boolean> {
    return this.#database.bulk(scope, async (tx) => {
      const at = by.at.toISOString();
      const [ended] = await tx.query<Pick<GuardOverride, 'connection' | 'tenant' | 'guard'>>(
        `UPDATE guard_override o SET ended_at = $2 WHERE o.id = $1 AND o.ended_at IS NULL AND o.expires_at > $2
           AND o.tenant_id IN ${SUBTREE('$3::uuid')}
         RETURNING o.connection_id AS connection, o.tenant_id AS tenant, o.guard`,
        [id, at, scope],
      );
      if (ended === undefined) return false;
      const entry: AuditEntry = {
        actor: by.actor,
        action: 'guard.override-ended',
        subject: { kind: 'connection', id: ended.connection },
        details: { override: id, guard: ended.guard },
      };
      await appendAudit(tx, ended.tenant, by.at, [entry]);
      return true;
    });
  }

  /** What the guards found when the connection's last plan was stored. */
  lastFindings(scope: TenantId, connection: ConnectionId): Promise<readonly Finding[]> {
    return this.#database.bulk(scope, async (tx) => {
      const [last] = await tx.query<{ findings: readonly Finding[] | null }>(
        `SELECT findings FROM sync_run WHERE connection_id = $1 AND state = 'finished' ORDER BY id DESC LIMIT 1`,
        [connection],
      );
      return last?.findings ?? [];
    });
  }

  /** Names of the policy of a connection of `tenant` that nothing has. */
  unknownNames(
    scope: TenantId,
    tenant: TenantId,
    policy: Policy,
  ): Promise<{ readonly users: readonly string[]; readonly roles: readonly string[] }> {
    return this.#database.bulk(scope, async (tx) => ({
      users: await unknownUsers(tx, tenant, policy.protected.users),
      roles: await unknownRoles(tx, policy),
    }));
  }

  active(scope: TenantId, connections: readonly ConnectionId[], at: Date): Promise<readonly GuardOverride[]> {
    if (connections.length === 0) return Promise.resolve([]);
    return this.#database.bulk(scope, (tx) => activeOverrides(tx, connections, at));
  }
}

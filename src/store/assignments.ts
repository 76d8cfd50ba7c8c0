/** Who is to look at which changes. It decides nothing: whoever may decide still may. */
import type { Actor, AuditEntry } from '../domain/audit.ts';
import type { ChangeId, ConnectionId, PrincipalId, TenantId } from '../domain/ids.ts';
import { appendToChains } from './auditChains.ts';
import { type ChangeFilter, conditions } from './changeFilter.ts';
import type { BulkTransaction, Database } from './database.ts';
import { LIVE } from './livingChanges.ts';

/** null: nobody is to look at them. */
export type Assignee = { readonly id: PrincipalId; readonly name: string } | null;

export type Assigning = {
  readonly to: Assignee;
  readonly actor: Actor;
  readonly at: Date;
};

type Counted = { readonly connection: ConnectionId; readonly tenant: TenantId; readonly changes: number };

export class Assignments {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Of those that wait or are remembered. Gives how many are assigned so now that were not. */
  assign(
    within: TenantId,
    of: { readonly changes: readonly ChangeId[] } | { readonly filter: ChangeFilter },
    { to, actor, at }: Assigning,
  ): Promise<number> {
    return this.#database.bulk(within, async (tx) => {
      const { where, values } = conditions(within, 'filter' in of ? of.filter : {});
      const meant = `${where} AND c.state IN ${LIVE}${'changes' in of ? ` AND c.id = ANY ($${values.push(of.changes)}::uuid[])` : ''}`;
      const counted = to === null ? await release(tx, meant, values) : await give(tx, meant, values, to, at);
      const entries = counted.map(({ connection, tenant, changes }) => {
        const entry: AuditEntry = {
          actor,
          action: to === null ? 'changes.unassigned' : 'changes.assigned',
          subject: { kind: 'change-set', id: connection },
          details: { changes, ...(to === null ? {} : { to: to.id }) },
        };
        return { chain: tenant, entry };
      });
      await appendToChains(tx, at, entries);
      return counted.reduce((sum, { changes }) => sum + changes, 0);
    });
  }

  /**
   * Follows what has become of assigned changes: one that another has taken the place of hands it on; one that is over is assigned to
   * nobody any more.
   */
  async follow(): Promise<void> {
    await this.#database.bulk(this.#database.root, async (tx) => {
      await tx.query(
        `UPDATE assignment s SET change_id = (c.note ->> 'by')::uuid FROM change c
         WHERE c.id = s.change_id AND c.state = 'superseded' AND c.note ->> 'because' = 'replaced'
           AND NOT EXISTS (SELECT FROM assignment o WHERE o.change_id = (c.note ->> 'by')::uuid)`,
      );
      await tx.query(
        `DELETE FROM assignment s USING change c WHERE c.id = s.change_id AND c.state NOT IN ${LIVE}
           AND (c.note ->> 'because' IS DISTINCT FROM 'replaced'
             OR EXISTS (SELECT FROM assignment o WHERE o.change_id = (c.note ->> 'by')::uuid))`,
      );
    });
  }
}

const COUNTED = `SELECT connection_id AS connection, tenant_id AS tenant, count(*)::int AS changes FROM done GROUP BY 1, 2 ORDER BY 2, 1`;

function give(
  tx: BulkTransaction,
  meant: string,
  values: readonly unknown[],
  to: NonNullable<Assignee>,
  at: Date,
): Promise<readonly Counted[]> {
  const next = (offset: number) => `$${values.length + offset}`;
  return tx.query<Counted>(
    `WITH done AS (
       INSERT INTO assignment AS s (change_id, tenant_id, connection_id, principal_id, name, assigned_at)
       SELECT c.id, c.tenant_id, c.connection_id, ${next(1)}::uuid, ${next(2)}::text, ${next(3)}::timestamptz FROM change c
       WHERE ${meant} ORDER BY c.id
       ON CONFLICT (change_id) DO UPDATE SET principal_id = excluded.principal_id, name = excluded.name, assigned_at = excluded.assigned_at
         WHERE s.principal_id <> excluded.principal_id
       RETURNING connection_id, tenant_id)
     ${COUNTED}`,
    [...values, to.id, to.name, at.toISOString()],
  );
}

function release(
  tx: BulkTransaction,
  meant: string,
  values: readonly unknown[],
): Promise<readonly Counted[]> {
  return tx.query<Counted>(
    `WITH done AS (
       DELETE FROM assignment s USING change c WHERE c.id = s.change_id AND ${meant} RETURNING s.connection_id, s.tenant_id)
     ${COUNTED}`,
    values,
  );
}

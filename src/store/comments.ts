/** What people have said about changes of one directory user. Nothing of it is altered. */
import { v7 } from 'uuid';
import type { Actor, AuditEntry } from '../domain/audit.ts';
import type { ChangeId, PrincipalId, TenantId } from '../domain/ids.ts';
import type { PageOptions } from '../domain/page.ts';
import { appendAudit } from './audit.ts';
import type { Database } from './database.ts';
import { SUBTREE } from './scope.ts';

export type CommentView = {
  readonly id: string;
  /** The one that it was said about: of the same person, be it not the one that was asked for. */
  readonly change: ChangeId;
  readonly by: string;
  readonly text: string;
  readonly at: string;
};

type Row = Omit<CommentView, 'at'> & { readonly at: Date };

const VIEW = `SELECT m.id, m.change_id AS change, m.actor ->> 'name' AS by, m.text, m.created_at AS at FROM change_comment m`;

export class Comments {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** null: there is no such change. */
  add(
    within: TenantId,
    change: ChangeId,
    {
      text,
      principal,
      actor,
      at,
    }: {
      readonly text: string;
      readonly principal: PrincipalId;
      readonly actor: Actor;
      readonly at: Date;
    },
  ): Promise<CommentView | null> {
    return this.#database.bulk(within, async (tx) => {
      const id = v7();
      const [row] = await tx.query<{ tenant: TenantId }>(
        `INSERT INTO change_comment (id, tenant_id, connection_id, change_id, external_id, principal_id, actor, text, created_at)
         SELECT $1, c.tenant_id, c.connection_id, c.id, c.external_id, $3, $4, $5, $6 FROM change c
         WHERE c.id = $2 AND c.tenant_id IN ${SUBTREE('$7::uuid')} RETURNING tenant_id AS tenant`,
        [id, change, principal, actor, text, at.toISOString(), within],
      );
      if (row === undefined) return null;
      // What was said may name people: the audit log does not repeat it.
      const entry: AuditEntry = {
        actor,
        action: 'change.commented',
        subject: { kind: 'change', id: change },
        details: { comment: id },
      };
      await appendAudit(tx, row.tenant, at, [entry]);
      return { id, change, by: actor.name, text, at: at.toISOString() };
    });
  }

  /** Oldest first: all that was said of changes of the same person in the connection, as what waits for them may have been another. */
  list(
    within: TenantId,
    change: ChangeId,
    { limit, after }: PageOptions,
  ): Promise<readonly CommentView[] | null> {
    return this.#database.bulk(within, async (tx) => {
      const [of] = await tx.query<{ connection: string; person: string }>(
        `SELECT connection_id AS connection, external_id AS person FROM change WHERE id = $1 AND tenant_id IN ${SUBTREE('$2::uuid')}`,
        [change, within],
      );
      if (of === undefined) return null;
      const rows = await tx.query<Row>(
        `${VIEW} WHERE m.connection_id = $1 AND m.external_id = $2 AND m.tenant_id IN ${SUBTREE('$3::uuid')}
           AND ($4::uuid IS NULL OR m.id > $4) ORDER BY m.id LIMIT $5::int`,
        [of.connection, of.person, within, after, limit],
      );
      return rows.map((row) => ({ ...row, at: row.at.toISOString() }));
    });
  }
}

/** What applications hear about: one event for each applied change, read as a feed. */
import type { AuthUserId, ChangeId, TenantId } from '../domain/ids.ts';
import { type FeedOptions, feedCursor, type Listed } from '../domain/page.ts';
import type { Database } from './database.ts';

export type EventView = {
  readonly id: string;
  /** Handed in as `after`, goes on behind this event, now or later. */
  readonly cursor: string;
  readonly tenant: TenantId;
  readonly authUser: AuthUserId;
  readonly change: ChangeId;
  readonly type: string;
  /** Version of the auth user afterwards: orders the events of one user. */
  readonly userVersion: number;
  /** Names of the fields that changed, roles gained and lost. Values are read from the user. */
  readonly data: { readonly [key: string]: unknown };
  readonly createdAt: string;
};

export class Events {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** In the order in which they were committed. */
  list(within: TenantId, page: FeedOptions): Promise<Listed<EventView>> {
    return this.#database.bulk(within, async (tx) => {
      const rows = await tx.query<
        Omit<EventView, 'createdAt' | 'cursor'> & { createdAt: Date; position: string }
      >(
        `SELECT id, tenant_id AS tenant, auth_user_id AS "authUser", change_id AS change, type, user_version AS "userVersion", data,
           created_at AS "createdAt", position
         FROM event WHERE tenant_id IN (SELECT t.id FROM tenant t, tenant top WHERE top.id = $1 AND t.path LIKE top.path || '%')
           AND position < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
           AND ($2::bigint IS NULL OR (position, id) > ($2::bigint, $3::uuid)) ORDER BY event.position, id LIMIT $4::int`,
        [within, page.after?.position ?? null, page.after?.id ?? null, page.limit + 1],
      );
      const items = rows.slice(0, page.limit).map(({ position, ...row }) => {
        return {
          ...row,
          cursor: feedCursor({ position, id: row.id }),
          createdAt: row.createdAt.toISOString(),
        };
      });
      return { items, next: rows.length > page.limit ? (items.at(-1)?.cursor ?? null) : null };
    });
  }
}

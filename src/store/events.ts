/** What applications hear about: each applied change of an auth user, and what happens to tenants, read as a feed. */
import type { AuthUserId, ChangeId, TenantId } from '../domain/ids.ts';
import { type FeedOptions, feedCursor, type Listed } from '../domain/page.ts';
import type { Database } from './database.ts';
import { SUBTREE } from './scope.ts';

export type EventView = {
  readonly id: string;
  /** Handed in as `after`, goes on behind this event, now or later. */
  readonly cursor: string;
  readonly tenant: TenantId;
  /** null: about the tenant itself. */
  readonly authUser: AuthUserId | null;
  /** null: not from a change of a directory. */
  readonly change: ChangeId | null;
  readonly type: string;
  /** Version of the auth user afterwards: orders the events of one user; null without one. */
  readonly userVersion: number | null;
  /** Names of the fields that changed, roles gained and lost. Values are read from the user. */
  readonly data: { readonly [key: string]: unknown };
  readonly createdAt: string;
};

const FROM_THE_BEGINNING = { position: '0', id: '00000000-0000-0000-0000-000000000000' };

/** What comes after a place in the feed, and whose turn it is: an older transaction that is still open may come before it. */
const NEXT = `position < pg_snapshot_xmin(pg_current_snapshot())::text::bigint AND (position, id) > ($1::bigint, $2::uuid)
  ORDER BY position, id LIMIT $3::int`;

/** Each tenant's own next events by its own index: whoever polls does not read over what all others wrote since. */
const OF_EACH_TENANT = `${SUBTREE('$4::uuid')} t CROSS JOIN LATERAL (SELECT * FROM event WHERE tenant_id = t.id AND ${NEXT}) e`;

export class Events {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** In the order in which they were committed. */
  list(within: TenantId, page: FeedOptions): Promise<Listed<EventView>> {
    return this.#database.bulk(within, async (tx) => {
      const { position, id } = page.after ?? FROM_THE_BEGINNING;
      const everybody = within === this.#database.root;
      const rows = await tx.query<
        Omit<EventView, 'createdAt' | 'cursor'> & { createdAt: Date; position: string }
      >(
        `SELECT e.id, e.tenant_id AS tenant, e.auth_user_id AS "authUser", e.change_id AS change, e.type, e.user_version AS "userVersion", e.data,
           e.created_at AS "createdAt", e.position
         FROM ${everybody ? `(SELECT * FROM event WHERE ${NEXT}) e` : OF_EACH_TENANT} ORDER BY e.position, e.id LIMIT $3::int`,
        [position, id, page.limit + 1, ...(everybody ? [] : [within])],
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

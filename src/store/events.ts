/** What applications hear about: one event for each applied change, read as a feed. */
import type { AuthUserId, ChangeId, TenantId } from '../domain/ids.ts';
import { type Listed, type PageOptions, toPage } from '../domain/page.ts';
import type { Database } from './database.ts';

export type EventView = {
  readonly id: string;
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

  /** Oldest first. */
  list(within: TenantId, page: PageOptions): Promise<Listed<EventView>> {
    return this.#database.bulk(within, async (tx) => {
      const rows = await tx.query<Omit<EventView, 'createdAt'> & { createdAt: Date }>(
        `SELECT id, tenant_id AS tenant, auth_user_id AS "authUser", change_id AS change, type, user_version AS "userVersion", data,
           created_at AS "createdAt"
         FROM event WHERE tenant_id IN (SELECT t.id FROM tenant t, tenant top WHERE top.id = $1 AND t.path LIKE top.path || '%')
           AND ($2::uuid IS NULL OR id > $2::uuid) ORDER BY id LIMIT $3::int`,
        [within, page.after, page.limit + 1],
      );
      return toPage(
        rows.map((row) => ({ ...row, createdAt: row.createdAt.toISOString() })),
        page.limit,
      );
    });
  }
}

/** What applications hear about: what changed of auth users, of tenants, and of what roles mean everywhere, read as a feed. */
import type { Json } from '../domain/canonical.ts';
import type { AuthUserId, ChangeId, TenantId } from '../domain/ids.ts';
import { type FeedOptions, feedCursor, type Listed } from '../domain/page.ts';
import type { TenantEventType } from '../domain/tenant.ts';
import type { Database, Sql } from './database.ts';
import { manyIds } from './ids.ts';
import { EVER_WITHIN } from './scope.ts';

export type EventView = {
  readonly id: string;
  /** Handed in as `after`, goes on behind this event, now or later. */
  readonly cursor: string;
  /** Of an event that is for all: the reader's own. */
  readonly tenant: TenantId;
  /** null: about the tenant itself, or about all. */
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

/**
 * Each tenant's own next events by its own index: whoever polls does not read over what all others wrote since. Deleted tenants too:
 * that they are deleted is an event of theirs.
 */
const OF_EACH_TENANT = `(SELECT e.* FROM (${EVER_WITHIN('$4::uuid')}) t CROSS JOIN LATERAL (SELECT * FROM event WHERE tenant_id = t.id AND ${NEXT}) e
  UNION ALL (SELECT * FROM event WHERE for_all AND ${NEXT})) e`;

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
        `SELECT e.id, ${everybody ? 'e.tenant_id' : 'CASE WHEN e.for_all THEN $4::uuid ELSE e.tenant_id END'} AS tenant, e.auth_user_id AS "authUser", e.change_id AS change, e.type, e.user_version AS "userVersion", e.data,
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

/** What happened to a tenant. `tenant` is whose feed it comes in, with the feeds of all above; `data` says whom it is about. */
export type TenantEvent = {
  readonly tenant: TenantId;
  readonly type: TenantEventType;
  readonly data: { readonly [key: string]: Json };
};

/** In the transaction of what they tell, in their order. */
export async function writeTenantEvents(sql: Sql, at: Date, events: readonly TenantEvent[]): Promise<void> {
  if (events.length === 0) return;
  const ids = manyIds(events.length);
  const rows = events.map(({ tenant, type, data }, index) => ({
    id: ids[index],
    tenant_id: tenant,
    type,
    data,
  }));
  await sql.query(
    `INSERT INTO event (id, tenant_id, type, data, created_at)
     SELECT id, tenant_id, type, data, $2::timestamptz
     FROM jsonb_to_recordset($1::jsonb) AS row (id uuid, tenant_id uuid, type text, data jsonb)`,
    [JSON.stringify(rows), at.toISOString()],
  );
}

/**
 * What roles mean is not what it was: in the transaction of what they tell. `shows`: not to hidden roles alone, of which nothing shows
 * to tenants.
 */
export async function writeRolesChanged(
  sql: Sql,
  { root, at, shows }: { readonly root: TenantId; readonly at: Date; readonly shows: boolean },
): Promise<void> {
  await sql.query(
    `INSERT INTO event (id, tenant_id, type, data, created_at, for_all)
     VALUES ($1::uuid, $2::uuid, 'roles.changed', '{}', $3::timestamptz, $4::boolean)`,
    [...manyIds(1), root, at.toISOString(), shows],
  );
}

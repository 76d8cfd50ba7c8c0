/** Channels that people are told by. The webhook's address, and the password of a mail server, go in readable and come out only for `open`. */
import type { AuditEntry } from '../domain/audit.ts';
import type { Channel, ChannelId, Destination } from '../domain/channel.ts';
import type { TenantId } from '../domain/ids.ts';
import { type Listed, type PageOptions, toPage } from '../domain/page.ts';
import { appendAudit } from './audit.ts';
import type { Database, Sql } from './database.ts';
import { refusingTakenNames } from './duplicates.ts';
import { SUBTREE } from './scope.ts';
import type { SecretBox } from './secrets.ts';

export type NewChannel = Channel & { readonly secret: string | null };

/** How the last message to it fared; null: there was none. */
export type LastMessage = {
  readonly state: 'waiting' | 'sent' | 'failed';
  readonly at: Date;
  readonly problem: string | null;
};
export type ListedChannel = Channel & { readonly last: LastMessage | null };

export type OpenedChannel = { readonly channel: Channel; readonly secret: string | null };

/** `secret: undefined`: the one that is stored stays. */
export type ChangedChannel = {
  readonly channel: Channel;
  readonly secret: string | null | undefined;
  readonly entry: AuditEntry;
};

type Told = { readonly at: Date; readonly entry: AuditEntry };
type Row = Omit<ListedChannel, 'destination' | 'last'> & {
  readonly type: Destination['type'];
  readonly settings: object;
  readonly last: (Omit<LastMessage, 'at'> & { readonly at: string }) | null;
};

const COLUMNS = `c.id, c.tenant_id AS tenant, c.name, c.type, c.settings, c.immediately, c.in_digest AS "inDigest", c.schedule,
  c.time_zone AS "timeZone", c.names_people AS "namesPeople", c.digest_at AS "digestAt", c.created_at AS "createdAt"`;
const LAST = `(SELECT jsonb_build_object('state', n.state, 'at', coalesce(n.sent_at, n.created_at), 'problem', n.problem)
  FROM notification n WHERE n.channel_id = c.id ORDER BY n.id DESC LIMIT 1) AS last`;

const toChannel = ({ type, settings, last: _, ...row }: Row) =>
  ({ ...row, destination: { type, ...settings } }) as unknown as Channel;
const toListed = (row: Row): ListedChannel => ({
  ...toChannel(row),
  last: row.last === null ? null : { ...row.last, at: new Date(row.last.at) },
});

/** `scope` is the caller's tenant: nothing outside its subtree is seen or touched. */
export class Channels {
  readonly #database: Database;
  readonly #box: SecretBox;

  constructor(database: Database, box: SecretBox) {
    this.#database = database;
    this.#box = box;
  }

  /** false: there is no such tenant. Throws `name-taken` within the tenant. */
  add(scope: TenantId, channel: NewChannel, { at, entry }: Told): Promise<boolean> {
    const { type, ...settings } = channel.destination;
    const secret = channel.secret === null ? null : Buffer.from(this.#box.seal(channel.id, channel.secret));
    return refusingTakenNames(nameTaken, () =>
      this.#database.bulk(scope, async (tx) => {
        const [tenant] = await tx.query(
          `SELECT FROM tenant WHERE id = $2 AND id IN ${SUBTREE('$1::uuid')} AND state <> 'deleted' FOR SHARE`,
          [scope, channel.tenant],
        );
        if (tenant === undefined) return false;
        await tx.query(
          `INSERT INTO notification_channel (id, tenant_id, name, type, settings, secret, immediately, in_digest, schedule, time_zone,
             names_people, digest_at, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
          [
            ...[channel.id, channel.tenant, channel.name, type, settings, secret],
            ...[
              channel.immediately,
              channel.inDigest,
              channel.schedule,
              channel.timeZone,
              channel.namesPeople,
            ],
            ...[channel.digestAt?.toISOString() ?? null, at.toISOString()],
          ],
        );
        await appendAudit(tx, channel.tenant, at, [entry]);
        return true;
      }),
    );
  }

  /**
   * What `decide` makes of it as it stands: nobody else changes it meanwhile. Gives what is there then; null: there is no such channel.
   * Throws `name-taken` within the tenant, and what `decide` throws.
   */
  update(
    scope: TenantId,
    id: ChannelId,
    at: Date,
    decide: (before: Channel) => ChangedChannel | null,
  ): Promise<ListedChannel | null> {
    return refusingTakenNames(nameTaken, () =>
      this.#database.bulk(scope, async (tx) => {
        const [row] = await select(tx, scope, 'c.id = $2 FOR UPDATE OF c', [id]);
        if (row === undefined) return null;
        const { last, ...before } = toListed(row);
        const decided = decide(before);
        if (decided === null) return { ...before, last };
        const { channel, secret, entry } = decided;
        const { type: _, ...settings } = channel.destination;
        const sealed = typeof secret === 'string' ? Buffer.from(this.#box.seal(id, secret)) : null;
        await tx.query(
          `UPDATE notification_channel SET name = $2, settings = $3, secret = CASE WHEN $4 THEN secret ELSE $5::bytea END, immediately = $6,
             in_digest = $7, schedule = $8, time_zone = $9, names_people = $10, digest_at = $11 WHERE id = $1`,
          [
            ...[id, channel.name, settings, secret === undefined, sealed],
            ...[channel.immediately, channel.inDigest, channel.schedule, channel.timeZone],
            ...[channel.namesPeople, channel.digestAt?.toISOString() ?? null],
          ],
        );
        await appendAudit(tx, channel.tenant, at, [entry]);
        return { ...channel, last };
      }),
    );
  }

  /** Into the audit log alone. */
  note({ tenant }: Channel, { at, entry }: Told): Promise<void> {
    return this.#database.bulk(tenant, (tx) => appendAudit(tx, tenant, at, [entry]));
  }

  /** With what it was told and is to be told. Again is no error. */
  remove(scope: TenantId, { id, tenant }: Channel, { at, entry }: Told): Promise<void> {
    return this.#database.bulk(scope, async (tx) => {
      const [found] = await tx.query(
        `SELECT FROM notification_channel c WHERE c.id = $2 AND c.tenant_id IN ${SUBTREE('$1::uuid')} FOR UPDATE`,
        [scope, id],
      );
      if (found === undefined) return;
      await tx.query('DELETE FROM notification WHERE channel_id = $1', [id]);
      await tx.query('DELETE FROM notice WHERE channel_id = $1', [id]);
      await tx.query('DELETE FROM notification_channel WHERE id = $1', [id]);
      await appendAudit(tx, tenant, at, [entry]);
    });
  }

  /** Of the subtree of `tenant`, which must be within the scope: others have none. */
  list(
    scope: TenantId,
    { tenant, limit, after }: PageOptions & { readonly tenant: TenantId },
  ): Promise<Listed<ListedChannel>> {
    return this.#database.bulk(scope, async (tx) => {
      const rows = await select(
        tx,
        scope,
        `c.tenant_id IN ${SUBTREE('$2::uuid')} AND ($3::uuid IS NULL OR c.id > $3) ORDER BY c.id LIMIT $4`,
        [tenant, after, limit + 1],
      );
      return toPage(rows.map(toListed), limit);
    });
  }

  async get(scope: TenantId, id: ChannelId): Promise<ListedChannel | null> {
    const [row] = await this.#database.bulk(scope, (tx) => select(tx, scope, 'c.id = $2', [id]));
    return row === undefined ? null : toListed(row);
  }

  /** Up to `limit` of the channels with this name. */
  named(scope: TenantId, name: string, limit: number): Promise<readonly ListedChannel[]> {
    return this.#database.bulk(scope, async (tx) =>
      (await select(tx, scope, 'c.name = $2 ORDER BY c.id LIMIT $3', [name, limit])).map(toListed),
    );
  }

  /** Decrypts. null: there is none. Throws `wrong-secret-key`. */
  open(scope: TenantId, id: ChannelId): Promise<OpenedChannel | null> {
    return this.#database.bulk(scope, async (tx) => {
      const [row] = await select(tx, scope, 'c.id = $2', [id], ', c.secret');
      if (row === undefined) return null;
      const { secret, ...rest } = row as Row & { readonly secret: Buffer | null };
      return {
        channel: toChannel(rest),
        secret: secret === null ? null : String(this.#box.open(id, secret)),
      };
    });
  }

  /**
   * The next channel that was not looked after since, so that no two processes look at one: whoever gets it has until it is due again.
   * null: none is due.
   */
  takeDue(since: Date, at: Date): Promise<Channel | null> {
    return this.#database.bulk(this.#database.root, async (tx) => {
      const [taken] = await tx.query<{ id: string }>(
        `UPDATE notification_channel SET looked_at = $2 WHERE id = (
           SELECT c.id FROM notification_channel c JOIN tenant t ON t.id = c.tenant_id
           WHERE (c.looked_at IS NULL OR c.looked_at <= $1) AND t.state <> 'deleted'
           ORDER BY c.looked_at NULLS FIRST LIMIT 1 FOR UPDATE OF c SKIP LOCKED) RETURNING id`,
        [since.toISOString(), at.toISOString()],
      );
      if (taken === undefined) return null;
      const [row] = await select(tx, this.#database.root, 'c.id = $2', [taken.id]);
      return row === undefined ? null : toChannel(row);
    });
  }
}

function select(
  sql: Sql,
  scope: TenantId,
  rest: string,
  values: readonly unknown[],
  more = '',
): Promise<readonly Row[]> {
  return sql.query<Row>(
    `SELECT ${COLUMNS}, ${LAST}${more} FROM notification_channel c WHERE c.tenant_id IN ${SUBTREE('$1::uuid')} AND ${rest}`,
    [scope, ...values],
  );
}

const nameTaken = {
  message: 'Another notification channel of the same tenant has this name.',
  remedy: 'Choose another name, or remove the channel that is there.',
};

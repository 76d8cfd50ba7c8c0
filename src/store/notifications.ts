/**
 * What channels are told: notices of matters, and the messages that tell of them. A message is written in the transaction of its notices,
 * so that a matter is told or is still to be told, whatever is killed when; a sender claims a message for a time, and whoever dies with
 * one leaves it to the next.
 *
 *   waiting --claimed, sent--> sent        waiting --an attempt fails--> waiting, later | failed
 */
import { v7 } from 'uuid';
import type { Channel, ChannelId } from '../domain/channel.ts';
import type { TenantId } from '../domain/ids.ts';
import {
  type Looked,
  type Matter,
  type Message,
  messageOf,
  type Notice,
  subjectOf,
} from '../domain/notice.ts';
import { type Listed, type PageOptions, toPage } from '../domain/page.ts';
import type { BulkTransaction, Database } from './database.ts';
import { manyIds } from './ids.ts';
import { SUBTREE } from './scope.ts';

export const NOTIFICATION_STATES = ['waiting', 'sent', 'failed'] as const;
export type NotificationState = (typeof NOTIFICATION_STATES)[number];

export type Notification = {
  readonly id: string;
  readonly tenant: TenantId;
  readonly channel: ChannelId;
  readonly channelName: string;
  readonly message: Message;
  readonly state: NotificationState;
  /** Begun ones, the last included. */
  readonly attempts: number;
  /** Of one that waits: when it is tried next. */
  readonly dueAt: Date;
  /** Why the last attempt failed; of one that was sent, who of several was refused. */
  readonly problem: string | null;
  readonly createdAt: Date;
  readonly sentAt: Date | null;
};

export type NotificationFilter = {
  readonly tenant: TenantId;
  readonly channel?: ChannelId | undefined;
  readonly state?: NotificationState | undefined;
};

const VIEW = `SELECT n.id, n.tenant_id AS tenant, n.channel_id AS channel, c.name AS "channelName", n.message, n.state, n.attempts,
    n.due_at AS "dueAt", n.problem, n.created_at AS "createdAt", n.sent_at AS "sentAt"
  FROM notification n JOIN notification_channel c ON c.id = n.channel_id`;

/** How long messages, and notices of what is over, are kept. */
const KEPT_DAYS = 30;

export class Notifications {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Records what a look around found, and writes the messages that follow, all at once or not at all. `decide` is given what the channel
   * knew. Gives how many messages there are to send.
   */
  note(
    channel: Channel,
    { at, digestAt }: { readonly at: Date; readonly digestAt: Date | null },
    decide: (known: readonly Notice[]) => Looked,
  ): Promise<number> {
    return this.#database.bulk(channel.tenant, async (tx) => {
      const [held] = await tx.query('SELECT FROM notification_channel WHERE id = $1 FOR UPDATE', [
        channel.id,
      ]);
      if (held === undefined) return 0; // removed meanwhile
      const known = await tx.query<Notice>(
        `SELECT id, kind, subject, told_amount AS "toldAmount" FROM notice WHERE channel_id = $1 AND closed_at IS NULL`,
        [channel.id],
      );
      const looked = decide(known);
      await writeNotices(tx, channel, looked, at);
      const messages = [
        ...(looked.now === null ? [] : [messageOf(looked.now)]),
        ...(looked.digest === null ? [] : [messageOf(looked.digest.news, looked.digest.known)]),
      ];
      for (const message of messages)
        await tx.query(
          `INSERT INTO notification (id, tenant_id, channel_id, message, state, due_at, created_at) VALUES ($1, $2, $3, $4, 'waiting', $5, $5)`,
          [v7(), channel.tenant, channel.id, message, at.toISOString()],
        );
      // Unless the schedule was changed meanwhile.
      await tx.query(
        'UPDATE notification_channel SET digest_at = $2 WHERE id = $1 AND digest_at IS NOT DISTINCT FROM $3',
        [channel.id, digestAt?.toISOString() ?? null, channel.digestAt?.toISOString() ?? null],
      );
      return messages.length;
    });
  }

  /**
   * The next message that is due, for this process alone until `until`: of each channel the oldest first. null: none is. An attempt
   * counts as soon as it begins, so that a message that kills whoever sends it is given up too.
   */
  claim(at: Date, until: Date): Promise<Notification | null> {
    return this.#database.bulk(this.#database.root, async (tx) => {
      const [claimed] = await tx.query<{ id: string }>(
        `UPDATE notification SET attempts = attempts + 1, due_at = $2 WHERE id = (
           SELECT n.id FROM notification n WHERE n.state = 'waiting' AND n.due_at <= $1
             AND NOT EXISTS (SELECT FROM notification o WHERE o.channel_id = n.channel_id AND o.state = 'waiting' AND o.id < n.id)
           ORDER BY n.due_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id`,
        [at.toISOString(), until.toISOString()],
      );
      if (claimed === undefined) return null;
      const [row] = await tx.query<Notification>(`${VIEW} WHERE n.id = $1`, [claimed.id]);
      return row ?? null;
    });
  }

  /** How a claimed message fared. `attempts` tells whether it is still the caller's. */
  conclude(
    { id, tenant, attempts }: Notification,
    end:
      | { readonly state: 'sent'; readonly at: Date; readonly problem: string | null }
      | { readonly state: 'failed'; readonly problem: string }
      | { readonly state: 'waiting'; readonly problem: string; readonly dueAt: Date },
  ): Promise<void> {
    const sentAt = end.state === 'sent' ? end.at.toISOString() : null;
    const dueAt = end.state === 'waiting' ? end.dueAt.toISOString() : null;
    return this.#database.bulk(tenant, async (tx) => {
      await tx.query(
        `UPDATE notification SET state = $3, sent_at = $4, due_at = coalesce($5, due_at), problem = $6
         WHERE id = $1 AND attempts = $2 AND state = 'waiting'`,
        [id, attempts, end.state, sentAt, dueAt, end.problem],
      );
    });
  }

  /** Newest first. */
  list(scope: TenantId, filter: NotificationFilter, page: PageOptions): Promise<Listed<Notification>> {
    return this.#database.bulk(scope, async (tx) => {
      const rows = await tx.query<Notification>(
        `${VIEW} WHERE n.tenant_id IN ${SUBTREE('$1::uuid')} AND n.tenant_id IN ${SUBTREE('$2::uuid')}
           AND ($3::uuid IS NULL OR n.channel_id = $3) AND ($4::text IS NULL OR n.state = $4) AND ($5::uuid IS NULL OR n.id < $5)
         ORDER BY n.id DESC LIMIT $6`,
        [scope, filter.tenant, filter.channel ?? null, filter.state ?? null, page.after, page.limit + 1],
      );
      return toPage(rows, page.limit);
    });
  }

  /** Removes what is old: messages that have ended, and notices of what is over. */
  forgetOld(at: Date): Promise<void> {
    const before = new Date(at.getTime() - KEPT_DAYS * 86_400_000).toISOString();
    return this.#database.bulk(this.#database.root, async (tx) => {
      await tx.query(`DELETE FROM notification WHERE state <> 'waiting' AND created_at < $1`, [before]);
      await tx.query('DELETE FROM notice WHERE closed_at < $1', [before]);
    });
  }
}

async function writeNotices(
  tx: BulkTransaction,
  channel: Channel,
  { opened, closed, shrunk, now, digest }: Looked,
  at: Date,
): Promise<void> {
  await tx.query('UPDATE notice SET closed_at = $2 WHERE id = ANY ($1::uuid[])', [
    closed.map(({ id }) => id),
    at.toISOString(),
  ]);
  const ids = manyIds(opened.length);
  const rows = opened.map((matter, index) => ({ id: ids[index], ...keyOf(matter) }));
  await tx.query(
    `INSERT INTO notice (id, tenant_id, channel_id, kind, subject, opened_at)
     SELECT id, $2, $3, kind, subject, $4 FROM jsonb_to_recordset($1::jsonb) AS row (id uuid, kind text, subject text)`,
    [JSON.stringify(rows), channel.tenant, channel.id, at.toISOString()],
  );
  const counted = (matters: readonly Matter[], isTold: boolean) =>
    matters.map((one) => ({ ...keyOf(one), amount: one.amount, is_told: isTold }));
  const told = [...(now ?? []), ...(digest?.news ?? [])];
  await tx.query(
    `UPDATE notice n SET told_at = CASE WHEN t.is_told THEN $3::timestamptz ELSE n.told_at END, told_amount = t.amount
     FROM jsonb_to_recordset($1::jsonb) AS t (kind text, subject text, amount int, is_told boolean)
     WHERE n.channel_id = $2 AND n.closed_at IS NULL AND n.kind = t.kind AND n.subject = t.subject`,
    [JSON.stringify([...counted(told, true), ...counted(shrunk, false)]), channel.id, at.toISOString()],
  );
}

const keyOf = (matter: Matter) => ({ kind: matter.kind, subject: subjectOf(matter) });

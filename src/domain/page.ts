/** Lists, a page at a time. Ids grow with time (UUIDv7), so that the last id of a page says where the next one begins. */
import { z } from 'zod';
import { TenantId } from './ids.ts';

/** `next: null` marks the end; otherwise it is handed in as `after`. */
export type Listed<T> = { readonly items: readonly T[]; readonly next: string | null };

const Cursor = z.string().transform((text, context) => {
  const id = Buffer.from(text, 'base64url').toString('utf8');
  if (z.uuid().safeParse(id).success) return id;
  context.addIssue({ code: 'custom', message: 'is not the `next` of an earlier page' });
  return z.NEVER;
});

/** Limit: 1 to 500, 50 if not given. Query strings bring numbers as text. */
export const PageOptions = z.strictObject({
  limit: z.coerce.number<number | string>().int().min(1).max(500).default(50).describe('Items in the page.'),
  after: Cursor.nullable().default(null).describe('`next` of the page before.'),
});
/** `after` is the id of the last row that was seen. */
export type PageOptions = z.infer<typeof PageOptions>;

/** Whose rows a list has. null: the caller's own and those below. */
export const TopTenant = TenantId.nullable()
  .default(null)
  .describe('Of this tenant and those below it; without it of your own and those below it.');

/** From up to `limit + 1` rows: the one too many only shows that there is more. */
export function toPage<T extends { readonly id: string }>(rows: readonly T[], limit: number): Listed<T> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { items, next: more ? cursorOf(last.id) : null };
}

/** Of the row with this id, or of all up to it. */
export function cursorOf(id: string): string {
  return Buffer.from(id, 'utf8').toString('base64url');
}

/** A place in the feed of events: the transaction that wrote an event, and the event. */
export type FeedPlace = { readonly position: string; readonly id: string };

const FeedCursor = z.string().transform((text, context): FeedPlace => {
  const [position = '', id = '', ...more] = Buffer.from(text, 'base64url').toString('utf8').split('.');
  if (/^\d{1,19}$/.test(position) && z.uuid().safeParse(id).success && more.length === 0)
    return { position, id };
  context.addIssue({ code: 'custom', message: 'is not the `cursor` of an event' });
  return z.NEVER;
});

/** Like PageOptions, for the feed, which is never at its end: the last event's own cursor says where to go on later. */
export const FeedOptions = PageOptions.extend({
  after: FeedCursor.nullable().default(null).describe('`cursor` of the last event that was seen.'),
});
export type FeedOptions = z.infer<typeof FeedOptions>;

export function feedCursor({ position, id }: FeedPlace): string {
  return Buffer.from(`${position}.${id}`, 'utf8').toString('base64url');
}

/** A place in a list of groups: the largest come first, and of one size those whose key comes first. */
export type GroupPlace = { readonly changes: number; readonly key: string };

const GroupCursor = z.string().transform((text, context): GroupPlace => {
  const [, changes, key] = /^(\d{1,9}) (.*)$/s.exec(Buffer.from(text, 'base64url').toString('utf8')) ?? [];
  if (changes !== undefined && key !== undefined) return { changes: Number(changes), key };
  context.addIssue({ code: 'custom', message: 'is not the `next` of an earlier page' });
  return z.NEVER;
});

/** Like PageOptions, for groups. */
export const GroupPage = PageOptions.extend({
  after: GroupCursor.nullable().default(null).describe('`next` of the page before.'),
});
export type GroupPage = z.infer<typeof GroupPage>;

export function groupCursor({ changes, key }: GroupPlace): string {
  return Buffer.from(`${changes} ${key}`, 'utf8').toString('base64url');
}

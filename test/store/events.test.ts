import { v7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TenantId } from '../../src/domain/ids.ts';
import { FeedOptions } from '../../src/domain/page.ts';
import { clockAt } from '../support/clock.ts';
import { asOwner, type FreshStore, freshStore } from '../support/database.ts';
import { aTenant } from '../support/tenancy.ts';
import { untilFeedIsUpToDate } from '../support/waiting.ts';

let database: FreshStore;
/** By name; `other` stands beside `parent`. */
const tenants = new Map<string, TenantId>();
/** In the order of the feed. Several share a transaction; those of a tenant do not stand together. */
const written: { readonly id: string; readonly of: string; readonly position: number }[] = [];

beforeAll(async () => {
  database = await freshStore();
  const deps = { store: database.store, clock: clockAt('2026-05-01T09:00:00Z') };
  for (const name of ['parent', 'other']) tenants.set(name, await aTenant(deps));
  for (const name of ['child', 'sibling']) {
    tenants.set(name, await aTenant(deps, { parent: idOf('parent') }));
  }
  tenants.set('empty', await aTenant(deps));
  for (const position of [3, 4, 4, 4, 7, 9, 9, 12, 12, 12, 15, 20]) {
    const of = ['child', 'other', 'parent', 'sibling'][written.length % 4] ?? '';
    written.push({ id: v7(), of, position });
  }
  await asOwner(database.url, async (client) => {
    await client.query('DELETE FROM event'); // those of the tenants' making
    for (const { id, of, position } of written.toReversed())
      await client.query(
        `INSERT INTO event (id, tenant_id, auth_user_id, change_id, type, user_version, data, position)
         VALUES ($1, $2, $3, $4, 'user.updated', 1, '{}', $5)`,
        [id, idOf(of), v7(), v7(), position],
      );
  });
});
afterAll(() => database.drop());

function idOf(name: string): TenantId {
  const id = tenants.get(name);
  if (id === undefined) throw new Error(`there is no tenant ${name}`);
  return id;
}

/** What whoever polls with this many a page sees until there is no more, as the names of whose each is; and each page's size. */
async function feed(within: TenantId, limit: number) {
  const seen: string[] = [];
  const pages: number[] = [];
  let after: string | null = null;
  do {
    const page = await database.store.events.list(within, FeedOptions.parse({ limit, after }));
    seen.push(...page.items.map(({ id }) => id));
    pages.push(page.items.length);
    after = page.next;
  } while (after !== null);
  return { seen, pages };
}

const writtenIn = (...names: readonly string[]) =>
  written.filter(({ of }) => names.includes(of)).map(({ id }) => id);

describe('The feed', () => {
  it.each<[string, readonly string[]]>([
    ['child', ['child']],
    ['parent', ['parent', 'child', 'sibling']],
    ['other', ['other']],
    ['empty', []],
  ])('of %s has the events of its subtree, in one order, whatever the pages are', async (name, subtree) => {
    for (const limit of [1, 2, 3, 500]) {
      const { seen, pages } = await feed(idOf(name), limit);
      expect(seen).toEqual(writtenIn(...subtree));
      expect(pages.slice(0, -1).every((size) => size === limit)).toBe(true);
    }
  });

  it('of the root has those of all tenants, in the order of their transactions', async () => {
    for (const limit of [1, 5, 500]) {
      const { seen } = await feed(database.store.root, limit);
      expect(seen).toEqual(written.map(({ id }) => id));
    }
  });

  it('shows nothing of a transaction that came after one that is still open, in no tenant', async () => {
    await asOwner(database.url, async (client) => {
      await client.query('BEGIN');
      await client.query('SELECT pg_current_xact_id()');
      const late = v7();
      await asOwner(database.url, (other) =>
        other.query(
          `INSERT INTO event (id, tenant_id, auth_user_id, change_id, type, user_version, data) VALUES ($1, $2, $3, $4, 'user.updated', 2, '{}')`,
          [late, idOf('child'), v7(), v7()],
        ),
      );
      const seenBy = async () =>
        [idOf('child'), idOf('parent'), database.store.root].map(
          async (within) => (await feed(within, 500)).seen,
        );
      for (const seen of await Promise.all(await seenBy())) expect(seen).not.toContain(late);
      await client.query('COMMIT');
      await untilFeedIsUpToDate(database.url);
      for (const seen of await Promise.all(await seenBy())) expect(seen.at(-1)).toBe(late);
    });
  });
});

/** Needs nothing but a source with some pages of users; request counts where it keeps them. */
import { setImmediate as turn } from 'node:timers/promises';
import v8 from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import type { Connector, Cursor } from '../contract.ts';
import { groupIdsOf, idsIn, membersOf, never, pagesOf, type Suite, usersOf } from './harness.ts';

export function readsEverything({ connect, control, abilities }: Suite): void {
  it('reads every user exactly once, and ends', async () => {
    const pages = await usersOf(connect());
    const ids = idsIn(pages);
    const { listed, deleted } = (await control().state()).users;
    expect(pages.length).toBeGreaterThanOrEqual(3);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toHaveLength(abilities.deletedUsers ? listed + deleted : listed);
    expect(pages.flatMap((page) => page.records).filter((record) => record.kind === 'unreadable')).toEqual(
      [],
    );
  });

  it('has evidence that fits what it reads', async () => {
    const connector = connect();
    const evidence = await connector.evidence(never);
    const read = idsIn(await usersOf(connector)).length;
    expect([null, read]).toContain(evidence.users);
    expect([...(evidence.permissions ?? [])].sort()).toEqual(evidence.permissions ?? []);
    expect(new Set(evidence.permissions).size).toBe(evidence.permissions?.length ?? 0);
  });

  it('keeps hold of no page that it has given out', async () => {
    const connector = connect();
    const given: WeakRef<object>[] = [];
    let cursor: Cursor | null = null;
    do {
      cursor = await readOne(connector, cursor, given);
    } while (cursor !== null);
    await collected();
    // The last one or two may still be in somebody's hands: a promise's, the socket's.
    expect(given.slice(0, -2).filter((page) => page.deref() !== undefined)).toEqual([]);
    expect(given.length).toBeGreaterThan(2);
  });
}

/** A function of its own, so that no variable of the test keeps the page. */
async function readOne(connector: Connector, cursor: Cursor | null, given: WeakRef<object>[]) {
  const page = await connector.fetchUsers(cursor, never);
  given.push(new WeakRef(page.records));
  return page.next;
}

async function collected(): Promise<void> {
  v8.setFlagsFromString('--expose-gc');
  const gc: () => void = runInNewContext('gc');
  for (let round = 0; round < 3; round += 1) {
    await turn(); // a WeakRef that was made or asked in this turn holds its page until the next
    gc();
  }
}

/** Needs groups. */
export function readsGroups({ connect, control, can }: Suite): void {
  it('reads every group, and no member who is not among the users', async () => {
    const connector = connect();
    const known = new Set(idsIn(await usersOf(connector)));
    const groups = await groupIdsOf(connector);
    expect(groups).toHaveLength((await control().state()).groups);
    let count = 0;
    for (const group of groups) {
      const { members } = await membersOf(connector, group);
      expect(members.filter((id) => !known.has(id))).toEqual([]);
      count += members.length;
    }
    expect(count).toBeGreaterThan(0);
  });

  it('reads the members of many groups at once as it reads them one after the other', async () => {
    const alone = connect();
    const groups = (await groupIdsOf(alone)).slice(0, 20);
    const expected = [];
    for (const group of groups) expected.push(await membersOf(alone, group));
    const crowded = connect(); // has no token yet: all ask for it together
    expect(await Promise.all(groups.map((group) => membersOf(crowded, group)))).toEqual(expected);
  });

  it.skipIf(!can('request-counts'))('asks once for each page, and for no user alone', async () => {
    const connector = connect();
    await control().resetCounters();
    const users = await usersOf(connector);
    const groups = await pagesOf((cursor) => connector.fetchGroups(cursor, never));
    const ids = groups.flatMap((page) =>
      page.records.map((one) => (one.kind === 'group' ? one.group.externalId : null)),
    );
    const members = [];
    for (const id of ids) if (id !== null) members.push(await membersOf(connector, id));
    const { requests } = await control().state();
    expect(requests).toMatchObject({ user: 0, group: 0 });
    const asked = ['users', 'groups', 'members', 'other', 'changes'].reduce(
      (sum, kind) => sum + (requests[kind] ?? 0),
      0,
    );
    const read = users.length + groups.length + members.reduce((sum, { pages }) => sum + pages.length, 0);
    expect(asked).toBeLessThanOrEqual(read + 2); // what the lists depend on may have to be asked for once
    const largest = (sizes: readonly number[]) => Math.max(1, ...sizes);
    const memberships = members.reduce((sum, one) => sum + one.members.length, 0);
    const allowed =
      Math.ceil(idsIn(users).length / largest(users.map((page) => page.records.length))) +
      Math.ceil(memberships / largest(members.flatMap(({ pages }) => pages))) +
      ids.length +
      5;
    expect(asked).toBeLessThanOrEqual(allowed);
  });
}

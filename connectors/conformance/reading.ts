/** Needs nothing but a source with some pages of users; request counts where it keeps them. */
import { expect, it } from 'vitest';
import type { ExternalId } from '../../src/domain/ids.ts';
import type { Connector } from '../contract.ts';
import { idsIn, never, pagesOf, type Suite, usersOf } from './harness.ts';

export function readsEverything({ connect, control, abilities, can }: Suite): void {
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

  it.skipIf(!abilities.groups)('reads every group, and no member who is not among the users', async () => {
    const connector = connect();
    const known = new Set(idsIn(await usersOf(connector)));
    const { names, members } = await groupsOf(connector);
    expect(names).toHaveLength((await control().state()).groups);
    expect(members.filter((id) => !known.has(id))).toEqual([]);
    expect(members.length).toBeGreaterThan(0);
  });

  it.skipIf(!can('request-counts'))('asks once for each page, and for no user alone', async () => {
    const connector = connect();
    await control().resetCounters();
    const users = await usersOf(connector);
    const { pages, memberPages } = await groupsOf(connector);
    const { requests } = await control().state();
    expect(requests).toMatchObject({ users: users.length, groups: pages, members: memberPages });
    expect(requests).toMatchObject({ user: 0, group: 0, other: 0 });
  });
}

async function groupsOf(connector: Connector) {
  const groups = await pagesOf((cursor) => connector.fetchGroups(cursor, never));
  const names = groups.flatMap((page) => page.records);
  const members: ExternalId[] = [];
  let memberPages = 0;
  for (const record of names) {
    if (record.kind !== 'group') return expect.unreachable('a group cannot be read');
    const pages = await pagesOf((cursor) => connector.fetchMembers(record.group.externalId, cursor, never));
    memberPages += pages.length;
    for (const member of pages.flatMap((page) => page.records)) {
      if (member.kind === 'user') members.push(member.externalId);
    }
  }
  return { pages: groups.length, names, members, memberPages };
}

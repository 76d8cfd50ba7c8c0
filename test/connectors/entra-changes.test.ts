import { describe, expect, it } from 'vitest';
import type { Changes, ChangesPage, Connector, Cursor } from '../../connectors/contract.ts';
import { failing, never } from './aSession.ts';
import { connected, simulated } from './entraDirectory.ts';
import { type Answered, aGraph, aMember } from './entraHost.ts';

function changesOf(connector: Connector): Changes {
  return connector.changes ?? expect.unreachable('there are no changes');
}

/** Everything from one token to the next. */
async function read(changes: Changes, token: string) {
  const pages: ChangesPage[] = [];
  let cursor: Cursor | null = null;
  do {
    expect(pages.length, 'pages without an end').toBeLessThan(100);
    const page: ChangesPage = await changes.fetch(token, cursor, never);
    pages.push(page);
    cursor = page.next;
  } while (cursor !== null);
  expect(pages.slice(0, -1).map((page) => page.token)).toEqual(pages.slice(1).map(() => null));
  return {
    pages: pages.length,
    users: new Set<string>(pages.flatMap((page) => page.users)),
    groups: [...new Set<string>(pages.flatMap((page) => page.groups))].sort(),
    renamed: pages.flatMap((page) => page.renamed),
    unreadable: pages.reduce((sum, page) => sum + page.unreadable, 0),
    token: pages.at(-1)?.token ?? expect.unreachable('the last page has no token'),
  };
}

describe('the changes of a directory', () => {
  it('name everybody to whom something happened since the token, and nobody twice in the next reading', async () => {
    const simulator = await simulated({ users: 300 });
    const { control } = simulator;
    const changes = changesOf(connected(simulator));
    const token = await changes.begin(never);
    expect(await read(changes, token)).toMatchObject({ users: new Set(), groups: [], unreadable: 0 });
    const happened = [
      ...(await control.hire(2)).ids,
      ...(await control.rename(2)).ids,
      ...(await control.leave(2, 'disable')).ids,
      ...(await control.leave(2, 'delete')).ids,
      ...(await control.leave(1, 'purge')).ids,
    ];
    const { added, removed } = await control.changeGroup('VPN Users', { add: 2, remove: 2 });
    const first = await read(changes, token);
    expect([...first.users]).toEqual(expect.arrayContaining([...happened, ...added, ...removed]));
    expect(first).toMatchObject({ groups: [], unreadable: 0 });
    expect(first.users.size).toBeLessThan(80);
    expect(await read(changes, first.token)).toMatchObject({ users: new Set(), pages: 2 });
    const restored = (await control.restore(happened.slice(-2, -1))).ids;
    expect([...(await read(changes, first.token)).users]).toEqual(expect.arrayContaining([...restored]));
  });

  it('are all there whatever comes twice, in another order, or behind an empty page', async () => {
    const simulator = await simulated({ users: 500 });
    const changes = changesOf(connected(simulator));
    const token = await changes.begin(never);
    const { ids } = await simulator.control.edit(100);
    const plain = await read(changes, token);
    expect(plain.pages).toBe(4);
    expect(plain.users).toEqual(new Set(ids));
    await simulator.control.fault({ name: 'changes-repeated' });
    await simulator.control.fault({ name: 'empty-middle-page', on: 'changes', nth: 2 });
    const repeated = await read(changes, token);
    expect(repeated.users).toEqual(plain.users);
  });

  it('made while they are being read come with this reading or the next', async () => {
    const simulator = await simulated({ users: 500 });
    const changes = changesOf(connected(simulator));
    const token = await changes.begin(never);
    await simulator.control.edit(100);
    const first = await changes.fetch(token, null, never);
    const { ids } = await simulator.control.hire(3);
    const { added } = await simulator.control.changeGroup('On Call', { add: 1 });
    const users = new Set<string>();
    let page = first;
    while (page.next !== null) {
      page = await changes.fetch(token, page.next, never);
      for (const id of page.users) users.add(id);
    }
    for (const id of (await read(changes, page.token ?? '')).users) users.add(id);
    expect([...users]).toEqual(expect.arrayContaining([...ids, ...added]));
  });

  it('are told from a saved token and a saved place by another instance', async () => {
    const simulator = await simulated({ users: 300 });
    const begun = connected(simulator);
    const token = await changesOf(begun).begin(never);
    await begun.close();
    const { ids } = await simulator.control.edit(100);
    const first = await changesOf(connected(simulator)).fetch(token, null, never);
    const saved: unknown = JSON.parse(JSON.stringify({ token, cursor: first.next }));
    const place = saved as { token: string; cursor: string };
    const second = await changesOf(connected(simulator)).fetch(place.token, place.cursor, never);
    expect(new Set([...first.users, ...second.users])).toEqual(new Set(ids));
  });

  it('begin with one request, and cost two where nothing happened', async () => {
    const simulator = await simulated();
    const changes = changesOf(connected(simulator));
    const token = await changes.begin(never);
    expect((await simulator.control.state()).requests).toMatchObject({ other: 1, changes: 0, token: 1 });
    await read(changes, token);
    expect((await simulator.control.state()).requests).toMatchObject({ other: 1, changes: 2 });
  });
});

describe('a token for changes', () => {
  it('is good for less than the seven days that Graph gives it', async () => {
    const { tokenLifetimeMs } = changesOf(connected(await simulated()));
    expect(tokenLifetimeMs).toBeLessThan(7 * 86_400_000);
    expect(tokenLifetimeMs).toBeGreaterThan(5 * 86_400_000);
  });

  it.each<[string, Answered]>([
    ['410 Gone', { status: 410, headers: { location: '/x' }, body: { error: { code: 'resyncRequired' } } }],
    ['400 syncStateNotFound', { status: 400, body: { error: { code: 'syncStateNotFound' } } }],
    ['400 with another code', { status: 400, body: { error: { code: 'Request_BadRequest' } } }],
    [
      '404 syncStateNotFound',
      { status: 404, body: { error: { code: 'x', innerError: { code: 'SyncStateNotFound' } } } },
    ],
  ])('has run out when Graph answers %s', async (_, answer) => {
    const graph = await aGraph(({ path, origin, query }) =>
      query.get('$deltatoken') === 'latest'
        ? { body: { value: [], '@odata.deltaLink': `${origin}/v1.0${path}?$deltatoken=1` } }
        : answer,
    );
    const changes = changesOf(graph.connect());
    const token = await changes.begin(never);
    expect(await failing(changes.fetch(token, null, never))).toMatchObject({ kind: 'cursor-expired' });
  });

  it('has run out when the simulated directory says so, in either feed', async () => {
    const simulator = await simulated();
    const changes = changesOf(connected(simulator));
    const token = await changes.begin(never);
    for (const nth of [1, 2]) {
      await simulator.control.fault({ name: 'changes-expired', nth });
      expect(await failing(read(changes, token))).toMatchObject({ kind: 'cursor-expired', status: 410 });
      await simulator.control.clearFaults();
    }
  });

  it.each(['nonsense', '{}', '{"users":"https://evil.example/v1.0/users/delta","groups":"x","scope":null}'])(
    'that is none of this directory (%s) counts as run out, and nothing is asked',
    async (token) => {
      const simulator = await simulated();
      const changes = changesOf(connected(simulator));
      expect(await failing(changes.fetch(token, null, never))).toMatchObject({ kind: 'cursor-expired' });
      expect((await simulator.control.state()).requests).toMatchObject({ token: 0, changes: 0 });
    },
  );

  it.each([
    ['users', 'User.Read.All', ['GroupMember.Read.All']],
    ['groups', 'GroupMember.Read.All', ['User.Read.All']],
  ])('is refused with the permission that is missing for %s', async (_, missing, permissions) => {
    const changes = changesOf(connected(await simulated({ permissions })));
    const failure = await failing(changes.begin(never));
    expect(failure).toMatchObject({ kind: 'permission-missing', message: expect.stringContaining(missing) });
  });
});

describe('a page of changes', () => {
  it.each(['list-key-missing', 'html-page', 'cut-off'] as const)(
    'that is broken (%s) is no page',
    async (name) => {
      const simulator = await simulated();
      const changes = changesOf(connected(simulator));
      const token = await changes.begin(never);
      await simulator.control.fault({ name, on: 'changes' });
      expect(await failing(changes.fetch(token, null, never))).toMatchObject({ kind: 'unexpected-response' });
    },
  );

  it.each([['foreign-link'], ['looping-link']] as const)('with a %s ends the reading', async (name) => {
    const simulator = await simulated({ users: 500 });
    const changes = changesOf(connected(simulator));
    const token = await changes.begin(never);
    await simulator.control.edit(100);
    await simulator.control.fault({ name, on: 'changes', nth: 2 });
    const kind = name === 'foreign-link' ? 'foreign-link' : 'unexpected-response';
    expect(await failing(read(changes, token))).toMatchObject({ kind });
  });
});

const LINK = '/v1.0/groups/delta?$deltatoken=';

/** What one reading says when the groups' feed holds these entries. `above`: groups by the group that is in them. */
async function readGroups(
  entries: readonly unknown[],
  above: Readonly<Record<string, readonly string[]>> = {},
) {
  const graph = await aGraph(({ path, query, origin }) => {
    if (path.endsWith('/transitiveMemberOf')) {
      const groups = above[path.split('/')[2] ?? ''];
      return groups === undefined ? null : { body: { value: groups.map((id) => aMember('group', id)) } };
    }
    const value = path === '/groups/delta' && query.get('$deltatoken') !== 'latest' ? entries : [];
    return {
      body: { value, '@odata.deltaLink': `${origin}${LINK.replace('groups', path.split('/')[1] ?? '')}2` },
    };
  });
  const changes = changesOf(graph.connect());
  const { users, groups, renamed, unreadable } = await read(changes, await changes.begin(never));
  return { users: [...users].sort(), groups, renamed, unreadable };
}

const removed = (item: object, reason = 'deleted') => ({ ...item, '@removed': { reason } });

describe('an entry about a group', () => {
  it.each<[string, object, object]>([
    [
      'names the users who joined and left, and not the group',
      {
        id: 'g',
        'members@delta': [aMember('user', 'u1'), removed(aMember('user', 'u2')), aMember('device', 'd')],
      },
      { users: ['u1', 'u2'], groups: [], unreadable: 0 },
    ],
    [
      'names the group and those above it where a group joined or left',
      { id: 'g', 'members@delta': [removed(aMember('group', 'inner')), aMember('user', 'u1')] },
      { users: ['u1'], groups: ['g', 'higher', 'highest'], unreadable: 0 },
    ],
    [
      'takes a member without a kind for either',
      { id: 'g', 'members@delta': [removed({ id: 'x' })] },
      { users: ['x'], groups: ['g', 'higher', 'highest'], unreadable: 0 },
    ],
    [
      'tells the new name of a group, as its list would',
      { id: 'g', displayName: ' New  ' },
      { users: [], groups: [], renamed: [{ externalId: 'g', name: 'New' }], unreadable: 0 },
    ],
    [
      'tells a new group and who is in it',
      { id: 'g', displayName: 'New', 'members@delta': [aMember('user', 'u1')] },
      { users: ['u1'], groups: [], renamed: [{ externalId: 'g', name: 'New' }], unreadable: 0 },
    ],
    [
      'names a group of which nothing is said: it may be called anything',
      { id: 'g' },
      { users: [], groups: [], renamed: [{ externalId: 'g', name: null }], unreadable: 0 },
    ],
    [
      'names a group with another address: its name is not told',
      { id: 'g', mail: 'g@example.com' },
      { users: [], groups: [], renamed: [{ externalId: 'g', name: null }], unreadable: 0 },
    ],
    [
      'says of a group that was removed for good that nobody knows what lay above it',
      removed({ id: 'g' }),
      { users: [], groups: ['g'], unreadable: 1 },
    ],
    [
      'names a group that can be restored',
      removed({ id: 'g' }, 'changed'),
      { users: [], groups: ['g'], unreadable: 0 },
    ],
    ['that cannot be read is counted', { displayName: 'New' }, { users: [], groups: [], unreadable: 1 }],
    [
      'counts members that cannot be read',
      { id: 'g', 'members@delta': [{}] },
      { users: [], groups: [], unreadable: 1 },
    ],
    [
      'counts a nested group that is gone by now',
      { id: 'gone', 'members@delta': [aMember('group', 'inner')] },
      { users: [], groups: ['gone'], unreadable: 1 },
    ],
  ])('%s', async (_, entry, expected) => {
    expect(await readGroups([entry], { g: ['higher', 'highest'] })).toEqual({ renamed: [], ...expected });
  });

  it('comes in slices, and all of them count', async () => {
    const slice = (id: string) => ({ id: 'g', 'members@delta': [aMember('user', id)] });
    expect(await readGroups([slice('u1'), slice('u2'), slice('u1')])).toMatchObject({ users: ['u1', 'u2'] });
  });
});

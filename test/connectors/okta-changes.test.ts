import { describe, expect, it } from 'vitest';
import type { Changes, ChangesPage } from '../../connectors/contract.ts';
import { failing } from './aSession.ts';
import {
  type Answered,
  type Asked,
  anOktaUser,
  aSimulatedOrg,
  closedAfterEach,
  notFound,
} from './oktaOrg.ts';

const signal = new AbortController().signal;
const { org, connected: connectedTo } = closedAfterEach();

type Told = {
  readonly users: readonly string[];
  readonly groups: readonly string[];
  readonly renamed: readonly object[];
  readonly unreadable: number;
  readonly token: string;
};

/** All pages of one reading. */
async function reading(changes: Changes, token: string): Promise<Told> {
  const users = new Set<string>();
  const groups = new Set<string>();
  const renamed: object[] = [];
  let unreadable = 0;
  for (let cursor: string | null = null; ; ) {
    const page: ChangesPage = await changes.fetch(token, cursor, signal);
    for (const id of page.users) users.add(id);
    for (const id of page.groups) groups.add(id);
    renamed.push(...page.renamed);
    unreadable += page.unreadable;
    expect(page.token === null).toBe(page.next !== null);
    if (page.token !== null)
      return { users: [...users], groups: [...groups], renamed, unreadable, token: page.token };
    cursor = page.next;
  }
}

function feedOf({ changes }: { changes: Changes | null }): Changes {
  if (changes === null) throw new Error('it declares the ability');
  return changes;
}

async function simulated(users: number, permissions?: readonly string[]) {
  const { control, connect } = await aSimulatedOrg({
    users,
    seed: 5,
    ...(permissions ? { permissions } : {}),
  });
  return { control, changes: feedOf(connect()) };
}

async function connected(answer: (asked: Asked, origin: string) => Answered | Promise<Answered>) {
  const acme = await org(answer);
  return { acme, changes: feedOf(connectedTo(acme)) };
}

describe('the changes of a simulated org', () => {
  it('name nobody when nothing has happened, reading after reading', async () => {
    const { changes } = await simulated(40);
    const first = await reading(changes, await changes.begin(signal));
    expect(first).toMatchObject({ users: [], groups: [], unreadable: 0 });
    expect(await reading(changes, first.token)).toMatchObject({ users: [], groups: [], unreadable: 0 });
  });

  it('name whoever came, changed, was suspended, deactivated or deleted for good since they were begun', async () => {
    const { control, changes } = await simulated(60);
    const token = await changes.begin(signal);
    const happened = [
      await control.hire(2),
      await control.rename(1),
      await control.leave(1, 'disable'),
      await control.leave(1, 'delete'),
      await control.leave(2, 'purge'),
    ].flatMap(({ ids }) => ids);
    const { users, unreadable } = await reading(changes, token);
    expect(users).toEqual(expect.arrayContaining(happened));
    expect(unreadable).toBe(0);
  });

  it('name those who joined or left a group, which leaves their own time stamp as it was', async () => {
    const { control, changes } = await simulated(80);
    const begun = await reading(changes, await changes.begin(signal));
    const { added, removed } = await control.changeGroup('VPN Users', { add: 3, remove: 2 });
    const { users } = await reading(changes, begun.token);
    expect([...users].sort()).toEqual([...added, ...removed].sort());
  });

  it('go on from where the last reading ended, in another process too', async () => {
    const { control, changes } = await simulated(60);
    const { ids: before } = await control.leave(1, 'purge');
    const token = await changes.begin(signal);
    const first = await reading(changes, token);
    const { added } = await control.changeGroup('On Call', { add: 1 });
    const second = await reading(changes, first.token);
    expect(second.users).toEqual(expect.arrayContaining([...added]));
    expect(second.users).not.toContain(before[0]);
    expect((await reading(changes, second.token)).users).toEqual([]);
    // A reading that was not followed by anything is simply read again.
    expect((await reading(changes, first.token)).users).toEqual(expect.arrayContaining([...added]));
  });

  it('are refused where the System Log may not be read: without it they would miss deletions', async () => {
    const { changes } = await simulated(5, ['okta.users.read', 'okta.groups.read']);
    expect(await failing(changes.begin(signal))).toMatchObject({
      kind: 'permission-missing',
      remedy: expect.stringContaining('okta.logs.read'),
    });
  });

  it('are refused as a whole when that permission is taken away later', async () => {
    const { control, changes } = await simulated(5);
    const token = await changes.begin(signal);
    await control.permissions(['okta.users.read', 'okta.groups.read']);
    expect(await failing(reading(changes, token))).toMatchObject({ kind: 'permission-missing' });
  });

  it('of hundreds of users and events arrive whole, over as many pages as it takes', async () => {
    const { control, changes } = await simulated(700);
    const token = await changes.begin(signal);
    const { ids } = await control.edit(100);
    expect(ids).toHaveLength(700);
    expect(new Set((await reading(changes, token)).users)).toEqual(new Set(ids));
  });
});

const oktaNow = Date.parse('2026-03-01T09:00:00Z');
const dateAt = (ms: number) => ({ date: new Date(ms).toUTCString() });

type Log = (page: number) => readonly unknown[];

/** One is gone, one is hidden. */
function groupAt(id: string): Answered {
  if (id === '00gone') return notFound;
  if (id === '00hidden')
    return { status: 403, body: { errorCode: 'E0000006', errorSummary: 'No permission' } };
  return { body: { id, profile: { name: ' As it is now ' } } };
}

/** An org whose log has these pages, then empty ones. */
function anOrgWith(
  log: Log,
  { users = [], now = () => oktaNow }: { users?: readonly unknown[]; now?: () => number } = {},
) {
  return ({ path }: Asked, origin: string): Answered => {
    const url = new URL(path, origin);
    if (url.pathname === '/api/v1/users')
      return { headers: { ...dateAt(now()), link: `<${origin}${path}>; rel="self"` }, body: users };
    if (url.pathname.startsWith('/api/v1/groups/')) return groupAt(url.pathname.split('/').at(-1) ?? '');
    const at = Number(url.searchParams.get('after') ?? 0);
    const body = url.searchParams.get('limit') === '1' ? [] : log(at);
    const next = body.length === 0 ? at : at + 1;
    const link = `<${origin}/api/v1/logs?after=${next}&limit=1000>; rel="next"`;
    return { headers: { ...dateAt(now()), link }, body };
  };
}

const event = (eventType: string, target: unknown, more: object = {}) => ({
  uuid: '11111111-1111-4111-8111-111111111111',
  published: '2026-03-01T08:00:00.000Z',
  eventType,
  outcome: { result: 'SUCCESS' },
  target,
  ...more,
});
const user = { id: '00u1', type: 'User' };
const group = { id: '00g1', type: 'UserGroup' };

describe('an entry of the System Log', () => {
  it.each<[string, unknown, Partial<Told>]>([
    ['names its user', event('user.lifecycle.deactivate', [user]), { users: ['00u1'] }],
    ['names its user behind a group', event('group.user_membership.add', [group, user]), { users: ['00u1'] }],
    ['names the deleted', event('user.lifecycle.delete.completed', [user]), { users: ['00u1'] }],
    ['names the group that is gone', event('group.lifecycle.delete', [group]), { groups: ['00g1'] }],
    [
      'tells the new name of a group',
      event('group.profile.update', [group]),
      { renamed: [{ externalId: '00g1', name: 'As it is now' }] },
    ],
    [
      'tells the name of a new group',
      event('group.lifecycle.create', [group]),
      { renamed: [{ externalId: '00g1', name: 'As it is now' }] },
    ],
    [
      'of a renamed group that is gone by now names it as gone',
      event('group.profile.update', [{ id: '00gone', type: 'UserGroup' }]),
      { groups: ['00gone'] },
    ],
    [
      'of a renamed group that is not shown says that it may be called anything',
      event('group.profile.update', [{ id: '00hidden', type: 'UserGroup' }]),
      { renamed: [{ externalId: '00hidden', name: null }] },
    ],
    [
      'names the group of a rule that acts on many',
      event('group.user_membership.rule.deactivated', [{ id: '0pr1', type: 'GroupRule' }, group]),
      { groups: ['00g1'] },
    ],
    [
      'that names a rule and no group is unreadable',
      event('group.user_membership.rule.evaluation', [{ id: '0pr1', type: 'GroupRule' }]),
      { unreadable: 1 },
    ],
    ['without a target is unreadable', event('user.lifecycle.suspend', null), { unreadable: 1 }],
    [
      'whose user has no id is unreadable',
      event('user.lifecycle.suspend', [{ type: 'User' }]),
      { unreadable: 1 },
    ],
    ['without a type is unreadable', { target: [user] }, { unreadable: 1 }],
    ['that is no object is unreadable', 'event', { unreadable: 1 }],
    [
      'of something that failed names nobody',
      event('user.lifecycle.suspend', [user], { outcome: { result: 'FAILURE' } }),
      {},
    ],
    ['of something else names nobody', event('user.session.start', [user]), {}],
    [
      'of an app names nobody where no app is the scope',
      event('application.user_membership.add', [user]),
      {},
    ],
  ])('%s', async (_, entry, told) => {
    const { changes } = await connected(anOrgWith((page) => (page === 0 ? [entry] : [])));
    const { token, ...all } = await reading(changes, await changes.begin(signal));
    expect(all).toEqual({ users: [], groups: [], renamed: [], unreadable: 0, ...told });
  });

  it('is not asked for where it is a sign-in, and what is asked for stands in a filter of types', async () => {
    const { acme, changes } = await connected(anOrgWith(() => []));
    await reading(changes, await changes.begin(signal));
    const [begun, , read] = acme.asked.map(({ path }) => new URL(path, acme.origin).searchParams);
    expect(begun?.get('limit')).toBe('1');
    expect(read?.get('filter')).toBe(begun?.get('filter'));
    expect(read?.get('filter')).toContain('eventType sw "user.lifecycle.delete."');
    expect(read?.get('filter')).not.toContain('session');
    expect(Object.fromEntries(read ?? [])).toMatchObject({ sortOrder: 'ASCENDING', limit: '1000' });
    expect(read?.has('until')).toBe(false);
  });
});

describe('the place in the feed', () => {
  it("is kept by Okta's own clock, ten minutes early, whatever ours says", async () => {
    let now = oktaNow;
    const { acme, changes } = await connected(anOrgWith(() => [], { now: () => now }));
    const token = await changes.begin(signal);
    now += 3_600_000;
    const { token: following } = await reading(changes, token);
    now += 3_600_000;
    await reading(changes, following);
    const filters = acme.asked
      .map(({ path }) => new URL(path, acme.origin).searchParams.get('filter') ?? '')
      .filter((filter) => filter.startsWith('lastUpdated'));
    expect(filters).toEqual([
      'lastUpdated gt "2026-03-01T08:50:00.000Z"',
      'lastUpdated gt "2026-03-01T09:50:00.000Z"',
    ]);
    const since = acme.asked.map(({ path }) => new URL(path, acme.origin).searchParams.get('since'));
    expect(since.filter((one) => one !== null)).toEqual(['2026-03-01T08:50:00.000Z']);
  });

  it("is the log's own link, though the times in it go backwards", async () => {
    const pages = [
      [event('user.lifecycle.create', [user], { published: '2026-03-01T09:00:05.000Z' })],
      [event('user.lifecycle.create', [{ ...user, id: '00u2' }], { published: '2026-03-01T08:59:00.000Z' })],
    ];
    const { acme, changes } = await connected(anOrgWith((page) => pages[page] ?? []));
    const first = await reading(changes, await changes.begin(signal));
    expect(first.users).toEqual(['00u1', '00u2']);
    pages.push([
      event('user.lifecycle.create', [{ ...user, id: '00u3' }], { published: '2026-03-01T08:00:00.000Z' }),
    ]);
    expect((await reading(changes, first.token)).users).toEqual(['00u3']);
    expect(acme.asked.at(-2)?.path).toBe('/api/v1/logs?after=2&limit=1000');
  });

  it('is lost after what Okta keeps of the log: a full run follows', async () => {
    let now = oktaNow;
    const { changes } = await connected(anOrgWith(() => [], { now: () => now }));
    const token = await changes.begin(signal);
    const days = 86_400_000;
    expect(changes.tokenLifetimeMs).toBeLessThanOrEqual(85 * days);
    now += 84 * days;
    await reading(changes, token);
    now += 2 * days;
    expect(await failing(reading(changes, token))).toMatchObject({ kind: 'cursor-expired' });
  });

  it.each([
    '',
    'null',
    '{"v":0}',
    '{"v":1,"since":5,"log":"https://elsewhere.example/api/v1/logs?x","app":null}',
  ])('is not followed where this version did not make it: %j', async (token) => {
    const { acme, changes } = await connected(anOrgWith(() => []));
    expect(await failing(changes.fetch(token, null, signal))).toMatchObject({ kind: 'cursor-expired' });
    expect(acme.asked).toEqual([]);
  });

  it.each([
    'log /api/v1/logs?after=1',
    'log //elsewhere.example/api/v1/logs 5',
    'users /api/v1/users 5',
    'live-users /api/v1/users?limit=200 5',
  ])('within a reading is not followed where it is none of this feed: %j', async (cursor) => {
    const { acme, changes } = await connected(anOrgWith(() => []));
    const token = await changes.begin(signal);
    const before = acme.asked.length;
    expect(await failing(changes.fetch(token, cursor, signal))).toMatchObject({ kind: 'cursor-expired' });
    expect(acme.asked).toHaveLength(before);
  });
});

describe('a reading of the changes', () => {
  it('counts users who are listed without an id', async () => {
    const { changes } = await connected(
      anOrgWith(() => [], { users: [anOktaUser('00u1'), { id: 7 }, null] }),
    );
    expect(await reading(changes, await changes.begin(signal))).toMatchObject({
      users: ['00u1'],
      unreadable: 2,
    });
  });

  it.each<[string, Answered, string]>([
    ['the log is refused', { status: 403, body: { errorCode: 'E0000006' } }, 'permission-missing'],
    ['the place is forgotten', { status: 400, body: { errorCode: 'E0000053' } }, 'cursor-expired'],
    ['the log fails within', { status: 500, body: { errorCode: 'E0000053' } }, 'unavailable'],
    ['the log has no next link', { body: [event('user.lifecycle.create', [user])] }, 'unexpected-response'],
    ['the log is no list', { body: { events: [] } }, 'unexpected-response'],
    [
      'the log leads in a circle',
      {
        headers: { link: '<ORIGIN/api/v1/logs?after=9&limit=1000>; rel="next"' },
        body: [event('user.lifecycle.create', [user])],
      },
      'unexpected-response',
    ],
    [
      'the log leads elsewhere',
      { headers: { link: '<https://elsewhere.example/api/v1/logs?after=1>; rel="next"' }, body: [] },
      'foreign-link',
    ],
  ])('gives no token when %s', async (_, page, kind) => {
    const { changes } = await connected((asked, origin) => {
      const isRead = asked.path.startsWith('/api/v1/logs') && !asked.path.includes('limit=1&');
      if (!isRead) return anOrgWith(() => [])(asked, origin);
      const link = page.headers?.['link'];
      return typeof link === 'string' ? { ...page, headers: { link: link.replace('ORIGIN', origin) } } : page;
    });
    expect((await failing(reading(changes, await changes.begin(signal)))).kind).toBe(kind);
  });

  it("cannot begin where no answer tells Okta's time", async () => {
    const { changes } = await connected((asked, origin) => {
      const answered = anOrgWith(() => [])(asked, origin);
      return { ...answered, headers: { ...answered.headers, date: 'today' } };
    });
    expect((await failing(changes.begin(signal))).kind).toBe('unexpected-response');
  });
});

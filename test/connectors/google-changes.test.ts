import { describe, expect, it } from 'vitest';
import type { Changes, ChangesPage, Connector, DeltaToken } from '../../connectors/contract.ts';
import { failing } from './aSession.ts';
import {
  type Answered,
  type Asked,
  aSimulatedAccount,
  aUser,
  closedAfterEach,
  refusal,
  usersBody,
} from './googleAccount.ts';

const signal = new AbortController().signal;
const { account, connected } = closedAfterEach();
const HOUR = 3_600_000;

function changesOf({ changes }: Connector): Changes {
  if (changes === null) throw new Error('it declares the ability');
  return changes;
}

/** Everything since the token, and the token that follows. */
async function readSince(changes: Changes, token: DeltaToken) {
  const pages: ChangesPage[] = [];
  do pages.push(await changes.fetch(token, pages.at(-1)?.next ?? null, signal));
  while (pages.at(-1)?.next !== null);
  expect(pages.slice(0, -1).map((page) => page.token)).toEqual(pages.slice(0, -1).map(() => null));
  return {
    users: [...new Set(pages.flatMap(({ users }) => users))].sort(),
    groups: [...new Set(pages.flatMap(({ groups }) => groups))].sort(),
    unreadable: pages.reduce((sum, page) => sum + page.unreadable, 0),
    pages: pages.length,
    token: pages.at(-1)?.token ?? expect.unreachable('the last page carries no token'),
  };
}

describe('the changes of a simulated account', () => {
  async function simulated(users = 60) {
    const { control, connect } = await aSimulatedAccount({ users, seed: 5 });
    const connected = () => changesOf(connect({}, { maxRetries: 1 }));
    return { control, connect: connected, changes: connected() };
  }

  it('name whoever was hired, moved, renamed, suspended, deleted, restored or put into another group', async () => {
    const { control, changes } = await simulated();
    let token = await changes.begin(signal);
    const named = async (work: Promise<{ readonly ids: readonly string[] }>) => {
      const { ids } = await work;
      const found = await readSince(changes, token);
      token = found.token;
      expect(found).toMatchObject({ groups: [], unreadable: 0 });
      expect(found.users).toEqual(expect.arrayContaining([...ids]));
      return ids;
    };
    await named(control.hire(2));
    await named(control.move(2));
    await named(control.rename(2));
    await named(control.promote(1));
    await named(control.edit(5));
    const suspended = await named(control.leave(2, 'disable'));
    await named(control.restore(suspended));
    const deleted = await named(control.leave(2, 'delete'));
    await named(control.restore(deleted));
    await named(control.rehire(1));
    const { added, removed } = await control.changeGroup('VPN Users', { add: 2, remove: 1 });
    await named(Promise.resolve({ ids: [...added, ...removed] }));
  });

  it('name nobody while nothing happens, and nobody twice for one thing', async () => {
    const { control, changes } = await simulated();
    const begun = await changes.begin(signal);
    expect(await readSince(changes, begun)).toMatchObject({ users: [], groups: [], unreadable: 0 });
    const { ids } = await control.edit(5);
    const first = await readSince(changes, begun);
    expect(first.users).toEqual(ids.toSorted());
    expect(await readSince(changes, first.token)).toMatchObject({ users: [], unreadable: 0 });
    expect(await readSince(changes, begun)).toMatchObject({ users: first.users });
  });

  it('that were entered while a reading was under way are in the next one', async () => {
    const { control, changes } = await simulated(1_300);
    const token = await changes.begin(signal);
    const { ids: early } = await control.edit(100);
    expect(early.length).toBeGreaterThan(1_000);
    const first = await changes.fetch(token, null, signal);
    expect([first.next === null, first.token]).toEqual([false, null]);
    const { ids: late } = await control.leave(1, 'delete');
    const second = await changes.fetch(token, first.next, signal);
    expect(second.next).toBeNull();
    const found = await readSince(changes, second.token ?? '');
    expect(found.users).toContain(late[0]);
  });

  it('of more people than are worth asking about call for a full pull', async () => {
    const { control, changes } = await simulated(300);
    const token = await changes.begin(signal);
    await control.edit(90);
    await control.resetCounters();
    const found = await readSince(changes, token);
    expect(found.unreadable).toBeGreaterThan(0);
    expect((await control.state()).requests).toMatchObject({ user: 0, changes: 1 });
  });

  it('who is gone without a trace cannot be found by address: a full pull is asked for, once', async () => {
    const { control, changes } = await simulated();
    const token = await changes.begin(signal);
    await control.leave(1, 'purge');
    const found = await readSince(changes, token);
    expect(found.unreadable).toBe(1);
    expect((await readSince(changes, found.token)).unreadable).toBe(0);
  });

  it('go on from a saved token and cursor in another instance', async () => {
    const { control, connect, changes } = await simulated(1_300);
    const token = await changes.begin(signal);
    await control.edit(100);
    const { next } = await changes.fetch(token, null, signal);
    const saved: unknown = JSON.parse(JSON.stringify({ token, next }));
    const rest = await connect().fetch(token, (saved as { next: string }).next, signal);
    expect([next === null, rest.next]).toEqual([false, null]);
    const after = await readSince(connect(), rest.token ?? '');
    expect(after).toMatchObject({ users: [], unreadable: 0 });
  });

  it.each([
    ['changes-expired', 'cursor-expired'],
    ['status-403', 'permission-missing'],
    ['status-503', 'unavailable'],
    ['html-page', 'unexpected-response'],
    ['cut-off', 'unexpected-response'],
    ['list-key-null', 'unexpected-response'],
  ] as const)('fail by name when the log answers with %s', async (name, kind) => {
    const { control, changes } = await simulated(20);
    const token = await changes.begin(signal);
    await control.fault({ name, on: 'changes', times: null });
    expect(await failing(changes.fetch(token, null, signal))).toMatchObject({ kind });
  });

  it('repeated and in another order are the same changes', async () => {
    const { control, changes } = await simulated();
    const token = await changes.begin(signal);
    const { ids } = await control.edit(10);
    await control.fault({ name: 'changes-repeated' });
    const page = await changes.fetch(token, null, signal);
    expect(page.users.toSorted()).toEqual(ids.toSorted());
  });
});

type Parameters = Readonly<Record<string, string>>;
const event = (name: string, parameters: Parameters = {}, type = 'USER_SETTINGS') => ({
  type,
  name,
  parameters: Object.entries(parameters).map(([key, value]) => ({ name: key, value })),
});
const membership = (parameters: Parameters) => event('ADD_GROUP_MEMBER', parameters, 'GROUP_SETTINGS');

const NOW = Date.UTC(2026, 2, 1, 9);
const entry = (agoMs: number, ...events: readonly unknown[]) => ({
  id: { time: new Date(NOW - agoMs).toISOString(), uniqueQualifier: crypto.randomUUID() },
  events,
});

type Log = { items: unknown; more?: string; now?: number; date?: string };
type Account = {
  /** Ids by address. */
  readonly people?: Readonly<Record<string, string>>;
  readonly deleted?: readonly unknown[];
  readonly groups?: Readonly<Record<string, string>>;
  /** Groups around a group, by address. */
  readonly around?: Readonly<Record<string, readonly unknown[]>>;
};

const directory = (
  { people = {}, deleted = [], groups = {}, around = {} }: Account,
  { path, query }: Asked,
): Answered => {
  const key = decodeURIComponent(path.split('/').at(-1) ?? '');
  if (path.endsWith('/users')) return { body: usersBody(deleted) };
  if (path.endsWith('/groups'))
    return { body: { kind: 'admin#directory#groups', groups: around[String(query['userKey'])] } };
  const id = path.includes('/groups/') ? groups[key] : people[key];
  if (key.endsWith('@partner.example')) return refusal(403, 'forbidden');
  return id === undefined ? refusal(404, 'notFound') : { body: { id, email: key } };
};

/** An account whose log `log` answers; everything else as the directory has it. */
async function logged(log: (asked: Asked) => Log, has: Account = {}) {
  const google = await account((asked) => {
    if (!asked.path.includes('/activity/')) return directory(has, asked);
    const { items, more, now = NOW, date = new Date(now).toUTCString() } = log(asked);
    return { headers: { date }, body: { kind: 'admin#reports#activities', items, nextPageToken: more } };
  });
  return { google, changes: changesOf(connected(google)) };
}

const tokenAt = (since: number) => JSON.stringify({ since, seen: [] });

describe('an entry of the log', () => {
  const read = async (events: readonly unknown[], has: Account = {}) => {
    const { changes } = await logged(() => ({ items: [entry(60_000, ...events)] }), has);
    const { users, groups, unreadable } = await readSince(changes, tokenAt(NOW - 300_000));
    return { users, groups, unreadable };
  };
  const people = { 'ada@example.com': '1', 'kim@example.com': '2' };
  const ada = { USER_EMAIL: 'ada@example.com' };

  it.each([
    ['names its user', [event('SUSPEND_USER', ada)], ['1']],
    ['of a kind not known yet names its user', [event('CHANGE_USER_SHOE_SIZE', ada)], ['1']],
    [
      'with several events names each',
      [event('SUSPEND_USER', ada), event('CREATE_USER', { USER_EMAIL: 'kim@example.com' })],
      ['1', '2'],
    ],
    [
      'about a renaming finds its user by the new address, where the old one is gone',
      [event('RENAME_USER', { USER_EMAIL: 'old@example.com', NEW_VALUE: 'kim@example.com' })],
      ['2'],
    ],
    [
      'about a renaming names whoever has the old address now, too',
      [event('RENAME_USER', { ...ada, NEW_VALUE: 'kim@example.com' })],
      ['1', '2'],
    ],
    [
      'about a member of a group names the member',
      [membership({ ...ada, GROUP_EMAIL: 'staff@example.com' })],
      ['1'],
    ],
    ['that leaves no trace in a user names nobody', [event('CHANGE_PASSWORD', ada)], []],
    ['about something else names nobody', [event('CHANGE_CALENDAR_SETTING', ada, 'CALENDAR_SETTINGS')], []],
    ['without events names nobody', [], []],
  ])('%s', async (_, events, users) => {
    expect(await read(events, { people })).toEqual({ users, groups: [], unreadable: 0 });
  });

  it.each([
    ['is about an organisational unit that was moved', event('MOVE_ORG_UNIT', {}, 'ORG_SETTINGS')],
    ['is about one that was renamed', event('EDIT_ORG_UNIT_NAME', {}, 'ORG_SETTINGS')],
    ['gives everybody another address', event('ADD_DOMAIN_ALIAS', {}, 'DOMAIN_SETTINGS')],
    [
      'is about a group that is gone',
      event('DELETE_GROUP', { GROUP_EMAIL: 'x@example.com' }, 'GROUP_SETTINGS'),
    ],
    ['has no parameters', { type: 'USER_SETTINGS', name: 'SUSPEND_USER' }],
    ['names nobody whom Google knows', event('SUSPEND_USER', { USER_EMAIL: 'nobody@example.com' })],
    ['names nobody whom Google lets us see', event('SUSPEND_USER', { USER_EMAIL: 'guest@partner.example' })],
    ['names neither group nor member', membership({})],
    ['has events that cannot be read', { name: 17 }],
  ])('that %s calls for a full pull', async (_, one) => {
    expect(await read([one], { people })).toEqual({ users: [], groups: [], unreadable: 1 });
  });

  it('about somebody deleted names them, and who has their address now', async () => {
    const deleted = [
      aUser('8', { primaryEmail: 'Ada@example.com' }),
      aUser('9', { aliases: ['eve@example.com'] }),
    ];
    expect(await read([event('DELETE_USER', ada)], { people, deleted })).toMatchObject({ users: ['1', '8'] });
    const eve = event('DELETE_USER', { USER_EMAIL: 'eve@example.com' });
    expect(await read([eve], { people, deleted })).toEqual({ users: ['9'], groups: [], unreadable: 0 });
  });

  it.each([
    ['a group', 'inner@example.com'],
    ['somebody of another company', 'guest@partner.example'],
    ['the whole account, which has no address', ''],
  ])(
    'about %s as a member names the group, and those around it though they form a circle',
    async (_, address) => {
      const has: Account = {
        groups: { 'g1@example.com': 'g1' },
        around: {
          'g1@example.com': [{ id: 'g2', email: 'g2@example.com' }],
          'g2@example.com': [{ id: 'g3', email: 'g3@example.com' }],
          'g3@example.com': [{ id: 'g1', email: 'g1@example.com' }],
        },
      };
      expect(await read([membership({ GROUP_EMAIL: 'g1@example.com', USER_EMAIL: address })], has)).toEqual({
        users: [],
        groups: ['g1', 'g2', 'g3'],
        unreadable: 0,
      });
    },
  );

  it('about a member and a group that are both not there calls for a full pull', async () => {
    const gone = membership({ GROUP_EMAIL: 'gone@example.com', USER_EMAIL: 'nobody@example.com' });
    expect(await read([gone])).toEqual({ users: [], groups: [], unreadable: 1 });
  });

  it('that cannot be read at all calls for a full pull, once', async () => {
    const { changes } = await logged(() => ({ items: [{ id: 7 }, null, 'x'] }));
    const first = await readSince(changes, tokenAt(NOW - 300_000));
    expect(first).toMatchObject({ users: [], unreadable: 3 });
    expect((await readSince(changes, first.token)).unreadable).toBe(0);
  });
});

describe('the reading of the log', () => {
  const suspended = (agoMs: number) => entry(agoMs, event('SUSPEND_USER', { USER_EMAIL: 'ada@example.com' }));
  const has: Account = { people: { 'ada@example.com': '1' } };

  it('asks for the admin log in the largest pages, from behind the last reading', async () => {
    const { google, changes } = await logged(() => ({ items: undefined }));
    const { token } = await readSince(changes, tokenAt(NOW - 300_000));
    const [asked] = google.asked;
    expect(asked?.path).toBe('/admin/reports/v1/activity/users/all/applications/admin');
    expect(asked?.query).toMatchObject({ maxResults: '1000' });
    expect(asked?.query['fields']).toMatch(/^kind,nextPageToken,items\(/);
    expect(NOW - 300_000 - Date.parse(asked?.query['startTime'] ?? '')).toBeGreaterThanOrEqual(HOUR);
    await readSince(changes, token);
    expect(NOW - Date.parse(google.asked[1]?.query['startTime'] ?? '')).toBeLessThan(24 * HOUR);
  });

  it('applies once what comes late, and again', async () => {
    const items: unknown[] = [];
    let now = NOW;
    const { changes } = await logged(() => ({ items, now }), has);
    const first = await readSince(changes, tokenAt(NOW - 300_000));
    items.push(suspended(50 * 60_000)); // was entered 50 minutes after it happened
    now += 60_000;
    const second = await readSince(changes, first.token);
    now += 60_000;
    const third = await readSince(changes, second.token);
    expect([first.users, second.users, third.users]).toEqual([[], ['1'], []]);
  });

  it('keeps the same start on every page, and takes the time of the first for the next token', async () => {
    let now = NOW;
    const { google, changes } = await logged(({ query }) => {
      now += 600_000;
      return { items: [suspended(0)], now, ...('pageToken' in query ? {} : { more: 'p2' }) };
    }, has);
    const { token } = await readSince(changes, tokenAt(NOW));
    const starts = google.asked
      .filter(({ path }) => path.includes('/activity/'))
      .map(({ query }) => query['startTime']);
    expect(starts).toHaveLength(2);
    expect(new Set(starts).size).toBe(1);
    expect(JSON.parse(token)).toMatchObject({ since: NOW + 600_000 });
  });

  it('begins by Google’s clock, and knows what the full pull that follows will find, but for the newest', async () => {
    const clock = Date.now();
    const ago = (ms: number) => suspended(NOW - clock + ms);
    const items = [ago(60_000), ago(HOUR)];
    const { changes } = await logged(() => ({ items, now: clock + 30_000 }), has);
    const token = await changes.begin(signal);
    const { since, seen } = JSON.parse(token) as { since: number; seen: readonly string[] };
    expect(Math.abs(since - clock - 30_000)).toBeLessThan(1_000);
    expect(seen).toHaveLength(1);
    expect((await readSince(changes, token)).users).toEqual(['1']);
  });

  it('carries no more than the overlap needs, and never without bound', async () => {
    const items = Array.from({ length: 2_500 }, (_, at) => entry(at, event('CHANGE_PASSWORD')));
    const { changes } = await logged(() => ({ items: [...items, suspended(3 * HOUR)] }), has);
    const { token } = await readSince(changes, tokenAt(NOW - 300_000));
    expect(JSON.parse(token)).toMatchObject({ seen: { length: 2_000 } });
    expect(token.length).toBeLessThan(40_000);
  });

  it.each(['', 'x', '{}', '{"since":-1,"seen":[]}', '{"since":"soon","seen":[]}', '[1]'])(
    'from a token that is none of ours (%o) is not tried',
    async (token) => {
      const { google, changes } = await logged(() => ({ items: [] }));
      expect(await failing(changes.fetch(token, null, signal))).toMatchObject({ kind: 'cursor-expired' });
      expect(await failing(changes.fetch(tokenAt(NOW), 'x', signal))).toMatchObject({
        kind: 'cursor-expired',
      });
      expect(google.asked).toEqual([]);
    },
  );

  it('from a token that is too old by Google’s clock is not honoured', async () => {
    const { changes } = await logged(() => ({ items: [] }));
    const tooOld = tokenAt(NOW - (changes.tokenLifetimeMs ?? 0) - 1);
    expect(await failing(changes.fetch(tooOld, null, signal))).toMatchObject({ kind: 'cursor-expired' });
    expect(await readSince(changes, tokenAt(NOW - (changes.tokenLifetimeMs ?? 0)))).toMatchObject({
      users: [],
    });
  });

  it('fails where nobody says what time it is', async () => {
    const { changes } = await logged(() => ({ items: [], date: 'today' }));
    for (const work of [changes.begin(signal), changes.fetch(tokenAt(NOW), null, signal)])
      expect(await failing(work)).toMatchObject({ kind: 'unexpected-response' });
  });

  it('is a missing permission where the log’s scope is not delegated, and lists go on', async () => {
    const google = await account(
      ({ path }) => (path.includes('/activity/') ? { status: 500 } : { body: usersBody([aUser('1')]) }),
      ({ body }) => {
        const claims = Buffer.from(body.split('.')[1] ?? '', 'base64url').toString();
        return claims.includes('reports')
          ? { status: 401, body: { error: 'unauthorized_client' } }
          : { body: { access_token: 't', expires_in: 3599 } };
      },
    );
    const connector = connected(google);
    expect((await connector.fetchUsers(null, signal)).records).toHaveLength(1);
    const failure = await failing(changesOf(connector).begin(signal));
    expect(failure).toMatchObject({ kind: 'permission-missing' });
    expect(failure.message).toContain('admin.reports.audit.readonly');
    expect(google.tokenRequests).toHaveLength(2);
  });
});

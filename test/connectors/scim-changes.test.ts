import { describe, expect, it } from 'vitest';
import type { ChangesPage, Connector, Cursor, DeltaToken } from '../../connectors/contract.ts';
import { ExternalId } from '../../src/domain/ids.ts';
import { failing, never } from './aSession.ts';
import type { Answered } from './oktaOrg.ts';
import { aService, idsOf, listResponse, queryOf, scimError, simulatedService } from './scimService.ts';

const feedOf = (connector: Connector) => connector.changes ?? expect.unreachable('there is no feed');
const id = (text: string) => ExternalId.parse(text);

async function read(connector: Connector, token: DeltaToken) {
  const found = { users: [] as string[], groups: [] as string[], unreadable: 0, token: '' };
  const renamed: object[] = [];
  let cursor: Cursor | null = null;
  do {
    const page: ChangesPage = await feedOf(connector).fetch(token, cursor, never);
    found.users.push(...page.users);
    found.groups.push(...page.groups);
    renamed.push(...page.renamed);
    found.unreadable += page.unreadable;
    found.token = page.token ?? '';
    cursor = page.next;
  } while (cursor !== null);
  return { ...found, renamed };
}

describe.each([[[]], [['index-only']]])('changes, with quirks %j,', (quirks) => {
  /** Long enough after everybody came that nobody counts as recent. */
  async function settled(users = 250) {
    const { simulator, connect } = await simulatedService({ users, quirks });
    const connector = connect();
    const { control } = simulator;
    for (let tick = 0; tick < 6; tick += 1) await control.changeGroup('Nobody Yet', { add: 0 });
    await control.changeGroup('VPN Users', { add: 1 });
    for (let tick = 0; tick < 6; tick += 1) await control.lose(0);
    return { simulator, control, connector, token: await feedOf(connector).begin(never) };
  }

  it('are none while nothing happens, for a handful of requests', async () => {
    const { connector, token } = await settled();
    const before = connector.usage().requests;
    expect(await read(connector, token)).toMatchObject({ users: [], groups: [], unreadable: 0 });
    expect(connector.usage().requests - before).toBeLessThanOrEqual(7);
  });

  it('name who came and who changed, and no group', async () => {
    const { control, connector, token } = await settled();
    const { ids: promoted } = await control.rename(3);
    const { ids: disabled } = await control.leave(1, 'disable');
    const changed = await read(connector, token);
    expect(changed.users.toSorted()).toEqual([...new Set([...promoted, ...disabled])].sort());
    expect(changed.groups).toEqual([]);
  });

  it('more than a page of them are all named', async () => {
    const { control, connector, token } = await settled(900);
    const { ids } = await control.edit(60);
    expect(ids.length).toBeGreaterThan(500);
    expect((await read(connector, token)).users.toSorted()).toEqual([...ids].sort());
  });

  it('name a group that has changed and the one that it is in, and no other', async () => {
    const { control, connector, token } = await settled();
    await control.changeGroup('Engineering', { remove: 1 });
    const names = new Map<string, string | null>();
    for (let page = await connector.fetchGroups(null, never); ; ) {
      for (const one of page.records)
        if (one.kind === 'group') names.set(one.group.externalId, one.group.name);
      if (page.next === null) break;
      page = await connector.fetchGroups(page.next, never);
    }
    const { groups, renamed } = await read(connector, token);
    expect([...new Set(groups)].map((one) => names.get(one)).sort()).toEqual([
      'Engineering',
      'Product Development',
    ]);
    expect(renamed).toEqual([{ externalId: expect.any(String), name: 'Engineering' }]);
  });

  it.each(['delete', 'purge'] as const)(
    'are unknown when somebody was deleted, and a full pull follows: %s',
    async (how) => {
      const { control, connector, token } = await settled();
      await control.hire(1);
      await control.leave(1, how);
      expect(await failing(read(connector, token))).toMatchObject({
        kind: 'cursor-expired',
        message: /deleted/,
      });
      const next = await feedOf(connector).begin(never);
      const { ids } = await control.rename(1);
      expect((await read(connector, next)).users).toEqual(expect.arrayContaining([...ids]));
    },
  );

  it('go on from the token that the last page gave', async () => {
    const { control, connector, token } = await settled();
    await control.hire(2);
    const { token: next } = await read(connector, token);
    for (let tick = 0; tick < 6; tick += 1) await control.lose(0);
    const { token: last } = await read(connector, next);
    const { ids } = await control.rename(1);
    expect((await read(connector, last)).users).toEqual(ids);
  });
});

describe('changes cannot be told, and a full pull follows, where', () => {
  it.each([
    ['the service refuses filters', ['no-filter']],
    ['it ignores them', ['ignores-filter']],
    ['it does not count', ['page-totals', 'index-only']],
  ])('%s', async (_, quirks) => {
    const { simulator, connect } = await simulatedService({ users: 250, quirks });
    const connector = connect();
    const token = await feedOf(connector).begin(never);
    await simulator.control.rename(1);
    expect(await failing(read(connector, token))).toMatchObject({ kind: 'cursor-expired' });
  });

  /** Answers `count` queries with the totals, and lists of changes with the records. */
  const telling = (total: unknown, recent: Answered, headers = {}) =>
    aService((asked) => {
      const filter = queryOf(asked).get('filter') ?? '';
      if (asked.path.includes('ServiceProviderConfig')) return { status: 404 };
      return filter.startsWith('meta.lastModified')
        ? recent
        : { headers, body: { totalResults: total, Resources: [] } };
    });

  it('it names no time of its own', async () => {
    const service = await telling(2, listResponse(0, []), { date: 'soon' });
    const connector = service.connect();
    const token = await feedOf(connector).begin(never);
    expect(await failing(read(connector, token))).toMatchObject({ kind: 'cursor-expired', message: /Date/ });
  });

  it.each([
    ['without a time', { id: 'u1' }],
    ['of long ago', { id: 'u1', meta: { lastModified: '2001-01-01T00:00:00Z' } }],
    ['with a time that is none', { id: 'u1', meta: { lastModified: 'lately' } }],
  ])('it lists as changed a user %s', async (_, user) => {
    const service = await telling(2, listResponse(1, [user]));
    const connector = service.connect();
    const token = await feedOf(connector).begin(never);
    expect(await failing(read(connector, token))).toMatchObject({
      kind: 'cursor-expired',
      message: /filter/,
    });
  });

  it('it answers the list of changes with 501', async () => {
    const service = await telling(2, { status: 501, body: '' });
    const connector = service.connect();
    const token = await feedOf(connector).begin(never);
    expect(await failing(read(connector, token))).toMatchObject({ kind: 'cursor-expired' });
  });

  it('somebody changed of whom not even the id can be read, as is counted', async () => {
    const user = { id: 7, meta: { lastModified: new Date().toISOString() } };
    const service = await aService((asked) => {
      const filter = queryOf(asked).get('filter') ?? '';
      const start = Number(queryOf(asked).get('startIndex') ?? 1);
      if (!asked.path.includes('/Users')) return listResponse(0, []);
      return filter.startsWith('meta.lastModified')
        ? listResponse(1, start === 1 ? [user] : [])
        : listResponse(2, []);
    });
    const connector = service.connect();
    const token = await feedOf(connector).begin(never);
    expect(await read(connector, token)).toMatchObject({ users: [], unreadable: 1 });
  });
});

it('changes of the very second in which the last reading began are named, also where times are whole seconds', async () => {
  const second = new Date(Math.floor(Date.now() / 1_000) * 1_000);
  const user = { id: 'u1', meta: { lastModified: second.toISOString() } };
  const service = await aService((asked) => {
    const query = queryOf(asked);
    const [, since] = /^meta\.lastModified gt "([^"]+)"/.exec(query.get('filter') ?? '') ?? [];
    const isThere = asked.path.includes('/Users');
    const isListed = isThere && (since === undefined || second > new Date(since));
    const records = isListed && (query.get('startIndex') ?? '1') === '1' ? [user] : [];
    return { headers: { date: second.toUTCString() }, ...listResponse(isListed ? 1 : 0, records) };
  });
  const connector = service.connect();
  const token = await feedOf(connector).begin(never);
  const { users, token: next } = await read(connector, token);
  expect(users).toEqual(['u1']);
  expect((await read(connector, next)).users).toEqual(['u1']); // once more rather than never
});

describe('groups that have changed', () => {
  type Groups = Readonly<Record<string, readonly unknown[] | number>>;
  const recent = { lastModified: new Date().toISOString() };

  /** What a service with these groups names when those of `changed` have changed, and how many groups were read for it. */
  async function named(
    groups: Groups,
    changed: readonly object[],
    { schema = { status: 404 }, more = 0 }: { schema?: Answered; more?: number } = {},
  ) {
    const ids = [...Object.keys(groups), ...Array.from({ length: more }, (_, at) => `more${at}`)];
    const pageOf = (all: readonly object[], start: number) => listResponse(all.length, all.slice(start - 1));
    const every = ids.map((group) => ({ id: group, displayName: group }));
    const stamped = changed.map((group) => ({ ...group, meta: recent }));
    const groupOf = (one: string): Answered => {
      const members = groups[one] ?? [];
      return typeof members === 'number' ? scimError(members) : { body: { id: one, members } };
    };
    const service = await aService((asked) => {
      const query = queryOf(asked);
      const [, one] = /\/Groups\/([^?]+)/.exec(asked.path) ?? [];
      if (asked.path.includes('/Schemas/')) return schema;
      if (one !== undefined) return groupOf(one);
      if (!asked.path.includes('/Groups')) return listResponse(0, []);
      const isFeed = query.get('filter')?.startsWith('meta.lastModified') === true;
      return pageOf(isFeed ? stamped : every, Number(query.get('startIndex') ?? 1));
    });
    const connector = service.connect();
    const token = await feedOf(connector).begin(never);
    const found = await read(connector, token);
    const asked = service.asked.filter(({ path }) => /\/Groups\/[^?]/.test(path)).length;
    return { groups: [...new Set(found.groups)].sort(), unreadable: found.unreadable, asked };
  }

  const within = (value: string) => [{ value, type: 'Group' }];
  const nested: Groups = { a: within('b'), b: within('c'), c: [{ value: 'u1' }], d: within('d'), e: [] };
  const ofUsers = (kinds: readonly string[]) => ({
    body: {
      id: 'urn:ietf:params:scim:schemas:core:2.0:Group',
      attributes: [
        { name: 'displayName' },
        {
          name: 'members',
          subAttributes: [{ name: 'value' }, { name: '$ref', referenceTypes: kinds }, { name: 'display' }],
        },
      ],
    },
  });

  it('bring all those around them, at any depth, in circles too, for one request each', async () => {
    expect(await named(nested, [{ id: 'c' }])).toMatchObject({ groups: ['a', 'b', 'c'], asked: 5 });
    expect(await named(nested, [{ id: 'd' }])).toMatchObject({ groups: ['d'] });
    expect(await named({ ...nested, c: within('a') }, [{ id: 'a' }])).toMatchObject({
      groups: ['a', 'b', 'c'],
    });
  });

  it('are alone, without a further request, where the service says that its groups hold users only', async () => {
    const schema = ofUsers(['User']);
    expect(await named(nested, [{ id: 'c' }], { schema })).toMatchObject({ groups: ['c'], asked: 0 });
  });

  it.each([
    ['that its groups hold groups too', ofUsers(['User', 'Group'])],
    ['nothing of what its groups hold', ofUsers([])],
    ['so in another schema', { body: { ...ofUsers(['User']).body, id: 'urn:example:Group' } }],
    ['that it has no time for it', { status: 500, body: '' }],
    ['so in HTML', { body: '<html>' }],
  ])('are not alone where it says %s', async (_, schema) => {
    expect(await named(nested, [{ id: 'c' }], { schema })).toMatchObject({ groups: ['a', 'b', 'c'] });
  });

  it.each([
    ['is hidden', 403],
    ['is gone', 404],
    ['holds somebody of whom nobody knows who it is', [{ type: 'Group' }]],
  ])('count a group that %s: it may hold them', async (_, members) => {
    expect(await named({ ...nested, e: members, f: within('e') }, [{ id: 'd' }])).toMatchObject({
      groups: ['d', 'e', 'f'],
    });
  });

  it('bring every group where it would take too many requests, or not all are known', async () => {
    const all = await named(nested, [{ id: 'd' }], { more: 100 });
    expect(all).toMatchObject({ asked: 0 });
    expect(all.groups).toHaveLength(105);
    const unknown = await named(nested, [{ id: 'd' }, { id: 7 }]);
    expect(unknown).toMatchObject({ groups: ['a', 'b', 'c', 'd', 'e'], asked: 0 });
    expect(unknown.unreadable).toBeGreaterThan(0);
  });
});

describe('a look-up', () => {
  const found = (connector: Connector, ids: readonly string[], groups: readonly string[] | null = []) =>
    connector.lookUp?.(ids.map(id), groups?.map(id) ?? null, never) ?? expect.unreachable('there is none');

  it.each([[[]], [['bare-404']]])(
    'calls gone whom the service calls gone, with quirks %j',
    async (quirks) => {
      const { simulator, connect } = await simulatedService({ users: 20, quirks });
      const connector = connect();
      const [stays = ''] = await idsOf(connector);
      const { ids } = await simulator.control.leave(2, 'delete');
      const answers = await found(connector, [stays, ...ids]);
      expect(answers.map(({ kind }) => kind)).toEqual(['user', 'gone', 'gone']);
    },
  );

  it('finds whom the lists leave out', async () => {
    const { simulator, connect } = await simulatedService({ users: 20 });
    const { ids } = await simulator.control.lose(20);
    expect((await found(connect(), ids)).map(({ kind }) => kind)).toEqual(ids.map(() => 'user'));
  });

  const user = { id: 'u1', userName: 'kim' };
  it.each([
    ['a 404 in HTML and a refused search', { status: 404, body: '<html>' }, scimError(400, 'invalidFilter')],
    [
      'a bare 404 and a search that finds somebody else',
      { status: 404, body: '' },
      listResponse(1, [{ id: 'u2' }]),
    ],
    ['a bare 404 and a search that finds many', { status: 404, body: '' }, listResponse(9, [user])],
    ['a bare 404 and a search without a list', { status: 404, body: '' }, { body: {} }],
    [
      "a gateway's 404 with a status of its own (RFC 9457) and a refused search",
      { status: 404, body: { type: 'about:blank', title: 'Not Found', status: 404 } },
      scimError(400, 'invalidFilter'),
    ],
    ['a bare 404 where the lists show nobody at all', { status: 404, body: '' }, listResponse(0, [])],
    ['a user with another id', { body: { id: 'u2' } }, scimError(400)],
    ['a user that cannot be read', { body: { id: 'u1', active: 'perhaps' } }, scimError(400)],
    ['nothing', { body: 'null' }, scimError(400)],
  ])('calls nobody gone after %s', async (_, one, list) => {
    const service = await aService(({ path }) => (path.includes('/Users/') ? one : list));
    expect(await found(service.connect(), ['u1'])).toEqual([
      { kind: 'unreadable', externalId: 'u1', problem: expect.stringMatching(/\w/) },
    ]);
  });

  it('takes whom the search finds after a bare 404', async () => {
    const service = await aService(({ path }) =>
      path.includes('/Users/') ? { status: 404, body: '' } : listResponse(1, [user]),
    );
    expect(await found(service.connect(), ['u1'])).toMatchObject([
      { kind: 'user', user: { userName: 'kim' } },
    ]);
    expect(service.asked.map(({ path }) => decodeURIComponent(path)).at(-1)).toContain('filter=id eq "u1"');
  });

  it.each([401, 403])('fails where the service refuses it with %i', async (status) => {
    const service = await aService(() => scimError(status));
    const kind = status === 401 ? 'credentials-rejected' : 'permission-missing';
    expect(await failing(Promise.resolve(found(service.connect(), ['u1'])))).toMatchObject({ kind });
  });

  describe('of groups', () => {
    const withGroups = async (tree: Readonly<Record<string, readonly unknown[] | number>>) => {
      const service = await aService(({ path }) => {
        const [, group] = /\/Groups\/([^?]+)/.exec(path) ?? [];
        if (path.includes('/Users/')) return { body: user };
        if (group === undefined) {
          return listResponse(
            2,
            Object.keys(tree).map((one) => ({ id: one, displayName: one })),
          );
        }
        const members = tree[group] ?? 404;
        return typeof members === 'number' ? scimError(members) : { body: { id: group, members } };
      });
      return service.connect();
    };

    it('finds those that the user is in, directly or through another, and no others', async () => {
      const connector = await withGroups({
        a: [{ value: 'b', type: 'Group' }],
        b: [{ value: 'u1' }],
        c: [{ value: 'u2' }],
      });
      expect(await found(connector, ['u1'], ['a', 'b', 'c'])).toMatchObject([{ groups: ['a', 'b'] }]);
      expect(await found(connector, ['u1'], ['a'])).toMatchObject([{ groups: ['a'] }]);
    });

    it('takes a group that is gone for none, and one that is hidden for a failure', async () => {
      expect(await found(await withGroups({ a: [{ value: 'u1' }] }), ['u1'], ['a', 'gone'])).toMatchObject([
        { groups: ['a'] },
      ]);
      const hidden = found(await withGroups({ hidden: 403 }), ['u1'], ['hidden']);
      expect(await failing(Promise.resolve(hidden))).toMatchObject({ kind: 'permission-missing' });
    });

    it('does not know them where something other than the service says that a group is not there', async () => {
      const service = await aService(({ path }) =>
        path.includes('/Users/') ? { body: user } : { status: 404, body: '<html>no such page</html>' },
      );
      expect(await found(service.connect(), ['u1'], ['a'])).toEqual([
        { kind: 'unreadable', externalId: 'u1', problem: expect.stringContaining('groups') },
      ]);
    });

    it('does not know them where a group holds somebody of whom nobody knows who it is', async () => {
      const connector = await withGroups({
        a: [{ value: 'u1' }, { type: 'User' }],
        b: [{ value: 'u2' }, { type: 'User' }],
      });
      expect(await found(connector, ['u1'], ['a'])).toMatchObject([{ kind: 'user', groups: ['a'] }]);
      expect(await found(connector, ['u1'], ['a', 'b'])).toMatchObject([
        { kind: 'unreadable', externalId: 'u1' },
      ]);
    });
  });
});

import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConnectorError } from '../../connectors/contract.ts';
import { type IndexPosition, pageByIndex, startOfIndex } from '../../connectors/scim/byIndex.ts';
import { allUsers } from '../../connectors/scim/lists.ts';
import { failing, never } from './aSession.ts';
import {
  aService,
  idsOf,
  listResponse,
  queryOf,
  scimError,
  simulatedService,
  usersOf,
} from './scimService.ts';

const answer = {
  url: 'https://scim.example/v2/Users',
  status: 200,
  headers: new Headers(),
  body: Buffer.alloc(0),
  requestId: null,
};

/** Reads a list that `between` changes before each page but the first; gives the ids in the order of their naming. */
function read(list: string[], count: number, between: (round: number) => void): readonly string[] {
  const named: string[] = [];
  let at: IndexPosition | null = startOfIndex(count, false);
  for (let round = 0; at !== null; round += 1) {
    expect(round, 'pages without an end').toBeLessThan(5_000);
    if (round > 0) between(round);
    const shown = list.slice(at.start - 1, at.start - 1 + count);
    const page = pageByIndex(allUsers, at, answer, {
      records: shown.map((id) => ({ id })),
      total: list.length,
      nextCursor: null,
    });
    for (const record of page.records) named.push((record as { id: string }).id);
    at = page.next;
  }
  return named;
}

const people = (count: number) => Array.from({ length: count }, (_, at) => `p${String(at).padStart(4, '0')}`);

describe('a list by index that changes while it is read', () => {
  it('names everybody who is there throughout, whoever comes and goes between two pages', () => {
    const move = fc.record({
      before: fc.nat(30),
      at: fc.nat(),
      what: fc.constantFrom('leave', 'join', 'swap'),
    });
    const rounds = { count: fc.integer({ min: 2, max: 9 }), size: fc.nat(60), moves: fc.array(move) };
    fc.assert(
      fc.property(fc.record(rounds), ({ count, size, moves }) => {
        const list = people(size);
        const stayed = new Set(list);
        let joined = 0;
        const change = (what: string, at: number) => {
          if (what !== 'join')
            for (const gone of list.splice(at % Math.max(1, list.length), 1)) stayed.delete(gone);
          if (what !== 'leave') list.splice(at % (list.length + 1), 0, `new${joined++}`);
        };
        try {
          const named = new Set(
            read(list, count, (round) => {
              for (const { before, what, at } of moves) if (before === round) change(what, at);
            }),
          );
          expect([...stayed].filter((id) => !named.has(id))).toEqual([]);
        } catch (error) {
          // So many moves in so short a list cannot be told from a list without an order: nobody concludes anything.
          if (!(error instanceof ConnectorError)) throw error;
          // Nor does anybody of a list that names people and then shows nobody at all.
          if (list.length > 0) expect(moves.length).toBeGreaterThan(3);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('names everybody of a large directory in which somebody leaves before every tenth page', () => {
    const list = people(2_000);
    const stayed = new Set(list);
    const named = read(list, 20, (round) => {
      if (round % 10 === 0) for (const gone of list.splice(round, 1)) stayed.delete(gone);
    });
    expect(stayed.size).toBeLessThan(2_000);
    expect([...stayed].filter((id) => !named.includes(id))).toEqual([]);
  });

  it('is read with one request for each page and one more when it does not change', () => {
    let pages = 1;
    expect(read(people(1_000), 100, () => (pages += 1))).toEqual(people(1_000));
    expect(pages).toBe(12); // each page but the first holds one record of the page before
  });

  it.each([1, 2, 3, 100])('is an error where its order changes with each page (seed %i)', async (seed) => {
    const list = people(250);
    const shuffle = (round: number) =>
      list.sort((a, b) => hash(a, round * 31 + seed) - hash(b, round * 31 + seed));
    const failure = await failing(Promise.resolve().then(() => read(list, 100, shuffle)));
    expect(failure).toMatchObject({ kind: 'unexpected-response', message: /order .* changes/ });
  });
});

function hash(text: string, salt: number): number {
  let value = salt;
  for (const letter of text) value = Math.imul(value ^ letter.charCodeAt(0), 0x01000193);
  return value;
}

describe('records without an id in a list by index', () => {
  const some = fc.array(fc.boolean(), { minLength: 1, maxLength: 12 });
  it('end no list and keep nobody out, wherever they stand', () => {
    fc.assert(
      fc.property(some, fc.integer({ min: 2, max: 5 }), (hasId, count) => {
        const list = hasId.map((has, at) => (has ? { id: `u${at}` } : { name: `n${at}` }));
        const told = new Set<object>();
        let at: IndexPosition | null = startOfIndex(count, false);
        for (let round = 0; at !== null; round += 1) {
          expect(round, 'pages without an end').toBeLessThan(100);
          const records = list.slice(at.start - 1, at.start - 1 + count);
          const page = pageByIndex(allUsers, at, answer, { records, total: list.length, nextCursor: null });
          for (const record of page.records) told.add(record as object);
          at = page.next;
        }
        expect(told.size).toBe(list.length);
      }),
    );
  });
});

describe('a service that is read whole although', () => {
  it.each([
    ['it pages by index only', ['index-only']],
    ['it has no ServiceProviderConfig', ['no-config']],
    ['it gives fewer records than asked for', ['index-only', 'small-pages']],
    ['it gives fewer records than asked for, by cursor', ['small-pages']],
    ['it gives everybody at once', ['index-only', 'one-page']],
    ['it says that it pages by cursor and does not', ['ignores-cursor']],
    ['it says that it sorts and does not', ['index-only', 'no-sort']],
    ['it puts the length of the page into totalResults', ['index-only', 'page-totals']],
    ['it pages by cursor without totalResults', ['no-totals']],
  ])('%s', async (_, quirks) => {
    const { connect } = await simulatedService({ users: 430, quirks });
    expect(await idsOf(connect())).toHaveLength(430);
  });

  it.each([
    [[], 430],
    [['page-totals'], null],
    [['no-totals', 'one-page'], 430],
  ])('counts them too, or not: with quirks %j there are %j', async (quirks, users) => {
    const { connect } = await simulatedService({ users: 430, quirks });
    expect(await connect().evidence(never)).toEqual({ users, permissions: null });
  });

  it.each([400, 501])(
    'is not counted where it answers %i to that: there is no number then',
    async (status) => {
      const service = await aService(() => scimError(status));
      expect(await service.connect().evidence(never)).toEqual({ users: null, permissions: null });
    },
  );

  it('is not called uncounted where it fails: that nobody answered is told apart', async () => {
    const service = await aService(() => scimError(503));
    expect(await failing(service.connect().evidence(never))).toMatchObject({ kind: 'unavailable' });
  });

  it('counts a single user as one', async () => {
    const { connect } = await simulatedService({ users: 1 });
    expect(await connect().evidence(never)).toEqual({ users: 1, permissions: null });
  });

  it('a setting asks for tiny pages', async () => {
    const { connect } = await simulatedService({ users: 7, quirks: ['index-only'] });
    expect(await idsOf(connect({ settings: { pageSize: 2 } }))).toHaveLength(7);
  });

  it('it gives one record at a time', async () => {
    const service = await aService((asked) => {
      const start = Number(queryOf(asked).get('startIndex'));
      return listResponse(
        4,
        people(4)
          .slice(start - 1, start)
          .map((id) => ({ id })),
      );
    });
    expect(await idsOf(service.connect({ settings: { paging: 'index' } }))).toEqual(people(4));
  });

  it('it writes totalResults as text', async () => {
    const service = await aService((asked) => {
      const start = Number(queryOf(asked).get('startIndex'));
      return {
        body: {
          totalResults: '3',
          Resources: people(3)
            .slice(start - 1)
            .map((id) => ({ id })),
        },
      };
    });
    expect(await idsOf(service.connect())).toEqual(people(3));
  });
});

describe('how many are asked for', () => {
  const asking = async (config: unknown, settings = {}) => {
    const service = await aService(({ path }) =>
      path.includes('ServiceProviderConfig') ? { body: config } : listResponse(0, []),
    );
    await usersOf(service.connect({ settings }));
    const last = service.asked.at(-1);
    return last === undefined ? '' : `${queryOf(last).get('startIndex')} ${queryOf(last).get('count')}`;
  };

  it.each([
    [{ filter: { supported: true, maxResults: 250 } }, {}, '1 250'],
    [{ filter: { maxResults: 250 }, pagination: { maxPageSize: 400 } }, {}, '1 400'],
    [{ filter: { maxResults: 1_000_000 } }, {}, '1 1000'],
    [{ filter: { maxResults: 0 } }, {}, '1 100'],
    [{ filter: 'unknown', sort: 3 }, {}, '1 100'],
    ['not here', {}, '1 100'],
    [{ filter: { maxResults: 250 } }, { pageSize: 50 }, '1 50'],
    [{ pagination: { cursor: true, maxPageSize: 300 } }, {}, 'null 300'],
    [{ pagination: { cursor: true, maxPageSize: 300 } }, { paging: 'index' }, '1 300'],
    [{}, { paging: 'cursor' }, 'null 100'],
  ])('with %j and the settings %j is %s', async (config, settings, expected) => {
    expect(await asking(config, settings)).toBe(expected);
  });
});

describe('an answer that does not say who is there', () => {
  const answering = async (body: unknown, settings: Record<string, unknown> = { paging: 'index' }) => {
    const service = await aService(({ path }) =>
      path.includes('ServiceProviderConfig') ? { status: 404 } : { body },
    );
    return { service, records: usersOf(service.connect({ settings })) };
  };

  it.each([{ totalResults: 0 }, { totalResults: 0, Resources: null }, { totalResults: 0, Resources: [] }])(
    'is one that says that there is nobody: %j',
    async (body) => {
      expect(await (await answering(body)).records).toEqual([]);
      expect(await (await answering(body, { paging: 'cursor' })).records).toEqual([]);
    },
  );

  it.each([
    [{ totalResults: 3 }, /lacks the list/],
    [{ totalResults: 3, Resources: null }, /lacks the list/],
    [{ totalResults: 3, Resources: [] }, /shows nobody from place 1/],
    [{ Resources: [] }, /does not say how many/],
    [{ totalResults: -1, Resources: [] }, /is no list/],
    [{ totalResults: 3, Resources: {} }, /is no list/],
    [[], /is no list/],
    [null, /is no list/],
  ])('is an error: %j', async (body, message) => {
    const { service, records } = await answering(body);
    expect(await failing(records)).toMatchObject({ kind: 'unexpected-response', message });
    expect(service.asked.length).toBeLessThan(8);
  });

  it('is an error where a cursor comes without a list', async () => {
    const { records } = await answering({ nextCursor: 'x' }, { paging: 'cursor' });
    expect(await failing(records)).toMatchObject({ kind: 'unexpected-response', message: /lacks the list/ });
  });
});

describe('a list by cursor', () => {
  it('that expires is named so, and a new reading begins', async () => {
    const { simulator, connect } = await simulatedService({ users: 250, quirks: ['short-lived-cursors'] });
    const first = await connect().fetchUsers(null, never);
    await simulator.control.hire(1);
    const failure = await failing(connect().fetchUsers(first.next, never));
    expect(failure).toMatchObject({ kind: 'cursor-expired', status: 400, message: /expiredCursor/ });
    expect(await idsOf(connect())).toHaveLength(251);
  });

  it('whose cursor the service does not know has expired', async () => {
    const { simulator, connect } = await simulatedService({ users: 250 });
    await simulator.control.fault({ name: 'foreign-link' });
    expect(await failing(usersOf(connect()))).toMatchObject({
      kind: 'cursor-expired',
      message: /invalidCursor/,
    });
  });

  it('is an error where the service does not page so but was told to', async () => {
    const { connect } = await simulatedService({ users: 250, quirks: ['ignores-cursor'] });
    const failure = await failing(usersOf(connect({ settings: { paging: 'cursor' } })));
    expect(failure).toMatchObject({
      kind: 'unexpected-response',
      message: /250 .* after 200/,
      remedy: /index/,
    });
  });

  it('may end one in a hundred short, for people leave while it is read, and no more', async () => {
    const ending = async (total: number) => {
      const service = await aService((asked) => {
        const last = queryOf(asked).get('cursor') === 'b';
        const records = people(100).slice(last ? 50 : 0, last ? 100 : 50);
        return {
          body: {
            totalResults: total,
            Resources: records.map((id) => ({ id })),
            nextCursor: last ? null : 'b',
          },
        };
      });
      return usersOf(service.connect({ settings: { paging: 'cursor' } }));
    };
    expect(await ending(101)).toHaveLength(100);
    expect(await failing(ending(103))).toMatchObject({ message: /103 .* after 100/ });
  });
});

describe('a list that holds nobody any more half way', () => {
  const lapsing = (settings: object) => async () => {
    let pages = 0;
    const service = await aService((asked) => {
      if (asked.path.includes('ServiceProviderConfig')) return { status: 404 };
      pages += 1;
      if (pages > 2) return listResponse(0, undefined);
      const start = Number(queryOf(asked).get('startIndex') ?? 1);
      const Resources = people(40)
        .slice(start - 1, start + 9)
        .map((one) => ({ id: one }));
      return { body: { totalResults: 40, Resources, nextCursor: `c${pages}` } };
    });
    return usersOf(service.connect({ settings: { pageSize: 10, ...settings } }));
  };

  it.each([{ paging: 'cursor' }, { paging: 'index' }])('is an error: %j', async (settings) => {
    expect(await failing(lapsing(settings)())).toMatchObject({
      kind: 'unexpected-response',
      message: expect.stringMatching(/nobody|ends it after/),
    });
  });
});

describe('a service that cannot be read by index', () => {
  it('because it sends the first page whatever is asked for, is an error', async () => {
    const { connect } = await simulatedService({ users: 250, quirks: ['index-only', 'same-page'] });
    expect(await failing(usersOf(connect()))).toMatchObject({
      kind: 'unexpected-response',
      message: /first page .* again/,
    });
  });

  it('because its order changes, is an error', async () => {
    const { connect } = await simulatedService({ users: 450, quirks: ['index-only', 'no-sort', 'shuffled'] });
    expect(await failing(usersOf(connect()))).toMatchObject({ kind: 'unexpected-response' });
  });

  it('because it lists no more than so many, is an error', async () => {
    const service = await aService((asked) => {
      const start = Number(queryOf(asked).get('startIndex'));
      return listResponse(
        500,
        people(200)
          .slice(start - 1, start + 99)
          .map((id) => ({ id })),
      );
    });
    expect(await failing(usersOf(service.connect()))).toMatchObject({
      kind: 'unexpected-response',
      message: /500 .* nobody from place 201/,
    });
  });

  it.each([
    ['tooMany', /pageSize/],
    ['invalidCount', /pageSize/],
  ])('because it refuses the page as %s, says what to set', async (scimType, remedy) => {
    const service = await aService(() => ({ status: 400, body: { status: '400', scimType } }));
    expect(await failing(usersOf(service.connect()))).toMatchObject({ kind: 'misconfigured', remedy });
  });
});

describe('a saved place', () => {
  it.each([
    '1',
    '{"list":"groups","place":{"by":"cursor","cursor":"","count":1,"read":0,"total":null}}',
    'x y',
  ])('that is none in this list has expired: %s', async (cursor) => {
    const { connect } = await simulatedService({ users: 3 });
    expect(await failing(connect().fetchUsers(cursor, never))).toMatchObject({ kind: 'cursor-expired' });
  });

  it('among the members of a group there is none', async () => {
    const { connect } = await simulatedService({ users: 30 });
    const connector = connect();
    const [first] = (await connector.fetchGroups(null, never)).records;
    if (first?.kind !== 'group') return expect.unreachable('there is no group');
    const failure = await failing(connector.fetchMembers(first.group.externalId, 'x', never));
    expect(failure).toMatchObject({ kind: 'cursor-expired' });
  });
});

import { describe, expect, it } from 'vitest';
import type { Connector, FoundUser } from '../../connectors/contract.ts';
import { ExternalId } from '../../src/domain/ids.ts';
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
import { allPages, externalIds as ids } from './oktaOrg.ts';

const signal = new AbortController().signal;
const { account, connected } = closedAfterEach();
const notThere = refusal(404, 'notFound', 'Resource Not Found: userKey');

function lookUpOf({ lookUp }: Connector): NonNullable<Connector['lookUp']> {
  if (lookUp === null) throw new Error('it declares the ability');
  return lookUp;
}

const idOf = (found: FoundUser) => (found.kind === 'user' ? found.user.externalId : found.externalId);
const byId = (found: readonly FoundUser[]) => new Map(found.map((one) => [idOf(one), one]));

async function simulated(users: number) {
  const { simulator, connect } = await aSimulatedAccount({ users, seed: 11 });
  const connector = connect();
  const groups = new Map<string, ExternalId>();
  for (const record of await allPages((cursor) => connector.fetchGroups(cursor, signal))) {
    if (record.kind === 'group') groups.set(record.group.name, record.group.externalId);
  }
  const listed = await allPages((cursor) => connector.fetchUsers(cursor, signal));
  return {
    simulator,
    lookUp: lookUpOf(connector),
    users: listed.map((record) => (record.kind === 'user' ? record.user : expect.unreachable())),
    named: (...names: readonly string[]) => names.map((name) => ExternalId.parse(groups.get(name))),
    allGroups: [...groups.values()],
    membersOf: async (group: ExternalId) =>
      allPages((cursor) => connector.fetchMembers(group, cursor, signal)),
    requests: async () => (await simulator.control.state()).requests,
  };
}

/** What a full pull says of who is in these groups. */
async function pulled(
  { membersOf, users }: Awaited<ReturnType<typeof simulated>>,
  groups: readonly ExternalId[],
) {
  const found = new Map(users.map(({ externalId }) => [externalId, [] as ExternalId[]]));
  for (const group of groups) {
    const members = await membersOf(group);
    const everyone = members.some(({ kind }) => kind === 'everyone');
    const inside = new Set(members.flatMap((one) => (one.kind === 'user' ? [one.externalId] : [])));
    for (const { externalId, state } of users) {
      if (state !== 'deprovisioned' && (everyone || inside.has(externalId)))
        found.get(externalId)?.push(group);
    }
  }
  return found;
}

describe('a look-up of named users', () => {
  it('answers as a full pull does, of the living and the deleted, in nested groups and those of everybody', async () => {
    const google = await simulated(430);
    const groups = google.named('Everyone', 'All Staff', 'Product Development', 'Programme Level 3', 'Leads');
    const expected = await pulled(google, groups);
    const asked = google.users.filter(({ state }, at) => at % 5 === 0 || state !== 'active').slice(0, 100);
    const found = await google.lookUp(
      asked.map(({ externalId }) => externalId),
      groups,
      signal,
    );
    expect(new Set(asked.map(({ state }) => state))).toEqual(
      new Set(['active', 'suspended', 'deprovisioned']),
    );
    expect(found).toHaveLength(asked.length);
    const answers = byId(found);
    for (const user of asked) {
      const answer = answers.get(user.externalId);
      expect(answer).toMatchObject({ kind: 'user', user });
      const inside = answer?.kind === 'user' ? answer.groups : [];
      expect([...inside].sort()).toEqual(expected.get(user.externalId)?.toSorted());
    }
  });

  it('of one user asks a large group no more than four times, and finds what a full pull finds', async () => {
    const google = await simulated(900);
    const groups = google.named('Everyone', 'All Staff', 'VPN Users', 'Programme Level 1', 'Nobody Yet');
    const expected = await pulled(google, groups);
    for (const { externalId } of google.users.filter(({ state }) => state === 'active').slice(-3)) {
      await google.simulator.control.resetCounters();
      const found = await google.lookUp([externalId], groups, signal);
      expect(found).toMatchObject([{ kind: 'user' }]);
      const [first] = found;
      expect(first?.kind === 'user' && [...first.groups].sort()).toEqual(
        expected.get(externalId)?.toSorted(),
      );
      const { user = 0, members = 0, other = 0, groups: lists } = await google.requests();
      expect([user, lists]).toEqual([1, 0]);
      expect(members).toBeLessThanOrEqual(groups.length);
      expect(other).toBeLessThanOrEqual(2 * 2);
    }
  });

  it('asks for no groups where none matter, and for all where all do', async () => {
    const google = await simulated(60);
    const [person] = google.users.filter(({ state }) => state === 'active').slice(-1);
    if (person === undefined) return expect.unreachable('nobody is there');
    const expected = (await pulled(google, google.allGroups)).get(person.externalId);
    await google.simulator.control.resetCounters();
    expect(await google.lookUp([person.externalId], [], signal)).toMatchObject([{ groups: [] }]);
    expect(await google.requests()).toMatchObject({ user: 1, groups: 0, members: 0 });
    const [found] = await google.lookUp([person.externalId], null, signal);
    expect(found?.kind === 'user' && [...found.groups].sort()).toEqual(expected?.toSorted());
    expect(expected?.length).toBeGreaterThan(2);
  });

  it('tells who was deleted, who is gone without a trace, and who is only missing from the lists', async () => {
    const { simulator, lookUp } = await simulated(50);
    const { ids: deleted } = await simulator.control.leave(1, 'delete');
    const { ids: purged } = await simulator.control.leave(1, 'purge');
    const { ids: suspended } = await simulator.control.leave(1, 'disable');
    const { ids: lost } = await simulator.control.lose(4);
    const everybody = ids(
      ...deleted,
      ...purged,
      ...suspended,
      ...lost.filter((id) => !suspended.includes(id)),
    );
    await simulator.control.resetCounters();
    const found = byId(await lookUp(everybody, [], signal));
    expect(found.get(everybody[0] as ExternalId)).toMatchObject({
      user: { state: 'deprovisioned' },
      groups: [],
    });
    expect(found.get(everybody[1] as ExternalId)).toEqual({ kind: 'gone', externalId: everybody[1] });
    expect(found.get(everybody[2] as ExternalId)).toMatchObject({ user: { state: 'suspended' } });
    for (const id of everybody.slice(3)) expect(found.get(id)).toMatchObject({ user: { state: 'active' } });
    expect((await simulator.control.state()).requests).toMatchObject({
      user: everybody.length + 1, // who is gone is asked for twice
      users: 1,
    });
  });

  it('answers once for who is named twice', async () => {
    const google = await account(({ path }) => ({ body: aUser(path.split('/').at(-1) ?? '') }));
    expect(await lookUpOf(connected(google))(ids('1', '2', '1'), [], signal)).toHaveLength(2);
    expect(google.asked).toHaveLength(2);
  });
});

describe('an answer about somebody else', () => {
  it.each([
    ['with another id, as for an alias that was given on,', aUser('2'), 'id: that of another user'],
    ['without an id', { primaryEmail: 'u@example.com', suspended: false }, 'id: missing or no text'],
    ['that cannot be read', aUser('1', { suspended: 'no' }), 'suspended'],
  ])('%s is nobody’s', async (_, body, problem) => {
    const google = await account(() => ({ body }));
    expect(await lookUpOf(connected(google))(ids('1'), [], signal)).toEqual([
      { kind: 'unreadable', externalId: '1', problem: expect.stringContaining(problem) },
    ]);
  });
});

describe('"gone"', () => {
  const deletedList = (...users: readonly unknown[]): Answered => ({ body: usersBody(users) });

  it('is said after two refusals by Google and a look at all whom it has deleted', async () => {
    const google = await account(({ path, query }) => {
      if (!path.endsWith('/users')) return notThere;
      return 'pageToken' in query ? deletedList(aUser('9')) : { body: usersBody([aUser('8')], 'more') };
    });
    const found = await lookUpOf(connected(google))(ids('1', '9'), [], signal);
    expect(byId(found)).toEqual(
      new Map([
        ['1', { kind: 'gone', externalId: '1' }],
        ['9', expect.objectContaining({ user: expect.objectContaining({ state: 'deprovisioned' }) })],
      ]),
    );
    expect(google.asked.map(({ path }) => path.split('/').at(-1))).toEqual(['1', '9', 'users', 'users', '1']);
  });

  it('is not said of who is restored while the deleted are being read', async () => {
    let restored = false;
    const google = await account(({ path }) => {
      if (!path.endsWith('/users')) return restored ? { body: aUser('1') } : notThere;
      restored = true;
      return deletedList();
    });
    expect(await lookUpOf(connected(google))(ids('1'), [], signal)).toMatchObject([
      { kind: 'user', user: { externalId: '1', state: 'active' } },
    ]);
  });

  it.each<[string, Answered, string]>([
    ['a refused permission', refusal(403, 'forbidden'), 'permission-missing'],
    ['a refused token', refusal(401, 'authError'), 'credentials-rejected'],
    ["a 404 that is not in Google's words", { status: 404, body: '<html>no</html>' }, 'not-found'],
    ['a 404 for another reason', refusal(404, 'domainNotFound'), 'not-found'],
    ['trouble', { status: 503 }, 'unavailable'],
    ['an HTML page', { body: '<html>Sign in</html>' }, 'unexpected-response'],
    [
      'a redirect',
      { status: 302, headers: { location: 'https://elsewhere.example/' } },
      'unexpected-response',
    ],
  ])('is never made of %s, before and after the deleted were read', async (_, answer, kind) => {
    const first = await account(() => answer);
    expect(await failing(lookUpOf(connected(first))(ids('1', '2'), [], signal))).toMatchObject({ kind });
    const list = await account(({ path }) => (path.endsWith('/users') ? answer : notThere));
    const failure = await failing(lookUpOf(connected(list))(ids('1'), [], signal));
    expect(failure.kind).not.toBe('cursor-expired');
    const second = await account(({ path }) => {
      if (path.endsWith('/users')) return deletedList();
      return second.asked.length === 1 ? notThere : answer;
    });
    expect(await failing(lookUpOf(connected(second))(ids('1'), [], signal))).toMatchObject({ kind });
  });
});

describe('the groups of a looked-up user', () => {
  const person = (more: object = {}): Answered => ({ body: aUser('1', { customerId: 'C0abc', ...more }) });
  /** One large group: pages of one member each that never end before `last`. */
  const large = (alone: (asked: Asked) => Answered | null, last: number, member = '7') => {
    return (asked: Asked): Answered => {
      const { path, query } = asked;
      if (path.endsWith('/users/1')) return person();
      if (!path.endsWith('/members')) return alone(asked) ?? refusal(404, 'notFound');
      const { pageToken = '1' } = query;
      const page = Number(pageToken);
      return {
        body: {
          kind: 'admin#directory#members',
          members: page === last ? [{ id: member, type: 'USER' }] : [],
          nextPageToken: page === last ? undefined : String(page + 1),
        },
      };
    };
  };
  const isMember = (answer: unknown) => (asked: Asked) =>
    asked.path.includes('/hasMember/') ? { body: { isMember: answer } } : null;

  it.each([
    [true, ['g1']],
    [false, []],
  ])('are asked about alone where a group is large: %s', async (answer, groups) => {
    const google = await account(large(isMember(answer), 1_000));
    const found = await lookUpOf(connected(google))(ids('1'), ids('g1'), signal);
    expect(found).toMatchObject([{ groups }]);
    expect(google.asked).toHaveLength(4);
  });

  it('hold a large group of which the whole account is a member', async () => {
    const customer = ({ path }: Asked): Answered | null =>
      path.endsWith('/members/C0abc') ? { body: { id: 'C0abc', type: 'CUSTOMER' } } : null;
    const google = await account(large(customer, 1_000));
    expect(await lookUpOf(connected(google))(ids('1'), ids('g1'), signal)).toMatchObject([
      { groups: ['g1'] },
    ]);
  });

  it('are read from all members where Google does not answer for users of another domain', async () => {
    const google = await account(
      large(({ path }) => (path.includes('/hasMember/') ? refusal(400, 'invalid') : null), 5, '1'),
    );
    expect(await lookUpOf(connected(google))(ids('1'), ids('g1'), signal)).toMatchObject([
      { groups: ['g1'] },
    ]);
  });

  it.each<[string, Answered]>([
    ['a group that is gone', refusal(404, 'notFound')],
    ['a group that may not be seen', refusal(403, 'forbidden')],
    ['a member that cannot be read', { body: { members: [{ type: 'USER' }] } }],
    ['this user as a member of a kind not known yet', { body: { members: [{ id: '1', type: 'ROBOT' }] } }],
  ])('are not told because of %s', async (_, answer) => {
    const google = await account(({ path }) => (path.endsWith('/members') ? answer : person()));
    await failing(lookUpOf(connected(google))(ids('1'), ids('g1'), signal));
    expect(google.asked.some(({ path }) => path.endsWith('/members'))).toBe(true);
  });

  it.each([[undefined], ['yes'], [null]])('are not told from an odd answer: %o', async (answer) => {
    const google = await account(large(isMember(answer), 1_000));
    expect(await failing(lookUpOf(connected(google))(ids('1'), ids('g1'), signal))).toMatchObject({
      kind: 'unexpected-response',
    });
  });

  it('end where the pages of a list of groups lead in a circle', async () => {
    const google = await account(({ path, query }) =>
      path.endsWith('/groups')
        ? { body: { kind: 'admin#directory#groups', nextPageToken: query['pageToken'] === 'a' ? 'b' : 'a' } }
        : person(),
    );
    expect(await failing(lookUpOf(connected(google))(ids('1'), null, signal))).toMatchObject({
      kind: 'unexpected-response',
    });
    expect(google.asked.length).toBeLessThan(6);
  });
});

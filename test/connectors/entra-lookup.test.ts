import { expect, it } from 'vitest';
import type { Connector, FoundUser, UserRecord } from '../../connectors/contract.ts';
import type { Simulator } from '../../simulators/start.ts';
import { ExternalId } from '../../src/domain/ids.ts';
import { aClock, failing, never } from './aSession.ts';
import { connected, everyUser, simulated } from './entraDirectory.ts';
import { type Answered, type Asked, aGraph, aMember, aUser } from './entraHost.ts';

const idsOf = (ids: readonly string[]) => ids.map((id) => ExternalId.parse(id));

async function liveUsers(connector: Connector): Promise<readonly UserRecord[]> {
  const records = await everyUser(connector);
  return records.filter((record) => record.kind === 'user' && record.user.state !== 'deprovisioned');
}

async function lookedUp(connector: Connector, ids: readonly string[], groups: readonly string[] | null = []) {
  const found = await connector.lookUp?.(idsOf(ids), groups && idsOf(groups), never);
  return found ?? expect.unreachable('there is no look-up');
}

const idOf = (found: FoundUser) => (found.kind === 'user' ? found.user.externalId : found.externalId);
const byId = (found: readonly FoundUser[]) => new Map(found.map((one) => [String(idOf(one)), one]));

async function membersOf(connector: Connector, group: string): Promise<readonly string[]> {
  const { records } = await connector.fetchMembers(ExternalId.parse(group), null, never);
  return records.map((member) => (member.kind === 'user' ? member.externalId : member.kind)).sort();
}

async function groupNamed(simulator: Simulator, name: string): Promise<string> {
  return (await simulator.control.changeGroup(name, {})).group;
}

it('finds users as the list shows them, ten requests for a hundred of them and their groups', async () => {
  const simulator = await simulated({ users: 100 });
  const connector = connected(simulator);
  const listed = await liveUsers(connector);
  const ids = listed.flatMap((record) => (record.kind === 'user' ? [record.user.externalId] : []));
  await simulator.control.resetCounters();
  const found = byId(await lookedUp(connector, ids, null));
  expect((await simulator.control.state()).requests).toMatchObject({
    other: 10,
    user: 0,
    members: 0,
    users: 0,
  });
  for (const record of listed) {
    if (record.kind !== 'user') return expect.unreachable(record.problem);
    expect(found.get(record.user.externalId)).toMatchObject({ kind: 'user', user: record.user });
  }
  expect(found.size).toBe(100);
});

it('names those of the groups asked about, nested ones resolved as their lists of members resolve them', async () => {
  const simulator = await simulated({ users: 300 });
  const connector = connected(simulator);
  const groups = await Promise.all(
    ['Product Development', 'Programme Level 2', 'VPN Users', 'Nobody Yet'].map((name) =>
      groupNamed(simulator, name),
    ),
  );
  const ids = (await liveUsers(connector)).flatMap((record) =>
    record.kind === 'user' ? [record.user.externalId] : [],
  );
  const found: FoundUser[] = [];
  for (let at = 0; at < ids.length; at += 100) {
    found.push(...(await lookedUp(connector, ids.slice(at, at + 100), groups)));
  }
  for (const group of groups) {
    const within = found.filter((one) => one.kind === 'user' && one.groups.some((id) => id === group));
    expect(within.map(idOf).sort()).toEqual(await membersOf(connector, group));
  }
  const [first] = ids;
  const all = await lookedUp(connector, [first ?? ''], null);
  const some = await lookedUp(connector, [first ?? ''], groups.slice(0, 1));
  expect(all).toMatchObject([
    { groups: expect.arrayContaining([...(some[0]?.kind === 'user' ? some[0].groups : [])]) },
  ]);
});

it('asks for no memberships where no group matters', async () => {
  const simulator = await simulated();
  const connector = connected(simulator);
  const [first] = await liveUsers(connector);
  const id = first?.kind === 'user' ? first.user.externalId : expect.unreachable('there is nobody');
  await simulator.control.fault({ name: 'status-403', on: 'members', times: null });
  expect(await lookedUp(connector, [id], [])).toMatchObject([{ kind: 'user', groups: [] }]);
  const failure = await failing(connector.lookUp?.(idsOf([id]), null, never) ?? Promise.resolve());
  expect(failure).toMatchObject({
    kind: 'permission-missing',
    message: expect.stringContaining('GroupMember.Read.All'),
  });
});

it('calls the deleted deprovisioned while Entra ID keeps them, gone afterwards, and living when they are restored', async () => {
  const simulator = await simulated({ users: 30 });
  const connector = connected(simulator);
  const {
    ids: [deleted = ''],
  } = await simulator.control.leave(1, 'delete');
  const {
    ids: [purged = ''],
  } = await simulator.control.leave(1, 'purge');
  const {
    ids: [disabled = ''],
  } = await simulator.control.leave(1, 'disable');
  const never = crypto.randomUUID();
  const found = byId(await lookedUp(connector, [deleted, purged, disabled, never], null));
  expect(found.get(deleted)).toMatchObject({ kind: 'user', user: { state: 'deprovisioned' }, groups: [] });
  expect(found.get(deleted)).toMatchObject({
    user: { userName: expect.stringMatching(/^[a-z]+\.[^@]+@meridian/) },
  });
  expect(found.get(purged)).toEqual({ kind: 'gone', externalId: purged });
  expect(found.get(never)).toEqual({ kind: 'gone', externalId: never });
  expect(found.get(disabled)).toMatchObject({ kind: 'user', user: { state: 'suspended' } });
  await simulator.control.restore([deleted]);
  expect(await lookedUp(connector, [deleted])).toMatchObject([{ kind: 'user', user: { state: 'active' } }]);
});

it('asks again for those alone that Graph was too busy for', async () => {
  let refusals = 2;
  const graph = await aGraph(({ path }): Answered => {
    if (path.endsWith('/u3') && refusals > 0) {
      refusals -= 1;
      return { status: 429, headers: { 'Retry-After': '7' }, body: { error: { code: 'TooManyRequests' } } };
    }
    return { body: aUser(path.slice('/users/'.length)) };
  });
  const { slept, clock, sleep } = aClock();
  const found = await lookedUp(graph.connect({}, { maxRetries: 3, clock, sleep }), ['u1', 'u2', 'u3']);
  expect([...byId(found).keys()].sort()).toEqual(['u1', 'u2', 'u3']);
  expect(graph.asked.map(({ path }) => path)).toEqual([
    '/users/u1',
    '/users/u2',
    '/users/u3',
    '/users/u3',
    '/users/u3',
  ]);
  expect(Math.min(...slept.filter((ms) => ms > 0))).toBeGreaterThanOrEqual(6_900);
});

it.each([
  [429, 'rate-limited'],
  [503, 'unavailable'],
  [403, 'permission-missing'],
  [401, 'credentials-rejected'],
  [400, 'unexpected-response'],
])('says nothing of anybody when one part of a batch goes on answering %i', async (status, kind) => {
  const graph = await aGraph(({ path }) =>
    path.endsWith('/u2')
      ? { status, body: { error: { code: 'Nope', message: 'hunter2-hunter2' } } }
      : { body: aUser('u1') },
  );
  const lookUp = graph.connect().lookUp?.(idsOf(['u1', 'u2']), [], never);
  expect(await failing(lookUp ?? Promise.resolve())).toMatchObject({ kind, status });
});

it.each<[string, Answered]>([
  ['of another kind', { status: 404, body: { error: { code: 'NotFound', message: 'No route' } } }],
  ['without a code', { status: 404, body: {} }],
])('does not take a 404 %s for the news that somebody is gone', async (_, answer) => {
  const graph = await aGraph(() => answer);
  const lookUp = graph.connect().lookUp?.(idsOf(['u1']), [], never);
  expect(await failing(lookUp ?? Promise.resolve())).toMatchObject({ kind: 'not-found' });
});

it('finds whoever is restored between two answers, and leaves open what never settles', async () => {
  const living = ({ path }: Asked) => path.startsWith('/users/');
  let answers = 0;
  const restored = await aGraph((asked) => {
    answers += 1;
    return living(asked) && answers > 2 ? { body: aUser('u1') } : null;
  });
  expect(await lookedUp(restored.connect(), ['u1'])).toMatchObject([
    { kind: 'user', user: { state: 'active' } },
  ]);
  const flickering = await aGraph(({ query }) =>
    query.get('$select') === 'id' ? { body: { id: 'u1' } } : null,
  );
  expect(await lookedUp(flickering.connect(), ['u1'])).toMatchObject([
    { kind: 'unreadable', externalId: 'u1' },
  ]);
});

it('leaves open who cannot be read, and lets the others through', async () => {
  const graph = await aGraph(({ path }) => {
    if (path === '/users/u1') return { body: aUser('u1', { accountEnabled: null }) };
    if (path === '/users/u2') return { body: aUser('u9') };
    if (path === '/users/u3/transitiveMemberOf') return { body: { value: [{ id: 'g1' }] } };
    if (path.endsWith('/transitiveMemberOf'))
      return { body: { value: [aMember('group', 'g1'), aMember('device', 'd1')] } };
    return { body: aUser(path.slice('/users/'.length)) };
  });
  const found = byId(await lookedUp(graph.connect(), ['u1', 'u2', 'u3', 'u4'], null));
  expect(found.get('u1')).toMatchObject({
    kind: 'unreadable',
    problem: expect.stringContaining('accountEnabled'),
  });
  expect(found.get('u2')).toMatchObject({
    kind: 'unreadable',
    problem: expect.stringContaining('another user'),
  });
  expect(found.get('u3')).toMatchObject({ kind: 'unreadable', problem: expect.stringContaining('memberOf') });
  expect(found.get('u4')).toMatchObject({ kind: 'user', groups: ['g1'] });
});

it('reads all pages of the groups of somebody who is in very many, and no page of another host', async () => {
  const page = (origin: string, ids: readonly string[], next: string | null) => ({
    body: {
      value: ids.map((id) => aMember('group', id)),
      ...(next === null ? {} : { '@odata.nextLink': `${origin}${next}` }),
    },
  });
  const path = '/v1.0/users/u1/transitiveMemberOf?$select=id&$top=999&$skiptoken=two';
  const graph = await aGraph((asked) => {
    if (!asked.path.endsWith('/transitiveMemberOf')) return { body: aUser('u1') };
    return asked.query.has('$skiptoken') ? page('', ['g2'], null) : page(asked.origin, ['g1'], path);
  });
  expect(await lookedUp(graph.connect(), ['u1'], null)).toMatchObject([{ groups: ['g1', 'g2'] }]);
  const foreign = await aGraph((asked) =>
    asked.path.endsWith('/transitiveMemberOf')
      ? page('https://evil.example', ['g1'], path)
      : { body: aUser('u1') },
  );
  const lookUp = foreign.connect().lookUp?.(idsOf(['u1']), null, never);
  expect(await failing(lookUp ?? Promise.resolve())).toMatchObject({ kind: 'foreign-link' });
});

it.each<[string, (responses: readonly object[]) => unknown]>([
  ['leaves a part out', (responses) => ({ responses: responses.slice(1) })],
  ['holds no parts', (value) => ({ value })],
  ['is no JSON', () => '<html>hunter2-hunter2</html>'],
])('says nothing of anybody when the answer to a batch %s', async (_, wrap) => {
  const graph = await aGraph(({ path }) => ({ body: aUser(path.slice('/users/'.length)) }), wrap);
  const lookUp = graph.connect().lookUp?.(idsOf(['u1', 'u2']), [], never);
  expect(await failing(lookUp ?? Promise.resolve())).toMatchObject({ kind: 'unexpected-response' });
});

import { describe, expect, it } from 'vitest';
import type { Connector } from '../../connectors/contract.ts';
import { ExternalId } from '../../src/domain/ids.ts';
import { failing, never } from './aSession.ts';
import { type Answered, allPages } from './oktaOrg.ts';
import { aService, listResponse, scimError, simulatedService } from './scimService.ts';

const user = (value: string) => ({ value, type: 'User' });
const inner = (value: string) => ({ value, type: 'Group' });
const id = (text: string) => ExternalId.parse(text);

/** Groups by id with their members as the service sends them; null: refused as hidden, missing: 404. */
async function groups(tree: Readonly<Record<string, readonly unknown[] | null | undefined>>) {
  const service = await aService(({ path }): Answered => {
    const [, asked] = /\/Groups\/([^?]+)/.exec(path) ?? [];
    if (asked === undefined) return listResponse(0, []);
    if (!Object.hasOwn(tree, asked)) return scimError(404);
    const members = tree[asked];
    return members === null ? scimError(403) : { body: { id: asked, displayName: asked, members } };
  });
  const connector = service.connect();
  const membersOf = async (group: string) => (await connector.fetchMembers(id(group), null, never)).records;
  const usersOf = async (group: string) =>
    (await membersOf(group)).map((one) => (one.kind === 'user' ? one.externalId : one.kind)).sort();
  return { service, connector, membersOf, usersOf };
}

describe('the members of a group', () => {
  it('are those of the groups within it too, each once', async () => {
    const { usersOf } = await groups({
      a: [user('u1'), inner('b')],
      b: [user('u1'), user('u2'), inner('c')],
      c: [user('u3')],
    });
    expect(await usersOf('a')).toEqual(['u1', 'u2', 'u3']);
    expect(await usersOf('c')).toEqual(['u3']);
  });

  it('end where groups hold each other, and themselves', async () => {
    const { usersOf, service } = await groups({
      a: [inner('b'), inner('a')],
      b: [inner('c'), user('u2')],
      c: [inner('a')],
    });
    for (const group of ['a', 'b', 'c']) expect(await usersOf(group)).toEqual(['u2']);
    expect(service.asked).toHaveLength(3);
  });

  it('cost one request for each group, however deep a chain of them is', async () => {
    const chain = Object.fromEntries(
      Array.from({ length: 40 }, (_, at) => [
        `g${at}`,
        [user(`u${at}`), ...(at < 39 ? [inner(`g${at + 1}`)] : [])],
      ]),
    );
    const { usersOf, service } = await groups(chain);
    const all = await Promise.all(Object.keys(chain).map(usersOf));
    expect(all.map((users) => users.length)).toEqual(Array.from({ length: 40 }, (_, at) => 40 - at));
    expect(service.asked).toHaveLength(40);
  });

  it('are asked for by name, with their attribute', async () => {
    const { usersOf, service } = await groups({ 'a%2Fb': [user('u1')] });
    expect(await usersOf('a/b').catch((error: unknown) => error)).toBeInstanceOf(Error); // the answer is about a%2Fb
    expect(service.asked.map(({ path }) => path)).toEqual(['/v2/Groups/a%2Fb?attributes=members']);
  });

  it.each([
    [{ value: 'x', type: 'user' }, ['x']],
    [{ value: 'x', $ref: 'https://elsewhere.example/v2/Users/x' }, ['x']],
    [{ value: 'x' }, ['x']],
    [{ value: 'b', type: 'group' }, ['u2']],
    [{ value: 'b', $ref: '../Groups/b' }, ['u2']],
    [{ value: 'x', type: 'Device' }, []],
    [{ value: 'b', type: 'User', $ref: '../Groups/b' }, ['b']],
  ])('are told by type, else by reference: %j', async (member, expected) => {
    const { usersOf } = await groups({ a: [member], b: [user('u2')] });
    expect(await usersOf('a')).toEqual(expected);
  });

  it.each([[undefined], [[]]])('are none where the service sends %j', async (members) => {
    const { usersOf } = await groups({ a: members });
    expect(await usersOf('a')).toEqual([]);
  });

  it.each([
    ['without a value', [{ type: 'User' }, user('u1')]],
    ['that is no object', ['u9', user('u1')]],
    ['that is a group which is gone', [inner('gone'), user('u1')]],
    ['that is a group which is hidden', [inner('hidden'), user('u1')]],
  ])('are told with the one %s as unknown', async (_, members) => {
    const { membersOf } = await groups({ a: members, hidden: null });
    expect(await membersOf('a')).toEqual([
      { kind: 'user', externalId: 'u1' },
      { kind: 'unreadable', externalId: null, problem: expect.stringMatching(/\w/) },
    ]);
  });

  it.each([
    ['gone', 'not-found'],
    ['hidden', 'permission-missing'],
    ['odd', 'unexpected-response'],
  ])('of a group that is %s are unknown, and no other group is', async (group, kind) => {
    const { membersOf, usersOf } = await groups({ a: [user('u1')], hidden: null, odd: 'nobody' as never });
    expect(await failing(membersOf(group))).toMatchObject({ kind });
    expect(await usersOf('a')).toEqual(['u1']);
  });

  it('of another group than was asked for are an error', async () => {
    const service = await aService(() => ({ body: { id: 'b', members: [user('u1')] } }));
    const work = service.connect().fetchMembers(id('a'), null, never);
    expect(await failing(work)).toMatchObject({ kind: 'unexpected-response', message: /another group/ });
  });

  it('are read anew in the next pull', async () => {
    const tree: Record<string, unknown[]> = { a: [inner('b')], b: [user('u1')] };
    const { connector, usersOf } = await groups(tree);
    expect(await usersOf('a')).toEqual(['u1']);
    tree['b'] = [user('u2')];
    expect(await usersOf('a')).toEqual(['u1']);
    await connector.fetchGroups(null, never);
    expect(await usersOf('a')).toEqual(['u2']);
  });

  it('are asked for again by others when whoever asked first was stopped', async () => {
    let asked = 0;
    let stop = () => {};
    const service = await aService(async () => {
      asked += 1;
      if (asked === 1) {
        stop();
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      return { body: { id: 'a', members: [user('u1')] } };
    });
    const stopping = new AbortController();
    stop = () => stopping.abort(new Error('stopped'));
    const connector = service.connect();
    const first = connector.fetchMembers(id('a'), null, stopping.signal);
    const second = connector.fetchMembers(id('a'), null, never);
    await expect(first).rejects.toThrow('stopped');
    expect((await second).records).toEqual([{ kind: 'user', externalId: 'u1' }]);
  });

  it.each([[[]], [['untyped-members']]])(
    'are those that the simulated directory has, with quirks %j',
    async (quirks) => {
      const { simulator, connect } = await simulatedService({ users: 300, quirks });
      const connector = connect();
      const named = await byName(connector);
      const programmes = [1, 2, 3, 4, 5].map((level) => named.get(`Programme Level ${level}`));
      expect(new Set(programmes.map((members) => members?.join())).size).toBe(1); // a circle: everybody is in each
      expect(programmes[0]?.length).toBeGreaterThan(1);
      const parts = ['Engineering', 'Design', 'Research'].flatMap((name) => named.get(name) ?? []);
      expect(named.get('Product Development')).toEqual([...new Set(parts)].sort());
      const { requests, groups: count } = await simulator.control.state();
      expect(requests['members']).toBe(count);
    },
  );
});

async function byName(connector: Connector): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>();
  for (const record of await allPages((cursor) => connector.fetchGroups(cursor, never))) {
    if (record.kind !== 'group') throw new Error(record.problem);
    const { records } = await connector.fetchMembers(record.group.externalId, null, never);
    const ids = records.map((one) => (one.kind === 'user' ? (one.externalId as string) : one.kind));
    found.set(record.group.name, ids.sort());
  }
  return found;
}

import { describe, expect, it } from 'vitest';
import { ConnectorError } from '../../connectors/contract.ts';
import { ExternalId } from '../../src/domain/ids.ts';
import {
  type Answered,
  type Asked,
  allPages,
  anOktaUser,
  aSimulatedOrg,
  closedAfterEach,
  externalIds as ids,
  notFound,
} from './oktaOrg.ts';

const signal = new AbortController().signal;
const { org, connected: connectedTo } = closedAfterEach();

async function connected(answer: (asked: Asked, origin: string) => Answered | Promise<Answered>) {
  const acme = await org(answer);
  const { lookUp } = connectedTo(acme);
  if (lookUp === null) throw new Error('it declares the ability');
  return { acme, lookUp };
}

async function simulated(users: number) {
  const { simulator, connect } = await aSimulatedOrg({ users, seed: 11 });
  const connector = connect();
  const { lookUp } = connector;
  if (lookUp === null) throw new Error('it declares the ability');
  const listed = await allPages((cursor) => connector.fetchUsers(cursor, signal));
  const users_ = listed.map((record) => (record.kind === 'user' ? record.user : expect.unreachable()));
  return { simulator, connector, lookUp, users: users_ };
}

/** An org of these users, each in group 00gA. `hidden`: not found by the filter, as if it had not heard of them yet. */
function anOrgOf(users: readonly ReturnType<typeof anOktaUser>[], hidden: readonly string[] = []) {
  return ({ path }: Asked, origin: string): Answered => {
    const { pathname, searchParams } = new URL(path, origin);
    const headers = { link: `<${origin}${path}>; rel="self"` };
    const filter = searchParams.get('filter');
    if (filter !== null) {
      const named = [...filter.matchAll(/id eq "(\w+)"/g)].map(([, id]) => id);
      return { headers, body: users.filter(({ id }) => named.includes(id) && !hidden.includes(id)) };
    }
    const [, id, groups] = /^\/api\/v1\/users\/(\w+)(\/groups)?$/.exec(pathname) ?? [];
    const user = users.find((one) => one.id === id);
    if (user === undefined) return notFound;
    return groups === undefined
      ? { body: user }
      : { headers, body: [{ id: '00gA', profile: { name: 'A' } }] };
  };
}

describe('a look-up of named users', () => {
  it('answers as the lists do, of the living and of the deactivated, with the groups asked about', async () => {
    const { connector, lookUp, users } = await simulated(230);
    const groups = (await allPages((cursor) => connector.fetchGroups(cursor, signal))).flatMap((record) =>
      record.kind === 'group' ? [record.group] : [],
    );
    const some = groups.filter(({ name }) => ['Everyone', 'Engineering', 'All Staff'].includes(name));
    expect(some).toHaveLength(3);
    const members = new Map<string, Set<string>>();
    for (const { externalId } of some) {
      const page = await allPages((cursor) => connector.fetchMembers(externalId, cursor, signal));
      members.set(
        externalId,
        new Set(page.map((record) => (record.kind === 'user' ? record.externalId : ''))),
      );
    }
    const asked = users.slice(-100);
    const found = await lookUp(
      asked.map(({ externalId }) => externalId),
      some.map(({ externalId }) => externalId),
      signal,
    );
    const inGroups = (id: string) =>
      some.map(({ externalId }) => externalId).filter((group) => members.get(group)?.has(id));
    expect(
      found.map((one) => (one.kind === 'user' ? { ...one, groups: [...one.groups].sort() } : one)),
    ).toEqual(asked.map((user) => ({ kind: 'user', user, groups: inGroups(user.externalId).sort() })));
    const gone = users.filter(({ state }) => state === 'deprovisioned');
    expect(gone.length).toBeGreaterThan(0);
    expect(
      await lookUp(
        gone.map(({ externalId }) => externalId),
        [],
        signal,
      ),
    ).toEqual(gone.map((user) => ({ kind: 'user', user, groups: [] })));
  });

  it('says gone of a user who was deleted for good, and of one who never was', async () => {
    const { simulator, lookUp, users } = await simulated(20);
    const { ids: purged } = await simulator.control.leave(1, 'purge');
    const living = users.filter(({ externalId, state }) => state === 'active' && externalId !== purged[0]);
    const [left = ''] = purged;
    const found = await lookUp(ids(left, '00u00000000000000000', living[0]?.externalId ?? ''), [], signal);
    expect(found).toEqual([
      { kind: 'gone', externalId: left },
      { kind: 'gone', externalId: '00u00000000000000000' },
      { kind: 'user', user: living[0], groups: [] },
    ]);
  });

  it('asks for 25 users at a time, and for nobody alone who was in the answer', async () => {
    const many = Array.from({ length: 100 }, (_, at) => anOktaUser(`00u${at + 100}`));
    const { acme, lookUp } = await connected(anOrgOf(many));
    expect(
      await lookUp(
        many.map(({ id }) => ExternalId.parse(id)),
        [],
        signal,
      ),
    ).toHaveLength(100);
    expect(acme.asked).toHaveLength(4);
    for (const { path } of acme.asked) expect(path.length).toBeLessThan(2_000);
  });

  it('asks alone for whom the filter leaves out, before anybody is called gone', async () => {
    const { acme, lookUp } = await connected(anOrgOf([anOktaUser('00u1'), anOktaUser('00u2')], ['00u1']));
    const found = await lookUp(ids('00u1', '00u2', '00u3'), null, signal);
    expect(found).toMatchObject([
      { kind: 'user', user: { externalId: '00u1' }, groups: ['00gA'] },
      { kind: 'user', user: { externalId: '00u2' }, groups: ['00gA'] },
      { kind: 'gone', externalId: '00u3' },
    ]);
    const alone = acme.asked.map(({ path }) => path).filter((path) => /users\/\w+$/.test(path));
    expect(alone.sort()).toEqual(['/api/v1/users/00u1', '/api/v1/users/00u3']);
  });

  it('reads all pages of the groups, and names only those asked about', async () => {
    const { lookUp } = await connected(({ path }, origin) => {
      if (path.includes('filter=')) return { body: [anOktaUser('00u1')] };
      const next = path.includes('after=')
        ? ''
        : `, <${origin}/api/v1/users/00u1/groups?after=1>; rel="next"`;
      const headers = { link: `<${origin}${path}>; rel="self"${next}` };
      return {
        headers,
        body: [{ id: next === '' ? '00gB' : '00gA' }, { id: next === '' ? '00gC' : '00gD' }],
      };
    });
    const inAll = await lookUp(ids('00u1'), null, signal);
    expect(inAll).toMatchObject([{ groups: ['00gA', '00gD', '00gB', '00gC'] }]);
    expect(await lookUp(ids('00u1'), ids('00gC', '00gX'), signal)).toMatchObject([{ groups: ['00gC'] }]);
  });

  it.each<[string, Answered, object]>([
    ['it may not be seen', { status: 403, body: { errorCode: 'E0000006' } }, { kind: 'permission-missing' }],
    ['the credential is refused', { status: 401, body: {} }, { kind: 'credentials-rejected' }],
    ['Okta is in trouble', { status: 500, body: { errorCode: 'E0000009' } }, { kind: 'unavailable' }],
    [
      'a proxy answers 404',
      { status: 404, body: '<html>nothing here</html>' },
      { kind: 'unexpected-response' },
    ],
    [
      'another code comes with 404',
      { status: 404, body: { errorCode: 'E0000008' } },
      { kind: 'unexpected-response' },
    ],
    ['the answer is cut off', { body: '{"id":"00u1","sta' }, { kind: 'unexpected-response' }],
  ])('fails as a whole, and calls nobody gone, when of one user %s', async (_, answer, failure) => {
    const { lookUp } = await connected(({ path }) =>
      path.includes('filter=') ? { body: [anOktaUser('00u2')] } : answer,
    );
    const failed = await lookUp(ids('00u1', '00u2'), [], signal).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(ConnectorError);
    expect((failed as ConnectorError).failure).toMatchObject(failure);
  });

  it('says unreadable of an answer that is about somebody else or about nobody', async () => {
    const { lookUp } = await connected(({ path }) => {
      if (path.includes('filter=')) return { body: [anOktaUser('00u3', { status: 'FUTURE_STATE' })] };
      return { body: path.endsWith('00u1') ? anOktaUser('00u9') : [] };
    });
    expect(await lookUp(ids('00u1', '00u2', '00u3'), [], signal)).toEqual([
      { kind: 'unreadable', externalId: '00u1', problem: expect.any(String) },
      { kind: 'unreadable', externalId: '00u2', problem: expect.any(String) },
      { kind: 'unreadable', externalId: '00u3', problem: expect.stringContaining('status') },
    ]);
  });

  it('says gone of a user who is deleted while the groups are read, but not because of the groups alone', async () => {
    const deleted = await connected(({ path }) =>
      path.includes('filter=') ? { body: [anOktaUser('00u1')] } : notFound,
    );
    expect(await deleted.lookUp(ids('00u1'), null, signal)).toEqual([{ kind: 'gone', externalId: '00u1' }]);
    const hidden = await connected(({ path }) => {
      if (path.includes('filter=')) return { body: [anOktaUser('00u1')] };
      return path.includes('/groups') ? notFound : { body: anOktaUser('00u1') };
    });
    await expect(hidden.lookUp(ids('00u1'), null, signal)).rejects.toMatchObject({
      failure: { kind: 'not-found' },
    });
  });

  it('puts no id between the quotation marks of a filter that could end them', async () => {
    const { acme, lookUp } = await connected(() => notFound);
    const odd = '00u1" or status eq "ACTIVE';
    expect(await lookUp(ids(odd), [], signal)).toEqual([{ kind: 'gone', externalId: odd }]);
    expect(acme.asked.map(({ path }) => path)).toEqual([`/api/v1/users/${encodeURIComponent(odd)}`]);
  });

  it('keeps few requests under way at a time', async () => {
    let underWay = 0;
    let most = 0;
    const many = Array.from({ length: 40 }, (_, at) => `00u${at + 100}`);
    const { lookUp } = await connected(async ({ path }) => {
      underWay += 1;
      most = Math.max(most, underWay);
      await new Promise((resolve) => setTimeout(resolve, 5));
      underWay -= 1;
      return path.includes('filter=') ? { body: [] } : notFound;
    });
    expect(await lookUp(ids(...many), null, signal)).toHaveLength(40);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(6);
  });
});

describe('the evidence', () => {
  const evidenceWith = async (
    which: 'credentials' | 'alternativeCredentials',
    permissions: readonly string[],
  ) => {
    const { simulator, connect } = await aSimulatedOrg({ users: 3, permissions });
    const connector = connect({}, simulator[which] ?? {});
    return connector.evidence(signal);
  };

  it.each([
    [
      ['okta.users.read', 'okta.groups.read', 'okta.logs.read'], // the log's scope is optional
      ['okta.groups.read', 'okta.users.read'],
    ],
    [
      ['okta.users.read', 'okta.groups.read'],
      ['okta.groups.read', 'okta.users.read'],
    ],
    [['okta.users.read', 'okta.apps.read'], ['okta.users.read']],
    [['okta.groups.read'], ['okta.groups.read']],
  ])(
    'holds the scopes that Okta has granted of those that a full pull needs: of %j, %j',
    async (granted, permissions) => {
      expect(await evidenceWith('alternativeCredentials', granted)).toEqual({ users: null, permissions });
    },
  );

  it('is a failure that names the scopes where none is granted', async () => {
    await expect(evidenceWith('alternativeCredentials', ['okta.apps.read'])).rejects.toMatchObject({
      failure: {
        kind: 'permission-missing',
        message: expect.stringContaining('okta.users.read, okta.groups.read'),
      },
    });
  });

  it('says nothing of an API token, whose rights are those of an administrator', async () => {
    expect(await evidenceWith('credentials', ['okta.users.read'])).toEqual({
      users: null,
      permissions: null,
    });
  });
});

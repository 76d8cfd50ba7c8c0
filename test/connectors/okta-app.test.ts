/** The assignments of one app as the scope of a connection. */
import { describe, expect, it } from 'vitest';
import type { ChangesPage, Connector } from '../../connectors/contract.ts';
import { oktaDefinition } from '../../connectors/okta/index.ts';
import { oktaIds } from '../../simulators/population/ids.ts';
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
const SEED = 9;
const APP = oktaIds(SEED, '0oa').of(2);
const { org, connected: connectedTo } = closedAfterEach();

async function simulated({
  users = 200,
  permissions,
}: {
  users?: number;
  permissions?: readonly string[];
} = {}) {
  const { control, connect } = await aSimulatedOrg({
    users,
    seed: SEED,
    ...(permissions ? { permissions } : {}),
  });
  const open = (appScope: string | undefined) => connect({ appScope });
  const named = async (appScope: string | undefined) => {
    const records = await allPages((cursor) => open(appScope).fetchUsers(cursor, signal));
    return new Map(
      records.map((one) => (one.kind === 'user' ? [one.user.externalId, one.user] : expect.unreachable())),
    );
  };
  return { control, open, named };
}

/** The answers of an org whose app has these assignments. */
async function connected(answer: (asked: Asked, origin: string) => Answered) {
  const acme = await org(answer);
  const connector = connectedTo(acme, { settings: { appScope: '0oa1' } });
  return { acme, connector };
}

describe('an app as the scope', () => {
  it('names whoever is assigned to it, by hand or through a group, as the list of everybody does', async () => {
    const { control, named } = await simulated({ users: 900 });
    const assigned = await named(APP);
    const everybody = await named(undefined);
    expect(assigned.size).toBeGreaterThan(200);
    expect(assigned.size).toBeLessThan(everybody.size / 2);
    for (const [id, user] of assigned) expect(everybody.get(id)).toEqual(user);
    const { added, removed } = await control.changeGroup('VPN Users', { add: 2, remove: 3 });
    const now = await named(APP);
    for (const id of added) expect(now.has(ExternalId.parse(id))).toBe(true);
    expect(removed.filter((id) => !now.has(ExternalId.parse(id))).length).toBeGreaterThan(0);
  });

  it('is read 500 people at a time', async () => {
    const { control, named } = await simulated({ users: 2_400 });
    await control.resetCounters();
    const { size } = await named(APP);
    expect(size).toBeGreaterThan(500);
    expect((await control.state()).requests.users).toBe(Math.ceil(size / 500));
  });

  it('leaves out assignments that have ended, and keeps those in states that nobody has heard of', async () => {
    const one = (id: string, status: string, user: unknown = anOktaUser(id)) => ({
      id,
      status,
      _embedded: { user },
    });
    const { connector } = await connected(({ path }, origin) => ({
      headers: { link: `<${origin}${path}>; rel="self"` },
      body: [
        one('00u1', 'ACTIVE'),
        ...['DEPROVISIONED', 'INACTIVE', 'REVOKED', 'UNASSIGNED'].map((status) => one('00u2', status)),
        one('00u3', 'DEPROVISIONED', anOktaUser('00u3', { status: 'DEPROVISIONED' })),
        one('00u4', 'STATE_TO_COME'),
        one('00u5', 'ACTIVE', null),
        one('00u6', 'ACTIVE', anOktaUser('00u7')),
        { status: 'ACTIVE' },
      ],
    }));
    const { records, next } = await connector.fetchUsers(null, signal);
    expect(next).toBeNull();
    expect(records).toMatchObject([
      { kind: 'user', user: { externalId: '00u1', state: 'active' } },
      { kind: 'user', user: { externalId: '00u3', state: 'deprovisioned' } },
      { kind: 'user', user: { externalId: '00u4' } },
      { kind: 'unreadable', externalId: '00u5' },
      { kind: 'unreadable', externalId: '00u6' },
      { kind: 'unreadable', externalId: null },
    ]);
  });

  it('that does not exist is a setting to correct, and empties no directory', async () => {
    const { open } = await simulated({ users: 5 });
    await expect(open('0oaUnknown').fetchUsers(null, signal)).rejects.toMatchObject({
      failure: { kind: 'misconfigured', remedy: expect.stringContaining('appScope') },
    });
  });
});

describe('a look-up within the scope of an app', () => {
  it('tells the assigned from the unassigned, the deactivated and the deleted', async () => {
    const { control, open, named } = await simulated();
    const assigned = await named(APP);
    const everybody = await named(undefined);
    const [inside = ''] = [...assigned.keys()].filter((id) => assigned.get(id)?.state === 'active').slice(-1);
    const outside = [...everybody.values()].find(
      ({ externalId, state }) => !assigned.has(externalId) && state === 'active',
    );
    const { ids: purged } = await control.leave(1, 'purge');
    const { ids: deactivated } = await control.leave(1, 'delete');
    const asked = ids(inside, outside?.externalId ?? '', purged[0] ?? '', deactivated[0] ?? '');
    const found = await open(APP).lookUp?.(asked, [], signal);
    expect(found).toMatchObject([
      { kind: 'user', user: { externalId: inside, state: 'active' } },
      { kind: 'out-of-scope', externalId: outside?.externalId },
      { kind: 'gone', externalId: purged[0] },
      { kind: 'user', user: { externalId: deactivated[0], state: 'deprovisioned' } },
    ]);
  });

  it('puts nobody out of scope when it is the app that is gone', async () => {
    const { connector } = await connected(({ path }) =>
      path.includes('filter=') ? { body: [anOktaUser('00u1')] } : notFound,
    );
    await expect(connector.lookUp?.(ids('00u1'), [], signal)).rejects.toMatchObject({
      failure: { kind: 'misconfigured', remedy: expect.stringContaining('appScope') },
    });
  });

  it.each<[string, Answered]>([
    ['refused', { status: 403, body: { errorCode: 'E0000006' } }],
    ["answered by a proxy's 404", { status: 404, body: 'not here' }],
    ['about somebody else', { body: { id: '00u2', status: 'ACTIVE' } }],
    ['cut off', { body: '{"id":"00u1","st' }],
  ])('puts nobody out of scope when the assignment is %s', async (_, answer) => {
    const { connector } = await connected(({ path }) => {
      if (path.includes('filter=')) return { body: [anOktaUser('00u1')] };
      return path.includes('/users/') ? answer : { body: { id: '0oa1' } };
    });
    await expect(connector.lookUp?.(ids('00u1'), [], signal)).rejects.toMatchObject({
      name: 'ConnectorError',
    });
  });

  it('asks for the app once, however many are not assigned', async () => {
    const users = Array.from({ length: 20 }, (_, at) => anOktaUser(`00u${at + 10}`));
    const { acme, connector } = await connected(({ path }) => {
      if (path.includes('filter=')) return { body: users };
      return path === '/api/v1/apps/0oa1' ? { body: { id: '0oa1' } } : notFound;
    });
    const found = await connector.lookUp?.(
      users.map(({ id }) => ExternalId.parse(id)),
      null,
      signal,
    );
    expect(found?.map(({ kind }) => kind)).toEqual(users.map(() => 'out-of-scope'));
    expect(acme.asked.filter(({ path }) => path === '/api/v1/apps/0oa1')).toHaveLength(1);
  });
});

describe('changes within the scope of an app', () => {
  async function told(connector: Connector, token: string) {
    const users = new Set<string>();
    let unreadable = 0;
    let cursor: string | null = null;
    do {
      const page: ChangesPage | undefined = await connector.changes?.fetch(token, cursor, signal);
      for (const id of page?.users ?? []) users.add(id);
      unreadable += page?.unreadable ?? 0;
      cursor = page?.next ?? null;
    } while (cursor !== null);
    return { users, unreadable };
  }

  it('name whoever was assigned or unassigned', async () => {
    const { control, open } = await simulated();
    const connector = open(APP);
    const token = (await connector.changes?.begin(signal)) ?? '';
    const { added, removed } = await control.changeGroup('VPN Users', { add: 2, remove: 2 });
    expect((await told(connector, token)).users).toEqual(new Set([...added, ...removed]));
  });

  it('cannot name everybody in a group that was assigned or unassigned, and say so', async () => {
    const event = (eventType: string, app: string) => ({
      eventType,
      outcome: { result: 'SUCCESS' },
      target: [
        { id: '00g1', type: 'UserGroup' },
        { id: '00u1', type: 'User' },
        { id: app, type: 'AppInstance' },
      ],
    });
    const { connector } = await connected(({ path }, origin) => {
      if (path.startsWith('/api/v1/users'))
        return { headers: { link: `<${origin}${path}>; rel="self"` }, body: [] };
      const headers = { link: `<${origin}/api/v1/logs?after=1>; rel="next"` };
      if (!path.includes('since=')) return { headers, body: [] };
      return {
        headers,
        body: [
          event('group.application_assignment.remove', '0oa1'),
          event('group.application_assignment.remove', '0oa2'),
          event('application.user_membership.add', '0oa2'),
        ],
      };
    });
    const token = (await connector.changes?.begin(signal)) ?? '';
    expect(await told(connector, token)).toEqual({ users: new Set(), unreadable: 1 });
  });

  it('do not go on where they were begun for another scope', async () => {
    const { open } = await simulated({ users: 5 });
    const token = (await open(undefined).changes?.begin(signal)) ?? '';
    await expect(open(APP).changes?.fetch(token, null, signal)).rejects.toMatchObject({
      failure: { kind: 'cursor-expired' },
    });
  });
});

describe('the check within the scope of an app', () => {
  const steps = async (how: Parameters<typeof simulated>[0], appScope = APP) => {
    const { open } = await simulated(how);
    const found = [];
    for await (const step of oktaDefinition.check(open(appScope), signal)) found.push(step);
    return found;
  };

  it('reports all four scopes, each once', async () => {
    const found = await steps({});
    expect(found.every(({ ok }) => ok)).toBe(true);
    expect(found.filter(({ step }) => step === 'permission').map(({ detail }) => detail)).toEqual([
      'okta.apps.read',
      'okta.groups.read',
      'okta.users.read',
      'okta.logs.read',
    ]);
  });

  it('names the scope that shows the assignments', async () => {
    expect(await steps({ permissions: ['okta.users.read', 'okta.groups.read'] })).toContainEqual({
      step: 'permission',
      ok: false,
      detail: 'okta.apps.read',
      remedy: expect.stringContaining('grants okta.apps.read'),
    });
  });

  it('says that the org was reached and the app is not there', async () => {
    const found = await steps({}, '0oaUnknown');
    expect(found.slice(0, 3)).toMatchObject([
      { step: 'reach', ok: true },
      { step: 'credential', ok: true },
      { step: 'users', ok: false, remedy: expect.stringContaining('appScope') },
    ]);
  });
});

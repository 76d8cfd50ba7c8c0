import { describe, expect, it } from 'vitest';
import type { CheckStep, Connector } from '../../connectors/contract.ts';
import { googleDefinition } from '../../connectors/google/index.ts';
import type { DirectoryUser } from '../../src/domain/directory.ts';
import { ExternalId } from '../../src/domain/ids.ts';
import { failing } from './aSession.ts';
import {
  type Answered,
  type Asked,
  aSimulatedAccount,
  aUser,
  closedAfterEach,
  usersBody,
} from './googleAccount.ts';
import { allPages } from './oktaOrg.ts';

const signal = new AbortController().signal;
const { account, connected } = closedAfterEach();

const usersOf = async (connector: Connector): Promise<readonly DirectoryUser[]> => {
  const records = await allPages((cursor) => connector.fetchUsers(cursor, signal));
  return records.map((record) => (record.kind === 'user' ? record.user : expect.unreachable(record.problem)));
};
const lookedUp = (connector: Connector, ids: readonly string[]) =>
  connector.lookUp?.(
    ids.map((id) => ExternalId.parse(id)),
    [],
    signal,
  ) ?? expect.unreachable();

describe('the scope, against a simulated account', () => {
  async function simulated(scope: Readonly<Record<string, unknown>>, permissions?: readonly string[]) {
    const { simulator, control, connect } = await aSimulatedAccount({
      users: 620,
      seed: 3,
      ...(permissions === undefined ? {} : { permissions }),
    });
    return {
      control,
      whole: connect(),
      scoped: connect(scope),
      domain: simulator.settings,
    };
  }

  it('holds the people of a unit and of those in it, and all whom Google calls deleted', async () => {
    const { whole, scoped, control } = await simulated({
      orgUnits: { include: ['/staff'], exclude: ['/Staff/Sales', '/Staff/Human Resources/'] },
    });
    const everybody = await usersOf(whole);
    await control.resetCounters();
    const found = await usersOf(scoped);
    const { requests } = await control.state();
    const expected = everybody.filter(
      ({ orgUnit, state }) =>
        state === 'deprovisioned' ||
        (orgUnit?.startsWith('/Staff/') && !['/Staff/Sales', '/Staff/Human Resources'].includes(orgUnit)),
    );
    expect(found.map(({ externalId }) => externalId).sort()).toEqual(
      expected.map(({ externalId }) => externalId).sort(),
    );
    expect(new Set(found.map(({ state }) => state)).size).toBe(3);
    expect(expected.length).toBeLessThan(everybody.length);
    expect(requests).toMatchObject({ users: 4, other: 2 });
  });

  it('tells who is out of it from who is deleted and who is gone', async () => {
    const { whole, scoped, control } = await simulated({ orgUnits: { exclude: ['/Contractors'] } });
    const [outside] = (await usersOf(whole)).filter(({ orgUnit }) => orgUnit === '/Contractors');
    const [inside] = (await usersOf(whole)).filter(({ orgUnit }) => orgUnit === '/Staff/Sales');
    const [deleted] = (await control.leave(1, 'delete')).ids;
    const [purged] = (await control.leave(1, 'purge')).ids;
    const ids = [outside?.externalId, inside?.externalId, deleted, purged].map(String);
    const found = await lookedUp(scoped, ids);
    const kinds = new Map(
      found.map((one) =>
        one.kind === 'user' ? [one.user.externalId, one.user.state] : [String(one.externalId), one.kind],
      ),
    );
    expect(ids.map((id) => kinds.get(id))).toEqual(['out-of-scope', 'active', 'deprovisioned', 'gone']);
  });

  it('never leaves out anybody whose unit Google does not show', async () => {
    const { scoped, control } = await simulated({ orgUnits: { include: ['/Staff'] } });
    const { next } = await scoped.fetchUsers(null, signal);
    await control.fault({ name: 'permission-lost', on: 'users' });
    const { records } = await scoped.fetchUsers(next, signal);
    expect(records).toHaveLength(500);
    expect(records.every((one) => one.kind === 'unreadable' && one.externalId !== null)).toBe(true);
  });

  it('can be one domain of the account', async () => {
    const { whole, domain } = await simulated({});
    const name = String(domain['adminEmail']).split('@')[1];
    const { scoped } = await simulated({ domain: name });
    expect(await usersOf(scoped)).toEqual(await usersOf(whole));
    const { scoped: elsewhere } = await simulated({ domain: 'elsewhere.example' });
    expect(await failing(elsewhere.fetchUsers(null, signal))).toMatchObject({
      kind: 'misconfigured',
      remedy: expect.stringContaining('"domain"'),
    });
  });

  it('of units needs a scope of its own, which the check calls by name', async () => {
    const granted = ['user', 'group', 'group.member'].map(
      (name) => `https://www.googleapis.com/auth/admin.directory.${name}.readonly`,
    );
    const steps: CheckStep[] = [];
    const { whole, scoped } = await simulated({ orgUnits: { include: ['/Staff'] } }, granted);
    for await (const step of googleDefinition.check(scoped, signal)) steps.push(step);
    const broken = steps.filter(({ ok, optional }) => !ok && optional === undefined);
    expect(broken).toMatchObject([
      {
        step: 'permission',
        detail: 'https://www.googleapis.com/auth/admin.directory.orgunit.readonly',
        remedy: expect.stringContaining('Domain-wide delegation'),
      },
    ]);
    const failure = await failing(scoped.fetchUsers((await scoped.fetchUsers(null, signal)).next, signal));
    expect(failure).toMatchObject({ kind: 'permission-missing' });
    await usersOf(whole);
  });

  it('is checked: what it names has to be there, and somebody in it', async () => {
    const { scoped } = await simulated({ orgUnits: { include: ['/Staff/Sales'] } });
    const all: CheckStep[] = [];
    for await (const step of googleDefinition.check(scoped, signal)) all.push(step);
    expect(all.filter(({ ok }) => !ok)).toEqual([]);
    expect(all.filter(({ step }) => step === 'users')).toHaveLength(2);
    const wrong: CheckStep[] = [];
    const { scoped: typo } = await simulated({ orgUnits: { include: ['/Staff/Sails'] } });
    for await (const step of googleDefinition.check(typo, signal)) wrong.push(step);
    expect(wrong.filter(({ ok }) => !ok)).toMatchObject([
      {
        step: 'users',
        detail: expect.stringContaining('/Staff/Sails'),
        remedy: expect.stringContaining('Admin console'),
      },
    ]);
  });
});

describe('organisational units', () => {
  type Units = Readonly<Record<string, string>>;
  const people = [
    aUser('1', { orgUnitPath: '/Staff' }),
    aUser('2', { orgUnitPath: '/Staff/Berlin/Lab' }),
    aUser('3', { orgUnitPath: '/Staffing' }),
    aUser('4', { orgUnitPath: '/' }),
    aUser('5', { orgUnitPath: '/staff/berlin' }),
  ];
  /** Two pages of users; `units` is asked for each list of units, ids by path. */
  async function anAccount(
    units: (asked: readonly Asked[]) => Units | null,
    include: readonly string[],
    exclude: readonly string[] = [],
  ) {
    const google = await account((asked): Answered => {
      if (asked.path.endsWith('/orgunits')) {
        const organizationUnits = Object.entries(units(google.asked) ?? {}).map(
          ([orgUnitPath, orgUnitId]) => ({
            orgUnitPath,
            orgUnitId,
          }),
        );
        const body = { kind: 'admin#directory#orgUnits', organizationUnits };
        return { body: units(google.asked) === null ? { kind: body.kind } : body };
      }
      if ('showDeleted' in asked.query) return { body: usersBody([]) };
      return 'pageToken' in asked.query
        ? { body: usersBody(people.slice(2)) }
        : { body: usersBody(people.slice(0, 2), 'p2') };
    });
    const settings = { orgUnits: { include, exclude } };
    return { google, connect: () => connected(google, { settings }) };
  }
  const idsOf = async (connector: Connector) =>
    (await usersOf(connector)).map(({ externalId }) => externalId);
  const usual = {
    '/Staff': 'id:s',
    '/Staff/Berlin': 'id:b',
    '/Staff/Berlin/Lab': 'id:l',
    '/Staffing': 'id:t',
  };

  it.each<[readonly string[], readonly string[], readonly string[]]>([
    [['/Staff'], [], ['1', '2', '5']],
    [['id:s'], [], ['1', '2', '5']],
    [['/'], [], ['1', '2', '3', '4', '5']],
    [[], ['/Staff'], ['3', '4']],
    [['/Staff'], ['/staff/berlin'], ['1']],
    [['/Staff', 'id:l'], ['id:b'], ['1', '2']],
    [['/Staff'], ['/Staff'], []],
    [['/Staffing'], ['/'], ['3']],
  ])('%o without %o hold %o: the nearest that is named decides', async (include, exclude, ids) => {
    const { connect } = await anAccount(() => usual, include, exclude);
    expect(await idsOf(connect())).toEqual(ids);
  });

  it.each([
    ['renamed', { '/People': 'id:s' }],
    ['gone', {}],
    ['the only one', null],
  ])('that are named by a path which is %s leave out nobody: the reading fails', async (_, units) => {
    const { connect, google } = await anAccount(() => units, ['/Staff']);
    const { next } = await connect().fetchUsers(null, signal);
    const failure = await failing(connect().fetchUsers(next, signal));
    expect(failure).toMatchObject({ kind: 'misconfigured', message: expect.stringContaining('/Staff') });
    expect(
      google.asked.filter(({ query, path }) => path.endsWith('/users') && !('showDeleted' in query)),
    ).toEqual([]);
  });

  it('to be left out must be there as well, or everybody in them would come in', async () => {
    const { connect } = await anAccount(() => ({ '/Staff': 'id:s' }), [], ['id:gone']);
    const { next } = await connect().fetchUsers(null, signal);
    expect(await failing(connect().fetchUsers(next, signal))).toMatchObject({ kind: 'misconfigured' });
  });

  it('that are renamed while users are read, though named by ID, start the list again', async () => {
    const renamed = { '/People': 'id:s' };
    const { connect } = await anAccount(
      (asked) => (asked.some(({ query }) => 'pageToken' in query) ? renamed : usual),
      ['id:s'],
    );
    const connector = connect();
    const deleted = await connector.fetchUsers(null, signal);
    const first = await connector.fetchUsers(deleted.next, signal);
    expect(first.records).toHaveLength(2);
    expect(await failing(connector.fetchUsers(first.next, signal))).toMatchObject({
      kind: 'cursor-expired',
    });
  });

  it('that another process finds called otherwise start the list again, before anybody is left out', async () => {
    let units: Units = usual;
    const { connect } = await anAccount(() => units, ['id:s']);
    const deleted = await connect().fetchUsers(null, signal);
    const first = await connect().fetchUsers(deleted.next, signal);
    expect((await connect().fetchUsers(first.next, signal)).records).toHaveLength(1);
    units = { '/People': 'id:s' };
    expect(await failing(connect().fetchUsers(first.next, signal))).toMatchObject({
      kind: 'cursor-expired',
    });
  });

  it.each([
    ['an HTML page', '<html></html>'],
    ['no list', {}],
    ['null in place of the list', { kind: 'admin#directory#orgUnits', organizationUnits: null }],
    [
      'units without ids',
      { kind: 'admin#directory#orgUnits', organizationUnits: [{ orgUnitPath: '/Staff' }] },
    ],
  ])('are not read from %s', async (_, body) => {
    const google = await account(({ path }) =>
      path.endsWith('/orgunits') ? { body } : { body: usersBody([]) },
    );
    const connector = connected(google, { settings: { orgUnits: { include: ['/Staff'] } } });
    const { next } = await connector.fetchUsers(null, signal);
    expect(await failing(connector.fetchUsers(next, signal))).toMatchObject({
      kind: 'unexpected-response',
    });
  });
});

it('a user who has moved to another domain is out of a scope of one domain, not gone', async () => {
  const google = await account(({ path }) => {
    if (path.endsWith('/1')) return { body: aUser('1', { primaryEmail: 'ada@b.example' }) };
    return { body: aUser('2', { primaryEmail: 'kim@A.example' }) };
  });
  const connector = connected(google, { settings: { domain: 'a.example' } });
  expect(await lookedUp(connector, ['1', '2'])).toMatchObject([
    { kind: 'out-of-scope', externalId: '1' },
    { kind: 'user', user: { externalId: '2' } },
  ]);
});

it('custom schemas, aliases, manager and the archived arrive from lists and from look-ups alike', async () => {
  const { control, connect } = await aSimulatedAccount({ users: 300, seed: 4 });
  const connector = connect();
  const { ids } = await control.rename(3);
  const everybody = await usersOf(connector);
  const some = everybody.filter(
    ({ externalId, state }, at) => ids.includes(externalId) || state === 'suspended' || at % 10 === 0,
  );
  expect(some.some(({ custom }) => /^\d$/.test(String(custom['HR.grade'])))).toBe(true);
  expect(some.some(({ custom }) => Array.isArray(custom['HR.badges']))).toBe(true);
  expect(some.filter(({ aliases }) => aliases.length > 0).length).toBe(3);
  expect(some.some(({ manager }) => manager?.includes('@'))).toBe(true);
  const found = await lookedUp(
    connector,
    some.slice(0, 100).map(({ externalId }) => externalId),
  );
  const users = new Map(
    found.map((one) => (one.kind === 'user' ? [one.user.externalId, one.user] : expect.unreachable())),
  );
  for (const user of some.slice(0, 100)) expect(users.get(user.externalId)).toEqual(user);
});

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { Connector, ConnectorError, MemberRecord } from '../../connectors/contract.ts';
import type { LdapConnector } from '../../connectors/ldap/connector.ts';
import { ldapDefinition, openLdap } from '../../connectors/ldap/index.ts';
import { LdapCredentials, LdapSettings } from '../../connectors/ldap/settings.ts';
import { guidText } from '../../connectors/ldap/values.ts';
import type { DomainObject } from '../../simulators/ldap/domain.ts';
import {
  BIND_DN,
  type DomainController,
  PASSWORD,
  startDomainController,
} from '../../simulators/ldap/server.ts';
import { ExternalId } from '../../src/domain/ids.ts';
import { failing, never } from './aSession.ts';
import { allPages } from './oktaOrg.ts';

const ROOT = 'DC=harbor,DC=example';
const STAFF = `OU=Staff,${ROOT}`;
const GROUPS = `OU=Groups,${ROOT}`;
const idOf = ({ guid }: DomainObject) => ExternalId.parse(guidText(guid));
const unknown = ExternalId.parse('00000000-0000-4000-8000-000000000000');

let dc: DomainController;
beforeAll(async () => {
  dc = await startDomainController();
  const { domain } = dc;
  domain.add(STAFF, { objectClass: ['top', 'organizationalUnit'] });
  domain.add(GROUPS, { objectClass: ['top', 'organizationalUnit'] });
  domain.add(`OU=Elsewhere,${ROOT}`, { objectClass: ['top', 'organizationalUnit'] });
});
afterAll(() => dc.close());

let fresh = 0;
/** Names of its own for each test: they share one domain. */
beforeEach(() => {
  fresh += 1;
});
afterEach(() => {
  dc.clearFaults();
  dc.rights.hidden.clear();
  dc.rights.deletedObjects = true;
  dc.rights.maxValues = 1500;
  dc.maxPageSize = 1000;
});
const aUser = (name = 'Kim', attributes = {}, unit = STAFF) =>
  dc.domain.addUser(`${name} ${fresh}`, unit, attributes);
const aGroup = (name: string, members: readonly DomainObject[], rid?: number, unit = GROUPS) =>
  dc.domain.addGroup(`${name} ${fresh}`, unit, members, rid);
const naming = (group: DomainObject, ...more: readonly DomainObject[]) =>
  dc.domain.set(group, {
    member: [...(group.attributes.get('member')?.values ?? []), ...more.map(({ dn }) => dn)],
  });

function connect(
  settings: Readonly<Record<string, unknown>> = {},
  { password = PASSWORD, clock = Date.now }: { password?: string; clock?: () => number } = {},
) {
  const connector = openLdap(
    {
      settings: LdapSettings.parse({
        url: dc.url,
        schema: 'active-directory',
        baseDn: STAFF,
        groupBaseDn: GROUPS,
        ...settings,
      }),
      credentials: LdapCredentials.parse({ bindDn: BIND_DN, password }),
      network: { baseUrl: null, ca: dc.ca, proxy: null },
    },
    { timeoutMs: 5_000, maxRetries: 2, sleep: async () => {}, clock },
  );
  onTestFinished(() => connector.close());
  return connector;
}

const feedOf = ({ changes }: LdapConnector) => changes ?? expect.unreachable('there is no feed');
const feed = (settings = {}) => feedOf(connect(settings));

const membersOf = async (connector: Connector, group: DomainObject) => {
  const records: readonly MemberRecord[] = await allPages((cursor) =>
    connector.fetchMembers(idOf(group), cursor, never),
  );
  return records.map((record) => (record.kind === 'user' ? record.externalId : record.kind)).sort();
};
const ids = (...objects: readonly DomainObject[]) => objects.map(idOf).sort();
async function userOf(connector: LdapConnector, object: DomainObject) {
  const [found] = await connector.lookUp([idOf(object)], [], never);
  if (found?.kind !== 'user') return expect.unreachable(`it is ${found?.kind}`);
  return found.user;
}

describe('A user of a domain', () => {
  it('has its GUID in the order in which Microsoft writes it', async () => {
    const user = aUser();
    const hex = user.guid.toString('hex');
    const pairs = (...at: number[]) => at.map((one) => hex.slice(2 * one, 2 * one + 2)).join('');
    const expected = `${pairs(3, 2, 1, 0)}-${pairs(5, 4)}-${pairs(7, 6)}-${pairs(8, 9)}-${hex.slice(20)}`;
    expect((await userOf(connect(), user)).externalId).toBe(expected);
  });

  it('names the manager by GUID, wherever the manager is', async () => {
    const boss = aUser('Boss', {}, `OU=Elsewhere,${ROOT}`);
    const user = aUser('Kim', { manager: boss.dn });
    expect(await userOf(connect(), user)).toMatchObject({ manager: idOf(boss), orgUnit: '/Staff' });
  });

  const year = 365 * 86_400_000;
  const fileTime = (ms: number) => String((BigInt(ms) + 11_644_473_600_000n) * 10_000n);
  const now = Date.parse('2026-05-01T09:00:00Z');
  it.each([
    ['active', { userAccountControl: '512' }],
    ['suspended', { userAccountControl: '514' }],
    ['suspended', { userAccountControl: '66050' }],
    ['active', { userAccountControl: '528', lockoutTime: fileTime(now - year) }],
    ['active', { userAccountControl: '8389120' }],
    ['active', { accountExpires: '0' }],
    ['active', { accountExpires: fileTime(now + 1) }],
    ['suspended', { accountExpires: fileTime(now) }],
    ['suspended', { accountExpires: fileTime(now - year) }],
  ])('is %s with %o', async (state, attributes) => {
    const user = aUser('Kim', attributes);
    expect(await userOf(connect({}, { clock: () => now }), user)).toMatchObject({ state });
  });

  it('is unknown where the account may not see whether it is enabled', async () => {
    const user = aUser();
    dc.rights.hidden.add('useraccountcontrol');
    const connector = connect();
    const found = await connector.lookUp([idOf(user)], [], never);
    expect(found).toEqual([
      { kind: 'unreadable', externalId: idOf(user), problem: expect.stringContaining('userAccountControl') },
    ]);
    const listed = await allPages((cursor) => connector.fetchUsers(cursor, never));
    expect(listed.map(({ kind }) => kind)).not.toContain('user');
  });

  it('has its addresses from proxyAddresses, the main one by upper case', async () => {
    const proxyAddresses = [
      'smtp:b@harbor.example',
      'SMTP:a@harbor.example',
      'X400:c=US;',
      'sip:a@harbor.example',
    ];
    const user = aUser('Kim', { mail: [], proxyAddresses });
    expect(await userOf(connect(), user)).toMatchObject({
      email: 'a@harbor.example',
      aliases: ['b@harbor.example'],
    });
  });
});

describe('Members in a domain', () => {
  it.each(['member-of', 'member', 'in-chain'])(
    'are found through groups in a circle, and through one outside the base (%s)',
    async (membership) => {
      const [direct, deep, deeper, outside] = [aUser('A'), aUser('B'), aUser('C'), aUser('D', {}, ROOT)];
      const top = aGroup('Top', [direct, outside]);
      const hidden = aGroup('Hidden', [deep], undefined, `OU=Elsewhere,${ROOT}`);
      const low = aGroup('Low', [deeper, top]);
      naming(top, hidden, top);
      naming(hidden, low);
      expect(await membersOf(connect({ membership }), top)).toEqual(ids(direct, deep, deeper));
      expect(await membersOf(connect({ membership }), low)).toEqual(ids(direct, deep, deeper));
    },
  );

  it.each(['member-of', 'member', 'in-chain'])(
    'include those by primary group, unless told not to (%s)',
    async (membership) => {
      const rid = 50_000 + fresh;
      const [named, primary] = [aUser('A'), aUser('B', { primaryGroupID: String(rid) })];
      const group = aGroup('Crew', [named], rid);
      expect(await membersOf(connect({ membership }), group)).toEqual(ids(named, primary));
      expect(await membersOf(connect({ membership, primaryGroups: false }), group)).toEqual(ids(named));
    },
  );

  it.each([1, 7, 100, 1500])(
    'come whole from a group that is given in slices of %i',
    async (maxValues) => {
      const count = maxValues === 1 ? 5 : maxValues === 1500 ? 3_200 : 320;
      const members = Array.from({ length: count }, (_, at) => aUser(`M${maxValues}-${at}`));
      const group = aGroup('Large', members);
      dc.rights.maxValues = maxValues;
      expect(await membersOf(connect({ membership: 'member' }), group)).toEqual(ids(...members));
      dc.domain.forget([...members, group]);
    },
    30_000,
  );

  it('of a list in slices are taken by their ids, without a search for each page of them', async () => {
    const deep = aUser('Deep');
    const inner = aGroup('Inner', [deep]);
    const members = Array.from({ length: 20 }, (_, at) => aUser(`I${at}`));
    const elsewhere = aUser('Elsewhere', {}, ROOT);
    const group = aGroup('Sliced', [...members, elsewhere]);
    naming(group, inner, group);
    dc.rights.maxValues = 7;
    const connector = connect({ membership: 'member' });
    await connector.tree(never);
    dc.searches.splice(0);
    expect(await membersOf(connector, group)).toEqual(ids(...members, deep));
    expect(dc.searches).toHaveLength(2); // whom the inner group names, and who that is: the slices came with the tree
  });

  it('come page by page where there are more of them than a run stores at once', async () => {
    const members = Array.from({ length: 5_100 }, (_, at) => aUser(`P${at}`));
    const group = aGroup('Paged', members);
    const connector = connect({ membership: 'member' });
    const id = idOf(group);
    const first = await connector.fetchMembers(id, null, never);
    expect([first.records.length, first.next]).toEqual([5_000, expect.any(String)]);
    const second = await connector.fetchMembers(id, first.next, never);
    expect([second.records.length, second.next]).toEqual([100, null]);
    const all = [...first.records, ...second.records].map((one) => one.kind === 'user' && one.externalId);
    expect(all.sort()).toEqual(ids(...members));
    const again = await failing(connector.fetchMembers(id, first.next, never));
    expect(again).toMatchObject({ kind: 'cursor-expired' });
    dc.domain.forget([...members, group]);
  }, 30_000);

  it('leave out computers, contacts and those of other domains', async () => {
    const user = aUser();
    const computer = dc.domain.add(`CN=PC ${fresh},${STAFF}`, {
      objectClass: ['top', 'person', 'user', 'computer'],
      objectCategory: 'computer',
      userAccountControl: '4096',
    });
    const stranger = dc.domain.add(`CN=S-1-5-21-${fresh},CN=ForeignSecurityPrincipals,${ROOT}`, {
      objectClass: ['top', 'foreignSecurityPrincipal'],
    });
    const group = aGroup('Mixed', [user, computer, stranger]);
    for (const membership of ['member-of', 'member']) {
      expect(await membersOf(connect({ membership }), group)).toEqual(ids(user));
    }
  });

  it.each([
    ['member-of', 'memberof'],
    ['in-chain', 'memberof'],
    ['member', 'member'],
  ])('are not "none" to an account that may not read %s', async (membership, attribute) => {
    const group = aGroup('Crew', [aUser()]);
    dc.rights.hidden.add(attribute);
    const failure = await failing(membersOf(connect({ membership }), group));
    expect(failure).toMatchObject({ kind: 'permission-missing', remedy: expect.stringContaining('Read') });
  });

  it('are none where nobody is in the group', async () => {
    expect(await membersOf(connect(), aGroup('Empty', []))).toEqual([]);
    expect(await membersOf(connect({ membership: 'member' }), aGroup('Void', []))).toEqual([]);
  });

  it('are not "none" for a group that is not there any more', async () => {
    const group = aGroup('Doomed', []);
    const connector = connect();
    await connector.tree(never);
    dc.domain.remove(group);
    expect(await failing(membersOf(connector, group))).toMatchObject({ kind: 'not-found' });
    expect(await failing(connector.fetchMembers(unknown, null, never))).toMatchObject({ kind: 'not-found' });
  });

  it('are found in a group that was renamed while the directory was read', async () => {
    const user = aUser();
    const group = aGroup('Before', [user]);
    const connector = connect();
    await connector.tree(never);
    dc.domain.move(group, `CN=After ${fresh},${GROUPS}`);
    expect(await membersOf(connector, group)).toEqual(ids(user));
  });

  it('take one search for each group, however deep', async () => {
    const users = Array.from({ length: 6 }, (_, at) => aUser(`U${at}`));
    const groups = users.map((user, at) => aGroup(`G${at}`, [user]));
    groups.forEach((group, at) => {
      const inner = groups[at + 1];
      if (inner !== undefined) naming(group, inner);
    });
    const connector = connect();
    await connector.tree(never);
    const before = connector.usage().requests;
    for (const group of groups) await membersOf(connector, group);
    expect(connector.usage().requests - before).toBe(groups.length);
  });
});

/** Four groups or more at once, of a connection that has to save requests: its first searches are more than a full pull begins with. */
describe('Members of several groups, asked for together,', () => {
  const both = ['member-of', 'in-chain'];
  async function together(groups: readonly DomainObject[], settings = {}) {
    const connector = connect(settings);
    for (let at = 0; at < 4; at++) await connector.fetchGroups(null, never);
    await connector.tree(never);
    const before = dc.searches.length;
    const found = await Promise.all(
      groups.map((group) => membersOf(connector, group).catch((error: ConnectorError) => error.failure.kind)),
    );
    return { found, searches: dc.searches.length - before };
  }
  async function alone(groups: readonly DomainObject[], settings = {}) {
    const found = [];
    for (const group of groups) found.push(await membersOf(connect(settings), group));
    return found;
  }

  it.each(both)('are those of each alone, for fewer searches (%s)', async (membership) => {
    const rid = 70_000 + fresh;
    const [a, b, c] = [aUser('A'), aUser('B'), aUser('C', { primaryGroupID: String(rid) })];
    const inner = aGroup('Inner', [b]);
    const groups = [
      aGroup('One', [a]),
      aGroup('Outer', [a, inner]),
      inner,
      aGroup('Primary', [b], rid),
      aGroup('Robots', []),
      aGroup('None', []),
    ];
    const { found, searches } = await together(groups, { membership });
    expect(found).toEqual([ids(a), ids(a, b), ids(b), ids(b, c), [], []]);
    expect(found).toEqual(await alone(groups, { membership }));
    expect(searches).toBe(3);
  });

  it.each(both)('leave a large one to itself (%s)', async (membership) => {
    const many = Array.from({ length: 30 }, (_, at) => aUser(`L${at}`));
    const groups = [aGroup('Large', many), ...many.slice(0, 7).map((one, at) => aGroup(`S${at}`, [one]))];
    const { found, searches } = await together(groups, { membership, pageSize: 20 });
    expect(found).toEqual([ids(...many), ...many.slice(0, 7).map((one) => ids(one))]);
    expect(searches).toBe(1 + 1 + 1 + 2);
  });

  it.each(both)(
    'are found though one of them is in more groups than the server shows at once (%s)',
    async (membership) => {
      const [busy, other] = [aUser('Busy'), aUser('Other')];
      const groups = ['A', 'B', 'C', 'D'].map((name) => aGroup(name, [busy, other]));
      aGroup('E', [busy]);
      dc.rights.maxValues = 4;
      expect((await together(groups, { membership })).found).toEqual(groups.map(() => ids(busy, other)));
    },
  );

  it('are found through a group that this account does not see', async () => {
    const [direct, through] = [aUser('A'), aUser('B')];
    const hidden = aGroup('Hidden', [through]);
    const groups = [
      aGroup('Top', [direct, hidden]),
      ...['A', 'B', 'C'].map((name) => aGroup(name, [through])),
    ];
    const connector = connect({ membership: 'in-chain' });
    dc.domain.set(hidden, { objectClass: ['top', 'container'] });
    for (let at = 0; at < 4; at++) await connector.fetchGroups(null, never);
    expect(await Promise.all(groups.map((group) => membersOf(connector, group)))).toEqual([
      ids(direct, through),
      ...[1, 2, 3].map(() => ids(through)),
    ]);
  });

  it.each(both)(
    'are not "none" where memberOf is hidden, or a group has gone or moved (%s)',
    async (membership) => {
      const user = aUser();
      const groups = ['A', 'B', 'C', 'D'].map((name) => aGroup(name, [user]));
      dc.rights.hidden.add('memberof');
      expect((await together(groups, { membership })).found).toEqual(groups.map(() => 'permission-missing'));
      dc.rights.hidden.clear();
      const connector = connect({ membership });
      for (let at = 0; at < 4; at++) await connector.fetchGroups(null, never);
      await connector.tree(never);
      const [gone, moved, ...rest] = groups;
      if (gone === undefined || moved === undefined) return expect.unreachable('there are four');
      dc.domain.remove(gone);
      dc.domain.move(moved, `CN=Elsewhere ${fresh},${GROUPS}`);
      const [first, ...others] = await Promise.allSettled(
        [gone, moved, ...rest].map((group) => membersOf(connector, group)),
      );
      expect(first).toMatchObject({ status: 'rejected', reason: { failure: { kind: 'not-found' } } });
      expect(others).toEqual(others.map(() => ({ status: 'fulfilled', value: ids(user) })));
    },
  );
});

describe('Users looked up in a domain', () => {
  it('are told apart: there, moved out of the base, disabled by a filter, deleted, unknown', async () => {
    const [there, moved, filtered, deleted] = [
      aUser('A'),
      aUser('B'),
      aUser('C', { department: 'Robots' }),
      aUser('D'),
    ];
    dc.domain.move(moved, `CN=B ${fresh},OU=Elsewhere,${ROOT}`);
    dc.domain.remove(deleted);
    const userFilter = '(&(objectCategory=person)(objectClass=user)(!(department=Robots)))';
    for (const deletedObjects of [true, false]) {
      dc.rights.deletedObjects = deletedObjects;
      const found = await connect({ userFilter }).lookUp(
        [...ids(there, moved, filtered, deleted), unknown],
        [],
        never,
      );
      const kinds = new Map(
        found.map((one) => [one.kind === 'user' ? one.user.externalId : one.externalId, one.kind]),
      );
      expect(kinds).toEqual(
        new Map([
          [idOf(there), 'user'],
          [idOf(moved), 'out-of-scope'],
          [idOf(filtered), 'out-of-scope'],
          [idOf(deleted), 'gone'],
          [unknown, 'gone'],
        ]),
      );
    }
  });

  it('are not called gone by an account that sees nobody', async () => {
    dc.domain.add(`OU=Bare ${fresh},${ROOT}`, { objectClass: ['top', 'organizationalUnit'] });
    const found = await connect({ baseDn: `OU=Bare ${fresh},${ROOT}` }).lookUp([unknown], [], never);
    expect(found).toMatchObject([{ kind: 'unreadable', externalId: unknown }]);
  });

  it.each(['member-of', 'member'])('come with their groups, nested and primary (%s)', async (membership) => {
    const rid = 6000 + fresh;
    const user = aUser('Kim', { primaryGroupID: String(rid) });
    const inner = aGroup('Inner', [user]);
    const outer = aGroup('Outer', [inner]);
    naming(inner, outer);
    const primary = aGroup('Primary', [], rid);
    aGroup('Another', []);
    const unlisted = aGroup('Unlisted', [user], undefined, `OU=Elsewhere,${ROOT}`);
    const connector = connect({ membership });
    const groupsFor = async (asked: readonly ExternalId[] | null) => {
      const [found] = await connector.lookUp([idOf(user)], asked, never);
      return found?.kind === 'user' ? [...found.groups].sort() : found;
    };
    expect(await groupsFor(null)).toEqual(ids(inner, outer, primary));
    expect(await groupsFor([idOf(outer)])).toEqual(ids(outer));
    expect(await groupsFor([])).toEqual([]);
    expect(await groupsFor([idOf(unlisted)])).toEqual(ids(unlisted));
  });

  it('are not said to be in no group by an account that may not read memberOf', async () => {
    const user = aUser();
    aGroup('Crew', [user]);
    dc.rights.hidden.add('memberof');
    expect(await failing(connect().lookUp([idOf(user)], null, never))).toMatchObject({
      kind: 'permission-missing',
    });
  });
});

describe('Changes in a domain', () => {
  async function since(work: () => void, settings = {}) {
    const connector = connect(settings);
    const token = await feedOf(connector).begin(never);
    work();
    const later = connect(settings);
    const first = await feedOf(later).fetch(token, null, never);
    const pages = [first];
    for (let page = first; page.next !== null; ) {
      page = await feedOf(later).fetch(token, page.next, never);
      pages.push(page);
    }
    expect(pages.slice(0, -1).map((page) => page.token)).toEqual(pages.slice(1).map(() => null));
    return {
      users: pages.flatMap((page) => page.users).sort(),
      groups: pages.flatMap((page) => page.groups).sort(),
      renamed: pages.flatMap((page) => page.renamed),
      unreadable: pages.reduce((sum, page) => sum + page.unreadable, 0),
      token: pages.at(-1)?.token ?? null,
    };
  }

  it('are none when nothing happened, and the next token goes on from there', async () => {
    aUser();
    const { token, ...named } = await since(() => {});
    expect(named).toEqual({ users: [], groups: [], renamed: [], unreadable: 0 });
    const user = aUser('Later');
    const page = await feed().fetch(token ?? '', null, never);
    expect(page.users).toEqual(ids(user));
  });

  it('name who was edited, came, was moved out of the base, and was deleted', async () => {
    const [edited, moved, deleted, untouched] = [aUser('A'), aUser('B'), aUser('C'), aUser('D')];
    let joined = untouched;
    const { users } = await since(() => {
      dc.domain.set(edited, { title: 'Pilot' });
      dc.domain.move(moved, `CN=B ${fresh},OU=Elsewhere,${ROOT}`);
      dc.domain.remove(deleted);
      joined = aUser('E');
    });
    expect(users).toEqual(ids(edited, moved, deleted, joined));
  });

  it('name groups whose members changed, by what they are called now', async () => {
    const [user, changed] = [aUser(), aGroup('A', [])];
    const { users, groups, renamed } = await since(() => naming(changed, user));
    expect({ users, groups }).toEqual({ users: [], groups: ids(changed) });
    expect(renamed).toEqual([{ externalId: idOf(changed), name: `A ${fresh}` }]);
  });

  it('name the groups around those as well, which have no new number, but none outside the base', async () => {
    const user = aUser();
    const inner = aGroup('Inner', []);
    const middle = aGroup('Middle', [inner], undefined, `OU=Elsewhere,${ROOT}`);
    const outer = aGroup('Outer', [middle]);
    const { groups, renamed, unreadable } = await since(() => naming(inner, user));
    expect({ groups, unreadable }).toEqual({ groups: ids(inner, outer), unreadable: 0 });
    expect(renamed).toMatchObject([{ externalId: idOf(inner) }]);
  });

  it('ask for a full pull when a group was deleted: nobody can say any more what it was in', async () => {
    const deleted = aGroup('B', [aUser()]);
    expect(await since(() => dc.domain.remove(deleted))).toMatchObject({ groups: [], unreadable: 1 });
  });

  it('ask for a full pull when a unit was renamed, and not when one was made', async () => {
    const unit = dc.domain.add(`OU=Old ${fresh},${STAFF}`, { objectClass: ['top', 'organizationalUnit'] });
    aUser('Kim', {}, unit.dn);
    expect(await since(() => dc.domain.move(unit, `OU=New ${fresh},${STAFF}`))).toMatchObject({
      unreadable: 1,
      users: [],
    });
    const made = () =>
      void dc.domain.add(`OU=Made ${fresh},${STAFF}`, { objectClass: ['top', 'organizationalUnit'] });
    expect(await since(made)).toMatchObject({ unreadable: 0 });
  });

  it('name whose account expired meanwhile, although the directory changed nothing', async () => {
    const expiring = aUser('Kim', {
      accountExpires: String((BigInt(Date.now() - 1_000) + 11_644_473_600_000n) * 10_000n),
    });
    expect((await since(() => {})).users).toEqual(ids(expiring));
    dc.domain.set(expiring, { accountExpires: '0' });
  });

  it('come page by page', async () => {
    dc.maxPageSize = 2;
    const made: DomainObject[] = [];
    const { users } = await since(() => made.push(...['A', 'B', 'C', 'D', 'E'].map((name) => aUser(name))));
    expect(users).toEqual(ids(...made));
  });

  it.each([
    ['another controller', (token: string) => token.replace('CN=DC1', 'CN=DC2')],
    ['a counter ahead of it', (token: string) => token.replace(/"usn":"\d+"/, '"usn":"99999999"')],
    ['another maker', () => 'someone else'],
  ])('are not told to a token of %s', async (_, altered) => {
    const token = await feed().begin(never);
    expect(await failing(feed().fetch(altered(token), null, never))).toMatchObject({
      kind: 'cursor-expired',
    });
  });

  it('are not told from a controller that was restored from a backup', async () => {
    const token = await feed().begin(never);
    dc.domain.invocation = Buffer.from(dc.domain.invocation).reverse();
    expect(await failing(feed().fetch(token, null, never))).toMatchObject({
      kind: 'cursor-expired',
    });
  });

  it('are not told where the account may not see the deleted', async () => {
    const token = await feed().begin(never);
    dc.rights.deletedObjects = false;
    expect(await failing(feed().fetch(token, null, never))).toMatchObject({
      kind: 'cursor-expired',
    });
  });
});

describe('A domain controller that misbehaves', () => {
  beforeAll(() => {
    for (let at = 0; at < 20; at++) dc.domain.addUser(`Many ${at}`, STAFF);
  });
  const listed = async (connector: Connector) => {
    const records = await allPages((cursor) => connector.fetchUsers(cursor, never));
    return records.map((record) => (record.kind === 'user' ? record.user.externalId : record.kind));
  };
  const paged = { pageSize: 5 };

  it('may give an empty page in the middle: nobody behind it is lost', async () => {
    const expected = await listed(connect(paged));
    dc.fault({ name: 'empty-page', nth: 2 });
    expect(await listed(connect(paged))).toEqual(expected);
    expect(expected.length).toBeGreaterThan(20);
  });

  it.each([
    ['html', 'unexpected-response'],
    ['same-page', 'unexpected-response'],
    ['no-paging', 'unexpected-response'],
    ['refused', 'permission-missing'],
    ['busy', 'rate-limited'],
  ] as const)('and answers a page with lasting %s is called %s', async (name, kind) => {
    dc.fault({ name, nth: 2, times: 100 });
    expect(await failing(listed(connect(paged)))).toMatchObject({ kind });
  });

  it('is asked again when it was busy, in the same place', async () => {
    const expected = await listed(connect(paged));
    dc.fault({ name: 'busy', nth: 3, times: 2 });
    const connector = connect(paged);
    expect(await listed(connector)).toEqual(expected);
    expect(connector.usage()).toMatchObject({ retries: 2, throttled: 2 });
  });

  it('refuses an old cookie: the listing has to start over', async () => {
    const connector = connect(paged);
    const first = await connector.fetchUsers(null, never);
    await connector.fetchUsers(first.next, never);
    expect(await failing(connector.fetchUsers(first.next, never))).toMatchObject({ kind: 'cursor-expired' });
  });

  it('reads no page that is larger than it allows, and says so by its page chain alone', async () => {
    dc.maxPageSize = 7;
    const page = await connect().fetchUsers(null, never);
    expect(page.records).toHaveLength(7);
    expect(page.next).not.toBeNull();
  });
});

describe('The check of a connection to a domain', () => {
  const stepsOf = async (settings = {}, options = {}) => {
    const steps = [];
    for await (const step of ldapDefinition.check(connect(settings, options), never)) steps.push(step);
    return steps;
  };

  it('is good, and says that referrals are not followed', async () => {
    aGroup('Crew', [aUser()]);
    const steps = await stepsOf();
    expect(steps.map(({ step, ok }) => [step, ok])).toEqual(
      ['reach', 'credential', 'users', 'groups', 'members', 'look-up', 'changes'].map((step) => [step, true]),
    );
  });

  it('says what does not work without the right to see deleted objects', async () => {
    dc.rights.deletedObjects = false;
    expect((await stepsOf()).at(-1)).toMatchObject({ step: 'changes', ok: false, optional: true });
  });

  it("repeats Active Directory's reason for a refused sign-in, in words", async () => {
    expect((await stepsOf({}, { password: 'wrong' })).at(-1)).toMatchObject({
      step: 'credential',
      ok: false,
      detail: expect.stringContaining('data 52e'),
    });
  });
});

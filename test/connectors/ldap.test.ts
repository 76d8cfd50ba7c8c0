import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { Connector, ConnectorError, MemberRecord } from '../../connectors/contract.ts';
import { ldapDefinition, openLdap } from '../../connectors/ldap/index.ts';
import { LdapCredentials, LdapSettings } from '../../connectors/ldap/settings.ts';
import type { SessionTuning } from '../../connectors/session.ts';
import { openKeys } from '../../simulators/certificates.ts';
import { ExternalId } from '../../src/domain/ids.ts';
import { failing, never } from './aSession.ts';
import { allPages } from './oktaOrg.ts';
import {
  BLIND,
  type LdapEntry,
  LIMITED,
  PASSWORD,
  READER,
  SHORTSIGHTED,
  type Slapd,
  SUFFIX,
  startSlapd,
  whyNoSlapd,
} from './slapd.ts';
import { openTunnel, type Tunnel } from './tunnel.ts';

const why = whyNoSlapd();
const PEOPLE = `ou=people,${SUFFIX}`;
const GROUPS = `ou=groups,${SUFFIX}`;
const idNumber = (at: number) => `00000000-0000-4000-8000-${String(at).padStart(12, '0')}`;
const idOf = (at: number) => ExternalId.parse(idNumber(at));
const dnOf = (at: number) => `uid=u${at},${PEOPLE}`;
const USERS = 620;

const person = (at: number, more: object = {}): LdapEntry => ({
  dn: dnOf(at),
  objectClass: ['inetOrgPerson'],
  entryUUID: idNumber(at),
  uid: `u${at}`,
  cn: `User ${at}`,
  sn: 'Harbor',
  ...more,
});
const group = (at: number, cn: string, member: readonly string[], more: object = {}): LdapEntry => ({
  dn: `cn=${cn},${GROUPS}`,
  objectClass: ['groupOfNames'],
  entryUUID: idNumber(at),
  cn,
  member,
  ...more,
});

const entries: readonly LdapEntry[] = [
  ...['people', 'groups', 'left'].map((ou) => ({
    dn: `ou=${ou},${SUFFIX}`,
    objectClass: 'organizationalUnit',
    ou,
  })),
  { dn: `ou=R/D,${PEOPLE}`, objectClass: 'organizationalUnit', ou: 'R/D' },
  person(1, {
    mail: ['zoe@harbor.example', 'a.first@harbor.example'],
    givenName: ' Zoe\u0308 ',
    title: 'Pilot',
    departmentNumber: 'D7',
    telephoneNumber: '+44 1',
    manager: dnOf(2),
    memberOf: [`cn=crew,${GROUPS}`],
    jpegPhoto: Buffer.from([0xff, 0xd8, 0x00, 0x01]),
    carLicense: ['B 2', 'A 1'],
  }),
  ...Array.from({ length: USERS - 1 }, (_, at) => person(at + 2)),
  person(2_000, { dn: `uid=u2000,ou=R/D,${PEOPLE}`, uid: ['zz', 'u2000', 'aa'] }),
  group(9_001, 'crew', [dnOf(1), dnOf(2), `cn=deck,${GROUPS}`, `cn=nobody,${SUFFIX}`]),
  group(9_002, 'deck', [dnOf(3), `cn=crew,${GROUPS}`, `cn=deck,${GROUPS}`]),
  group(
    9_003,
    'everyone',
    Array.from({ length: USERS }, (_, at) => dnOf(at + 1)),
  ),
  group(9_004, 'x)(objectClass=*', [dnOf(5)]),
  group(9_006, 'spelled', [`UID=U8 , OU=People,${SUFFIX}`, `uid=\\75\\39,${PEOPLE}`]),
  {
    ...group(9_005, 'named', []),
    objectClass: ['posixGroup'],
    gidNumber: '77',
    memberUid: ['u6', 'u7'],
    member: [],
  },
];

let slapd: Slapd;
const tuning = { timeoutMs: 5_000, maxRetries: 2, sleep: async () => {} };

type How = {
  bindDn?: string;
  password?: string;
  ca?: string | null;
  network?: object;
  tuned?: SessionTuning;
};
function connect(settings: Readonly<Record<string, unknown>> = {}, how: How = {}) {
  const { bindDn = READER, password = PASSWORD, ca = slapd.ca, network = {}, tuned = {} } = how;
  const connector = openLdap(
    {
      settings: LdapSettings.parse({
        url: slapd.url,
        schema: 'openldap',
        baseDn: PEOPLE,
        groupBaseDn: GROUPS,
        ...settings,
      }),
      credentials: LdapCredentials.parse({ bindDn, password }),
      network: { baseUrl: null, proxy: null, ca, ...network },
    },
    { ...tuning, ...tuned },
  );
  onTestFinished(() => connector.close());
  return connector;
}

const users = async (connector: Connector) => allPages((cursor) => connector.fetchUsers(cursor, never));
const userIds = async (connector: Connector) =>
  (await users(connector)).map((one) => (one.kind === 'user' ? one.user.externalId : one.externalId));
const members = async (connector: Connector, at: number) => {
  const records: readonly MemberRecord[] = await allPages((cursor) =>
    connector.fetchMembers(idOf(at), cursor, never),
  );
  return records.map((one) => (one.kind === 'user' ? one.externalId : one.kind)).sort();
};

describe.skipIf(why !== null)(`LDAP against slapd${why === null ? '' : `, skipped: ${why}`}`, () => {
  beforeAll(async () => {
    slapd = await startSlapd(entries);
  });
  afterAll(() => slapd.stop());

  describe('A listing', () => {
    it.each([
      ['LDAPS', () => ({})],
      ['StartTLS', () => ({ url: slapd.plainUrl })],
      ['no TLS, on this machine and when told to', () => ({ url: slapd.plainUrl, allowPlaintext: true })],
    ])('names everybody once over %s', async (_, settings) => {
      const ids = await userIds(connect({ pageSize: 100, ...settings() }));
      expect(ids).toHaveLength(USERS + 1);
      expect(new Set(ids).size).toBe(ids.length);
    });

    it('takes one request a page, and a sign-in', async () => {
      const connector = connect({ pageSize: 100 });
      await users(connector);
      expect(connector.usage()).toMatchObject({ requests: 1 + Math.ceil((USERS + 1) / 100), retries: 0 });
      expect(connector.usage().bytes).toBeGreaterThan(USERS * 100);
    });

    it('that meets the server’s size limit fails with the limit to lift, after the pages before it', async () => {
      const connector = connect({ pageSize: 200 }, { bindDn: LIMITED });
      const failure = await failing(users(connector));
      expect(failure).toMatchObject({
        kind: 'permission-missing',
        remedy: expect.stringContaining('olcLimits'),
      });
    });

    it('by an account without rights is empty, and the check says so', async () => {
      const steps = [];
      for await (const step of ldapDefinition.check(connect({}, { bindDn: BLIND }), never)) steps.push(step);
      expect(steps.map(({ step, ok }) => [step, ok])).toContainEqual(['users', false]);
      expect(steps.find(({ ok }) => !ok)?.remedy).toContain('rights');
    });

    it('of groups names each by its id, whatever its name is', async () => {
      const records = await allPages((cursor) => connect().fetchGroups(cursor, never));
      expect(records.map((one) => (one.kind === 'group' ? one.group : one))).toContainEqual({
        externalId: idOf(9_004),
        name: 'x)(objectClass=*',
        email: null,
      });
      expect(records).toHaveLength(6);
    });
  });

  describe('A user', () => {
    it('is brought to the common schema', async () => {
      const extra = { extraAttributes: ['jpegPhoto', 'carLicense', 'roomNumber'] };
      const [found] = await connect(extra).lookUp([idOf(1)], [], never);
      expect(found).toEqual({
        kind: 'user',
        groups: [],
        user: {
          externalId: idOf(1),
          state: 'active',
          userName: 'u1',
          email: 'a.first@harbor.example',
          aliases: ['zoe@harbor.example'],
          displayName: 'User 1',
          givenName: 'Zo\u00eb',
          familyName: 'Harbor',
          jobTitle: 'Pilot',
          department: 'D7',
          division: null,
          costCenter: null,
          company: null,
          employeeId: null,
          employeeType: null,
          officeLocation: null,
          phone: '+44 1',
          mobilePhone: null,
          locale: null,
          orgUnit: '/people',
          userType: 'member',
          manager: dnOf(2),
          custom: { jpegPhoto: '/9gAAQ==', carLicense: ['A 1', 'B 2'] },
        },
      });
    });

    it('has of several names the one in its DN, and a path in which a slash cannot be mistaken', async () => {
      const [found] = await connect().lookUp([idOf(2_000)], [], never);
      expect(found).toMatchObject({ user: { userName: 'u2000', orgUnit: '/people/R\\/D' } });
    });

    it('is suspended by the mark that the settings name', async () => {
      const disabled = { attribute: 'departmentNumber', values: ['d7'] };
      const found = await connect({ disabled }).lookUp([idOf(1), idOf(2)], [], never);
      const states = found.map((one) => (one.kind === 'user' ? [one.user.externalId, one.user.state] : one));
      expect(states.sort()).toEqual([
        [idOf(1), 'suspended'],
        [idOf(2), 'active'],
      ]);
    });

    it('keeps its id when it is moved, is out of scope then, and gone when it is deleted', async () => {
      const asked = [idOf(601), idOf(602), idOf(603)];
      const connector = connect();
      expect((await connector.lookUp(asked, [], never)).map(({ kind }) => kind)).toEqual([
        'user',
        'user',
        'user',
      ]);
      await slapd.administer(async (client) => {
        await client.modifyDN(dnOf(601), `uid=u601,ou=left,${SUFFIX}`);
        await client.modifyDN(dnOf(602), `uid=renamed,${PEOPLE}`);
        await client.del(dnOf(603));
      });
      const found = await connector.lookUp(asked, [], never);
      expect(
        found.map((one) => (one.kind === 'user' ? one.user.userName : [one.kind, one.externalId])),
      ).toEqual(['renamed', ['out-of-scope', idOf(601)], ['gone', idOf(603)]]);
      await slapd.administer(async (client) => {
        await client.modifyDN(`uid=u601,ou=left,${SUFFIX}`, dnOf(601));
        await client.modifyDN(`uid=renamed,${PEOPLE}`, dnOf(602));
        await client.add(dnOf(603), { objectClass: 'inetOrgPerson', cn: 'Again', sn: 'Again' });
      });
    });

    it('is not called gone by an account that has lost its rights', async () => {
      const found = await connect({}, { bindDn: BLIND }).lookUp([idOf(1)], [], never);
      expect(found).toMatchObject([{ kind: 'unreadable', externalId: idOf(1) }]);
    });

    it('comes with its groups, nested ones included', async () => {
      const [found] = await connect().lookUp([idOf(3)], null, never);
      expect(found?.kind === 'user' ? [...found.groups].sort() : found).toEqual(
        [9_001, 9_002, 9_003].map(idOf),
      );
    });
  });

  describe('Members', () => {
    it('are found through groups in a circle, without those who are no users here', async () => {
      expect(await members(connect(), 9_001)).toEqual([1, 2, 3].map(idOf));
      expect(await members(connect(), 9_002)).toEqual([1, 2, 3].map(idOf));
    });

    it('are found in a group whose name looks like a filter', async () => {
      expect(await members(connect(), 9_004)).toEqual([idOf(5)]);
    });

    it('come page by page', async () => {
      const connector = connect({ pageSize: 100 });
      const first = await connector.fetchMembers(idOf(9_003), null, never);
      expect(first.records).toHaveLength(100);
      expect((await members(connector, 9_003)).length).toBeGreaterThanOrEqual(USERS - 1);
    });

    it.each(['member', 'member-uid', 'member-of'])(
      'of many groups that are asked for at once are those of each alone (%s)',
      async (membership) => {
        const asked = [9_001, 9_002, 9_003, 9_004, 9_005, 9_006, 1_234];
        const settings = { membership, pageSize: 50 };
        const told = (work: Promise<unknown>) => work.catch((error: ConnectorError) => error.failure.kind);
        const alone = [];
        for (const at of asked) alone.push(await told(members(connect(settings), at)));
        const crowded = connect(settings);
        expect(await Promise.all(asked.map((at) => told(members(crowded, at))))).toEqual(alone);
        expect(alone.at(-1)).toBe('not-found');
        if (membership === 'member') expect(alone.at(-2)).toEqual([8, 9].map(idOf));
      },
    );

    it('are found by name, and by the number of a primary group', async () => {
      const settings = { membership: 'member-uid', attributes: { groupMember: 'memberUid' } };
      expect(await members(connect(settings), 9_005)).toEqual([6, 7].map(idOf));
    });

    it('are found by the back-link where the server keeps it, and its loss is told', async () => {
      expect(await members(connect({ membership: 'member-of' }), 9_001)).toContain(idOf(1));
      const blind = connect({ membership: 'member-of' }, { bindDn: SHORTSIGHTED });
      expect(await failing(members(blind, 9_001))).toMatchObject({ kind: 'permission-missing' });
    });

    it('are not "none" on a server that finds no entry by its DN', async () => {
      const settings = { attributes: { dn: 'seeAlso' } };
      expect(await failing(members(connect(settings), 9_001))).toMatchObject({ kind: 'misconfigured' });
    });

    it('of a group that is not there are not found', async () => {
      const gone = connect().fetchMembers(idOf(1_234), null, never);
      expect(await failing(gone)).toMatchObject({ kind: 'not-found' });
    });
  });

  describe('A connection that cannot be made', () => {
    it.each<[string, () => [object, How], string]>([
      ['a wrong password', () => [{}, { password: 'not-this-one' }], 'credentials-rejected'],
      ['an unknown account', () => [{}, { bindDn: `cn=stranger,${SUFFIX}` }], 'credentials-rejected'],
      ['a CA that is not known', () => [{}, { ca: null }], 'untrusted-certificate'],
      [
        'a CA that is not known, by StartTLS',
        () => [{ url: slapd.plainUrl }, { ca: null }],
        'untrusted-certificate',
      ],
      [
        'a port that speaks no TLS',
        () => [{ url: slapd.plainUrl.replace('ldap:', 'ldaps:') }, {}],
        'unavailable',
      ],
      ['a port that nobody listens on', () => [{ url: 'ldaps://localhost:1' }, {}], 'unavailable'],
      ['a base that is not there', () => [{ baseDn: `ou=nowhere,${SUFFIX}` }, {}], 'misconfigured'],
      ['a base that is no DN', () => [{ baseDn: 'nowhere' }, {}], 'misconfigured'],
    ])('for %s is told apart, without a secret', async (_, made, kind) => {
      const [settings, how] = made();
      const failure = await failing(users(connect({ ...settings }, how)));
      expect(failure).toMatchObject({ kind });
      expect(JSON.stringify(failure)).not.toMatch(
        new RegExp(`${PASSWORD}|not-this-one|cn=rollcall|stranger`),
      );
    });

    it('for a certificate that was made by another authority is not trusted', async () => {
      const { ca } = await openKeys(null);
      expect(await failing(users(connect({}, { ca })))).toMatchObject({ kind: 'untrusted-certificate' });
    });

    it('is not tried with a proxy or a base URL', () => {
      expect(() => connect({}, { network: { proxy: 'http://proxy:8080' } })).toThrow(/network\.proxy/);
      expect(() => connect({}, { network: { baseUrl: 'https://localhost' } })).toThrow(/network\.baseUrl/);
    });
  });

  describe('A connection that fails', () => {
    let tunnel: Tunnel;
    beforeEach(async () => {
      tunnel = await openTunnel(slapd.port);
      onTestFinished(() => tunnel.close());
    });
    const through = (settings = {}, tuned: SessionTuning = {}) =>
      connect({ url: `ldaps://localhost:${tunnel.port}`, pageSize: 100, ...settings }, { tuned });

    it('before the first page is made again', async () => {
      tunnel.cutNext();
      const connector = through();
      expect(await userIds(connector)).toHaveLength(USERS + 1);
      expect(connector.usage()).toMatchObject({ retries: 1 });
    });

    it.each([
      ['is cut', (one: Tunnel) => one.cut()],
      ['is cut in the middle of a page', (one: Tunnel) => one.cutAfter(3_000)],
      ['hangs', (one: Tunnel) => one.hold()],
    ])('between pages (it %s) makes the listing start over, once', async (_, fail) => {
      const connector = through({}, { timeoutMs: 400 });
      const first = await connector.fetchUsers(null, never);
      fail(tunnel);
      expect(await failing(connector.fetchUsers(first.next, never))).toMatchObject({
        kind: 'cursor-expired',
      });
      tunnel.heal();
      expect(await userIds(connector)).toHaveLength(USERS + 1);
      const again = await connector.fetchUsers(null, never);
      tunnel.cutAfter(0);
      const second = await failing(connector.fetchUsers(again.next, never));
      expect(second).toMatchObject({ kind: 'unavailable' });
    });

    it('leaves no cursor that another instance would go on from', async () => {
      const before = connect({ pageSize: 100 });
      const { next } = await before.fetchUsers(null, never);
      expect(await failing(connect({ pageSize: 100 }).fetchUsers(next, never))).toMatchObject({
        kind: 'cursor-expired',
      });
      expect(await failing(before.fetchGroups(next, never))).toMatchObject({ kind: 'cursor-expired' });
    });

    it('for good is called unavailable', async () => {
      const connector = through();
      await tunnel.close();
      expect(await failing(users(connector))).toMatchObject({ kind: 'unavailable' });
    });

    it('never reads as somebody else: the new one signs in first', async () => {
      const connector = through();
      await connector.fetchGroups(null, never);
      tunnel.cut();
      expect(await userIds(connector)).toHaveLength(USERS + 1);
    });

    it('ends with the reason of an abort, while it waits for an answer', async () => {
      const connector = through();
      await connector.fetchGroups(null, never);
      tunnel.hold();
      const stopping = new AbortController();
      const ended = expect(connector.fetchUsers(null, stopping.signal)).rejects.toThrow('cancelled');
      stopping.abort(new Error('cancelled'));
      await ended;
      await expect(connector.fetchUsers(null, stopping.signal)).rejects.toThrow('cancelled');
    });
  });
});

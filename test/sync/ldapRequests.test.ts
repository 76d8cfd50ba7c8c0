/** How many requests a full run over a directory server takes: never more than pages of users and members, one a group, and five. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { connectors } from '../../connectors/registry.ts';
import { ROOT } from '../../simulators/ldap/domain.ts';
import { BIND_DN, PASSWORD as OF_DOMAIN, startDomainController } from '../../simulators/ldap/server.ts';
import { listRuns } from '../../src/sync/runs.ts';
import { createConnection } from '../../src/tenancy/connections.ts';
import { type LdapEntry, PASSWORD, READER, SUFFIX, startSlapd, whyNoSlapd } from '../connectors/slapd.ts';
import { Connected, Install } from '../support/install.ts';
import { aCaller } from '../support/tenancy.ts';

const PAGE = 20;

let install: Install;
const started: (() => Promise<void> | void)[] = [];
beforeAll(async () => {
  install = await Install.open(connectors);
});
afterEach(async () => {
  for (const stop of started.splice(0)) await stop();
});
afterAll(() => install.close());

type Access = { settings: object; bindDn: string; password: string; ca: string };

/** A full run with all groups; what it read and asked for. */
async function fullRun({ settings, bindDn, password, ca }: Access) {
  const tenant = await install.tenant();
  const connection = await createConnection(install, install.operator, {
    tenant,
    name: 'directory',
    provider: 'ldap',
    settings: { pageSize: PAGE, ...settings },
    credentials: { bindDn, password },
    network: { ca },
    mapping: { groups: null, everyone: ['member'] },
  });
  const administrator = await aCaller(install, tenant);
  const acme = new Connected(install, { connection: connection.id, tenant, directory: null, administrator });
  expect(await acme.sync()).toMatchObject({ result: 'finished', snapshot: 'complete' });
  const { items } = await listRuns(install, administrator, { connection: connection.id });
  const [run] = items;
  if (run === undefined || run.usage === null) return expect.unreachable('there is a run');
  expect(run.unreadable).toBe(0);
  return { users: run.users, groups: run.groups, members: run.members, requests: run.usage.requests };
}

/** Each connection signs in once; at most so many are open at a time. */
const SIGN_INS = 5;

type Ran = Awaited<ReturnType<typeof fullRun>>;
const bound = ({ users, groups, members }: Ran) =>
  Math.ceil(users / PAGE) + Math.ceil(members / PAGE) + groups + 5 + SIGN_INS;

/** By its number: whom group `at` of `count` names, people as numbers and other groups as `g3`. */
type Shape = (at: number, count: number) => readonly (number | `g${number}`)[];

const USERS = 90;
const shapes: readonly [string, number, Shape][] = [
  ['one group of three', 1, () => [1, 2, 3]],
  ['one group of everybody', 1, () => Array.from({ length: USERS }, (_, at) => at)],
  ['three groups, each in the next', 3, (at) => [at, `g${(at + 1) % 3}`]],
  ['many groups of one', 120, (at) => [at % USERS]],
  ['many groups of three', 120, (at) => [at % USERS, (at + 7) % USERS, (at + 31) % USERS]],
  ['many groups without anybody', 120, () => []],
  ['many groups, half of them without anybody', 120, (at) => (at % 2 === 0 ? [] : [at % USERS])],
  [
    'many groups of half a page',
    40,
    (at) => Array.from({ length: PAGE / 2 }, (_, one) => (at + one) % USERS),
  ],
  [
    'many groups of a page and one',
    24,
    (at) => Array.from({ length: PAGE + 1 }, (_, one) => (at + one) % USERS),
  ],
  ['many groups, each in the one before', 60, (at, count) => (at + 1 < count ? [at, `g${at + 1}`] : [at])],
  [
    'many groups of one and some of everybody',
    60,
    (at) => (at % 15 === 0 ? Array.from({ length: USERS }, (_, one) => one) : [at]),
  ],
];

/** Large ones, of `MANY` people: the first ones a page and one more, or as many pages more as their number says. */
const MANY = 320;
const justAbove = (pages: number): Shape => {
  const names = Array.from({ length: pages * PAGE + 1 }, (_, one) => one);
  return (at) => names.map((one) => (one + 37 * at) % MANY);
};
const everybody = Array.from({ length: MANY }, (_, one) => one);
const large: readonly [string, number, Shape][] = [
  ['one group of everybody', 1, () => everybody],
  ['ten groups of everybody', 10, () => everybody],
  ['many groups, each just above ten pages', 24, justAbove(10)],
  [
    'many groups of unlike sizes, each just above its last full page',
    24,
    (at) => justAbove(10 + (at % 6))(at, 0),
  ],
  [
    'large groups, each in the one before',
    8,
    (at, count) => (at + 1 < count ? [...justAbove(10)(at, 0), `g${at + 1}`] : justAbove(10)(at, 0)),
  ],
  ['large groups among many of one', 60, (at, count) => (at % 10 === 0 ? justAbove(11)(at, count) : [at])],
];

const why = whyNoSlapd();
const PEOPLE = `ou=people,${SUFFIX}`;
const GROUPS = `ou=groups,${SUFFIX}`;
const uuid = (at: number) => `00000000-0000-4000-8000-${String(at).padStart(12, '0')}`;

/** A group of names must have one: whoever has nobody names somebody who is not there. */
function slapdOf(count: number, shape: Shape, more: (at: number) => object, users = USERS): Promise<Access> {
  const entries: LdapEntry[] = [
    { dn: PEOPLE, objectClass: 'organizationalUnit', ou: 'people' },
    { dn: GROUPS, objectClass: 'organizationalUnit', ou: 'groups' },
    ...Array.from({ length: users }, (_, at) => ({
      dn: `uid=u${at},${PEOPLE}`,
      objectClass: ['inetOrgPerson', 'extensibleObject'],
      entryUUID: uuid(at),
      uid: `u${at}`,
      cn: `User ${at}`,
      sn: 'Harbor',
      gidNumber: String(1_000 + (at % 7)),
    })),
    ...Array.from({ length: count }, (_, at) => {
      const members = shape(at, count);
      const dns = members.map((one) =>
        typeof one === 'number' ? `uid=u${one},${PEOPLE}` : `cn=${one},${GROUPS}`,
      );
      return {
        dn: `cn=g${at},${GROUPS}`,
        objectClass: ['groupOfNames', 'extensibleObject'],
        entryUUID: uuid(10_000 + at),
        cn: `g${at}`,
        member: dns.length === 0 ? [`uid=nobody,${PEOPLE}`] : dns,
        ...more(at),
      };
    }),
  ];
  return startSlapd(entries).then((slapd) => {
    started.push(() => slapd.stop());
    return {
      settings: { url: slapd.url, schema: 'openldap', baseDn: PEOPLE, groupBaseDn: GROUPS },
      bindDn: READER,
      password: PASSWORD,
      ca: slapd.ca,
    };
  });
}

describe.skipIf(why !== null)(`A full run over OpenLDAP${why === null ? '' : `, skipped: ${why}`}`, () => {
  it.each(shapes)('keeps to the bound with %s', async (_, count, shape) => {
    const ran = await fullRun(await slapdOf(count, shape, () => ({})));
    expect(ran).toMatchObject({ users: USERS, groups: count });
    expect(ran.requests).toBeLessThanOrEqual(bound(ran));
  });

  it.each(large)('keeps to it with %s', async (_, count, shape) => {
    const ran = await fullRun(await slapdOf(count, shape, () => ({}), MANY));
    expect(ran).toMatchObject({ users: MANY, groups: count });
    expect(ran.members).toBeGreaterThan(10 * PAGE);
    expect(ran.requests).toBeLessThanOrEqual(bound(ran));
  });

  it('keeps to it with many groups, just above ten pages, that name people by their user names', async () => {
    const names = (at: number) => justAbove(10)(at, 0).map((one) => `u${one}`);
    const { settings, ...access } = await slapdOf(
      24,
      () => [],
      (at) => ({ memberUid: names(at) }),
      MANY,
    );
    const ran = await fullRun({ ...access, settings: { ...settings, membership: 'member-uid' } });
    expect(ran).toMatchObject({ users: MANY, groups: 24, members: 24 * (10 * PAGE + 1) });
    expect(ran.requests).toBeLessThanOrEqual(bound(ran));
  });

  it('keeps to it with groups that are primary groups too', async () => {
    const access = await slapdOf(
      40,
      (at) => [at],
      (at) => ({ gidNumber: String(1_000 + at) }),
    );
    const ran = await fullRun(access);
    expect(ran.members).toBeGreaterThan(USERS);
    expect(ran.requests).toBeLessThanOrEqual(bound(ran));
  });

  it('keeps to it with large groups that people are in by number alone', async () => {
    const access = await slapdOf(
      7,
      () => [],
      (at) => ({ gidNumber: String(1_000 + at) }),
      MANY,
    );
    const ran = await fullRun(access);
    expect(ran).toMatchObject({ users: MANY, groups: 7, members: MANY });
    expect(ran.requests).toBeLessThanOrEqual(bound(ran));
  });

  it('keeps to it by member-of, with groups that name nobody who is there', async () => {
    const { settings, ...access } = await slapdOf(
      120,
      () => [],
      () => ({}),
    );
    const ran = await fullRun({ ...access, settings: { ...settings, membership: 'member-of' } });
    expect(ran).toMatchObject({ users: USERS, groups: 120, members: 0 });
    expect(ran.requests).toBeLessThanOrEqual(bound(ran));
  });

  it('keeps to it with groups that name people by their user names', async () => {
    const { settings, ...access } = await slapdOf(
      80,
      () => [],
      (at) => ({ memberUid: [`u${at}`, `U${(at + 5) % USERS}`, 'nobody'] }),
    );
    const ran = await fullRun({ ...access, settings: { ...settings, membership: 'member-uid' } });
    expect(ran.members).toBeGreaterThanOrEqual(2 * 80);
    expect(ran.requests).toBeLessThanOrEqual(bound(ran));
  });
});

/** By Active Directory's own ratio: 1,000 entries in a page, 1,500 names in a slice (MaxPageSize, MaxValRange). */
const SLICE = 1.5 * PAGE;

/** By back-links, asking for several groups together is tried where it may save requests, and may not where all of them are large. */
const TRIES = { 'member-of': 1, 'in-chain': 1, member: 0 } as const;

type InDomain = {
  readonly membership: keyof typeof TRIES;
  readonly count: number;
  readonly shape: Shape;
  readonly users: number;
};

/** What it read and asked for, and how much of that was for more than signing in. */
async function fullRunOverDomain({ membership, count, shape, users }: InDomain) {
  const dc = await startDomainController();
  started.push(() => dc.close());
  dc.rights.maxValues = SLICE;
  const unit = `OU=Staff,${ROOT}`;
  dc.domain.add(unit, { objectClass: ['top', 'organizationalUnit'] });
  const people = Array.from({ length: users }, (_, at) => dc.domain.addUser(`U${at}`, unit));
  const groups = Array.from({ length: count }, (_, at) => dc.domain.addGroup(`g${at}`, unit));
  for (const [at, group] of groups.entries()) {
    const members = shape(at, count).map((one) =>
      typeof one === 'number' ? people[one] : groups[Number(one.slice(1))],
    );
    dc.domain.set(group, { member: members.flatMap((one) => one?.dn ?? []) });
  }
  dc.searches.splice(0);
  const settings = { url: dc.url, schema: 'active-directory', baseDn: unit, membership };
  const ran = await fullRun({ settings, bindDn: BIND_DN, password: OF_DOMAIN, ca: dc.ca });
  expect(ran).toMatchObject({ users, groups: count });
  return { ...ran, searches: dc.searches.length };
}

const inDomain = (of: readonly [string, number, Shape][], users: number) =>
  (['member-of', 'member', 'in-chain'] as const).flatMap((membership) =>
    of.map(([name, count, shape]) => ({ membership, name, count, shape, users })),
  );

describe('A full run over a domain', () => {
  it.each(inDomain(shapes, USERS))('keeps to the bound by $membership with $name', async (one) => {
    const ran = await fullRunOverDomain(one);
    expect(ran.requests).toBeLessThanOrEqual(bound(ran));
    expect(ran.searches).toBeLessThanOrEqual(bound(ran) - SIGN_INS + TRIES[one.membership]);
  });

  it.each(inDomain(large, MANY))(
    'keeps to it by $membership with $name, whose names come in slices',
    async (one) => {
      const ran = await fullRunOverDomain(one);
      expect(ran.members).toBeGreaterThan(10 * PAGE);
      expect(ran.requests).toBeLessThanOrEqual(bound(ran));
      expect(ran.searches).toBeLessThanOrEqual(bound(ran) - SIGN_INS + TRIES[one.membership]);
    },
  );
});

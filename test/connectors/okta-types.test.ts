/** Custom attributes and user types, and the proofs of possession that an org may ask for: as a simulated org has them. */
import { describe, expect, it } from 'vitest';
import { oktaDefinition } from '../../connectors/okta/index.ts';
import { oktaIds } from '../../simulators/population/ids.ts';
import { ExternalId } from '../../src/domain/ids.ts';
import { allPages, anOktaUser, aSimulatedOrg, closedAfterEach } from './oktaOrg.ts';

const signal = new AbortController().signal;
const { org, connected } = closedAfterEach();
const READS = [
  'okta.users.read',
  'okta.groups.read',
  'okta.logs.read',
  'okta.apps.read',
  'okta.userTypes.read',
];

async function simulated(settings: object, permissions: readonly string[] = READS) {
  const { simulator, connect } = await aSimulatedOrg({ users: 260, seed: 4, permissions });
  const connector = connect(settings);
  const users = async () => {
    const records = await allPages((cursor) => connector.fetchUsers(cursor, signal));
    return records.map((record) =>
      record.kind === 'user' ? record.user : expect.unreachable(record.problem),
    );
  };
  return { simulator, connector, users };
}

describe('the attributes that an org defines itself', () => {
  it('arrive under their own names, in lists and in look-ups', async () => {
    const { connector, users } = await simulated({});
    const all = await users();
    expect(new Set(all.map(({ custom }) => custom['badgeColor']))).toEqual(new Set(['blue', 'orange']));
    expect(all.every(({ custom }) => custom['type.name'] === undefined)).toBe(true);
    const some = all.slice(0, 30);
    const found = await connector.lookUp?.(
      some.map(({ externalId }) => externalId),
      [],
      signal,
    );
    expect(found).toEqual(some.map((user) => ({ kind: 'user', user, groups: [] })));
  });
});

describe('the names of user types', () => {
  it.each([{}, { appScope: oktaIds(4, '0oa').of(2) }])(
    'are a custom attribute where they are asked for: %j',
    async (scope) => {
      const { simulator, connector, users } = await simulated({ ...scope, userTypes: true });
      const all = await users();
      for (const { employeeType, custom } of all)
        expect(custom['type.name']).toBe(employeeType === 'Contractor' ? 'contractor' : 'user');
      expect(new Set(all.map(({ custom }) => custom['type.name'])).size).toBe(2);
      const before = (await simulator.control.state()).requests.other;
      const some = all.slice(-20);
      const found = await connector.lookUp?.(
        some.map(({ externalId }) => externalId),
        [],
        signal,
      );
      expect(found).toEqual(some.map((user) => ({ kind: 'user', user, groups: [] })));
      expect((await simulator.control.state()).requests.other).toBe(before);
    },
  );

  it('leave users unknown whose type is not among them', async () => {
    const acme = await org(({ path }, origin) => ({
      headers: { link: `<${origin}${path}>; rel="self"` },
      body: path.includes('/meta/')
        ? [{ id: 'oty1', name: 'user' }]
        : [
            { ...anOktaUser('00u1'), type: { id: 'oty1' } },
            { ...anOktaUser('00u2'), type: { id: 'oty2' } },
            anOktaUser('00u3'),
          ],
    }));
    const connector = connected(acme, { settings: { userTypes: true } });
    expect((await connector.fetchUsers(null, signal)).records).toMatchObject([
      { kind: 'user', user: { custom: { 'type.name': 'user' } } },
      { kind: 'unreadable', externalId: '00u2' },
      { kind: 'unreadable', externalId: '00u3' },
    ]);
  });

  it('are a permission of their own in the check', async () => {
    const { connector } = await simulated({ userTypes: true }, READS.slice(0, 3));
    const steps = [];
    for await (const step of oktaDefinition.check(connector, signal)) steps.push(step);
    expect(steps).toContainEqual({
      step: 'permission',
      ok: false,
      detail: 'okta.userTypes.read',
      remedy: expect.stringContaining('grants okta.userTypes.read'),
    });
  });
});

describe('an app that requires proofs of possession', () => {
  it('is served like any other: full pull, look-up, changes, and a new token when the old one ends', async () => {
    const { simulator, connector, users } = await simulated({}, [...READS, 'dpop_bound_access_tokens']);
    const token = (await connector.changes?.begin(signal)) ?? '';
    const all = await users();
    expect(all.length).toBeGreaterThanOrEqual(260);
    expect((await connector.fetchGroups(null, signal)).records.length).toBeGreaterThan(10);
    await simulator.control.expireTokens();
    const one = ExternalId.parse(all.at(-1)?.externalId);
    expect(await connector.lookUp?.([one], null, signal)).toMatchObject([{ kind: 'user' }]);
    expect(await connector.changes?.fetch(token, null, signal)).toMatchObject({ unreadable: 0 });
    expect(await connector.evidence(signal)).toEqual({
      users: null,
      permissions: ['okta.groups.read', 'okta.users.read'],
    });
    // Without a proof, without the nonce, with both; then, for the new token, at once with both.
    expect((await simulator.control.state()).requests.token).toBe(4);
  });
});

describe('a full pull', () => {
  it('asks once for each page of users, groups and members, and a few times more', async () => {
    const { simulator, connector, users } = await simulated({});
    const all = await users();
    const groups = await allPages((cursor) => connector.fetchGroups(cursor, signal));
    let memberships = 0;
    for (const record of groups) {
      if (record.kind !== 'group') continue;
      memberships += (
        await allPages((cursor) => connector.fetchMembers(record.group.externalId, cursor, signal))
      ).length;
    }
    await connector.evidence(signal);
    const { requests } = await simulator.control.state();
    const total = Object.values(requests).reduce((sum, count) => sum + count, 0);
    expect(total).toBe(connector.usage().requests);
    expect(total).toBeLessThanOrEqual(
      Math.ceil(all.length / 200) + Math.ceil(memberships / 200) + groups.length + 5,
    );
  });
});

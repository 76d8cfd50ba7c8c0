import { expect, it } from 'vitest';
import type { Connector, FoundUser, UserRecord } from '../../connectors/contract.ts';
import { servicePrincipalOf } from '../../simulators/entra/assignments.ts';
import type { Simulator } from '../../simulators/start.ts';
import { ExternalId } from '../../src/domain/ids.ts';
import { failing, never } from './aSession.ts';
import { connected, everyUser, simulated } from './entraDirectory.ts';
import { type Answered, aGraph, aMember, aUser } from './entraHost.ts';

const assignedOnly = { appScope: { servicePrincipalId: servicePrincipalOf(1) } };
const permissions = ['User.Read.All', 'GroupMember.Read.All', 'Application.Read.All'];

const idOf = (record: UserRecord) => (record.kind === 'user' ? record.user.externalId : record.externalId);
const usersIn = (records: readonly UserRecord[]) =>
  records.flatMap((record) => (record.kind === 'user' ? [record.user] : []));
const livingIn = (records: readonly UserRecord[]) =>
  usersIn(records).filter(({ state }) => state !== 'deprovisioned');

async function lookedUp(connector: Connector, ids: readonly string[]) {
  const wanted = ids.map((id) => ExternalId.parse(id));
  const found = (await connector.lookUp?.(wanted, [], never)) ?? [];
  return new Map(
    found.map((one: FoundUser) => [String(one.kind === 'user' ? one.user.externalId : one.externalId), one]),
  );
}

/** Ids of those in scope and of those outside, among the first hundred of the living. */
async function inAndOut(simulator: Simulator, settings: object) {
  const all = livingIn(await everyUser(connected(simulator))).map(({ externalId }) => externalId);
  const named = new Set(
    livingIn(await everyUser(connected(simulator, { settings }))).map(({ externalId }) => externalId),
  );
  const some = all.slice(0, 100);
  return { all, named, in: some.filter((id) => named.has(id)), out: some.filter((id) => !named.has(id)) };
}

it('leaves guests out of lists and look-ups where the settings say so, the deleted ones too', async () => {
  const simulator = await simulated({ users: 300 });
  const everybody = usersIn(await everyUser(connected(simulator)));
  const guests = everybody.filter(({ userType }) => userType === 'guest').map(({ externalId }) => externalId);
  expect(guests.length).toBeGreaterThan(3);
  await simulator.control.leave(guests.slice(0, 1), 'delete');
  const settings = { guests: 'exclude' };
  const connector = connected(simulator, { settings });
  const named = usersIn(await everyUser(connector));
  expect(named.map(({ userType }) => userType)).not.toContain('guest');
  expect(named).toHaveLength(everybody.length - guests.length);
  const [member] = named;
  const found = await lookedUp(connector, [...guests.slice(0, 2), member?.externalId ?? '']);
  expect(guests.slice(0, 2).map((id) => found.get(id)?.kind)).toEqual(['out-of-scope', 'out-of-scope']);
  expect(found.get(member?.externalId ?? '')).toMatchObject({ kind: 'user' });
});

it('names only those assigned to the application, and the look-up tells the others from the deleted', async () => {
  const simulator = await simulated({ users: 300, permissions });
  const { named, in: within, out } = await inAndOut(simulator, assignedOnly);
  expect(named.size).toBeGreaterThan(10);
  expect(named.size).toBeLessThan(250);
  const connector = connected(simulator, { settings: assignedOnly });
  const found = await lookedUp(connector, [...within, ...out]);
  expect(within.map((id) => found.get(id)?.kind)).toEqual(within.map(() => 'user'));
  expect(out.map((id) => found.get(id)?.kind)).toEqual(out.map(() => 'out-of-scope'));
  const leavers = [within[1] ?? '', out[1] ?? ''];
  await simulator.control.leave(leavers, 'delete');
  const later = await lookedUp(connector, leavers);
  expect(leavers.map((id) => later.get(id))).toMatchObject(
    leavers.map(() => ({ kind: 'user', user: { state: 'deprovisioned' } })),
  );
  await simulator.control.leave(leavers, 'purge');
  const gone = await lookedUp(connector, leavers);
  expect(leavers.map((id) => gone.get(id)?.kind)).toEqual(['gone', 'gone']);
});

it('takes the direct members of an assigned group, and none of the groups inside it', async () => {
  const simulator = await simulated({ users: 300, permissions });
  const { group, added } = await simulator.control.changeGroup('Engineering', { add: 2 });
  const inner = await simulator.control.changeGroup('Design', {});
  const connector = connected(simulator, { settings: assignedOnly });
  const named = new Set<string>(livingIn(await everyUser(connector)).map(({ externalId }) => externalId));
  const membersOf = async (id: string) => {
    const { records } = await connector.fetchMembers(ExternalId.parse(id), null, never);
    return records.flatMap((member) => (member.kind === 'user' ? [String(member.externalId)] : []));
  };
  expect((await membersOf(group)).filter((id) => !named.has(id))).toEqual([]);
  expect(added.filter((id) => !named.has(id))).toEqual([]);
  expect((await membersOf(inner.group)).filter((id) => !named.has(id)).length).toBeGreaterThan(3);
});

it('asks for the assignments once a list, not once a page, and again after a restart', async () => {
  const simulator = await simulated({ users: 2_500, permissions });
  const connector = connected(simulator, { settings: assignedOnly });
  const all = await everyUser(connector);
  const { requests } = await simulator.control.state();
  expect(requests).toMatchObject({ other: 2, users: 5, user: 0, group: 0 });
  let page = await connector.fetchUsers(null, never);
  const before = [...page.records];
  page = await connector.fetchUsers(page.next, never);
  before.push(...page.records);
  await connector.close();
  const after = connected(simulator, { settings: assignedOnly });
  while (page.next !== null) {
    page = await after.fetchUsers(page.next, never);
    before.push(...page.records);
  }
  expect(before.map(idOf)).toEqual(all.map(idOf));
});

it('says which permission the assignments need', async () => {
  const simulator = await simulated({ users: 20 });
  const connector = connected(simulator, { settings: assignedOnly });
  const failure = await failing(everyUser(connector));
  expect(failure).toMatchObject({
    kind: 'permission-missing',
    message: expect.stringContaining('Application.Read.All'),
  });
});

it('lets a token for changes run out when the assignments are others, because no feed tells of them', async () => {
  const simulator = await simulated({ users: 300, permissions });
  const { changes } = connected(simulator, { settings: assignedOnly });
  if (changes === null) return expect.unreachable('there are no changes');
  const token = await changes.begin(never);
  const { added } = await simulator.control.changeGroup('Engineering', { add: 1 });
  const users = await changes.fetch(token, null, never);
  const groups = await changes.fetch(token, users.next, never);
  expect(groups.users).toEqual(expect.arrayContaining([...added]));
  const everybody = livingIn(await everyUser(connected(simulator)));
  await simulator.control.leave(
    everybody.slice(1, 120).map(({ externalId }) => externalId),
    'purge',
  );
  expect(await failing(changes.fetch(token, null, never))).toMatchObject({ kind: 'cursor-expired' });
  const { changes: elsewhere } = connected(simulator);
  expect(await failing(elsewhere?.fetch(token, null, never) ?? Promise.resolve())).toMatchObject({
    kind: 'cursor-expired',
  });
});

const SERVICE = { appScope: { servicePrincipalId: '0b2f6c1e-93d1-4a00-8c1b-0a6d5e4f3b21' } };
const assignment = (principalType: string, principalId: string) => ({ principalType, principalId });

/** A directory of three users: one assigned, one in the assigned group, one neither. */
async function listed(members: Answered, assignments: readonly unknown[]) {
  const graph = await aGraph(({ path, origin, query }) => {
    if (path.endsWith('/appRoleAssignedTo')) return { body: { value: assignments } };
    if (path === '/groups/g1/members' && query.has('$skiptoken'))
      return { body: { value: [aMember('user', 'u3')] } };
    if (path === '/groups/g1/members' && members?.status === undefined && members !== null) {
      return {
        body: { ...(members.body as object), '@odata.nextLink': `${origin}/v1.0${path}?$skiptoken=2` },
      };
    }
    if (path === '/groups/g1/members') return members;
    return { body: { value: path === '/users' ? ['u1', 'u2', 'u3', 'u4'].map((id) => aUser(id)) : [] } };
  });
  return (await everyUser(graph.connect(SERVICE))).map(idOf);
}
const both = [assignment('User', 'u1'), assignment('Group', 'g1'), assignment('ServicePrincipal', 'u4')];

it('reads all pages of an assigned group', async () => {
  const members = {
    body: { value: [aMember('user', 'u2'), aMember('device', 'u4'), aMember('group', 'g2')] },
  };
  expect(await listed(members, both)).toEqual(['u1', 'u2', 'u3']);
});

it('takes nobody for unassigned because something could not be read', async () => {
  const unreadable = { kind: 'unexpected-response' };
  const members = { body: { value: [aMember('user', 'u2')] } };
  expect(await failing(listed({ body: { value: [{ id: 'u2' }] } }, both))).toMatchObject(unreadable);
  expect(await failing(listed(members, [...both, {}]))).toMatchObject(unreadable);
  expect(await failing(listed({ status: 403, body: {} }, both))).toMatchObject({
    kind: 'permission-missing',
  });
  expect(await failing(listed({ status: 404, body: {} }, both))).toMatchObject({ kind: 'not-found' });
});

it('takes nobody for assigned through a group that is gone', async () => {
  expect(await listed(null, both)).toEqual(['u1']);
});

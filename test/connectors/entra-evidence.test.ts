import { expect, it } from 'vitest';
import { failing, never } from './aSession.ts';
import { connected, everyUser, simulated } from './entraDirectory.ts';

it('counts whom a full pull will name, and names the permissions that it needs in their order', async () => {
  const simulator = await simulated({ users: 120, permissions: ['User.Read.All', 'GroupMember.Read.All'] });
  const connector = connected(simulator);
  const { length } = await everyUser(connector);
  expect(length).toBeGreaterThan(120);
  const permissions = ['GroupMember.Read.All', 'User.Read.All'];
  expect(await connector.evidence(never)).toEqual({ users: length, permissions });
});

it.each([{ guests: 'exclude' }, { appScope: { servicePrincipalId: crypto.randomUUID() } }])(
  'knows no number that fits where the settings leave somebody out: %j',
  async (settings) => {
    const evidence = await connected(await simulated(), { settings }).evidence(never);
    expect(evidence.users).toBeNull();
  },
);

it('knows no number where counting is refused, and fails where Graph cannot be reached', async () => {
  const simulator = await simulated();
  const connector = connected(simulator);
  await simulator.control.fault({ name: 'status-403', times: null });
  expect(await connector.evidence(never)).toMatchObject({
    users: null,
    permissions: [expect.any(String), 'User.Read.All'],
  });
  await simulator.control.clearFaults();
  await simulator.control.fault({ name: 'status-503', times: null });
  expect(await failing(connector.evidence(never))).toMatchObject({ kind: 'unavailable', status: 503 });
});

it('tells a token without any permission from one that cannot be read', async () => {
  const simulator = await simulated({ permissions: [] });
  expect(await connected(simulator).evidence(never)).toEqual({ users: null, permissions: [] });
});

const appScope = { servicePrincipalId: crypto.randomUUID() };
const LEAST = ['GroupMember.Read.All', 'User.Read.All'];

it.each<[string, readonly string[], object, readonly string[]]>([
  [
    'what has nothing to do with reading people is left out',
    [...LEAST, 'Mail.Read', 'AuditLog.Read.All'],
    {},
    LEAST,
  ],
  ['what only an application as the scope needs is left out', [...LEAST, 'Application.Read.All'], {}, LEAST],
  [
    'with an application as the scope, it is there',
    [...LEAST, 'Application.Read.All'],
    { appScope },
    ['Application.Read.All', ...LEAST],
  ],
  ['a permission that gives more counts as what is needed of it', ['Directory.Read.All'], {}, LEAST],
  [
    'with an application as the scope, too',
    ['Directory.Read.All'],
    { appScope },
    ['Application.Read.All', ...LEAST],
  ],
  ['one of several that give the same is enough', ['User.ReadWrite.All', 'Group.Read.All'], {}, LEAST],
  [
    'basic profiles are not what is needed',
    ['User.ReadBasic.All', 'GroupMember.Read.All'],
    {},
    ['GroupMember.Read.All'],
  ],
  [
    'hidden memberships need a permission of their own, without which nothing is refused',
    ['Directory.Read.All', 'Member.Read.Hidden'],
    {},
    ['GroupMember.Read.All', 'Member.Read.Hidden', 'User.Read.All'],
  ],
])('of permissions: %s', async (_, granted, settings, permissions) => {
  const simulator = await simulated({ users: 3, permissions: granted });
  expect((await connected(simulator, { settings }).evidence(never)).permissions).toEqual(permissions);
});

import { expect, it } from 'vitest';
import { failing, never } from './aSession.ts';
import { connected, everyUser, simulated } from './entraDirectory.ts';

it('counts whom a full pull will name, and names the permissions of the token in their order', async () => {
  const simulator = await simulated({ users: 120, permissions: ['User.Read.All', 'Group.Read.All'] });
  const connector = connected(simulator);
  const { length } = await everyUser(connector);
  expect(length).toBeGreaterThan(120);
  const permissions = ['Group.Read.All', 'User.Read.All'];
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

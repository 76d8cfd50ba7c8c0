import { describe, expect, it, onTestFinished } from 'vitest';
import { connectorConformance } from '../../connectors/conformance.ts';
import { type Connector, ConnectorError } from '../../connectors/contract.ts';
import { googleDefinition, openGoogle } from '../../connectors/google/index.ts';
import { type Simulator, type SimulatorOptions, startSimulator } from '../../simulators/start.ts';
import { allPages } from './oktaOrg.ts';

const PAGE_SIZE = 500;
const signal = new AbortController().signal;

const optionsFor = ({ settings, credentials, origin, ca }: Simulator) => ({
  settings: googleDefinition.settings.parse(settings),
  credentials: googleDefinition.credentials.parse(credentials),
  network: { baseUrl: origin, ca, proxy: null },
});

connectorConformance(
  'Google',
  async ({ pages }) => {
    const simulator = await startSimulator('google', { users: pages * PAGE_SIZE - PAGE_SIZE / 2, seed: 7 });
    const options = optionsFor(simulator);
    return {
      connect: (tuning) => openGoogle(options, tuning),
      control: simulator.control,
      secrets: [
        String(simulator.credentials['privateKey']).split('\n')[1] ?? '',
        options.settings.adminEmail,
      ],
      close: simulator.close,
    };
  },
  // Google leaves the list out of every empty page: what is refused without a list is in google.test.ts.
  { abilities: googleDefinition.abilities, cannot: ['links', 'list-key-missing'] },
);

async function simulated(options: SimulatorOptions): Promise<{ simulator: Simulator; connector: Connector }> {
  const simulator = await startSimulator('google', options);
  onTestFinished(() => simulator.close());
  const connector = openGoogle(optionsFor(simulator), { maxRetries: 1, share: 1 });
  onTestFinished(() => connector.close());
  return { simulator, connector };
}

describe('against a simulated account', () => {
  it('a page whose token leads to itself ends the listing with an error', async () => {
    const { simulator, connector } = await simulated({ users: 1_200 });
    const { next: living } = await connector.fetchUsers(null, signal);
    const { next } = await connector.fetchUsers(living, signal);
    await simulator.control.fault({ name: 'looping-link' });
    await expect(connector.fetchUsers(next, signal)).rejects.toMatchObject({
      failure: { kind: 'unexpected-response' },
    });
  });

  it('a page token that Google does not know starts the list again', async () => {
    const { connector } = await simulated({ users: 20 });
    await expect(connector.fetchUsers('live:0::unknown', signal)).rejects.toMatchObject({
      failure: { kind: 'cursor-expired', status: 400 },
    });
  });

  it('a full pull takes no more requests than its pages, its groups, and five', async () => {
    const { simulator, connector } = await simulated({ users: 1_730, seed: 9, groups: 60 });
    await connector.evidence(signal);
    await connector.changes?.begin(signal);
    const users = await allPages((cursor) => connector.fetchUsers(cursor, signal));
    const groups = await allPages((cursor) => connector.fetchGroups(cursor, signal));
    let memberships = 0;
    for (const record of groups) {
      if (record.kind !== 'group') return expect.unreachable('a group cannot be read');
      const { externalId } = record.group;
      memberships += (await allPages((cursor) => connector.fetchMembers(externalId, cursor, signal))).length;
    }
    const { requests } = await simulator.control.state();
    const sent = Object.values(requests).reduce((sum, count) => sum + count, 0);
    expect(connector.usage().requests).toBe(sent);
    expect(sent).toBeLessThanOrEqual(
      Math.ceil(users.length / 500) + Math.ceil(memberships / 200) + groups.length + 5,
    );
    expect(groups).toHaveLength(60);
  });

  it('the group of the whole account holds everyone, not a list of users', async () => {
    const { connector } = await simulated({ users: 20 });
    const { records } = await connector.fetchGroups(null, signal);
    const members = await Promise.all(
      records.map((record) =>
        record.kind === 'group'
          ? connector.fetchMembers(record.group.externalId, null, signal)
          : expect.unreachable('a group cannot be read'),
      ),
    );
    expect(members.flatMap((page) => page.records).some(({ kind }) => kind === 'everyone')).toBe(true);
  });
});

describe('the check of a connection to a simulated account', () => {
  const scope = (name: string) => `https://www.googleapis.com/auth/admin.directory.${name}.readonly`;
  const stepsOf = async (connector: Connector) => {
    const steps = [];
    for await (const step of googleDefinition.check(connector, signal)) steps.push(step);
    return steps;
  };

  it('passes with the three scopes that the README asks for', async () => {
    const permissions = [scope('user'), scope('group'), scope('group.member')];
    const { connector } = await simulated({ users: 20, permissions });
    const steps = await stepsOf(connector);
    const needed = steps.filter(({ optional }) => optional === undefined);
    expect(needed.filter(({ ok }) => !ok)).toEqual([]);
    expect(needed.filter(({ step }) => step === 'permission').map(({ detail }) => detail)).toEqual(
      permissions,
    );
  });

  it('names the one scope that is not delegated, and all of them in the remedy', async () => {
    const { connector } = await simulated({ users: 20, permissions: [scope('user'), scope('group')] });
    const steps = await stepsOf(connector);
    const [missing, ...others] = steps.filter(({ ok, optional }) => !ok && optional === undefined);
    expect(missing).toMatchObject({ step: 'permission', detail: scope('group.member') });
    expect(others).toEqual([]);
    for (const name of ['user', 'group', 'group.member']) expect(missing?.remedy).toContain(scope(name));
  });

  it('ends at the credential when the administrator is not one of the account', async () => {
    const simulator = await startSimulator('google', { users: 20 });
    onTestFinished(() => simulator.close());
    const options = optionsFor(simulator);
    const settings = { ...options.settings, adminEmail: 'nobody@example.com' };
    const connector = openGoogle({ ...options, settings });
    onTestFinished(() => connector.close());
    expect((await stepsOf(connector)).at(-1)).toMatchObject({ step: 'credential', ok: false });
    await expect(connector.fetchGroups(null, signal)).rejects.toBeInstanceOf(ConnectorError);
  });
});

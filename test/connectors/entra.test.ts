import { readFileSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { connectorConformance, type Simulated } from '../../connectors/conformance.ts';
import { Network } from '../../connectors/contract.ts';
import { entraDefinition, openEntra } from '../../connectors/entra/index.ts';
import { living } from '../../connectors/entra/positions.ts';
import { openKeys } from '../../simulators/certificates.ts';
import { startSimulator } from '../../simulators/start.ts';
import { DirectoryUser } from '../../src/domain/directory.ts';
import { ExternalId } from '../../src/domain/ids.ts';
import { failing, never } from './aSession.ts';
import { connected, connectingTo, simulated } from './entraDirectory.ts';
import { aProxy } from './httpsHost.ts';

connectorConformance(
  'Entra ID',
  async ({ pages }): Promise<Simulated> => {
    const simulator = await startSimulator('entra', { users: 999 * (pages - 1) + 1 });
    const { control } = simulator;
    return {
      connect: (tuning) => openEntra(connectingTo(simulator), tuning),
      control,
      secrets: [String(simulator.credentials['clientSecret'])],
      close: () => simulator.close(),
    };
  },
  { abilities: entraDefinition.abilities, cannot: [] },
);

describe('signing in', () => {
  it('works with a certificate', async () => {
    const simulator = await simulated();
    const credentials = simulator.alternativeCredentials ?? {};
    // The library rounds "not before" to the nearest second, and the simulator takes it by the letter.
    await expect.poll(() => Date.now() % 1000, { interval: 20, timeout: 3_000 }).toBeLessThan(300);
    const connector = openEntra({
      ...connectingTo(simulator),
      credentials: entraDefinition.credentials.parse(credentials),
    });
    onTestFinished(() => connector.close());
    expect((await connector.fetchUsers(living, never)).records).toHaveLength(20);
  });

  it('says when a certificate ends, and of a secret that it does not know', async () => {
    const { clientCertificate, clientKey, validUntil } = await openKeys(null);
    const expiry = (given: object) =>
      entraDefinition.credentialExpiresAt?.(entraDefinition.credentials.parse(given)) ?? null;
    const end = expiry({ kind: 'certificate', pem: `${clientCertificate}\n${clientKey}` });
    expect(end?.getTime()).toBe(Math.floor(validUntil / 1000) * 1000);
    expect(expiry({ kind: 'secret', clientSecret: 'a-secret' })).toBe(null);
  });

  it.each([
    [
      'another secret',
      { credentials: { clientSecret: 'hunter2-hunter2' } },
      'AADSTS7000215',
      'Certificates & secrets',
    ],
    ['another application', { settings: { clientId: crypto.randomUUID() } }, 'AADSTS700016', 'clientId'],
    ['another directory', { settings: { directoryId: crypto.randomUUID() } }, 'AADSTS90002', 'directoryId'],
  ])('with %s is refused, and says what to do', async (_, connecting, code, remedy) => {
    const failure = await failing(connected(await simulated(), connecting).fetchUsers(null, never));
    expect(failure).toMatchObject({ kind: 'credentials-rejected', message: expect.stringContaining(code) });
    expect(failure.remedy).toContain(remedy);
  });

  it('asks for one token, not for one a page', async () => {
    const simulator = await simulated();
    const connector = connected(simulator);
    for (let page = 0; page < 3; page++) await connector.fetchUsers(null, never);
    expect((await simulator.control.state()).requests).toMatchObject({ users: 3, token: 1, discovery: 0 });
  });

  it.each([
    ['global', 'login.microsoftonline.com'],
    ['us-gov', 'login.microsoftonline.us'],
    ['us-dod', 'login.microsoftonline.us'],
    ['china', 'login.chinacloudapi.cn'],
  ])('in the cloud %s asks %s and nobody else', async (cloud, authority) => {
    const proxy = await aProxy(null, 403);
    const id = crypto.randomUUID();
    const options = {
      settings: entraDefinition.settings.parse({ directoryId: id, clientId: id, cloud }),
      credentials: { kind: 'secret' as const, clientSecret: 'hunter2-hunter2' },
      network: Network.parse({ proxy: `http://${proxy.url}` }),
    };
    const connector = openEntra(options);
    onTestFinished(() => connector.close());
    expect(await failing(connector.fetchUsers(null, never))).toMatchObject({ kind: 'misconfigured' });
    expect(proxy).toMatchObject({ tunnels: [], refused: [`${authority}:443`] });
  });

  it.each([
    ['no certificate', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----'],
    ['nothing of the kind', 'hunter2-hunter2'],
  ])('needs a PEM that is more than %s', (_, pem) => {
    const parsed = entraDefinition.credentials.safeParse({ kind: 'certificate', pem });
    expect(parsed.error?.issues).toMatchObject([{ path: ['pem'] }]);
    expect(JSON.stringify(parsed.error)).not.toContain('hunter2');
  });
});

const placeOfUsers = (link: string) => JSON.stringify({ list: 'living', since: 0, link });

describe('reading', () => {
  it('gives users that hold what a directory user has to', async () => {
    const simulator = await simulated({ users: 300 });
    const { records } = await connected(simulator).fetchUsers(living, never);
    const users = records.flatMap((record) =>
      record.kind === 'user' ? [DirectoryUser.parse(record.user)] : [],
    );
    expect(users).toHaveLength(300);
    expect(new Set(users.map(({ state }) => state))).toEqual(new Set(['active', 'suspended']));
    expect(new Set(users.map(({ userType }) => userType))).toEqual(new Set(['member', 'guest']));
    const ids = new Set<string>(users.map(({ externalId }) => externalId));
    const managers = users.flatMap(({ manager }) => manager ?? []);
    expect(managers.length).toBeGreaterThan(100);
    expect(managers.filter((manager) => !ids.has(manager))).toEqual([]);
  });

  it('takes nobody for active when the lost permission hides accountEnabled', async () => {
    const simulator = await simulated();
    await simulator.control.fault({ name: 'permission-lost' });
    const { records } = await connected(simulator).fetchUsers(living, never);
    expect(records).toHaveLength(20);
    for (const record of records) {
      expect(record).toMatchObject({ kind: 'unreadable', externalId: expect.any(String) });
      expect(record).toMatchObject({ problem: expect.stringContaining('accountEnabled') });
    }
  });

  it('calls a page token that has run out what it is', async () => {
    const simulator = await simulated();
    const link = `${simulator.origin}/v1.0/users?$top=999&$skiptoken=long-gone`;
    for (const cursor of [placeOfUsers(link), 'of nobody’s making']) {
      expect(await failing(connected(simulator).fetchUsers(cursor, never))).toMatchObject({
        kind: 'cursor-expired',
      });
    }
  });

  it.each([
    ['status-404', 'not-found'],
    ['status-403', 'permission-missing'],
  ] as const)(
    "calls %s on any page of one group's members %s, and names the exchange",
    async (name, kind) => {
      const simulator = await simulated();
      const group = ExternalId.parse(crypto.randomUUID());
      const inTheMiddle = `${simulator.origin}/v1.0/groups/${group}/transitiveMembers?$top=999&$skiptoken=x`;
      for (const cursor of [null, inTheMiddle]) {
        await simulator.control.fault({ name, on: 'members' });
        const failure = await failing(connected(simulator).fetchMembers(group, cursor, never));
        expect(failure).toMatchObject({ kind, requestId: expect.any(String) });
      }
    },
  );

  it.each(['https://evil.example/v1.0/users', 'ORIGIN/beta/users', 'ORIGIN/_control/state', 'nonsense'])(
    'refuses the cursor %s before a token is asked for',
    async (link) => {
      const simulator = await simulated();
      const cursor = placeOfUsers(link.replace('ORIGIN', simulator.origin));
      expect(await failing(connected(simulator).fetchUsers(cursor, never))).toMatchObject({
        kind: 'foreign-link',
      });
      expect((await simulator.control.state()).requests).toMatchObject({ token: 0, users: 0 });
    },
  );

  it('does not follow a next link that leads to its own page', async () => {
    const simulator = await simulated({ users: 1_200 });
    const connector = connected(simulator);
    const first = await connector.fetchUsers(living, never);
    await simulator.control.fault({ name: 'looping-link' });
    const failure = await failing(connector.fetchUsers(first.next, never));
    expect(failure).toMatchObject({
      kind: 'unexpected-response',
      message: expect.stringContaining('same page'),
    });
  });
});

it('documents every field of a directory user', () => {
  const readme = readFileSync(new URL('../../connectors/entra/README.md', import.meta.url), 'utf8');
  const documented = [...readme.matchAll(/^\| `(\w+)` *\|/gm)].map(([, field]) => field);
  expect(documented).toEqual(expect.arrayContaining(Object.keys(DirectoryUser.shape)));
});

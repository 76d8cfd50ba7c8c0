import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { expect, it, onTestFinished } from 'vitest';
import type { UserRecord } from '../../connectors/contract.ts';
import { openLdap } from '../../connectors/ldap/index.ts';
import { LdapCredentials, LdapSettings } from '../../connectors/ldap/settings.ts';
import { populatedDomain } from '../../simulators/ldap/populated.ts';
import { startDomainController } from '../../simulators/ldap/server.ts';
import { never } from '../connectors/aSession.ts';
import { allPages } from '../connectors/oktaOrg.ts';

type Line = { ca: string; origin: string; settings: unknown; credentials: unknown };

async function start(...args: string[]) {
  const child = spawn(process.execPath, ['simulators/main.ts', 'ldap', ...args], { stdio: 'pipe' });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const text = await new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).once('line', resolve);
    child.once('close', () => reject(new Error('It ended before it was ready.')));
  });
  return { child, ended, line: JSON.parse(text) as Line };
}

function connectorTo({ settings, credentials, ca }: Line) {
  const connector = openLdap(
    {
      settings: LdapSettings.parse(settings),
      credentials: LdapCredentials.parse(credentials),
      network: { baseUrl: null, ca, proxy: null },
    },
    { timeoutMs: 5_000, maxRetries: 2, sleep: async () => {}, clock: Date.now },
  );
  onTestFinished(() => connector.close());
  return connector;
}

async function everybodyIn(line: Line): Promise<readonly UserRecord[]> {
  const connector = connectorTo(line);
  return allPages((cursor) => connector.fetchUsers(cursor, never));
}

it('A domain of its own is read with what the command line prints, and ends with Ctrl-C', async () => {
  const { child, ended, line } = await start('--users', '1100', '--seed', '7');
  expect(line).toMatchObject({
    provider: 'ldap',
    origin: expect.stringMatching(/^ldaps:\/\/localhost:\d+$/),
    ca: expect.stringContaining('BEGIN CERTIFICATE'),
  });
  const users = (await everybodyIn(line)).flatMap((one) => (one.kind === 'user' ? one.user : []));
  expect(users).toHaveLength(1_100);
  expect(new Set(users.map(({ state }) => state))).toEqual(new Set(['active', 'suspended']));
  const ids = new Set(users.map(({ externalId }) => externalId));
  const managed = users.flatMap(({ manager }) => manager ?? []);
  expect(managed.length).toBeGreaterThan(1_000);
  child.kill('SIGINT');
  expect(await ended).toBe(0);
  expect(ids.size).toBe(1_100);
});

it('The same seed gives the same people, ids and groups, and another one others', async () => {
  const look = async (seed: number) => {
    const controller = await startDomainController({ domain: populatedDomain({ users: 60, seed }) });
    onTestFinished(() => controller.close());
    const names = [...controller.domain.objects.values()].map(({ dn, guid }) => [dn, guid.toString('hex')]);
    return { names, usn: controller.domain.usn, invocation: controller.domain.invocation };
  };
  const [first, again, other] = [await look(3), await look(3), await look(4)];
  expect(again).toEqual(first);
  expect(other.names).not.toEqual(first.names);
});

it('No two entries of a domain have the same name or account', () => {
  const { objects } = populatedDomain({ users: 3_000 });
  const dns = [...objects.values()].map(({ dn }) => dn.toLowerCase());
  expect(new Set(dns).size).toBe(dns.length);
  const accounts = [...objects.values()].flatMap(({ attributes }) => {
    return attributes.get('samaccountname')?.values.map(String) ?? [];
  });
  expect(accounts.length).toBe(3_000);
  expect(new Set(accounts).size).toBe(accounts.length);
  expect(Math.max(...accounts.map(({ length }) => length))).toBeLessThanOrEqual(20);
});

/** Signing in as the machine: by an assertion in a file, and by a managed identity. */
import { createPrivateKey } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ConnectorError } from '../../connectors/contract.ts';
import { entraDefinition, entraDefinitionWith, openEntra } from '../../connectors/entra/index.ts';
import { type MachineIdentity, noMachine } from '../../connectors/entra/machine.ts';
import { living } from '../../connectors/entra/positions.ts';
import { openSession } from '../../connectors/session.ts';
import { FEDERATED } from '../../simulators/entra/token.ts';
import type { Simulator } from '../../simulators/start.ts';
import { failing, never } from './aSession.ts';
import { connectingTo, simulated } from './entraDirectory.ts';
import { listening } from './httpsHost.ts';

const KEY = 'the operator’s own key, hunter2-hunter2';

async function aFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-entra-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

async function assertionFor(
  simulator: Simulator,
  changes: { subject?: string; expires?: string } = {},
): Promise<string> {
  const pem = simulator.alternativeCredentials?.['pem'] ?? '';
  return new SignJWT()
    .setProtectedHeader({ alg: 'RS256', kid: 'platform' })
    .setIssuer(FEDERATED.issuer)
    .setSubject(changes.subject ?? FEDERATED.subject)
    .setAudience(FEDERATED.audience)
    .setExpirationTime(changes.expires ?? '10m')
    .sign(createPrivateKey(pem.slice(pem.indexOf('-----BEGIN PRIVATE KEY'))));
}

type Signing =
  | { readonly kind: 'federated' }
  | { readonly kind: 'managed-identity'; readonly identity?: 'system' };

function connected(simulator: Simulator, how: Signing, machine: Partial<MachineIdentity>, identityKey = KEY) {
  const options = {
    ...connectingTo(simulator),
    credentials: entraDefinition.credentials.parse({ ...how, identityKey }),
  };
  const connector = openEntra(options, { maxRetries: 0 }, { ...noMachine, key: KEY, ...machine });
  onTestFinished(() => connector.close());
  return connector;
}

const federated = { kind: 'federated' } as const;

describe('an assertion in a file', () => {
  it('signs in, and is read anew for each token', async () => {
    const simulator = await simulated();
    const assertionFile = join(await aFolder(), 'token');
    await writeFile(assertionFile, `${await assertionFor(simulator)}\n`);
    const connector = connected(simulator, federated, { assertionFile });
    expect((await connector.fetchUsers(living, never)).records).toHaveLength(20);
    await writeFile(assertionFile, await assertionFor(simulator, { expires: '-1h' }));
    expect((await connector.fetchUsers(living, never)).records).toHaveLength(20);
    await simulator.control.expireTokens();
    expect(await failing(connector.fetchUsers(living, never))).toMatchObject({
      kind: 'credentials-rejected',
    });
    await writeFile(assertionFile, await assertionFor(simulator));
    expect((await connector.fetchUsers(living, never)).records).toHaveLength(20);
  });

  it('of another workload is refused, and says where what it has to be is written down', async () => {
    const simulator = await simulated();
    const assertionFile = join(await aFolder(), 'token');
    await writeFile(
      assertionFile,
      await assertionFor(simulator, { subject: 'system:serviceaccount:other:worker' }),
    );
    const failure = await failing(connected(simulator, federated, { assertionFile }).fetchUsers(null, never));
    expect(failure).toMatchObject({
      kind: 'credentials-rejected',
      message: expect.stringContaining('AADSTS700213'),
    });
    expect(failure.remedy).toContain('Federated credentials');
  });

  it.each([
    ['no file is named', null],
    ['the file is not there', 'missing'],
    ['the file is empty', 'empty'],
  ])('is missed clearly where %s', async (_, name) => {
    const simulator = await simulated();
    const folder = await aFolder();
    await writeFile(join(folder, 'empty'), ' \n');
    const assertionFile = name === null ? null : join(folder, name);
    const failure = await failing(connected(simulator, federated, { assertionFile }).fetchUsers(null, never));
    expect(failure).toMatchObject({
      kind: 'misconfigured',
      message: expect.stringContaining('AZURE_FEDERATED_TOKEN_FILE'),
    });
    expect((await simulator.control.state()).requests).toMatchObject({ token: 0, users: 0 });
  });
});

/** A platform's endpoint for managed identities: plain HTTP on this machine. It gives out tokens of the simulated directory. */
async function aPlatform(simulator: Simulator, answer: (given: object) => { status: number; body: unknown }) {
  const asked: { url: URL; header: unknown }[] = [];
  const server = createServer((request, response) => {
    asked.push({ url: new URL(request.url ?? '', 'http://x'), header: request.headers['x-identity-header'] });
    void tokenOf(simulator).then((access_token) => {
      const expires_on = String(Math.floor(Date.now() / 1000) + 3600);
      const { status, body } = answer({ access_token, expires_on, token_type: 'Bearer' });
      response.writeHead(status).end(JSON.stringify(body));
    });
  });
  const port = await listening(server);
  onTestFinished(() => void server.close());
  return { asked, endpoint: { url: `http://127.0.0.1:${port}/msi/token`, header: 'shown' } };
}

/** Got as the simulator's own application would. */
async function tokenOf(simulator: Simulator): Promise<string> {
  const { network } = connectingTo(simulator);
  const session = openSession({ origins: [simulator.origin], network });
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: String(simulator.settings['clientId']),
    client_secret: String(simulator.credentials['clientSecret']),
    scope: 'https://graph.microsoft.com/.default',
  });
  const url = `${simulator.origin}/${simulator.settings['directoryId']}/oauth2/v2.0/token`;
  const answer = await session.request({ method: 'POST', url, body: form.toString(), signal: never });
  await session.close();
  return (JSON.parse(answer.body.toString()) as { access_token: string }).access_token;
}

const managed = { kind: 'managed-identity' } as const;

describe('a managed identity', () => {
  it('gets its tokens from the platform, for Graph, as the identity that the settings name or as the machine', async () => {
    const simulator = await simulated();
    const { asked, endpoint } = await aPlatform(simulator, (body) => ({ status: 200, body }));
    const connector = connected(simulator, managed, { endpoint });
    for (let page = 0; page < 2; page++) await connector.fetchUsers(living, never);
    await simulator.control.expireTokens();
    expect((await connector.fetchUsers(living, never)).records).toHaveLength(20);
    await connected(simulator, { ...managed, identity: 'system' }, { endpoint }).fetchUsers(living, never);
    const resource = 'https://graph.microsoft.com';
    const clientIds = asked.map(({ url }) => url.searchParams.get('client_id'));
    expect(clientIds).toEqual([simulator.settings['clientId'], simulator.settings['clientId'], null]);
    for (const { url, header } of asked) {
      expect(url.searchParams.get('resource')).toBe(resource);
      expect(url.searchParams.get('api-version')).toBe('2019-08-01');
      expect(header).toBe('shown');
    }
  });

  it('of another directory than the settings name reads nothing', async () => {
    const simulator = await simulated();
    const tid = crypto.randomUUID();
    const token = `a.${Buffer.from(JSON.stringify({ tid })).toString('base64url')}.c`;
    const { endpoint } = await aPlatform(simulator, (body) => ({
      status: 200,
      body: { ...body, access_token: token },
    }));
    const failure = await failing(connected(simulator, managed, { endpoint }).fetchUsers(null, never));
    expect(failure).toMatchObject({
      kind: 'misconfigured',
      message: expect.stringContaining('another directory'),
    });
    expect((await simulator.control.state()).requests.users).toBe(0);
  });

  it.each([
    ['refuses', 400, { error: 'invalid_request', error_description: 'hunter2-hunter2' }],
    ['gives something else', 200, { secret: 'hunter2-hunter2' }],
  ])('says what to do where the platform %s', async (_, status, body) => {
    const simulator = await simulated();
    const { endpoint } = await aPlatform(simulator, () => ({ status, body }));
    const failure = await failing(connected(simulator, managed, { endpoint }).fetchUsers(null, never));
    expect(failure).toMatchObject({
      kind: 'credentials-rejected',
      remedy: expect.stringContaining('Identity'),
    });
  });

  it('says that it exists only in Azure where there is no platform', async () => {
    const simulator = await simulated();
    const { endpoint } = await aPlatform(simulator, (body) => ({ status: 200, body }));
    const nowhere = { ...endpoint, url: 'http://127.0.0.1:1/msi/token' };
    const failure = await failing(
      connected(simulator, managed, { endpoint: nowhere }).fetchUsers(null, never),
    );
    expect(failure).toMatchObject({
      kind: 'unavailable',
      remedy: expect.stringContaining('only on machines'),
    });
  });
});

describe('the identity of the machine', () => {
  it.each<[string, Partial<MachineIdentity>, string]>([
    ['nobody, where the operator lends it to nobody', { key: null }, KEY],
    ['nobody with another key', {}, 'another key of hunter2-hunter2'],
  ])('is for %s', async (_, machine, key) => {
    const simulator = await simulated();
    for (const how of [federated, managed]) {
      const opening = () => connected(simulator, how, { assertionFile: '/etc/hostname', ...machine }, key);
      expect(opening).toThrow(ConnectorError);
      expect(opening).toThrow('may not sign in as the machine');
    }
  });

  it('is asked for with a key that is part of the credential', () => {
    for (const how of [federated, managed]) {
      expect(entraDefinition.credentials.safeParse(how).error?.issues).toMatchObject([
        { path: ['identityKey'] },
      ]);
    }
    expect(entraDefinitionWith(noMachine).abilities).toEqual(entraDefinition.abilities);
  });
});

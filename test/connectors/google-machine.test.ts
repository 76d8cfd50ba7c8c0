/** Signing in without a key of the service account, against a simulated workload identity pool. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { importPKCS8, SignJWT } from 'jose';
import { describe, expect, it, onTestFinished } from 'vitest';
import { googleDefinition, openGoogle } from '../../connectors/google/index.ts';
import { type MachineIdentity, noMachine } from '../../connectors/google/machine.ts';
import { platformIssuer } from '../../simulators/google/google.ts';
import { type Simulator, startSimulator } from '../../simulators/start.ts';
import { failing } from './aSession.ts';
import { type Answered, closedAfterEach, nobody } from './googleAccount.ts';

const signal = new AbortController().signal;
const { account, closing } = closedAfterEach();

const keyless = ({ alternativeCredentials }: Simulator) => {
  if (alternativeCredentials === null) throw new Error('the simulator takes a keyless sign-in');
  return alternativeCredentials;
};

async function simulated() {
  const simulator = await startSimulator('google', { users: 30, seed: 2 });
  onTestFinished(() => simulator.close());
  return simulator;
}

/** The file in which a platform would keep its token. */
async function tokenFile(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rollcall-google-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'token');
  await writeFile(file, text);
  return file;
}

async function platformToken(simulator: Simulator, changes: { issuer?: string; audience?: string } = {}) {
  const key = await importPKCS8(String(simulator.credentials['privateKey']), 'RS256');
  return new SignJWT()
    .setProtectedHeader({ alg: 'RS256' })
    .setIssuer(changes.issuer ?? platformIssuer)
    .setAudience(changes.audience ?? String(keyless(simulator)['audience']))
    .setExpirationTime('10m')
    .sign(key);
}

async function machineOf(simulator: Simulator, token?: string): Promise<MachineIdentity> {
  const text = token ?? (await platformToken(simulator));
  return { key: String(keyless(simulator)['identityKey']), tokenFile: await tokenFile(`${text}\n`) };
}

function connected(
  simulator: Simulator,
  machine: MachineIdentity,
  credentials: Readonly<Record<string, unknown>> = keyless(simulator),
) {
  const connector = openGoogle(
    {
      settings: googleDefinition.settings.parse(simulator.settings),
      credentials: googleDefinition.credentials.parse(credentials),
      network: { baseUrl: simulator.origin, ca: simulator.ca, proxy: null },
    },
    { maxRetries: 0 },
    machine,
  );
  onTestFinished(() => connector.close());
  return connector;
}

const pool = '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q';
const configuration = {
  universe_domain: 'googleapis.com',
  type: 'external_account',
  audience: pool,
  subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
  token_url: 'https://sts.googleapis.com/v1/token',
  service_account_impersonation_url:
    'https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/rollcall@project.iam.gserviceaccount.com:generateAccessToken',
  credential_source: { file: '/var/run/token' },
};

describe('signing in without a key', () => {
  it('reads the account in the administrator’s name, with a token of the platform signed for by Google', async () => {
    const simulator = await simulated();
    const connector = connected(simulator, await machineOf(simulator));
    const { next } = await connector.fetchUsers(null, signal);
    expect((await connector.fetchUsers(next, signal)).records).toHaveLength(30);
    await connector.fetchGroups(null, signal);
    expect((await connector.evidence(signal)).permissions).toContain('isAdmin');
    expect((await simulator.control.state()).requests['token']).toBe(3);
  });

  it('gets new tokens when the old ones have expired', async () => {
    const simulator = await simulated();
    const connector = connected(simulator, await machineOf(simulator));
    await connector.fetchUsers(null, signal);
    await simulator.control.expireTokens();
    expect((await connector.fetchGroups(null, signal)).records.length).toBeGreaterThan(0);
  });

  it('takes the configuration of the provider as downloaded, but for where its token is', () => {
    const identityKey = 'lent-by-the-operator';
    const taken = googleDefinition.credentials.parse({ ...configuration, identityKey });
    expect(taken).toEqual({
      kind: 'workload-identity',
      clientEmail: 'rollcall@project.iam.gserviceaccount.com',
      audience: pool,
      tokenType: 'jwt',
      identityKey,
    });
    expect(googleDefinition.credentials.parse(taken)).toEqual(taken);
    expect(googleDefinition.credentials.safeParse(configuration).success).toBe(false);
  });

  it.each([
    ['a pool of people', { audience: '//iam.googleapis.com/locations/global/workforcePools/p/providers/q' }],
    ['another address', { audience: 'https://elsewhere.example/' }],
    ['no service account', { service_account_impersonation_url: 'https://elsewhere.example/' }],
    [
      'a kind of token that needs another protocol',
      { subject_token_type: 'urn:ietf:params:aws:token-type:aws4_request' },
    ],
  ])('does not take %s', (_, changes) => {
    const given = { ...configuration, identityKey: 'lent-by-the-operator', ...changes };
    expect(googleDefinition.credentials.safeParse(given).success).toBe(false);
  });
});

describe('nobody signs in as the machine', () => {
  it.each<[string, Partial<MachineIdentity>, string]>([
    ['where the operator lends it to nobody', { key: null }, 'ROLLCALL_GOOGLE_IDENTITY_KEY'],
    ['with another key than the operator’s', { key: 'another-key-of-the-operator' }, 'identityKey'],
    ['without a token of the platform', { tokenFile: null }, 'into a file'],
    ['whose token cannot be read', { tokenFile: '/nowhere/token' }, 'rights of the process'],
  ])('%s', async (_, changes, remedy) => {
    const simulator = await simulated();
    const machine = { ...noMachine, ...(await machineOf(simulator)), ...changes };
    const failure = await failing(connected(simulator, machine).fetchUsers(null, signal));
    expect(failure).toMatchObject({ kind: 'misconfigured', remedy: expect.stringContaining(remedy) });
    expect(JSON.stringify(failure)).not.toMatch(/simulated-machine|another-key|nowhere/);
    expect((await simulator.control.state()).requests['token']).toBe(0);
  });

  it.each([
    ['another issuer', { issuer: 'https://elsewhere.example' }],
    ['another audience', { audience: 'elsewhere' }],
  ])('with a token of %s', async (_, changes) => {
    const simulator = await simulated();
    const machine = await machineOf(simulator, await platformToken(simulator, changes));
    const failure = await failing(connected(simulator, machine).fetchUsers(null, signal));
    expect(failure).toMatchObject({
      kind: 'credentials-rejected',
      remedy: expect.stringContaining('Workload Identity Federation'),
    });
  });

  it('in the name of a service account that the pool may not sign for', async () => {
    const simulator = await simulated();
    const credentials = { ...keyless(simulator), clientEmail: 'other@project.iam.gserviceaccount.com' };
    const connector = connected(simulator, await machineOf(simulator), credentials);
    expect(await failing(connector.fetchUsers(null, signal))).toMatchObject({
      kind: 'credentials-rejected',
      remedy: expect.stringContaining('Service Account Token Creator'),
    });
  });

  it.each<[string, string, Answered, string]>([
    ['a sign-in page for a token', '/v1/token', { body: '<html></html>' }, 'unexpected-response'],
    ['no token', '/v1/token', { body: { token_type: 'Bearer' } }, 'unexpected-response'],
    ['trouble', '/v1/token', { status: 503 }, 'unavailable'],
    ['nothing signed', ':signJwt', { body: {} }, 'unexpected-response'],
    [
      'that its signing is not enabled',
      ':signJwt',
      { status: 403, body: { error: { details: [{ reason: 'SERVICE_DISABLED' }] } } },
      'credentials-rejected',
    ],
  ])('when Google answers with %s', async (_, at, answer, kind) => {
    const google = await account(
      ({ path }) => (decodeURIComponent(path).endsWith(at) ? answer : nobody),
      ({ path }) => (path.endsWith(at) ? answer : { body: { access_token: 't', expires_in: 3599 } }),
    );
    const connector = openGoogle(
      {
        settings: googleDefinition.settings.parse({ adminEmail: 'sync-admin@example.com' }),
        credentials: googleDefinition.credentials.parse({
          ...configuration,
          identityKey: 'lent-by-the-operator',
        }),
        network: { baseUrl: google.origin, ca: google.ca, proxy: null },
      },
      { maxRetries: 0 },
      { key: 'lent-by-the-operator', tokenFile: await tokenFile('platform-token') },
    );
    closing(connector);
    expect(await failing(connector.fetchUsers(null, signal))).toMatchObject({ kind });
    expect(google.asked.filter(({ path }) => path.endsWith('/users'))).toEqual([]);
  });
});

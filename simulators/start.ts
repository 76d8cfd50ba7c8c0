/** Starts simulators: inside this process, or each in its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Keys, openKeys } from './certificates.ts';
import { type ControlClient, controlClient } from './control.ts';
import { controlHandlers } from './desk.ts';
import { Directory, type Provider } from './directory.ts';
import { entra, entraPermissions } from './entra/entra.ts';
import { type FaultName, faultList } from './faults.ts';
import { google, googleScopes } from './google/google.ts';
import { Life } from './life.ts';
import { okta, oktaScopes } from './okta/okta.ts';
import { POPULATIONS, type PopulationName } from './population/groups.ts';
import { Post } from './post.ts';
import type { SimulatedProvider } from './protocol.ts';
import { quirksFrom } from './scim/quirks.ts';
import { scim, scimPermissions } from './scim/scim.ts';
import { type Conditions, noRequests, SimulatorServer } from './server.ts';
import { type Tokens, tokenStore } from './tokens.ts';

export type SimulatorOptions = {
  /** How many people the provider's ordinary user list shows; deleted and deactivated ones come on top. Default 100. */
  readonly users?: number;
  /** Default 1. The same seed gives the same directory, settings and secrets. */
  readonly seed?: number;
  /** How many groups; default: the standard ones, about thirty. */
  readonly groups?: number;
  /** Groups that show one thing instead; `populationsOf` has those of each provider. It may say how many users there are. */
  readonly population?: PopulationName;
  /** Set from the start, as the verb `fault` sets them by their names alone. */
  readonly faults?: readonly FaultName[];
  /** Default 0: any free port. */
  readonly port?: number;
  /** A folder to keep certificates and keys in between starts. Default: new ones each time. */
  readonly caDir?: string;
  /** true: everybody is an active employee with an address. Default false. */
  readonly plain?: boolean;
  /** The right part of addresses. */
  readonly domain?: string;
  /** Each answer waits so long. Default 0. */
  readonly latencyMs?: number;
  /** Beyond it the provider's own 429 comes. Default 100,000. */
  readonly requestsPerMinute?: number;
  /** Default 3,599. */
  readonly tokenLifetimeSeconds?: number;
  /** Permissions, scopes or roles granted. Default: what reading users and groups needs. */
  readonly permissions?: readonly string[];
  /** SCIM only: in what it differs from the RFCs, by the names in scim/quirks.ts. Default: in nothing. */
  readonly quirks?: readonly string[];
  /** File with the PEM of the authority behind the certificates of those who receive notifications. Default: the ones Node trusts. */
  readonly receiverCaFile?: string;
};

/** What a connection to a simulator is made of. */
export type SimulatorAccess = {
  readonly provider: Provider;
  /** `https://127.0.0.1:PORT`, for the token endpoint and the API. */
  readonly origin: string;
  /** PEM of the certificate authority to trust. */
  readonly ca: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly credentials: Readonly<Record<string, string>>;
  /** The provider's other kind of credential; null where it has one only. */
  readonly alternativeCredentials: Readonly<Record<string, string>> | null;
};

export type Simulator = SimulatorAccess & {
  readonly control: ControlClient;
  close(): Promise<void>;
};

const domains = {
  entra: 'meridian.example',
  okta: 'brightwater.example',
  google: 'lumenworks.example',
  scim: 'fernhill.example',
} as const satisfies Record<Provider, string>;

const usualPermissions = {
  entra: entraPermissions,
  okta: oktaScopes,
  google: googleScopes,
  scim: scimPermissions,
} as const satisfies Record<Provider, readonly string[]>;

type Parts = {
  readonly directory: Directory;
  readonly keys: Keys;
  readonly tokens: Tokens;
  readonly permissions: () => readonly string[];
  readonly origin: string;
  readonly quirks: readonly string[];
  readonly post: Post;
};

function providerOf(
  provider: Provider,
  { directory, keys, tokens, permissions, origin, quirks, post }: Parts,
): SimulatedProvider {
  switch (provider) {
    case 'entra':
      return entra(directory, keys, tokens, permissions, post);
    case 'okta':
      return okta(directory, keys, tokens, permissions, origin, post);
    case 'google':
      return google(directory, keys, tokens, permissions, post);
    case 'scim':
      return scim(directory, tokens, permissions, origin, quirksFrom(quirks));
  }
}

/** On 127.0.0.1 only. Rejects where the port is in use. */
async function listen(server: Server, port: number): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A simulator inside this process, for tests. Rejects with the error of `listen` where the port cannot be had. */
export async function startSimulator(provider: Provider, options: SimulatorOptions = {}): Promise<Simulator> {
  const post = new Post(options.receiverCaFile ?? null);
  const keys = await openKeys(options.caDir ?? null);
  const server = createServer({
    key: keys.serverKey,
    cert: keys.serverCertificate,
    keepAliveTimeout: 60_000,
  });
  const origin = await listen(server, options.port ?? 0);
  const directory = new Directory(provider, {
    users: options.users ?? usersOf(options.population),
    seed: options.seed ?? 1,
    groups: options.groups ?? null,
    population: options.population ?? null,
    plain: options.plain ?? false,
    domain: options.domain ?? domains[provider],
  });
  const tokens = tokenStore(options.tokenLifetimeSeconds ?? 3_599);
  const granted = { permissions: options.permissions ?? usualPermissions[provider] };
  const permissions = (): readonly string[] => granted.permissions;
  const { quirks = [] } = options;
  const simulated = providerOf(provider, { directory, keys, tokens, permissions, origin, quirks, post });
  const life = new Life(directory);
  const conditions: Conditions = {
    latencyMs: options.latencyMs ?? 0,
    counters: noRequests(),
    faults: faultList(),
    requestsPerMinute: options.requestsPerMinute ?? 100_000,
    meanwhile: () => {
      life.rename(1);
      life.hire(1);
    },
  };
  for (const name of options.faults ?? []) conditions.faults.set({ name });
  const handlers = controlHandlers({
    directory,
    life,
    simulated,
    tokens,
    conditions,
    granted,
    post,
  });
  const shell = new SimulatorServer(origin, simulated, handlers, conditions);
  server.on('request', (incoming, response) => void shell.serve(incoming, response));
  const { settings, credentials, alternativeCredentials } = simulated;
  const control = controlClient(origin, keys.ca);
  return {
    ...{ provider, origin, ca: keys.ca, settings, credentials, alternativeCredentials, control },
    close: async () => {
      await Promise.all([control.close(), post.close()]);
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function usersOf(population: PopulationName | undefined): number {
  return (population === undefined ? null : POPULATIONS[population].users) ?? 100;
}

function argumentsFor(provider: Provider, options: SimulatorOptions): string[] {
  const flags: Record<string, string | number | boolean | undefined> = {
    users: options.users,
    seed: options.seed,
    groups: options.groups,
    population: options.population,
    port: options.port,
    'ca-dir': options.caDir,
    plain: options.plain,
    domain: options.domain,
    latency: options.latencyMs,
    'requests-per-minute': options.requestsPerMinute,
    'token-lifetime': options.tokenLifetimeSeconds,
    permissions: options.permissions?.join(','),
    quirks: options.quirks?.join(','),
    'receiver-ca': options.receiverCaFile,
  };
  const given = Object.entries(flags).filter(([, value]) => value !== undefined && value !== false);
  return [
    provider,
    '--with-parent',
    ...given.map(([name, value]) => (value === true ? `--${name}` : `--${name}=${value}`)),
    ...(options.faults ?? []).map((name) => `--fault=${name}`),
  ];
}

/** The line that main.ts prints when it is ready; rejects with what it wrote to standard error where it ends before. */
async function firstLine(child: ChildProcess): Promise<string> {
  let complaints = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    complaints += chunk.toString('utf8');
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () =>
      reject(new Error(`The simulator ended before it was ready. ${complaints.trim()}`)),
    );
    if (child.stdout) createInterface(child.stdout).once('line', resolve);
  });
}

/** A simulator in a process of its own, for the demo and benchmarks. It ends with `close`, and when this process ends. */
export async function spawnSimulator(provider: Provider, options: SimulatorOptions = {}): Promise<Simulator> {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));
  const child = spawn(process.execPath, [main, ...argumentsFor(provider, options)], { stdio: 'pipe' });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const access = JSON.parse(await firstLine(child)) as SimulatorAccess;
  const control = controlClient(access.origin, access.ca);
  return {
    ...access,
    control,
    close: async () => {
      await control.close();
      child.kill('SIGTERM');
      await ended;
    },
  };
}

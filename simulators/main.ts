/** The command line: one simulated provider in its own process. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { VERBS } from './control.ts';
import { type Provider, populationsOf, SIMULATED } from './directory.ts';
import { FAULTS } from './faults.ts';
import { ROOT } from './ldap/domain.ts';
import { populatedDomain } from './ldap/populated.ts';
import { BIND_DN, PASSWORD, startDomainController } from './ldap/server.ts';
import { POPULATIONS } from './population/groups.ts';
import { isQuirk, QUIRKS } from './scim/quirks.ts';
import { type SimulatorAccess, type SimulatorOptions, startSimulator } from './start.ts';

const flags = {
  users: { type: 'string' },
  seed: { type: 'string' },
  groups: { type: 'string' },
  population: { type: 'string' },
  fault: { type: 'string', multiple: true },
  port: { type: 'string' },
  'ca-dir': { type: 'string' },
  plain: { type: 'boolean' },
  domain: { type: 'string' },
  latency: { type: 'string' },
  'requests-per-minute': { type: 'string' },
  'token-lifetime': { type: 'string' },
  permissions: { type: 'string' },
  quirks: { type: 'string' },
  'receiver-ca': { type: 'string' },
  out: { type: 'string' },
  'with-parent': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

const help = `Usage: npm run --silent simulator -- entra|okta|google|scim|ldap [options]

Starts a stand-in for Microsoft Entra ID, Okta, Google Workspace, a SCIM 2.0 service or an Active Directory domain
controller (ldap) on 127.0.0.1. When it is ready it prints one line of JSON on standard output: origin, CA certificate,
and the settings and credentials that a connection needs.

  --users N                how many people the user list shows (100)
  --seed S                 which directory; the same seed gives the same people, ids and secrets (1)
  --groups N               how many groups (the standard ones, about thirty)
  --population NAME        groups that show one thing instead, see below
  --fault NAME             misbehave so from the start, see below; can be given again
  --port P                 0 for any free one (0)
  --ca-dir DIR             keep certificates and keys in DIR, so that the next start has the same
  --plain                  nobody is disabled, deleted, a guest or without an address
  --domain NAME            the right part of addresses
  --latency MS             each answer waits so long (0)
  --requests-per-minute N  beyond it the provider's 429 comes (100000)
  --token-lifetime S       seconds (3599)
  --permissions A,B        permissions, scopes or roles granted
  --quirks A,B             SCIM: in what it differs from the RFCs, see below (in nothing)
  --receiver-ca FILE       PEM of the authority to trust where notifications are sent to (Node's own)
  --out DIR                write what a connection needs into DIR too: settings.json, credentials.json, ca.pem, url
  --with-parent            end when standard input closes
  -h, --help

ldap takes --users, --seed, --groups, --population, --port, --ca-dir, --out and --plain, and cannot be steered while it runs.

Examples:
  npm run --silent simulator -- entra --users 1200
  npm run --silent simulator -- okta --users 350 --seed 7 --port 9443 --ca-dir ./keys
  npm run --silent simulator -- google --users 90 | jq .settings
  npm run --silent simulator -- ldap --users 300
  npm run --silent simulator -- okta --users 40 --out ./okta
  npm run --silent simulator -- entra --population nested-groups
  npm run --silent simulator -- okta --fault status-503 --fault half-missing

While it runs it can be steered: POST JSON to ORIGIN/_control/VERB (see simulators/README.md).
  verbs:  ${Object.keys(VERBS).join(' ')}
  faults: ${Object.keys(FAULTS).join(' ')}

Populations: ${Object.keys(POPULATIONS).join(' ')}
Quirks: ${Object.keys(QUIRKS).join(' ')}
`;

/** A mistake on the command line; the message is for the person who typed it. */
class UsageError extends Error {
  override readonly name = 'UsageError';
}

const inWords = new Intl.ListFormat('en-GB', { type: 'disjunction' });
const KINDS = [...SIMULATED, 'ldap'] as const;
const isKind = (word: string | undefined): word is Provider | 'ldap' => KINDS.some((kind) => kind === word);

type Given = ReturnType<typeof parse>['values'];

function parse(args: readonly string[]) {
  return parseArgs({ args: [...args], options: flags, allowPositionals: true });
}

function numberFrom(
  given: Given,
  flag: 'users' | 'seed' | 'groups' | 'port' | 'latency' | 'requests-per-minute' | 'token-lifetime',
) {
  const text = given[flag];
  if (text === undefined) return undefined;
  const most = flag === 'port' ? 65_535 : flag === 'users' ? 5_000_000 : 2_000_000_000;
  if (/^\d+$/.test(text) && Number(text) <= most) return Number(text);
  throw new UsageError(`--${flag} needs a whole number from 0 to ${most}, not "${text}".`);
}

const namesIn = (text: string | undefined): readonly string[] | undefined =>
  text?.split(',').filter((name) => name !== '');

/** Only what was given: the defaults are startSimulator's. */
function optionsFrom(given: Given): SimulatorOptions {
  const all = {
    users: numberFrom(given, 'users'),
    seed: numberFrom(given, 'seed'),
    groups: numberFrom(given, 'groups'),
    population: given.population,
    faults: given.fault,
    port: numberFrom(given, 'port'),
    caDir: given['ca-dir'],
    plain: given.plain,
    domain: given.domain,
    latencyMs: numberFrom(given, 'latency'),
    requestsPerMinute: numberFrom(given, 'requests-per-minute'),
    tokenLifetimeSeconds: numberFrom(given, 'token-lifetime'),
    permissions: namesIn(given.permissions),
    quirks: namesIn(given.quirks),
    receiverCaFile: given['receiver-ca'],
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function refuseStrangeNames(provider: Provider | 'ldap', { population, fault = [] }: Given): void {
  const populations = populationsOf(provider === 'ldap' ? 'scim' : provider);
  if (population !== undefined && !populations.some((name) => name === population))
    throw new UsageError(
      `--population: ${provider} has ${inWords.format(populations)}, not "${population}".`,
    );
  const strange = fault.find((name) => !Object.hasOwn(FAULTS, name));
  if (strange !== undefined)
    throw new UsageError(
      `--fault: there is no fault "${strange}". There are ${Object.keys(FAULTS).join(', ')}.`,
    );
}

async function main(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(args);
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const [provider, ...rest] = positionals;
  if (!isKind(provider) || rest.length > 0) {
    throw new UsageError(
      `Name one provider: ${inWords.format(KINDS)}${provider ? `, not "${positionals.join(' ')}"` : ''}.`,
    );
  }
  refuseStrangeNames(provider, values);
  const strange =
    provider === 'scim' ? namesIn(values.quirks)?.find((name) => !isQuirk(name)) : values.quirks;
  if (strange !== undefined) {
    throw new UsageError(
      `--quirks: ${provider} has no quirk "${strange}". SCIM has ${inWords.format(Object.keys(QUIRKS))}.`,
    );
  }
  const end = (): void => process.exit(0);
  process.once('SIGTERM', end).once('SIGINT', end);
  if (values['with-parent']) process.stdin.once('end', end).once('close', end).resume();
  const line = await (provider === 'ldap' ? startLdap(values) : startApi(provider, optionsFrom(values)));
  if (values.out !== undefined) await writeFiles(values.out, line);
  process.stdout.write(`${JSON.stringify(line)}\n`);
  const steer = line.control === null ? '' : ` Steer it with POST ${line.origin}/_control/VERB;`;
  process.stderr.write(`${provider} simulator on ${line.origin}.${steer} Ctrl-C ends it.\n`);
}

type Line = Omit<SimulatorAccess, 'provider'> & {
  readonly provider: Provider | 'ldap';
  readonly control: { readonly origin: string; readonly path: string } | null;
};

/** As `rollcall connections add` takes them. `url` comes last and at once: whoever sees it sees the others too. */
async function writeFiles(folder: string, { origin, ca, settings, credentials }: Line): Promise<void> {
  const write = (name: string, content: string) => writeFile(join(folder, name), content, { mode: 0o600 });
  await mkdir(folder, { recursive: true });
  await rm(join(folder, 'url'), { force: true }); // of an earlier start
  await write('settings.json', `${JSON.stringify(settings, null, 2)}\n`);
  await write('credentials.json', `${JSON.stringify(credentials, null, 2)}\n`);
  await write('ca.pem', ca);
  await write('url.partial', `${origin}\n`);
  await rename(join(folder, 'url.partial'), join(folder, 'url'));
}

async function startApi(provider: Provider, options: SimulatorOptions): Promise<Line> {
  const simulator = await startSimulator(provider, options);
  const { origin, ca, settings, credentials, alternativeCredentials } = simulator;
  const control = { origin, path: '/_control/' };
  return { provider, origin, ca, settings, credentials, alternativeCredentials, control };
}

/** What a domain controller has nothing to do with. */
const OF_APIS = [
  'domain',
  'latency',
  'requests-per-minute',
  'token-lifetime',
  'permissions',
  'receiver-ca',
  'fault',
] as const;

async function startLdap(given: Given): Promise<Line> {
  const strange = OF_APIS.find((flag) => given[flag] !== undefined);
  if (strange !== undefined) throw new UsageError(`--${strange}: ldap has no such option.`);
  const { port, caDir, ...population } = optionsFrom(given);
  const controller = await startDomainController({
    domain: populatedDomain(population),
    ...(port === undefined ? {} : { port }),
    ...(caDir === undefined ? {} : { caDir }),
  });
  const settings = { url: controller.url, schema: 'active-directory', baseDn: ROOT };
  const credentials = { bindDn: BIND_DN, password: PASSWORD };
  const reached = { origin: controller.url, ca: controller.ca };
  return { provider: 'ldap', ...reached, settings, credentials, alternativeCredentials: null, control: null };
}

function complaintAbout(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('code' in error && error.code === 'EADDRINUSE') {
    const port = 'port' in error ? String(error.port) : '';
    return `Port ${port} is in use. Choose another with --port, or leave it out for any free one.`;
  }
  if ('syscall' in error) return `${error.message}. Choose another port or folder.`;
  const isUsage =
    error instanceof UsageError || String('code' in error && error.code).startsWith('ERR_PARSE_ARGS');
  return isUsage
    ? `${error.message}\nSee: npm run --silent simulator -- --help`
    : (error.stack ?? error.message);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${complaintAbout(error)}\n`);
  process.exit(1);
});

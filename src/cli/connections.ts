/** `rollcall connections`: a tenant's links to directories. Credentials go in and never come out. */
import type { Command } from 'commander';
import { minute } from '../domain/clock.ts';
import { type ListedConnection, unreadable } from '../domain/connection.ts';
import { PROVIDERS, Provider } from '../domain/directory.ts';
import { EXPIRES_SOON_MS } from '../domain/notice.ts';
import { Problem } from '../domain/problem.ts';
import { asTyped } from './asTyped.ts';
import type { App, Cli } from './cli.ts';
import {
  addDirectoryOptions,
  credentialsFrom,
  type DirectoryOptions,
  missingCredentials,
  networkFrom,
  objectIn,
  present,
  settingsFrom,
} from './directoryOptions.ts';
import { examples } from './examples.ts';
import { noteUnknown, overrideInWords } from './guards.ts';
import { atLeastOne, type Page, pagesOf, remembered, writeItems } from './lists.ts';
import { noteNewRoles } from './newRoles.ts';
import { previewMapping } from './previewMapping.ts';
import { counted, harmless, type Style } from './terminal.ts';
import { testConnection } from './testConnection.ts';

type ListOptions = { readonly tenant?: string; readonly limit: number; readonly all?: boolean };

type ChangeableOptions = DirectoryOptions & {
  readonly mapping?: string;
  readonly policy?: string;
  readonly schedule?: string;
  readonly timeZone?: string;
  readonly issuer?: string;
};
type AddOptions = ChangeableOptions & { readonly tenant: string; readonly provider: string };
type UpdateOptions = ChangeableOptions & {
  readonly name?: string;
  readonly pause?: boolean;
  readonly resume?: boolean;
};

export function addConnectionCommands(program: Command, cli: Cli): void {
  const connections = program.command('connections').description("tenants' links to their directories");
  examples(connections, 'rollcall connections', "rollcall connections test 'Harbor Okta'");
  defineList(connections, cli);
  defineAdd(connections, cli);
  defineUpdate(connections, cli);
  const show = connections
    .command('show')
    .description('show one connection, without its credentials')
    .argument('<connection>', 'id or name')
    .action((name: string) => cli.withApp((app) => showConnection(cli, app, name)));
  examples(show, "rollcall connections show 'Harbor Okta'", "rollcall connections show 'Harbor Okta' --json");
  const preview = connections
    .command('preview')
    .description('show what another mapping would change, from what was last read')
    .argument('<connection>', 'id or name')
    .requiredOption('--mapping <file>', 'the mapping to try, in JSON')
    .action((name: string, { mapping }: { mapping: string }) =>
      cli.withApp((app) => previewMapping(cli, app, name, mapping)),
    );
  examples(
    preview,
    "rollcall connections preview 'Harbor Okta' --mapping mapping.json",
    "rollcall connections preview 'Harbor Okta' --mapping mapping.json --json | jq .proposed",
  );
  const test = connections
    .command('test')
    .description('try step by step what a run needs, and show what it would bring')
    .argument('<connection>', 'id or name')
    .option('--mapping <file>', 'show what this mapping would bring, before it is saved')
    .action((name: string, options: { mapping?: string }) =>
      cli.withApp((app) => testConnection(cli, app, name, options.mapping)),
    );
  examples(
    test,
    "rollcall connections test 'Harbor Okta'",
    "rollcall connections test 'Harbor Okta' --mapping mapping.json",
  );
}

function defineList(connections: Command, cli: Cli): void {
  const list = connections
    .command('list', { isDefault: true })
    .description('list connections, the oldest first')
    .option('--tenant <tenant>', 'only of this tenant and what is below it')
    .option('--limit <number>', 'at most so many', atLeastOne, 100)
    .option('--all', 'all of them')
    .action((options: ListOptions) => cli.withApp((app) => listConnections(cli, app, options)));
  examples(list, 'rollcall connections', "rollcall connections list --tenant 'Harbor Foods' --json");
}

function defineAdd(connections: Command, cli: Cli): void {
  const add = connections
    .command('add')
    .description('add a connection; nothing is asked of the provider yet')
    .argument('<name>', 'what people call it')
    .requiredOption('--tenant <tenant>', 'id or name of the tenant whose directory it is')
    .requiredOption('--provider <provider>', PROVIDERS.join(', '));
  changeable(add).action((name: string, options: AddOptions) => {
    const wanted = newConnectionFrom(name, options); // before anything is opened
    return cli.withApp((app) => addConnection(cli, app, wanted, options.tenant));
  });
  examples(
    add,
    "rollcall connections add 'Harbor Okta' --tenant 'Harbor Foods' --provider okta --url https://harbor.okta.com --token-file token.txt",
    "rollcall connections add Entra --tenant Harbor --provider entra --directory-id ID --client-id ID --client-secret-file secret.txt --schedule '0 * * * *' --time-zone Europe/Berlin",
    'rollcall connections add Domain --tenant Harbor --provider ldap --url ldaps://dc1.harbor.example --base-dn DC=harbor,DC=example --schema active-directory --bind-dn rollcall@harbor.example --bind-password-file password.txt',
    'rollcall connections add Staff --tenant Harbor --provider scim --url https://scim.harbor.example/v2 --token-file token.txt',
    'rollcall connections add Payroll --tenant Harbor --provider file --file harbor/people.csv --settings-file people.json --folder-key-file key.txt',
    'rollcall connections add Google --tenant Harbor --provider google --admin-email admin@harbor.example --service-account-file key.json --mapping mapping.json',
  );
}

function defineUpdate(connections: Command, cli: Cli): void {
  const update = connections
    .command('update')
    .description('change a connection; only what is given changes, settings and credentials as a whole')
    .argument('<connection>', 'id or name')
    .option('--name <name>', 'a new name')
    .option('--pause', 'start no runs by schedule')
    .option('--resume', 'start runs by schedule again');
  changeable(update).action((name: string, options: UpdateOptions) =>
    cli.withApp((app) => updateConnection(cli, app, name, options)),
  );
  examples(
    update,
    "rollcall connections update 'Harbor Okta' --token-file new-token.txt",
    "rollcall connections update 'Harbor Okta' --schedule '30 6 * * 1-5' --time-zone Europe/Berlin",
  );
}

function changeable(command: Command): Command {
  return addDirectoryOptions(command)
    .option('--mapping <file>', 'how attributes and groups become fields and roles, as JSON')
    .option('--policy <file>', "the guards' limits, and whom they protect, as JSON")
    .option('--schedule <cron>', "when runs start by themselves, such as '0 * * * *'; none: only on demand")
    .option('--time-zone <zone>', 'of the schedule, such as Europe/Berlin (UTC)')
    .option('--issuer <url>', "who issues its users' tokens; settings: as the settings say");
}

async function listConnections(cli: Cli, { operator }: App, options: ListOptions): Promise<void> {
  const { terminal } = cli;
  const tenant =
    options.tenant === undefined ? {} : { tenant: (await operator.findTenant(options.tenant)).id };
  const fetch = (page: Page) => operator.listConnections({ ...tenant, ...page });
  if (terminal.json) return await writeItems(terminal, fetch, options);
  const tenantName = remembered(async (id: string) => (await operator.getTenant(id)).name);
  let found = 0;
  let next: string | null = null;
  for await (const page of pagesOf(fetch, options)) {
    const rows = page.items.map(async (one) => [
      one.name,
      await tenantName(one.tenant),
      one.provider,
      scheduleOf(one),
      { text: conditionOf(one), style: styleOf[conditionOf(one)] },
      one.id,
    ]);
    found += page.items.length;
    if (found > 0)
      terminal.table(
        ['connection', 'tenant', 'provider', 'schedule', 'state', 'id'],
        await Promise.all(rows),
      );
    for (const one of page.items) for (const line of troubleOf(one)) terminal.note(line);
    next = page.next;
  }
  if (found === 0)
    terminal.note(asTyped('There is no connection yet. Add one: rollcall connections add --help'));
  if (next !== null) terminal.note('There are more: --limit or --all.');
}

type Shown = Awaited<ReturnType<App['operator']['findConnection']>>;
type Condition = Shown['state'] | NonNullable<Shown['health']>['state'];

/** What a person has decided, and else how it fares. */
function conditionOf({ state, health }: Shown): Condition {
  return state === 'active' && health !== null ? health.state : state;
}

const styleOf = {
  active: 'green',
  paused: 'yellow',
  unreadable: 'red',
  degraded: 'yellow',
  quarantined: 'red',
  silent: 'red',
} as const satisfies Record<Condition, Style>;

const whoIs = {
  nobody: 'nobody: it passes by itself',
  administrator: 'an administrator of the tenant',
  us: 'whoever runs this Rollcall',
} as const satisfies Record<NonNullable<NonNullable<Shown['health']>['who']>, string>;

/** Why it is not as it should be, and what to do; nothing where it is, or rests. */
function troubleOf(one: Shown): string[] {
  const name = harmless(one.name);
  if (one.state === 'unreadable') return [`${name} cannot be read: ${harmless(one.problem)}.`];
  const { because, who, remedy, nextScheduledAt, state } = one.health;
  const missed = [
    ...overridesInWords(one),
    ...missedInWords(name, one.health.missedByDeltas),
    ...expiryInWords(one.id, name, one.credentialExpiresAt),
  ];
  if (one.state === 'paused' || because === null) return missed;
  const next = nextScheduledAt === null ? 'none, until one is asked for' : minute(nextScheduledAt);
  return [
    `${name} is ${state}. ${harmless(because)}`,
    ...(who === null ? [] : [`  can be mended by: ${whoIs[who]}`]),
    ...(remedy === null ? [] : [`  remedy: ${asTyped(harmless(remedy))}`]),
    ...(state === 'quarantined' ? [`  next run by schedule: ${next}`] : []),
    ...missed,
  ];
}

function overridesInWords(one: Shown): string[] {
  if (one.state === 'unreadable') return [];
  return one.overrides.map((override) => `${harmless(one.name)}: ${harmless(overrideInWords(override))}.`);
}

function missedInWords(name: string, missed: number): string[] {
  if (missed === 0) return [];
  return [`${name}: deltas missed ${counted(missed, 'change')} in the last 7 days, which full runs found.`];
}

/** Nothing as long as there is time. */
function expiryInWords(id: string, name: string, expiresAt: Date | null): string[] {
  const left = expiresAt === null ? null : expiresAt.getTime() - Date.now();
  if (expiresAt === null || left === null || left >= EXPIRES_SOON_MS) return [];
  return [
    `${name}: its credential ${left < 0 ? 'expired' : 'expires'} on ${minute(expiresAt)}.`,
    `  remedy: Give the provider a new one, then enter it: ${asTyped(`rollcall connections update ${id} --credentials-file FILE`)}`,
  ];
}

function scheduleOf(one: ListedConnection): string {
  if (one.state === 'unreadable') return '—';
  return one.schedule === null ? 'on demand' : `${one.schedule} ${one.timeZone}`;
}

function newConnectionFrom(name: string, options: AddOptions) {
  const provider = providerNamed(options.provider);
  return {
    name,
    provider,
    settings: settingsFrom(provider, options) ?? {},
    credentials: credentialsFrom(provider, options) ?? missingCredentials(provider),
    ...changesFrom(options),
    ...present({ network: networkFrom(provider, options) ?? undefined }),
  };
}

type NewConnection = ReturnType<typeof newConnectionFrom>;

async function addConnection(
  cli: Cli,
  { operator }: App,
  wanted: NewConnection,
  tenant: string,
): Promise<void> {
  const { terminal } = cli;
  const { id } = await operator.findTenant(tenant);
  const connection = await operator.createConnection({ ...wanted, tenant: id });
  if (terminal.json) return terminal.document(connection);
  terminal.line(`Added the connection ${harmless(connection.name)} (${connection.id}).`);
  noteNewRoles(terminal, connection.newRoles);
  cli.next(`connections test ${connection.id}`);
}

/** Throws `invalid-input` that names the providers there are. */
export function providerNamed(text: string): Provider {
  const parsed = Provider.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new Problem({
    code: 'invalid-input',
    message: `There is no provider ${JSON.stringify(harmless(text))}.`,
    remedy: `Choose one of: ${PROVIDERS.join(', ')}.`,
  });
}

function changesFrom(options: ChangeableOptions): Record<string, unknown> {
  return present({
    mapping: options.mapping === undefined ? undefined : objectIn(options.mapping, '--mapping'),
    policy: options.policy === undefined ? undefined : objectIn(options.policy, '--policy'),
    schedule: options.schedule === 'none' ? null : options.schedule,
    timeZone: options.timeZone,
    issuer: options.issuer === 'settings' ? null : options.issuer,
  });
}

async function updateConnection(
  cli: Cli,
  { operator }: App,
  name: string,
  options: UpdateOptions,
): Promise<void> {
  const before = await operator.findConnection(name);
  if (before.state === 'unreadable') throw unreadable(before);
  const network = networkFrom(before.provider, options);
  const changes = {
    ...present({
      name: options.name,
      settings: settingsFrom(before.provider, options) ?? undefined,
      credentials: credentialsFrom(before.provider, options) ?? undefined,
      network: network === null ? undefined : { ...before.network, ...network },
      state: options.pause ? 'paused' : options.resume ? 'active' : undefined,
    }),
    ...changesFrom(options),
  };
  if (Object.keys(changes).length === 0) {
    throw new Problem({
      code: 'invalid-input',
      message: 'Nothing is given that should change.',
      remedy: 'Add an option; `rollcall connections update --help` lists them.',
    });
  }
  const connection = await operator.updateConnection({ connection: before.id, ...changes });
  if (cli.terminal.json) return cli.terminal.document(connection);
  cli.terminal.line(`Changed ${Object.keys(changes).join(', ')} of ${harmless(connection.name)}.`);
  noteNewRoles(cli.terminal, connection.newRoles);
  const reachedAnew = 'settings' in changes || 'credentials' in changes || 'network' in changes;
  if (reachedAnew) cli.next(`connections test ${connection.id}`);
  else if (connection.state === 'paused') cli.next(`connections update ${connection.id} --resume`);
  else cli.next(`sync ${connection.id}`);
}

const nothingRead = {
  settings: undefined,
  network: undefined,
  mapping: undefined,
  policy: undefined,
  overrides: [],
};

async function showConnection(cli: Cli, { operator }: App, name: string): Promise<void> {
  const { terminal } = cli;
  const connection = await operator.findConnection(name);
  if (terminal.json) return terminal.document(connection);
  const {
    settings,
    network,
    mapping,
    policy,
    health,
    overrides: _,
    ...plain
  } = connection.state === 'unreadable' ? { ...nothingRead, ...connection } : connection;
  const fares =
    health === null
      ? {}
      : {
          health: health.state,
          'next run': health.nextScheduledAt,
          'missed by deltas': health.missedByDeltas,
        };
  const tenant = await operator.getTenant(connection.tenant);
  terminal.table(
    ['field', 'value'],
    Object.entries({ ...plain, ...fares, tenant: `${tenant.name} (${tenant.id})` }).map(([field, value]) => [
      field,
      value instanceof Date ? value.toISOString() : String(value ?? '—'),
    ]),
  );
  if (connection.state !== 'unreadable') {
    for (const line of troubleOf(connection)) terminal.note(line);
    noteUnknown(cli, await operator.getGuards(connection.id));
  }
  for (const [title, value] of Object.entries({ settings, network, mapping, policy })) {
    if (value === undefined) continue;
    terminal.line(`\n${terminal.style('bold', title)}`);
    terminal.line(JSON.stringify(value, null, 2));
  }
}

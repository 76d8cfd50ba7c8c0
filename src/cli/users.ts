/** `rollcall users`: auth users, where they come from, and roles given by hand. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { AUTH_USER_STATES, type AuthUserState } from '../domain/authUser.ts';
import { PROVIDERS, type Provider } from '../domain/directory.ts';
import type { ConnectionId } from '../domain/ids.ts';
import { Problem } from '../domain/problem.ts';
import type { App, Cli } from './cli.ts';
import { valueInWords } from './describe.ts';
import { objectIn } from './directoryOptions.ts';
import { examples } from './examples.ts';
import { atLeastOne, type Page, pagesOf, remembered, writeItems } from './lists.ts';
import { type Cell, harmless, type Style } from './terminal.ts';

type ListOptions = {
  readonly tenant?: string;
  readonly connection?: string;
  readonly state?: AuthUserState;
  readonly search?: string;
  readonly limit: number;
  readonly all?: boolean;
};

const styleOfState = { active: 'green', suspended: 'yellow', deleted: 'red' } as const satisfies Record<
  AuthUserState,
  Style
>;

export function addUserCommands(program: Command, cli: Cli): void {
  const users = program.command('users').description('auth users, as applications see them');
  examples(users, 'rollcall users --tenant Harbor', 'rollcall users show ada.obi@harbor.example');
  const list = users
    .command('list', { isDefault: true })
    .description('list auth users, the oldest first')
    .option('--tenant <tenant>', 'only of this tenant and what is below it')
    .option('--connection <connection>', 'only users whom this directory has')
    .addOption(new Option('--state <state>', 'only in this state').choices(AUTH_USER_STATES))
    .option('--search <text>', 'beginning of the address, user name or display name')
    .option('--limit <number>', 'at most so many', atLeastOne, 50)
    .option('--all', 'all of them')
    .action((options: ListOptions) => cli.withApp((app) => listUsers(cli, app, options)));
  examples(
    list,
    'rollcall users --search ada',
    'rollcall users list --tenant Harbor --state suspended --all --json',
  );
  const show = users
    .command('show')
    .description('show one auth user with identities and roles')
    .argument('<user>', 'id, address or user name')
    .action((user: string) => cli.withApp((app) => showUser(cli, app, user)));
  examples(show, 'rollcall users show ada.obi@harbor.example');
  addReadingCommands(users, cli);
  addEditCommand(users, cli);
  const grant = users
    .command('grant')
    .description('give a role by hand; it stays whatever a directory says')
    .argument('<user>', 'id, address or user name')
    .argument('<role>', 'its name')
    .option('--in <tenant>', "a tenant below the user's own: the role holds there alone")
    .action((user: string, role: string, options: { in?: string }) =>
      cli.withApp((app) => setRole(cli, app, { user, role, in: options.in }, 'granted')),
    );
  examples(
    grant,
    'rollcall users grant ada.obi@harbor.example editor',
    'rollcall users grant ada.obi@harbor.example editor --in Logistics',
  );
  const revoke = users
    .command('revoke')
    .description('take back a role that was given by hand')
    .argument('<user>', 'id, address or user name')
    .argument('<role>', 'its name')
    .option('--in <tenant>', "where it was given, if not in the user's own tenant")
    .action((user: string, role: string, options: { in?: string }) =>
      cli.withApp((app) => setRole(cli, app, { user, role, in: options.in }, 'revoked')),
    );
  examples(revoke, 'rollcall users revoke ada.obi@harbor.example editor');
}

/** What applications ask, asked by a person. */
function addReadingCommands(users: Command, cli: Cli): void {
  const authorization = users
    .command('authorization')
    .description('show what one auth user may do, and where, as applications read it')
    .argument('<user>', 'id, address or user name')
    .option('--tenant <tenant>', 'what holds in this one tenant')
    .action((user: string, options: { tenant?: string }) =>
      cli.withApp((app) => showAuthorization(cli, app, user, options.tenant)),
    );
  examples(
    authorization,
    'rollcall users authorization ada.obi@harbor.example',
    'rollcall users authorization ada.obi@harbor.example --tenant Logistics --json',
  );
  const identify = users
    .command('identify')
    .description('show the auth user whom a directory has under an id')
    .option('--issuer <url>', 'iss of an ID token; with --subject')
    .option('--subject <id>', 'sub of the ID token, with Entra ID oid')
    .addOption(new Option('--provider <provider>', 'with --external-id').choices(PROVIDERS))
    .option('--external-id <id>', "the provider's id of the user")
    .option('--connection <connection>', 'only by this directory')
    .action((options: IdentifyOptions) => cli.withApp((app) => identifyUser(cli, app, options)));
  examples(
    identify,
    'rollcall users identify --issuer https://accounts.google.com --subject 110169484474386276334',
    'rollcall users identify --provider okta --external-id 00u1gjh63g214q0Hq0g4',
  );
}

async function listUsers(cli: Cli, { operator }: App, options: ListOptions): Promise<void> {
  const { terminal } = cli;
  const { tenant, connection, state, search } = options;
  const filter = {
    ...(tenant === undefined ? {} : { tenant: (await operator.findTenant(tenant)).id }),
    ...(connection === undefined ? {} : { connection: (await operator.findConnection(connection)).id }),
    ...(state === undefined ? {} : { state }),
    ...(search === undefined ? {} : { search }),
  };
  const fetch = (page: Page) => operator.listUsers({ ...filter, ...page });
  if (terminal.json) return await writeItems(terminal, fetch, options);
  let found = 0;
  let next: string | null = null;
  for await (const page of pagesOf(fetch, options)) {
    const rows = page.items.map((user): Cell[] => [
      { text: user.state, style: styleOfState[user.state] },
      user.displayName ?? '—',
      user.email ?? user.userName ?? '—',
      valueInWords(user.attributes['department'] ?? null),
      user.id,
    ]);
    found += rows.length;
    if (found > 0) terminal.table(['state', 'name', 'address', 'department', 'id'], rows);
    next = page.next;
  }
  if (found === 0) terminal.note('No auth user is like that.');
  if (next !== null) terminal.note('There are more: --limit or --all.');
}

const LOOK_UP = 'Look the user up: `rollcall users --search` finds by the beginning of a name or address.';

/** By id, or by an address or user name that only one has. Throws `not-found`, `invalid-input` with the ids to choose from. */
export async function findUser({ operator }: App, text: string, remedy = LOOK_UP) {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) return await operator.getUser(text);
  const { items } = await operator.listUsers({ search: text, limit: 50 });
  const exact = items.filter((user) =>
    [user.email, user.userName].some((one) => one?.toLowerCase() === text.toLowerCase()),
  );
  const [user, ...others] = exact;
  if (user !== undefined && others.length === 0) return await operator.getUser(user.id);
  if (user === undefined) {
    throw new Problem({
      code: 'not-found',
      message: 'No auth user has this address or user name.',
      remedy,
    });
  }
  throw new Problem({
    code: 'invalid-input',
    message: `${exact.length} auth users have this address or user name.`,
    remedy: `Give the id instead: ${exact.map((one) => one.id).join(', ')}.`,
  });
}

async function showUser(cli: Cli, app: App, text: string): Promise<void> {
  await tellOfUser(cli, app, await findUser(app, text));
}

type IdentifyOptions = {
  readonly issuer?: string;
  readonly subject?: string;
  readonly provider?: Provider;
  readonly externalId?: string;
  readonly connection?: string;
};

async function identifyUser(cli: Cli, app: App, { connection, ...options }: IdentifyOptions): Promise<void> {
  const named =
    connection === undefined ? {} : { connection: (await app.operator.findConnection(connection)).id };
  const user = await app.operator.findByIdentity({ ...(options as object), ...named });
  await tellOfUser(cli, app, user);
}

async function showAuthorization(cli: Cli, app: App, text: string, tenant?: string): Promise<void> {
  const { terminal } = cli;
  const { id } = await findUser(app, text);
  const named = tenant === undefined ? {} : { tenant: (await app.operator.findTenant(tenant)).id };
  const { authorization } = await app.operator.readAuthorization({ user: id, ...named });
  if (terminal.json) return terminal.document(authorization);
  const { active, entries, version } = authorization;
  if (!active) terminal.line('Not active: nothing holds anywhere.');
  else if (entries.length === 0) terminal.line('Nothing holds there.');
  else
    terminal.table(
      ['tenant', 'data key', 'roles', 'permissions'],
      entries.map((entry) => [
        entry.name,
        entry.dataKey,
        entry.roles.join(', ') || '—',
        entry.permissions.join(', ') || '—',
      ]),
    );
  terminal.line(`Version ${version}.`);
}

type ShownUser = Awaited<ReturnType<typeof findUser>>;

async function tellOfUser(cli: Cli, app: App, user: ShownUser): Promise<void> {
  const { terminal } = cli;
  if (terminal.json) return terminal.document(user);
  const { operator } = app;
  const connectionName = remembered(async (id: ConnectionId) => (await operator.getConnection(id)).name);
  const { userName, email, displayName } = user;
  const title = harmless(displayName ?? email ?? userName ?? user.id);
  const tenant = (await operator.getTenant(user.tenant)).name;
  terminal.line(`${terminal.style('bold', title)}  ${terminal.style(styleOfState[user.state], user.state)}`);
  terminal.line(`${user.id}, version ${user.version}, of ${harmless(tenant)}`);
  if (user.purgedAt !== null)
    terminal.line(`All that was personal was removed for good at ${user.purgedAt.toISOString()}.`);
  terminal.line();
  const fields = Object.entries({ userName, email, ...user.attributes });
  terminal.table(
    ['field', 'value'],
    fields.map(([name, value]) => [name, valueInWords(value)]),
  );
  terminal.line();
  const roles = user.roles.map(async (role) => [
    role.name,
    role.tenant === user.tenant ? tenant : (await operator.getTenant(role.tenant)).name,
    role.connection === null
      ? role.origin === 'manual'
        ? 'by hand'
        : 'a directory above'
      : `directory ${await connectionName(role.connection)}`,
    role.grantedAt.toISOString().slice(0, 10),
  ]);
  if (roles.length > 0) terminal.table(['role', 'in', 'from', 'since'], await Promise.all(roles));
  else terminal.line('No roles.');
  terminal.line();
  const identities = user.identities.map(async (one) => [
    await connectionName(one.connection),
    one.externalId,
    one.linkedAt.toISOString().slice(0, 10),
  ]);
  if (identities.length > 0) terminal.table(['directory', 'its id', 'linked'], await Promise.all(identities));
  else terminal.line('Linked to no directory.');
}

async function setRole(
  cli: Cli,
  app: App,
  wanted: { readonly user: string; readonly role: string; readonly in: string | undefined },
  what: 'granted' | 'revoked',
): Promise<void> {
  const { id } = await findUser(app, wanted.user);
  const at = wanted.in === undefined ? {} : { tenant: (await app.operator.findTenant(wanted.in)).id };
  const grant = { user: id, role: wanted.role, ...at };
  const user =
    what === 'granted' ? await app.operator.grantRole(grant) : await app.operator.revokeRole(grant);
  if (cli.terminal.json) return cli.terminal.document(user);
  const tenantName = remembered(async (tenant: string) => (await app.operator.getTenant(tenant)).name);
  const held = user.roles.map(async ({ name, tenant }) =>
    tenant === user.tenant ? name : `${name} in ${await tenantName(tenant)}`,
  );
  const names = [...new Set(await Promise.all(held))].join(', ');
  cli.terminal.line(`Roles now: ${harmless(names) || 'none'}.`);
}

type EditOptions = {
  readonly userName?: string;
  readonly email?: string;
  readonly displayName?: string;
  readonly attribute?: Readonly<Record<string, string | null>>;
  readonly attributesFile?: string;
};

function addEditCommand(users: Command, cli: Cli): void {
  const edit = users
    .command('edit')
    .description('change fields by hand; what the directory owns, the next sync proposes to set back')
    .argument('<user>', 'id, address or user name')
    .option('--user-name <text>', "'' for none")
    .option('--email <address>', "'' for none")
    .option('--display-name <text>', "'' for none")
    .option('--attribute <name=value...>', 'these and no others; nothing after = removes one', collect)
    .option(
      '--attributes-file <file>',
      'the same as JSON, for numbers, lists, true and false; - reads standard input',
    )
    .action((user: string, options: EditOptions) =>
      cli.withApp((app) => editFields(cli, app, user, options)),
    );
  examples(
    edit,
    "rollcall users edit ada.obi@harbor.example --display-name 'Ada Obi-Lee' --attribute nickname=Ada",
    'rollcall users edit ada.obi@harbor.example --attribute nickname=',
  );
}

function collect(text: string, before: Readonly<Record<string, string | null>> = {}) {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Write name=value.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) || null };
}

async function editFields(
  cli: Cli,
  app: App,
  text: string,
  { userName, email, displayName, attribute, attributesFile }: EditOptions,
): Promise<void> {
  const { terminal } = cli;
  const stored = attributesFile === undefined ? {} : objectIn(attributesFile, '--attributes-file');
  const attributes = { ...stored, ...attribute } as Record<string, string | null>; // which are read where they are stored
  const texts = Object.entries({ userName, email, displayName }).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value === '' ? null : value]],
  );
  const before = await findUser(app, text);
  const user = await app.operator.editUser({
    ...{ user: before.id, version: before.version, attributes },
    ...Object.fromEntries(texts),
  });
  if (terminal.json) return terminal.document(user);
  if (user.version === before.version) return terminal.line('It is so already.');
  const name = harmless(user.displayName ?? user.email ?? user.userName ?? user.id);
  terminal.line(`Edited ${name}: version ${user.version}.`);
  cli.next(`explain ${user.id}`);
}

/** `rollcall principals`: the ways in of people, and where they are signed in. Their keys are in keys.ts. */
import { type Command, Option } from 'commander';
import { minute } from '../domain/clock.ts';
import { PRINCIPAL_ROLES, type PrincipalRole } from '../domain/permission.ts';
import type { Principal } from '../domain/principal.ts';
import { Problem } from '../domain/problem.ts';
import type { App, Cli } from './cli.ts';
import { examples } from './examples.ts';
import { everything, remembered } from './lists.ts';
import type { Operator } from './operator.ts';
import { harmless } from './terminal.ts';
import { minutesTyped } from './timeSpan.ts';

type InviteOptions = { readonly role?: PrincipalRole; readonly tenant?: string; readonly expires?: number };

export function addPrincipalCommands(program: Command, cli: Cli): void {
  const principals = program
    .command('principals')
    .description('who may call, how people among them come in, and where they are signed in');
  examples(
    principals,
    'rollcall principals',
    "rollcall principals invite 'Ada Obi' --role reviewer --tenant Harbor",
  );
  const list = principals
    .command('list', { isDefault: true })
    .description('list principals, the oldest first')
    .action(() => cli.withApp((app) => listPrincipals(cli, app)));
  examples(list, 'rollcall principals', 'rollcall principals list --json');
  const invite = principals
    .command('invite')
    .description('make a link that lets somebody sign in as a principal from then on; shown this once')
    .argument('<principal>', 'id or name; with --role, one of this name is made if there is none')
    .addOption(new Option('--role <role>', 'of a principal that is made').choices(PRINCIPAL_ROLES))
    .option('--tenant <tenant>', 'of the principal; without it, of all tenants if one is made')
    .option('--expires <time>', 'how long the link is good: 12h, 7d', minutesTyped)
    .action((who: string, options: InviteOptions) =>
      cli.withApp((app) => invitePerson(cli, app, who, options)),
    );
  examples(
    invite,
    "rollcall principals invite 'Ada Obi' --role reviewer --tenant Harbor",
    "rollcall principals invite 'Ada Obi' --expires 12h --json",
  );
  addEnding(principals, cli);
  addDisabling(principals, cli);
}

function addEnding(principals: Command, cli: Cli): void {
  const withdraw = principals
    .command('withdraw')
    .description('make an invitation that was not used open nothing')
    .argument('<principal>', 'id or name')
    .action((who: string) => cli.withApp((app) => withdrawInvitation(cli, app, who)));
  examples(withdraw, "rollcall principals withdraw 'Ada Obi'");
  const codes = principals
    .command('recovery-codes')
    .description('make new recovery codes for somebody with the role system; the earlier ones open nothing')
    .argument('<principal>', 'id or name')
    .action((who: string) => cli.withApp((app) => makeRecoveryCodes(cli, app, who)));
  examples(codes, "rollcall principals recovery-codes 'Ada Obi'");
  const sessions = principals
    .command('sessions')
    .description('show where a principal is signed in')
    .argument('<principal>', 'id or name')
    .action((who: string) => cli.withApp((app) => showSessions(cli, app, who)));
  examples(sessions, "rollcall principals sessions 'Ada Obi'");
  const signOut = principals
    .command('sign-out')
    .description('end all sessions of a principal')
    .argument('<principal>', 'id or name')
    .action((who: string) => cli.withApp((app) => signOutEverywhere(cli, app, who)));
  examples(signOut, "rollcall principals sign-out 'Ada Obi'");
}

function addDisabling(principals: Command, cli: Cli): void {
  const disable = principals
    .command('disable')
    .description('make all keys of a principal open nothing, until it is enabled again, and end its sessions')
    .argument('<principal>', 'id or name')
    .action((who: string) => cli.withApp((app) => setDisabled(cli, app, who, true)));
  examples(disable, "rollcall principals disable 'Ada Obi'");
  const enable = principals
    .command('enable')
    .description('let the keys of a principal open again what they did, and let it sign in')
    .argument('<principal>', 'id or name')
    .action((who: string) => cli.withApp((app) => setDisabled(cli, app, who, false)));
  examples(enable, "rollcall principals enable 'Ada Obi'");
}

async function listPrincipals({ terminal }: Cli, { operator }: App): Promise<void> {
  const items = await everything((page) => operator.listPrincipals(page));
  if (terminal.json) return terminal.document({ items, next: null });
  const tenantName = remembered(async (id: string) => (await operator.getTenant(id)).name);
  const rows = items.map(async ({ id, name, role, tenant, disabledAt }) => [
    name,
    role,
    await tenantName(tenant),
    disabledAt === null ? '' : 'disabled',
    id,
  ]);
  terminal.table(['principal', 'role', 'tenant', '', 'id'], await Promise.all(rows));
}

async function invitePerson({ terminal }: Cli, { operator }: App, who: string, options: InviteOptions) {
  const principal = await knownOrMade(operator, who, options);
  const { expires } = options;
  const made = await operator.invitePrincipal({
    principal: principal.id,
    ...(expires === undefined ? {} : { minutes: expires }),
  });
  if (terminal.json) return terminal.document({ ...made, principal });
  terminal.line(made.link);
  terminal.note(
    `Whoever opens it and signs in is ${harmless(principal.name)} (${principal.role}) from then on. It is good once, until ${minute(made.expiresAt)}.`,
  );
}

async function knownOrMade(
  operator: Operator,
  who: string,
  { role, tenant }: InviteOptions,
): Promise<Principal> {
  if (role === undefined && tenant === undefined) return await operator.findPrincipal(who);
  const at = tenant === undefined ? operator.root : (await operator.findTenant(tenant)).id;
  const known = await operator.principalIn({ tenant: at, nameOrId: who });
  if (known !== null && (role === undefined || known.role === role)) return known;
  if (known !== null) {
    throw new Problem({
      code: 'name-taken',
      message: `There is a principal of this name with the role ${known.role}.`,
      remedy: `Choose another name, or --role ${known.role}.`,
    });
  }
  if (role !== undefined) return await operator.createPrincipal({ tenant: at, name: who, role });
  throw new Problem({
    code: 'not-found',
    message: 'This tenant has no principal of this name.',
    remedy: 'Say with --role what the principal may do: then it is made.',
  });
}

async function withdrawInvitation({ terminal }: Cli, { operator }: App, who: string): Promise<void> {
  const { id, name } = await operator.findPrincipal(who);
  await operator.withdrawInvitation(id);
  if (terminal.json) return terminal.document({ principal: id, withdrawn: true });
  terminal.line(`No invitation of ${harmless(name)} opens anything.`);
}

async function makeRecoveryCodes({ terminal }: Cli, { operator }: App, who: string): Promise<void> {
  const { id, name } = await operator.findPrincipal(who);
  const made = await operator.createRecoveryCodes(id);
  if (terminal.json) return terminal.document(made);
  for (const code of made.codes) terminal.line(code);
  terminal.note(
    `Each opens one session of ${harmless(name)}. They are not shown again; earlier ones open nothing.`,
  );
}

async function showSessions({ terminal }: Cli, { operator }: App, who: string): Promise<void> {
  const { id } = await operator.findPrincipal(who);
  const items = await everything((page) => operator.listSessions({ principal: id, ...page }));
  if (terminal.json) return terminal.document({ items, next: null });
  if (items.length === 0) return terminal.line('Not signed in anywhere.');
  terminal.table(
    ['since', 'by', 'last used', 'until', 'browser', 'id'],
    items.map((one) => [
      minute(one.createdAt),
      one.method,
      minute(one.lastUsedAt),
      minute(one.expiresAt),
      one.userAgent ?? '',
      one.id,
    ]),
  );
}

async function signOutEverywhere({ terminal }: Cli, { operator }: App, who: string): Promise<void> {
  const { id, name } = await operator.findPrincipal(who);
  const { ended } = await operator.endSessionsOf({ principal: id });
  if (terminal.json) return terminal.document({ principal: id, ended });
  terminal.line(`Sessions of ${harmless(name)} that were ended: ${ended}.`);
}

async function setDisabled(cli: Cli, { operator }: App, who: string, disabled: boolean): Promise<void> {
  const { terminal } = cli;
  const { id } = await operator.findPrincipal(who);
  const principal = disabled ? await operator.disablePrincipal(id) : await operator.enablePrincipal(id);
  if (terminal.json) return terminal.document(principal);
  const now = disabled ? 'open nothing now; sessions have ended' : 'open again what they did';
  terminal.line(`Keys of ${harmless(principal.name)} ${now}.`);
}

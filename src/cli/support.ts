/** `rollcall support`: who from above was let into a tenant. What support people do themselves goes through the API. */
import { type Command, Option } from 'commander';
import type { Principal } from '../domain/principal.ts';
import type { SupportState } from '../domain/supportAccess.ts';
import type { App, Cli } from './cli.ts';
import { examples } from './examples.ts';
import { everything, remembered } from './lists.ts';
import type { Operator } from './operator.ts';
import { type Cell, harmless, type Style, type Terminal } from './terminal.ts';
import { minutesTyped } from './timeSpan.ts';

type Terms = {
  readonly for: string;
  readonly reason: string;
  readonly time: number;
  readonly mayWrite?: boolean;
};
type GrantOptions = { readonly time?: number; readonly readOnly?: boolean };
type Access = Awaited<ReturnType<Operator['grantSupport']>>;

const ID = '019ab0c4-5d2e-7c3f-8a1b-2c3d4e5f6a7b';

const styleOfState = {
  requested: 'yellow',
  granted: 'green',
  refused: 'dim',
  ended: 'dim',
} as const satisfies Record<SupportState, Style>;

export function addSupportCommands(program: Command, cli: Cli): void {
  const support = program
    .command('support')
    .description('who from above is let into a tenant, for a limited time');
  examples(
    support,
    'rollcall support',
    "rollcall support invite Harbor --for Sue --reason 'Ticket 4711' --time 2h",
  );
  const list = support
    .command('list', { isDefault: true })
    .description('list support accesses, the oldest first, those that have ended among them')
    .option('--tenant <tenant>', 'only of this tenant and what is below it')
    .action((options: { tenant?: string }) => cli.withApp((app) => listAccesses(cli, app, options.tenant)));
  examples(list, 'rollcall support', 'rollcall support list --tenant Harbor --json');
  const request = withTerms(
    support
      .command('request')
      .description('ask a tenant to let a support person in; its administrators decide'),
  ).action((tenant: string, terms: Terms) => cli.withApp((app) => requestAccess(cli, app, tenant, terms)));
  examples(request, "rollcall support request Harbor --for Sue --reason 'Ticket 4711' --time 2h");
  const invite = withTerms(
    support.command('invite').description('let a support person into a tenant without a request'),
  ).action((tenant: string, terms: Terms) => cli.withApp((app) => invitePerson(cli, app, tenant, terms)));
  examples(invite, "rollcall support invite Harbor --for Sue --reason 'Ticket 4711' --may-write");
  const grant = support
    .command('grant')
    .description('grant what was asked for, or less')
    .argument('<access>', 'id of the support access')
    .option('--time <time>', 'shorter than was asked for: 30m, 2h', minutesTyped)
    .option('--read-only', 'to look only, although more was asked for')
    .action((id: string, options: GrantOptions) => cli.withApp((app) => grantAccess(cli, app, id, options)));
  examples(grant, `rollcall support grant ${ID}`, `rollcall support grant ${ID} --time 30m --read-only`);
  const refuse = support
    .command('refuse')
    .description('refuse what was asked for')
    .argument('<access>', 'id of the support access')
    .action((id: string) =>
      cli.withApp(async (app) => tell(cli.terminal, await app.operator.refuseSupport(id))),
    );
  examples(refuse, `rollcall support refuse ${ID}`);
  const end = support
    .command('end')
    .description('end a support access at once')
    .argument('<access>', 'id of the support access')
    .action((id: string) =>
      cli.withApp(async (app) => tell(cli.terminal, await app.operator.endSupport(id))),
    );
  examples(end, `rollcall support end ${ID}`);
}

function withTerms(command: Command): Command {
  return command
    .argument('<tenant>', 'id or name')
    .requiredOption('--for <principal>', 'the support person: id or name')
    .requiredOption('--reason <text>', 'why; the tenant reads it')
    .addOption(new Option('--time <time>', 'how long: 30m, 2h').argParser(minutesTyped).default(60, '1h'))
    .option('--may-write', 'not only to look');
}

async function listAccesses(cli: Cli, { operator }: App, tenant: string | undefined): Promise<void> {
  const { terminal } = cli;
  const within = tenant === undefined ? {} : { tenant: (await operator.findTenant(tenant)).id };
  const items = await everything((page) => operator.listSupport({ ...within, ...page }));
  if (terminal.json) return terminal.document({ items, next: null });
  if (items.length === 0) return terminal.line('Nobody was let in, and nobody has asked.');
  const tenantName = remembered(async (id: string) => (await operator.getTenant(id)).name);
  const rows = items.map(
    async (access): Promise<Cell[]> => [
      { text: access.state, style: styleOfState[access.state] },
      access.name,
      await tenantName(access.tenant),
      access.mayWrite ? 'write' : 'look',
      untilOf(access),
      access.reason,
      access.id,
    ],
  );
  terminal.table(['state', 'who', 'tenant', 'may', 'until (UTC)', 'why', 'id'], await Promise.all(rows));
}

function untilOf({ minutes, expiresAt, endedAt }: Access): string {
  const at = endedAt ?? expiresAt;
  return at === null ? `for ${minutes} min` : at.toISOString().slice(0, 16).replace('T', ' ');
}

async function termsOf(operator: Operator, tenant: string, terms: Terms) {
  const { id } = await operator.findTenant(tenant);
  const person: Principal = await operator.findPrincipal(terms.for);
  const { reason, time: minutes, mayWrite = false } = terms;
  return { tenant: id, principal: person.id, reason, minutes, mayWrite };
}

async function requestAccess(cli: Cli, { operator }: App, tenant: string, terms: Terms): Promise<void> {
  tell(cli.terminal, await operator.requestSupport(await termsOf(operator, tenant, terms)));
}

async function invitePerson(cli: Cli, { operator }: App, tenant: string, terms: Terms): Promise<void> {
  tell(cli.terminal, await operator.inviteSupport(await termsOf(operator, tenant, terms)));
}

async function grantAccess(cli: Cli, { operator }: App, id: string, options: GrantOptions): Promise<void> {
  const { time, readOnly } = options;
  const access = await operator.grantSupport({
    supportAccess: id,
    ...(time === undefined ? {} : { minutes: time }),
    ...(readOnly === true ? { mayWrite: false } : {}),
  });
  tell(cli.terminal, access);
}

function tell(terminal: Terminal, access: Access): void {
  if (terminal.json) {
    terminal.document(access);
    return;
  }
  const may = access.mayWrite ? 'look and write' : 'look';
  const said = {
    requested: `has asked to ${may} for ${access.minutes} min`,
    granted: `may ${may} until ${untilOf(access)} UTC`,
    refused: 'was refused',
    ended: 'may not look any more',
  } as const satisfies Record<SupportState, string>;
  terminal.line(`${harmless(access.name)} ${said[access.state]} (${access.id}).`);
  if (access.state === 'granted')
    terminal.note(`Each request of theirs carries the header rollcall-support-access: ${access.id}`);
}

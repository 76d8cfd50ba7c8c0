/** `rollcall tenants`: customers and their parts, and the domains that they are known to own. */
import type { Command } from 'commander';
import { PROVIDERS } from '../domain/directory.ts';
import type { App, Cli } from './cli.ts';
import { examples } from './examples.ts';
import { atLeastOne, type Page, pagesOf, remembered, writeItems } from './lists.ts';

type ListOptions = { readonly parent?: string; readonly limit: number; readonly all?: boolean };

export function addTenantCommands(program: Command, cli: Cli): void {
  const tenants = program.command('tenants').description('customers and their parts');
  examples(
    tenants,
    'rollcall tenants',
    "rollcall tenants add 'Harbor Foods'",
    'rollcall tenants domain HarborFoods',
  );
  const list = tenants
    .command('list', { isDefault: true })
    .description('list tenants, the oldest first')
    .option('--parent <tenant>', 'only the direct parts of this tenant')
    .option('--limit <number>', 'at most so many', atLeastOne, 100)
    .option('--all', 'all of them')
    .action((options: ListOptions) => cli.withApp((app) => listTenants(cli, app, options)));
  examples(list, 'rollcall tenants', "rollcall tenants list --parent 'Harbor Foods' --json");
  const add = tenants
    .command('add')
    .description('add a tenant')
    .argument('<name>', 'what people call it')
    .option('--parent <tenant>', 'the tenant that it is a part of')
    .action((name: string, options: { parent?: string }) =>
      cli.withApp((app) => addTenant(cli, app, name, options.parent)),
    );
  examples(
    add,
    "rollcall tenants add 'Harbor Foods'",
    "rollcall tenants add Logistics --parent 'Harbor Foods'",
  );
  const rename = tenants
    .command('rename')
    .description('give a tenant another name')
    .argument('<tenant>', 'id or name')
    .argument('<name>', 'the new name')
    .action((tenant: string, name: string) => cli.withApp((app) => renameTenant(cli, app, tenant, name)));
  examples(rename, "rollcall tenants rename 'Harbor Foods' 'Harbor Foods Group'");
  const domain = tenants
    .command('domain')
    .description('show the domains that a tenant is known to own, or add one that you have verified')
    .argument('<tenant>', 'id or name')
    .argument('[domain]', 'a domain whose owner you have verified to be this tenant')
    .action((tenant: string, name: string | undefined) =>
      cli.withApp((app) => domains(cli, app, tenant, name)),
    );
  examples(
    domain,
    "rollcall tenants domain 'Harbor Foods'",
    "rollcall tenants domain 'Harbor Foods' harborfoods.example",
  );
}

async function listTenants(cli: Cli, { operator }: App, options: ListOptions): Promise<void> {
  const { terminal } = cli;
  const parent =
    options.parent === undefined ? {} : { parent: (await operator.findTenant(options.parent)).id };
  const fetch = (page: Page) => operator.listTenants({ ...parent, ...page });
  if (terminal.json) return await writeItems(terminal, fetch, options);
  const nameOf = remembered(async (id: string) => (await operator.getTenant(id)).name);
  let next: string | null = null;
  for await (const page of pagesOf(fetch, options)) {
    const rows = page.items.map(async (tenant) => [
      await pathOf(tenant.path, nameOf),
      tenant.createdAt.toISOString().slice(0, 10),
      tenant.id,
    ]);
    terminal.table(['tenant', 'since', 'id'], await Promise.all(rows));
    next = page.next;
  }
  if (next !== null) terminal.note('There are more: --limit or --all.');
}

/** `Harbor Foods / Logistics`; the tenant above all others is left out where it is not alone. */
async function pathOf(path: readonly string[], nameOf: (id: string) => Promise<string>): Promise<string> {
  const shown = path.length > 1 ? path.slice(1) : path;
  return (await Promise.all(shown.map(nameOf))).join(' / ');
}

async function addTenant(
  cli: Cli,
  { operator }: App,
  name: string,
  parent: string | undefined,
): Promise<void> {
  const above = parent === undefined ? {} : { parent: (await operator.findTenant(parent)).id };
  const tenant = await operator.createTenant({ name, ...above });
  if (cli.terminal.json) return cli.terminal.document(tenant);
  cli.terminal.line(`Added the tenant ${tenant.name} (${tenant.id}).`);
  cli.next(`connections add NAME --tenant ${tenant.id} --provider '${PROVIDERS.join('|')}' …`);
}

async function renameTenant(cli: Cli, { operator }: App, tenant: string, name: string): Promise<void> {
  const found = await operator.findTenant(tenant);
  const renamed = await operator.renameTenant({ tenant: found.id, name });
  if (cli.terminal.json) return cli.terminal.document(renamed);
  cli.terminal.line(`${found.name} is now called ${renamed.name}.`);
}

async function domains(
  cli: Cli,
  { operator }: App,
  tenant: string,
  domain: string | undefined,
): Promise<void> {
  const { terminal } = cli;
  const { id, name } = await operator.findTenant(tenant);
  if (domain !== undefined) {
    const verified = await operator.verifyDomain({ tenant: id, domain });
    if (terminal.json) return terminal.document(verified);
    return terminal.line(
      `${name} owns ${verified.domain}: addresses in it may be matched with stored users.`,
    );
  }
  const list = await operator.listDomains(id);
  if (terminal.json) return terminal.document({ items: list });
  if (list.length === 0) return terminal.line(`No domain of ${name} is verified.`);
  terminal.table(
    ['domain', 'verified', 'by'],
    list.map((one) => [one.domain, one.verifiedAt.toISOString().slice(0, 10), one.verifiedBy]),
  );
}

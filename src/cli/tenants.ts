/** `rollcall tenants`: customers and their parts, and the domains that they are known to own. */
import type { Command } from 'commander';
import { PROVIDERS } from '../domain/directory.ts';
import type { Tenant } from '../domain/tenant.ts';
import type { App, Cli } from './cli.ts';
import { type DomainOptions, domains } from './domains.ts';
import { examples } from './examples.ts';
import { atLeastOne, everything, type Page, pagesOf, remembered, writeItems } from './lists.ts';
import { addTenantLifeCommands, date, standingOf } from './tenantLife.ts';
import type { Cell } from './terminal.ts';

type ListOptions = {
  readonly parent?: string;
  readonly limit: number;
  readonly all?: boolean;
  readonly tree?: boolean;
};

export function addTenantCommands(program: Command, cli: Cli): void {
  const tenants = program.command('tenants').description('customers and their parts');
  examples(
    tenants,
    'rollcall tenants',
    "rollcall tenants add 'Harbor Foods'",
    "rollcall tenants domain 'Harbor Foods'",
  );
  const list = tenants
    .command('list', { isDefault: true })
    .description('list tenants, the oldest first')
    .option('--parent <tenant>', 'only the direct parts of this tenant; with --tree all that is below it')
    .option('--limit <number>', 'at most so many', atLeastOne, 100)
    .option('--all', 'all of them')
    .option('--tree', 'all of them, by name, each below its parent')
    .action((options: ListOptions) => cli.withApp((app) => listTenants(cli, app, options)));
  examples(
    list,
    'rollcall tenants',
    'rollcall tenants list --tree',
    "rollcall tenants list --parent 'Harbor Foods' --json",
  );
  const show = tenants
    .command('show')
    .description('show a tenant, its children, and how many tenants of which kind are below it')
    .argument('<tenant>', 'id or name')
    .action((tenant: string) => cli.withApp((app) => showTenant(cli, app, tenant)));
  examples(show, "rollcall tenants show 'Harbor Foods'");
  addMaking(tenants, cli);
  addTenantLifeCommands(tenants, cli);
}

function addMaking(tenants: Command, cli: Cli): void {
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
    .description('show the domains of a tenant, or claim one: a TXT record proves whose it is')
    .argument('<tenant>', 'id or name')
    .argument('[domain]', 'to claim it, or to see what its record has to be')
    .option('--check', 'look whether its record is there')
    .option('--attest', 'without a record: you have verified yourself that it belongs to the tenant')
    .option('--withdraw', 'take the claim back, and what was attested; nobody is unlinked')
    .action((tenant: string, name: string | undefined, options: DomainOptions) =>
      cli.withApp((app) => domains(cli, app, { tenant, domain: name, ...options })),
    );
  examples(
    domain,
    "rollcall tenants domain 'Harbor Foods'",
    "rollcall tenants domain 'Harbor Foods' harborfoods.example",
    "rollcall tenants domain 'Harbor Foods' harborfoods.example --check",
  );
}

async function listTenants(cli: Cli, { operator }: App, options: ListOptions): Promise<void> {
  const { terminal } = cli;
  if (options.tree === true && !terminal.json) return await writeTree(cli, { operator }, options.parent);
  const parent =
    options.parent === undefined ? {} : { parent: (await operator.findTenant(options.parent)).id };
  const fetch = (page: Page) => operator.listTenants({ ...parent, ...page });
  if (terminal.json)
    return await writeItems(terminal, fetch, { ...options, all: options.all ?? options.tree ?? false });
  const nameOf = remembered(async (id: string) => (await operator.getTenant(id)).name);
  let next: string | null = null;
  for await (const page of pagesOf(fetch, options)) {
    const rows = page.items.map(
      async (tenant): Promise<Cell[]> => [
        await pathOf(tenant.path, nameOf),
        tenant.kind,
        standingOf(tenant),
        date(tenant.createdAt),
        tenant.id,
      ],
    );
    terminal.table(['tenant', 'kind', 'state', 'since', 'id'], await Promise.all(rows));
    next = page.next;
  }
  if (next !== null) terminal.note('There are more: --limit or --all.');
}

/** `Harbor Foods / Logistics`; the tenant above all others is left out where it is not alone. */
async function pathOf(path: readonly string[], nameOf: (id: string) => Promise<string>): Promise<string> {
  const shown = path.length > 1 ? path.slice(1) : path;
  return (await Promise.all(shown.map(nameOf))).join(' / ');
}

async function writeTree(
  { terminal }: Cli,
  { operator }: Pick<App, 'operator'>,
  parent: string | undefined,
): Promise<void> {
  const top = parent === undefined ? operator.root : (await operator.findTenant(parent)).id;
  const all = await everything((page) => operator.listTenants(page));
  const below = Map.groupBy(all, (tenant) => tenant.parent);
  const rows: Cell[][] = [];
  const add = (tenant: Tenant, depth: number) => {
    rows.push([
      { text: tenant.name, indent: 2 * depth },
      tenant.kind,
      standingOf(tenant),
      tenant.dataKey,
      tenant.id,
    ]);
    const children = below.get(tenant.id) ?? [];
    for (const child of children.toSorted((one, other) => one.name.localeCompare(other.name, 'en')))
      add(child, depth + 1);
  };
  for (const tenant of all) if (tenant.id === top) add(tenant, 0);
  terminal.table(['tenant', 'kind', 'state', 'data key', 'id'], rows);
}

async function showTenant({ terminal }: Cli, { operator }: App, name: string): Promise<void> {
  const { id } = await operator.findTenant(name);
  const tenant = await operator.describeTenant(id);
  if (terminal.json) return terminal.document(tenant);
  const nameOf = async (one: string) => (await operator.getTenant(one)).name;
  const plan =
    tenant.effectivePlan === null ? 'none' : (await operator.findProductPlan(tenant.effectivePlan)).name;
  const { individual, organisation, enterprise } = tenant.descendants;
  terminal.table(
    ['tenant', await pathOf(tenant.path, nameOf)],
    [
      ['id', tenant.id],
      ['data key', tenant.dataKey],
      ['kind', tenant.kind],
      ['state', standingOf(tenant)],
      ['roles from above', tenant.inheritsRoles ? 'hold here' : 'do not hold here'],
      ['product plan', tenant.plan === null && tenant.effectivePlan !== null ? `${plan} (from above)` : plan],
      ['below it', `individual: ${individual}, organisation: ${organisation}, enterprise: ${enterprise}`],
      ['version', String(tenant.version)],
    ],
  );
  const { items, next } = tenant.children;
  if (items.length === 0) return;
  terminal.line();
  terminal.table(
    ['child', 'kind', 'state', 'id'],
    items.map((child) => [child.name, child.kind, standingOf(child), child.id]),
  );
  if (next !== null) terminal.note(`There are more: rollcall tenants list --parent ${tenant.id} --all`);
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
  const renamed = await operator.updateTenant({ tenant: found.id, name });
  if (cli.terminal.json) return cli.terminal.document(renamed);
  cli.terminal.line(`${found.name} is now called ${renamed.name}.`);
}

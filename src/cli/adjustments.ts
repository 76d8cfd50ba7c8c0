/** `rollcall adjust` and `rollcall adjustments`: roles and tenant of somebody new, edited before they are approved. */
import type { Command } from 'commander';
import type { TenantId } from '../domain/ids.ts';
import { Problem } from '../domain/problem.ts';
import type { App, Cli } from './cli.ts';
import { examples } from './examples.ts';
import { atLeastOne, type Page, pagesOf, remembered, writeItems } from './lists.ts';
import type { Operator } from './operator.ts';

type AdjustOptions = { readonly roles?: string[]; readonly tenant?: string; readonly reason: string };
type ListOptions = {
  readonly tenant?: string;
  readonly connection?: string;
  readonly limit: number;
  readonly all?: boolean;
};

export function addAdjustmentCommands(program: Command, cli: Cli): void {
  const adjust = program
    .command('adjust')
    .description('edit the roles and the tenant of somebody new before approving them; later syncs honour it')
    .argument('<change>', 'id, as `rollcall changes` lists it')
    .option('--roles <role...>', "all that the directory is to give them; '' for none")
    .option('--tenant <tenant>', "where they belong: the connection's tenant, or one below it")
    .requiredOption('--reason <text>', 'why, for whoever asks later')
    .action((id: string, options: AdjustOptions) =>
      cli.withApp((app) => adjustNewcomer(cli, app, id, options)),
    );
  examples(
    adjust,
    "rollcall adjust 019ab0c4-5d2e-7c3f-8a1b-2c3d4e5f6a7b --roles viewer --reason 'Starts as a trainee'",
    "rollcall adjust 019ab0c4-5d2e-7c3f-8a1b-2c3d4e5f6a7b --tenant 'Harbor East' --reason 'Hired for the branch'",
  );
  const adjustments = program
    .command('adjustments')
    .description('list who was edited before they came in')
    .option('--tenant <tenant>', 'only of this tenant and what is below it')
    .option('--connection <connection>', 'only of this connection')
    .option('--limit <number>', 'at most so many', atLeastOne, 50)
    .option('--all', 'all of them')
    .action((options: ListOptions) => cli.withApp((app) => listAdjustments(cli, app, options)));
  examples(adjustments, "rollcall adjustments --connection 'Harbor Okta'", 'rollcall adjustments --json');
  const end = adjustments
    .command('end')
    .description('take one back: from then on the mapping alone says what they are')
    .argument('<adjustment>', 'id')
    .requiredOption('--reason <text>', 'why, for whoever asks later')
    .action((adjustment: string, { reason }: { readonly reason: string }) =>
      cli.withApp((app) => endAdjustment(cli, app, adjustment, reason)),
    );
  examples(end, "rollcall adjustments end 019ab0c4-5d2e-7c3f-8a1b-2c3d4e5f6a7b --reason 'A mistake'");
}

async function adjustNewcomer(
  cli: Cli,
  { operator }: App,
  id: string,
  { roles, tenant, reason }: AdjustOptions,
): Promise<void> {
  const { fingerprint } = await operator.getChange(id);
  const wanted = {
    ...(roles === undefined ? {} : { roles: roles.filter((role) => role !== '') }),
    ...(tenant === undefined ? {} : { tenant: (await operator.findTenant(tenant)).id }),
  };
  const done = await operator.adjustNewcomer({ change: id, fingerprint, reason, ...wanted });
  if (cli.terminal.json) return cli.terminal.document(done);
  cli.terminal.line(
    done.adjustment === null
      ? 'They are as the mapping makes them.'
      : `Edited; later syncs honour it (adjustment ${done.adjustment}).`,
  );
  cli.next(`show ${done.change}`, `approve ${done.change} --reason TEXT`);
}

async function listAdjustments(cli: Cli, { operator }: App, options: ListOptions): Promise<void> {
  const { terminal } = cli;
  const { tenant, connection } = options;
  const where = {
    ...(tenant === undefined ? {} : { tenant: (await operator.findTenant(tenant)).id }),
    ...(connection === undefined ? {} : { connection: (await operator.findConnection(connection)).id }),
  };
  const fetch = (page: Page) => operator.listAdjustments({ ...where, ...page });
  if (terminal.json) return await writeItems(terminal, fetch, options);
  const nameOf = remembered((id: TenantId) => tenantName(operator, id));
  let found = 0;
  let next: string | null = null;
  for await (const page of pagesOf(fetch, options)) {
    next = page.next;
    found += page.items.length;
    const rows = await Promise.all(page.items.map((one) => rowOf(one, nameOf)));
    if (rows.length > 0)
      terminal.table(['adjustment', 'in the directory', 'differs in', 'by', 'reason'], rows);
  }
  if (found === 0) terminal.note('Nobody was edited before they came in.');
  if (next !== null) terminal.note('\nThere are more: --limit or --all.');
}

type Adjustment = Awaited<ReturnType<Operator['listAdjustments']>>['items'][number];

/** One that was deleted since has its id alone. */
async function tenantName(operator: Operator, id: TenantId): Promise<string> {
  try {
    return (await operator.getTenant(id)).name;
  } catch (error) {
    if (error instanceof Problem && error.code === 'not-found') return id;
    throw error;
  }
}

async function rowOf(
  { id, externalId, rolesAdded, rolesRemoved, place, by, reason }: Adjustment,
  nameOf: (tenant: TenantId) => Promise<string>,
): Promise<string[]> {
  const differs = [
    ...rolesAdded.map((role) => `+ ${role}`),
    ...rolesRemoved.map((role) => `− ${role}`),
    ...(place === null ? [] : [`in the tenant ${await nameOf(place)}`]),
  ];
  return [id, externalId, differs.join(', '), by, reason];
}

async function endAdjustment(cli: Cli, { operator }: App, adjustment: string, reason: string): Promise<void> {
  const done = await operator.takeBackAdjustment({ adjustment, reason });
  if (cli.terminal.json) return cli.terminal.document(done);
  if (done.change === null)
    return cli.terminal.line('Taken back: the next sync that reads everybody proposes what differs.');
  cli.terminal.line('Taken back: they are as the mapping makes them.');
  cli.next(`show ${done.change}`);
}

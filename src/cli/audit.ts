/** `rollcall audit`: what was done, by whom, and whether the record of it is whole. */
import type { Command } from 'commander';
import { TenantId } from '../domain/ids.ts';
import { parseId } from '../domain/input.ts';
import { Problem } from '../domain/problem.ts';
import type { App, Cli } from './cli.ts';
import { examples } from './examples.ts';
import { EXIT } from './failure.ts';
import { atLeastOne, type Page, pagesOf, writeItems } from './lists.ts';
import type { Operator } from './operator.ts';
import { grouped } from './terminal.ts';

type VerifyOptions = { readonly tenant?: string };
type ListOptions = { readonly tenant: string; readonly limit: number; readonly all?: boolean };

export function addAuditCommands(program: Command, cli: Cli): void {
  const audit = program.command('audit').description('the log of everything that was done');
  examples(audit, 'rollcall audit verify', 'rollcall audit list --tenant Harbor --json');
  const verify = audit
    .command('verify')
    .description('recompute the hash chains and say whether an entry was altered, removed or added')
    .option('--tenant <tenant>', 'only this tenant and what is below it')
    .action((options: VerifyOptions) => cli.withApp((app) => verifyChains(cli, app, options)));
  examples(verify, 'rollcall audit verify', 'rollcall audit verify --tenant Harbor --json');
  const list = audit
    .command('list')
    .description("list one tenant's entries, the oldest first")
    .requiredOption('--tenant <tenant>', 'id or name')
    .option('--limit <number>', 'at most so many', atLeastOne, 50)
    .option('--all', 'all of them')
    .action((options: ListOptions) => cli.withApp((app) => listEntries(cli, app, options)));
  examples(list, 'rollcall audit list --tenant Harbor', 'rollcall audit list --tenant Harbor --all --json');
}

async function verifyChains(cli: Cli, { operator }: App, options: VerifyOptions): Promise<number> {
  const { terminal } = cli;
  const tenant = options.tenant === undefined ? {} : { tenant: await logOf(operator, options.tenant) };
  const { tenants } = await operator.verifyAudit(tenant);
  const ok = tenants.every((one) => one.ok);
  if (terminal.json) {
    terminal.document({ ok, tenants });
    return ok ? EXIT.ok : EXIT.failed;
  }
  const rows = tenants.map(async (one) => [
    { text: one.ok ? 'ok' : 'BROKEN', style: one.ok ? ('green' as const) : ('red' as const) },
    await nameOf(operator, one.tenant),
    grouped(one.entries),
    one.ok ? '' : `at entry ${one.brokenAt ?? '?'}: ${one.because ?? 'unknown reason'}`,
  ]);
  terminal.table(['chain', 'tenant', 'entries', 'finding'], await Promise.all(rows));
  if (!ok)
    terminal.note(
      'Somebody changed the database past Rollcall: compare with a backup and with who had access.',
    );
  return ok ? EXIT.ok : EXIT.failed;
}

async function listEntries(cli: Cli, { operator }: App, options: ListOptions): Promise<void> {
  const { terminal } = cli;
  const tenant = await logOf(operator, options.tenant);
  const fetch = (page: Page<number>) => operator.listAudit({ tenant, ...page });
  if (terminal.json) return await writeItems(terminal, fetch, options);
  for await (const page of pagesOf(fetch, options)) {
    terminal.table(
      ['no', 'when (UTC)', 'who', 'what', 'subject', 'details'],
      page.items.map((entry) => [
        String(entry.number),
        entry.at.slice(0, 19).replace('T', ' '),
        entry.actor.name,
        entry.action,
        `${entry.subject.kind} ${entry.subject.id}`,
        JSON.stringify(entry.details),
      ]),
    );
  }
}

/** By id also that of a deleted tenant, which has no name any more. */
async function logOf(operator: Operator, nameOrId: string): Promise<TenantId> {
  return parseId(TenantId, nameOrId) ?? (await operator.findTenant(nameOrId)).id;
}

async function nameOf(operator: Operator, tenant: TenantId): Promise<string> {
  try {
    return (await operator.getTenant(tenant)).name;
  } catch (error) {
    if (error instanceof Problem && error.code === 'not-found') return `${tenant} (deleted)`;
    throw error;
  }
}

/** `rollcall audit`: what was done, by whom, and whether the record of it is whole. */
import type { Command } from 'commander';
import { TenantId } from '../domain/ids.ts';
import { parseId } from '../domain/input.ts';
import { Problem } from '../domain/problem.ts';
import type { App, Cli } from './cli.ts';
import { present } from './directoryOptions.ts';
import { examples } from './examples.ts';
import { EXIT } from './failure.ts';
import { atLeastOne, type Page, pagesOf, writeItems } from './lists.ts';
import { pastMomentTyped } from './moment.ts';
import type { Operator } from './operator.ts';
import { grouped, harmless } from './terminal.ts';

type VerifyOptions = { readonly tenant?: string; readonly pack?: string };
type ExportOptions = {
  readonly tenant?: string;
  readonly from: string;
  readonly to: string;
  readonly out: string;
};
type ListOptions = {
  readonly tenant: string;
  readonly oldest?: boolean;
  readonly action?: string;
  readonly actor?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit: number;
  readonly all?: boolean;
};

export function addAuditCommands(program: Command, cli: Cli): void {
  const audit = program.command('audit').description('the log of everything that was done');
  examples(audit, 'rollcall audit verify', 'rollcall audit list --tenant Harbor --json');
  const verify = audit
    .command('verify')
    .description('recompute the hash chains and say whether an entry was altered, removed or added')
    .option('--tenant <tenant>', 'only the log of this tenant')
    .option(
      '--pack <folder>',
      'also that the logs still go through where this evidence pack has seen them end',
    )
    .action((options: VerifyOptions) => cli.withApp((app) => verifyChains(cli, app, options)));
  examples(verify, 'rollcall audit verify', 'rollcall audit verify --tenant Harbor --json');
  const exported = audit
    .command('export')
    .description(
      'write the evidence of a period into a folder: audit entries, changes with their decisions, applies, users with their roles at its end; hashed and signed',
    )
    .option('--tenant <tenant>', 'of this tenant and what is below it; without it of all')
    .requiredOption(
      '--from <moment>',
      'beginning of the period: 2026-01-01, or how long ago, such as 90d',
      pastMomentTyped,
    )
    .requiredOption('--to <moment>', 'its end, which is not part of it any more; 0d: now', pastMomentTyped)
    .requiredOption('--out <folder>', 'empty, or not there yet; only you can read what is written')
    .action((options: ExportOptions) => cli.withApp((app) => exportPack(cli, app, options)));
  examples(
    exported,
    'rollcall audit export --tenant Harbor --from 2026-01-01 --to 2026-04-01 --out evidence',
  );
  const check = audit
    .command('check')
    .description('verify a folder that was exported, without a database: signature, hashes and chains')
    .argument('<folder>', 'that was exported, or unpacked')
    .option('--key <thumbprint>', 'the key that has to have signed it, as the export said')
    .action((folder: string, options: { key?: string }) =>
      cli.run(() => checkPack(cli, folder, options.key)),
    );
  examples(check, 'rollcall audit check evidence', 'rollcall audit check evidence --json');
  const list = audit
    .command('list')
    .description("list one tenant's entries, the newest first")
    .requiredOption('--tenant <tenant>', 'id or name')
    .option('--oldest', 'the oldest first')
    .option('--action <action>', 'only this one, such as changes.approved, or all that begin so: changes')
    .option('--actor <actor>', 'only what they have done: id, or name as it stands under who')
    .option('--from <moment>', 'only since then: 2026-01-01, or how long ago, such as 7d', pastMomentTyped)
    .option('--to <moment>', 'only before then, likewise', pastMomentTyped)
    .option('--limit <number>', 'at most so many', atLeastOne, 50)
    .option('--all', 'all of them')
    .action((options: ListOptions) => cli.withApp((app) => listEntries(cli, app, options)));
  examples(
    list,
    'rollcall audit list --tenant Harbor',
    'rollcall audit list --tenant Harbor --action changes.approved --from 30d',
    'rollcall audit list --tenant Harbor --all --json',
  );
}

async function verifyChains(cli: Cli, { operator }: App, options: VerifyOptions): Promise<number> {
  const { terminal } = cli;
  const tenant = options.tenant === undefined ? {} : { tenant: await logOf(operator, options.tenant) };
  const known = options.pack === undefined ? [] : await endsIn(options.pack);
  const { tenants } = await operator.verifyAudit({ ...tenant, known });
  const ok = tenants.every((one) => one.ok);
  if (terminal.json) {
    terminal.document({ ok, tenants });
    return ok ? EXIT.ok : EXIT.failed;
  }
  const rows = tenants.map((one) => [
    { text: one.ok ? 'ok' : 'BROKEN', style: one.ok ? ('green' as const) : ('red' as const) },
    one.tenantName ?? `${one.tenant} (deleted)`,
    grouped(one.entries),
    one.ok ? '' : `at entry ${one.brokenAt ?? '?'}: ${one.because ?? 'unknown reason'}`,
  ]);
  terminal.table(['chain', 'tenant', 'entries', 'finding'], rows);
  if (!ok)
    terminal.note(
      'Somebody changed the database past Rollcall: compare with a backup and with who had access.',
    );
  return ok ? EXIT.ok : EXIT.failed;
}

/** Of the chains in an evidence pack. Throws `invalid-input` where the pack is not what was exported. */
async function endsIn(folder: string): Promise<readonly string[]> {
  const { checkEvidence } = await import('../evidence/check.ts');
  const { manifest, difference } = await checkEvidence(folder, null);
  if (manifest !== null && difference === null)
    return manifest.chains.map(({ tenant, head }) => `${tenant}/${head.number}/${head.hash}`);
  throw new Problem({
    code: 'invalid-input',
    message: `The evidence pack in ${folder} is not what was exported: nothing follows from it.`,
    remedy: `Look at it with \`rollcall audit check ${folder}\`, and use another copy.`,
  });
}

async function exportPack(cli: Cli, { operator }: App, options: ExportOptions): Promise<void> {
  const { terminal, signal } = cli;
  const { from, to, out: folder } = options;
  const tenant =
    options.tenant === undefined ? {} : { tenant: (await operator.findTenant(options.tenant)).id };
  const made = await operator.exportEvidence({ from, to, ...tenant }, { folder, signal });
  if (terminal.json) return terminal.document({ folder, ...made });
  terminal.table(
    ['file', 'lines', 'bytes'],
    made.files.map(({ name, lines, bytes }) => [name, grouped(lines), grouped(bytes)]),
  );
  terminal.line();
  terminal.line(`Evidence pack ${made.id}, signed with the key ${made.thumbprint}.`);
  cli.next(`audit check ${folder} --key ${made.thumbprint}`);
}

async function checkPack(cli: Cli, folder: string, thumbprint: string | undefined): Promise<number> {
  const { terminal } = cli;
  const { checkEvidence } = await import('../evidence/check.ts');
  const {
    ok,
    difference,
    manifest,
    thumbprint: signedWith,
  } = await checkEvidence(folder, thumbprint ?? null);
  if (terminal.json) {
    const { id, tenant, from, to, madeAt, madeBy } = manifest ?? {};
    const pack = manifest === null ? null : { id, tenant, from, to, madeAt, madeBy };
    terminal.document({ ok, difference, pack, thumbprint: signedWith });
    return ok ? EXIT.ok : EXIT.failed;
  }
  if (manifest !== null)
    terminal.line(
      harmless(
        `Pack ${manifest.id} of ${manifest.tenant.name}, ${manifest.from} to ${manifest.to}, made ${manifest.madeAt} by ${manifest.madeBy}.`,
      ),
    );
  if (difference !== null) {
    const { file, line, because } = difference;
    terminal.line(
      `${terminal.style('red', 'NOT what was exported')}: ${harmless(file)}${line === null ? '' : `, line ${grouped(line)}`}: ${harmless(because)}.`,
    );
    return EXIT.failed;
  }
  terminal.line(
    `${terminal.style('green', 'ok')}: all files are what was exported, signed with the key ${signedWith ?? '?'}.`,
  );
  if (thumbprint === undefined)
    terminal.note(
      '  Whose key that is, the export has said, and entry evidence.exported of the audit log says: --key compares.',
    );
  return EXIT.ok;
}

async function listEntries(cli: Cli, { operator }: App, options: ListOptions): Promise<void> {
  const { terminal } = cli;
  const tenant = await logOf(operator, options.tenant);
  const { oldest, action, actor, from, to } = options;
  const meant = present({ action, actor, from, to });
  const order = oldest === true ? 'oldest' : 'newest';
  const fetch = (page: Page<number>) => operator.listAudit({ tenant, order, ...meant, ...page });
  if (terminal.json) return await writeItems(terminal, fetch, options);
  const seen = { found: 0, next: null as number | null };
  for await (const page of pagesOf(fetch, options)) {
    seen.next = page.next;
    if (page.items.length === 0) continue;
    seen.found += page.items.length;
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
  if (seen.found === 0) terminal.note('No such entry.');
  else if (seen.next !== null) terminal.note('\nThere are more: --limit or --all.');
}

/** By id also that of a deleted tenant, which has no name any more. */
async function logOf(operator: Operator, nameOrId: string): Promise<TenantId> {
  return parseId(TenantId, nameOrId) ?? (await operator.findTenant(nameOrId)).id;
}

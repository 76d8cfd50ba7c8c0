/** `rollcall assign` and `rollcall comment`: who is to look at changes, and what people say about them. */
import type { Command } from 'commander';
import { givenOf, refuseBoth } from './chosen.ts';
import type { App, Cli } from './cli.ts';
import { addCriteria, type Criteria, criteriaFrom, optionsOf } from './criteria.ts';
import { examples } from './examples.ts';
import type { Operator } from './operator.ts';
import { counted } from './terminal.ts';

type AssignOptions = Criteria & {
  readonly to: string;
  readonly all?: boolean;
  readonly tenant?: string;
  readonly connection?: string;
};

export function addAssignCommands(program: Command, cli: Cli): void {
  const assign = program
    .command('assign')
    .description('say who is to look at changes; it decides nothing')
    .argument('[change...]', 'ids, as `rollcall changes` lists them')
    .requiredOption('--to <principal>', 'id or name of one that may decide; me; or nobody')
    .option('--all', 'all that wait and that the options below leave')
    .option('--tenant <tenant>', 'only of this tenant and what is below it')
    .option('--connection <connection>', 'only of this connection');
  addCriteria(assign).action((ids: string[], options: AssignOptions) =>
    cli.withApp((app) => assignChanges(cli, app, ids, options)),
  );
  examples(
    assign,
    'rollcall assign 019ab0c4-5d2e-7c3f-8a1b-2c3d4e5f6a7b --to me',
    "rollcall assign --all --connection 'Harbor Okta' --risk high --to 'Jo Reviewer'",
    'rollcall changes --assignee me',
  );
  const comment = program
    .command('comment')
    .description('say something about a change; it stays as it is')
    .argument('<change>', 'id, as `rollcall changes` lists it')
    .argument('<text>', 'what is to be said')
    .action((change: string, text: string) => cli.withApp((app) => commentOn(cli, app, change, text)));
  examples(comment, "rollcall comment 019ab0c4-5d2e-7c3f-8a1b-2c3d4e5f6a7b 'Waiting for HR to confirm'");
}

async function assignChanges(
  cli: Cli,
  { operator }: App,
  ids: readonly string[],
  options: AssignOptions,
): Promise<void> {
  refuseBoth('change', ids, {
    all: options.all === true,
    given: [
      ...givenOf({ '--tenant': options.tenant, '--connection': options.connection }),
      ...optionsOf(options),
    ],
    remedy: 'Name changes by their ids, or give --all and the options that say which.',
  });
  const to = await assigneeFrom(operator, options.to);
  const { tenant, connection } = options;
  const { assigned } = await operator.assignChanges(
    ids.length > 0
      ? { to, changes: ids }
      : {
          to,
          ...(tenant === undefined ? {} : { tenant: (await operator.findTenant(tenant)).id }),
          ...(connection === undefined ? {} : { connection: (await operator.findConnection(connection)).id }),
          filter: await criteriaFrom(operator, options),
        },
  );
  if (cli.terminal.json) return cli.terminal.document({ assigned });
  cli.terminal.line(
    to === null
      ? assigned === 0
        ? 'Nobody was to look at any of them.'
        : `Nobody is to look at ${counted(assigned, 'change')} any more.`
      : assigned === 0
        ? 'Assigned nothing: no change that waits is meant.'
        : `Assigned ${counted(assigned, 'change')}.`,
  );
}

async function assigneeFrom(operator: Operator, to: string): Promise<string | null> {
  if (to === 'nobody') return null;
  return to === 'me' ? 'me' : (await operator.findPrincipal(to)).id;
}

async function commentOn(cli: Cli, { operator }: App, change: string, text: string): Promise<void> {
  const said = await operator.commentOnChange({ change, text });
  if (cli.terminal.json) return cli.terminal.document(said);
  cli.terminal.line('Noted.');
  cli.next(`show ${change}`);
}

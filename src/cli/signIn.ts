/** `rollcall sign-in`: the OpenID Connect providers that administrators sign in with; and the link for the first of them. */
import type { Command } from 'commander';
import { minute } from '../domain/clock.ts';
import type { ProviderCheck } from '../signIn/providers.ts';
import { asTyped } from './asTyped.ts';
import type { App, Cli } from './cli.ts';
import { contentOf, present } from './directoryOptions.ts';
import { examples } from './examples.ts';
import { EXIT } from './failure.ts';
import { everything, remembered } from './lists.ts';
import { harmless } from './terminal.ts';

type AddOptions = {
  readonly tenant?: string;
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecretFile?: string;
  readonly ca?: string;
};
type UpdateOptions = { readonly name?: string; readonly clientSecretFile?: string; readonly ca?: string };

export function addSetUpLinkCommand(program: Command, cli: Cli): void {
  const link = program
    .command('set-up-link')
    .description('print a fresh link that makes the first administrator; the one before opens nothing then')
    .action(() => cli.withApp((app) => printSetUpLink(cli, app)));
  examples(link, 'rollcall set-up-link', 'rollcall set-up-link --json');
}

async function printSetUpLink({ terminal }: Cli, { operator }: App): Promise<void> {
  const made = await operator.freshSetUpLink();
  if (terminal.json) return terminal.document(made);
  terminal.line(made.link);
  terminal.note(`It is good once, until ${minute(made.expiresAt)}.`);
}

export function addSignInCommands(program: Command, cli: Cli): void {
  const signIn = program.command('sign-in').description('the providers that administrators sign in with');
  examples(signIn, 'rollcall sign-in', "rollcall sign-in test 'Harbor ID'");
  const list = signIn
    .command('list', { isDefault: true })
    .description('list the providers, with the redirect URI to register at each')
    .option('--tenant <tenant>', 'only of this tenant and what is below it')
    .action((options: { tenant?: string }) => cli.withApp((app) => listProviders(cli, app, options.tenant)));
  examples(list, 'rollcall sign-in', 'rollcall sign-in list --tenant Harbor --json');
  const add = signIn
    .command('add')
    .description('add an OpenID Connect provider; it is asked what it says of itself first')
    .argument('<name>', 'what stands on the button')
    .option('--tenant <tenant>', 'whose administrators, and whose below; without it, of all tenants')
    .requiredOption('--issuer <url>', 'its issuer, letter by letter as it calls itself')
    .requiredOption('--client-id <id>', 'of Rollcall, as registered there')
    .option('--client-secret-file <file>', 'client secret; without it, a public client')
    .option('--ca <file>', "PEM certificates to trust besides the system's")
    .action((name: string, options: AddOptions) =>
      cli.withApp((app) => addProvider(cli, app, name, options)),
    );
  examples(
    add,
    "rollcall sign-in add 'Harbor ID' --tenant Harbor --issuer https://id.harbor.example --client-id rollcall --client-secret-file secret.txt",
  );
  addChanging(signIn, cli);
}

function addChanging(signIn: Command, cli: Cli): void {
  const update = signIn
    .command('update')
    .description(
      'change name, client secret or CA; issuer and client id stay, because logins are bound to them',
    )
    .argument('<provider>', 'id or name')
    .option('--name <name>', 'what stands on the button')
    .option('--client-secret-file <file>', 'the new client secret')
    .option('--ca <file>', "PEM certificates to trust besides the system's")
    .action((provider: string, options: UpdateOptions) =>
      cli.withApp((app) => updateProvider(cli, app, provider, options)),
    );
  examples(update, "rollcall sign-in update 'Harbor ID' --client-secret-file secret.txt");
  const test = signIn
    .command('test')
    .description('try step by step what a sign-in needs, as far as that goes without a person')
    .argument('<provider>', 'id or name')
    .action((provider: string) => cli.withApp((app) => testProvider(cli, app, provider)));
  examples(test, "rollcall sign-in test 'Harbor ID'");
  const remove = signIn
    .command('remove')
    .description('remove a provider and the logins that are bound to it; who has one is signed out')
    .argument('<provider>', 'id or name')
    .action((provider: string) => cli.withApp((app) => removeProvider(cli, app, provider)));
  examples(remove, "rollcall sign-in remove 'Harbor ID'");
}

async function listProviders(
  { terminal }: Cli,
  { operator }: App,
  within: string | undefined,
): Promise<void> {
  const tenant = within === undefined ? {} : { tenant: (await operator.findTenant(within)).id };
  const items = await everything((page) => operator.listSignInProviders({ ...tenant, ...page }));
  if (terminal.json) return terminal.document({ items, next: null });
  if (items.length === 0) return terminal.line('Nobody signs in with a provider yet.');
  const tenantName = remembered(async (id: string) => (await operator.getTenant(id)).name);
  const rows = items.map(async (one) => [
    one.name,
    await tenantName(one.tenant),
    one.issuer,
    one.redirectUri ?? 'set ROLLCALL_PUBLIC_URL',
    one.id,
  ]);
  terminal.table(['provider', 'tenant', 'issuer', 'redirect URI', 'id'], await Promise.all(rows));
}

async function addProvider(cli: Cli, { operator }: App, name: string, options: AddOptions): Promise<void> {
  const { terminal } = cli;
  const { issuer, clientId, ca, clientSecretFile } = options;
  const tenant =
    options.tenant === undefined ? operator.root : (await operator.findTenant(options.tenant)).id;
  const added = await operator.addSignInProvider({
    tenant,
    name,
    issuer,
    clientId,
    clientSecret: secretIn(clientSecretFile) ?? null,
    ca: ca === undefined ? null : contentOf(ca, '--ca'),
  });
  if (terminal.json) return terminal.document(added);
  terminal.line(`Added the sign-in provider ${harmless(added.name)} (${added.id}).`);
  terminal.line(
    added.redirectUri === null
      ? 'Set ROLLCALL_PUBLIC_URL: the redirect URI to register there follows from it.'
      : `Register there as its redirect URI, exactly so: ${added.redirectUri}`,
  );
  cli.next(`sign-in test ${added.id}`, 'principals invite NAME --role ROLE --tenant TENANT');
}

async function updateProvider(
  { terminal }: Cli,
  { operator }: App,
  which: string,
  { name, clientSecretFile, ca }: UpdateOptions,
): Promise<void> {
  const { id } = await operator.findSignInProvider(which);
  const patch = present({
    name,
    clientSecret: secretIn(clientSecretFile),
    ca: ca === undefined ? undefined : contentOf(ca, '--ca'),
  });
  const updated = await operator.updateSignInProvider({ signInProvider: id, ...patch });
  if (terminal.json) return terminal.document(updated);
  terminal.line(`Updated the sign-in provider ${harmless(updated.name)}.`);
}

function secretIn(file: string | undefined): string | undefined {
  return file === undefined ? undefined : contentOf(file, '--client-secret-file').trim();
}

async function testProvider({ terminal }: Cli, { operator }: App, which: string): Promise<number> {
  const { id } = await operator.findSignInProvider(which);
  const checks = await operator.testSignInProvider(id);
  const ok = checks.every((check) => check.ok !== false);
  if (terminal.json) terminal.document({ provider: id, ok, checks });
  else for (const check of checks) for (const line of linesOf(check)) terminal.line(line);
  return ok ? EXIT.ok : EXIT.failed;
}

function linesOf({ step, ok, detail, remedy }: ProviderCheck): readonly string[] {
  const mark = ok === null ? 'look' : ok ? 'ok  ' : 'fail';
  const line = `${mark}  ${step.padEnd(9)}  ${harmless(detail)}`;
  return remedy === null ? [line] : [line, `      remedy: ${asTyped(harmless(remedy))}`];
}

async function removeProvider({ terminal }: Cli, { operator }: App, which: string): Promise<void> {
  const { id, name } = await operator.findSignInProvider(which);
  await operator.removeSignInProvider(id);
  if (terminal.json) return terminal.document({ id, removed: true });
  terminal.line(`Nobody signs in with ${harmless(name)} any more.`);
}

/** `rollcall keys`: who may call the API, and the keys that prove it. */
import { type Command, Option } from 'commander';
import { PRINCIPAL_ROLES, type PrincipalRole } from '../domain/permission.ts';
import type { ApiKey } from '../domain/principal.ts';
import { Problem } from '../domain/problem.ts';
import type { App, Cli } from './cli.ts';
import { examples } from './examples.ts';
import { everything, remembered } from './lists.ts';
import { type Cell, harmless } from './terminal.ts';

type AddOptions = { readonly role: PrincipalRole; readonly tenant?: string };

export function addKeyCommands(program: Command, cli: Cli): void {
  const keys = program.command('keys').description('keys for the API, each of a named principal with a role');
  examples(keys, 'rollcall keys', 'rollcall keys add ci --role reviewer --tenant Harbor');
  const list = keys
    .command('list', { isDefault: true })
    .description('list principals and their keys; the keys themselves are stored nowhere')
    .action(() => cli.withApp((app) => listKeys(cli, app)));
  examples(list, 'rollcall keys', 'rollcall keys --json');
  const add = keys
    .command('add')
    .description('make a key, and its principal if there is none of that name; the key is shown this once')
    .argument('<name>', 'of the person or machine that will use it')
    .addOption(
      new Option('--role <role>', 'what the principal may do').choices(PRINCIPAL_ROLES).makeOptionMandatory(),
    )
    .option('--tenant <tenant>', 'within this tenant and below; without it, everywhere')
    .action((name: string, options: AddOptions) => cli.withApp((app) => addKey(cli, app, name, options)));
  examples(
    add,
    "rollcall keys add 'Ada Obi' --role reviewer --tenant Harbor",
    'rollcall keys add backup --role auditor --json',
  );
  const revoke = keys
    .command('revoke')
    .description('make a key worthless at once')
    .argument('<key>', 'id of the key')
    .action((id: string) => cli.withApp((app) => revokeKey(cli, app, id)));
  examples(revoke, 'rollcall keys revoke 019ab0c4-5d2e-7c3f-8a1b-2c3d4e5f6a7b');
}

async function listKeys(cli: Cli, { operator }: App): Promise<void> {
  const { terminal } = cli;
  const [principals, keys] = await Promise.all([
    everything((page) => operator.listPrincipals(page)),
    everything((page) => operator.listKeys(page)),
  ]);
  const items = principals.map((one) => ({ ...one, keys: keys.filter((key) => key.principal === one.id) }));
  if (terminal.json) return terminal.document({ items });
  const tenantName = remembered(async (id: string) => (await operator.getTenant(id)).name);
  const rows = items.map(async ({ name, role, tenant, keys: own }): Promise<Cell[][]> => {
    const whose = [name, role, await tenantName(tenant)];
    return own.length === 0 ? [[...whose, 'no key', '', '']] : own.map((key) => [...whose, ...cellsOf(key)]);
  });
  terminal.table(
    ['principal', 'role', 'tenant', 'key', 'since', 'id of the key'],
    (await Promise.all(rows)).flat(),
  );
}

function cellsOf({ id, createdAt, expiresAt, revokedAt }: ApiKey): Cell[] {
  const expired = expiresAt !== null && expiresAt.getTime() <= Date.now();
  const state = revokedAt !== null ? 'revoked' : expired ? 'expired' : 'good';
  return [
    { text: state, style: state === 'good' ? 'green' : 'dim' },
    createdAt.toISOString().slice(0, 10),
    id,
  ];
}

async function addKey(cli: Cli, { operator }: App, name: string, options: AddOptions): Promise<void> {
  const { terminal } = cli;
  const tenant =
    options.tenant === undefined ? operator.root : (await operator.findTenant(options.tenant)).id;
  const principals = await everything((page) => operator.listPrincipals({ tenant, ...page }));
  const known = principals.find((one) => one.name === name && one.tenant === tenant);
  if (known !== undefined && known.role !== options.role) {
    throw new Problem({
      code: 'name-taken',
      message: `There is a principal of this name with the role ${known.role}.`,
      remedy: `Choose another name, or --role ${known.role}.`,
    });
  }
  const principal = known ?? (await operator.createPrincipal({ tenant, name, role: options.role }));
  const made = await operator.createKey({ principal: principal.id });
  if (terminal.json) return terminal.document({ ...made, principal });
  terminal.line(made.key);
  terminal.note(`Key ${made.id} of ${harmless(principal.name)} (${principal.role}). It is not shown again.`);
}

async function revokeKey(cli: Cli, { operator }: App, id: string): Promise<void> {
  await operator.revokeKey(id);
  if (cli.terminal.json) return cli.terminal.document({ id, revoked: true });
  cli.terminal.line('The key is worthless now.');
}

/** `rollcall keys`: who may call the API, and the keys that prove it. */
import { type Command, Option } from 'commander';
import { ACTIONS, type Action, PRINCIPAL_ROLES, type PrincipalRole } from '../domain/permission.ts';
import { type ApiKey, USUAL_OVERLAP_MINUTES } from '../domain/principal.ts';
import { Problem } from '../domain/problem.ts';
import type { App, Cli } from './cli.ts';
import { examples } from './examples.ts';
import { everything, remembered } from './lists.ts';
import { type Cell, harmless } from './terminal.ts';
import { minutesTyped } from './timeSpan.ts';

type AddOptions = {
  readonly role: PrincipalRole;
  readonly tenant?: string;
  readonly name?: string;
  readonly within?: string;
  readonly only?: readonly Action[];
  readonly expires?: number;
};
type RotateOptions = { readonly overlap: number; readonly expires?: number };

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
    .option('--name <text>', 'what the key is for')
    .option('--within <tenant>', 'this key, unlike its principal, only within this tenant and below')
    .addOption(
      new Option('--only <permission...>', 'this key only for these of its principal’s permissions').choices(
        ACTIONS,
      ),
    )
    .option('--expires <time>', 'after this time it opens nothing: 12h, 90d', minutesTyped)
    .action((name: string, options: AddOptions) => cli.withApp((app) => addKey(cli, app, name, options)));
  examples(
    add,
    "rollcall keys add 'Ada Obi' --role reviewer --tenant Harbor",
    'rollcall keys add backup --role auditor --only audit.read --expires 90d --json',
  );
  const rotate = keys
    .command('rotate')
    .description(
      'replace a key without a pause: the new one is shown this once, the old one stays good for a while',
    )
    .argument('<key>', 'id of the key')
    .option('--overlap <time>', 'how long the old key stays good', minutesTyped, USUAL_OVERLAP_MINUTES)
    .option(
      '--expires <time>',
      'of the new key; without it, as long as the old one was made for',
      minutesTyped,
    )
    .action((id: string, options: RotateOptions) => cli.withApp((app) => rotateKey(cli, app, id, options)));
  examples(rotate, 'rollcall keys rotate 019ab0c4-5d2e-7c3f-8a1b-2c3d4e5f6a7b --overlap 24h');
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
  const keysOf = Map.groupBy(keys, ({ principal }) => principal);
  const items = principals.map((one) => ({ ...one, keys: keysOf.get(one.id) ?? [] }));
  if (terminal.json) return terminal.document({ items, next: null });
  const tenantName = remembered(async (id: string) => (await operator.getTenant(id)).name);
  const rows = items.map(async ({ name, role, tenant, disabledAt, keys: own }): Promise<Cell[][]> => {
    const whose = [disabledAt === null ? name : `${name} (disabled)`, role, await tenantName(tenant)];
    if (own.length === 0) return [[...whose, 'no key', '', '', '', '', '']];
    return await Promise.all(
      own.map(async (key) => {
        const within = key.tenant === null ? 'as principal' : await tenantName(key.tenant);
        return [...whose, ...cellsOf(key, within)];
      }),
    );
  });
  terminal.table(
    ['principal', 'role', 'tenant', 'key', 'for', 'within', 'may', 'used', 'id of the key'],
    (await Promise.all(rows)).flat(),
  );
}

function cellsOf(
  { id, name, permissions, expiresAt, revokedAt, lastUsedAt }: ApiKey,
  within: string,
): Cell[] {
  const expired = expiresAt !== null && expiresAt.getTime() <= Date.now();
  const state = revokedAt !== null ? 'revoked' : expired ? 'expired' : 'good';
  const may = permissions === null ? 'as principal' : permissions.join(', ');
  return [
    { text: state, style: state === 'good' ? 'green' : 'dim' },
    name,
    within,
    may,
    lastUsedAt === null ? 'never' : lastUsedAt.toISOString().slice(0, 10),
    id,
  ];
}

async function addKey(cli: Cli, { operator }: App, name: string, options: AddOptions): Promise<void> {
  const { terminal } = cli;
  const tenant =
    options.tenant === undefined ? operator.root : (await operator.findTenant(options.tenant)).id;
  const known = await operator.principalIn({ tenant, nameOrId: name });
  if (known !== null && known.role !== options.role) {
    throw new Problem({
      code: 'name-taken',
      message: `There is a principal of this name with the role ${known.role}.`,
      remedy: `Choose another name, or --role ${known.role}.`,
    });
  }
  const principal = known ?? (await operator.createPrincipal({ tenant, name, role: options.role }));
  const made = await operator.createKey({
    principal: principal.id,
    name: options.name ?? '',
    tenant: options.within === undefined ? null : (await operator.findTenant(options.within)).id,
    permissions: options.only === undefined ? null : [...options.only],
    expiresAt: options.expires === undefined ? null : inMinutes(options.expires),
  });
  if (terminal.json) return terminal.document({ ...made, principal });
  terminal.line(made.key);
  terminal.note(`Key ${made.id} of ${harmless(principal.name)} (${principal.role}). It is not shown again.`);
}

async function rotateKey(cli: Cli, { operator }: App, key: string, options: RotateOptions): Promise<void> {
  const { terminal } = cli;
  const { overlap, expires } = options;
  const made = await operator.rotateKey({
    key,
    overlapMinutes: overlap,
    ...(expires === undefined ? {} : { expiresAt: inMinutes(expires) }),
  });
  if (terminal.json) return terminal.document(made);
  terminal.line(made.key);
  const until = made.oldExpiresAt.toISOString().slice(0, 16).replace('T', ' ');
  terminal.note(`Key ${made.id}. It is not shown again; the old one is good until ${until} UTC.`);
}

function inMinutes(minutes: number): Date {
  return new Date(Date.now() + minutes * 60_000);
}

async function revokeKey(cli: Cli, { operator }: App, id: string): Promise<void> {
  await operator.revokeKey(id);
  if (cli.terminal.json) return cli.terminal.document({ id, revoked: true });
  cli.terminal.line('The key is worthless now.');
}

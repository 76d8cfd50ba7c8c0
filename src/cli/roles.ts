/** `rollcall roles`: what auth users may do in the application. */
import { type Command, Option } from 'commander';
import { ROLE_TYPES, type RoleType } from '../domain/role.ts';
import { asTyped } from './asTyped.ts';
import type { App, Cli } from './cli.ts';
import { examples } from './examples.ts';
import { everything } from './lists.ts';
import { harmless } from './terminal.ts';

type RoleOptions = {
  readonly description?: string;
  readonly type?: RoleType;
  readonly permission?: readonly string[];
};

/** For commander: an option that may be given again. */
export const collected = (text: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  text,
];

export function addRoleCommands(program: Command, cli: Cli): void {
  const roles = program.command('roles').description('what auth users may do in the application');
  examples(roles, 'rollcall roles', 'rollcall roles add editor --permission articles.write');
  const list = roles
    .command('list', { isDefault: true })
    .description('list roles')
    .option('--tenant <tenant>', 'only those that count there: of its product plan, where it has one')
    .action((options: { tenant?: string }) => cli.withApp((app) => listRoles(cli, app, options.tenant)));
  examples(list, 'rollcall roles', "rollcall roles list --tenant 'Harbor Foods' --json");
  const show = roles
    .command('show')
    .description('show one role with its permissions')
    .argument('<role>')
    .action((name: string) => cli.withApp((app) => showRole(cli, app, name)));
  examples(show, 'rollcall roles show editor');
  const add = described(
    roles.command('add').description('add a role; a mapping that names a new one adds it too'),
  )
    .argument('<name>')
    .action((name: string, options: RoleOptions) => cli.withApp((app) => addRole(cli, app, name, options)));
  examples(
    add,
    "rollcall roles add editor --description 'May write articles'",
    'rollcall roles add billing --type assignable --permission invoices.read --permission invoices.pay',
  );
  const update = described(roles.command('update').description('change a role; its name stays'))
    .argument('<role>')
    .option('--no-permissions', 'take all its permissions away')
    .action((name: string, options: RoleOptions & { permissions: boolean }) =>
      cli.withApp((app) => updateRole(cli, app, name, options)),
    );
  examples(update, 'rollcall roles update editor --permission articles.read --permission articles.write');
  const remove = roles
    .command('remove')
    .description('remove a role that nothing uses')
    .argument('<role>')
    .action((name: string) => cli.withApp((app) => removeRole(cli, app, name)));
  examples(remove, 'rollcall roles remove editor');
}

function described(command: Command): Command {
  return command
    .option('--description <text>', 'what it is for')
    .addOption(new Option('--type <type>', 'who gives it').choices(ROLE_TYPES))
    .option(
      '--permission <name>',
      'what it lets people do, in the words of the application; once for each',
      collected,
    );
}

async function listRoles(cli: Cli, { operator }: App, tenant: string | undefined): Promise<void> {
  const { terminal } = cli;
  const within = tenant === undefined ? {} : { tenant: (await operator.findTenant(tenant)).id };
  const roles = await everything((page) => operator.listRoles({ ...within, ...page }));
  if (terminal.json) return terminal.document({ items: roles, next: null });
  if (roles.length === 0)
    return terminal.note(
      tenant === undefined
        ? asTyped('There is no role yet: rollcall roles add NAME')
        : 'The product plan of the tenant has no role.',
    );
  terminal.table(
    ['role', 'type', 'permissions', 'description'],
    roles.map((role) => [role.name, role.type, role.permissions.join(', ') || '—', role.description]),
  );
}

async function showRole({ terminal }: Cli, { operator }: App, name: string): Promise<void> {
  const role = await operator.getRole(name);
  if (terminal.json) return terminal.document(role);
  terminal.line(`${terminal.style('bold', harmless(role.name))}  ${role.type}`);
  if (role.description !== '') terminal.line(harmless(role.description));
  terminal.line(`${role.id}, version ${role.version}, since ${role.createdAt.toISOString().slice(0, 10)}`);
  for (const permission of role.permissions) terminal.line(`  ${permission}`);
}

async function addRole(cli: Cli, { operator }: App, name: string, options: RoleOptions): Promise<void> {
  const role = await operator.createRole({ name, ...partsOf(options) });
  if (cli.terminal.json) return cli.terminal.document(role);
  cli.terminal.line(`Added the role ${role.name}.`);
}

async function updateRole(
  cli: Cli,
  { operator }: App,
  name: string,
  { permissions, ...options }: RoleOptions & { permissions: boolean },
): Promise<void> {
  const none = permissions ? {} : { permissions: [] };
  const role = await operator.updateRole({ role: name, ...none, ...partsOf(options) });
  if (cli.terminal.json) return cli.terminal.document(role);
  cli.terminal.line(
    `The role ${role.name} is ${role.type}: ${role.permissions.join(', ') || 'no permissions'}.`,
  );
}

function partsOf({ description, type, permission }: RoleOptions) {
  return {
    ...(description === undefined ? {} : { description }),
    ...(type === undefined ? {} : { type }),
    ...(permission === undefined ? {} : { permissions: [...permission] }),
  };
}

async function removeRole(cli: Cli, { operator }: App, name: string): Promise<void> {
  await operator.deleteRole(name);
  if (cli.terminal.json) return cli.terminal.document({ removed: name });
  cli.terminal.line(`Removed the role ${harmless(name)}.`);
}

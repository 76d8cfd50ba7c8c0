/** `rollcall roles`: what auth users may do in the application. */
import type { Command } from 'commander';
import { asTyped } from './asTyped.ts';
import type { App, Cli } from './cli.ts';
import { examples } from './examples.ts';
import { everything } from './lists.ts';

export function addRoleCommands(program: Command, cli: Cli): void {
  const roles = program.command('roles').description('what auth users may do in the application');
  examples(roles, 'rollcall roles', "rollcall roles add editor --description 'May write articles'");
  const list = roles
    .command('list', { isDefault: true })
    .description('list roles')
    .action(() => cli.withApp((app) => listRoles(cli, app)));
  examples(list, 'rollcall roles', 'rollcall roles --json');
  const add = roles
    .command('add')
    .description('add a role; a mapping that names a new one adds it too')
    .argument('<name>')
    .option('--description <text>', 'what it is for', '')
    .action((name: string, options: { description: string }) =>
      cli.withApp((app) => addRole(cli, app, name, options.description)),
    );
  examples(add, "rollcall roles add editor --description 'May write articles'");
}

async function listRoles(cli: Cli, { operator }: App): Promise<void> {
  const { terminal } = cli;
  const roles = await everything((page) => operator.listRoles(page));
  if (terminal.json) return terminal.document({ items: roles });
  if (roles.length === 0) return terminal.note(asTyped('There is no role yet: rollcall roles add NAME'));
  terminal.table(
    ['role', 'since', 'description'],
    roles.map((role) => [role.name, role.createdAt.toISOString().slice(0, 10), role.description]),
  );
}

async function addRole(cli: Cli, { operator }: App, name: string, description: string): Promise<void> {
  const role = await operator.createRole({ name, description });
  if (cli.terminal.json) return cli.terminal.document(role);
  cli.terminal.line(`Added the role ${role.name}.`);
}

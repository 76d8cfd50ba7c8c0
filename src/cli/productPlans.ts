/** `rollcall product-plans`: versions of the product, which roles they have, and for how many users they are. */
import { type Command, InvalidArgumentError } from 'commander';
import { asTyped } from './asTyped.ts';
import type { App, Cli } from './cli.ts';
import { examples } from './examples.ts';
import { everything } from './lists.ts';
import { collected } from './roles.ts';
import { grouped, harmless } from './terminal.ts';

type PlanOptions = {
  readonly name?: string;
  readonly description?: string;
  readonly seats?: number | null;
  readonly role?: readonly string[];
};

export function addProductPlanCommands(program: Command, cli: Cli): void {
  const plans = program
    .command('product-plans')
    .description('product plans: which roles a tenant may use, and for how many users');
  examples(
    plans,
    'rollcall product-plans',
    'rollcall product-plans add Basic --seats 50 --role member --role editor',
  );
  const list = plans
    .command('list', { isDefault: true })
    .description('list product plans')
    .action(() => cli.withApp((app) => listProductPlans(cli, app)));
  examples(list, 'rollcall product-plans', 'rollcall product-plans list --json');
  const show = plans
    .command('show')
    .description('show one product plan, with the tenants that it is set at and the seats that are taken')
    .argument('<plan>', 'id or name')
    .action((plan: string) => cli.withApp((app) => showProductPlan(cli, app, plan)));
  examples(show, 'rollcall product-plans show Basic');
  const add = described(plans.command('add').description('add a product plan'))
    .argument('<name>')
    .action((name: string, options: PlanOptions) =>
      cli.withApp((app) => addProductPlan(cli, app, name, options)),
    );
  examples(
    add,
    'rollcall product-plans add Basic --seats 50 --role member --role editor',
    "rollcall product-plans add Unlimited --role member --description 'Everything'",
  );
  const update = described(plans.command('update').description('change a product plan; it counts at once'))
    .argument('<plan>', 'id or name')
    .option('--name <name>', 'what it is called from now on')
    .option('--no-roles', 'take all its roles away')
    .action((plan: string, options: PlanOptions & { roles: boolean }) =>
      cli.withApp((app) => updateProductPlan(cli, app, plan, options)),
    );
  examples(
    update,
    'rollcall product-plans update Basic --seats 100',
    'rollcall product-plans update Basic --role member --role editor --role billing',
  );
  const remove = plans
    .command('remove')
    .description('remove a product plan that no tenant has')
    .argument('<plan>', 'id or name')
    .action((plan: string) => cli.withApp((app) => removeProductPlan(cli, app, plan)));
  examples(remove, 'rollcall product-plans remove Basic');
}

function described(command: Command): Command {
  return command
    .option('--description <text>', 'what it is')
    .option('--seats <number>', 'for how many active users; none: no limit', seats)
    .option('--role <role>', 'a role that it has; once for each, all of them together', collected);
}

function seats(text: string): number | null {
  if (text === 'none') return null;
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It must be a whole number, or none.');
  return Number(text);
}

async function listProductPlans(cli: Cli, { operator }: App): Promise<void> {
  const { terminal } = cli;
  const plans = await everything((page) => operator.listProductPlans(page));
  if (terminal.json) return terminal.document({ items: plans, next: null });
  if (plans.length === 0)
    return terminal.note(
      asTyped('There is no product plan yet, and nothing is limited: rollcall product-plans add NAME'),
    );
  terminal.table(
    ['plan', 'seats', 'roles', 'description'],
    plans.map((plan) => [
      plan.name,
      seatsInWords(plan.seats),
      plan.roles.join(', ') || '—',
      plan.description,
    ]),
  );
}

function seatsInWords(number: number | null): string {
  return number === null ? 'no limit' : grouped(number);
}

async function showProductPlan({ terminal }: Cli, { operator }: App, name: string): Promise<void> {
  const plan = await operator.findProductPlan(name);
  const tenants = await everything((page) => operator.listSubscriptions({ productPlan: plan.id, ...page }));
  if (terminal.json) return terminal.document({ ...plan, tenants });
  terminal.line(`${terminal.style('bold', harmless(plan.name))}  ${seatsInWords(plan.seats)}`);
  if (plan.description !== '') terminal.line(harmless(plan.description));
  terminal.line(`${plan.id}, version ${plan.version}`);
  terminal.line(`roles: ${harmless(plan.roles.join(', ')) || 'none'}`);
  terminal.line();
  if (tenants.length === 0) return terminal.line('No tenant has it.');
  terminal.table(
    ['tenant', 'seats taken', '', 'id'],
    tenants.map((tenant) => {
      const over = plan.seats !== null && tenant.used > plan.seats;
      return [tenant.name, grouped(tenant.used), { text: over ? 'too many' : '', style: 'red' }, tenant.id];
    }),
  );
}

async function addProductPlan(
  cli: Cli,
  { operator }: App,
  name: string,
  options: PlanOptions,
): Promise<void> {
  const plan = await operator.createProductPlan({ name, ...partsOf(options) });
  if (cli.terminal.json) return cli.terminal.document(plan);
  cli.terminal.line(`Added the product plan ${harmless(plan.name)} (${plan.id}).`);
}

async function updateProductPlan(
  cli: Cli,
  { operator }: App,
  name: string,
  { roles, ...options }: PlanOptions & { roles: boolean },
): Promise<void> {
  const { id } = await operator.findProductPlan(name);
  const renamed = options.name === undefined ? {} : { name: options.name };
  const none = roles ? {} : { roles: [] };
  const plan = await operator.updateProductPlan({
    productPlan: id,
    ...renamed,
    ...none,
    ...partsOf(options),
  });
  if (cli.terminal.json) return cli.terminal.document(plan);
  const what = `${seatsInWords(plan.seats)}; roles: ${plan.roles.join(', ') || 'none'}`;
  cli.terminal.line(harmless(`${plan.name}: seats: ${what}.`));
}

function partsOf({ description, seats, role }: PlanOptions) {
  return {
    ...(description === undefined ? {} : { description }),
    ...(seats === undefined ? {} : { seats }),
    ...(role === undefined ? {} : { roles: [...role] }),
  };
}

async function removeProductPlan(cli: Cli, { operator }: App, name: string): Promise<void> {
  const { id } = await operator.findProductPlan(name);
  await operator.deleteProductPlan(id);
  if (cli.terminal.json) return cli.terminal.document({ removed: id });
  cli.terminal.line(`Removed the product plan ${harmless(name)}.`);
}

/** `rollcall tenants move|suspend|resume|delete|keep|plan|inherit`: what becomes of a tenant. */
import { type Command, InvalidArgumentError } from 'commander';
import type { ListedConnection } from '../domain/connection.ts';
import { mayLeadTo } from '../domain/place.ts';
import type { Tenant } from '../domain/tenant.ts';
import type { App, Cli } from './cli.ts';
import { examples } from './examples.ts';
import { everything } from './lists.ts';
import type { Operator } from './operator.ts';
import type { Cell } from './terminal.ts';

/** What is done with the tenant, and what is said then. */
type Work = (
  operator: Operator,
  tenant: Tenant,
) => Promise<{ readonly tenant: Tenant; readonly said: string; readonly notes?: readonly string[] }>;

export function addTenantLifeCommands(tenants: Command, cli: Cli): void {
  const on = (name: string, work: Work) => cli.withApp((app) => carryOut(cli, app, name, work));
  const command = (verb: string, description: string) =>
    tenants.command(verb).description(description).argument('<tenant>', 'id or name');

  const move = command('move', 'move a tenant, with all below it, to another parent')
    .argument('<parent>', 'id or name of the tenant that it is to be a part of')
    .action((tenant: string, parent: string) => on(tenant, movedTo(parent)));
  examples(move, "rollcall tenants move Logistics 'Harbor Foods Group'");
  const suspend = command('suspend', 'suspend a tenant: no runs, no access, for it and all below it').action(
    (tenant: string) => on(tenant, suspended),
  );
  examples(suspend, "rollcall tenants suspend 'Harbor Foods'");
  const resume = command('resume', 'resume a suspended tenant').action((tenant: string) =>
    on(tenant, resumed),
  );
  examples(resume, "rollcall tenants resume 'Harbor Foods'");
  addDeleting(command, on);
  addChoosing(command, on);
}

type MakeCommand = (verb: string, description: string) => Command;
type On = (name: string, work: Work) => Promise<void>;

function addDeleting(command: MakeCommand, on: On): void {
  const remove = command('delete', 'delete a tenant that nothing uses, or schedule its deletion')
    .option(
      '--at <date>',
      'suspend it now; on this date it goes with all that it holds and all below it',
      moment,
    )
    .action((tenant: string, options: { at?: Date }) => on(tenant, deleted(options.at ?? null)));
  examples(
    remove,
    "rollcall tenants delete 'Harbor Foods'",
    "rollcall tenants delete 'Harbor Foods' --at 2027-01-31",
  );
  const keep = command('keep', 'call the scheduled deletion of a tenant off').action((tenant: string) =>
    on(tenant, kept),
  );
  examples(keep, "rollcall tenants keep 'Harbor Foods'");
}

function addChoosing(command: MakeCommand, on: On): void {
  const plan = command('plan', 'set the product plan of a tenant')
    .argument('<plan>', 'id or name; none: that of the nearest tenant above counts')
    .action((tenant: string, name: string) => on(tenant, withPlan(name)));
  examples(plan, "rollcall tenants plan 'Harbor Foods' Business", 'rollcall tenants plan Logistics none');
  const inherit = command(
    'inherit',
    'say whether roles that are held in tenants above hold in a tenant and below',
  )
    .argument('<on|off>', 'on: they do', onOrOff)
    .action((tenant: string, inherits: boolean) => on(tenant, inheriting(inherits)));
  examples(inherit, 'rollcall tenants inherit Logistics off');
}

async function carryOut({ terminal }: Cli, { operator }: App, name: string, work: Work): Promise<void> {
  const { tenant, said, notes = [] } = await work(operator, await operator.findTenant(name));
  if (terminal.json) terminal.document(tenant);
  else terminal.line(said);
  for (const note of notes) terminal.note(note);
}

function movedTo(parent: string): Work {
  return async (operator, before) => {
    const { id, name } = before;
    const above = await operator.findTenant(parent);
    const tenant = await operator.moveTenant({ tenant: id, parent: above.id });
    const said = `${name} is a part of ${above.name} now. Data key: ${tenant.dataKey}`;
    return { tenant, said, notes: before.parent === above.id ? [] : await rulesThatNamed(operator, before) };
  };
}

/** Rules go by names: those that have led to a tenant where it was still lead there. */
async function rulesThatNamed(operator: Operator, { name, path }: Tenant): Promise<readonly string[]> {
  const names = await Promise.all(path.map(async (id) => (await operator.getTenant(id)).name));
  const notes = path.slice(0, -1).map(async (tenant, depth) => {
    const connections = await everything((page) => operator.listConnections({ tenant, ...page }));
    const below = names.slice(depth + 1);
    return connections
      .filter((connection) => connection.tenant === tenant)
      .flatMap((connection) => rulesLeadingTo(connection, below, name));
  });
  return (await Promise.all(notes)).flat();
}

function rulesLeadingTo(connection: ListedConnection, path: readonly string[], name: string) {
  if (!('mapping' in connection)) return [];
  return (connection.mapping.rules ?? []).flatMap(({ tenant, create }, at) => {
    if (tenant === null || !mayLeadTo(tenant, path)) return [];
    const puts = tenant.includes('{') ? 'may put people' : 'puts people'; // nobody knows here which values there are
    const anew = create ? ', which is made anew' : '';
    return `Rule ${at + 1} of the connection ${connection.name} ${puts} in ${tenant}, where ${name} is not any more: change the rule, or they come to a tenant that is missing${anew}.`;
  });
}

const suspended: Work = async (operator, { id, name }) => ({
  tenant: await operator.suspendTenant(id),
  said: `${name} is suspended, with all below it.`,
});

const resumed: Work = async (operator, { id, name }) => ({
  tenant: await operator.resumeTenant(id),
  said: `${name} is active.`,
});

function deleted(at: Date | null): Work {
  return async (operator, { id, name }) => {
    const tenant = await operator.deleteTenant({ tenant: id, at });
    if (tenant.state === 'deleted') return { tenant, said: `${name} is deleted. Its audit log stays.` };
    const when = tenant.deleteAt?.toISOString() ?? '';
    return {
      tenant,
      said: `${name} is suspended, and goes with all below it at ${when}. Until then \`rollcall tenants keep\` calls it off.`,
    };
  };
}

const kept: Work = async (operator, { id, name }) => {
  const tenant = await operator.keepTenant(id);
  return { tenant, said: `${name} stays, and is ${tenant.state}.` };
};

function withPlan(wanted: string): Work {
  return async (operator, { id, name }) => {
    const plan = wanted === 'none' ? null : await operator.findProductPlan(wanted);
    const tenant = await operator.updateTenant({ tenant: id, plan: plan?.id ?? null });
    const said =
      plan === null
        ? `${name} has no product plan of its own.`
        : `${name} has the product plan ${plan.name}.`;
    return { tenant, said };
  };
}

function inheriting(inheritsRoles: boolean): Work {
  return async (operator, { id, name }) => ({
    tenant: await operator.updateTenant({ tenant: id, inheritsRoles }),
    said: `Roles that are held above ${inheritsRoles ? 'hold' : 'do not hold'} in ${name} and below.`,
  });
}

/** A day (its beginning, in UTC) or a moment, as ISO 8601 writes them. */
function moment(text: string): Date {
  const at = new Date(text);
  if (/^\d{4}-\d{2}-\d{2}(T.+)?$/.test(text) && !Number.isNaN(at.getTime())) return at;
  throw new InvalidArgumentError(
    'It must be a date such as 2027-01-31, or a moment such as 2027-01-31T18:00:00Z.',
  );
}

function onOrOff(text: string): boolean {
  if (text === 'on' || text === 'off') return text === 'on';
  throw new InvalidArgumentError('It must be on or off.');
}

/** In which state a tenant is, for tables. */
export function standingOf({ state, deleteAt }: Tenant): Cell {
  if (state === 'active') return 'active';
  const until = deleteAt === null ? '' : ` (deleted ${date(deleteAt)})`;
  return { text: `${state}${until}`, style: 'yellow' };
}

export function date(at: Date): string {
  return at.toISOString().slice(0, 10);
}

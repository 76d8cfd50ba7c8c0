/** `rollcall explain`: why somebody has what they have, or is nobody here; and what happened to them. */
import type { Command } from 'commander';
import type { ConnectionId, TenantId } from '../domain/ids.ts';
import { Problem } from '../domain/problem.ts';
import type { App, Cli } from './cli.ts';
import { valueInWords } from './describe.ts';
import { examples } from './examples.ts';
import { atLeastOne, remembered } from './lists.ts';
import type { Operator } from './operator.ts';
import { harmless, type Terminal } from './terminal.ts';
import { entryInWords, reasonInWords } from './timeline.ts';
import { findUser } from './users.ts';

type Options = { readonly connection?: string; readonly limit: number };

export function addExplainCommand(program: Command, cli: Cli): void {
  const explain = program
    .command('explain')
    .description(
      'say where each role and field of somebody comes from, and what happened to them; or why they are no auth user',
    )
    .argument('<user>', "id, address or user name of an auth user, or a directory's id of a person")
    .option('--connection <connection>', 'the person of this directory, also one who is no auth user')
    .option('--limit <number>', 'at most so many entries of what happened, the last ones', atLeastOne, 50)
    .action((user: string, options: Options) =>
      cli.withApp((app) => explainSomebody(cli, app, user, options)),
    );
  examples(
    explain,
    'rollcall explain ada.obi@harbor.example',
    "rollcall explain 00u1gjh63g214q0Hq0g4 --connection 'Harbor Okta'",
    "rollcall explain ada.obi@harbor.example --json | jq '.roles[] | select(.because == [])'",
  );
}

async function explainSomebody(cli: Cli, app: App, text: string, options: Options): Promise<void> {
  if (options.connection !== undefined) {
    const connection = (await app.operator.findConnection(options.connection)).id;
    return await explainPerson(cli, app, connection, text, options);
  }
  const [connection, ...others] = await app.operator.findPerson(text);
  if (connection !== undefined && others.length === 0)
    return await explainPerson(cli, app, connection, text, options);
  if (connection !== undefined) throw new Problem(inSeveral([connection, ...others]));
  await explainUser(cli, app, (await findUser(app, text, MAYBE_A_PERSON)).id, options);
}

const MAYBE_A_PERSON =
  'Look the user up: `rollcall users --search` finds by the beginning of a name or address. Somebody whom a directory has and who is no auth user is found with --connection.';

function inSeveral(connections: readonly ConnectionId[]) {
  return {
    code: 'invalid-input',
    message: `${connections.length} directories have somebody of this id.`,
    remedy: `Say which, with --connection: ${connections.join(', ')}.`,
  } as const;
}

/** By external id; or else by address. Of somebody who is linked, all that is known of the auth user. */
async function explainPerson(
  cli: Cli,
  app: App,
  connection: ConnectionId,
  text: string,
  options: Options,
): Promise<void> {
  const { operator } = app;
  const byId = await operator.explainPerson({ connection, externalId: text });
  const found =
    byId.standing === 'absent' && text.includes('@')
      ? await operator.explainPerson({ connection, address: text })
      : byId;
  if (found.user !== null) return await explainUser(cli, app, found.user, options);
  const { terminal } = cli;
  const { timeline, ...rest } = found;
  if (terminal.json) return terminal.document({ ...rest, timeline: timeline.slice(-options.limit) });
  const { name } = await operator.getConnection(connection);
  terminal.line(
    `${terminal.style('bold', harmless(found.externalId))} of ${harmless(name)}: ${terminal.style('yellow', found.says)}.`,
  );
  if (found.because !== null) terminal.line(`  ${harmless(found.because)}`);
  for (const [what, value] of Object.entries(found.looksAt ?? {}))
    terminal.line(`  ${harmless(what)}: ${harmless(valueInWords(value))}`);
  if (found.groups !== null)
    terminal.line(`  groups: ${harmless(found.groups.join(', ')) || 'none that the mapping reads'}`);
  if (found.change !== null)
    terminal.line(`  change ${found.change.id}, ${found.change.kind}, ${found.change.state}`);
  if (found.change?.remedy !== undefined && found.change.remedy !== null)
    terminal.line(`  ${harmless(found.change.remedy)}`);
  const read = found.lastComplete;
  terminal.line(
    read === null
      ? '  The directory was never read completely.'
      : `  Everybody was read for the last time at ${read.at.toISOString().slice(0, 16).replace('T', ' ')} UTC, by run ${read.run}.`,
  );
  await writeTimeline(terminal, operator, timeline.slice(-options.limit));
}

type Explanation = Awaited<ReturnType<Operator['explainUser']>>;
type Role = Explanation['roles'][number];
type Field = Explanation['fields'][number];
type Entries = Awaited<ReturnType<Operator['getTimeline']>>['items'];
type NameOf = (id: ConnectionId) => Promise<string>;

async function explainUser(
  { terminal }: Cli,
  { operator }: App,
  user: string,
  { limit }: Options,
): Promise<void> {
  const explanation = await operator.explainUser(user);
  const { items: timeline } = await operator.getTimeline({ user, limit });
  if (terminal.json) return terminal.document({ ...explanation, timeline });
  const connectionName = remembered(async (id: ConnectionId) => (await operator.getConnection(id)).name);
  const tenantName = remembered(async (id: TenantId) => (await operator.getTenant(id)).name);
  await writeHeader(terminal, operator, explanation, tenantName);
  if (explanation.purgedAt !== null)
    terminal.line(`All that was personal was removed for good at ${explanation.purgedAt.toISOString()}.`);
  if (explanation.notShownWithout.length > 0)
    terminal.line(
      `Not shown, what mappings and directories say: needs ${explanation.notShownWithout.join(', ')}.`,
    );
  const agreed = new Set(explanation.identities.flatMap((one) => (one.isAgreed ? one.connection : [])));
  const rows = explanation.roles.map(async (role) => [
    role.role,
    await tenantName(role.tenant),
    role.connection === null
      ? role.origin === 'manual'
        ? 'by hand'
        : 'a directory above'
      : `directory ${await connectionName(role.connection)}`,
    reasonsInWords(role, {
      isAgreed: role.connection !== null && agreed.has(role.connection),
      waits: explanation.identities.find((one) => one.connection === role.connection)?.change ?? null,
    }),
    role.grantedAt.toISOString().slice(0, 10),
  ]);
  if (rows.length > 0) terminal.table(['role', 'in', 'from', 'because', 'since'], await Promise.all(rows));
  else terminal.line('No roles.');
  if (explanation.notHeld.length > 0) {
    const missing = explanation.notHeld.map(async ({ role, connection, because }) => [
      role,
      `directory ${await connectionName(connection)}`,
      because.map(reasonInWords).join('; '),
      agreed.has(connection) ? 'that is agreed on, as after an undo' : 'a change waits or was refused',
    ]);
    terminal.line();
    terminal.table(['not held', 'from', 'although', 'since'], await Promise.all(missing));
  }
  if (explanation.fields.length > 0) {
    const fields = explanation.fields.map(async (field) => [
      field.field,
      valueInWords(field.value),
      await sourceInWords(field, connectionName),
    ]);
    terminal.line();
    terminal.table(['field', 'value', 'from'], await Promise.all(fields));
  }
  const identities = explanation.identities.map(async ({ connection, externalId, groups }) => [
    await connectionName(connection),
    externalId,
    groups === null
      ? explanation.notShownWithout.length > 0
        ? 'not told here'
        : 'not there as last read'
      : groups.join(', ') || 'in none that the mapping reads',
  ]);
  if (identities.length > 0) {
    terminal.line();
    terminal.table(['directory', 'its id', 'groups'], await Promise.all(identities));
  }
  await writeTimeline(terminal, operator, timeline);
}

async function writeTimeline(terminal: Terminal, operator: Operator, entries: Entries): Promise<void> {
  if (entries.length === 0) return;
  const connectionName = remembered(async (id: ConnectionId) => (await operator.getConnection(id)).name);
  const rows = entries.map(async (entry) => [
    entry.at.slice(0, 19).replace('T', ' '),
    ...(await entryInWords(entry, connectionName)),
  ]);
  terminal.line();
  terminal.table(['when (UTC)', 'what', 'who and why', 'ids'], await Promise.all(rows));
}

type Waiting = Explanation['identities'][number]['change'];

/** Who it is, and what waits for them. */
async function writeHeader(
  terminal: Terminal,
  operator: Operator,
  { user: id, identities }: Explanation,
  tenantName: (id: TenantId) => Promise<string>,
): Promise<void> {
  const { displayName, email, userName, state, tenant } = await operator.getUser(id);
  const address = email ?? userName;
  const name = terminal.style('bold', harmless(displayName ?? address ?? id));
  const known = displayName === null || address === null ? '' : ` <${harmless(address)}>`;
  terminal.line(`${name}${known}: ${state}, in ${harmless(await tenantName(tenant))}.`);
  for (const { change } of identities)
    if (change !== null)
      terminal.line(
        change.state === 'rejected'
          ? `  refused was: ${change.kind}, change ${change.id}`
          : `  waits: ${change.kind}, ${change.state}, change ${change.id}`,
      );
  terminal.line();
}

function reasonsInWords(
  { role, origin, because, givenBy }: Role,
  { isAgreed, waits }: { readonly isAgreed: boolean; readonly waits: Waiting },
): string {
  if (origin === 'manual') return givenBy === null ? 'a person gave it' : `${givenBy.by} gave it`;
  if (because === null) return 'not told here';
  return because.map(reasonInWords).join('; ') || `nothing any more${whatBecomes(role, isAgreed, waits)}`;
}

/** Of a role that nothing gives. */
function whatBecomes(role: string, isAgreed: boolean, waits: Waiting): string {
  if (waits?.state === 'rejected') return ', and the change was refused';
  if (waits?.rolesLost.includes(role) === true) return ': the change that waits takes it';
  if (waits !== null) return `: a change waits, ${waits.kind}`;
  return isAgreed ? ', and that is agreed on' : ': the next plan takes it';
}

async function sourceInWords(field: Field, nameOf: NameOf): Promise<string> {
  const { because, connection, owner, wanted } = field;
  const of = connection === null ? '' : ` of ${await nameOf(connection)}`;
  const kept = owner === 'first' ? ', kept from now on' : '';
  const other =
    wanted === null ? '' : `; ${await nameOf(wanted.connection)} has ${valueInWords(wanted.value)}`;
  switch (because?.from) {
    case undefined:
      return 'not told here';
    case 'attribute':
      return `${because.changed ? 'made of ' : ''}${because.attribute}${of}${kept}`;
    case 'expression':
      return `${because.expression}${of}${kept}`;
    case 'default':
      return `the default of the mapping${of}${kept}`;
    case 'hand':
      return `${because.by}, by hand, ${because.at.slice(0, 10)}${other}`;
    case 'above':
      return `a directory of a tenant above${other}`;
    case 'before':
      return `given earlier${other}`;
  }
}

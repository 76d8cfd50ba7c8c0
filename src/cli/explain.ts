/** `rollcall explain`: why an auth user has the roles they have. */
import type { Command } from 'commander';
import type { ConnectionId, TenantId } from '../domain/ids.ts';
import type { RoleReason } from '../domain/roleReasons.ts';
import type { App, Cli } from './cli.ts';
import { examples } from './examples.ts';
import { remembered } from './lists.ts';
import type { Operator } from './operator.ts';
import { findUser } from './users.ts';

export function addExplainCommand(program: Command, cli: Cli): void {
  const explain = program
    .command('explain')
    .description('say where each role of an auth user comes from')
    .argument('<user>', 'id, address or user name')
    .action((user: string) => cli.withApp((app) => explainUser(cli, app, user)));
  examples(
    explain,
    'rollcall explain ada.obi@harbor.example',
    "rollcall explain ada.obi@harbor.example --json | jq '.roles[] | select(.because == [])'",
  );
}

type Explanation = Awaited<ReturnType<Operator['explainUser']>>;
type Role = Explanation['roles'][number];

async function explainUser({ terminal }: Cli, app: App, text: string): Promise<void> {
  const { operator } = app;
  const explanation = await operator.explainUser((await findUser(app, text)).id);
  if (terminal.json) return terminal.document(explanation);
  const connectionName = remembered(async (id: ConnectionId) => (await operator.getConnection(id)).name);
  const tenantName = remembered(async (id: TenantId) => (await operator.getTenant(id)).name);
  const rows = explanation.roles.map(async (role) => [
    role.role,
    await tenantName(role.tenant),
    role.connection === null
      ? role.origin === 'manual'
        ? 'by hand'
        : 'a directory above'
      : `directory ${await connectionName(role.connection)}`,
    reasonsInWords(role),
    role.grantedAt.toISOString().slice(0, 10),
  ]);
  if (rows.length > 0) terminal.table(['role', 'in', 'from', 'because', 'since'], await Promise.all(rows));
  else terminal.line('No roles.');
  const identities = explanation.identities.map(async ({ connection, externalId, groups }) => [
    await connectionName(connection),
    externalId,
    groups === null ? 'not there as last read' : groups.join(', ') || 'in none that the mapping reads',
  ]);
  if (identities.length === 0) return;
  terminal.line();
  terminal.table(['directory', 'its id', 'groups'], await Promise.all(identities));
}

function reasonsInWords({ origin, because }: Role): string {
  if (origin === 'manual') return 'a person gave it';
  if (because === null) return 'not told here';
  return because.map(reasonInWords).join('; ') || 'nothing any more: the next plan takes it';
}

function reasonInWords(reason: RoleReason): string {
  switch (reason.from) {
    case 'everyone':
      return 'everybody in the directory has it';
    case 'group':
      return `member of ${reason.group}`;
    case 'rule':
      return reason.group === null
        ? `rule ${reason.rule}`
        : `rule ${reason.rule}, as a member of ${reason.group}`;
  }
}

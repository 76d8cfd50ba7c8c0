/** `rollcall connections preview`: what another mapping would change, before it is saved. */
import { causes } from '../domain/change.ts';
import type { App, Cli } from './cli.ts';
import { effectOf, knownAs, styleOfSet } from './describe.ts';
import { objectIn } from './directoryOptions.ts';
import { foretellNewRoles } from './newRoles.ts';
import type { Operator } from './operator.ts';
import { countsInWords } from './sync.ts';
import { counted, grouped, harmless, type Terminal } from './terminal.ts';

type Preview = Awaited<ReturnType<Operator['previewMapping']>>;

export async function previewMapping(
  { terminal }: Cli,
  { operator }: App,
  name: string,
  file: string,
): Promise<void> {
  const { id: connection } = await operator.findConnection(name);
  const found = await operator.previewMapping({ connection, mapping: objectIn(file, '--mapping') });
  if (terminal.json) return terminal.document({ connection, ...found });
  writeNumbers(terminal, found);
  await writeChanges(terminal, operator, found);
  terminal.note('\nNothing was changed. To save it: rollcall connections update … --mapping …');
}

function writeNumbers(terminal: Terminal, found: Preview): void {
  const { line, style, table } = terminal;
  line(`${counted(found.users, 'user')}, as read until ${found.readAt}`);
  line(`pending now     ${countsInWords(found.before, style)}`);
  line(`and with this   ${countsInWords(found.after, style)}`);
  line(`${counted(proposedBy(found), 'change')} would come, ${grouped(found.withdrawn)} would go`);
  for (const reason of found.held) line(style('yellow', `would be held: ${harmless(reason)}`));
  if (found.outOfScope > 0) line(`${counted(found.outOfScope, 'user')} out of scope`);
  for (const { problem, users, example } of found.unreadable) {
    const whom = `${counted(users, 'user')}, such as ${harmless(example)}`;
    line(style('yellow', `nothing can be made out of ${whom}: ${harmless(problem)}`));
  }
  if (found.unreadGroups.length > 0) {
    const groups = found.unreadGroups.map(harmless).join(', ');
    line(style('yellow', `not known until the next run, who is in: ${groups}`));
  }
  foretellNewRoles(terminal, found.newRoles);
  if (found.roles.length === 0) return;
  line();
  table(
    ['role', 'gained by', 'lost by'],
    found.roles.map(({ role, gained, lost }) => [role, grouped(gained), grouped(lost)]),
  );
}

function proposedBy({ proposed }: Preview): number {
  return Object.values(proposed).reduce((sum, changes) => sum + changes, 0);
}

async function writeChanges(terminal: Terminal, operator: Operator, found: Preview): Promise<void> {
  const { changes } = found;
  if (changes.length === 0) return;
  const known = await knownAs(operator, changes);
  terminal.line();
  terminal.table(
    ['kind', 'name', 'cause', 'effect'],
    changes.map((change) => [
      { text: change.kind, style: styleOfSet[change.set] },
      change.name,
      causes[change.cause],
      effectOf(change, known),
    ]),
  );
  const others = proposedBy(found) - changes.length;
  if (others > 0) terminal.note(`These are the first; ${grouped(others)} others are not shown.`);
}

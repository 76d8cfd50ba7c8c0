/** Which connections a command that takes `[CONNECTION…] [--all]` is about. */
import type { ListedConnection } from '../domain/connection.ts';
import { Problem } from '../domain/problem.ts';
import { everything } from './lists.ts';
import type { Operator } from './operator.ts';

/** With --all also those that cannot be read: what is tried with one fails, and says why. Throws `invalid-input` when neither names nor --all are given, or both; `not-found` for a name that means nothing. */
export async function chosenConnections(
  operator: Operator,
  names: readonly string[],
  all: boolean,
): Promise<readonly ListedConnection[]> {
  if (all === names.length > 0) {
    throw new Problem({
      code: 'invalid-input',
      message: all ? 'Connections are named and --all is given.' : 'No connection is named.',
      remedy: 'Name connections, or give --all. `rollcall connections` lists them.',
    });
  }
  if (all) return await everything((page) => operator.listConnections(page));
  const found = new Map<string, ListedConnection>();
  for (const name of names) {
    const connection = await operator.findConnection(name);
    found.set(connection.id, connection);
  }
  return [...found.values()];
}

/**
 * For commands that take ids, or --all with options that say which. `given`: the options of those that were typed. Beside ids they would
 * say nothing, and look as if they narrowed them. Throws `invalid-input`.
 */
export function refuseBoth(
  what: 'change' | 'pair',
  ids: readonly string[],
  {
    all,
    given,
    remedy,
  }: { readonly all: boolean; readonly given: readonly string[]; readonly remedy: string },
): void {
  const [One, Many] = what === 'change' ? ['change', 'Changes'] : ['pair', 'Pairs'];
  if (ids.length > 0 === all) {
    throw new Problem({
      code: 'invalid-input',
      message: all ? `${Many} are named and --all is given.` : `No ${One} is named.`,
      remedy,
    });
  }
  if (ids.length === 0 || given.length === 0) return;
  throw new Problem({
    code: 'invalid-input',
    message: `${Many} are named, and ${given.join(', ')} says nothing about those.`,
    remedy: 'Leave it out: it is about all that are named. Or give --all in the place of the ids.',
  });
}

/** The options of these names that were given. */
export function givenOf(options: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.entries(options).flatMap(([option, value]) => (value === undefined ? [] : [option]));
}

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

/** Which principal a command is about that takes an id or a name. */
import type { Principal } from '../domain/principal.ts';
import { Problem } from '../domain/problem.ts';
import { everything } from './lists.ts';
import type { Operator } from './operator.ts';

/** Throws `not-found`; `invalid-input` for a name that principals of several tenants have. */
export async function chosenPrincipal(operator: Operator, nameOrId: string): Promise<Principal> {
  const principals = await everything((page) => operator.listPrincipals(page));
  const [found, ...others] = principals.filter(({ id, name }) => id === nameOrId || name === nameOrId);
  if (found === undefined) {
    throw new Problem({
      code: 'not-found',
      message: 'There is no principal with this id or name.',
      remedy: 'Use an id or name that `rollcall keys --json` lists.',
    });
  }
  if (others.length > 0) {
    throw new Problem({
      code: 'invalid-input',
      message: 'Principals of several tenants have this name.',
      remedy: `Give the id in the place of the name: ${[found, ...others].map(({ id }) => id).join(', ')}.`,
    });
  }
  return found;
}

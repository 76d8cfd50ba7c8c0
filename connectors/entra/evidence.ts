/** How many people Graph itself counts, and what the token allows. */
import { parseJson } from '../answer.ts';
import type { Evidence } from '../contract.ts';
import type { Graph } from './graph.ts';
import { Counted } from './schema.ts';
import { ASSIGNMENTS } from './scope.ts';

/**
 * What a full pull needs, each by the least permission that gives it, and those that give it too (the "Permissions" tables of "List
 * users", "List group transitive members" and "List appRoleAssignments granted for a service principal"): an application
 * that exchanges one for another has lost nothing. Without Member.Read.Hidden, groups with hidden membership show no members,
 * and nothing is refused.
 */
const GIVEN_BY: Readonly<Record<string, readonly string[]>> = {
  'User.Read.All': ['User.ReadWrite.All', 'Directory.Read.All', 'Directory.ReadWrite.All'],
  'GroupMember.Read.All': [
    'GroupMember.ReadWrite.All',
    'Group.Read.All',
    'Group.ReadWrite.All',
    'Directory.Read.All',
    'Directory.ReadWrite.All',
  ],
  'Member.Read.Hidden': [],
};
const GIVEN_BY_FOR_APP_SCOPE: typeof GIVEN_BY = {
  ...GIVEN_BY,
  [ASSIGNMENTS]: ['Application.ReadWrite.All', 'Directory.Read.All', 'Directory.ReadWrite.All'],
};

/** `roles`: those of the token, of which many may have nothing to do with a pull. */
function neededOf(roles: readonly string[], isAppScoped: boolean): readonly string[] {
  const has = (permission: string) => roles.includes(permission);
  return Object.entries(isAppScoped ? GIVEN_BY_FOR_APP_SCOPE : GIVEN_BY)
    .flatMap(([least, others]) => (has(least) || others.some(has) ? [least] : []))
    .toSorted();
}

type Asked = {
  /** Those that a full pull reads, whose sizes add up; null where the settings leave somebody out: no count of Graph's fits then. */
  readonly lists: readonly string[] | null;
  readonly isAppScoped: boolean;
};

/**
 * Counting is an advanced query, served from an index that may lag behind, and not offered in B2C directories ("Advanced query
 * capabilities"): a refusal is no failure, there is just no number.
 */
export async function evidenceOf(
  graph: Graph,
  { lists, isAppScoped }: Asked,
  signal: AbortSignal,
): Promise<Evidence> {
  const roles = await graph.permissions(signal);
  const users = lists === null ? null : await countOf(graph, lists, signal);
  return { users, permissions: roles === null ? null : neededOf(roles, isAppScoped) };
}

async function countOf(graph: Graph, lists: readonly string[], signal: AbortSignal): Promise<number | null> {
  const headers = { ConsistencyLevel: 'eventual' };
  const parts = lists.map((path) => ({ path: `${path}?$count=true&$top=1&$select=id`, headers }));
  const answers = await graph.batch(parts, 'User.Read.All', signal);
  const counts = answers.map((answer) =>
    answer.status === 200 ? Counted.safeParse(parseJson(answer)).data?.['@odata.count'] : undefined,
  );
  return counts.reduce<number | null>(
    (sum, count) => (sum === null || count === undefined ? null : sum + count),
    0,
  );
}

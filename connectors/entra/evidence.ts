/** How many people Graph itself counts, and what the token allows. */
import { parseJson } from '../answer.ts';
import type { Evidence } from '../contract.ts';
import type { Graph } from './graph.ts';
import { Counted } from './schema.ts';

/**
 * `lists`: those that a full pull reads, whose sizes add up; null where the settings leave somebody out, for then no count of
 * Graph's fits. Counting is an advanced query, served from an index that may lag behind, and not offered in B2C
 * directories ("Advanced query capabilities"): a refusal is no failure, there is just no number.
 */
export async function evidenceOf(
  graph: Graph,
  lists: readonly string[] | null,
  signal: AbortSignal,
): Promise<Evidence> {
  const permissions = await graph.permissions(signal);
  const users = lists === null ? null : await countOf(graph, lists, signal);
  return { users, permissions: permissions?.toSorted() ?? null };
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

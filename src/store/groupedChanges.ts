/** Changes by what they have in common: how many there are of each group, from the counts that the database keeps. */
import type { ChangeKind, ChangeState } from '../domain/change.ts';
import { type Grouping, groupInWords } from '../domain/changeGroup.ts';
import type { Difference } from '../domain/difference.ts';
import type { ChangeId, ConnectionId, TenantId } from '../domain/ids.ts';
import type { GroupPage, GroupPlace } from '../domain/page.ts';
import type { RiskLevel } from '../domain/risk.ts';
import { type ChangeFilter, groupConditions, NAME, Parameters } from './changeFilter.ts';
import { findConnections, findPage } from './changePages.ts';
import type { Database, Sql } from './database.ts';

export type ChangesAlike = {
  /** What they have in common, as a filter understands it; '': they have none. */
  readonly key: string;
  /** One line, in plain words. */
  readonly label: string;
  readonly changes: number;
  readonly kinds: Readonly<Partial<Record<ChangeKind, number>>>;
  readonly states: Readonly<Partial<Record<ChangeState, number>>>;
  readonly risks: Readonly<Partial<Record<RiskLevel, number>>>;
  /** A few of them. */
  readonly sample: readonly { readonly id: ChangeId; readonly name: string }[];
};

export type SeenRevision = { readonly connection: ConnectionId; readonly revision: number };

export type GroupedChanges = {
  /** Each once, also where one belongs to several groups. */
  readonly changes: number;
  readonly groups: number;
  /** null: all that match are counted; otherwise the oldest so many were looked at. */
  readonly lookedAt: number | null;
  /** The change sets concerned, as they are counted here. */
  readonly revisions: readonly SeenRevision[];
  /** The largest first. */
  readonly items: readonly ChangesAlike[];
  readonly next: GroupPlace | null;
};

/** What a change is counted under: of its group, `column`; where `each`, under each that stands there. */
const keys = {
  difference: { column: 'g.difference_key' },
  cause: { column: 'g.cause' },
  kind: { column: 'g.kind' },
  risk: { column: 'g.risk' },
  department: { column: 'g.department' },
  'org-unit': { column: 'g.org_unit' },
  'role-gained': { column: 'g.roles_gained', each: true },
  'role-lost': { column: 'g.roles_lost', each: true },
  field: { column: 'g.fields', each: true },
  guard: { column: 'k.guard' },
  connection: { column: 'k.connection_id::text' },
} as const satisfies Record<Grouping, { readonly column: string; readonly each?: true }>;

/** What is looked at of those whom only a search finds, a rule has the say on, or somebody is to look at. */
const PAGES = 2;
const OF_A_PAGE = 4_000;
const SHOWN = 3;

export class ChangeGroups {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  list(within: TenantId, by: Grouping, filter: ChangeFilter, page: GroupPage): Promise<GroupedChanges> {
    return this.#database.bulk(within, async (tx) => {
      const { search: text, rule, assignee, deadline } = filter;
      const isCounted = [text, rule, assignee, deadline].every((one) => one === undefined);
      const found = isCounted ? null : await search(tx, within, filter);
      const connections = await findConnections(tx, within, filter);
      // All counts of these connections are gone over, however few PostgreSQL takes them for.
      await tx.query(`SET LOCAL enable_nestloop = off; SET LOCAL jit = off; SET LOCAL work_mem = '32MB'`);
      const parameters = new Parameters(connections);
      const counts = found === null ? counted(filter, parameters) : among(found.ids, parameters);
      const rows = await readGroups(tx, by, { counts, filter, page, parameters });
      await tx.query(`SET LOCAL enable_nestloop = on`);
      const [all] = rows;
      const items = rows.flatMap(({ group }) => group ?? []).slice(0, page.limit);
      const last = items.at(-1);
      const samples = await readSamples(tx, filter, items, found?.ids ?? null);
      return {
        changes: all?.changes ?? 0,
        groups: all?.groups ?? 0,
        lookedAt: found?.lookedAt ?? null,
        revisions: all?.revisions ?? [],
        items: items.map((item) => toView(by, item, samples.get(item.key) ?? [])),
        next:
          rows.length > page.limit && last !== undefined ? { changes: last.changes, key: last.key } : null,
      };
    });
  }
}

type Found = { readonly ids: readonly ChangeId[]; readonly lookedAt: number | null };

async function search(sql: Sql, within: TenantId, filter: ChangeFilter): Promise<Found> {
  const ids: ChangeId[] = [];
  let after: string | null = null;
  for (let page = 1; page <= PAGES; page += 1) {
    const found = await findPage(sql, within, filter, { limit: OF_A_PAGE, after });
    ids.push(...found.ids);
    after = found.next;
    if (after === null) return { ids, lookedAt: null };
  }
  return { ids, lookedAt: PAGES * OF_A_PAGE };
}

/** Rows of counts, of the connections $1: what is more or less by each statement. What counts is their sum. */
function counted(filter: ChangeFilter, parameters: Parameters): string {
  const parts = ['k.connection_id = ANY ($1::uuid[])'];
  if (filter.states !== undefined) parts.push(`k.state = ANY (${parameters.add(filter.states)}::text[])`);
  if (filter.guard !== undefined) parts.push(`k.guard = ${parameters.add(filter.guard)}::text`);
  return `SELECT k.connection_id, k.group_id, k.state, k.guard, k.changes FROM change_count k WHERE ${parts.join(' AND ')}`;
}

function among(ids: readonly ChangeId[], parameters: Parameters): string {
  return `SELECT c.connection_id, c.group_id, c.state, coalesce(d.finding ->> 'guard', '') AS guard, 1 AS changes
    FROM change c LEFT JOIN decision d ON d.id = c.decision_id AND c.state = 'held' WHERE c.id = ANY (${parameters.add(ids)}::uuid[])`;
}

type Counts<Name extends string> = Readonly<Partial<Record<Name, number>>>;
type GroupRow = {
  readonly key: string;
  readonly changes: number;
  readonly parts: readonly (readonly [
    kind: ChangeKind,
    risk: RiskLevel,
    state: ChangeState,
    changes: number,
  ])[];
  /** Some of the groups that it is made of. */
  readonly some: readonly string[];
  readonly difference: Difference | null;
  readonly name: string | null;
};

type Asked = {
  readonly counts: string;
  readonly filter: ChangeFilter;
  readonly page: GroupPage;
  readonly parameters: Parameters;
};

type AnswerRow = {
  readonly changes: number;
  readonly groups: number;
  readonly revisions: readonly SeenRevision[] | null;
  readonly group: GroupRow | null;
};

/** In one statement, so that what is counted and the revisions belong together. At least one row. */
async function readGroups(sql: Sql, by: Grouping, asked: Asked): Promise<readonly AnswerRow[]> {
  const { counts, filter, page, parameters } = asked;
  const meant = ['g.connection_id = ANY ($1::uuid[])', ...groupConditions(filter, parameters)].join(' AND ');
  const { column, each }: { readonly column: string; readonly each?: true } = keys[by];
  const [columns, key, from] =
    each === true
      ? [`${column} AS names`, 'each.name', 'LEFT JOIN LATERAL unnest(m.names) AS each (name) ON true']
      : [`${column} AS key`, 'm.key', ''];
  // Where a change is counted under several names, the sum of all is more than there are.
  const total =
    each === true
      ? `(SELECT coalesce(sum(k.changes), 0)::int FROM (${counts}) AS k JOIN change_group g ON g.id = k.group_id WHERE ${meant})`
      : '(SELECT coalesce(sum(changes), 0)::int FROM ranked)';
  const after = page.after;
  const behind =
    after === null
      ? 'true'
      : `(changes < ${parameters.add(after.changes)}::int OR changes = ${parameters.add(after.changes)}::int AND key > ${parameters.add(after.key)}::text)`;
  return await sql.query<AnswerRow>(
    `WITH part AS MATERIALIZED (
       SELECT coalesce(${key}, '') COLLATE "C" AS key, m.kind, m.risk, m.state, m.connection_id, sum(m.changes)::int AS changes,
         (array_agg(m.id) FILTER (WHERE m.changes > 0))[1:${SHOWN}] AS some
       FROM (
         SELECT k.connection_id, k.state, k.guard, k.changes, g.id, g.kind, g.risk, ${columns}
         FROM (${counts}) AS k JOIN change_group g ON g.id = k.group_id WHERE ${meant}) AS m ${from}
       GROUP BY 1, 2, 3, 4, 5 HAVING sum(m.changes) <> 0),
     ranked AS MATERIALIZED (SELECT key, sum(changes)::int AS changes FROM part GROUP BY key),
     page AS (SELECT * FROM ranked WHERE ${behind} ORDER BY changes DESC, key LIMIT ${parameters.add(page.limit + 1)}::int),
     whole AS (
       SELECT p.key, p.changes, jsonb_agg(jsonb_build_array(q.kind, q.risk, q.state, q.changes)) AS parts, min(q.some::text)::uuid[] AS some
       FROM page p JOIN part q ON q.key = p.key GROUP BY p.key, p.changes),
     total AS (
       SELECT ${total} AS changes, (SELECT count(*)::int FROM ranked) AS groups,
         (SELECT jsonb_agg(jsonb_build_object('connection', n.id, 'revision', n.change_revision) ORDER BY n.id) FROM connection n
          WHERE n.id IN (SELECT connection_id FROM part)) AS revisions)
     SELECT t.changes, t.groups, t.revisions, CASE WHEN w.key IS NOT NULL THEN jsonb_build_object('key', w.key, 'changes', w.changes,
       'parts', w.parts, 'some', w.some, 'difference', g.difference, 'name', n.name) END AS "group"
     FROM total t LEFT JOIN whole w ON true LEFT JOIN change_group g ON g.id = w.some[1]
       LEFT JOIN connection n ON n.id = g.connection_id
     ORDER BY w.changes DESC, w.key`,
    parameters.values,
  );
}

type Sample = ChangesAlike['sample'];

/** Of some of the groups that each is made of, the first change, if it is there still. */
async function readSamples(
  sql: Sql,
  filter: ChangeFilter,
  items: readonly GroupRow[],
  found: readonly ChangeId[] | null,
): Promise<ReadonlyMap<string, Sample>> {
  const groups = items.flatMap(({ key, some }) => some.map((group) => ({ key, group })));
  if (groups.length === 0) return new Map();
  const candidates =
    found === null
      ? `SELECT s.key, g.first_id AS id FROM chosen s JOIN change_group g ON g.id = s.group_id`
      : `SELECT s.key, c.id FROM chosen s JOIN change c ON c.group_id = s.group_id AND c.id = ANY ($4::uuid[])`;
  const rows = await sql.query<{ key: string; sample: Sample }>(
    `WITH chosen AS MATERIALIZED (SELECT * FROM unnest($1::text[], $2::uuid[]) AS s (key, group_id)),
     candidate AS (${candidates})
     SELECT key, jsonb_agg(jsonb_build_object('id', id, 'name', name) ORDER BY id) AS sample FROM (
       SELECT x.key, c.id, ${NAME} AS name, row_number() OVER (PARTITION BY x.key ORDER BY c.id) AS n
       FROM (SELECT DISTINCT key, id FROM candidate) x JOIN change c ON c.id = x.id AND ($3::text[] IS NULL OR c.state = ANY ($3::text[]))) AS there
     WHERE n <= ${SHOWN} GROUP BY key`,
    [
      groups.map(({ key }) => key),
      groups.map(({ group }) => group),
      filter.states ?? null,
      ...(found === null ? [] : [found]),
    ],
  );
  return new Map(rows.map(({ key, sample }) => [key, sample]));
}

function toView(by: Grouping, row: GroupRow, sample: Sample): ChangesAlike {
  const { key, changes, parts, difference, name } = row;
  return {
    key,
    label: groupInWords(by, key === '' ? null : key, { difference, name }),
    changes,
    kinds: summed(parts.map(([kind, , , n]) => [kind, n])),
    risks: summed(parts.map(([, risk, , n]) => [risk, n])),
    states: summed(parts.map(([, , state, n]) => [state, n])),
    sample,
  };
}

function summed<Name extends string>(counted: readonly (readonly [Name, number])[]): Counts<Name> {
  const sums: Partial<Record<Name, number>> = {};
  for (const [name, n] of counted) sums[name] = (sums[name] ?? 0) + n;
  return sums;
}

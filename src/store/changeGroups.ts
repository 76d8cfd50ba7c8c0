/**
 * What changes are grouped by: a plan describes each group once, however many changes it has. How many there are of each, the database
 * counts with every statement that proposes, decides or applies (`change_count`, by triggers).
 */
import { hash } from 'node:crypto';
import type { ProposedChange } from '../domain/change.ts';
import { type GroupFacts, groupFactsOf, newcomerKey } from '../domain/changeGroup.ts';
import { type Difference, differenceKey, type FieldDifference, withoutValues } from '../domain/difference.ts';
import type { RiskFacts } from '../domain/risk.ts';
import type { BulkTransaction, Sql } from './database.ts';
import { avoiding } from './planner.ts';

/** Rows that counts may have beyond one for each group, state and guard, before they are put together again. */
const LOOSE = 1_000;

/** Puts the counts of a connection together where they have become many. Nobody is waited for: what is added meanwhile stays as it is. */
export async function tidyCounts(sql: Sql, connection: string): Promise<void> {
  const [counts] = await sql.query<{ rows: number; sums: number }>(
    `SELECT coalesce(sum(n), 0)::int AS rows, count(*) FILTER (WHERE changes <> 0)::int AS sums FROM (
       SELECT count(*) AS n, sum(changes) AS changes FROM change_count WHERE connection_id = $1 GROUP BY group_id, state, guard) AS summed`,
    [connection],
  );
  if (counts === undefined || counts.rows <= 2 * counts.sums + LOOSE) return;
  await sql.query(
    `WITH gone AS (DELETE FROM change_count WHERE connection_id = $1 RETURNING *)
     INSERT INTO change_count (tenant_id, connection_id, group_id, state, guard, changes)
     SELECT tenant_id, connection_id, group_id, state, guard, sum(changes)
     FROM gone GROUP BY tenant_id, connection_id, group_id, state, guard HAVING sum(changes) <> 0`,
    [connection],
  );
}

/**
 * Removes the groups of a connection that have no change any more, with what they say of people who are gone. For a plan alone, which
 * makes groups: the connection is locked by it.
 */
export async function removeEmptyGroups(sql: Sql, connection: string): Promise<void> {
  const remove = () =>
    sql.query(
      `DELETE FROM change_group g WHERE g.connection_id = $1
         AND NOT EXISTS (SELECT FROM change c WHERE c.connection_id = $1 AND c.group_id = g.id)`,
      [connection],
    );
  // Each change is looked at once, and not for each group; and in the index that lists them, which is a tenth of them all.
  await avoiding('seqscan', sql, () => avoiding('nestloop', sql, remove));
}

/** Groups that are remembered, so that they are described and stored once; beyond that, once more. */
const REMEMBERED = 2_000;
/** Values of one field, before and after, that a plan tells apart. Where there are more, they are people's own: each would be a group. */
export const TOLD_APART = 1_000;

type Of = { readonly tenant: string; readonly connection: string };

/** The groups of the changes that one plan proposes. What is kept of them is bounded, whatever the directory is like. */
export class PlannedGroups {
  readonly #run: Of;
  readonly #facts: RiskFacts;
  readonly #known = new Map<string, string>();
  readonly #newcomers = new Map<string, string>();
  /** By field. */
  readonly #values = new Map<string, Set<string>>();
  #unwritten: object[] = [];

  constructor(run: Of, facts: RiskFacts) {
    this.#run = run;
    this.#facts = facts;
  }

  /** The id of the group that the change belongs to. `change`s come in the order of their ids. */
  groupOf(change: ProposedChange, changeId: string): string {
    const newcomer = newcomerKey(change, this.#facts);
    if (newcomer === null) return this.#describe(change, changeId);
    const known = this.#newcomers.get(newcomer) ?? this.#describe(change, changeId);
    this.#newcomers.set(newcomer, known);
    return known;
  }

  #describe(change: ProposedChange, changeId: string): string {
    const described = groupFactsOf(change, this.#facts);
    const facts = { ...described, difference: this.#withoutOwn(described.difference) };
    const content = JSON.stringify(facts);
    const known = this.#known.get(content);
    if (known !== undefined) return known;
    const id = idOf(this.#run, content);
    this.#known.set(content, id);
    this.#unwritten.push({ ...toRow(id, this.#run, facts), first_id: changeId });
    return id;
  }

  #withoutOwn(difference: Difference): Difference {
    const fields = difference.fields.map((one) => (this.#tellsApart(one) ? one : withoutValues(one)));
    return { ...difference, fields };
  }

  #tellsApart(change: FieldDifference): boolean {
    if (change.how !== 'value') return true;
    const values = this.#values.get(change.field) ?? new Set();
    this.#values.set(change.field, values);
    const value = JSON.stringify([change.before, change.after]);
    if (values.size < TOLD_APART) values.add(value);
    return values.has(value);
  }

  /** Stores those that were met since. They may be there already, made by a machine whose clock was ahead of this one's. */
  async write(tx: BulkTransaction): Promise<void> {
    const rows = this.#unwritten;
    if (rows.length === 0) return;
    this.#unwritten = [];
    // Now, when none of them waits to be stored: a statement takes each once.
    if (this.#known.size > REMEMBERED) this.#known.clear();
    if (this.#newcomers.size > REMEMBERED) this.#newcomers.clear();
    await store(tx, rows);
  }
}

async function store(sql: Sql, rows: readonly object[]): Promise<void> {
  await sql.query(
    `INSERT INTO change_group SELECT * FROM jsonb_populate_recordset(NULL::change_group, $1::jsonb) ON CONFLICT (id)
     DO UPDATE SET first_id = excluded.first_id WHERE change_group.first_id > excluded.first_id`,
    [JSON.stringify(rows)],
  );
}

type Described = Of & Pick<GroupFacts, 'kind' | 'cause' | 'risk' | 'riskSignals'>;

/**
 * Puts the changes `c` that `where` names, which are history, in groups that say of them what they were and how risky, and nothing of
 * fields, values and roles. Groups that have no change by then stay until the connection's next plan, or `removeEmptyGroups`.
 */
export async function groupWithoutValues(sql: Sql, where: string, values: readonly unknown[]): Promise<void> {
  const found = await sql.query<Described & { readonly first: string; readonly groups: readonly string[] }>(
    `SELECT g.tenant_id AS tenant, g.connection_id AS connection, g.kind, g.cause, g.risk, g.risk_signals AS "riskSignals",
       (array_agg(c.id ORDER BY c.id))[1] AS first, array_agg(DISTINCT g.id) AS groups
     FROM change c JOIN change_group g ON g.id = c.group_id WHERE ${where} GROUP BY 1, 2, 3, 4, 5, 6`,
    values,
  );
  const rows = found.map(({ first, groups, tenant, connection, ...said }) => {
    const nothing = { fields: [], rolesGained: [], rolesLost: [] };
    const cause = said.kind === 'conflict' ? said.cause : null;
    const difference: Difference = { kind: said.kind, cause, place: null, ...nothing };
    const facts: GroupFacts = { ...said, difference, department: null, orgUnit: null, ...nothing };
    const id = idOf({ tenant, connection }, JSON.stringify(facts));
    return { ...toRow(id, { tenant, connection }, facts), first_id: first, groups };
  });
  await store(sql, rows);
  await sql.query(
    `UPDATE change c SET group_id = r.id FROM jsonb_to_recordset($${values.length + 1}::jsonb) AS r (id uuid, groups uuid[])
     WHERE c.group_id = ANY (r.groups) AND c.group_id <> r.id AND (${where})`,
    [...values, JSON.stringify(rows)],
  );
}

function toRow(id: string, { tenant, connection }: Of, facts: GroupFacts): object {
  return {
    id,
    tenant_id: tenant,
    connection_id: connection,
    kind: facts.kind,
    cause: facts.cause,
    risk: facts.risk,
    risk_signals: facts.riskSignals,
    difference_key: differenceKey(facts.difference),
    difference: facts.difference,
    fields: facts.fields,
    department: facts.department,
    org_unit: facts.orgUnit,
    roles_gained: facts.rolesGained,
    roles_lost: facts.rolesLost,
  };
}

/** @param content what stands in the group, as JSON */
function idOf({ connection }: Of, content: string): string {
  const digits = hash('sha256', `${connection} ${content}`, 'hex');
  return digits.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** Roles with a permission for everything, or for everything of a kind. */
export async function wideRoles(sql: Sql): Promise<readonly string[]> {
  const rows = await sql.query<{ name: string }>(
    `SELECT name FROM role WHERE EXISTS (SELECT FROM unnest(permissions) AS p (name) WHERE p.name ~ '(^|[.:])\\*$')`,
  );
  return rows.map(({ name }) => name);
}

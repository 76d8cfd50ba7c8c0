/**
 * Finds one page of changes in bounded time, however many there are. Changes stand in an index by connection and state, oldest first, each
 * with its group: every connection and state is a stream, and a page takes the oldest from all of them. Of each stream so many are looked at
 * and no more; where that is not enough, the page is short and says where the next one goes on.
 */
import { CHANGE_STATES, type ChangeState } from '../domain/change.ts';
import type { ChangeId, ConnectionId, TenantId } from '../domain/ids.ts';
import type { PageOptions } from '../domain/page.ts';
import {
  assignedTo,
  type ChangeFilter,
  conditions,
  groupConditions,
  heldBy,
  judgedBy,
  matches,
  OVERDUE,
  Parameters,
} from './changeFilter.ts';
import type { Sql } from './database.ts';
import { SUBTREE } from './scope.ts';

/** How many changes of a state are looked at for one page: at first, each with its group; then, where the index says all; or where each is read. */
const AT_FIRST = 1_000;
const AT_MOST = 30_000;
const READ = 5_000;
const OF_A_STREAM = 500;
/** So many groups are handed in by name. */
const FEW_GROUPS = 5_000;

const FIRST_ID = '00000000-0000-0000-0000-000000000000';
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** `from`: all that are looked for are behind it. */
type Stream = { readonly connection: ConnectionId; readonly state: ChangeState; readonly from: string };

/** `next`: up to where everything was looked at; null: to the end. */
export type FoundPage = { readonly ids: readonly ChangeId[]; readonly next: string | null };

export async function findPage(
  sql: Sql,
  within: TenantId,
  filter: ChangeFilter,
  { limit, after }: PageOptions,
): Promise<FoundPage> {
  if (filter.apply !== undefined) return await findOfApply(sql, within, filter, { limit, after });
  if (filter.assignee !== undefined && filter.assignee !== '')
    return await findAssigned(sql, within, filter, { limit, after });
  const streams = await findStreams(sql, within, filter, after ?? FIRST_ID);
  if (streams.length === 0) return { ids: [], next: null };
  const reads = readConditions(filter, new Parameters()).length > 0;
  if (groupConditions(filter, new Parameters()).length === 0 && !reads)
    return await walk(sql, streams, { limit, window: null, meant: () => 'true', reads });
  const connections = new Set(streams.map(({ connection }) => connection)).size;
  const window = (all: number) => Math.max(OF_A_STREAM, Math.floor(all / connections));
  const each = (parameters: Parameters) => {
    const ofGroup = groupConditions(filter, parameters);
    const group = `EXISTS (SELECT FROM change_group g WHERE g.id = c.group_id AND ${ofGroup.join(' AND ')} OFFSET 0)`;
    return [...(ofGroup.length === 0 ? [] : [group]), ...readConditions(filter, parameters)].join(' AND ');
  };
  const first = await walk(sql, streams, {
    limit,
    window: window(reads ? READ : AT_FIRST),
    meant: each,
    reads,
  });
  if (reads || first.next === null || first.ids.length === limit) return first;
  const groups = await findGroups(sql, streams, filter);
  if (groups === null) {
    const meant = (parameters: Parameters) =>
      `c.group_id IN (SELECT g.id FROM change_group g WHERE ${groupConditions(filter, parameters).join(' AND ')})`;
    return await walk(sql, streams, { limit, window: window(AT_MOST), meant, reads });
  }
  if (groups.ids.length === 0) return { ids: [], next: null };
  const later = streams.map((stream) =>
    groups.from > stream.from ? { ...stream, from: groups.from } : stream,
  );
  const meant = (parameters: Parameters) => `c.group_id = ANY (${parameters.add(groups.ids)}::uuid[])`;
  return await walk(sql, later, { limit, window: window(AT_MOST), meant, reads });
}

/** Along those of the apply, which has an index of its own. */
async function findOfApply(
  sql: Sql,
  within: TenantId,
  filter: ChangeFilter,
  { limit, after }: PageOptions,
): Promise<FoundPage> {
  const { where, values } = conditions(within, filter);
  const rows = await sql.query<{ id: ChangeId }>(
    `SELECT c.id FROM change c WHERE ${where} AND c.id > $${values.length + 1}::uuid ORDER BY c.id LIMIT ${limit + 1}`,
    [...values, after ?? FIRST_ID],
  );
  const ids = rows.slice(0, limit).map(({ id }) => id);
  return { ids, next: rows.length > limit ? (ids.at(-1) ?? null) : null };
}

/** Along those that somebody is to look at, of which so many are looked at for one page. */
async function findAssigned(
  sql: Sql,
  within: TenantId,
  { assignee, ...filter }: ChangeFilter,
  { limit, after }: PageOptions,
): Promise<FoundPage> {
  const { where, values } = conditions(within, filter);
  const at = (offset: number) => `$${values.length + offset}`;
  const rows = await sql.query<{ id: ChangeId; meant: boolean }>(
    `SELECT s.id, coalesce((SELECT true FROM change c WHERE c.id = s.id AND ${where}), false) AS meant FROM (
       SELECT change_id AS id FROM assignment WHERE principal_id = ${at(1)}::uuid AND change_id > ${at(2)}::uuid
       ORDER BY change_id LIMIT ${READ}) s ORDER BY s.id`,
    [...values, assignee, after ?? FIRST_ID],
  );
  const ids = rows.filter(({ meant }) => meant).map(({ id }) => id);
  if (ids.length > limit) return { ids: ids.slice(0, limit), next: ids[limit - 1] ?? null };
  return { ids, next: rows.length < READ ? null : (rows.at(-1)?.id ?? null) };
}

async function findStreams(
  sql: Sql,
  within: TenantId,
  filter: ChangeFilter,
  from: string,
): Promise<readonly Stream[]> {
  const states = filter.states ?? CHANGE_STATES;
  const connections = await findConnections(sql, within, filter);
  return connections.flatMap((connection) => states.map((state) => ({ connection, state, from })));
}

/** Of those that the filter is about. */
export async function findConnections(
  sql: Sql,
  within: TenantId,
  { tenant, connection }: ChangeFilter,
): Promise<readonly ConnectionId[]> {
  const rows = await sql.query<{ id: ConnectionId }>(
    `SELECT n.id FROM connection n WHERE n.tenant_id IN ${SUBTREE('$1::uuid')}
       AND ($2::uuid IS NULL OR n.tenant_id IN ${SUBTREE('$2::uuid')}) AND ($3::uuid IS NULL OR n.id = $3::uuid)`,
    [within, tenant ?? null, connection ?? null],
  );
  return rows.map(({ id }) => id);
}

function readConditions(
  { search, guard, rule, assignee, deadline }: ChangeFilter,
  parameters: Parameters,
): readonly string[] {
  return [
    ...(assignee === undefined ? [] : [assignedTo(assignee, parameters)]),
    ...(deadline === undefined ? [] : [OVERDUE]),
    ...(search === undefined ? [] : [matches(search, parameters)]),
    ...(guard === undefined ? [] : [heldBy(guard, parameters)]),
    ...(rule === undefined ? [] : [judgedBy(rule, parameters)]),
  ];
}

/** Those that are meant, and an id that none of their changes comes before; null: they are many. */
async function findGroups(sql: Sql, streams: readonly Stream[], filter: ChangeFilter) {
  const parameters = new Parameters([...new Set(streams.map(({ connection }) => connection))]);
  const parts = ['g.connection_id = ANY ($1::uuid[])', ...groupConditions(filter, parameters)];
  const rows = await sql.query<{ id: string; first: string | null }>(
    `SELECT g.id, g.first_id AS first FROM change_group g WHERE ${parts.join(' AND ')} LIMIT ${FEW_GROUPS + 1}`,
    parameters.values,
  );
  if (rows.length > FEW_GROUPS) return null;
  const [first = LAST_ID] = rows.map((row) => row.first ?? FIRST_ID).sort();
  return { ids: rows.map(({ id }) => id), from: first === FIRST_ID ? first : before(first) };
}

/** Streams begin behind an id. */
function before(id: string): string {
  const digits = (BigInt(`0x${id.replaceAll('-', '')}`) - 1n).toString(16).padStart(32, '0');
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

type Walk = {
  readonly limit: number;
  /** How many of each stream; null: whoever is looked at is meant. */
  readonly window: number | null;
  /** Speaks of `c`. */
  readonly meant: (parameters: Parameters) => string;
  /** More than the id and the group has to be known. */
  readonly reads: boolean;
};

/** Compared as a whole row, and in that order, so that PostgreSQL goes along this index and along no other. */
const ALONG = `(c.connection_id, c.state, c.id) > (s.connection_id, s.state, s.from_id)
  AND (c.connection_id, c.state, c.id) <= (s.connection_id, s.state, '${LAST_ID}'::uuid)
  ORDER BY c.connection_id, c.state, c.id`;

/** The last that is looked at in a stream comes along, whether it is meant or not. */
async function walk(
  sql: Sql,
  streams: readonly Stream[],
  { limit, window, meant, reads }: Walk,
): Promise<FoundPage> {
  const parameters = new Parameters(
    streams.map(({ connection }) => connection),
    streams.map(({ state }) => state),
    streams.map(({ from }) => from),
  );
  const columns = reads ? 'c.*' : 'c.id, c.group_id';
  const size = parameters.add(window ?? limit + 1);
  const rows = await sql.query<{ id: ChangeId; meant: boolean; last: boolean }>(
    `SELECT f.id, f.meant, f.last FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS s (connection_id, state, from_id), LATERAL (
       SELECT c.id, c.meant, c.n = ${size}::int AS last FROM (
         SELECT c.id, c.n, ${meant(parameters)} AS meant FROM (
           SELECT ${columns}, row_number() OVER (ORDER BY c.connection_id, c.state, c.id) AS n FROM change c WHERE ${ALONG} LIMIT ${size}::int) c
         OFFSET 0) c
       WHERE c.meant OR c.n = ${size}::int LIMIT ${parameters.add(limit + 1)}::int) f
     ORDER BY f.id`,
    parameters.values,
  );
  const end = window === null ? undefined : rows.find(({ last }) => last)?.id;
  const ids = rows.filter((row) => row.meant && (end === undefined || row.id <= end)).map(({ id }) => id);
  if (ids.length > limit) return { ids: ids.slice(0, limit), next: ids[limit - 1] ?? null };
  return { ids, next: end ?? null };
}

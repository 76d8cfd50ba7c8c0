/** What a reviewer waits for among very many open changes. In one process: nearly all of it is done by PostgreSQL. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { connectors } from '../connectors/registry.ts';
import type { TenantId } from '../src/domain/ids.ts';
import { groupChanges } from '../src/review/changeGroups.ts';
import { listChanges } from '../src/review/changes.ts';
import { decide } from '../src/review/decide.ts';
import { openStore } from '../src/store/store.ts';
import { createConnection } from '../src/tenancy/connections.ts';
import { ensureOperator } from '../src/tenancy/principals.ts';
import { createTenant } from '../src/tenancy/tenants.ts';
import { fillChanges } from './changes.ts';

/** Milliseconds; `bare`: a statement that finds the same without a summary, without tenants, without what is shown of a change. */
export type Beside = { readonly value: number; readonly bare: number };

export type ReviewTimes = {
  readonly filtered: Beside;
  readonly filteredOfSeveral: Beside;
  readonly grouped: Beside;
  readonly groupedOfSeveral: Beside;
  readonly approve: Beside;
};

const ROUNDS = 6;
const SEVERAL = 5;

/** Nobody ever reads it. */
const UNREAD = {
  provider: 'okta' as const,
  settings: { orgUrl: 'https://bench.okta.example' },
  credentials: { kind: 'api-token', token: '00benchToken' },
};

/** Common and rare ones. */
const FILTERS: readonly (readonly [filter: object, bare: string])[] = [
  [{}, 'true'],
  [{ kind: ['update'] }, `kind = 'update'`],
  [{ cause: 'left' }, `cause = 'left'`],
  [{ risk: ['high'] }, `EXISTS (SELECT FROM change_group g WHERE g.id = group_id AND g.risk = 'high')`],
  [{ department: 'department 3' }, `after #>> '{fields,department}' = 'department 3'`],
  [{ department: 'department 117' }, `after #>> '{fields,department}' = 'department 117'`],
  [{ roleLost: ['administrator'] }, `'administrator' = ANY (roles_lost)`],
  [{ search: 'user1999' }, `after #>> '{fields,email}' LIKE '%user1999%'`],
];
const GROUPS: readonly (readonly [asked: object, bare: string])[] = [
  [{ by: 'difference' }, 'fields'],
  [{ by: 'cause' }, 'cause'],
  [{ by: 'risk' }, 'group_id'],
  [{ by: 'department' }, `after #>> '{fields,department}'`],
  [{ by: 'org-unit' }, `after #>> '{fields,department}'`],
  [{ by: 'role-lost' }, 'roles_lost'],
  [{ by: 'difference', kind: ['update'] }, 'fields'],
  [{ by: 'cause', department: 'department 3' }, 'cause'],
];

export async function measureReview(url: string, changes: number): Promise<ReviewTimes> {
  const store = await openStore(url, randomBytes(32).toString('base64'));
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const deps = { store, clock: { now: () => new Date() } };
    const operator = await ensureOperator(deps, 'bench');
    const tenantWith = async (connections: number) => {
      const { id } = await createTenant(deps, operator, { name: `with ${connections}` });
      const made: string[] = [];
      for (let n = 1; n <= connections; n += 1) {
        const input = { ...UNREAD, tenant: id, name: `directory ${n}` };
        made.push((await createConnection({ ...deps, connectors }, operator, input)).id);
      }
      await client.query('UPDATE connection SET change_revision = 1');
      await fillChanges(client, { changes, tenant: id, connections: made });
      return { tenant: id, connections: made };
    };
    const [one, several] = [await tenantWith(1), await tenantWith(SEVERAL)];
    const filtered = async ({ tenant }: { tenant: TenantId }): Promise<Beside> => ({
      value: await p95(FILTERS, ([filter]) => listChanges(deps, operator, { tenant, ...filter })),
      bare: await p95(FILTERS, ([, bare]) => client.query(PAGE(bare), [tenant])),
    });
    const grouped = async ({ tenant }: { tenant: TenantId }): Promise<Beside> => ({
      value: await p95(GROUPS, ([asked]) => groupChanges(deps, operator, { tenant, ...asked })),
      bare: await p95(GROUPS, ([, bare]) => client.query(COUNT(bare), [tenant])),
    });
    const times = {
      filtered: await filtered(one),
      filteredOfSeveral: await filtered(several),
      grouped: await grouped(one),
      groupedOfSeveral: await grouped(several),
    };
    const revisions = one.connections.map((connection) => ({ connection, revision: 1 }));
    const all = { verdict: 'approve', reason: 'bench', revisions };
    const value = await timed(() => decide(deps, operator, all));
    const bare = await timed(() =>
      client.query(`UPDATE change SET state = 'approved' WHERE tenant_id = $1 AND kind <> 'conflict'`, [
        several.tenant,
      ]),
    );
    return { ...times, approve: { value, bare } };
  } finally {
    await client.end();
    await store.close();
  }
}

const PAGE = (where: string) =>
  `SELECT * FROM change WHERE tenant_id = $1 AND state = 'open' AND ${where} ORDER BY id LIMIT 50`;
const COUNT = (key: string) =>
  `SELECT ${key}, count(*) FROM change WHERE tenant_id = $1 AND state = 'open' GROUP BY 1 ORDER BY 2 DESC LIMIT 50`;

/** Of some rounds of all of them, after one to warm up. */
async function p95<T>(all: readonly T[], work: (one: T) => Promise<unknown>): Promise<number> {
  for (const one of all) await work(one);
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1)
    for (const one of all) times.push(await timed(() => work(one)));
  return times.sort((a, b) => a - b)[Math.ceil(times.length * 0.95) - 1] ?? 0;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/**
 * What it costs to move a part of the tree, while others read of it, and to say what is below the root. In one process: of both nearly
 * all is done by PostgreSQL.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { TenantId } from '../src/domain/ids.ts';
import type { Caller } from '../src/domain/permission.ts';
import { openStore } from '../src/store/store.ts';
import { ensureOperator } from '../src/tenancy/principals.ts';
import { moveTenant } from '../src/tenancy/tenantLife.ts';
import { createTenant, describeTenant, listTenants, type TenantDeps } from '../src/tenancy/tenants.ts';
import { listUsers } from '../src/tenancy/users.ts';

export type Part = { readonly tenants: number; readonly users: number };

/** Milliseconds. */
export type TreeTimes = {
  /** The slowest of some moves, and the longest read of the moved part that was begun meanwhile. */
  readonly move: number;
  readonly readDuring: number;
  /** The same work bare: the two columns of the same rows, in a table with the same indexes; and the longest read while nothing moves. */
  readonly bareMove: number;
  readonly readBefore: number;
  /** The root with its children and all below it by kind; and the bare count of everybody by tenant. */
  readonly describe: number;
  readonly bareCount: number;
};

const MOVES = 6;
const READERS = 4;

/** `url` is the owner's; the database may hold other tenants and users. */
export async function measureTree(url: string, part: Part): Promise<TreeTimes> {
  const store = await openStore(url, randomBytes(32).toString('base64'));
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const deps: TenantDeps = { store, clock: { now: () => new Date() } };
    const operator = await ensureOperator(deps, 'bench');
    const make = async (name: string, parent: TenantId | null) =>
      (await createTenant(deps, operator, { name, parent })).id;
    const [left, right] = [await make('left', null), await make('right', null)];
    const moved = await make('moved', left);
    await fill(client, moved, part);
    const moveTo = (parent: TenantId) => moveTenant(deps, operator, { tenant: moved, parent });
    await moveTo(right); // warmed up
    const read = () => readsOf(deps, operator, moved);
    const before = await whileReading(read, () => sleep(2_000));
    const moves: number[] = [];
    const during = await whileReading(read, async () => {
      for (let n = 0; n < MOVES; n += 1) moves.push(await timed(() => moveTo(n % 2 === 0 ? left : right)));
    });
    return {
      move: Math.max(...moves),
      readDuring: during,
      bareMove: await bareMove(client, moved),
      readBefore: before,
      describe: await timed(() => describeTenant(deps, operator, store.root)),
      bareCount: await timed(() =>
        client.query(`SELECT tenant_id, count(*) FROM auth_user WHERE state <> 'deleted' GROUP BY tenant_id`),
      ),
    };
  } finally {
    await client.end();
    await store.close();
  }
}

/** So many tenants, `top` among them, each the parent of three, with users spread evenly. */
async function fill(client: pg.Client, top: TenantId, { tenants, users }: Part): Promise<void> {
  for (let made = 1; made < tenants; ) {
    const { rowCount } = await client.query(
      `WITH parents AS (
         SELECT t.id, row_number() OVER (ORDER BY t.id) AS n FROM tenant t JOIN tenant top ON top.id = $1
         WHERE starts_with(t.path, top.path) AND NOT EXISTS (SELECT FROM tenant c WHERE c.parent_id = t.id))
       INSERT INTO tenant (id, parent_id, name, path, data_key)
       SELECT gen_random_uuid(), parents.id, 'part ' || k, '', '' FROM parents, generate_series(1, 3) k ORDER BY n, k LIMIT $2`,
      [top, tenants - made],
    );
    made += rowCount ?? 0;
  }
  await client.query(
    `WITH places AS MATERIALIZED (SELECT array_agg(t.id) AS ids FROM tenant t JOIN tenant top ON top.id = $1 WHERE starts_with(t.path, top.path))
     INSERT INTO auth_user (id, tenant_id, state)
     SELECT gen_random_uuid(), places.ids[1 + i % cardinality(places.ids)], 'active' FROM places, generate_series(1, $2::int) i`,
    [top, users],
  );
  await client.query('VACUUM ANALYZE tenant; ');
  await client.query('VACUUM ANALYZE auth_user');
}

async function readsOf(deps: TenantDeps, operator: Caller, tenant: TenantId): Promise<void> {
  await listTenants(deps, operator, { parent: tenant });
  await listUsers(deps, operator, { tenant, limit: 10 });
}

/** The longest of the reads that are begun, one after the other by each of some readers, until the work is done. */
async function whileReading(read: () => Promise<void>, work: () => Promise<unknown>): Promise<number> {
  let isDone = false;
  let longest = 0;
  const reader = async () => {
    while (!isDone) longest = Math.max(longest, await timed(read));
  };
  const readers = Array.from({ length: READERS }, reader);
  try {
    await work();
  } finally {
    isDone = true;
    await Promise.all(readers);
  }
  return longest;
}

async function bareMove(client: pg.Client, moved: TenantId): Promise<number> {
  await client.query('CREATE TABLE floor_tenant (LIKE tenant INCLUDING INDEXES)');
  await client.query('INSERT INTO floor_tenant SELECT * FROM tenant');
  await client.query('VACUUM ANALYZE floor_tenant');
  const { rows } = await client.query<{ path: string }>('SELECT path FROM tenant WHERE id = $1', [moved]);
  const path = rows[0]?.path ?? '';
  return await timed(() =>
    client.query(
      `UPDATE floor_tenant SET path = 'x' || path, data_key = '1.' || data_key WHERE path LIKE $1`,
      [`${path}%`],
    ),
  );
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

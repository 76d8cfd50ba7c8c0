import pg from 'pg';
import { v7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase } from '../../src/store/database.ts';
import { createTenant } from '../../src/tenancy/tenants.ts';
import { clockAt } from '../support/clock.ts';
import { asOwner, type FreshStore, freshStore } from '../support/database.ts';
import { fillEveryTable, insertInto } from '../support/everyTable.ts';
import { anOperator } from '../support/tenancy.ts';

/** Tables that belong to no tenant. */
const OF_ALL = ['role', 'product_plan', 'product_plan_role', 'stamp', '_prisma_migrations'];

/** PostgreSQL's "insufficient privilege", which a refused row is as well. */
const REFUSED = '42501';

let database: FreshStore;
let client: pg.Client;
const tenants = { parent: '', child: '', grandchild: '', sibling: '' };

/** Every table of the database; the column that says whose a row is. */
let tables: { name: string; column: 'id' | 'tenant_id' }[];

beforeAll(async () => {
  database = await freshStore();
  const deps = { store: database.store, clock: clockAt('2026-05-01T09:00:00Z') };
  const operator = await anOperator(deps); // audits at the root
  const make = async (name: string, parent: string | null) =>
    (await createTenant(deps, operator, { name, parent })).id; // audits in its own chain
  tenants.parent = await make('parent', null);
  tenants.child = await make('child', tenants.parent);
  tenants.grandchild = await make('grandchild', tenants.child);
  tenants.sibling = await make('sibling', tenants.parent);
  await asOwner(database.url, async (owner) => {
    for (const tenant of [database.store.root, ...Object.values(tenants)])
      await fillEveryTable(owner, tenant);
    const { rows } = await owner.query<{ name: string; tenant: boolean }>(
      `SELECT c.relname AS name,
              EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id') AS tenant
       FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace ORDER BY 1`,
    );
    tables = rows
      .filter(({ name }) => !OF_ALL.includes(name))
      .map(({ name, tenant }) => ({ name, column: tenant ? 'tenant_id' : 'id' }));
  });
  client = new pg.Client({ connectionString: database.url, options: '-c role=rollcall_app' });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

/** In a transaction that is undone; `tenant` null: none is set. */
async function seenBy<T>(tenant: string | null, work: () => Promise<T>): Promise<T> {
  await client.query('BEGIN');
  try {
    if (tenant !== null) await client.query(`SELECT set_config('rollcall.tenant', $1, true)`, [tenant]);
    return await work();
  } finally {
    await client.query('ROLLBACK');
  }
}

/** What PostgreSQL says to a statement: the code of its refusal, or how many rows it touched. */
const outcome = (work: Promise<unknown>) =>
  work.then(
    (done) => `touched ${(done as pg.QueryResult | undefined)?.rowCount ?? 'something'}`,
    (error: pg.DatabaseError) => error.code,
  );

/** For all tables, by name. */
async function forEachTable<T>(
  work: (table: (typeof tables)[number]) => Promise<T>,
): Promise<Record<string, T>> {
  const results: Record<string, T> = {};
  for (const table of tables) results[table.name] = await work(table);
  return results;
}

const allTables = <T>(value: T) => Object.fromEntries(tables.map(({ name }) => [name, value]));

describe('the role that the daemon works as', () => {
  it('owns nothing and has no right that goes around policies', async () => {
    const { rows } = await asOwner(database.url, (owner) =>
      owner.query(
        `SELECT rolsuper, rolbypassrls, rolcreatedb, rolcreaterole,
           (SELECT count(*)::int FROM pg_class WHERE relowner = r.oid) AS relations,
           (SELECT count(*)::int FROM pg_proc WHERE proowner = r.oid) AS functions,
           (SELECT count(*)::int FROM pg_namespace WHERE nspowner = r.oid) AS schemas,
           (SELECT count(*)::int FROM pg_database WHERE datdba = r.oid) AS databases
         FROM pg_roles r WHERE rolname = 'rollcall_app'`,
      ),
    );
    expect(rows).toEqual([
      {
        rolsuper: false,
        rolbypassrls: false,
        rolcreatedb: false,
        rolcreaterole: false,
        relations: 0,
        functions: 0,
        schemas: 0,
        databases: 0,
      },
    ]);
  });

  it('is the one that the store uses', async () => {
    const opened = await openDatabase(database.url);
    const [row] = await opened.bulk(opened.root, (tx) =>
      tx.query<{ current_user: string }>('SELECT current_user'),
    );
    await opened.close();
    expect(row).toEqual({ current_user: 'rollcall_app' });
  });

  it('cannot switch policies off or alter tables', async () => {
    for (const statement of [
      'ALTER TABLE auth_user DISABLE ROW LEVEL SECURITY',
      'DROP POLICY within_subtree ON auth_user',
      'TRUNCATE auth_user',
      'DROP TABLE event',
    ])
      expect(await seenBy(null, () => outcome(client.query(statement))), statement).toBe(REFUSED);
  });
});

describe('row-level security', () => {
  it('is on, with a policy, in every table that has tenants', async () => {
    const { rows } = await asOwner(database.url, (owner) =>
      owner.query<{ name: string }>(
        `SELECT c.relname AS name FROM pg_class c
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relrowsecurity
           AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid) ORDER BY 1`,
      ),
    );
    expect(rows.map(({ name }) => name)).toEqual(tables.map(({ name }) => name));
    expect(tables.length).toBeGreaterThan(15);
  });

  it('is tried here on a table only if there is something to hide in it', async () => {
    const counts = await forEachTable(({ name, column }) =>
      asOwner(database.url, async (owner) => {
        const { rows } = await owner.query(`SELECT count(DISTINCT ${column})::int AS n FROM ${name}`);
        return rows[0].n;
      }),
    );
    expect(counts).toEqual(allTables(5)); // root, parent, child, grandchild, sibling
  });

  it('shows nothing when no tenant is set', async () => {
    const seen = await seenBy(null, () =>
      forEachTable(async ({ name }) => (await client.query(`SELECT FROM ${name}`)).rowCount),
    );
    expect(seen).toEqual(allTables(0));
  });

  it('shows a tenant itself and what is below, and nothing of its parent or sibling', async () => {
    const seen = await seenBy(tenants.child, () =>
      forEachTable(async ({ name, column }) => {
        const { rows } = await client.query(`SELECT DISTINCT ${column} AS tenant FROM ${name}`);
        return rows.map(({ tenant }) => tenant).sort();
      }),
    );
    expect(seen).toEqual(allTables([tenants.child, tenants.grandchild].sort()));
  });

  it('shows nothing for a tenant that does not exist', async () => {
    const seen = await seenBy(v7(), () =>
      forEachTable(async ({ name }) => (await client.query(`SELECT FROM ${name}`)).rowCount),
    );
    expect(seen).toEqual(allTables(0));
  });
});

describe('writing', () => {
  it.each(['parent', 'sibling', 'root'] as const)(
    'into the tenant %s is refused in every table',
    async (whose) => {
      const foreign = whose === 'root' ? database.store.root : tenants[whose];
      const outcomes = await forEachTable(async ({ name, column }) => {
        const { rows } = await asOwner(database.url, (owner) =>
          owner.query(
            `SELECT to_jsonb(t) - ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = '${name}'::regclass AND attgenerated <> '') AS row
             FROM ${name} t WHERE ${column} = $1 LIMIT 1`,
            [foreign],
          ),
        );
        const row =
          name === 'tenant'
            ? { id: v7(), parent_id: foreign, name: 'new', path: `${foreign}/x/` }
            : rows[0].row;
        return await seenBy(tenants.child, () => outcome(insertInto(client, name, row)));
      });
      expect(outcomes).toEqual(allTables(REFUSED));
    },
  );

  it('moves no row of one’s own to somebody else', async () => {
    const outcomes = await forEachTable(({ name, column }) =>
      seenBy(tenants.child, () =>
        outcome(
          client.query(`UPDATE ${name} SET ${column} = $1 WHERE ${column} = $2`, [
            name === 'tenant' ? v7() : tenants.sibling,
            tenants.child,
          ]),
        ),
      ),
    );
    expect(outcomes).toEqual(allTables(REFUSED));
  });

  it('finds no foreign row to change or delete', async () => {
    const foreign = [tenants.parent, tenants.sibling, database.store.root];
    for (const statement of ['UPDATE $table SET $column = $column', 'DELETE FROM $table']) {
      const outcomes = await forEachTable(({ name, column }) =>
        seenBy(tenants.child, () =>
          outcome(
            client.query(
              `${statement.replaceAll('$table', name).replaceAll('$column', column)} WHERE ${column} = ANY ($1)`,
              [foreign],
            ),
          ),
        ),
      );
      // A tenant's id may not be set at all; entries of the audit log may neither be changed nor removed, comments
      // not changed.
      const refused = statement.startsWith('UPDATE')
        ? { tenant: REFUSED, audit_entry: REFUSED, change_comment: REFUSED }
        : { audit_entry: REFUSED };
      expect(outcomes).toEqual({ ...allTables('touched 0'), ...refused });
    }
  });

  it('hangs no tenant elsewhere, not even below a tenant that is one’s own', async () => {
    const attempts = [
      { parent_id: tenants.sibling },
      { parent_id: tenants.grandchild },
      { path: `${tenants.sibling}/` },
    ].map((change) => Object.entries(change)[0] ?? ['', '']);
    for (const [column, value] of attempts) {
      const moved = await seenBy(tenants.child, () =>
        outcome(client.query(`UPDATE tenant SET ${column} = $1 WHERE id = $2`, [value, tenants.grandchild])),
      );
      expect(moved, column).toBe(REFUSED);
    }
  });
});

describe('functions that look past row-level security', () => {
  it('are these, open to the application alone, and take their names from nobody’s search path', async () => {
    const { rows } = await asOwner(database.url, (owner) =>
      owner.query<{ name: string; everybody: boolean; path: string[] | null }>(
        `SELECT p.proname AS name, p.proconfig AS path,
           EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) WHERE grantee = 0) AS everybody
         FROM pg_proc p WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace ORDER BY 1`,
      ),
    );
    const names = [
      'authorization_facts',
      'bearer_of_key',
      'bearer_of_token',
      'deletion_of_tenant',
      'freeze_over',
      'move_tenant',
      'place_tenant',
      'plan_in_tenant',
      'policies_over',
      'policy_authors_over',
      'principal_above',
      'read_anew',
      'seats_left',
      'tenant_standing',
      'touch_stamp',
      'visible_tenants',
    ];
    const path = ['search_path=pg_catalog, public'];
    expect(rows).toEqual(names.map((name) => ({ name, path, everybody: false })));
  });

  it('move no tenant that is not below the caller, and none to where the caller sees nothing', async () => {
    for (const [moved, above] of [
      [tenants.sibling, tenants.child],
      [tenants.parent, tenants.child],
      [tenants.child, tenants.grandchild],
      [tenants.grandchild, tenants.sibling],
      [tenants.grandchild, v7()],
    ])
      expect(
        await seenBy(tenants.child, () =>
          outcome(client.query('SELECT move_tenant($1, $2)', [moved, above])),
        ),
      ).toBe('RC001');
  });

  it('count the seats of no tenant that the caller does not see', async () => {
    await asOwner(database.url, async (owner) => {
      const plan = v7();
      await owner.query(`INSERT INTO product_plan (id, name, seats) VALUES ($1, 'seats', 7)`, [plan]);
      await owner.query('UPDATE tenant SET product_plan_id = $1 WHERE id = ANY ($2)', [
        plan,
        [tenants.parent, tenants.sibling],
      ]);
    });
    const all = [tenants.parent, tenants.child, tenants.grandchild, tenants.sibling];
    const { rows } = await seenBy(tenants.child, () =>
      client.query<{ tenant: string }>('SELECT tenant FROM seats_left($1::uuid[])', [all]),
    );
    expect(rows.map(({ tenant }) => tenant).sort()).toEqual([tenants.child, tenants.grandchild].sort());
    await asOwner(database.url, (owner) => owner.query('UPDATE tenant SET product_plan_id = NULL'));
  });

  it('name somebody above only to a tenant that sees the tenant in question, and nobody beside or below', async () => {
    const { rows } = await asOwner(database.url, (owner) =>
      owner.query<{ id: string; tenant: string }>('SELECT id, tenant_id AS tenant FROM principal'),
    );
    const seenIn = (scope: string, tenant: string) =>
      seenBy(scope, async () => {
        const seen = new Set<string>();
        for (const { id } of rows) {
          const found = await client.query('SELECT tenant FROM principal_above($1, $2)', [id, tenant]);
          for (const row of found.rows) seen.add(row.tenant);
        }
        return seen;
      });
    expect(await seenIn(tenants.child, tenants.child)).toEqual(
      new Set([database.store.root, tenants.parent, tenants.child]),
    );
    expect(await seenIn(tenants.child, tenants.sibling)).toEqual(new Set());
    expect(await seenIn(tenants.child, tenants.parent)).toEqual(new Set());
  });

  it('have nothing read anew for a tenant that the caller does not see', async () => {
    const tokens = () =>
      asOwner(database.url, async (owner) => {
        const { rows } = await owner.query<{ token: string | null }>(
          'SELECT delta_token AS token FROM connection',
        );
        return rows.map(({ token }) => token);
      });
    await asOwner(database.url, (owner) => owner.query(`UPDATE connection SET delta_token = 'there'`));
    for (const tenant of [tenants.parent, tenants.sibling])
      await seenBy(tenants.child, () => client.query('SELECT read_anew($1)', [tenant]));
    expect(new Set(await tokens())).toEqual(new Set(['there']));
  });

  it('say what a user may do only of users whom the caller sees', async () => {
    const { rows } = await asOwner(database.url, (owner) =>
      owner.query<{ id: string; tenant: string }>(
        'SELECT id, tenant_id AS tenant FROM auth_user ORDER BY tenant_id',
      ),
    );
    const told: string[] = [];
    for (const { id, tenant } of rows) {
      const answer = await seenBy(tenants.child, () =>
        client.query('SELECT authorization_facts($1, $2, NULL, 100) AS facts', [tenants.child, id]),
      );
      if (answer.rows[0].facts !== null) told.push(tenant);
    }
    expect([...new Set(told)].sort()).toEqual([tenants.child, tenants.grandchild].sort());
    expect(new Set(rows.map(({ tenant }) => tenant)).size).toBe(5);
  });
});

describe('the audit log', () => {
  it('cannot be changed or emptied, not even by the owner', async () => {
    for (const statement of [
      `UPDATE audit_entry SET action = 'nothing.happened'`,
      'DELETE FROM audit_entry',
      'TRUNCATE audit_entry',
    ]) {
      const attempt = asOwner(database.url, (owner) => owner.query(statement));
      await expect(attempt, statement).rejects.toThrow('audit entries are never changed or removed');
    }
    const { rows } = await asOwner(database.url, (owner) =>
      owner.query('SELECT count(*)::int AS n FROM audit_entry'),
    );
    expect(rows[0].n).toBeGreaterThan(0);
  });
});

describe('one pool for many callers', () => {
  it('never carries what one caller sees to the next', async () => {
    const pooled = await openDatabase(database.url, 1);
    const ids = (tenant: string) =>
      pooled.bulk(tenant as never, (tx) => tx.query<{ id: string }>('SELECT id FROM tenant ORDER BY id'));
    const seen = [await ids(tenants.parent), await ids(tenants.child), await ids(tenants.sibling)];
    const viaPrisma = await pooled.ordinary(tenants.sibling as never, (tx) => tx.tenant.findMany());
    await pooled.bulk(tenants.child as never, () => Promise.reject(new Error('fails'))).catch(() => {});
    const unset = await pooled.bulk('' as never, (tx) => tx.query('SELECT FROM tenant'));
    await pooled.close();
    expect(seen.map((rows) => rows.length)).toEqual([4, 2, 1]);
    expect(viaPrisma.map(({ id }) => id)).toEqual([tenants.sibling]);
    expect(unset).toEqual([]);
  });
});

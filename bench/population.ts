/** Tenants, product plans, roles and users for the reads that applications do, made by PostgreSQL itself. */
import pg from 'pg';

export type Population = { readonly users: number; readonly tenants: number };

/** Tenants on each of the eight levels below the root, as parts of all. */
const LEVELS = [0.001, 0.004, 0.016, 0.06, 0.15, 0.22, 0.25];

/**
 * One tenant in twenty stands apart: a plan of its own, no roles from above, or suspended. Users are spread evenly; each has two or three
 * roles, one user in ten has one in a tenant below their own. `url` is the owner's; the database is migrated and empty.
 */
export async function populate(url: string, { users, tenants }: Population): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('SET synchronous_commit = off');
    for (const statement of [...catalogue(), ...tree(tenants), ...people(users)])
      await client.query(statement);
    await client.query('VACUUM ANALYZE');
  } finally {
    await client.end();
  }
}

function catalogue(): readonly string[] {
  return [
    `INSERT INTO role (id, name, type, permissions)
     SELECT gen_random_uuid(), 'role ' || n, CASE WHEN n <= 2 THEN 'automatic' WHEN n <= 4 THEN 'hidden' ELSE 'ordinary' END,
       ARRAY(SELECT 'thing' || (n * 7 + p) % 60 || '.' || CASE p % 2 WHEN 0 THEN 'read' ELSE 'write' END FROM generate_series(1, 6) p)
     FROM generate_series(1, 40) n`,
    `INSERT INTO product_plan (id, name) SELECT gen_random_uuid(), 'plan ' || n FROM generate_series(1, 8) n`,
    `INSERT INTO product_plan_role
     SELECT p.id, r.id FROM product_plan p, role r WHERE hashtext(p.id::text || r.id::text) % 3 <> 0`,
  ];
}

function tree(tenants: number): readonly string[] {
  const sizes = LEVELS.map((part) => Math.max(1, Math.round(tenants * part)));
  const rest = Math.max(1, tenants - sizes.reduce((sum, size) => sum + size, 0));
  const levels = [...sizes, rest].map(
    (size, level) => `
    WITH parents AS (
      SELECT id, row_number() OVER (ORDER BY id) - 1 AS n, count(*) OVER () AS total
      FROM tenant WHERE cardinality(string_to_array(path, '/')) = ${level + 2}
    ), plans AS (SELECT id, row_number() OVER (ORDER BY name) - 1 AS n FROM product_plan)
    INSERT INTO tenant (id, parent_id, name, path, data_key, product_plan_id, inherits_roles, state)
    SELECT gen_random_uuid(), parents.id, 'tenant ${level}.' || i, '', '', plans.id, i % 29 <> 0,
      CASE WHEN i % 211 = 210 THEN 'suspended' ELSE 'active' END
    FROM generate_series(1, ${size}) i
    JOIN parents ON parents.n = i % parents.total
    LEFT JOIN plans ON ${level === 0 ? 'plans.n = i % 8' : 'i % 97 = 0 AND plans.n = (i / 97) % 8'}`,
  );
  return [...levels, 'ANALYZE tenant'];
}

function people(users: number): readonly string[] {
  const places = `places AS MATERIALIZED (
    SELECT array_agg(id) AS ids FROM tenant WHERE parent_id IS NOT NULL
  ), offered AS MATERIALIZED (SELECT array_agg(id) AS ids FROM role)`;
  return [
    `WITH ${places} INSERT INTO auth_user (id, tenant_id, state)
     SELECT gen_random_uuid(), places.ids[1 + i % cardinality(places.ids)],
       CASE WHEN i % 50 = 0 THEN 'suspended' ELSE 'active' END
     FROM places, generate_series(1, ${users}) i`,
    `WITH ${places} INSERT INTO role_assignment (auth_user_id, role_id, origin, tenant_id)
     SELECT u.id, offered.ids[1 + abs(hashtext(u.id::text) + k * 7) % cardinality(offered.ids)], 'manual', u.tenant_id
     FROM auth_user u, offered, generate_series(1, 2) k`,
    `WITH ${places}, below AS MATERIALIZED (
       SELECT DISTINCT ON (parent_id) parent_id, id FROM tenant WHERE parent_id IS NOT NULL
     )
     INSERT INTO role_assignment (auth_user_id, role_id, origin, tenant_id)
     SELECT u.id, offered.ids[1 + abs(hashtext(u.id::text)) % cardinality(offered.ids)], 'manual', coalesce(b.id, u.tenant_id)
     FROM auth_user u CROSS JOIN offered LEFT JOIN below b ON b.parent_id = u.tenant_id
     WHERE hashtext(u.id::text) % 10 = 0
     ON CONFLICT DO NOTHING`,
  ];
}

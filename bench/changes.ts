/** Open changes as reviewers meet them, made by PostgreSQL itself: few causes, some hundred differences and departments, most of them rare, each department in one directory. */
import type pg from 'pg';

export type Waiting = {
  readonly changes: number;
  readonly tenant: string;
  readonly connections: readonly string[];
};

/**
 * With ids that grow, one for each millisecond, as those of changes do. Of ten changes three are new users, five updates, one removes somebody; the rest come back or wait for a person. What one in a thousand
 * does is a risk. `client` is the owner's.
 */
export async function fillChanges(
  client: pg.Client,
  { changes, tenant, connections }: Waiting,
): Promise<void> {
  await client.query(
    `CREATE TEMP TABLE made AS
     SELECT i, $2::uuid AS tenant_id, ($3::uuid[])[1 + floor(120 * r4 * r4)::int % cardinality($3::uuid[])] AS connection_id, kind,
       (ARRAY['joined', 'edited', 'edited', 'mapping-changed', 'left', 'scope-changed', 'returned', 'address-taken'])[
         CASE kind WHEN 'create' THEN 1 WHEN 'update' THEN 2 + floor(r1 * 2.2)::int WHEN 'delete' THEN 5 + floor(r1 * 1.2)::int WHEN 'reactivate' THEN 7 ELSE 8 END] AS cause,
       CASE WHEN i % 1000 = 7 THEN 'high' WHEN kind IN ('conflict', 'delete') THEN 'medium' ELSE 'low' END AS risk,
       CASE kind WHEN 'update' THEN (floor(120 * r4 * r4)::int * 7 + floor(12 * r3 * r3)::int) % 400 ELSE 0 END AS difference,
       floor(120 * r4 * r4)::int AS department, floor(4 * r5 * r5)::int AS unit,
       CASE WHEN kind = 'create' AND r2 < 0.1 THEN '{editor}'::text[] ELSE '{}' END AS gained,
       CASE WHEN kind = 'update' AND i % 1000 = 7 THEN '{administrator}'::text[] ELSE '{}' END AS lost, NULL::uuid AS group_id,
       (lpad(to_hex(1780000000000 + i), 12, '0') || '7000' || '8' || substr(md5(i || $2::text), 1, 15))::uuid AS id
     FROM (SELECT i, (ARRAY['create', 'update', 'delete', 'create', 'update', 'update', 'create', 'update', 'update', CASE WHEN i % 20 < 10 THEN 'reactivate' ELSE 'conflict' END])[1 + i % 10] AS kind,
         ('x' || substr(h, 1, 6))::bit(24)::int / 16777216.0::float8 AS r1, ('x' || substr(h, 7, 6))::bit(24)::int / 16777216.0::float8 AS r2,
         ('x' || substr(h, 13, 6))::bit(24)::int / 16777216.0::float8 AS r3, ('x' || substr(h, 19, 6))::bit(24)::int / 16777216.0::float8 AS r4,
         ('x' || substr(h, 25, 6))::bit(24)::int / 16777216.0::float8 AS r5
       FROM (SELECT i, md5(i::text) AS h FROM generate_series(1, $1::int) i) AS hashed) AS drawn`,
    [changes, tenant, connections],
  );
  await client.query(
    `UPDATE made SET group_id = md5(connection_id || kind || cause || risk || difference || ' ' || department || ' ' || unit || gained::text || lost::text)::uuid`,
  );
  await client.query(
    `INSERT INTO change_group (id, tenant_id, connection_id, kind, cause, risk, risk_signals, difference_key, difference, fields, department,
       org_unit, roles_gained, roles_lost, first_id)
     SELECT DISTINCT ON (group_id) group_id, tenant_id, connection_id, kind, cause, risk, '{}', md5(kind || difference || gained::text || lost::text),
       jsonb_build_object('kind', kind, 'cause', CASE kind WHEN 'conflict' THEN cause END, 'fields', CASE kind WHEN 'update' THEN jsonb_build_array(
         jsonb_build_object('field', 'jobTitle', 'how', 'value', 'before', 'title ' || difference, 'after', 'senior title ' || difference)) ELSE '[]' END,
         'place', NULL, 'rolesGained', to_jsonb(gained), 'rolesLost', to_jsonb(lost)),
       CASE kind WHEN 'update' THEN '{jobTitle}'::text[] ELSE '{}' END, 'department ' || department, '/unit ' || department || '/' || unit, gained, lost, id
     FROM made ORDER BY group_id, id`,
  );
  await client.query(
    `INSERT INTO change (id, tenant_id, connection_id, external_id, kind, cause, before, after, fields, roles_gained, roles_lost, fingerprint,
       desired_hash, state, revision, run_id, group_id)
     SELECT id, tenant_id, connection_id, 'user-' || i, kind, cause,
       CASE WHEN kind <> 'create' THEN described END, CASE WHEN kind <> 'delete' THEN described END,
       CASE kind WHEN 'update' THEN jsonb_build_array(jsonb_build_object('field', 'jobTitle', 'before', 'title ' || difference, 'after', 'senior title ' || difference)) ELSE '[]' END,
       gained, lost, sha256(i::text::bytea), sha256(i::text::bytea), 'open', 1, gen_random_uuid(), group_id
     FROM made, LATERAL (SELECT jsonb_build_object('state', 'active', 'roles', '[]'::jsonb, 'fields', jsonb_build_object('userName', 'user' || i || '@example.com',
       'email', 'user' || i || '@example.com', 'displayName', 'User Number ' || i, 'givenName', 'User', 'familyName', 'Number ' || i, 'jobTitle', 'title ' || difference,
       'department', 'department ' || department, 'company', 'Harbor', 'employeeId', i::text, 'officeLocation', 'Berlin', 'locale', 'en-US')) AS described) AS d
     ORDER BY i`,
  );
  await client.query('DROP TABLE made');
}

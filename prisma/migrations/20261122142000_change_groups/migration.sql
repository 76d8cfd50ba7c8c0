-- What reviewers group and filter changes by. Changes of one connection that are alike in all of it share a row, which never changes.
CREATE TABLE change_group (
  -- Hash of all that follows.
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  connection_id uuid NOT NULL,
  kind text NOT NULL,
  cause text NOT NULL,
  risk text NOT NULL CHECK (risk IN ('low', 'medium', 'high')),
  risk_signals text[] NOT NULL,
  -- What the changes do, whoever they do it to: see src/domain/difference.ts.
  difference_key text NOT NULL,
  difference jsonb NOT NULL,
  -- Names of the fields that change.
  fields text[] NOT NULL,
  department text,
  org_unit text,
  roles_gained text[] NOT NULL,
  roles_lost text[] NOT NULL
);
CREATE INDEX change_group_connection ON change_group (connection_id);
CREATE INDEX change_group_tenant ON change_group (tenant_id);

-- How many live changes there are of each group, by state and by the guard that holds them ('': none): what counts is the sum. A trigger
-- adds what each statement made more or less, in its transaction; so nobody waits for anybody else's count.
CREATE TABLE change_count (
  tenant_id uuid NOT NULL,
  connection_id uuid NOT NULL,
  group_id uuid NOT NULL,
  state text NOT NULL,
  guard text NOT NULL DEFAULT '',
  changes integer NOT NULL,
  -- The first and the last of those that were proposed; null where none was.
  first_id uuid,
  last_id uuid
);
CREATE INDEX change_count_connection ON change_count (connection_id);
CREATE INDEX change_count_tenant ON change_count (tenant_id);

DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['change_group', 'change_count'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY within_subtree ON %I TO rollcall_app USING (tenant_id IN (SELECT visible_tenants())) '
      'WITH CHECK (tenant_id IN (SELECT visible_tenants()))', t);
  END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON change_group, change_count TO rollcall_app;

-- What is there already: its risk was not assessed, and of its fields only the names are looked at.
ALTER TABLE change ADD COLUMN group_id uuid;
CREATE TEMP TABLE found ON COMMIT DROP AS
  SELECT c.id, c.tenant_id, c.connection_id, c.kind, c.cause,
    ARRAY(SELECT f ->> 'field' FROM jsonb_array_elements(c.fields) f ORDER BY 1) AS fields,
    left(nullif(coalesce(c.after #>> '{fields,department}', c.before #>> '{fields,department}'), ''), 200) AS department,
    left(nullif(coalesce(c.after #>> '{fields,orgUnit}', c.before #>> '{fields,orgUnit}'), ''), 200) AS org_unit,
    c.roles_gained, c.roles_lost,
    CASE WHEN c.before IS NULL THEN c.after ->> 'tenant' END AS place
  FROM change c;
ALTER TABLE found ADD COLUMN difference jsonb, ADD COLUMN group_id uuid;
UPDATE found SET difference = jsonb_build_object(
  'kind', kind, 'cause', CASE kind WHEN 'conflict' THEN cause END,
  'fields', (SELECT coalesce(jsonb_agg(jsonb_build_object('field', f, 'how', 'changed') ORDER BY f), '[]')
             FROM unnest(CASE kind WHEN 'conflict' THEN '{}' ELSE fields END) AS f),
  'place', CASE kind WHEN 'conflict' THEN NULL ELSE place END,
  'rolesGained', to_jsonb(CASE kind WHEN 'conflict' THEN '{}' ELSE roles_gained END),
  'rolesLost', to_jsonb(CASE kind WHEN 'conflict' THEN '{}' ELSE roles_lost END));
UPDATE found SET group_id =
  md5(jsonb_build_array(connection_id, kind, cause, fields, department, org_unit, roles_gained, roles_lost, difference)::text)::uuid;
INSERT INTO change_group (id, tenant_id, connection_id, kind, cause, risk, risk_signals, difference_key, difference, fields, department,
  org_unit, roles_gained, roles_lost)
SELECT DISTINCT ON (group_id) group_id, tenant_id, connection_id, kind, cause, 'medium',
  ARRAY[CASE kind WHEN 'conflict' THEN 'conflict' ELSE 'not-assessed' END], md5(difference::text), difference, fields, department,
  org_unit, roles_gained, roles_lost
FROM found ORDER BY group_id;
UPDATE change c SET group_id = f.group_id FROM found f WHERE f.id = c.id;
ALTER TABLE change ALTER COLUMN group_id SET NOT NULL;
INSERT INTO change_count (tenant_id, connection_id, group_id, state, guard, changes)
SELECT c.tenant_id, c.connection_id, c.group_id, c.state,
  CASE WHEN c.state = 'held' AND d.made_by = 'guard' THEN coalesce(d.finding ->> 'guard', '') ELSE '' END, count(*)
FROM change c LEFT JOIN decision d ON d.id = c.decision_id
WHERE c.state IN ('open', 'approved', 'rejected', 'held', 'moved', 'failed') GROUP BY 1, 2, 3, 4, 5;

-- With what tells whether a change is meant, so that those that are not need not be read.
DROP INDEX change_list;
CREATE INDEX change_list ON change (connection_id, state, id) INCLUDE (group_id, tenant_id);

CREATE FUNCTION count_proposed() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  INSERT INTO change_count (tenant_id, connection_id, group_id, state, guard, changes, first_id, last_id)
  SELECT c.tenant_id, c.connection_id, c.group_id, c.state, '', count(*), min(c.id::text COLLATE "C")::uuid, max(c.id::text COLLATE "C")::uuid
  FROM proposed c WHERE c.state IN ('open', 'approved', 'rejected', 'held', 'moved', 'failed')
  GROUP BY c.tenant_id, c.connection_id, c.group_id, c.state;
  RETURN NULL;
END $$;
CREATE TRIGGER change_proposed AFTER INSERT ON change REFERENCING NEW TABLE AS proposed
  FOR EACH STATEMENT EXECUTE FUNCTION count_proposed();

CREATE FUNCTION count_altered() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  INSERT INTO change_count (tenant_id, connection_id, group_id, state, guard, changes)
  SELECT c.tenant_id, c.connection_id, c.group_id, c.state,
    CASE WHEN c.state = 'held' AND d.made_by = 'guard' THEN coalesce(d.finding ->> 'guard', '') ELSE '' END AS guard, sum(c.n)
  FROM (
    SELECT tenant_id, connection_id, group_id, state, decision_id, -1 AS n FROM before_it
    UNION ALL SELECT tenant_id, connection_id, group_id, state, decision_id, 1 FROM after_it) c
    LEFT JOIN decision d ON d.id = c.decision_id AND c.state = 'held'
  WHERE c.state IN ('open', 'approved', 'rejected', 'held', 'moved', 'failed')
  GROUP BY c.tenant_id, c.connection_id, c.group_id, c.state, 5 HAVING sum(c.n) <> 0;
  RETURN NULL;
END $$;
CREATE TRIGGER change_altered AFTER UPDATE ON change REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it
  FOR EACH STATEMENT EXECUTE FUNCTION count_altered();

CREATE FUNCTION count_removed() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  INSERT INTO change_count (tenant_id, connection_id, group_id, state, guard, changes)
  SELECT c.tenant_id, c.connection_id, c.group_id, c.state,
    CASE WHEN c.state = 'held' AND d.made_by = 'guard' THEN coalesce(d.finding ->> 'guard', '') ELSE '' END AS guard, -count(*)
  FROM removed c LEFT JOIN decision d ON d.id = c.decision_id AND c.state = 'held'
  WHERE c.state IN ('open', 'approved', 'rejected', 'held', 'moved', 'failed')
  GROUP BY c.tenant_id, c.connection_id, c.group_id, c.state, 5;
  RETURN NULL;
END $$;
CREATE TRIGGER change_removed AFTER DELETE ON change REFERENCING OLD TABLE AS removed
  FOR EACH STATEMENT EXECUTE FUNCTION count_removed();

-- What matching rules, and the search for people who left and came back, compare of auth users beside the address: `textKey` in
-- src/domain/matching.ts says how it is spelt. Columns and no expressions: behind row-level security only they can be looked up by an index.
-- Bounded: an index takes no text of 10 kB, and a number or name of that length says nothing of who somebody is.
ALTER TABLE auth_user
  ADD COLUMN employee_key text GENERATED ALWAYS AS (
    CASE WHEN length(attributes ->> 'employeeId') <= 200 THEN lower(attributes ->> 'employeeId') END) STORED,
  ADD COLUMN user_name_key text GENERATED ALWAYS AS (CASE WHEN length(user_name) <= 200 THEN lower(user_name) END) STORED,
  ADD COLUMN name_key text GENERATED ALWAYS AS (left(display_name, 200)) STORED;
CREATE INDEX auth_user_employee ON auth_user (employee_key, tenant_id) WHERE employee_key IS NOT NULL;
CREATE INDEX auth_user_user_name ON auth_user (user_name_key, tenant_id) WHERE user_name_key IS NOT NULL;

-- What matching rules, and the search for people who left and came back, compare of auth users beside the address: `textKey` in
-- src/domain/matching.ts says how it is spelt. Columns and no expressions: behind row-level security only they can be looked up by an index.
ALTER TABLE auth_user
  ADD COLUMN employee_key text GENERATED ALWAYS AS (lower(attributes ->> 'employeeId')) STORED,
  ADD COLUMN user_name_key text GENERATED ALWAYS AS (lower(user_name)) STORED;
CREATE INDEX auth_user_employee ON auth_user (employee_key, tenant_id) WHERE employee_key IS NOT NULL;
CREATE INDEX auth_user_user_name ON auth_user (user_name_key, tenant_id) WHERE user_name_key IS NOT NULL;

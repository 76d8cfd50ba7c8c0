-- An index takes no text of 10 kB, and a number or name of that length says nothing of who somebody is.
DROP INDEX auth_user_away;
ALTER TABLE auth_user
  DROP COLUMN employee_key,
  DROP COLUMN user_name_key,
  ADD COLUMN employee_key text GENERATED ALWAYS AS (
    CASE WHEN length(attributes ->> 'employeeId') <= 200 THEN lower(attributes ->> 'employeeId') END) STORED,
  ADD COLUMN user_name_key text GENERATED ALWAYS AS (CASE WHEN length(user_name) <= 200 THEN lower(user_name) END) STORED,
  ADD COLUMN name_key text GENERATED ALWAYS AS (left(display_name, 200)) STORED;
CREATE INDEX auth_user_employee ON auth_user (employee_key, tenant_id) WHERE employee_key IS NOT NULL;
CREATE INDEX auth_user_user_name ON auth_user (user_name_key, tenant_id) WHERE user_name_key IS NOT NULL;
CREATE INDEX auth_user_away ON auth_user (name_key, tenant_id) WHERE state <> 'active';

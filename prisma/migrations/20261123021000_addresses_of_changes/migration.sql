-- The address that a change gives, without the finer points of `emailKey`: who else comes to one is looked up, however many changes wait.
-- A column, and not an index over an expression: row-level security lets only comparisons be looked up that tell nothing of other rows.
ALTER TABLE change ADD COLUMN address text GENERATED ALWAYS AS (lower(after #>> '{fields,email}')) STORED;
CREATE INDEX change_address ON change (connection_id, address)
  WHERE state IN ('open', 'approved', 'rejected', 'held', 'moved', 'failed') AND kind NOT IN ('suspend', 'delete') AND address IS NOT NULL;

-- What is longer than any address, no index takes; and no auth user is known by it.
ALTER TABLE change DROP COLUMN address;
ALTER TABLE change ADD COLUMN address text GENERATED ALWAYS AS (
  CASE WHEN length(after #>> '{fields,email}') <= 320 THEN lower(after #>> '{fields,email}') END) STORED;
CREATE INDEX change_address ON change (connection_id, address)
  WHERE state IN ('open', 'approved', 'rejected', 'held', 'moved', 'failed') AND kind NOT IN ('suspend', 'delete') AND address IS NOT NULL;

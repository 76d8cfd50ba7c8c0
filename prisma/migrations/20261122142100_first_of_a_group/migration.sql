-- Where the changes of a group begin: none of them has a smaller id. null: that is not known.
ALTER TABLE change_group ADD COLUMN first_id uuid;
ALTER TABLE change_count DROP COLUMN first_id, DROP COLUMN last_id;
CREATE OR REPLACE FUNCTION count_proposed() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  INSERT INTO change_count (tenant_id, connection_id, group_id, state, changes)
  SELECT c.tenant_id, c.connection_id, c.group_id, c.state, count(*)
  FROM proposed c WHERE c.state IN ('open', 'approved', 'rejected', 'held', 'moved', 'failed')
  GROUP BY c.tenant_id, c.connection_id, c.group_id, c.state;
  RETURN NULL;
END $$;

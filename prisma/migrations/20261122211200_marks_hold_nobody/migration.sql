-- What is noted for all connections below a tenant is noted while others have those connections or their tenants: no foreign key, because that
-- would wait for them, and they may wait for this. What is of a connection goes with it all the same.
ALTER TABLE configurator DROP CONSTRAINT configurator_connection_id_fkey, DROP CONSTRAINT configurator_tenant_id_fkey;
ALTER TABLE to_judge DROP CONSTRAINT to_judge_connection_id_fkey, DROP CONSTRAINT to_judge_tenant_id_fkey, DROP COLUMN marked_at,
  -- Another each time, so that one that came while there was judging is told from the one before.
  ADD COLUMN mark uuid NOT NULL DEFAULT gen_random_uuid();

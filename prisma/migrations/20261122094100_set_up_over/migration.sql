-- That set-up is over is told by a used set-up link of the root tenant, which nothing removes; until now a used invitation told it as
-- well, and went with the tenant that it was of. Links that are still open are used up, and where none is left to tell it, one is made
-- that nobody was ever shown. Whoever came in leaves entries in the audit log, which outlives their tenant.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM sign_in_link WHERE purpose IN ('set-up', 'invitation') AND used_at IS NOT NULL)
    AND NOT EXISTS (SELECT FROM audit_entry WHERE action IN ('login.bound', 'session.opened'))
  THEN
    RETURN;
  END IF;
  UPDATE sign_in_link SET used_at = now() WHERE purpose = 'set-up' AND used_at IS NULL;
  INSERT INTO sign_in_link (id, tenant_id, purpose, secret_hash, used_at)
  SELECT gen_random_uuid(), root.id, 'set-up', sha256(gen_random_uuid()::text::bytea), now()
  FROM tenant root
  WHERE root.parent_id IS NULL
    AND NOT EXISTS (SELECT FROM sign_in_link WHERE purpose = 'set-up' AND used_at IS NOT NULL);
END $$;

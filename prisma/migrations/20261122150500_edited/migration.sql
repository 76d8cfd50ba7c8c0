-- Who was edited since a run began is told by transactions, not by clocks: an edit that waited for a lock has an old time, and machines
-- differ in what the time is. As with the position of events: a transaction below the oldest one that is still open has ended.

ALTER TABLE auth_user ADD COLUMN edited bigint NOT NULL DEFAULT 0;
ALTER TABLE auth_user ALTER COLUMN edited SET DEFAULT (pg_current_xact_id()::text::bigint);
CREATE FUNCTION note_edit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.edited := pg_current_xact_id()::text::bigint;
  RETURN NEW;
END $$;
CREATE TRIGGER auth_user_edited BEFORE UPDATE ON auth_user FOR EACH ROW
  WHEN (NEW.version <> OLD.version) EXECUTE FUNCTION note_edit();
DROP INDEX auth_user_updated;
CREATE INDEX auth_user_edited ON auth_user (tenant_id, edited);

-- All transactions below had ended when the run was made, so that its plan has seen what they did.
ALTER TABLE sync_run ADD COLUMN seen_before bigint NOT NULL DEFAULT 0;
ALTER TABLE sync_run ALTER COLUMN seen_before SET DEFAULT (pg_snapshot_xmin(pg_current_snapshot())::text::bigint);

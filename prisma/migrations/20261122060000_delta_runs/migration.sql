-- Runs that read only those whom the provider names as changed.

-- From where on the provider is asked for changes. Stored with the plan that is up to there, in one transaction.
ALTER TABLE connection ADD COLUMN delta_token text;
ALTER TABLE connection ADD COLUMN delta_token_at timestamptz;
-- Reading fingerprint of the snapshot that the token goes on from: with another one, everybody has to be read again.
ALTER TABLE connection ADD COLUMN delta_fingerprint text;

ALTER TABLE sync_run DROP CONSTRAINT sync_run_phase_check;
ALTER TABLE sync_run ADD CONSTRAINT sync_run_phase_check CHECK (phase IN ('groups', 'members', 'users', 'changes', 'look-up'));
ALTER TABLE sync_run DROP CONSTRAINT sync_run_snapshot_check;
ALTER TABLE sync_run ADD CONSTRAINT sync_run_snapshot_check CHECK (snapshot IN ('complete', 'partial', 'named'));
-- The token that a delta run goes on from, and the one that the run leads to.
ALTER TABLE sync_run ADD COLUMN delta_from text;
ALTER TABLE sync_run ADD COLUMN delta_token text;
-- Of users_read: those whom a full listing did not name, and who are there all the same.
ALTER TABLE sync_run ADD COLUMN found_later integer NOT NULL DEFAULT 0;
-- What the provider says of itself: {"users": number of users or null, "permissions": of the credential, or null}
ALTER TABLE sync_run ADD COLUMN evidence jsonb;
-- Requests, retries, throttled answers, milliseconds waited, bytes.
ALTER TABLE sync_run ADD COLUMN usage jsonb;

-- Users whom a run still has to look up one by one.
CREATE TABLE staged_touched (
  run_id uuid NOT NULL,
  external_id text NOT NULL,
  tenant_id uuid NOT NULL,
  PRIMARY KEY (run_id, external_id)
);
ALTER TABLE staged_touched ENABLE ROW LEVEL SECURITY;
CREATE POLICY within_subtree ON staged_touched TO rollcall_app
  USING (tenant_id IN (SELECT visible_tenants())) WITH CHECK (tenant_id IN (SELECT visible_tenants()));
GRANT SELECT, INSERT, UPDATE, DELETE ON staged_touched TO rollcall_app;

-- The provider was asked for this user by id: there is none any more, or the connection's settings leave the user out.
ALTER TABLE staged_user ADD COLUMN absence text CHECK (absence IN ('gone', 'out-of-scope'));
ALTER TABLE staged_user DROP CONSTRAINT staged_user_check;
ALTER TABLE staged_user ADD CONSTRAINT staged_user_says_one_thing
  CHECK (num_nonnulls(problem, absence, desired_hash) = 1 AND (directory IS NULL OR desired_hash IS NOT NULL));
ALTER TABLE staged_user DROP CONSTRAINT staged_user_check1;

-- Every directory user as they were last read, whatever followed from it: what a mapping would make of them can be seen without asking
-- the provider again, and what was made of them can be explained.

CREATE TABLE directory_user (
  connection_id uuid NOT NULL,
  external_id text NOT NULL,
  tenant_id uuid NOT NULL,
  -- {"user": DirectoryUser, "groups": [{externalId, name}]}, of the groups those that the mapping read.
  -- json and not jsonb: written once and read as a whole, it need not be taken apart.
  content json NOT NULL,
  content_hash bytea NOT NULL,
  PRIMARY KEY (connection_id, external_id)
);
ALTER TABLE directory_user ENABLE ROW LEVEL SECURITY;
CREATE POLICY within_subtree ON directory_user TO rollcall_app
  USING (tenant_id IN (SELECT visible_tenants())) WITH CHECK (tenant_id IN (SELECT visible_tenants()));
GRANT SELECT, INSERT, UPDATE, DELETE ON directory_user TO rollcall_app;

-- What is known of them so far, of each the latest. No hash is equal to the empty one, so that the next full run stores them all.
INSERT INTO directory_user (connection_id, external_id, tenant_id, content, content_hash)
SELECT DISTINCT ON (r.connection_id, s.external_id) r.connection_id, s.external_id, s.tenant_id, s.directory, ''
FROM staged_user s JOIN sync_run r ON r.id = s.run_id
WHERE s.directory IS NOT NULL
ORDER BY r.connection_id, s.external_id, s.run_id DESC;

-- A run keeps of each user only what was wanted of them, and whether somebody has to look at that.
ALTER TABLE staged_user ADD COLUMN differs boolean;
UPDATE staged_user SET differs = directory IS NOT NULL WHERE desired_hash IS NOT NULL;
ALTER TABLE staged_user DROP CONSTRAINT staged_user_says_one_thing;
ALTER TABLE staged_user DROP COLUMN directory;
ALTER TABLE staged_user ADD CONSTRAINT staged_user_says_one_thing
  CHECK (num_nonnulls(problem, absence, desired_hash) = 1 AND (differs IS NULL) = (desired_hash IS NULL));

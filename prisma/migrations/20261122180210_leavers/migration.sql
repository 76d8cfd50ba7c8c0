-- Directory users whom a provider has told to be away, and whose auth users are kept suspended for a time before they are deleted.
CREATE TABLE leaver (
  connection_id uuid NOT NULL,
  external_id text NOT NULL,
  tenant_id uuid NOT NULL,
  auth_user_id uuid NOT NULL,
  -- From when on they are suspended as somebody who has left: the grace period begins then.
  since timestamptz NOT NULL,
  PRIMARY KEY (connection_id, external_id)
);
CREATE INDEX leaver_auth_user ON leaver (auth_user_id);

ALTER TABLE leaver ENABLE ROW LEVEL SECURITY;
CREATE POLICY within_subtree ON leaver TO rollcall_app USING (tenant_id IN (SELECT visible_tenants()))
  WITH CHECK (tenant_id IN (SELECT visible_tenants()));
GRANT SELECT, INSERT, UPDATE, DELETE ON leaver TO rollcall_app;

-- When all that is personal was removed; what is left then is the id, the tenant and the dates.
ALTER TABLE auth_user ADD COLUMN purged_at timestamptz;

-- Groups that a full run found and the mapping does not read. What a provider tells of them later concerns nobody.
CREATE TABLE staged_other_group (
  run_id uuid NOT NULL,
  external_id text NOT NULL,
  tenant_id uuid NOT NULL,
  PRIMARY KEY (run_id, external_id)
);
ALTER TABLE staged_other_group ENABLE ROW LEVEL SECURITY;
CREATE POLICY within_subtree ON staged_other_group TO rollcall_app
  USING (tenant_id IN (SELECT visible_tenants())) WITH CHECK (tenant_id IN (SELECT visible_tenants()));
GRANT SELECT, INSERT, UPDATE, DELETE ON staged_other_group TO rollcall_app;

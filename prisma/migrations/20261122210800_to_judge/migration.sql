-- Connections whose policy rules may be others than those that what waits was judged by. Beside the connection, whose row a plan holds for as long
-- as it is being stored: nobody who changes a rule waits for that, and no change of a rule is lost to it.
CREATE TABLE to_judge (
  connection_id uuid PRIMARY KEY REFERENCES connection (id),
  tenant_id uuid NOT NULL REFERENCES tenant (id),
  marked_at timestamptz NOT NULL
);
CREATE INDEX to_judge_tenant ON to_judge (tenant_id);
ALTER TABLE to_judge ENABLE ROW LEVEL SECURITY;
CREATE POLICY within_subtree ON to_judge TO rollcall_app USING (tenant_id IN (SELECT visible_tenants()))
  WITH CHECK (tenant_id IN (SELECT visible_tenants()));
GRANT SELECT, INSERT, UPDATE, DELETE ON to_judge TO rollcall_app;

INSERT INTO to_judge (connection_id, tenant_id, marked_at) SELECT id, tenant_id, now() FROM connection WHERE judged_by = 'stale';

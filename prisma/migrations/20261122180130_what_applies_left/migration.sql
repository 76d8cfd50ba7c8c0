-- What an apply did not carry out, and why: the change itself may be proposed, and applied, again.
CREATE TABLE apply_outcome (
  apply_id uuid NOT NULL,
  change_id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('moved', 'failed', 'held')),
  reason text,
  PRIMARY KEY (apply_id, change_id)
);
CREATE INDEX apply_outcome_tenant ON apply_outcome (tenant_id);

ALTER TABLE apply_outcome ENABLE ROW LEVEL SECURITY;
CREATE POLICY within_subtree ON apply_outcome TO rollcall_app USING (tenant_id IN (SELECT visible_tenants()))
  WITH CHECK (tenant_id IN (SELECT visible_tenants()));
GRANT SELECT, INSERT, UPDATE, DELETE ON apply_outcome TO rollcall_app;

INSERT INTO apply_outcome (apply_id, change_id, tenant_id, outcome, reason)
SELECT apply_id, id, tenant_id, outcome, outcome_reason FROM change
WHERE apply_id IS NOT NULL AND outcome IN ('moved', 'failed', 'held');

-- An override of a guard is a decision of its own: who lets through how much of a connection's changes, why, and until when.
CREATE TABLE guard_override (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenant (id),
  connection_id uuid NOT NULL REFERENCES connection (id),
  guard text NOT NULL,
  -- Up to so many go; null: all.
  allowed integer CHECK (allowed >= 0),
  reason text NOT NULL,
  expires_at timestamptz NOT NULL,
  principal_id uuid NOT NULL REFERENCES principal (id),
  -- {"kind", "id", "name"}, as in the audit log: the principal may be of a tenant above, whom this tenant cannot see.
  actor jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  -- Before its time was up: another one took its place, or somebody ended it.
  ended_at timestamptz
);
CREATE UNIQUE INDEX guard_override_one ON guard_override (connection_id, guard) WHERE ended_at IS NULL;
CREATE INDEX guard_override_tenant ON guard_override (tenant_id);
CREATE INDEX guard_override_principal ON guard_override (principal_id);
ALTER TABLE guard_override ENABLE ROW LEVEL SECURITY;
CREATE POLICY within_subtree ON guard_override TO rollcall_app
  USING (tenant_id IN (SELECT visible_tenants())) WITH CHECK (tenant_id IN (SELECT visible_tenants()));
GRANT SELECT, INSERT, UPDATE, DELETE ON guard_override TO rollcall_app;

-- Until when a refusal, or the holding back of a change, stands; null: until the content changes.
ALTER TABLE decision ADD COLUMN until timestamptz;
CREATE INDEX decision_until ON decision (until) WHERE until IS NOT NULL;

-- Why a change is gone, or waits again: {"because", ...}.
ALTER TABLE change ADD COLUMN note jsonb;
-- Of a change that takes something from somebody: of which parts of the directory they were, as last seen: {"domain", "unit", "groups"}.
ALTER TABLE change ADD COLUMN parts jsonb;
-- 'held': by an apply, with a guard's finding as the decision.
ALTER TABLE change DROP CONSTRAINT change_outcome_check;
ALTER TABLE change ADD CONSTRAINT change_outcome_check CHECK (outcome IN ('applied', 'already-applied', 'moved', 'failed', 'held'));

-- What the guards found when the plan was stored; null before.
ALTER TABLE sync_run ADD COLUMN findings jsonb;
-- How many users a full run has listed by organisational unit.
ALTER TABLE sync_run ADD COLUMN org_units jsonb NOT NULL DEFAULT '{}';
-- How many members a full run has read of the group.
ALTER TABLE staged_group ADD COLUMN members integer NOT NULL DEFAULT 0;

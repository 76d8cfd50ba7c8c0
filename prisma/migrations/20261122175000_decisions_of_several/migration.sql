-- Who has approved a change for which one approval is not enough. What a decision was about stands in decision_change as ever; this is
-- how far it has come.
CREATE TABLE approval (
  decision_id uuid NOT NULL,
  change_id uuid NOT NULL,
  tenant_id uuid NOT NULL REFERENCES tenant (id),
  connection_id uuid NOT NULL REFERENCES connection (id),
  principal_id uuid NOT NULL,
  -- The decision that held the change, or refused it, when it was approved all the same; null: none did.
  despite uuid,
  -- The decision by which there were enough; null: it waits for others.
  counted_in uuid,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (decision_id, change_id)
);
CREATE INDEX approval_change ON approval (change_id);
CREATE INDEX approval_tenant ON approval (tenant_id);
CREATE INDEX approval_connection ON approval (connection_id);

-- Who has changed the configuration of a connection, and when last.
CREATE TABLE configurator (
  connection_id uuid NOT NULL REFERENCES connection (id),
  principal_id uuid NOT NULL,
  tenant_id uuid NOT NULL REFERENCES tenant (id),
  changed_at timestamptz NOT NULL,
  PRIMARY KEY (connection_id, principal_id)
);
CREATE INDEX configurator_tenant ON configurator (tenant_id);

-- Who is to look at a change.
CREATE TABLE assignment (
  change_id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenant (id),
  connection_id uuid NOT NULL REFERENCES connection (id),
  principal_id uuid NOT NULL,
  -- Of the principal, who may be of a tenant above.
  name text NOT NULL,
  assigned_at timestamptz NOT NULL
);
CREATE INDEX assignment_principal ON assignment (principal_id, change_id);
CREATE INDEX assignment_tenant ON assignment (tenant_id);
CREATE INDEX assignment_connection ON assignment (connection_id);

-- What people have said about a change.
CREATE TABLE change_comment (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenant (id),
  connection_id uuid NOT NULL REFERENCES connection (id),
  change_id uuid NOT NULL,
  external_id text NOT NULL,
  principal_id uuid NOT NULL,
  -- {"kind", "id", "name"}, as in the audit log.
  actor jsonb NOT NULL,
  text text NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE INDEX change_comment_person ON change_comment (connection_id, external_id, id);
CREATE INDEX change_comment_tenant ON change_comment (tenant_id);

-- In what a directory user is to differ from what the mapping makes of them, because somebody has said so before they came in.
CREATE TABLE adjustment (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenant (id),
  connection_id uuid NOT NULL REFERENCES connection (id),
  external_id text NOT NULL,
  roles_added text[] NOT NULL,
  roles_removed text[] NOT NULL,
  -- Where they belong; null: where the mapping puts them.
  place_id uuid,
  principal_id uuid NOT NULL,
  actor jsonb NOT NULL,
  reason text NOT NULL,
  created_at timestamptz NOT NULL,
  UNIQUE (connection_id, external_id)
);
CREATE INDEX adjustment_tenant ON adjustment (tenant_id);

DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['approval', 'configurator', 'assignment', 'change_comment', 'adjustment'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY within_subtree ON %I TO rollcall_app USING (tenant_id IN (SELECT visible_tenants())) '
      'WITH CHECK (tenant_id IN (SELECT visible_tenants()))', t);
  END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON approval, configurator, assignment, adjustment TO rollcall_app;
-- What was said stays as it was said.
GRANT SELECT, INSERT, DELETE ON change_comment TO rollcall_app;

-- Since when it has waited for longer than the policy wants it to, as far as that was noticed.
ALTER TABLE change ADD COLUMN overdue_at timestamptz;
-- Those that a policy has something to say about how they are approved, and for how long.
CREATE INDEX change_required ON change (verdict_id, created_at)
  WHERE verdict_id IS NOT NULL AND state IN ('open', 'held', 'approved');

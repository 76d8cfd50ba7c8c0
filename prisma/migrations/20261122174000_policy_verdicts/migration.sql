-- What a tenant decides for its own connections and for those of all tenants below it.
CREATE TABLE tenant_policy (
  tenant_id uuid PRIMARY KEY REFERENCES tenant (id),
  -- {"rules": [...], ...}: see src/domain/tenantPolicy.ts
  policy jsonb NOT NULL,
  version integer NOT NULL DEFAULT 1,
  changed_at timestamptz NOT NULL,
  -- {"kind", "id", "name"}, as in the audit log.
  changed_by jsonb NOT NULL
);

-- What policy rules say of changes of a connection: one row for each distinct thing that they say, which never changes.
CREATE TABLE policy_verdict (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenant (id),
  connection_id uuid NOT NULL REFERENCES connection (id),
  verdict text NOT NULL CHECK (verdict IN ('approve', 'require', 'hold', 'reject', 'ignore')),
  -- Name of the rule that decided; of the strictest where several levels have a say.
  rule text NOT NULL,
  -- The tenant whose rule it is, which may be above the connection's; null: the connection's own.
  level_tenant uuid,
  approvals integer NOT NULL DEFAULT 1 CHECK (approvals >= 1),
  approver_role text NOT NULL DEFAULT 'reviewer',
  -- Whether somebody who has changed the connection's configuration since its last apply may be one of those who approve.
  configurators boolean NOT NULL DEFAULT true,
  deadline_hours integer,
  -- The role that may approve instead once the deadline is over.
  escalate_to text,
  -- How long an approval may wait to be applied.
  valid_hours integer,
  -- Of a hold, a rejection or what is ignored.
  reason text,
  -- How long it is ignored.
  until_days integer,
  -- Hash of all the above but the ids.
  digest text NOT NULL,
  UNIQUE (connection_id, digest)
);
CREATE INDEX policy_verdict_tenant ON policy_verdict (tenant_id);

DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['tenant_policy', 'policy_verdict'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY within_subtree ON %I TO rollcall_app USING (tenant_id IN (SELECT visible_tenants())) '
      'WITH CHECK (tenant_id IN (SELECT visible_tenants()))', t);
  END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON tenant_policy, policy_verdict TO rollcall_app;

-- What the rules say of it; null: no rule speaks of it, and one approval is enough.
ALTER TABLE change ADD COLUMN verdict_id uuid;
-- The verdict that made the decision, of one that a policy made.
ALTER TABLE decision ADD COLUMN verdict_id uuid;
-- Hash of all rules, of every level, by which the connection's open changes were last judged; null: there were none.
ALTER TABLE connection ADD COLUMN judged_by text;

-- What the tenants on the way from the root down to this one decide for it, itself included: its plans go by it, although a tenant does
-- not see those above it.
CREATE FUNCTION policies_over(of_tenant uuid) RETURNS TABLE (tenant_id uuid, policy jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
  SELECT p.tenant_id, p.policy FROM public.tenant t
    JOIN public.tenant_policy p ON p.tenant_id = ANY (string_to_array(rtrim(t.path, '/'), '/')::uuid[])
    JOIN public.tenant a ON a.id = p.tenant_id
  WHERE t.id = of_tenant AND EXISTS (SELECT FROM public.visible_tenants() AS v WHERE v = of_tenant)
  ORDER BY length(a.path)
$$;
REVOKE ALL ON FUNCTION policies_over(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION policies_over(uuid) TO rollcall_app;

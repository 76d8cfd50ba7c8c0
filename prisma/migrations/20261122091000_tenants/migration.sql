-- What moving, suspending and deleting tenants takes.

ALTER TABLE tenant
  -- What the state is again when the deletion that is scheduled is called off.
  ADD COLUMN kept_state text CHECK (kept_state IN ('active', 'suspended')),
  -- Of a deleted tenant: when nothing of what it held was left.
  ADD COLUMN purged_at timestamptz,
  ADD CHECK (kept_state IS NULL OR delete_at IS NOT NULL);
GRANT UPDATE (kept_state, purged_at) ON tenant TO rollcall_app;
CREATE INDEX tenant_to_be_purged ON tenant (delete_at) WHERE delete_at IS NOT NULL AND purged_at IS NULL;

-- All rows below a path stand together in an index by bytes: every id is followed by '/', and '0' is the byte after '/'. LIKE with a
-- pattern that is not known beforehand would look at every tenant there is.
CREATE OR REPLACE FUNCTION visible_tenants() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
  SELECT t.id FROM public.tenant s JOIN public.tenant t ON t.path ~>=~ s.path AND t.path ~<~ (left(s.path, -1) || '0')
  WHERE s.id = nullif(current_setting('rollcall.tenant', true), '')::uuid
$$;

-- The product plan that counts in a tenant: its own, or that of the nearest above; null: none, and nothing is limited. Looks above what
-- its caller sees, who is told nothing but the plan.
CREATE FUNCTION plan_in_tenant(tenant uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
  SELECT above.product_plan_id FROM public.tenant here
  JOIN public.tenant above ON above.id = ANY (string_to_array(left(here.path, -1), '/')::uuid[])
  WHERE here.id = tenant AND above.product_plan_id IS NOT NULL
  ORDER BY length(above.path) DESC LIMIT 1
$$;

-- When a tenant goes, with the first of those above whose deletion is scheduled; null: it does not.
CREATE FUNCTION deletion_of_tenant(tenant uuid) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
  SELECT min(above.delete_at) FROM public.tenant here
  JOIN public.tenant above ON above.id = ANY (string_to_array(left(here.path, -1), '/')::uuid[])
  WHERE here.id = tenant
$$;
REVOKE ALL ON FUNCTION plan_in_tenant(uuid), deletion_of_tenant(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION plan_in_tenant(uuid), deletion_of_tenant(uuid) TO rollcall_app;

-- Whether a tenant has nobody, one or more, however many of its users were deleted.
CREATE INDEX auth_user_present ON auth_user (tenant_id) WHERE state <> 'deleted';
-- Roles that were given by hand in a tenant, to users of tenants above as well.
CREATE INDEX role_assignment_by_hand ON role_assignment (tenant_id) WHERE origin = 'manual';
-- By the keys that hold back what is purged with its tenant.
CREATE INDEX decision_connection ON decision (connection_id);
CREATE INDEX decision_principal ON decision (principal_id) WHERE principal_id IS NOT NULL;
CREATE INDEX apply_principal ON apply (principal_id);

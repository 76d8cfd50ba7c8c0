-- Who presents a key, or is to be let in from above, stands outside what row-level security shows: each function here looks past it
-- for one row, and says no more than its caller has to know.

-- Whether a tenant and all above it work: 'active', 'suspended' or 'deleted', the worst of them; no row for a tenant that is none.
CREATE FUNCTION tenant_standing(tenant uuid) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
  SELECT CASE
    WHEN bool_or(above.state = 'deleted') THEN 'deleted'
    WHEN bool_or(above.state = 'suspended') THEN 'suspended'
    ELSE 'active'
  END
  FROM public.tenant here
  JOIN public.tenant above ON above.id = ANY (string_to_array(rtrim(here.path, '/'), '/')::uuid[])
  WHERE here.id = tenant
  HAVING count(*) > 0
$$;

-- The principal whose key has this hash, if the key opens something at this time. A key that was narrowed to a tenant opens nothing
-- once that tenant was moved to where the principal's role does not hold.
CREATE FUNCTION bearer_of_key(hash bytea, at timestamptz)
RETURNS TABLE (
  key uuid, principal uuid, tenant uuid, name text, role text,
  scope uuid, permissions jsonb, last_used_at timestamptz, standing text
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
  SELECT k.id, p.id, p.tenant_id, p.name, p.role, k.scope_tenant_id, k.permissions, k.last_used_at, home.standing
  FROM public.api_key k
  JOIN public.principal p ON p.id = k.principal_id
  JOIN LATERAL (SELECT t.path, tenant_standing(t.id) AS standing FROM public.tenant t WHERE t.id = p.tenant_id) home ON true
  LEFT JOIN public.tenant s ON s.id = k.scope_tenant_id
  WHERE k.secret_hash = hash AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > at)
    AND p.disabled_at IS NULL AND home.standing <> 'deleted'
    AND (k.scope_tenant_id IS NULL OR (starts_with(s.path, home.path) AND tenant_standing(s.id) <> 'deleted'))
$$;

-- Somebody in or above a tenant, whom the tenant itself cannot see: for inviting them by the id that they have told.
CREATE FUNCTION principal_above(principal uuid, below uuid)
RETURNS TABLE (id uuid, tenant uuid, name text, role text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
  SELECT p.id, p.tenant_id, p.name, p.role
  FROM public.principal p
  JOIN public.tenant home ON home.id = p.tenant_id
  JOIN public.tenant t ON t.id = below AND starts_with(t.path, home.path)
  WHERE p.id = principal AND p.disabled_at IS NULL AND tenant_standing(p.tenant_id) = 'active'
    AND t.id IN (SELECT visible_tenants())
$$;

REVOKE ALL ON FUNCTION tenant_standing(uuid), bearer_of_key(bytea, timestamptz), principal_above(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenant_standing(uuid), bearer_of_key(bytea, timestamptz), principal_above(uuid, uuid) TO rollcall_app;

-- What was done during a support access, of a log that may be long.
CREATE INDEX audit_entry_of_support ON audit_entry (tenant_id, (actor ->> 'id'), number) WHERE actor ->> 'kind' = 'support';

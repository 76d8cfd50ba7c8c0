-- Who has last changed the policies by which the connections of a tenant go, of the tenants above too, which it does not see: whoever makes
-- a connection there is not the only one who has configured it.
CREATE FUNCTION policy_authors_over(of_tenant uuid) RETURNS TABLE (principal_id uuid, changed_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
  SELECT (p.changed_by ->> 'id')::uuid, max(p.changed_at) FROM public.tenant t
    JOIN public.tenant_policy p ON p.tenant_id = ANY (string_to_array(rtrim(t.path, '/'), '/')::uuid[])
  WHERE t.id = of_tenant AND EXISTS (SELECT FROM public.visible_tenants() AS v WHERE v = of_tenant)
    AND p.changed_by ->> 'id' IS NOT NULL AND p.changed_by ->> 'kind' <> 'support'
  GROUP BY 1
$$;
REVOKE ALL ON FUNCTION policy_authors_over(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION policy_authors_over(uuid) TO rollcall_app;

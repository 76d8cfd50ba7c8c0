-- Whoever lets an apply go on in a freeze period does so for their own tenant's and those of tenants below it: not for one of a tenant
-- above, whether that holds then or begins later.
ALTER TABLE apply ADD COLUMN despite_within uuid;
UPDATE apply SET despite_within = tenant_id WHERE despite_freeze IS NOT NULL;

-- The freeze period that holds for a tenant, its own or that of one above it; of several the one that lasts longest. `despite`: those of
-- this tenant and of tenants below it are set aside.
DROP FUNCTION freeze_over(uuid, timestamptz);
CREATE FUNCTION freeze_over(of_tenant uuid, at timestamptz, despite uuid DEFAULT NULL)
RETURNS TABLE (tenant uuid, name text, until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
  SELECT p.tenant_id, f ->> 'name', (f ->> 'until')::timestamptz
  FROM public.tenant t
    JOIN public.tenant_policy p ON p.tenant_id = ANY (string_to_array(rtrim(t.path, '/'), '/')::uuid[])
    JOIN public.tenant a ON a.id = p.tenant_id
    CROSS JOIN LATERAL jsonb_array_elements(coalesce(p.policy -> 'freezes', '[]'::jsonb)) AS f
  WHERE t.id = of_tenant AND (f ->> 'from')::timestamptz <= at AND (f ->> 'until')::timestamptz > at
    AND NOT EXISTS (SELECT FROM public.tenant d WHERE d.id = despite AND starts_with(a.path, d.path))
  ORDER BY (f ->> 'until')::timestamptz DESC LIMIT 1
$$;

REVOKE ALL ON FUNCTION freeze_over(uuid, timestamptz, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION freeze_over(uuid, timestamptz, uuid) TO rollcall_app;

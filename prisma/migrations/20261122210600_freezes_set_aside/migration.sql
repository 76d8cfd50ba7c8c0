-- Whoever lets an apply go on in a freeze period has seen those that hold then: one that is declared, prolonged or begins later stops it again.
ALTER TABLE apply ADD COLUMN despite_freezes jsonb;
UPDATE apply a SET despite_freezes = (
  SELECT coalesce(jsonb_agg(jsonb_build_object('tenant', p.tenant_id, 'name', f ->> 'name', 'from', f ->> 'from', 'until', f ->> 'until')), '[]')
  FROM tenant t
    JOIN tenant_policy p ON p.tenant_id = ANY (string_to_array(rtrim(t.path, '/'), '/')::uuid[])
    JOIN tenant b ON b.id = p.tenant_id
    JOIN tenant d ON d.id = a.despite_within AND starts_with(b.path, d.path)
    CROSS JOIN LATERAL jsonb_array_elements(coalesce(p.policy -> 'freezes', '[]'::jsonb)) AS f
  WHERE t.id = a.tenant_id AND (f ->> 'from')::timestamptz <= now() AND (f ->> 'until')::timestamptz > now())
WHERE a.despite_freeze IS NOT NULL;
ALTER TABLE apply DROP COLUMN despite_within;

-- The freeze period that holds for a tenant, its own or that of one above it; of several the one that lasts longest. `despite`: those that are
-- within one of these are set aside.
DROP FUNCTION freeze_over(uuid, timestamptz, uuid);
CREATE FUNCTION freeze_over(of_tenant uuid, at timestamptz, despite jsonb DEFAULT NULL)
RETURNS TABLE (tenant uuid, name text, until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
  SELECT p.tenant_id, f ->> 'name', (f ->> 'until')::timestamptz
  FROM public.tenant t
    JOIN public.tenant_policy p ON p.tenant_id = ANY (string_to_array(rtrim(t.path, '/'), '/')::uuid[])
    CROSS JOIN LATERAL jsonb_array_elements(coalesce(p.policy -> 'freezes', '[]'::jsonb)) AS f
  WHERE t.id = of_tenant AND (f ->> 'from')::timestamptz <= at AND (f ->> 'until')::timestamptz > at
    AND NOT EXISTS (SELECT FROM jsonb_array_elements(despite) AS d
      WHERE (d ->> 'tenant')::uuid = p.tenant_id AND d ->> 'name' = f ->> 'name'
        AND (d ->> 'from')::timestamptz <= (f ->> 'from')::timestamptz AND (d ->> 'until')::timestamptz >= (f ->> 'until')::timestamptz)
  ORDER BY (f ->> 'until')::timestamptz DESC LIMIT 1
$$;

REVOKE ALL ON FUNCTION freeze_over(uuid, timestamptz, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION freeze_over(uuid, timestamptz, jsonb) TO rollcall_app;

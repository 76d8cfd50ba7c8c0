-- Of these tenants, as far as the caller sees them, those whose product plan limits seats: where it is set, and how many are free there. Looks above and beside what its
-- caller sees, for the seats of a plan are shared by all tenants below where it is set.
CREATE FUNCTION seats_left(of_tenants uuid[]) RETURNS TABLE (tenant uuid, set_at uuid, seats bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
  WITH asked AS (
    SELECT t.id, nearest.id AS set_at, nearest.path, p.seats
    FROM public.tenant t
      CROSS JOIN LATERAL (
        SELECT above.id, above.path, above.product_plan_id FROM public.tenant above
        WHERE above.id = ANY (string_to_array(left(t.path, -1), '/')::uuid[]) AND above.product_plan_id IS NOT NULL
        ORDER BY length(above.path) DESC LIMIT 1) nearest
      JOIN public.product_plan p ON p.id = nearest.product_plan_id
    WHERE t.id = ANY (of_tenants) AND t.id IN (SELECT public.visible_tenants()) AND p.seats IS NOT NULL),
  taken AS (
    SELECT top.set_at, count(*) AS users
    FROM (SELECT DISTINCT set_at, path FROM asked) top
      JOIN public.tenant t ON t.path ~>=~ top.path AND t.path ~<~ (left(top.path, -1) || '0') AND t.state <> 'deleted'
      JOIN public.auth_user u ON u.tenant_id = t.id AND u.state = 'active'
    WHERE NOT EXISTS (
      SELECT FROM public.tenant between_them
      WHERE between_them.id = ANY (string_to_array(left(t.path, -1), '/')::uuid[])
        AND length(between_them.path) > length(top.path) AND between_them.product_plan_id IS NOT NULL)
    GROUP BY top.set_at)
  SELECT a.id, a.set_at, a.seats - coalesce(k.users, 0) FROM asked a LEFT JOIN taken k ON k.set_at = a.set_at
$$;
REVOKE ALL ON FUNCTION seats_left(uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION seats_left(uuid[]) TO rollcall_app;

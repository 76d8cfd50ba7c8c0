-- The next runs of the connections of a tenant, and of those above it, which may have people in it, read all anew: what its people were
-- matched by holds no more. Reaches above what its caller sees, who is told nothing of it.
CREATE FUNCTION read_anew(withdrawn_in uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM visible_tenants() AS v WHERE v = withdrawn_in) THEN RETURN; END IF;
  -- In the order of their ids, so that two wait for each other and not both at once.
  PERFORM FROM public.connection c
  WHERE c.tenant_id IN (SELECT unnest(string_to_array(rtrim(t.path, '/'), '/')::uuid[]) FROM public.tenant t WHERE t.id = withdrawn_in)
  ORDER BY c.id FOR NO KEY UPDATE;
  UPDATE public.connection c SET delta_token = NULL
  WHERE c.tenant_id IN (SELECT unnest(string_to_array(rtrim(t.path, '/'), '/')::uuid[]) FROM public.tenant t WHERE t.id = withdrawn_in)
    AND c.delta_token IS NOT NULL;
END $$;
REVOKE ALL ON FUNCTION read_anew(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION read_anew(uuid) TO rollcall_app;

-- Whose key it is that an access token was granted for, if the key still opens something and reaches to the token's tenant.
CREATE FUNCTION bearer_of_token(key_id uuid, in_tenant uuid, at timestamptz)
RETURNS TABLE (
  key uuid, principal uuid, tenant uuid, name text, role text,
  scope uuid, permissions jsonb, last_used_at timestamptz, standing text
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
  SELECT b.* FROM public.api_key k
  CROSS JOIN LATERAL bearer_of_key(k.secret_hash, at) b
  JOIN public.tenant reach ON reach.id = coalesce(b.scope, b.tenant)
  JOIN public.tenant t ON t.id = in_tenant AND starts_with(t.path, reach.path)
  WHERE k.id = key_id AND tenant_standing(t.id) <> 'deleted'
$$;
REVOKE ALL ON FUNCTION bearer_of_token(uuid, uuid, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bearer_of_token(uuid, uuid, timestamptz) TO rollcall_app;

-- What applications read: a user's authorization in one statement, by the state of the database at that moment, however many tenants
-- there are above and beside.

-- How often something of a kind has changed. It grows in the very commit that changes it, so that whoever remembers such things
-- can tell by one number, read along with something else, whether they still are as they were.
-- roles: roles and which product plan has which. access: who may call, and with which key.
CREATE TABLE stamp (
  name text PRIMARY KEY,
  value bigint NOT NULL DEFAULT 0
);
INSERT INTO stamp (name) VALUES ('roles'), ('access');
GRANT SELECT ON stamp TO rollcall_app;

-- Once for a transaction, and at its end: nobody waits for a long one, nor for each other in a circle.
CREATE FUNCTION touch_stamp() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
DECLARE
  touched text := 'rollcall.touched_' || TG_ARGV[0];
BEGIN
  IF current_setting(touched, true) IS DISTINCT FROM pg_current_xact_id()::text THEN
    UPDATE public.stamp SET value = value + 1 WHERE name = TG_ARGV[0];
    PERFORM set_config(touched, pg_current_xact_id()::text, true);
  END IF;
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION touch_stamp() FROM PUBLIC;

CREATE CONSTRAINT TRIGGER role_changed AFTER INSERT OR DELETE OR UPDATE OF name, type, permissions ON role
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION touch_stamp('roles');
CREATE CONSTRAINT TRIGGER product_plan_role_changed AFTER INSERT OR DELETE OR UPDATE ON product_plan_role
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION touch_stamp('roles');
-- Not with each use of a key, and not for what is new: only what has been there can be remembered.
CREATE CONSTRAINT TRIGGER api_key_changed
  AFTER DELETE OR UPDATE OF principal_id, expires_at, revoked_at, scope_tenant_id, permissions ON api_key
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION touch_stamp('access');
CREATE CONSTRAINT TRIGGER principal_changed AFTER DELETE OR UPDATE ON principal
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION touch_stamp('access');
CREATE CONSTRAINT TRIGGER tenant_changed AFTER DELETE OR UPDATE OF state, path ON tenant
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION touch_stamp('access');

-- The tenants where something else may hold than above, by where they stand.
CREATE INDEX tenant_apart ON tenant (path text_pattern_ops)
  WHERE state <> 'active' OR NOT inherits_roles OR product_plan_id IS NOT NULL;

-- The facts that an authorization follows from (src/domain/authorization.ts); no row where the user, or the tenant asked about, is not
-- there for the caller. It sees to that itself, by the two paths: row-level security would list all tenants of the caller for each
-- read. PL/pgSQL, because it keeps its plans; bounds instead of LIKE, because a kept plan cannot use an index for LIKE.
-- Of very many tenants below the user's, `most` and one more are given.
CREATE FUNCTION authorization_facts(caller uuid, of_user uuid, in_tenant uuid, most integer)
RETURNS TABLE (
  user_state text, home uuid, tenants json, assignments json, roles_stamp bigint, access_stamp bigint
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
DECLARE
  home_path text;
  asked_path text;
  caller_path text;
BEGIN
  SELECT t.path INTO caller_path FROM public.tenant t WHERE t.id = caller;
  SELECT u.state, u.tenant_id, t.path INTO user_state, home, home_path
  FROM public.auth_user u JOIN public.tenant t ON t.id = u.tenant_id
  WHERE u.id = of_user;
  IF home_path IS NULL OR caller_path IS NULL OR NOT starts_with(home_path, caller_path) THEN RETURN; END IF;
  IF in_tenant IS NOT NULL THEN
    SELECT t.path INTO asked_path FROM public.tenant t WHERE t.id = in_tenant AND t.state <> 'deleted';
    IF asked_path IS NULL OR NOT starts_with(asked_path, caller_path) THEN RETURN; END IF;
  END IF;

  SELECT json_agg(json_build_array(a.role_id, a.tenant_id)) INTO assignments
  FROM (SELECT DISTINCT r.role_id, r.tenant_id FROM public.role_assignment r WHERE r.auth_user_id = of_user) a;

  IF asked_path IS NOT NULL THEN
    SELECT json_agg(json_build_array(t.id, t.name, t.data_key, t.state, t.inherits_roles, t.product_plan_id)) INTO tenants
    FROM public.tenant t
    WHERE t.id = ANY (string_to_array(left(home_path, -1), '/')::uuid[])
       OR (starts_with(asked_path, home_path) AND t.id = ANY (string_to_array(left(asked_path, -1), '/')::uuid[]));
  ELSE
    SELECT json_agg(json_build_array(t.id, t.name, t.data_key, t.state, t.inherits_roles, t.product_plan_id)) INTO tenants
    FROM public.tenant t
    WHERE t.id IN (
      SELECT unnest(string_to_array(left(home_path, -1), '/')::uuid[])
      UNION ALL
      SELECT a.tenant_id FROM public.role_assignment a WHERE a.auth_user_id = of_user AND a.tenant_id <> home
      UNION ALL
      (SELECT s.id FROM public.tenant s
       WHERE s.path ~>~ home_path AND s.path ~<~ (left(home_path, -1) || '0')
         AND (s.state <> 'active' OR NOT s.inherits_roles OR s.product_plan_id IS NOT NULL)
       LIMIT most + 1)
    );
  END IF;

  SELECT s.value INTO roles_stamp FROM public.stamp s WHERE s.name = 'roles';
  SELECT s.value INTO access_stamp FROM public.stamp s WHERE s.name = 'access';
  RETURN NEXT;
END $$;
REVOKE ALL ON FUNCTION authorization_facts(uuid, uuid, uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authorization_facts(uuid, uuid, uuid, integer) TO rollcall_app;

-- What the directories' users sign in to applications with follows from the settings; see `issuer` of each connector.
UPDATE connection SET issuer = CASE provider
  WHEN 'google' THEN 'https://accounts.google.com'
  WHEN 'okta' THEN settings ->> 'orgUrl'
  -- A directory that is named by a domain has its number in the tokens all the same, which is not known here.
  WHEN 'entra' THEN CASE WHEN settings ->> 'directoryId' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
    CASE coalesce(settings ->> 'cloud', 'global')
      WHEN 'global' THEN 'https://login.microsoftonline.com/'
      WHEN 'us-gov' THEN 'https://login.microsoftonline.us/'
      WHEN 'us-dod' THEN 'https://login.microsoftonline.us/'
      WHEN 'china' THEN 'https://login.partner.microsoftonline.cn/'
    END || lower(settings ->> 'directoryId') || '/v2.0'
  END
END
WHERE issuer IS NULL AND provider IN ('entra', 'okta', 'google');

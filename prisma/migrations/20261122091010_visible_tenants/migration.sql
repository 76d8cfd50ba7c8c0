-- Between two bounds that are known when the rows are looked for, PostgreSQL reads the part of the index where a subtree stands, and not
-- every tenant there is. In one statement with the tenant whose path the bounds are, it would not know how near they are.
CREATE OR REPLACE FUNCTION visible_tenants() RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
DECLARE
  top text;
BEGIN
  SELECT t.path INTO top FROM public.tenant t WHERE t.id = nullif(current_setting('rollcall.tenant', true), '')::uuid;
  RETURN QUERY SELECT t.id FROM public.tenant t WHERE t.path ~>=~ top AND t.path ~<~ (left(top, -1) || '0');
END $$;

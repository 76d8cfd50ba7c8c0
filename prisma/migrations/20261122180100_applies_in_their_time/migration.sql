-- Applies that wait for their time, come in parts, are paused and cancelled.
ALTER TABLE apply DROP CONSTRAINT apply_state_check,
  ADD CONSTRAINT apply_state_check CHECK (state IN ('waiting', 'running', 'paused', 'finished', 'cancelled')),
  -- null: nobody started it, the connection's policy did.
  ALTER COLUMN principal_id DROP NOT NULL,
  -- Of one that waits: not before.
  ADD COLUMN starts_at timestamptz,
  -- What the connection's policy said when it was made: {"windows": [...], "progressive": {...} or null}.
  ADD COLUMN terms jsonb NOT NULL DEFAULT '{"windows": [], "progressive": null}',
  -- The changes that are carried out first, before the pause; none: it comes in one part, or the first part is over.
  ADD COLUMN first_part uuid[] NOT NULL DEFAULT '{}',
  -- Why it waits, is paused, was cancelled or was given up: {"because", "by", "reason", "at"}.
  ADD COLUMN halt jsonb,
  -- Of one that is paused: when it goes on by itself; null: when somebody says so.
  ADD COLUMN resumes_at timestamptz,
  -- Since when it has been running this time, and how much was done before.
  ADD COLUMN running_since timestamptz,
  ADD COLUMN done_before integer NOT NULL DEFAULT 0,
  -- Why it goes on in a freeze period, where somebody said that it does.
  ADD COLUMN despite_freeze text;

-- One at a time, also while it is paused: what comes later builds on what the one before does.
DROP INDEX apply_one_running;
CREATE UNIQUE INDEX apply_one_running ON apply (connection_id) WHERE state IN ('running', 'paused');
CREATE INDEX apply_waiting ON apply (connection_id) WHERE state = 'waiting';

-- The freeze period that holds for a tenant, its own or that of one above it; of several the one that lasts longest.
CREATE FUNCTION freeze_over(of_tenant uuid, at timestamptz) RETURNS TABLE (tenant uuid, name text, until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
  SELECT p.tenant_id, f ->> 'name', (f ->> 'until')::timestamptz
  FROM public.tenant t
    JOIN public.tenant_policy p ON p.tenant_id = ANY (string_to_array(rtrim(t.path, '/'), '/')::uuid[])
    CROSS JOIN LATERAL jsonb_array_elements(coalesce(p.policy -> 'freezes', '[]'::jsonb)) AS f
  WHERE t.id = of_tenant AND (f ->> 'from')::timestamptz <= at AND (f ->> 'until')::timestamptz > at
  ORDER BY (f ->> 'until')::timestamptz DESC LIMIT 1
$$;

REVOKE ALL ON FUNCTION freeze_over(uuid, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION freeze_over(uuid, timestamptz) TO rollcall_app;

-- Pairs of a directory user who comes and an auth user who may be the same person: proposed by plans, chosen by a person.
CREATE TABLE pair (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  connection_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('rename', 're-hire', 'match')),
  -- Who comes.
  external_id text NOT NULL,
  auth_user_id uuid NOT NULL,
  -- Whose auth user it is in the same directory; null: nobody's.
  former_external_id text,
  -- What speaks for it.
  shares text[] NOT NULL,
  -- Hash of what the two are: a verdict is remembered until it is another.
  content bytea NOT NULL,
  -- Hash of what is shown: both changes, and the version of the auth user. A verdict is bound to it.
  fingerprint bytea NOT NULL,
  state text NOT NULL CHECK (state IN ('open', 'same', 'different', 'superseded')),
  principal_id uuid,
  actor jsonb,
  reason text,
  decided_at timestamptz,
  revision bigint NOT NULL,
  run_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  closed_at timestamptz,
  CHECK ((kind = 'match') = (former_external_id IS NULL)),
  CHECK (state IN ('open', 'superseded') OR (actor IS NOT NULL AND reason IS NOT NULL))
);
CREATE UNIQUE INDEX pair_live ON pair (connection_id, external_id, auth_user_id) WHERE state IN ('open', 'different');
CREATE INDEX pair_list ON pair (connection_id, state, id);

ALTER TABLE pair ENABLE ROW LEVEL SECURITY;
CREATE POLICY within_subtree ON pair TO rollcall_app USING (tenant_id IN (SELECT visible_tenants()))
  WITH CHECK (tenant_id IN (SELECT visible_tenants()));
GRANT SELECT, INSERT, UPDATE, DELETE ON pair TO rollcall_app;

-- Who is away, few beside those who are not: found by their name, and whether there is anybody.
CREATE INDEX auth_user_away ON auth_user (name_key, tenant_id) WHERE state <> 'active';
-- Who leaves, few beside those who come.
CREATE INDEX change_leaving ON change (connection_id)
  WHERE kind IN ('suspend', 'delete') AND state IN ('open', 'approved', 'held', 'moved', 'failed');

-- The first schema: tenants (nested), connections, auth users, identities, roles, runs with their staged snapshot, changes,
-- decisions, applies, events, audit. Every table with tenant data carries its tenant and a row-level security policy, and the
-- daemon works as the role rollcall_app, which owns nothing.
-- Tables that are written a hundred thousand rows at a time have no foreign key to tenant or connection: the policy has already
-- held that the tenant exists and is the writer's, and each key would cost such a statement a look-up per row.

-- The role is of the whole cluster while migrations are of one database: two databases may be migrated at the same moment.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rollcall_app') THEN
    CREATE ROLE rollcall_app NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

DO $$
BEGIN
  IF NOT pg_has_role(current_user, 'rollcall_app', 'USAGE') THEN
    EXECUTE format('GRANT rollcall_app TO %I', current_user);
  END IF;
EXCEPTION WHEN unique_violation THEN NULL;
END $$;

CREATE TABLE tenant (
  id uuid PRIMARY KEY,
  parent_id uuid REFERENCES tenant (id),
  name text NOT NULL,
  -- Ids from the root down, each followed by '/': all descendants of a tenant are the rows whose path starts with its own.
  path text NOT NULL UNIQUE,
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK (path LIKE '%' || id || '/')
);
CREATE UNIQUE INDEX tenant_name_key ON tenant (parent_id, name);
CREATE UNIQUE INDEX tenant_root_key ON tenant ((parent_id IS NULL)) WHERE parent_id IS NULL;
CREATE INDEX tenant_path_prefix ON tenant (path text_pattern_ops);

-- The tenants that the present caller may see: the subtree of the tenant in the setting rollcall.tenant. Unset means none.
-- SECURITY DEFINER, because the policy on tenant itself asks it.
CREATE FUNCTION visible_tenants() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
AS $$
  SELECT t.id FROM public.tenant s JOIN public.tenant t ON t.path LIKE s.path || '%'
  WHERE s.id = nullif(current_setting('rollcall.tenant', true), '')::uuid
$$;

CREATE TABLE tenant_domain (
  tenant_id uuid NOT NULL REFERENCES tenant (id),
  -- Lower case, punycode.
  domain text NOT NULL,
  verified_at timestamptz NOT NULL DEFAULT now(),
  -- How it was verified, for the audit: 'operator' (somebody with system rights said so).
  verified_by text NOT NULL,
  PRIMARY KEY (tenant_id, domain)
);

CREATE TABLE principal (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenant (id),
  name text NOT NULL,
  role text NOT NULL CHECK (role IN ('system', 'tenant-administrator', 'reviewer', 'auditor')),
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, name)
);

CREATE TABLE api_key (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenant (id),
  principal_id uuid NOT NULL REFERENCES principal (id),
  -- SHA-256 of the secret part, which has 256 random bits and so needs no salt.
  secret_hash bytea NOT NULL UNIQUE,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  revoked_at timestamptz
);
CREATE INDEX api_key_principal ON api_key (principal_id);

-- Roles are the application's: the same for all tenants.
CREATE TABLE role (
  id uuid PRIMARY KEY,
  name text NOT NULL UNIQUE,
  description text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE connection (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenant (id),
  name text NOT NULL,
  provider text NOT NULL,
  settings jsonb NOT NULL,
  -- AES-256-GCM over the JSON of the credentials; see src/store/secrets.ts.
  credentials bytea NOT NULL,
  network jsonb NOT NULL,
  mapping jsonb NOT NULL,
  policy jsonb NOT NULL,
  -- Cron expression; null: only on demand.
  schedule text,
  time_zone text NOT NULL DEFAULT 'UTC',
  state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused')),
  -- Of the change set: grows with every plan that alters it.
  change_revision bigint NOT NULL DEFAULT 0,
  -- Grows when credentials, settings or network change: what a snapshot can see may then be another part of the directory.
  access_version integer NOT NULL DEFAULT 1,
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, name)
);

CREATE TABLE auth_user (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  state text NOT NULL CHECK (state IN ('active', 'suspended', 'deleted')),
  user_name text,
  email text,
  -- The address as it is compared: see emailKey in src/domain/email.ts.
  email_key text,
  display_name text,
  attributes jsonb NOT NULL DEFAULT '{}',
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX auth_user_tenant ON auth_user (tenant_id, id);
CREATE INDEX auth_user_email ON auth_user (email_key, tenant_id) WHERE email_key IS NOT NULL;

CREATE TABLE identity (
  connection_id uuid NOT NULL,
  external_id text NOT NULL,
  tenant_id uuid NOT NULL,
  auth_user_id uuid NOT NULL REFERENCES auth_user (id),
  -- Hash of the desired state, and version of the auth user, when the two were last known to agree. A row where either has
  -- moved is looked at by the next plan; all others are skipped by the join alone.
  agreed_hash bytea NOT NULL,
  agreed_version integer NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (connection_id, external_id)
);
CREATE UNIQUE INDEX identity_auth_user ON identity (auth_user_id, connection_id);

CREATE TABLE role_assignment (
  auth_user_id uuid NOT NULL REFERENCES auth_user (id),
  role_id uuid NOT NULL REFERENCES role (id),
  -- Who owns it: a directory's roles come and go with its groups, what a person gave stays.
  origin text NOT NULL CHECK (origin IN ('directory', 'manual')),
  tenant_id uuid NOT NULL,
  -- null exactly for origin 'manual'
  connection_id uuid,
  granted_at timestamptz NOT NULL DEFAULT now(),
  CHECK ((origin = 'directory') = (connection_id IS NOT NULL))
);
CREATE UNIQUE INDEX role_assignment_key ON role_assignment (auth_user_id, role_id, origin, connection_id) NULLS NOT DISTINCT;
CREATE INDEX role_assignment_role ON role_assignment (role_id, tenant_id);

CREATE TABLE sync_run (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenant (id),
  connection_id uuid NOT NULL REFERENCES connection (id),
  kind text NOT NULL CHECK (kind IN ('full', 'delta', 'targeted')),
  trigger text NOT NULL CHECK (trigger IN ('schedule', 'demand')),
  -- queued -> pulling -> planning -> finished; failed from any of them
  state text NOT NULL CHECK (state IN ('queued', 'pulling', 'planning', 'finished', 'failed')),
  phase text NOT NULL DEFAULT 'groups' CHECK (phase IN ('groups', 'members', 'users')),
  -- The page to read next in this phase; null at its start.
  cursor text,
  -- The mapping that this run started with: a later edit does not mix into it.
  mapping jsonb NOT NULL,
  -- Fingerprint of all that decides who is in the snapshot and what is read of them.
  reading_fingerprint text NOT NULL,
  snapshot text CHECK (snapshot IN ('complete', 'partial')),
  partial_reason text,
  failure jsonb,
  pages integer NOT NULL DEFAULT 0,
  groups_read integer NOT NULL DEFAULT 0,
  members_read integer NOT NULL DEFAULT 0,
  users_read integer NOT NULL DEFAULT 0,
  unreadable integer NOT NULL DEFAULT 0,
  -- Unreadable records whose id could not be read either.
  nameless integer NOT NULL DEFAULT 0,
  -- Group records that could not be read: which groups these are, and so which roles follow from them, is unknown.
  unreadable_groups integer NOT NULL DEFAULT 0,
  -- The process that works on it: another value than one's own means that somebody else took the run over.
  worker uuid,
  -- Changes by set when the plan was stored: {"new", "changed", "deleted", "conflicts", "held"}
  counts jsonb,
  requested_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  finished_at timestamptz
);
CREATE INDEX sync_run_connection ON sync_run (connection_id, id);
CREATE UNIQUE INDEX sync_run_one_queued ON sync_run (connection_id) WHERE state = 'queued';
CREATE UNIQUE INDEX sync_run_one_running ON sync_run (connection_id) WHERE state IN ('pulling', 'planning');

CREATE TABLE staged_group (
  run_id uuid NOT NULL,
  external_id text NOT NULL,
  tenant_id uuid NOT NULL,
  name text NOT NULL,
  everyone boolean NOT NULL DEFAULT false,
  members_cursor text,
  members_done boolean NOT NULL DEFAULT false,
  -- Who is in it could not be read, or not wholly.
  members_unknown boolean NOT NULL DEFAULT false,
  PRIMARY KEY (run_id, external_id)
);

CREATE TABLE staged_membership (
  run_id uuid NOT NULL,
  user_id text NOT NULL,
  group_id text NOT NULL,
  tenant_id uuid NOT NULL
);
CREATE INDEX staged_membership_user ON staged_membership (run_id, user_id);

CREATE TABLE staged_user (
  run_id uuid NOT NULL,
  external_id text NOT NULL,
  tenant_id uuid NOT NULL,
  -- What could not be understood; such a user is unknown, and the columns below are null.
  problem text,
  -- {"user": DirectoryUser, "groups": [{externalId, name}]}: the desired state follows from it by the run's mapping.
  -- null for a user who is as their auth user was last agreed to be: nobody has to look at them, so nothing of them is kept.
  -- json and not jsonb: written once and read as a whole, it need not be taken apart.
  directory json,
  email_key text,
  desired_hash bytea,
  PRIMARY KEY (run_id, external_id),
  CHECK ((problem IS NULL) = (desired_hash IS NOT NULL)),
  CHECK (problem IS NULL OR directory IS NULL)
);

CREATE TABLE decision (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenant (id),
  connection_id uuid NOT NULL REFERENCES connection (id),
  verdict text NOT NULL CHECK (verdict IN ('approve', 'reject', 'hold')),
  made_by text NOT NULL CHECK (made_by IN ('person', 'policy', 'guard')),
  principal_id uuid REFERENCES principal (id),
  -- {"kind", "id", "name"}, as in the audit log: the principal may be of a tenant above, whom this tenant cannot see.
  actor jsonb,
  reason text NOT NULL,
  -- What a guard found: {"guard", "counted", "limit", ...}
  finding jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK ((made_by = 'person') = (principal_id IS NOT NULL AND actor IS NOT NULL))
);

CREATE TABLE apply (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenant (id),
  connection_id uuid NOT NULL REFERENCES connection (id),
  state text NOT NULL CHECK (state IN ('running', 'finished')),
  principal_id uuid NOT NULL REFERENCES principal (id),
  actor jsonb NOT NULL,
  -- The approvals that stood when it was started: what is approved later belongs to the next apply.
  decisions uuid[] NOT NULL,
  total integer NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  -- Once it is finished: {"applied", "alreadyApplied", "moved", "failed"}. What moved or failed is given another outcome later.
  counts jsonb
);
CREATE INDEX apply_connection ON apply (connection_id, id);
CREATE UNIQUE INDEX apply_one_running ON apply (connection_id) WHERE state = 'running';

CREATE TABLE change (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  connection_id uuid NOT NULL,
  external_id text NOT NULL,
  auth_user_id uuid,
  kind text NOT NULL CHECK (kind IN ('create', 'link', 'reactivate', 'update', 'suspend', 'delete', 'conflict')),
  cause text NOT NULL,
  -- State and fields before and after; null where there is none.
  before jsonb,
  after jsonb,
  -- [{"field", "before", "after"}]: the description that page, API and command line render.
  fields jsonb NOT NULL,
  roles_gained text[] NOT NULL,
  roles_lost text[] NOT NULL,
  -- Auth users that might be meant, for a conflict: [{"authUser", "because"}]
  candidates jsonb,
  fingerprint bytea NOT NULL,
  -- Hash of the desired state that this change leads to.
  desired_hash bytea NOT NULL,
  -- Version of the auth user that it was computed from; null where there is none yet.
  base_version integer,
  state text NOT NULL CHECK (state IN ('open', 'approved', 'rejected', 'held', 'moved', 'applied', 'failed', 'superseded')),
  decision_id uuid,
  -- The apply that gave it its outcome.
  apply_id uuid,
  outcome text CHECK (outcome IN ('applied', 'already-applied', 'moved', 'failed')),
  outcome_reason text,
  -- Of the connection's change set when this content appeared.
  revision bigint NOT NULL,
  run_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  closed_at timestamptz
);
CREATE UNIQUE INDEX change_live ON change (connection_id, external_id)
  WHERE state IN ('open', 'approved', 'rejected', 'held', 'moved', 'failed');
CREATE INDEX change_list ON change (connection_id, state, id);
CREATE INDEX change_apply ON change (apply_id) WHERE apply_id IS NOT NULL;
CREATE INDEX change_auth_user ON change (auth_user_id) WHERE auth_user_id IS NOT NULL;

-- Which changes a decision was about, with the fingerprint of what was shown: the evidence for rule 2.
CREATE TABLE decision_change (
  decision_id uuid NOT NULL,
  change_id uuid NOT NULL,
  tenant_id uuid NOT NULL,
  fingerprint bytea NOT NULL,
  PRIMARY KEY (decision_id, change_id)
);
CREATE INDEX decision_change_change ON decision_change (change_id);

CREATE TABLE event (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  auth_user_id uuid NOT NULL,
  change_id uuid NOT NULL UNIQUE,
  type text NOT NULL,
  -- Version of the auth user after the change: orders the events of one user.
  user_version integer NOT NULL,
  data jsonb NOT NULL,
  -- The transaction that wrote it. The feed shows an event only when no older transaction is open any more: what commits later
  -- then always comes later, and a reader who goes on from where it was misses nothing.
  position bigint NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX event_feed ON event (position, id);

CREATE TABLE audit_entry (
  tenant_id uuid NOT NULL,
  number bigint NOT NULL,
  at timestamptz NOT NULL,
  -- {"kind": "person" | "operator" | "system", "id", "name"}
  actor jsonb NOT NULL,
  action text NOT NULL,
  -- {"kind", "id"}
  subject jsonb NOT NULL,
  details jsonb NOT NULL,
  -- SHA-256 over the previous entry's hash and this entry's canonical JSON.
  hash bytea NOT NULL,
  PRIMARY KEY (tenant_id, number)
);

-- The end of each tenant's chain: locked by whoever appends, and what shows that entries were cut off at the end.
CREATE TABLE audit_head (
  tenant_id uuid PRIMARY KEY REFERENCES tenant (id),
  number bigint NOT NULL,
  hash bytea NOT NULL
);

CREATE FUNCTION refuse_rewriting_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit entries are never changed or removed';
END $$;
CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting_audit();

-- One policy for all: a row is there for those who see its tenant. The subselect is evaluated once for a statement.
ALTER TABLE tenant ENABLE ROW LEVEL SECURITY;
CREATE POLICY within_subtree ON tenant TO rollcall_app
  USING (id IN (SELECT visible_tenants()))
  -- A new tenant is not visible yet; its parent must be.
  WITH CHECK (parent_id IN (SELECT visible_tenants()) OR id IN (SELECT visible_tenants()));

DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY[
    'tenant_domain', 'principal', 'api_key', 'connection', 'auth_user', 'identity', 'role_assignment', 'sync_run',
    'staged_group', 'staged_membership', 'staged_user', 'decision', 'decision_change', 'apply', 'change', 'event',
    'audit_entry', 'audit_head'
  ] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY within_subtree ON %I TO rollcall_app USING (tenant_id IN (SELECT visible_tenants())) '
      'WITH CHECK (tenant_id IN (SELECT visible_tenants()))', t);
  END LOOP;
END $$;

GRANT USAGE ON SCHEMA public TO rollcall_app;
-- Where a tenant stands in the tree is not changed by an UPDATE: a policy cannot compare the row's old place with its new one.
GRANT SELECT, INSERT, DELETE, UPDATE (name, version) ON tenant TO rollcall_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON
  tenant_domain, principal, api_key, role, connection, auth_user, identity, role_assignment, sync_run,
  staged_group, staged_membership, staged_user, decision, decision_change, apply, change, event, audit_head
  TO rollcall_app;
GRANT SELECT, INSERT ON audit_entry TO rollcall_app;
REVOKE ALL ON FUNCTION visible_tenants() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION visible_tenants() TO rollcall_app;

-- The root: all tenants descend from it, and what concerns the whole install (system principals, their audit) belongs to it.
INSERT INTO tenant (id, parent_id, name, path)
SELECT root, NULL, 'Rollcall', root || '/' FROM (SELECT gen_random_uuid() AS root) AS made;

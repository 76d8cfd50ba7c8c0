-- Where a tenant wants to hear of what needs a person, in it and in all tenants below it: see src/domain/channel.ts.
CREATE TABLE notification_channel (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL REFERENCES tenant (id),
  name text NOT NULL,
  type text NOT NULL CHECK (type IN ('email', 'slack', 'teams')),
  -- What of it is no secret.
  settings jsonb NOT NULL,
  -- The webhook's address, or the password of the mail server; null: there is none.
  secret bytea,
  -- Kinds of matters that are told as soon as they are seen, and in the next digest.
  immediately text[] NOT NULL,
  in_digest text[] NOT NULL,
  -- When digests are sent: cron of five fields; null: there are none.
  schedule text,
  time_zone text NOT NULL,
  -- Whether people are named, not only counted.
  names_people boolean NOT NULL DEFAULT false,
  -- The next digest; null: none comes.
  digest_at timestamptz,
  -- When it was last looked for what this channel has to be told; null: never yet.
  looked_at timestamptz,
  created_at timestamptz NOT NULL,
  UNIQUE (tenant_id, name)
);
CREATE INDEX notification_channel_due ON notification_channel (looked_at);

-- A matter that a channel knows of or is to know of: one row for as long as it stands, however many runs find it so.
CREATE TABLE notice (
  id uuid PRIMARY KEY,
  -- The channel's.
  tenant_id uuid NOT NULL REFERENCES tenant (id),
  channel_id uuid NOT NULL REFERENCES notification_channel (id),
  kind text NOT NULL,
  -- What it is about, in ids: the same for as long as it is the same matter.
  subject text NOT NULL,
  opened_at timestamptz NOT NULL,
  -- When the channel was told, and of how many; null: not yet.
  told_at timestamptz,
  told_amount integer,
  -- When it was no longer so; null: it stands.
  closed_at timestamptz
);
CREATE UNIQUE INDEX notice_one ON notice (channel_id, kind, subject) WHERE closed_at IS NULL;
CREATE INDEX notice_tenant ON notice (tenant_id);

-- A message to a channel: written with the notices that it tells of, kept until the receiver has it.
CREATE TABLE notification (
  id uuid PRIMARY KEY,
  -- The channel's.
  tenant_id uuid NOT NULL REFERENCES tenant (id),
  channel_id uuid NOT NULL REFERENCES notification_channel (id),
  -- Counts and ids, no people: see Message in src/domain/notice.ts.
  message jsonb NOT NULL,
  state text NOT NULL CHECK (state IN ('waiting', 'sent', 'failed')),
  attempts integer NOT NULL DEFAULT 0,
  -- Of one that waits: not tried before.
  due_at timestamptz NOT NULL,
  -- Why the last attempt failed.
  problem text,
  created_at timestamptz NOT NULL,
  sent_at timestamptz
);
CREATE INDEX notification_due ON notification (due_at) WHERE state = 'waiting';
CREATE INDEX notification_tenant ON notification (tenant_id, id);
CREATE INDEX notification_of_channel ON notification (channel_id, id);

DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['notification_channel', 'notice', 'notification'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY within_subtree ON %I TO rollcall_app USING (tenant_id IN (SELECT visible_tenants())) '
      'WITH CHECK (tenant_id IN (SELECT visible_tenants()))', t);
  END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON notification_channel, notice, notification TO rollcall_app;
-- Applies that people are told of.
CREATE INDEX apply_failed ON apply (tenant_id, finished_at) WHERE (counts ->> 'failed')::int > 0;

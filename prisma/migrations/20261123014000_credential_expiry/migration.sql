-- When a connection's credential ends, as far as it says so (a certificate): its health tells of it, and nobody has to open the secret to look.
-- Of what is there it is noted with the next run.
ALTER TABLE connection ADD COLUMN credential_expires_at timestamptz;

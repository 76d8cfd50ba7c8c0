-- The directory's id of whoever signs in, where the subject is not it: Entra ID names people otherwise to each application. Known from the
-- next sign-in on.
ALTER TABLE principal_login ADD COLUMN external_id text;

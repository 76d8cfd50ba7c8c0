-- What a delta looks at besides what the provider names must cost as much as there is of it, and not as much as there are users.

-- Who was edited since the last plan.
CREATE INDEX auth_user_updated ON auth_user (updated_at);
-- Whose tenant is called otherwise since they were last compared.
CREATE INDEX identity_place_renamed ON identity (connection_id) WHERE agreed_version < 0;
-- Who could not be read.
CREATE INDEX staged_user_unread ON staged_user (run_id) WHERE problem IS NOT NULL;

-- Whether anybody of a tenant is away: those of others are not looked at. In an order, because with LIMIT alone PostgreSQL may hope to
-- come upon one soon, and read through those of everybody.
CREATE INDEX auth_user_away_in ON auth_user (tenant_id, created_at) WHERE state <> 'active';

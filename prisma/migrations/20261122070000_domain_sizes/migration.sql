-- How many users a full run has listed by the domain of their address, and how many the last complete run before it had.
ALTER TABLE sync_run ADD COLUMN domains jsonb NOT NULL DEFAULT '{}';
ALTER TABLE sync_run ADD COLUMN domains_before jsonb;

-- The parts of the connection's policy that a run's plan went by; NULL: it has no plan, or is older than this.
ALTER TABLE sync_run ADD COLUMN planned_by jsonb;

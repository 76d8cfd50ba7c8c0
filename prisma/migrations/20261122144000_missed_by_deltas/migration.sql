-- The run that read a directory user as they are kept: whoever a full run finds changed, and no delta told of, shows by it.
ALTER TABLE directory_user ADD COLUMN read_by uuid;

ALTER TABLE sync_run ADD COLUMN missed_by_deltas integer;
-- The few runs that found something, without going over a week of deltas, one a minute.
CREATE INDEX sync_run_missed ON sync_run (connection_id, finished_at) WHERE missed_by_deltas > 0;

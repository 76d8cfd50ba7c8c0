-- Why users of a run were unreadable, the most frequent first: what staged them is gone with the next run.
ALTER TABLE sync_run ADD COLUMN problems jsonb;
